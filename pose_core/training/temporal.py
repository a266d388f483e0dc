"""Training of the joint-aware temporal network on motion capture through virtual cameras."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pose_core.data.detector_noise import NoiseLevel
from pose_core.data.lifting_batches import Augmentation, LiftingBatch, MotionBank, lifting_batch
from pose_core.data.mocap import DEFAULT_SPLIT, Motion, load_motions
from pose_core.data.virtual_camera import CameraRange
from pose_core.errors import DataError
from pose_core.losses.joint_aware import JointAwareWeights, joint_aware_terms
from pose_core.models.temporal_conv import TemporalConv, TemporalConvConfig
from pose_core.training.run_folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class TemporalRecipe:
    """How to train a `TemporalConv`.

    Parameters
    ----------
    network : TemporalConvConfig
    rate_hz : float
        Frames per second that the network sees; videos are resampled to it.
    batch : int
        Windows per step.
    output_frames : int
        Neighbouring frames predicted per window; the motion terms need at least three.
    is_strided : bool
        Predict each of them in the strided form: less work than the dense form for up to
        about ten frames, and more different windows make better training than longer ones.
    steps : int
        Optimiser steps.
    learning_rate : float
        At the start; it falls along a cosine to a hundredth.
    warmup_steps : int
        Steps of linear rise.
    weight_decay : float
        Of AdamW.
    loss, augmentation, cameras, noise
        See their classes.
    start_from : str
        Run folder whose averaged weights are the first ones; random ones when empty.
    seed : int
        Seeds network and data: the same seed gives the same run.
    checkpoint_every : int
        Steps between checkpoints and validations.
    validation_batches : int
        Batches of held-out motion per validation.
    average_decay : float
        Decay per step of the moving average of the weights that is kept as the result.
    """

    network: TemporalConvConfig = field(default_factory=TemporalConvConfig)
    rate_hz: float = 25.0
    batch: int = 128
    output_frames: int = 3
    is_strided: bool = True
    steps: int = 8000
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    weight_decay: float = 0.01
    loss: JointAwareWeights = field(default_factory=JointAwareWeights)
    augmentation: Augmentation = field(default_factory=Augmentation)
    cameras: CameraRange = field(default_factory=CameraRange)
    noise: NoiseLevel = field(default_factory=NoiseLevel)
    start_from: str = ""
    seed: int = 0
    checkpoint_every: int = 250
    validation_batches: int = 8
    average_decay: float = 0.998

    @property
    def window(self) -> int:
        """Input frames per window."""
        return self.output_frames + self.network.receptive_field - 1


@dataclass(frozen=True)
class TrainingProgress:
    """State of a run after a step.

    Parameters
    ----------
    step, num_steps : int
    terms : dict of str to float
        Mean weighted loss terms since the last record.
    validation_mm : float, optional
        MPJPE on held-out motion with detector noise, when measured at this step.
    seconds_left : float
    """

    step: int
    num_steps: int
    terms: dict[str, float]
    validation_mm: float | None
    seconds_left: float


# "temporal" is what is shipped: as large as two CPU cores train in an evening and run in real
# time. "temporal-paper" is Table 3 of the paper; "single-frame" is the baseline without time.
_SHIPPED = TemporalRecipe(
    network=TemporalConvConfig(channels=512, kernel_sizes=(3, 3, 5), dropout=0.0),
    steps=12000,
    checkpoint_every=500,
)
RECIPES = {
    "temporal": _SHIPPED,
    "temporal-paper": replace(_SHIPPED, network=TemporalConvConfig(channels=2048), batch=1024),
    "single-frame": replace(_SHIPPED, network=replace(_SHIPPED.network, kernel_sizes=(1, 1, 1))),
}


def step_generator(seed: int, step: int) -> torch.Generator:
    """Random numbers of one step: a resumed run draws what the uninterrupted one would."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) % (2**63))


