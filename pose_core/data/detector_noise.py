"""What a 2D detector does to perfect keypoints: jitter, drift, misses, swaps, other definitions.

All magnitudes are shares of the person's trunk length in the picture, so that they hold at any
resolution. The figures are those of BlazePose on real clips (hip and shoulder landmarks sit up
to 15 % of the trunk beside the joint centres; wrists and ankles jitter most; hidden joints err
three times as much; bursts of exchanged sides).
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from pose_core.skeleton import H36M_17


def _per_joint(table: dict[str, float]) -> Tensor:
    """(17,) values from a table by joint, the same left and right."""
    names = (name.removeprefix("left_").removeprefix("right_") for name in H36M_17.joint_names)
    return torch.tensor([table[name] for name in names])


# Standard deviation of the jitter, and of a constant offset per sequence (where the detector's
# joint differs from ours), as shares of the trunk length.
_TRUNK_JITTER = {"pelvis": 0.025, "spine": 0.02, "thorax": 0.02, "neck": 0.025, "head_top": 0.035}
_LEG_JITTER = {"hip": 0.03, "knee": 0.04, "ankle": 0.045}
_ARM_JITTER = {"shoulder": 0.03, "elbow": 0.045, "wrist": 0.06}
_JITTER = _per_joint(_TRUNK_JITTER | _LEG_JITTER | _ARM_JITTER)
_TRUNK_OFFSET = {"pelvis": 0.05, "spine": 0.05, "thorax": 0.05, "neck": 0.05, "head_top": 0.07}
_LEG_OFFSET = {"hip": 0.06, "knee": 0.02, "ankle": 0.02}
_ARM_OFFSET = {"shoulder": 0.04, "elbow": 0.02, "wrist": 0.025}
_OFFSET = _per_joint(_TRUNK_OFFSET | _LEG_OFFSET | _ARM_OFFSET)
# How often a joint goes astray, relative to the others.
_TRUNK_MISS = {"pelvis": 0.0, "spine": 0.0, "thorax": 0.0, "neck": 0.0, "head_top": 0.5}
_LIMB_MISS = {"hip": 0.0, "knee": 1.0, "ankle": 1.0, "shoulder": 0.2, "elbow": 1.0, "wrist": 1.0}
_CAN_MISS = _per_joint(_TRUNK_MISS | _LIMB_MISS)

_BLOCK = 256  # frames filtered at once
_ROUND_S = 4.0  # bursts are drawn anew for each stretch of this length
_LEGS = (1, 2, 3, 4, 5, 6)
_ARMS = (11, 12, 13, 14, 15, 16)


@dataclass(frozen=True, kw_only=True)
class NoiseLevel:
    """How bad the detector is.

    Parameters
    ----------
    strength : (float, float)
        Range of a factor on jitter and offsets, one draw per sequence.
    clean_share : float
        Share of sequences with perfect keypoints.
    miss_share : float
        Share of sequences in which limbs go missing or astray for a while.
    swap_share : float
        Share of sequences with a burst of exchanged sides.
    """

    strength: tuple[float, float] = (0.1, 1.1)
    clean_share: float = 0.2
    miss_share: float = 0.4
    swap_share: float = 0.1


@dataclass(frozen=True, eq=False)
class NoisyKeypoints:
    """Rays (B, T, J, 2) and scores (B, T, J) as a detector would give them."""

    rays: Tensor
    scores: Tensor


def trunk_length(rays: Tensor) -> Tensor:
    """(B, 1, 1, 1) length of the trunk in the rays, largest over time per sequence."""
    hips = rays[:, :, [1, 4]].mean(2)
    shoulders = rays[:, :, [11, 14]].mean(2)
    return (shoulders - hips).norm(dim=-1).amax(dim=1).clamp_min(0.02)[:, None, None, None]


def wander(shape: tuple[int, ...], frames: float, generator: Generator) -> Tensor:
    """Noise (B, T, ...) of unit variance that forgets itself after about `frames` frames."""
    white = torch.randn(*shape, generator=generator)
    if frames <= 0:
        return white
    # x_t = keep x_(t-1) + fresh n_t, one product with a lower triangular matrix per block
    keep = math.exp(-1.0 / frames)
    time = torch.arange(min(shape[1], _BLOCK))
    lag = (time[:, None] - time[None]).clamp_min(0)
    response = (keep**lag).tril() * (1 - keep**2) ** 0.5
    last = torch.randn(shape[0], 1, *shape[2:], generator=generator)
    out = []
    for block in white.split(_BLOCK, dim=1):
        n = block.shape[1]
        decay = (keep ** (time[:n] + 1)).view(1, n, *[1] * (len(shape) - 2))
        out.append(torch.einsum("ts,bs...->bt...", response[:n, :n], block) + decay * last)
        last = out[-1][:, -1:]
    return torch.cat(out, dim=1)


def bursts(batch: int, length: int, share: Tensor, longest: int, generator: Generator) -> Tensor:
    """(B, T) bool: one burst of 1..longest frames with probability `share` (B,)."""
    start = (torch.rand(batch, generator=generator) * length).long()
    span = 1 + (torch.rand(batch, generator=generator) ** 2 * longest).long()
    time = torch.arange(length)[None]
    inside = (time >= start[:, None]) & (time < (start + span)[:, None])
    return inside & (torch.rand(batch, generator=generator) < share)[:, None]


def num_rounds(length: int, rate_hz: float) -> int:
    """How often bursts are drawn for a sequence of `length` frames."""
    return max(1, round(length / rate_hz / _ROUND_S))


def hidden_joints(camera_xyz: Tensor) -> Tensor:
    """(B, T, J) bool: limb joints behind the trunk, where a detector has to guess."""
    trunk = camera_xyz[:, :, [1, 4, 11, 14]]
    z = trunk[..., 2].mean(-1, keepdim=True)
    rays = camera_xyz[..., :2] / camera_xyz[..., 2:]
    low, high = trunk_box(rays)
    inside = ((rays > low) & (rays < high)).all(-1)
    behind = camera_xyz[..., 2] > z + 0.05
    limb = torch.zeros(17, dtype=torch.bool)
    limb[[2, 3, 5, 6, 12, 13, 15, 16]] = True
    return inside & behind & limb


def trunk_box(rays: Tensor) -> tuple[Tensor, Tensor]:
    """Corners (B, T, 1, 2) of the box around hips and shoulders, 4 cm or so larger."""
    trunk = rays[:, :, [1, 4, 11, 14]]
    low, high = trunk.amin(2, keepdim=True), trunk.amax(2, keepdim=True)
    margin = 0.08 * (high - low).amax(-1, keepdim=True)
    return low - margin, high + margin


def add_detector_noise(
    camera_xyz: Tensor, rays: Tensor, level: NoiseLevel, generator: Generator, rate_hz: float
) -> NoisyKeypoints:
    """Keypoints of a detector from perfect ones.

    Parameters
    ----------
    camera_xyz : (B, T, 17, 3) Tensor
        Truth in camera coordinates: tells which joints are hidden.
    rays : (B, T, 17, 2) Tensor
        Perfect rays.
    rate_hz : float
        Frames per second of the sequences.
    """
    batch, length = rays.shape[:2]
    unit = trunk_length(rays)
    low, high = level.strength
    strength = low + (high - low) * torch.rand(batch, generator=generator)
    clean = torch.rand(batch, generator=generator) < level.clean_share
    strength = strength.masked_fill(clean, 0.0)[:, None, None, None]
    hidden = hidden_joints(camera_xyz) & ~clean[:, None, None]

    fast = wander((batch, length, 17, 2), 0.0, generator)
    slow = wander((batch, length, 17, 2), 0.3 * rate_hz, generator)
    jitter = (0.4 * fast + 0.9 * slow) * _JITTER[:, None] * (1 + 2.0 * hidden[..., None])
    offset = torch.randn(batch, 1, 17, 2, generator=generator) * _OFFSET[:, None]
    offset = offset + _depth_dependent_offset(camera_xyz, generator)
    noisy = rays + unit * strength * (jitter + offset)
    error = (strength * jitter).norm(dim=-1)

    share = torch.full((batch,), level.miss_share).masked_fill(clean, 0.0)
    noisy, missed = _miss_limbs(noisy, unit, share, rate_hz, generator)
    share = torch.full((batch,), level.swap_share).masked_fill(clean, 0.0)
    noisy = _swap_sides(noisy, share, rate_hz, generator)
    scores = _scores(error, hidden, missed, clean, generator)
    return NoisyKeypoints(noisy, scores)


def _depth_dependent_offset(camera_xyz: Tensor, generator: Generator) -> Tensor:
    """Hips and shoulders pulled along the body's own hip line and trunk: other definitions."""
    batch = camera_xyz.shape[0]
    across = camera_xyz[:, :, 4] - camera_xyz[:, :, 1]
    along = camera_xyz[:, :, [11, 14]].mean(2) - camera_xyz[:, :, [1, 4]].mean(2)
    length = along.norm(dim=-1, keepdim=True).clamp_min(0.1)
    across, along = (across / length)[..., :2], (along / length)[..., :2]
    widen = torch.randn(batch, 1, 1, generator=generator) * 0.15
    raise_hips = torch.randn(batch, 1, 1, generator=generator) * 0.08
    raise_shoulders = torch.randn(batch, 1, 1, generator=generator) * 0.05
    out = torch.zeros(*camera_xyz.shape[:3], 2)
    out[:, :, 4] = widen * across + raise_hips * along
    out[:, :, 1] = -widen * across + raise_hips * along
    out[:, :, 0] = raise_hips * along
    out[:, :, 11] = raise_shoulders * along
    out[:, :, 14] = raise_shoulders * along
    out[:, :, 8] = raise_shoulders * along
    return out


