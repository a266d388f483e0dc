"""A loss over a plane as a surface in 3D, drawn with Qt's painter."""

import numpy as np
from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import (
    QBrush,
    QColor,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPolygonF,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.laboratory.surface_map import Marker, colour_table
from app.views.orbit import Orbit
from app.views.overlay2d import TRUTH_COLOUR

MOST_STEPS = 31  # along each axis: more are not seen at this size
HEIGHT = 1.1  # of the surface, half a side of the plane being 1
LIFT = np.array([0.0, 0.0, 0.18])  # markers stand above the surface
TARGET_COLOUR = QColor(213, 94, 0)


class Surface3D(QWidget):
    """Drag to turn."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = np.zeros((0, 0, 3))
        self._share = np.zeros((0, 0))
        self._bounds = (0.0, 1.0, 0.0, 1.0)
        self._values = np.zeros((0, 0))
        self._markers: list[tuple[Marker, QColor]] = []
        self._names = ("", "")
        self._orbit = Orbit(azimuth_deg=-40.0, elevation_deg=32.0)
        self._pressed: QPointF | None = None
        colours = [QColor(*rgb) for rgb in colour_table().tolist()]
        # Made once: to make them for every piece of the surface takes as long as to paint it.
        self._brushes = [QBrush(colour) for colour in colours]
        self._pens = [QPen(colour.darker(115), 0.6) for colour in colours]
        self.setMinimumSize(140, 140)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Loss surface in 3D")
        self.setToolTip("Drag to turn.")

    def sizeHint(self) -> QSize:
        return QSize(300, 260)

    def show_surface(
        self, names: tuple[str, str], first_m: np.ndarray, second_m: np.ndarray, values: np.ndarray
    ) -> None:
        """Show losses (N, M) over places (N,) and (M,), metres, along axes of some names."""
        self._names = names
        self._bounds = (first_m[0], first_m[-1], second_m[0], second_m[-1])
        self._values = values
        rows = np.unique(np.linspace(0, len(first_m) - 1, MOST_STEPS).round().astype(int))
        columns = np.unique(np.linspace(0, len(second_m) - 1, MOST_STEPS).round().astype(int))
        part = values[np.ix_(rows, columns)]
        self._share = self._shares(part)
        x, y = self._in_plane(first_m[rows][:, None], second_m[columns][None])
        x, y = np.broadcast_arrays(x, y)
        self._grid = np.stack([x, y, HEIGHT * self._share], axis=-1)
        self.update()

    def show_markers(self, markers: list[Marker], target: Marker | None) -> None:
        """Show places on the surface; the target is that of the answer."""
        white = QColor(255, 255, 255)
        self._markers = [(m, TRUTH_COLOUR if m.is_truth else white) for m in markers]
        if target is not None:
            self._markers.append((target, TARGET_COLOUR))
        self.update()

    def _in_plane(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Metres to -1..1."""
        left, right, bottom, top = self._bounds
        return (2 * (first - left) / (right - left) - 1, 2 * (second - bottom) / (top - bottom) - 1)

    def _shares(self, values: np.ndarray) -> np.ndarray:
        """Losses as 0..1 of the range that is shown."""
        low, high = np.nanmin(self._values), np.nanmax(self._values)
        return np.nan_to_num((values - low) / max(high - low, 1e-12))

    def _on_surface(self, marker: Marker) -> np.ndarray:
        """(3,) point of the surface over a place, that of the border for one beyond it."""
        x, y = self._in_plane(np.array(marker.place[0]), np.array(marker.place[1]))
        shape = np.array(self._values.shape)
        share = np.clip((np.array([x, y]) + 1) / 2, 0, 1)
        row, column = np.round(share * (shape - 1)).astype(int)
        height = HEIGHT * float(self._shares(self._values[row, column]))
        return np.array([np.clip(x, -1, 1), np.clip(y, -1, 1), height])

    def _project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (..., 3) to pixels (..., 2) and nearness (...) to the eye."""
        scale = min(self.width(), self.height()) / 3.1
        centred = points - (0, 0, HEIGHT / 2)
        right, up, backward = np.moveaxis(centred @ self._orbit.axes.T, -1, 0)
        middle_x, middle_y = self.width() / 2, self.height() / 2
        return np.stack([middle_x + scale * right, middle_y - scale * up], axis=-1), backward

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.fillRect(self.rect(), self.palette().color(QPalette.ColorRole.Base))
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            if self._grid.size:
                self._paint_surface(painter)
                self._paint_axes(painter)
                self._paint_markers(painter)

    def _paint_surface(self, painter: QPainter) -> None:
        pixels, nearness = self._project(self._grid)
        corners = [(0, 0), (1, 0), (1, 1), (0, 1)]
        rows, columns = pixels.shape[0] - 1, pixels.shape[1] - 1
        quads = np.stack([pixels[a : a + rows, b : b + columns] for a, b in corners], axis=2)
        depth = sum(nearness[a : a + rows, b : b + columns] for a, b in corners)
        share = sum(self._share[a : a + rows, b : b + columns] for a, b in corners) / 4
        order = np.argsort(np.ravel(depth))  # the farthest first
        flat = quads.reshape(-1, 4, 2)[order].tolist()
        indices = np.round(255 * np.ravel(share)[order]).astype(int).tolist()
        for quad, index in zip(flat, indices, strict=True):
            painter.setBrush(self._brushes[index])
            painter.setPen(self._pens[index])
            painter.drawConvexPolygon([QPointF(x, y) for x, y in quad])

    def _paint_axes(self, painter: QPainter) -> None:
        ink = self.palette().color(QPalette.ColorRole.Text)
        border = np.array([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], dtype=float)
        painter.setPen(QPen(ink, 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        pixels, _ = self._project(border)
        painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in pixels.tolist()]))
        left, right, bottom, top = self._bounds
        ends = self._project(np.array([(1.12, -1, 0), (-1, 1.12, 0)]))[0].tolist()
        metrics = painter.fontMetrics()
        for name, (x, y) in zip(self._names, ends, strict=True):
            painter.drawText(QPointF(x - metrics.horizontalAdvance(name) / 2, y + 4), name)
        ranges = (
            f"{self._names[0]}: {left:.2f} to {right:.2f} m",
            f"{self._names[1]}: {bottom:.2f} to {top:.2f} m",
        )
        for line, text in enumerate(ranges, start=1):
            painter.drawText(QPointF(6, line * metrics.height()), text)

    def _paint_markers(self, painter: QPainter) -> None:
        for marker, colour in self._markers:
            point = self._on_surface(marker)
            foot, head = self._project(np.stack([point, point + LIFT]))[0].tolist()
            painter.setPen(QPen(QColor(20, 20, 20), 1.4))
            painter.drawLine(QPointF(*foot), QPointF(*head))
            painter.setBrush(colour)
            painter.drawEllipse(QPointF(*head), 5, 5)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pressed = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed is not None:
            moved = event.position() - self._pressed
            self._pressed = event.position()
            self._orbit = self._orbit.turned(moved.x(), moved.y())
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._pressed = None
