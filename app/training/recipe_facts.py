"""What the window says of a recipe; read without importing PyTorch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pose_core.errors import ConfigError
from pose_core.training.recipe_files import read_recipe
from pose_core.training.run_status import read_json

# What a recipe that does not say has: see `pose_core.training.schedule.Schedule`.
_BATCH, _SEED = 128, 0


@dataclass(frozen=True)
class RecipeFacts:
    """The part of a recipe that is asked for most.

    Parameters
    ----------
    kind, about : str
    steps, batch, seed : int
    data : str
        What a run trains on; empty for a recipe.
    annotations : tuple of str, optional
        The user's files of 2D; None for networks that see keypoints and have no use for them.
    start_from : str
        What a run began with; empty for random weights.
    network : mapping
        Settings of the network that the recipe names.
    """

    kind: str
    about: str
    steps: int
    batch: int
    seed: int
    data: str = ""
    annotations: tuple[str, ...] | None = None
    start_from: str = ""
    network: Mapping[str, Any] = field(default_factory=dict)


def facts_of_recipe(name: str) -> RecipeFacts:
    """Facts of a recipe by its name, or of a TOML file.

    Raises
    ------
    ConfigError
        If it cannot be read or is no recipe.
    """
    return _facts(read_recipe(name), name)


def facts_of_run(run: Path) -> RecipeFacts:
    """Facts of the recipe that a run was made with.

    Raises
    ------
    PoseStageError
        If the run cannot be read.
    """
    return _facts(read_json(run / "config.json"), str(run))


def _facts(values: Mapping[str, Any], name: str) -> RecipeFacts:
    try:
        schedule = values["schedule"]
        task = values.get("task", {})
        annotations = task.get("data", {}).get("annotations")
        return RecipeFacts(
            kind=str(values["kind"]),
            about=str(values.get("about", "")),
            steps=sum(int(stage["steps"]) for stage in schedule["stages"]),
            batch=int(schedule.get("batch", _BATCH)),
            seed=int(schedule.get("seed", _SEED)),
            data=str(values.get("data", "")),
            annotations=None if annotations is None else tuple(map(str, annotations)),
            start_from=str(values.get("start_from", "")),
            network=dict(task.get("network", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{name} is no recipe: {error!r}.", "Choose another one.") from error
