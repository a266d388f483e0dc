"""2D features of a person and their way to 3D: what RPSM and the 3D pose machine have in common.

Both networks (Lin et al. 2017; Wang et al. 2019) begin with the same convolutions over a picture
(their Table 1) and bring the result to a vector by the same "feature adaption". Everything here
works on N single frames; time comes later.

For a user's own video the convolutions over the picture may be replaced: the second paper notes
that any other network for 2D poses will do. `KeypointFrontEnd` draws detected keypoints as
Gaussians and embeds them to features of the same shape. Small maps blur where a keypoint is, so
`KeypointVector` may bring the coordinates themselves past the maps.
"""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from pose_core.errors import ConfigError

# Lin et al. 2017 and Wang et al. 2019, Table 1. The text of the former counts four poolings, but
# only the three of the table lead from 368 x 368 pixels to the stated 46 x 46 cells.
_TABLE_1: tuple[tuple[str, int], ...] = (
    ("conv1_1", 64),
    ("conv1_2", 64),
    ("max_1", 64),
    ("conv2_1", 128),
    ("conv2_2", 128),
    ("max_2", 128),
    ("conv3_1", 256),
    ("conv3_2", 256),
    ("conv3_3", 256),
    ("conv3_4", 256),
    ("max_3", 256),
    ("conv4_1", 512),
    ("conv4_2", 512),
    ("conv4_3", 256),
    ("conv4_4", 256),
    ("conv4_5", 256),
    ("conv4_6", 256),
    ("conv4_7", 128),
)
PIXELS_PER_CELL = 8  # three poolings
_SMALLEST_MAP = 11  # below, the second pooling of the feature adaption has nothing left
_FRONT_ENDS = ("image", "keypoints")


@dataclass(frozen=True, kw_only=True)
class FrontEndConfig:
    """What a network with one of the two front ends sees, and how wide its convolutions are.

    Parameters
    ----------
    frontend : {"image", "keypoints"}
        Pictures, as in the papers, or detected keypoints.
    num_joints : int
        Joints in and out.
    width : float
        Factor on the channels of all convolutions; the papers have 1.
    image_size : int
        Side of the square picture, pixels, a multiple of 8.
    heatmap_size : int
        Side of the maps that keypoints are drawn into, cells. The papers' pictures give 46.
    extent : float
        Half the side of the square drawn into these maps, person sizes (see
        `pose_core.models.ray_input`); 2.75 holds 99.98 % of the joints of noisy, varied motion.
    sigma : float
        Standard deviation of a drawn keypoint, cells.
    adaption_channels : int
        Kernels of the convolutions of the feature adaption. Apart from `width`, because where
        maps are small the whole pose must go through the few cells that these leave.
    """

    frontend: str = "image"
    num_joints: int = 17
    width: float = 1.0
    image_size: int = 368
    heatmap_size: int = 46
    extent: float = 2.75
    sigma: float = 1.0
    adaption_channels: int = 128
    coordinate_units: int = 0

    def __post_init__(self) -> None:
        if self.frontend not in _FRONT_ENDS:
            raise ConfigError(f"frontend is one of {_FRONT_ENDS}, not {self.frontend!r}.")
        sizes = (self.num_joints, self.adaption_channels, self.width, self.extent, self.sigma)
        if min(sizes) <= 0:
            raise ConfigError(
                "num_joints, adaption_channels, width, extent and sigma must be positive."
            )
        if self.coordinate_units < 0 or (self.coordinate_units and self.frontend == "image"):
            raise ConfigError("coordinate_units is for the keypoint front end, and not negative.")
        if self.image_size % PIXELS_PER_CELL:
            raise ConfigError(f"image_size must be a multiple of 8, not {self.image_size}.")
        if self.feature_size < _SMALLEST_MAP:
            raise ConfigError(
                f"Feature maps of {self.feature_size} x {self.feature_size} cells are too small.",
                f"Set image_size to at least {_SMALLEST_MAP * PIXELS_PER_CELL} or heatmap_size to "
                f"at least {_SMALLEST_MAP}.",
            )

    @property
    def feature_channels(self) -> int:
        """Channels of the features that the front end gives; 128 in the papers."""
        return scaled(128, self.width)

    @property
    def feature_size(self) -> int:
        """Side of the maps that the front end gives; 46 in the papers."""
        return self.image_size // PIXELS_PER_CELL if self.frontend == "image" else self.heatmap_size

    def make_front_end(self) -> "SharedConvolutions | KeypointFrontEnd":
        """The chosen front end: frames (N, ...) to features (N, C, H, W)."""
        if self.frontend == "image":
            return SharedConvolutions(self.width)
        return KeypointFrontEnd(
            self.num_joints, self.feature_channels, self.heatmap_size, self.extent, self.sigma
        )

    def make_coordinates(self, outputs: int) -> "KeypointVector | None":
        """Keypoints (N, J, 3) to vectors (N, outputs), where they are wanted."""
        if self.coordinate_units == 0:
            return None
        return KeypointVector(self.num_joints, self.coordinate_units, outputs)

    def example_frames(self, batch: int, frames: int, generator: Generator) -> Tensor:
        """Random frames that the front end takes.

        Returns
        -------
        Tensor
            (B, T, 3, H, W) RGB in 0..1, or (B, T, J, 3) keypoint features.
        """
        device = generator.device
        if self.frontend == "image":
            shape = (batch, frames, 3, self.image_size, self.image_size)
            return torch.rand(shape, generator=generator, device=device)
        shape = (batch, frames, self.num_joints)
        xy = torch.randn((*shape, 2), generator=generator, device=device)
        score = torch.rand((*shape, 1), generator=generator, device=device)
        return torch.cat([xy, score], dim=-1)


