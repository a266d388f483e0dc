"""What the mouse does to the joints in the 3D view, in edit mode."""

from typing import cast

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPointF, Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication

from app.annotation.edit_mode import EditMode
from app.annotation.pose_grip import PELVIS, Grip, Way
from app.operations.context import AppContext
from app.operations.edit_keypoints import joints_text
from app.operations.edit_poses import set_pose
from app.views.orbit import from_scene, project
from app.views.skeleton3d import Skeleton3DView
from app.views.video import VideoView
from pose_core.camera import Camera
from pose_core.skeleton import H36M_17

REACH_PX = 12.0  # logical pixels from which a joint is hit
_SHIFT, _CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
_ALT = Qt.KeyboardModifier.AltModifier


class PoseMouse(QObject):
    """Takes mouse events of the 3D view before the view does, while the edit mode is on.

    While a joint is held nothing is changed but what is shown: the step is made when it is let go.

    Attributes
    ----------
    looks_changed : Signal()
        What has to be drawn over the 3D view is another.
    hovered : int or None
        The joint under the cursor.
    grip : Grip or None
        The joint in the hand.
    distance_m : float
        How far it was taken.
    """

    looks_changed = Signal()

    def __init__(
        self, context: AppContext, mode: EditMode, skeleton: Skeleton3DView, video: VideoView
    ) -> None:
        super().__init__(skeleton)
        self._context = context
        self._mode = mode
        self._skeleton = skeleton
        self._video = video
        self.hovered: int | None = None
        self.grip: Grip | None = None
        self.distance_m = 0.0
        self._moved: np.ndarray | None = None  # (17, 3) scene coordinates, once it is dragged
        self._pressed_at = QPointF()
        skeleton.installEventFilter(self)
        mode.left.connect(self.abort)
        mode.changed.connect(self._on_mode_changed)

    @property
    def is_dragging(self) -> bool:
        """Whether a joint follows the mouse."""
        return self._moved is not None

    def points(self) -> np.ndarray:
        """(17, 2) logical pixels of the selected person's joints in the view; NaN where unseen."""
        track_id = self._mode.track_id
        pose = None if track_id is None else self._skeleton.scene_pose(track_id)
        if pose is None:
            return np.full((H36M_17.num_joints, 2), np.nan)
        width, height = self._skeleton.width(), self._skeleton.height()
        return project(pose, self._skeleton.orbit.matrix(width / height), width, height)

    def bodies(self) -> np.ndarray:
        """(P, 17, 2) logical pixels of the joints of all people who are shown; NaN where unseen."""
        session, view = self._context.document.session, self._skeleton
        poses = [view.scene_pose(track.track_id) for track in (session.tracks if session else ())]
        shown = np.array([pose for pose in poses if pose is not None]).reshape(-1, 17, 3)
        width, height = view.width(), view.height()
        return project(shown, view.orbit.matrix(width / height), width, height)

    def abort(self) -> None:
        """Put back what is in the hand."""
        if self.grip is None:
            return
        if self.is_dragging:
            self._skeleton.set_preview(None)
            self._video.set_projection(0, None)
        self.grip = self._moved = None
        self._context.unkept.release(self.abort)
        self.looks_changed.emit()

    # -- events ----------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Whether an event of the 3D view was for the joints."""
        if not self._mode.is_on:
            return False
        kind = event.type()
        if kind == QEvent.Type.Leave:
            self._hover(None)
        elif kind == QEvent.Type.Wheel:
            return self.grip is not None
        elif kind in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick):
            return self._press(cast(QMouseEvent, event))
        elif kind == QEvent.Type.MouseMove:
            return self._move(cast(QMouseEvent, event))
        elif kind == QEvent.Type.MouseButtonRelease:
            return self._release(cast(QMouseEvent, event))
        return False

    def _press(self, event: QMouseEvent) -> bool:
        if self.grip is not None:
            return True  # another button while a joint is held
        joint = self._joint_at(event.position())
        if event.button() != Qt.MouseButton.LeftButton or joint is None:
            return False  # the view turns
        self._skeleton.setFocus()
        self._pressed_at = event.position()
        self._take(joint, event.modifiers())
        return self.grip is not None

    def _take(self, joint: int, keys: Qt.KeyboardModifier) -> None:
        self._context.unkept.discard()  # also another pose that somebody tries out in this view
        track_id = self._mode.track_id
        pose = None if track_id is None else self._skeleton.scene_pose(track_id)
        if pose is None or not np.isfinite(pose[joint]).all():
            return
        way = Way.DEPTH if keys & _SHIFT else Way.LIMB if keys & _CTRL else Way.PLANE
        # All is told relative to the pelvis: with it goes the person.
        is_whole = joint == PELVIS or bool(keys & _ALT)
        view = self._skeleton
        self.grip = Grip(pose, joint, way, is_whole, view.orbit, view.width(), view.height())
        self.distance_m = 0.0

    def _move(self, event: QMouseEvent) -> bool:
        if self.grip is None:
            self._hover(None if event.buttons() else self._joint_at(event.position()))
            return False
        way = event.position() - self._pressed_at
        if self._moved is None and way.manhattanLength() < QApplication.startDragDistance():
            return True
        self._context.unkept.hold(self.abort)
        self._moved = self.grip.moved(way.x(), way.y())
        joint = self.grip.joint
        self.distance_m = float(np.linalg.norm(self._moved[joint] - self.grip.pose[joint]))
        self._show(self._moved)
        return True

    def _release(self, event: QMouseEvent) -> bool:
        if self.grip is None or event.button() != Qt.MouseButton.LeftButton:
            return self.grip is not None
        grip, moved = self.grip, self._moved
        self.abort()
        if moved is None:
            self._mode.select(frozenset({grip.joint}))
        elif self._mode.frame_3d is not None:
            self._keep(grip, moved)
        return True

    # -- what is shown, and kept -----------------------------------------------------------

    def _show(self, moved: np.ndarray) -> None:
        camera_xyz = from_scene(moved, self._skeleton.level)
        self._skeleton.set_preview(camera_xyz)
        session = self._context.document.session
        if session is not None:
            clip = session.clip
            camera = Camera.assumed(clip.width, clip.height, session.focal_px)
            frame = self._context.view_state.frame
            self._video.set_projection(frame, camera.project(camera_xyz))
        self.looks_changed.emit()

    def _keep(self, grip: Grip, moved: np.ndarray) -> None:
        """Make what was dragged a step."""
        track, state = self._context.selected_track, self._context.view_state
        if track is None or state.model is None or state.model not in track.runs:
            return
        poses, frame = track.runs[state.model].poses, state.frame
        camera_xyz = from_scene(moved, self._skeleton.level)
        # Only what was moved: the other joints stay what they are, bit by bit.
        xyz, root = poses.xyz[frame].copy(), np.asarray(poses.root)[frame].astype(np.float64)
        if grip.is_whole:
            root = root + camera_xyz[grip.joint] - poses.camera_xyz[frame, grip.joint]
            text = "Move the Person"
        else:
            joints = list(grip.joints)
            xyz[joints] = camera_xyz[joints] - root
            verb = "Turn" if grip.way is Way.LIMB else "Move"
            text = joints_text(verb, frozenset({grip.joint}))
        set_pose(self._context, track, state.model, frame, xyz, root, f"{text} in 3D")

    def _hover(self, joint: int | None) -> None:
        if joint == self.hovered:
            return
        self.hovered = joint
        if joint is None:
            self._skeleton.unsetCursor()
        else:
            self._skeleton.setCursor(Qt.CursorShape.PointingHandCursor)
        self.looks_changed.emit()

    def _joint_at(self, position: QPointF) -> int | None:
        """The joint of the selected person under the cursor, where it can be edited."""
        if self._mode.frame_3d is None:
            return None
        distances = np.hypot(*(self.points() - (position.x(), position.y())).T)
        if not (distances <= REACH_PX).any():
            return None
        return int(np.nanargmin(distances))

    def _on_mode_changed(self) -> None:
        self._skeleton.setMouseTracking(self._mode.is_on)
        if not self._mode.is_on:
            self._hover(None)
        self.looks_changed.emit()
