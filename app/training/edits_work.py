"""What the user has put right in a session, made into a training run; touches no widget."""

import shutil
import tempfile
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.training import queue
from app.workers.torch_library import map_torch_library
from pose_core.analysis.keypoint_edits import key_frames
from pose_core.atomic_file import atomic_write, make_folder
from pose_core.errors import ConfigError, DataError
from pose_core.models.registry import ModelEntry, installed_models, model_entry
from pose_core.poses import SOURCE_USER
from pose_core.session import Session
from pose_core.session_io import SUFFIX, save_session
from pose_core.training.edits_recipe import can_learn_from_edits, edits_recipe
from pose_core.training.runs import BUNDLED_DATA, queue_run

if TYPE_CHECKING:  # imports torch
    from pose_core.training.budget import Budget

# In the folder of the run, which so needs neither the session nor the model any more.
_EDITS_NAME, _WEIGHTS_NAME = f"edits{SUFFIX}", "start.safetensors"


@dataclass(frozen=True)
class EditCounts:
    """How much of a session was put right by hand.

    Parameters
    ----------
    frames : int
        Of all people together: two people in one frame count twice.
    people, joints : int
    """

    frames: int = 0
    people: int = 0
    joints: int = 0


def count_edits(session: Session) -> EditCounts:
    """Count what the user has set; a look at all keypoints, so not for the GUI thread."""
    frames = people = joints = 0
    for track in session.tracks:
        own = key_frames(track.keypoints)
        sources = np.asarray(track.keypoints.sources)[own]
        frames += len(own)
        people += bool(len(own))
        joints += int((sources == SOURCE_USER).sum())
    return EditCounts(frames, people, joints)


def models_that_learn() -> list[ModelEntry]:
    """Installed models that can be trained on edits, the shipped ones first.

    Raises
    ------
    WeightsError
        If the manifest of the shipped ones is missing or damaged.
    """
    return [entry for entry in installed_models().values() if can_learn_from_edits(entry)]


@dataclass(frozen=True)
class EditsRun:
    """A run that fine-tunes a model on the edits of a session.

    Parameters
    ----------
    name : str
        Of the run's folder.
    model : str
        Whose weights it begins with.
    steps : int
    data : str
        Motion with 3D: a folder, or `BUNDLED_DATA`.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    """

    name: str
    model: str
    steps: int
    data: str = BUNDLED_DATA
    device: str = "auto"


def make_edits_run(wanted: EditsRun, session: Session, folder: Path) -> Path:
    """Make the folder of the run, with all that it needs, and put it in the queue.

    Raises
    ------
    PoseStageError
        If the name is taken, the model is damaged, or nothing can be written.
    """
    map_torch_library()
    from pose_core.training.recipes import recipe_from  # noqa: PLC0415 - PyTorch

    entry = model_entry(wanted.model)
    entry.check()
    path = folder / wanted.name
    if path.exists():
        raise ConfigError(f"{path} is there already.", "Give the run another name.")
    make_folder(path, DataError)
    try:
        edits, weights = path / _EDITS_NAME, path / _WEIGHTS_NAME
        save_session(only_edited(session), edits)
        with atomic_write(weights, DataError) as file:
            file.write(entry.path.read_bytes())
        recipe = recipe_from(edits_recipe(entry, (str(edits.resolve()),), wanted.steps))
        queue_run(recipe, wanted.data, path, device=wanted.device, start_from=weights)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)  # half a run is none
        raise
    queue.put(folder, wanted.name)
    return path


def measure_edits_budget(wanted: EditsRun, session: Session) -> Generator[float, None, "Budget"]:
    """Memory and time of a run on edits, from a few real steps.

    Yields
    ------
    float
        Seconds that it has taken so far; a place to stop.

    Raises
    ------
    PoseStageError
        If the model is damaged, or the steps fail.
    """
    map_torch_library()
    from pose_core.training.budget import measuring_budget  # noqa: PLC0415 - PyTorch
    from pose_core.training.recipes import recipe_from  # noqa: PLC0415 - PyTorch

    with tempfile.TemporaryDirectory() as folder:
        edits = Path(folder) / _EDITS_NAME
        save_session(only_edited(session), edits)
        recipe = recipe_from(edits_recipe(model_entry(wanted.model), (str(edits),), wanted.steps))
        return (yield from measuring_budget(recipe, wanted.device))


def only_edited(session: Session) -> Session:
    """The people whose keypoints were edited, without anything in 3D."""
    tracks = (replace(t, runs={}) for t in session.tracks if len(key_frames(t.keypoints)))
    return replace(session, tracks=tuple(tracks), truth=None, notes=())
