"""Errors of a lifter on the benchmarks of the field, as the papers' protocols measure them."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from pose_core.data.protocols import Protocol
from pose_core.data.samples import PoseSequence, SequenceEntry
from pose_core.data.skipping import SkipLog, read_each
from pose_core.inference.evaluate import Lift
from pose_core.metrics import pck
from pose_core.metrics.catalogue import pose_metrics
from pose_core.metrics.report import Metric, SequenceErrors
from pose_core.skeleton import H36M_17, HUMANEVA_14, Skeleton, joint_map

# Differences between frames mean something only where neighbouring frames are measured.
_OF_MOTION = ("MPJVE", "MPJAE")
# The joints that the evaluation program of MPI-INF-3DHP leaves out of PCK and AUC.
_NOT_IN_PCK = ("pelvis", "spine", "neck")


def benchmark_metrics(protocol: Protocol) -> tuple[Metric, ...]:
    """What is measured of a data set: the protocol's metrics, and others that make sense."""
    joints = _skeleton(protocol).joint_names
    family = [
        metric
        for metric in pose_metrics(joints, root=None)
        if metric.name not in _OF_MOTION or metric.name in protocol.metrics
    ]
    shares = [
        Metric(name, "%", partial(_share, function), joints, higher_is_better=True)
        for name, function in (("PCK", pck.pck), ("AUC", pck.auc))
    ]
    return (*family, *shares)


def _skeleton(protocol: Protocol) -> Skeleton:
    """Joints that a protocol measures: 14 in HumanEva-I, as the papers have it."""
    return HUMANEVA_14 if protocol.dataset == "humaneva" else H36M_17


def _share(function, predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:  # noqa: ANN001
    if truth.shape[1] == H36M_17.num_joints:
        truth = truth.copy()
        truth[:, [H36M_17.index(joint) for joint in _NOT_IN_PCK]] = np.nan
    return function(predicted, truth, root=None)


def evaluate_benchmark(
    lift: Lift, entries: Sequence[SequenceEntry], protocol: Protocol, log: SkipLog
) -> Iterator[list[SequenceErrors]]:
    """Errors sequence by sequence, one sequence in memory at a time.

    Parameters
    ----------
    lift : callable
        ``lift(xy, scores, times_s, camera) -> (S, T, 17, 3)``, the method of a lifter.
    entries : sequence of SequenceEntry
        See `pose_core.data.protocols.sequences_of`.
    protocol : Protocol
    log : SkipLog
        Takes down sequences that cannot be read.

    Yields
    ------
    list of SequenceErrors
        One for each action in the sequence; nothing where no frame has truth.

    Raises
    ------
    DataError
        When more than 1 % of the sequences cannot be read.
    """
    metrics = benchmark_metrics(protocol)
    for entry, sequence in read_each(entries, lambda e: e.load(), lambda e: e.name, log):
        yield list(_sequence_errors(lift, entry, sequence, protocol, metrics))


def _sequence_errors(
    lift: Lift,
    entry: SequenceEntry,
    sequence: PoseSequence,
    protocol: Protocol,
    metrics: tuple[Metric, ...],
) -> Iterator[SequenceErrors]:
    # What the lens bends is straightened: lifters know pinhole cameras.
    xy = sequence.camera.straighten(sequence.keypoints.astype(np.float64))
    times_s = np.arange(len(sequence)) / sequence.fps
    answer = lift(xy, sequence.scores, times_s, sequence.camera.pinhole())[-1]
    predicted = _about_pelvis(
        joint_map(H36M_17, sequence.skeleton).apply(np.asarray(answer, dtype=np.float64)),
        sequence.skeleton,
    )
    truth = _about_pelvis(sequence.camera_xyz.astype(np.float64), sequence.skeleton)
    frames = protocol.frames(len(sequence))
    frames = frames[np.isfinite(truth[frames]).any(axis=(1, 2))]
    actions = np.array(sequence.frame_actions or [protocol.column(entry)] * len(sequence))[frames]
    for action in sorted(set(actions.tolist())):
        chosen = frames[actions == action]
        yield SequenceErrors.measure(
            predicted[chosen],
            truth[chosen],
            metrics,
            name=entry.name,
            action=action,
            subject=entry.subject,
            frame_index=chosen,
        )


def _about_pelvis(xyz: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Positions relative to the pelvis, or to the middle of the hips where there is none."""
    roots = ("pelvis",) if "pelvis" in skeleton.joint_names else ("left_hip", "right_hip")
    index = [skeleton.index(joint) for joint in roots]
    return xyz - xyz[:, index].mean(axis=1, keepdims=True)
