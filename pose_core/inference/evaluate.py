"""Errors of a lifter on motion capture seen by virtual cameras."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from pose_core.camera import Camera
from pose_core.data.detector_noise import NoiseLevel, add_detector_noise
from pose_core.data.mocap import Motion
from pose_core.data.virtual_camera import CameraRange, keep_in_front, rays_of, sample_cameras
from pose_core.losses.structure import HINGES, hinge_volumes, illegal_joints
from pose_core.metrics.catalogue import pose_metrics, share_metrics, structure_metrics
from pose_core.metrics.report import Metric, SequenceErrors
from pose_core.skeleton import H36M_17

# The picture that stands for any: only focal length over size matters to a lifter.
_PICTURE_PX = 1000
# Every detector errs: no clean sequences, the strength that real clips showed.
_NOISE = NoiseLevel(strength=(1.0, 1.0), clean_share=0.0, miss_share=0.5, swap_share=0.15)

Lift = Callable[[np.ndarray, np.ndarray, np.ndarray, Camera], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class MocapProtocol:
    """How motion is seen.

    Parameters
    ----------
    noise : {"none", "detector"}
    num_views : int
        Virtual cameras per motion.
    seed : int
    focal : {"known", "assumed"}
        Whether the lifter is told the focal length, or assumes it from the picture.
    roll_deg : float, optional
        Roll of every camera, either way; random as in training when None.
    """

    noise: Literal["none", "detector"] = "none"
    num_views: int = 2
    seed: int = 0
    focal: Literal["known", "assumed"] = "known"
    roll_deg: float | None = None


@dataclass(frozen=True, eq=False)
class View:
    """One motion seen by one camera.

    Parameters
    ----------
    truth : (T, 17, 3) ndarray
        Camera coordinates, metres.
    xy : (T, 17, 2) ndarray
        Pixels, with detector noise when asked for.
    scores : (T, 17) ndarray
    times_s : (T,) ndarray
    camera : Camera
        What the lifter is told.
    """

    truth: np.ndarray
    xy: np.ndarray
    scores: np.ndarray
    times_s: np.ndarray
    camera: Camera


def views_of(motion: Motion, protocol: MocapProtocol) -> Iterator[View]:
    """Virtual views of a motion: the same for the same seed and motion, whatever else is run."""
    seed = zlib.crc32(motion.name.encode()) ^ (protocol.seed * 2_654_435_761 % 2**32)
    generator = torch.Generator().manual_seed(seed)
    world = torch.from_numpy(motion.positions)[None].repeat(protocol.num_views, 1, 1, 1)
    middle = world[:, :, 0].mean(dim=1)
    limits = CameraRange()
    if protocol.roll_deg is not None:
        limits = CameraRange(roll_deg=0.0, strong_roll_deg=0.0)
    cameras = sample_cameras(middle, limits, generator)
    xyz = keep_in_front(cameras.to_camera(world))
    if protocol.roll_deg:
        xyz = _rolled(xyz, protocol.roll_deg)
    rays = rays_of(xyz)
    scores = torch.ones(rays.shape[:3])
    if protocol.noise == "detector":
        noisy = add_detector_noise(xyz, rays, _NOISE, generator, motion.fps)
        rays, scores = noisy.rays, noisy.scores
    times_s = np.arange(len(motion)) / motion.fps
    for view in range(protocol.num_views):
        focal = float(cameras.focal_per_long_side[view]) * _PICTURE_PX
        xy = rays[view].numpy() * focal + _PICTURE_PX / 2
        told = focal if protocol.focal == "known" else None
        camera = Camera.assumed(_PICTURE_PX, _PICTURE_PX, told)
        yield View(xyz[view].numpy(), xy, scores[view].numpy(), times_s, camera)


def _rolled(xyz: torch.Tensor, roll_deg: float) -> torch.Tensor:
    """Every other view turned about the optical axis one way, the rest the other way."""
    sign = torch.tensor([1.0, -1.0]).repeat(len(xyz))[: len(xyz)]
    angle = torch.deg2rad(torch.tensor(roll_deg)) * sign
    x, y, z = xyz.unbind(-1)
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    return torch.stack([cosine * x - sine * y, sine * x + cosine * y, z], dim=-1)


def illegal_angles(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Which elbows and knees bend the wrong way, 100 or 0 per cent (T, 4); NaN where unknown.

    The rule is that of the illegal angle loss, `pose_core.losses.structure.illegal_joints`;
    `truth` takes no part.
    """
    poses = torch.from_numpy(np.ascontiguousarray(predicted, dtype=np.float64))
    is_unknown = hinge_volumes(poses).isnan().numpy()
    return np.where(is_unknown, np.nan, 100.0 * illegal_joints(poses).numpy())


_FAMILY = pose_metrics(H36M_17.joint_names)
# The columns of a table; the other metrics stand below it.
METRICS = tuple(metric.name for metric in _FAMILY)
MOCAP_METRICS = (
    *_FAMILY,
    *share_metrics(H36M_17.joint_names),
    *structure_metrics(H36M_17),
    Metric("illegal angles", "%", illegal_angles, HINGES),
)


def evaluate_mocap(
    lift: Lift, motions: Sequence[Motion], protocol: MocapProtocol
) -> Iterator[SequenceErrors]:
    """Errors of the last stage view by view, `MocapProtocol.num_views` for each motion.

    Parameters
    ----------
    lift : callable
        ``lift(xy, scores, times_s, camera) -> (S, T, 17, 3)``, the method of a lifter.
    """
    for stages in evaluate_stages(lift, motions, protocol):
        yield stages[-1]


def evaluate_stages(
    lift: Lift, motions: Sequence[Motion], protocol: MocapProtocol
) -> Iterator[tuple[SequenceErrors, ...]]:
    """As `evaluate_mocap`, with the errors of all stages; of the last one by all metrics."""
    for motion in motions:
        for index, view in enumerate(views_of(motion, protocol)):
            *before, last = lift(view.xy, view.scores, view.times_s, view.camera)
            shown = [(stage, _FAMILY) for stage in before] + [(last, MOCAP_METRICS)]
            yield tuple(
                SequenceErrors.measure(
                    predicted.astype(np.float64),
                    view.truth.astype(np.float64),
                    metrics,
                    name=f"{motion.name}, view {index + 1}",
                    action=motion.action,
                    subject=motion.subject,
                )
                for predicted, metrics in shown
            )


def mean_pose_lift(mean_pose: np.ndarray) -> Lift:
    """The baseline that always answers the same pose (17, 3) in camera axes."""

    def lift(xy: np.ndarray, *_others: object) -> np.ndarray:
        return np.broadcast_to(mean_pose, (1, len(xy), 17, 3))

    return lift
