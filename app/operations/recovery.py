"""Work that was not saved when the application ended without warning."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from app.dialogs.recovery import RecoveryDialog, RecoveryLine
from app.operations.autosave import Autosave, abandoned_copies, remove_recovery
from app.operations.context import AppContext
from app.operations.truth import with_truth_beside
from app.workers.task import Task
from pose_core.errors import SessionError
from pose_core.session_io import read_save_id
from pose_core.session_recovery import (
    Recovered,
    RecoveryInfo,
    load_recovery,
    read_recovery_info,
)

ACTION = "Restoring unsaved work"


def offer_recovery(context: AppContext, autosave: Autosave) -> None:
    """Say what unsaved work there is, if any, and ask what to do with it."""
    lines = [_line(folder) for folder in abandoned_copies()]
    if lines:
        RecoveryDialog(
            lines,
            restore=lambda line: restore(context, autosave, line.folder),
            discard=lambda line: remove_recovery(line.folder),
            parent=context.window,
        ).open()


def restore(
    context: AppContext,
    autosave: Autosave,
    folder: Path,
    then: Callable[[], None] | None = None,
) -> None:
    """Open an automatic copy; it counts as unsaved until it is saved."""
    task = Task(ACTION, lambda: _load(folder))

    def on_read(found: tuple[Recovered, Path | None]) -> None:
        recovered, path = found
        if path is not None and not context.session_lock.take(path):
            path = None  # open in another window: it gets a file of its own
        session, history = recovered.session, recovered.history
        context.document.open(
            session,
            path,
            history=history,
            save_id=recovered.info.save_id if path else "",
            is_recovered=True,
            num_recovered=recovered.info.num_edits,
        )
        autosave.adopt(folder)
        if recovered.warning:
            context.notice(recovered.warning)
        if then is not None:
            then()

    task.succeeded.connect(on_read)
    context.start_task(task, ACTION)


def _load(folder: Path) -> tuple[Recovered, Path | None]:
    """In the worker thread: the copy, and the file that it is to be saved to."""
    recovered = load_recovery(folder)
    session, _ = with_truth_beside(recovered.session)
    path = Path(recovered.info.session_path) if _is_file_the_same(recovered.info) else None
    return replace(recovered, session=session), path


def _is_file_the_same(info: RecoveryInfo) -> bool:
    """Whether the user's file holds what it did when the copy was made."""
    try:
        return bool(info.session_path) and read_save_id(Path(info.session_path)) == info.save_id
    except SessionError:
        return False


def _line(folder: Path) -> RecoveryLine:
    try:
        info = read_recovery_info(folder)
    except SessionError as error:
        return RecoveryLine(folder, None, problem=str(error))
    path = Path(info.session_path)
    is_newer = path.is_file() and path.stat().st_mtime > info.time_s
    return RecoveryLine(folder, info, is_newer and not _is_file_the_same(info))
