"""Stacked hourglass network: heatmaps of joints in a picture (Newell, Yang, Deng, ECCV 2016).

The paper of SAP-Net takes it as it is, with two stacks (its reference [25]). Numbers of layers
that the papers leave open follow Newell et al., section 3: bottleneck residual modules before the
norm of He et al. 2016, one at every place, and 1x1 convolutions around the heatmaps.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pose_core.models.image_features import hard_argmax

PIXELS_PER_CELL = 4
# Poolings inside an hourglass: 64 x 64 cells down to 4 x 4.
_DEPTH = 4


class Residual(nn.Module):
    """Bottleneck residual module: 1x1, 3x3, 1x1, each after batch norm and ReLU.

    Parameters
    ----------
    inputs, outputs : int
        Channels; the middle has half of `outputs`.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        middle = outputs // 2

        def block(before: int, after: int, kernel: int) -> nn.Sequential:
            return nn.Sequential(
                nn.BatchNorm2d(before),
                nn.ReLU(),
                nn.Conv2d(before, after, kernel, padding=kernel // 2),
            )

        self.branch = nn.Sequential(
            block(inputs, middle, 1), block(middle, middle, 3), block(middle, outputs, 1)
        )
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H, W)."""
        return self.shortcut(x) + self.branch(x)


class Hourglass(nn.Module):
    """Down to a sixteenth of the resolution and back up, with a branch kept at every scale.

    Parameters
    ----------
    channels : int
    depth : int
        Poolings from here on down.
    """

    def __init__(self, channels: int, depth: int = _DEPTH) -> None:
        super().__init__()
        self.keep = Residual(channels, channels)
        self.down = Residual(channels, channels)
        self.inner = Hourglass(channels, depth - 1) if depth > 1 else Residual(channels, channels)
        self.up = Residual(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape; H and W are multiples of 2^depth."""
        low = self.down(functional.max_pool2d(x, 2))
        low = self.up(self.inner(low))
        return self.keep(x) + functional.interpolate(low, scale_factor=2, mode="nearest")


class Stack(nn.Module):
    """One hourglass with its heatmaps, and what it hands on.

    Parameters
    ----------
    channels, num_joints : int
    """

    def __init__(self, channels: int, num_joints: int) -> None:
        super().__init__()
        self.hourglass = Hourglass(channels)
        self.features = nn.Sequential(
            Residual(channels, channels),
            nn.Conv2d(channels, channels, 1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
        self.heatmaps = nn.Conv2d(channels, num_joints, 1)
        self.embed_features = nn.Conv2d(channels, channels, 1)
        self.embed_heatmaps = nn.Conv2d(num_joints, channels, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, h, w) to heatmaps (N, J, h, w) and x plus both embeddings (N, C, h, w)."""
        features = self.features(self.hourglass(x))
        heatmaps = self.heatmaps(features)
        return heatmaps, x + self.embed_features(features) + self.embed_heatmaps(heatmaps)


class StackedHourglass(nn.Module):
    """From a picture to the heatmaps of every stack.

    Parameters
    ----------
    num_stacks : int
    channels : int
        A multiple of 4; the first layers have a quarter and a half of it.
    num_joints : int
    """

    def __init__(self, num_stacks: int, channels: int, num_joints: int) -> None:
        super().__init__()
        quarter, half = channels // 4, channels // 2
        self.stem = nn.Sequential(
            nn.Conv2d(3, quarter, 7, stride=2, padding=3),
            nn.BatchNorm2d(quarter),
            nn.ReLU(),
            Residual(quarter, half),
            nn.MaxPool2d(2),
            Residual(half, half),
            Residual(half, channels),
        )
        self.stacks = nn.ModuleList(Stack(channels, num_joints) for _ in range(num_stacks))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Heatmaps and features of pictures.

        Parameters
        ----------
        images : (N, 3, H, W) Tensor
            RGB in 0..1; H and W are multiples of 64.

        Returns
        -------
        heatmaps : (S, N, J, H / 4, W / 4) Tensor
        features : (N, C, H / 4, W / 4) Tensor
            Features of the last stack and heatmap embeddings, summed.
        """
        x = self.stem(2 * images - 1)
        heatmaps = []
        for stack in self.stacks:
            maps, x = stack(x)
            heatmaps.append(maps)
        return torch.stack(heatmaps), x


def quarter_argmax(maps: Tensor) -> Tensor:
    """Cell (..., 2), x and y, of the highest value, moved towards its higher neighbours.

    A quarter of a cell in x and in y, as Newell et al. 2016 evaluate (section 3.3). Without
    gradient. A maximum at the border of the map stays there.

    Parameters
    ----------
    maps : (..., H, W) Tensor
    """
    best = hard_argmax(maps)
    height, width = maps.shape[-2:]
    x, y = best.long().unbind(-1)
    flat = maps.flatten(-2)

    def value(x: Tensor, y: Tensor) -> Tensor:
        index = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
        return flat.gather(-1, index[..., None])[..., 0]

    slope = torch.stack([value(x + 1, y) - value(x - 1, y), value(x, y + 1) - value(x, y - 1)], -1)
    limits = torch.tensor([width - 1, height - 1], device=maps.device)
    is_inside = (best > 0) & (best < limits)
    return best + 0.25 * slope.sign() * is_inside
