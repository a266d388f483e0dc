"""What the edit mode draws over the 3D view: rings around joints, and the sign that says how."""

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from app.annotation.edit_mode import EditMode
from app.annotation.hint import (
    MARGIN,
    Sign,
    SignLayout,
    draw_edit_frame,
    draw_sign,
)
from app.annotation.overlay import CHOSEN, DARK, RING
from app.annotation.pose_mouse import PoseMouse
from app.views.labels3d import LEGEND_PX
from app.views.scene3d import points_along_bones
from app.views.skeleton3d import Skeleton3DView
from pose_core.skeleton import H36M_17

TITLE = "Editing in 3D - E or Esc leaves"
HOW = (
    "Drag: across the view.  Shift-drag: nearer, farther.",
    "Ctrl-drag: turn the limb.  Alt-drag or pelvis: the person.",
    "In a cube: set by you.",
)
_HOVERED = QColor(255, 255, 255)


class PoseOverlay(QWidget):
    """Lies over the 3D view while the edit mode is on; the mouse goes through it."""

    def __init__(self, mode: EditMode, mouse: PoseMouse, skeleton: Skeleton3DView) -> None:
        super().__init__(skeleton)
        self._mode = mode
        self._mouse = mouse
        self._skeleton = skeleton
        self._sign_area = QRectF()
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.hide()
        skeleton.installEventFilter(self)
        mode.looks_changed.connect(self.follow)
        mouse.looks_changed.connect(self.follow)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay as large as the view, and go along when it is turned."""
        if event.type() == QEvent.Type.Resize:
            self.resize(self._skeleton.size())
        if self.isVisible() and event.type() in (QEvent.Type.MouseMove, QEvent.Type.Wheel):
            self.update()
        return False

    def follow(self) -> None:
        """Show what there is to show now."""
        self.setVisible(self._mode.is_on)
        self.resize(self._skeleton.size())
        self.raise_()
        self.update()
        if not self._mode.is_on:
            self._skeleton.set_sign(QRectF())

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            obstacle = self._mode.obstacle_3d
            if not obstacle:
                self._draw_rings(painter)
            draw_edit_frame(painter, self)
            layout = SignLayout.of(self, self._sign(), obstacle)
            top = max(self._skeleton.corner.bottom() + MARGIN, MARGIN)
            room = QRectF(self.rect()).adjusted(MARGIN, top, -MARGIN, -LEGEND_PX)
            bodies = points_along_bones(self._mouse.bodies())
            self._sign_area = draw_sign(painter, layout, room, bodies, self._sign_area)
        self._skeleton.set_sign(self._sign_area)

    @property
    def sign_area(self) -> QRectF:
        """What the sign covers; empty where there is no room for it beside the people."""
        return self._sign_area

    def _sign(self) -> Sign:
        grip = self._mouse.grip
        if grip is None or not self._mouse.is_dragging:
            return Sign(TITLE, HOW)
        name = H36M_17.joint_names[grip.joint].replace("_", " ").capitalize()
        what = "The person" if grip.is_whole else name
        moved = f"{what}: {100 * self._mouse.distance_m:.1f} cm {grip.way.value}"
        return Sign(TITLE, (moved, "Esc puts it back."))

    def _draw_rings(self, painter: QPainter) -> None:
        """Around joints that are selected, in the hand or under the cursor."""
        points, grip = self._mouse.points(), self._mouse.grip
        rings = dict.fromkeys(self._mode.selected, CHOSEN)
        if grip is not None:
            held = (grip.joint,) if grip.is_whole else grip.joints
            rings.update(dict.fromkeys(held, CHOSEN))
        elif self._mouse.hovered is not None:
            rings[self._mouse.hovered] = _HOVERED
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for joint, colour in rings.items():
            if np.isfinite(points[joint]).all():
                for pen in (QPen(DARK, 4.4), QPen(colour, 2.2)):
                    painter.setPen(pen)
                    painter.drawEllipse(QPointF(*points[joint].tolist()), RING, RING)
