"""Predictions of a run on a validation clip, beside the truth."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FILE_NAME = "examples.npz"


@dataclass(frozen=True, eq=False)
class Examples:
    """Poses of one validation clip.

    Parameters
    ----------
    predicted : (S, T, J, 3) ndarray
        Root-relative, camera axes, metres; the last stage is the answer.
    true : (T, J, 3) ndarray
    """

    predicted: np.ndarray
    true: np.ndarray

    @property
    def num_stages(self) -> int:
        return len(self.predicted)

    @property
    def num_frames(self) -> int:
        return len(self.true)

    def error_mm(self, stage: int, frame: int) -> float:
        """Mean distance of the joints from the truth (MPJPE of the frame), millimetres."""
        distance = np.linalg.norm(self.predicted[stage, frame] - self.true[frame], axis=-1)
        return float(1000 * np.nanmean(distance)) if np.isfinite(distance).any() else float("nan")


def load_examples(run: Path) -> Examples | None:
    """The examples of a run; None where there are none, or none that can be drawn."""
    try:
        with np.load(run / FILE_NAME, allow_pickle=False) as file:
            predicted, true = file["predicted"], file["true"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, EOFError):
        return None
    if predicted.ndim == 3:
        predicted = predicted[None]
    fits = predicted.ndim == 4 and predicted.shape[1:] == true.shape and predicted.size > 0
    if not fits or true.shape[1:] != (17, 3) or not np.issubdtype(true.dtype, np.floating):
        return None
    return Examples(predicted, true)
