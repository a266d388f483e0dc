"""3D human pose machine with self-supervised correction (Wang et al., TPAMI 2019).

Eq. (1) and Fig. 2, for frame t of a clip:

    2D pose sub-network          frame                    -> features f2d, 2D pose p2d    (Psi_R)
    2D-to-3D pose transformer    f2d, states of frame t-1 -> intermediate 3D pose p3d     (Psi_T)
    3D-to-2D pose projector      p3d                      -> regressed 3D pose            (Psi_C)
                                 regressed 3D pose        -> projected 2D pose            (Psi_P)

At test time the projector is corrected for each frame until the projected 2D pose agrees with
p2d: `pose_core.inference.self_correction`. The losses of the four training steps are in
`pose_core.losses.pose_machine`.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Generator, Tensor, nn

from pose_core.errors import ConfigError
from pose_core.models.image_features import (
    FeatureAdaption,
    FrontEndConfig,
    HeatmapHead,
    hard_argmax,
    soft_argmax,
    xavier,
)
from pose_core.models.pose_range import PoseRange
from pose_core.models.projector import Projector

_HEADS = ("fc", "argmax")
_TEMPORAL = ("lstm", "none", "single_frame")


@dataclass(frozen=True, kw_only=True)
class PoseMachineConfig(FrontEndConfig):
    """Shape of a `PoseMachine`; see `FrontEndConfig` for what it sees.

    Parameters
    ----------
    head : {"fc", "argmax"}
        2D pose from the features: a fully connected layer (Eq. 5), or the peaks of heatmaps
        (section 3.1). The keypoint front end has none: its keypoints are the 2D pose.
    temporal : {"lstm", "none", "single_frame"}
        "none": fully connected layers with as many units take the place of the LSTM layers ("w/o
        temporal", Table 5). "single_frame": an LSTM network that forgets all before each frame
        ("w/ single frame": trained with sequences, tested with single pictures).
    has_projector : bool
        False leaves the projector away ("w/o projection" and "w/o SSC train+test").
    external_channels, external_size : int
        Channels and side of the features of another 2D network ("w/ HG features": 256 and 64),
        which are then the input in place of pictures; 0 and 0 for the network's own.
    adapted_size, hidden_size, projector_units : int
        Units of the feature adaption, of each LSTM layer and of the projector.
    joint_dropout : float
        Chance delta of each joint to be hidden from the projector in training.
    """

    head: str = "fc"
    temporal: str = "lstm"
    has_projector: bool = True
    external_channels: int = 0
    external_size: int = 0
    adapted_size: int = 1024
    hidden_size: int = 1024
    projector_units: int = 1024
    joint_dropout: float = 0.3

    def __post_init__(self) -> None:
        if (self.external_channels > 0) != (self.external_size > 0):
            raise ConfigError("external_channels and external_size must both be given, or neither.")
        super().__post_init__()
        if self.external_channels and self.frontend != "image":
            raise ConfigError(
                "Features of another network replace those of pictures.",
                'Set frontend to "image", or external_channels to 0.',
            )
        if self.head not in _HEADS:
            raise ConfigError(f"head is one of {_HEADS}, not {self.head!r}.")
        if self.temporal not in _TEMPORAL:
            raise ConfigError(f"temporal is one of {_TEMPORAL}, not {self.temporal!r}.")
        if min(self.adapted_size, self.hidden_size, self.projector_units) < 1:
            raise ConfigError("adapted_size, hidden_size and projector_units must be positive.")
        if not 0 <= self.joint_dropout < 1:
            raise ConfigError(f"joint_dropout must be in [0, 1), not {self.joint_dropout}.")

    @property
    def feature_size(self) -> int:
        """Side of the maps of features; 46 in the paper."""
        return self.external_size or super().feature_size

    @property
    def has_head(self) -> bool:
        """Whether the network estimates the 2D pose itself."""
        return self.frontend != "keypoints"

    def trained_in(
        self, step: Literal["2d", "transformer", "projector", "joint"]
    ) -> tuple[str, ...]:
        """Parts of a `PoseMachine` (beginnings of parameter names) trained in a step.

        Algorithm 1, section 3.4: pre-training on 2D poses, initialisation of the transformer and
        of the projector, each with what came before fixed, and fine-tuning of everything.

        Raises
        ------
        ConfigError
            If the network lacks what the step trains.
        """
        front_end = ("front_end", "head") if self.has_head else ("front_end",)
        projector = ("projector",) if self.has_projector else ()
        parts = {
            "2d": front_end if self.has_head else (),
            # Without a head, nothing but the 3D pose can teach the front end.
            "transformer": ("transformer",) if self.has_head else (*front_end, "transformer"),
            "projector": projector,
            "joint": (*front_end, "transformer", *projector),
        }
        if not parts.get(step):
            raise ConfigError(
                f"This pose machine has nothing to train in step {step!r}.",
                f"Choose of: {', '.join(name for name, part in parts.items() if part)}.",
            )
        return parts[step]


class PoseMachineOutput(NamedTuple):
    """What the network says of a clip.

    The 2D unit is that of the front end: its square goes from ``-extent`` to ``extent``, x to the
    right and y down. For keypoints these are person sizes (see `pose_core.models.ray_input`),
    for pictures see `picture_to_plane`.

    Parameters
    ----------
    stages : (S, B, T, J, 3) Tensor
        Intermediate pose p3d, then the one regressed by Psi_C; root-relative, camera axes, metres.
        Without projector the first is the only one.
    keypoints_2d : (B, T, J, 2) Tensor
        2D pose p2d: estimated, or with the keypoint front end the given one.
    projected_2d : (B, T, J, 2) Tensor or None
        Projection of the regressed pose.
    state : tuple of two (2, B, hidden_size) Tensors or None
        Hidden and cell state of the LSTM layers, for the frames that follow.
    """

    stages: Tensor
    keypoints_2d: Tensor
    projected_2d: Tensor | None
    state: tuple[Tensor, Tensor] | None


class PointHead(nn.Linear):
    """2D pose by a fully connected layer upon the convolutions (Eq. 5)."""

    def __init__(self, config: PoseMachineConfig) -> None:
        super().__init__(config.feature_channels * config.feature_size**2, 2 * config.num_joints)
        xavier(self)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) features to (N, J, 2)."""
        return super().forward(features.flatten(1)).unflatten(1, (-1, 2))


class PeakHead(HeatmapHead):
    """2D pose by the peaks of one map per joint (section 3.1).

    In training the mean around the peak, because the peak itself has no gradient.
    """

    def __init__(self, config: PoseMachineConfig) -> None:
        super().__init__(config.feature_channels, config.num_joints)
        self.extent = config.extent

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) features to (N, J, 2)."""
        maps = super().forward(features)
        cells = soft_argmax(maps) if self.training else hard_argmax(maps)
        return picture_to_plane(cells, maps.shape[-1], self.extent)


class LayersWithoutTime(nn.Sequential):
    """What takes the place of the LSTM layers "w/o temporal" (section 4.4.2)."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__(nn.Linear(inputs, units), nn.ReLU(), nn.Linear(units, units), nn.ReLU())

    def forward(self, adapted: Tensor, state: None) -> tuple[Tensor, None]:
        """(B, T, inputs) to (B, T, units), each frame by itself."""
        return super().forward(adapted), state


