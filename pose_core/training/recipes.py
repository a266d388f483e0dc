"""Recipes: what to train and how, one TOML file each in ``resources/recipes``."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pose_core.configuration import configured
from pose_core.data.skipping import SkipLog
from pose_core.errors import ConfigError
from pose_core.training import edits, pose_machine_image, rpsm_image, sapnet
from pose_core.training.lifting_data import load_split
from pose_core.training.pose_machine import PoseMachineSettings, PoseMachineTask
from pose_core.training.recipe_files import read_recipe
from pose_core.training.rpsm import RpsmSettings, RpsmTask
from pose_core.training.schedule import Schedule
from pose_core.training.task import TrainingTask
from pose_core.training.temporal import TemporalSettings, TemporalTask
from pose_core.training.tpnet import LstmSettings, TpNetSettings, TpNetTask
from pose_core.training.weak_lifting import WeakTemporalSettings, WeakTemporalTask


def _load_motions(_settings: object, data: Path, skipped: SkipLog) -> tuple[Any, Any]:
    """Training and held-out motions for networks that see keypoints."""
    return load_split(data, skipped)


@dataclass(frozen=True)
class TaskKind:
    """How a kind of task is configured and made.

    Parameters
    ----------
    network : str
        Key of `pose_core.models.networks.NETWORKS`.
    settings : type
        Dataclass of the table ``[task]`` of a recipe.
    make : callable
        The task from settings, what to train on, and what is held out.
    load : callable
        The latter two from settings, the folder of data, and the log of what cannot be read.
    """

    network: str
    settings: type
    make: Callable[[Any, Any, Any], TrainingTask]
    load: Callable[[Any, Path, SkipLog], tuple[Any, Any]] = _load_motions


TASKS = {
    "temporal": TaskKind("temporal_conv", TemporalSettings, TemporalTask),
    "temporal_weak": TaskKind("temporal_conv", WeakTemporalSettings, WeakTemporalTask),
    "rpsm": TaskKind("rpsm", RpsmSettings, RpsmTask),
    "pose_machine": TaskKind("pose_machine", PoseMachineSettings, PoseMachineTask),
    "tpnet": TaskKind("tpnet", TpNetSettings, TpNetTask),
    "lstm_baseline": TaskKind("lstm_baseline", LstmSettings, TpNetTask),
    "sapnet": TaskKind("sapnet", sapnet.SapNetSettings, sapnet.SapNetTask, sapnet.load),
    "rpsm_image": TaskKind(
        "rpsm", rpsm_image.RpsmImageSettings, rpsm_image.RpsmImageTask, rpsm_image.load
    ),
    "pose_machine_image": TaskKind(
        "pose_machine",
        pose_machine_image.PoseMachineImageSettings,
        pose_machine_image.PoseMachineImageTask,
        pose_machine_image.load,
    ),
    "temporal_edits": TaskKind("temporal_conv", edits.TemporalEditsSettings, edits.temporal_edits),
    "rpsm_edits": TaskKind("rpsm", edits.RpsmEditsSettings, edits.rpsm_edits),
    "pose_machine_edits": TaskKind(
        "pose_machine", edits.PoseMachineEditsSettings, edits.pose_machine_edits
    ),
}


@dataclass(frozen=True)
class Recipe:
    """What to train and how.

    Parameters
    ----------
    about : str
        One line for people.
    kind : str
        A key of `TASKS`.
    task : dataclass
        Settings of the task.
    schedule : Schedule
    """

    about: str
    kind: str
    task: Any
    schedule: Schedule

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; the inverse of `recipe_from`."""
        return {
            "about": self.about,
            "kind": self.kind,
            "task": asdict(self.task),
            "schedule": asdict(self.schedule),
        }

    def with_steps(self, steps: int) -> "Recipe":
        """The stages made longer or shorter in proportion, to this many steps together."""
        share = steps / self.schedule.num_steps
        stages = tuple(
            replace(s, steps=max(1, round(s.steps * share))) for s in self.schedule.stages
        )
        return replace(self, schedule=replace(self.schedule, stages=stages))


def recipe_from(values: Mapping[str, Any]) -> Recipe:
    """A recipe from plain values.

    Raises
    ------
    ConfigError
        If a setting is unknown, missing or not possible.
    """
    values = dict(values)
    about, kind = str(values.pop("about", "")), str(values.pop("kind", ""))
    if kind not in TASKS:
        raise ConfigError(f"No kind of task is called {kind!r}.", f"Choose of: {', '.join(TASKS)}.")
    task = configured(TASKS[kind].settings, values.pop("task", {}), "task")
    schedule = configured(Schedule, values.pop("schedule", {}), "schedule")
    if values:
        raise ConfigError(f"A recipe has no table {next(iter(values))!r}.", "task and schedule.")
    return Recipe(about, kind, task, schedule)


def load_recipe(name: str, changes: Mapping[str, Any] | None = None) -> Recipe:
    """One of the recipes that come with PoseStage, or a TOML file of the user's.

    Parameters
    ----------
    name : str
        Name or path.
    changes : mapping, optional
        New values by dotted name, for example ``{"task.network.channels": 1024}``.

    Raises
    ------
    ConfigError
        If there is no such recipe, or something in it is wrong.
    """
    values = read_recipe(name)
    for dotted, value in (changes or {}).items():
        _set(values, dotted, value)
    return recipe_from(values)


def _set(values: dict[str, Any], dotted: str, value: object) -> None:
    """Put a value into nested tables, made where they are missing."""
    *tables, last = dotted.split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{dotted} is not a setting: {table} is no table.")
    values[last] = value
