"""Losses of the four steps that train the 3D pose machine (Wang et al. 2019, Algorithm 1).

All are squared distances, summed over the joints of a frame as in the paper, and averaged over
the frames that count, so that no learning rate depends on the size of a batch. The paper compares
poses after min-max normalisation to [0, 1] and adds all terms with weight 1. Therefore 3D
distances are divided by `pose_range`, the extent of the training poses along each axis, and 2D
distances by `plane_range`, the side of the square that the front end sees.
"""

import torch
from torch import Generator, Tensor


def keypoint_loss(
    predicted: Tensor, truth: Tensor, *, plane_range: float, visible: Tensor | None = None
) -> Tensor:
    """Step (i), Eq. (5): the 2D pose sub-network alone, on pictures with 2D poses.

    Parameters
    ----------
    predicted, truth : (B, T, J, 2) Tensor
        2D poses, in the units of `pose_core.models.pose_machine.PoseMachineOutput`.
    plane_range : float
        Twice the extent of the front end.
    visible : (B, T, J) bool Tensor, optional
        Joints that are labelled; all by default. The others may be NaN.

    Returns
    -------
    scalar Tensor
    """
    return _squared_distance(predicted, truth, plane_range, visible)


def transformer_loss(
    intermediate: Tensor, truth: Tensor, *, pose_range: Tensor, valid: Tensor | None = None
) -> Tensor:
    """Step (ii), Eq. (6): the 2D-to-3D pose transformer, with the 2D sub-network fixed.

    Parameters
    ----------
    intermediate, truth : (B, T, J, 3) Tensor
        Root-relative poses, metres; the first stage of the network and the truth.
    pose_range : (3,) Tensor
        Extent of the training poses along each axis, metres.
    valid : (B, T) bool Tensor, optional
        Frames that have a true 3D pose; all by default. The truth of others may be NaN.

    Returns
    -------
    scalar Tensor
        0 where no frame counts.
    """
    return _squared_distance(intermediate, truth, pose_range, _of_joints(valid, truth))


def projector_terms(
    regressed: Tensor,
    projected: Tensor,
    truth: Tensor,
    truth_2d: Tensor,
    *,
    pose_range: Tensor,
    plane_range: float,
    valid: Tensor | None = None,
    visible: Tensor | None = None,
) -> dict[str, Tensor]:
    """Step (iii), Eq. (2): the projector, with all before it fixed.

    Parameters
    ----------
    regressed, truth : (B, T, J, 3) Tensor
        Pose from Psi_C and the true one, root-relative, metres.
    projected, truth_2d : (B, T, J, 2) Tensor
        Its projection by Psi_P and the true 2D pose.
    pose_range, plane_range, valid, visible
        As in `transformer_loss` and `keypoint_loss`.

    Returns
    -------
    dict of str to scalar Tensor
        ``regression`` and ``projection``; their sum is the loss.
    """
    return {
        "regression": transformer_loss(regressed, truth, pose_range=pose_range, valid=valid),
        "projection": keypoint_loss(projected, truth_2d, plane_range=plane_range, visible=visible),
    }


def joint_terms(
    stages: Tensor,
    projected: Tensor,
    keypoints_2d: Tensor,
    truth: Tensor,
    *,
    pose_range: Tensor,
    plane_range: float,
    valid: Tensor,
    visible: Tensor | None = None,
) -> dict[str, Tensor]:
    """Step (iv), Eq. (7): fine-tuning of the whole network on 3D and on 2D data.

    The projection of the regressed pose shall agree with the 2D pose that the network sees,
    which needs no label. Frames with a true 3D pose keep on teaching it (section 3.3 for the
    regressed pose, section 3.4 for the intermediate one); for the others this loss is zero.

    Parameters
    ----------
    stages : (2, B, T, J, 3) Tensor
        Intermediate and regressed pose, metres.
    projected, keypoints_2d : (B, T, J, 2) Tensor
        Projection of the regressed pose, and the 2D pose of the 2D sub-network. The gradient
        reaches both.
    truth : (B, T, J, 3) Tensor
        Metres; of frames without a 3D pose it may be NaN.
    pose_range, plane_range
        As in `transformer_loss` and `keypoint_loss`.
    valid : (B, T) bool Tensor
        Frames with a true 3D pose.
    visible : (B, T, J) bool Tensor, optional
        Joints of the 2D pose to be compared, see `hide_joints`; all by default.

    Returns
    -------
    dict of str to scalar Tensor
        ``consistency``, ``intermediate`` and ``regression``; their sum is the loss.
    """
    intermediate, regressed = stages
    return {
        "consistency": keypoint_loss(
            projected, keypoints_2d, plane_range=plane_range, visible=visible
        ),
        "intermediate": transformer_loss(intermediate, truth, pose_range=pose_range, valid=valid),
        "regression": transformer_loss(regressed, truth, pose_range=pose_range, valid=valid),
    }


def hide_joints(visible: Tensor, share: float, generator: Generator) -> Tensor:
    """Joint dropout of the 2D pose in training (section 3.3; delta is 0.3).

    The paper sets the place of a dropped joint to zero. As a target, that would teach the
    projection to put joints at zero; here a dropped joint is not compared at all.

    Parameters
    ----------
    visible : (..., J) bool Tensor
    share : float
        Chance of each joint to be dropped.
    generator : torch.Generator
        On the device of `visible`.

    Returns
    -------
    (..., J) bool Tensor
    """
    chance = torch.rand(visible.shape, generator=generator, device=visible.device)
    return visible & (chance >= share)


def _of_joints(valid: Tensor | None, poses: Tensor) -> Tensor | None:
    """(B, T) of frames to (B, T, J) of joints."""
    return None if valid is None else valid[..., None].expand(poses.shape[:-1])


def _squared_distance(
    predicted: Tensor, truth: Tensor, unit: Tensor | float, counts: Tensor | None
) -> Tensor:
    """Summed over the joints (B, T, J) that count, averaged over the frames that have any."""
    difference = (predicted - truth) / unit
    if counts is None:
        return difference.square().sum((-2, -1)).mean()
    # Not as a product, so that neither loss nor gradient takes NaN from where nothing is known.
    difference = difference.where(counts[..., None], 0.0)
    return difference.square().sum() / counts.any(-1).sum().clamp_min(1)
