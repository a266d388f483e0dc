"""People put together from frames of others: split, merged, exchanged."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pose_core.analysis.pose_edits import edits_in
from pose_core.errors import ConfigError
from pose_core.poses import Keypoints2D, Poses3D
from pose_core.session import ModelRun, Track


def split(track: Track, frame: int, track_id: int, name: str) -> tuple[Track, Track]:
    """One person up to a frame, and another one, of that id and name, from it on."""
    is_later = np.arange(len(track.keypoints)) >= frame
    later = replace(track, track_id=track_id, name=name)
    return with_frames_of(track, None, is_later), with_frames_of(later, None, ~is_later)


def exchanged(a: Track, b: Track, frame: int) -> tuple[Track, Track]:
    """Two people who are each other from a frame on.

    Raises
    ------
    ConfigError
        See `with_frames_of`.
    """
    is_later = np.arange(len(a.keypoints)) >= frame
    return with_frames_of(a, b, is_later), with_frames_of(b, a, is_later)


def merged(track: Track, other: Track, *, prefers_other: bool) -> Track:
    """One person who was taken for two.

    Parameters
    ----------
    track, other : Track
        The first gives id and name.
    prefers_other : bool
        Whose joints are kept in frames that both have.

    Raises
    ------
    ConfigError
        See `with_frames_of`.
    """
    is_taken = other.present_mask & (prefers_other | ~track.present_mask)
    return with_frames_of(track, other, np.asarray(is_taken))


def with_frames_of(track: Track, other: Track | None, mask: np.ndarray) -> Track:
    """A person who in some frames is another one.

    Parameters
    ----------
    track : Track
    other : Track or None
        None: nobody.
    mask : (T,) bool ndarray
        The frames that are taken from `other`: keypoints, 3D by each model, provenance. Where
        one of the two has no 3D by a model there is none in its frames.

    Raises
    ------
    ConfigError
        If the 3D by one model has other stages, which cannot be put together.
    """
    own, theirs = track.keypoints, None if other is None else other.keypoints
    keypoints = Keypoints2D(
        _mixed(own.xy, None if theirs is None else theirs.xy, mask, np.nan),
        _mixed(own.scores, None if theirs is None else theirs.scores, mask, 0),
        own.skeleton,
        _mixed(
            np.asarray(own.sources), None if theirs is None else np.asarray(theirs.sources), mask, 0
        ),
    )
    their_runs = {} if other is None else other.runs
    models = [*track.runs, *(model for model in their_runs if model not in track.runs)]
    runs = {
        model: _mixed_run(model, track.runs.get(model), their_runs.get(model), mask)
        for model in models
    }
    swapped = track.swapped_mask
    other_swapped = None if other is None else other.swapped_mask
    if swapped is not None or other_swapped is not None:
        none = np.zeros(len(mask), dtype=bool)
        swapped = _mixed(none if swapped is None else swapped, other_swapped, mask, False)
    return replace(track, keypoints=keypoints, runs=runs, swapped_mask=swapped)


def mixed_meta(
    own: Mapping[str, object], theirs: Mapping[str, object] | None, mask: np.ndarray
) -> dict[str, object]:
    """Provenance of a run that in some frames is another one, or nothing.

    What it says of single frames is theirs in those frames: the verdicts of self-correction, and
    what was edited. All else is the run's own.

    Parameters
    ----------
    own : Mapping
    theirs : Mapping or None
    mask : (T,) bool ndarray
    """
    meta: dict[str, Any] = {key: value for key, value in own.items() if key != "edits"}
    edits = edits_in(own, ~mask) + edits_in(theirs or {}, mask)
    if edits:
        meta["edits"] = edits
    verdicts, other = own.get("correction"), (theirs or {}).get("correction")
    if isinstance(verdicts, dict):
        steps, their_steps = np.array(verdicts["steps"]), np.full(len(mask), -1)
        discarded, their_discarded = set(verdicts["discarded_frames"]), set[int]()
        if isinstance(other, dict):
            their_steps, their_discarded = np.array(other["steps"]), set(other["discarded_frames"])
        taken = set(np.flatnonzero(mask).tolist())
        meta["correction"] = {
            "steps": np.where(mask, their_steps, steps).tolist(),
            "discarded_frames": sorted((discarded - taken) | (their_discarded & taken)),
        }
    return meta


def _mixed_run(
    model: str, own: ModelRun | None, theirs: ModelRun | None, mask: np.ndarray
) -> ModelRun:
    if own is None:
        assert theirs is not None
        return _mixed_run(model, theirs, None, ~mask)
    poses, other = own.poses, None if theirs is None else theirs.poses
    if other is not None and len(other.stages) != len(poses.stages):
        raise ConfigError(
            f"The 3D by {model} of one has {len(poses.stages)} stages, that of the other "
            f"{len(other.stages)}.",
            "Compute it anew for both: Pose > 3D Again from the Same 2D.",
        )
    stages = np.array(poses.stages)
    stages[:, mask] = np.nan if other is None else other.stages[:, mask]
    root = _mixed(
        np.asarray(poses.root), None if other is None else np.asarray(other.root), mask, np.nan
    )
    is_estimated = poses.is_root_estimated or (other is not None and other.is_root_estimated)
    meta = mixed_meta(own.meta, None if theirs is None else theirs.meta, mask)
    return ModelRun(Poses3D(stages, root, poses.skeleton, is_estimated), meta)


def _mixed(
    own: np.ndarray, theirs: np.ndarray | None, mask: np.ndarray, nothing: float
) -> np.ndarray:
    """An array (T, ...) that in some frames is another one, or nothing."""
    out = np.array(own)
    out[mask] = nothing if theirs is None else theirs[mask]
    return out
