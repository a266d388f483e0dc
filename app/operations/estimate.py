"""Estimate poses: settings, progress, and the result as one undoable step."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.commands import SetTracks
from app.document import Change
from app.operations.context import AppContext
from app.operations.merge_tracks import lifted_from, merge_tracks
from app.operations.models import ModelChoice
from app.workers.task import Task
from app.workers.torch_library import map_torch_library
from pose_core.clip import Clip
from pose_core.errors import NoPersonError
from pose_core.inference.pipeline import estimate
from pose_core.inference.records import (
    EstimateFinished,
    EstimateRecord,
    EstimateSettings,
    FrameDetected,
    LiftProgress,
)

Pipeline = Callable[[Clip, EstimateSettings], Iterator[EstimateRecord]]
LivePeople = tuple[tuple[int, np.ndarray, np.ndarray], ...]

T = TypeVar("T", bound=str)

ACTION = "Estimating the poses"


@dataclass(frozen=True)
class EstimateProgress:
    """How far an estimate is.

    Parameters
    ----------
    text : str
    share : float
        0..1.
    seconds_left : float, optional
        None until enough is known.
    """

    text: str
    share: float
    seconds_left: float | None = None


class Estimator(QObject):
    """The one estimate that may run at a time.

    Attributes
    ----------
    started : Signal()
    progressed : Signal(EstimateProgress)
    frame_detected : Signal(int)
        The people of this frame are in `live`.
    merged : Signal(SetTracks, dict)
        A result is in the session; what the 3D of people was computed from some of whose
        keypoints were kept, by track id.
    ended : Signal(bool)
        True when there is a result.
    live : dict of int to tuple
        By frame: (track key, (17, 2) pixels, (17,) scores) of each person, while it runs.
    device : str
        What the last estimate ran on; empty before the first.
    """

    started = Signal()
    progressed = Signal(object)
    frame_detected = Signal(int)
    merged = Signal(object, object)
    ended = Signal(bool)

    def __init__(
        self, context: AppContext, models: list[ModelChoice], pipeline: Pipeline = estimate
    ) -> None:
        super().__init__(context)
        self._context = context
        self._models = models
        self._pipeline = pipeline
        self._task: Task | None = None
        self._settings = EstimateSettings()
        self._replaces_edits = False
        self._first_frame_at: float | None = None
        self.live: dict[int, LivePeople] = {}
        self.device = ""
        context.document.opened.connect(self.cancel)

    @property
    def is_running(self) -> bool:
        return self._task is not None

    def settings(self) -> EstimateSettings:
        """What the user has chosen, for the selected range or the whole clip."""
        stored = self._context.settings
        session = self._context.document.session
        start, end = self._context.view_state.range or (0, None)
        names = tuple(model.name for model in self._models) or (EstimateSettings.model,)
        return EstimateSettings(
            model=one_of(stored.get("model", ""), names),
            device=one_of(stored.get("device", "auto"), ("auto", "cpu", "cuda")),
            person=one_of(stored.get("person", "largest"), ("largest", "all")),
            quality=one_of(stored.get("quality", "fast"), ("fast", "accurate")),
            start=start,
            end=end,
            focal_px=session.focal_px if session else None,
            body_height_m=session.body_height_m if session else None,
        )

    def settings_in_box(self, box: tuple[float, float, float, float]) -> EstimateSettings:
        """For the person in a box drawn in the shown frame, from that frame on."""
        settings = self.settings()
        frame = self._context.view_state.frame
        end = settings.end if settings.end is not None and settings.end > frame else None
        return replace(settings, start=frame, end=end, person="largest", start_box=box)

    def start(
        self, settings: EstimateSettings | None = None, *, replaces_edits: bool = False
    ) -> None:
        """Start, unless one is running or no clip is open.

        Parameters
        ----------
        settings : EstimateSettings, optional
            What the user has chosen, by default.
        replaces_edits : bool
            What the user has edited in these frames gives way to what is found.
        """
        session = self._context.document.session
        if session is None or self.is_running:
            return
        self._settings = settings or self.settings()
        self._replaces_edits = replaces_edits
        self.live = {}
        self._first_frame_at = None
        work = partial(self._run_pipeline, session.clip, self._settings)
        task = Task("estimate", work, self._context.document.opened_revision, is_long=True)
        self._task = task
        task.progressed.connect(lambda record: self._on_record(task, record))
        task.succeeded.connect(lambda finished: self._on_finished(task, finished))
        task.ended.connect(lambda: self._on_ended(task))
        self._context.decoder.allow_idle_work(False)
        self._context.risky_work.emit()
        self._context.start_task(task, ACTION)
        self.started.emit()
        self.progressed.emit(EstimateProgress("Preparing...", 0.0))

    def _run_pipeline(self, clip: Clip, settings: EstimateSettings) -> Iterator[EstimateRecord]:
        """In the worker thread."""
        map_torch_library()
        return self._pipeline(clip, settings)

    def cancel(self) -> None:
        """Stop and leave everything as it was."""
        if self._task is not None:
            self._task.cancel()
            self._end(False)

    def stop_and_keep(self) -> None:
        """Stop and keep what is done."""
        if self._task is not None:
            self._task.finish_early()
            self.progressed.emit(EstimateProgress("Finishing what is done...", 1.0))

    def _on_record(self, task: Task, record: EstimateRecord) -> None:
        if task is not self._task:
            return
        if isinstance(record, FrameDetected):
            self.live[record.frame] = record.people
            self.frame_detected.emit(record.frame)
            self.progressed.emit(self._detection_progress(record))
        elif isinstance(record, LiftProgress):
            text = f"3D of person {record.person_index + 1} of {record.num_people}"
            self.progressed.emit(EstimateProgress(text, 1.0))

    def _detection_progress(self, record: FrameDetected) -> EstimateProgress:
        now = time.monotonic()
        text = f"Frame {record.num_done} of {record.num_total}"
        share = record.num_done / max(record.num_total, 1)
        if record.num_done == record.num_total:
            return EstimateProgress("3D of the people...", share)
        if self._first_frame_at is None:
            # Loading does not count: the clock starts with the first frame.
            self._first_frame_at = now
            return EstimateProgress(text, share)
        per_frame = (now - self._first_frame_at) / max(record.num_done - 1, 1)
        return EstimateProgress(text, share, per_frame * (record.num_total - record.num_done))

    def _on_finished(self, task: Task, finished: object) -> None:
        document = self._context.document
        is_late = task is not self._task or task.document_revision != document.opened_revision
        if is_late or document.session is None or not isinstance(finished, EstimateFinished):
            return
        self.device = finished.device
        if not finished.session.tracks:
            error = NoPersonError(
                "No person was found.",
                "Draw a box around the person (Pose > Estimate in a Box), or choose frames in "
                "which the whole person is visible.",
            )
            self._context.show_error(error, ACTION)
            return
        session = document.session
        start = self._settings.start
        end = session.clip.num_frames if self._settings.end is None else self._settings.end
        found = finished.session.tracks
        tracks = merge_tracks(
            session.tracks, found, start, end, replaces_edits=self._replaces_edits
        )
        command = SetTracks(
            document, "Estimate", session.with_tracks(tracks), Change("poses", (), start, end)
        )
        document.undo_stack.push(command)
        self._context.notice(summary(finished))
        if not self._replaces_edits:
            self.merged.emit(command, lifted_from(session.tracks, found, start, end))

    def _on_ended(self, task: Task) -> None:
        if task is self._task:
            self._end(task.has_succeeded)

    def _end(self, has_result: bool) -> None:
        self._task = None
        self.live = {}
        self._context.decoder.allow_idle_work(True)
        self.ended.emit(has_result)


def summary(finished: EstimateFinished) -> str:
    """One line on what was found."""
    num_people = len(finished.session.tracks)
    text = "1 person" if num_people == 1 else f"{num_people} people"
    if finished.num_swaps_undone:
        text += f", left and right put right in {finished.num_swaps_undone} frames"
    return f"Found {text} (on {finished.device})"


def one_of(value: str, choices: tuple[T, ...]) -> T:
    """The value if it is one of the choices, otherwise the first of them."""
    return next((choice for choice in choices if choice == value), choices[0])