class TemporalTrainer:
    """One run. Iterate `train` to make it go.

    Parameters
    ----------
    recipe : TemporalRecipe
    training, validation : list of Motion
    run : RunFolder
    device : str
    """

    def __init__(
        self,
        recipe: TemporalRecipe,
        training: list[Motion],
        validation: list[Motion],
        run: RunFolder,
        device: str = "cpu",
    ) -> None:
        self.recipe, self.run, self.device = recipe, run, device
        self.bank = MotionBank(training, recipe.rate_hz)
        self.validation_bank = MotionBank(validation, recipe.rate_hz)
        torch.manual_seed(recipe.seed)
        self.network = TemporalConv(recipe.network).to(device)
        if recipe.start_from:
            self._warm_start(Path(recipe.start_from))
        self.average = torch.optim.swa_utils.AveragedModel(
            self.network,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.average_decay),
            use_buffers=True,
        )
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.step = 0
        self.best_mm = math.inf
        if state := run.load_checkpoint():
            self._restore(state)

    def _warm_start(self, other: Path) -> None:
        state = RunFolder(other).load_checkpoint()
        if state is None:
            raise DataError(f"{other} has no checkpoint to start from.")
        self.network.load_state_dict(
            {
                key.removeprefix("module."): value
                for key, value in state["average"].items()
                if key.startswith("module.")
            }
        )

    def _restore(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.best_mm = state["step"], state["best_mm"]
        torch.set_rng_state(state["rng"])

    def _state(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "best_mm": self.best_mm,
            "rng": torch.get_rng_state(),
        }

    def learning_rate(self, step: int) -> float:
        """Linear rise, then a cosine to a hundredth."""
        r = self.recipe
        if step < r.warmup_steps:
            return r.learning_rate * (step + 1) / r.warmup_steps
        done = (step - r.warmup_steps) / max(1, r.steps - r.warmup_steps)
        return r.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))

    def batch(self, bank: MotionBank, generator: torch.Generator) -> LiftingBatch:
        """Draw one batch onto the device; only the predicted frames have targets."""
        r = self.recipe
        b = lifting_batch(
            bank,
            r.batch,
            r.window,
            generator,
            augmentation=r.augmentation,
            cameras=r.cameras,
            noise=r.noise,
        )
        before, _ = r.network.padding
        answer = slice(before, before + r.output_frames)
        return LiftingBatch(
            b.features.to(self.device),
            b.target[:, answer].to(self.device),
            b.valid[:, answer].to(self.device),
        )

    def predict(self, network: torch.nn.Module, features: Tensor) -> Tensor:
        """Output frames (B, T', J, 3) of windows (B, T, J, F)."""
        if not self.recipe.is_strided:
            return network(features)[-1]
        field = self.recipe.network.receptive_field
        windows = features.unfold(1, field, 1).movedim(-1, 2)  # (B, T', R, J, F)
        answers = network(windows.flatten(0, 1), strided=True)[-1]  # (B T', 1, J, 3)
        return answers.unflatten(0, windows.shape[:2])[:, :, 0]

    def train(self) -> Iterator[TrainingProgress]:
        """Train to the last step; every record is a place to stop."""
        r = self.recipe
        started, first_step = time.monotonic(), self.step
        sums: dict[str, float] = {}
        count = 0
        while self.step < r.steps and not self.run.stop_requested():
            terms = self._optimise(self.batch(self.bank, step_generator(r.seed, self.step)))
            self.step += 1
            count += 1
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach())
            checkpoint = self.step % r.checkpoint_every == 0 or self.step == r.steps
            if not checkpoint and self.step % 25:
                continue
            validation_mm = self._checkpoint() if checkpoint else None
            left = (time.monotonic() - started) / (self.step - first_step) * (r.steps - self.step)
            means = {name: value / count for name, value in sums.items()}
            progress = TrainingProgress(self.step, r.steps, means, validation_mm, left)
            self.run.log(asdict(progress) | {"state": "running", "time": time.time()})
            yield progress
            sums, count = {}, 0
        state = "finished" if self.step >= r.steps else "stopped"
        self.run.log({"state": state, "step": self.step, "time": time.time()})

    def _optimise(self, batch: LiftingBatch) -> dict[str, Tensor]:
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(self.step)
        self.network.train()
        predicted = self.predict(self.network, batch.features)
        terms = joint_aware_terms(predicted, batch.target, batch.valid, self.recipe.loss)
        self.optimizer.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        return terms

    def _checkpoint(self) -> float:
        error_mm = self.validate()
        is_best = error_mm < self.best_mm
        self.best_mm = min(error_mm, self.best_mm)
        self.run.save_checkpoint(self._state(), is_best=is_best)
        return error_mm

    @torch.no_grad()
    def validate(self) -> float:
        """MPJPE in mm of the averaged weights on held-out motion, always the same batches."""
        self.average.eval()
        errors, frames = 0.0, 0.0
        for i in range(self.recipe.validation_batches):
            batch = self.batch(self.validation_bank, step_generator(-1 - self.recipe.seed, i))
            predicted = self.predict(self.average, batch.features)
            error = (predicted - batch.target).norm(dim=-1).mean(-1)
            errors += float((error * batch.valid).sum())
            frames += float(batch.valid.sum())
        return 1000 * errors / max(frames, 1.0)


def train_temporal(
    recipe: TemporalRecipe,
    data: Path,
    out: Path,
    device: str = "cpu",
    recipe_name: str = "temporal",
) -> Iterator[TrainingProgress]:
    """Train on every motion below `data` that the default split does not hold out.

    Continues the run in `out` when there is one.
    """
    run = RunFolder(out)
    run.start(json.loads(json.dumps(asdict(recipe))) | {"recipe": recipe_name, "data": str(data)})
    motions = load_motions(data)
    training = DEFAULT_SPLIT.training(motions)
    validation = DEFAULT_SPLIT.held_out(motions) or training
    yield from TemporalTrainer(recipe, training, validation, run, device).train()
