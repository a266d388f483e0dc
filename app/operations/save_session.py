"""Save the session, and ask before unsaved changes are lost."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QFileDialog

from app.dialogs.question import ask
from app.operations.context import AppContext
from app.workers.task import Task
from pose_core.session_io import SUFFIX, save_session


def save(context: AppContext, then: Callable[[], None] | None = None) -> None:
    """Save to the session's file; asks for one where there is none yet.

    Parameters
    ----------
    context : AppContext
    then : callable, optional
        Called only after the file has been written.
    """
    if context.document.path is None:
        save_as(context, then)
    else:
        save_to(context, context.document.path, then)


def save_as(context: AppContext, then: Callable[[], None] | None = None) -> None:
    """Ask for a file, and save to it."""
    session = context.document.session
    if session is None:
        return
    folder = Path(context.settings.folder("session"))
    proposed = context.document.path or folder / f"{session.clip.path.stem}{SUFFIX}"
    name, _ = QFileDialog.getSaveFileName(
        context.window, "Save the Session", str(proposed), f"Sessions (*{SUFFIX})"
    )
    if name:
        path = Path(name)
        if path.suffix.lower() != SUFFIX:
            path = path.with_name(path.name + SUFFIX)
        save_to(context, path, then)


def save_to(context: AppContext, path: Path, then: Callable[[], None] | None = None) -> None:
    """Save to a file."""
    session, revision = context.document.session, context.document.revision
    if session is None:
        return
    task = Task("save", lambda: save_session(session, path), revision)

    def on_saved(_: object) -> None:
        if context.document.opened_revision <= revision:
            context.document.mark_saved(path, revision)
        context.remember_file(path, "session")
        context.notice(f"Saved {path.name}")
        if then is not None:
            then()

    task.succeeded.connect(on_saved)
    context.start_task(task, "Saving the session")


def confirm_unsaved(context: AppContext, then: Callable[[], None]) -> None:
    """Go on with `then` once unsaved changes are saved or given up; not at all on Cancel."""
    if not context.document.is_modified:
        then()
        return
    ask(
        context.window,
        "Unsaved changes",
        f"Save the changes to {context.document.title}?",
        [
            ("Save", "accept", lambda: save(context, then)),
            ("Discard", "destroy", then),
            ("Cancel", "reject", None),
        ],
        more="What is not saved is lost.",
    )
