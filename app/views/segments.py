"""Line segments of the 3D view: ground grid, shadows, trails and the video camera."""

from dataclasses import dataclass

import numpy as np

from app.views.body_mesh import BONES, JOINT_RADIUS_M, JOINT_RGB
from app.views.orbit import LEVEL, to_scene
from pose_core.camera import Camera
from pose_core.skeleton import H36M_17

TRAIL_JOINTS = np.array(
    [
        H36M_17.index(name)
        for name in ("pelvis", "left_wrist", "right_wrist", "left_ankle", "right_ankle")
    ]
)
TRAIL_FRAMES = 60
CAMERA_DEPTH_M = 0.45
ARROW_HEAD_M, SHORTEST_ARROW_M = 0.04, 0.004
CAGE_M = 1.45 * JOINT_RADIUS_M  # from a joint that was edited to the sides of the cube around it
SHADOW_LIFT_M = 0.002  # above the grid, or the two would flicker


@dataclass(frozen=True, eq=False)
class Segments:
    """Straight lines.

    Parameters
    ----------
    ends : (N, 2, 3) ndarray
        Scene coordinates, metres.
    colours : (N, 2, 4) ndarray
        RGBA 0..1 at both ends.
    widths : (N,) ndarray
        Logical pixels.
    """

    ends: np.ndarray
    colours: np.ndarray
    widths: np.ndarray

    @classmethod
    def plain(cls, ends: np.ndarray, rgba: tuple[float, ...], width: float) -> "Segments":
        """Segments of one colour and width; those with NaN are left out."""
        ends = ends[np.isfinite(ends).all(axis=(1, 2))]
        colours = np.broadcast_to(np.array(rgba, dtype=np.float64), (len(ends), 2, 4))
        return cls(ends, colours, np.full(len(ends), width))

    @classmethod
    def joined(cls, parts: list["Segments"]) -> "Segments":
        """Put several into one; later ones are drawn over earlier ones."""
        if not parts:
            return cls(np.zeros((0, 2, 3)), np.zeros((0, 2, 4)), np.zeros(0))
        return cls(
            np.concatenate([part.ends for part in parts]),
            np.concatenate([part.colours for part in parts]),
            np.concatenate([part.widths for part in parts]),
        )


@dataclass(frozen=True)
class Ground:
    """A rectangle of floor; whole metres, scene coordinates."""

    x0: int
    x1: int
    y0: int
    y1: int
    z: float

    def lines(self, rgb: tuple[float, float, float], opacity: float) -> Segments:
        """Draw lines one metre apart that fade towards the border; every fifth is stronger."""
        xs, ys = np.arange(self.x0, self.x1 + 1), np.arange(self.y0, self.y1 + 1)
        # One segment per cell side, so that opacity can change from cell to cell.
        along_x = _cell_sides(xs[:-1], xs[1:], ys)
        along_y = _cell_sides(ys[:-1], ys[1:], xs)[:, :, ::-1]
        flat = np.concatenate([along_x, along_y])
        is_fifth = np.concatenate([along_x[:, 0, 1] % 5 == 0, along_y[:, 0, 0] % 5 == 0])
        middle = np.array([self.x0 + self.x1, self.y0 + self.y1]) / 2
        half = np.array([self.x1 - self.x0, self.y1 - self.y0]) / 2
        outwards = np.abs((flat - middle) / half).max(axis=-1)  # 0 in the middle, 1 at the border
        strength = np.where(is_fifth, 1.0, 0.62)[:, None] * (1 - 0.75 * outwards**3)
        colours = np.zeros((len(flat), 2, 4))
        colours[..., :3] = rgb
        colours[..., 3] = opacity * strength
        ends = np.concatenate([flat, np.full((len(flat), 2, 1), self.z)], axis=-1)
        return Segments(ends, colours, np.where(is_fifth, 1.6, 1.1))


def _cell_sides(starts: np.ndarray, stops: np.ndarray, across: np.ndarray) -> np.ndarray:
    """(N, 2, 2) sides from (start, across) to (stop, across) for every pair."""
    begin = np.stack(np.meshgrid(starts, across, indexing="ij"), -1).reshape(-1, 2)
    end = np.stack(np.meshgrid(stops, across, indexing="ij"), -1).reshape(-1, 2)
    return np.stack([begin, end], axis=1).astype(np.float64)


def shadows(poses: np.ndarray, ground_z: float, rgb: tuple[float, float, float]) -> Segments:
    """Bones of (P, 17, 3) poses dropped straight down on the ground."""
    ends = poses[:, BONES].reshape(-1, 2, 3).copy()
    # A missing joint stays missing, whatever its height becomes.
    ends[..., 2] = np.where(np.isfinite(ends[..., 2]), ground_z + SHADOW_LIFT_M, np.nan)
    return Segments.plain(ends, (*rgb, 1.0), 3.0)


