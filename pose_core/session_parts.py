"""A session taken apart into a JSON description and named arrays, and put together again.

Session files and the undo history both store these parts. Whoever adds something to `Session`
adds it here, and it is saved, recovered and undone.

==============================  ============================================================
array                           shape, type
==============================  ============================================================
``track1.xy``                   (T, J, 2) float32, pixels
``track1.scores``               (T, J) float32
``track1.sources``              (T, J) uint8
``track1.swapped``              (T,) bool; may be missing
``track1.stages.MODEL``         (S, T, J, 3) float32, metres, relative to the root
``track1.root.MODEL``           (T, 3) float32, metres, camera coordinates
``truth.stages, .root, .xy``    the same of the truth; ``xy`` may be missing
==============================  ============================================================
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pose_core.clip import Clip
from pose_core.errors import SessionError
from pose_core.poses import Keypoints2D, Poses3D
from pose_core.session import ModelRun, Note, Session, Track, Truth
from pose_core.skeleton import SKELETONS, Skeleton

Arrays = dict[str, np.ndarray]


def frame_axis(key: str) -> int:
    """Which axis of an array counts the frames."""
    return 1 if key.split(".")[1] == "stages" else 0


# --- taking apart -----------------------------------------------------------------------------


def parts_of(session: Session) -> tuple[dict[str, Any], Arrays]:
    """Description and arrays of a session, without its clip; nothing is copied.

    Raises
    ------
    SessionError
        If it has a skeleton that is not known.
    """
    arrays: Arrays = {}
    description = {
        "focal_px": session.focal_px,
        "body_height_m": session.body_height_m,
        "truth": _truth_parts(session.truth, arrays),
        "track_ids": [track.track_id for track in session.tracks],
        "tracks": {str(track.track_id): track_parts(track, arrays) for track in session.tracks},
        "notes": {str(note.frame): note.text for note in session.notes},
    }
    return description, arrays


def _truth_parts(truth: Truth | None, arrays: Arrays) -> dict[str, Any] | None:
    if truth is None:
        return None
    if truth.xy is not None:
        arrays["truth.xy"] = np.asarray(truth.xy, dtype=np.float32)
    arrays["truth.stages"] = truth.poses.stages
    arrays["truth.root"] = np.asarray(truth.poses.root)
    return {
        "source": truth.source,
        "is_beside_clip": truth.is_beside_clip,
        **_pose_facts(truth.poses),
    }


def track_parts(track: Track, arrays: Arrays) -> dict[str, Any]:
    """Description of one person; its arrays are added to `arrays`."""
    key, keypoints = f"track{track.track_id}", track.keypoints
    arrays[f"{key}.xy"] = keypoints.xy
    arrays[f"{key}.scores"] = keypoints.scores
    arrays[f"{key}.sources"] = np.asarray(keypoints.sources)
    if track.swapped_mask is not None:
        arrays[f"{key}.swapped"] = np.asarray(track.swapped_mask, dtype=bool)
    for model, run in track.runs.items():
        arrays[f"{key}.stages.{model}"] = run.poses.stages
        arrays[f"{key}.root.{model}"] = np.asarray(run.poses.root)
    return {
        "name": track.name,
        "skeleton": _skeleton_name(keypoints.skeleton),
        "models": list(track.runs),  # the newest is the last one
        "runs": {
            model: {"meta": dict(run.meta), **_pose_facts(run.poses)}
            for model, run in track.runs.items()
        },
    }


def _pose_facts(poses: Poses3D) -> dict[str, Any]:
    return {
        "skeleton": _skeleton_name(poses.skeleton),
        "is_root_estimated": poses.is_root_estimated,
    }


def _skeleton_name(skeleton: Skeleton) -> str:
    if SKELETONS.get(skeleton.name) != skeleton:
        raise SessionError(f"The skeleton {skeleton.name!r} cannot be stored: it is not known.")
    return skeleton.name


# --- putting together -------------------------------------------------------------------------


def session_of(
    description: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    clip: Clip,
    known: Session | None = None,
) -> Session:
    """Inverse of `parts_of`.

    Parameters
    ----------
    description : Mapping
    arrays : Mapping of str to ndarray
    clip : Clip
    known : Session, optional
        Tracks, keypoints and runs that it has already are taken from it: what was computed of
        them need not be computed again.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError, ConfigError
        If something is missing, of another type or shape, or does not fit together.
    """
    before = {str(track.track_id): track for track in known.tracks} if known else {}
    return Session(
        clip,
        tuple(
            _track_of(track_id, description["tracks"][track_id], arrays, clip, before.get(track_id))
            for track_id in map(str, description["track_ids"])
        ),
        focal_px=_number_or_none(description["focal_px"]),
        body_height_m=_number_or_none(description["body_height_m"]),
        truth=_truth_of(description["truth"], arrays, clip, known.truth if known else None),
        notes=_notes_of(description["notes"]),
    )


def _notes_of(stored: Mapping[str, str]) -> tuple[Note, ...]:
    notes = (Note(int(frame), str(text)) for frame, text in stored.items())
    return tuple(sorted(notes, key=lambda note: note.frame))


def _truth_of(
    stored: dict[str, Any] | None,
    arrays: Mapping[str, np.ndarray],
    clip: Clip,
    known: Truth | None,
) -> Truth | None:
    if stored is None:
        return None
    if known is not None:
        before: Arrays = {}
        facts = _truth_parts(known, before)
        names = {*before, *(name for name in arrays if name.startswith("truth."))}
        if facts == stored and all(before.get(name) is arrays.get(name) for name in names):
            return known
    xy = _taken(arrays, "truth.xy", np.float32) if "truth.xy" in arrays else None
    poses = _poses_of(stored, arrays, ("truth.stages", "truth.root"), clip)
    return Truth(poses, xy, str(stored["source"]), bool(stored["is_beside_clip"]))


def _track_of(
    track_id: str,
    stored: dict[str, Any],
    arrays: Mapping[str, np.ndarray],
    clip: Clip,
    known: Track | None,
) -> Track:
    key, swapped = f"track{track_id}", None
    if f"{key}.swapped" in arrays:
        swapped = _taken(arrays, f"{key}.swapped", np.bool_)
        _check_shape(swapped, (clip.num_frames,))
    track = Track(
        int(track_id),
        str(stored["name"]),
        _keypoints_of(key, stored, arrays, known),
        {
            str(model): _run_of(key, model, stored, arrays, clip, known)
            for model in stored["models"]
        },
        swapped,
    )
    return known if known is not None and _is_same_track(track, known) else track


def _is_same_track(track: Track, known: Track) -> bool:
    """Whether all parts of two tracks are the same objects."""
    return (
        track.name == known.name
        and track.keypoints is known.keypoints
        and track.swapped_mask is known.swapped_mask
        and list(track.runs) == list(known.runs)
        and all(run is known.runs[model] for model, run in track.runs.items())
    )


def _keypoints_of(
    key: str, stored: dict[str, Any], arrays: Mapping[str, np.ndarray], known: Track | None
) -> Keypoints2D:
    xy = _taken(arrays, f"{key}.xy", np.float32)
    scores = _taken(arrays, f"{key}.scores", np.float32)
    sources = _taken(arrays, f"{key}.sources", np.uint8)
    skeleton = SKELETONS[stored["skeleton"]]
    if known is not None and known.keypoints.skeleton == skeleton:
        before = known.keypoints
        if xy is before.xy and scores is before.scores and sources is before.sources:
            return before
    _check_shape(sources, scores.shape)
    return Keypoints2D(xy, scores, skeleton, sources)


def _run_of(
    key: str,
    model: str,
    stored: dict[str, Any],
    arrays: Mapping[str, np.ndarray],
    clip: Clip,
    known: Track | None,
) -> ModelRun:
    facts = stored["runs"][model]
    poses = _poses_of(facts, arrays, (f"{key}.stages.{model}", f"{key}.root.{model}"), clip)
    run = ModelRun(poses, dict(facts["meta"]))
    before = known.runs.get(model) if known is not None else None
    is_same = (
        before is not None
        and arrays[f"{key}.stages.{model}"] is before.poses.stages
        and arrays[f"{key}.root.{model}"] is before.poses.root
        and _pose_facts(poses) == _pose_facts(before.poses)
        and run.meta == before.meta
    )
    return before if is_same and before is not None else run


def _poses_of(
    stored: dict[str, Any], arrays: Mapping[str, np.ndarray], keys: tuple[str, str], clip: Clip
) -> Poses3D:
    stages, root = (_taken(arrays, key, np.float32) for key in keys)
    _check_shape(root, (clip.num_frames, 3))
    return Poses3D(stages, root, SKELETONS[stored["skeleton"]], bool(stored["is_root_estimated"]))


def _taken(arrays: Mapping[str, np.ndarray], name: str, dtype: type) -> np.ndarray:
    array = arrays[name]
    if array.dtype != dtype:
        raise TypeError(f"{name} is of type {array.dtype}")
    return array


def _check_shape(array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"an array is {array.shape} in place of {shape}")


def _number_or_none(value: Any) -> float | None:
    return None if value is None else float(value)
