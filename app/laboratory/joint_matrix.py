"""A matrix of joints by joints as a map of colours; a click chooses a cell."""

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QResizeEvent

from app.laboratory.plots import Plots
from app.laboratory.small_skeleton import STRENGTH_COLOURS
from pose_core.skeleton import H36M_17

NUM_JOINTS = H36M_17.num_joints
_WIDE_PX = 380
# Short enough for the axes of a small map: side, then the joint.
SHORT_NAMES = [
    name.replace("left_", "L ").replace("right_", "R ").replace("head_top", "head")
    for name in H36M_17.joint_names
]


class JointMatrix(Plots):
    """Rows are joints of the input, columns joints of the answer.

    Attributes
    ----------
    chosen : Signal(int, int)
        Joint of the input and of the answer.
    """

    chosen = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        plot = self._plot = self.add_plot(0)
        plot.showGrid(x=False, y=False)
        plot.invertY(True)
        plot.setMouseEnabled(x=False, y=False)
        self._image = pg.ImageItem(colorMap=STRENGTH_COLOURS)
        plot.addItem(self._image)
        self._mark = pg.PlotDataItem(pen=pg.mkPen(255, 255, 255, width=2))
        plot.addItem(self._mark, ignoreBounds=True)
        plot.setLabel("left", "joint of the input")
        plot.setLabel("bottom", "joint of the answer")
        plot.getAxis("left").setTicks([list(enumerate(SHORT_NAMES))])
        plot.setRange(QRectF(-0.5, -0.5, NUM_JOINTS, NUM_JOINTS), padding=0)
        font = self.font()
        font.setPointSizeF(0.75 * font.pointSizeF())
        for axis in ("left", "bottom"):
            plot.getAxis(axis).setStyle(tickFont=font)
        self.setMinimumSize(200, 130)
        scene: Any = self.scene()
        scene.sigMouseClicked.connect(self._on_clicked)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)  # pyqtgraph does so without an event, before there is a plot
        # The columns are the same joints in the same order: as many names as there is room for.
        every = 4 if self.width() > _WIDE_PX else NUM_JOINTS
        for plot in self.plots:
            plot.getAxis("bottom").setTicks([list(enumerate(SHORT_NAMES))[::every]])

    def show_matrix(self, values: np.ndarray, cell: tuple[int, int]) -> None:
        """Show a matrix (17, 17), metres per metre, and mark a cell."""
        brightest = max(float(values.max()), 1e-12)
        self._image.setImage(values, levels=(0.0, brightest))
        self._image.setRect(QRectF(-0.5, -0.5, NUM_JOINTS, NUM_JOINTS))
        row, column = cell
        x, y = np.array([[0, 1, 1, 0, 0], [0, 0, 1, 1, 0]]) - 0.5
        self._mark.setData(column + x, row + y)

    def place_of(self, row: int, column: int) -> QPointF:
        """Where the middle of a cell lies in the scene."""
        return self._plot.vb.mapViewToScene(QPointF(column, row))

    def _on_clicked(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        at = self._plot.vb.mapSceneToView(event.scenePos())
        row, column = round(at.y()), round(at.x())
        if 0 <= row < NUM_JOINTS and 0 <= column < NUM_JOINTS:
            self.chosen.emit(row, column)
