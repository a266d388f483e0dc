"""A run folder: everything that a training run leaves, readable while it runs.

``config.json``, append-only ``events.jsonl``, atomic ``status.json``, ``checkpoints/``,
``log.txt`` and, when somebody asks the run to end, a file ``stop``.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pose_core.atomic_file import atomic_write
from pose_core.errors import ConfigError, DataError


def write_json_atomic(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON so that a reader sees the old or the new file, never half of one.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    with atomic_write(path, DataError) as file:
        file.write((json.dumps(content, indent=1) + "\n").encode())


class RunFolder:
    """One training run on disk.

    Parameters
    ----------
    path : Path
        Made when it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint_path = path / "checkpoints" / "last.pt"
        self.best_path = path / "checkpoints" / "best.pt"
        self.checkpoint_path.parent.mkdir(parents=True, exist_ok=True)

    def start(self, config: Mapping[str, Any]) -> None:
        """Keep the configuration; refuse to continue a run that was started with another.

        Raises
        ------
        ConfigError
            If the folder holds a run of another configuration.
        """
        path = self.path / "config.json"
        config = json.loads(json.dumps(config))
        if path.exists():
            old = json.loads(path.read_text(encoding="utf-8"))
            differing = sorted(k for k in old.keys() | config.keys() if old.get(k) != config.get(k))
            if differing:
                raise ConfigError(
                    f"{self.path} holds a run with other settings ({', '.join(differing)}).",
                    "Choose another --out, or the same settings to resume.",
                )
        write_json_atomic(path, config)
        (self.path / "stop").unlink(missing_ok=True)

    def log(self, event: Mapping[str, Any]) -> None:
        """Append one event and make it the current status."""
        with (self.path / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
        write_json_atomic(self.path / "status.json", event)

    def stop_requested(self) -> bool:
        """Whether somebody made the file ``stop``."""
        return (self.path / "stop").exists()

    def save_checkpoint(self, state: Mapping[str, Any], *, is_best: bool = False) -> None:
        """Replace the last (and best) checkpoint atomically."""
        for path in (self.checkpoint_path, *([self.best_path] if is_best else [])):
            with atomic_write(path, DataError) as file:
                torch.save(dict(state), file)

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
