"""Skeletons drawn into pictures, in 2D over the video and in 3D beside it.

Side is told by colour and by shape (left: orange circles, right: blue squares, middle: grey
diamonds); joints of low confidence are hollow. Colours are those of `pose_core.palette`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from pose_core.palette import OUTLINE, SIDE_COLOURS
from pose_core.skeleton import H36M_17

LOW_CONFIDENCE = 0.5
PANEL_COLOUR, GRID_COLOUR, TEXT_COLOUR = (38, 40, 44), (92, 96, 102), (225, 225, 225)
_SIDES = [H36M_17.side(joint) for joint in range(H36M_17.num_joints)]
_GRID_M, _GRID_STEP_M = 1.0, 0.25
# cv2 takes coordinates in sixteenths of a pixel, with pixel centres at whole numbers.
_SHIFT, _SUBPIXELS = 4, 16


@dataclass(frozen=True)
class View:
    """Direction from which a 3D pose is seen, without perspective.

    Parameters
    ----------
    title : str
    azimuth_deg : float
        0 looks as the camera does; 90 looks from the camera's right.
    elevation_deg : float
        How far from above.
    """

    title: str
    azimuth_deg: float
    elevation_deg: float

    def turn(self, xyz: np.ndarray) -> np.ndarray:
        """Camera axes (..., 3) to screen right, screen down and depth (..., 3), metres."""
        azimuth, elevation = np.radians(self.azimuth_deg), np.radians(self.elevation_deg)
        x, y, z = np.moveaxis(xyz, -1, 0)
        right = x * np.cos(azimuth) + z * np.sin(azimuth)
        ahead = z * np.cos(azimuth) - x * np.sin(azimuth)
        down = y * np.cos(elevation) - ahead * np.sin(elevation)
        depth = y * np.sin(elevation) + ahead * np.cos(elevation)
        return np.stack([right, down, depth], axis=-1)


def draw_person(image: np.ndarray, xy: np.ndarray, scores: np.ndarray, size: float = 1.0) -> None:
    """Draw a 2D skeleton into a picture.

    Parameters
    ----------
    image : (H, W, 3) uint8 ndarray
        RGB; drawn into.
    xy : (17, 2) ndarray
        Pixels, Human3.6M-17; joints that are NaN are left out.
    scores : (17,) ndarray
        Confidence 0..1.
    size : float
        Thickness of lines and marks; 1 suits a picture of 500 pixels.
    """
    present = _present_joints(xy)
    behind = image.copy()
    _draw_bones(image, xy, _bones_between(present), size)
    for joint in present:
        if scores[joint] < LOW_CONFIDENCE:
            _draw_hollow_joint(image, behind, xy[joint], _SIDES[joint], 6.5 * size)
        else:
            _draw_joint(image, xy[joint], _SIDES[joint], 5 * size)


def draw_view(image: np.ndarray, xyz: np.ndarray, view: View, field_m: float) -> None:
    """Draw a 3D pose that stands on a grid, seen from one side.

    Parameters
    ----------
    image : (H, W, 3) uint8 ndarray
        RGB; drawn into, background included.
    xyz : (17, 3) ndarray
        Root-relative positions, camera axes, metres; joints that are NaN are left out.
    view : View
    field_m : float
        Metres that fit into the smaller side of the picture.
    """
    image[:] = PANEL_COLOUR
    height, width = image.shape[:2]
    scale = min(height, width) / field_m
    size = min(height, width) / 360

    def to_pixels(points: np.ndarray) -> np.ndarray:
        turned = view.turn(points)
        return turned[..., :2] * scale + [width / 2, height * 0.86]

    _draw_grid(image, to_pixels)
    write(image, view.title, (8, 22), 0.5)
    present = _present_joints(xyz)
    if not present:
        write(image, "no 3D pose in this frame", (8, height - 12), 0.45)
        return
    # Only directions are known here, not the height above the floor: the lowest joint stands.
    standing = xyz - [0, np.nanmax(xyz[:, 1]), 0]
    xy, depth = to_pixels(standing), view.turn(standing)[:, 2]
    bones = sorted(_bones_between(present), key=lambda bone: -depth[list(bone)].sum())
    _draw_bones(image, xy, bones, size)  # far ones first
    for joint in sorted(present, key=lambda joint: -depth[joint]):
        _draw_joint(image, xy[joint], _SIDES[joint], 4 * size)


def write(image: np.ndarray, text: str, place: tuple[int, int], size: float) -> None:
    """Write one line of ASCII text into a picture, its lower left corner at a pixel."""
    for colour, thickness in ((OUTLINE, 3), (TEXT_COLOUR, 1)):
        cv2.putText(
            image, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, thickness, cv2.LINE_AA
        )


def _present_joints(points: np.ndarray) -> list[int]:
    """Joints (17, D) that are known."""
    return np.flatnonzero(np.isfinite(points).all(axis=1)).tolist()


def _bones_between(joints: list[int]) -> list[tuple[int, int]]:
    return [(a, b) for a, b in H36M_17.bones if a in joints and b in joints]


def _draw_grid(image: np.ndarray, to_pixels: Callable[[np.ndarray], np.ndarray]) -> None:
    for offset in np.arange(-_GRID_M, _GRID_M + 1e-6, _GRID_STEP_M):
        ends = np.array([[offset, 0, -_GRID_M], [offset, 0, _GRID_M]])
        for line in (ends, ends[:, ::-1]):
            start, end = _fixed(to_pixels(line))
            cv2.line(image, start, end, GRID_COLOUR, 1, cv2.LINE_AA, _SHIFT)


def _draw_bones(
    image: np.ndarray, xy: np.ndarray, bones: list[tuple[int, int]], size: float
) -> None:
    """Lines in the colour of the child's side, with a dark rim."""
    thickness = max(round(3 * size), 2)
    for parent, child in bones:
        start, end = _fixed(xy[[parent, child]])
        colour = SIDE_COLOURS[_SIDES[child]]
        for rgb, width in ((OUTLINE, thickness + 2), (colour, thickness)):
            cv2.line(image, start, end, rgb, width, cv2.LINE_AA, _SHIFT)


