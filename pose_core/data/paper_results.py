"""What the papers report, typed from their tables, to stand beside our own numbers.

Errors in millimetres. Most papers average over the actions; the tests hold the typed numbers
against the printed average. SAP-Net averages over frames: its actions do not give its average.
"""

from pose_core.metrics.report import Reference

# Actions of Human3.6M in the order of the papers' tables, with the heads of their columns.
H36M_ACTIONS = {
    "Directions": "Direct.",
    "Discussion": "Discuss",
    "Eating": "Eat",
    "Greeting": "Greet",
    "Phoning": "Phone",
    "Posing": "Pose",
    "Purchases": "Purch.",
    "Sitting": "Sit",
    "SittingDown": "SitDown",
    "Smoking": "Smoke",
    "Photo": "Photo",
    "Waiting": "Wait",
    "Walking": "Walk",
    "WalkDog": "WalkDog",
    "WalkTogether": "WalkPair",
}
_JOINT_AWARE_ORDER = (
    "Directions", "Discussion", "Eating", "Greeting", "Phoning", "Photo", "Posing", "Purchases",
    "Sitting", "SittingDown", "Smoking", "Waiting", "WalkDog", "Walking", "WalkTogether",
)  # fmt: skip
HUMANEVA_COLUMNS = {
    f"{action} {subject}": f"{head} {subject}"
    for action, head in (("Walking", "Walk"), ("Jog", "Jog"), ("Box", "Box"))
    for subject in ("S1", "S2", "S3")
}

_RPSM = "Lin et al., CVPR 2017"
_MACHINE = "Wang et al., TPAMI 2019"
_STRUCTURE = "Dabral et al., ECCV 2018"
_JOINT_AWARE = "Gupta 2019"


def _row(
    name: str,
    source: str,
    numbers: str,
    average: float,
    columns: tuple[str, ...] = tuple(H36M_ACTIONS),
    metric: str = "MPJPE",
) -> Reference:
    """A row of a table as it is printed: one number for each column."""
    values = [float(word) for word in numbers.split()]
    return Reference(name, source, metric, average, dict(zip(columns, values, strict=True)))


