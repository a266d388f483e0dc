"""How far each stage of a network moves the joints that the stage before it gave."""

from dataclasses import dataclass

import numpy as np

from pose_core.analysis.disagreement import peaks
from pose_core.errors import ConfigError
from pose_core.geometry import root_centre
from pose_core.skeleton import H36M_17, Skeleton


@dataclass(frozen=True, eq=False)
class StageMovement:
    """Displacements between stages, and what they are good for.

    Parameters
    ----------
    displacement : (S - 1, T, J) ndarray
        Metres from each stage to the next, roots together; NaN where a joint is missing.
    error : (S, T, J) ndarray or None
        Metres from the truth, roots together; None where there is no truth.
    """

    displacement: np.ndarray
    error: np.ndarray | None

    @property
    def per_frame(self) -> np.ndarray:
        """(T,) length of the way through the stages, mean over the known joints, metres."""
        return _known_mean(self.displacement.sum(axis=0))

    @property
    def improvement(self) -> np.ndarray | None:
        """(S - 1, T, J) metres that each stage came nearer to the truth; negative if it left."""
        return None if self.error is None else -np.diff(self.error, axis=0)

    @property
    def per_step(self) -> np.ndarray:
        """(S - 1, T) metres from each stage to the next, mean over the known joints."""
        return _known_mean(self.displacement)

    def disagreements(self, share: float = 0.1) -> np.ndarray:
        """Frames worth a look: the peak of each stretch in which the stages differ most.

        Parameters
        ----------
        share : float
            Of the frames with poses that count as those of most movement.

        Returns
        -------
        (N,) int ndarray
            Ascending. Empty where no stage moves anything.
        """
        return peaks(self.per_frame, share)

    def frames_of_most_movement(self, count: int) -> np.ndarray:
        """The frames in which the stages disagree most, the worst first; at most `count`."""
        order = np.argsort(-self.per_frame, kind="stable")  # NaN comes last
        return order[: min(count, int(np.isfinite(self.per_frame).sum()))]


def _known_mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.where(known.any(axis=-1), total / np.maximum(known.sum(axis=-1), 1), np.nan)


def stage_movement(
    stages: np.ndarray, truth: np.ndarray | None = None, skeleton: Skeleton = H36M_17
) -> StageMovement:
    """Compare the stages of one person's poses.

    Parameters
    ----------
    stages : (S, T, J, 3) ndarray
        Camera axes, metres; NaN where missing.
    truth : (T, J, 3) ndarray, optional
        In the same axes; its root may be elsewhere.
    skeleton : Skeleton
        Must name a pelvis, the root.

    Returns
    -------
    StageMovement

    Raises
    ------
    ConfigError
        If the shapes do not fit together.
    """
    if stages.ndim != 4 or (truth is not None and truth.shape != stages.shape[1:]):
        of_truth = "" if truth is None else f", truth {truth.shape}"
        raise ConfigError(
            f"Stages (S, T, J, 3) and truth (T, J, 3) needed: {stages.shape}{of_truth}."
        )
    root = skeleton.index("pelvis")
    centred = root_centre(np.asarray(stages, dtype=np.float64), root)
    displacement = np.linalg.norm(np.diff(centred, axis=0), axis=-1)
    if truth is None:
        return StageMovement(displacement, None)
    return StageMovement(displacement, np.linalg.norm(centred - root_centre(truth, root), axis=-1))
