"""What makes another session of a session: only what differs is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from pose_core import json_patch
from pose_core.array_versions import unequal_bytes, with_frames
from pose_core.errors import PoseStageError, SessionError
from pose_core.session import Session, Track
from pose_core.session_parts import Arrays, frame_axis, parts_of, session_of, track_parts

COMPARED_FRAMES = 8192  # at a time: bounds the memory that a comparison takes


@dataclass(frozen=True, eq=False)
class Frames:
    """Some frames of an array.

    Parameters
    ----------
    start : int
        The first of them.
    values : ndarray
        Like the array, with these frames alone.
    """

    start: int
    values: np.ndarray

    def of(self, array: np.ndarray, axis: int) -> np.ndarray:
        """The same frames of another array, as a view.

        Raises
        ------
        ValueError
            If it has other frames.
        """
        end = self.start + self.values.shape[axis]
        part = array[:, self.start : end] if axis else array[self.start : end]
        if self.start < 0 or part.shape != self.values.shape or array.dtype != self.values.dtype:
            raise ValueError("the frames do not fit the array")
        return part


@dataclass(frozen=True, eq=False)
class Patch:
    """What makes another session of a session.

    Parameters
    ----------
    description : dict, optional
        Of `json_patch`, for the description in `session_parts`.
    arrays : Mapping
        By name in `session_parts`: a whole array, some frames of it, or None for an array that
        the other session does not have.
    """

    description: dict[str, Any] | None = None
    arrays: Mapping[str, np.ndarray | Frames | None] = field(default_factory=dict)

    @classmethod
    def between(cls, before: Session, after: Session) -> "Patch":
        """The patch that leads from one session to another of the same clip."""
        description, arrays = parts_of(before)
        new_description, new_arrays = parts_of(after)
        changes: dict[str, np.ndarray | Frames | None] = {
            name: None for name in arrays if name not in new_arrays
        }
        for name, array in new_arrays.items():
            if name not in arrays:
                changes[name] = array
                continue
            change = _change(arrays[name], array, frame_axis(name))
            if change is not None:
                changes[name] = change
        return cls(json_patch.diff(description, new_description), changes)

    @classmethod
    def of_frames(
        cls, before: Track, after: Track, models: tuple[str, ...], start: int, end: int
    ) -> "Patch":
        """The patch that puts some frames of `after` in the place of those of `before`.

        Parameters
        ----------
        before, after : Track
            The same person.
        models : tuple of str
            Whose poses are taken, with their provenance; the keypoints are always.
        start, end : int
            Frames ``start <= frame < end``.
        """
        arrays: Arrays = {}
        new_arrays: Arrays = {}
        runs = track_parts(before, arrays)["runs"]
        new_runs = track_parts(after, new_arrays)["runs"]
        key = f"track{after.track_id}"
        names = [f"{key}.{part}" for part in ("xy", "scores", "sources")]
        names += [f"{key}.{part}.{model}" for model in models for part in ("stages", "root")]
        changes: dict[str, np.ndarray | Frames | None] = {}
        for name in names:
            part = (slice(None),) * frame_axis(name) + (slice(start, end),)
            old, new = arrays[name][part], new_arrays[name][part]
            if old.tobytes() != new.tobytes():
                changes[name] = Frames(start, new.copy())
        metas = {model: json_patch.diff(runs[model], new_runs[model]) for model in models}
        path = ("tracks", str(after.track_id), "runs")
        return cls(_nested(path, {name: meta for name, meta in metas.items() if meta}), changes)

    @cached_property
    def num_bytes(self) -> int:
        """About what it takes in memory, and in a file."""
        arrays = (
            each.values if isinstance(each, Frames) else each for each in self.arrays.values()
        )
        size = sum(array.nbytes for array in arrays if array is not None)
        return size + json_patch.num_bytes(self.description)

    def exchange(self, session: Session) -> "tuple[Session, Patch]":
        """The other session, and the patch that leads back.

        Raises
        ------
        SessionError
            If the patch was not made for this session.
        """
        try:
            return self._exchange(session)
        except (KeyError, TypeError, ValueError, AttributeError, PoseStageError) as exc:
            raise SessionError(
                f"This step of the history does not fit the session ({type(exc).__name__}: {exc})."
            ) from exc

    def _exchange(self, session: Session) -> "tuple[Session, Patch]":
        description, arrays = parts_of(session)
        back: dict[str, np.ndarray | Frames | None] = {}
        for name, change in self.arrays.items():
            if isinstance(change, Frames):
                axis = frame_axis(name)
                back[name] = Frames(change.start, change.of(arrays[name], axis).copy())
                arrays[name] = with_frames(arrays[name], axis, change.start, change.values)
            else:
                back[name] = arrays.pop(name, None)
                if change is not None:
                    arrays[name] = change
        new_description = json_patch.patched(description, self.description)
        other = session_of(new_description, arrays, session.clip, session)
        self._take_over(session, other)
        return other, Patch(json_patch.diff(new_description, description), back)

    def _take_over(self, session: Session, other: Session) -> None:
        """Let keypoints of which some frames are others keep what is known of the rest."""
        before = {track.track_id: track.keypoints for track in session.tracks}
        for track in other.tracks:
            key, known = f"track{track.track_id}", before.get(track.track_id)
            if known is None or track.keypoints is known:
                continue
            changes = [self.arrays.get(f"{key}.{part}") for part in ("xy", "scores", "sources")]
            parts = [change for change in changes if isinstance(change, Frames)]
            if all(change is None or isinstance(change, Frames) for change in changes):
                track.keypoints.take_over(
                    known,
                    min((part.start for part in parts), default=0),
                    max((part.start + len(part.values) for part in parts), default=0),
                )


def joined(older: Patch, newer: Patch, session: Session) -> Patch:
    """Two steps back in one.

    Parameters
    ----------
    older : Patch
        Leads from where `newer` leads to.
    newer : Patch
        Leads back from `session`; of arrays alone.
    session : Session
        The present one.
    """
    _, arrays = parts_of(session)
    changes = {**newer.arrays, **older.arrays}
    for name in newer.arrays.keys() & older.arrays.keys():
        parts = newer.arrays[name], older.arrays[name]
        changes[name] = _joined_frames(*parts, arrays[name], frame_axis(name))
    return Patch(older.description, changes)


def _joined_frames(
    newer: np.ndarray | Frames | None,
    older: np.ndarray | Frames | None,
    array: np.ndarray,
    axis: int,
) -> np.ndarray | Frames | None:
    if not isinstance(older, Frames) or newer is None:
        return older  # it replaces all that the newer one does
    if isinstance(newer, np.ndarray):
        values = newer.copy()
        older.of(values, axis)[...] = older.values
        return values
    start = min(newer.start, older.start)
    end = max(part.start + part.values.shape[axis] for part in (newer, older))
    lead = (slice(None),) * axis
    values = array[(*lead, slice(start, end))].copy()
    for part in (newer, older):
        Frames(part.start - start, part.values).of(values, axis)[...] = part.values
    return Frames(start, values)


def _nested(path: tuple[str, ...], changes: dict[str, Any]) -> dict[str, Any] | None:
    """A patch of entries of an object that lies within others."""
    if not changes:
        return None
    patch = {"keys": changes}
    for name in reversed(path):
        patch = {"keys": {name: patch}}
    return patch


def _change(before: np.ndarray, after: np.ndarray, axis: int) -> np.ndarray | Frames | None:
    """What of `after` differs: nothing, some frames (copied), or all of it."""
    if before.shape != after.shape or before.dtype != after.dtype:
        return after
    if _is_same_memory(before, after):
        return None
    pairs = list(zip(before, after, strict=True)) if axis else [(before, after)]
    ranges = [found for pair in pairs if (found := _changed_range(*pair)) is not None]
    if not ranges:
        return None
    start, end = min(first for first, _ in ranges), max(last for _, last in ranges)
    if 2 * (end - start) > before.shape[axis]:
        return after
    return Frames(start, (after[:, start:end] if axis else after[start:end]).copy())


def _is_same_memory(a: np.ndarray, b: np.ndarray) -> bool:
    return a.__array_interface__["data"] == b.__array_interface__["data"] and a.strides == b.strides


def _changed_range(before: np.ndarray, after: np.ndarray) -> tuple[int, int] | None:
    """First frame with another bit in it, and the one behind the last; None where all is equal."""
    first = last = None
    low, high = unequal_bytes(before, after)
    frame_bytes = max(before.nbytes // max(len(before), 1), 1)
    end = -(-high // frame_bytes)
    for start in range(low // frame_bytes, end, COMPARED_FRAMES):
        part = slice(start, min(start + COMPARED_FRAMES, end))
        differs = _bits(before[part]) != _bits(after[part])
        frames = np.flatnonzero(differs.any(axis=1))
        if len(frames):
            first = start + int(frames[0]) if first is None else first
            last = start + int(frames[-1]) + 1
    return None if first is None or last is None else (first, last)


def _bits(array: np.ndarray) -> np.ndarray:
    """(T, N) bytes of each frame: NaN equals itself, and -0.0 is not 0.0."""
    return np.ascontiguousarray(array).reshape(len(array), -1).view(np.uint8)


# --- in files ---------------------------------------------------------------------------------


def encode_patch(patch: Patch, key: str, arrays: Arrays) -> dict[str, Any]:
    """A patch as JSON; its arrays are added to `arrays` under names that begin with `key`."""
    stored: dict[str, Any] = {}
    for i, (name, change) in enumerate(patch.arrays.items()):
        if change is None:
            stored[name] = None
            continue
        is_part = isinstance(change, Frames)
        arrays[f"{key}.{i}"] = change.values if is_part else change
        stored[name] = {"array": f"{key}.{i}", "start": change.start if is_part else None}
    return {"description": patch.description, "arrays": stored}


def decode_patch(stored: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> Patch:
    """Inverse of `encode_patch`.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError
        If it is damaged.
    """
    changes: dict[str, np.ndarray | Frames | None] = {}
    for name, change in stored["arrays"].items():
        if change is None:
            changes[name] = None
            continue
        values, start = arrays[change["array"]], change["start"]
        changes[name] = values if start is None else Frames(int(start), values)
    return Patch(stored["description"], changes)
