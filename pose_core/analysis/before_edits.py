"""What stood where somebody has edited keypoints, told by the history of the session."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pose_core.analysis.keypoint_edits import BY_HAND
from pose_core.poses import Keypoints2D
from pose_core.session import Track
from pose_core.session_history import Step
from pose_core.session_patch import Frames


@dataclass(frozen=True, eq=False)
class BeforeEdits:
    """Keypoints without edits by hand.

    Parameters
    ----------
    keypoints : Keypoints2D
        Of the whole clip.
    num_reset : int
        Joints, counted in each frame, that are another's than the user's again.
    num_unknown : int
        Those that stay as they are: the history does not reach back to before they were edited.
    """

    keypoints: Keypoints2D
    num_reset: int
    num_unknown: int


def before_edits(
    track: Track, done: Sequence[Step], start: int, end: int, joints: Sequence[int]
) -> BeforeEdits:
    """Keypoints as they were found, or imported, before somebody edited them.

    Every step that is done holds what it has put out of the way: the history is walked backward
    until a joint is no longer the user's. It ends where people were split, merged or exchanged:
    before that the frames are of somebody else.

    Parameters
    ----------
    track : Track
    done : sequence of Step
        The steps that are done, the oldest first.
    start, end : int
        Frames ``start <= frame < end``.
    joints : sequence of int
    """
    known = track.keypoints.part(start, end)
    sources = np.asarray(known.sources)
    after = {"xy": known.xy.copy(), "scores": known.scores.copy(), "sources": sources.copy()}
    past = {name: array.copy() for name, array in after.items()}
    is_open = np.zeros(past["sources"].shape, dtype=bool)
    is_open[:, list(joints)] = np.isin(past["sources"][:, list(joints)], BY_HAND)
    num_edited = int(is_open.sum())
    for step in reversed(done):
        if not is_open.any() or not _take_back(step, track.track_id, past, start):
            break
        found = is_open & ~np.isin(past["sources"], BY_HAND)
        for name, array in after.items():
            array[found] = past[name][found]
        is_open &= ~found
    part = Keypoints2D(after["xy"], after["scores"], known.skeleton, after["sources"])
    keypoints, num_unknown = track.keypoints.with_frames(start, part), int(is_open.sum())
    return BeforeEdits(keypoints, num_edited - num_unknown, num_unknown)


def _take_back(step: Step, track_id: int, past: dict[str, np.ndarray], start: int) -> bool:
    """Put into `past` what was there before a step; whether it was the same person's."""
    if any(change.kind == "people" and track_id in change.track_ids for change in step.changes):
        # Another name changes no keypoints; all else makes others of the people.
        return not any(name.startswith(f"track{track_id}.") for name in step.patch.arrays)
    for name, values in past.items():
        key = f"track{track_id}.{name}"
        if key not in step.patch.arrays:
            continue
        before = step.patch.arrays[key]
        if before is None:
            return False  # there was no such person
        first, array = (before.start, before.values) if isinstance(before, Frames) else (0, before)
        low, high = max(first, start), min(first + len(array), start + len(values))
        if low < high:
            values[low - start : high - start] = array[low - first : high - first]
    return True
