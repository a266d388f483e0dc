"""The same network in other forms that may run faster; each leaves the given network as it is.

All of these are for inference with networks that have convolutions over pictures; the others are
a few matrix products that nothing makes faster. `pose_core.inference.runtime` tries them out.
"""

import copy
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pose_core.models.winograd import WinogradConv2d, suits_winograd

# Convolutions with fewer output channels end in joints: they cost little and say where things are.
_FEWEST_CHANNELS_OF_LOW_PRECISION = 64


def channels_last(network: nn.Module) -> nn.Module:
    """Channels last in memory, batch norm folded into the convolution before it, ReLU in place."""
    fast = copy.deepcopy(network)
    for module in fast.modules():
        # Inner ones belong to the chain of the outer one.
        if isinstance(module, nn.Sequential):
            _simplify(list(_chain(module)))
    return fast.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def winograd(network: nn.Module) -> nn.Module:
    """As `channels_last`, wide 3x3 convolutions by `WinogradConv2d`."""
    fast = channels_last(network)
    _replace(
        fast,
        lambda m: WinogradConv2d(m) if isinstance(m, nn.Conv2d) and suits_winograd(m) else None,
    )
    return fast


def low_precision(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """As `channels_last`, with wide convolutions in half precision.

    All else stays in single precision: it takes little time, and half precision would round a
    pose to millimetres. (Autocast would round the last layer too, and convert all weights again in
    each call.)
    """
    fast = channels_last(network)
    for module in fast.modules():
        if isinstance(module, nn.Conv2d) and module.out_channels >= (
            _FEWEST_CHANNELS_OF_LOW_PRECISION
        ):
            module.to(dtype)
        if isinstance(module, nn.Conv2d | nn.Linear | nn.LSTM):
            module.register_forward_pre_hook(_convert_inputs)
    return fast


def with_parts(network: nn.Module, parts: dict[str, nn.Module]) -> nn.Module:
    """As `channels_last`, with some of the network's direct children replaced."""
    fast = channels_last(network)
    for name, part in parts.items():
        setattr(fast, name, part)
    return fast


def picture_parts(network: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Children that turn one batch of pictures into something, and what goes into them.

    Parameters
    ----------
    network : Module
    inputs : tuple of Tensor
        Arguments of ``forward``.

    Returns
    -------
    dict of str to (N, C, H, W) Tensor
        By the name of the child.
    """
    seen: dict[str, Tensor] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def note(module: nn.Module, arguments: tuple[Any, ...]) -> None:
            is_picture = len(arguments) == 1 and arguments[0].ndim == 4
            if is_picture and any(isinstance(m, nn.Conv2d) for m in module.modules()):
                seen[name] = arguments[0]

        return note

    hooks = [m.register_forward_pre_hook(watch(name)) for name, m in network.named_children()]
    try:
        network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def _chain(sequence: nn.Sequential) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """(parent, name, module) of the modules that run one after the other, those inside too."""
    for name, module in sequence.named_children():
        if type(module) is nn.Sequential:
            yield from _chain(module)
        else:
            yield sequence, name, module


def _simplify(chain: list[tuple[nn.Module, str, nn.Module]]) -> None:
    """Fold batch norm into convolutions; ReLU writes into what only it reads."""
    for (before_parent, before_name, before), (parent, name, module) in pairwise(chain):
        if isinstance(before, nn.Conv2d) and isinstance(module, nn.BatchNorm2d):
            setattr(before_parent, before_name, fuse_conv_bn_eval(before, module))
            setattr(parent, name, nn.Identity())
        if isinstance(before, nn.Conv2d | nn.BatchNorm2d) and isinstance(module, nn.ReLU):
            module.inplace = True


def _replace(root: nn.Module, replacement: Callable[[nn.Module], nn.Module | None]) -> None:
    """Replace every module inside `root` for which there is a replacement."""
    for name, module in root.named_children():
        new = replacement(module)
        if new is None:
            _replace(module, replacement)
        else:
            setattr(root, name, new)


def _convert_inputs(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Floating point arguments in the precision of the module's weights."""
    dtype = next(module.parameters()).dtype
    return tuple(
        x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x for x in inputs
    )
