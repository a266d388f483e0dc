"""Other bodies and other movements from recorded ones, batched in torch.

All functions take root-centred or world positions ``(B, T, 17, 3)`` in a z-up world, metres, and
a generator, and return new tensors.
"""

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn import functional

from pose_core.skeleton import H36M_17

_PELVIS, _RIGHT_HIP, _LEFT_HIP = 0, 1, 4
_LEGS = (0, 1, 2, 3, 4, 5, 6)
_UPPER = tuple(range(7, 17))
_THORAX, _HEAD = 8, (9, 10)
# root, hinge, end of each limb
_LIMBS = ((1, 2, 3), (4, 5, 6), (11, 12, 13), (14, 15, 16))


def rotation_about(axis: Tensor, angle: Tensor) -> Tensor:
    """Rodrigues' formula: matrices (..., 3, 3) from unit axes (..., 3) and radians (...)."""
    x, y, z = axis.unbind(-1)
    zero = torch.zeros_like(x)
    k = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    sine, cosine = angle.sin()[..., None, None], angle.cos()[..., None, None]
    return torch.eye(3, device=axis.device) + sine * k + (1 - cosine) * (k @ k)


def random_axes(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Unit vectors (*shape, 3), uniform on the sphere."""
    return functional.normalize(torch.randn(*shape, 3, generator=generator), dim=-1)


def heading(positions: Tensor) -> Tensor:
    """Angle (B, T) of the hip line about the vertical axis, radians."""
    across = positions[..., _LEFT_HIP, :] - positions[..., _RIGHT_HIP, :]
    return torch.atan2(across[..., 1], across[..., 0])


def turn(positions: Tensor, angle: Tensor) -> Tensor:
    """Positions turned about the world's vertical axis by angles (B,) or (B, T)."""
    if angle.dim() == 1:
        angle = angle[:, None]
    sine, cosine = angle.sin()[..., None], angle.cos()[..., None]
    x, y, z = positions.unbind(-1)
    turned_x, turned_y = cosine * x - sine * y, sine * x + cosine * y
    return torch.stack([turned_x, turned_y, z.expand_as(turned_x)], dim=-1)


def mirror(positions: Tensor, chosen: Tensor) -> Tensor:
    """Left and right exchanged where chosen (B,) bool."""
    index = torch.as_tensor(H36M_17.mirror_index)
    mirrored = positions[:, :, index] * torch.tensor([-1.0, 1.0, 1.0])
    return torch.where(chosen[:, None, None, None], mirrored, positions)


def join_halves(legs: Tensor, arms: Tensor, chosen: Tensor) -> Tensor:
    """Legs of one movement under the trunk and arms of another, headings aligned."""
    angle = heading(legs) - heading(arms)
    upper = turn(arms - arms[:, :, :1], angle) + legs[:, :, :1]
    joined = upper.clone()
    joined[:, :, list(_LEGS)] = legs[:, :, list(_LEGS)]
    return torch.where(chosen[:, None, None, None], joined, legs)


def vary_bones(positions: Tensor, stature: Tensor, bone_factor: Tensor) -> Tensor:
    """Same directions, other bone lengths.

    Parameters
    ----------
    stature : (B,) Tensor
        Factor for all bones and for the path of the pelvis.
    bone_factor : (B, 17) Tensor
        Factor of the bone that ends at each joint.
    """
    factor = (stature[:, None] * bone_factor)[:, None, :, None]
    out = [positions[:, :, 0] * stature[:, None, None]]
    for joint, parent in enumerate(H36M_17.parents):
        if parent >= 0:
            bone = positions[:, :, joint] - positions[:, :, parent]
            out.append(out[parent] + bone * factor[:, :, joint])
    return torch.stack(out, dim=2)


def symmetric_bone_factors(batch: int, spread: float, generator: Generator) -> Tensor:
    """Factors (B, 17) about 1, the same left and right."""
    factor = 1 + spread * torch.randn(batch, 17, generator=generator).clamp(-2, 2)
    for left, right in H36M_17.left_right_pairs:
        factor[:, right] = factor[:, left]
    return factor


def swinging(
    batch: int, length: int, max_deg: float, share: Tensor, generator: Generator
) -> Tensor:
    """Angles (B, T) in radians that swing slowly between 0 and a random largest one.

    Each sequence has any with its probability in `share` (B, 1); else it is 0 throughout.
    """
    largest = torch.rand(batch, 1, generator=generator) * math.radians(max_deg)
    largest = largest * (torch.rand(batch, 1, generator=generator) < share)
    cycles = 2 * torch.rand(batch, 1, generator=generator) ** 2
    phase = torch.rand(batch, 1, generator=generator) * 2 * math.pi
    time = torch.arange(length)[None] / length
    return largest * (0.5 + 0.5 * (2 * math.pi * cycles * time + phase).sin())


def rotate_part(
    positions: Tensor, joints: Sequence[int], pivot: int, angle: Tensor, generator: Generator
) -> Tensor:
    """Joints turned about a pivot joint by angles (B, T), axis random in the body's heading."""
    facing = heading(positions)
    axis = turn(random_axes((len(positions),), generator)[:, None, None], facing)[:, :, 0]
    rotation = rotation_about(axis, angle)
    root = positions[:, :, pivot : pivot + 1]
    out = positions.clone()
    out[:, :, list(joints)] = (out[:, :, list(joints)] - root) @ rotation.mT + root
    return out


def rotate_parts(positions: Tensor, max_deg: float, share: Tensor, generator: Generator) -> Tensor:
    """Trunk, head and each limb turned about their roots by slowly swinging rotations."""
    batch, length = positions.shape[:2]
    parts = ((_UPPER, _PELVIS), (_HEAD, _THORAX), *((limb[1:], limb[0]) for limb in _LIMBS))
    for joints, pivot in parts:
        angle = swinging(batch, length, max_deg, share, generator)
        rows = angle.amax(dim=1).nonzero()[:, 0]
        turned = rotate_part(positions[rows], joints, pivot, angle[rows], generator)
        positions = positions.index_copy(0, rows, turned)
    return positions


def twist_arms(positions: Tensor, max_deg: float, share: Tensor, generator: Generator) -> Tensor:
    """Forearms turned about their upper arms, as shoulders rotate inwards and outwards."""
    batch, length = positions.shape[:2]
    out = positions.clone()
    for root, hinge, end in _LIMBS[2:]:
        axis = functional.normalize(out[:, :, hinge] - out[:, :, root], dim=-1)
        angle = swinging(batch, length, 2 * max_deg, share, generator)
        rotation = rotation_about(axis, angle - angle.mean(1, keepdim=True))
        lower = out[:, :, end] - out[:, :, hinge]
        out[:, :, end] = out[:, :, hinge] + (rotation @ lower[..., None])[..., 0]
    return out


def bend_hinges(positions: Tensor, max_deg: float, share: Tensor, generator: Generator) -> Tensor:
    """Elbows and knees bent further about their own hinge; straight limbs are left straight."""
    batch = positions.shape[0]
    out = positions.clone()
    for root, hinge, end in _LIMBS:
        upper = out[:, :, hinge] - out[:, :, root]
        lower = out[:, :, end] - out[:, :, hinge]
        axis = torch.cross(upper, lower, dim=-1)
        sine = axis.norm(dim=-1) / (upper.norm(dim=-1) * lower.norm(dim=-1)).clamp_min(1e-6)
        angle = torch.rand(batch, 1, generator=generator) * math.radians(max_deg)
        angle = angle * (torch.rand(batch, 1, generator=generator) < share)
        bend = torch.atan2(sine, functional.cosine_similarity(upper, lower, dim=-1))
        room = (math.radians(150) - bend).clamp(0, math.radians(max_deg))
        angle = torch.minimum(angle.expand_as(bend), room) * (sine / 0.2).clamp(max=1.0)
        rotation = rotation_about(functional.normalize(axis, dim=-1), angle)
        out[:, :, end] = out[:, :, hinge] + (rotation @ lower[..., None])[..., 0]
    return out


def tilt(positions: Tensor, max_deg: Tensor, generator: Generator) -> Tensor:
    """The whole body tilted about a level axis by up to `max_deg` (B,), about its pelvis."""
    batch = positions.shape[0]
    direction = torch.rand(batch, generator=generator) * 2 * math.pi
    axis = torch.stack([direction.cos(), direction.sin(), torch.zeros(batch)], -1)
    angle = torch.rand(batch, generator=generator) * torch.deg2rad(max_deg)
    rotation = rotation_about(axis, angle)[:, None]
    origin = positions[:, positions.shape[1] // 2, :1][:, None]
    return (positions - origin) @ rotation.transpose(-1, -2) + origin
