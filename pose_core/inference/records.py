"""Settings of an estimate, and the records that it yields while it works."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pose_core.errors import ConfigError
from pose_core.session import Session


@dataclass(frozen=True, kw_only=True)
class EstimateSettings:
    """What to estimate, and how.

    Parameters
    ----------
    model : str
        Name in the dictionary of models.
    device : {"auto", "cpu", "cuda"}
    person : {"largest", "all"}
    quality : {"fast", "accurate"}
        Accurate averages the landmarks of several crops.
    start, end : int
        Frames ``start <= frame < end``; None goes to the last.
    focal_px : float, optional
        Focal length in pixels; assumed when None.
    body_height_m : float, optional
        Body height that fixes the scale; the model's own scale when None.
    start_box : (x0, y0, x1, y1), optional
        Box in pixels drawn by hand around the person in the frame `start`.
    """

    model: str = "temporal"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    person: Literal["largest", "all"] = "largest"
    quality: Literal["fast", "accurate"] = "fast"
    start: int = 0
    end: int | None = None
    focal_px: float | None = None
    body_height_m: float | None = None
    start_box: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        if self.start < 0 or (self.end is not None and self.end <= self.start):
            raise ConfigError(
                f"The range of frames {self.start}..{self.end} is empty.",
                "Give a start of at least 0 and an end above it.",
            )
        if self.body_height_m is not None and not 0.3 <= self.body_height_m <= 2.6:
            raise ConfigError(
                f"A body height of {self.body_height_m} m is not possible.", "Give metres."
            )


@dataclass(frozen=True, eq=False)
class FrameDetected:
    """2D of one frame: (track key, (17, 2) pixels, (17,) scores) for each person so far."""

    frame: int
    num_done: int
    num_total: int
    people: tuple[tuple[int, np.ndarray, np.ndarray], ...]


@dataclass(frozen=True)
class LiftProgress:
    """3D lifting of person `person_index` of `num_people` is done."""

    person_index: int
    num_people: int


@dataclass(frozen=True, eq=False)
class EstimateFinished:
    """The session with the tracks that were found, largest person first."""

    session: Session
    num_swaps_undone: int
    device: str


EstimateRecord = FrameDetected | LiftProgress | EstimateFinished
