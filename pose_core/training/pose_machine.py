"""Training of the 3D pose machine on keypoints (Wang et al. 2019, Algorithm 1).

The steps of Algorithm 1 are the stages of the schedule, each with the factors on the loss terms
and the parts that it trains; `PoseMachineConfig.trained_in` names the parts:

    transformer    step (ii): intermediate pose
    projector      step (iii): regressed pose and its projection
    joint          step (iv): consistency of projection and 2D pose, intermediate, regressed pose

With the keypoint front end there is no step (i): the 2D pose is given. Where 3D is known of some of
the movements only, step (iv) has the 2D of all of them as well (``weak_projection``).
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from pose_core.data.mocap import Motion
from pose_core.inference.self_correction import CorrectionConfig, correct
from pose_core.losses.pose_machine import keypoint_loss, transformer_loss
from pose_core.models.pose_machine import PoseMachine, PoseMachineConfig
from pose_core.models.projector import Projector
from pose_core.training.lifting_data import HeldOut, LiftingData, MotionSettings
from pose_core.training.motion_in_2d import WithMotionIn2D, check_share_3d


@dataclass(frozen=True, kw_only=True)
class PoseMachineSettings:
    """What is trained, on what.

    Parameters
    ----------
    network : PoseMachineConfig
    data : MotionSettings
    clip_length : int
        Frames of a training clip.
    share_3d_known : float
        Of the movements: those whose 3D may be used, see `motion_in_2d.with_3d`.
    correction : CorrectionConfig
        For the validation.
    """

    network: PoseMachineConfig = field(
        default_factory=lambda: PoseMachineConfig(frontend="keypoints")
    )
    data: MotionSettings = field(default_factory=MotionSettings)
    clip_length: int = 5
    share_3d_known: float = 1.0
    correction: CorrectionConfig = field(default_factory=CorrectionConfig)

    def __post_init__(self) -> None:
        check_share_3d(self.share_3d_known)


class PoseMachineTask:
    """See `pose_core.training.task.TrainingTask`.

    Parameters
    ----------
    settings : PoseMachineSettings
    training, held_out : list of Motion
    """

    watched = "MPJPE"

    def __init__(
        self, settings: PoseMachineSettings, training: list[Motion], held_out: list[Motion]
    ) -> None:
        self.network = PoseMachine(settings.network)
        clip, share = (settings.data, settings.clip_length, slice(None)), settings.share_3d_known
        everything = LiftingData(training, *clip)
        self.data = everything if share == 1 else WithMotionIn2D(everything, share)
        self._held_out = HeldOut(LiftingData(held_out, *clip))
        self._correction = settings.correction
        self.network.fit_normalisation(self.data.some_poses())

    def loss_terms(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Terms of Eq. (6), (2) and (7); each step of Algorithm 1 takes its own."""
        output = network(batch["features"])
        pose_range = self.network.transformer.pose_range.extent
        plane_range = self._plane_range
        target, valid = batch["target"], batch["valid"]
        terms = {
            "intermediate": transformer_loss(
                output.stages[0], target, pose_range=pose_range, valid=valid
            )
        }
        if output.projected_2d is not None:
            visible = valid[..., None].expand(target.shape[:-1])
            projected, seen = output.projected_2d, output.keypoints_2d
            terms["regression"] = transformer_loss(
                output.stages[1], target, pose_range=pose_range, valid=valid
            )
            terms["projection"] = keypoint_loss(
                projected, batch["keypoints_2d"], plane_range=plane_range, visible=visible
            )
            terms["consistency"] = keypoint_loss(
                projected, seen, plane_range=plane_range, visible=visible
            )
        if output.projected_2d is not None and "weak_features" in batch:
            terms["weak_projection"] = self._weak_projection(network, batch)
        return terms

    @property
    def _plane_range(self) -> float:
        return 2 * self.network.config.extent

    def _weak_projection(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """Distance of the projections of poses without 3D from their labels in 2D."""
        projected, labels = network(batch["weak_features"]).projected_2d, batch["weak_keypoints_2d"]
        visible = batch["weak_valid"][..., None].expand(labels.shape[:-1])
        return keypoint_loss(projected, labels, plane_range=self._plane_range, visible=visible)

    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """MPJPE on held-out clips with a detector's errors, mm.

        The last stage is the corrected pose, the one before it the pose without correction.
        """
        return self._held_out.mpjpe_mm(network, self._predict, device)

    def examples(self, network: nn.Module, device: torch.device) -> dict[str, np.ndarray]:
        """See `HeldOut.examples`."""
        return self._held_out.examples(network, self._predict, device)

    def _predict(self, network: nn.Module, features: Tensor) -> Tensor:
        output = network(features)
        projector = network.projector if output.projected_2d is not None else None
        if not isinstance(projector, Projector):
            return output.stages
        poses, seen = output.stages[0].flatten(0, 1), output.keypoints_2d.flatten(0, 1)
        weights = features[..., 2].flatten(0, 1)
        correction = correct(projector, poses, seen, self._correction, weights)
        return torch.cat([output.stages, correction.poses.view_as(output.stages[:1])])
