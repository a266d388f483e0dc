"""Edits of 3D poses by hand, as plain data."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pose_core.geometry import rotation_between, similarity_fit
from pose_core.session import ModelRun, Track
from pose_core.skeleton import H36M_17

PARENTS = H36M_17.parents
# Edits that change all joints, and those of them that change the place of the pelvis too.
_OF_ALL_JOINTS = frozenset({"smooth", "interpolate", "correction"})
_OF_ROOTS = frozenset({"interpolate", "correction"})
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
        elif what in _OF_ALL_JOINTS:
            moved = {f: found for f, found in moved.items() if not start <= f < end}
        elif what == "swap":
            for frame in [f for f in moved if start <= f < end]:
                moved[frame] = frozenset(
                    int(H36M_17.mirror_index[j]) if j in joints else j for j in moved[frame]
                )
    return moved


def edited_frames(meta: Mapping[str, object], num_frames: int) -> np.ndarray:
    """(T,) bool: frames in which somebody has changed the 3D of a run with this provenance."""
    return _frames_of(
        (frames for what, frames, _ in _notes(meta) if what == "move" or what in _OF_ALL_JOINTS),
        num_frames,
    )


def edited_in_3d(track: Track, model: str | None) -> np.ndarray:
    """(T,) bool: frames of a person in which somebody has changed the 3D of a model."""
    run = track.runs.get(model or "")
    return edited_frames({} if run is None else run.meta, len(track.keypoints))


def edits_in(meta: Mapping[str, object], mask: np.ndarray) -> list[dict[str, Any]]:
    """Notes of what was done, of some frames alone; one that is torn apart becomes several."""
    edits = meta.get("edits")
    found = []
    for note in edits if isinstance(edits, list) else ():
        start, end = note["frames"]
        pieces = ([start + a, start + b] for a, b in _stretches(mask[start:end]))
        found += [{**note, "frames": piece} for piece in pieces]
    return found


def with_edits_of(
    run: ModelRun, old: ModelRun, frames: np.ndarray, *, is_scaled: bool = False
) -> ModelRun:
    """A new run with what somebody has changed in the answer (the last stage) of an old one.

    These are joints and whole people that were moved, and poses that were smoothed, interpolated
    or corrected. Of the stages before, which tell how the network came to its answer, nothing is
    kept.

    Parameters
    ----------
    run, old : ModelRun
        By the same model.
    frames : (N,) int ndarray
        Where to keep it; in frames without a pose in one of the two there is nothing to keep.
    is_scaled : bool
        Body height or focal length are others in the new run. Then what was changed goes along
        with the rest of the body: turned, scaled and moved as that is from one run to the other.
        Where the person was moved, it is seen at the same place of the picture, and its distance
        changes by the same factor as in the other frames. Without it joints stay where they are
        relative to the pelvis, and the pelvis stays where it is.
    """
    wanted = np.isin(np.arange(len(old.poses)), frames)
    wanted &= np.isfinite(old.poses.xyz + run.poses.xyz).all(axis=(1, 2))
    stages, root = run.poses.stages.copy(), np.array(run.poses.root)
    notes = [note for note in edits_in(old.meta, wanted) if note["what"] in _OF_ALL_JOINTS]
    whole = _frames_of((note["frames"] for note in notes), len(wanted))
    for start, end in _stretches(whole):
        poses = old.poses.xyz[start:end]
        stages[-1, start:end] = _of_size(poses, run.poses.xyz[start:end]) if is_scaled else poses
    for frame, joints in sorted(moved_joints(old.meta).items()):
        if wanted[frame]:
            kept, pose = sorted(joints), old.poses.xyz[frame]
            pose = _gone_along(pose, stages[-1, frame], kept) if is_scaled else pose
            stages[-1, frame, kept] = pose[kept]
            notes.append({"what": "move", "frames": [frame, frame + 1], "joints": kept})
    notes += [
        note
        for note in edits_in(old.meta, wanted)
        if note["what"] == "move" and not note.get("joints")
    ]
    moved = np.flatnonzero(_moved_roots({"edits": notes}, len(wanted)))
    if len(moved):
        old_root = np.asarray(old.poses.root)
        root[moved] = old_root[moved]
        if is_scaled:
            root[moved] *= _root_factors(old_root, np.asarray(run.poses.root), moved)
    if not notes:
        return run
    before = run.meta.get("edits")
    edits = [*(before if isinstance(before, list) else []), *notes]
    return ModelRun(replace(run.poses, stages=stages, root=root), {**run.meta, "edits": edits})


def _moved_roots(meta: Mapping[str, object], num_frames: int) -> np.ndarray:
    """(T,) bool: frames in which somebody has put the pelvis elsewhere."""
    return _frames_of(
        (
            frames
            for what, frames, joints in _notes(meta)
            if what in _OF_ROOTS or (what == "move" and not joints)
        ),
        num_frames,
    )


def _of_size(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Old poses (N, 17, 3) turned and scaled as the new ones are.

    All of them in the same way: from frame to frame they would tremble with the new ones.
    """
    rotation, scale, _ = similarity_fit(old.reshape(-1, 3), new.reshape(-1, 3))
    return scale * old @ rotation.T


def _gone_along(old: np.ndarray, new: np.ndarray, moved: list[int]) -> np.ndarray:
    """An old pose (17, 3) turned, scaled and moved as the joints that nobody has moved are."""
    others = [joint for joint in range(len(old)) if joint not in moved]
    if len(others) < LEAST_OTHERS:  # too few to tell how the body is turned
        others = list(range(len(old)))
    rotation, scale, translation = similarity_fit(old[others], new[others])
    return scale * old @ rotation.T + translation


def _root_factors(old: np.ndarray, new: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """(3,) factors of the pelvis' coordinates (T, 3) from run to run, by the other frames."""
    known = np.asarray(np.isfinite(old + new).all(axis=1))
    others = known.copy()
    others[moved] = False
    old, new = (root[others if others.any() else known] for root in (old, new))
    sideways = float((old[:, :2] * new[:, :2]).sum() / max((old[:, :2] ** 2).sum(), 1e-12))
    return np.array([sideways, sideways, np.median(new[:, 2] / old[:, 2])])


def _frames_of(ranges: Iterable[Sequence[int]], num_frames: int) -> np.ndarray:
    """(T,) bool: frames that lie in one of the ranges."""
    mask = np.zeros(num_frames, dtype=bool)
    for start, end in ranges:
        mask[start:end] = True
    return mask


def _stretches(mask: np.ndarray) -> list[list[int]]:
    """First frame of each stretch of a mask, and the one behind its last."""
    return np.flatnonzero(np.diff(mask, prepend=False, append=False)).reshape(-1, 2).tolist()


def _notes(
    meta: Mapping[str, object],
) -> Iterator[tuple[str, tuple[int, int], frozenset[int]]]:
    """What was done, in which frames, and to which joints, where that was noted."""
    edits = meta.get("edits")
    for note in edits if isinstance(edits, list) else ():
        start, end = note["frames"]
        yield str(note["what"]), (int(start), int(end)), frozenset(note.get("joints", ()))
