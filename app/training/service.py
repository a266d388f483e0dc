"""Looks after the runs while the application is open, with or without the training window."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QWidget

from app.dialogs.error_dialog import show_error
from app.operations.context import AppContext
from app.training import edits_work, queue, work
from app.workers.task import Task
from pose_core.models.registry import ModelEntry
from pose_core.session import Session
from pose_core.training.runs import RunSummary, default_runs_folder, list_runs, request_stop

if TYPE_CHECKING:
    from pose_core.training.publish import Measuring

POLL_MS = 1000


@dataclass(frozen=True)
class Runs:
    """All runs at one moment.

    Parameters
    ----------
    listed : list of RunSummary
    waiting : list of str
        Names of those in the queue, the next one first.
    models : dict of str to str
        Model that a run became, by the name of the run.
    """

    listed: list[RunSummary]
    waiting: list[str]
    models: dict[str, str]

    def named(self, name: str) -> RunSummary | None:
        """The run of that name."""
        return next((run for run in self.listed if run.name == name), None)

    @property
    def is_one_running(self) -> bool:
        return any(run.state == "running" for run in self.listed)


@dataclass
class Publishing:
    """A run that is being made a model.

    Parameters
    ----------
    task : Task
    share : float
        Of its errors that are measured, from 0 to 1.
    """

    task: Task
    share: float = 0.0
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> float | None:
        """As it looks so far; None before the first errors."""
        elapsed = time.monotonic() - self.started
        return elapsed * (1 / self.share - 1) if self.share else None


class TrainingService(QObject):
    """Finds runs on disk, keeps the queue going, and does what the user asks.

    Everything happens in worker threads; the runs themselves are processes of their own.

    Attributes
    ----------
    changed : Signal(Runs)
        The state of a run or the queue is another one, as seen on disk.
    publishing_changed : Signal()
        Another run is being made a model, or one is further on: nothing on disk is another.
    model_added : Signal(ModelEntry)
        A run became a model.
    clip_comparison_wanted : Signal(str)
        The model of that name shall be compared with others on the open clip.

    Parameters
    ----------
    context : AppContext
    """

    changed = Signal(object)
    publishing_changed = Signal()
    model_added = Signal(object)
    clip_comparison_wanted = Signal(str)

    def __init__(self, context: AppContext) -> None:
        super().__init__(context)
        self.context = context
        self.folder = default_runs_folder()
        self.runs = Runs([], [], {})
        self.dialog_parent: QWidget = context.window
        self.publishing: dict[str, Publishing] = {}
        self._is_watched = False
        self._is_looking = False
        self._timer = QTimer(self, interval=POLL_MS)
        self._timer.timeout.connect(self.look)
        self.look()

    def set_folder(self, folder: Path) -> None:
        """Look after the runs of another folder."""
        self.folder = folder
        self.look()

    # -- looking ---------------------------------------------------------------------------

    def set_watched(self, is_watched: bool) -> None:
        """Say whether somebody looks at the runs; otherwise only the queue is looked after."""
        self._is_watched = is_watched
        if is_watched:
            self.look()
        self._set_timer()

    def look(self) -> None:
        """Look at the disk, and start the next run of the queue if it is its turn."""
        if self._is_looking:
            return
        self._is_looking = True
        task = Task("looking for runs", self._seen)
        task.succeeded.connect(self._show)
        task.failed.connect(self._timer.stop)  # one complaint, not one every second
        task.ended.connect(self._on_looked)
        self._start(task, "Starting the next run")

    def _seen(self) -> Runs:
        queue.start_next(self.folder)
        listed = list_runs(self.folder)
        return Runs(listed, queue.waiting(self.folder), work.models_of(listed))

    def _on_looked(self) -> None:
        self._is_looking = False

    def _show(self, runs: Runs) -> None:
        is_new = runs != self.runs
        self.runs = runs
        self._set_timer()
        if is_new:
            self.changed.emit(runs)

    def _set_timer(self) -> None:
        if self._is_watched or self.runs.waiting:
            self._timer.start()
        else:
            self._timer.stop()

    def stop(self) -> None:
        """Look no longer: the application closes. Runs go on."""
        self._is_watched = False
        self._timer.stop()

    # -- what the user asks for ------------------------------------------------------------

    def add(self, wanted: work.NewRun, on_made: Callable[[Path], None] | None = None) -> None:
        """Make a run and put it in the queue."""
        self._do("Making the run", lambda: work.make_run(wanted, self.folder), on_made)

    def add_edits(
        self,
        wanted: edits_work.EditsRun,
        session: Session,
        on_made: Callable[[Path], None] | None = None,
    ) -> None:
        """Make a run on the edits of a session, and put it in the queue."""
        make = lambda: edits_work.make_edits_run(wanted, session, self.folder)  # noqa: E731
        self._do("Making the run", make, on_made)

    def resume(self, run: RunSummary) -> None:
        """Go on with a run: now, or as the next one where another is running."""
        self._do("Resuming the run", lambda: queue.put_first(self.folder, run.name))

    def take_out(self, run: RunSummary) -> None:
        """Take a run out of the queue; it stays where it is."""
        self._do("Changing the queue", lambda: queue.take_out(self.folder, run.name))

    def request_stop(self, run: RunSummary, *, pause: bool) -> None:
        """Ask a run to end after its present step; it can be resumed."""
        self._do("Stopping the run", lambda: request_stop(run.path, pause=pause))

    def discard(self, run: RunSummary) -> None:
        """End a run and move its folder to the trash."""
        self._do("Discarding the run", lambda: work.discard(run.path))

    def publish(self, run: RunSummary) -> None:
        """Make a model of a run, under its name; once more, and it is given up."""
        if run.name in self.publishing:
            self.publishing[run.name].task.cancel()
            return

        def on_added(entry: ModelEntry) -> None:
            self.context.notice(f"{entry.name} is among the models now.")
            self.model_added.emit(entry)

        task = self._do("Making a model of the run", lambda: work.publish(run.path), on_added)
        self.publishing[run.name] = publishing = Publishing(task)
        task.progressed.connect(lambda measuring: self._on_measuring(publishing, measuring))
        task.ended.connect(lambda: self._on_published(run.name))
        self.publishing_changed.emit()

    def _on_measuring(self, publishing: "Publishing", measuring: "Measuring") -> None:
        publishing.share = measuring.done / measuring.total
        self.publishing_changed.emit()

    def _on_published(self, name: str) -> None:
        self.publishing.pop(name)
        self.publishing_changed.emit()

    def compare(self, run: RunSummary, show: Callable[[work.Compared], None]) -> None:
        """Read the errors of the model that a run became, and of those to compare it with."""
        name = self.runs.models[run.name]
        self._do("Comparing the models", lambda: work.compared(name), show)

    def measure(self, run: RunSummary, entries: tuple[ModelEntry, ...]) -> Task:
        """Measure models on the motion that a run held out; `work.Measured` as it goes on."""
        action = "Measuring the models"
        return self._start(Task(action, lambda: work.measure(run.path, entries)), action)

    def _do(
        self,
        action: str,
        what: Callable[[], object],
        on_done: Callable[..., None] | None = None,
    ) -> Task:
        """Do something in a thread, then look at the disk."""
        task = Task(action, what)
        if on_done is not None:
            task.succeeded.connect(on_done)
        task.ended.connect(self.look)
        return self._start(task, action)

    def _start(self, task: Task, action: str) -> Task:
        task.failed.connect(lambda error: show_error(self.dialog_parent, error, action))
        return self.context.tasks.start(task)
