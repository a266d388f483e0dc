"""Trained weights: the manifest of what is shipped, checked before use."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pose_core.errors import ConfigError, WeightsError
from pose_core.models.networks import NETWORKS
from pose_core.resources import resource_path

if TYPE_CHECKING:
    from torch import nn

_MEND = "Get the file again: reinstall PoseStage, or `git checkout -- resources/weights`."


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """What the manifest says of one set of weights.

    Parameters
    ----------
    name : str
    network : str
        Key of `pose_core.models.networks.NETWORKS`.
    config : dict
        Settings of the network.
    file, sha256 : str
        Weights in ``resources/weights`` and their hash.
    rate_hz : float
        Frames per second that the network sees.
    skeleton, preprocessing, units : str
    training_data, licence, command, paper : str
        Provenance.
    num_parameters : int
    metrics : dict
        Errors with their split, as `posestage evaluate` prints them.
    is_baseline : bool
        True for networks that are there to be compared with.
    mean_pose : list of 17 [x, y, z], optional
        Mean of the training poses in camera axes, metres: the simplest baseline.
    """

    name: str
    network: str
    config: dict[str, Any]
    file: str
    sha256: str
    rate_hz: float
    skeleton: str
    preprocessing: str
    units: str
    training_data: str
    licence: str
    command: str
    paper: str
    num_parameters: int
    metrics: dict[str, Any] = field(default_factory=dict)
    is_baseline: bool = False
    mean_pose: list[list[float]] | None = None

    @property
    def path(self) -> Path:
        return resource_path("weights", self.file)

    def check(self) -> None:
        """Compare the file with its hash.

        Raises
        ------
        WeightsError
            If it is missing or altered.
        """
        if not self.path.is_file():
            raise WeightsError(f"The weights of {self.name} are missing: {self.path}.", _MEND)
        if hashlib.sha256(self.path.read_bytes()).hexdigest() != self.sha256:
            raise WeightsError(
                f"The weights of {self.name} are not those that were shipped: {self.path}.", _MEND
            )


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
    path = manifest_path()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: ModelEntry(name=name, **entry) for name, entry in content.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"The manifest {path} cannot be read: {error}.", _MEND) from error


def model_entry(name: str) -> ModelEntry:
    """The model of that name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    manifest = load_manifest()
    if name not in manifest:
        raise ConfigError(f"No model is called {name!r}.", f"Choose of: {', '.join(manifest)}.")
    return manifest[name]


def build_network(entry: ModelEntry) -> "nn.Module":
    """Make the network with the shipped weights, in float32 and evaluation mode.

    Raises
    ------
    WeightsError
        If the weights are missing, altered, or do not fit the configuration.
    """
    from safetensors.torch import load_file

    entry.check()
    try:
        network = NETWORKS[entry.network].build(entry.config)
        tensors = {name: tensor.float() for name, tensor in load_file(entry.path).items()}
        missing, unexpected = network.load_state_dict(tensors, strict=False)
    except (KeyError, TypeError, RuntimeError, ConfigError) as error:
        raise WeightsError(
            f"The weights of {entry.name} do not fit their manifest: {error}.", _MEND
        ) from error
    # Counters of batch norm are not stored; everything else must fit.
    wrong = [n for n in missing if not n.endswith("num_batches_tracked")] + unexpected
    if wrong:
        raise WeightsError(
            f"The weights of {entry.name} lack or exceed: {', '.join(wrong)}.", _MEND
        )
    return network.eval()
