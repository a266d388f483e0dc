"""Small pictures of predicted poses, with the truth as a ghost behind them."""

import math

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSlider,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.training.curves_view import EmptyState
from app.training.examples import Examples
from pose_core.palette import SIDE_COLOURS, TRUTH
from pose_core.skeleton import H36M_17

_GHOST_ALPHA = 110
_DEGREES_PER_PIXEL = 0.6
_MARGIN = 14.0


class PosePicture(QWidget):
    """One pose seen straight on, without perspective; a drag turns it about the upright axis.

    Parameters
    ----------
    title : str
    azimuth_deg : float
        0 is the camera's own direction; 90 looks along the camera's x axis.
    """

    def __init__(self, title: str, azimuth_deg: float) -> None:
        super().__init__()
        self._title = title
        self.azimuth_deg = azimuth_deg
        self._poses: tuple[np.ndarray, np.ndarray] | None = None
        self._radius_m = 1.0
        self._drag_from: float | None = None
        self.setMinimumSize(QSize(110, 150))
        self.setToolTip("Drag to turn.")
        self.setAccessibleName(f"Example from the {title}")

    def show_pose(self, predicted: np.ndarray, true: np.ndarray, radius_m: float) -> None:
        """Draw poses (J, 3) whose joints lie within a radius of the root."""
        self._poses = (predicted, true)
        self._radius_m = max(radius_m, 1e-3)
        self.update()

    def project(self, xyz: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of root-relative camera coordinates (..., 3), metres."""
        angle = math.radians(self.azimuth_deg)
        across = xyz[..., 0] * math.cos(angle) + xyz[..., 2] * math.sin(angle)
        size = (min(self.width(), self.height()) / 2 - _MARGIN) / self._radius_m
        flat = np.stack([across, xyz[..., 1]], axis=-1) * size
        return flat + np.array([self.width() / 2, self.height() / 2])

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), self.palette().base())
        text = self.palette().placeholderText().color()
        painter.setPen(text)
        area = QRectF(self.rect()).adjusted(6, 4, -6, -4)
        painter.drawText(area, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, self._title)
        if self._poses is None:
            return
        predicted, true = self._poses
        ghost = QColor(*TRUTH, _GHOST_ALPHA)
        self._draw(painter, true, {side: ghost for side in SIDE_COLOURS}, 7.0)
        colours = {side: QColor(*rgb) for side, rgb in SIDE_COLOURS.items()}
        if self.palette().base().color().lightness() > 128:
            colours["middle"] = QColor(110, 110, 110)  # the pale grey would not show on white
        self._draw(painter, predicted, colours, 2.6)

    def _draw(
        self, painter: QPainter, pose: np.ndarray, colours: dict[str, QColor], width: float
    ) -> None:
        points = self.project(pose)
        for parent, child in H36M_17.bones:
            ends = points[[parent, child]]
            if not np.isfinite(ends).all():
                continue
            pen = QPen(colours[H36M_17.side(child)], width)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            painter.setPen(pen)
            painter.drawLine(QPointF(*ends[0]), QPointF(*ends[1]))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._drag_from = event.position().x()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._drag_from is not None:
            moved = event.position().x() - self._drag_from
            self._drag_from = event.position().x()
            self.azimuth_deg = (self.azimuth_deg + moved * _DEGREES_PER_PIXEL) % 360
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._drag_from = None


class ExamplesView(QWidget):
    """Poses of held-out motion from two sides, over time and stages."""

    def __init__(self) -> None:
        super().__init__()
        self._examples: Examples | None = None
        self.front, self.side = PosePicture("front", 0.0), PosePicture("side", 90.0)
        self.stage = QComboBox()
        self.stage.setAccessibleName("Stage")
        self.stage.setToolTip("Stage of the network; the last one is its answer.")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Pose of the held-out motion")
        self.error = QLabel()
        self.error.setWordWrap(True)
        self.error.setToolTip("Mean distance of the joints from the truth in this pose.")
        key = QLabel(_key())
        key.setTextFormat(Qt.TextFormat.RichText)
        pictures = QVBoxLayout()
        pictures.setSpacing(2)
        pictures.addWidget(self.front, 1)
        pictures.addWidget(self.side, 1)
        row = QHBoxLayout()
        row.addWidget(self.stage)
        row.addWidget(self.slider, 1)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(8, 0, 8, 8)
        layout.addLayout(pictures, 1)
        layout.addLayout(row)
        layout.addWidget(self.error)
        layout.addWidget(key)
        self.empty = EmptyState(
            "No examples yet", "The run writes some each time that it looks at held-out motion."
        )
        self._pages = QStackedWidget()
        self._pages.addWidget(self.empty)
        self._pages.addWidget(page)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._pages)
        self.slider.valueChanged.connect(self._draw)
        self.stage.currentIndexChanged.connect(self._draw)

    def show_examples(self, examples: Examples | None) -> None:
        """Show other poses, or newer predictions of the same ones, at the place shown now."""
        if examples is self._examples:
            return
        self._examples = examples
        self._pages.setCurrentIndex(0 if examples is None else 1)
        if examples is None:
            return
        self.slider.setMaximum(examples.num_poses - 1)
        if self.stage.count() != examples.num_stages:
            self.stage.blockSignals(True)
            self.stage.clear()
            self.stage.addItems([f"stage {k + 1}" for k in range(examples.num_stages)])
            self.stage.setCurrentIndex(examples.num_stages - 1)
            self.stage.blockSignals(False)
        self.stage.setVisible(examples.num_stages > 1)
        self._draw()

    def _draw(self) -> None:
        examples = self._examples
        if examples is None:
            return
        stage, index = max(self.stage.currentIndex(), 0), self.slider.value()
        radius = float(np.linalg.norm(examples.true, axis=-1).max())
        for picture in (self.front, self.side):
            picture.show_pose(examples.predicted[stage, index], examples.true[index], radius)
        window = examples.window
        self.error.setText(
            f"{examples.error_mm(stage, index):.0f} mm from the truth · window "
            f"{window[index] + 1} of {window[-1] + 1} · at step {examples.step:,}"
        )


def _key() -> str:
    """The colours in words, each in its colour."""
    words = {"left": SIDE_COLOURS["left"], "right": SIDE_COLOURS["right"], "truth": TRUTH}
    return " &nbsp; ".join(
        f"<span style='color: rgb{rgb}'>&#9632;</span> {word}" for word, rgb in words.items()
    )
