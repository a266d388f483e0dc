"""The one training loop.

A task brings the network, batches, loss terms and validation; a schedule says in which stages;
the engine does the rest: data drawn ahead, precision, clipping, averaging of weights, exact
resume, several processes. The same seed gives the same run, whole or in pieces: the batch of a
step depends on the seed and the step only.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pose_core.errors import ConfigError, TrainingError
from pose_core.training.batches import Batch, batches
from pose_core.training.meter import MachineUse, Meter
from pose_core.training.processes import Processes
from pose_core.training.run_folder import RunFolder
from pose_core.training.schedule import Schedule, Stage
from pose_core.training.task import ShowsExamples, TrainingTask


@dataclass(frozen=True)
class TrainingProgress:
    """State of a run after a step.

    Parameters
    ----------
    step, num_steps : int
        Of the whole schedule.
    stage : str
    terms : dict of str to float
        Mean loss terms since the last record, over the share of the first process.
    validation : dict of str to float
        Figures on held-out data; empty between checkpoints.
    samples_per_s : float
    seconds_left : float
    skipped_steps : int
        Steps of the run so far that changed nothing, since their gradient was not finite.
    machine : dict of str to float
        See `MachineUse`.
    """

    step: int
    num_steps: int
    stage: str
    terms: dict[str, float]
    validation: dict[str, float]
    samples_per_s: float
    seconds_left: float
    skipped_steps: int = 0
    machine: dict[str, float] = field(default_factory=dict)


RECORD_EVERY = 25
MAX_SKIPPED_IN_A_ROW = 50


class Engine:
    """One run. Iterate `train` to make it go; every record is a place to stop.

    Parameters
    ----------
    task : TrainingTask
    schedule : Schedule
    run : RunFolder
        Its last checkpoint is where the run goes on.
    device : str
    data_workers : int
        Processes that draw batches ahead; 0 draws them in this one.
    """

    def __init__(
        self,
        task: TrainingTask,
        schedule: Schedule,
        run: RunFolder,
        device: str = "cpu",
        data_workers: int = 0,
    ) -> None:
        self.processes = Processes.of_environment(device)
        self.task, self.schedule, self.run = task, schedule, run
        self.device = self.processes.device
        if schedule.parts % self.processes.count:
            raise ConfigError(
                f"{self.processes.count} processes cannot share a batch of {schedule.parts} parts.",
                "Set parts to a multiple of the number of processes.",
            )
        self.data_workers = data_workers
        task.network.to(self.device)
        self.average = torch.optim.swa_utils.AveragedModel(
            task.network,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(schedule.average_decay),
            # Statistics of batch norm are means over steps already. Averaged once more, the first
            # ones would weigh a thousand steps long on a part that is trained late.
            use_buffers=False,
        )
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=schedule.precision == "float16"
        )
        self.step, self.stage_index, self.stage_step = 0, 0, 0
        self.best, self.checkpoints_since_best = math.inf, 0
        self.skipped_steps, self._skipped_in_a_row = 0, 0
        self._machine = MachineUse(self.device)
        self.enter_stage(0)
        if state := run.load_checkpoint():
            self._restore(state)

    # -- stages and state ------------------------------------------------------------------

    @property
    def stage(self) -> Stage:
        """The stage that the next step belongs to."""
        return self.schedule.stages[self.stage_index]

    def enter_stage(self, index: int) -> None:
        """Choose the trained parameters of a stage and give them a fresh optimizer."""
        self.stage_index, self.stage_step = index, 0
        trained = []
        for name, parameter in self.task.network.named_parameters():
            chosen = not self.stage.trained or name.startswith(self.stage.trained)
            parameter.requires_grad_(chosen)
            if chosen:
                trained.append(parameter)
        if not trained:
            raise ConfigError(
                f"Stage {self.stage.name!r} trains nothing: no parameter begins with "
                f"{' or '.join(self.stage.trained)}."
            )
        kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[self.schedule.optimizer]
        self.optimizer = kind(
            trained, lr=self.stage.learning_rate, weight_decay=self.schedule.weight_decay
        )
        self.parallel = self.processes.parallel(_LossTerms(self.task))

    def _state(self) -> dict[str, Any]:
        return {
            "network": self.task.network.state_dict(),
            "average": self.average.module.state_dict(),
            "num_averaged": self.average.n_averaged,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "stage_index": self.stage_index,
            "stage_step": self.stage_step,
            "best": self.best,
            "checkpoints_since_best": self.checkpoints_since_best,
            "skipped_steps": self.skipped_steps,
            "rng": torch.get_rng_state(),
            "device_rng": self._device_rng(),
        }

    def _device_rng(self) -> Tensor | None:
        return torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.enter_stage(state["stage_index"])
        self.task.network.load_state_dict(state["network"])
        self.average.module.load_state_dict(state["average"])
        self.average.n_averaged.copy_(state["num_averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.stage_step = state["step"], state["stage_step"]
        self.best = state["best"]
        self.checkpoints_since_best = state["checkpoints_since_best"]
        self.skipped_steps = state.get("skipped_steps", 0)
        torch.set_rng_state(state["rng"])
        device_rng = state.get("device_rng")
        if device_rng is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(device_rng, self.device)
        self._log({"state": "resumed", "step": self.step})
        self._set_status(step=self.step, stage=self.stage.name)

    # -- the loop --------------------------------------------------------------------------

    def train(self) -> Iterator[TrainingProgress]:
        """Train to the last step, or until the run is asked to stop.

        Raises
        ------
        TrainingError
            If no gradient is finite any more, or a figure on held-out data is not.
        """
        while self.stage_index < len(self.schedule.stages):
            yield from self._train_stage()
            if self.stage_step < self.stage.steps and not self._is_stale():
                self._save(is_best=False)  # asked to stop
                if self.processes.is_first:
                    self.run.end()
                return
            if self.stage_index + 1 == len(self.schedule.stages):
                break
            self.best, self.checkpoints_since_best = math.inf, 0
            self.enter_stage(self.stage_index + 1)
            self._save(is_best=False)
        self._log({"state": "finished", "step": self.step})
        self._set_status(state="finished", step=self.step, seconds_left=0.0)

    def _train_stage(self) -> Iterator[TrainingProgress]:
        meter = Meter()
        for batch in self._batches():
            if self.processes.agree(self.run.stop_requested()) or self._is_stale():
                return
            meter.add(self.optimise(batch), self.schedule.batch)
            self.step += 1
            self.stage_step += 1
            is_last = self.stage_step == self.stage.steps
            is_checkpoint = self.stage_step % self.schedule.checkpoint_every == 0 or is_last
            if not is_checkpoint and self.step % RECORD_EVERY:
                continue
            figures = self._checkpoint() if is_checkpoint else {}
            yield self._record(meter, figures)
            meter.next()

    def _batches(self) -> Iterator[Batch]:
        """The share of this process in the batches of the rest of the stage."""
        return batches(
            self.task.data,
            self.schedule,
            steps=range(self.step, self.step + self.stage.steps - self.stage_step),
            parts=self.processes.share(self.schedule.parts),
            device=self.device,
            workers=self.data_workers,
        )

    def optimise(self, batch: Batch) -> dict[str, Tensor]:
        """One step; the weighted loss terms, none where the step was skipped."""
        rate = self.stage.learning_rate_at(self.stage_step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        _train_mode(self.task.network, is_trained=True)
        self.optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            terms = self.parallel(batch)
        factors = self.stage.losses
        weighted = {k: v * factors.get(k, 1.0) for k, v in terms.items() if factors.get(k, 1.0)}
        loss = torch.stack([t.float() for t in weighted.values()]).sum()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(
            self.optimizer.param_groups[0]["params"], self.schedule.clip_norm or math.inf
        )
        is_finite = bool(norm.isfinite())
        if is_finite or self.scaler.is_enabled():  # the scaler skips by itself, and learns from it
            self.scaler.step(self.optimizer)
            self.scaler.update()
        self._count_skipped(is_skipped=not is_finite)
        if not is_finite:
            return {}
        self.average.update_parameters(self.task.network)
        return {name: term.detach() for name, term in weighted.items()}

    def _count_skipped(self, *, is_skipped: bool) -> None:
        self.skipped_steps += is_skipped
        self._skipped_in_a_row = self._skipped_in_a_row + 1 if is_skipped else 0
        if self._skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW:
            raise TrainingError(
                f"Training has come apart: the gradients of the last {MAX_SKIPPED_IN_A_ROW} steps "
                f"up to step {self.step} are not finite.",
                "Start another run with a lower learning rate or a smaller clip_norm.",
            )

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.schedule.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, getattr(torch, self.schedule.precision))

    # -- checkpoints and records -----------------------------------------------------------

    def _checkpoint(self) -> dict[str, float]:
        """Validate the averaged weights and keep the state."""
        self.average.eval()
        with torch.no_grad():
            figures = self.task.validate(self.average.module, self.device)
            examples = self._examples()
        watched = figures[self.task.watched]
        if not math.isfinite(watched):  # the checkpoint before this one is still good
            raise TrainingError(
                f"{self.task.watched} on held-out data is not finite at step {self.step}.",
                "Start another run with a lower learning rate.",
            )
        is_best = watched < self.best
        self.best = min(watched, self.best)
        self.checkpoints_since_best = 0 if is_best else self.checkpoints_since_best + 1
        self._save(is_best=is_best)
        if self.processes.is_first and examples:
            self.run.save_examples(self.step, examples)
        return figures

    def _examples(self) -> dict[str, np.ndarray]:
        if isinstance(self.task, ShowsExamples):
            return self.task.examples(self.average.module, self.device)
        return {}

    def _save(self, *, is_best: bool) -> None:
        if self.processes.is_first:
            self.run.save_checkpoint(self._state(), is_best=is_best)

    def _is_stale(self) -> bool:
        return 0 < self.schedule.patience <= self.checkpoints_since_best

    def _record(self, meter: Meter, figures: dict[str, float]) -> TrainingProgress:
        per_s = meter.samples / meter.seconds
        left = (self.schedule.num_steps - self.step) * self.schedule.batch / per_s
        progress = TrainingProgress(
            self.step,
            self.schedule.num_steps,
            self.stage.name,
            meter.means(),
            figures,
            per_s,
            left,
            self.skipped_steps,
            self._machine.read(),
        )
        event = asdict(progress)
        self._log(event | {"state": "running"})
        if not figures:
            del event["validation"]  # the latest figures stay
        best = None if math.isinf(self.best) else self.best
        self._set_status(**event, state="running", watched=self.task.watched, best=best)
        return progress

    def _log(self, event: Mapping[str, Any]) -> None:
        if self.processes.is_first:
            self.run.log(event)

    def _set_status(self, **changes: Any) -> None:
        if self.processes.is_first:
            self.run.set_status(**changes)


class _LossTerms(nn.Module):
    """The task's loss as a module, so that gradients of several processes are averaged."""

    def __init__(self, task: TrainingTask) -> None:
        super().__init__()
        self.network = task.network
        self._loss_terms = task.loss_terms

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Terms by name."""
        return self._loss_terms(self.network, batch)


def _train_mode(module: nn.Module, *, is_trained: bool) -> None:
    """Training mode for what is trained: frozen parts keep their statistics and drop nothing."""
    parameters = list(module.parameters())
    is_trained = any(p.requires_grad for p in parameters) if parameters else is_trained
    module.training = is_trained
    for child in module.children():
        _train_mode(child, is_trained=is_trained)
