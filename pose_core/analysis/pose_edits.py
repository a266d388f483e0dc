"""Edits of 3D poses by hand, as plain data."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from pose_core.geometry import rotation_between
from pose_core.session import ModelRun
from pose_core.skeleton import H36M_17

PARENTS = H36M_17.parents
# Edits that put other values in the place of what somebody has set.
_REPLACING = frozenset({"smooth", "interpolate", "correction"})


def limb(joint: int) -> tuple[int, ...]:
    """A joint and all joints beyond it."""
    found = {joint}
    for child, parent in enumerate(PARENTS):  # parents come before their children
        if parent in found:
            found.add(child)
    return tuple(sorted(found))


def turned_limb(pose: np.ndarray, joint: int, target: np.ndarray) -> np.ndarray:
    """A joint turned about its parent toward a point; the limb beyond goes with it as it is.

    Parameters
    ----------
    pose : (17, 3) ndarray
        Any axes, metres.
    joint : int
        One that has a parent.
    target : (3,) ndarray
        The joint comes to lie in this direction, seen from its parent.

    Returns
    -------
    (17, 3) float64 ndarray
        All bones as long as before. The same pose where parent and joint, or parent and target,
        lie in one place: there is no direction.
    """
    out = np.array(pose, dtype=np.float64)
    pivot = out[PARENTS[joint]].copy()
    before, after = out[joint] - pivot, np.asarray(target, dtype=np.float64) - pivot
    if min(np.linalg.norm(before), np.linalg.norm(after)) > 0:
        joints = list(limb(joint))
        out[joints] = pivot + (out[joints] - pivot) @ rotation_between(before, after).T
    return out


def nearest_on_sphere(
    centre: np.ndarray, radius: float, eye: np.ndarray, through: np.ndarray, *, is_far: bool
) -> np.ndarray:
    """Where a line of sight meets a sphere; where it passes by, the point nearest to it.

    Parameters
    ----------
    centre : (3,) ndarray
    radius : float
    eye, through : (3,) ndarray
        Two points of the line; the eye is outside of the sphere.
    is_far : bool
        Of two points take the one farther from the eye.

    Returns
    -------
    (3,) ndarray
    """
    along = (through - eye) / np.linalg.norm(through - eye)
    foot = eye + along * ((centre - eye) @ along)  # of the perpendicular from the centre
    offset = foot - centre
    distance = float(np.linalg.norm(offset))
    if distance >= radius:
        return centre + offset * (radius / distance)
    half_chord = np.sqrt(radius**2 - distance**2)
    return foot + along * (half_chord if is_far else -half_chord)


# --- who has set what -------------------------------------------------------------------------


def moved_joints(meta: Mapping[str, object]) -> dict[int, frozenset[int]]:
    """Which joints somebody has put where they are in 3D, told by the provenance of a run.

    Parameters
    ----------
    meta : Mapping
        Of a `ModelRun`: ``edits`` are notes of what was done, in order, with the frames and, for
        single joints, the joints.

    Returns
    -------
    dict of int to frozenset of int
        By frame; frames without such a joint are left out.
    """
    moved: dict[int, frozenset[int]] = {}
    for what, (start, end), joints in _notes(meta):
        if what == "move" and joints:
            for frame in range(start, end):
                moved[frame] = moved.get(frame, frozenset()) | joints
        elif what in _REPLACING:
            moved = {f: found for f, found in moved.items() if not start <= f < end}
        elif what == "swap":
            for frame in [f for f in moved if start <= f < end]:
                moved[frame] = frozenset(
                    int(H36M_17.mirror_index[j]) if j in joints else j for j in moved[frame]
                )
    return moved


def with_moved_of(run: ModelRun, old: ModelRun, frames: np.ndarray) -> ModelRun:
    """A new run with the joints that somebody has put elsewhere in an old one.

    Parameters
    ----------
    run, old : ModelRun
        By the same model.
    frames : (N,) int ndarray
        Where to keep them; they stay where they are relative to the pelvis.
    """
    wanted = np.isin(np.arange(len(old.poses)), frames)
    stages, notes = run.poses.stages.copy(), []
    for frame, joints in sorted(moved_joints(old.meta).items()):
        if wanted[frame] and np.isfinite(stages[-1, frame]).all():
            kept = sorted(joints)
            stages[-1, frame, kept] = old.poses.stages[-1, frame, kept]
            notes.append({"what": "move", "frames": [frame, frame + 1], "joints": kept})
    if not notes:
        return run
    before = run.meta.get("edits")
    edits = [*(before if isinstance(before, list) else []), *notes]
    return ModelRun(replace(run.poses, stages=stages), {**run.meta, "edits": edits})


def _notes(
    meta: Mapping[str, object],
) -> Iterator[tuple[str, tuple[int, int], frozenset[int]]]:
    """What was done, in which frames, and to which joints, where that was noted."""
    edits = meta.get("edits")
    for note in edits if isinstance(edits, list) else ():
        start, end = note["frames"]
        yield str(note["what"]), (int(start), int(end)), frozenset(note.get("joints", ()))
