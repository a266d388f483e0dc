"""The 3D-to-2D projector of the 3D pose machine (Wang et al. 2019, section 3.3 and Fig. 3).

Two functions, both learned: Psi_C regresses a better 3D pose from an intermediate one, and Psi_P
projects it into the picture, without any camera. Where the projection and the 2D pose that was
seen differ, `pose_core.inference.self_correction` changes a copy of both until they agree.
"""

import torch
from torch import Tensor, nn

from pose_core.models.image_features import xavier
from pose_core.models.pose_range import PoseRange


class Shortcut(nn.Sequential):
    """Layers with an identity shortcut around them."""

    def forward(self, x: Tensor) -> Tensor:
        """The input plus what the layers make of it."""
        return x + super().forward(x)


class Projector(nn.Module):
    """Psi_C and Psi_P: six fully connected layers with batch norm and ReLU between.

    Parameters
    ----------
    num_joints : int
        K.
    units : int
        Width of the layers (paper: 1024).
    joint_dropout : float
        Chance delta of each joint of the intermediate pose to be set to zero in training (paper:
        0.3). Zero is the root, so a dropped joint is not far from where it was. The others are
        not scaled up as in ordinary dropout: scaled poses are not those of testing, and batch
        norm, which counts on both being alike, makes that a large error.
    """

    def __init__(self, num_joints: int = 17, units: int = 1024, joint_dropout: float = 0.3) -> None:
        super().__init__()
        self.pose_range = PoseRange()
        self.joint_dropout = joint_dropout
        pose, keypoints = nn.Linear(units, 3 * num_joints), nn.Linear(units, 2 * num_joints)
        self.regression = nn.Sequential(*_connected(3 * num_joints, units), pose)
        self.projection = nn.Sequential(
            *_connected(3 * num_joints, units),
            Shortcut(*_connected(units, units), *_connected(units, units)),
            keypoints,
        )
        xavier(self)
        # Behind batch norm, Xavier's last layers would throw the first poses metres about, which
        # takes thousands of steps to unlearn. They start near one point: the middle of the range
        # of poses, and the middle of the picture.
        for last in (pose, keypoints):
            nn.init.normal_(last.weight, std=0.02 / units**0.5)
        nn.init.constant_(pose.bias, 0.5)

    def regress(self, poses: Tensor) -> Tensor:
        """Psi_C of Eq. (1).

        Parameters
        ----------
        poses : (N, J, 3) Tensor
            Intermediate poses, root-relative, metres.

        Returns
        -------
        (N, J, 3) Tensor
            Regressed poses, root-relative, metres.
        """
        unit = self.pose_range.to_unit(self._drop_joints(poses))
        return self.pose_range.to_metres(self.regression(unit.flatten(1)).unflatten(1, (-1, 3)))

    def project(self, poses: Tensor) -> Tensor:
        """Psi_P of Eq. (1).

        Parameters
        ----------
        poses : (N, J, 3) Tensor
            Regressed poses, root-relative, metres.

        Returns
        -------
        (N, J, 2) Tensor
            Where they are in the picture, in the units of the 2D poses that the projector was
            trained with (see `pose_core.models.pose_machine.PoseMachineOutput`).
        """
        unit = self.pose_range.to_unit(poses)
        return self.projection(unit.flatten(1)).unflatten(1, (-1, 2))

    def forward(self, poses: Tensor) -> tuple[Tensor, Tensor]:
        """Intermediate poses (N, J, 3) to regressed ones and their projection (N, J, 2)."""
        regressed = self.regress(poses)
        return regressed, self.project(regressed)

    def _drop_joints(self, poses: Tensor) -> Tensor:
        if not self.training or self.joint_dropout == 0:
            return poses
        chance = torch.rand(poses.shape[:-1], device=poses.device)
        return poses.where((chance >= self.joint_dropout)[..., None], 0.0)


def _connected(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    """A fully connected layer with the batch norm and ReLU that follow all but the last."""
    return nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()
