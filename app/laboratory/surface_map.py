"""A loss over a plane of places of one joint, as a map with contours and markers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor

from app.laboratory.contours import contour_segments
from app.laboratory.plots import Plots, name_axis
from pose_core.palette import TRUTH

NUM_CONTOURS = 9
COLOURS: Any = pg.colormap.get("viridis")
AXIS_LABELS = {"x": "x, right (m)", "y": "y, down (m)", "z": "z, forward (m)"}


@dataclass(frozen=True)
class Marker:
    """A place of the joint.

    Parameters
    ----------
    name : str
    place : (float, float)
        Along the two axes of the map, metres.
    is_truth : bool
    """

    name: str
    place: tuple[float, float]
    is_truth: bool = False


def colour_table() -> np.ndarray:
    """(256, 3) uint8 colours from the lowest to the highest loss."""
    return COLOURS.getLookupTable(nPts=256)[:, :3]


class SurfaceMap(Plots):
    """The map; the marker of the answer can be dragged.

    Attributes
    ----------
    dragged : Signal(float, float)
        To which place, metres.
    """

    dragged = Signal(float, float)

    def __init__(self) -> None:
        super().__init__()
        plot = self._plot = self.add_plot(0)
        plot.setAspectLocked(True)
        plot.showGrid(x=False, y=False)
        self._image = pg.ImageItem(colorMap=COLOURS)
        plot.addItem(self._image)
        pen = pg.mkPen(255, 255, 255, 110)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)  # else segments cover each other where they meet
        self._contours = pg.PlotCurveItem(pen=pen, connect="pairs")
        self._contours.setParentItem(self._image)
        self._kinds: list[tuple[str, bool]] = []
        self._marks: list[tuple[Any, Any]] = []
        self.target = pg.TargetItem(
            size=17, symbol="o", pen=pg.mkPen("w", width=2), brush=pg.mkBrush(213, 94, 0)
        )
        self.target.setZValue(10)
        plot.addItem(self.target)
        self._is_placing = False
        self.target.sigPositionChanged.connect(self._on_moved)
        self.setMinimumSize(180, 140)

    def show_plane(self, axes: tuple[str, str], first_m: np.ndarray, second_m: np.ndarray) -> None:
        """Choose the plane and the places (N,) and (M,) along its axes."""
        name_axis(self._plot, "bottom", AXIS_LABELS[axes[0]])
        name_axis(self._plot, "left", AXIS_LABELS[axes[1]])
        self._plot.invertY(axes[1] == "y")  # down on the map is down in the room
        steps = first_m[1] - first_m[0], second_m[1] - second_m[0]
        left, bottom = first_m[0] - steps[0] / 2, second_m[0] - steps[1] / 2
        rect = QRectF(left, bottom, len(first_m) * steps[0], len(second_m) * steps[1])
        self._rect = rect
        self._plot.setRange(rect, padding=0.01)

    def show_values(self, values: np.ndarray) -> None:
        """Show losses (N, M); NaN where there is none."""
        image = values.T  # rows are places along the second axis
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        self._image.setImage(image, levels=(low, max(high, low + 1e-12)))
        self._image.setRect(self._rect)
        # Closer together near the minimum, where the answer is.
        shares = (np.arange(1, NUM_CONTOURS + 1) / (NUM_CONTOURS + 1)) ** 2
        # The first value of an image lies in the middle of its first pixel.
        x, y = contour_segments(image, low + shares * (high - low)).T + 0.5
        self._contours.setData(x, y)

    def show_markers(self, markers: list[Marker]) -> None:
        """Show the places of stages and truth."""
        kinds = [(marker.name, marker.is_truth) for marker in markers]
        if kinds != self._kinds:
            self._kinds = kinds
            self._make_marks(markers)
        for marker, (dot, text) in zip(markers, self._marks, strict=True):
            dot.setPos(*marker.place)
            text.setPos(*marker.place)

    def _make_marks(self, markers: list[Marker]) -> None:
        """A dot and a name for each marker; to move them takes far less time than to make them."""
        for item in (item for mark in self._marks for item in mark):
            self._plot.removeItem(item)
        self._marks = []
        for marker in markers:
            dot = pg.ScatterPlotItem(
                [0.0],
                [0.0],
                symbol="star" if marker.is_truth else "d",
                size=15 if marker.is_truth else 10,
                brush=pg.mkBrush(QColor(*TRUTH) if marker.is_truth else QColor(255, 255, 255)),
                pen=pg.mkPen(0, 0, 0),
            )
            text = pg.TextItem(marker.name, color="w", anchor=(0, 1), fill=(20, 20, 20, 150))
            for item in (dot, text):
                self._plot.addItem(item, ignoreBounds=True)
            self._marks.append((dot, text))

    def place_target(self, place: tuple[float, float], can_move: bool) -> None:
        """Put the marker of the answer somewhere; no signal."""
        self._is_placing = True
        self.target.setPos(*place)
        self._is_placing = False
        self.target.movable = can_move

    def _on_moved(self) -> None:
        if not self._is_placing:
            self.dragged.emit(self.target.pos().x(), self.target.pos().y())
