"""3D that follows edited keypoints: worked out in the background, part of the edit's own step."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.document import Change, StepCommand
from app.operations.context import AppContext
from app.workers.task import Task
from app.workers.torch_library import map_torch_library
from pose_core.camera import Camera
from pose_core.models.registry import ModelEntry, model_entry
from pose_core.poses import Keypoints2D
from pose_core.session import ModelRun, Session, Track
from pose_core.session_patch import Patch

if TYPE_CHECKING:  # imports torch
    from pose_core.analysis.what_if_network import WhatIfNetwork


@dataclass(frozen=True, eq=False)
class Edit:
    """Keypoints that were changed, and whose 3D does not know of it yet.

    Parameters
    ----------
    command : StepCommand
        The step in which this was done; the 3D becomes part of it.
    track_id : int
    model : str
        Whose 3D shall follow.
    before, after : Keypoints2D
    start, end : int
        The frames in which they differ.
    """

    command: StepCommand
    track_id: int
    model: str
    before: Keypoints2D
    after: Keypoints2D
    start: int
    end: int


class PoseFollower(QObject):
    """Runs the models for one edit after the other, of each model the oldest first.

    The model that is shown comes before the others. An edit that is undone before its turn waits
    until it is done again.

    Attributes
    ----------
    working_changed : Signal(bool)
    """

    working_changed = Signal(bool)

    def __init__(self, context: AppContext) -> None:
        super().__init__(context)
        self._context = context
        self._waiting: list[Edit] = []
        self._task: Task | None = None
        self._running: Edit | None = None
        self._networks: dict[str, tuple[ModelEntry, WhatIfNetwork]] = {}
        context.document.opened.connect(self._forget)
        context.document.undo_stack.indexChanged.connect(self._start_next)

    @property
    def is_working(self) -> bool:
        """Whether there is 3D that does not belong to the keypoints yet."""
        return self._next() is not None

    def follow(self, edit: Edit) -> None:
        """Let the 3D follow an edit, when its turn comes."""
        for i, last in enumerate(self._waiting):
            if last is not self._running and _continues(edit, last):
                self._waiting[i] = replace(last, after=edit.after)
                break
        else:
            self._waiting.append(edit)
        self._start_next()

    def is_working_on(self, model: str | None) -> bool:
        """Whether there is 3D by this model that does not belong to the keypoints yet."""
        is_done = self._context.document.is_done
        return any(edit.model == model and is_done(edit.command) for edit in self._waiting)

    def _next(self) -> Edit | None:
        """The oldest edit that waits and is not undone; that of the shown model comes first."""
        is_done, shown = self._context.document.is_done, self._context.view_state.model
        waiting = sorted(self._waiting, key=lambda edit: edit.model != shown)
        return next((edit for edit in waiting if is_done(edit.command)), None)

    def _forget(self) -> None:
        """Of another session nothing waits, and it may have other models."""
        self._waiting, self._networks = [], {}
        self._start_next()

    def _start_next(self) -> None:
        if self._task is not None:
            return
        stack = self._context.document.undo_stack
        commands = [stack.command(i) for i in range(stack.count())] if self._waiting else []
        self._waiting = [edit for edit in self._waiting if edit.command in commands]
        edit, session = self._next(), self._context.document.session
        track = self._context.track(edit.track_id) if edit else None
        self.working_changed.emit(edit is not None)
        self._context.follow_ups.set_pending(edit is not None)
        if edit is None or session is None:
            return
        if track is None or edit.model not in track.runs:
            self._drop(edit)
            return
        task = Task("3D after an edit", lambda: self._work(session, track, edit))
        self._task, self._running = task, edit
        task.succeeded.connect(lambda found: self._on_found(track, edit, found))
        task.failed.connect(lambda error: self._on_failed(edit, error))
        task.ended.connect(self._on_ended)
        self._context.tasks.start(task)

    def _work(self, session: Session, track: Track, edit: Edit) -> tuple[Patch, Change] | None:
        """In the thread: what makes the 3D that of the edited keypoints."""
        map_torch_library()
        from pose_core.analysis.edited_lift import lift_edit  # noqa: PLC0415
        from pose_core.analysis.what_if_network import WhatIfNetwork  # noqa: PLC0415

        entry, known = model_entry(edit.model), self._networks.get(edit.model)
        if known is None or known[0] != entry:
            known = self._networks[edit.model] = entry, WhatIfNetwork(entry)
        clip, run = session.clip, track.runs[edit.model]
        found = lift_edit(
            known[1],
            edit.before,
            edit.after,
            run.poses,
            clip.times_s,
            Camera.assumed(clip.width, clip.height, session.focal_px),
            (edit.start, edit.end),
            is_scaled=session.body_height_m is not None,
        )
        if found.start == found.end:
            return None
        runs = {**track.runs, edit.model: ModelRun(found.poses, run.meta)}
        frames = found.start, found.end
        patch = Patch.of_frames(track, replace(track, runs=runs), (edit.model,), *frames)
        return patch, Change("poses", (edit.track_id,), *frames)

    def _on_found(self, track: Track, edit: Edit, found: tuple[Patch, Change] | None) -> None:
        document = self._context.document
        present = self._context.track(edit.track_id)
        if edit not in self._waiting or not document.is_done(edit.command):
            return  # another session, or it was undone: it may be done again
        if present is None or not _is_same_3d(track, present, edit.model):
            return  # the 3D has changed meanwhile: once more
        self._waiting.remove(edit)
        if found is not None and not document.extend_step(edit.command, *found):
            self._context.notice(
                "The 3D was changed meanwhile and does not follow the edited keypoints. "
                "Pose > 3D Again from the Same 2D computes it anew."
            )

    def _on_failed(self, edit: Edit, error: Exception) -> None:
        self._drop(edit)
        self._context.notice(f"The 3D does not follow the edited keypoints: {error}")

    def _on_ended(self) -> None:
        self._task = self._running = None
        self._start_next()

    def _drop(self, edit: Edit) -> None:
        if edit in self._waiting:
            self._waiting.remove(edit)
        self._start_next()


def _continues(edit: Edit, last: Edit) -> bool:
    """Whether an edit goes on in the step of another, in the same frames."""
    is_same_step = edit.command is last.command and edit.model == last.model
    same_frames = (edit.start, edit.end) == (last.start, last.end)
    return is_same_step and same_frames and edit.before is last.after


def _is_same_3d(track: Track, other: Track, model: str) -> bool:
    if model not in other.runs:
        return False
    before, after = (each.runs[model].poses for each in (track, other))
    return bool(
        np.may_share_memory(before.stages, after.stages)
        and np.may_share_memory(np.asarray(before.root), np.asarray(after.root))
    )
