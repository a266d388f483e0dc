"""Batches of lifter input and target, made on the fly from motion capture."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from pose_core.data import body_variation as body
from pose_core.data.detector_noise import NoiseLevel, add_detector_noise
from pose_core.data.mocap import Motion
from pose_core.data.virtual_camera import (
    CameraRange,
    keep_in_front,
    rays_of,
    sample_cameras,
)
from pose_core.errors import DataError
from pose_core.models.ray_input import look_at_rotation, normalise_rays, trunk_centre


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How recorded movements are varied before a camera sees them.

    Parameters
    ----------
    speed : (float, float)
        Range of playback speed.
    stature : float
        Standard deviation of the factor on body height.
    bone_spread : float
        Standard deviation of the factor on each bone.
    natural_share : float
        Share of sequences that are only mirrored, tilted and given another body.
    join_share, part_share, twist_share, bend_share : float
        Of the others, share of sequences with other halves joined; of trunks, heads and limbs
        turned; of arms twisted; of hinges bent further.
    part_deg, twist_deg, bend_deg, tilt_deg : float
        Largest angles; one sequence in five tilts up to `lying_deg`.
    cut_share : float
        Share of sequences that begin or end inside the window (frozen beyond).
    low_rate_share : float
        Share of sequences from a video of 4 to 12 frames/s, straight between frames.
    """

    speed: tuple[float, float] = (0.6, 1.7)
    stature: float = 0.04
    bone_spread: float = 0.07
    natural_share: float = 0.5
    join_share: float = 0.4
    part_share: float = 0.4
    twist_share: float = 0.4
    bend_share: float = 0.4
    part_deg: float = 45.0
    twist_deg: float = 45.0
    bend_deg: float = 35.0
    tilt_deg: float = 10.0
    lying_deg: float = 90.0
    cut_share: float = 0.3
    low_rate_share: float = 0.15


@dataclass(frozen=True, eq=False)
class LiftingBatch:
    """What a lifter sees and should say.

    Parameters
    ----------
    features : (B, T, J, 3) Tensor
        See `pose_core.models.ray_input`.
    target : (B, T, J, 3) Tensor
        Root-relative positions in the turned camera's axes, metres.
    valid : (B, T) bool Tensor
        Frames inside the recording.
    keypoints_2d : (B, T, J, 2) Tensor
        Where the keypoints would be among the features if the detector did not err.
    rays : (B, T, J, 2) Tensor
        The same as x / z and y / z of the turned camera.
    """

    features: Tensor
    target: Tensor
    valid: Tensor
    keypoints_2d: Tensor
    rays: Tensor


