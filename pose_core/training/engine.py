"""The one training loop.

A task brings the network, batches, loss terms and validation; a schedule says in which stages;
the engine does the rest: data drawn ahead, precision, clipping, averaging of weights, exact
resume, several processes. The same seed gives the same run, whole or in pieces: the batch of a
step depends on the seed and the step only.
"""

import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch import Generator, Tensor, nn
from torch.utils.data import DataLoader, Dataset

from pose_core.errors import ConfigError
from pose_core.training.processes import Processes
from pose_core.training.run_folder import RunFolder
from pose_core.training.schedule import Schedule, Stage

Batch = dict[str, Tensor]


class TrainingData(Protocol):
    """Where samples come from. Picklable, because other processes may draw."""

    def draw(self, num_samples: int, generator: Generator) -> Batch:
        """Samples on the CPU, the same for the same generator."""
        ...


class TrainingTask(Protocol):
    """What is trained on what.

    Attributes
    ----------
    network : nn.Module
    data : TrainingData
    watched : str
        Name of the validation figure, smaller is better, that chooses the best checkpoint.
    """

    @property
    def network(self) -> nn.Module: ...

    @property
    def data(self) -> TrainingData: ...

    @property
    def watched(self) -> str: ...

    def loss_terms(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Terms by name; their sum is the loss. Terms with factor 0 need not be there."""
        ...

    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """Figures on held-out data, always the same, of a network in evaluation mode."""
        ...


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
    """

    step: int
    num_steps: int
    stage: str
    terms: dict[str, float]
    validation: dict[str, float]
    samples_per_s: float
    seconds_left: float


RECORD_EVERY = 25


def part_generator(seed: int, step: int, part: int, parts: int) -> Generator:
    """Random numbers of one part of one step's batch."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step * parts + part) % (2**63))


class _Steps(Dataset[Batch]):
    """The batch of each step, for this process's parts."""

    def __init__(self, data: TrainingData, schedule: Schedule, parts: range) -> None:
        self._data, self._schedule, self._parts = data, schedule, parts

    def __getitem__(self, step: int) -> Batch:
        s = self._schedule
        drawn = [
            self._data.draw(s.batch // s.parts, part_generator(s.seed, step, part, s.parts))
            for part in self._parts
        ]
        return {key: torch.cat([part[key] for part in drawn]) for key in drawn[0]}


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
            use_buffers=True,
        )
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=schedule.precision == "float16"
        )
        self.step, self.stage_index, self.stage_step = 0, 0, 0
        self.best, self.checkpoints_since_best = math.inf, 0
        self._start_stage()
        if state := run.load_checkpoint():
            self._restore(state)

    # -- stages and state ------------------------------------------------------------------

    @property
    def stage(self) -> Stage:
        """The stage that the next step belongs to."""
        return self.schedule.stages[self.stage_index]

    def _start_stage(self) -> None:
        """Choose the trained parameters and give them a fresh optimizer."""
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
            "rng": torch.get_rng_state(),
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.stage_index = state["stage_index"]
        self._start_stage()
        self.task.network.load_state_dict(state["network"])
        self.average.module.load_state_dict(state["average"])
        self.average.n_averaged.copy_(state["num_averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.stage_step = state["step"], state["stage_step"]
        self.best = state["best"]
        self.checkpoints_since_best = state["checkpoints_since_best"]
        torch.set_rng_state(state["rng"])

    # -- the loop --------------------------------------------------------------------------

    def train(self) -> Iterator[TrainingProgress]:
        """Train to the last step, or until the run is asked to stop."""
        while self.stage_index < len(self.schedule.stages):
            yield from self._train_stage()
            if self.stage_step < self.stage.steps and not self._is_stale():
                self._save(is_best=False)  # asked to stop
                if self.processes.is_first:
                    self.run.end()
                return
            if self.stage_index + 1 == len(self.schedule.stages):
                break
            self.stage_index, self.stage_step = self.stage_index + 1, 0
            self.best, self.checkpoints_since_best = math.inf, 0
            self._start_stage()
            self._save(is_best=False)
        self._log({"state": "finished", "step": self.step})
        self._set_status(state="finished", step=self.step, seconds_left=0.0)

    def _train_stage(self) -> Iterator[TrainingProgress]:
        meter = _Meter()
        for batch in self._batches():
            if self.run.stop_requested() or self._is_stale():
                return
            meter.add(self._optimise(batch), self.schedule.batch)
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
        first = self.step
        last = first + self.stage.steps - self.stage_step
        steps = _Steps(self.task.data, self.schedule, self.processes.share(self.schedule.parts))
        loader: DataLoader[Batch] = DataLoader(
            steps,
            batch_size=None,
            sampler=range(first, last),
            num_workers=self.data_workers,
            prefetch_factor=4 if self.data_workers else None,
            multiprocessing_context="spawn" if self.data_workers else None,
            worker_init_fn=_calm_worker if self.data_workers else None,
            pin_memory=self.device.type == "cuda",
            # Its own generator: one draw from the global one would change a resumed run.
            generator=torch.Generator(),
        )
        for batch in loader:
            yield {k: v.to(self.device, non_blocking=True) for k, v in batch.items()}

    def _optimise(self, batch: Batch) -> dict[str, float]:
        rate = self.stage.learning_rate_at(self.stage_step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.task.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            terms = self.parallel(batch)
        factors = self.stage.losses
        weighted = {k: v * factors.get(k, 1.0) for k, v in terms.items() if factors.get(k, 1.0)}
        loss = torch.stack([t.float() for t in weighted.values()]).sum()
        self.scaler.scale(loss).backward()
        if self.schedule.clip_norm:
            self.scaler.unscale_(self.optimizer)
            parameters = self.optimizer.param_groups[0]["params"]
            nn.utils.clip_grad_norm_(parameters, self.schedule.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.update_parameters(self.task.network)
        return {name: float(term.detach()) for name, term in weighted.items()}

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
        watched = figures[self.task.watched]
        is_best = watched < self.best
        self.best = min(watched, self.best)
        self.checkpoints_since_best = 0 if is_best else self.checkpoints_since_best + 1
        self._save(is_best=is_best)
        return figures

    def _save(self, *, is_best: bool) -> None:
        if self.processes.is_first:
            self.run.save_checkpoint(self._state(), is_best=is_best)

    def _is_stale(self) -> bool:
        return 0 < self.schedule.patience <= self.checkpoints_since_best

    def _record(self, meter: "_Meter", figures: dict[str, float]) -> TrainingProgress:
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


class _Meter:
    """Means since the last record, and speed since the start without validations."""

    def __init__(self) -> None:
        self.samples, self.seconds = 0, 1e-9
        self._resumed = time.monotonic()
        self._sums: dict[str, float] = {}
        self._count = 0

    def add(self, terms: Mapping[str, float], samples: int) -> None:
        """One step is done."""
        now = time.monotonic()
        self.seconds += now - self._resumed
        self._resumed = now
        self.samples += samples
        self._count += 1
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def means(self) -> dict[str, float]:
        """Mean of each term."""
        return {name: value / self._count for name, value in self._sums.items()}

    def next(self) -> None:
        """Begin another mean; the time since the last step was not training."""
        self._sums, self._count = {}, 0
        self._resumed = time.monotonic()


def _calm_worker(_index: int) -> None:
    """A process that draws data uses one thread and gives way to training."""
    torch.set_num_threads(1)
    if hasattr(os, "nice"):
        os.nice(5)
