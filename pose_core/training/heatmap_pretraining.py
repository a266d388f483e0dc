"""Heatmaps as targets: 2D pre-training of image networks (Lin et al. 2017, section 4)."""

import torch
from torch import Tensor, nn

from pose_core.losses.stages import heatmap_loss
from pose_core.models.image_features import gaussian_maps
from pose_core.models.pose_machine import PoseMachine
from pose_core.models.rpsm import Rpsm
from pose_core.models.sapnet import half_sides_to_cells
from pose_core.training.batches import TrainingData

# Name of the extra convolution among the parts of a network in training, for the schedule.
PRETRAINING_HEAD = "pretraining_head"
_CLIPS_FOR_RANGE = 64
# Standard deviation of the Gaussian at a joint, cells (Newell et al. 2016, section 3.3).
SIGMA_CELLS = 1.0


def heatmap_term(maps: Tensor, places: Tensor) -> Tensor:
    """Squared distance of heatmaps from Gaussians, summed over cells, averaged over joints.

    Parameters
    ----------
    maps : (N, J, h, h) Tensor
    places : (N, J, 2) Tensor
        Half sides of the picture. Joints outside it or NaN do not count.

    Returns
    -------
    scalar Tensor
        About 3 for empty maps: a Gaussian of one cell has as much.
    """
    size = maps.shape[-1]
    target = gaussian_maps(half_sides_to_cells(places, size), size, SIGMA_CELLS)
    is_inside = (places.abs() < 1).all(-1)  # False for NaN
    return size**2 * heatmap_loss(maps, target, is_inside)


def both_ends(clips: Tensor) -> Tensor:
    """The first and the last frame of clips (B, T, ...): those between show little that is new."""
    return clips[:, :: max(1, clips.shape[1] - 1)]


def faster_convolutions(network: nn.Module) -> None:
    """Have its convolutions keep channels last: on the CPU they are up to twice as fast so."""
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def is_trained(module: nn.Module) -> bool:
    """Whether the stage of the schedule trains any part of a module."""
    return any(parameter.requires_grad for parameter in module.parameters())


def fit_to_people(network: Rpsm | PoseMachine, data: TrainingData) -> None:
    """Take the range of poses from some of the training data."""
    batch = data.draw(_CLIPS_FOR_RANGE, torch.Generator().manual_seed(0))
    network.fit_normalisation(batch["pose"][batch["has_3d"]])
