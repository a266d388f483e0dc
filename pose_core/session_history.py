"""What was done to a session, step by step, so that it can be undone, also after a restart.

A step holds what it takes to get to the other side of it: before it is done, what it puts into
the session; afterwards, what it has put out of the way. Doing and undoing are the same exchange,
so nothing is kept twice. Of long arrays only the frames that differ are kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from pose_core.session import Session
from pose_core.session_parts import Arrays
from pose_core.session_patch import Patch, decode_patch, encode_patch

HISTORY_VERSION = 1


@dataclass(frozen=True)
class Change:
    """What a command changed.

    Parameters
    ----------
    kind : {"poses", "people", "camera", "truth", "notes"}
        Positions of joints; which people there are or their names; focal length or body height;
        the exact 3D that errors are measured against; notes and bookmarks.
    track_ids : tuple of int
        The tracks concerned; empty means all.
    start, end : int
        Frames ``start <= frame < end``; `end` -1 means to the end of the clip.
    """

    kind: Literal["poses", "people", "camera", "truth", "notes"]
    track_ids: tuple[int, ...] = ()
    start: int = 0
    end: int = -1


def merged_changes(changes: Iterable[Change]) -> list[Change]:
    """One change for each kind, that covers all of them."""
    merged: dict[str, Change] = {}
    for change in changes:
        known = merged.get(change.kind)
        if known is None:
            merged[change.kind] = change
            continue
        ids = {*known.track_ids, *change.track_ids}
        merged[change.kind] = Change(
            change.kind,
            tuple(sorted(ids)) if known.track_ids and change.track_ids else (),
            min(known.start, change.start),
            -1 if -1 in (known.end, change.end) else max(known.end, change.end),
        )
    return list(merged.values())


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
    if stored["kind"] not in ("poses", "people", "camera", "truth", "notes"):
        raise ValueError(f"a change of kind {stored['kind']!r}")
    ids = tuple(int(track_id) for track_id in stored["track_ids"])
    return Change(stored["kind"], ids, int(stored["start"]), int(stored["end"]))
