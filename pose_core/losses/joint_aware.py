"""Losses of the joint-aware temporal network (Gupta 2019, Table 1 and Eq. 1).

Eq. (1) sums squared differences between prediction and truth of seven quantities computed from
joint positions. All functions take positions ``(B, T, 17, 3)``, root-relative, metres.

What the paper leaves open, and how it is settled here: its "fixed distances between particular
joints, such as hip and knee" are the lengths of all bones; "angles between limbs" are those
between each bone and the one before it in the chain; the "range of motion" of a limb is the
largest minus the smallest angle of its elbow or knee in the window; each quantity is averaged
over joints and frames, and its weight, of which the paper prints none, is ours.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from pose_core.errors import ConfigError
from pose_core.skeleton import H36M_17

# (bone before, bone) of every chain; each bone is named by the joint at its end.
ADJACENT_BONES = tuple(
    (parent, child)
    for child, parent in enumerate(H36M_17.parents)
    if parent >= 0 and H36M_17.parents[parent] >= 0
)
_LIMB_PAIRS = ((2, 3), (5, 6), (12, 13), (15, 16))
# A bone shorter than 1 mm has no direction.
_SHORTEST_SQUARED_M = 1e-6


@dataclass(frozen=True, kw_only=True)
class JointAwareWeights:
    """Weight of each term; 0 switches it off.

    Parameters
    ----------
    position : float
        Mean joint distance, per metre.
    angle : float
        Angle between adjacent limbs, per square radian (theta).
    distance : float
        Length of every bone, per square metre (d).
    symmetry : float
        Left minus right bone length, per square metre (s).
    range_of_motion : float
        Largest minus smallest limb angle over the window, per square radian (r).
    velocity, acceleration : float
        First and second difference of positions, per square metre a frame (x', x'').
    angular_acceleration : float
        Second difference of limb angles, per square radian a frame (theta'').
    """

    position: float = 1.0
    angle: float = 0.1
    distance: float = 5.0
    symmetry: float = 5.0
    range_of_motion: float = 0.02
    velocity: float = 30.0
    acceleration: float = 15.0
    angular_acceleration: float = 0.1

    def __post_init__(self) -> None:
        for f in fields(self):
            if getattr(self, f.name) < 0:
                raise ConfigError(f"The loss weight {f.name} must not be negative.")


def bone_vectors(xyz: Tensor) -> Tensor:
    """(B, T, 16, 3) vectors from parent to child, in the order of joints 1..16."""
    parents, children = (list(joints) for joints in zip(*H36M_17.bones, strict=True))
    return xyz[..., children, :] - xyz[..., parents, :]


def bone_lengths(xyz: Tensor) -> Tensor:
    """(B, T, 16) lengths, metres; the gradient is finite also at length zero."""
    return (bone_vectors(xyz).square().sum(-1) + 1e-12).sqrt()


def limb_angles(xyz: Tensor, pairs: tuple[tuple[int, int], ...] = ADJACENT_BONES) -> Tensor:
    """(B, T, len(pairs)) angles between adjacent bones, radians, 0 when straight.

    Where a bone has no direction the angle is a right one, without gradient: it would be without
    bounds near length zero.
    """
    bones = bone_vectors(xyz)
    first = bones[..., [a - 1 for a, _ in pairs], :]
    second = bones[..., [b - 1 for _, b in pairs], :]
    shorter = torch.minimum(first.square().sum(-1), second.square().sum(-1))
    has_angle = shorter > _SHORTEST_SQUARED_M
    sine = (torch.cross(first, second, dim=-1).square().sum(-1) + 1e-12).sqrt()
    cosine = (first * second).sum(-1)
    return torch.atan2(torch.where(has_angle, sine, 1.0), torch.where(has_angle, cosine, 0.0))


def length_asymmetry(xyz: Tensor) -> Tensor:
    """(B, T, 6) left minus right bone length, metres."""
    lengths = bone_lengths(xyz)
    left = [left - 1 for left, _ in H36M_17.left_right_pairs]
    right = [right - 1 for _, right in H36M_17.left_right_pairs]
    return lengths[..., left] - lengths[..., right]


def limb_range(xyz: Tensor) -> Tensor:
    """(B, 4) range of knee and elbow angles over the window, radians."""
    angles = limb_angles(xyz, _LIMB_PAIRS)
    return angles.amax(dim=1) - angles.amin(dim=1)


def difference(values: Tensor, order: int) -> Tensor:
    """Finite difference over time (axis 1), per frame."""
    for _ in range(order):
        values = values[:, 1:] - values[:, :-1]
    return values


def joint_aware_terms(
    predicted: Tensor, truth: Tensor, valid: Tensor, weights: JointAwareWeights
) -> dict[str, Tensor]:
    """Weighted terms of the loss, those with weight 0 left out.

    Parameters
    ----------
    predicted, truth : (B, T, 17, 3) Tensor
        Root-relative, metres. Windows shorter than three frames have no motion terms.
    valid : (B, T) bool Tensor
        Frames that count; what the others hold, be it NaN, makes no difference. A difference over
        time counts where all its frames do, a range of motion where the whole window does.

    Returns
    -------
    dict of str to scalar Tensor
        Their sum is the loss.
    """
    # NaN times 0 is NaN: frames that do not count are emptied first.
    predicted, truth = (xyz.masked_fill(~valid[..., None, None], 0.0) for xyz in (predicted, truth))
    mask = valid.to(predicted.dtype)
    window = mask.amin(dim=1, keepdim=True)

    def mean(values: Tensor, frames: Tensor) -> Tensor:
        per_frame = values.flatten(2).mean(-1)
        return (per_frame * frames).sum() / frames.sum().clamp_min(1.0)

    def squared(function, order: int = 0) -> Tensor:  # noqa: ANN001
        error = difference(function(predicted) - function(truth), order)
        if not error.shape[1]:
            return error.sum()  # 0: the window is too short for this difference
        frames = mask.unfold(1, order + 1, 1).amin(dim=-1)
        return mean(error.square(), frames)

    terms = {
        "position": lambda: mean((predicted - truth).norm(dim=-1), mask),
        "angle": lambda: squared(limb_angles),
        "distance": lambda: squared(bone_lengths),
        "symmetry": lambda: squared(length_asymmetry),
        "range_of_motion": lambda: mean(
            (limb_range(predicted) - limb_range(truth)).square()[:, None], window
        ),
        "velocity": lambda: squared(lambda xyz: xyz, 1),
        "acceleration": lambda: squared(lambda xyz: xyz, 2),
        "angular_acceleration": lambda: squared(limb_angles, 2),
    }
    return {
        name: weight * term() for name, term in terms.items() if (weight := getattr(weights, name))
    }
