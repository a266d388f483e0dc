"""What a 2D detector does to perfect keypoints: jitter, drift, misses, swaps, other definitions.

All magnitudes are shares of the person's trunk length in the picture, so that they hold at any
resolution. The figures were measured with BlazePose and its map of landmarks to joints on 60
rendered sequences, whose joints are known exactly. These commands print them, beside what this
model does to the same people::

    python -m pose_core.synthesis.detected --data MOCAP --seed 2 --out sequences.npz
    python benchmarks/detector_errors.py sequences.npz

Rendered people are varied and strangely posed but sharp and well lit: on real clips the keypoints
jitter as much, other things are not known. So the strength that training draws goes from well
below the measured one to well above it.
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


# Standard deviation, of each coordinate, of the jitter of joints that are seen.
_TRUNK_JITTER = {"pelvis": 0.035, "spine": 0.031, "thorax": 0.027, "neck": 0.022, "head_top": 0.034}
_LEG_JITTER = {"hip": 0.042, "knee": 0.05, "ankle": 0.041}
_ARM_JITTER = {"shoulder": 0.041, "elbow": 0.046, "wrist": 0.038}
_JITTER = _per_joint(_TRUNK_JITTER | _LEG_JITTER | _ARM_JITTER)
# A part of it is new in every frame, the rest has a memory.
_FAST, _SLOW, _MEMORY_S = 0.35, 0.94, 0.3
# Hidden joints jitter this many times as much.
_HIDDEN = 3.0
# The same of a constant offset per sequence, beside that of `_depth_dependent_offset`.
_TRUNK_OFFSET = {"pelvis": 0.03, "spine": 0.034, "thorax": 0.023, "neck": 0.021, "head_top": 0.045}
_LEG_OFFSET = {"hip": 0.042, "knee": 0.047, "ankle": 0.036}
_ARM_OFFSET = {"shoulder": 0.042, "elbow": 0.045, "wrist": 0.034}
_OFFSET = _per_joint(_TRUNK_OFFSET | _LEG_OFFSET | _ARM_OFFSET)
# Hips and shoulders along the body's own axes: definitions differ, also between bodies.
_WIDER_HIPS, _HIGHER_HIPS, _HIGHER_SHOULDERS = 0.08, 0.04, 0.03
# Which joints go astray together, and how often: a joint and the next one outwards.
_ASTRAY_PAIRS = torch.tensor(
    [(2, 3), (5, 6), (12, 13), (15, 16), (11, 12), (14, 15), (1, 2), (4, 5), (9, 10)]
)
_ASTRAY_WEIGHTS = torch.tensor([1.0, 1.0, 1.2, 1.2, 0.3, 0.3, 0.2, 0.2, 0.15])
_BOTH_ASTRAY, _ONE_ASTRAY = 0.6, 0.2  # both joints; only the inner one, or only the outer one
_BURSTS_PER_ROUND, _LONGEST_MISS_S, _LONGEST_SWAP_S = 6, 0.8, 1.6
# A leg joint this near (trunk lengths) behind the other leg is hidden by it.
_BEHIND_LEG = 0.15

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
        Range of a factor on jitter and offsets, one draw per sequence; 1 is what was measured.
    clean_share : float
        Share of sequences with perfect keypoints.
    miss_share : float
        Share of sequences in which limbs go missing or astray for a while.
    swap_share : float
        Share of sequences with a burst of exchanged sides.
    """

    strength: tuple[float, float] = (0.1, 1.5)
    clean_share: float = 0.15
    miss_share: float = 0.6
    swap_share: float = 0.25


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


def bursts(
    batch: int, length: int, share: Tensor, longest_s: float, rate_hz: float, generator: Generator
) -> Tensor:
    """(B, T) bool: one burst of 1 frame to `longest_s` with probability `share` (B,).

    It begins anywhere in the sequence. One that is shorter than a round is the end of a round, so
    that a frame is struck as often in short sequences as in long ones.
    """
    whole = max(length, round(_ROUND_S * rate_hz))
    start = (torch.rand(batch, generator=generator) * whole).long() - (whole - length)
    longest = int(longest_s * rate_hz)
    span = 1 + (torch.rand(batch, generator=generator) ** 2 * longest).long()
    time = torch.arange(length)[None]
    inside = (time >= start[:, None]) & (time < (start + span)[:, None])
    return inside & (torch.rand(batch, generator=generator) < share)[:, None]


def num_rounds(length: int, rate_hz: float) -> int:
    """How often bursts are drawn for a sequence of `length` frames."""
    return max(1, round(length / rate_hz / _ROUND_S))


