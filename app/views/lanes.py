"""Lanes of the timeline: a value or a mark for every frame, summed up for every pixel column.

All work is on arrays: a million frames cost a few milliseconds, once for each zoom or change.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

Rgb = tuple[int, int, int]
LaneKind = Literal["curve", "mask", "marks", "heat"]

# From the Okabe-Ito set; orange and blue are kept for left and right.
GOOD: Rgb = (0, 158, 115)
WARNING: Rgb = (213, 94, 0)
PRESENT: Rgb = (120, 140, 160)
SWAPPED: Rgb = (204, 121, 167)
ERROR: Rgb = (86, 180, 233)

SINGLE_FRAME_S = 0.04  # what a clip of one frame lasts


class Lane:
    """One lane.

    Parameters
    ----------
    name : str
        Shown beside the lane.
    values : (T,) ndarray
        Curve and heat: float, NaN where there is none. Mask and marks: bool.
    kind : {"curve", "mask", "marks", "heat"}
        A filled curve, stretches of frames, single frames that must not be overlooked, or frames
        whose colour is the stronger the higher their value is.
    colour : (int, int, int)
        RGB 0..255.
    value_range : (float, float)
        Bottom and top of a curve. Heat: values up to the first are not shown, those from the
        second on in full colour.
    warn_below : float, optional
        Values of a curve below this are drawn in the warning colour.
    unit : str
        Of a curve's values.
    is_high_bad : bool
        Where a column sums up many frames, show their highest value and not their lowest.
    """

    def __init__(
        self,
        name: str,
        values: np.ndarray,
        kind: LaneKind = "curve",
        colour: Rgb = GOOD,
        value_range: tuple[float, float] = (0.0, 1.0),
        warn_below: float | None = None,
        unit: str = "",
        is_high_bad: bool = False,
    ) -> None:
        self.name = name
        self.kind: LaneKind = kind
        self.colour = colour
        self.value_range = value_range
        self.warn_below = warn_below
        self.unit = unit
        self.is_high_bad = is_high_bad
        self.values = np.array(values, dtype=np.float32 if self._is_number else bool)

    def __len__(self) -> int:
        return len(self.values)

    def change(self, start: int, values: np.ndarray) -> None:
        """Take other values from a frame on."""
        self.values[start : start + len(values)] = values

    @property
    def _is_number(self) -> bool:
        return self.kind in ("curve", "heat")

    @property
    def title(self) -> str:
        """Name with the unit of the axis."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def text_at(self, frame: int, reach: int = 0) -> str:
        """What the lane says about a frame; empty where it says nothing.

        Parameters
        ----------
        frame : int
        reach : int
            How many frames to either side are as near to the pointer: for lanes of single frames.
        """
        value = self.values[frame]
        if not self._is_number:
            return self.name.lower() if value else ""
        if not np.isfinite(value) or (self.kind == "heat" and value <= self.value_range[0]):
            return ""
        return (
            f"{self.name} {value:.1f} {self.unit}"
            if self.unit
            else f"{self.name.lower()} {value:.2f}"
        )

    def mean(self, columns: "Columns") -> np.ndarray:
        """(W,) mean of the known values in each column, NaN where none is known."""
        known = np.isfinite(self.values[columns.frames])
        filled = np.where(known, self.values[columns.frames], 0)
        num_known = columns.reduced(np.add, known, np.int64)
        total = columns.reduced(np.add, filled, np.float64)
        is_known = (num_known > 0) & (columns.stop > columns.start)
        return np.where(is_known, total / np.maximum(num_known, 1), np.nan)

    def worst(self, columns: "Columns") -> np.ndarray:
        """(W,) least known value in each column, or the highest; NaN where none is known."""
        shown = self.values[columns.frames]
        worst = columns.reduced(np.fmax if self.is_high_bad else np.fmin, shown, shown.dtype)
        return np.where(columns.stop > columns.start, worst, np.nan)

    def render(self, columns: "Columns", height: int) -> np.ndarray:
        """Draw the lane.

        Parameters
        ----------
        columns : Columns
            W pixel columns.
        height : int
            Pixel rows.

        Returns
        -------
        (height, W, 4) uint8 ndarray
            RGBA, colour not multiplied by alpha.
        """
        if self.kind == "curve":
            return self._render_curve(columns, height)
        if self.kind == "heat":
            low, high = self.value_range
            worst = np.nan_to_num(self.worst(columns))
            strength = np.clip((worst - low) / (high - low), 0, 1)
            alpha = _widened(np.where(worst > low, 0.3 + 0.7 * strength, 0.0))
        elif self.kind == "marks":
            alpha = _widened((np.nan_to_num(self.mean(columns)) > 0).astype(np.float64))
        else:
            share = self.mean(columns)
            alpha = np.where(share > 0, 0.45 + 0.55 * share, 0.0)
        image = np.zeros((height, len(columns.start), 4), np.uint8)
        image[..., :3] = self.colour
        image[..., 3] = np.round(255 * np.nan_to_num(alpha))
        return image

    def _render_curve(self, columns: "Columns", height: int) -> np.ndarray:
        low, high = self.value_range
        mean, worst = self.mean(columns), self.worst(columns)
        mean_rows = np.clip((mean - low) / (high - low), 0, 1) * (height - 1.5) + 1.5
        worst_rows = np.clip((worst - low) / (high - low), 0, 1) * height
        row = np.arange(height - 1, -1, -1.0)[:, None]  # rows above the bottom
        # Share of each pixel under the mean, under a line below it, and under the worst.
        under_mean = np.clip(mean_rows - row, 0, 1)
        under_line = np.clip(mean_rows - 1.5 - row, 0, 1)
        under_worst = np.clip(worst_rows - row, 0, 1)
        alpha = np.maximum(0.3 * under_mean + 0.25 * under_worst, under_mean - under_line)
        image = np.zeros((height, len(mean), 4), np.uint8)
        image[..., :3] = self.colour
        if self.warn_below is not None:
            image[:, worst < self.warn_below, :3] = WARNING
        image[..., 3] = np.round(255 * np.nan_to_num(alpha))
        return image


