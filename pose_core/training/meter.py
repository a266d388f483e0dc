"""What a run measures of itself: loss terms, speed, use of the machine."""

import importlib.util
import time
from collections.abc import Mapping

import psutil
import torch
from torch import Tensor


class Meter:
    """Means since the last record, and speed since the start without validations."""

    def __init__(self) -> None:
        self.samples, self.seconds = 0, 1e-9
        self._resumed = time.monotonic()
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def add(self, terms: Mapping[str, Tensor], samples: int) -> None:
        """One step is done; without terms, it was skipped.

        The terms stay on their device, so that no step waits for the GPU.
        """
        now = time.monotonic()
        self.seconds += now - self._resumed
        self._resumed = now
        self.samples += samples
        self._count += bool(terms)
        for name, value in terms.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value

    def means(self) -> dict[str, float]:
        """Mean of each term; none where every step was skipped."""
        return {name: float(value) / self._count for name, value in self._sums.items()}

    def next(self) -> None:
        """Begin another mean; the time since the last step was not training."""
        self._sums, self._count = {}, 0
        self._resumed = time.monotonic()


class MachineUse:
    """How much of the machine this process takes.

    Parameters
    ----------
    device : torch.device
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._process = psutil.Process()
        self._process.cpu_percent()  # the first call only starts the clock
        # PyTorch asks NVIDIA's library for the load; without it only the memory is known.
        self._knows_load = device.type == "cuda" and importlib.util.find_spec("pynvml") is not None

    def read(self) -> dict[str, float]:
        """Use since the last call.

        Returns
        -------
        dict of str to float
            ``cpu_percent`` (100 is one core) and ``memory_bytes`` of this process; with CUDA
            also ``gpu_memory_bytes`` (most since the start, of this process),
            ``gpu_memory_total_bytes`` and, where NVIDIA's library is installed, ``gpu_percent``.
        """
        use = {
            "cpu_percent": self._process.cpu_percent(),
            "memory_bytes": float(self._process.memory_info().rss),
        }
        if self._device.type == "cuda":
            _, total = torch.cuda.mem_get_info(self._device)
            use["gpu_memory_bytes"] = float(torch.cuda.max_memory_allocated(self._device))
            use["gpu_memory_total_bytes"] = float(total)
            if self._knows_load:
                use["gpu_percent"] = float(torch.cuda.utilization(self._device))
        return use
