"""What the mouse does to the joints on the video, in edit mode."""

import math
from enum import Enum, auto
from typing import cast

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QMenu

from app.annotation.edit_mode import ALL_JOINTS, EditMode
from app.operations.context import AppContext
from app.operations.edit_keypoints import joints_text
from app.views.joint_drag import JointDrag
from app.views.overlay2d import PersonOverlay
from app.views.video import JOINT_REACH, VideoView
from pose_core.analysis.keypoint_edits import placed, shifted
from pose_core.skeleton import H36M_17


class _Doing(Enum):
    """What the left mouse button is held for."""

    NOTHING = auto()
    DRAG = auto()
    BAND = auto()
    BESIDE = auto()  # pressed where no joint is


class EditMouse(QObject):
    """Takes mouse events of the video before the video does, while the edit mode is on.

    Attributes
    ----------
    joint : int or None
        The one in the hand.
    band : QRectF or None
        The rubber band, logical pixels of the video view.
    cursor : QPointF
        Where the mouse is, logical pixels.
    menu : QMenu or None
        The list of missing joints, while it is open.
    """

    def __init__(self, context: AppContext, mode: EditMode, video: VideoView) -> None:
        super().__init__(video)
        self._context = context
        self._mode = mode
        self._video = video
        self.joint: int | None = None
        self.band: QRectF | None = None
        self.cursor = QPointF()
        self.menu: QMenu | None = None
        self._doing = _Doing.NOTHING
        self._pressed_at = QPointF()
        self._pressed_on: int | None = None
        self._drag = JointDrag(self)
        self._held: frozenset[int] = frozenset()  # what moves with the joint that was taken
        self._is_whole = False  # all of the person
        self._is_ghost = False
        video.installEventFilter(self)
        mode.left.connect(self.abort)
        self._drag.drag_began.connect(self._on_drag_began)
        self._drag.dragged.connect(self._on_dragged)
        self._drag.drag_ended.connect(self._on_drag_ended)
        self._drag.drag_cancelled.connect(self._put_back)

    def abort(self) -> None:
        """Put back what is in the hand, and forget a rubber band."""
        self._drag.cancel()
        if self.menu is not None:
            self.menu.close()
        self._put_back()

    # -- events ----------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Whether an event of the video was for the joints."""
        handlers = {
            QEvent.Type.MouseButtonPress: self._press,
            QEvent.Type.MouseMove: self._move,
            QEvent.Type.MouseButtonRelease: self._release,
            QEvent.Type.MouseButtonDblClick: self._double_click,
        }
        handler = handlers.get(event.type())
        if handler is None or not self._mode.is_on or self._video.is_boxing:
            return False
        mouse = cast(QMouseEvent, event)
        self.cursor = mouse.position()
        return handler(mouse)

    def _press(self, event: QMouseEvent) -> bool:
        if self._doing in (_Doing.DRAG, _Doing.BAND):
            return True  # another button while something is held
        position, joint = event.position(), self.joint_at(event.position())
        if event.button() == Qt.MouseButton.RightButton and joint is not None:
            self._mode.cycle_visibility(joint)
            return True
        if event.button() != Qt.MouseButton.LeftButton:
            return False
        if self._mode.base is None:
            self._say_why_nothing_moves()
            return False
        self._pressed_at, self._pressed_on = position, joint
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._press_with_shift(joint)
        elif event.modifiers() & Qt.KeyboardModifier.AltModifier:
            self._take(self._mode.known_joints, math.inf, is_whole=True)
        elif joint is not None:
            is_among = joint in self._mode.selected
            self._take(self._mode.selected if is_among else frozenset({joint}), self._reach)
        else:
            self._doing = _Doing.BESIDE
            return False  # the video pans, or another person is chosen
        return True

    def _say_why_nothing_moves(self) -> None:
        """Other reasons stand in the sign all the time; a frame is decoded too soon for that."""
        if self._mode.is_waiting:
            self._context.notice(
                "This frame is still being decoded: its joints can be moved in a moment."
            )

    def _press_with_shift(self, joint: int | None) -> None:
        if joint is not None:
            self._mode.select(self._mode.selected ^ {joint})
            return
        self._doing = _Doing.BAND
        self.band = QRectF(self._pressed_at, self._pressed_at)
        self._context.unkept.hold(self.abort)

    def _take(self, joints: frozenset[int], reach: float, *, is_whole: bool = False) -> None:
        """Hold the nearest joint, and with it others."""
        # Ghosts do not go along with the whole person.
        person = self._person(with_ghosts=not is_whole)
        if person is None or not joints:
            return
        self._doing, self._held, self._is_whole = _Doing.DRAG, joints, is_whole
        self._drag.press(
            [person], self._video.zoom, *self._video.device_point(self._pressed_at), reach
        )

    def _move(self, event: QMouseEvent) -> bool:
        if self._doing is _Doing.DRAG:
            start_distance = QApplication.startDragDistance() * self._video.devicePixelRatioF()
            self._drag.move(
                self._video.zoom, *self._video.device_point(event.position()), start_distance
            )
        elif self._doing is _Doing.BAND:
            self.band = QRectF(self._pressed_at, event.position()).normalized()
            self._mode.looks_changed.emit()
        return self._doing in (_Doing.DRAG, _Doing.BAND)

    def _release(self, event: QMouseEvent) -> bool:
        if event.button() != Qt.MouseButton.LeftButton:
            return self._doing in (_Doing.DRAG, _Doing.BAND)
        doing, self._doing = self._doing, _Doing.NOTHING
        if doing is _Doing.DRAG:
            if not self._drag.release() and self._pressed_on is not None:  # a click
                self._mode.select(frozenset({self._pressed_on}))
        elif doing is _Doing.BAND:
            self._choose_in_band()
        elif doing is _Doing.BESIDE:
            moved = (event.position() - self._pressed_at).manhattanLength()
            if moved < QApplication.startDragDistance():
                self._click_beside(event)
            return False
        return doing is not _Doing.NOTHING

    def _double_click(self, event: QMouseEvent) -> bool:
        joint = self.joint_at(event.position())
        if joint is None or event.button() != Qt.MouseButton.LeftButton:
            return False
        self._mode.confirm(joint)
        return True

    def _click_beside(self, event: QMouseEvent) -> None:
        """A click where no joint is: nothing is selected any more, or a missing joint is added."""
        found = self._video.person_at(event.position())
        if self._mode.selected:
            self._mode.select(frozenset())
        elif found is None or found == self._mode.track_id:
            self._offer_joints(event)

    # -- dragging --------------------------------------------------------------------------

    def _on_drag_began(self, joint: int) -> None:
        base = self._mode.base
        if base is None:
            self._drag.cancel()
            return
        self._context.unkept.hold(self.abort)
        self._context.view_state.set_playing(False)
        self.joint, self._mode.trial = joint, base
        self._is_ghost = not np.isfinite(base.xy[joint]).all()

    def _on_dragged(self, joint: int, x: float, y: float) -> None:
        base, track_id, frame = self._mode.base, self._mode.track_id, self._mode.frame
        if base is None or track_id is None or frame is None or self.joint is None:
            return
        joints = sorted(self._held)
        if self._is_ghost:
            self._mode.trial = placed(base, joint, x, y)
        else:
            dx, dy = np.array([x, y]) - base.xy[joint].astype(np.float64)
            self._mode.trial = shifted(base, np.array(joints), dx, dy)
        xy = np.full_like(base.xy, np.nan)
        xy[joints] = self._mode.trial.xy[joints]
        self._video.set_moved_joints(track_id, frame, xy)
        self._mode.looks_changed.emit()

    def _on_drag_ended(self, joint: int) -> None:
        trial, held = self._mode.trial, self._held
        text = joints_text("Place" if self._is_ghost else "Move", held)
        self._put_back()
        if trial is not None:
            self._mode.set_pose(trial, "Move Person" if self._is_whole else text)
        if not self._is_whole:
            self._mode.select(held)

    def _put_back(self) -> None:
        """Show everything as it is in the session."""
        if self._mode.trial is not None:
            self._video.set_moved_joints(0, 0, None)
        self._doing, self.joint, self._mode.trial, self.band = _Doing.NOTHING, None, None, None
        self._context.unkept.release(self.abort)
        self._mode.looks_changed.emit()

    # -- rubber band, and missing joints ---------------------------------------------------

    def _choose_in_band(self) -> None:
        """Add the joints in the rubber band to the selection."""
        band, pose = self.band, self._mode.base
        self._put_back()
        if band is not None and pose is not None:
            points = self._video.zoom.to_device(pose.xy) / self._video.devicePixelRatioF()
            known = pose.known_joints.tolist()
            inside = {joint for joint in known if band.contains(QPointF(*points[joint]))}
            self._mode.select(self._mode.selected | inside)

    def _offer_joints(self, event: QMouseEvent) -> None:
        """Let the user say which of the missing joints is here."""
        missing = sorted(ALL_JOINTS - self._mode.known_joints)
        if not missing:
            return
        x, y = self._video.zoom.to_picture(*self._video.device_point(event.position()))
        menu = self.menu = QMenu(self._video)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.destroyed.connect(self._forget_menu)
        for joint in missing:
            name = H36M_17.joint_names[joint].replace("_", " ").capitalize()
            action = menu.addAction(f"{name} is here")
            action.triggered.connect(lambda _=False, joint=joint: self._mode.place(joint, x, y))
        menu.setActiveAction(menu.actions()[0])  # Return takes it
        menu.popup(event.globalPosition().toPoint())

    def _forget_menu(self) -> None:
        self.menu = None

    # -- geometry --------------------------------------------------------------------------

    @property
    def _reach(self) -> float:
        return JOINT_REACH * self._video.devicePixelRatioF()

    def _person(self, *, with_ghosts: bool) -> PersonOverlay | None:
        """The person as it is drawn; on demand with absent joints where they would lie."""
        pose, track_id = self._mode.base, self._mode.track_id
        if pose is None or track_id is None:
            return None
        xy = pose.xy.copy()
        for joint, place in self._mode.ghosts.items() if with_ghosts else ():
            xy[joint] = place
        self._drag.track_id = track_id
        return PersonOverlay(track_id, xy, pose.scores, True, pose.sources)

    def joint_at(self, position: QPointF) -> int | None:
        """The joint or ghost under the cursor."""
        person = self._person(with_ghosts=True)
        if person is None:
            return None
        return self._drag.joint_at(
            [person], self._video.zoom, *self._video.device_point(position), self._reach
        )
