"""The file ``status.json`` of a run folder, and whether the process that wrote it still lives."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from pose_core.atomic_file import atomic_write
from pose_core.errors import DataError

# The start of a process is told from the time of boot, which the system may correct a little.
_START_TOLERANCE_S = 2.0


def write_json_atomic(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON so that a reader sees the old or the new file, never half of one.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    with atomic_write(path, DataError) as file:
        file.write((json.dumps(content, indent=1) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """A table from a JSON file.

    Raises
    ------
    DataError
        If the file is missing, cannot be read, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} does not hold a table.")
    return content


def this_process() -> dict[str, float]:
    """Number and start of this process; the start tells it from a later one of that number."""
    return {"pid": os.getpid(), "process_started": psutil.Process().create_time()}


def is_alive(status: Mapping[str, Any]) -> bool:
    """Whether the process that wrote a status still runs."""
    pid, started = status.get("pid"), status.get("process_started")
    if not isinstance(pid, int) or not isinstance(started, int | float):
        return False
    try:
        process = psutil.Process(pid)
        # A zombie has ended; only its parent has not asked for its exit code yet.
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return abs(process.create_time() - started) < _START_TOLERANCE_S
    except (psutil.Error, ValueError, OverflowError):
        return False
