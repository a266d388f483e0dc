"""Write results to files for other programs."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from app.dialogs.export_dialog import ExportChoice, ExportDialog
from app.dialogs.export_report import ExportReport
from app.operations.context import AppContext
from app.workers.task import Task
from pose_core.interchange.exporting import export_session
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

    def work() -> object:
        chosen = narrowed(session, choice.track_ids, choice.frames)
        return export_session(
            chosen, choice.folder, choice.formats, model=model, level=choice.level
        )

    task = Task("export", work, context.document.revision)
    report = ExportReport(choice.folder, task.cancel, context.window)
    task.progressed.connect(report.add_file)
    task.succeeded.connect(report.finish)
    task.succeeded.connect(lambda _: context.notice(f"Exported to {choice.folder}"))
    task.failed.connect(report.close)
    context.start_task(task, ACTION)
    report.open()
    return report


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
