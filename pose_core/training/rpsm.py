"""Training of RPSM on keypoints (Lin et al. 2017, section 4)."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from pose_core.data.mocap import Motion
from pose_core.errors import ConfigError
from pose_core.losses.stages import refinement_loss
from pose_core.models.rpsm import Rpsm, RpsmConfig
from pose_core.training.lifting_data import FixedClips, HeldOut, LiftingData, MotionSettings


@dataclass(frozen=True, kw_only=True)
class RpsmSettings:
    """What is trained, on what.

    Parameters
    ----------
    network : RpsmConfig
        Its `clip_length` is the length of the training clips.
    data : MotionSettings
    fixed_clips : int
        How many clips there are to learn from, drawn once. 0 for clips that are always new.

    Raises
    ------
    ConfigError
        If the latter is less than 0.
    """

    network: RpsmConfig = field(default_factory=lambda: RpsmConfig(frontend="keypoints"))
    data: MotionSettings = field(default_factory=MotionSettings)
    fixed_clips: int = 0

    def __post_init__(self) -> None:
        if self.fixed_clips < 0:
            raise ConfigError(f"fixed_clips must not be below 0, and is {self.fixed_clips}.")


class RpsmTask:
    """See `pose_core.training.task.TrainingTask`.

    Parameters
    ----------
    settings : RpsmSettings
    training, held_out : list of Motion
    """

    watched = "MPJPE"

    def __init__(
        self, settings: RpsmSettings, training: list[Motion], held_out: list[Motion]
    ) -> None:
        self.network = Rpsm(settings.network)
        clip = settings.data, settings.network.clip_length, slice(None)
        number = settings.fixed_clips
        self.data = FixedClips(training, number, *clip) if number else LiftingData(training, *clip)
        self._held_out = HeldOut(LiftingData(held_out, *clip))
        self.network.fit_normalisation(self.data.some_poses())

    def loss_terms(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Eq. (2)."""
        stages = network(batch["features"]).stages
        pose_range = self.network.pose_range.extent
        target, valid = batch["target"], batch["valid"]
        loss = refinement_loss(stages, target, pose_range=pose_range, valid=valid)
        return {"refinement": loss}

    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """MPJPE of every stage on held-out clips with a detector's errors, mm."""
        return self._held_out.mpjpe_mm(network, lambda net, f: net(f).stages, device)

    def examples(self, network: nn.Module, device: torch.device) -> dict[str, np.ndarray]:
        """See `HeldOut.examples`."""
        return self._held_out.examples(network, lambda net, f: net(f).stages, device)
