"""One process, or several that train together under ``torchrun``."""

import os
from dataclasses import dataclass

import torch
from torch import nn
from torch.distributed import broadcast, init_process_group, is_initialized
from torch.nn.parallel import DistributedDataParallel


def is_first_process() -> bool:
    """Whether this process writes the run folder: the only one, or number 0 of ``torchrun``."""
    return int(os.environ.get("RANK", "0")) == 0


@dataclass(frozen=True)
class Processes:
    """One process among those of a run.

    Parameters
    ----------
    index, count : int
    device : torch.device
    """

    index: int
    count: int
    device: torch.device

    @classmethod
    def of_environment(cls, device: str) -> "Processes":
        """Join the other processes when ``torchrun`` started this one.

        Parameters
        ----------
        device : str
            ``cpu`` or ``cuda``; of several GPUs, each process takes the one with its number.
        """
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls(0, 1, torch.device(device))
        if not is_initialized():
            init_process_group("nccl" if device.startswith("cuda") else "gloo")
        local = int(os.environ.get("LOCAL_RANK", "0"))
        own = torch.device("cuda", local) if device.startswith("cuda") else torch.device("cpu")
        return cls(int(os.environ["RANK"]), count, own)

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run folder."""
        return self.index == 0

    def share(self, parts: int) -> range:
        """Which parts of a batch this process computes."""
        each = parts // self.count
        return range(self.index * each, (self.index + 1) * each)

    def agree(self, wish: bool) -> bool:
        """What the first process wishes, so that all do the same."""
        if self.count == 1:
            return wish
        answer = torch.tensor([wish], dtype=torch.uint8, device=self.device)
        broadcast(answer, src=0)
        return bool(answer)

    def parallel(self, module: nn.Module) -> nn.Module:
        """The module, with its gradients averaged over the processes."""
        if self.count == 1:
            return module
        devices = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=devices)
