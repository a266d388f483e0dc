"""Keypoints that jump away for one frame and back: the detector's slips, told by time."""

import numpy as np

from pose_core.skeleton import Skeleton

# A slip is this far from the middle of its neighbours, in trunk lengths, while the neighbours
# themselves are less than half as far from each other.
_SLIP = 0.15
_NEIGHBOURS_SHARE = 0.5
# Frames farther apart than this may hold real movement of that size.
_LONGEST_STEP_S = 0.06
_DOUBT = 0.2


def doubt_jumps(
    xy: np.ndarray, scores: np.ndarray, times_s: np.ndarray, skeleton: Skeleton
) -> np.ndarray:
    """Scores in which joints that jumped for a single frame are doubted.

    Parameters
    ----------
    xy : (T, J, 2) ndarray
        Pixels.
    scores : (T, J) ndarray
        0..1.
    times_s : (T,) ndarray
        Increasing.
    skeleton : Skeleton
        Must name shoulders and hips.

    Returns
    -------
    (T, J) ndarray
        A fifth of the score where a joint jumped; the positions stay as the detector gave them.
    """
    out = scores.copy()
    if len(xy) < 3:
        return out
    hips, shoulders = (
        xy[:, [skeleton.index(f"left_{name}"), skeleton.index(f"right_{name}")]].mean(axis=1)
        for name in ("hip", "shoulder")
    )
    trunk = np.nanmedian(np.linalg.norm(shoulders - hips, axis=-1))
    before, now, after = xy[:-2], xy[1:-1], xy[2:]
    slip = np.linalg.norm(now - (before + after) / 2, axis=-1)
    moved = np.linalg.norm(after - before, axis=-1)
    step_s = np.diff(times_s)
    is_close = np.maximum(step_s[:-1], step_s[1:]) <= _LONGEST_STEP_S
    is_slip = is_close[:, None] & (slip > _SLIP * trunk) & (moved < _NEIGHBOURS_SHARE * slip)
    out[1:-1] = np.where(is_slip, _DOUBT * out[1:-1], out[1:-1])
    return out
