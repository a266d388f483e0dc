"""What the papers claim; `replicate.py` trains the networks that answer it (`variants.py`)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """Something a paper says: method `after` is better than `before`, by so much.

    Parameters
    ----------
    name, source : str
    before, after : (str, str)
        Variant and method.
    metric : str
    paper : float
        Relative change of the metric in the paper, per cent.
    """

    name: str
    source: str
    before: tuple[str, str]
    after: tuple[str, str]
    metric: str
    paper: float


_WANG = "Wang et al. 2019, Table 5"
_SAP, _AWARE = "Dabral et al. 2018", "Gupta 2019, Table 6"


def _test_claims(variant: str, uncorrected: str, remark: str = "") -> tuple[Claim, ...]:
    """What self-correction is worth at test.

    The paper says that "w/o SSC test" the correction is disabled, not which of the two poses is
    then the answer: the regressed one, which zero steps give, or the intermediate one.
    """
    before = (variant, uncorrected)
    return (
        Claim(
            f"self-correction at test{remark}",
            _WANG,
            before,
            (variant, "corrected"),
            "MPJPE",
            -5.9,
        ),
        Claim(
            f"correction by true 2D{remark}",
            _WANG,
            before,
            (variant, "corrected by true 2D"),
            "MPJPE",
            -12.2,
        ),
    )


def _training_claim(
    variant: str, uncorrected: str, remark: str = "", without: str = "machine-without"
) -> Claim:
    """What self-correction is worth in training, before that of the test."""
    return Claim(
        f"correction in training{remark}",
        _WANG,
        (without, "intermediate"),
        (variant, uncorrected),
        "MPJPE",
        -15.6,
    )


def _structure_claims(network: str, *variants: str) -> tuple[Claim, ...]:
    """What the losses of structure are worth: variants without, with L_g, and with all of them."""
    without, geometry, everything = ((variant, "answer") for variant in variants)
    return (
        Claim(
            f"{network}: losses of structure",
            f"{_SAP}, Table 3",
            without,
            everything,
            "MPJPE",
            -5.1,
        ),
        Claim(
            f"{network}: symmetry loss",
            f"{_SAP}, Table 6",
            geometry,
            everything,
            "left/right difference",
            -31.1,  # the mean of the four bones, -20 to -37
        ),
        Claim(
            f"{network}: illegal-angle loss",
            f"{_SAP}, section 5.2",
            geometry,
            everything,
            "illegal angles %",
            -42.9,
        ),
    )


def _refinement_claims(frames: str, remark: str) -> tuple[Claim, ...]:
    """What TP-Net makes of the poses of single frames; `frames` as in the names of `refined`."""
    before, after = f"single frame{frames}", f"refined{frames}"
    pairs = (
        ("TP-Net", "Table 3", ("tp-net", before), ("tp-net", after), -6.1),
        ("Bi-TP-Net", "Table 3", ("bi-tp-net", before), ("bi-tp-net", after), -7.9),
        ("TP-Net against Bi-LSTM", "Table 4", ("bi-lstm", after), ("tp-net", after), -2.9),
        ("Bi-TP-Net against Bi-LSTM", "Table 4", ("bi-lstm", after), ("bi-tp-net", after), -4.8),
    )
    spread = Claim(
        f"TP-Net: spread of bone lengths{remark}",
        f"{_SAP}, Table 6",
        ("tp-net", before),
        ("tp-net", after),
        "bone-length spread",
        -28.7,
    )
    errors = (
        Claim(f"{name}{remark}", f"{_SAP}, {table}", *methods, "MPJPE", paper)
        for name, table, *methods, paper in pairs
    )
    return (*errors, spread)


_RPSM = "Lin et al. 2017, Table 4"
CLAIMS = (
    Claim("RPSM: two stages", _RPSM, ("rpsm-1", "stage 1"), ("rpsm-2", "stage 2"), "MPJPE", -5.7),
    Claim("RPSM: three stages", _RPSM, ("rpsm-1", "stage 1"), ("rpsm-3", "stage 3"), "MPJPE", -8.8),
    *(
        Claim(
            f"RPSM: stage {stage} of one network",
            _RPSM,
            ("rpsm-3", "stage 1"),
            ("rpsm-3", f"stage {stage}"),
            "MPJPE",
            paper,
        )
        for stage, paper in ((2, -5.7), (3, -8.8))
    ),
    *(
        Claim(
            f"RPSM: clips of 5 frames{remark}",
            _RPSM,
            (variant, "stage 1"),
            ("rpsm-1", "stage 1"),
            "MPJPE",
            -11.8,
        )
        for remark, variant in (
            ("", "rpsm-1-single"),
            (", as many people in a step", "rpsm-1-single-32"),
        )
    ),
    Claim(
        "RPSM: three stages, the same 3000 clips again and again",
        _RPSM,
        ("rpsm-1-few", "stage 1"),
        ("rpsm-3-few", "stage 3"),
        "MPJPE",
        -8.8,
    ),
    Claim(
        "RPSM: three stages that share nothing",
        _RPSM,
        ("rpsm-1", "stage 1"),
        ("rpsm-3-unshared", "stage 3"),
        "MPJPE",
        -8.8,
    ),
    Claim(
        "RPSM: stage 3 of one network that shares nothing",
        _RPSM,
        ("rpsm-3-unshared", "stage 1"),
        ("rpsm-3-unshared", "stage 3"),
        "MPJPE",
        -8.8,
    ),
    *_test_claims("machine", "regressed"),
    Claim(
        "self-correction at test, discarded beyond 46 mm",
        _WANG,
        ("machine", "regressed"),
        ("machine", "corrected, up to 46 mm"),
        "MPJPE",
        -5.9,
    ),
    Claim(
        "correction by true 2D, never discarded",
        _WANG,
        ("machine", "regressed"),
        ("machine", "corrected by true 2D, always"),
        "MPJPE",
        -12.2,
    ),
    *_test_claims("machine", "intermediate", ", intermediate pose before"),
    *_test_claims("machine-undropped", "regressed", ", no joint dropout"),
    _training_claim("machine", "regressed"),
    _training_claim("machine", "intermediate", ", intermediate pose"),
    _training_claim("machine-undropped", "regressed", ", no joint dropout"),
    _training_claim(
        "machine-undropped", "regressed", ", without it no step (iv)", without="machine-begun"
    ),
    *(
        _training_claim(
            variant,
            "regressed",
            f", 3D of 40 seconds and 2D of all{remark}",
            f"machine-few-{without}",
        )
        for variant, remark, without in (
            ("machine-few", "", "without"),
            ("machine-few", ", without it no step (iv)", "begun"),
            ("machine-few-on", ", step (iv) five times as long", "without-on"),
        )
    ),
    *_structure_claims("SAP-Net", "sap-without", "sap-geometry", "sap-all"),
    *_structure_claims("keypoints", "weak-without", "weak-geometry", "weak-all"),
    *_structure_claims("keypoints, 3D of 40 seconds", "few-without", "few-geometry", "few-all"),
    *_structure_claims(
        "keypoints, 3D of 40 seconds, strong and in stages",
        "few-staged-without",
        "few-staged-geometry",
        "few-staged-all",
    ),
    *_structure_claims("keypoints, true 2D", "true-without", "true-geometry", "true-all"),
    *_structure_claims(
        "keypoints, ten times as strong", "weak-without", "strong-geometry", "strong-all"
    ),
    *_structure_claims(
        "keypoints, strong and in stages", "staged-without", "staged-geometry", "staged-all"
    ),
    *_refinement_claims("", ""),
    *_refinement_claims(", slow", ", where people move slowly"),
    *(
        Claim(
            f"TP-Net, {remark}",
            f"{_SAP}, Table 3",
            (base, "single frame"),
            (variant, "refined"),
            "MPJPE",
            -6.1,
        )
        for remark, base, variant in (
            ("twice as many steps", "tp-net", "tp-net-on"),
            ("50 frames a second", "tp-net-50", "tp-net-50"),
        )
    ),
    *(
        Claim(
            f"joint-aware losses{remark}: {metric}",
            _AWARE,
            ("temporal-position", "answer"),
            (variant, "answer"),
            metric,
            paper,
        )
        for remark, variant in (
            ("", "temporal"),
            (", a fifth as strong", "temporal-light"),
            (", a tenth as strong", "temporal-lighter"),
        )
        for metric, paper in (("MPJPE", -1.9), ("MPJVE", -7.0), ("MPJAE", -13.0))
    ),
)
