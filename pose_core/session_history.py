"""What was done to a session, step by step, so that it can be undone, also after a restart.

A step holds what it takes to get to the other side of it: before it is done, what it puts into
the session; afterwards, what it has put out of the way. Doing and undoing are the same exchange,
so nothing is kept twice. Of long arrays only the frames that differ are kept.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from pose_core import json_patch
from pose_core.errors import PoseStageError, SessionError
from pose_core.session import Session
from pose_core.session_parts import Arrays, frame_axis, parts_of, session_of

HISTORY_VERSION = 1
COMPARED_FRAMES = 8192  # at a time: bounds the memory that a comparison takes


@dataclass(frozen=True)
class Change:
    """What a command changed.

    Parameters
    ----------
    kind : {"poses", "people", "camera", "truth"}
        Positions of joints; which people there are or their names; focal length or body height;
        the exact 3D that errors are measured against.
    track_ids : tuple of int
        The tracks concerned; empty means all.
    start, end : int
        Frames ``start <= frame < end``; `end` -1 means to the end of the clip.
    """

    kind: Literal["poses", "people", "camera", "truth"]
    track_ids: tuple[int, ...] = ()
    start: int = 0
    end: int = -1


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

    @property
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
                arrays[name] = arrays[name].copy()
                change.of(arrays[name], axis)[...] = change.values
            else:
                back[name] = arrays.pop(name, None)
                if change is not None:
                    arrays[name] = change
        new_description = json_patch.patched(description, self.description)
        known = {
            str(track.track_id): track
            for track in session.tracks
            if not any(name.startswith(f"track{track.track_id}.") for name in self.arrays)
            and new_description["tracks"].get(str(track.track_id))
            is description["tracks"][str(track.track_id)]
        }
        other = session_of(new_description, arrays, session.clip, known)
        return other, Patch(json_patch.diff(new_description, description), back)


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
    for start in range(0, len(before), COMPARED_FRAMES):
        part = slice(start, start + COMPARED_FRAMES)
        differs = _bits(before[part]) != _bits(after[part])
        frames = np.flatnonzero(differs.any(axis=1))
        if len(frames):
            first = start + int(frames[0]) if first is None else first
            last = start + int(frames[-1]) + 1
    return None if first is None or last is None else (first, last)


def _bits(array: np.ndarray) -> np.ndarray:
    """(T, N) bytes of each frame: NaN equals itself, and -0.0 is not 0.0."""
    return np.ascontiguousarray(array).reshape(len(array), -1).view(np.uint8)


@dataclass(frozen=True, eq=False)
class Step:
    """One line of the history.

    Parameters
    ----------
    text : str
        Its name, for people.
    changes : tuple of Change
    patch : Patch
        Leads to the other side of the step.
    """

    text: str
    changes: tuple[Change, ...]
    patch: Patch

    def exchange(self, session: Session) -> "tuple[Session, Step]":
        """Do or undo the step: the other session, and the step seen from there.

        Raises
        ------
        SessionError
            If the step was not made for this session.
        """
        other, patch = self.patch.exchange(session)
        return other, replace(self, patch=patch)


@dataclass(frozen=True, eq=False)
class History:
    """All steps of a session.

    Parameters
    ----------
    steps : tuple of Step
        The oldest first.
    index : int
        How many of them are done; the others were undone.
    """

    steps: tuple[Step, ...] = ()
    index: int = 0

    def limited(self, max_bytes: int) -> "History":
        """The same without the oldest steps, so that it takes no more than `max_bytes`.

        Steps that were undone are always kept; so is the last one that was done.
        """
        sizes = [step.patch.num_bytes for step in self.steps]
        num_dropped, total = 0, sum(sizes)
        while total > max_bytes and num_dropped < self.index - 1:
            total -= sizes[num_dropped]
            num_dropped += 1
        return History(self.steps[num_dropped:], self.index - num_dropped)


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


def encode_history(history: History, arrays: Arrays) -> dict[str, Any]:
    """A history as JSON; its arrays are added to `arrays`."""
    return {
        "version": HISTORY_VERSION,
        "index": history.index,
        "steps": [
            {
                "text": step.text,
                "changes": [asdict(change) for change in step.changes],
                **encode_patch(step.patch, f"step{i}", arrays),
            }
            for i, step in enumerate(history.steps)
        ],
    }


def decode_history(stored: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> History:
    """Inverse of `encode_history`.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError
        If it is damaged, or of another version.
    """
    if stored["version"] != HISTORY_VERSION:
        raise ValueError(f"a history of version {stored['version']}")
    steps = tuple(
        Step(
            str(step["text"]),
            tuple(_decode_change(change) for change in step["changes"]),
            decode_patch(step, arrays),
        )
        for step in stored["steps"]
    )
    index = int(stored["index"])
    if not 0 <= index <= len(steps):
        raise ValueError("a history without its present state")
    return History(steps, index)


def _decode_change(stored: dict[str, Any]) -> Change:
    if stored["kind"] not in ("poses", "people", "camera", "truth"):
        raise ValueError(f"a change of kind {stored['kind']!r}")
    ids = tuple(int(track_id) for track_id in stored["track_ids"])
    return Change(stored["kind"], ids, int(stored["start"]), int(stored["end"]))
