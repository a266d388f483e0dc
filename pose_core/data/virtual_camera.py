"""Virtual cameras: random viewpoints on recorded motion, batched in torch.

World z up, camera x right, y down, z forward; metres. Rays are x/z and y/z.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from pose_core.data.body_variation import rotation_about


@dataclass(frozen=True, kw_only=True)
class CameraRange:
    """Where cameras may stand. Each camera is still while it films.

    Parameters
    ----------
    distance_m : (float, float)
        From the pelvis; the logarithm is uniform.
    height_m : (float, float)
        Above the floor, uniform.
    focal_per_long_side : (float, float)
        Focal length over the longer side of the picture; the logarithm is uniform.
    roll_deg : float
        Standard deviation of a small roll; a third of cameras roll up to `strong_roll_deg`.
    strong_roll_deg : float
    off_centre : float
        How far from the picture's middle the person may be, share of the half picture.
    focal_error : (float, float)
        Assumed over true focal length; the logarithm is uniform, in 60 % of cameras.
    """

    distance_m: tuple[float, float] = (1.8, 9.0)
    height_m: tuple[float, float] = (0.2, 3.0)
    focal_per_long_side: tuple[float, float] = (0.6, 2.0)
    roll_deg: float = 4.0
    strong_roll_deg: float = 25.0
    off_centre: float = 0.7
    focal_error: tuple[float, float] = (0.55, 1.7)


@dataclass(frozen=True, eq=False)
class CameraBatch:
    """One camera per sequence.

    Parameters
    ----------
    rotation : (B, 3, 3) Tensor
        World to camera.
    position : (B, 3) Tensor
        World, metres.
    focal_per_long_side : (B,) Tensor
    assumed_over_true : (B,) Tensor
        Focal length that the lifter assumes over the true one.
    """

    rotation: Tensor
    position: Tensor
    focal_per_long_side: Tensor
    assumed_over_true: Tensor

    def to_camera(self, world: Tensor) -> Tensor:
        """World (B, T, J, 3) to camera coordinates."""
        return (world - self.position[:, None, None]) @ self.rotation[:, None].transpose(-1, -2)


def _uniform(low: float, high: float, batch: int, generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(batch, generator=generator)


def _log_uniform(bounds: tuple[float, float], batch: int, generator: Generator) -> Tensor:
    return _uniform(math.log(bounds[0]), math.log(bounds[1]), batch, generator).exp()


def sample_cameras(target: Tensor, limits: CameraRange, generator: Generator) -> CameraBatch:
    """Cameras that have the person in view.

    Parameters
    ----------
    target : (B, 3) Tensor
        World point near the middle of the person's path; the floor is z = 0.
    """
    batch = len(target)
    distance = _log_uniform(limits.distance_m, batch, generator)
    azimuth = _uniform(0, 2 * math.pi, batch, generator)
    height = _uniform(*limits.height_m, batch, generator)
    rise = (height - target[:, 2]).clamp(-0.9 * distance, 0.9 * distance)
    level = (distance**2 - rise**2).sqrt()
    offset = torch.stack([azimuth.cos() * level, azimuth.sin() * level, rise], -1)
    focal = _log_uniform(limits.focal_per_long_side, batch, generator)
    rotation = _look_at(-offset)
    # Turn the camera aside so that the person is not always in the middle of the picture.
    half_view = torch.atan(limits.off_centre * 0.5 / focal)
    aside = (torch.rand(batch, 2, generator=generator) * 2 - 1) * half_view[:, None]
    x_axis = torch.tensor([1.0, 0.0, 0.0]).expand(batch, 3)
    y_axis = torch.tensor([0.0, 1.0, 0.0]).expand(batch, 3)
    rotation = rotation_about(x_axis, aside[:, 1]) @ rotation_about(y_axis, aside[:, 0]) @ rotation
    rotation = _roll(limits, batch, generator) @ rotation
    wrong = torch.rand(batch, generator=generator) < 0.6
    error = torch.where(wrong, _log_uniform(limits.focal_error, batch, generator), 1.0)
    return CameraBatch(rotation, target + offset, focal, error)


def _look_at(forward: Tensor) -> Tensor:
    """World-to-camera rotations (B, 3, 3) with level horizon, looking along `forward`."""
    z = torch.nn.functional.normalize(forward, dim=-1)
    up = torch.tensor([0.0, 0.0, 1.0]).expand_as(z)
    x = torch.nn.functional.normalize(torch.cross(z, up, dim=-1), dim=-1)
    y = torch.cross(z, x, dim=-1)
    return torch.stack([x, y, z], dim=-2)


def _roll(limits: CameraRange, batch: int, generator: Generator) -> Tensor:
    small = torch.randn(batch, generator=generator) * limits.roll_deg
    strong = _uniform(-limits.strong_roll_deg, limits.strong_roll_deg, batch, generator)
    pick = torch.rand(batch, generator=generator) < 1 / 3
    z_axis = torch.tensor([0.0, 0.0, 1.0]).expand(batch, 3)
    return rotation_about(z_axis, torch.deg2rad(torch.where(pick, strong, small)))


def keep_in_front(camera_xyz: Tensor, nearest_m: float = 0.6) -> Tensor:
    """Sequences moved back along the axis as far as needed to stay in front of the camera."""
    nearest = camera_xyz[..., 2].flatten(1).min(dim=1).values
    shift = (nearest_m - nearest).clamp_min(0.0)
    return camera_xyz + shift[:, None, None, None] * torch.tensor([0.0, 0.0, 1.0])


def rays_of(camera_xyz: Tensor) -> Tensor:
    """True rays (..., 2) of points (..., 3) in front of the camera."""
    return camera_xyz[..., :2] / camera_xyz[..., 2:]
