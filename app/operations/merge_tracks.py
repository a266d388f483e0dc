"""Bring new tracks together with those that a session already has."""

from dataclasses import replace

import numpy as np

from pose_core.analysis.pose_edits import with_edits_of
from pose_core.analysis.track_edits import mixed_meta
from pose_core.poses import (
    SOURCE_IMPORTED,
    SOURCE_INTERPOLATED,
    SOURCE_USER,
    Keypoints2D,
    Poses3D,
)
from pose_core.session import ModelRun, Track

# Two tracks are one person when their joints lie nearer than this, in heights of the person.
SAME_PERSON_DISTANCE = 0.25
# Keypoints that an estimate does not replace.
KEPT_SOURCES = (SOURCE_USER, SOURCE_INTERPOLATED, SOURCE_IMPORTED)


def merge_tracks(
    old: tuple[Track, ...],
    new: tuple[Track, ...],
    start: int,
    end: int,
    *,
    replaces_edits: bool = False,
) -> tuple[Track, ...]:
    """Tracks of a session after an estimate of the frames ``start <= frame < end``.

    A person found again keeps id, name, what lies outside the range, runs of other models, and
    what the user has edited: keypoints that were set, interpolated or imported, and 3D that was
    moved, smoothed, interpolated or corrected. People not found again stay as they are.

    Parameters
    ----------
    old, new : tuple of Track
        All of one clip.
    start, end : int
    replaces_edits : bool
        What the user has edited is not kept.

    Returns
    -------
    tuple of Track
    """
    remaining = list(old)
    merged = []
    next_id = max((track.track_id for track in old), default=0) + 1
    for track, known in _matches(old, new):
        if known is None:
            has_default_name = track.name == f"Person {track.track_id}"
            name = f"Person {next_id}" if has_default_name else track.name
            merged.append(replace(track, track_id=next_id, name=name))
            next_id += 1
        else:
            remaining.remove(known)
            frames = np.arange(start, end)
            merged.append(_renewed(known, track, frames, keeps_edits=not replaces_edits))
    by_id = {track.track_id: track for track in [*remaining, *merged]}
    return tuple(by_id[track_id] for track_id in sorted(by_id))


def lifted_from(
    old: tuple[Track, ...], new: tuple[Track, ...], start: int, end: int
) -> dict[int, Keypoints2D]:
    """The keypoints that the new 3D of some people was computed from; arguments as above.

    Returns
    -------
    dict of int to Keypoints2D
        By track id, of those people alone some of whose keypoints `merge_tracks` keeps: their
        3D does not know of these.
    """
    frames = np.arange(start, end)
    return {
        known.track_id: _renewed_keypoints(known.keypoints, track.keypoints, frames, kept=())
        for track, known in _matches(old, new)
        if known is not None
        and np.isin(np.asarray(known.keypoints.sources)[frames], KEPT_SOURCES).any()
    }


def _matches(old: tuple[Track, ...], new: tuple[Track, ...]) -> list[tuple[Track, Track | None]]:
    """Every new track with the old one of the same person, if there is one."""
    remaining, found = list(old), []
    for track in new:
        known = _same_person(track, remaining)
        if known is not None:
            remaining.remove(known)
        found.append((track, known))
    return found


def _same_person(track: Track, candidates: list[Track]) -> Track | None:
    """The nearest candidate, if it is near enough to be the same person."""
    distances = [(_distance(track, other), i) for i, other in enumerate(candidates)]
    distance, index = min(distances, default=(np.inf, -1))
    return candidates[index] if distance < SAME_PERSON_DISTANCE else None


def _distance(a: Track, b: Track) -> float:
    """Median distance of joints over the frames that both have, in heights of the person."""
    common = np.flatnonzero(a.present_mask & b.present_mask)
    if not len(common):
        return np.inf
    xy_a, xy_b = a.keypoints.xy[common], b.keypoints.xy[common]
    heights = np.nanmax(xy_a, axis=1) - np.nanmin(xy_a, axis=1)
    distances = np.linalg.norm(xy_a - xy_b, axis=-1) / np.maximum(heights.max(axis=-1), 1)[:, None]
    known = distances[np.isfinite(distances)]
    return float(np.median(known)) if len(known) else np.inf


def _renewed(old: Track, new: Track, frames: np.ndarray, *, keeps_edits: bool) -> Track:
    runs = dict(old.runs)
    for model, run in new.runs.items():
        before = runs.pop(model, None)  # popped first: the newest run is the last one
        runs[model] = renewed_run(before, run, frames)
        if keeps_edits and before is not None:
            runs[model] = with_edits_of(runs[model], before, frames)
    kept = KEPT_SOURCES if keeps_edits else ()
    return replace(
        old,
        keypoints=_renewed_keypoints(old.keypoints, new.keypoints, frames, kept),
        runs=runs,
        swapped_mask=_renewed_mask(old, new, frames),
    )


def _renewed_keypoints(
    old: Keypoints2D, new: Keypoints2D, frames: np.ndarray, kept: tuple[int, ...] = KEPT_SOURCES
) -> Keypoints2D:
    xy, scores = old.xy.copy(), old.scores.copy()
    sources = np.array(old.sources)
    taken = np.zeros(sources.shape, dtype=bool)
    taken[frames] = ~np.isin(sources[frames], kept)
    xy[taken] = new.xy[taken]
    scores[taken] = new.scores[taken]
    sources[taken] = np.asarray(new.sources)[taken]
    return Keypoints2D(xy, scores, old.skeleton, sources)


def renewed_run(old: ModelRun | None, new: ModelRun, frames: np.ndarray) -> ModelRun:
    """The old run with the new one's poses in some frames; the new one where they do not match."""
    if old is None or old.poses.stages.shape != new.poses.stages.shape:
        return new
    stages, root = old.poses.stages.copy(), np.array(old.poses.root)
    stages[:, frames] = new.poses.stages[:, frames]
    root[frames] = np.asarray(new.poses.root)[frames]
    poses = Poses3D(stages, root, new.poses.skeleton, new.poses.is_root_estimated)
    is_kept = np.ones(len(new.poses), dtype=bool)
    is_kept[frames] = False
    return ModelRun(poses, mixed_meta(new.meta, old.meta, is_kept))


def _renewed_mask(old: Track, new: Track, frames: np.ndarray) -> np.ndarray | None:
    if new.swapped_mask is None:
        return old.swapped_mask
    none = np.zeros(len(new.keypoints), dtype=bool)
    mask = (none if old.swapped_mask is None else old.swapped_mask).copy()
    mask[frames] = new.swapped_mask[frames]
    return mask
