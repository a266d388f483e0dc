"""Recurrent 3D Pose Sequence Machine (Lin et al., CVPR 2017).

A network that refines: every stage looks again at each frame's features, knowing the 2D features
and the 3D pose of the stage before, and remembers the frames before. All stages are returned.

    shared features of a frame, once      (C, 46, 46)
    stage k:  2D pose module              features k-1, shared   -> features k   (Psi_p)
              feature adaption            features k             -> 1024 numbers (Psi_a)
              3D pose recurrent module    these, pose k-1, H k   -> pose k       (Psi_r)

Where the paper leaves a choice or contradicts itself, the reason stands at the code.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from pose_core.errors import ConfigError
from pose_core.models.image_features import (
    FeatureAdaption,
    FrontEndConfig,
    HeatmapHead,
    SharedConvolutions,
    xavier,
)
from pose_core.models.pose_range import PoseRange

_SHARING = ("partial", "all", "none")


@dataclass(frozen=True, kw_only=True)
class RpsmConfig(FrontEndConfig):
    """Shape of an `Rpsm`; see `FrontEndConfig` for what it sees.

    Parameters
    ----------
    num_stages : int
        Refinement stages K.
    share : {"partial", "all", "none"}
        What the stages have in common besides the front end. "partial" (the paper's choice): all
        but the last two convolutions of the 2D pose module; "all": these too (the row "sharing"
        of Table 4); "none": nothing.
    clip_length : int
        Frames C of a training clip. 1 replaces the LSTM by a fully connected layer of as many
        units, which knows no other frame (section 5.3). Any other length changes training only:
        a trained network takes clips of any length.
    adapted_size : int
        Length of the vector from the feature adaption.
    hidden_size : int
        Cells of the LSTM.
    """

    num_stages: int = 3
    share: str = "partial"
    clip_length: int = 5
    adapted_size: int = 1024
    hidden_size: int = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.share not in _SHARING:
            raise ConfigError(f"share is one of {_SHARING}, not {self.share!r}.")
        if min(self.num_stages, self.clip_length, self.adapted_size, self.hidden_size) < 1:
            raise ConfigError(
                "num_stages, clip_length, adapted_size and hidden_size must be positive."
            )


class RpsmState(NamedTuple):
    """What the LSTM of every stage remembers of the frames so far.

    Parameters
    ----------
    hidden, cell : (S, B, hidden_size) Tensor
    """

    hidden: Tensor
    cell: Tensor


class RpsmOutput(NamedTuple):
    """Poses of all stages and what to go on with.

    Parameters
    ----------
    stages : (S, B, T, J, 3) Tensor
        Root-relative, camera axes, metres; the last stage is the answer.
    state : RpsmState or None
        For the frames that follow; None for networks with ``clip_length=1``.
    """

    stages: Tensor
    state: RpsmState | None


class PoseFeatures(nn.Sequential):
    """The two convolutions of the 2D pose module that each stage has (section 3.2)."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(2 * channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        xavier(self)

    def forward(self, shared: Tensor, previous: Tensor) -> Tensor:
        """Shared features and those of the stage before, all (N, C, H, W), to new ones."""
        return super().forward(torch.cat([shared, previous], dim=1))


class RecurrentPose(nn.Module):
    """3D pose recurrent module (section 3.4): LSTM without peepholes, then a linear layer."""

    def __init__(self, config: RpsmConfig) -> None:
        super().__init__()
        pose_size = 3 * config.num_joints
        self.lstm = nn.LSTM(config.adapted_size + pose_size, config.hidden_size, batch_first=True)
        self.pose = nn.Linear(config.hidden_size, pose_size)
        _initialise(self)

    def forward(
        self, adapted: Tensor, previous: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """Vectors (B, T, A) and poses (B, T, 3 J) to poses (B, T, 3 J) and state (1, B, H)."""
        hidden, state = self.lstm(torch.cat([adapted, previous], dim=-1), state)
        return self.pose(hidden), state


class SingleFramePose(nn.Module):
    """What replaces `RecurrentPose` for clips of one frame (section 5.3).

    The paper says no more than "a fully connected layer with the same units"; without the ReLU,
    three linear layers would stand in a row.
    """

    def __init__(self, config: RpsmConfig) -> None:
        super().__init__()
        pose_size = 3 * config.num_joints
        self.connect = nn.Linear(config.adapted_size + pose_size, config.hidden_size)
        self.pose = nn.Linear(config.hidden_size, pose_size)
        _initialise(self)

    def forward(self, adapted: Tensor, previous: Tensor, state: None) -> tuple[Tensor, None]:
        """As `RecurrentPose`, each frame by itself."""
        hidden = self.connect(torch.cat([adapted, previous], dim=-1)).relu()
        return self.pose(hidden), state


def _initialise(module: RecurrentPose | SingleFramePose) -> None:
    """Xavier, as all; the first pose lies in the middle of the normalised range 0..1."""
    xavier(module)
    nn.init.constant_(module.pose.bias, 0.5)


class Rpsm(nn.Module):
    """Recurrent 3D Pose Sequence Machine.

    Poses are normalised inside so that the training poses fill 0..1 on each axis (section 5.1);
    see `PoseRange`.

    Training, section 4: pre-train `front_end` on 2D data (`HeatmapPretraining`), freeze it, and
    minimise `pose_core.losses.stages.refinement_loss` over clips of `clip_length` frames. The
    keypoint front end has no pre-training and is trained with the rest.

    Parameters
    ----------
    config : RpsmConfig

    Examples
    --------
    A long video in pieces of any length, each going on where the last one ended; the result is
    that of the whole video at once, and a live camera does the same with pieces of one frame:

    >>> state = None
    >>> for piece in video.split(50, dim=1):
    ...     stages, state = network(piece, state)
    """

    def __init__(self, config: RpsmConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.feature_channels

        def per_stage(make: Callable[[], nn.Module], *, is_shared: bool) -> nn.ModuleList:
            return nn.ModuleList(make() for _ in range(1 if is_shared else config.num_stages))

        self.front_end = config.make_front_end()
        self.pose_features = per_stage(
            lambda: PoseFeatures(channels), is_shared=config.share == "all"
        )
        # Eq. (1) gives the weights of adaption and recurrent module no index of a stage, so they
        # are shared unless nothing is. Their states are not: H has the index k.
        self.adaption = per_stage(
            lambda: FeatureAdaption(
                channels, config.feature_size, config.adaption_channels, config.adapted_size
            ),
            is_shared=config.share != "none",
        )
        self.coordinates = config.make_coordinates(config.adapted_size)
        pose_module = SingleFramePose if config.clip_length == 1 else RecurrentPose
        self.recurrent = per_stage(lambda: pose_module(config), is_shared=config.share != "none")
        self.pose_range = PoseRange()

    def fit_normalisation(self, poses: Tensor) -> None:
        """Take the extremes of root-relative training poses (..., J, 3), metres.

        Raises
        ------
        ConfigError
            See `PoseRange.fit`.
        """
        self.pose_range.fit(poses)

    def forward(self, frames: Tensor, state: RpsmState | None = None) -> RpsmOutput:
        """Poses of a clip, or of the next piece of one.

        Parameters
        ----------
        frames : Tensor
            (B, T, 3, H, W) RGB in 0..1 with the side `image_size`, or with the keypoint front
            end (B, T, J, 3), see `pose_core.models.ray_input`. T may be anything.
        state : RpsmState, optional
            From the piece before; None, a state of zeros, at the start of a clip.

        Returns
        -------
        RpsmOutput
        """
        clip_shape = frames.shape[:2]
        shared = self.front_end(frames.flatten(0, 1))  # (B T, C, H, W)
        # Eq. (1): what comes before stage 1 is zero.
        features = torch.zeros_like(shared)
        known = 0 if self.coordinates is None else self.coordinates(frames.flatten(0, 1))
        pose = shared.new_zeros(*clip_shape, 3 * self.config.num_joints)
        poses, states = [], []
        for k in range(self.config.num_stages):
            features = _of_stage(self.pose_features, k)(shared, features)
            adapted = (_of_stage(self.adaption, k)(features) + known).unflatten(0, clip_shape)
            before = None if state is None else (state.hidden[k, None], state.cell[k, None])
            pose, after = _of_stage(self.recurrent, k)(adapted, pose, before)
            poses.append(pose)
            states.append(after)
        unit = torch.stack(poses).unflatten(-1, (-1, 3))
        return RpsmOutput(self.pose_range.to_metres(unit), _join(states))

    def example_inputs(self, batch: int, frames: int, generator: Generator) -> tuple[Tensor]:
        """Random arguments that `forward` takes."""
        return (self.config.example_frames(batch, frames, generator),)


def _of_stage(modules: nn.ModuleList, k: int) -> nn.Module:
    """The module of stage k: its own, or the one that all stages share."""
    return modules[k % len(modules)]


def _join(states: list[tuple[Tensor, Tensor] | None]) -> RpsmState | None:
    """One state of all stages from theirs."""
    known = [state for state in states if state is not None]
    if not known:
        return None
    return RpsmState(*(torch.cat(parts) for parts in zip(*known, strict=True)))


class HeatmapPretraining(nn.Module):
    """The front end of an `Rpsm` with a temporary head, to be trained on 2D data (section 4).

    Trains the very layers of the network that it is given; afterwards the head is thrown away.
    Targets are `pose_core.models.image_features.gaussian_maps` at `pixels_to_cells` of the joints,
    the loss is `pose_core.losses.stages.heatmap_loss`.

    Parameters
    ----------
    network : Rpsm
        With the image front end.
    num_joints : int
        Joints of the 2D data (MPII in the paper: 16).

    Raises
    ------
    ConfigError
        If the network has no convolutions over pictures.
    """

    def __init__(self, network: Rpsm, num_joints: int) -> None:
        super().__init__()
        if not isinstance(network.front_end, SharedConvolutions):
            raise ConfigError(
                "The keypoint front end has nothing to pre-train.", 'Set frontend to "image".'
            )
        self.front_end = network.front_end
        self.head = HeatmapHead(network.config.feature_channels, num_joints)

    def forward(self, images: Tensor) -> Tensor:
        """RGB pictures (N, 3, H, W) in 0..1 to heatmaps (N, J, H / 8, W / 8)."""
        return self.head(self.front_end(images))
