"""What every detector of people offers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pose_core.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class PersonDetection:
    """One person in one frame, in the detector's own joints.

    Parameters
    ----------
    xy : (J, 2) float32 ndarray
        Pixels of the upright picture; may lie outside it.
    scores : (J,) float32 ndarray
        0..1 that the joint is where `xy` says and visible.
    person_score : float
        0..1 that this is a person.
    world_xyz : (J, 3) float32 ndarray, optional
        The detector's own root-relative 3D in camera axes, metres.
    """

    xy: np.ndarray
    scores: np.ndarray
    person_score: float
    world_xyz: np.ndarray | None = None


class Detector(Protocol):
    """Finds people in RGB pictures ``(H, W, 3) uint8``."""

    name: str
    skeleton: Skeleton

    def detect(self, image: np.ndarray, *, is_thorough: bool = True) -> list[PersonDetection]:
        """Find all people of a picture.

        Slow, for key frames only; not thorough, it is quicker and may miss small people.
        """
        ...

    def follow(
        self, image: np.ndarray, previous: Sequence[PersonDetection]
    ) -> list[PersonDetection | None]:
        """Find the same people one frame later; None where one was lost."""
        ...

    def detect_in_box(
        self, image: np.ndarray, box: tuple[float, float, float, float]
    ) -> PersonDetection | None:
        """Find the person inside a box x0, y0, x1, y1 (pixels) that the user drew."""
        ...
