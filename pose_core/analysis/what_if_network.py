"""An installed model, asked about a few frames: all of them, or as few as one frame needs."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pose_core.errors import ConfigError
from pose_core.inference.lifter import Stretch, base_network
from pose_core.inference.network_stages import BLOCK, Ways, answers_of, recurrent_stages_at
from pose_core.inference.self_correction import (
    BY_HAND,
    DEFAULT,
    Correction,
    CorrectionConfig,
    correct,
    correct_toward,
)
from pose_core.models.baselines import LstmBaseline
from pose_core.models.pose_machine import PoseMachine
from pose_core.models.ray_input import RayFrame, normalise_rays
from pose_core.models.registry import ModelEntry, build_network
from pose_core.models.rpsm import Rpsm
from pose_core.models.temporal_conv import TemporalConv
from pose_core.models.tpnet import TpNet
from pose_core.poses import Poses3D

# What came longer ago has next to no weight in the memory of an LSTM that sees the whole past.
_PAST = 20
# Each step takes off half of the residual: eight are as good as all, to the eye.
_QUICK = replace(BY_HAND, steps=8)
_DEVICE = "cpu"  # for so few frames no slower than a GPU


@dataclass(frozen=True, eq=False)
class Pull:
    """What self-correction toward moved keypoints did in their frame.

    Parameters
    ----------
    residual : (K + 1,) ndarray
        Eq. (3) of Wang et al. 2019, weighted: before, and after each of K steps.
    robust_mm : float
        Mean distance that the robust joints moved in all.
    """

    residual: np.ndarray
    robust_mm: float


@dataclass(frozen=True, eq=False)
class Near:
    """Stages (S, N, 17, 3) of a network at N neighbouring samples of the grid, camera axes."""

    samples: np.ndarray
    stages: np.ndarray
    pull: Pull | None


class WhatIfNetwork:
    """The network of a model with its weights.

    Parameters
    ----------
    entry : ModelEntry
        One that lifts keypoints.

    Raises
    ------
    ConfigError
        If it refines the poses of a model that is not installed, or sees no keypoints.
    WeightsError
        If weights are missing, altered, or do not fit.
    """

    def __init__(self, entry: ModelEntry) -> None:
        if not entry.lifts_keypoints:
            raise ConfigError(f"{entry.name} looks at pictures: keypoints are nothing to it.")
        self.entry = entry
        network = build_network(entry)
        base = base_network(entry) if entry.base else None
        names, self._answer = answers_of(network, base, _DEVICE)
        assert isinstance(network, TemporalConv | TpNet | LstmBaseline | Rpsm | PoseMachine)
        self._network = network
        self.stage_names = (*names, "fitted skeleton")
        self._ways = Ways((0.0,), _DEVICE)  # those of the recurrent networks

    def refuse_other_stages(self, poses: Poses3D) -> None:
        """Raise `ConfigError` where poses cannot be of this model as it is now."""
        if len(poses.stages) != len(self.stage_names):
            raise ConfigError(
                f"The 3D by {self.entry.name} has other stages than the model has now.",
                "Compute it anew: Pose > 3D Again from the Same 2D.",
            )

    @property
    def context(self) -> tuple[int, int]:
        """How many samples before and after a wanted one count for its answer."""
        network = self._network
        if isinstance(network, Rpsm | PoseMachine):
            return 2 * BLOCK, 2 * BLOCK
        if isinstance(network, LstmBaseline) and not network.config.bidirectional:
            return _PAST, 0
        return network.config.padding

    @property
    def block(self) -> int:
        """Samples that the network answers together, counted from the first of a stretch."""
        return BLOCK if isinstance(self._network, Rpsm | PoseMachine) else 1

    def whole(
        self, seen: Stretch, sample: int, moved_mask: np.ndarray | None
    ) -> tuple[np.ndarray, Pull | None]:
        """Stages (S, G, 17, 3) of all samples.

        Parameters
        ----------
        seen : Stretch
        sample : int
            That of the frame with moved keypoints.
        moved_mask : (17,) bool ndarray or None
            Which they are. A pose machine corrects itself toward these, and by its usual rules
            in all other samples.
        """
        stages = self._answer(seen.grid_rays, seen.grid_scores).stages
        if moved_mask is None or not self._corrects:
            return stages, None
        frame = _normalised(seen)
        turned = torch.from_numpy(stages[0, sample]).float() @ frame.rotation[0, sample].T
        found = self._pulled(turned[None], frame.features[0, [sample]], moved_mask, BY_HAND)
        stages[-1, sample] = (found.poses[0] @ frame.rotation[0, sample]).double().numpy()
        return stages, _pull_of(found)

    def by_hand(self, seen: Stretch, moved_masks: np.ndarray) -> np.ndarray:
        """Stages (S, G, 17, 3) of all samples, in many of which keypoints were set by hand.

        Parameters
        ----------
        seen : Stretch
        moved_masks : (G, 17) bool ndarray
            Which they are in each sample; a pose machine corrects itself toward these.
        """
        stages = self._answer(seen.grid_rays, seen.grid_scores).stages
        samples = np.flatnonzero(moved_masks.any(axis=1))
        if len(samples) and self._corrects:
            frame = _normalised(seen)
            rotation = frame.rotation[0, samples]
            turned = torch.from_numpy(stages[0, samples]).float() @ rotation.mT
            features = frame.features[0, samples]
            found = self._pulled(turned, features, moved_masks[samples], BY_HAND)
            stages[-1, samples] = (found.poses @ rotation).double().numpy()
        return stages

    def near(self, seen: Stretch, sample: int, moved_mask: np.ndarray | None) -> Near:
        """The answer at one sample, and at those that come along with it; as `whole`."""
        if not isinstance(self._network, Rpsm | PoseMachine):
            stages, _ = self.whole(seen, sample, None)
            return Near(np.arange(stages.shape[1]), stages, None)
        frame = _normalised(seen)
        with torch.inference_mode():
            stages = recurrent_stages_at(self._network, frame.features, self._ways, sample)
        pull = None
        if isinstance(self._network, PoseMachine):
            stages = stages[:1]  # the intermediate pose: the others come from the correction
        if self._corrects:
            poses, here = stages[0], frame.features[0, [sample]]
            found = self._pulled(poses, here, moved_mask, _QUICK)
            stages = found.stages(poses)
            pull = None if moved_mask is None else _pull_of(found)
        turned_back = (stages @ frame.rotation[0, sample]).double().numpy()
        return Near(np.array([sample]), turned_back, pull)

    @property
    def _corrects(self) -> bool:
        return isinstance(self._network, PoseMachine) and self._network.config.has_projector

    def _pulled(
        self,
        poses: Tensor,
        features: Tensor,
        moved_mask: np.ndarray | None,
        config: CorrectionConfig,
    ) -> Correction:
        """Intermediate poses (N, 17, 3), turned axes, corrected toward moved keypoints.

        Where none is moved, as `DEFAULT` has it.
        """
        assert isinstance(self._network, PoseMachine)
        if moved_mask is None:
            seen, scores = features[..., :2], features[..., 2]
            return correct(self._network.projector, poses, seen, DEFAULT, scores)
        mask = torch.from_numpy(moved_mask.reshape(-1, poses.shape[1]))
        return correct_toward(self._network.projector, poses, features[..., :2], mask, config)


def _normalised(seen: Stretch) -> RayFrame:
    return normalise_rays(
        torch.from_numpy(seen.grid_rays).float()[None],
        torch.from_numpy(seen.grid_scores).float()[None],
    )


def _pull_of(found: Correction) -> Pull:
    robust = list(BY_HAND.robust_joints)
    moved = (found.iterations[-1, 0, robust] - found.iterations[0, 0, robust]).norm(dim=-1)
    return Pull(found.residual[:, 0].double().numpy(), 1000 * float(moved.mean()))
