"""Dragging a joint of one person over a picture: what the mouse does, without any drawing."""

import math

from PySide6.QtCore import QObject, Signal

from app.views.overlay2d import PersonOverlay, joint_at
from app.views.zoom import Zoom


class JointDrag(QObject):
    """From presses and moves of the mouse to a joint that follows it.

    A press on a joint is a click until the mouse has gone some way: then the drag begins, and
    the joint stays as far from the cursor as it was when it was taken. The view that owns this
    hands over device pixels of itself; places go out in picture pixels, with fractions.

    Attributes
    ----------
    drag_began : Signal(int)
        A joint is taken.
    dragged : Signal(int, float, float)
        The joint is at x, y of the picture now.
    drag_ended : Signal(int)
        It was let go.
    drag_cancelled : Signal(int)
        The drag was aborted: the joint belongs where it was before.
    track_id : int or None
        Whose joints can be taken; None: nobody's.
    """

    drag_began = Signal(int)
    dragged = Signal(int, float, float)
    drag_ended = Signal(int)
    drag_cancelled = Signal(int)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.track_id: int | None = None
        self._joint: int | None = None
        self._pressed_at = (0.0, 0.0)
        self._offset = (0.0, 0.0)  # from the cursor to the joint, picture pixels
        self._is_dragging = False

    @property
    def is_pressed(self) -> bool:
        """Whether the button is down on a joint."""
        return self._joint is not None

    @property
    def is_dragging(self) -> bool:
        """Whether the joint follows the mouse."""
        return self._is_dragging

    def joint_at(
        self, people: list[PersonOverlay], zoom: Zoom, x: float, y: float, reach: float
    ) -> int | None:
        """The joint nearest to a device pixel that can be taken, within `reach` device pixels."""
        # People whose sources are not known are those of an estimate that runs.
        theirs = [p for p in people if p.track_id == self.track_id and p.sources is not None]
        found = joint_at(theirs, zoom, x, y, reach)
        return None if found is None else found[1]

    def press(
        self, people: list[PersonOverlay], zoom: Zoom, x: float, y: float, reach: float
    ) -> bool:
        """The button goes down at a device pixel; whether it is on a joint that can be taken."""
        self._joint = self.joint_at(people, zoom, x, y, reach)
        if self._joint is None:
            return False
        person = next(each for each in people if each.track_id == self.track_id)
        cursor_x, cursor_y = zoom.to_picture(x, y)
        joint_x, joint_y = person.xy[self._joint]
        self._pressed_at = (x, y)
        self._offset = (float(joint_x) - cursor_x, float(joint_y) - cursor_y)
        return True

    def move(self, zoom: Zoom, x: float, y: float, start_distance: float) -> None:
        """The mouse goes to a device pixel; the drag begins `start_distance` from the press."""
        if self._joint is None:
            return
        if not self._is_dragging:
            if math.dist(self._pressed_at, (x, y)) < start_distance:
                return
            self._is_dragging = True
            self.drag_began.emit(self._joint)
        if self._joint is not None:  # whoever was told may have cancelled
            cursor_x, cursor_y = zoom.to_picture(x, y)
            self.dragged.emit(self._joint, cursor_x + self._offset[0], cursor_y + self._offset[1])

    def release(self) -> bool:
        """The button goes up; whether a drag has ended (else it was a click)."""
        joint, was_dragging = self._forget()
        if joint is not None and was_dragging:
            self.drag_ended.emit(joint)
        return was_dragging

    def cancel(self) -> None:
        """Abort; nothing happens where nothing is dragged."""
        joint, was_dragging = self._forget()
        if joint is not None and was_dragging:
            self.drag_cancelled.emit(joint)

    def _forget(self) -> tuple[int | None, bool]:
        joint, was_dragging = self._joint, self._is_dragging
        self._joint, self._is_dragging = None, False
        return joint, was_dragging
