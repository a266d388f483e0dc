"""The queue of runs, kept on disk: one run after the other, whether or not a window is open.

``queue.json`` in the folder of the runs lists the names of those that wait, first come first
served. A run is started as a process of its own, which outlives the application.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from PySide6.QtCore import QLockFile

from pose_core.atomic_file import atomic_write, make_folder
from pose_core.errors import DataError
from pose_core.training.run_status import read_json, write_json_atomic
from pose_core.training.runs import RunSummary, list_runs

_LOCK_WAIT_MS = 5000
# A session or group of its own: what ends this process, Ctrl+C in its terminal too, leaves it be.
_DETACHED: dict[str, Any] = (
    {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS}
    if sys.platform == "win32"
    else {"start_new_session": True}
)
# Those that this process started, to be asked for their exit code: else they stay as zombies.
_children: list[subprocess.Popen[Any]] = []


def waiting(folder: Path) -> list[str]:
    """Names of the runs that wait, the next one first."""
    try:
        names = json.loads((folder / "queue.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def put(folder: Path, name: str) -> None:
    """Put a run at the end of the queue.

    Raises
    ------
    DataError
        If the queue cannot be written.
    """
    with _locked(folder):
        _write(folder, [*(n for n in waiting(folder) if n != name), name])


def put_first(folder: Path, name: str) -> None:
    """Make a run the next one.

    Raises
    ------
    DataError
        If the queue cannot be written.
    """
    with _locked(folder):
        _write(folder, [name, *(n for n in waiting(folder) if n != name)])


def take_out(folder: Path, name: str) -> None:
    """Take a run out of the queue.

    Raises
    ------
    DataError
        If the queue cannot be written.
    """
    with _locked(folder):
        names = waiting(folder)
        if name in names:
            _write(folder, [n for n in names if n != name])


def start_next(folder: Path) -> RunSummary | None:
    """Start the next run, unless one is running; None where nothing was started.

    Raises
    ------
    DataError
        If it cannot be started; it is out of the queue then.
    """
    _children[:] = [child for child in _children if child.poll() is None]
    if not waiting(folder):
        return None
    with _locked(folder):
        runs = {run.name: run for run in list_runs(folder)}
        if any(run.state == "running" for run in runs.values()):
            return None
        names = [name for name in waiting(folder) if name in runs and runs[name].can_resume]
        _write(folder, names[1:])
        if not names:
            return None
        start(runs[names[0]].path)
        return runs[names[0]]


def start(run: Path) -> None:
    """Start or resume a run as a process of its own, which outlives this one.

    Raises
    ------
    DataError
        If the system cannot start it.
    """
    try:
        (run / "stop").unlink(missing_ok=True)
        with (run / "log.txt").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "pose_core", "train", "--resume", str(run)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **_DETACHED,
            )
    except OSError as error:
        raise DataError(
            f"The training process of {run.name} could not be started: {error}.",
            "Try `posestage train --resume` with the folder in a terminal.",
        ) from error
    _children.append(child)
    _note_start(run, child.pid)


def _note_start(run: Path, pid: int) -> None:
    """Say that it runs. Its own first word takes seconds; nobody may start it twice meanwhile."""
    path = run / "status.json"
    with suppress(psutil.Error):  # ended at once: its own status says why
        started = psutil.Process(pid).create_time()
        before = read_json(path) if path.exists() else {}
        kept = {key: before[key] for key in ("step", "stage", "watched", "best") if key in before}
        process = {"state": "running", "pid": pid, "process_started": started}
        write_json_atomic(path, kept | process)


def _write(folder: Path, names: list[str]) -> None:
    with atomic_write(folder / "queue.json", DataError) as file:
        file.write(json.dumps(names, indent=1).encode())


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other threads, and other windows of the application, from the queue."""
    make_folder(folder, DataError)
    lock = QLockFile(str(folder / "queue.lock"))
    if not lock.tryLock(_LOCK_WAIT_MS):
        raise DataError(
            f"Another program holds the queue in {folder}.",
            "Close other windows of PoseStage and try again.",
        )
    try:
        yield
    finally:
        lock.unlock()
