"""The eye of the 3D view: orbits a point, and turns scene points into pixels.

Scene coordinates: x to the right of the video camera, y away from it, z up, metres.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from pose_core.camera import Camera

DEGREES_PER_PIXEL = 0.4
NEAREST_M, FARTHEST_M = 0.3, 120.0
_HALF_OPENING = math.tan(math.radians(19))


_TO_SCENE = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # x, y, z to x, z, -y
LEVEL = np.eye(3)  # rotation of a video camera that looks neither up nor down


def to_scene(camera_xyz: np.ndarray, level: np.ndarray = LEVEL) -> np.ndarray:
    """Camera coordinates (..., 3), y down and z forward, to scene coordinates, z up.

    With `from_scene` the only place where the 3D view turns axes.

    Parameters
    ----------
    camera_xyz : (..., 3) ndarray
    level : (3, 3) ndarray
        From the camera's axes to those of a level camera.
    """
    # One product: this is called many times for every frame that is drawn.
    return np.asarray(camera_xyz) @ (level.T @ _TO_SCENE)


def from_scene(scene_xyz: np.ndarray, level: np.ndarray = LEVEL) -> np.ndarray:
    """Inverse of `to_scene`."""
    x, z, minus_y = np.moveaxis(np.asarray(scene_xyz), -1, 0)
    return np.stack([x, -minus_y, z], axis=-1) @ level


@dataclass(frozen=True)
class Window:
    """What the eye sees at one metre: metres left, right, below and above the line of sight."""

    left: float = -_HALF_OPENING
    right: float = _HALF_OPENING
    bottom: float = -_HALF_OPENING
    top: float = _HALF_OPENING

    @classmethod
    def of_camera(cls, camera: Camera) -> "Window":
        """The picture of a camera."""
        corners = camera.rays(np.array([[0.0, 0.0], [camera.width, camera.height]]))
        (left, upper), (right, lower) = corners.tolist()
        return cls(left, right, -lower, -upper)

    def widened(self, aspect: float) -> "Window":
        """Widen one direction, about the middle, to width over height = `aspect`."""
        width, height = self.right - self.left, self.top - self.bottom
        extra_x = max(height * aspect - width, 0) / 2
        extra_y = max(width / aspect - height, 0) / 2
        return Window(
            self.left - extra_x, self.right + extra_x, self.bottom - extra_y, self.top + extra_y
        )


@dataclass(frozen=True, eq=False)
class Orbit:
    """Where the eye is and what it looks at.

    Parameters
    ----------
    target : (3,) ndarray
        The point in the middle of the view, scene coordinates.
    azimuth_deg : float
        0 looks along +y, as the video camera does; positive turns the eye to the right-hand side
        of the target, so that it looks to the left.
    elevation_deg : float
        Height of the eye over the target, -90 to 90 degrees.
    distance_m : float
        From the eye to the target.
    window : Window
    roll_deg : float
        Positive turns the eye to the left about its line of sight, so that the scene leans right.
    """

    target: np.ndarray = field(default_factory=lambda: np.zeros(3))
    azimuth_deg: float = 0.0
    elevation_deg: float = 0.0
    distance_m: float = 5.0
    window: Window = field(default_factory=Window)
    roll_deg: float = 0.0

    @classmethod
    def of_video_camera(cls, level: np.ndarray, distance_m: float, window: Window) -> "Orbit":
        """Look from the origin as the video camera does, whose axes `level` makes level."""
        right, down, forward = to_scene(np.eye(3), level)
        azimuth, elevation = math.atan2(-forward[0], forward[1]), math.asin(-forward[2])
        roll = math.atan2(right[2], -down[2])
        return cls(
            distance_m * forward,
            math.degrees(azimuth),
            math.degrees(elevation),
            distance_m,
            window,
            math.degrees(roll),
        )

    @property
    def axes(self) -> np.ndarray:
        """(3, 3) rows: right, up and backward direction of the eye."""
        azimuth, elevation = math.radians(self.azimuth_deg), math.radians(self.elevation_deg)
        sin_a, cos_a = math.sin(azimuth), math.cos(azimuth)
        sin_e, cos_e = math.sin(elevation), math.cos(elevation)
        right = np.array([cos_a, sin_a, 0.0])
        up = np.array([-sin_a * sin_e, cos_a * sin_e, cos_e])
        backward = np.array([sin_a * cos_e, -cos_a * cos_e, sin_e])
        roll = math.radians(self.roll_deg)
        sin_r, cos_r = math.sin(roll), math.cos(roll)
        return np.array([cos_r * right + sin_r * up, cos_r * up - sin_r * right, backward])

    @property
    def eye(self) -> np.ndarray:
        """(3,) position of the eye."""
        return self.target + self.distance_m * self.axes[2]

    def depth_of(self, point: np.ndarray) -> float:
        """Metres that a scene point (3,) lies before the eye, along the line of sight."""
        return float((self.eye - point) @ self.axes[2])

    def at_depth(
        self, x: float, y: float, depth_m: float, width: float, height: float
    ) -> np.ndarray:
        """(3,) scene point at a pixel, so far before the eye; inverse of `project`.

        Parameters
        ----------
        x, y : float
            Pixels of a view of this width and height, y down.
        depth_m : float
            As in `depth_of`.
        width, height : float
        """
        window = self.window.widened(width / height)
        across = window.left + (window.right - window.left) * x / width
        upward = window.top - (window.top - window.bottom) * y / height
        right, up, backward = self.axes
        return self.eye + depth_m * (across * right + upward * up - backward)

    def matrix(self, aspect: float) -> np.ndarray:
        """(4, 4) scene to clip coordinates, for column vectors."""
        view = np.eye(4)
        view[:3, :3] = self.axes
        view[:3, 3] = -self.axes @ self.eye
        near, far = max(0.02 * self.distance_m, 0.02), self.distance_m + 200.0
        window = self.window.widened(aspect)
        width, height = window.right - window.left, window.top - window.bottom
        projection = np.zeros((4, 4))
        projection[0, 0], projection[0, 2] = 2 / width, (window.right + window.left) / width
        projection[1, 1], projection[1, 2] = 2 / height, (window.top + window.bottom) / height
        projection[2, 2], projection[2, 3] = (
            (near + far) / (near - far),
            2 * near * far / (near - far),
        )
        projection[3, 2] = -1
        return projection @ view

    def turned(self, dx: float, dy: float) -> "Orbit":
        """Orbit, upright, by a drag of so many pixels: the scene follows the mouse."""
        azimuth = (self.azimuth_deg - dx * DEGREES_PER_PIXEL + 180) % 360 - 180
        elevation = min(max(self.elevation_deg + dy * DEGREES_PER_PIXEL, -90.0), 90.0)
        return replace(self, azimuth_deg=azimuth, elevation_deg=elevation, roll_deg=0.0)

    def panned(self, dx: float, dy: float, width: float, height: float) -> "Orbit":
        """Move sideways by a drag of so many pixels: the target stays under the mouse."""
        window = self.window.widened(width / height)
        metres_per_pixel = self.distance_m * (window.top - window.bottom) / height
        right, up, _ = self.axes
        return replace(self, target=self.target + metres_per_pixel * (dy * up - dx * right))

    def nearer(self, factor: float) -> "Orbit":
        """Divide the distance by `factor`, within bounds."""
        return replace(self, distance_m=min(max(self.distance_m / factor, NEAREST_M), FARTHEST_M))


def project(points: np.ndarray, matrix: np.ndarray, width: float, height: float) -> np.ndarray:
    """Scene points (..., 3) to pixels (..., 2), y down; NaN behind the eye.

    Parameters
    ----------
    matrix : (4, 4) ndarray
        That of `Orbit.matrix`.
    width, height : float
        Size of the view in pixels.
    """
    clip = points @ matrix[:, :3].T + matrix[:, 3]
    w = np.where(clip[..., 3:] > 1e-6, clip[..., 3:], np.nan)
    return (clip[..., :2] / w * (1, -1) + 1) * (width / 2, height / 2)
