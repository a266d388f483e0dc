"""Write the 2D keypoints of all people for other programs."""

from functools import partial
from pathlib import Path

from PySide6.QtWidgets import QFileDialog

from app.operations.context import AppContext
from app.workers.task import Task
from pose_core.interchange.exporting import KEYPOINT_FORMATS
from pose_core.interchange.named_keypoints import keypoints_of_session
from pose_core.session import Session

ACTION = "Exporting keypoints"
WRITERS = {suffix: save for saves in KEYPOINT_FORMATS.values() for suffix, save in saves.items()}
FILTERS = {
    "COCO keypoints (*.coco.json)": ".coco.json",
    "Table (*.keypoints.csv)": ".keypoints.csv",
    "Arrays for Python (*.keypoints.npz)": ".keypoints.npz",
}


def ask_and_export(context: AppContext) -> None:
    """Let the user choose a format and a name, and write the file."""
    session = context.document.session
    if session is None:
        return
    clip = session.clip.path
    folder = Path(context.settings.get("folder/export", str(clip.parent)))
    name, chosen = QFileDialog.getSaveFileName(
        context.window,
        "Export Keypoints",
        str(folder / f"{clip.stem}.coco.json"),
        ";;".join(FILTERS),
    )
    if name:
        export_keypoints(context, with_suffix(Path(name), FILTERS.get(chosen, "")))


def with_suffix(path: Path, suffix: str) -> Path:
    """The path with the ending of a format, whatever ending it was given."""
    known = [ending for ending in WRITERS if path.name.lower().endswith(ending)]
    if suffix in known or (known and not suffix):
        return path
    stem = path.name[: -len(known[0])] if known else path.stem
    return path.with_name(stem + (suffix or ".coco.json"))


def export_keypoints(context: AppContext, path: Path) -> None:
    """Write a file in the format that its ending says."""
    session = context.document.session
    if session is None:
        return
    context.settings.set_folder("export", path.parent)
    task = Task(ACTION, partial(_write, session, path), context.document.revision)
    task.succeeded.connect(lambda _: context.notice(f"Exported {path.name} to {path.parent}"))
    context.start_task(task, ACTION)


def _write(session: Session, path: Path) -> None:
    """In the worker thread."""
    suffix = next(ending for ending in WRITERS if path.name.lower().endswith(ending))
    WRITERS[suffix](path, keypoints_of_session(session), session.clip)
