"""Calibrated cameras of the benchmarks: two focal lengths and a lens that bends lines."""

from dataclasses import dataclass, field

import numpy as np

from pose_core.camera import Camera

# Enough for the lenses of the benchmarks to come to a millionth of a pixel (see the tests).
_UNDISTORT_STEPS = 30


@dataclass(frozen=True, eq=False)
class LensCamera:
    """A pinhole camera behind a lens.

    Parameters
    ----------
    name : str
    width, height : int
        Pixels.
    focal_px, centre_px : (float, float)
        Focal lengths in x and y, principal point.
    radial : (float, float, float)
        k1, k2, k3 of the factor ``1 + k1 r^2 + k2 r^4 + k3 r^6``.
    tangential : (float, float)
        p1, p2.
    tangential_factor : {2, 1}
        OpenCV and Bouguet have ``2 p1 x y + p2 (r^2 + 2 x^2)``; Human3.6M's own projection has
        ``p1 x y + p2 (r^2 + x^2)``, which is factor 1.
    rotation : (3, 3) ndarray
        World to camera: ``x_camera = rotation @ x_world + translation``.
    translation : (3,) ndarray
        Metres.
    """

    name: str
    width: int
    height: int
    focal_px: tuple[float, float]
    centre_px: tuple[float, float]
    radial: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tangential: tuple[float, float] = (0.0, 0.0)
    tangential_factor: int = 2
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))
    translation: np.ndarray = field(default_factory=lambda: np.zeros(3))

    def to_camera(self, world_xyz: np.ndarray) -> np.ndarray:
        """World (..., 3) to camera coordinates, metres."""
        return world_xyz @ self.rotation.T + self.translation

    def project(self, camera_xyz: np.ndarray) -> np.ndarray:
        """Camera coordinates (..., 3) to pixels (..., 2); NaN for points not in front."""
        z = np.where(camera_xyz[..., 2:] > 1e-6, camera_xyz[..., 2:], np.nan)
        return self._bend(camera_xyz[..., :2] / z) * self.focal_px + self.centre_px

    def rays(self, xy: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) to x/z, y/z (..., 2): the inverse of `project` up to depth."""
        seen = (xy - self.centre_px) / np.asarray(self.focal_px)
        straight = seen
        for _ in range(_UNDISTORT_STEPS):
            straight = straight + seen - self._bend(straight)
        return straight

    def pinhole(self) -> Camera:
        """A camera without a lens and with one focal length, for what knows no other."""
        return Camera(self.width, self.height, sum(self.focal_px) / 2, self.centre_px)

    def straighten(self, xy: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of this camera to where the camera of `pinhole` sees the same."""
        return self.rays(xy) * (sum(self.focal_px) / 2) + self.centre_px

    def _bend(self, rays: np.ndarray) -> np.ndarray:
        """What the lens does to x/z, y/z (..., 2)."""
        x, y = rays[..., 0], rays[..., 1]
        (k1, k2, k3), (p1, p2), c = self.radial, self.tangential, self.tangential_factor
        r2 = x * x + y * y
        factor = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        return np.stack(
            [
                x * factor + c * p1 * x * y + p2 * (r2 + c * x * x),
                y * factor + p1 * (r2 + c * y * y) + c * p2 * x * y,
            ],
            axis=-1,
        )
