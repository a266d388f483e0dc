"""How far several answers for the same person are apart, and in which frames most."""

from itertools import combinations

import numpy as np

from pose_core.geometry import root_centre


def disagreement(poses: np.ndarray, root: int = 0) -> np.ndarray:
    """Mean distance between the same joint in two answers, roots together.

    Parameters
    ----------
    poses : (M, T, J, 3) ndarray
        Two answers or more, in the same axes, metres; NaN where missing.
    root : int

    Returns
    -------
    (T,) ndarray
        Metres, the mean over all pairs and joints that are known; NaN where there are none.
    """
    centred = root_centre(np.asarray(poses, dtype=np.float64), root)
    total, count = np.zeros(centred.shape[1]), np.zeros(centred.shape[1])
    for one, other in combinations(centred, 2):
        distance = np.linalg.norm(one - other, axis=-1)
        known = np.isfinite(distance)
        total += np.where(known, distance, 0.0).sum(axis=-1)
        count += known.sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def peaks(values: np.ndarray, share: float = 0.1) -> np.ndarray:
    """Frames worth a look: the highest of each stretch of high values.

    Parameters
    ----------
    values : (T,) ndarray
        Not negative; NaN where nothing is known.
    share : float
        Of the known frames that count as high.

    Returns
    -------
    (N,) int ndarray
        Ascending. Empty where all values are 0.
    """
    known = values[np.isfinite(values)]
    if not known.any():
        return np.zeros(0, dtype=np.int64)
    values = np.nan_to_num(values)
    high = np.flatnonzero(values >= max(np.quantile(known, 1 - share), np.finfo(values.dtype).tiny))
    stretches = np.split(high, np.flatnonzero(np.diff(high) > 1) + 1)
    return np.array([frames[np.argmax(values[frames])] for frames in stretches])
