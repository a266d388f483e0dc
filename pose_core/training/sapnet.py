"""Training of SAP-Net on pictures (Dabral et al. 2018, section 4.3).

The four stages of the paper (`pose_core.losses.structure_training.SAPNET_STAGES`) are stages of
the schedule: each names the parts that it trains and the factors on the loss terms. The factors
on ``angle``, ``symmetry`` and ``geometry`` are lambda_a, lambda_s and lambda_g.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pose_core.data.skipping import SkipLog
from pose_core.losses.structure import StructureWeights
from pose_core.losses.structure_training import weakly_supervised_terms
from pose_core.models.sapnet import SapNet, SapNetConfig, depth_target, limb_length
from pose_core.skeleton import H36M_17, joint_map
from pose_core.training.batches import TrainingData
from pose_core.training.heatmap_pretraining import faster_convolutions, heatmap_term
from pose_core.training.image_data import ImageSettings, load_image_data, network_images
from pose_core.training.image_validation import HeldOutPeople, ImageAnswer

# The factors are those of the schedule.
_UNWEIGHTED = StructureWeights(angle=1.0, symmetry=1.0, geometry=1.0)


@dataclass(frozen=True, kw_only=True)
class SapNetSettings:
    """What is trained, on what.

    Parameters
    ----------
    network : SapNetConfig
    data : ImageSettings
    """

    network: SapNetConfig = field(default_factory=SapNetConfig)
    data: ImageSettings = field(default_factory=ImageSettings)


def load(
    settings: SapNetSettings, data: Path, skipped: SkipLog
) -> tuple[TrainingData, TrainingData]:
    """Single frames to train on and held-out ones, see `load_image_data`."""
    return load_image_data(data, settings.data, settings.network.input_size, 1, skipped)


class SapNetTask:
    """See `pose_core.training.task.TrainingTask`.

    Parameters
    ----------
    settings : SapNetSettings
    training, held_out : TrainingData
        As `load` gives them.
    """

    watched = "MPJPE"

    def __init__(
        self, settings: SapNetSettings, training: TrainingData, held_out: TrainingData
    ) -> None:
        self.network = SapNet(settings.network)
        faster_convolutions(self.network)
        self.data = training
        self._held_out = HeldOutPeople(held_out, settings.data.validation_samples)
        weights = joint_map(H36M_17, self.network.skeleton).weights
        self._from_h36m = torch.tensor(weights, dtype=torch.float32)

    def loss_terms(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Terms of section 4: of everybody ``heatmap`` (L_HM, summed over the stacks).

        Of people with 3D ``depth`` (L_e), of the others ``angle``, ``symmetry`` and ``geometry``
        (L_SA) of the true x and y with the depth that the network gives.
        """
        output = network(network_images(batch))
        from_h36m = self._from_h36m.to(output.depths)
        places = from_h36m @ batch["keypoints"]  # NaN where a joint that is needed is unknown
        maps = output.heatmaps  # (S, B, T, K, h, w)
        heatmap = heatmap_term(
            maps.flatten(0, 2), places.expand(len(maps), *places.shape).flatten(0, 2)
        )
        predicted = torch.cat([output.keypoints[-1], output.depths[..., None]], dim=-1)
        depths = depth_target(from_h36m @ batch["pose"], places)
        target = torch.cat([places, depths[..., None]], dim=-1)
        metres = self._metres_per_half_side(predicted, target)
        terms = weakly_supervised_terms(
            (metres * predicted).flatten(0, 1),
            (metres * target).flatten(0, 1),
            batch["has_3d"].repeat_interleave(places.shape[1]),
            _UNWEIGHTED,
            self.network.skeleton,
        )
        del terms["position_2d"]  # the heatmaps take its place
        return {"heatmap": len(maps) * heatmap, **terms}

    def _metres_per_half_side(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Scale (B, T, 1, 1) of weak perspective for people whose limbs have the assumed length.

        A constant for the gradient: depths shall not grow to make the body smaller.
        """
        places = target[..., :2].where(target[..., :2].isfinite(), predicted[..., :2])
        depths = target[..., 2:].where(target[..., 2:].isfinite(), predicted[..., 2:])
        points = torch.cat([places, depths], dim=-1).detach()
        limbs = limb_length(points, self.network.skeleton).clamp_min(1e-3)
        return (self.network.config.limb_length_m / limbs)[..., None, None]

    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """Errors and structure on held-out people, see `HeldOutPeople`."""
        return self._held_out.figures(network, _answer, device)

    def examples(self, network: nn.Module, device: torch.device) -> dict[str, np.ndarray]:
        """See `HeldOutPeople.examples`."""
        return self._held_out.examples(network, _answer, device)


def _answer(network: nn.Module, images: Tensor) -> ImageAnswer:
    assert isinstance(network, SapNet)
    output = network(images)
    places = network.to_h36m.to(output.keypoints.dtype) @ output.keypoints[-1]
    return ImageAnswer(output.stages[-1:], places)
