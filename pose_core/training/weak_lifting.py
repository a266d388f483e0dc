"""Weak supervision of a network that sees keypoints (Dabral et al. 2018, sections 3 and 4.1).

Of a share of the movements 3D is known, as of the people in a laboratory; of all of them 2D is,
as of people anywhere. Each batch has as many windows of either. Where 3D is known the loss is that
of the network's own recipe. Otherwise the answer shall project to the 2D pose (``reprojection``),
and the pose made of this and the predicted depth shall be one that a body can take
(``weak_angle``, ``weak_symmetry``, ``weak_geometry``), whose factors in the schedule are lambda_a,
lambda_s and lambda_g.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pose_core.data.mocap import Motion
from pose_core.losses.reprojection import best_place, reprojection_loss, seen_places
from pose_core.losses.structure import StructureWeights
from pose_core.losses.structure_training import weakly_supervised_terms
from pose_core.training.motion_in_2d import WithMotionIn2D, check_share_3d
from pose_core.training.temporal import TemporalSettings, TemporalTask

# The factors are those of the schedule.
_UNWEIGHTED = StructureWeights(angle=1.0, symmetry=1.0, geometry=1.0)


@dataclass(frozen=True, kw_only=True)
class WeakTemporalSettings(TemporalSettings):
    """Of the temporal network, where 3D is known of few movements.

    Parameters
    ----------
    share_3d_known : float
        Of the movements: those whose 3D may be used. Every n-th is taken, n being the whole number
        next to 1 / share.
    """

    share_3d_known: float = 0.1

    def __post_init__(self) -> None:
        check_share_3d(self.share_3d_known)


class WeakTemporalTask:
    """See `pose_core.training.task.TrainingTask`.

    Parameters
    ----------
    settings : WeakTemporalSettings
    training, held_out : list of Motion
        Of the former every n-th has 3D.
    """

    watched = "MPJPE"

    def __init__(
        self, settings: WeakTemporalSettings, training: list[Motion], held_out: list[Motion]
    ) -> None:
        self._base = TemporalTask(settings, training, held_out)
        self.network = self._base.network
        self.data = WithMotionIn2D(self._base.data, settings.share_3d_known)

    def loss_terms(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The terms of the network's own recipe, and those of the windows without 3D."""
        own = self._base.loss_terms(network, batch)
        poses = self._base.predict(network, batch["weak_features"])[-1].float()
        weights = batch["weak_valid"][..., None].expand(poses.shape[:-1]).to(poses)
        return own | terms_without_3d(poses, batch["weak_rays"], weights, "weak_")

    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """MPJPE on held-out motion with a detector's errors, mm."""
        return self._base.validate(network, device)

    def examples(self, network: nn.Module, device: torch.device) -> dict[str, np.ndarray]:
        """See `HeldOut.examples`."""
        return self._base.examples(network, device)


def terms_without_3d(
    poses: Tensor, rays: Tensor, weights: Tensor, prefix: str = ""
) -> dict[str, Tensor]:
    """What can be asked of poses of which only 2D is known.

    Parameters
    ----------
    poses : (B, T, 17, 3) Tensor
        Predicted, root-relative, camera axes, metres.
    rays : (B, T, 17, 2) Tensor
        Where the joints are seen: x / z and y / z in the same camera.
    weights : (B, T, 17) Tensor
        0 where a joint is not labelled.
    prefix : str
        Of the names of the terms of structure.

    Returns
    -------
    dict of str to scalar Tensor
        ``reprojection``, metres, and ``angle``, ``symmetry``, ``geometry`` of the pose made of the
        rays and the predicted depth.
    """
    place = best_place(poses.detach(), rays, weights)
    is_labelled = (weights > 0)[..., None]
    seen = seen_places(poses, rays, place).where(is_labelled, torch.nan)
    target = torch.cat([seen, torch.full_like(seen[..., :1], torch.nan)], dim=-1)
    has_3d = torch.zeros(poses.shape[:-2], dtype=torch.bool, device=poses.device)
    structure = weakly_supervised_terms(poses, target, has_3d, _UNWEIGHTED)
    names = ("angle", "symmetry", "geometry")
    return {
        "reprojection": reprojection_loss(poses, rays, weights),
        **{f"{prefix}{name}": structure[name] for name in names},
    }
