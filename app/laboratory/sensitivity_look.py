"""What the sensitivity panel computes: in a thread, and each part only when it is another."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pose_core.camera import Camera
from pose_core.models.entries import ModelEntry
from pose_core.poses import Keypoints2D

if TYPE_CHECKING:  # imports torch, which would stop the window for a second
    from pose_core.analysis.moved_joint import MovedJoint
    from pose_core.analysis.refiner_windows import PreparedRefiner
    from pose_core.analysis.sensitivity import Sensitivity

# Ways to move a joint, unit vectors in camera axes; None is the way that counts most.
WAYS: dict[str, tuple[int, int, int] | None] = {
    "the way that counts most": None,
    "to the right": (1, 0, 0),
    "to the left": (-1, 0, 0),
    "up": (0, -1, 0),
    "down": (0, 1, 0),
    "away from the camera": (0, 0, 1),
    "toward the camera": (0, 0, -1),
}


@dataclass(frozen=True)
class Source:
    """A network and what it sees of a person; equal where it sees the same."""

    entry: ModelEntry
    keypoints: Keypoints2D  # equal if it is the same object
    focal_px: float | None  # that `camera` was made with
    times_s: np.ndarray = field(compare=False)
    camera: Camera = field(compare=False)


@dataclass(frozen=True)
class Experiment:
    """One joint of the input that is moved.

    Parameters
    ----------
    step : int
        Time of the input relative to the answer's, in frames of the network; the nearest that
        the network sees is taken.
    cell : tuple of int
        Joint of the input, and that of the answer which is looked at.
    way : str
        Of `WAYS`.
    size_m : float
    frame : int
        Of the video. The nearest with the person among those looked at is taken.
    """

    step: int
    cell: tuple[int, int]
    way: str
    size_m: float
    frame: int


@dataclass(frozen=True, eq=False)
class Look:
    """The result of the panel.

    Parameters
    ----------
    sensitivity : Sensitivity
    experiment : Experiment
        With the step and the frame that were taken.
    moved : MovedJoint
    untrained_level : float
        See `PreparedRefiner`.
    """

    sensitivity: "Sensitivity"
    experiment: Experiment
    moved: "MovedJoint"
    untrained_level: float

    @property
    def matrix(self) -> np.ndarray:
        """(17, 17) input joint by joint of the answer at the step, metres per metre."""
        return self.sensitivity.at(self.experiment.step)

    @property
    def capped(self) -> np.ndarray:
        """`matrix` with its diagonal capped."""
        from pose_core.analysis.sensitivity import capped_diagonal  # noqa: PLC0415

        return capped_diagonal(self.matrix)


class Looker:
    """Computes looks one after the other, and keeps what the next one needs too."""

    def __init__(self) -> None:
        self._source: Source | None = None
        self._prepared: PreparedRefiner | None = None
        self._frames: tuple[int, int] | None = None
        self._sensitivity: Sensitivity | None = None

    def look(self, source: Source, frames: tuple[int, int], experiment: Experiment) -> Look:
        """Look at frames ``frames[0] <= frame < frames[1]``; not from two threads at once."""
        prepared = self._prepare(source)
        sensitivity = self._sensitivity_of(prepared, frames)
        return _experiment(prepared, sensitivity, frames, experiment)

    def _prepare(self, source: Source) -> "PreparedRefiner":
        from pose_core.analysis.refiner_windows import prepare_refiner  # noqa: PLC0415

        if self._prepared is None or source != self._source:
            self._prepared = prepare_refiner(
                source.entry, source.keypoints, source.times_s, source.camera
            )
            self._source, self._frames = source, None
        return self._prepared

    def _sensitivity_of(
        self, prepared: "PreparedRefiner", frames: tuple[int, int]
    ) -> "Sensitivity":
        from pose_core.analysis.refiner_windows import sensitivity_of  # noqa: PLC0415

        if self._sensitivity is None or frames != self._frames:
            self._sensitivity, self._frames = sensitivity_of(prepared, *frames), frames
        return self._sensitivity


def _experiment(
    prepared: "PreparedRefiner",
    sensitivity: "Sensitivity",
    frames: tuple[int, int],
    wanted: Experiment,
) -> Look:
    from pose_core.analysis.moved_joint import move_joint, strongest_direction  # noqa: PLC0415

    known = frames[0] + np.flatnonzero(prepared.known_mask[slice(*frames)])
    frame = int(known[np.abs(known - wanted.frame).argmin()])
    step = int(np.clip(wanted.step, sensitivity.steps[0], sensitivity.steps[-1]))
    of, to = wanted.cell
    way = WAYS[wanted.way]
    if way is None:
        direction = strongest_direction(prepared, frame, step, of, to)
    else:
        direction = np.array(way, dtype=np.float64)
    done = Experiment(step, wanted.cell, wanted.way, wanted.size_m, frame)
    moved = move_joint(prepared, frame, step, of, wanted.size_m * direction)
    return Look(sensitivity, done, moved, prepared.untrained_level)
