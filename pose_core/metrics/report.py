"""Errors of several methods, taken together: per action, per joint, per frame.

`SequenceErrors.measure` turns the poses of one sequence into errors, `Report` holds those of all
sequences and methods and gives every mean of them; `pose_core.metrics.report_files` writes it as
text, CSV and JSON. The errors of a sequence are kept per frame and per joint, not per both, so
that the report of a whole data set fits in memory.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

UNNAMED = "unnamed"


@dataclass(frozen=True)
class Metric:
    """One kind of error.

    Parameters
    ----------
    name : str
        As the field writes it: ``PA-MPJPE``.
    unit : str
    function : callable
        ``function(predicted, truth) -> (T', N)``: predicted and true positions ``(T, J, 3)`` in
        metres to one number per frame and part, NaN where it cannot be told. T' may be smaller
        than T (differences, numbers of the whole sequence).
    parts : tuple of str
        Names of the N parts.
    part_kind : str
        What the parts are: ``joint`` or ``bone``.
    higher_is_better : bool
    """

    name: str
    unit: str
    function: Callable[[np.ndarray, np.ndarray], np.ndarray]
    parts: tuple[str, ...]
    part_kind: str = "joint"
    higher_is_better: bool = False


@dataclass(frozen=True, eq=False)
class SequenceErrors:
    """Errors of one method on one sequence.

    Parameters
    ----------
    name, action, subject : str
    num_frames : int
        Frames that were measured.
    per_part : Mapping of str to (N,) ndarray
        By metric: mean over the frames in which the part's error is known; NaN where never.
    weights : Mapping of str to (N,) ndarray
        By metric: `num_frames` times the share of its values that are known. So a sequence
        counts in a mean as often as it has frames, also for differences, which are fewer.
    per_frame : Mapping of str to (T',) ndarray
        By metric: mean over the parts whose error is known; NaN where none is.
    frame_index : (T,) int ndarray
        Number of each measured frame in its video.
    """

    name: str
    action: str
    subject: str
    num_frames: int
    per_part: Mapping[str, np.ndarray]
    weights: Mapping[str, np.ndarray]
    per_frame: Mapping[str, np.ndarray]
    frame_index: np.ndarray

    @classmethod
    def measure(
        cls,
        predicted: np.ndarray,
        truth: np.ndarray,
        metrics: Sequence[Metric],
        *,
        name: str = "",
        action: str = "",
        subject: str = "",
        frame_index: np.ndarray | None = None,
    ) -> "SequenceErrors":
        """Errors of predicted against true positions (T, J, 3), metres.

        Parameters
        ----------
        frame_index : (T,) int ndarray, optional
            0, 1, 2, ... by default.
        """
        values = {metric.name: metric.function(predicted, truth) for metric in metrics}
        num_frames = len(truth)
        known = {m: np.isfinite(v) for m, v in values.items()}
        index = np.arange(num_frames) if frame_index is None else frame_index
        return cls(
            name,
            action or UNNAMED,
            subject,
            num_frames,
            {m: _known_mean(v, axis=0) for m, v in values.items()},
            {m: num_frames * k.sum(axis=0) / max(1, len(k)) for m, k in known.items()},
            {m: _known_mean(v, axis=1) for m, v in values.items()},
            index,
        )


def _known_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean of the finite values; NaN where there is none."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def mean_error(results: Sequence[SequenceErrors], metric: str) -> float:
    """Mean over all frames and parts; NaN where nothing was measured."""
    total, weight = _totals(results, metric)
    return float(total.sum() / weight.sum()) if np.sum(weight) > 0 else float("nan")


def mean_per_part(results: Sequence[SequenceErrors], metric: str) -> np.ndarray:
    """Mean over all frames for each part (N,)."""
    total, weight = _totals(results, metric)
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), np.nan)


def _totals(results: Sequence[SequenceErrors], metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Sums (N,) over sequences of weight times mean, and of weight."""
    weights = [r.weights[metric] for r in results]
    products = [np.nan_to_num(r.per_part[metric]) * r.weights[metric] for r in results]
    return np.sum(products, axis=0), np.sum(weights, axis=0)


def num_frames(results: Sequence[SequenceErrors]) -> int:
    """Frames measured in all."""
    return sum(r.num_frames for r in results)


def by_action(results: Sequence[SequenceErrors]) -> dict[str, list[SequenceErrors]]:
    """Results grouped by action, in alphabetical order."""
    actions = sorted({r.action for r in results})
    return {a: [r for r in results if r.action == a] for a in actions}


@dataclass(frozen=True)
class Reference:
    """Errors that somebody else has published, to stand beside ours.

    Parameters
    ----------
    name : str
        Method as a table names it.
    source : str
        Paper and table.
    metric : str
        Name of the metric that it is an error of.
    average : float
        As printed.
    per_action : Mapping of str to float
        As printed; empty where the source prints none.
    """

    name: str
    source: str
    metric: str
    average: float
    per_action: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Report:
    """Errors of several methods on the same sequences, beside published ones.

    Parameters
    ----------
    metrics : tuple of Metric
    methods : Mapping of str to sequence of SequenceErrors
        By name, in the order of the tables: the model first, baselines after it.
    references : tuple of Reference
    actions : tuple of str
        Order of the actions; alphabetical where empty.
    """

    metrics: tuple[Metric, ...]
    methods: Mapping[str, Sequence[SequenceErrors]]
    references: tuple[Reference, ...] = ()
    actions: tuple[str, ...] = ()

    def metric(self, name: str) -> Metric:
        """The metric of that name."""
        return next(m for m in self.metrics if m.name == name)

    def groups(self, method: str) -> dict[str, list[SequenceErrors]]:
        """Sequences of a method by action, in the order of `actions`, others after them."""
        groups = by_action(self.methods[method])
        order = [a for a in self.actions if a in groups]
        return {a: groups[a] for a in order + [a for a in groups if a not in order]}

    def mean(self, method: str, metric: str, action: str | None = None) -> float:
        """Mean over all frames and joints, of one action or of all."""
        if action is None:
            return mean_error(self.methods[method], metric)
        return mean_error(self.groups(method).get(action, []), metric)

    def average_of_actions(self, method: str, metric: str) -> float:
        """Mean of the means of the actions: the "Avg." of most published tables.

        Each action counts the same however long it is, unlike in `mean`.
        """
        means = [mean_error(group, metric) for group in self.groups(method).values()]
        return float(np.nanmean(means)) if np.isfinite(means).any() else float("nan")

    def per_part(self, method: str, metric: str) -> dict[str, float]:
        """Mean over all frames for each joint or bone."""
        means = mean_per_part(self.methods[method], metric)
        return dict(zip(self.metric(metric).parts, means.tolist(), strict=True))
