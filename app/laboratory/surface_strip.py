"""Small pictures of all losses over a plane, to choose one."""

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.laboratory.surface_map import colour_table

GAP_PX = 5.0


class SurfaceStrip(QWidget):
    """Click one to choose it.

    Attributes
    ----------
    chosen : Signal(str)
    """

    chosen = Signal(str)

    def __init__(self, titles: dict[str, str]) -> None:
        super().__init__()
        self._titles = titles
        self._images: dict[str, QImage] = {}
        self._current = next(iter(titles))
        self._is_flipped = False
        self._table = colour_table()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Losses")

    def sizeHint(self) -> QSize:
        return QSize(54 * len(self._titles), 62 + 2 * self.fontMetrics().height())

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def show_surfaces(self, surfaces: dict[str, np.ndarray], current: str, flips: bool) -> None:
        """Show losses (N, M), each in its own range; `flips` puts the second axis downwards."""
        self._current = current
        self._images = {name: self._image(values, flips) for name, values in surfaces.items()}
        self.update()

    def _image(self, values: np.ndarray, flips: bool) -> QImage:
        low, high = np.nanmin(values), np.nanmax(values)
        share = np.nan_to_num((values - low) / max(high - low, 1e-12)).T
        rows = share if flips else share[::-1]
        pixels = np.ascontiguousarray(self._table[np.round(255 * rows).astype(int)])
        height, width = rows.shape
        image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
        return image.copy()  # the pixels are gone after this call

    def cell(self, name: str) -> QRectF:
        """Where a loss lies, logical pixels."""
        index, count = list(self._titles).index(name), len(self._titles)
        width = (self.width() - GAP_PX * (count - 1)) / count
        return QRectF(index * (width + GAP_PX), 0, width, self.height()).adjusted(1, 1, -1, -1)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            for name, title in self._titles.items():
                self._paint(painter, name, title)

    def _paint(self, painter: QPainter, name: str, title: str) -> None:
        palette, cell = self.palette(), self.cell(name)
        is_current = name == self._current
        role = QPalette.ColorRole.Accent if is_current else QPalette.ColorRole.Mid
        painter.setPen(QPen(palette.color(role), 2 if is_current else 1))
        painter.setBrush(palette.color(QPalette.ColorRole.Base))
        painter.drawRoundedRect(cell, 4, 4)
        lines = 2 * painter.fontMetrics().height()
        side = min(cell.width() - 6, cell.height() - lines - 8)
        if name in self._images:
            place = QRectF(cell.center().x() - side / 2, cell.top() + 3, side, side)
            painter.drawImage(place, self._images[name])
        painter.setPen(palette.color(QPalette.ColorRole.Text))
        below = QRectF(cell.left() + 2, cell.bottom() - lines - 2, cell.width() - 4, lines)
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(below, flags, title)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        for name in self._titles:
            if self.cell(name).contains(event.position()):
                self.chosen.emit(name)
