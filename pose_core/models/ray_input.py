"""Input of the lifters: keypoints as seen by a camera that looks straight at the person.

An unknown camera must not matter. So keypoints become viewing rays under the given or assumed
focal length, each frame is turned so that the middle of the trunk lies on the optical axis, and
the remaining picture is divided by the person's size, smoothed over time. The network answers in
the axes of that turned camera; `RayFrame.rotation` turns the answer back.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

# left/right hip and shoulder of the canonical skeleton: the trunk
_TRUNK = (1, 4, 11, 14)
# A frame counts for the size of the person in as many frames to either side.
SMOOTH_FRAMES = 12


@dataclass(frozen=True, eq=False)
class RayFrame:
    """Normalised keypoints and how to undo the turn.

    Parameters
    ----------
    features : (B, T, J, 3) Tensor
        x, y (in person sizes) and score.
    rotation : (B, T, 3, 3) Tensor
        Camera to turned camera: ``x_turned = rotation @ x_camera``.
    size : (B, T) Tensor
        Of the person in the turned picture, smoothed over time.
    """

    features: Tensor
    rotation: Tensor
    size: Tensor

    def place(self, rays: Tensor) -> Tensor:
        """Where other rays (B, T, J, 2) of the same frames lie among `features`, (B, T, J, 2)."""
        turned = functional.pad(rays, (0, 1), value=1.0) @ self.rotation.transpose(-1, -2)
        return turned[..., :2] / turned[..., 2:].clamp_min(0.1) / self.size[..., None, None]


def look_at_rotation(centre: Tensor) -> Tensor:
    """Smallest rotations (..., 3, 3) that bring rays (u, v, 1) onto the optical axis.

    Parameters
    ----------
    centre : (..., 2) Tensor
        Normalised image coordinates u = x / z, v = y / z.
    """
    ray = functional.normalize(functional.pad(centre, (0, 1), value=1.0), dim=-1)
    x, y, z = ray.unbind(-1)
    k = 1 / (1 + z)
    rows = [
        torch.stack([1 - k * x * x, -k * x * y, -x], -1),
        torch.stack([-k * x * y, 1 - k * y * y, -y], -1),
        torch.stack([x, y, z], -1),
    ]
    return torch.stack(rows, -2)


def trunk_centre(rays: Tensor, scores: Tensor) -> Tensor:
    """Score-weighted middle (B, T, 2) of hips and shoulders of rays (B, T, J, 2)."""
    trunk = list(_TRUNK)
    weight = scores[..., trunk].clamp_min(1e-3)[..., None]
    return (rays[..., trunk, :] * weight).sum(-2) / weight.sum(-2)


def smooth_over_time(values: Tensor, half_width: int = SMOOTH_FRAMES) -> Tensor:
    """Triangular moving mean of (B, T); frames beyond the ends count as not there."""
    kernel = torch.arange(-half_width, half_width + 1, device=values.device).abs()
    kernel = (1 - kernel / (half_width + 1)).to(values.dtype)[None, None]
    total = functional.conv1d(values[:, None], kernel, padding=half_width)
    count = functional.conv1d(torch.ones_like(values[:, None]), kernel, padding=half_width)
    return (total / count)[:, 0]


def normalise_rays(rays: Tensor, scores: Tensor) -> RayFrame:
    """Turn and scale rays into the input of a lifter.

    Parameters
    ----------
    rays : (B, T, J, 2) Tensor
        Normalised image coordinates under the given or assumed focal length.
    scores : (B, T, J) Tensor
        Confidence 0..1. Missing joints (score 0) must still have finite rays.
    """
    rotation = look_at_rotation(trunk_centre(rays, scores))
    homogeneous = functional.pad(rays, (0, 1), value=1.0)
    turned = homogeneous @ rotation.transpose(-1, -2)
    flat = turned[..., :2] / turned[..., 2:].clamp_min(0.1)
    weight = scores.clamp(1e-3, 1.0)
    spread = ((flat**2).sum(-1) * weight).sum(-1) / weight.sum(-1)
    size = smooth_over_time(spread.clamp_min(1e-8).sqrt())
    features = torch.cat([flat / size[..., None, None], scores[..., None]], dim=-1)
    # Wild keypoints must not drive the network out of the range that it knows.
    return RayFrame(features.clamp(-6.0, 6.0), rotation, size)
