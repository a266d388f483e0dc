"""Copies of a network's weights for many frames at once, each changed by gradient descent.

The gradient of one frame with respect to the weights W of a linear layer is the product of two
vectors, g a^T, where a is the layer's input and g the gradient with respect to its output. After
some steps the weights of a frame are W - rate * (g1 a1^T + g2 a2^T + ...). Multiplying by them
takes W, which all frames share, and a few vectors, but no matrix of the frame's own. The numbers
are those of a true copy per frame.
"""

import copy
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

_Network = TypeVar("_Network", bound=nn.Module)


class LinearPerFrame(nn.Module):
    """A linear layer that starts alike for all N frames and is then changed for each of them."""

    def __init__(self, layer: nn.Linear, num_frames: int) -> None:
        super().__init__()
        self.shared = layer.weight.detach()
        self.bias = layer.bias.detach().expand(num_frames, -1).clone().requires_grad_()
        self.changes: list[tuple[Tensor, Tensor]] = []  # (N, out) and (N, in) of each step

    def forward(self, x: Tensor) -> Tensor:
        """(N, in) to (N, out), each row with the weights of its frame."""
        self.input = x.detach()
        y = functional.linear(x, self.shared) + self.bias
        for outer, inner in self.changes:
            y = y + outer * (inner * x).sum(-1, keepdim=True)
        return y

    def own_parameters(self) -> list[Tensor]:
        return [self.bias]

    def squared_norm(self, gradients: Sequence[Tensor]) -> Tensor:
        """(N, 1) of the gradient with respect to weights and bias: |g a^T|^2 + |g|^2."""
        (g,) = gradients
        return _square(g) * (_square(self.input) + 1)

    def descend(self, gradients: Sequence[Tensor], rate: Tensor) -> None:
        """One step; the gradient of the bias is that of the layer's output."""
        (g,) = gradients
        self.changes.append((-rate * g, self.input))
        self.bias = (self.bias - rate * g).detach().requires_grad_()


class NormPerFrame(nn.Module):
    """Batch norm in evaluation mode with weight and bias of its own for each of N frames."""

    def __init__(self, norm: nn.BatchNorm1d, num_frames: int) -> None:
        super().__init__()
        self.norm = norm
        self.weight = norm.weight.detach().expand(num_frames, -1).clone().requires_grad_()
        self.bias = norm.bias.detach().expand(num_frames, -1).clone().requires_grad_()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C) to the same shape."""
        norm = self.norm
        y = functional.batch_norm(x, norm.running_mean, norm.running_var, eps=norm.eps)
        return y * self.weight + self.bias

    def own_parameters(self) -> list[Tensor]:
        return [self.weight, self.bias]

    def squared_norm(self, gradients: Sequence[Tensor]) -> Tensor:
        """(N, 1) of the gradient with respect to weight and bias."""
        weight, bias = gradients
        return _square(weight) + _square(bias)

    def descend(self, gradients: Sequence[Tensor], rate: Tensor) -> None:
        """One step of gradient descent."""
        weight, bias = gradients
        self.weight = (self.weight - rate * weight).detach().requires_grad_()
        self.bias = (self.bias - rate * bias).detach().requires_grad_()


def fixed_copy(network: _Network) -> _Network:
    """A copy in evaluation mode, whose parameters take no gradient."""
    return copy.deepcopy(network).eval().requires_grad_(False)


def give_each_frame_its_own(
    module: nn.Module, num_frames: int
) -> list[LinearPerFrame | NormPerFrame]:
    """Replace all layers in `module` that have weights by such as have them per frame."""
    layers: list[LinearPerFrame | NormPerFrame] = []
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            layers.append(LinearPerFrame(child, num_frames))
        elif isinstance(child, nn.BatchNorm1d):
            layers.append(NormPerFrame(child, num_frames))
        else:
            layers += give_each_frame_its_own(child, num_frames)
            continue
        setattr(module, name, layers[-1])
    return layers


def descend(
    layers: Sequence[LinearPerFrame | NormPerFrame],
    objective: Tensor,
    rate: Tensor,
    *,
    is_relative: bool,
) -> None:
    """One step of gradient descent, each frame down its own objective.

    Parameters
    ----------
    layers : sequence
        All that `give_each_frame_its_own` made.
    objective : (N,) Tensor
        Not negative; computed with these layers.
    rate : (N, 1) Tensor
        Learning rates; if `is_relative`, the share of the objective that the step removes as far
        as the objective is linear in the weights (a Polyak step).
    is_relative : bool
    """
    own = [layer.own_parameters() for layer in layers]
    # No frame has a share in the objective of another: the gradient of the sum is theirs.
    flat = iter(torch.autograd.grad(objective.sum(), [p for group in own for p in group]))
    gradients = [[next(flat) for _ in group] for group in own]
    if is_relative:
        norms = [layer.squared_norm(g) for layer, g in zip(layers, gradients, strict=True)]
        squared = torch.stack(norms).sum(0)
        rate = rate * objective.detach()[:, None] / squared.clamp_min(1e-12)
    for layer, group in zip(layers, gradients, strict=True):
        layer.descend(group, rate)


def _square(vectors: Tensor) -> Tensor:
    """(N, C) to squared lengths (N, 1)."""
    return vectors.square().sum(-1, keepdim=True)
