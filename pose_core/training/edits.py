"""Fine-tuning of a network that sees keypoints on what the user has put right in a session.

Each batch has two parts. Motion with known 3D keeps what the network knows, by the loss of its own
recipe. Of the edited frames only 2D is known: the answer shall project to the edited keypoints
(``reprojection``), and the pose made of these and the predicted depth shall be one that a body can
take (``edits_angle``, ``edits_symmetry``, ``edits_geometry``), as in weakly supervised training of
images (Dabral et al. 2018, section 4.1).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Generator, Tensor, nn

from pose_core.data.mocap import Motion
from pose_core.losses.reprojection import reprojection_loss
from pose_core.training.edited_windows import EditedWindows, EditSettings, Part
from pose_core.training.lifting_data import LiftingData
from pose_core.training.pose_machine import PoseMachineSettings, PoseMachineTask
from pose_core.training.rpsm import RpsmSettings, RpsmTask
from pose_core.training.temporal import TemporalSettings, TemporalTask
from pose_core.training.weak_lifting import terms_without_3d

# Stages (S, B, T', 17, 3) that a network gives to features (B, T, 17, 3).
Predict = Callable[[nn.Module, Tensor], Tensor]

ERROR_2D, ERROR_BOTH = "2D of trained edits", "MPJPE + 2D"
ERROR_HELD_OUT = "2D of held-out edits"
_VALIDATION_WINDOWS = 256


@dataclass(frozen=True, kw_only=True)
class TemporalEditsSettings(TemporalSettings):
    """Of the temporal network, with the edits."""

    edits: EditSettings = field(default_factory=EditSettings)


@dataclass(frozen=True, kw_only=True)
class RpsmEditsSettings(RpsmSettings):
    """Of RPSM on keypoints, with the edits."""

    edits: EditSettings = field(default_factory=EditSettings)


@dataclass(frozen=True, kw_only=True)
class PoseMachineEditsSettings(PoseMachineSettings):
    """Of the pose machine on keypoints, with the edits."""

    edits: EditSettings = field(default_factory=EditSettings)


class WithEdits:
    """Motion with 3D and edited windows in one batch; see `batches.TrainingData`."""

    def __init__(self, motions: LiftingData, edits: EditedWindows, num_windows: int) -> None:
        self._motions, self._edits, self._num_windows = motions, edits, num_windows

    def draw(self, num_samples: int, generator: Generator) -> dict[str, Tensor]:
        """`num_samples` windows of motion, and the edited ones under names of their own."""
        motions = self._motions.draw(num_samples, generator)
        return motions | self._edits.draw(self._num_windows, generator)


class EditsTask:
    """See `pose_core.training.task.TrainingTask`.

    Parameters
    ----------
    base : TemporalTask, RpsmTask or PoseMachineTask
        The recipe of the network, on motion with 3D.
    predict : callable
    settings : EditSettings
    """

    watched = ERROR_BOTH

    def __init__(
        self,
        base: TemporalTask | RpsmTask | PoseMachineTask,
        predict: Predict,
        settings: EditSettings,
    ) -> None:
        self.network = base.network
        self._base, self._predict = base, predict
        motions = base.data
        rate_hz = motions.settings.rate_hz
        self._edits = EditedWindows(settings, rate_hz, motions.window, motions.answers)
        exact = replace(settings, jitter=0.0, mirror=0.0)
        parts: dict[str, Part] = {ERROR_2D: "trained", ERROR_HELD_OUT: "held out"}
        self._as_they_are = {
            name: EditedWindows(exact, rate_hz, motions.window, motions.answers, part)
            for name, part in parts.items()
        }
        self.data = WithEdits(motions, self._edits, settings.windows)

    def loss_terms(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The terms of the network's own recipe, and those of the edited frames."""
        with _as_when_used(network):
            own = self._base.loss_terms(network, batch)
            poses = self._predict(network, batch["edit_features"])[-1].float()
        rays, weights = batch["edit_rays"], batch["edit_weights"]
        return own | terms_without_3d(poses, rays, weights, "edits_")

    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """The figures of the network's own recipe on held-out motion, and those of the edits.

        `ERROR_2D` is how far the answers are from the edited keypoints that it is trained on, mm
        at the depth of the person, `ERROR_HELD_OUT` from those that it is not; the latter is left
        out where too few frames were edited to hold some out. `ERROR_BOTH` is the sum of it, or
        else of `ERROR_2D`, and the error on held-out motion: the best checkpoint has learnt the
        one and kept the other.
        """
        figures = self._base.validate(network, device)
        errors = {
            name: self._error_mm(windows, network, device)
            for name, windows in self._as_they_are.items()
            if windows.num_moments
        }
        of_edits = errors.get(ERROR_HELD_OUT, errors[ERROR_2D])
        return figures | errors | {ERROR_BOTH: figures[self._base.watched] + of_edits}

    def _error_mm(self, windows: EditedWindows, network: nn.Module, device: torch.device) -> float:
        batch = windows.draw(_VALIDATION_WINDOWS, torch.Generator().manual_seed(0))
        poses = self._predict(network, batch["edit_features"].to(device))[-1].float().cpu()
        return 1000 * float(reprojection_loss(poses, batch["edit_rays"], batch["edit_weights"]))

    def examples(self, network: nn.Module, device: torch.device) -> dict[str, np.ndarray]:
        """See `HeldOut.examples`."""
        return self._base.examples(network, device)


@contextmanager
def _as_when_used(network: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while: a model keeps the statistics that it was trained with.

    Within some dozen steps they would be those of the data beside the edits, and the model would
    have to learn again what it knew.
    """
    modules = list(network.modules())
    modes = [module.training for module in modules]
    network.eval()
    try:
        yield
    finally:
        for module, is_training in zip(modules, modes, strict=True):
            module.training = is_training


def temporal_edits(
    settings: TemporalEditsSettings, training: list[Motion], held_out: list[Motion]
) -> EditsTask:
    """The task of a temporal network; arguments as of its own task."""
    base = TemporalTask(settings, training, held_out)
    return EditsTask(base, base.predict, settings.edits)


def rpsm_edits(
    settings: RpsmEditsSettings, training: list[Motion], held_out: list[Motion]
) -> EditsTask:
    """The task of RPSM; arguments as of its own task."""
    base = RpsmTask(settings, training, held_out)
    return EditsTask(base, _stages, settings.edits)


def pose_machine_edits(
    settings: PoseMachineEditsSettings, training: list[Motion], held_out: list[Motion]
) -> EditsTask:
    """The task of the pose machine; arguments as of its own task."""
    base = PoseMachineTask(settings, training, held_out)
    return EditsTask(base, _stages, settings.edits)


def _stages(network: nn.Module, features: Tensor) -> Tensor:
    return cast(Any, network(features)).stages
