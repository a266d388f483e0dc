"""Follows one run on disk: its events as they come, its examples, its use of the machine."""

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from app.training.examples import FILE_NAME, Examples, load_examples
from app.training.run_curves import Group, RunCurves
from app.training.usage import usage_text
from app.training.work import last_words
from app.workers.task import Task, TaskRunner
from pose_core.errors import DataError
from pose_core.training.run_status import is_alive, read_json
from pose_core.training.runs import read_events

POLL_MS = 1000


@dataclass(frozen=True)
class Following:
    """What is known of a run.

    Parameters
    ----------
    run : Path
    groups : list of Group, optional
        All curves; None where nothing has come since the last time.
    examples : Examples, optional
    usage : str
        What it takes of the machine; empty unless its process lives.
    last_words : str
        End of its log.
    """

    run: Path
    groups: list[Group] | None
    examples: Examples | None
    usage: str
    last_words: str


class _Follow:
    """The part that works in a thread, one call at a time."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self._curves = RunCurves()
        self._end = 0
        self._examples: Examples | None = None
        self._examples_time = 0.0

    def look(self) -> Following:
        events, self._end = read_events(self.run / "events.jsonl", self._end)
        for event in events:
            self._curves.add(event)
        groups = self._curves.groups() if events else None
        return Following(
            self.run, groups, self._newest_examples(), self._usage(), last_words(self.run)
        )

    def _newest_examples(self) -> Examples | None:
        path = self.run / FILE_NAME
        changed = path.stat().st_mtime if path.exists() else 0.0
        if changed != self._examples_time:
            self._examples_time = changed
            self._examples = load_examples(self.run)
        return self._examples

    def _usage(self) -> str:
        try:
            status = read_json(self.run / "status.json")
        except DataError:  # not there yet, or discarded
            return ""
        machine = status.get("machine")
        is_running = status.get("state") == "running" and is_alive(status)
        return usage_text(machine) if is_running and isinstance(machine, dict) else ""


class RunFollower(QObject):
    """Looks at a run every second, in a thread.

    Attributes
    ----------
    seen : Signal(Following)
    """

    seen = Signal(object)

    def __init__(self, tasks: TaskRunner, parent: QObject) -> None:
        super().__init__(parent)
        self._tasks = tasks
        self._follow: _Follow | None = None
        self._is_looking = False
        self._timer = QTimer(self, interval=POLL_MS)
        self._timer.timeout.connect(self.look)

    def follow(self, run: Path | None) -> None:
        """Follow a run from its first event on; None follows none."""
        self._follow = None if run is None else _Follow(run)
        self._is_looking = False
        if run is None:
            self._timer.stop()
        else:
            self._timer.start()
            self.look()

    def set_awake(self, is_awake: bool) -> None:
        """Rest while nobody looks."""
        if is_awake and self._follow is not None:
            self._timer.start()
            self.look()
        else:
            self._timer.stop()

    def look(self) -> None:
        """Look now, unless the last look has not ended yet."""
        follow = self._follow
        if follow is None or self._is_looking:
            return
        self._is_looking = True
        task = Task("following a run", follow.look)
        task.succeeded.connect(self._on_seen)
        task.ended.connect(lambda: self._on_ended(follow))
        self._tasks.start(task)

    def _on_seen(self, following: Following) -> None:
        if self._follow is not None and following.run == self._follow.run:
            self.seen.emit(following)

    def _on_ended(self, follow: _Follow) -> None:
        if follow is self._follow:
            self._is_looking = False
