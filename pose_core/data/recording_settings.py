"""What a user knows better than a motion capture file, on the command line or in a JSON file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from pose_core.data.joint_names import Recipe
from pose_core.errors import DataError
from pose_core.interchange.named_points import UNITS

AXES = ("x", "y", "z", "-x", "-y", "-z")
SETTINGS_NAME = "mocap.json"  # in a folder: for all files in it and below


@dataclass(frozen=True)
class RecordingSettings:
    """What the user knows better than the file; None or empty to find out.

    Parameters
    ----------
    up : str
        Axis that points up, such as ``y`` or ``-z``.
    units : str or float
        A name of `UNITS`, or metres per unit.
    swap_sides : bool
        Exchange left and right; False keeps them whatever they look like.
    fps : float
    joints : dict
        For canonical joints the name of a point, or weights of several.
    action, subject : str
        Labels.
    """

    up: str | None = None
    units: str | float | None = None
    swap_sides: bool | None = None
    fps: float | None = None
    joints: Mapping[str, Recipe] = field(default_factory=dict)
    action: str = ""
    subject: str = ""

    def __post_init__(self) -> None:
        if self.up is not None and self.up not in AXES:
            raise DataError(f"up is {self.up!r}.", f"Give one of {', '.join(AXES)}.")
        if self.units is not None and not 0 < self.metres_per_unit < 1e6:
            raise DataError(
                f"{self.units!r} is no unit.", f"Give metres per unit, or {', '.join(UNITS)}."
            )
        if self.fps is not None and not 0 < self.fps < 1e6:
            raise DataError(f"{self.fps!r} frames per second are not possible.")

    @property
    def metres_per_unit(self) -> float:
        """The unit in metres; NaN where it is not given or makes no sense."""
        if isinstance(self.units, str) and self.units in UNITS:
            return UNITS[self.units]
        try:
            return float(self.units) if self.units is not None else np.nan
        except ValueError:
            return np.nan


def load_settings(path: Path) -> RecordingSettings:
    """Read settings from a JSON file with any of the fields of `RecordingSettings`.

    Raises
    ------
    DataError
    """
    known = [f.name for f in fields(RecordingSettings)]
    try:
        content: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
        joints = {
            joint: {recipe: 1.0}
            if isinstance(recipe, str)
            else {k: float(v) for k, v in recipe.items()}
            for joint, recipe in dict(content.pop("joints", {})).items()
        }
        return RecordingSettings(joints=joints, **content)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path} cannot be read as settings: {error}.",
            f"Expected a JSON object with any of {', '.join(known)}.",
        ) from error
    except DataError as error:
        raise DataError(f"{path}: {error.message}", error.hint) from error


def settings_for(path: Path, top: Path) -> RecordingSettings:
    """Settings of the nearest folder, from a file's own up to `top`; empty where none has any.

    Raises
    ------
    DataError
    """
    for folder in path.parents:
        if (folder / SETTINGS_NAME).is_file():
            return load_settings(folder / SETTINGS_NAME)
        if folder == top:
            break
    return RecordingSettings()
