"""Bone lengths, and poses with other bone lengths but the same directions.

Skeleton fitting of Dabral et al. 2018 (section 4, step 3): when the bone lengths of a person are
known, a pose keeps the direction of every bone and takes the known lengths.
"""

import numpy as np

from pose_core.errors import ConfigError
from pose_core.skeleton import H36M_17, Skeleton

# A bone shorter than this, in metres, has no direction.
_SHORTEST_M = 1e-6


def bone_lengths(xyz: np.ndarray, skeleton: Skeleton = H36M_17) -> np.ndarray:
    """Lengths (..., B) of the bones of poses (..., J, 3), in the order of `Skeleton.bones`."""
    parents, children = np.array(skeleton.bones).T
    return np.linalg.norm(xyz[..., children, :] - xyz[..., parents, :], axis=-1)


def with_bone_lengths(
    xyz: np.ndarray, lengths: np.ndarray, skeleton: Skeleton = H36M_17
) -> np.ndarray:
    """Poses whose bones have given lengths and the same directions; roots stay where they are.

    Parameters
    ----------
    xyz : (..., J, 3) ndarray
        Any axes, metres; NaN where missing.
    lengths : (..., B) ndarray
        Metres, in the order of ``skeleton.bones``; the leading axes are broadcast, so that (B,)
        serves all poses.
    skeleton : Skeleton

    Returns
    -------
    (..., J, 3) ndarray
        A bone of length zero has no direction: its joint stays at its parent. Joints beyond a
        missing one are missing.

    Raises
    ------
    ConfigError
        If there is not one length for each bone, or one is negative.

    References
    ----------
    R. Dabral et al., "Learning 3D Human Pose from Structure and Motion", ECCV 2018, section 5.1.
    """
    if lengths.shape[-1:] != (len(skeleton.bones),) or (lengths < 0).any():
        raise ConfigError(
            f"Skeleton {skeleton.name} needs {len(skeleton.bones)} bone lengths of at least 0, "
            f"not an array {lengths.shape} with smallest {np.min(lengths, initial=np.inf):.3f}."
        )
    leading = np.broadcast_shapes(xyz.shape[:-2], lengths.shape[:-1])
    out = np.array(np.broadcast_to(xyz, (*leading, *xyz.shape[-2:])))
    for bone, (parent, child) in _from_root_to_tip(skeleton):
        vector = xyz[..., child, :] - xyz[..., parent, :]
        size = np.linalg.norm(vector, axis=-1, keepdims=True)
        direction = np.where(size < _SHORTEST_M, 0.0, vector / np.maximum(size, _SHORTEST_M))
        out[..., child, :] = out[..., parent, :] + direction * lengths[..., bone, None]
    return out


def _from_root_to_tip(skeleton: Skeleton) -> list[tuple[int, tuple[int, int]]]:
    """(bone, (parent, child)), every bone after the one that ends in its parent."""

    def depth(joint: int) -> int:
        parent = skeleton.parents[joint]
        return 0 if parent < 0 else 1 + depth(parent)

    return sorted(enumerate(skeleton.bones), key=lambda item: depth(item[1][1]))
