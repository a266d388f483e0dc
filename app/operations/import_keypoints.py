"""Take the 2D keypoints of another program as people of the open clip."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFileDialog

from app.commands import SetTracks
from app.dialogs.joint_names import JointNamesDialog
from app.document import Change
from app.operations.context import AppContext
from app.workers.task import Task
from pose_core.clip import Clip
from pose_core.data.joint_names import MissingJoints
from pose_core.errors import ConfigError
from pose_core.interchange.named_keypoints import KEYPOINT_SUFFIXES
from pose_core.session import Session

if TYPE_CHECKING:
    from pose_core.data.keypoint_import import ImportedPeople

ACTION = "Importing keypoints"


def is_keypoint_file(path: Path) -> bool:
    """Whether it is a folder, as OpenPose writes, or ends like a file of keypoints."""
    return path.is_dir() or path.suffix.lower() in KEYPOINT_SUFFIXES


def ask_and_import(context: AppContext) -> None:
    """Let the user choose a file, and import it."""
    if context.document.session is None:
        return
    endings = " ".join(f"*{suffix}" for suffix in KEYPOINT_SUFFIXES)
    name, _ = QFileDialog.getOpenFileName(
        context.window,
        "Import Keypoints (for OpenPose: any file of its folder)",
        context.settings.folder("keypoints"),
        f"Keypoints ({endings});;All files (*)",
    )
    if name:
        context.settings.set_folder("keypoints", Path(name).parent)
        import_keypoints(context, Path(name))


def import_keypoints(
    context: AppContext, path: Path, names: Mapping[str, str] | None = None
) -> None:
    """Read a file, and add its people to the session: one undoable step.

    Parameters
    ----------
    context : AppContext
    path : Path
        A file, or the folder that OpenPose has written.
    names : mapping of str to str, optional
        What joints are called in the file. Those that are not found are asked for.
    """
    session, document = context.document.session, context.document
    if session is None:
        error = ConfigError(f"{path.name} has keypoints of a video.", "Open the video first.")
        context.show_error(error, ACTION)
        return
    revision = document.opened_revision
    task = Task(ACTION, partial(_read, path, session.clip, names), revision)

    def on_read(found: "ImportedPeople | MissingJoints") -> None:
        if document.opened_revision != revision or document.session is None:
            return
        if isinstance(found, MissingJoints):
            again = partial(import_keypoints, context, path)
            JointNamesDialog(path.name, found.joints, found.names, again, context.window).open()
        else:
            _add(context, document.session, found)

    task.succeeded.connect(on_read)
    context.start_task(task, ACTION)


def _read(
    path: Path, clip: Clip, names: Mapping[str, str] | None
) -> "ImportedPeople | MissingJoints":
    """In the worker thread. Joints that are not found are no failure: they can be named."""
    # Slow to import, and not needed before.
    from pose_core.data.keypoint_import import import_keypoints as read  # noqa: PLC0415

    try:
        return read(path, clip, names)
    except MissingJoints as error:
        return error


def _add(context: AppContext, session: Session, found: "ImportedPeople") -> None:
    from pose_core.data.keypoint_import import numbered_after  # noqa: PLC0415

    people = numbered_after(found.tracks, session.tracks)
    after = session.with_tracks((*session.tracks, *people))
    ids = tuple(track.track_id for track in people)
    change = Change("poses", ids)
    context.document.undo_stack.push(SetTracks(context.document, "Import Keypoints", after, change))
    num_people = "1 person" if len(people) == 1 else f"{len(people)} people"
    text = f"Imported {num_people} ({found.format}). {found.warning}".strip()
    context.notice(f"{text} Pose > 3D Again from the Same 2D computes the 3D.")
