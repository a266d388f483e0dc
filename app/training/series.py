"""Values over the steps of a run, in bounded memory."""

from dataclasses import dataclass

import numpy as np

MAX_POINTS = 4096


@dataclass(frozen=True, eq=False)
class Curve:
    """N values of one figure.

    Parameters
    ----------
    steps : (N,) float64 ndarray
        Optimizer steps.
    hours : (N,) float64 ndarray
        Time spent on training until then.
    values : (N,) float64 ndarray
        NaN where the figure was not finite.
    """

    steps: np.ndarray
    hours: np.ndarray
    values: np.ndarray

    def nearest(self, axis: np.ndarray, position: float) -> tuple[float, float]:
        """Step and value of the point nearest to a position on `axis`: `steps` or `hours`."""
        index = np.abs(axis - position).argmin()
        return float(self.steps[index]), float(self.values[index])


class Series:
    """Collects a curve. When it is full, neighbours are merged in a way that keeps every peak.

    Parameters
    ----------
    max_points : int
        A multiple of four.
    """

    def __init__(self, max_points: int = MAX_POINTS) -> None:
        self._max_points = max_points
        self._points: list[tuple[float, float, float]] = []

    def add(self, step: float, hours: float, value: float) -> None:
        """Append a point; steps grow."""
        self._points.append((step, hours, value if np.isfinite(value) else np.nan))
        if len(self._points) >= self._max_points:
            self._merge()

    def cut(self, step: float) -> None:
        """Forget what lies at or after a step: a run that was killed does those steps again."""
        while self._points and self._points[-1][0] >= step:
            self._points.pop()

    def curve(self) -> Curve:
        """What was collected."""
        columns = np.array(self._points, dtype=float).reshape(-1, 3).T
        return Curve(*columns)

    def _merge(self) -> None:
        """Of every four neighbours keep the lowest and the highest, in their order."""
        points = np.array(self._points).reshape(-1, 4, 3)
        values = points[..., 2]
        low = np.where(np.isnan(values), np.inf, values).argmin(axis=1)
        high = np.where(np.isnan(values), -np.inf, values).argmax(axis=1)
        # Where all four are equal or missing both are the first: any second one will do.
        high = np.where(high == low, (low + 1) % 4, high)
        kept = np.sort(np.stack([low, high], axis=1), axis=1)
        merged = np.take_along_axis(points, kept[..., None], axis=1).reshape(-1, 3)
        self._points = [(float(s), float(h), float(v)) for s, h, v in merged]


def smoothed(values: np.ndarray, reach: int) -> np.ndarray:
    """Mean of each point and up to `reach` neighbours on either side, those that are finite.

    Near the ends the reach is shorter, so that both sides always count the same and the curve
    does not lag behind.

    Parameters
    ----------
    values : (N,) ndarray
    reach : int

    Returns
    -------
    (N,) ndarray
        NaN where no neighbour is finite.
    """
    index = np.arange(len(values))
    side = np.minimum(reach, np.minimum(index, index[::-1]))
    is_known = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(is_known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(is_known)])
    first, last = index - side, index + side + 1
    number = counts[last] - counts[first]
    return np.where(number > 0, (sums[last] - sums[first]) / np.maximum(number, 1), np.nan)
