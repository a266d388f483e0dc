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

    def on_read(found: tuple[Recovered, str | None]) -> None:
        recovered, save_id = found
        path, file = None, Path(recovered.info.session_path)
        if save_id is not None and context.session_lock.take(file):
            path = file
        session, history = recovered.session, recovered.history
        context.document.open(
            session,
            path,
            history=history,
            save_id=(save_id or "") if path else "",
            is_recovered=True,
            num_recovered=recovered.info.num_edits,
        )
        autosave.adopt(folder)
        if recovered.warning:
            context.notice(recovered.warning)
        elif path is None and recovered.info.session_path:
            is_same = save_id is not None
            why = "is open in another window" if is_same else "was saved later or is gone"
            context.notice(f"{file.name} {why}: save what was restored under another name.")
        if then is not None:
            then()

    task.succeeded.connect(on_read)
    context.start_task(task, ACTION)


def _load(folder: Path) -> tuple[Recovered, str | None]:
    """In the worker thread: the copy, and the id of the user's file if it is to be saved there."""
    recovered = load_recovery(folder)
    session, _ = with_truth_beside(recovered.session)
    return replace(recovered, session=session), _id_of_file(recovered.info)


def _id_of_file(info: RecoveryInfo) -> str | None:
    """The `save_id` of the user's file; None where the copy does not hold all that it does."""
    if not info.session_path:
        return None
    try:
        save_id = read_save_id(Path(info.session_path))
    except SessionError:
        return None
    return save_id if info.is_from(save_id) else None


def _line(folder: Path) -> RecoveryLine:
    try:
        info = read_recovery_info(folder)
    except SessionError as error:
        return RecoveryLine(folder, None, problem=str(error))
    path = Path(info.session_path)
    is_newer = path.is_file() and path.stat().st_mtime > info.time_s
    return RecoveryLine(folder, info, is_newer and _id_of_file(info) is None)
