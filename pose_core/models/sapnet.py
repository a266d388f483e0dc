"""Structure-Aware PoseNet, SAP-Net (Dabral et al., ECCV 2018, sections 3 and 4.1, Fig. 1).

The architecture is that of Zhou et al. (ICCV 2017): a stacked hourglass finds the joints in the
picture, and a depth module adds how far each is in front of or behind the pelvis. What makes it
structure-aware are its losses: `pose_core.losses.structure`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from pose_core.errors import ConfigError
from pose_core.models.hourglass import PIXELS_PER_CELL, Residual, StackedHourglass, quarter_argmax
from pose_core.models.image_features import soft_argmax
from pose_core.skeleton import H36M_17, MPII_16, Skeleton, joint_map

_SKELETONS = {skeleton.name: skeleton for skeleton in (MPII_16, H36M_17)}
_DECODINGS = {"argmax": quarter_argmax, "soft_argmax": soft_argmax}
_NUM_DEPTH_MODULES = 4
# The four poolings of an hourglass, and those of the depth module, on top of the stem's two.
_SIZE_STEP = PIXELS_PER_CELL * 2**4


@dataclass(frozen=True, kw_only=True)
class SapNetConfig:
    """Shape of a `SapNet`; the defaults are the paper's.

    Parameters
    ----------
    num_stacks : int
        Hourglasses.
    channels : int
        Width of the hourglasses and of the depth module, a multiple of 4.
    input_size : int
        Side of the square picture, pixels, a multiple of 64; heatmaps have a quarter of it.
    skeleton : {"mpii16", "h36m17"}
        Joints of heatmaps and depths. The poses are always Human3.6M-17.
    decoding : {"argmax", "soft_argmax"}
        How a heatmap becomes a place: its maximum, moved by a quarter of a cell (Newell et al.
        2016), or the mean of its fourth power, which has a gradient.
    limb_length_m : float
        Length of the twelve bones of arms, legs, shoulders and hips together, to which poses are
        scaled, metres. The paper assumes that the scale is known; the default is the mean of the
        people of the motion capture listed in NOTICE.
    """

    num_stacks: int = 2
    channels: int = 256
    input_size: int = 256
    skeleton: str = "mpii16"
    decoding: str = "argmax"
    limb_length_m: float = 3.23

    def __post_init__(self) -> None:
        if self.num_stacks < 1:
            raise ConfigError(f"SAP-Net needs at least one stack, not {self.num_stacks}.")
        if self.channels < 4 or self.channels % 4:
            raise ConfigError(f"channels must be a multiple of 4, not {self.channels}.")
        if self.input_size < _SIZE_STEP or self.input_size % _SIZE_STEP:
            raise ConfigError(
                f"input_size must be a multiple of {_SIZE_STEP}, not {self.input_size}."
            )
        if self.skeleton not in _SKELETONS:
            raise ConfigError(f"skeleton must be one of {', '.join(_SKELETONS)}.")
        if self.decoding not in _DECODINGS:
            raise ConfigError(f"decoding must be one of {', '.join(_DECODINGS)}.")
        if not self.limb_length_m > 0:
            raise ConfigError(f"limb_length_m must be positive, not {self.limb_length_m}.")

    @property
    def heatmap_size(self) -> int:
        """Cells along a side of a heatmap."""
        return self.input_size // PIXELS_PER_CELL

    @property
    def num_joints(self) -> int:
        """Heatmaps and depths."""
        return _SKELETONS[self.skeleton].num_joints


class SapNetOutput(NamedTuple):
    """Answer of a `SapNet`; K are the joints of its skeleton.

    Parameters
    ----------
    stages : (S, B, T, 17, 3) Tensor
        Poses from the heatmaps of every stack and the depths; metres, root-relative, axes of the
        camera that looks at the middle of the crop.
    heatmaps : (S, B, T, K, h, w) Tensor
        About 1 at a joint, 0 elsewhere.
    keypoints : (S, B, T, K, 2) Tensor
        Places decoded from the heatmaps, half sides of the picture from its middle: -1..1.
    depths : (B, T, K) Tensor
        Distance beyond the pelvis, half sides of the picture.
    """

    stages: Tensor
    heatmaps: Tensor
    keypoints: Tensor
    depths: Tensor


class DepthModule(nn.Module):
    """Four residual modules, each followed by pooling, and a linear layer.

    Parameters
    ----------
    config : SapNetConfig
    """

    def __init__(self, config: SapNetConfig) -> None:
        super().__init__()
        channels, cells = config.channels, config.heatmap_size // 2**_NUM_DEPTH_MODULES
        self.residuals = nn.ModuleList(
            Residual(channels, channels) for _ in range(_NUM_DEPTH_MODULES)
        )
        self.to_depths = nn.Linear(channels * cells * cells, config.num_joints)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, h, w) to (N, K)."""
        for module in self.residuals:
            features = functional.max_pool2d(module(features), 2)
        return self.to_depths(features.flatten(1))


