"""Notes and bookmarks on frames: each change is one undoable step."""

from collections.abc import Collection
from pathlib import Path

from PySide6.QtWidgets import QFileDialog

from app.commands import SetNotes
from app.operations.context import AppContext
from app.workers.task import Task
from pose_core.interchange.note_table import write_note_table
from pose_core.session import Note

ACTION = "Exporting the notes"


def toggle_bookmark(context: AppContext) -> None:
    """Bookmark the shown frame, or remove what is there."""
    session, frame = context.document.session, context.view_state.frame
    if session is None:
        return
    if session.note(frame) is not None:
        remove_notes(context, (frame,))
        return
    _push(context, f"Bookmark Frame {frame}", (*session.notes, Note(frame)))
    context.notice(f"Bookmarked frame {frame}. Window > Notes lists what is marked.")


def write_note(context: AppContext, frame: int, text: str) -> None:
    """Give a frame a note, in place of the one that is there; the same text is no step."""
    session, text = context.document.session, " ".join(text.split())
    if session is None or session.note(frame) == Note(frame, text):
        return
    others = (note for note in session.notes if note.frame != frame)
    name = f"Note at Frame {frame}" if text else f"Bookmark Frame {frame}"
    _push(context, name, (*others, Note(frame, text)))


def remove_notes(context: AppContext, frames: Collection[int]) -> None:
    """Remove the notes and bookmarks of some frames."""
    session = context.document.session
    if session is None:
        return
    kept = [note for note in session.notes if note.frame not in frames]
    num_removed = len(session.notes) - len(kept)
    if not num_removed:
        return
    what = f"the Note at Frame {min(frames)}" if num_removed == 1 else f"{num_removed} Notes"
    _push(context, f"Remove {what}", kept)
    context.notice(f"Removed {what[0].lower()}{what[1:]}. Ctrl+Z brings it back.")


def _push(context: AppContext, text: str, notes: Collection[Note]) -> None:
    context.document.undo_stack.push(SetNotes(context.document, text, notes))


def ask_and_export(context: AppContext) -> None:
    """Write the notes to a CSV file that the user chooses."""
    session = context.document.session
    if session is None:
        return
    stem = session.clip.path.stem
    proposed = Path(context.settings.folder("export")) / f"{stem}.notes.csv"
    name, _ = QFileDialog.getSaveFileName(
        context.window, "Export Notes", str(proposed), "Tables (*.csv)"
    )
    if not name:
        return
    path = Path(name)
    task = Task(ACTION, lambda: write_note_table(session.notes, session.clip.times_s, path))
    task.succeeded.connect(lambda _: context.notice(f"Wrote {path.name}"))
    context.settings.set_folder("export", path.parent)
    context.start_task(task, ACTION)