class Transformer(nn.Module):
    """2D-to-3D pose transformer Psi_T (section 3.2): adaption, two LSTM layers, linear layer."""

    def __init__(self, config: PoseMachineConfig) -> None:
        super().__init__()
        self.is_single_frame = config.temporal == "single_frame"
        self.adaption = FeatureAdaption(
            config.feature_channels,
            config.feature_size,
            config.adaption_channels,
            config.adapted_size,
        )
        self.coordinates = config.make_coordinates(config.adapted_size)
        if config.temporal == "none":
            self.recurrent = LayersWithoutTime(config.adapted_size, config.hidden_size)
        else:
            self.recurrent = nn.LSTM(
                config.adapted_size, config.hidden_size, num_layers=2, batch_first=True
            )
        self.pose = nn.Linear(config.hidden_size, 3 * config.num_joints)
        self.pose_range = PoseRange()
        xavier(self)
        nn.init.constant_(self.pose.bias, 0.5)  # the first pose lies in the middle of the range

    def forward(
        self, features: Tensor, frames: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """(B T, C, H, W) features of (B, T, ...) frames to (B, T, J, 3) metres, and the state."""
        clip_shape = frames.shape[:2]
        adapted = self.adaption(features)
        if self.coordinates is not None:
            adapted = adapted + self.coordinates(frames.flatten(0, 1))
        if self.is_single_frame:
            hidden, _ = self.recurrent(adapted[:, None])
            hidden, state = hidden[:, 0].unflatten(0, clip_shape), None
        else:
            hidden, state = self.recurrent(adapted.unflatten(0, clip_shape), state)
        return self.pose_range.to_metres(self.pose(hidden).unflatten(-1, (-1, 3))), state


class PoseMachine(nn.Module):
    """3D human pose machine.

    The parts are named so that the steps of the training can pick them:
    `PoseMachineConfig.trained_in`.

    Parameters
    ----------
    config : PoseMachineConfig

    Examples
    --------
    A long video in pieces, each going on where the last one ended, gives the poses of the whole:

    >>> state = None
    >>> for piece in video.split(50, dim=1):
    ...     stages, keypoints_2d, projected_2d, state = network(piece, state)
    """

    def __init__(self, config: PoseMachineConfig) -> None:
        super().__init__()
        self.config = config
        if config.external_channels:
            self.front_end = nn.Conv2d(config.external_channels, config.feature_channels, 1)
            xavier(self.front_end)
        else:
            self.front_end = config.make_front_end()
        if config.has_head:
            self.head = PointHead(config) if config.head == "fc" else PeakHead(config)
        self.transformer = Transformer(config)
        if config.has_projector:
            self.projector = Projector(
                config.num_joints, config.projector_units, config.joint_dropout
            )

    def fit_normalisation(self, poses: Tensor) -> None:
        """Take the extremes of root-relative training poses (..., J, 3), metres.

        Raises
        ------
        ConfigError
            See `PoseRange.fit`.
        """
        self.transformer.pose_range.fit(poses)
        if self.config.has_projector:
            self.projector.pose_range.fit(poses)

    def forward(
        self, frames: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> PoseMachineOutput:
        """Poses of a clip, or of the next piece of one.

        Parameters
        ----------
        frames : Tensor
            (B, T, 3, H, W) RGB in 0..1, (B, T, J, 3) features of keypoints, or (B, T, C, H, W)
            features of another network; as the configuration says.
        state : tuple of two Tensors, optional
            From the piece before; None, zeros, at the start of a clip.

        Returns
        -------
        PoseMachineOutput
        """
        clip_shape = frames.shape[:2]
        features = self.front_end(frames.flatten(0, 1))  # (B T, C, H, W)
        if self.config.has_head:
            keypoints_2d = self.head(features).unflatten(0, clip_shape)
        else:
            keypoints_2d = frames[..., :2]
        pose, state = self.transformer(features, frames, state)
        if not self.config.has_projector:
            return PoseMachineOutput(pose[None], keypoints_2d, None, state)
        regressed, projected = self.projector(pose.flatten(0, 1))
        return PoseMachineOutput(
            torch.stack([pose, regressed.unflatten(0, clip_shape)]),
            keypoints_2d,
            projected.unflatten(0, clip_shape),
            state,
        )

    def example_inputs(self, batch: int, frames: int, generator: Generator) -> tuple[Tensor]:
        """Random arguments that `forward` takes."""
        config = self.config
        if not config.external_channels:
            return (config.example_frames(batch, frames, generator),)
        size = config.external_size
        shape = (batch, frames, config.external_channels, size, size)
        return (torch.rand(shape, generator=generator, device=generator.device),)


def picture_to_plane(pixels: Tensor, side: int, extent: float) -> Tensor:
    """Places (..., 2) in a square picture of that side to 2D units, see `PoseMachineOutput`.

    Pixels are counted from the middle of the first one, whose outer edge is at ``-extent``.
    """
    return ((pixels + 0.5) * (2 / side) - 1) * extent
