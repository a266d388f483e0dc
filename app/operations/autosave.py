"""Copies of unsaved sessions, made while the user works."""

import os
import shutil
import time
from pathlib import Path

import psutil
from PySide6.QtCore import QObject, QTimer

from app.operations.context import AppContext
from app.operations.safety import Safety
from app.paths import recovery_dir
from app.workers.task import Task
from pose_core.session_recovery import CHANGES_NAME, Base, RecoveryInfo, save_recovery


class Autosave(QObject):
    """Writes a copy when there are unsaved changes, and removes it once they are saved.

    The copy is a folder whose name tells the process: copies of processes that are gone are what
    a crash left behind.
    """

    def __init__(self, context: AppContext) -> None:
        super().__init__(context)
        self._context = context
        self._number = 0
        self._base: Base | None = None
        self._copied_revision = -1
        self._task: Task | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.save_copy)
        self._apply_settings()
        context.settings_changed.connect(self._apply_settings)
        context.risky_work.connect(self.save_copy)
        context.document.modified_changed.connect(self._on_modified_changed)
        context.document.opened.connect(self._on_opened)

    @property
    def folder(self) -> Path:
        """Where the copy of the present session lies."""
        return recovery_dir() / f"{process_name()}-{self._number}"

    def save_copy(self) -> None:
        """Write the copy now, unless it is up to date or being written."""
        document = self._context.document
        session, revision = document.session, document.revision
        is_due = document.is_modified and revision != self._copied_revision
        if session is None or self._task is not None or not is_due:
            return
        saved = document.saved
        base = self._base
        if base is None and saved is not None:
            base = Base(saved.path, saved.session)
        info = RecoveryInfo(
            clip_path=str(session.clip.path),
            people=tuple(track.name for track in session.tracks),
            num_edits=document.num_unsaved_steps,
            session_path=str(document.path or ""),
            save_id=document.save_id,
            next_save_id=document.next_save_id,
            time_s=time.time(),
        )
        folder, history = self.folder, document.history()
        task = Task(
            "automatic copy", lambda: save_recovery(folder, session, history, info, base), revision
        )
        self._task = task
        task.succeeded.connect(lambda base: self._on_copied(folder, revision, base))
        task.failed.connect(lambda error: self._on_failed(folder, error))
        task.ended.connect(self._on_ended)
        self._context.tasks.start(task)

    def adopt(self, folder: Path) -> None:
        """Take the copy of a process that is gone for one's own, of the session just opened."""
        folder.replace(self.folder)

    def remove_copy(self) -> None:
        """Remove the copy: nothing is unsaved, or it was given up."""
        folder = self.folder
        self._number += 1
        self._base = None
        self._copied_revision = -1
        if folder.exists():
            # Its files may be large, which takes a while.
            self._context.tasks.start(Task("old copy", lambda: remove_recovery(folder)))

    def stop(self) -> None:
        """End: whoever ends in order has no need of the copy."""
        self._timer.stop()
        remove_recovery(self.folder)

    def _apply_settings(self) -> None:
        safety = Safety.of(self._context.settings)
        # Half of what may be lost: the rest is for writing the copy.
        self._timer.start(round(1000 * safety.autosave_s / 2))
        self._context.document.history_bytes = safety.history_bytes
        self._context.document.limit_history()

    def _on_copied(self, folder: Path, revision: int, base: Base) -> None:
        if folder != self.folder:  # given up meanwhile
            remove_recovery(folder)
            return
        self._base = base
        self._copied_revision = revision
        if not self._context.document.is_modified:
            self.remove_copy()

    def _on_failed(self, folder: Path, error: Exception) -> None:
        # A full disk must not bring a dialog every few seconds: it is said in passing.
        if folder == self.folder:
            self._context.notice(f"No automatic copy: {error}")

    def _on_ended(self) -> None:
        self._task = None

    def _on_modified_changed(self, is_modified: bool) -> None:
        if not is_modified:
            self.remove_copy()

    def _on_opened(self) -> None:
        """Another session: the copy of the one before was saved or given up."""
        self.remove_copy()


def process_name() -> str:
    """Number and start of this process: numbers are used again."""
    return f"{os.getpid()}-{int(psutil.Process().create_time())}"


def abandoned_copies() -> list[Path]:
    """Folders with copies of processes that are no more, the newest first.

    What such a process was about to write first, or to remove, is cleared away.
    """
    copies = []
    for folder in recovery_dir().iterdir():
        if not folder.is_dir() or _is_in_use(folder):
            continue
        if (folder / CHANGES_NAME).exists():
            copies.append(folder)
        else:
            remove_recovery(folder)
    return sorted(copies, key=lambda folder: (folder / CHANGES_NAME).stat().st_mtime, reverse=True)


def remove_recovery(folder: Path) -> None:
    """Remove a copy; what is left of it after a kill is no copy any more."""
    (folder / CHANGES_NAME).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _is_in_use(folder: Path) -> bool:
    """Whether the process that made a copy lives."""
    pid, _, rest = folder.name.partition("-")
    started = rest.partition("-")[0]
    if not (pid.isdigit() and started.isdigit()):
        return True  # nothing of ours
    try:
        process = psutil.Process(int(pid))
        is_same = abs(process.create_time() - int(started)) < 5
        return is_same and process.status() != psutil.STATUS_ZOMBIE  # dead, though still listed
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True
