"""Decoded frames kept in memory, up to a number of bytes."""

import math
import threading
from collections import OrderedDict

import cv2
import numpy as np

PREVIEW_LONG_SIDE = 480
PREVIEW_QUALITY = 70


class FrameCache:
    """Exact frames, the least recently used dropped first. Safe to use from any thread.

    Parameters
    ----------
    max_bytes : int
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._frames: OrderedDict[int, np.ndarray] = OrderedDict()
        self._num_bytes = 0

    def __contains__(self, index: int) -> bool:
        with self._lock:
            return index in self._frames

    @property
    def num_bytes(self) -> int:
        with self._lock:
            return self._num_bytes

    def get(self, index: int) -> np.ndarray | None:
        """The frame as (H, W, 3) uint8 RGB, or None where it is not kept."""
        with self._lock:
            image = self._frames.get(index)
            if image is not None:
                self._frames.move_to_end(index)
            return image

    def has_room_for(self, image_bytes: int) -> bool:
        """Whether a frame of this size fits without another one being dropped."""
        with self._lock:
            return self._num_bytes + image_bytes <= self.max_bytes

    def put(self, index: int, image: np.ndarray) -> None:
        """Keep a frame; at least the newest one stays, however large."""
        with self._lock:
            if index in self._frames:
                return
            self._frames[index] = image
            self._num_bytes += image.nbytes
            while self._num_bytes > self.max_bytes and len(self._frames) > 1:
                _, dropped = self._frames.popitem(last=False)
                self._num_bytes -= dropped.nbytes

    def newest_between(self, after: int, last: int) -> int | None:
        """Largest kept index with ``after < index <= last``."""
        with self._lock:
            return max((i for i in self._frames if after < i <= last), default=None)


class PreviewStore:
    """Small pictures of some frames, shown while the user drags through the clip.

    Parameters
    ----------
    num_frames : int
        Frames of the clip.
    max_count : int
        Previews lie so far apart that there are no more of them than this.
    """

    def __init__(self, num_frames: int, max_count: int = 600) -> None:
        self.spacing = max(1, math.ceil(num_frames / max_count))
        self._lock = threading.Lock()
        self._jpegs: dict[int, np.ndarray] = {}

    def wants(self, index: int) -> bool:
        """Whether a preview of this frame is still missing."""
        return index % self.spacing == 0 and index not in self._jpegs

    def offer(self, index: int, image: np.ndarray) -> None:
        """Keep a small copy of a frame if one is wanted there."""
        if not self.wants(index):
            return
        scale = min(1.0, PREVIEW_LONG_SIDE / max(image.shape[:2]))
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        is_done, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, PREVIEW_QUALITY])
        if is_done:
            with self._lock:
                self._jpegs[index] = jpeg

    def nearest(self, index: int, max_distance: int) -> tuple[int, np.ndarray] | None:
        """Index and picture (h, w, 3) uint8 RGB of the preview nearest to a frame."""
        with self._lock:
            known = [i for i in self._jpegs if abs(i - index) <= max_distance]
            if not known:
                return None
            best = min(known, key=lambda i: abs(i - index))
            jpeg = self._jpegs[best]
        # The channels went in as R, G, B and come out in the same order.
        return best, np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR))
