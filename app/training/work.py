"""What takes long: runs in worker threads and may import PyTorch there.

Nothing here touches a widget.
"""

import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from PySide6.QtCore import QFile

from app.training import queue
from app.workers.torch_library import map_torch_library
from pose_core.data.skipping import SkipLog
from pose_core.errors import DataError
from pose_core.metrics.report import mean_error
from pose_core.models.registry import (
    ModelEntry,
    free_user_model_name,
    installed_models,
    load_user_models,
    model_entry,
)
from pose_core.training.recipe_files import read_recipe
from pose_core.training.run_status import is_alive, read_json, write_json_atomic
from pose_core.training.runs import BUNDLED_DATA, RunSummary, queue_run, request_stop

if TYPE_CHECKING:
    from pose_core.training.budget import Budget
    from pose_core.training.publish import Measuring
    from pose_core.training.recipes import Recipe

# A step of the largest networks takes seconds, and a validation some more.
STOP_WAIT_S = 20.0
_LOG_TAIL_BYTES = 4000
# In a run's folder: the model that it became.
_MODEL_NOTE = "published.json"

# A model, and those to compare it with.
Compared = tuple[ModelEntry, list[ModelEntry]]


@dataclass(frozen=True)
class NewRun:
    """What the user wants to train.

    Parameters
    ----------
    name : str
        Of the run's folder.
    recipe : str
        Name of a recipe, or a TOML file.
    like : Path, optional
        Run whose settings are taken in place of those of a recipe.
    data : str
        Folder or file, or `BUNDLED_DATA`.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    annotations : tuple of str
        Files of the user's annotations, for networks that see pictures.
    steps, batch, seed : int, optional
        None leaves them as they are in the recipe.
    start_from : Path, optional
        Run whose weights are the first ones.
    """

    name: str
    recipe: str
    data: str = BUNDLED_DATA
    device: str = "auto"
    like: Path | None = None
    annotations: tuple[str, ...] = ()
    steps: int | None = None
    batch: int | None = None
    seed: int | None = None
    start_from: Path | None = None


def recipe_of(wanted: NewRun) -> "Recipe":
    """The recipe with the user's changes.

    Raises
    ------
    PoseStageError
        If there is no such recipe or run, or a setting is not possible.
    """
    map_torch_library()
    from pose_core.training.recipes import recipe_from  # noqa: PLC0415 - PyTorch

    if wanted.like is None:
        values = read_recipe(wanted.recipe)
    else:
        values = read_json(wanted.like / "config.json")
    values = {key: values.get(key, {}) for key in ("about", "kind", "task", "schedule")}
    changes = {"batch": wanted.batch, "seed": wanted.seed}
    values["schedule"] |= {key: value for key, value in changes.items() if value is not None}
    if wanted.annotations:
        values["task"].setdefault("data", {})["annotations"] = list(wanted.annotations)
    recipe = recipe_from(values)
    if wanted.steps in (None, recipe.schedule.num_steps):
        return recipe
    return recipe.with_steps(wanted.steps)


def make_run(wanted: NewRun, folder: Path) -> Path:
    """Make the folder of a run, and put it in the queue.

    Raises
    ------
    PoseStageError
        If a setting is not possible, the name is taken, or nothing can be written.
    """
    recipe = recipe_of(wanted)
    path = folder / wanted.name
    queue_run(recipe, wanted.data, path, device=wanted.device, start_from=wanted.start_from)
    queue.put(folder, wanted.name)
    return path


def measure_budget(wanted: NewRun) -> Generator[float, None, "Budget"]:
    """Memory and time, from a few real steps.

    Yields
    ------
    float
        Seconds that it has taken so far; a place to stop.

    Raises
    ------
    PoseStageError
        If a setting is not possible.
    """
    recipe = recipe_of(wanted)
    from pose_core.training.budget import measuring_budget  # noqa: PLC0415 - PyTorch

    return (yield from measuring_budget(recipe, wanted.device))


def publish(run: Path) -> Generator["Measuring", None, ModelEntry]:
    """Make a model of a run, under the run's name or one like it that is free.

    Yields
    ------
    Measuring
        Of its errors; a place to stop, before anything is written.

    Raises
    ------
    PoseStageError
        If the run has no result, or nothing can be written.
    """
    map_torch_library()
    from pose_core.training.publish import add_user_model  # noqa: PLC0415 - PyTorch

    entry = yield from add_user_model(run, free_user_model_name(run.name))
    write_json_atomic(run / _MODEL_NOTE, {"name": entry.name})
    return entry


