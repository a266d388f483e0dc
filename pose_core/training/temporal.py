"""Training of the joint-aware temporal network (Gupta 2019)."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from pose_core.data.mocap import Motion
from pose_core.losses.joint_aware import JointAwareWeights, joint_aware_terms
from pose_core.models.temporal_conv import TemporalConv, TemporalConvConfig
from pose_core.training.lifting_data import HeldOut, LiftingData, MotionSettings


@dataclass(frozen=True, kw_only=True)
class TemporalSettings:
    """What is trained, on what, by which loss.

    Parameters
    ----------
    network : TemporalConvConfig
    data : MotionSettings
    loss : JointAwareWeights
    output_frames : int
        Neighbouring frames predicted per window; the motion terms need at least three.
    is_strided : bool
        Predict each of them in the strided form: less work than the dense form for up to
        about ten frames, and more different windows make better training than longer ones.
    """

    network: TemporalConvConfig = field(default_factory=TemporalConvConfig)
    data: MotionSettings = field(default_factory=MotionSettings)
    loss: JointAwareWeights = field(default_factory=JointAwareWeights)
    output_frames: int = 3
    is_strided: bool = True


class TemporalTask:
    """See `pose_core.training.task.TrainingTask`.

    Parameters
    ----------
    settings : TemporalSettings
    training, held_out : list of Motion
    """

    watched = "MPJPE"

    def __init__(
        self, settings: TemporalSettings, training: list[Motion], held_out: list[Motion]
    ) -> None:
        self.settings = settings
        self.network = TemporalConv(settings.network)
        window = settings.output_frames + settings.network.receptive_field - 1
        before, _ = settings.network.padding
        answers = slice(before, before + settings.output_frames)
        self.data = LiftingData(training, settings.data, window, answers)
        self._held_out = HeldOut(LiftingData(held_out, settings.data, window, answers))

    def predict(self, network: nn.Module, features: Tensor) -> Tensor:
        """Output frames (1, B, T', J, 3) of windows (B, T, J, F)."""
        if not self.settings.is_strided:
            return network(features)
        field = self.settings.network.receptive_field
        windows = features.unfold(1, field, 1).movedim(-1, 2)  # (B, T', R, J, F)
        answers = network(windows.flatten(0, 1), strided=True)  # (1, B T', 1, J, 3)
        return answers[:, :, 0].unflatten(1, windows.shape[:2])

    def loss_terms(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Terms of Table 1."""
        predicted = self.predict(network, batch["features"])[-1]
        return joint_aware_terms(predicted, batch["target"], batch["valid"], self.settings.loss)

    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """MPJPE on held-out motion with a detector's errors, mm."""
        return self._held_out.mpjpe_mm(network, self.predict, device)

    def examples(self, network: nn.Module, device: torch.device) -> dict[str, np.ndarray]:
        """See `HeldOut.examples`."""
        return self._held_out.examples(network, self.predict, device)
