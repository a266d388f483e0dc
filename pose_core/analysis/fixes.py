"""Repairs of a few frames of poses: exchange sides, smooth, interpolate.

All take and give poses (..., T, J, 3) with T the frames in order; only frames
``start <= frame < end`` are changed.
"""

import numpy as np

from pose_core.array_versions import with_frames
from pose_core.bones import bone_lengths, with_bone_lengths
from pose_core.errors import ConfigError
from pose_core.inference.root import gaussian_over_time
from pose_core.skeleton import H36M_17, Skeleton

REACH = 3.0  # standard deviations that a Gaussian mean looks to either side


def swap_sides(
    values: np.ndarray, start: int, end: int, joints: tuple[int, ...], skeleton: Skeleton = H36M_17
) -> np.ndarray:
    """Exchange left and right of some joints.

    Parameters
    ----------
    values : (..., T, J, D) ndarray
        Positions, keypoints or, with D = 1, scores.
    start, end : int
    joints : tuple of int
        Of both sides. Those of the middle stay.
    skeleton : Skeleton
    """
    index = np.arange(skeleton.num_joints)
    index[list(joints)] = skeleton.mirror_index[list(joints)]
    return with_frames(values, values.ndim - 3, start, values[..., start:end, index, :])


def smooth(
    xyz: np.ndarray, times_s: np.ndarray, start: int, end: int, sigma_s: float = 0.08
) -> np.ndarray:
    """Gaussian mean over time of the directions of the bones, and of their lengths.

    The mean of positions would make limbs shorter where they turn. The frames around the range
    take part, so that nothing jumps at its ends.

    Parameters
    ----------
    xyz : (..., T, J, 3) ndarray
        Root-relative, metres; frames with a missing joint are left out and stay as they are.
    times_s : (T,) ndarray
    start, end : int
    sigma_s : float
        Standard deviation, seconds.
    """
    times_s = np.asarray(times_s, np.float64)
    first = int(np.searchsorted(times_s, times_s[start] - REACH * sigma_s))
    stop = int(np.searchsorted(times_s, times_s[end - 1] + REACH * sigma_s, side="right"))
    part = np.moveaxis(xyz[..., first:stop, :, :].astype(np.float64), -3, 0)  # (N, ..., J, 3)
    whole = np.asarray(np.isfinite(part).all(axis=(-1, -2)))
    part = np.where(whole[..., None, None], part, 0.0)

    def mean(values: np.ndarray) -> np.ndarray:
        smoothed = gaussian_over_time(values, times_s[first:stop], sigma_s)
        return smoothed[start - first : end - first]

    weight = np.maximum(mean(whole.astype(np.float64)), 1e-12)[..., None]
    lengths = mean(np.asarray(bone_lengths(part))) / weight
    fitted = with_bone_lengths(mean(part) / weight[..., None], lengths)
    fitted = np.moveaxis(fitted, 0, -3)
    before = xyz[..., start:end, :, :]
    is_whole = np.asarray(np.isfinite(before).all(axis=(-1, -2)))[..., None, None]
    return with_frames(xyz, xyz.ndim - 3, start, np.where(is_whole, fitted, before))


def interpolate(xyz: np.ndarray, times_s: np.ndarray, start: int, end: int) -> np.ndarray:
    """Poses on the straight way from the frame before the range to the one after it.

    Bone lengths change evenly from one to the other, so that no limb gets shorter on the way.

    Parameters
    ----------
    xyz : (..., T, J, 3) ndarray
        Root-relative, metres.
    times_s : (T,) ndarray
    start, end : int

    Raises
    ------
    ConfigError
        If there is no pose on either side of the range.
    """
    sides = (start - 1, end)
    is_inside = sides[0] >= 0 and sides[1] < xyz.shape[-3]
    if not is_inside or not np.isfinite(xyz[..., list(sides), :, :]).all():
        raise ConfigError(
            f"Frames {start} to {end - 1} cannot be interpolated: there is no pose before or "
            "after them.",
            "Choose frames with a whole pose on both sides.",
        )
    before, after = (xyz[..., [side], :, :].astype(np.float64) for side in sides)
    share = _share(times_s, start, end)[:, None, None]
    straight = (1 - share) * before + share * after
    share = share[..., 0]
    lengths = (1 - share) * bone_lengths(before) + share * bone_lengths(after)
    return with_frames(xyz, xyz.ndim - 3, start, with_bone_lengths(straight, lengths))


def interpolate_root(root: np.ndarray, times_s: np.ndarray, start: int, end: int) -> np.ndarray:
    """Where the pelvis is, for poses of `interpolate`: on the straight way as they are.

    Parameters
    ----------
    root : (T, 3) ndarray
        Camera coordinates, metres. Where it is not known on both sides of the range, it stays.
    times_s : (T,) ndarray
    start, end : int
        With a frame before and one after.
    """
    before, after = root[start - 1].astype(np.float64), root[end].astype(np.float64)
    if not np.isfinite(before + after).all():
        return root
    share = _share(times_s, start, end)[:, None]
    return with_frames(root, 0, start, (1 - share) * before + share * after)


def _share(times_s: np.ndarray, start: int, end: int) -> np.ndarray:
    """(end - start,) how much of the time between the frames around the range has passed."""
    times_s = np.asarray(times_s, np.float64)
    return (times_s[start:end] - times_s[start - 1]) / (times_s[end] - times_s[start - 1])
