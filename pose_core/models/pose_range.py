"""Min-max normalisation of poses, as both Human3.6M papers of Lin and Wang have it."""

import torch
from torch import Tensor, nn

from pose_core.errors import ConfigError


class PoseRange(nn.Module):
    """Extremes of the training poses, stored with the weights.

    Lin et al. 2017, section 5.1, and Wang et al. 2019, section 4.1: the joints of the training
    poses fill [0, 1]. The papers do not say whether there is one range, one per axis or one per
    coordinate; per axis, the pelvis, which is always at 0, needs no exception, and all joints weigh
    alike. Before `fit` the range is -1 to 1 metre.
    """

    low: Tensor
    high: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("low", -torch.ones(3))
        self.register_buffer("high", torch.ones(3))

    def fit(self, poses: Tensor) -> None:
        """Take the extremes of root-relative training poses (..., J, 3), metres.

        Raises
        ------
        ConfigError
            If there is no extent along some axis, or a pose is not finite.
        """
        joints = poses.detach().flatten(0, -2)
        low, high = joints.amin(0), joints.amax(0)
        if not bool(((high - low) > 0).all() & (high - low).isfinite().all()):
            raise ConfigError(
                "The training poses must be finite and differ along every axis.",
                "Check the motion that the network is to be trained on.",
            )
        self.low.copy_(low)
        self.high.copy_(high)

    @property
    def extent(self) -> Tensor:
        """Length of the range along each axis, (3,) metres."""
        return self.high - self.low

    def to_unit(self, poses: Tensor) -> Tensor:
        """Metres (..., 3) to [0, 1]."""
        return (poses - self.low) / self.extent

    def to_metres(self, unit: Tensor) -> Tensor:
        """Inverse of `to_unit`."""
        return self.low + unit * self.extent
