"""Several skeletons in one scene, each of one colour and with its name."""

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QSizePolicy

from app.laboratory.small_skeleton import BONES, Sight
from app.laboratory.turntable import Turntable
from app.views.orbit import LEVEL

MARGIN_PX = 8.0


@dataclass(frozen=True, eq=False)
class ColouredPose:
    """One of the skeletons.

    Parameters
    ----------
    name : str
    xyz : (17, 3) ndarray
        Relative to the pelvis, camera axes, metres; NaN where missing.
    colour : QColor
    style : Qt.PenStyle
        A second cue beside the colour.
    """

    name: str
    xyz: np.ndarray
    colour: QColor
    style: Qt.PenStyle


class CompareScene(Turntable):
    """All pelvises lie together, as in MPJPE. Drag to turn."""

    def __init__(self) -> None:
        super().__init__()
        self.poses: tuple[ColouredPose, ...] = ()
        self._level = LEVEL
        self._radius_m = 1.0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 130)
        self.setAccessibleName("All in one scene")
        self.setToolTip("Drag to turn.")

    def sizeHint(self) -> QSize:
        return QSize(300, 190)

    def set_scene(self, level: np.ndarray, poses: np.ndarray) -> None:
        """Choose which way is up, and poses (..., 17, 3) that shall have room."""
        reach = np.linalg.norm(poses, axis=-1)
        self._level = level
        self._radius_m = float(np.nanmax(reach, initial=0.5, where=np.isfinite(reach)))

    def show_poses(self, poses: tuple[ColouredPose, ...]) -> None:
        """Show poses at one frame."""
        self.poses = poses
        self.update()

    def place_of(self, index: int, joint: int) -> QPointF:
        """Where a joint of one of the poses is drawn, logical pixels."""
        points, _ = self._sight().project(self.poses[index].xyz)
        return QPointF(*points[joint])

    def _sight(self) -> Sight:
        area = QRectF(self.rect())
        scale = min(area.width(), area.height()) / (2.1 * self._radius_m)
        return Sight(self.orbit, self._level, area.center(), scale)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Mid), 1))
            painter.setBrush(self.palette().color(QPalette.ColorRole.Base))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)
            self._paint_bones(painter)
            self._paint_names(painter)

    def _paint_bones(self, painter: QPainter) -> None:
        sight = self._sight()
        width = max(0.012 * min(self.width(), self.height()), 2.0)
        bones = []
        for pose in self.poses:
            points, nearness = sight.project(pose.xyz)
            for parent, child in BONES:
                ends = points[[parent, child]]
                if np.isfinite(ends).all():
                    bones.append((nearness[[parent, child]].mean(), ends, pose))
        # The nearest last, whoever's it is.
        for _, (start, stop), pose in sorted(bones, key=lambda bone: bone[0]):
            pen = QPen(pose.colour, width, pose.style)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            painter.setPen(pen)
            painter.drawLine(QLineF(*start, *stop))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(pose.colour)
            for point in (start, stop):
                painter.drawEllipse(QPointF(*point), 0.8 * width, 0.8 * width)

    def _paint_names(self, painter: QPainter) -> None:
        metrics = painter.fontMetrics()
        ink = self.palette().color(QPalette.ColorRole.Text)
        top, swatch = MARGIN_PX, 22.0
        for pose in self.poses:
            middle = top + metrics.height() / 2
            painter.setPen(QPen(pose.colour, 3, pose.style))
            painter.drawLine(QPointF(MARGIN_PX, middle), QPointF(MARGIN_PX + swatch, middle))
            painter.setPen(ink)
            left = MARGIN_PX + swatch + 6
            room = int(self.width() - left - MARGIN_PX)
            name = metrics.elidedText(pose.name, Qt.TextElideMode.ElideRight, room)
            area = QRectF(left, top, room, metrics.height())
            painter.drawText(area, Qt.AlignmentFlag.AlignVCenter, name)
            top += metrics.height()