@dataclass(eq=False)
class MotionBank:
    """All training motion in one tensor; sequences are drawn evenly over actions.

    Parameters
    ----------
    motions : sequence of Motion
    rate_hz : float
        Frames per second of the windows drawn.
    """

    motions: Sequence[Motion]
    rate_hz: float
    _frames: Tensor = field(init=False)
    _start: Tensor = field(init=False)
    _length: Tensor = field(init=False)
    _step: Tensor = field(init=False)
    _weight: Tensor = field(init=False)

    def __post_init__(self) -> None:
        if not self.motions:
            raise DataError("There is no motion to train on.", "Check --data and the split.")
        self._frames = torch.cat([torch.from_numpy(m.positions) for m in self.motions])
        self._length = torch.tensor([len(m) for m in self.motions])
        self._start = self._length.cumsum(0) - self._length
        self._step = torch.tensor([m.fps / self.rate_hz for m in self.motions])
        # The square root keeps frequent actions from drowning the rare ones.
        per_action: dict[tuple[str, str], int] = defaultdict(int)
        for m in self.motions:
            per_action[m.source, m.action] += len(m)
        self._weight = torch.tensor(
            [len(m) / per_action[m.source, m.action] ** 0.5 for m in self.motions]
        )

    def draw(
        self, batch: int, length: int, speed: tuple[float, float], generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """Windows (B, T, 17, 3) of world positions and a (B, T) mask of frames inside."""
        pick = torch.multinomial(self._weight, batch, replacement=True, generator=generator)
        low, high = speed
        factor = low * (high / low) ** torch.rand(batch, generator=generator)
        step = self._step[pick] * factor
        span = (length - 1) * step
        last = self._length[pick] - 1.0
        # One window in eight begins before the recording or ends after it, as every clip does.
        slack = span * 0.6 * (torch.rand(batch, generator=generator) < 0.125)
        begin = -slack * 0.5 + torch.rand(batch, generator=generator) * (
            (last - span).clamp_min(0) + slack
        )
        time = begin[:, None] + torch.arange(length) * step[:, None]
        valid = (time >= -1e-6) & (time <= last[:, None] + 1e-6)
        time = torch.minimum(time.clamp_min(0), last[:, None])
        low_index = time.long()
        high_index = torch.minimum(low_index + 1, (self._length[pick] - 1)[:, None])
        mix = (time - low_index)[..., None, None]
        base = self._start[pick][:, None]
        frames = self._frames[base + low_index] * (1 - mix) + self._frames[base + high_index] * mix
        return frames, valid


def vary(world: Tensor, other: Tensor, options: Augmentation, generator: Generator) -> Tensor:
    """Apply `options` to windows (B, T, 17, 3); `other` lends its upper bodies."""
    batch = world.shape[0]

    def chance(share: float) -> Tensor:
        return torch.rand(batch, generator=generator) < share

    changed = (torch.rand(batch, 1, generator=generator) >= options.natural_share).float()
    world = body.mirror(world, chance(0.5))
    world = body.join_halves(world, other, chance(options.join_share) & (changed[:, 0] > 0))
    parts, twists, bends = (
        share * changed for share in (options.part_share, options.twist_share, options.bend_share)
    )
    world = body.rotate_parts(world, options.part_deg, parts, generator)
    world = body.twist_arms(world, options.twist_deg, twists, generator)
    world = body.bend_hinges(world, options.bend_deg, bends, generator)
    most = torch.where(chance(0.2), options.lying_deg, options.tilt_deg)
    world = body.tilt(world, most, generator)
    stature = 1 + options.stature * torch.randn(batch, generator=generator).clamp(-2.5, 2.5)
    factors = body.symmetric_bone_factors(batch, options.bone_spread, generator)
    return body.vary_bones(world, stature, factors)


def lifting_batch(
    bank: MotionBank,
    batch: int,
    length: int,
    generator: Generator,
    *,
    augmentation: Augmentation,
    cameras: CameraRange,
    noise: NoiseLevel,
) -> LiftingBatch:
    """One training batch of `length` frames at the bank's rate."""
    world, valid = bank.draw(batch, length, augmentation.speed, generator)
    other, _ = bank.draw(batch, length, augmentation.speed, generator)
    world = vary(world, other, augmentation, generator)
    middle = world[:, length // 2, 0]
    camera = sample_cameras(middle, cameras, generator)
    camera_xyz = keep_in_front(camera.to_camera(world))
    rays = rays_of(camera_xyz)
    noisy = add_detector_noise(camera_xyz, rays, noise, generator, bank.rate_hz)
    seen, scores = _low_rate(noisy.rays, noisy.scores, augmentation, generator, bank.rate_hz)
    valid = valid & _cut(batch, length, augmentation.cut_share, generator)
    seen, scores = _freeze_outside(seen, scores, valid)
    return to_lifting_batch(camera_xyz, seen, scores, valid, camera.assumed_over_true)


def to_lifting_batch(
    camera_xyz: Tensor, rays: Tensor, scores: Tensor, valid: Tensor, assumed_over_true: Tensor
) -> LiftingBatch:
    """Input and target of a lifter that assumes a focal length which may be wrong.

    The target is the pose as the true camera, turned to the seen middle of the trunk, has it.
    """
    focal_error = assumed_over_true[:, None, None, None]
    frame = normalise_rays(rays / focal_error, scores)
    true_turn = look_at_rotation(trunk_centre(rays, scores))
    relative = camera_xyz - camera_xyz[:, :, :1]
    target = relative @ true_turn.transpose(-1, -2)
    true_2d = frame.place(rays_of(camera_xyz) / focal_error)
    true_rays = true_2d * frame.size[..., None, None]
    return LiftingBatch(frame.features, target, valid, true_2d, true_rays)


def _low_rate(
    rays: Tensor, scores: Tensor, options: Augmentation, generator: Generator, rate_hz: float
) -> tuple[Tensor, Tensor]:
    """Some sequences as if seen at a low frame rate and filled in straight."""
    batch, length = rays.shape[:2]
    low_rate = 4 + 8 * torch.rand(batch, generator=generator)
    period = rate_hz / low_rate[:, None]
    phase = torch.rand(batch, 1, generator=generator) * period
    place = (torch.arange(length)[None] - phase) / period
    before = (place.floor() * period + phase).round().long().clamp(0, length - 1)
    after = ((place.floor() + 1) * period + phase).round().long().clamp(0, length - 1)
    mix = (torch.arange(length)[None] - before) / (after - before).clamp_min(1)
    rows = torch.arange(batch)[:, None]
    mixed = (
        rays[rows, before] * (1 - mix)[..., None, None] + rays[rows, after] * mix[..., None, None]
    )
    pick = torch.rand(batch, generator=generator) < options.low_rate_share
    rays = torch.where(pick[:, None, None, None], mixed, rays)
    return rays, torch.where(pick[:, None, None], scores[rows, before], scores)


def _cut(batch: int, length: int, share: float, generator: Generator) -> Tensor:
    """(B, T) bool: a stretch that ends or begins inside the window, for a `share` of rows."""
    edge = (torch.rand(batch, generator=generator) * length).long()
    time = torch.arange(length)[None]
    from_edge = torch.rand(batch, generator=generator) < 0.5
    kept = torch.where(from_edge[:, None], time >= edge[:, None], time <= edge[:, None])
    return kept | (torch.rand(batch, generator=generator) >= share)[:, None]


def _freeze_outside(rays: Tensor, scores: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Frames outside repeat the nearest frame inside, as at the ends of a clip."""
    time = torch.arange(valid.shape[1]).expand_as(valid)
    first = torch.where(valid, time, valid.shape[1]).amin(1, keepdim=True)
    last = torch.where(valid, time, -1).amax(1, keepdim=True)
    source = torch.minimum(torch.maximum(time, first), last).clamp(0, valid.shape[1] - 1)
    rows = torch.arange(len(valid))[:, None]
    return rays[rows, source], scores[rows, source]
