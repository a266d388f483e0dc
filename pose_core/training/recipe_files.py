"""The files of the recipes; read without importing PyTorch."""

import tomllib
from pathlib import Path
from typing import Any

from pose_core.errors import ConfigError
from pose_core.resources import resource_path


def recipe_names() -> list[str]:
    """Names of the recipes that come with PoseStage."""
    return sorted(path.stem for path in resource_path("recipes").glob("*.toml"))


def read_recipe(name: str) -> dict[str, Any]:
    """Plain values of a recipe that comes with PoseStage, or of a TOML file.

    Raises
    ------
    ConfigError
        If there is no such recipe, or it cannot be read.
    """
    path = Path(name) if name.endswith(".toml") else resource_path("recipes", f"{name}.toml")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        hint = f"Choose of: {', '.join(recipe_names())}, or give a .toml file."
        raise ConfigError(f"No recipe is called {name!r}.", hint) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"The recipe {path} cannot be read: {error}.") from error
