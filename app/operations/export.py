"""Write results to files for other programs."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from app.dialogs.export_dialog import ExportChoice, ExportDialog
from app.dialogs.export_report import ExportReport
from app.operations.context import AppContext
from app.workers.task import Task
from pose_core.atomic_file import make_folder
from pose_core.errors import ExportError
from pose_core.interchange.exporting import ExportedFile, export_session
from pose_core.interchange.overlay_video import OverlayProgress, save_overlay_video
from pose_core.poses import Poses3D
from pose_core.session import ModelRun, Session, Track

ACTION = "Exporting"


def ask_and_export(context: AppContext) -> ExportDialog | None:
    """Ask what to export, and do it."""
    session, model = context.document.session, context.view_state.model
    if session is None or model is None:
        return None
    people = {track.track_id: track.name for track in session.tracks if model in track.runs}
    folder = Path(context.settings.get("folder/export", str(session.clip.path.parent)))
    dialog = ExportDialog(
        people,
        context.view_state.track_id,
        context.view_state.range,
        folder,
        partial(export, context),
        context.window,
    )
    dialog.open()
    return dialog


def export(context: AppContext, choice: ExportChoice) -> ExportReport | None:
    """Export, with progress and a report."""
    session, model = context.document.session, context.view_state.model
    if session is None or model is None:
        return None
    context.settings.set_folder("export", choice.folder)

    work = partial(_written, session, model, choice)
    task = Task("export", work, context.document.revision, is_long=True)
    report = ExportReport(choice.folder, task.cancel, context.window)
    task.progressed.connect(report.show_record)
    task.succeeded.connect(report.finish)
    task.succeeded.connect(lambda _: context.notice(f"Exported to {choice.folder}"))
    task.failed.connect(report.close)
    context.start_task(task, ACTION)
    report.open()
    return report


def _written(
    session: Session, model: str, choice: ExportChoice
) -> Iterator[ExportedFile | OverlayProgress]:
    """Write everything. A copy of the session is whole; the rest has what was chosen of it."""
    chosen = narrowed(session, choice.track_ids, choice.frames)
    formats = [name for name in choice.formats if name != "session"]
    if choice.frames and "mp4" in formats:
        formats.remove("mp4")
        yield from _written_video(chosen, model, choice.folder, *choice.frames)
    if formats:
        yield from export_session(chosen, choice.folder, formats, model=model, level=choice.level)
    if "session" in choice.formats:
        yield from export_session(session, choice.folder, ["session"])


def _written_video(
    session: Session, model: str, folder: Path, start: int, end: int
) -> Iterator[ExportedFile | OverlayProgress]:
    """Write the video of a range of frames; `export_session` always writes all of it."""
    make_folder(folder, ExportError)
    path = folder / f"{session.clip.path.stem}.overlay.mp4"
    yield from save_overlay_video(session, path, model=model, start=start, end=end)
    yield ExportedFile(path, "mp4", report=f"frames {start} to {end - 1}")


def narrowed(
    session: Session, track_ids: tuple[int, ...], frames: tuple[int, int] | None
) -> Session:
    """The session with some of its people, and poses in some of its frames only."""
    tracks = tuple(track for track in session.tracks if track.track_id in track_ids)
    if frames is not None:
        tracks = tuple(_cut(track, *frames) for track in tracks)
    return session.with_tracks(tracks)


def _cut(track: Track, start: int, end: int) -> Track:
    runs = {name: _cut_run(run, start, end) for name, run in track.runs.items()}
    return replace(track, runs=runs)


def _cut_run(run: ModelRun, start: int, end: int) -> ModelRun:
    stages, root = run.poses.stages.copy(), np.array(run.poses.root)
    stages[:, :start] = stages[:, end:] = np.nan
    root[:start] = root[end:] = np.nan
    poses = Poses3D(stages, root, run.poses.skeleton, run.poses.is_root_estimated)
    return replace(run, poses=poses)
