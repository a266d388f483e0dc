"""Where data files lie: shipped resources, and the user's own data folder."""

import os
import sys
from pathlib import Path

import platformdirs

from pose_core.errors import PoseStageError

APP_NAME = "PoseStage"


def resource_root() -> Path:
    """Folder of the shipped resources, in a checkout, an installed wheel or a frozen build."""
    here = Path(__file__).resolve().parent
    candidates = [here / "_resources", here.parent / "resources"]
    if frozen := getattr(sys, "_MEIPASS", None):
        candidates.insert(0, Path(frozen) / "resources")
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise PoseStageError(
        f"The resources folder is missing (looked in {', '.join(map(str, candidates))}).",
        "Install PoseStage again.",
    )


def resource_path(*parts: str) -> Path:
    """Path of one shipped resource; it need not exist."""
    return resource_root().joinpath(*parts)


def user_data_dir() -> Path:
    """Folder for what is fetched or made once per user (detector weights, recovery files).

    ``POSESTAGE_DATA_DIR`` overrides the platform's own place.
    """
    override = os.environ.get("POSESTAGE_DATA_DIR")
    folder = Path(override) if override else Path(platformdirs.user_data_dir(APP_NAME, False))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
