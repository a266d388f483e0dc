"""Trained weights: those that are shipped and the user's own, checked before use.

Shipped weights lie in ``resources/weights`` beside one manifest. A model of the user's is a folder
``models/NAME`` in the user's data folder with ``model.json``, its entry, and its weights.
"""

import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from pose_core.atomic_file import make_folder, write_error
from pose_core.errors import ConfigError, PoseStageError, WeightsError
from pose_core.models.entries import ModelEntry, read_entries, read_user_entry
from pose_core.models.networks import NETWORKS
from pose_core.resources import resource_path, user_data_dir

if TYPE_CHECKING:
    from torch import nn

_ENTRY_NAME, _WEIGHTS_NAME = "model.json", "weights.safetensors"
_NAME = re.compile(r"[a-z0-9][a-z0-9._ -]{0,62}[a-z0-9]|[a-z0-9]", re.IGNORECASE | re.ASCII)
# Names that Windows keeps for devices, whatever comes behind a dot.
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE | re.ASCII)


def manifest_path() -> Path:
    """Where the manifest of the shipped weights lies."""
    return resource_path("weights", "manifest.json")


def load_manifest() -> dict[str, ModelEntry]:
    """All shipped models by name.

    Raises
    ------
    WeightsError
        If the manifest is missing or damaged.
    """
    return read_entries(manifest_path())


@dataclass(frozen=True)
class UserModels:
    """The user's own models.

    Parameters
    ----------
    entries : Mapping of str to ModelEntry
    problems : Mapping of str to WeightsError
        What is wrong with those that cannot be used, by name.
    """

    entries: Mapping[str, ModelEntry]
    problems: Mapping[str, WeightsError]


def user_models_dir() -> Path:
    """Folder of the user's own models; it need not exist."""
    return user_data_dir() / "models"


def load_user_models() -> UserModels:
    """The user's own models; one that is damaged does not hide the others."""
    entries, problems = {}, {}
    shipped = _shipped_names()
    try:
        folders = sorted(p for p in user_models_dir().iterdir() if p.is_dir())
    except OSError:  # nobody has added one yet
        folders = []
    for folder in folders:
        if folder.name.startswith("."):  # in the making, or left by a removal that was cut short
            continue
        try:
            if folder.name.casefold() in shipped:
                raise WeightsError(
                    f"Your model {folder} has a name that PoseStage itself uses.",
                    "Give its folder another name.",
                )
            entries[folder.name] = read_user_entry(folder / _ENTRY_NAME)
        except WeightsError as error:
            problems[folder.name] = error
    return UserModels(entries, problems)


def installed_models() -> dict[str, ModelEntry]:
    """All models that can be used, the shipped ones first, by name.

    Raises
    ------
    WeightsError
        If the manifest of the shipped ones is missing or damaged.
    """
    return load_manifest() | dict(load_user_models().entries)


def model_entry(name: str) -> ModelEntry:
    """The model of that name, shipped or the user's.

    Raises
    ------
    ConfigError
        If there is none.
    WeightsError
        If it is a damaged one.
    """
    user = load_user_models()
    if name in user.problems:
        raise user.problems[name]
    installed = load_manifest() | dict(user.entries)
    if name not in installed:
        raise ConfigError(f"No model is called {name!r}.", f"Choose of: {', '.join(installed)}.")
    return installed[name]


def check_user_model_name(name: str) -> None:
    """Refuse a name that a new model of the user's cannot have.

    Raises
    ------
    ConfigError
        If it cannot name a folder on every system, or is taken.
    """
    if not _NAME.fullmatch(name) or _DEVICE.fullmatch(name):
        raise ConfigError(
            f"A model cannot be called {name!r}.",
            "Take up to 64 letters, digits, blanks, dots, hyphens and underscores.",
        )
    if name.casefold() in _shipped_names():
        raise ConfigError(f"{name!r} is a name that PoseStage itself uses.", "Choose another name.")
    if name.casefold() in _user_names():
        raise ConfigError(
            f"You have a model called {name!r} already.", "Choose another name, or remove that one."
        )


