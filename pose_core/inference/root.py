"""Where the person stands in front of the camera, from 2D and 3D."""

import numpy as np

from pose_core.camera import Camera
from pose_core.geometry import perspective_root_fit

# Depth from size is noisy; nobody moves to and fro faster than this smoothing lets through.
_SMOOTH_S = 0.35
# What the skeleton's ends leave out: sole below the ankle joint, metres.
_ANKLE_HEIGHT_M = 0.08
# Fewer keypoints of a pose do not tell where it stands.
_FEWEST_KEYPOINTS = 6
_SPINE = (0, 7, 8, 9, 10)
_LEGS = ((1, 2, 3), (4, 5, 6))


def estimate_root(
    xyz: np.ndarray, xy: np.ndarray, scores: np.ndarray, times_s: np.ndarray, camera: Camera
) -> np.ndarray:
    """Root positions that make root-relative poses project onto the keypoints.

    Parameters
    ----------
    xyz : (T, J, 3) ndarray
        Root-relative, camera axes, metres; NaN where there is no pose.
    xy : (T, J, 2) ndarray
        Pixels; NaN where a keypoint is missing.
    scores : (T, J) ndarray
    times_s : (T,) ndarray
    camera : Camera
        Given or assumed intrinsics.

    Returns
    -------
    (T, 3) float32 ndarray
        Camera coordinates, metres; NaN where there is no pose, or fewer than six keypoints. Depth
        is smoothed over time.
    """
    root = np.full((len(xyz), 3), np.nan)
    known = np.asarray(np.isfinite(xy).all(axis=-1))
    present = np.isfinite(xyz).all((1, 2)) & (known.sum(axis=1) >= _FEWEST_KEYPOINTS)
    if not present.any():
        return root.astype(np.float32)
    rays = camera.rays(xy[present].astype(np.float64))
    # Missing keypoints are put in the middle of the others, where their small weight does no harm.
    missing = ~known[present]
    rays = np.where(missing[..., None], np.nanmean(rays, axis=1)[:, None], rays)
    seen = np.where(missing, 0.0, scores[present])
    root[present] = root_from_rays(xyz[present], rays, seen, times_s[present])
    return root.astype(np.float32)


def root_from_rays(
    xyz: np.ndarray, rays: np.ndarray, scores: np.ndarray, times_s: np.ndarray
) -> np.ndarray:
    """Root positions (T, 3) from finite poses (T, J, 3) and rays (T, J, 2), as `estimate_root`."""
    weights = np.maximum(scores, 0.01) ** 2
    fitted = perspective_root_fit(xyz.astype(np.float64), rays, weights)
    depth = np.maximum(fitted[:, 2], 0.3)
    smooth = np.exp(gaussian_over_time(np.log(depth), times_s, _SMOOTH_S))
    # Sideways, the fitted direction is sharp: keep it, at the smoothed depth.
    direction = fitted[:, :2] / depth[:, None]
    direction = gaussian_over_time(direction, times_s, _SMOOTH_S / 8)
    return np.concatenate([direction * smooth[:, None], smooth[:, None]], axis=1)


def gaussian_over_time(values: np.ndarray, times_s: np.ndarray, sigma_s: float) -> np.ndarray:
    """Gaussian-weighted mean of (T, ...) over neighbours in time, whatever their spacing."""
    flat = values.reshape(len(values), -1)
    total = np.zeros_like(flat)
    norm = np.zeros((len(flat), 1))
    for lag in range(len(times_s)):
        gap = times_s[lag:] - times_s[: len(times_s) - lag]
        if gap.size == 0 or gap.min() > 3 * sigma_s:
            break
        weight = np.exp(-0.5 * (gap / sigma_s) ** 2)[:, None]
        total[lag:] += weight * flat[: len(flat) - lag]
        norm[lag:] += weight
        if lag:
            total[: len(flat) - lag] += weight * flat[lag:]
            norm[: len(flat) - lag] += weight
    return (total / norm).reshape(values.shape)


def stature(xyz: np.ndarray) -> float:
    """Body height along the bones, median over frames, metres.

    Parameters
    ----------
    xyz : (T, 17, 3) ndarray
        Poses; frames with NaN are passed over.
    """
    poses = xyz[np.isfinite(xyz).all((1, 2))]

    def length(chain: tuple[int, ...]) -> np.ndarray:
        return np.linalg.norm(np.diff(poses[:, chain], axis=1), axis=-1).sum(-1)

    legs = (length(_LEGS[0]) + length(_LEGS[1])) / 2
    return float(np.median(legs + length(_SPINE))) + _ANKLE_HEIGHT_M
