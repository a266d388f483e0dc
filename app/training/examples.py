"""Predictions of a run on windows of held-out motion, beside the truth."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FILE_NAME = "examples.npz"


@dataclass(frozen=True, eq=False)
class Examples:
    """Poses of a few windows, one after the other.

    Parameters
    ----------
    step : int
        Optimizer step of the network that predicted.
    predicted : (S, N, J, 3) ndarray
        Root-relative, camera axes, metres; the last stage is the answer.
    true : (N, J, 3) ndarray
    window : (N,) int ndarray
        Which window a pose belongs to.
    """

    step: int
    predicted: np.ndarray
    true: np.ndarray
    window: np.ndarray

    @property
    def num_stages(self) -> int:
        return len(self.predicted)

    @property
    def num_poses(self) -> int:
        return len(self.true)

    def error_mm(self, stage: int, index: int) -> float:
        """Mean distance of the joints from the truth (MPJPE of the pose), millimetres."""
        distance = np.linalg.norm(self.predicted[stage, index] - self.true[index], axis=-1)
        return float(1000 * distance.mean())


def load_examples(run: Path) -> Examples | None:
    """The examples of a run; None where there are none, or none that can be drawn.

    The file has ``predicted`` (S, B, T, J, 3), ``true`` (B, T, J, 3), ``valid`` (B, T), ``step``.
    """
    try:
        with np.load(run / FILE_NAME, allow_pickle=False) as file:
            predicted, true, valid = file["predicted"], file["true"], file["valid"].astype(bool)
            step = int(file["step"])
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile, EOFError):
        return None
    if predicted.ndim != 5 or predicted.shape[1:] != true.shape or true.shape[2:] != (17, 3):
        return None
    if valid.shape != true.shape[:2] or not (valid.any() and len(predicted)):
        return None
    window = np.nonzero(valid)[0]
    poses = predicted[:, valid]
    if not (np.isfinite(poses).all() and np.isfinite(true[valid]).all()):
        return None
    return Examples(step, poses, true[valid], window)
