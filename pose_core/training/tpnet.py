"""Training of TP-Net and of the recurrent baselines (Dabral et al. 2018, sections 4.2 and 4.3).

They learn from the poses that a trained single-frame network predicts on motion with a detector's
errors.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Generator, Tensor, nn

from pose_core.data.mocap import Motion
from pose_core.models.baselines import LstmBaseline, LstmBaselineConfig
from pose_core.models.registry import build_network, model_entry
from pose_core.models.tpnet import TpNet, TpNetConfig
from pose_core.training.lifting_data import HeldOut, LiftingData, MotionSettings


@dataclass(frozen=True, kw_only=True)
class TpNetSettings:
    """What is trained, on what.

    Parameters
    ----------
    network : TpNetConfig
    data : MotionSettings
        With the rate of `lifter`.
    lifter : str
        Shipped single-frame network whose poses are refined.
    output_frames : int
        Neighbouring frames refined per window: they share most of what they see.
    """

    network: TpNetConfig = field(default_factory=lambda: TpNetConfig(num_joints=17))
    data: MotionSettings = field(default_factory=MotionSettings)
    lifter: str = "single-frame"
    output_frames: int = 8


@dataclass(frozen=True, kw_only=True)
class LstmSettings:
    """As `TpNetSettings`, for the recurrent baselines."""

    network: LstmBaselineConfig = field(default_factory=lambda: LstmBaselineConfig(num_joints=17))
    data: MotionSettings = field(default_factory=MotionSettings)
    lifter: str = "single-frame"
    output_frames: int = 8


class PredictedPoses(LiftingData):
    """Windows of poses as a single-frame network predicts them, with the truth of some frames.

    Parameters
    ----------
    motions, settings, window, answers
        See `LiftingData`.
    lifter : nn.Module
        From keypoints (B, T, J, 3) to poses (S, B, T, J, 3), each frame by itself.
    """

    def __init__(
        self,
        motions: list[Motion],
        settings: MotionSettings,
        window: int,
        answers: slice,
        lifter: nn.Module,
    ) -> None:
        super().__init__(motions, settings, window, answers)
        self.lifter = lifter.eval().requires_grad_(False)

    def draw(self, num_samples: int, generator: Generator) -> dict[str, Tensor]:
        """As `LiftingData.draw`, with the predicted poses (B, T, J, 3) as the features."""
        batch = super().draw(num_samples, generator)
        with torch.no_grad():
            batch["features"] = self.lifter(batch["features"])[-1]
        return batch


class TpNetTask:
    """See `pose_core.training.task.TrainingTask`.

    Parameters
    ----------
    settings : TpNetSettings or LstmSettings
    training, held_out : list of Motion
    """

    watched = "MPJPE"

    def __init__(
        self,
        settings: TpNetSettings | LstmSettings,
        training: list[Motion],
        held_out: list[Motion],
    ) -> None:
        before, after = self._context(settings)
        self._wanted = slice(before, before + settings.output_frames)
        lifter = build_network(model_entry(settings.lifter))
        window = (before + settings.output_frames + after, self._wanted, lifter)
        self.data = PredictedPoses(training, settings.data, *window)
        self._held_out = HeldOut(PredictedPoses(held_out, settings.data, *window))

    def _context(self, settings: TpNetSettings | LstmSettings) -> tuple[int, int]:
        """Make the network; frames before and after the wanted ones in a training window."""
        if isinstance(settings, TpNetSettings):
            self.network: nn.Module = TpNet(settings.network)
            return settings.network.padding
        self.network = LstmBaseline(settings.network)
        if settings.network.bidirectional:
            return settings.network.context // 2, settings.network.context // 2
        # It may see the whole past; its training windows are as long as those of TP-Net.
        return settings.network.context - 1, 0

    def loss_terms(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Mean squared distance of the joints, the paper's "standard L2 loss"."""
        predicted = network(batch["features"], self._wanted)[-1]
        distance = (predicted - batch["target"]).square().sum(-1).mean(-1)  # (B, T')
        valid = batch["valid"].to(distance.dtype)
        return {"position": (distance * valid).sum() / valid.sum().clamp_min(1)}

    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """MPJPE on held-out motion, mm: stage 1 is the pose that is to be refined."""
        return self._held_out.mpjpe_mm(network, self._predict, device)

    def examples(self, network: nn.Module, device: torch.device) -> dict[str, np.ndarray]:
        """See `HeldOut.examples`."""
        return self._held_out.examples(network, self._predict, device)

    def _predict(self, network: nn.Module, poses: Tensor) -> Tensor:
        refined = network(poses, self._wanted)[-1]
        return torch.stack([poses[:, self._wanted], refined])
