"""How far root-relative poses are from 2D keypoints, wherever in space they fit them best.

A lifter answers relative to the pelvis, so a 2D keypoint says nothing until the pose has a place.
Here that is the place at which the pose and the viewing rays agree best, in closed form: the
translation t that makes the sum over joints of w |(x + t_x, y + t_y) - (u, v) (z + t_z)|^2 least.
"""

import torch
from torch import Tensor

# Keeps the equations solvable where fewer than two joints are labelled.
_RIDGE = 1e-6
# No person is nearer to the camera than this, metres.
_NEAREST_M = 0.5


def best_place(poses: Tensor, rays: Tensor, weights: Tensor) -> Tensor:
    """Translations (..., 3) at which poses fit viewing rays best, metres.

    Parameters
    ----------
    poses : (..., J, 3) Tensor
        Metres, axes of the camera.
    rays : (..., J, 2) Tensor
        u = x / z and v = y / z, finite also where the weight is 0.
    weights : (..., J) Tensor
    """
    zero, one = torch.zeros_like(rays[..., 0]), torch.ones_like(rays[..., 0])
    rows = torch.stack(
        [torch.stack([one, zero, -rays[..., 0]], -1), torch.stack([zero, one, -rays[..., 1]], -1)],
        -2,
    )  # (..., J, 2, 3)
    wanted = rays * poses[..., 2:] - poses[..., :2]
    weighted = rows * weights[..., None, None]
    matrix = torch.einsum("...jki,...jkl->...il", weighted, rows)
    right = torch.einsum("...jki,...jk->...i", weighted, wanted)
    place = torch.linalg.solve(matrix + _RIDGE * torch.eye(3).to(matrix), right)
    return torch.cat([place[..., :2], place[..., 2:].clamp_min(_NEAREST_M)], dim=-1)


def seen_places(poses: Tensor, rays: Tensor, place: Tensor) -> Tensor:
    """Where joints (..., J, 2) would be, x and y, to lie on their rays at the depth they have.

    Parameters
    ----------
    poses : (..., J, 3) Tensor
        Root-relative, metres; only their depth counts.
    rays : (..., J, 2) Tensor
    place : (..., 3) Tensor
        Of the root.
    """
    depths = poses[..., 2:] + place[..., None, 2:]
    return rays * depths - place[..., None, :2]


def reprojection_loss(poses: Tensor, rays: Tensor, weights: Tensor) -> Tensor:
    """Mean distance between joints and their viewing rays at the best place, metres.

    Parameters
    ----------
    poses : (..., J, 3) Tensor
        Root-relative, axes of the camera, metres.
    rays : (..., J, 2) Tensor
    weights : (..., J) Tensor
        Of each keypoint; 0 where it is not labelled.

    Returns
    -------
    scalar Tensor
        Measured across the depth axis, at the depth of the joint. 0 where nothing is labelled.
    """
    # The place is the best one: a gradient through it would change nothing to first order.
    place = best_place(poses.detach(), rays, weights)
    distances = torch.linalg.vector_norm(poses[..., :2] - seen_places(poses, rays, place), dim=-1)
    return (weights * distances).sum() / weights.sum().clamp_min(1e-9)
