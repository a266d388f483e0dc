"""Which joints of a rendered person can be seen."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from pose_core.skeleton import H36M_17
from pose_core.synthesis.renderer import NO_PART
from pose_core.synthesis.segments import INDEX

OUTSIDE, HIDDEN, VISIBLE = 0, 1, 2

# Parts of the body under whose surface a joint lies; {side} is the joint's own.
_PARTS = {
    "pelvis": ("pelvis", "spine_low", "left_thigh", "right_thigh"),
    "hip": ("pelvis", "{side}_thigh"),
    "knee": ("{side}_thigh", "{side}_shin"),
    "ankle": ("{side}_shin", "{side}_foot"),
    "spine": ("spine_low", "spine_middle", "chest"),
    "thorax": ("chest", "neck", "left_clavicle", "right_clavicle"),
    "neck": ("head", "neck"),
    "head_top": ("head",),
    "shoulder": ("{side}_upper_arm", "{side}_clavicle", "chest"),
    "elbow": ("{side}_upper_arm", "{side}_forearm"),
    "wrist": ("{side}_forearm", "{side}_hand"),
}


def parts_of_joints() -> Tensor:
    """(17, 256) bool: whether a part number shows a joint."""
    table = torch.zeros(H36M_17.num_joints, NO_PART + 1, dtype=torch.bool)
    for joint, name in enumerate(H36M_17.joint_names):
        side, _, rest = name.partition("_")
        parts = _PARTS[name] if name in _PARTS else _PARTS[rest]
        for part in parts:
            table[joint, INDEX[part.format(side=side)]] = True
    return table


def visibility(parts: Tensor, keypoints: Tensor) -> Tensor:
    """What can be seen of each joint, from the pixels around it.

    Parameters
    ----------
    parts : (B, H, W) uint8 Tensor
        Segment numbers; `NO_PART` for nobody and for what stands in front of the person.
    keypoints : (B, 17, 2) Tensor
        Pixels.

    Returns
    -------
    (B, 17) uint8 Tensor
        `VISIBLE` where one of the 3 x 3 pixels around the joint shows a part under which the
        joint lies; otherwise `HIDDEN`, or `OUTSIDE` for joints outside the picture.
    """
    height, width = parts.shape[1:]
    column, row = keypoints.floor().long().unbind(-1)
    inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
    column, row = column.clamp(0, width - 1), row.clamp(0, height - 1)
    rim = pad(parts, (1, 1, 1, 1), value=NO_PART)
    picture = torch.arange(len(parts), device=parts.device)[:, None]
    table = parts_of_joints().to(parts.device)
    joint = torch.arange(table.shape[0], device=parts.device)[None]
    seen = torch.zeros_like(inside)
    for down in range(3):
        for right in range(3):
            seen |= table[joint, rim[picture, row + down, column + right].long()]
    return torch.where(inside, torch.where(seen, VISIBLE, HIDDEN), OUTSIDE).to(torch.uint8)
