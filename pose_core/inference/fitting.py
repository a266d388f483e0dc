"""Skeleton fitting: one body with constant bones that agrees with the 2D keypoints.

A lifter answers each frame by itself. Where depth is ambiguous it answers the middle, which
shortens limbs that point to or from the camera, and its bones change length from frame to frame.
Here all frames of a person are moved together so that bones keep their length (the same left and
right), joints project onto the keypoints, and the movement stays smooth, while the lifter's
answer says on which side of its parent a joint lies.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pose_core.skeleton import H36M_17

_PARENTS = torch.tensor([parent for parent, _ in H36M_17.bones])
_CHILDREN = torch.tensor([child for _, child in H36M_17.bones])

_STEPS = 120
_STEP_M = 0.01  # Adam's step; a third of it for the last third
# Weights of squared metres. The keypoints and the bones decide; the lifter's answer holds the
# rest in place, in depth more loosely than across.
_BONE_WEIGHT = 4.0
_ANSWER_WEIGHT = (0.3, 0.3, 0.06)
_SMOOTH_WEIGHT = 0.2  # acceleration in metres a frame squared, at 25 frames/s
_OUTLIER_M = 0.03  # keypoints farther off than this pull no harder
_CHUNK_FRAMES, _OVERLAP_FRAMES = 4096, 64


def bone_targets(poses: Tensor) -> Tensor:
    """Length of each bone, from the frames in which it lies across the line of sight.

    Parameters
    ----------
    poses : (T, 17, 3) Tensor
        Root-relative, camera axes.

    Returns
    -------
    (16,) Tensor
        In the order of joints 1..16; equal left and right.
    """
    bones = poses[:, _CHILDREN] - poses[:, _PARENTS]
    length = bones.norm(dim=-1)
    across = bones[..., :2].norm(dim=-1) / length.clamp_min(1e-3)
    weight = across**4 + 1e-3
    target = (length * weight).sum(0) / weight.sum(0)
    mirrored = torch.as_tensor(H36M_17.mirror_index)[1:] - 1
    return (target + target[mirrored]) / 2


def fit_skeleton(
    poses: np.ndarray,
    root: np.ndarray,
    rays: np.ndarray,
    scores: np.ndarray,
    fps: float,
    lengths: np.ndarray | None = None,
) -> np.ndarray:
    """Poses with constant bones that project onto the keypoints.

    Parameters
    ----------
    poses : (T, 17, 3) ndarray
        A lifter's answer: root-relative, camera axes, metres, finite.
    root : (T, 3) ndarray
        Root position in camera coordinates, metres.
    rays : (T, 17, 2) ndarray
        Keypoints as normalised image coordinates, finite.
    scores : (T, 17) ndarray
        0..1; unsure keypoints pull less.
    fps : float
        Frames per second: says how smooth movement is.
    lengths : (16,) ndarray, optional
        Of the bones, metres; those of `bone_targets` by default.

    Returns
    -------
    (T, 17, 3) ndarray
        Root-relative, camera axes, metres.
    """
    answer, place, seen, sure = (
        torch.from_numpy(np.array(a, dtype=np.float32)) for a in (poses, root, rays, scores)
    )
    target = bone_targets(answer) if lengths is None else torch.from_numpy(lengths).float()
    out = np.zeros(poses.shape)
    for start in range(0, len(poses), _CHUNK_FRAMES):
        first = max(0, start - _OVERLAP_FRAMES)
        stop = min(start + _CHUNK_FRAMES, len(poses))
        part = slice(first, min(stop + _OVERLAP_FRAMES, len(poses)))
        fitted = _fit(answer[part], place[part], seen[part], sure[part], target, fps)
        out[start:stop] = fitted[start - first : stop - first].numpy()
    return out


def _fit(
    answer: Tensor, place: Tensor, rays: Tensor, scores: Tensor, lengths: Tensor, fps: float
) -> Tensor:
    """Minimise the energy over camera positions of one chunk; root-relative (T, 17, 3)."""
    xyz = (answer + place[:, None]).requires_grad_()
    depth = place[:, None, 2].clamp_min(0.1)
    trust = scores.clamp(0.05, 1.0)
    answer_weight = torch.tensor(_ANSWER_WEIGHT)
    smooth_weight = _SMOOTH_WEIGHT * (fps / 25.0) ** 4
    optimizer = torch.optim.Adam([xyz], lr=_STEP_M)
    for step in range(_STEPS):
        if step == 2 * _STEPS // 3:
            optimizer.param_groups[0]["lr"] = _STEP_M / 3
        miss = (xyz[..., :2] / xyz[..., 2:].clamp_min(0.1) - rays) * depth[..., None]
        distance = (miss.square().sum(-1) + 1e-10).sqrt()
        zero = torch.zeros_like(distance)
        pull = functional.huber_loss(distance, zero, reduction="none", delta=_OUTLIER_M)
        bones = xyz[:, _CHILDREN] - xyz[:, _PARENTS]
        stretch = (bones.square().sum(-1) + 1e-10).sqrt() - lengths
        moved = (xyz - xyz[:, :1] - answer).square() * answer_weight
        energy = (pull * trust).sum() + _BONE_WEIGHT * stretch.square().sum() + moved.sum()
        if len(xyz) > 2:
            bend = xyz[2:] - 2 * xyz[1:-1] + xyz[:-2]
            energy = energy + smooth_weight * bend.square().sum()
        optimizer.zero_grad()
        energy.backward()
        optimizer.step()
    xyz = xyz.detach()
    return xyz - xyz[:, :1]
