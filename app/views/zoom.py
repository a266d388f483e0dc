"""Where a picture lies in a widget: scale and origin, in device pixels."""

from dataclasses import dataclass, replace

import numpy as np

MIN_PICTURE_SPAN = 16.0  # the whole picture never shrinks below this many device pixels
MAX_SCALE = 64.0


@dataclass(frozen=True)
class Zoom:
    """Map from picture pixels to device pixels: ``device = origin + scale * picture``.

    Picture coordinates are continuous: pixel (0, 0) covers 0..1 in x and y.

    Parameters
    ----------
    scale : float
        Device pixels per picture pixel.
    origin_x, origin_y : float
        Device pixel of the picture's top left corner.
    """

    scale: float = 1.0
    origin_x: float = 0.0
    origin_y: float = 0.0

    @classmethod
    def fitted(cls, picture_size: tuple[float, float], device_size: tuple[float, float]) -> "Zoom":
        """Show the whole picture, as large as it goes, in the middle of the device rectangle."""
        scale = min(device_size[0] / picture_size[0], device_size[1] / picture_size[1])
        scale = min(max(scale, MIN_PICTURE_SPAN / max(picture_size)), MAX_SCALE)
        return cls(
            scale,
            (device_size[0] - scale * picture_size[0]) / 2,
            (device_size[1] - scale * picture_size[1]) / 2,
        )

    def to_device(self, xy: np.ndarray) -> np.ndarray:
        """Picture pixels (..., 2) to device pixels (..., 2)."""
        return np.asarray(xy, dtype=np.float64) * self.scale + (self.origin_x, self.origin_y)

    def to_picture(self, x: float, y: float) -> tuple[float, float]:
        """Device pixel to picture pixel."""
        return (x - self.origin_x) / self.scale, (y - self.origin_y) / self.scale

    def scaled_at(
        self, x: float, y: float, factor: float, picture_size: tuple[float, float]
    ) -> "Zoom":
        """Enlarged by `factor`, within bounds, while the picture point at (x, y) stays there."""
        smallest = MIN_PICTURE_SPAN / max(picture_size)
        scale = min(max(self.scale * factor, smallest), MAX_SCALE)
        applied = scale / self.scale
        return Zoom(
            scale,
            x - (x - self.origin_x) * applied,
            y - (y - self.origin_y) * applied,
        )

    def moved(self, dx: float, dy: float) -> "Zoom":
        """Shifted by device pixels."""
        return replace(self, origin_x=self.origin_x + dx, origin_y=self.origin_y + dy)
