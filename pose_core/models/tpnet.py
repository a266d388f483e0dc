"""Temporal PoseNet (TP-Net): the poses of neighbouring frames to a better pose of one.

The network of Dabral et al. 2018, section 4.2: N poses that a single-frame network gave are
flattened and concatenated, and one hidden layer of 4096 units answers the pose of the wanted
frame. The poses are joint positions relative to the pelvis in camera axes; the paper normalises
nothing else, neither the camera nor the size of the person, and neither does this.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from pose_core.errors import ConfigError

MODES = ("online", "semi-online")
EVERY_FRAME = slice(None)


@dataclass(frozen=True, kw_only=True)
class TpNetConfig:
    """Shape of a `TpNet`.

    Parameters
    ----------
    num_joints : int
        Joints in and out (paper: 16; 17 for the canonical skeleton).
    context : int
        N of the paper, which compares 4, 10 and 20. Online: poses seen, the wanted one among
        them. Semi-online: poses seen beside the wanted one, half on either side.
    mode : {"online", "semi-online"}
        Whether the future may be seen; semi-online is Bi-TP-Net of Tables 3 and 4.
    hidden : int
        Units of the hidden layer.
    """

    num_joints: int = 16
    context: int = 20
    mode: str = "online"
    hidden: int = 4096

    def __post_init__(self) -> None:
        if min(self.num_joints, self.context, self.hidden) < 1:
            raise ConfigError("num_joints, context and hidden must be positive.")
        if self.mode not in MODES:
            raise ConfigError(f"TP-Net has no mode {self.mode!r}.", f"Choose of: {MODES}.")
        if self.mode == "semi-online" and self.context % 2:
            raise ConfigError(
                f"A semi-online context is halved, so it must be even, not {self.context}."
            )

    @property
    def padding(self) -> tuple[int, int]:
        """Poses seen before and after the wanted one."""
        if self.mode == "online":
            return self.context - 1, 0
        return self.context // 2, self.context // 2

    @property
    def receptive_field(self) -> int:
        """Poses that one answer depends on."""
        return sum(self.padding) + 1


def pose_windows(poses: Tensor, before: int, after: int) -> Tensor:
    """What each frame sees: its neighbours, with the end frames repeated beyond the ends.

    Parameters
    ----------
    poses : (B, T, J, 3) Tensor
    before, after : int
        Neighbours on either side.

    Returns
    -------
    (B, T, R, J, 3) Tensor
        R = before + 1 + after poses in the order of time; a view of the padded sequence.
    """
    first = poses[:, :1].expand(-1, before, -1, -1)
    last = poses[:, -1:].expand(-1, after, -1, -1)
    padded = torch.cat([first, poses, last], dim=1)
    return padded.unfold(1, before + 1 + after, 1).movedim(-1, 2)


class TpNet(nn.Module):
    """Refine a sequence of poses.

    Parameters
    ----------
    config : TpNetConfig
    """

    def __init__(self, config: TpNetConfig) -> None:
        super().__init__()
        self.config = config
        self.hidden = nn.Linear(config.receptive_field * config.num_joints * 3, config.hidden)
        self.answer = nn.Linear(config.hidden, config.num_joints * 3)

    def forward(self, poses: Tensor, frames: slice = EVERY_FRAME) -> Tensor:
        """Refine frames of whole sequences.

        Parameters
        ----------
        poses : (B, T, J, 3) Tensor
            Root-relative, camera axes, metres, T at least 1. Beyond the ends of the sequence the
            first and the last pose are repeated.
        frames : slice
            Those wanted. Training wants the ones with a full context and pays for no others.

        Returns
        -------
        (1, B, T', J, 3) Tensor
            The only stage; metres, root-relative; T' frames.
        """
        windows = pose_windows(poses, *self.config.padding)
        return self.pose_of_window(windows[:, frames])[None]

    def pose_of_window(self, windows: Tensor) -> Tensor:
        """The wanted pose (..., J, 3) of each window (..., R, J, 3) in the order of time."""
        flat = windows.flatten(-3)  # (..., R * J * 3)
        hidden = functional.relu(self.hidden(flat))  # (..., 4096)
        return self.answer(hidden).unflatten(-1, (-1, 3))

    def stream(self, poses: Iterable[Tensor]) -> Iterator[Tensor]:
        """Refine frame by frame; the same numbers as `forward` on the whole sequence.

        Parameters
        ----------
        poses : iterable of (B, J, 3) Tensor
            In the order of time.

        Yields
        ------
        (B, J, 3) Tensor
            One answer for each pose. Online at once, semi-online late by half of the context.
        """
        before, after = self.config.padding
        window: deque[Tensor] = deque(maxlen=before + 1 + after)
        for pose in poses:
            if not window:
                window.extend([pose] * before)
            window.append(pose)
            if len(window) == window.maxlen:
                yield self.pose_of_window(torch.stack(tuple(window), dim=1))
        for _ in range(after if window else 0):
            window.append(window[-1])
            if len(window) == window.maxlen:
                yield self.pose_of_window(torch.stack(tuple(window), dim=1))

    def example_inputs(self, batch: int, frames: int, generator: Generator) -> tuple[Tensor]:
        """Arguments of `forward`: random poses (B, T, J, 3) about as large as a person."""
        shape = (batch, frames, self.config.num_joints, 3)
        return (0.3 * torch.randn(shape, generator=generator, device=generator.device),)