def _draw_joint(image: np.ndarray, xy: np.ndarray, side: str, radius: float) -> None:
    for rgb, size in ((OUTLINE, radius + 1.5), (SIDE_COLOURS[side], radius)):
        cv2.fillPoly(image, [_mark(xy, side, size)], rgb, cv2.LINE_AA, _SHIFT)


def _draw_hollow_joint(
    image: np.ndarray, behind: np.ndarray, xy: np.ndarray, side: str, radius: float
) -> None:
    """Draw a ring through which the picture `behind` is seen, without the bones."""
    mark = _mark(xy, side, radius)
    inside = cv2.fillPoly(np.zeros(image.shape[:2], np.uint8), [mark], 1, cv2.LINE_8, _SHIFT) > 0
    image[inside] = behind[inside]
    for rgb, width in ((OUTLINE, 4), (SIDE_COLOURS[side], 2)):
        cv2.polylines(image, [mark], True, rgb, width, cv2.LINE_AA, _SHIFT)


def _mark(xy: np.ndarray, side: str, radius: float) -> np.ndarray:
    """Corners of a joint's mark as cv2 wants them: circle, square or diamond."""
    circle = np.linspace(0, 2 * np.pi, 17)[:-1]
    corners = {
        "left": np.stack([np.cos(circle), np.sin(circle)], axis=-1),
        "right": np.array([[-0.88, -0.88], [0.88, -0.88], [0.88, 0.88], [-0.88, 0.88]]),
        "middle": np.array([[-1.1, 0], [0, -1.1], [1.1, 0], [0, 1.1]]),
    }[side]
    return np.array(_fixed(xy + corners * max(radius, 2.5)), dtype=np.int32)


def _fixed(xy: np.ndarray) -> list[tuple[int, int]]:
    """Pixels (N, 2), centres at + 0.5, as cv2 wants them; far outside is brought near."""
    near = np.clip(xy, -10_000, 20_000)
    return [(int(x), int(y)) for x, y in np.round((near - 0.5) * _SUBPIXELS)]
