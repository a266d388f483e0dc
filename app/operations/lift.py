"""3D again from the 2D that is there: another model, another body height or focal length."""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace

import numpy as np
from PySide6.QtGui import QUndoCommand

from app.commands import SetScale, SetTracks
from app.document import Change
from app.operations.context import AppContext
from app.operations.estimate import Estimator
from app.workers.task import Task
from app.workers.torch_library import map_torch_library
from pose_core.analysis.pose_edits import with_edits_of
from pose_core.errors import ConfigError
from pose_core.inference.device import choose_device
from pose_core.inference.lifter import lifter_of
from pose_core.inference.pipeline import lifted
from pose_core.inference.records import EstimateSettings
from pose_core.models.registry import installed_models, model_entry
from pose_core.session import ModelRun, Session, Track

ACTION = "Computing the 3D"


def lift_with_model(
    context: AppContext,
    estimator: Estimator,
    model: str,
    then: Callable[[], None] | None = None,
    *,
    replaces_edits: bool = False,
) -> None:
    """Run a model on all people.

    Parameters
    ----------
    context : AppContext
    estimator : Estimator
        Knows the settings.
    model : str
    then : callable, optional
        Called once its poses are in the session.
    replaces_edits : bool
        What the user has changed in 3D that this model gave before is not kept.
    """
    session = context.document.session
    if session is None:
        return
    settings = replace(estimator.settings(), model=model)

    def work() -> Iterator[Session]:
        map_torch_library()
        lifter = lifter_of(model_entry(settings.model), choose_device(settings.device))
        tracks = []
        for track in session.tracks:
            whole = replace(settings, start=0, end=None)
            new = lifted(track, lifter, session.clip, whole)
            tracks.append(new if replaces_edits else _with_edits(new, track))
            yield session.with_tracks((*tracks, *session.tracks[len(tracks) :]))

    def command(after: Session) -> QUndoCommand:
        return SetTracks(context.document, f"3D by {settings.model}", after, Change("poses"))

    _run(context, work, command, then)


def _with_edits(after: Track, before: Track, *, is_scaled: bool = False) -> Track:
    """A track lifted again, with what the user has changed in its 3D."""
    frames = np.arange(len(before.keypoints))
    runs = {
        name: with_edits_of(run, before.runs[name], frames, is_scaled=is_scaled)
        for name, run in after.runs.items()
        if name in before.runs and run is not before.runs[name]
    }
    return replace(after, runs={**after.runs, **runs})


def set_scale(context: AppContext, body_height_m: float | None, focal_px: float | None) -> None:
    """Set body height and focal length, and compute all 3D that there is with them.

    What the user has changed in 3D goes along with the rest of the person.
    """
    session = context.document.session
    if session is None:
        return
    scaled = replace(session, body_height_m=body_height_m, focal_px=focal_px)

    def work() -> Iterator[Session]:
        tracks = []
        yield scaled
        map_torch_library()
        for track in session.tracks:
            tracks.append(_with_edits(_lifted_again(track, scaled), track, is_scaled=True))
            yield scaled.with_tracks((*tracks, *session.tracks[len(tracks) :]))

    _run(context, work, lambda after: SetScale(context.document, after))


def _lifted_again(track: Track, session: Session) -> Track:
    """Every run of a track, made anew with the session's scale and otherwise as before.

    Runs of models that are not installed stay as they are.
    """
    installed = installed_models()
    for name, run in track.runs.items():
        settings = settings_of(run, name, session)
        try:
            lifter = lifter_of(installed[name], choose_device(settings.device))
        except (KeyError, ConfigError):  # it, or the model whose poses it refines
            continue
        track = lifted(track, lifter, session.clip, settings)
    return track


def settings_of(run: ModelRun, model: str, session: Session) -> EstimateSettings:
    """The settings that a run was made with, but for the scale."""
    stored = run.meta.get("settings")
    names = {field.name for field in fields(EstimateSettings)}
    known = {
        key: value
        for key, value in (stored.items() if isinstance(stored, dict) else ())
        if key in names
    }
    scale = {"focal_px": session.focal_px, "body_height_m": session.body_height_m}
    return EstimateSettings(**{**known, **scale, "model": model})


def _run(
    context: AppContext,
    work: Callable[[], Iterator[Session]],
    command: Callable[[Session], QUndoCommand],
    then: Callable[[], None] | None = None,
) -> None:
    """Do the work in a thread; its last session becomes one undoable step."""
    revision = context.document.revision
    task = Task(ACTION, work, revision, is_long=True)

    def on_done(after: Session) -> None:
        if context.document.revision == revision:
            context.document.undo_stack.push(command(after))
            context.notice("Done. Ctrl+Z takes it back.")
            if then is not None:
                then()
        else:
            context.notice("The session has changed meanwhile: the 3D was not replaced.")

    task.succeeded.connect(on_done)
    context.notice(f"{ACTION}...")
    context.risky_work.emit()
    context.start_task(task, ACTION)
