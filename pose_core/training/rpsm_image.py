"""Training of RPSM on pictures (Lin et al. 2017, section 4).

Two stages of the schedule: the convolutions over the picture learn from heatmaps, with an extra
convolution for the time (`pose_core.models.image_features.HeatmapHead`); then they are fixed and
the rest learns Eq. (2) from clips with 3D.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pose_core.data.skipping import SkipLog
from pose_core.losses.stages import refinement_loss
from pose_core.models.rpsm import HeatmapPretraining, Rpsm, RpsmConfig
from pose_core.training.batches import TrainingData
from pose_core.training.heatmap_pretraining import (
    PRETRAINING_HEAD,
    both_ends,
    faster_convolutions,
    fit_to_people,
    heatmap_term,
    is_trained,
)
from pose_core.training.image_data import ImageSettings, load_image_data, network_images
from pose_core.training.image_validation import HeldOutPeople, ImageAnswer


@dataclass(frozen=True, kw_only=True)
class RpsmImageSettings:
    """What is trained, on what.

    Parameters
    ----------
    network : RpsmConfig
        Its `clip_length` is the length of the training clips.
    data : ImageSettings
    """

    network: RpsmConfig = field(default_factory=RpsmConfig)
    data: ImageSettings = field(default_factory=ImageSettings)


def load(
    settings: RpsmImageSettings, data: Path, skipped: SkipLog
) -> tuple[TrainingData, TrainingData]:
    """Clips to train on and held-out ones, see `load_image_data`."""
    network = settings.network
    return load_image_data(data, settings.data, network.image_size, network.clip_length, skipped)


class RpsmImageTask:
    """See `pose_core.training.task.TrainingTask`.

    Parameters
    ----------
    settings : RpsmImageSettings
    training, held_out : TrainingData
        As `load` gives them.
    """

    watched = "MPJPE"

    def __init__(
        self, settings: RpsmImageSettings, training: TrainingData, held_out: TrainingData
    ) -> None:
        self.network = Rpsm(settings.network)
        faster_convolutions(self.network.front_end)
        self._pretraining = HeatmapPretraining(self.network, settings.network.num_joints)
        # Part of the network for as long as it is trained, so that it is saved with it.
        self.network.add_module(PRETRAINING_HEAD, self._pretraining.head)
        fit_to_people(self.network, training)
        self.data = training
        self._held_out = HeldOutPeople(held_out, settings.data.validation_samples)

    def loss_terms(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """``heatmap`` of everybody while the head is trained, then ``refinement``, Eq. (2)."""
        images = network_images(batch)
        if is_trained(self._pretraining.head):
            maps = self._pretraining(both_ends(images).flatten(0, 1))
            places = both_ends(batch["keypoints"]).flatten(0, 1)
            return {"heatmap": heatmap_term(maps, places)}
        pose_range = self.network.pose_range.extent
        valid = batch["has_3d"][:, None].expand(images.shape[:2])
        stages = network(images).stages
        loss = refinement_loss(stages, batch["pose"], pose_range=pose_range, valid=valid)
        return {"refinement": loss}

    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """Errors of every stage on held-out people, see `HeldOutPeople`."""
        return self._held_out.figures(network, _answer, device)

    def examples(self, network: nn.Module, device: torch.device) -> dict[str, np.ndarray]:
        """See `HeldOutPeople.examples`."""
        return self._held_out.examples(network, _answer, device)


def _answer(network: nn.Module, images: Tensor) -> ImageAnswer:
    return ImageAnswer(network(images).stages)
