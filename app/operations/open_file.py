"""Open a video or a session."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from PySide6.QtWidgets import QFileDialog

from app.dialogs.question import ask
from app.operations.context import AppContext
from app.operations.save_session import confirm_unsaved
from app.operations.truth import with_truth_beside
from app.paths import VIDEO_SUFFIXES, sample_clip
from app.workers.task import Task
from pose_core.errors import SessionError
from pose_core.session import Session
from pose_core.session_history import History
from pose_core.session_io import SUFFIX, SessionFile, load_session_file, locate_clip
from pose_core.video import open_clip


class Opened(NamedTuple):
    """What was read, the session file that it was read from if any, and whether it is complete.

    `is_video_missing` says that the session's video is not where it was, or is another one.
    """

    file: SessionFile
    path: Path | None
    is_video_missing: bool = False


def is_session(path: Path) -> bool:
    return path.suffix.lower() == SUFFIX


def file_filter() -> str:
    """File types for the dialog."""
    videos = " ".join(f"*{suffix}" for suffix in VIDEO_SUFFIXES)
    session = f"*{SUFFIX}"
    return (
        f"Videos and sessions ({videos} {session});;Videos ({videos});;"
        f"Sessions ({session});;All files (*)"
    )


def ask_and_open(context: AppContext) -> None:
    """Let the user choose a file, and open it."""
    folder = context.settings.folder("video")
    name, _ = QFileDialog.getOpenFileName(context.window, "Open", folder, file_filter())
    if name:
        open_path(context, Path(name))


def open_sample(context: AppContext) -> None:
    """Open the clip that comes with the application."""
    path = sample_clip()
    if path is None:
        context.show_error(
            FileNotFoundError("This installation has no sample clip."), "Opening the sample clip"
        )
        return
    open_path(context, path)


def open_path(context: AppContext, path: Path, then: Callable[[], None] | None = None) -> None:
    """Open a file; what was open stays untouched when that fails.

    Parameters
    ----------
    context : AppContext
    path : Path
        A video, or a session file.
    then : callable, optional
        Called once the file is open.
    """
    confirm_unsaved(context, lambda: _start(context, path, then))


def _start(context: AppContext, path: Path, then: Callable[[], None] | None) -> None:
    action = "Opening the session" if is_session(path) else "Opening the video"
    revision = context.document.revision
    task = Task(action, lambda: _read(path), revision)

    def on_read(opened: Opened) -> None:
        if context.document.revision != revision:
            return  # something else was opened or changed meanwhile
        if opened.is_video_missing:
            _ask_for_video(context, opened, then)
        else:
            _finish(context, opened, then)

    task.succeeded.connect(on_read)
    task.failed.connect(lambda: _forget_missing(context, path))
    context.start_task(task, action)


def _read(path: Path) -> Opened:
    """Read a file in the worker thread."""
    path = path.absolute()
    if not is_session(path):
        return _opened(SessionFile(Session(open_clip(path)), History()), None)
    file = load_session_file(path)
    for place in (file.session.clip.path, path.parent):
        with suppress(SessionError):
            return _opened(replace(file, session=locate_clip(file.session, place)), path)
    return Opened(file, path, is_video_missing=True)


def _opened(file: SessionFile, path: Path | None) -> Opened:
    """In the worker thread, once the video is found."""
    session, warning = with_truth_beside(file.session)
    for track in session.tracks:  # the views ask for them: of long clips they take a while
        _ = track.keypoints.present_mask, track.keypoints.mean_score
    for track in session.tracks[:1]:  # the one that is selected
        _ = track.keypoints.edited_mask
    warnings = " ".join(filter(None, (session.clip.warning, warning, file.warning)))
    return Opened(replace(file, session=session, warning=warnings), path)


def _finish(context: AppContext, opened: Opened, then: Callable[[], None] | None) -> None:
    """Show what was read, unless another window has its file open."""
    if opened.path is None or context.session_lock.take(opened.path):
        _show(context, opened, then)
        return
    ask(
        context.window,
        "The session is open elsewhere",
        f"{opened.path.name} is open in another window of PoseStage.",
        [
            ("Open Read-Only", "accept", lambda: _show(context, opened, then, is_read_only=True)),
            ("Cancel", "reject", None),
        ],
        more="Read-only, it can be looked at and changed, and saved under another name.",
    )


def _show(
    context: AppContext,
    opened: Opened,
    then: Callable[[], None] | None,
    *,
    is_read_only: bool = False,
) -> None:
    file, path = opened.file, opened.path
    context.document.open(
        file.session,
        None if is_read_only else path,
        history=file.history,
        save_id="" if is_read_only else file.save_id,
        read_only_path=path if is_read_only else None,
    )
    if path is None:
        context.remember_file(file.session.clip.path, "video")
    else:
        context.remember_file(path, "session")
    if file.warning:
        context.notice(file.warning)
    if then is not None:
        then()


def _forget_missing(context: AppContext, path: Path) -> None:
    if not path.exists():
        context.settings.remove_recent_file(path)
        context.files_changed.emit()


def _ask_for_video(context: AppContext, moved: Opened, then: Callable[[], None] | None) -> None:
    name = moved.file.session.clip.path.name
    ask(
        context.window,
        "The video has moved",
        f"The video {name} of this session is not where it was.",
        [
            ("Locate the Video...", "accept", lambda: _locate(context, moved, then)),
            ("Cancel", "reject", None),
        ],
        more=f"It was {moved.file.session.clip.path}. Nothing in the session is lost.",
    )


def _locate(context: AppContext, moved: Opened, then: Callable[[], None] | None) -> None:
    folder = context.settings.folder("video")
    title = f"Locate {moved.file.session.clip.path.name}"
    name, _ = QFileDialog.getOpenFileName(context.window, title, folder, file_filter())
    if name:
        use_video(context, moved, Path(name), then)


def use_video(
    context: AppContext,
    moved: Opened,
    video: Path,
    then: Callable[[], None] | None = None,
) -> None:
    """Check that a file is the video of a session, and open the session with it."""
    action = "Locating the video"

    def work() -> Opened:
        located = locate_clip(moved.file.session, video)
        return _opened(replace(moved.file, session=located), moved.path)

    def keep_place() -> None:
        document = context.document
        assert document.session is not None
        document.relocate(document.session)  # asks to save where the video lies now
        if then is not None:
            then()

    task = Task(action, work)
    task.succeeded.connect(lambda opened: _finish(context, opened, keep_place))
    context.start_task(task, action)


def locate_open_video(context: AppContext) -> None:
    """Say where the video of the open session lies now."""
    session, revision = context.document.session, context.document.revision
    if session is None:
        return
    title = f"Locate {session.clip.path.name}"
    folder = context.settings.folder("video")
    name, _ = QFileDialog.getOpenFileName(context.window, title, folder, file_filter())
    if not name:
        return
    action = "Locating the video"
    task = Task(action, lambda: locate_clip(session, Path(name)), revision)

    def on_located(located: Session) -> None:
        if context.document.revision == revision:
            context.document.relocate(located)

    task.succeeded.connect(on_located)
    context.start_task(task, action)


def close_document(context: AppContext) -> None:
    """Close what is open."""
    confirm_unsaved(context, lambda: context.document.open(None))
