"""Errors of a lifter on motion capture seen by virtual cameras."""

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from pose_core.camera import Camera
from pose_core.data.detector_noise import NoiseLevel, add_detector_noise
from pose_core.data.mocap import Motion
from pose_core.data.virtual_camera import CameraRange, keep_in_front, rays_of, sample_cameras
from pose_core.metrics import pose_error
from pose_core.skeleton import H36M_17

METRICS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "MPJPE": pose_error.mpjpe,
    "N-MPJPE": pose_error.n_mpjpe,
    "PA-MPJPE": pose_error.pa_mpjpe,
    "MPJVE": pose_error.mpjve,
    "MPJAE": pose_error.mpjae,
}
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


@dataclass(frozen=True)
class MotionErrors:
    """Errors of one motion over all its views.

    Parameters
    ----------
    motion, action, subject : str
    num_frames : int
        Frames times views.
    sums : dict of str to (17,) ndarray
        Sum over frames, per metric and joint, mm.
    """

    motion: str
    action: str
    subject: str
    num_frames: int
    sums: dict[str, np.ndarray]


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


def evaluate_mocap(
    lift: Lift, motions: Sequence[Motion], protocol: MocapProtocol
) -> Iterator[MotionErrors]:
    """Errors motion by motion.

    Parameters
    ----------
    lift : callable
        ``lift(xy, scores, times_s, camera) -> (S, T, 17, 3)``, the method of a lifter.
    """
    for motion in motions:
        sums = {name: np.zeros(17) for name in METRICS}
        for view in views_of(motion, protocol):
            predicted = lift(view.xy, view.scores, view.times_s, view.camera)[-1]
            for name, metric in METRICS.items():
                errors = metric(predicted.astype(np.float64), view.truth.astype(np.float64))
                # Differences lose frames: count the mean once per frame all the same.
                sums[name] += errors.mean(axis=0) * len(motion) if len(errors) else 0.0
        num_frames = len(motion) * protocol.num_views
        yield MotionErrors(motion.name, motion.action, motion.subject, num_frames, sums)


def mean_pose_lift(mean_pose: np.ndarray) -> Lift:
    """The baseline that always answers the same pose (17, 3) in camera axes."""

    def lift(xy: np.ndarray, *_others: object) -> np.ndarray:
        return np.broadcast_to(mean_pose, (1, len(xy), 17, 3))

    return lift


def mean_error(results: Sequence[MotionErrors], metric: str) -> float:
    """Mean over all frames and joints, mm."""
    total = sum(r.sums[metric].mean() for r in results)
    return float(total / max(1, sum(r.num_frames for r in results)))


def mean_per_joint(results: Sequence[MotionErrors], metric: str) -> dict[str, float]:
    """Mean over all frames for each joint, mm."""
    total = np.sum([r.sums[metric] for r in results], axis=0)
    means = total / max(1, sum(r.num_frames for r in results))
    return dict(zip(H36M_17.joint_names, means.round(3).tolist(), strict=True))


def by_action(results: Sequence[MotionErrors]) -> dict[str, list[MotionErrors]]:
    """Results grouped by action, in alphabetical order."""
    groups: dict[str, list[MotionErrors]] = defaultdict(list)
    for result in results:
        groups[result.action or "unnamed"].append(result)
    return dict(sorted(groups.items()))
