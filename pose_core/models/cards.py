"""Model cards: what there is to know of a network or of a set of trained weights."""

from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from typing import Any

from pose_core.errors import ConfigError, WeightsError
from pose_core.models.networks import NETWORKS
from pose_core.models.registry import ModelEntry, installed_models, load_user_models

# Operations per frame are counted over a clip of this length.
CLIP_FRAMES = 50


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What there is to know of a model.

    Parameters
    ----------
    name, title, paper : str
    network : str
        Kind of network.
    config : dict
        Settings of the network; for a kind of network those of the paper.
    input_shapes : tuple of tuple of int
        Of the arguments for one clip of `CLIP_FRAMES` frames.
    output_shape : tuple of int
        (S, B, T, J, 3) of the poses.
    num_parameters : int
    streaming_gflop, clip_gflop : float
        Floating point operations per frame, 10^9 (a multiply-add counts as two): one frame at a
        time, and in a clip of `CLIP_FRAMES` frames.
    weights : str
        File and state, or that there are none.
    trained : tuple of str
        Models of this kind of network.
    entry : dict
        What the manifest says of the weights; empty for a kind of network.
    """

    name: str
    network: str
    title: str
    paper: str
    config: dict[str, Any]
    input_shapes: tuple[tuple[int, ...], ...]
    output_shape: tuple[int, ...]
    num_parameters: int
    streaming_gflop: float
    clip_gflop: float
    weights: str
    trained: tuple[str, ...] = ()
    entry: dict[str, Any] = field(default_factory=dict)


def model_card(name: str) -> ModelCard:
    """The card of a kind of network, or of trained weights.

    Raises
    ------
    ConfigError
        If nothing has that name.
    WeightsError
        If it is a damaged model of the user's.
    """
    installed, problems = installed_models(), load_user_models().problems
    if name in problems:
        raise problems[name]
    if name in installed:
        entry = installed[name]
        return _card(name, entry.network, entry.config, weights_state(entry), asdict(entry))
    if name in NETWORKS:
        trained = tuple(key for key, entry in installed.items() if entry.network == name)
        weights = f"trained as {', '.join(trained)}" if trained else "not trained"
        return _card(name, name, {}, weights, {}, trained)
    known = [*installed, *NETWORKS]
    near = get_close_matches(name, known, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Choose of: {', '.join(known)}."
    raise ConfigError(f"No model or network is called {name!r}.", hint)


def weights_state(entry: ModelEntry) -> str:
    """``intact``, or what is wrong with the weights and what mends them."""
    try:
        entry.check()
    except WeightsError as error:
        return str(error)
    return "intact"


def _card(
    name: str,
    network_name: str,
    config: dict[str, Any],
    weights: str,
    entry: dict[str, Any],
    trained: tuple[str, ...] = (),
) -> ModelCard:
    import torch

    kind = NETWORKS[network_name]
    with torch.device("meta"):  # shapes only: nothing is computed
        network = kind.build(config).eval()
    streaming_flop, _, _ = count_operations(network, 1)
    clip_flop, input_shapes, output_shape = count_operations(network, CLIP_FRAMES)
    return ModelCard(
        name=name,
        network=network_name,
        title=kind.title,
        paper=kind.paper,
        config=asdict(kind.make_config(config)),
        input_shapes=input_shapes,
        output_shape=output_shape,
        num_parameters=sum(p.numel() for p in network.parameters()),
        streaming_gflop=streaming_flop / 1e9,
        clip_gflop=clip_flop / CLIP_FRAMES / 1e9,
        weights=weights,
        trained=trained,
        entry=entry,
    )


def count_operations(
    network: Any, num_frames: int
) -> tuple[int, tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """Operations of one call of a network on the meta device.

    Parameters
    ----------
    network : Module
        With the method `example_inputs` that all networks here have.
    num_frames : int
        Frames of the one clip given.

    Returns
    -------
    int
        Floating point operations of all matrix products and convolutions.
    tuple of shapes
        Of the arguments.
    shape
        Of the poses.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    generator = torch.Generator().manual_seed(0)
    inputs = [x.to("meta") for x in network.example_inputs(1, num_frames, generator)]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        output = network(*inputs)
    stages = output if isinstance(output, torch.Tensor) else output.stages
    return counter.get_total_flops(), tuple(tuple(x.shape) for x in inputs), tuple(stages.shape)
