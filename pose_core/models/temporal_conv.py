"""Dilated temporal convolutions that lift 2D keypoints to 3D.

The network of the joint-aware paper (Gupta 2019, section 3), which is that of Pavllo et al.
2019 with 2048 instead of 1024 channels: an expanding convolution, residual blocks whose
dilation grows with the product of the kernels before them, and a linear layer.
"""

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn
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
        Numbers per input joint: x, y and score.
    channels : int
        Width; the paper uses 2048, its baseline 1024.
    kernel_sizes : tuple of int
        Odd kernels; their product is the receptive field (3,3,3,3,3 gives 243 frames).
    dropout : float
        Share of features dropped in training (paper: 0.25).
    causal : bool
        True looks at past frames only.
    """

    num_joints: int = 17
    num_features: int = 3
    channels: int = 1024
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


class ResidualBlock(nn.Module):
    """Dilated convolution, then a 1x1 convolution, around a shortcut cut to the same frames."""

    def __init__(self, channels: int, kernel_size: int, dilation: int, config: TemporalConvConfig):
        super().__init__()
        self.kernel_size, self.dilation = kernel_size, dilation
        self.causal = config.causal
        self.conv = nn.Conv1d(channels, channels, kernel_size, dilation=dilation, bias=False)
        self.conv_norm = nn.BatchNorm1d(channels)
        self.mix = nn.Conv1d(channels, channels, 1, bias=False)
        self.mix_norm = nn.BatchNorm1d(channels)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, *, strided: bool) -> Tensor:
        """(B, C, T) to (B, C, T - dilation (kernel - 1)), or (B, C, T / kernel) when strided."""
        k = self.kernel_size
        last = k - 1 if self.causal else k // 2
        if strided:
            shortcut = x[:, :, last::k]
            y = functional.conv1d(x, self.conv.weight, stride=k)
        else:
            shortcut = x[:, :, last * self.dilation :]
            y = self.conv(x)
            shortcut = shortcut[:, :, : y.shape[2]]
        y = self.dropout(functional.relu(self.conv_norm(y)))
        y = self.dropout(functional.relu(self.mix_norm(self.mix(y))))
        return shortcut + y


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
        self.expand = nn.Conv1d(
            config.num_joints * config.num_features, channels, kernels[0], bias=False
        )
        self.expand_norm = nn.BatchNorm1d(channels)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            ResidualBlock(channels, k, prod(kernels[:i]), config)
            for i, k in enumerate(kernels)
            if i > 0
        )
        self.shrink = nn.Conv1d(channels, config.num_joints * 3, 1)
        nn.init.normal_(self.shrink.weight, std=0.02 / channels**0.5)  # start near the mean pose

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
        batch, _, joints, _ = keypoints.shape
        x = keypoints.flatten(2).transpose(1, 2)  # (B, J F, T)
        stride = self.config.kernel_sizes[0] if strided else 1
        x = functional.conv1d(x, self.expand.weight, stride=stride)
        x = self.dropout(functional.relu(self.expand_norm(x)))
        for block in self.blocks:
            x = block(x, strided=strided)
        y = self.shrink(x).transpose(1, 2)  # (B, T', 3 J)
        return y.reshape(1, batch, -1, joints, 3)
