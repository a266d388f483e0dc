"""What a run takes of the machine."""

import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass

import psutil

_QUERY = ("--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits")
_QUERY_TIMEOUT_S = 3.0
_MIB = 2**20


@dataclass(frozen=True)
class Usage:
    """Processor, memory and graphics card.

    Parameters
    ----------
    cores : float
        Processor cores in use by the run.
    memory_bytes : int
        Of the run and the processes it started.
    gpu_share : float, optional
        Of the busiest card's time, 0..1; None without a card.
    gpu_memory_bytes : int, optional
        Taken on all cards, by whomever.
    """

    cores: float
    memory_bytes: int
    gpu_share: float | None = None
    gpu_memory_bytes: int | None = None

    def text(self) -> str:
        """In words."""
        parts = [
            f"processor {self.cores:.1f} of {psutil.cpu_count() or 1} cores",
            f"memory {bytes_text(self.memory_bytes)}",
        ]
        if self.gpu_share is not None and self.gpu_memory_bytes is not None:
            parts.append(f"graphics card {self.gpu_share:.0%}, {bytes_text(self.gpu_memory_bytes)}")
        return " · ".join(parts)


def bytes_text(number: float) -> str:
    """Size in MB or GB."""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"


class UsageMeter:
    """Measures one process and those it started; each call covers the time since the last."""

    def __init__(self) -> None:
        self._processes: dict[int, psutil.Process] = {}
        self._smi = shutil.which("nvidia-smi")

    def measure(self, pid: int) -> Usage | None:
        """Usage of a process; None where it has ended. Takes milliseconds: not for the GUI."""
        try:
            family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        except psutil.Error:
            return None
        # The same objects again: each measures from its last call on.
        self._processes = {p.pid: self._processes.get(p.pid, p) for p in family}
        percent, memory = 0.0, 0
        for process in self._processes.values():
            with suppress(psutil.Error):
                percent += process.cpu_percent()
                memory += process.memory_info().rss
        return Usage(percent / 100, memory, *self._gpu())

    def _gpu(self) -> tuple[float | None, int | None]:
        if self._smi is None:
            return None, None
        try:
            answer = subprocess.run(
                [self._smi, *_QUERY],
                capture_output=True,
                text=True,
                timeout=_QUERY_TIMEOUT_S,
                check=True,
            )
            rows = [line.split(",") for line in answer.stdout.splitlines()]
            return (
                max(float(share) for share, _ in rows) / 100,
                sum(round(float(mib)) for _, mib in rows) * _MIB,
            )
        except (OSError, subprocess.SubprocessError, ValueError):
            return None, None
