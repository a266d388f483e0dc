"""Keypoints and poses of a video at the frame rate that a lifter was trained on, and back."""

import numpy as np


def lifter_rate(fps: float, rate_hz: float) -> float:
    """Rate nearest to `rate_hz` that is the video's rate times or over a whole number.

    On such a grid the frames of the video (or every k-th) are samples themselves.
    """
    if fps >= rate_hz:
        return fps / max(1, round(fps / rate_hz))
    return fps * max(1, round(rate_hz / fps))


def uniform_times(times_s: np.ndarray, rate_hz: float) -> np.ndarray:
    """Times from the first frame to at least the last, spaced evenly."""
    num = int(np.ceil((times_s[-1] - times_s[0]) * rate_hz - 1e-6)) + 1
    return times_s[0] + np.arange(num) / rate_hz


def resample_keypoints(
    rays: np.ndarray, scores: np.ndarray, times_s: np.ndarray, grid_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints at the times of a grid.

    A grid coarser than the video takes score-weighted means over its spacing, which also takes
    off jitter; a finer one is filled in straight.

    Parameters
    ----------
    rays : (T, J, 2) ndarray
        Finite.
    scores : (T, J) ndarray
    times_s, grid_s : (T,), (G,) ndarray
        Increasing seconds.

    Returns
    -------
    (G, J, 2), (G, J) ndarray
    """
    if len(times_s) == 1:
        return interpolate(rays, times_s, grid_s), interpolate(scores, times_s, grid_s)
    spacing = grid_s[1] - grid_s[0] if len(grid_s) > 1 else np.inf
    step = (times_s[-1] - times_s[0]) / (len(times_s) - 1)
    reach = round(spacing / step) - 1 if np.isfinite(spacing) else 0
    if reach > 0:
        rays, scores = _weighted_mean(rays, scores, reach)
    rays = interpolate(rays, times_s, grid_s)
    return rays, interpolate(scores, times_s, grid_s)


def _weighted_mean(
    rays: np.ndarray, scores: np.ndarray, reach: int
) -> tuple[np.ndarray, np.ndarray]:
    """Triangular moving mean over `reach` frames to either side, weighted by the scores."""
    total = np.zeros_like(rays)
    weight = np.zeros_like(scores)
    seen = np.zeros_like(scores)
    norm = np.zeros(len(rays))[:, None]
    for lag in range(-reach, reach + 1):
        factor = 1 - abs(lag) / (reach + 1)
        to = slice(max(0, -lag), len(rays) - max(0, lag))
        source = slice(max(0, lag), len(rays) - max(0, -lag))
        w = factor * np.maximum(scores[source], 1e-3)
        total[to] += w[..., None] * rays[source]
        weight[to] += w
        seen[to] += factor * scores[source]
        norm[to] += factor
    return total / weight[..., None], seen / norm


def interpolate(values: np.ndarray, times_s: np.ndarray, grid_s: np.ndarray) -> np.ndarray:
    """Values (T, ...) at other times (G, ...), straight between neighbours."""
    if len(times_s) == 1:
        return np.repeat(values, len(grid_s), 0)
    high = np.clip(np.searchsorted(times_s, grid_s, side="right"), 1, len(times_s) - 1)
    low = high - 1
    mix = np.clip((grid_s - times_s[low]) / (times_s[high] - times_s[low]), 0.0, 1.0)
    mix = mix.reshape(-1, *([1] * (values.ndim - 1)))
    return values[low] * (1 - mix) + values[high] * mix


def resample_poses(xyz: np.ndarray, grid_s: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """Positions (G, ...) of an even grid at other times, by cubic splines."""
    if len(grid_s) == 1:
        return np.repeat(xyz, len(times_s), 0)
    place = (times_s - grid_s[0]) * (len(grid_s) - 1) / (grid_s[-1] - grid_s[0])
    nearest = np.clip(np.round(place).astype(int), 0, len(grid_s) - 1)
    if np.abs(place - nearest).max() < 1e-3:
        return xyz[nearest]
    from scipy.interpolate import CubicSpline

    return CubicSpline(grid_s, xyz, axis=0)(np.minimum(times_s, grid_s[-1]))
