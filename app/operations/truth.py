"""Exact 3D to measure errors against: found beside the video, imported, removed."""

from dataclasses import replace
from pathlib import Path

from PySide6.QtWidgets import QFileDialog

from app.commands import SetTruth
from app.operations.context import AppContext
from app.workers.task import Task
from pose_core.data.mocap_files import MOTION_SUFFIXES, suffix_of
from pose_core.data.truth import SUFFIX, truth_beside
from pose_core.errors import DataError
from pose_core.session import Session, Truth

ACTION = "Importing the ground truth"


def with_truth_beside(session: Session) -> tuple[Session, str]:
    """The session with the truth that lies beside its video, unless it has one of its own.

    Returns
    -------
    Session
    str
        Why a truth that lies there is not used, otherwise empty.
    """
    if session.truth is not None:
        return session, ""
    try:
        return replace(session, truth=truth_beside(session.clip)), ""
    except DataError as error:
        return session, f"The ground truth beside the video is not used. {error}"


def is_motion(path: Path) -> bool:
    """Whether it ends like motion capture, or like the truth of a clip."""
    return suffix_of(path) in MOTION_SUFFIXES or path.name.lower().endswith(SUFFIX)


def ask_and_import(context: AppContext) -> None:
    """Let the user choose a file, and import it."""
    if context.document.session is None:
        return
    name, _ = QFileDialog.getOpenFileName(
        context.window,
        "Import Ground Truth (3D)",
        context.settings.folder("truth"),
        "Ground truth (*.npz *.c3d *.trc *.bvh *.amc);;All files (*)",
    )
    if name:
        context.settings.set_folder("truth", Path(name).parent)
        import_truth(context, Path(name))


def import_truth(context: AppContext, path: Path) -> None:
    """Read a file, and make it the truth of the open clip: one undoable step."""
    session, document = context.document.session, context.document
    if session is None:
        return
    revision = document.opened_revision
    task = Task(ACTION, lambda: load_truth(path, session), revision)

    def on_read(truth: Truth) -> None:
        if document.opened_revision == revision:
            document.undo_stack.push(SetTruth(document, truth))
            context.notice(f"Imported {truth.source}. Ctrl+Z takes it back.")

    task.succeeded.connect(on_read)
    context.start_task(task, ACTION)


def load_truth(path: Path, session: Session) -> Truth:
    """In the worker thread. OpenCV is slow to import, and only motion capture needs it."""
    from pose_core.data.truth_motion import load_any_truth  # noqa: PLC0415

    return load_any_truth(path, session)


def remove(context: AppContext) -> None:
    """Forget the imported truth; undo brings it back."""
    session = context.document.session
    if session is not None and session.truth is not None:
        context.document.undo_stack.push(SetTruth(context.document, None))
