"""Square crops around a person, cut out of a clip for networks that look at pictures."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pose_core.clip import Clip
from pose_core.video import VideoReader

# Side of the crop over the larger side of the box around the joints: the middle of what the
# networks are trained with (`pose_core.synthesis.people`).
_MARGIN = 1.4


@dataclass(frozen=True, eq=False)
class Shot:
    """Frames that a network sees together.

    Parameters
    ----------
    frames : (K,) int ndarray
        Increasing.
    boxes : (K, 3) int ndarray
        The crop of each, see `crops_around`.
    """

    frames: np.ndarray
    boxes: np.ndarray


@dataclass(frozen=True, eq=False)
class Pictures:
    """The crops of a shot, without the frames that cannot be decoded.

    Parameters
    ----------
    frames : (K,) int ndarray
    boxes : (K, 3) int ndarray
    images : (K, size, size, 3) uint8 ndarray
        RGB.
    """

    frames: np.ndarray
    boxes: np.ndarray
    images: np.ndarray


def crops_around(xy: np.ndarray) -> np.ndarray:
    """Square crops around a person, whole pixels; they may reach beyond the picture.

    Parameters
    ----------
    xy : (T, N, 2) ndarray
        Pixels; NaN where missing.

    Returns
    -------
    (T, 3) int ndarray
        Left, top and side; all 0 in frames without the person.
    """
    boxes = np.zeros((len(xy), 3), dtype=int)
    present = np.isfinite(xy).all(axis=-1).any(axis=-1)
    low, high = np.nanmin(xy[present], axis=1), np.nanmax(xy[present], axis=1)
    side = np.maximum(np.round(_MARGIN * (high - low).max(axis=-1)), 2)[:, None]
    boxes[present] = np.hstack([np.round((low + high - side) / 2), side])
    return boxes


def centres(boxes: np.ndarray) -> np.ndarray:
    """Middles (T, 2) of crops (T, 3), pixels counted from the corner of the picture."""
    return boxes[:, :2] + boxes[:, 2:] / 2


def cut(image: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    """The crop (3,) of an image (H, W, 3) as (size, size, 3); beyond the edge, the edge goes on."""
    height, width = image.shape[:2]
    left, top, side = box.tolist()
    rows = np.clip(np.arange(top, top + side), 0, height - 1)
    columns = np.clip(np.arange(left, left + side), 0, width - 1)
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(image[rows[:, None], columns], (size, size), interpolation=method)


def read_crops(shots: Sequence[Shot], clip: Clip, size: int) -> Iterator[Pictures]:
    """The pictures of shots that follow one another; reads their part of the clip once.

    Shots of which nothing can be decoded are left out.

    Raises
    ------
    VideoError
        If the file is gone, or none of the frames can be decoded.
    """
    waiting = deque(shots)
    found: list[tuple[int, np.ndarray, np.ndarray]] = []
    first, last = int(shots[0].frames[0]), int(shots[-1].frames[-1])
    with VideoReader(clip) as reader:
        for frame, image in reader.iter_frames(first, last + 1):
            while frame > waiting[0].frames[-1]:
                waiting.popleft()
                if found:
                    yield _together(found)
                    found = []
            for box in waiting[0].boxes[waiting[0].frames == frame]:
                found.append((frame, box, cut(image, box, size)))
    if found:
        yield _together(found)


def _together(found: list[tuple[int, np.ndarray, np.ndarray]]) -> Pictures:
    return Pictures(*(np.stack(values) for values in zip(*found, strict=True)))
