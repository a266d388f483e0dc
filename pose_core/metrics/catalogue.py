"""The metrics by name, for the joints that are measured."""

from functools import partial

from pose_core.metrics import pck, pose_error, structure
from pose_core.metrics.report import Metric
from pose_core.skeleton import H36M_17, Skeleton


def pose_metrics(joint_names: tuple[str, ...], root: int | None = 0) -> tuple[Metric, ...]:
    """The MPJPE family for the joints named.

    Parameters
    ----------
    joint_names : tuple of str
    root : int, optional
        Joint at which both poses are put together; None where they are already.
    """
    functions = {
        "MPJPE": (pose_error.mpjpe, "mm"),
        "N-MPJPE": (pose_error.n_mpjpe, "mm"),
        "PA-MPJPE": (pose_error.pa_mpjpe, "mm"),
        "MPJVE": (pose_error.mpjve, "mm a frame"),
        "MPJAE": (pose_error.mpjae, "mm a frame squared"),
    }
    return tuple(
        Metric(name, unit, partial(function, root=root), joint_names)
        for name, (function, unit) in functions.items()
    )


def share_metrics(joint_names: tuple[str, ...], root: int | None = 0) -> tuple[Metric, ...]:
    """PCK within 150 mm and its area under the curve, for the joints named."""
    return tuple(
        Metric(name, "%", partial(function, root=root), joint_names, higher_is_better=True)
        for name, function in (("PCK", pck.pck), ("AUC", pck.auc))
    )


def structure_metrics(skeleton: Skeleton = H36M_17) -> tuple[Metric, ...]:
    """Left/right difference and spread of bone lengths: of the prediction, whatever the truth."""
    bones = tuple(structure.paired_bones(skeleton))
    return (
        Metric(
            "left/right difference",
            "mm",
            lambda predicted, _: structure.side_difference_mm(predicted, skeleton),
            bones,
            "bone",
        ),
        Metric(
            "bone-length spread",
            "mm",
            lambda predicted, _: structure.bone_spread_mm(predicted, skeleton),
            bones,
            "bone",
        ),
    )