def _miss_limbs(
    rays: Tensor, unit: Tensor, share: Tensor, rate_hz: float, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Joints that go astray for a burst: held where they were, or drawn to another joint."""
    batch, length = rays.shape[:2]
    missed = torch.zeros(batch, length, 17, dtype=torch.bool)
    out = rays.clone()
    for _ in range(3 * num_rounds(length, rate_hz)):
        burst = bursts(batch, length, share, int(1.2 * rate_hz), generator)
        joint = torch.multinomial(_CAN_MISS, batch, replacement=True, generator=generator)
        other = torch.randint(0, 17, (batch,), generator=generator)
        rows = torch.arange(batch)
        pulled = out[rows, :, other] + 0.2 * unit[:, 0] * wander(
            (batch, length, 2), 0.5 * rate_hz, generator
        )
        held = out[rows, (torch.rand(batch, generator=generator) * length).long(), joint][:, None]
        wrong = torch.where(
            (torch.rand(batch, generator=generator) < 0.5)[:, None, None], pulled, held
        )
        strength = 0.3 + 0.7 * torch.rand(batch, 1, 1, generator=generator)
        wrong = out[rows, :, joint] * (1 - strength) + wrong * strength
        out[rows, :, joint] = torch.where(burst[..., None], wrong, out[rows, :, joint])
        missed[rows, :, joint] |= burst
    return out, missed


def _swap_sides(rays: Tensor, share: Tensor, rate_hz: float, generator: Generator) -> Tensor:
    """Bursts in which legs, arms or the whole body have their sides exchanged."""
    batch, length = rays.shape[:2]
    mirrored = rays[:, :, torch.as_tensor(H36M_17.mirror_index)]
    for _ in range(num_rounds(length, rate_hz)):
        kind = torch.rand(batch, generator=generator)
        burst = bursts(batch, length, share, int(0.8 * rate_hz), generator)
        affected = torch.zeros(batch, 17, dtype=torch.bool)
        affected[:, list(_LEGS)] |= (kind < 0.75)[:, None]
        affected[:, list(_ARMS)] |= (kind > 0.25)[:, None]
        swapped = (burst[:, :, None] & affected[:, None])[..., None]
        rays = torch.where(swapped, mirrored, rays)
    return rays


def _scores(
    error: Tensor, hidden: Tensor, missed: Tensor, clean: Tensor, generator: Generator
) -> Tensor:
    """Confidences that follow the errors loosely; a third of sequences carry none (all ones)."""
    shape = error.shape
    scores = 0.95 - 1.5 * error + 0.05 * torch.randn(shape, generator=generator)
    scores = scores - 0.35 * hidden * torch.rand(shape[0], 1, 1, generator=generator)
    scores = scores - 0.6 * missed * torch.rand(shape[0], 1, 1, generator=generator)
    blind = clean | (torch.rand(shape[0], generator=generator) < 0.3)
    return torch.where(blind[:, None, None], torch.ones(()), scores.clamp(0.05, 1.0))
