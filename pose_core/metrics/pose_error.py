"""The MPJPE family. Input in metres, results in millimetres.

All functions take predicted and true positions ``(T, J, 3)`` in the same axes and return one
number for each frame and joint, so that any mean can be taken. A joint that is missing (NaN) in
either has the error NaN and takes no part in any alignment; a frame without its root, or with
fewer than three joints to align, has no errors at all. `root` is the joint at which both poses are
put together; None leaves poses as they are, for those whose origin is no joint of theirs.

The "3D pose error" of the RPSM and of the self-supervised pose machine (distances of all joints
"up to translation") is `mpjpe`: both papers predict positions relative to the pelvis, so that the
translation left is that of the root.
"""

import numpy as np

from pose_core.geometry import root_centre, similarity_align

# Fewer points leave the rotation open.
_FEWEST_ALIGNED = 3


def together(xyz: np.ndarray, root: int | None) -> np.ndarray:
    """Positions (T, J, 3) relative to the root, where there is one."""
    return xyz if root is None else root_centre(xyz, root)


def mpjpe(predicted: np.ndarray, truth: np.ndarray, root: int | None = 0) -> np.ndarray:
    """Distance of each joint after putting both roots together (Protocol 1), (T, J) mm."""
    return _distance_mm(together(predicted, root), together(truth, root))


def pa_mpjpe(predicted: np.ndarray, truth: np.ndarray, root: int | None = 0) -> np.ndarray:
    """Distance after the best rotation, translation and scale per frame (Protocol 2), (T, J) mm.

    No joint is special here; `root` is there for the sake of one signature.
    """
    known = _known(predicted, truth)
    # At the mean of the known joints a joint adds nothing to the mean, the covariance or the
    # variance from which the alignment is computed: it is as if it were not there.
    source, target = _missing_at_mean(predicted, known), _missing_at_mean(truth, known)
    errors = _distance_mm(similarity_align(source, target), target)
    usable = known & (known.sum(axis=-1, keepdims=True) >= _FEWEST_ALIGNED)
    return np.where(usable, errors, np.nan)


def n_mpjpe(predicted: np.ndarray, truth: np.ndarray, root: int | None = 0) -> np.ndarray:
    """Distance after the best scale per frame, roots together (Protocol 3), (T, J) mm."""
    a, b = together(predicted, root), together(truth, root)
    known = _known(a, b)[..., None]
    product, square = np.where(known, a * b, 0.0), np.where(known, a * a, 0.0)
    scale = product.sum(axis=(-1, -2)) / np.maximum(square.sum(axis=(-1, -2)), 1e-12)
    return _distance_mm(scale[:, None, None] * a, b)


def mpjve(predicted: np.ndarray, truth: np.ndarray, root: int | None = 0) -> np.ndarray:
    """Norm of the first difference of the root-relative error, (T - 1, J) mm a frame."""
    return _difference_mm(predicted, truth, root, order=1)


def mpjae(predicted: np.ndarray, truth: np.ndarray, root: int | None = 0) -> np.ndarray:
    """Norm of the second difference of the root-relative error, (T - 2, J) mm a frame squared."""
    return _difference_mm(predicted, truth, root, order=2)


def _difference_mm(
    predicted: np.ndarray, truth: np.ndarray, root: int | None, order: int
) -> np.ndarray:
    error = together(predicted, root) - together(truth, root)
    return 1000 * np.linalg.norm(np.diff(error, n=order, axis=0), axis=-1)


def _distance_mm(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return 1000 * np.linalg.norm(a - b, axis=-1)


def _known(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(T, J) bool: joints that both have."""
    return np.asarray(np.isfinite(predicted + truth).all(axis=-1))


def _missing_at_mean(xyz: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Positions with the joints that are not known put at the mean of the others."""
    present = np.where(known[..., None], xyz, 0.0)
    count = np.maximum(known.sum(axis=-1), 1)[..., None, None]
    return np.where(known[..., None], xyz, present.sum(axis=-2, keepdims=True) / count)
