"""From the events of a run to its curves."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.training.series import Curve, Series

SECONDS_PER_HOUR = 3600.0

_PART = re.compile(r"\s*(stage|step)\s*\d+$")
UNITS = {
    "MPJPE": "mm",
    "N-MPJPE": "mm",
    "PA-MPJPE": "mm",
    "MPJVE": "mm/frame",
    "MPJAE": "mm/frame²",
    "PCK": "%",
    "PCKh": "%",
    "AUC": "%",
    "left/right difference": "mm",
    "bone-length spread": "mm",
}
_PERCENT = " %"


@dataclass(frozen=True)
class Group:
    """Curves that share a plot: one loss term or metric, for each stage of a network.

    Parameters
    ----------
    title : str
    unit : str
        Empty for losses.
    is_validation : bool
    curves : dict of str to Curve
        By the full name.
    """

    title: str
    unit: str
    is_validation: bool
    curves: dict[str, Curve]


def group_of(name: str) -> str:
    """Name of a figure without its stage: ``MPJPE stage 2`` is a kind of ``MPJPE``."""
    return _PART.sub("", name) or name


def unit_of(group: str) -> str:
    """Unit of a figure on held-out data; empty where it is not known."""
    return "%" if group.endswith(_PERCENT) else UNITS.get(group, "")


class RunCurves:
    """Collects the curves of one run from its events, in order."""

    def __init__(self) -> None:
        self._terms: dict[str, Series] = {}
        self._validation: dict[str, Series] = {}
        self._step = 0
        self._seconds = 0.0
        self._last_time: float | None = None

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one event; those that are no records of training only end a stretch of time."""
        step, terms = event.get("step"), event.get("terms")
        is_record = isinstance(terms, Mapping)
        self._count_time(event.get("time"), is_record=is_record)
        if not isinstance(step, int | float):
            return
        if event.get("state") == "resumed":
            self._cut(step + 1)
        if not isinstance(terms, Mapping):
            return
        if step <= self._step:
            self._cut(step)
        self._step = step
        self._put(self._terms, terms, step)
        self._put(self._validation, event.get("validation") or {}, step)

    def groups(self) -> list[Group]:
        """Validation first, then the loss terms, each in the order in which they came."""
        return [*_grouped(self._validation, True), *_grouped(self._terms, False)]

    def _cut(self, step: float) -> None:
        """A run that was killed after its last checkpoint does the steps from here on again."""
        for series in (*self._terms.values(), *self._validation.values()):
            series.cut(step)

    def _count_time(self, time: object, *, is_record: bool) -> None:
        """Time passes between the records of one process, not while there is none."""
        now = float(time) if isinstance(time, int | float) else None
        if now is not None and self._last_time is not None and is_record:
            self._seconds += max(now - self._last_time, 0.0)
        self._last_time = now

    def _put(self, series: dict[str, Series], values: Mapping[str, Any], step: float) -> None:
        hours = self._seconds / SECONDS_PER_HOUR
        for name, value in values.items():
            if isinstance(value, int | float):
                series.setdefault(name, Series()).add(step, hours, float(value))


def _grouped(series: Mapping[str, Series], is_validation: bool) -> list[Group]:
    groups: dict[str, dict[str, Curve]] = {}
    for name, one in series.items():
        groups.setdefault(group_of(name), {})[name] = one.curve()
    return [
        Group(title, unit_of(title) if is_validation else "", is_validation, curves)
        for title, curves in groups.items()
    ]
