"""How far each joint moves, and how far all of them in the frames around."""

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QSize

from app.laboratory.plots import Plots, series_pen
from pose_core.palette import SIDE_COLOURS
from pose_core.skeleton import H36M_17

NAMES = [name.replace("_", " ") for name in H36M_17.joint_names]
COLOURS = [SIDE_COLOURS[H36M_17.side(joint)] for joint in range(H36M_17.num_joints)]
LETTERS_PX = 9  # so that a name fits beside each bar
FEWEST_MM = 1.0  # the axis of nothing at all


class DisplacementBars(Plots):
    """One bar for each joint, in the colour of its side."""

    def __init__(self) -> None:
        super().__init__()
        plot = self._plot = self.add_plot(0)
        plot.setLabel("bottom", "moved in 3D (mm)")
        plot.setMouseEnabled(x=False, y=False)
        plot.invertY(True)
        places = np.arange(len(NAMES))
        axis = plot.getAxis("left")
        axis.setTicks([list(zip(places.tolist(), NAMES, strict=True))])
        font = self.font()
        font.setPixelSize(LETTERS_PX)
        axis.setStyle(tickFont=font, tickLength=0)
        plot.setYRange(-0.6, len(NAMES) - 0.4, padding=0)
        self.bars: Any = pg.BarGraphItem(
            x0=0, y=places, height=0.7, width=0 * places, brushes=COLOURS, pen=None
        )
        plot.addItem(self.bars)
        self.setMinimumSize(150, 150)
        self.show_movement(np.zeros(len(NAMES)))

    def sizeHint(self) -> QSize:
        return QSize(220, 240)

    def show_movement(self, moved_mm: np.ndarray) -> None:
        """Show the movement of each joint (17,)."""
        self.bars.setOpts(width=moved_mm)
        self._plot.setXRange(0, max(1.05 * float(np.nanmax(moved_mm)), FEWEST_MM), padding=0)


class MovementCurve(Plots):
    """Mean movement of the joints, frame by frame, with a mark at the shown one."""

    def __init__(self) -> None:
        super().__init__()
        plot = self._plot = self.add_plot(0)
        plot.setLabel("bottom", "frame")
        plot.setLabel("left", "mean (mm)")
        plot.setMouseEnabled(x=False, y=False)
        self.curve = plot.plot(pen=series_pen(0))
        self._here = pg.InfiniteLine(angle=90, pen=pg.mkPen(148, 148, 148))
        plot.addItem(self._here, ignoreBounds=True)
        self.setMinimumSize(120, 80)

    def show_movement(self, frames: np.ndarray, moved_mm: np.ndarray, frame: int) -> None:
        """Show the mean movement (N,) in some frames."""
        self.curve.setData(frames, moved_mm)
        self._here.setPos(frame)
        first, last = (int(frames[0]), int(frames[-1])) if len(frames) else (frame, frame)
        self._plot.setXRange(first - 1, last + 1, padding=0)
        highest = float(np.max(moved_mm, initial=0.0))
        self._plot.setYRange(0, max(1.1 * highest, FEWEST_MM), padding=0)
