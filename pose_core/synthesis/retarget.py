"""Turns the segments of a body so that it stands as recorded joints do: closed form, no rest pose.

Frames of pelvis and chest come from the hip and shoulder lines. Limbs come from the directions of
their bones and from the hinge axis of elbow or knee, which is calibrated over the clip because a
straight limb does not show it. What 17 joints do not tell (feet, hands) follows the limb; feet
near the floor are flat.

All functions take ``(B, T, 17, 3)`` joints of Human3.6M-17, world z up, metres.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from pose_core.skeleton import H36M_17
from pose_core.synthesis.segments import INDEX, SEGMENTS, SIDES

# A hinge that bends less than the first does not show its axis, one above the second does (sine).
_HINGE_SEEN = (0.05, 0.25)
# How much one clip must bend (sum of sines) before it outweighs what anatomy says.
_CALIBRATION_PRIOR = 0.5
# Height of the ankle above its place in standing, metres: flat below, free above.
_FOOT_FLAT_M = (0.06, 0.25)
_POINTED_DEG = 20.0
_JOINT = {name: index for index, name in enumerate(H36M_17.joint_names)}


class Pose(NamedTuple):
    """How a body is posed.

    Parameters
    ----------
    rotations : (B, T, 20, 3, 3) Tensor
        World rotation of each segment away from its rest pose.
    root : (B, T, 3) Tensor
        World position of the middle of the hips, metres, scaled to the body's legs.
    """

    rotations: Tensor
    root: Tensor


def retarget(joints: Tensor, rest_pivots: Tensor, rest_joints: Tensor) -> Pose:
    """Pose bodies as recorded.

    Parameters
    ----------
    joints : (B, T, 17, 3) Tensor
    rest_pivots, rest_joints : (B, 20, 3), (B, 17, 3) Tensor
        Of the bodies, see `pose_core.synthesis.body.Body`.
    """
    at = {name: joints[:, :, index] for name, index in _JOINT.items()}
    rest = {name: rest_joints[:, None, index] for name, index in _JOINT.items()}
    pivot = {name: rest_pivots[:, None, index] for name, index in INDEX.items()}
    turned: dict[str, Tensor] = {}
    _trunk(turned, at, rest)
    for side in SIDES:
        _arm(turned, at, rest, pivot, side)
        _leg(turned, at, pivot, side)
    recorded, own = _leg_length(at), _leg_length(rest)
    scale = own.mean(dim=1) / recorded.mean(dim=1)
    return Pose(
        torch.stack([turned[name] for name in SEGMENTS], dim=2),
        at["pelvis"] * scale[:, None, None],
    )


def _trunk(turned: dict[str, Tensor], at: dict[str, Tensor], rest: dict[str, Tensor]) -> None:
    """Pelvis, spine, chest, neck and head."""

    def pelvis_frame(place: dict[str, Tensor]) -> Tensor:
        return frame(place["left_hip"] - place["right_hip"], place["spine"] - place["pelvis"])

    def chest_frame(place: dict[str, Tensor]) -> Tensor:
        across = place["left_shoulder"] - place["right_shoulder"]
        return frame(place["thorax"] - place["spine"], across)

    pelvis = pelvis_frame(at) @ pelvis_frame(rest).mT
    chest = chest_frame(at) @ chest_frame(rest).mT
    turned["pelvis"], turned["chest"] = pelvis, chest
    turned["spine_low"] = between(pelvis, chest, 0.25)
    turned["spine_middle"] = between(pelvis, chest, 0.65)
    upright = (chest @ (rest["head_top"] - rest["thorax"])[..., None])[..., 0]
    nod = shortest_turn(upright, at["head_top"] - at["thorax"])
    turned["head"] = nod @ chest
    turned["neck"] = between(chest, turned["head"], 0.5)


def _arm(
    turned: dict[str, Tensor],
    at: dict[str, Tensor],
    rest: dict[str, Tensor],
    pivot: dict[str, Tensor],
    side: str,
) -> None:
    """Clavicle, upper arm, forearm and hand."""
    chest = turned["chest"]
    outward = (chest @ (rest[f"{side}_shoulder"] - rest["thorax"])[..., None])[..., 0]
    shrug = shortest_turn(outward, at[f"{side}_shoulder"] - at["thorax"])
    turned[f"{side}_clavicle"] = shrug @ chest
    upper, lower = _hinged_limb(
        [at[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist")],
        [pivot[f"{side}_{name}"] for name in ("upper_arm", "forearm", "hand")],
        turned[f"{side}_clavicle"],
    )
    turned[f"{side}_upper_arm"], turned[f"{side}_forearm"] = upper, lower
    turned[f"{side}_hand"] = lower


def _leg(
    turned: dict[str, Tensor], at: dict[str, Tensor], pivot: dict[str, Tensor], side: str
) -> None:
    """Thigh, shin and foot."""
    thigh, shin = _hinged_limb(
        [at[f"{side}_{name}"] for name in ("hip", "knee", "ankle")],
        [pivot[f"{side}_{name}"] for name in ("thigh", "shin", "foot")],
        turned["pelvis"],
    )
    turned[f"{side}_thigh"], turned[f"{side}_shin"] = thigh, shin
    turned[f"{side}_foot"] = _foot(shin, at[f"{side}_ankle"])


def _hinged_limb(place: list[Tensor], pivot: list[Tensor], parent: Tensor) -> tuple[Tensor, Tensor]:
    """Rotations (B, T, 3, 3) of the two parts of a limb.

    Parameters
    ----------
    place : three (B, T, 3) Tensors
        Recorded root, hinge and end.
    pivot : three (B, 1, 3) Tensors
        The same of the body at rest.
    parent : (B, T, 3, 3) Tensor
        Rotation of the segment from which the limb hangs.
    """
    upper, lower = normalize(place[1] - place[0], dim=-1), normalize(place[2] - place[1], dim=-1)
    rest_upper, rest_lower = pivot[1] - pivot[0], pivot[2] - pivot[1]
    rest_axis = normalize(torch.linalg.cross(rest_upper, rest_lower), dim=-1)
    # The limb carried along by its parent and turned the shortest way has about the right twist.
    carried = (parent @ rest_upper[..., None])[..., 0]
    untwisted = shortest_turn(carried, upper) @ parent
    axis = _hinge_axis(upper, lower, untwisted, rest_axis)
    return (
        frame(upper, axis) @ frame(rest_upper, rest_axis).mT,
        frame(lower, axis) @ frame(rest_lower, rest_axis).mT,
    )


def _hinge_axis(upper: Tensor, lower: Tensor, untwisted: Tensor, rest_axis: Tensor) -> Tensor:
    """World axis (B, T, 3) of a hinge: what its bend shows, else what the clip shows elsewhere."""
    shown = torch.linalg.cross(upper, lower)
    local = (untwisted.mT @ shown[..., None])[..., 0]
    usual = normalize(local.sum(dim=1, keepdim=True) + _CALIBRATION_PRIOR * rest_axis, dim=-1)
    expected = (untwisted @ usual[..., None])[..., 0]
    sine = shown.norm(dim=-1, keepdim=True)
    share = smooth_step(sine, *_HINGE_SEEN)
    return share * shown / sine.clamp_min(1e-6) + (1.001 - share) * expected


def _foot(shin: Tensor, ankle: Tensor) -> Tensor:
    """A foot lies flat near the floor; in the air it follows the shin and points a little."""
    angle = math.radians(_POINTED_DEG)
    pointed = shin @ turn_x(shin.new_tensor(angle))
    forward = -shin[..., 1]
    level = torch.cat([forward[..., :2], torch.zeros_like(forward[..., 2:])], dim=-1)
    up = torch.zeros_like(level) + level.new_tensor([0.0, 0.0, 1.0])
    # Columns x (left), y (backward) and z (up) of the flat foot.
    backward = -normalize(level, dim=-1)
    flat = torch.stack([torch.linalg.cross(backward, up), backward, up], dim=-1)
    lowest = ankle[..., 2:].amin(dim=1, keepdim=True)
    near_floor = 1 - smooth_step(ankle[..., 2:] - lowest, *_FOOT_FLAT_M)
    share = near_floor * smooth_step(level.norm(dim=-1, keepdim=True), 0.3, 0.7)
    return between(pointed, flat, share[..., None])


def _leg_length(place: dict[str, Tensor]) -> Tensor:
    """Thigh and shin of both sides together, (B, T)."""
    ends = (("hip", "knee"), ("knee", "ankle"))
    bones = [place[f"{side}_{b}"] - place[f"{side}_{a}"] for side in SIDES for a, b in ends]
    return torch.stack(bones).norm(dim=-1).sum(dim=0)


# --- rotations -----------------------------------------------------------------------------------


def frame(a: Tensor, b: Tensor) -> Tensor:
    """Rotations (..., 3, 3) with columns along a, along b as far as it is across a, and a x b."""
    a = normalize(a, dim=-1)
    b = normalize(b - (a * b).sum(-1, keepdim=True) * a, dim=-1)
    return torch.stack([a, b, torch.linalg.cross(a, b)], dim=-1)


def between(start: Tensor, end: Tensor, share: float | Tensor) -> Tensor:
    """Rotation a share of the way from one to another that is not far."""
    mixed = start + share * (end - start)
    return frame(mixed[..., 0], mixed[..., 1])


def shortest_turn(source: Tensor, target: Tensor) -> Tensor:
    """Smallest rotation (..., 3, 3) that turns one direction (..., 3) into another.

    For opposite directions, where there is no single smallest one, the answer is not a rotation.
    """
    a, b = torch.broadcast_tensors(normalize(source, dim=-1), normalize(target, dim=-1))
    x, y, z = torch.linalg.cross(a, b).unbind(-1)
    zero = torch.zeros_like(x)
    k = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    cosine = (a * b).sum(-1)[..., None, None]
    return torch.eye(3, dtype=k.dtype, device=k.device) + k + k @ k / (1 + cosine).clamp_min(1e-4)


def turn_x(angle: Tensor) -> Tensor:
    """Rotation (..., 3, 3) about the x axis by radians (...)."""
    sine, cosine = angle.sin(), angle.cos()
    zero, one = torch.zeros_like(sine), torch.ones_like(sine)
    rows = [one, zero, zero, zero, cosine, -sine, zero, sine, cosine]
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def smooth_step(x: Tensor, low: float, high: float) -> Tensor:
    """0 up to `low`, 1 from `high` on, smooth between."""
    u = ((x - low) / (high - low)).clamp(0, 1)
    return u * u * (3 - 2 * u)