class SapNet(nn.Module):
    """3D pose of the person in the middle of a picture, one frame at a time.

    Two dimensions and depth become three as in Zhou et al. 2017: weak perspective. x and y are
    the joints' places in the picture, z their depths, both in half sides of the picture, and the
    whole is scaled so that arms, legs, shoulders and hips have a known length together
    (`SapNetConfig.limb_length_m`; Zhou et al. take all bones of the skeleton). No focal length
    enters. Perspective inside the body, about a tenth at four metres, is left to the depths.

    Parameters
    ----------
    config : SapNetConfig
    """

    to_h36m: Tensor

    def __init__(self, config: SapNetConfig) -> None:
        super().__init__()
        self.config = config
        self.hourglass = StackedHourglass(config.num_stacks, config.channels, config.num_joints)
        self.depth = DepthModule(config)
        self.skeleton = _SKELETONS[config.skeleton]
        weights = joint_map(self.skeleton, H36M_17).weights
        # A table, not something learnt: not part of the weights.
        self.register_buffer("to_h36m", torch.tensor(weights), persistent=False)

    def forward(self, images: Tensor) -> SapNetOutput:
        """Poses, heatmaps and depths of clips.

        Parameters
        ----------
        images : (B, T, 3, H, W) Tensor
            RGB in 0..1, H = W = `input_size`; the person fills most of the picture.

        Returns
        -------
        SapNetOutput
            What follows the heatmaps is at least of single precision, also where the network
            itself is not: half precision would round places to centimetres.
        """
        clips = images.shape[:2]
        maps, features = self.hourglass(images.flatten(0, 1))
        dtype = torch.promote_types(maps.dtype, torch.float32)
        depths = self.depth(features).to(dtype)
        depths = depths - depths[:, self.skeleton.index("pelvis"), None]
        cells = _DECODINGS[self.config.decoding](maps.to(dtype))  # (S, N, K, 2)
        keypoints = cells_to_half_sides(cells, self.config.heatmap_size)
        return SapNetOutput(
            stages=self.to_poses(keypoints, depths).unflatten(1, clips),
            heatmaps=maps.unflatten(1, clips),
            keypoints=keypoints.unflatten(1, clips),
            depths=depths.unflatten(0, clips),
        )

    def to_poses(self, keypoints: Tensor, depths: Tensor) -> Tensor:
        """Places (..., K, 2) and depths (..., K), half sides, to poses (..., 17, 3), metres."""
        depths = depths.expand(keypoints.shape[:-1])
        points = torch.cat([keypoints, depths[..., None]], dim=-1)
        limbs = limb_length(points, self.skeleton)[..., None, None]
        # A picture without a person may have all joints in one place.
        poses = points * (self.config.limb_length_m / limbs.clamp_min(1e-3))
        poses = self.to_h36m.to(poses.dtype) @ poses
        return poses - poses[..., :1, :]

    def example_inputs(self, batch: int, frames: int, generator: Generator) -> tuple[Tensor]:
        """Random arguments that `forward` takes."""
        size = self.config.input_size
        return (torch.rand(batch, frames, 3, size, size, generator=generator),)


def limb_length(points: Tensor, skeleton: Skeleton) -> Tensor:
    """Length (...) of the bones of arms, legs, shoulders and hips of (..., K, D) together."""
    bones = [bone for bone in skeleton.bones if skeleton.side(bone[1]) != "middle"]
    parents, children = (list(joints) for joints in zip(*bones, strict=True))
    return torch.linalg.vector_norm(points[..., children, :] - points[..., parents, :], dim=-1).sum(
        -1
    )


def cells_to_half_sides(cells: Tensor, size: int) -> Tensor:
    """Cells of a map of `size` cells, counted from cell centres, to -1..1 across the picture."""
    return (2 * cells + 1) / size - 1


def half_sides_to_cells(places: Tensor, size: int) -> Tensor:
    """Inverse of `cells_to_half_sides`; where the Gaussians of target heatmaps go."""
    return ((places + 1) * size - 1) / 2


def depth_target(poses: Tensor, keypoints: Tensor) -> Tensor:
    """What the depth module should say about people whose 3D is known.

    Depths are brought from metres to half sides of the picture by the scale that fits x and y of
    the pose to the picture best.

    Parameters
    ----------
    poses : (..., K, 3) Tensor
        Joints of the network's skeleton, pelvis at the origin, metres.
    keypoints : (..., K, 2) Tensor
        The same joints in the picture, half sides.

    Returns
    -------
    (..., K) Tensor
        Half sides beyond the pelvis.
    """
    a = poses[..., :2] - poses[..., :2].mean(-2, keepdim=True)
    b = keypoints - keypoints.mean(-2, keepdim=True)
    scale = (a * b).sum((-1, -2)) / a.square().sum((-1, -2)).clamp_min(1e-6)
    return poses[..., 2] * scale[..., None]
