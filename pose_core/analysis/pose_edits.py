"""Edits of 3D poses by hand, as plain data."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from pose_core.geometry import rotation_between, similarity_fit
from pose_core.session import ModelRun
from pose_core.skeleton import H36M_17

PARENTS = H36M_17.parents
# Edits that put other values in the place of what somebody has set.
_REPLACING = frozenset({"smooth", "interpolate", "correction"})
_REPLACING_ROOTS = frozenset({"interpolate", "correction"})
LEAST_OTHERS = 4


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


def moved_roots(meta: Mapping[str, object]) -> tuple[int, ...]:
    """Frames in which somebody has put the whole person elsewhere, told as in `moved_joints`."""
    moved: set[int] = set()
    for what, frames, joints in _notes(meta):
        if what == "move" and not joints:
            moved.update(range(*frames))
        elif what in _REPLACING_ROOTS:
            moved.difference_update(range(*frames))
    return tuple(sorted(moved))


def with_moved_of(
    run: ModelRun, old: ModelRun, frames: np.ndarray, *, is_scaled: bool = False
) -> ModelRun:
    """A new run with what somebody has put elsewhere in an old one: joints, and whole people.

    Parameters
    ----------
    run, old : ModelRun
        By the same model.
    frames : (N,) int ndarray
        Where to keep it.
    is_scaled : bool
        Body height or focal length are others in the new run. Then joints go along with the rest
        of the body: turned, scaled and moved as that is from one run to the other. Where the
        person was moved, it is seen at the same place of the picture, and its distance changes by
        the same factor as in the other frames. Without it joints stay where they are relative to
        the pelvis, and the pelvis stays where it is.
    """
    wanted = np.isin(np.arange(len(old.poses)), frames)
    stages, root, notes = run.poses.stages.copy(), np.array(run.poses.root), []
    for frame, joints in sorted(moved_joints(old.meta).items()):
        if wanted[frame] and np.isfinite(stages[-1, frame]).all():
            kept, pose = sorted(joints), old.poses.xyz[frame]
            pose = _gone_along(pose, stages[-1, frame], kept) if is_scaled else pose
            stages[-1, frame, kept] = pose[kept]
            notes.append({"what": "move", "frames": [frame, frame + 1], "joints": kept})
    moved = [frame for frame in moved_roots(old.meta) if wanted[frame]]
    if moved:
        old_root = np.asarray(old.poses.root)
        root[moved] = old_root[moved]
        if is_scaled:
            root[moved] *= _root_factors(old_root, np.asarray(run.poses.root), moved)
        notes += [{"what": "move", "frames": [frame, frame + 1]} for frame in moved]
    if not notes:
        return run
    before = run.meta.get("edits")
    edits = [*(before if isinstance(before, list) else []), *notes]
    poses = replace(run.poses, stages=stages, root=root)
    return ModelRun(poses, {**run.meta, "edits": edits})


def _gone_along(old: np.ndarray, new: np.ndarray, moved: list[int]) -> np.ndarray:
    """An old pose (17, 3) turned, scaled and moved as the joints that nobody has moved are."""
    others = [joint for joint in range(len(old)) if joint not in moved]
    if len(others) < LEAST_OTHERS:  # too few to tell how the body is turned
        others = list(range(len(old)))
    rotation, scale, translation = similarity_fit(old[others], new[others])
    return scale * old @ rotation.T + translation


def _root_factors(old: np.ndarray, new: np.ndarray, moved: list[int]) -> np.ndarray:
    """(3,) factors of the pelvis' coordinates (T, 3) from run to run, by the other frames."""
    known = np.asarray(np.isfinite(old + new).all(axis=1))
    others = known.copy()
    others[moved] = False
    old, new = (root[others if others.any() else known] for root in (old, new))
    sideways = float((old[:, :2] * new[:, :2]).sum() / max((old[:, :2] ** 2).sum(), 1e-12))
    return np.array([sideways, sideways, np.median(new[:, 2] / old[:, 2])])


def _notes(
    meta: Mapping[str, object],
) -> Iterator[tuple[str, tuple[int, int], frozenset[int]]]:
    """What was done, in which frames, and to which joints, where that was noted."""
    edits = meta.get("edits")
    for note in edits if isinstance(edits, list) else ():
        start, end = note["frames"]
        yield str(note["what"]), (int(start), int(end)), frozenset(note.get("joints", ()))
