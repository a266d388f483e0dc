"""The batches of a run: which batch a step sees depends on the seed and the step only."""

from collections.abc import Iterator
from typing import Protocol

import psutil
import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader, Dataset

from pose_core.training.schedule import Schedule

Batch = dict[str, Tensor]

_MAX_WORKERS = 8
_BATCHES_AHEAD = 4  # per worker


class TrainingData(Protocol):
    """Where samples come from. Picklable, because other processes may draw."""

    def draw(self, num_samples: int, generator: Generator) -> Batch:
        """Samples on the CPU, the same for the same generator."""
        ...


def default_workers(device: str) -> int:
    """Processes that draw ahead where nobody says how many.

    On a CPU one is enough and the network needs the rest; a GPU is to be kept fed.
    """
    cores = psutil.cpu_count() or 1
    if cores == 1:
        return 0
    return 1 if device == "cpu" else min(_MAX_WORKERS, cores - 1)


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


def batches(
    data: TrainingData,
    schedule: Schedule,
    *,
    steps: range,
    parts: range,
    device: torch.device,
    workers: int = 0,
) -> Iterator[Batch]:
    """The batches of some steps, on the device.

    Parameters
    ----------
    data : TrainingData
    schedule : Schedule
    steps : range
    parts : range
        Of each batch: those of this process.
    device : torch.device
    workers : int
        Processes that draw ahead; 0 draws in this one.
    """
    loader: DataLoader[Batch] = DataLoader(
        _Steps(data, schedule, parts),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        prefetch_factor=_BATCHES_AHEAD if workers else None,
        multiprocessing_context="spawn" if workers else None,
        worker_init_fn=_one_thread if workers else None,
        pin_memory=device.type == "cuda",
        # Its own generator: one draw from the global one would change a resumed run.
        generator=torch.Generator(),
    )
    for batch in loader:
        yield {key: value.to(device, non_blocking=True) for key, value in batch.items()}


def _one_thread(_index: int) -> None:
    """A process that draws data leaves the other cores to the network."""
    torch.set_num_threads(1)
