"""The box of the person that is edited: its sides are dragged, and the detector looks into it."""

from typing import cast

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication

from app.annotation.edit_mode import EditMode
from app.annotation.edit_mouse import EditMouse
from app.operations.context import AppContext
from app.operations.find_in_box import Box, BoxFinder
from app.views.video import VideoView
from pose_core.analysis.keypoint_edits import (
    FramePose,
    Sides,
    box_around,
    box_with_sides,
    found_anew,
)

REACH_PX = 6.0  # logical pixels from which a side is hit
# By the product of the two sides (1: upper left or lower right), and whether there is none across.
_CURSORS = {
    (0, False): Qt.CursorShape.SizeHorCursor,
    (0, True): Qt.CursorShape.SizeVerCursor,
    (1, False): Qt.CursorShape.SizeFDiagCursor,
    (-1, False): Qt.CursorShape.SizeBDiagCursor,
}


class BoxMouse(QObject):
    """Takes mouse events of the video before those for the joints, where the box's sides are.

    Attributes
    ----------
    sides : Sides or None
        What of the box is under the cursor, or in the hand.
    """

    def __init__(
        self,
        context: AppContext,
        mode: EditMode,
        mouse: EditMouse,
        finder: BoxFinder,
        video: VideoView,
    ) -> None:
        super().__init__(video)
        self._context = context
        self._mode = mode
        self._mouse = mouse
        self._finder = finder
        self._video = video
        self.sides: Sides | None = None
        self._pressed_at: QPointF | None = None
        self._dragged: Box | None = None
        video.installEventFilter(self)
        mode.left.connect(self.abort)
        finder.working_changed.connect(self._on_working)

    @property
    def box(self) -> Box | None:
        """The box as it is shown, picture pixels; None where there is none."""
        if self._dragged is not None:
            return self._dragged
        pose, image = self._mode.base, self._video.image
        if pose is None or image is None or self._mode.trial is not None:
            return None
        return box_around(pose, image.shape[1], image.shape[0])

    @property
    def is_looking(self) -> bool:
        """Whether the detector looks into a box."""
        return self._finder.is_working

    def abort(self) -> None:
        """Let the box be as it was."""
        was_dragged = self._dragged is not None
        self._pressed_at = self._dragged = self.sides = None
        self._context.unkept.release(self.abort)
        if was_dragged:
            self._mode.looks_changed.emit()

    # -- events ----------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Whether an event of the video was for the box."""
        handlers = {
            QEvent.Type.MouseButtonPress: self._press,
            QEvent.Type.MouseMove: self._move,
            QEvent.Type.MouseButtonRelease: self._release,
        }
        handler = handlers.get(event.type())
        if handler is None or not self._mode.is_on or self._video.is_boxing:
            return False
        return handler(cast(QMouseEvent, event))

    def _press(self, event: QMouseEvent) -> bool:
        if self._pressed_at is not None:
            return True  # another button while a side is held
        is_plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
        if event.button() != Qt.MouseButton.LeftButton or not is_plain:
            return False
        self.sides = self._sides_at(event.position())
        if self.sides is not None:
            self._pressed_at = event.position()
        return self.sides is not None

    def _move(self, event: QMouseEvent) -> bool:
        if self._pressed_at is None:
            self._hover(None if event.buttons() else self._sides_at(event.position()))
            return False
        moved = event.position() - self._pressed_at
        is_begun = self._dragged is not None
        if not is_begun and moved.manhattanLength() < QApplication.startDragDistance():
            return True
        image, sides = self._video.image, self.sides
        if image is None or sides is None:
            return True
        if not is_begun:
            self._context.unkept.hold(self.abort)
        box = self._dragged or self.box
        if box is not None:
            place = self._video.zoom.to_picture(*self._video.device_point(event.position()))
            self._dragged = box_with_sides(box, sides, place, image.shape[1], image.shape[0])
            self._mode.looks_changed.emit()
        return True

    def _release(self, event: QMouseEvent) -> bool:
        if self._pressed_at is None or event.button() != Qt.MouseButton.LeftButton:
            return self._pressed_at is not None
        box, self._pressed_at = self._dragged, None
        self._context.unkept.release(self.abort)
        if box is not None:
            self._look_into(box)
        return True

    # -- looking ---------------------------------------------------------------------------

    def _look_into(self, box: Box) -> None:
        image, frame, track_id = self._video.image, self._mode.frame, self._mode.track_id
        if image is None or frame is None:
            self.abort()
            return

        def take(found: FramePose | None) -> None:
            base = self._mode.base
            if base is None or (self._mode.frame, self._mode.track_id) != (frame, track_id):
                self._context.notice("The box was left, so nothing was changed.")
            elif found is None:
                self._context.notice("Nobody was recognised in this box: nothing was changed.")
            else:
                self._mode.set_pose(found_anew(base, found), "Correct the Box")

        if not self._finder.find(image, box, take):
            self.abort()

    def _on_working(self, is_working: bool) -> None:
        if not is_working and self._pressed_at is None:
            self._dragged = None
        self._mode.looks_changed.emit()

    # -- geometry --------------------------------------------------------------------------

    def rect(self) -> QRectF | None:
        """The box in logical pixels of the video view."""
        box = self.box
        if box is None:
            return None
        points = self._video.zoom.to_device(np.reshape(box, (2, 2)))
        (x0, y0), (x1, y1) = (points / self._video.devicePixelRatioF()).tolist()
        return QRectF(QPointF(x0, y0), QPointF(x1, y1))

    def _sides_at(self, position: QPointF) -> Sides | None:
        """The sides under the cursor, two at a corner; None where there is none, or a joint."""
        rect = self.rect()
        if rect is None or self.is_looking or self._mouse.joint_at(position) is not None:
            return None
        around = rect.adjusted(-REACH_PX, -REACH_PX, REACH_PX, REACH_PX)
        if not around.contains(position):
            return None
        left, right = position.x() - rect.left(), rect.right() - position.x()
        top, bottom = position.y() - rect.top(), rect.bottom() - position.y()
        across = _nearer(left, right, REACH_PX)
        along = _nearer(top, bottom, REACH_PX)
        return Sides(across, along) if across or along else None

    def _hover(self, sides: Sides | None) -> None:
        if sides == self.sides:
            return
        self.sides = sides
        if sides is None:
            self._video.unsetCursor()
        else:
            self._video.setCursor(_CURSORS[sides.across * sides.along, sides.across == 0])
        self._mode.looks_changed.emit()


def _nearer(before: float, behind: float, reach: float) -> int:
    """-1 or 1: which of two sides is within reach; 0: none."""
    if min(abs(before), abs(behind)) > reach:
        return 0
    return -1 if abs(before) <= abs(behind) else 1
