"""Motion capture through virtual cameras as training data, and what held-out motion says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Generator, Tensor

from pose_core.data.detector_noise import NoiseLevel
from pose_core.data.lifting_batches import Augmentation, MotionBank, lifting_batch
from pose_core.data.mocap import DEFAULT_SPLIT, Motion
from pose_core.data.skipping import SkipLog
from pose_core.data.virtual_camera import CameraRange
from pose_core.synthesis.movement import motions_from

if TYPE_CHECKING:
    from torch import nn

_SAMPLES_AT_ONCE = 128
_POSES_FOR_RANGE = 4096
_NUM_EXAMPLES = 8


@dataclass(frozen=True, kw_only=True)
class MotionSettings:
    """How motion becomes samples.

    Parameters
    ----------
    rate_hz : float
        Frames per second that the network sees; videos are resampled to it.
    augmentation, cameras, noise
        See their classes.
    validation_samples : int
        Windows of held-out motion per validation.
    """

    rate_hz: float = 25.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    cameras: CameraRange = field(default_factory=CameraRange)
    noise: NoiseLevel = field(default_factory=NoiseLevel)
    validation_samples: int = 1024


class LiftingData:
    """Windows of motion as a detector would see them, with their truth.

    Parameters
    ----------
    motions : list of Motion
    settings : MotionSettings
    window : int
        Frames seen.
    answers : slice
        Which of them have targets.
    """

    def __init__(
        self, motions: list[Motion], settings: MotionSettings, window: int, answers: slice
    ) -> None:
        self.bank = MotionBank(motions, settings.rate_hz)
        self.settings, self.window, self.answers = settings, window, answers

    def draw(self, num_samples: int, generator: Generator) -> dict[str, Tensor]:
        """See `LiftingBatch`: ``features`` of the window; the rest of the answered frames."""
        s = self.settings
        batch = lifting_batch(
            self.bank,
            num_samples,
            self.window,
            generator,
            augmentation=s.augmentation,
            cameras=s.cameras,
            noise=s.noise,
        )
        return {
            "features": batch.features,
            "target": batch.target[:, self.answers],
            "valid": batch.valid[:, self.answers],
            "keypoints_2d": batch.keypoints_2d[:, self.answers],
            "rays": batch.rays[:, self.answers],
        }

    def some_poses(self) -> Tensor:
        """Targets (4096, T', J, 3), always the same, from which networks take their range."""
        return self.draw(_POSES_FOR_RANGE, torch.Generator().manual_seed(0))["target"]


class FixedClips(LiftingData):
    """So many windows and no others, as of a small set of recordings.

    Parameters
    ----------
    motions : list of Motion
    number : int
    settings, window, answers
        See `LiftingData`.
    """

    def __init__(
        self,
        motions: list[Motion],
        number: int,
        settings: MotionSettings,
        window: int,
        answers: slice,
    ) -> None:
        super().__init__(motions, settings, window, answers)
        self._number = number
        self._windows = super().draw(number, torch.Generator().manual_seed(0))

    def draw(self, num_samples: int, generator: Generator) -> dict[str, Tensor]:
        """See `LiftingData.draw`."""
        pick = torch.randint(self._number, (num_samples,), generator=generator)
        return {name: values[pick] for name, values in self._windows.items()}


# Poses (S, B, T', J, 3) that a network gives to features (B, T, J, 3).
PredictStages = Callable[["nn.Module", Tensor], Tensor]


@dataclass(frozen=True)
class HeldOut:
    """Fixed samples of held-out motion, with a detector's errors.

    Parameters
    ----------
    data : LiftingData
    """

    data: LiftingData

    def mpjpe_mm(
        self, network: "nn.Module", predict: PredictStages, device: torch.device
    ) -> dict[str, float]:
        """Error over always the same samples.

        Returns
        -------
        dict of str to float
            ``MPJPE`` of the last stage, and ``MPJPE stage k`` of those before.
        """
        errors, frames = torch.zeros(1), 0.0
        for i in range(0, self.data.settings.validation_samples, _SAMPLES_AT_ONCE):
            batch = self.data.draw(_SAMPLES_AT_ONCE, torch.Generator().manual_seed(i))
            stages = predict(network, batch["features"].to(device)).float().cpu()
            per_frame = (stages - batch["target"]).norm(dim=-1).mean(-1)  # (S, B, T')
            errors = errors + (per_frame * batch["valid"]).sum((1, 2))
            frames += float(batch["valid"].sum())
        *before, last = (1000 * errors / max(frames, 1.0)).tolist()
        return {f"MPJPE stage {k + 1}": error for k, error in enumerate(before)} | {"MPJPE": last}

    def examples(
        self, network: "nn.Module", predict: PredictStages, device: torch.device
    ) -> dict[str, np.ndarray]:
        """A few windows, always the same, to look at.

        Returns
        -------
        dict of str to ndarray
            ``predicted`` (S, B, T', J, 3) and ``true`` (B, T', J, 3): root-relative, camera axes,
            metres, float32; ``valid`` (B, T').
        """
        batch = self.data.draw(_NUM_EXAMPLES, torch.Generator().manual_seed(0))
        predicted = predict(network, batch["features"].to(device)).float().cpu()
        return {
            "predicted": predicted.numpy(),
            "true": batch["target"].float().numpy(),
            "valid": batch["valid"].bool().numpy(),
        }


def load_split(folder: Path, skipped: SkipLog) -> tuple[list[Motion], list[Motion]]:
    """Motions to train on, and those that the default split holds out (all, if it holds none).

    The folder "bundled" stands for the motions that PoseStage makes itself. Files that cannot be
    used are left out and noted.

    Raises
    ------
    PoseStageError
        If there are none, or more than 1 % of them cannot be used.
    """
    motions = motions_from(folder, skipped)
    training = DEFAULT_SPLIT.training(motions)
    return training, DEFAULT_SPLIT.held_out(motions) or training
