"""Copies of unsaved sessions, made while the user works, offered after a crash."""

import os
from pathlib import Path

import psutil
from PySide6.QtCore import QObject, QTimer

from app.dialogs.question import ask
from app.operations.context import AppContext
from app.operations.open_file import open_recovered
from app.paths import recovery_dir
from app.workers.task import Task
from pose_core.session_io import SUFFIX, save_session

INTERVAL_MS = 15_000


class Autosave(QObject):
    """Writes a copy when there are unsaved changes, and removes it once they are saved.

    The copy's name begins with the number of the process: copies of processes that are gone are
    what a crash left behind.
    """

    def __init__(self, context: AppContext) -> None:
        super().__init__(context)
        self._context = context
        self._path = recovery_dir() / f"{os.getpid()}{SUFFIX}"
        self._saved_revision = -1
        self._task: Task | None = None
        self._timer = QTimer(self, interval=INTERVAL_MS)
        self._timer.timeout.connect(self.save_copy)
        self._timer.start()
        context.document.modified_changed.connect(self._on_modified_changed)

    def save_copy(self) -> None:
        """Write the copy now, unless it is up to date."""
        document = self._context.document
        session, revision = document.session, document.revision
        is_due = document.is_modified and revision != self._saved_revision
        if session is None or self._task is not None or not is_due:
            return
        task = Task("automatic copy", lambda: save_session(session, self._path), revision)
        self._task = task
        task.succeeded.connect(lambda _: self._on_saved(revision))
        # A full disk must not bring a dialog every few seconds: it is said once, in passing.
        task.failed.connect(lambda error: self._context.notice(f"No automatic copy: {error}"))
        task.ended.connect(self._on_ended)
        self._context.tasks.start(task)

    def remove_copy(self) -> None:
        """Remove the copy: nothing is unsaved."""
        self._path.unlink(missing_ok=True)
        self._saved_revision = -1

    def stop(self) -> None:
        """End: whoever ends in order has no need of the copy."""
        self._timer.stop()
        self.remove_copy()

    def _on_saved(self, revision: int) -> None:
        self._saved_revision = revision
        if not self._context.document.is_modified:
            self.remove_copy()

    def _on_ended(self) -> None:
        self._task = None

    def _on_modified_changed(self, is_modified: bool) -> None:
        if not is_modified:
            self.remove_copy()


def abandoned_copies() -> list[Path]:
    """Copies of processes that are no more, the newest first."""
    copies = [
        path
        for path in recovery_dir().glob(f"*{SUFFIX}")
        if path.stem.isdigit() and not psutil.pid_exists(int(path.stem))
    ]
    return sorted(copies, key=lambda path: path.stat().st_mtime, reverse=True)


def offer_recovery(context: AppContext) -> None:
    """Ask whether to open what was unsaved when the application ended without warning."""
    copies = abandoned_copies()
    if not copies:
        return

    def discard() -> None:
        for path in copies:
            path.unlink(missing_ok=True)

    ask(
        context.window,
        "Unsaved work was found",
        "PoseStage ended without saving the last time. Open the automatic copy of the session?",
        [
            ("Open the Copy", "accept", lambda: open_recovered(context, copies[0])),
            ("Delete It", "destroy", discard),
            ("Later", "reject", None),
        ],
        more="It is at most half a minute older than what was lost.",
    )
