"""Errors of the poses in a session against the truth of its clip."""

import numpy as np

from pose_core.metrics.catalogue import pose_metrics
from pose_core.metrics.report import SequenceErrors
from pose_core.poses import Poses3D
from pose_core.session import Session, Track, Truth
from pose_core.skeleton import H36M_17

METRICS = tuple(
    metric for metric in pose_metrics(H36M_17.joint_names) if metric.name in ("MPJPE", "PA-MPJPE")
)
# Frames that are enough to know one person from another.
COMPARED_FRAMES = 500


def true_person(session: Session) -> Track | None:
    """The person that the truth of a session is of; None without truth or people.

    It is the one whose keypoints are nearest to those of the truth, or the first person where
    the truth has no keypoints.
    """
    truth = session.truth
    if truth is None or not session.tracks:
        return None
    if truth.xy is None:
        return session.tracks[0]
    step = max(len(truth.xy) // COMPARED_FRAMES, 1)
    true_xy = truth.xy[::step]
    distances = [
        _median_distance(track.keypoints.xy[::step], true_xy)
        if track.keypoints.skeleton == truth.poses.skeleton
        else np.inf
        for track in session.tracks
    ]
    return session.tracks[int(np.argmin(distances))]


def _median_distance(xy: np.ndarray, true_xy: np.ndarray) -> float:
    """Pixels; infinite where the two have no joint in common."""
    distance = np.linalg.norm(xy - true_xy, axis=-1)
    distance = distance[np.isfinite(distance)]
    return float(np.median(distance)) if len(distance) else np.inf


def stage_errors(poses: Poses3D, truth: Truth) -> tuple[SequenceErrors, ...]:
    """MPJPE and PA-MPJPE of every stage in every frame, as `posestage evaluate` measures them.

    Parameters
    ----------
    poses : Poses3D
        Of the person that the truth is of; Human3.6M joints.
    truth : Truth

    Returns
    -------
    tuple of SequenceErrors
        One for each stage. Frames in which either is not known are NaN.
    """
    true_xyz = truth.poses.xyz.astype(np.float64)
    return tuple(
        SequenceErrors.measure(stage.astype(np.float64), true_xyz, METRICS)
        for stage in poses.stages
    )
