"""What a panel says of every frame, as lanes of the timeline."""

from collections.abc import Callable

import numpy as np

from app.laboratory.focus import Subject
from app.views.lanes import Lane
from app.views.timeline import Timeline


class ResultLanes:
    """The lanes of one panel.

    While the answer for another person is awaited, or for one who was split, merged or exchanged,
    they are empty and stay where they are: they tell of nobody else, and nothing jumps.

    Parameters
    ----------
    timeline : Timeline
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._names: tuple[str, ...] = ()
        self._shown: object | None = None  # the result that they are of
        self._run: object | None = None
        self._person = 0, np.zeros(0, dtype=bool)  # track id, and frames with a pose

    def show(self, subject: Subject, result: object, make: Callable[[], list[Lane]]) -> None:
        """Show what `make` gives, unless that is shown already.

        Parameters
        ----------
        subject : Subject
            Whom the result is of.
        result : object
        make : callable
            Gives its lanes.
        """
        if self._shown is result:
            return
        lanes = make()
        names = tuple(lane.name for lane in lanes)
        for name in self._names:
            if name not in names:
                self._timeline.remove_lane(name)
        for lane in lanes:
            self._timeline.show_lane(lane)
        self._names, self._shown = names, result
        self._run, self._person = subject.run, _person(subject)

    def keep_to(self, subject: Subject) -> None:
        """Empty the lanes if they tell of somebody else."""
        if self._shown is None or subject.run is self._run:
            return
        track_id, present = _person(subject)
        if track_id == self._person[0] and np.array_equal(present, self._person[1]):
            self._run = subject.run  # the same frames: what is new there, the answer will tell
            return
        for name in self._names:
            self._timeline.change_lane(name, 0, np.full(len(present), np.nan))
        self._shown = None

    def remove(self) -> None:
        """Take them away; whatever result comes next is shown again."""
        for name in self._names:
            self._timeline.remove_lane(name)
        self._names, self._shown = (), None


def _person(subject: Subject) -> tuple[int, np.ndarray]:
    return subject.track.track_id, np.isfinite(subject.stages[-1, :, 0, 0])
