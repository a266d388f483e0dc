"""Editing of joints in 2D and 3D: the edit mode, its mouse, its looks and its actions together."""

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from app.actions import Actions
from app.annotation.box_mouse import BoxMouse
from app.annotation.edit_lanes import EditLanes
from app.annotation.edit_mode import ALL_JOINTS, ARROWS, FAR_PX, EditMode
from app.annotation.edit_mouse import EditMouse
from app.annotation.overlay import EditOverlay
from app.annotation.pose_mouse import PoseMouse
from app.annotation.pose_overlay import PoseOverlay
from app.document import StepCommand
from app.operations import rearrange_people
from app.operations.context import AppContext
from app.operations.edit_keypoints import KeypointEditor, joint_count
from app.operations.edit_people import add_person, fill_in
from app.operations.estimate import Estimator
from app.operations.find_in_box import BoxFinder
from app.views.presenter import Presenter
from app.views.skeleton3d import Skeleton3DView
from app.views.timeline import Timeline
from app.views.video import VideoView
from pose_core.analysis.keypoint_edits import FramePose, standing_in_box


class Annotation(QObject):
    """The edit mode and what belongs to it.

    Attributes
    ----------
    changed : Signal()
        Other actions are available.
    state_changed : Signal(str)
        What goes on, for the status bar; empty where nothing does.
    mode : EditMode
    mouse : EditMouse
        On the video.
    pose_mouse : PoseMouse
        In the 3D view.
    editor : KeypointEditor
    """

    changed = Signal()
    state_changed = Signal(str)

    def __init__(
        self,
        context: AppContext,
        actions: Actions,
        estimator: Estimator,
        presenter: Presenter,
        video: VideoView,
        skeleton: Skeleton3DView,
        timeline: Timeline,
    ) -> None:
        super().__init__(context)
        self._context = context
        self._action = actions["edit.keypoints"]
        self._presenter = presenter
        self._video = video
        self.lanes = EditLanes(context, timeline)
        self.editor = KeypointEditor(context)
        self.mode = EditMode(context, estimator, self.editor, video)
        self.mouse = EditMouse(context, self.mode, video)
        self.finder = BoxFinder(context)
        self.box_mouse = BoxMouse(context, self.mode, self.mouse, self.finder, video)
        self.overlay = EditOverlay(self.mode, self.mouse, self.box_mouse, video)
        self.pose_mouse = PoseMouse(context, self.mode, skeleton, video)
        self.pose_overlay = PoseOverlay(self.mode, self.pose_mouse, skeleton)
        self.mode.changed.connect(self._on_changed)
        self.editor.copied_changed.connect(self.changed)
        self.editor.follower.working_changed.connect(self._tell_state)
        self.editor.follower.working_changed.connect(self.pose_overlay.follow)
        context.view_state.stage_changed.connect(self.pose_overlay.follow)
        estimator.merged.connect(self.editor.follow_estimate)

    def conditions(self) -> dict[str, bool]:
        """What the actions of editing need, see `ActionSpec.needs`."""
        return {
            "editing": self.mode.is_on,
            "joints": bool(self.mode.selected),
            "copied pose": self.mode.track_id is not None and self.editor.copied is not None,
        }

    def handlers(self) -> dict[str, Callable[[], object]]:
        """What the actions of editing do."""
        mode, editor = self.mode, self.editor
        near = {f"edit.nudge_{name}": lambda name=name: mode.nudge(name) for name in ARROWS}
        far = {
            f"edit.nudge_{name}_far": lambda name=name: mode.nudge(name, FAR_PX) for name in ARROWS
        }
        swaps = {
            f"pose.swap_{what}": lambda what=what: editor.swap(what)
            for what in ("arms", "legs", "all")
        }
        return {
            **near,
            **far,
            **swaps,
            "edit.keypoints": lambda: mode.set_on(not mode.is_on),
            "edit.stop_keypoints": lambda: mode.set_on(False),
            "edit.all_joints": mode.select_all,
            "edit.remove_joints": mode.remove_selected,
            "edit.copy_pose": editor.copy,
            "edit.paste_pose": editor.paste,
            "go.next_edit": lambda: editor.go_to_edit(1),
            "go.previous_edit": lambda: editor.go_to_edit(-1),
            "pose.interpolate": editor.interpolate,
            "pose.reset": lambda: editor.reset(mode.selected or ALL_JOINTS),
            "pose.add_person": self.add_person,
            "pose.split": self.split_person,
            "pose.merge": lambda: rearrange_people.ask_and_merge(self._context),
            "pose.exchange": lambda: rearrange_people.ask_and_exchange(self._context),
        }

    def split_person(self) -> None:
        """Make the selected person another one from here on, and select that one."""
        track_id = rearrange_people.split_at_playhead(self._context)
        if track_id is not None:
            self._presenter.select_person(track_id)

    def add_person(self) -> None:
        """Let the user draw a box around somebody who was not found: the detector looks again."""
        self._video.begin_box(self._add_in_box)

    def _add_in_box(self, x0: float, y0: float, x1: float, y1: float) -> None:
        frame, image = self._context.view_state.frame, self._video.image
        added = add_person(self._context)
        if added is None:
            return
        track_id, command = added
        self._presenter.select_person(track_id)
        self.mode.set_on(True)
        places = standing_in_box((x0, y0, x1, y1))
        self.mode.remember(track_id, frame, {j: (x, y) for j, (x, y) in enumerate(places.tolist())})
        if image is not None and self._video.exact_frame == frame:
            self.finder.find(
                image,
                (x0, y0, x1, y1),
                lambda pose: self._take_added(track_id, command, frame, pose),
            )

    def _take_added(
        self, track_id: int, command: StepCommand, frame: int, pose: FramePose | None
    ) -> None:
        """What the detector says of somebody who was added in a box."""
        if pose is None:
            words = "Nobody was recognised in the box: drag the crosses to the joints."
        elif fill_in(self._context, track_id, command, frame, pose):
            words = "Drag the joints that are wrong. Pose > 3D Again from the Same 2D adds 3D."
        else:
            words = "Joints were set meanwhile: those that the detector found were left out."
        self._context.notice(words)

    def _on_changed(self) -> None:
        self._action.setChecked(self.mode.is_on)
        self._tell_state()
        self.changed.emit()

    def _tell_state(self) -> None:
        num_joints = len(self.mode.selected)
        parts = ["editing keypoints"] if self.mode.is_on else []
        if num_joints:
            parts.append(joint_count(num_joints))
        if self.editor.follower.is_working:
            parts.append("the 3D follows...")
        self.state_changed.emit(", ".join(parts))
