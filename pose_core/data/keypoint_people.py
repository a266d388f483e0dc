"""Who is who: people that a file names frame by frame without saying who they are."""

import numpy as np

# The same person is nearer than this from one frame to the next, in heights of the person. Who was
# out of sight may have gone further.
_NEAR = 0.3
_NEAR_PER_S = 0.5
MAX_GAP_S = 1.0
_FEWEST_JOINTS = 3


def linked(frames: np.ndarray, xy: np.ndarray, fps: float) -> np.ndarray:
    """Number the people, so that those of neighbouring frames who lie near are one.

    Pairs are joined from the nearest to the furthest. A person who is not seen for a second is
    another one afterwards.

    Parameters
    ----------
    frames : (D,) int ndarray
    xy : (D, J, 2) ndarray
        Pixels; NaN where missing.
    fps : float

    Returns
    -------
    (D,) int64 ndarray
        From 0, in the order in which they come up.
    """
    numbers = np.full(len(frames), -1, dtype=np.int64)
    order = np.argsort(frames, kind="stable")
    starts = np.flatnonzero(np.diff(frames[order], prepend=-1))
    last_row: dict[int, int] = {}  # of each person still in sight
    num_people = 0
    for rows in np.split(order, starts[1:]):
        frame = frames[rows[0]]
        last_row = {
            who: row for who, row in last_row.items() if frame - frames[row] <= MAX_GAP_S * fps
        }
        for row, who in _pairs(rows, last_row, frames, xy, fps):
            numbers[row] = who
        for row in rows[numbers[rows] < 0]:
            numbers[row] = num_people
            num_people += 1
        last_row |= {int(numbers[row]): int(row) for row in rows}
    return numbers


def _pairs(
    rows: np.ndarray, last_row: dict[int, int], frames: np.ndarray, xy: np.ndarray, fps: float
) -> list[tuple[int, int]]:
    """Rows of a frame with the people that they are."""
    if not last_row:
        return []
    people, before = np.array(list(last_row)), np.array(list(last_row.values()))
    distances = _distances(xy[rows], xy[before])
    gaps_s = (frames[rows[0]] - frames[before]) / fps
    distances[distances > _NEAR + _NEAR_PER_S * gaps_s] = np.inf
    pairs = []
    while np.isfinite(distances).any():
        row, person = np.unravel_index(np.argmin(distances), distances.shape)
        pairs.append((int(rows[row]), int(people[person])))
        distances[row], distances[:, person] = np.inf, np.inf
    return pairs


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Median distance of joints (A, B) of people (A, J, 2) and (B, J, 2), in heights of b."""
    far = np.linalg.norm(a[:, None] - b[None], axis=-1)
    known = np.isfinite(far).sum(axis=-1) >= _FEWEST_JOINTS
    sizes = np.nanmax(b, axis=1, initial=-np.inf) - np.nanmin(b, axis=1, initial=np.inf)
    heights = np.maximum(sizes.max(axis=-1), 1.0)
    with np.errstate(invalid="ignore"):
        middle = np.nanmedian(np.where(known[..., None], far, np.inf), axis=-1)
    return np.where(known, middle / heights, np.inf)