def free_user_model_name(wanted: str) -> str:
    """The wanted name, or the one most like it that a new model of the user's can have."""
    tidy = re.sub(r"[^a-zA-Z0-9._ -]+", "-", wanted).strip("._ -")[:50].strip("._ -") or "model"
    if _DEVICE.fullmatch(tidy):
        tidy = f"model-{tidy}"
    taken = _shipped_names() | _user_names()
    numbered = chain([tidy], (f"{tidy}-{number}" for number in count(2)))
    return next(name for name in numbered if name.casefold() not in taken)


def save_user_model(entry: ModelEntry, weights: bytes) -> ModelEntry:
    """Add a model to the user's own: complete, or not at all.

    Parameters
    ----------
    entry : ModelEntry
        Its file, hash and folder are set here.
    weights : bytes
        Content of a safetensors file.

    Raises
    ------
    ConfigError
        If the name cannot be used.
    WeightsError
        If it cannot be written.
    """
    check_user_model_name(entry.name)
    target = user_models_dir() / entry.name
    values = entry.to_json() | {
        "file": _WEIGHTS_NAME,
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    partial = user_models_dir() / f".{uuid.uuid4().hex[:8]}.partial"
    make_folder(partial, WeightsError)
    try:
        (partial / _WEIGHTS_NAME).write_bytes(weights)
        (partial / _ENTRY_NAME).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        partial.rename(target)
    except OSError as error:
        raise write_error(target, error, WeightsError) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return read_user_entry(target / _ENTRY_NAME)


def user_model_folder(name: str) -> Path:
    """Folder of a model of the user's, damaged or not.

    Raises
    ------
    ConfigError
        If it is none of the user's.
    """
    user = load_user_models()
    if name not in user.entries and name not in user.problems:
        known = ", ".join((*user.entries, *user.problems)) or "none"
        raise ConfigError(f"You have no model called {name!r}.", f"Your models: {known}.")
    return user_models_dir() / name


def remove_user_model(name: str) -> None:
    """Delete a model of the user's, damaged or not.

    Raises
    ------
    ConfigError
        If it is none of the user's.
    WeightsError
        If it cannot be deleted.
    """
    folder = user_model_folder(name)
    hidden = folder.with_name(f".{uuid.uuid4().hex[:8]}.removed")
    try:
        folder.rename(hidden)  # gone at once, even where deleting takes long or fails
        shutil.rmtree(hidden)
    except OSError as error:
        raise WeightsError(
            f"{folder} cannot be removed: {error.strerror or error}.",
            "Close the programs that use it, and delete the folder.",
        ) from error


def _shipped_names() -> set[str]:
    """Names that the user's models must not have, in small letters."""
    try:
        shipped = load_manifest()
    except PoseStageError:  # nothing is shipped then
        shipped = {}
    return {name.casefold() for name in (*shipped, *NETWORKS)}


def _user_names() -> set[str]:
    """Names of the user's models, damaged ones too, in small letters."""
    user = load_user_models()
    return {name.casefold() for name in (*user.entries, *user.problems)}


def build_network(entry: ModelEntry) -> "nn.Module":
    """Make the network with its weights, in float32 and evaluation mode.

    Raises
    ------
    WeightsError
        If the weights are missing, altered, or do not fit the configuration.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    entry.check()
    try:
        network = NETWORKS[entry.network].build(entry.config)
        tensors = {name: tensor.float() for name, tensor in load_file(entry.path).items()}
        missing, unexpected = network.load_state_dict(tensors, strict=False)
    except (KeyError, TypeError, RuntimeError, ConfigError, SafetensorError) as error:
        raise WeightsError(
            f"The weights of {entry.name} do not fit their manifest: {error}.", entry.mend
        ) from error
    # Counters of batch norm are not stored; everything else must fit.
    wrong = [n for n in missing if not n.endswith("num_batches_tracked")] + unexpected
    if wrong:
        raise WeightsError(
            f"The weights of {entry.name} lack or exceed: {', '.join(wrong)}.", entry.mend
        )
    return network.eval()