def hidden_joints(camera_xyz: Tensor) -> Tensor:
    """(B, T, J) bool: limb joints behind the trunk or the other leg: a detector has to guess."""
    trunk = camera_xyz[:, :, [1, 4, 11, 14]]
    z = trunk[..., 2].mean(-1, keepdim=True)
    rays = camera_xyz[..., :2] / camera_xyz[..., 2:]
    low, high = trunk_box(rays)
    inside = ((rays > low) & (rays < high)).all(-1)
    behind = camera_xyz[..., 2] > z + 0.05
    limb = torch.zeros(17, dtype=torch.bool)
    limb[[2, 3, 5, 6, 12, 13, 15, 16]] = True
    hidden = inside & behind & limb
    near = _BEHIND_LEG * trunk_length(rays)
    for own, (hip, knee, ankle) in (((2, 3), (4, 5, 6)), ((5, 6), (1, 2, 3))):
        joints = camera_xyz[:, :, [hip, knee, ankle]]
        leg = torch.cat([joints[:, :, 1:], (joints[:, :, 1:] + joints[:, :, :-1]) / 2], dim=2)
        apart = rays[:, :, list(own), None] - (leg[..., :2] / leg[..., 2:])[:, :, None]
        is_farther = camera_xyz[:, :, list(own), None, 2] > leg[:, :, None, :, 2] + 0.03
        hidden[:, :, list(own)] |= ((apart.norm(dim=-1) < near) & is_farther).any(-1)
    return hidden


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
    slow = wander((batch, length, 17, 2), _MEMORY_S * rate_hz, generator)
    jitter = (_FAST * fast + _SLOW * slow) * _JITTER[:, None]
    jitter = jitter * (1 + (_HIDDEN - 1) * hidden[..., None])
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
    widen = torch.randn(batch, 1, 1, generator=generator) * _WIDER_HIPS
    raise_hips = torch.randn(batch, 1, 1, generator=generator) * _HIGHER_HIPS
    raise_shoulders = torch.randn(batch, 1, 1, generator=generator) * _HIGHER_SHOULDERS
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
    """Parts of limbs that go astray for a burst: held where they were, or drawn elsewhere."""
    batch, length = rays.shape[:2]
    missed = torch.zeros(batch, length, 17, dtype=torch.bool)
    out = rays.clone()
    rows = torch.arange(batch)
    for _ in range(_BURSTS_PER_ROUND * num_rounds(length, rate_hz)):
        burst = bursts(batch, length, share, _LONGEST_MISS_S, rate_hz, generator)
        picked = torch.multinomial(_ASTRAY_WEIGHTS, batch, replacement=True, generator=generator)
        inner, outer = _ASTRAY_PAIRS[picked].unbind(-1)
        other = torch.randint(0, 17, (batch,), generator=generator)
        pulled = out[rows, :, other] + 0.2 * unit[:, 0] * wander(
            (batch, length, 2), 0.5 * rate_hz, generator
        )
        held = out[rows, (torch.rand(batch, generator=generator) * length).long(), outer][:, None]
        wrong = torch.where(
            (torch.rand(batch, generator=generator) < 0.5)[:, None, None], pulled, held
        )
        strength = 0.3 + 0.7 * torch.rand(batch, 1, 1, generator=generator)
        shift = strength * (wrong - out[rows, :, outer])
        which = torch.rand(batch, 1, generator=generator)
        for joint, is_struck in (
            (inner, which < _BOTH_ASTRAY + _ONE_ASTRAY),
            (outer, (which < _BOTH_ASTRAY) | (which > _BOTH_ASTRAY + _ONE_ASTRAY)),
        ):
            struck = burst & is_struck
            out[rows, :, joint] += shift * struck[..., None]
            missed[rows, :, joint] |= struck
    return out, missed


def _swap_sides(rays: Tensor, share: Tensor, rate_hz: float, generator: Generator) -> Tensor:
    """Bursts in which legs, arms or the whole body have their sides exchanged."""
    batch, length = rays.shape[:2]
    mirrored = rays[:, :, torch.as_tensor(H36M_17.mirror_index)]
    for _ in range(num_rounds(length, rate_hz)):
        kind = torch.rand(batch, generator=generator)
        burst = bursts(batch, length, share, _LONGEST_SWAP_S, rate_hz, generator)
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
    batch, length, joints = error.shape
    # Logits: most joints that are seen score 0.9 to 1, hidden and missed ones anything.
    sure = 2.5 + 4.0 * torch.rand(batch, 1, 1, generator=generator)
    sure = sure + 1.5 * torch.randn(batch, 1, joints, generator=generator)
    sure = sure + torch.randn(batch, length, joints, generator=generator) - 4.0 * error
    sure = sure - 3.5 * hidden * torch.rand(batch, 1, 1, generator=generator)
    sure = sure - 6.0 * missed * torch.rand(batch, 1, 1, generator=generator)
    blind = clean | (torch.rand(batch, generator=generator) < 0.3)
    return torch.where(blind[:, None, None], torch.ones(()), sure.sigmoid().clamp_min(0.05))
