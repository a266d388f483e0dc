"""Save the session, and ask before unsaved changes are lost."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QMessageBox

from app.dialogs.question import ask
from app.operations.context import AppContext
from app.operations.safety import Safety
from app.workers.task import Task
from pose_core.errors import PoseStageError, SessionError
from pose_core.session import Session
from pose_core.session_io import SUFFIX, new_save_id, save_session

ACTION = "Saving the session"


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
    """Ask for a file, and save to it; from then on it is the session's file."""
    path = _ask_for_path(context, "Save the Session", "")
    if path is not None:
        save_to(context, path, then)


def save_a_copy(context: AppContext) -> None:
    """Ask for another file, and write the session to it; the session keeps its own file."""
    path = _ask_for_path(context, "Save a Copy of the Session", " copy")
    if path is None or context.document.session is None:
        return
    if path == context.document.path:
        save_to(context, path)
        return
    if not context.session_lock.is_free(path):
        context.show_error(_locked(path), ACTION)
        return
    session, history = context.document.session, context.document.history()
    num_backups = Safety.of(context.settings).num_backups
    task = Task("save", lambda: save_session(session, path, history, num_backups=num_backups))
    task.succeeded.connect(lambda _: context.notice(f"Saved a copy: {path.name}"))
    context.start_task(task, ACTION)


def save_to(context: AppContext, path: Path, then: Callable[[], None] | None = None) -> None:
    """Save to a file in a thread; one save follows the other, and the edits that it holds."""
    document = context.document
    opened = document.opened_revision

    def again() -> None:
        if document.opened_revision == opened:
            save_to(context, path, then)

    if document.session is not None and not _has_to_wait(context, again):
        _save_now(context, document.session, path, then)


def _save_now(
    context: AppContext, session: Session, path: Path, then: Callable[[], None] | None
) -> None:
    document = context.document
    if not context.session_lock.take(path):
        context.show_error(_locked(path), ACTION)
        return
    revision, history = document.revision, document.history()
    num_backups, save_id = Safety.of(context.settings).num_backups, new_save_id()
    document.next_save_id = save_id
    task = Task(
        "save",
        lambda: save_session(session, path, history, num_backups=num_backups, save_id=save_id),
        revision,
    )

    def on_saved(_: str) -> None:
        if document.opened_revision <= revision:
            document.mark_saved(path, revision, session, save_id)
        context.remember_file(path, "session")
        context.notice(f"Saved {path.name}")

    def on_ended() -> None:
        context.saving, document.next_save_id = None, ""
        if not task.has_succeeded and document.path is not None:
            context.session_lock.take(document.path)
        if task.has_succeeded and then is not None:
            then()

    context.saving = task
    task.succeeded.connect(on_saved)
    task.failed.connect(lambda error: _tell_failure(context, path, error, then))
    task.ended.connect(on_ended)
    context.tasks.start(task)


def _has_to_wait(context: AppContext, then: Callable[[], None]) -> bool:
    """Whether it is too early to save; `then` is called when it is time."""
    if context.saving is not None:
        context.saving.ended.connect(then)
    elif context.follow_ups.is_pending:
        context.notice("Saving as soon as the 3D has followed the edited keypoints...")
        context.follow_ups.wait(then)
    else:
        return False
    return True


def _tell_failure(
    context: AppContext, path: Path, error: BaseException, then: Callable[[], None] | None
) -> None:
    """Say why nothing was saved, what the file holds now, and offer another place."""
    if not isinstance(error, PoseStageError):
        context.show_error(error, ACTION)
        return
    file = f"{path.name} is as it was before." if path.exists() else "There is no file of it."
    box = ask(
        context.window,
        "The session was not saved",
        error.message,
        [
            ("Save As...", "accept", lambda: save_as(context, then)),
            ("Close", "reject", None),
        ],
        more=f"{error.hint} {file} Your changes are still open, and not saved yet.",
    )
    box.setIcon(QMessageBox.Icon.Warning)


def _ask_for_path(context: AppContext, title: str, addition: str) -> Path | None:
    session, path = context.document.session, context.document.path
    if session is None:
        return None
    if path is None and context.document.read_only_path is not None:
        path, addition = context.document.read_only_path, " copy"
    folder = Path(context.settings.folder("session")) if path is None else path.parent
    stem = session.clip.path.stem if path is None else path.stem
    proposed = folder / f"{stem}{addition}{SUFFIX}"
    name, _ = QFileDialog.getSaveFileName(
        context.window, title, str(proposed), f"Sessions (*{SUFFIX})"
    )
    if not name:
        return None
    chosen = Path(name)
    return chosen if chosen.suffix.lower() == SUFFIX else chosen.with_name(chosen.name + SUFFIX)


def _locked(path: Path) -> SessionError:
    return SessionError(
        f"{path} is open in another window of PoseStage, which would lose its file.",
        "Choose another name, or close the other window.",
    )


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
