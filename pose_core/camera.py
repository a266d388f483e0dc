"""Pinhole cameras, calibrated or assumed."""

from dataclasses import dataclass, field

import numpy as np

from pose_core import geometry
from pose_core.errors import ConfigError

# A phone or web camera sees about 60 degrees along the long side of its picture.
ASSUMED_FOCAL_PER_LONG_SIDE = 1.0


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    Parameters
    ----------
    width, height : int
        Picture size in pixels.
    focal_px : float
        Focal length in pixels, the same in x and y.
    centre_px : (float, float), optional
        Principal point in pixels; the middle of the picture by default.
    rotation : (3, 3) ndarray
        World to camera: ``x_camera = rotation @ x_world + translation``.
    translation : (3,) ndarray
        Metres.
    is_estimated : bool
        True when the focal length was assumed rather than given.
    """

    width: int
    height: int
    focal_px: float
    centre_px: tuple[float, float] | None = None
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))
    translation: np.ndarray = field(default_factory=lambda: np.zeros(3))
    is_estimated: bool = False

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0 or not self.focal_px > 0:
            raise ConfigError("A camera needs a positive width, height and focal length.")

    @classmethod
    def assumed(cls, width: int, height: int, focal_px: float | None = None) -> "Camera":
        """Camera of a video of unknown origin: the focal length equals the long side."""
        if focal_px:
            return cls(width, height, focal_px)
        focal = ASSUMED_FOCAL_PER_LONG_SIDE * max(width, height)
        return cls(width, height, focal, is_estimated=True)

    @property
    def intrinsics(self) -> np.ndarray:
        """(3, 3) calibration matrix K, pixels."""
        cx, cy = self.centre_px or (self.width / 2, self.height / 2)
        return np.array([[self.focal_px, 0, cx], [0, self.focal_px, cy], [0, 0, 1.0]])

    def to_camera(self, world_xyz: np.ndarray) -> np.ndarray:
        """World (..., 3) to camera coordinates, metres."""
        return world_xyz @ self.rotation.T + self.translation

    def to_world(self, camera_xyz: np.ndarray) -> np.ndarray:
        """Camera (..., 3) to world coordinates, metres."""
        return (camera_xyz - self.translation) @ self.rotation

    def project(self, world_xyz: np.ndarray) -> np.ndarray:
        """World (..., 3) to pixels (..., 2); NaN behind the camera."""
        return geometry.project(self.to_camera(world_xyz), self.intrinsics)

    def rays(self, xy: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) to normalised coordinates x/z, y/z (..., 2)."""
        return geometry.unproject(xy, self.intrinsics)[..., :2]
