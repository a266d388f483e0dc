"""What the edit mode draws over the video: selection, missing joints, rubber band, loupe, hint."""

from typing import cast

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from app.annotation.box_mouse import BoxMouse
from app.annotation.edit_mode import EditMode
from app.annotation.edit_mouse import EditMouse
from app.annotation.hint import (
    MARGIN,
    VIDEO_SIGN,
    SignLayout,
    draw_edit_frame,
    draw_sign,
)
from app.annotation.loupe import draw_loupe
from app.views.overlay2d import COLOUR_OF_SIDE, SIDES, draw_cross
from app.views.paint import draw_pill
from app.views.scene3d import points_along_bones
from app.views.video import VideoView

ABOVE_PILLS = 40.0  # what tells frame and zoom stands at the bottom
DARK = QColor(20, 20, 20, 230)
CHOSEN = QColor(86, 180, 233)  # sky blue of the Okabe-Ito set
BOX = QColor(255, 255, 255, 170)
BOX_RIM = QColor(20, 20, 20, 90)
RING = 9.5  # logical pixels, around a joint that is selected


class EditOverlay(QWidget):
    """Lies over the video while the edit mode is on; the mouse goes through it."""

    def __init__(
        self, mode: EditMode, mouse: EditMouse, box_mouse: BoxMouse, video: VideoView
    ) -> None:
        super().__init__(video)
        self._box_mouse = box_mouse
        self._mode = mode
        self._mouse = mouse
        self._video = video
        self._hint = QRectF()
        self._is_under_hint = False  # the mouse
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.hide()
        video.installEventFilter(self)
        mode.looks_changed.connect(self._follow)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay as large as the video, and let the mouse see what lies under the hint."""
        if event.type() == QEvent.Type.Resize:
            self.resize(self._video.size())
        elif event.type() == QEvent.Type.MouseMove and self.isVisible():
            is_under = self._hint.contains(cast(QMouseEvent, event).position())
            if is_under != self._is_under_hint:
                self._is_under_hint = is_under
                self.update()
        return False

    def _follow(self) -> None:
        self.setVisible(self._mode.is_on)
        self.resize(self._video.size())
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._draw_box(painter)
            self._draw_ghosts(painter)
            self._draw_selection(painter)
            if self._mouse.band is not None:
                _draw_band(painter, self._mouse.band)
            self._draw_loupe(painter)
            is_brief = self._is_under_hint or self._mode.trial is not None
            draw_edit_frame(painter, self)
            layout = SignLayout.of(self, VIDEO_SIGN, self._mode.obstacle)
            room = QRectF(self.rect()).adjusted(MARGIN, MARGIN, -MARGIN, -ABOVE_PILLS)
            area = draw_sign(painter, layout, room, self._bodies(), self._hint, is_brief=is_brief)
            if not is_brief:  # what the whole sign covers, or would
                self._hint = area

    def _bodies(self) -> np.ndarray:
        """(P, N, 2) logical pixels along the bones of the people in the picture."""
        people = [self._points(person.xy) for person in self._video.visible_people()]
        return points_along_bones(np.array(people).reshape(-1, 17, 2))

    def _points(self, xy: np.ndarray) -> np.ndarray:
        """Picture pixels (N, 2) in logical pixels of this widget."""
        return self._video.zoom.to_device(xy) / self.devicePixelRatioF()

    def _draw_box(self, painter: QPainter) -> None:
        """The box of the person, stronger where it can be taken."""
        rect, is_held = self._box_mouse.rect(), self._box_mouse.sides is not None
        if rect is None:
            return
        painter.setBrush(Qt.BrushStyle.NoBrush)
        is_strong = is_held or self._box_mouse.is_looking
        colour = CHOSEN if is_strong else BOX
        for pen in (QPen(BOX_RIM, 3.0), QPen(colour, 1.6 if is_strong else 1.0)):
            if not is_strong:
                pen.setDashPattern([6.0 / pen.widthF(), 4.0 / pen.widthF()])
            painter.setPen(pen)
            painter.drawRect(rect)
        painter.setPen(QPen(DARK, 1.0))
        painter.setBrush(colour)
        for corner in (rect.topLeft(), rect.topRight(), rect.bottomLeft(), rect.bottomRight()):
            painter.drawRect(QRectF(corner.x() - 3.0, corner.y() - 3.0, 6.0, 6.0))
        if self._box_mouse.is_looking:
            place = QPointF(rect.center().x(), rect.bottom() - 6.0)
            flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom
            draw_pill(painter, "looking into the box...", place, flags)

    def _draw_ghosts(self, painter: QPainter) -> None:
        """Crosses where absent joints would lie."""
        ghosts = self._mode.ghosts
        if not ghosts:
            return
        points = self._points(np.array(list(ghosts.values())))
        for joint, point in zip(ghosts, points.tolist(), strict=True):
            draw_cross(painter, QPointF(*point), COLOUR_OF_SIDE[SIDES[joint]])

    def _draw_selection(self, painter: QPainter) -> None:
        pose = self._mode.pose
        if pose is None:
            return
        painter.setBrush(Qt.BrushStyle.NoBrush)
        points = self._points(pose.xy)
        for joint in sorted(self._mode.selected & self._mode.known_joints):
            for pen in (QPen(DARK, 4.4), QPen(CHOSEN, 2.2)):
                painter.setPen(pen)
                painter.drawEllipse(QPointF(*points[joint]), RING, RING)

    def _draw_loupe(self, painter: QPainter) -> None:
        pose, joint, image = self._mode.trial, self._mouse.joint, self._video.image
        if pose is None or joint is None or image is None:
            return
        ratio = self.devicePixelRatioF()
        x, y = (float(value) for value in pose.xy[joint])
        scale = self._video.zoom.scale / ratio
        draw_loupe(painter, image, (x, y), joint, self._mouse.cursor, self.size(), scale, ratio)


def _draw_band(painter: QPainter, band: QRectF) -> None:
    painter.setBrush(QColor(86, 180, 233, 45))
    for pen in (QPen(DARK, 2.6), QPen(CHOSEN, 1.2)):
        painter.setPen(pen)
        painter.drawRect(band)
