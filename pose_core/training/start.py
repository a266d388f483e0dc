"""Start a run, or go on with it."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from pose_core.data.skipping import SkipLog
from pose_core.errors import ConfigError, PoseStageError
from pose_core.inference.device import choose_device
from pose_core.training.batches import default_workers
from pose_core.training.engine import Engine, TrainingProgress
from pose_core.training.failures import explained
from pose_core.training.first_weights import first_weights
from pose_core.training.processes import is_first_process
from pose_core.training.provenance import recipe_of
from pose_core.training.recipes import TASKS, Recipe
from pose_core.training.run_folder import RunFolder
from pose_core.training.runs import run_config


def train(
    recipe: Recipe,
    data: Path | str,
    out: Path,
    *,
    device: str = "cpu",
    data_workers: int | None = 0,
    threads: int | None = None,
    start_from: Path | None = None,
) -> Iterator[TrainingProgress]:
    """Train on every motion below `data` that the default split does not hold out.

    Goes on with the run in `out` when there is one.

    Parameters
    ----------
    recipe : Recipe
    data : Path or str
        Folder of motion capture; for image networks also of rendered people.
    out : Path
        Run folder.
    device : {"cpu", "cuda", "auto"}
    data_workers : int, optional
        Processes that draw samples ahead; None for as many as suit the device.
    threads : int, optional
        CPU threads; PyTorch's choice by default.
    start_from : Path, optional
        Run folder whose result is the first weights, or the weights of a model
        (``.safetensors``); random ones otherwise.

    Yields
    ------
    TrainingProgress
        Every one is a place to stop.

    Raises
    ------
    ConfigError
        If `out` holds a run with other settings, or another process trains in it.
    DataError
        If a checkpoint or more than 1 % of the files of motion cannot be read. Fewer are left
        out; the events of the run name them.
    TrainingError
        If a step fails; the status of the run says the same.
    """
    run = RunFolder(out)
    machine = {"device": device, "data_workers": data_workers, "threads": threads}
    config = run_config(recipe, data, start_from, machine)
    if not is_first_process():
        yield from _train(run, recipe, config)
        return
    with run.locked():
        _refuse_other_settings(run, config)
        run.start(config)
        try:
            yield from _train(run, recipe, config)
        except GeneratorExit:  # the caller has enough
            run.end()
            raise
        except Exception as error:
            failure = explained(error, recipe, device)
            with suppress(PoseStageError):  # on a full disk the failure itself is worth more
                run.fail(failure.message, failure.hint)
            raise failure from error


def resume(
    out: Path,
    *,
    device: str | None = None,
    data_workers: int | None = None,
    threads: int | None = None,
) -> Iterator[TrainingProgress]:
    """Go on with a run, or start a queued one, with the settings that its folder holds.

    Parameters
    ----------
    out : Path
        Run folder.
    device, data_workers, threads
        In place of those that the run was started with.

    Raises
    ------
    ConfigError, DataError, TrainingError
        If there is no run in `out`, or as `train` raises them.
    """
    config = RunFolder(out).config()
    if config is None:
        raise ConfigError(
            f"{out} holds no run.", "`posestage runs FOLDER` lists those of a folder."
        )
    given = {"device": device, "data_workers": data_workers, "threads": threads}
    machine = config.get("machine", {}) | {k: v for k, v in given.items() if v is not None}
    origin = config.get("start_from")
    yield from train(
        recipe_of(config),
        config["data"],
        out,
        device=machine.get("device", "auto"),
        data_workers=machine.get("data_workers"),
        threads=machine.get("threads"),
        start_from=Path(origin) if origin else None,
    )


def _train(run: RunFolder, recipe: Recipe, config: Mapping[str, Any]) -> Iterator[TrainingProgress]:
    machine = config["machine"]
    if machine["threads"]:
        torch.set_num_threads(machine["threads"])
    device = choose_device(machine["device"])
    skipped = SkipLog()
    kind = TASKS[recipe.kind]
    training, held_out = kind.load(recipe.task, Path(config["data"]), skipped)
    if skipped.reasons and is_first_process():
        run.log({"state": "loaded", "skipped": skipped.reasons})
    torch.manual_seed(recipe.schedule.seed)
    task = kind.make(recipe.task, training, held_out)
    if config["start_from"] and not run.checkpoint_path.exists():
        origin = Path(config["start_from"])
        task.network.load_state_dict(first_weights(origin, task.network))
    workers = machine["data_workers"]
    workers = default_workers(device) if workers is None else workers
    yield from Engine(task, recipe.schedule, run, device, workers).train()


def _refuse_other_settings(run: RunFolder, config: Mapping[str, Any]) -> None:
    """Compare with the settings of the run that is there already.

    The machine may differ, and a setting that an older version did not write has its default.
    """
    old = run.config()
    if old is None:
        return
    start_from = Path(old["start_from"]) if old.get("start_from") else None
    old = run_config(recipe_of(old), old["data"], start_from, config["machine"])
    differing = sorted(name for name in config if old[name] != config[name])
    if differing:
        raise ConfigError(
            f"{run.path} holds a run with other settings ({', '.join(differing)}).",
            "Choose another --out, or the same settings to resume.",
        )
