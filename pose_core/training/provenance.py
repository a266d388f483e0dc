"""What made a trained network: the command that trains it again."""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from pose_core.training.recipe_files import recipe_names
from pose_core.training.recipes import Recipe, load_recipe, recipe_from


def recipe_of(config: Mapping[str, Any]) -> Recipe:
    """The recipe in the ``config.json`` of a run.

    Raises
    ------
    ConfigError
        If it was written by another version, or is damaged.
    """
    return recipe_from({key: config.get(key, {}) for key in ("about", "kind", "task", "schedule")})


def training_command(recipe: Recipe, data: str, start_from: str = "") -> str:
    """The command that trains by this recipe: the nearest one that is shipped, and all changes.

    Parameters
    ----------
    recipe : Recipe
    data, start_from : str
        What to write behind ``--data`` and ``--start-from``.
    """
    shipped = {name: load_recipe(name) for name in recipe_names()}
    # A run keeps the line about its recipe, which tells it from others of the kind.
    like = [n for n, other in shipped.items() if other.kind == recipe.kind]
    like = [n for n in like if shipped[n].about == recipe.about] or like
    # No recipe is shipped where each session makes its own: the run's settings are in its folder.
    alone = [f"{recipe.kind}.toml"]
    words = min((_words(name, shipped[name], recipe) for name in like), key=len, default=alone)
    words += ["--data", data, *(["--start-from", start_from] if start_from else [])]
    return " ".join(["posestage", "train", *words, "--out", "RUN"])


def _words(name: str, shipped: Recipe, recipe: Recipe) -> list[str]:
    """Name of a shipped recipe and the options that make it the wanted one."""
    words = [name]
    num_steps = recipe.schedule.num_steps
    scaled = shipped.with_steps(num_steps)
    if scaled.schedule.stages == recipe.schedule.stages != shipped.schedule.stages:
        words += ["--steps", str(num_steps)]
        shipped = scaled
    for dotted, value in _changes(_plain(shipped), _plain(recipe)):
        words += ["--set", shlex.quote(f"{dotted}={_toml(value)}")]
    return words


def _plain(recipe: Recipe) -> dict[str, Any]:
    values = json.loads(json.dumps(recipe.to_dict()))
    return {key: values[key] for key in ("task", "schedule")}


def _changes(
    old: Mapping[str, Any], new: Mapping[str, Any], table: str = ""
) -> Iterator[tuple[str, Any]]:
    """Dotted names and new values of all settings that differ."""
    for name, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(name), dict):
            yield from _changes(old[name], value, f"{table}{name}.")
        elif value != old.get(name):
            yield f"{table}{name}", value


def _toml(value: Any) -> str:
    """A value as the right side of a line of TOML; JSON but for tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(v)}" for name, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
