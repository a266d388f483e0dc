"""A run folder: everything that a training run leaves, readable while it runs.

``config.json``, append-only ``events.jsonl``, atomic ``status.json``, ``checkpoints/``,
``examples.npz`` with poses predicted at the last checkpoint, ``lock`` while a process trains and,
when somebody asks the run to end, a file ``stop``.
A kill at any moment leaves the last checkpoint, and at most half a line of events behind it.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import psutil
import torch
from filelock import FileLock, Timeout

from pose_core.atomic_file import atomic_write, make_folder, write_error
from pose_core.errors import ConfigError, DataError
from pose_core.training.run_status import read_json, this_process, write_json_atomic


class RunFolder:
    """One training run on disk.

    Parameters
    ----------
    path : Path
        Made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint_path = path / "checkpoints" / "last.pt"
        self.best_path = path / "checkpoints" / "best.pt"
        self._status: dict[str, Any] = {}

    # -- start and end ---------------------------------------------------------------------

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training here; the lock ends with the process at the latest.

        Raises
        ------
        ConfigError
            If another process trains here.
        """
        make_folder(self.path, DataError)
        try:
            with FileLock(self.path / "lock", timeout=0):
                yield
        except Timeout as error:
            raise ConfigError(
                f"Another process trains in {self.path}.", "Stop it, or choose another --out."
            ) from error
        except OSError as error:
            raise write_error(self.path / "lock", error, DataError) from error

    def config(self) -> dict[str, Any] | None:
        """The settings; None where there is no run yet.

        Raises
        ------
        DataError
            If they cannot be read.
        """
        path = self.path / "config.json"
        return read_json(path) if path.exists() else None

    def start(self, config: Mapping[str, Any]) -> None:
        """Keep the settings and clear away what a killed process left; needs the lock.

        Raises
        ------
        DataError
            If something cannot be written.
        """
        make_folder(self.checkpoint_path.parent, DataError)
        for folder in (self.path, self.checkpoint_path.parent):
            for partial in folder.glob("*.partial"):
                partial.unlink(missing_ok=True)
        stop = self.path / "stop"
        # One that was made since this process started is meant for this process.
        if stop.exists() and stop.stat().st_mtime < psutil.Process().create_time():
            stop.unlink(missing_ok=True)
        self._cut_torn_event()
        write_json_atomic(self.path / "config.json", config)
        path = self.path / "status.json"
        with suppress(DataError):  # an unreadable one is simply written anew
            self._status = read_json(path) if path.exists() else {}
        for name in ("message", "hint"):
            self._status.pop(name, None)
        self.set_status(state="running")

    def _cut_torn_event(self) -> None:
        """Cut the half line that a killed process left, lest the next event be glued to it."""
        path = self.path / "events.jsonl"
        if not path.exists():
            return
        with path.open("r+b") as file:
            content = file.read()
            if not content.endswith(b"\n"):
                file.truncate(content.rfind(b"\n") + 1)

    # -- events and status -----------------------------------------------------------------

    def log(self, event: Mapping[str, Any]) -> None:
        """Append one event.

        Raises
        ------
        DataError
            If the disk is full, ...
        """
        make_folder(self.path, DataError)
        path = self.path / "events.jsonl"
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**event, "time": time.time()}) + "\n")
        except OSError as error:
            raise write_error(path, error, DataError) from error

    def set_status(self, **changes: Any) -> None:
        """Change some values of the status; the others stay.

        Raises
        ------
        DataError
            If it cannot be written.
        """
        make_folder(self.path, DataError)
        self._status |= {**changes, "time": time.time(), **this_process()}
        write_json_atomic(self.path / "status.json", self._status)

    def stop_requested(self) -> bool:
        """Whether somebody made the file ``stop``."""
        return (self.path / "stop").exists()

    def end(self) -> None:
        """Obey the file ``stop``: the run is stopped, or paused if the file says so."""
        path = self.path / "stop"
        is_pause = path.exists() and path.read_bytes().strip() == b"paused"
        state = "paused" if is_pause else "stopped"
        self.log({"state": state, "step": self._status.get("step", 0)})
        self.set_status(state=state)
        path.unlink(missing_ok=True)

    def fail(self, message: str, hint: str) -> None:
        """Keep what went wrong and what to do."""
        self.log({"state": "failed", "message": message, "hint": hint})
        self.set_status(state="failed", message=message, hint=hint)

    # -- checkpoints -----------------------------------------------------------------------

    def save_checkpoint(self, state: Mapping[str, Any], *, is_best: bool = False) -> None:
        """Replace the last (and best) checkpoint atomically.

        The best comes first: after a kill between the two the step is done again, and both are.

        Raises
        ------
        DataError
            If the disk is full, ...; the old checkpoint stays.
        """
        make_folder(self.checkpoint_path.parent, DataError)
        for path in (*([self.best_path] if is_best else []), self.checkpoint_path):
            with atomic_write(path, DataError) as file:
                _save(dict(state), file)

    def save_examples(self, step: int, examples: Mapping[str, np.ndarray]) -> None:
        """Replace ``examples.npz``, what the network predicts, atomically.

        Raises
        ------
        DataError
            If it cannot be written.
        """
        arrays: dict[str, Any] = {"step": np.int64(step), **examples}
        with atomic_write(self.path / "examples.npz", DataError) as file:
            np.savez(file, **arrays)

    def load_checkpoint(self, *, best: bool = False) -> dict[str, Any] | None:
        """The last or best checkpoint; None where there is none yet.

        Raises
        ------
        DataError
            If it cannot be read.
        """
        path = self.best_path if best else self.checkpoint_path
        if not path.exists():
            return None
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise DataError(
                f"The checkpoint {path} cannot be read: {error}.",
                "Delete it to start the run anew.",
            ) from error


def _save(state: dict[str, Any], file: BinaryIO) -> None:
    try:
        torch.save(state, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):  # PyTorch hides that the disk is full
            raise error.__context__ from error
        raise
