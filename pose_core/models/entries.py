"""What is known of one set of trained weights, as a manifest holds it."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from pose_core.errors import WeightsError
from pose_core.models.networks import NETWORKS
from pose_core.resources import resource_path

_POSE_NETWORKS = ("temporal_conv", "tpnet", "lstm_baseline")
# Their configuration says whether they see keypoints or pictures.
_FRONT_END_NETWORKS = ("rpsm", "pose_machine")


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
        Name of the file of weights and its hash.
    rate_hz : float
        Frames per second that the network sees; 0 for networks that look at single pictures.
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
    caution : str
        A sentence on what not to expect of it; empty for most.
    base : str
        Model whose poses this one refines; empty for all that lift by themselves.
    folder : Path, optional
        Where the weights of a user's model lie; None for shipped ones.
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
    caution: str = ""
    base: str = ""
    folder: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what a damaged manifest may hold.

        Raises
        ------
        WeightsError
            If the file could lie elsewhere, or a value is of the wrong kind.
        """
        for name, kind in (("config", dict), ("metrics", dict), ("training_data", str),
                           ("command", str), ("num_parameters", int), ("rate_hz", float | int),
                           ("sha256", str), ("file", str), ("base", str),
                           ("caution", str)):  # fmt: skip
            if not isinstance(getattr(self, name), kind):
                raise WeightsError(f"{self.name}: {name} is {getattr(self, name)!r}.", self.mend)
        if self.network not in NETWORKS:
            raise WeightsError(f"{self.name}: there is no network {self.network!r}.", self.mend)
        if not isfinite(self.rate_hz) or self.rate_hz < 0:
            raise WeightsError(f"{self.name}: rate_hz is {self.rate_hz}.", self.mend)
        if self.file in ("", ".", "..") or re.search(r"[/\\:]", self.file):
            raise WeightsError(f"{self.name}: {self.file!r} is not a name of a file.", self.mend)

    @property
    def path(self) -> Path:
        if self.folder is None:
            return resource_path("weights", self.file)
        return self.folder / self.file

    @property
    def lifts_keypoints(self) -> bool:
        """Whether it makes 3D of 2D keypoints; other networks look at pictures."""
        return self.network in _POSE_NETWORKS or self.config.get("frontend") == "keypoints"

    @property
    def sees_pictures(self) -> bool:
        """Whether it makes 3D of the pictures of a person.

        A pose machine on the features of another network (`external_channels`) does not: that
        network is not there.
        """
        if self.network in _FRONT_END_NETWORKS:
            return not self.lifts_keypoints and not self.config.get("external_channels")
        return self.network == "sapnet"

    @property
    def estimates(self) -> bool:
        """Whether it can be run on a video: on keypoints, or by itself on the pictures."""
        return self.lifts_keypoints or self.sees_pictures

    @property
    def mend(self) -> str:
        """What a user can do where something is wrong with it."""
        return _mend(self.name, self.folder)

    def check(self) -> None:
        """Compare the file with its hash.

        Raises
        ------
        WeightsError
            If it is missing or altered.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            raise WeightsError(
                f"The weights of {self.name} are missing: {self.path}.", self.mend
            ) from None
        except OSError as error:
            raise WeightsError(
                f"The weights of {self.name} cannot be read: {self.path}: {error.strerror}.",
                self.mend,
            ) from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            origin = "that were shipped" if self.folder is None else "that were stored"
            raise WeightsError(
                f"The weights of {self.name} are not those {origin}: {self.path}.", self.mend
            )

    def to_json(self) -> dict[str, Any]:
        """Plain values for a manifest, which has the name and the folder elsewhere."""
        return {k: v for k, v in asdict(self).items() if k not in ("name", "folder")}


def read_entries(path: Path) -> dict[str, ModelEntry]:
    """The entries of a manifest of shipped weights, by name.

    Raises
    ------
    WeightsError
        If it is missing or damaged.
    """
    values = _read_table(path, _mend("", None))
    return {name: _entry(path, name, entry, None) for name, entry in values.items()}


def read_user_entry(path: Path) -> ModelEntry:
    """The entry of a model of the user's, from its ``model.json``; the folder names it.

    Raises
    ------
    WeightsError
        If it is missing or damaged.
    """
    folder = path.parent
    return _entry(path, folder.name, _read_table(path, _mend(folder.name, folder)), folder)


def _read_table(path: Path, mend: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path} cannot be read: {error}.", mend) from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path} cannot be read: it holds no table.", mend)
    return content


def _entry(path: Path, name: str, values: Any, folder: Path | None) -> ModelEntry:
    try:
        return ModelEntry(**{**values, "name": name, "folder": folder})
    except TypeError as error:
        raise WeightsError(
            f"{path} is damaged, or of another version: {name}: {error}.", _mend(name, folder)
        ) from error


def _mend(name: str, folder: Path | None) -> str:
    if folder is None:
        return "Get the file again: reinstall PoseStage, or `git checkout -- resources/weights`."
    return f"Remove it (`posestage models {name!r} --remove`) and add it anew."
