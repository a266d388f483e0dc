"""The weights that a run begins with: those of another run, or of a model."""

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pose_core.errors import DataError
from pose_core.training.run_folder import RunFolder

_log = logging.getLogger(__name__)

MODEL_SUFFIX = ".safetensors"


def first_weights(origin: Path, network: nn.Module) -> dict[str, Tensor]:
    """State of a network to begin with.

    Of another network the parts that both have are taken, such as the convolutions over the
    picture that RPSM and the pose machine have in common; the other parts stay as they are.

    Parameters
    ----------
    origin : Path
        Run folder, or a file of weights as models have it.
    network : nn.Module
        Its parts are its children. Counters that files of weights leave out are taken from it.

    Raises
    ------
    DataError
        If there are no weights, or nothing that the network learns is in them.
    """
    own, stored = network.state_dict(), _stored(origin)
    parts, others = _shapes_by_part(own), _shapes_by_part(stored)
    taken = {part for part, shapes in parts.items() if others.get(part) == shapes}
    learnt = {_part(name) for name, _ in network.named_parameters()}
    if not taken & learnt:
        raise DataError(
            f"The weights {origin} are of another network: it shares nothing learnt with this one.",
            "Start from a run or a model whose network is the same, or begins like this one.",
        )
    if fresh := parts.keys() - taken:
        _log.warning("%s lacks %s: begun anew.", origin, ", ".join(sorted(fresh)))
    return own | {name: tensor for name, tensor in stored.items() if _part(name) in taken}


def _stored(origin: Path) -> Mapping[str, Tensor]:
    if origin.suffix != MODEL_SUFFIX:
        state = RunFolder(origin).load_checkpoint()
        if state is None:
            raise DataError(f"{origin} has no checkpoint to start from.")
        return state["average"]
    try:
        return {name: tensor.float() for name, tensor in load_file(origin).items()}
    except (OSError, SafetensorError) as error:
        raise DataError(f"The weights {origin} cannot be read: {error}.") from error


def _part(name: str) -> str:
    return name.partition(".")[0]


def _shapes_by_part(state: Mapping[str, Tensor]) -> dict[str, dict[str, torch.Size]]:
    """Names and shapes of the tensors of every part, without counters."""
    shapes: dict[str, dict[str, torch.Size]] = {}
    for name, tensor in state.items():
        if not name.endswith("num_batches_tracked"):
            shapes.setdefault(_part(name), {})[name] = tensor.shape
    return shapes
