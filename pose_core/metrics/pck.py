"""Share of joints within a distance of the truth, as MPI-INF-3DHP reports it.

Both functions return per cent for each frame and joint, so that any mean can be taken. Unlike a
distance, a share can say something of a joint that was not predicted: it is wrong. Only joints
without truth are left out (NaN).

References
----------
D. Mehta et al., "Monocular 3D Human Pose Estimation in the Wild Using Improved CNN Supervision",
3DV 2017, and the evaluation program that comes with the data: thresholds 0, 5, ..., 150 mm, a
joint is right when its error is *below* the threshold. So even a perfect answer has an area of
100 * 30 / 31 = 96.8 %.
"""

import numpy as np

from pose_core.metrics.pose_error import mpjpe, together

PCK_THRESHOLD_MM = 150.0
AUC_THRESHOLDS_MM = tuple(float(t) for t in range(0, 151, 5))


def pck(
    predicted: np.ndarray,
    truth: np.ndarray,
    root: int | None = 0,
    threshold_mm: float = PCK_THRESHOLD_MM,
) -> np.ndarray:
    """Whether each joint (T, J) lies within the threshold, roots together: 100 or 0 per cent.

    Parameters
    ----------
    predicted, truth : (T, J, 3) ndarray
        Metres, same axes.
    root : int, optional
        Joint at which both are put together; None where they are already.
    threshold_mm : float
    """
    errors, has_truth = _errors(predicted, truth, root)
    return np.where(has_truth, 100.0 * (errors < threshold_mm), np.nan)


def auc(predicted: np.ndarray, truth: np.ndarray, root: int | None = 0) -> np.ndarray:
    """Mean of `pck` over the thresholds 0, 5, ..., 150 mm: the area under its curve, (T, J) %."""
    errors, has_truth = _errors(predicted, truth, root)
    share = np.mean([errors < threshold for threshold in AUC_THRESHOLDS_MM], axis=0)
    return np.where(has_truth, 100.0 * share, np.nan)


def _errors(
    predicted: np.ndarray, truth: np.ndarray, root: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """(T, J) mm, infinite where nothing was predicted, and where there is truth."""
    errors = mpjpe(predicted, truth, root)
    has_truth = np.asarray(np.isfinite(together(truth, root)).all(axis=-1))
    return np.where(np.isnan(errors), np.inf, errors), has_truth
