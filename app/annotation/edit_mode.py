"""The edit mode of the video view: which joints are chosen, and what can be done to them."""

import math

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.operations.context import AppContext
from app.operations.edit_keypoints import KeypointEditor, joints_text
from app.operations.estimate import Estimator
from app.views.video import VideoView
from pose_core.analysis.keypoint_edits import (
    FramePose,
    confirmed,
    expected_xy,
    next_visibility,
    placed,
    removed,
)
from pose_core.skeleton import H36M_17

ALL_JOINTS = frozenset(range(H36M_17.num_joints))
MARK_NAMES = ("Absent", "Occluded", "Visible")
ARROWS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
FAR_PX = 10.0  # of a nudge with Shift

Places = dict[int, tuple[float, float]]


class EditMode(QObject):
    """Edits the selected person in the frame on screen, while it is on.

    Where a joint is absent its place is guessed (a ghost): from where it was, or from the frames
    around. A ghost can be taken as a joint can, which makes it one.

    Attributes
    ----------
    changed : Signal()
        It was turned on or off, or another selection of joints was made.
    looks_changed : Signal()
        What has to be drawn over the video is another.
    left : Signal()
        Another frame or person, or the end: whoever holds something lets go.
    is_on : bool
    selected : frozenset of int
        Joints of the selected person.
    trial : FramePose or None
        The person as it is dragged at the moment.
    """

    changed = Signal()
    looks_changed = Signal()
    left = Signal()

    def __init__(
        self, context: AppContext, estimator: Estimator, editor: KeypointEditor, video: VideoView
    ) -> None:
        super().__init__(video)
        self._context = context
        self._estimator = estimator
        self._editor = editor
        self._video = video
        self.is_on = False
        self.selected: frozenset[int] = frozenset()
        self.trial: FramePose | None = None
        self._remembered: dict[tuple[int, int], Places] = {}  # by track and frame
        state = context.view_state
        state.track_changed.connect(self._on_moved_on)
        state.frame_changed.connect(self._on_moved_on)
        context.document.changed.connect(self._on_document_changed)
        context.document.opened.connect(self._on_opened)
        estimator.started.connect(self._on_moved_on)
        estimator.ended.connect(self.looks_changed)

    # -- state -----------------------------------------------------------------------------

    def set_on(self, is_on: bool) -> None:
        """Begin or end editing."""
        is_on = is_on and self._context.document.session is not None
        if is_on == self.is_on:
            return
        self.left.emit()
        self.is_on = is_on
        self.selected = frozenset()
        if is_on:
            self._context.view_state.set_playing(False)
            self._context.view_state.set_poses_visible(True)
            self._video.setFocus()
        self.changed.emit()
        self.looks_changed.emit()

    def select(self, joints: frozenset[int]) -> None:
        """Choose joints of the person in the shown frame; absent ones are left out."""
        joints = joints & self.known_joints
        if joints != self.selected:
            self.selected = joints
            self.changed.emit()
            self.looks_changed.emit()

    def select_all(self) -> None:
        """Choose all joints that there are."""
        self.select(ALL_JOINTS)

    @property
    def track_id(self) -> int | None:
        """The person that is edited."""
        return self._context.view_state.track_id

    @property
    def frame(self) -> int | None:
        """The frame that can be edited: the one on screen, if it is the present one."""
        frame = self._context.view_state.frame
        return frame if self.is_on and self._is_free and self._video.exact_frame == frame else None

    @property
    def is_waiting(self) -> bool:
        """Whether the present frame could be edited if it were on screen, as it soon is."""
        state = self._context.view_state
        is_free = self.is_on and not state.is_playing and not self.obstacle
        return is_free and self._video.exact_frame != state.frame

    @property
    def frame_3d(self) -> int | None:
        """The frame whose 3D can be edited."""
        state = self._context.view_state
        is_free = self.is_on and not state.is_playing and not self.obstacle_3d
        return state.frame if is_free else None

    @property
    def _is_free(self) -> bool:
        return not self._estimator.is_running

    @property
    def base(self) -> FramePose | None:
        """The person as the session has it; None where nothing can be edited."""
        frame = self.frame
        return None if frame is None else self._editor.pose(frame)

    @property
    def pose(self) -> FramePose | None:
        """The person as it is now, be it in the hand."""
        return self.base if self.trial is None else self.trial

    @property
    def known_joints(self) -> frozenset[int]:
        """The joints that are not absent."""
        pose = self.pose
        return frozenset() if pose is None else frozenset(pose.known_joints.tolist())

    @property
    def obstacle(self) -> str:
        """Why nothing can be edited now; empty where it can."""
        if not self._is_free:
            return "An estimate is running: wait for it, or cancel it."
        if self._context.selected_track is None:
            return "Nobody is selected: click a person, or use Pose > Add a Person by Hand."
        return ""

    @property
    def obstacle_3d(self) -> str:
        """Why no 3D can be edited now; empty where it can."""
        track, state = self._context.selected_track, self._context.view_state
        if self.obstacle or track is None:
            return self.obstacle
        run = track.runs.get(state.model or "")
        if run is None:
            return "No 3D of this person yet: Pose > 3D Again from the Same 2D."
        if state.stage < len(run.poses.stages) - 1:
            return "Only the last stage can be edited: Go > Last Stage shows it."
        if self._editor.follower.is_working_on(state.model):
            return "The 3D follows your last edit: one moment."
        if not np.isfinite(run.poses.xyz[state.frame]).any():
            return f"{track.name} has no 3D in this frame."
        return ""

    @property
    def ghosts(self) -> Places:
        """Where joints that are absent would lie, picture pixels."""
        frame, track = self.frame, self._context.selected_track
        missing = sorted(ALL_JOINTS - self.known_joints)
        if frame is None or track is None or not missing:
            return {}
        expected = expected_xy(track.keypoints, frame)
        places = {j: (float(expected[j, 0]), float(expected[j, 1])) for j in missing}
        remembered = self._remembered.get((track.track_id, frame), {})
        places.update({j: remembered[j] for j in missing if j in remembered})
        return {j: place for j, place in places.items() if math.isfinite(place[0])}

    def remember(self, track_id: int, frame: int, places: Places) -> None:
        """Say where absent joints of a person would lie in a frame."""
        self._remembered.setdefault((track_id, frame), {}).update(places)
        self.looks_changed.emit()

    # -- edits -----------------------------------------------------------------------------

    def set_pose(self, pose: FramePose, text: str) -> None:
        """Make an edit of a pose of the shown frame; where it is the same nothing is done."""
        frame = self.frame
        if frame is not None:
            self._editor.set_pose(frame, pose, text)

    def nudge(self, direction: str, pixels: float = 1.0) -> None:
        """Move the selected joints a little in a direction of `ARROWS`."""
        frame = self.frame
        if frame is not None and self.selected and self.trial is None:
            dx, dy = ARROWS[direction]
            self._editor.nudge(frame, self.selected, pixels * dx, pixels * dy)

    def remove_selected(self) -> None:
        """Make the selected joints absent."""
        pose, joints = self.base, self.selected
        if pose is not None and joints:
            self._remember_places(pose, joints)
            self.set_pose(removed(pose, np.array(sorted(joints))), joints_text("Remove", joints))

    def cycle_visibility(self, joint: int) -> None:
        """Visible, occluded, absent, visible."""
        pose = self.base
        if pose is not None:
            place = self.ghosts.get(joint)
            self._remember_places(pose, frozenset({joint}))
            after = next_visibility(pose, joint, place)
            self.set_pose(after, joints_text(MARK_NAMES[after.marks[joint]], frozenset({joint})))

    def confirm(self, joint: int) -> None:
        """Make a joint that was predicted, or guessed, the user's own where it is."""
        pose, ghost = self.base, self.ghosts.get(joint)
        if pose is not None:
            after = confirmed(pose, joint) if ghost is None else placed(pose, joint, *ghost)
            self.set_pose(after, joints_text("Confirm", frozenset({joint})))
            self.select(frozenset({joint}))

    def place(self, joint: int, x: float, y: float) -> None:
        """Put a joint somewhere, picture pixels."""
        pose = self.base
        if pose is not None:
            self.set_pose(placed(pose, joint, x, y), joints_text("Place", frozenset({joint})))

    def _remember_places(self, pose: FramePose, joints: frozenset[int]) -> None:
        """Note where joints are, for when they are absent."""
        track_id, frame = self.track_id, self.frame
        if track_id is not None and frame is not None:
            known = joints & frozenset(pose.known_joints.tolist())
            places = {j: (float(pose.xy[j, 0]), float(pose.xy[j, 1])) for j in known}
            self.remember(track_id, frame, places)

    # -- what happens elsewhere ------------------------------------------------------------

    def _on_moved_on(self) -> None:
        """Another frame or person: what is in the hand does not belong there."""
        if self.is_on:
            self.left.emit()
            self.select(frozenset())
            self.looks_changed.emit()

    def _on_document_changed(self) -> None:
        if self.is_on and self.trial is None:
            self.select(self.selected)  # without joints that are gone
            self.looks_changed.emit()

    def _on_opened(self) -> None:
        self._remembered = {}
        self.set_on(False)
