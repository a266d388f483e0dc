"""What a task gives to the training loop."""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from pose_core.training.batches import Batch, TrainingData


class TrainingTask(Protocol):
    """What is trained on what.

    Attributes
    ----------
    network : nn.Module
    data : TrainingData
    watched : str
        Name of the validation figure, smaller is better, that chooses the best checkpoint.
    """

    @property
    def network(self) -> nn.Module: ...

    @property
    def data(self) -> TrainingData: ...

    @property
    def watched(self) -> str: ...

    def loss_terms(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Terms by name; their sum is the loss. Terms with factor 0 need not be there."""
        ...

    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """Figures on held-out data, always the same, of a network in evaluation mode."""
        ...


@runtime_checkable
class ShowsExamples(Protocol):
    """A task that can show what its network predicts, for a live view."""

    def examples(self, network: nn.Module, device: torch.device) -> dict[str, np.ndarray]:
        """Predicted and true poses of always the same held-out samples, in evaluation mode."""
        ...
