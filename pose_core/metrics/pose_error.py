"""The MPJPE family. Input in metres, results in millimetres.

All functions take predicted and true positions ``(T, J, 3)`` in the same axes and return one
number for each frame and joint, so that any mean can be taken.
"""

import numpy as np

from pose_core.geometry import root_centre, similarity_align


def mpjpe(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance of each joint after putting both roots together (Protocol 1), (T, J) mm."""
    return 1000 * np.linalg.norm(root_centre(predicted) - root_centre(truth), axis=-1)


def pa_mpjpe(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance after the best rotation, translation and scale per frame (Protocol 2), (T, J) mm."""
    return 1000 * np.linalg.norm(similarity_align(predicted, truth) - truth, axis=-1)


def n_mpjpe(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance after the best scale per frame, roots together (Protocol 3), (T, J) mm."""
    a, b = root_centre(predicted), root_centre(truth)
    scale = (a * b).sum(axis=(-1, -2)) / np.maximum((a * a).sum(axis=(-1, -2)), 1e-12)
    return 1000 * np.linalg.norm(scale[:, None, None] * a - b, axis=-1)


def mpjve(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Norm of the first difference of the root-relative error, (T - 1, J) mm a frame."""
    error = root_centre(predicted) - root_centre(truth)
    return 1000 * np.linalg.norm(np.diff(error, axis=0), axis=-1)


def mpjae(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Norm of the second difference of the root-relative error, (T - 2, J) mm a frame squared."""
    error = root_centre(predicted) - root_centre(truth)
    return 1000 * np.linalg.norm(np.diff(error, n=2, axis=0), axis=-1)
