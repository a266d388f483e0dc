"""Memory and time that a run will take, measured by a few real steps in a process of its own.

``python -m pose_core.training.budget`` is that process: a recipe comes in, a budget goes out.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil
import torch

from pose_core.data.skipping import SkipLog
from pose_core.errors import TrainingError
from pose_core.inference.device import choose_device
from pose_core.training.batches import part_generator
from pose_core.training.engine import Engine
from pose_core.training.recipes import TASKS, Recipe, recipe_from
from pose_core.training.run_folder import RunFolder
from pose_core.training.runs import BUNDLED_DATA

_USABLE = 0.9  # of the free memory; the rest is for other programs
_TIMED_STEPS = 3
# How far the memory of a few small batches is extrapolated: where drawing the samples takes more
# than the steps, nothing is known of the steps.
_BELIEVED_TIMES = 100
_PATIENCE_S = 600
_POLL_S = 0.2


@dataclass(frozen=True)
class Budget:
    """What a run will take.

    Parameters
    ----------
    peak_memory_bytes : int
        Of the GPU, or on a CPU of the whole process; without the user's data.
    free_memory_bytes : int
        That this machine has now.
    seconds_per_step : float
        Mean over the stages, with the drawing of the batch in the same process.
    seconds : float
        Of all steps, without validations.
    batch : int
        Samples per step that were asked for.
    largest_batch : int
        Samples per step that fit into the free memory; more than a hundred times `batch` are not
        claimed from so few steps.
    """

    peak_memory_bytes: int
    free_memory_bytes: int
    seconds_per_step: float
    seconds: float
    batch: int
    largest_batch: int

    @property
    def fits(self) -> bool:
        """Whether the batch that was asked for fits."""
        return self.batch <= self.largest_batch


def estimate_budget(recipe: Recipe, device: str, *, threads: int | None = None) -> Budget:
    """As `measuring_budget`, without the waiting in between."""
    measuring = measuring_budget(recipe, device, threads=threads)
    while True:
        try:
            next(measuring)
        except StopIteration as end:
            return end.value


def measuring_budget(
    recipe: Recipe, device: str, *, threads: int | None = None
) -> Generator[float, None, Budget]:
    """Measure in a process of its own, which may run out of memory without harm.

    The samples are those of the bundled motions. Small batches come first; the recipe's own is
    tried only when by their measure it fits, otherwise its figures are extrapolated. Where the
    generator is closed before its end, so is the process.

    Parameters
    ----------
    recipe : Recipe
    device : {"cpu", "cuda", "auto"}
    threads : int, optional
        CPU threads, as in `pose_core.training.start.train`.

    Yields
    ------
    float
        Seconds that it has taken so far.

    Returns
    -------
    Budget

    Raises
    ------
    TrainingError
        If not even a few samples fit, or the steps fail.
    """
    command = [sys.executable, "-m", "pose_core.training.budget"]
    pipe = subprocess.PIPE
    started = time.monotonic()
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        question = {"recipe": recipe.to_dict(), "device": device, "threads": threads}
        told: str | None = json.dumps(question)
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    answer, complaint = process.communicate(told, timeout=_POLL_S)
                    break
                told = None  # it may be given only once
                yield time.monotonic() - started
                if time.monotonic() - started > _PATIENCE_S:
                    raise TrainingError(
                        f"A few steps take more than {_PATIENCE_S / 60:.0f} minutes here.",
                        "Choose a smaller network or batch.",
                    )
        finally:
            process.kill()  # nothing happens to one that has ended
    if process.returncode:
        lines = complaint.strip().splitlines() or [f"exit code {process.returncode}"]
        raise TrainingError(
            f"The steps that were to be measured failed: {lines[-1]}.",
            "Choose a smaller batch, or start the run to see the error.",
        )
    return Budget(**json.loads(answer))


def measure(recipe: Recipe, device: str) -> Budget:
    """Measure in this process; `estimate_budget` says what.

    The process must be fresh: on a CPU the peak is that of the process's life.
    """
    device = choose_device(device)
    free = torch.cuda.mem_get_info()[0] if device == "cuda" else psutil.virtual_memory().available
    step = _stepper(recipe, device)
    batch = recipe.schedule.batch
    sizes = [max(1, batch // 8), max(2, batch // 4)]
    peaks = []
    for size in sizes:
        seconds = [step(stage, size) for stage in range(len(recipe.schedule.stages))]
        peaks.append(_peak_memory(device))
    fixed, per_sample = _line(sizes, peaks)
    if batch > sizes[-1] and fixed + per_sample * batch < _USABLE * free:
        seconds = [step(stage, batch) for stage in range(len(recipe.schedule.stages))]
        sizes, peaks = [sizes[0], batch], [peaks[0], _peak_memory(device)]
        fixed, per_sample = _line(sizes, peaks)
    seconds = [s * batch / sizes[-1] for s in seconds]
    total = sum(s * stage.steps for s, stage in zip(seconds, recipe.schedule.stages, strict=True))
    return Budget(
        peak_memory_bytes=round(fixed + per_sample * batch),
        free_memory_bytes=free,
        seconds_per_step=total / recipe.schedule.num_steps,
        seconds=total,
        batch=batch,
        largest_batch=max(
            0, min(int((_USABLE * free - fixed) / per_sample), _BELIEVED_TIMES * batch)
        ),
    )


def _stepper(recipe: Recipe, device: str) -> Callable[[int, int], float]:
    """Makes the task; gives what takes steps of a stage with so many samples, and times them."""
    kind = TASKS[recipe.kind]
    torch.manual_seed(recipe.schedule.seed)
    task = kind.make(recipe.task, *kind.load(recipe.task, Path(BUNDLED_DATA), SkipLog()))
    schedule = replace(recipe.schedule, parts=1)
    with tempfile.TemporaryDirectory() as folder:  # no checkpoint comes of it
        engine = Engine(task, schedule, RunFolder(Path(folder) / "run"), device)

    def step(stage: int, size: int) -> float:
        engine.enter_stage(stage)
        seconds = []
        for i in range(1 + _TIMED_STEPS):
            start = time.perf_counter()
            drawn = task.data.draw(size, part_generator(schedule.seed, i, 0, 1))
            engine.optimise({key: value.to(engine.device) for key, value in drawn.items()})
            if device == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds[1:])  # the first one also warms up

    return step


def _line(sizes: list[int], peaks: list[int]) -> tuple[float, float]:
    """Memory of no samples, and of each one more, bytes."""
    per_sample = max(1.0, (peaks[1] - peaks[0]) / (sizes[1] - sizes[0]))
    return peaks[1] - per_sample * sizes[1], per_sample


def _peak_memory(device: str) -> int:
    """Most memory that this process has taken so far, bytes; on CUDA that of the GPU."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    # Linux: not from getrusage, where a new process starts with the peak of its parent.
    if sys.platform == "linux":
        return next(_kibibytes("VmHWM")) * 1024
    memory = psutil.Process().memory_info()
    if hasattr(memory, "peak_wset"):  # Windows
        return memory.peak_wset
    import resource  # noqa: PLC0415 - only on Unix

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def _kibibytes(name: str) -> Iterator[int]:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            yield int(line.split()[1])


def main() -> int:
    """Measure what stands on the standard input."""
    question = json.load(sys.stdin)
    if question["threads"]:
        torch.set_num_threads(question["threads"])
    budget = measure(recipe_from(question["recipe"]), question["device"])
    sys.stdout.write(json.dumps(asdict(budget)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
