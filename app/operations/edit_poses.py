"""Repairs of a person's poses in a few frames, each one undoable step."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from app.commands import EditFrames
from app.operations.context import AppContext
from app.operations.lift import settings_of
from app.operations.merge_tracks import renewed_run
from app.workers.task import Task
from app.workers.torch_library import map_torch_library
from pose_core.analysis import fixes
from pose_core.errors import ConfigError
from pose_core.inference.device import choose_device
from pose_core.inference.lifter import make_lifter
from pose_core.inference.pipeline import lifted
from pose_core.models.registry import model_entry
from pose_core.poses import SOURCE_USER, Keypoints2D, Poses3D
from pose_core.session import ModelRun, Track

if TYPE_CHECKING:  # imports torch
    from pose_core.inference.self_correction import CorrectionConfig

ACTION = "Changing the poses"


def swap_sides(
    context: AppContext, track: Track, start: int, end: int, joints: tuple[int, ...]
) -> None:
    """Exchange left and right of some joints in the keypoints and in the 3D of all models."""

    def work() -> Track:
        known, exchanged = track.keypoints.part(start, end), list(joints)
        before = np.asarray(known.sources)
        decided = np.where(np.isnan(known.xy[..., 0]), before, SOURCE_USER)
        arrays = (known.xy, known.scores[..., None], decided[..., None])
        xy, scores, swapped = (fixes.swap_sides(each, 0, end - start, joints) for each in arrays)
        sources = before.copy()  # what was not exchanged keeps its source
        sources[:, exchanged] = swapped[:, exchanged, 0]
        part = Keypoints2D(xy, scores[..., 0], known.skeleton, sources)
        keypoints = track.keypoints.with_frames(start, part)
        runs = {}
        for name, run in track.runs.items():
            stages = fixes.swap_sides(run.poses.stages, start, end, joints)
            swapped = ModelRun(replace(run.poses, stages=stages), run.meta)
            runs[name] = with_edit(swapped, "swap", start, end, joints=joints)
        return replace(track, keypoints=keypoints, runs=runs)

    _run(context, work, "Swap Left and Right", tuple(track.runs), start, end)


def smooth(context: AppContext, track: Track, model: str, start: int, end: int) -> None:
    """Smooth the 3D of one model."""
    times_s = _times_s(context)

    def change(poses: Poses3D) -> Poses3D:
        return replace(poses, stages=fixes.smooth(poses.stages, times_s, start, end))

    _change_run(context, track, model, change, "Smooth", start, end)


def interpolate(context: AppContext, track: Track, model: str, start: int, end: int) -> None:
    """Replace the 3D of one model by the way from the frame before to the frame after."""
    times_s = _times_s(context)

    def change(poses: Poses3D) -> Poses3D:
        stages = fixes.interpolate(poses.stages, times_s, start, end)
        root = fixes.interpolate_root(np.asarray(poses.root), times_s, start, end)
        return replace(poses, stages=stages, root=root)

    _change_run(context, track, model, change, "Interpolate", start, end)


def set_pose(
    context: AppContext,
    track: Track,
    model: str,
    frame: int,
    xyz: np.ndarray,
    root: np.ndarray | None = None,
    text: str = "Move a Joint",
) -> None:
    """Set the answer of a model in one frame; joints that change are the user's from then on.

    Parameters
    ----------
    context : AppContext
    track : Track
    model : str
    frame : int
    xyz : (17, 3) ndarray
        Root-relative, metres.
    root : (3,) ndarray, optional
        Place of the pelvis in camera coordinates, metres; as it is by default.
    text : str
        Name of the step.
    """
    run = track.runs[model]
    before, root_before = run.poses.stages[:, frame : frame + 1], np.asarray(run.poses.root)[frame]
    stages, new_root = before.copy(), root_before.copy() if root is None else root
    stages[-1, 0] = xyz
    is_moved = (stages[-1, 0] != before[-1, 0]).any(axis=-1)
    joints = tuple(np.flatnonzero(is_moved).tolist())
    if not joints and np.array_equal(new_root, root_before):
        return
    changed = ModelRun(run.poses.with_frames(frame, stages, np.asarray(new_root)[None]), run.meta)
    noted = with_edit(changed, "move", frame, frame + 1, joints=joints)
    after = _with_run(track, model, noted)
    command = EditFrames(context.document, text, after, (model,), frame, frame + 1)
    context.document.undo_stack.push(command)


def correct(
    context: AppContext,
    track: Track,
    model: str,
    config: "CorrectionConfig",
    start: int,
    end: int,
) -> None:
    """Let a pose machine correct itself again, with other settings; the fitted skeleton follows."""
    session, run = context.document.session, track.runs[model]
    assert session is not None
    settings = settings_of(run, model, session)

    def work() -> Track:
        map_torch_library()
        lifter = make_lifter(model_entry(model), choose_device(settings.device), config)
        new = lifted(track, lifter, session.clip, settings).runs[model]
        if new.poses.stages.shape != run.poses.stages.shape:
            raise ConfigError(
                f"The 3D by {model} has other stages than the model has now.",
                "Compute it anew: Pose > 3D Again from the Same 2D.",
            )
        merged = renewed_run(run, new, np.arange(start, end))
        kept = ModelRun(merged.poses, {**run.meta, "correction": merged.meta["correction"]})
        after = with_stages(kept, merged.poses.stages, "correction", start, end, asdict(config))
        return _with_run(track, model, after)

    _run(context, work, "Self-Correction", (model,), start, end)


def with_stages(
    run: ModelRun,
    stages: np.ndarray,
    what: str,
    start: int,
    end: int,
    settings: dict[str, object] | None = None,
) -> ModelRun:
    """A run with other poses, and a note of it in its provenance."""
    changed = ModelRun(replace(run.poses, stages=stages), run.meta)
    return with_edit(changed, what, start, end, settings)


def with_edit(
    run: ModelRun,
    what: str,
    start: int,
    end: int,
    settings: dict[str, object] | None = None,
    joints: tuple[int, ...] = (),
) -> ModelRun:
    """A run with a note of an edit in its provenance; `joints` where it is of some of them."""
    before = run.meta.get("edits")
    note: dict[str, object] = {"what": what, "frames": [start, end]}
    if joints:
        note["joints"] = list(joints)
    if settings is not None:
        note["settings"] = settings
    edits = [*(before if isinstance(before, list) else []), note]
    return ModelRun(run.poses, {**run.meta, "edits": edits})


def _change_run(
    context: AppContext,
    track: Track,
    model: str,
    change: Callable[[Poses3D], Poses3D],
    text: str,
    start: int,
    end: int,
) -> None:
    run = track.runs[model]

    def work() -> Track:
        changed = with_edit(ModelRun(change(run.poses), run.meta), text.lower(), start, end)
        return _with_run(track, model, changed)

    _run(context, work, text, (model,), start, end)


def _with_run(track: Track, model: str, run: ModelRun) -> Track:
    return replace(track, runs={**track.runs, model: run})


def _times_s(context: AppContext) -> np.ndarray:
    session = context.document.session
    assert session is not None
    return session.clip.times_s


def _run(
    context: AppContext,
    work: Callable[[], Track],
    text: str,
    models: tuple[str, ...],
    start: int,
    end: int,
) -> None:
    """Do the work in a thread; what comes out is one undoable step."""
    document = context.document
    revision = document.revision
    task = Task(ACTION, work, revision)

    def on_done(after: Track) -> None:
        if document.revision == revision:
            document.undo_stack.push(EditFrames(document, text, after, models, start, end))
            context.notice(f"{text}: frames {start} to {end - 1}. Ctrl+Z takes it back.")
        else:
            context.notice("The session has changed meanwhile: nothing was done.")

    task.succeeded.connect(on_done)
    context.start_task(task, ACTION)