def _widened(alpha: np.ndarray) -> np.ndarray:
    """Make everything two pixels wide at least, so that no single frame is overlooked."""
    return np.maximum(alpha, np.concatenate([[0.0], alpha[:-1]]))


@dataclass(frozen=True, eq=False)
class Columns:
    """Which frames each pixel column shows: ``start <= frame < stop``, empty beyond the clip."""

    start: np.ndarray
    stop: np.ndarray

    @property
    def frames(self) -> slice:
        """All of these frames."""
        return slice(int(self.start.min()), int(self.stop.max()))

    def reduced(self, ufunc: np.ufunc, values: np.ndarray, dtype: DTypeLike) -> np.ndarray:
        """(W,) what a ufunc makes of the values, of `frames`, in each column; any if it is empty.

        It takes the stretches between neighbouring indices, of which every second one is ours.
        """
        padded = np.append(values, values[:1])  # for an index at the very end
        bounds = np.stack([self.start, self.stop], axis=1).ravel() - self.frames.start
        return ufunc.reduceat(padded, bounds, dtype=dtype)[::2]


@dataclass(frozen=True, eq=False)
class TimeAxis:
    """The visible part of the clip's time, and the frames in it.

    Frame i is on screen from ``edges_s[i]`` to ``edges_s[i + 1]``.

    Parameters
    ----------
    edges_s : (T + 1,) float64 ndarray
        Ascending, seconds.
    start_s, end_s : float
        The visible stretch.
    """

    edges_s: np.ndarray
    start_s: float
    end_s: float

    @classmethod
    def of_clip(cls, times_s: np.ndarray) -> "TimeAxis":
        """Show the whole clip; the last frame lasts as long as the mean one."""
        times = np.asarray(times_s, dtype=np.float64)
        last = (times[-1] - times[0]) / max(len(times) - 1, 1) or SINGLE_FRAME_S
        edges = np.append(times, times[-1] + last)
        return cls(edges, float(edges[0]), float(edges[-1]))

    @property
    def num_frames(self) -> int:
        return len(self.edges_s) - 1

    @property
    def span_s(self) -> float:
        return self.end_s - self.start_s

    @property
    def is_zoomed(self) -> bool:
        return self.start_s > self.edges_s[0] or self.end_s < self.edges_s[-1]

    @property
    def frame_width(self) -> float:
        """Share of the visible stretch that a mean frame takes."""
        return (self.edges_s[-1] - self.edges_s[0]) / self.num_frames / self.span_s

    def share_of(self, time_s: float) -> float:
        """Where a time lies: 0 at the left end of the visible stretch, 1 at the right."""
        return (time_s - self.start_s) / self.span_s

    def time_at(self, share: float) -> float:
        """Time in seconds at a share of the visible stretch: the inverse of `share_of`."""
        return self.start_s + share * self.span_s

    def frame_at(self, share: float) -> int:
        """Frame on screen at a share of the visible stretch; clamped to the clip."""
        index = int(np.searchsorted(self.edges_s, self.time_at(share), side="right")) - 1
        return min(max(index, 0), self.num_frames - 1)

    def columns(self, num_columns: int) -> Columns:
        """Sort the frames into pixel columns; each column of the clip has at least one."""
        bounds = self.start_s + self.span_s * np.arange(num_columns + 1) / num_columns
        start = np.searchsorted(self.edges_s, bounds[:-1], side="right") - 1
        # A frame that begins at a column's right bound belongs to the next column.
        stop = np.searchsorted(self.edges_s, bounds[1:], side="left")
        if self.frame_width * num_columns < 1:
            # Many frames in a column: each is counted in the one in which it begins. Where none
            # begins (a long frame), the column shows the frame that lasts.
            start = np.searchsorted(self.edges_s, bounds[:-1], side="left")
            start = np.where(stop > start, start, stop - 1)
        return Columns(np.clip(start, 0, self.num_frames), np.clip(stop, 0, self.num_frames))

    def zoomed(self, share: float, factor: float) -> "TimeAxis":
        """Enlarge by `factor` while the time at `share` stays where it is; within the clip."""
        whole = self.edges_s[-1] - self.edges_s[0]
        smallest = whole * min(1.0, 8 / self.num_frames)
        span = min(max(self.span_s / factor, smallest), whole)
        return self._placed(self.time_at(share) - share * span, span)

    def moved_to(self, start_s: float) -> "TimeAxis":
        """Show as long a stretch from another start, within the clip."""
        return self._placed(start_s, self.span_s)

    def whole(self) -> "TimeAxis":
        """Show all of the clip."""
        return TimeAxis(self.edges_s, float(self.edges_s[0]), float(self.edges_s[-1]))

    def _placed(self, start_s: float, span_s: float) -> "TimeAxis":
        first, last = float(self.edges_s[0]), float(self.edges_s[-1])
        start = max(min(start_s, last - span_s), first)
        return TimeAxis(self.edges_s, start, min(start + span_s, last))


