"""Is a predicted pose a possible body? Bone lengths left and right and over time; joint angles.

These need no truth (Dabral et al., "Learning 3D Human Pose from Structure and Motion", ECCV 2018,
Sec. 5.2 and Table 6). Input ``(T, J, 3)`` in metres with missing joints NaN; results in
millimetres or per cent, NaN where a joint is missing.
"""

import warnings

import numpy as np

from pose_core.bones import bone_lengths
from pose_core.skeleton import H36M_17, Skeleton

# What the bone that ends in a joint is called.
_BONE_NAMES = {
    "shoulder": "collar bone",
    "elbow": "upper arm",
    "wrist": "lower arm",
    "hip": "hip bone",
    "knee": "upper leg",
    "ankle": "lower leg",
}


def paired_bones(skeleton: Skeleton = H36M_17) -> dict[str, tuple[int, int]]:
    """Bones that the body has twice: name to the joints (left, right) that they end in."""
    pairs = {}
    for left, right in skeleton.left_right_pairs:
        joint = skeleton.joint_names[left].removeprefix("left_")
        if joint in _BONE_NAMES and skeleton.parents[left] >= 0:
            pairs[_BONE_NAMES[joint]] = (left, right)
    return pairs


def side_difference_mm(xyz: np.ndarray, skeleton: Skeleton = H36M_17) -> np.ndarray:
    """|left - right| bone length of each of `paired_bones` (T, P), mm (Table 6, upper half)."""
    lengths = _lengths_by_child(xyz, skeleton)
    left, right = np.array(list(paired_bones(skeleton).values())).T
    return np.abs(lengths[:, left] - lengths[:, right])


def bone_spread_mm(xyz: np.ndarray, skeleton: Skeleton = H36M_17) -> np.ndarray:
    """Standard deviation of bone length over the frames of one person (Table 6, lower half).

    Returns
    -------
    (1, P) ndarray
        For each of `paired_bones` the mean of the left and the right one, mm. Each sequence has
        one: bones of two people may differ.
    """
    with warnings.catch_warnings():
        # A bone that is missing throughout has no spread.
        warnings.filterwarnings("ignore", "Degrees of freedom", RuntimeWarning)
        spread = np.nanstd(_lengths_by_child(xyz, skeleton), axis=0)
    left, right = np.array(list(paired_bones(skeleton).values())).T
    return ((spread[left] + spread[right]) / 2)[None]


def _lengths_by_child(xyz: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(T, J) mm: length of the bone that ends in each joint; NaN for roots."""
    lengths = np.full(xyz.shape[:2], np.nan)
    lengths[:, [child for _, child in skeleton.bones]] = 1000 * bone_lengths(xyz, skeleton)
    return lengths
