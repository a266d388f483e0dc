"""What a run takes of the machine, as it says itself in its status."""

from collections.abc import Mapping
from typing import Any

import psutil


def usage_text(machine: Mapping[str, Any]) -> str:
    """Processor, memory and graphics card in words; empty where nothing is known.

    Parameters
    ----------
    machine : mapping
        ``machine`` of a run's status: see `pose_core.training.meter.MachineUse`.
    """
    known = {name: value for name, value in machine.items() if isinstance(value, int | float)}
    parts = []
    if "cpu_percent" in known:
        cores = psutil.cpu_count() or 1
        parts.append(f"processor {known['cpu_percent'] / 100:.1f} of {cores} cores")
    if "memory_bytes" in known:
        parts.append(f"memory {bytes_text(known['memory_bytes'])}")
    if "gpu_percent" in known:
        parts.append(f"graphics card {known['gpu_percent']:.0f} %")
    if {"gpu_memory_bytes", "gpu_memory_total_bytes"} <= known.keys():
        taken, total = known["gpu_memory_bytes"], known["gpu_memory_total_bytes"]
        parts.append(f"its memory {bytes_text(taken)} of {bytes_text(total)}")
    return " · ".join(parts)


def bytes_text(number: float) -> str:
    """Size in MB or GB."""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"
