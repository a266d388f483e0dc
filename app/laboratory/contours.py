"""Lines of equal value through a field, for all of its cells at once."""

import numpy as np

# Corners around a cell, from the upper left, as steps of column and row.
_CORNERS = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
_NEXT = [1, 2, 3, 0]  # corner at the other end of the edge that begins at a corner


def contour_segments(values: np.ndarray, levels: np.ndarray | float) -> np.ndarray:
    """Marching squares: the lines on which linear interpolation along the edges gives a level.

    Parameters
    ----------
    values : (R, C) ndarray
        NaN where there is none; no line goes through cells with such a corner.
    levels : (L,) ndarray or float

    Returns
    -------
    (2N, 2) ndarray
        Ends of N segments, two by two: column and row, the first value being at 0, 0. Those of
        the first level come first.

    Notes
    -----
    A line crosses an even number of the edges of a cell, so that the crossings, taken cell by
    cell and around each cell, are the ends of segments two by two. In a saddle, where there are
    four, this is one of the two ways to join them.
    """
    levels = np.atleast_1d(np.asarray(levels, dtype=np.float64))
    corners = np.stack(
        [values[:-1, :-1], values[:-1, 1:], values[1:, 1:], values[1:, :-1]], axis=-1
    )
    is_above = corners > levels[:, None, None, None]  # (L, R - 1, C - 1, 4)
    crossed = is_above != is_above[..., _NEXT]
    crossed &= np.isfinite(corners).all(axis=-1, keepdims=True)
    level, row, column, corner = np.nonzero(crossed)
    following = np.array(_NEXT)[corner]
    start, end = corners[row, column, corner], corners[row, column, following]
    share = (levels[level] - start) / (end - start)
    here, there = _CORNERS[corner], _CORNERS[following]
    return np.stack([column, row], axis=-1) + here + share[:, None] * (there - here)
