"""Keypoints of one frame put elsewhere by the user, with the 3D that follows."""

from dataclasses import replace

import numpy as np

from app.commands import EditFrames
from app.operations.context import AppContext
from app.operations.edit_poses import with_edit
from pose_core.poses import SOURCE_USER, Keypoints2D, Poses3D
from pose_core.session import ModelRun, Track
from pose_core.skeleton import H36M_17

USER_SCORE = 1.0


def move_keypoints(
    context: AppContext,
    track: Track,
    model: str,
    frame: int,
    moved: np.ndarray,
    poses: Poses3D,
    changed: tuple[int, int],
) -> None:
    """Keep moved keypoints and the poses that a model has with them, as one step.

    Parameters
    ----------
    context : AppContext
    track : Track
    model : str
        Of which run the poses are.
    frame : int
    moved : (17, 2) ndarray
        Pixels; NaN for joints that stay.
    poses : Poses3D
        The run's, other than before in some frames.
    changed : (int, int)
        First of these frames, and the one after the last; `frame` is among them.
    """
    run = track.runs[model]
    noted = with_edit(ModelRun(poses, run.meta), "keypoints", *changed)
    keypoints = with_moved(track.keypoints, frame, moved)
    after = replace(track, keypoints=keypoints, runs={**track.runs, model: noted})
    names = [H36M_17.joint_names[j] for j in np.flatnonzero(np.isfinite(moved).all(axis=-1))]
    text = f"Move {names[0].replace('_', ' ').title()}" if len(names) == 1 else "Move Keypoints"
    context.document.undo_stack.push(EditFrames(context.document, text, after, (model,), *changed))
    context.notice(f"{text}: frames {changed[0]} to {changed[1] - 1}. Ctrl+Z takes it back.")


def with_moved(keypoints: Keypoints2D, frame: int, moved: np.ndarray) -> Keypoints2D:
    """Keypoints with some of a frame where the user has put them."""
    joints = np.isfinite(moved).all(axis=-1)
    part = keypoints.part(frame, frame + 1)
    xy, scores, sources = part.xy.copy(), part.scores.copy(), np.array(part.sources)
    xy[0, joints] = moved[joints]
    scores[0, joints] = USER_SCORE
    sources[0, joints] = SOURCE_USER
    return keypoints.with_frames(frame, Keypoints2D(xy, scores, keypoints.skeleton, sources))
