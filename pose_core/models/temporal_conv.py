"""Dilated temporal convolutions that lift 2D keypoints to 3D.

The network of the joint-aware paper (Gupta 2019, section 3), which is that of Pavllo et al.
2019 with 2048 instead of 1024 channels: an expanding convolution, residual blocks whose
dilation grows with the product of the kernels before them, and a linear layer.
"""

from dataclasses import dataclass
from math import prod

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from pose_core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class TemporalConvConfig:
    """Shape of a `TemporalConv`.

    Parameters
    ----------
    num_joints : int
        Joints in and out.
    num_features : int
        Numbers per input joint: x, y and score (paper: x and y only).
    channels : int
        Width; the paper uses 2048, its baseline 1024.
    kernel_sizes : tuple of int
        Odd kernels; their product is the receptive field: 3,3,3,3,3 of the paper gives 243
        frames, four of them 81, three 27.
    dropout : float
        Share of features dropped in training (paper: 0.25).
    causal : bool
        True looks at past frames only.
    """

    num_joints: int = 17
    num_features: int = 3
    channels: int = 2048
    kernel_sizes: tuple[int, ...] = (3, 3, 3, 3, 3)
    dropout: float = 0.25
    causal: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "kernel_sizes", tuple(self.kernel_sizes))
        if not self.kernel_sizes or any(k < 1 or k % 2 == 0 for k in self.kernel_sizes):
            raise ConfigError(f"Kernel sizes must be odd, not {self.kernel_sizes}.")
        if min(self.num_joints, self.num_features, self.channels) < 1:
            raise ConfigError("num_joints, num_features and channels must be positive.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"Dropout must be in [0, 1), not {self.dropout}.")

    @property
    def receptive_field(self) -> int:
        """Input frames that one output frame depends on."""
        return prod(self.kernel_sizes)

    @property
    def padding(self) -> tuple[int, int]:
        """Frames to repeat before and after a sequence so that no output frame is lost."""
        missing = self.receptive_field - 1
        return (missing, 0) if self.causal else (missing // 2, missing // 2)


class TimeConv(nn.Linear):
    """Convolution over time of (B, T, C) tensors, written as one matrix product.

    Gathering the frames under the kernel and multiplying once is a third faster on a CPU than
    ``nn.Conv1d`` with dilation, and the same on a GPU.
    """

    def __init__(self, inputs: int, outputs: int, kernel_size: int, dilation: int = 1) -> None:
        super().__init__(kernel_size * inputs, outputs, bias=False)
        self.kernel_size, self.dilation = kernel_size, dilation

    def forward(self, x: Tensor, *, strided: bool = False) -> Tensor:
        """(B, T, C) to (B, T - dilation (kernel - 1), C'), or (B, T / kernel, C') strided."""
        k, d = self.kernel_size, self.dilation
        if strided:
            return super().forward(x.unflatten(1, (-1, k)).flatten(2))
        frames = x.shape[1] - d * (k - 1)
        taps = [x[:, i * d : i * d + frames] for i in range(k)]
        return super().forward(torch.cat(taps, dim=-1))


class NormReluDrop(nn.Module):
    """Batch norm over the channels of (B, T, C), ReLU, dropout."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) to the same shape."""
        y = self.norm(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return self.dropout(functional.relu(y))


class ResidualBlock(nn.Module):
    """Dilated convolution, then a 1x1 convolution, around a shortcut cut to the same frames."""

    def __init__(self, kernel_size: int, dilation: int, config: TemporalConvConfig) -> None:
        super().__init__()
        channels = config.channels
        # Frame of the kernel that the output stands for: the last one if causal.
        self.anchor = kernel_size - 1 if config.causal else kernel_size // 2
        self.conv = TimeConv(channels, channels, kernel_size, dilation)
        self.after_conv = NormReluDrop(channels, config.dropout)
        self.mix = TimeConv(channels, channels, 1)
        self.after_mix = NormReluDrop(channels, config.dropout)

    def forward(self, x: Tensor, *, strided: bool) -> Tensor:
        """(B, T, C) to (B, T', C), see `TimeConv`."""
        y = self.after_conv(self.conv(x, strided=strided))
        y = self.after_mix(self.mix(y))
        if strided:
            return x[:, self.anchor :: self.conv.kernel_size] + y
        first = self.anchor * self.conv.dilation
        return x[:, first : first + y.shape[1]] + y


class TemporalConv(nn.Module):
    """Lift keypoint sequences to root-relative 3D.

    Parameters
    ----------
    config : TemporalConvConfig
    """

    def __init__(self, config: TemporalConvConfig) -> None:
        super().__init__()
        self.config = config
        kernels, channels = config.kernel_sizes, config.channels
        self.expand = TimeConv(config.num_joints * config.num_features, channels, kernels[0])
        self.after_expand = NormReluDrop(channels, config.dropout)
        self.blocks = nn.ModuleList(
            ResidualBlock(k, prod(kernels[:i]), config) for i, k in enumerate(kernels) if i > 0
        )
        self.shrink = nn.Linear(channels, config.num_joints * 3)
        nn.init.normal_(self.shrink.weight, std=0.02 / channels**0.5)  # start near one point

    def forward(self, keypoints: Tensor, *, strided: bool = False) -> Tensor:
        """Lift every frame that has its whole receptive field.

        Parameters
        ----------
        keypoints : (B, T, J, F) Tensor
            Normalised x, y and score (see `pose_core.models.ray_input`).
        strided : bool
            Faster form for T equal to a multiple of the receptive field R that gives one
            output frame per R input frames; the same numbers as the dense form.

        Returns
        -------
        (1, B, T - R + 1, J, 3) Tensor
            The only stage; metres, root-relative. Strided: (1, B, T / R, J, 3).
        """
        x = self.after_expand(self.expand(keypoints.flatten(2), strided=strided))  # (B, T', C)
        for block in self.blocks:
            x = block(x, strided=strided)
        return self.shrink(x).unflatten(2, (-1, 3))[None]

    def example_inputs(self, batch: int, frames: int, generator: Generator) -> tuple[Tensor]:
        """Arguments of `forward` that give `frames` frames: random (B, frames + R - 1, J, F)."""
        c = self.config
        shape = (batch, frames + c.receptive_field - 1, c.num_joints, c.num_features)
        return (torch.randn(shape, generator=generator, device=generator.device),)