def scaled(channels: int, width: float) -> int:
    """Channels of a layer that has `channels` in the paper."""
    return max(1, round(channels * width))


def xavier(module: nn.Module) -> None:
    """Draw new weights for all layers in `module`, biases zero (Glorot and Bengio 2010).

    Both papers initialise so. The gain is that of a ReLU: without it, signal and gradient would
    shrink by half at each of the 17 convolutions in a row. The gates of an LSTM are four matrices
    that share a tensor, and are drawn one by one.
    """
    relu = nn.init.calculate_gain("relu")
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight, relu if isinstance(layer, nn.Conv2d) else 1.0)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.LSTM):
            for name, values in layer.named_parameters():
                if name.startswith("bias"):
                    nn.init.zeros_(values)
                else:
                    for gate in values.detach().chunk(4):
                        nn.init.xavier_uniform_(gate)


class SharedConvolutions(nn.Sequential):
    """Picture to pose features (Lin et al. 2017, Table 1): 15 convolutions and 3 poolings.

    The layers bear the names of the table.

    Parameters
    ----------
    width : float
        Factor on all channels.
    """

    def __init__(self, width: float = 1.0) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        inputs = 3
        for name, channels in _TABLE_1:
            if name.startswith("max"):
                layers[name] = nn.MaxPool2d(2)
                continue
            layers[name] = nn.Conv2d(inputs, scaled(channels, width), 3, padding=1)
            layers[name.replace("conv", "relu")] = nn.ReLU(inplace=True)
            inputs = scaled(channels, width)
        super().__init__(layers)
        xavier(self)

    def forward(self, images: Tensor) -> Tensor:
        """Look at single pictures.

        Parameters
        ----------
        images : (N, 3, H, W) Tensor
            RGB in 0..1; H and W multiples of 8 (368 in the papers).

        Returns
        -------
        (N, 128 width, H / 8, W / 8) Tensor
        """
        return super().forward(images - 0.5)  # centred, as convolutional pose machines do


