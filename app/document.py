"""The session that is open, its undo history, and who wants to know of changes."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from pose_core.errors import SessionError
from pose_core.session import Session
from pose_core.session_history import Change, History, Step, merged_changes
from pose_core.session_patch import Patch, joined

__all__ = ["Change", "SavedFile", "SessionDocument", "StepCommand"]

HISTORY_BYTES = 256 * 1024**2


class StepCommand(QUndoCommand):
    """A step of the history on the undo stack; doing and undoing it are the same exchange."""

    def __init__(self, document: "SessionDocument", step: Step, *, is_restored: bool) -> None:
        super().__init__(step.text)
        self._document = document
        self._is_restored = is_restored
        self.step = step

    def redo(self) -> None:
        self._exchange()

    def undo(self) -> None:
        self._exchange()

    def _exchange(self) -> None:
        document = self._document
        if document.session is None or document.is_restoring:
            return
        try:
            session, self.step = self.step.exchange(document.session)
        except SessionError as error:
            if not self._is_restored:  # a mistake in the program
                raise
            document.give_up_history(error)
            return
        document.apply(session, self.step.changes)


@dataclass(frozen=True)
class SavedFile:
    """A session file as it was written or read.

    Parameters
    ----------
    path : Path
    session : Session
        What lies in it.
    """

    path: Path
    session: Session


class SessionDocument(QObject):
    """Session and undo stack. Only the commands of `app.commands` change an open session.

    Attributes
    ----------
    opened : Signal()
        Another session is open, or none any more.
    changed : Signal(Change)
        A command was done, undone or redone.
    notes_changed : Signal()
        The same, where it changed nothing but notes: what shows people has nothing to do.
    relocated : Signal()
        The video of the session lies at another place now.
    modified_changed : Signal(bool)
        There are unsaved changes, or none any more.
    history_lost : Signal(str)
        Nothing can be undone any more, and why.
    revision : int
        Goes up with each change of any kind: work that started earlier is out of date.
    opened_revision : int
        The revision at which the present session was opened.
    saved : SavedFile, optional
        The session's file as it was last read or written; None after a recovery.
    save_id : str
        Of that file, see `pose_core.session_io.SessionFile`; empty where there is none.
    next_save_id : str
        Of the file that is being written; empty where none is.
    read_only_path : Path, optional
        The file that a session without one of its own was read from: another window holds it.
    """

    opened = Signal()
    changed = Signal(object)
    notes_changed = Signal()
    relocated = Signal()
    modified_changed = Signal(bool)
    history_lost = Signal(str)
    _history_grew = Signal()
    _history_failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session: Session | None = None
        self.saved: SavedFile | None = None
        self.save_id = self.next_save_id = ""
        self.path: Path | None = None
        self.read_only_path: Path | None = None
        self.revision = 0
        self.opened_revision = 0
        self.history_bytes = HISTORY_BYTES
        self.is_restoring = False
        self._held_changes: list[Change] | None = None
        self._is_unsaved = False
        self._num_recovered = 0
        self.undo_stack = QUndoStack(self)
        self.undo_stack.cleanChanged.connect(self._emit_modified)
        # Queued: the stack must not be changed while it does or undoes something.
        queued = Qt.ConnectionType.QueuedConnection
        self.undo_stack.indexChanged.connect(self._watch_history)
        self._history_grew.connect(self.limit_history, queued)
        self._history_failed.connect(self._drop_history, queued)

    @property
    def is_modified(self) -> bool:
        return self.session is not None and (self._is_unsaved or not self.undo_stack.isClean())

    @property
    def num_unsaved_steps(self) -> int:
        """How many steps lie between the session and its file, as far as it is known."""
        clean = self.undo_stack.cleanIndex()
        return self._num_recovered + abs(self.undo_stack.index() - max(clean, 0))

    @property
    def title(self) -> str:
        """Name for the window and for questions."""
        if self.path is not None:
            return self.path.name
        if self.read_only_path is not None:
            return f"{self.read_only_path.name} (read-only)"
        return self.session.clip.path.name if self.session else ""

    def open(
        self,
        session: Session | None,
        path: Path | None = None,
        *,
        history: History | None = None,
        save_id: str = "",
        is_recovered: bool = False,
        num_recovered: int = 0,
        read_only_path: Path | None = None,
    ) -> None:
        """Replace the session by another one.

        Parameters
        ----------
        session : Session, optional
            None closes what is open.
        path : Path, optional
            The session file it was read from, or shall be saved to.
        history : History, optional
            What can be undone in it; nothing by default.
        save_id : str
            Of the file.
        is_recovered : bool
            It comes from an automatic copy and is not in its file yet.
        num_recovered : int
            How many steps that copy was away from the file.
        read_only_path : Path, optional
            The file it was read from, where that is not to be saved to.
        """
        self.session = session
        self.path = path
        self.read_only_path = read_only_path
        self.save_id, self.next_save_id = save_id, ""
        self.saved = None
        if session is not None and path is not None and not is_recovered:
            self.saved = SavedFile(path, session)
        self._is_unsaved = is_recovered
        self._num_recovered = num_recovered
        self.revision += 1
        self.opened_revision = self.revision
        history = history or History()
        with self._restoring():
            self._fill_stack(history.steps, history.index, history.index)
        self.opened.emit()
        self._emit_modified()

    def apply(self, session: Session, changes: tuple[Change, ...]) -> None:
        """Put a changed session in place. For commands only."""
        self.session = session
        self.revision += 1
        if self._held_changes is not None:
            self._held_changes.extend(changes)
            return
        self._tell(changes)

    def _tell(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if change.kind == "notes":
                self.notes_changed.emit()
            else:
                self.changed.emit(change)

    def go_to_step(self, index: int) -> None:
        """Undo or redo up to a place in the history; what has changed is told once, at the end."""
        self._held_changes = held = []
        try:
            self.undo_stack.setIndex(index)
        finally:
            self._held_changes = None
        self._tell(merged_changes(held))

    def is_done(self, command: StepCommand) -> bool:
        """Whether a command lies on the stack and is not undone."""
        stack = self.undo_stack
        return any(stack.command(i) is command for i in range(stack.index()))

    def extend_step(self, command: StepCommand, patch: Patch, change: Change) -> bool:
        """Do more in a step that is done already: both are undone together.

        Parameters
        ----------
        command : StepCommand
        patch : Patch
            Leads from the present session to the one with more; of arrays alone.
        change : Change

        Returns
        -------
        bool
            False, and nothing is done, where the step is not done any more or another one after
            it has changed the same arrays.
        """
        if self.session is None or not self.is_done(command):
            return False
        commands = [self.undo_stack.command(i) for i in range(self.undo_stack.count())]
        later = list(self._steps())[commands.index(command) + 1 :]
        if any(patch.arrays.keys() & step.patch.arrays.keys() for step in later):
            return False
        session, back = patch.exchange(self.session)
        old = command.step
        changes = old.changes if change in old.changes else (*old.changes, change)
        command.step = Step(old.text, changes, joined(old.patch, back, session))
        if self.undo_stack.isClean():
            self._is_unsaved = True
        self.apply(session, (change,))
        self._watch_history()
        self._emit_modified()
        return True

    def relocate(self, session: Session) -> None:
        """Take the same session with its video at another place; this cannot be undone."""
        self.session = session
        self._is_unsaved = True
        self.revision += 1
        self.relocated.emit()
        self._emit_modified()

    def mark_saved(
        self, path: Path, revision: int, saved: Session | None = None, save_id: str = ""
    ) -> None:
        """Note that the session as of `revision` lies in a file."""
        self.path, self.read_only_path = path, None
        self.saved = None if saved is None else SavedFile(path, saved)
        self.save_id = save_id
        if revision == self.revision:
            self._is_unsaved = False
            self._num_recovered = 0
            self.undo_stack.setClean()
        self._emit_modified()

    def _emit_modified(self) -> None:
        self.modified_changed.emit(self.is_modified)

    # -- history ---------------------------------------------------------------------------

    def history(self) -> History:
        """All steps as they are now; they never change, so a thread may have them."""
        return History(tuple(self._steps()), self.undo_stack.index())

    def limit_history(self) -> None:
        """Forget the oldest steps where all together take more than `history_bytes`."""
        before = self.history()
        after = before.limited(self.history_bytes)
        num_dropped = before.index - after.index
        if not num_dropped:
            return
        clean_index = self.undo_stack.cleanIndex() - num_dropped
        with self._restoring():
            self._fill_stack(after.steps, after.index, clean_index)
        self._emit_modified()

    def give_up_history(self, error: SessionError) -> None:
        """Forget all steps soon: one of them does not fit. For commands only."""
        self._history_failed.emit(str(error))

    def _steps(self) -> Iterator[Step]:
        for i in range(self.undo_stack.count()):
            command = self.undo_stack.command(i)
            assert isinstance(command, StepCommand), "data changes through StepCommands alone"
            yield command.step

    def _watch_history(self) -> None:
        if self.is_restoring:
            return
        if sum(step.patch.num_bytes for step in self._steps()) > self.history_bytes:
            self._history_grew.emit()

    def _drop_history(self, reason: str) -> None:
        with self._restoring():
            self._fill_stack((), 0, -1)
        self._is_unsaved = True
        self._emit_modified()
        self.history_lost.emit(f"{reason} Nothing can be undone; the session is as it was.")

    def _fill_stack(self, steps: tuple[Step, ...], index: int, clean_index: int) -> None:
        """Put steps on the stack that are done already up to `index`."""
        stack = self.undo_stack
        stack.clear()
        for step in steps:
            stack.push(StepCommand(self, step, is_restored=True))
        if clean_index < 0:
            stack.resetClean()
        else:
            stack.setIndex(clean_index)
            stack.setClean()
        stack.setIndex(index)

    @contextmanager
    def _restoring(self) -> Iterator[None]:
        """While commands come and go without being done or undone."""
        self.is_restoring = True
        blocker = QSignalBlocker(self.undo_stack)
        try:
            yield
        finally:
            blocker.unblock()
            self.is_restoring = False
            self.undo_stack.indexChanged.emit(self.undo_stack.index())