def models_of(runs: list[RunSummary]) -> dict[str, str]:
    """The models that runs became and that are still there, by the name of the run."""
    noted = {}
    for run in runs:
        with suppress(DataError):
            if (run.path / _MODEL_NOTE).exists():
                noted[run.name] = str(read_json(run.path / _MODEL_NOTE).get("name"))
    if not noted:
        return {}
    installed = load_user_models().entries
    return {run: model for run, model in noted.items() if model in installed}


def compared(name: str) -> Compared:
    """A model, and those to compare it with: shipped ones of its network first.

    Raises
    ------
    PoseStageError
        If the model is gone, or the manifest cannot be read.
    """
    own = model_entry(name)
    others = [entry for entry in installed_models().values() if entry.name != name]
    others.sort(key=lambda e: (e.folder is not None, e.network != own.network, e.is_baseline))
    return own, others


@dataclass(frozen=True)
class Measured:
    """Errors of models on the same motion.

    Parameters
    ----------
    done, total : int
        Sequences.
    metrics : dict of str to dict
        By model, in the form of `ModelEntry.metrics`; complete when all are done.
    """

    done: int
    total: int
    metrics: dict[str, dict[str, Any]]


def measure(run: Path, entries: tuple[ModelEntry, ...]) -> Iterator[Measured]:
    """Measure models on the motion that a run held out, as `posestage evaluate` does.

    Yields
    ------
    Measured
        After each sequence; a place to stop.

    Raises
    ------
    PoseStageError
        If the data or a model cannot be read.
    """
    map_torch_library()
    from pose_core.inference.evaluate import (  # noqa: PLC0415 - PyTorch
        METRICS,
        MocapProtocol,
        evaluate_mocap,
    )
    from pose_core.inference.lifter import make_lifter  # noqa: PLC0415 - PyTorch
    from pose_core.training.lifting_data import load_split  # noqa: PLC0415 - PyTorch

    data = str(read_json(run / "config.json").get("data", ""))
    _, motions = load_split(Path(data), SkipLog())
    protocols = [MocapProtocol(noise=noise, num_views=1) for noise in ("detector", "none")]
    total, done = len(entries) * len(protocols) * len(motions), 0
    metrics: dict[str, dict[str, Any]] = {}
    for entry in entries:
        lifter = make_lifter(entry)
        own = metrics[entry.name] = {"split": f"the held-out motion of {data}"}
        for protocol in protocols:
            results = []
            for result in evaluate_mocap(lifter.lift, motions, protocol):
                results.append(result)
                done += 1
                yield Measured(done, total, metrics)
            own[f"noise_{protocol.noise}"] = {m: mean_error(results, m) for m in METRICS}
    yield Measured(total, total, metrics)


def discard(run: Path) -> None:
    """End a run if it goes on, and move its folder to the trash.

    Raises
    ------
    DataError
        If there is no trash for it; nothing is deleted then.
    """
    queue.take_out(run.parent, run.name)
    _end(run)
    moved = QFile.moveToTrash(str(run))
    if not (moved[0] if isinstance(moved, tuple) else moved):
        raise DataError(
            f"{run} could not be moved to the trash.",
            "Delete the folder yourself; it holds nothing but this run.",
        )


def _end(run: Path) -> None:
    """Let the process of a run end after its step; end it by force when it takes too long."""
    path = run / "status.json"
    if not path.exists() or not is_alive(status := read_json(path)):
        return
    request_stop(run)
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(status["pid"])
        started = time.monotonic()
        while is_alive(status) and time.monotonic() - started < STOP_WAIT_S:
            time.sleep(0.1)
        if is_alive(status):
            process.kill()
            process.wait(STOP_WAIT_S)


def last_words(run: Path, lines: int = 3) -> str:
    """End of the log of a run: what its process said last; empty where it said nothing."""
    try:
        with (run / "log.txt").open("rb") as file:
            file.seek(max(file.seek(0, 2) - _LOG_TAIL_BYTES, 0))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])
