"""Start a run, or go on with it."""

from collections.abc import Iterator
from pathlib import Path

import torch

from pose_core.data.skipping import SkipLog
from pose_core.errors import DataError
from pose_core.training.engine import Engine, TrainingProgress
from pose_core.training.lifting_data import load_split
from pose_core.training.recipes import TASKS, Recipe
from pose_core.training.run_folder import RunFolder


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    device: str = "cpu",
    data_workers: int = 0,
    start_from: Path | None = None,
) -> Iterator[TrainingProgress]:
    """Train on every motion below `data` that the default split does not hold out.

    Goes on with the run in `out` when there is one.

    Parameters
    ----------
    recipe : Recipe
    data : Path
        Folder of motion capture.
    out : Path
        Run folder.
    device : str
    data_workers : int
        Processes that draw samples ahead.
    start_from : Path, optional
        Run folder whose result is the first weights; random ones otherwise.

    Yields
    ------
    TrainingProgress
        Every one is a place to stop.

    Raises
    ------
    ConfigError
        If `out` holds a run with other settings.
    DataError
        If a checkpoint or more than 1 % of the files of motion cannot be read. Fewer are left
        out; the events of the run name them.
    """
    run = RunFolder(out)
    origin = {"data": str(data), "start_from": str(start_from or "")}
    run.start(recipe.to_dict() | origin)
    skipped = SkipLog()
    training, held_out = load_split(data, skipped)
    if skipped.reasons:
        run.log({"state": "loaded", "skipped": skipped.reasons})
    torch.manual_seed(recipe.schedule.seed)
    task = TASKS[recipe.kind].make(recipe.task, training, held_out)
    if start_from is not None:
        state = RunFolder(start_from).load_checkpoint()
        if state is None:
            raise DataError(f"{start_from} has no checkpoint to start from.")
        task.network.load_state_dict(state["average"])
    yield from Engine(task, recipe.schedule, run, device, data_workers).train()