def cages(points: np.ndarray, rgb: tuple[float, float, float]) -> Segments:
    """Edges of a cube around each of (N, 3) points: the square frame of edited joints, in 3D."""
    ends = []
    for axis in range(3):
        for sign_a in (-1, 1):
            for sign_b in (-1, 1):
                edge = np.roll([[-1, sign_a, sign_b], [1, sign_a, sign_b]], axis, axis=1)
                ends.append(points[:, None] + CAGE_M * edge)
    return Segments.plain(np.concatenate(ends), (*rgb, 1.0), 1.6)


def trails(scene_xyz: np.ndarray) -> Segments:
    """Paths of wrists, ankles and pelvis, fading into the past.

    Parameters
    ----------
    scene_xyz : (T, 17, 3) ndarray
        The last frames up to the present one, oldest first.
    """
    paths = scene_xyz[:, TRAIL_JOINTS].swapaxes(0, 1)  # (5, T, 3)
    num_steps = max(len(scene_xyz) - 1, 0)
    ends = np.stack([paths[:, :-1], paths[:, 1:]], axis=2)  # (5, T - 1, 2, 3)
    ages = np.arange(num_steps + 1) - num_steps  # ..., -1, 0
    opacity = 0.85 * (1 + ages / TRAIL_FRAMES)
    colours = np.zeros((len(TRAIL_JOINTS), num_steps, 2, 4))
    colours[..., :3] = JOINT_RGB[TRAIL_JOINTS][:, None, None]
    colours[..., 3] = np.stack([opacity[:-1], opacity[1:]], axis=-1)
    known = np.isfinite(ends).all(axis=(2, 3))
    return Segments(ends[known], colours[known], np.full(int(known.sum()), 2.2))


def arrows(starts: np.ndarray, stops: np.ndarray, rgb: tuple[float, float, float]) -> Segments:
    """Arrows (N, 3) to (N, 3), scene coordinates; their heads look like heads from anywhere.

    Those shorter than `SHORTEST_ARROW_M` would be nothing but a head, and are left out.
    """
    along = stops - starts
    length = np.linalg.norm(along, axis=1, keepdims=True)
    is_long = (length > SHORTEST_ARROW_M)[:, 0]  # false also where a joint is missing
    starts, stops, along, length = (each[is_long] for each in (starts, stops, along, length))
    direction = along / length
    # Any direction across: that of the axis to which the arrow is least parallel, made square.
    axis = np.eye(3)[np.argmin(np.abs(direction), axis=1)]
    across = np.cross(direction, axis)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    size = np.minimum(length * 0.4, ARROW_HEAD_M)
    neck = stops - size * direction
    heads = [
        np.stack([neck + sign * 0.5 * size * side, stops], axis=1)
        for side in (across, np.cross(direction, across))
        for sign in (-1, 1)
    ]
    ends = np.concatenate([np.stack([starts, stops], axis=1), *heads])
    return Segments.plain(ends, (*rgb, 0.95), 2.4)


def picture_border(
    camera: Camera, rgb: tuple[float, float, float], level: np.ndarray = LEVEL
) -> Segments:
    """The border of the picture, as it stands before the video camera at the origin."""
    corners = _picture_corners(camera, level)
    ends = np.stack([corners, np.roll(corners, -1, axis=0)], axis=1)
    return Segments.plain(ends, (*rgb, 0.6), 1.5)


def video_camera(
    camera: Camera, ground_z: float, rgb: tuple[float, float, float], level: np.ndarray = LEVEL
) -> Segments:
    """The video camera at the origin: its pyramid of sight, which way is up, and a stand.

    `level` is the rotation from its axes to those of a level camera.
    """
    corners = _picture_corners(camera, level)
    left, right = corners[0], corners[1]
    peak = (left + right) / 2 + 0.25 * (left - corners[3])
    eye, foot = np.zeros(3), np.array([0.0, 0.0, ground_z])
    pyramid = [(eye, corner) for corner in corners]
    pyramid += [(0.7 * left + 0.3 * right, peak), (0.3 * left + 0.7 * right, peak)]
    stand = [(eye, foot), *((foot - d, foot + d) for d in ([0.15, 0, 0], [0, 0.15, 0]))]
    return Segments.joined(
        [
            picture_border(camera, rgb, level),
            Segments.plain(np.array(pyramid), (*rgb, 0.6), 1.5),
            Segments.plain(np.array(stand), (*rgb, 0.35), 1.2),
        ]
    )


def _picture_corners(camera: Camera, level: np.ndarray) -> np.ndarray:
    """(4, 3) scene points, from the upper left clockwise."""
    width, height = camera.width, camera.height
    pixels = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float64)
    rays = np.concatenate([camera.rays(pixels), np.ones((4, 1))], axis=1)
    return to_scene(CAMERA_DEPTH_M * rays, level)
