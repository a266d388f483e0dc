"""The weights that a run begins with: those of another run, or of a model."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pose_core.errors import DataError
from pose_core.training.run_folder import RunFolder

MODEL_SUFFIX = ".safetensors"


def first_weights(origin: Path, network: nn.Module) -> Mapping[str, Tensor]:
    """State of a network to begin with.

    Parameters
    ----------
    origin : Path
        Run folder, or a file of weights as models have it.
    network : nn.Module
        Counters that files of weights leave out are taken from it.

    Raises
    ------
    DataError
        If there are no weights, or those of another network.
    """
    if origin.suffix != MODEL_SUFFIX:
        state = RunFolder(origin).load_checkpoint()
        if state is None:
            raise DataError(f"{origin} has no checkpoint to start from.")
        return state["average"]
    try:
        stored = {name: tensor.float() for name, tensor in load_file(origin).items()}
    except (OSError, SafetensorError) as error:
        raise DataError(f"The weights {origin} cannot be read: {error}.") from error
    own = network.state_dict()
    needed = {name for name in own if not name.endswith("num_batches_tracked")}
    if differing := needed ^ stored.keys():
        raise DataError(
            f"The weights {origin} are of another network: {', '.join(sorted(differing)[:5])}.",
            "Start from a model of the same network.",
        )
    return own | stored
