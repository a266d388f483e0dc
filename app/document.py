"""The session that is open, its undo history, and who wants to know of changes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoStack

from pose_core.session import Session


@dataclass(frozen=True)
class Change:
    """What a command changed.

    Parameters
    ----------
    kind : {"poses", "people", "camera", "truth"}
        Positions of joints; which people there are or their names; focal length or body height;
        the exact 3D that errors are measured against.
    track_ids : tuple of int
        The tracks concerned; empty means all.
    start, end : int
        Frames ``start <= frame < end``; `end` -1 means to the end of the clip.
    """

    kind: Literal["poses", "people", "camera", "truth"]
    track_ids: tuple[int, ...] = ()
    start: int = 0
    end: int = -1


class SessionDocument(QObject):
    """Session and undo stack. Only the commands of `app.commands` change an open session.

    Attributes
    ----------
    opened : Signal()
        Another session is open, or none any more.
    changed : Signal(Change)
        A command was done, undone or redone.
    relocated : Signal()
        The video of the session lies at another place now.
    modified_changed : Signal(bool)
        There are unsaved changes, or none any more.
    revision : int
        Goes up with each change of any kind: work that started earlier is out of date.
    opened_revision : int
        The revision at which the present session was opened.
    """

    opened = Signal()
    changed = Signal(object)
    relocated = Signal()
    modified_changed = Signal(bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session: Session | None = None
        self.path: Path | None = None
        self.revision = 0
        self.opened_revision = 0
        self._is_recovered = False
        self.undo_stack = QUndoStack(self)
        self.undo_stack.cleanChanged.connect(self._emit_modified)

    @property
    def is_modified(self) -> bool:
        return self.session is not None and (self._is_recovered or not self.undo_stack.isClean())

    @property
    def title(self) -> str:
        """Name for the window and for questions."""
        if self.path is not None:
            return self.path.name
        return self.session.clip.path.name if self.session else ""

    def open(
        self, session: Session | None, path: Path | None = None, *, is_recovered: bool = False
    ) -> None:
        """Replace the session by another one; the undo history starts anew.

        Parameters
        ----------
        session : Session, optional
            None closes what is open.
        path : Path, optional
            The session file it was read from.
        is_recovered : bool
            It comes from an automatic copy and is not in its file yet.
        """
        self.session = session
        self.path = path
        self._is_recovered = is_recovered
        self.revision += 1
        self.opened_revision = self.revision
        self.undo_stack.clear()
        self.opened.emit()
        self._emit_modified()

    def apply(self, session: Session, changes: tuple[Change, ...]) -> None:
        """Put a changed session in place. For commands only."""
        self.session = session
        self.revision += 1
        for change in changes:
            self.changed.emit(change)

    def relocate(self, session: Session) -> None:
        """Take the same session with its video at another place; this cannot be undone."""
        self.session = session
        self.revision += 1
        self.relocated.emit()

    def mark_saved(self, path: Path, revision: int) -> None:
        """Note that the session as of `revision` lies in a file."""
        self.path = path
        if revision == self.revision:
            self._is_recovered = False
            self.undo_stack.setClean()
        self._emit_modified()

    def _emit_modified(self) -> None:
        self.modified_changed.emit(self.is_modified)