class KeypointFrontEnd(nn.Module):
    """Detected keypoints to pose features: Gaussian maps, then two 3x3 convolutions.

    Stands in for `SharedConvolutions` where keypoints are known already. The maps come from the
    keypoints by a smooth function, so the gradient reaches the keypoints.

    Parameters
    ----------
    num_joints, channels, size : int
        Joints in; channels and side of the features out.
    extent : float
        Half the side of the square that is drawn, person sizes. Joints beyond it fade out.
    sigma : float
        Standard deviation of a drawn keypoint, cells.
    """

    def __init__(
        self, num_joints: int, channels: int, size: int = 46, extent: float = 2.75, sigma: float = 1
    ) -> None:
        super().__init__()
        self.size, self.extent, self.sigma = size, extent, sigma
        self.embed = nn.Sequential(
            nn.Conv2d(num_joints, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        xavier(self)

    def draw(self, keypoints: Tensor) -> Tensor:
        """Maps (N, J, size, size) of keypoints (N, J, 3); the peak is the score."""
        xy, score = _without_missing(keypoints)
        cells = (xy / self.extent + 1) * (self.size / 2) - 0.5
        return gaussian_maps(cells, self.size, self.sigma) * score[..., None, None]

    def forward(self, keypoints: Tensor) -> Tensor:
        """Embed single frames.

        Parameters
        ----------
        keypoints : (N, J, 3) Tensor
            x and y in person sizes and score 0..1, see `pose_core.models.ray_input`. Joints with
            score 0 are not there, whatever their x and y.

        Returns
        -------
        (N, channels, size, size) Tensor
        """
        return self.embed(self.draw(keypoints))


class KeypointVector(nn.Module):
    """Coordinates of detected keypoints to a vector that is added to that of `FeatureAdaption`.

    A map of few cells tells a place to a fraction of a cell at best, and the poolings after it
    blur that too; depth hangs on differences of a few per cent between bones. The papers' pictures
    have 46 cells and no better source.

    Parameters
    ----------
    num_joints, units, outputs : int
        Joints in, width inside, length of the vector.
    """

    def __init__(self, num_joints: int, units: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3 * num_joints, units),
            nn.LayerNorm(units),
            nn.ReLU(inplace=True),
            nn.Linear(units, units),
            nn.LayerNorm(units),
            nn.ReLU(inplace=True),
            nn.Linear(units, outputs),
        )
        xavier(self)

    def forward(self, keypoints: Tensor) -> Tensor:
        """(N, J, 3) as `KeypointFrontEnd` takes them to (N, outputs)."""
        xy, score = _without_missing(keypoints)
        return self.layers(torch.cat([xy, score[..., None]], dim=-1).flatten(1))


class FeatureAdaption(nn.Module):
    """2D pose features to a vector for 3D (Lin et al. 2017, section 3.3).

    A side of 46 cells becomes 23, 11, 6 and 3: 128 x 3 x 3 = 1152 numbers go into the fully
    connected layer.

    Parameters
    ----------
    inputs, size : int
        Channels and side of the features.
    channels : int
        Kernels of each convolution (paper: 128).
    outputs : int
        Length of the vector (paper: 1024).
    """

    def __init__(self, inputs: int, size: int, channels: int = 128, outputs: int = 1024) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(inputs, channels, 5, stride=2, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(channels, channels, 5, stride=2, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )
        for _ in range(2):
            size = (size + 1) // 2 // 2  # the convolution rounds up, the pooling down
        self.connect = nn.Linear(channels * size * size, outputs)
        xavier(self)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, size, size) to (N, outputs)."""
        return self.connect(self.convolutions(features).flatten(1))


class HeatmapHead(nn.Module):
    """2D joints from pose features: the extra convolution for training on 2D data alone.

    Lin et al. 2017, section 4, put it on `SharedConvolutions` for pre-training and take it away
    afterwards. Its joints need not be those of the 3D pose.

    Parameters
    ----------
    channels, num_joints : int
        Channels of the features; joints of the 2D data.
    """

    def __init__(self, channels: int, num_joints: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, num_joints, 1)
        xavier(self)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) features to (N, J, H, W) confidences that a joint is there."""
        return self.convolution(features)


def _without_missing(keypoints: Tensor) -> tuple[Tensor, Tensor]:
    """Coordinates and scores of keypoints (N, J, 3), zero where the score is.

    Missing joints may be NaN, which times a score of 0 would still be NaN.
    """
    xy, score = keypoints[..., :2], keypoints[..., 2]
    seen = score > 0
    return torch.where(seen[..., None], xy, 0.0), torch.where(seen, score, 0.0)


def gaussian_maps(cells: Tensor, size: int, sigma: float) -> Tensor:
    """Draw a Gaussian of height 1 around each point.

    Parameters
    ----------
    cells : (..., 2) Tensor
        x and y; cell centres are whole numbers.
    size : int
        Side of the maps, cells.
    sigma : float
        Standard deviation, cells.

    Returns
    -------
    (..., size, size) Tensor
        Rows are y, columns are x.
    """
    grid = torch.arange(size, dtype=cells.dtype, device=cells.device)
    x, y = (-0.5 * ((cells[..., None] - grid) / sigma).square()).exp().unbind(-2)
    return y[..., :, None] * x[..., None, :]


def pixels_to_cells(pixels: Tensor) -> Tensor:
    """Place in the feature maps of a place in the picture, both counted from pixel centres."""
    return (pixels - (PIXELS_PER_CELL - 1) / 2) / PIXELS_PER_CELL


def cells_to_pixels(cells: Tensor) -> Tensor:
    """Inverse of `pixels_to_cells`."""
    return cells * PIXELS_PER_CELL + (PIXELS_PER_CELL - 1) / 2


def hard_argmax(maps: Tensor) -> Tensor:
    """Cell (..., 2), x and y, of the highest value of maps (..., H, W); without gradient."""
    best = maps.flatten(-2).argmax(-1)
    width = maps.shape[-1]
    return torch.stack([best % width, best // width], dim=-1).to(maps.dtype)


def soft_argmax(maps: Tensor) -> Tensor:
    """Mean cell (..., 2), x and y, of maps (..., H, W), weighted by their fourth power.

    Unlike `hard_argmax` it falls between cells and has a gradient (none where a map is nowhere
    positive). On maps trained towards Gaussians of height 1 the power drowns the noise far from
    the peak, and its error is a tenth of that of the usual softmax, whose weights are not
    Gaussian.
    """
    weight = maps.clamp_min(0).pow(4)
    weight = weight / weight.sum((-2, -1), keepdim=True).clamp_min(1e-12)
    x, y = (torch.arange(n, dtype=maps.dtype, device=maps.device) for n in maps.shape[:-3:-1])
    return torch.stack([(weight.sum(-2) * x).sum(-1), (weight.sum(-1) * y).sum(-1)], dim=-1)
