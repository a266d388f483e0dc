"""Samples per second of the training loop against the bare network on one batch.

``python benchmarks/training.py`` trains the recipe of each system for some steps on the bundled
motions. In turns with the steps of the loop (data, averaging of weights, checks, records) it takes
bare ones: forward, backward, clipping and optimizer on a batch that never changes. So the ratio
holds whatever else the machine does. The processes that draw data ahead stand still meanwhile.
Validation and checkpoints are left out, and records are made more often than in a real run.

On a machine with other work the processes that draw may have to wait, and ``wall`` says more of
that work than of the loop. ``free cores`` is told from processor time: the smaller one of what the
training process itself keeps of the bare speed, and of what the others draw.
"""

import argparse
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import torch
from torch import nn

from pose_core.data.skipping import SkipLog
from pose_core.inference.device import choose_device
from pose_core.training import engine as training_engine
from pose_core.training.batches import Batch, default_workers, part_generator
from pose_core.training.engine import Engine
from pose_core.training.recipes import TASKS, Recipe, load_recipe
from pose_core.training.run_folder import RunFolder
from pose_core.training.runs import BUNDLED_DATA
from pose_core.training.schedule import Stage
from pose_core.training.task import TrainingTask

RECIPES = ("temporal", "rpsm", "pose-machine", "tp-net")
TARGET = 0.85


@dataclass(frozen=True)
class Throughput:
    """Samples per second, and ratios of the loop to the bare network; medians over the rounds.

    Parameters
    ----------
    loop, bare : float
    wall : float
        Ratio on this machine as it is, whatever else runs on it.
    training : float
        Ratio by the processor time of the training process.
    drawing : float
        How often the processes that draw could have drawn what the bare network uses, by
        processor time; infinite where the training process draws.
    """

    loop: float
    bare: float
    wall: float
    training: float
    drawing: float

    @property
    def free(self) -> float:
        """Ratio where every process has a core to itself."""
        return min(self.training, self.drawing)


@dataclass(frozen=True)
class Times:
    """Seconds on the wall, and of processors: of this process and of those that draw data."""

    wall_s: float
    cpu_s: float
    drawing_s: float


def drawing_s() -> float:
    """Processor time of the processes that draw data, so far."""
    others = [other.cpu_times() for other in psutil.Process().children(recursive=True)]
    return sum(times.user + times.system for times in others)


def timed(work: Callable[[], object]) -> Times:
    """How long it takes."""
    start = time.perf_counter(), time.process_time(), drawing_s()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    end = time.perf_counter(), time.process_time(), drawing_s()
    return Times(*(after - before for after, before in zip(end, start, strict=True)))


@contextmanager
def others_stopped() -> Iterator[None]:
    """The processes that draw data do nothing."""
    others = psutil.Process().children(recursive=True)
    for other in others:
        other.suspend()
    yield
    for other in others:
        other.resume()


def measure(recipe: Recipe, device: str, workers: int, rounds: int, steps: int) -> Throughput:
    """Times rounds of some steps, in turns."""
    kind = TASKS[recipe.kind]
    torch.manual_seed(0)
    data = kind.load(recipe.task, Path(BUNDLED_DATA), SkipLog())
    loop_task, bare_task = kind.make(recipe.task, *data), kind.make(recipe.task, *data)
    training_engine.RECORD_EVERY = steps  # a record ends a round
    first = recipe.schedule.stages[0]
    stage = Stage(steps=10**6, trained=first.trained, losses=first.losses)
    # Validation comes seldom and is work of its own; it is left out.
    schedule = replace(recipe.schedule, stages=(stage,), checkpoint_every=10**6)
    batch = bare_task.data.draw(schedule.batch, part_generator(0, 0, 0, 1))
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(loop_task, schedule, RunFolder(Path(folder)), device, workers)
        bare_step = bare(bare_task, stage, schedule.clip_norm, engine)
        on_device = {key: value.to(engine.device) for key, value in batch.items()}
        loop = engine.train()
        times = []
        for _ in range(1 + rounds):
            loop_times = timed(lambda: next(loop))
            with others_stopped():
                times.append(
                    (loop_times, timed(lambda: [bare_step(on_device) for _ in range(steps)]))
                )
        loop.close()
    times = times[1:]  # the first round starts the other processes
    drawn_s = sum(loop.drawing_s for loop, _ in times)
    samples = steps * schedule.batch
    return Throughput(
        loop=samples / statistics.median(loop.wall_s for loop, _ in times),
        bare=samples / statistics.median(bare.wall_s for _, bare in times),
        wall=statistics.median(bare.wall_s / loop.wall_s for loop, bare in times),
        training=statistics.median(bare.cpu_s / loop.cpu_s for loop, bare in times),
        # All rounds together: the processes draw ahead of the round in which it is used.
        drawing=workers * sum(bare.cpu_s for _, bare in times) / drawn_s if workers else math.inf,
    )


def bare(
    task: TrainingTask, stage: Stage, clip_norm: float, engine: Engine
) -> Callable[[Batch], None]:
    """What takes a step with nothing around it."""
    network = task.network.to(engine.device).train()
    trained = [
        p.requires_grad_(not stage.trained or n.startswith(stage.trained))
        for n, p in network.named_parameters()
    ]
    trained = [p for p in trained if p.requires_grad]
    optimizer = type(engine.optimizer)(trained, lr=1e-5)

    def step(batch: Batch) -> None:
        optimizer.zero_grad(set_to_none=True)
        terms = task.loss_terms(network, batch)
        factors = stage.losses
        wanted = [v * factors.get(k, 1.0) for k, v in terms.items() if factors.get(k, 1.0)]
        torch.stack(wanted).sum().backward()
        nn.utils.clip_grad_norm_(trained, clip_norm)
        optimizer.step()

    return step


def main() -> int:
    """Print the table; 1 where a recipe misses the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", default=RECIPES, metavar="RECIPE")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads")
    parser.add_argument("--data-workers", type=int, metavar="N", help="as posestage train")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=5, help="per round")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    workers = options.data_workers
    workers = default_workers(device) if workers is None else workers
    print(f"{device}, {torch.get_num_threads()} threads, {workers} processes that draw data")
    print(
        f"{'recipe':<14}{'loop/s':>9}{'bare/s':>9}{'wall':>7}{'training':>10}{'drawing':>9}"
        f"{'free cores':>12}"
    )
    is_met = True
    for name in options.recipes:
        found = measure(load_recipe(name), device, workers, options.rounds, options.steps)
        is_met &= found.free >= TARGET
        print(
            f"{name:<14}{found.loop:>9.1f}{found.bare:>9.1f}{found.wall:>7.2f}"
            f"{found.training:>10.2f}{found.drawing:>9.2f}{found.free:>12.2f}"
            f"{'' if found.free >= TARGET else '  below the target'}",
            flush=True,
        )
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