TICK_STEPS_S = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800, 3600, 7200, 18000, 36000),
)


def ticks(axis: TimeAxis, max_ticks: int) -> list[tuple[float, str]]:
    """Round times in the visible stretch, at most about `max_ticks`, with their labels.

    The labels are those of `time_text`.
    """
    wanted = axis.span_s / max(max_ticks, 1)
    step = next((each for each in TICK_STEPS_S if each >= wanted), TICK_STEPS_S[-1])
    first = int(np.ceil(axis.start_s / step - 1e-9))
    last = int(np.floor(axis.end_s / step + 1e-9))
    decimals = next(n for n in range(4) if step >= 10.0**-n * 0.999)
    longest_s = float(axis.edges_s[-1])
    return [
        (index * step, time_text(index * step, decimals, longest_s))
        for index in range(first, last + 1)
    ]


def time_text(time_s: float, decimals: int, longest_s: float) -> str:
    """Write a time as ``4.50 s``, ``1:04.50`` or ``1:02:04``, as the longest of its kind needs."""
    if longest_s <= 60:
        return f"{time_s:.{decimals}f} s"
    units = 10**decimals
    total = round(abs(time_s) * units)  # whole units first: 59.996 s must not become 0:60.00
    minutes, rest = divmod(total, 60 * units)
    width = 3 + decimals if decimals else 2
    text = f"{minutes}:" if longest_s < 3600 else f"{minutes // 60}:{minutes % 60:02d}:"
    return ("-" if time_s < 0 else "") + text + f"{rest / units:0{width}.{decimals}f}"
