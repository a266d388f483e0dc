"""The recurrent networks that TP-Net is compared with (Dabral et al. 2018, Table 4).

The paper says of them only what they see: the LSTM all poses up to the wanted one, the Bi-LSTM
half of the context on either side of it. Their width is our choice.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from pose_core.errors import ConfigError
from pose_core.models.tpnet import EVERY_FRAME, pose_windows


@dataclass(frozen=True, kw_only=True)
class LstmBaselineConfig:
    """Shape of an `LstmBaseline`.

    Parameters
    ----------
    num_joints : int
        Joints in and out (paper: 16).
    bidirectional : bool
        True for the Bi-LSTM.
    context : int
        Poses that the Bi-LSTM sees beside the wanted one, half on either side (paper: 4, 10,
        20). The LSTM sees the entire past, whatever this says.
    hidden : int
        Cells of each direction; not in the paper. With 1024 the LSTM is about as large as TP-Net
        (4.4 and 4.1 million parameters).
    num_layers : int
    """

    num_joints: int = 16
    bidirectional: bool = False
    context: int = 20
    hidden: int = 1024
    num_layers: int = 1

    def __post_init__(self) -> None:
        if min(self.num_joints, self.context, self.hidden, self.num_layers) < 1:
            raise ConfigError("num_joints, context, hidden and num_layers must be positive.")
        if self.bidirectional and self.context % 2:
            raise ConfigError(
                f"The context of a Bi-LSTM is halved, so it must be even, not {self.context}."
            )

    @property
    def padding(self) -> tuple[int, int]:
        """Poses that the Bi-LSTM sees before and after the wanted one."""
        return self.context // 2, self.context // 2


class LstmBaseline(nn.Module):
    """Refine a sequence of poses with an LSTM or a Bi-LSTM.

    Parameters
    ----------
    config : LstmBaselineConfig
    """

    def __init__(self, config: LstmBaselineConfig) -> None:
        super().__init__()
        self.config = config
        size = config.num_joints * 3
        self.lstm = nn.LSTM(
            size,
            config.hidden,
            num_layers=config.num_layers,
            batch_first=True,
            bidirectional=config.bidirectional,
        )
        self.answer = nn.Linear(config.hidden * (2 if config.bidirectional else 1), size)

    def forward(self, poses: Tensor, frames: slice = EVERY_FRAME) -> Tensor:
        """Refine frames of whole sequences.

        Parameters
        ----------
        poses : (B, T, J, 3) Tensor
            Root-relative, camera axes, metres. Beyond the ends of the sequence the Bi-LSTM sees
            the first and the last pose repeated.
        frames : slice
            Those wanted.

        Returns
        -------
        (1, B, T', J, 3) Tensor
            The only stage; metres, root-relative; T' frames.
        """
        if self.config.bidirectional:
            cells = self._cells_of_windows(poses, frames)
            return self.answer(cells).unflatten(-1, (-1, 3))[None]
        return self.go_on(poses)[0][None, :, frames]

    def go_on(
        self, poses: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Refine the next piece of a sequence with the LSTM, which must not be bidirectional.

        Parameters
        ----------
        poses : (B, T, J, 3) Tensor
        state : tuple of two (num_layers, B, hidden) Tensors, optional
            From the piece before; None at the start of a sequence.

        Returns
        -------
        (B, T, J, 3) Tensor
            Metres, root-relative.
        tuple of two Tensors
            State for the piece that follows.
        """
        cells, after = self.lstm(poses.flatten(2), state)  # (B, T, H)
        return self.answer(cells).unflatten(-1, (-1, 3)), after

    def _cells_of_windows(self, poses: Tensor, frames: slice) -> Tensor:
        """Cells (B, T', 2 H) of both directions at the middle of each wanted frame's window."""
        half, _ = self.config.padding
        windows = pose_windows(poses, half, half)[:, frames].flatten(3)  # (B, T', R, J * 3)
        cells, _ = self.lstm(windows.flatten(0, 1))  # (B * T', R, 2 H)
        return cells[:, half].unflatten(0, windows.shape[:2])

    def example_inputs(self, batch: int, frames: int, generator: Generator) -> tuple[Tensor]:
        """Arguments of `forward`: random poses (B, T, J, 3) about as large as a person."""
        shape = (batch, frames, self.config.num_joints, 3)
        return (0.3 * torch.randn(shape, generator=generator, device=generator.device),)
