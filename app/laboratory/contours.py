"""Lines of equal value through a field, for all of its cells at once."""

import numpy as np


def contour_segments(values: np.ndarray, level: float) -> np.ndarray:
    """Marching squares: the line on which linear interpolation along the edges gives the level.

    Parameters
    ----------
    values : (R, C) ndarray
        NaN where there is none; no line goes through cells with such a corner.
    level : float

    Returns
    -------
    (2N, 2) ndarray
        Ends of N segments, two by two: column and row, the first value being at 0, 0.

    Notes
    -----
    A line crosses an even number of the edges of a cell, so that the crossings, taken cell by
    cell and around each cell, are the ends of segments two by two. In a saddle, where there are
    four, this is one of the two ways to join them.
    """
    row, column = np.mgrid[: values.shape[0] - 1, : values.shape[1] - 1].astype(float)
    # Corners around each cell: (R - 1, C - 1, 4).
    corners = np.stack(
        [values[:-1, :-1], values[:-1, 1:], values[1:, 1:], values[1:, :-1]], axis=-1
    )
    x = np.stack([column, column + 1, column + 1, column], axis=-1)
    y = np.stack([row, row, row + 1, row + 1], axis=-1)
    is_above = corners > level
    crossed = is_above != np.roll(is_above, -1, axis=-1)
    crossed &= np.isfinite(corners).all(axis=-1, keepdims=True)
    start, end = corners[crossed], np.roll(corners, -1, axis=-1)[crossed]
    share = (level - start) / (end - start)

    def along(at: np.ndarray) -> np.ndarray:
        return (1 - share) * at[crossed] + share * np.roll(at, -1, axis=-1)[crossed]

    return np.stack([along(x), along(y)], axis=-1)
