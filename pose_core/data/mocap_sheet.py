"""A picture of a recording for people to check: a few frames from the front and from the left."""

from pathlib import Path

import cv2
import numpy as np

from pose_core.atomic_file import atomic_write
from pose_core.data.recording import Recording
from pose_core.errors import ExportError
from pose_core.interchange.drawing import PANEL_COLOUR, View, draw_view, write
from pose_core.skeleton import H36M_17

PANEL, MARGIN, HEAD = 240, 4, 30
NUM_FRAMES = 6
FIELD_M = 2.4
# z up, with x to the person's left and y to the back, in the axes of a camera in front of them.
_TO_CAMERA = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def contact_sheet(recording: Recording, num_frames: int = NUM_FRAMES) -> np.ndarray:
    """Draw frames spread over the recording, each person turned to the front.

    Parameters
    ----------
    recording : Recording
    num_frames : int
        Columns of the sheet.

    Returns
    -------
    (H, W, 3) uint8 ndarray
        RGB. Above from the front (the person's left is on the right), below from their left.
    """
    known = np.flatnonzero(np.isfinite(recording.xyz).any(axis=(1, 2)))
    if len(known) == 0:
        raise ExportError(f"{recording.path} has no frame with joints.")
    frames = known[np.linspace(0, len(known) - 1, num_frames).round().astype(int)]
    step = PANEL + MARGIN
    sheet = np.zeros((HEAD + 2 * step, num_frames * step, 3), dtype=np.uint8)
    sheet[:] = PANEL_COLOUR
    title = f"{recording.path.name}: {recording.naming}; left is orange, right is blue"
    write(sheet, title.encode("ascii", "replace").decode(), (8, 20), 0.5)
    for column, frame in enumerate(frames):
        seconds = f"{frame / recording.fps:.1f} s"
        xyz = _facing_us(recording.xyz[frame])
        for row, view in enumerate((View(f"front {seconds}", 0, 8), View("left side", 90, 8))):
            top, left = HEAD + row * step, column * step
            draw_view(sheet[top : top + PANEL, left : left + PANEL], xyz, view, FIELD_M)
    return sheet


def save_sheet(path: Path, recording: Recording) -> None:
    """Write the contact sheet as PNG, whole or not at all.

    Raises
    ------
    ExportError
    """
    is_made, data = cv2.imencode(".png", contact_sheet(recording)[..., ::-1])
    if not is_made:
        raise ExportError(f"{path} cannot be written as PNG.")
    with atomic_write(path, ExportError) as handle:
        handle.write(data.tobytes())


def _facing_us(xyz: np.ndarray) -> np.ndarray:
    """Turn a (17, 3) pose about the vertical so that it looks at the viewer, in camera axes."""
    left = xyz[H36M_17.index("left_hip")] - xyz[H36M_17.index("right_hip")]
    angle = np.arctan2(left[1], left[0]) if np.isfinite(left).all() else 0.0
    cosine, sine = np.cos(angle), np.sin(angle)
    upright = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    turn = _TO_CAMERA @ upright
    return (xyz - np.nan_to_num(xyz[0])) @ turn.T
