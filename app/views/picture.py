"""The video frame, resampled to exactly the device pixels that show it."""

import math

import cv2
import numpy as np
from PySide6.QtCore import QPoint
from PySide6.QtGui import QImage

from app.views.zoom import Zoom

# From here on single pixels are shown as sharp squares: one zooms that far to see pixels.
SHARP_SCALE = 4.0


class Picture:
    """One frame and the part of it that was last drawn.

    Nothing is resampled as long as frame, zoom and size stay the same. The picture may be
    coarser than the coordinates in which it is placed (a preview); `stretch` says how much.

    Parameters
    ----------
    image : (H, W, 3) uint8 ndarray
        RGB. Kept, not copied.
    """

    def __init__(self, image: np.ndarray) -> None:
        self._levels = [np.ascontiguousarray(image)]
        self._drawn_key: tuple[Zoom, float, int, int] | None = None
        self._drawn: tuple[QImage, QPoint] | None = None
        self._pixels: np.ndarray | None = None

    @property
    def image(self) -> np.ndarray:
        """The frame itself."""
        return self._levels[0]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self._levels[0].shape[:2]
        return width, height

    def resampled(
        self, zoom: Zoom, stretch: float, width: int, height: int
    ) -> tuple[QImage, QPoint] | None:
        """Resample the visible part to device resolution.

        Parameters
        ----------
        zoom : Zoom
            Map from picture coordinates to device pixels.
        stretch : float
            Picture coordinates per pixel of this image: 1 for the frame itself, 2 for a preview
            of half its width.
        width, height : int
            Size of the widget, device pixels.

        Returns
        -------
        (QImage, QPoint) or None
            The part and the device pixel of its top left corner; None when nothing is visible.
        """
        key = (zoom, stretch, width, height)
        if key != self._drawn_key:
            self._drawn = self._resample(zoom, zoom.scale * stretch, width, height)
            self._drawn_key = key
        return self._drawn

    def _resample(
        self, zoom: Zoom, scale: float, width: int, height: int
    ) -> tuple[QImage, QPoint] | None:
        left = max(math.floor(zoom.origin_x), 0)
        top = max(math.floor(zoom.origin_y), 0)
        right = min(math.ceil(zoom.origin_x + scale * self.size[0]), width)
        bottom = min(math.ceil(zoom.origin_y + scale * self.size[1]), height)
        if right <= left or bottom <= top:
            return None
        source, level_scale = self._level(scale)
        # warpAffine counts pixel centres from 0, the zoom counts pixel corners: hence the halves.
        inverse = np.array(
            [
                [1 / level_scale, 0, (left + 0.5 - zoom.origin_x) / level_scale - 0.5],
                [0, 1 / level_scale, (top + 0.5 - zoom.origin_y) / level_scale - 0.5],
            ]
        )
        method = cv2.INTER_NEAREST if level_scale >= SHARP_SCALE else cv2.INTER_LINEAR
        self._pixels = cv2.warpAffine(
            source,
            inverse,
            (right - left, bottom - top),
            flags=method | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        # QImage reads the array's memory; self._pixels keeps that alive.
        drawn = QImage(
            self._pixels.data,
            right - left,
            bottom - top,
            self._pixels.strides[0],
            QImage.Format.Format_RGB888,
        )
        return drawn, QPoint(left, top)

    def _level(self, scale: float) -> tuple[np.ndarray, float]:
        """Halve the image until at most two of its pixels fall into one; with the scale left.

        Linear interpolation of more than two pixels into one would flicker.
        """
        index = 0
        while scale <= 0.5 and min(self._levels[index].shape[:2]) > 1:
            if index + 1 == len(self._levels):
                half = cv2.resize(
                    self._levels[index], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA
                )
                self._levels.append(half)
            index += 1
            scale *= 2
        return self._levels[index], scale
