"""Training of the 3D pose machine on pictures (Wang et al. 2019, Algorithm 1).

The steps of Algorithm 1 are the stages of the schedule, each with the factors on the loss terms
and the parts that it trains; `PoseMachineConfig.trained_in` names the parts:

    2d             step (i): heatmaps with an extra convolution, and the 2D pose, Eq. (5)
    transformer    step (ii): intermediate pose, Eq. (6)
    projector      step (iii): regressed pose and its projection, Eq. (2)
    joint          step (iv): consistency of projection and 2D pose, Eq. (7), of people with and
                   without 3D, with the terms that came before
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pose_core.data.skipping import SkipLog
from pose_core.inference.self_correction import CorrectionConfig, correct
from pose_core.losses.pose_machine import keypoint_loss, transformer_loss
from pose_core.models.image_features import HeatmapHead
from pose_core.models.pose_machine import PoseMachine, PoseMachineConfig, PoseMachineOutput
from pose_core.models.projector import Projector
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
class PoseMachineImageSettings:
    """What is trained, on what.

    Parameters
    ----------
    network : PoseMachineConfig
    data : ImageSettings
    clip_length : int
        Frames of a training clip.
    correction : CorrectionConfig
        For the validation.
    """

    network: PoseMachineConfig = field(default_factory=PoseMachineConfig)
    data: ImageSettings = field(default_factory=ImageSettings)
    clip_length: int = 5
    correction: CorrectionConfig = field(default_factory=CorrectionConfig)


def load(
    settings: PoseMachineImageSettings, data: Path, skipped: SkipLog
) -> tuple[TrainingData, TrainingData]:
    """Clips to train on and held-out ones, see `load_image_data`."""
    size, frames = settings.network.image_size, settings.clip_length
    return load_image_data(data, settings.data, size, frames, skipped)


class PoseMachineImageTask:
    """See `pose_core.training.task.TrainingTask`.

    Parameters
    ----------
    settings : PoseMachineImageSettings
    training, held_out : TrainingData
        As `load` gives them.
    """

    watched = "MPJPE"

    def __init__(
        self, settings: PoseMachineImageSettings, training: TrainingData, held_out: TrainingData
    ) -> None:
        config = settings.network
        self.network = PoseMachine(config)
        faster_convolutions(self.network.front_end)
        self._head = HeatmapHead(config.feature_channels, config.num_joints)
        # Part of the network for as long as it is trained, so that it is saved with it.
        self.network.add_module(PRETRAINING_HEAD, self._head)
        fit_to_people(self.network, training)
        self.data = training
        self._held_out = HeldOutPeople(held_out, settings.data.validation_samples)
        self._correction = settings.correction

    def loss_terms(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """``heatmap`` and ``keypoints`` while the extra convolution is trained, then the others.

        ``keypoints``, ``intermediate``, ``regression``, ``projection`` and ``consistency``: each
        step of Algorithm 1 takes its own.
        """
        images, places = network_images(batch), batch["keypoints"]
        if is_trained(self._head):
            images, places = both_ends(images), both_ends(places)
            features = self.network.front_end(images.flatten(0, 1))
            heatmap = heatmap_term(self._head(features), places.flatten(0, 1))
            seen = self.network.head(features).unflatten(0, images.shape[:2])
            return {"heatmap": heatmap, "keypoints": self._keypoint_loss(seen, places)}
        output = network(images)
        pose_range = self.network.transformer.pose_range.extent
        valid = batch["has_3d"][:, None].expand(images.shape[:2])
        terms = {
            "keypoints": self._keypoint_loss(output.keypoints_2d, places),
            "intermediate": transformer_loss(
                output.stages[0], batch["pose"], pose_range=pose_range, valid=valid
            ),
        }
        if output.projected_2d is None:
            return terms
        # The projection is taught by people with 3D; agreement with what is seen needs no label.
        known = places.where(batch["has_3d"][:, None, None, None], torch.nan)
        return terms | {
            "regression": transformer_loss(
                output.stages[1], batch["pose"], pose_range=pose_range, valid=valid
            ),
            "projection": self._keypoint_loss(output.projected_2d, known),
            "consistency": keypoint_loss(
                output.projected_2d, output.keypoints_2d, plane_range=self._plane_range
            ),
        }

    @property
    def _plane_range(self) -> float:
        return 2 * self.network.config.extent

    def _keypoint_loss(self, predicted: Tensor, places: Tensor) -> Tensor:
        """Distance from places (B, T, J, 2) in half sides, of which some may be NaN."""
        return keypoint_loss(
            predicted,
            self.network.config.extent * places,
            plane_range=self._plane_range,
            visible=places.isfinite().all(-1),
        )

    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """Errors on held-out people, see `HeldOutPeople`.

        The last stage is the corrected pose, the one before it the pose without correction.
        """
        return self._held_out.figures(network, self._answer, device)

    def examples(self, network: nn.Module, device: torch.device) -> dict[str, np.ndarray]:
        """See `HeldOutPeople.examples`."""
        return self._held_out.examples(network, self._answer, device)

    def _answer(self, network: nn.Module, images: Tensor) -> ImageAnswer:
        output: PoseMachineOutput = network(images)
        keypoints = output.keypoints_2d / self.network.config.extent
        projector = network.projector if output.projected_2d is not None else None
        if not isinstance(projector, Projector):
            return ImageAnswer(output.stages, keypoints)
        poses, seen = output.stages[0].flatten(0, 1), output.keypoints_2d.flatten(0, 1)
        correction = correct(projector, poses, seen, self._correction)
        corrected = correction.poses.view_as(output.stages[:1])
        return ImageAnswer(torch.cat([output.stages, corrected]), keypoints)
