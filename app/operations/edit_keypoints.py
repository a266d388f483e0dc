"""Changes of the selected person's keypoints by hand, each one undoable step."""

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QElapsedTimer, QObject, Signal

from app.commands import EditFrames
from app.document import Change, StepCommand
from app.operations.context import AppContext
from app.operations.edit_keypoints_follow import Edit, PoseFollower
from app.operations.edit_poses import swap_sides, with_edit
from app.operations.navigation import go_to, noted_frames
from pose_core.analysis.before_edits import before_edits
from pose_core.analysis.keypoint_edits import (
    SWAPPED_JOINTS,
    FramePose,
    interpolated,
    pasted,
    shifted,
    span_around,
)
from pose_core.analysis.pose_edits import edited_in_3d
from pose_core.models.registry import installed_models
from pose_core.poses import Keypoints2D
from pose_core.session import Track
from pose_core.session_patch import Patch
from pose_core.skeleton import H36M_17

NUDGES_JOIN_MS = 1000


class KeypointEditor(QObject):
    """Edits keypoints; the 3D of all models follows in the background.

    Attributes
    ----------
    copied_changed : Signal()
        There is a pose to paste.
    copied : FramePose or None
    follower : PoseFollower
    """

    copied_changed = Signal()

    def __init__(self, context: AppContext) -> None:
        super().__init__(context)
        self._context = context
        self.follower = PoseFollower(context)
        self.copied: FramePose | None = None
        self._nudge: tuple[StepCommand, int, frozenset[int]] | None = None
        self._since_nudge = QElapsedTimer()

    @property
    def frames(self) -> tuple[int, int]:
        """What a repair is for: the selected range, or the shown frame."""
        state = self._context.view_state
        return state.range or (state.frame, state.frame + 1)

    def pose(self, frame: int) -> FramePose | None:
        """The selected person in a frame; None where nobody is selected."""
        track = self._context.selected_track
        return None if track is None else FramePose.of(track.keypoints, frame)

    # -- one frame -------------------------------------------------------------------------

    def set_pose(self, frame: int, pose: FramePose, text: str) -> StepCommand | None:
        """Give the selected person another pose in a frame; one that is the same is no step."""
        track = self._context.selected_track
        if track is None or pose.is_same(FramePose.of(track.keypoints, frame)):
            return None
        return self._push(track, pose.put_into(track.keypoints, frame), frame, frame + 1, text)

    def nudge(self, frame: int, joints: frozenset[int], dx: float, dy: float) -> None:
        """Move joints by a few pixels; nudges in a row are one step."""
        track = self._context.selected_track
        if track is None:
            return
        pose = shifted(FramePose.of(track.keypoints, frame), np.array(sorted(joints)), dx, dy)
        last, is_soon = self._nudge, self._is_soon()
        if last is not None and is_soon and last[1:] == (frame, joints):
            self._extend(last[0], track, pose.put_into(track.keypoints, frame), frame)
        else:
            command = self.set_pose(frame, pose, joints_text("Nudge", joints))
            self._nudge = None if command is None else (command, frame, joints)
        self._since_nudge.start()

    def _is_soon(self) -> bool:
        """Whether the last step is a nudge of a moment ago, and not saved yet."""
        stack = self._context.document.undo_stack
        is_last = (
            self._nudge is not None
            and not stack.isClean()
            and stack.index() == stack.count()
            and stack.command(stack.index() - 1) is self._nudge[0]
        )
        return is_last and self._since_nudge.elapsed() < NUDGES_JOIN_MS

    def _extend(self, command: StepCommand, track: Track, after: Keypoints2D, frame: int) -> None:
        changed = replace(track, keypoints=after)
        patch = Patch.of_frames(track, changed, (), frame, frame + 1)
        change = Change("poses", (track.track_id,), frame, frame + 1)
        if self._context.document.extend_step(command, patch, change):
            self._let_follow(command, track, self._following_models(track), frame, frame + 1)

    # -- copy and paste --------------------------------------------------------------------

    def copy(self) -> None:
        """Keep the shown pose of the selected person, to paste it in other frames."""
        frame = self._context.view_state.frame
        pose = self.pose(frame)
        if pose is None or not len(pose.known_joints):
            self._context.notice("There is no pose in this frame to copy.")
            return
        self.copied = FramePose(pose.xy.copy(), pose.scores.copy(), pose.sources.copy())
        self.copied_changed.emit()
        self._context.notice(f"Copied the pose of frame {frame}. Ctrl+V pastes it in another.")

    def paste(self) -> None:
        """Give the selected person the copied pose in the shown frame."""
        frame = self._context.view_state.frame
        pose = self.pose(frame)
        if pose is not None and self.copied is not None:
            self.set_pose(frame, pasted(pose, self.copied), "Paste Pose")

    # -- a range ---------------------------------------------------------------------------

    def interpolate(self) -> None:
        """Fill the frames between key frames: of the range, or of those around the playhead."""
        track, session = self._context.selected_track, self._context.document.session
        if track is None or session is None:
            return
        state = self._context.view_state
        span = state.range or span_around(track.keypoints, state.frame)
        known = track.keypoints
        if span is not None:
            after = interpolated(known, session.clip.times_s, *span)
            if not np.array_equal(np.asarray(after.sources), np.asarray(known.sources)):
                self._push(track, after, *span, "Interpolate Keypoints")
                self._context.notice(f"Interpolated from frame {span[0]} to {span[1] - 1}.")
                return
        self._context.notice(
            "Nothing to interpolate: set the same joint in a frame before and in one after."
        )

    def swap(self, what: str) -> None:
        """Exchange left and right of a part of `SWAPPED_JOINTS`, in 2D and in 3D."""
        track = self._context.selected_track
        if track is not None:
            swap_sides(self._context, track, *self.frames, SWAPPED_JOINTS[what])

    def reset(self, joints: frozenset[int]) -> None:
        """Put back what was found before somebody edited these joints, of the range or frame."""
        track = self._context.selected_track
        if track is None:
            return
        history, frames = self._context.document.history(), self.frames
        done = history.steps[: history.index]
        found = before_edits(track, done, *frames, sorted(joints))
        if found.num_reset:
            self._push(track, found.keypoints, *frames, "Reset to the Detector")
            self._context.notice(f"Reset {joint_count(found.num_reset)}. Ctrl+Z takes it back.")
        elif not found.num_unknown:
            self._context.notice("Nothing to reset: no joint here was edited.")
        if found.num_unknown:
            self._context.notice(
                f"The history does not reach back to before {joint_count(found.num_unknown)} here "
                "were edited. Pose > Estimate finds them anew, with Replace Them."
            )

    def go_to_edit(self, direction: int) -> None:
        """Go to the next (1) or previous (-1) frame that was edited or has a note."""
        track, state = self._context.selected_track, self._context.view_state
        session = self._context.document.session
        frames = noted_frames(session) if session else np.zeros(0, int)
        if track is not None:
            frames = np.union1d(frames, np.flatnonzero(track.keypoints.edited_mask))
            frames = np.union1d(frames, np.flatnonzero(edited_in_3d(track, state.model)))
        frames = frames[frames > state.frame] if direction > 0 else frames[frames < state.frame]
        if len(frames):
            go_to(state, int(frames[0 if direction > 0 else -1]))
        else:
            self._context.notice("No edited frame and no note in that direction.")

    def follow_estimate(self, command: StepCommand, seen: dict[int, Keypoints2D]) -> None:
        """Tell the 3D of an estimate of the keypoints that it has not seen.

        Parameters
        ----------
        command : StepCommand
            The estimate.
        seen : dict of int to Keypoints2D
            What the 3D of people was computed from, by track id.
        """
        for track_id, before in seen.items():
            track = self._context.track(track_id)
            if track is None or not track.runs:
                continue
            after, model = track.keypoints, list(track.runs)[-1]  # the newest run
            frames = np.flatnonzero(_differs(before, after))
            if len(frames) and model in self._following_models(track):
                span = int(frames[0]), int(frames[-1]) + 1
                self.follower.follow(Edit(command, track_id, model, before, after, *span))

    # -- steps -----------------------------------------------------------------------------

    def _push(
        self, track: Track, after: Keypoints2D, start: int, end: int, text: str
    ) -> StepCommand:
        models, runs = self._following_models(track), dict(track.runs)
        for model in models:
            runs[model] = with_edit(runs[model], "keypoints", start, end)
        changed = replace(track, keypoints=after, runs=runs)
        command = EditFrames(self._context.document, text, changed, models, start, end)
        self._context.document.undo_stack.push(command)
        self._let_follow(command, track, models, start, end)
        return command

    def _let_follow(
        self, command: StepCommand, track: Track, models: tuple[str, ...], start: int, end: int
    ) -> None:
        # What lies in the session: an edit that goes on from it finds the same object.
        present = self._context.track(track.track_id)
        if present is None:
            return
        for model in models:
            edit = Edit(command, track.track_id, model, track.keypoints, present.keypoints,
                        start, end)  # fmt: skip
            self.follower.follow(edit)

    def _following_models(self, track: Track) -> tuple[str, ...]:
        """The models whose 3D follows: the shown one, and the others that can.

        Not those that look at pictures: to them the keypoints say no more than where the person is.
        """
        shown, installed = self._context.view_state.model, installed_models()
        see_pictures = {name for name, entry in installed.items() if not entry.lifts_keypoints}
        able = [name for name in track.runs if name not in see_pictures]
        names = [name for name in able if name == shown or name in installed]
        return tuple(sorted(names, key=lambda name: name != shown))


def joint_count(num_joints: int) -> str:
    """How many joints, in words."""
    return "1 joint" if num_joints == 1 else f"{num_joints} joints"


def _differs(a: Keypoints2D, b: Keypoints2D) -> np.ndarray:
    """(T,) bool: frames in which a joint lies elsewhere."""
    same = (a.xy == b.xy) | (np.isnan(a.xy) & np.isnan(b.xy))
    return ~same.all(axis=(1, 2))


def joints_text(verb: str, joints: frozenset[int]) -> str:
    """Name of a step: what is done to one joint, or to several."""
    if len(joints) == 1:
        (joint,) = joints
        return f"{verb} {H36M_17.joint_names[joint].replace('_', ' ').title()}"
    return f"{verb} {len(joints)} Joints"