H36M_1 = (
    _row(
        "RPSM, 1 stage",
        f"{_RPSM}, Table 4",
        "62.89 74.74 67.86 73.33 79.76 67.48 76.19 100.21 148.03 75.95 100.26 75.82 58.03 78.74 "
        "62.93",
        80.15,
    ),
    _row(
        "RPSM, 2 stages",
        f"{_RPSM}, Table 4",
        "58.96 68.50 65.64 68.18 78.41 62.82 67.04 100.63 136.72 73.35 96.87 67.96 51.64 77.27 "
        "59.31",
        75.55,
    ),
    _row(
        "RPSM, 3 stages",
        f"{_RPSM}, Table 2",
        "58.02 68.16 63.25 65.77 75.26 61.16 65.71 98.65 127.68 70.37 93.05 68.17 50.63 72.94 "
        "57.74",
        73.10,
    ),
    _row(
        "pose machine, not corrected",
        f"{_MACHINE}, Table 5, w/o SSC test",
        "52.95 63.82 57.15 59.42 68.83 55.81 57.75 95.44 125.70 66.23 82.91 64.22 44.24 69.49 "
        "50.54",
        67.63,
    ),
    _row(
        "pose machine",
        f"{_MACHINE}, Table 2, Protocol #1",
        "50.03 59.96 54.66 56.55 65.65 52.74 54.81 85.85 117.98 62.48 79.63 59.55 41.48 65.21 "
        "48.52",
        63.67,
    ),
)
H36M_2 = (
    _row(
        "pose machine",
        f"{_MACHINE}, Table 2, Protocol #2",
        "48.54 59.71 56.12 56.12 67.68 57.31 55.57 78.26 115.85 69.99 71.47 61.29 44.63 62.22 "
        "51.42",
        63.74,
    ),
)
H36M_3 = (
    # Our copy of the paper has the cells of this row out of order; two of them (Discussion,
    # WalkTogether) are placed by where they would be missing. Their sum is that of the average.
    _row(
        "pose machine",
        f"{_MACHINE}, Table 2, Protocol #3",
        "38.69 45.62 54.77 48.92 54.65 47.49 47.17 64.73 94.30 56.84 78.85 49.29 33.07 58.71 38.96",
        54.14,
    ),
)
H36M_SAPNET = (
    _row(
        "SAP-Net",
        f"{_STRUCTURE}, Table 1",
        "46.9 53.8 47.0 52.8 56.9 45.2 48.2 68.0 94.0 55.7 63.6 51.6 40.3 55.4 44.3",
        55.5,
    ),
    _row(
        "TP-Net",
        f"{_STRUCTURE}, Table 1",
        "44.8 50.4 44.7 49.0 52.9 43.5 45.5 63.1 87.3 51.7 61.4 48.5 37.6 52.2 41.9",
        52.1,
    ),
    Reference("Bi-TP-Net", f"{_STRUCTURE}, Table 3", "MPJPE", 51.1),
    _row(
        "SAP-Net",
        f"{_STRUCTURE}, Table 2",
        "32.8 36.8 42.5 38.5 42.4 35.4 34.3 53.6 66.2 46.5 49.0 34.1 30.0 42.3 39.7",
        42.2,
        metric="PA-MPJPE",
    ),
    _row(
        "TP-Net",
        f"{_STRUCTURE}, Table 2",
        "28.0 30.7 39.1 34.4 37.1 28.9 31.2 39.3 60.6 39.3 44.8 31.1 25.3 37.8 28.4",
        36.3,
        metric="PA-MPJPE",
    ),
)
H36M_JOINT_AWARE = (
    Reference("joint-aware", f"{_JOINT_AWARE}, Table 5", "MPJPE", 45.9),
    Reference("joint-aware", f"{_JOINT_AWARE}, Table 5", "PA-MPJPE", 35.9),
    Reference("joint-aware", f"{_JOINT_AWARE}, Table 5", "N-MPJPE", 44.2),
    _row(
        "joint-aware",
        f"{_JOINT_AWARE}, Table 9",
        "2.8 2.9 2.1 3.2 2.2 2.6 2.5 2.9 1.9 2.7 2.2 2.3 3.5 3.0 2.7",
        2.63,
        _JOINT_AWARE_ORDER,
        "MPJVE",
    ),
    Reference("joint-aware", f"{_JOINT_AWARE}, Table 6", "MPJAE", 2.12),
    Reference("its baseline", f"{_JOINT_AWARE}, Table 5", "MPJPE", 46.8),
    Reference("its baseline", f"{_JOINT_AWARE}, Table 5", "PA-MPJPE", 36.5),
    Reference("its baseline", f"{_JOINT_AWARE}, Table 5", "N-MPJPE", 44.9),
    Reference("its baseline", f"{_JOINT_AWARE}, Table 6", "MPJVE", 2.83),
    Reference("its baseline", f"{_JOINT_AWARE}, Table 6", "MPJAE", 2.44),
)
# The papers print an average for each action (RPSM 28.4, 33.2, 52.8; pose machine 17.0, 22.8,
# 40.3); that of all nine columns is ours.
HUMANEVA = (
    _row(
        "RPSM",
        f"{_RPSM}, Table 3",
        "26.5 20.7 38.0 41.0 29.7 29.1 39.4 57.8 61.2",
        38.2,
        tuple(HUMANEVA_COLUMNS),
    ),
    _row(
        "pose machine",
        f"{_MACHINE}, Table 3",
        "17.2 13.4 20.5 27.9 19.5 20.9 29.7 44.0 47.2",
        26.7,
        tuple(HUMANEVA_COLUMNS),
    ),
)
MPI_INF_3DHP = (
    Reference("SAP-Net and TP-Net", f"{_STRUCTURE}, Table 5", "PCK", 76.7),
    Reference("SAP-Net and TP-Net", f"{_STRUCTURE}, Table 5", "AUC", 39.1),
    Reference("SAP-Net and TP-Net", f"{_STRUCTURE}, Table 5", "MPJPE", 103.8),
    Reference("Mehta et al. 2017", f"{_STRUCTURE}, Table 5", "PCK", 75.7),
    Reference("Mehta et al. 2017", f"{_STRUCTURE}, Table 5", "AUC", 39.3),
    Reference("Mehta et al. 2017", f"{_STRUCTURE}, Table 5", "MPJPE", 117.6),
)
