"""How the structure losses train SAP-Net (Dabral et al., ECCV 2018, sections 3, 4.1 and 4.3)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pose_core.losses.structure import StructureWeights, structure_terms
from pose_core.skeleton import H36M_17, Skeleton


def weakly_supervised_terms(
    predicted: Tensor,
    target: Tensor,
    has_3d: Tensor,
    weights: StructureWeights,
    skeleton: Skeleton = H36M_17,
) -> dict[str, Tensor]:
    """Loss of a batch in which only some people have 3D (sections 3 and 4.1, Fig. 1).

    Everybody's x and y are compared with the truth. Depth is compared where it is known; where
    it is not, L_SA judges the pose made of the true x and y and the predicted depth.

    Parameters
    ----------
    predicted : (..., J, 3) Tensor
        Root-relative, camera axes, metres.
    target : (..., J, 3) Tensor
        The same. Joints that are not labelled are NaN: they have no part in the comparisons, and
        L_SA takes them as predicted. Depths of people without 3D may be anything.
    has_3d : (...) bool Tensor
    weights : StructureWeights
    skeleton : Skeleton
        Human3.6M-17 or MPII-16.

    Returns
    -------
    dict of str to scalar Tensor
        ``position_2d`` and ``depth`` (mean squared errors over the labelled joints, square
        metres) and the terms of `structure_terms` averaged over the people without 3D. Their
        sum is the loss. A network that answers with heatmaps replaces ``position_2d`` by
        `pose_core.losses.stages.heatmap_loss`.
    """
    is_labelled = target[..., :2].isfinite().all(-1)
    is_deep = has_3d[..., None] & target[..., 2].isfinite()
    # Replaced before it is used: 0 times NaN would be NaN, also in the gradient.
    truth_xy = target[..., :2].where(is_labelled[..., None], predicted[..., :2])
    truth_z = target[..., 2].where(is_deep, predicted[..., 2])
    squared_2d = (predicted[..., :2] - truth_xy).square().sum(-1)
    squared_z = (predicted[..., 2] - truth_z).square()
    half_true = torch.cat([truth_xy, predicted[..., 2:]], dim=-1)
    is_weak = ~has_3d
    terms = {
        name: value.where(is_weak, 0.0).sum() / is_weak.sum().clamp_min(1)
        for name, value in structure_terms(half_true, weights, skeleton).items()
    }
    return {
        "position_2d": squared_2d.sum() / is_labelled.sum().clamp_min(1),
        "depth": squared_z.sum() / is_deep.sum().clamp_min(1),
        **terms,
    }


@dataclass(frozen=True, kw_only=True)
class TrainingStage:
    """One of the stages of section 4.3. Each starts from the weights that the last one left.

    Parameters
    ----------
    name : str
    modules : tuple of str
        Parts of `pose_core.models.sapnet.SapNet` whose weights change.
    weights : StructureWeights
        For people without 3D.
    uses_2d, uses_3d : bool
        Whether people without and with 3D are seen; where both are, in equal numbers.
    supervises_depth : bool
        False where only the heatmaps are compared.
    learning_rate : float or None
    iterations : int or None
        With batches of six. None where the paper does not say.
    """

    name: str
    modules: tuple[str, ...]
    weights: StructureWeights
    uses_2d: bool = True
    uses_3d: bool = True
    supervises_depth: bool = True
    learning_rate: float | None = None
    iterations: int | None = None


# Section 4.3. Stage 1 is "as in [25]" (Newell et al. 2016), whose learning rate is 2.5e-4. "With
# only 3D annotated data" and "the 3D depth module" make stage 2 leave the hourglass alone.
SAPNET_STAGES = (
    TrainingStage(
        name="2D",
        modules=("hourglass",),
        weights=StructureWeights(angle=0.0, symmetry=0.0, geometry=0.0),
        supervises_depth=False,
        learning_rate=2.5e-4,
    ),
    TrainingStage(
        name="depth",
        modules=("depth",),
        weights=StructureWeights(angle=0.0, symmetry=0.0, geometry=0.0),
        uses_2d=False,
        iterations=240_000,
    ),
    TrainingStage(
        name="weak supervision",
        modules=("hourglass", "depth"),
        weights=StructureWeights(angle=0.03, symmetry=0.0, geometry=0.03),
        learning_rate=2.5e-4,
        iterations=160_000,
    ),
    TrainingStage(
        name="symmetry",
        modules=("hourglass", "depth"),
        weights=StructureWeights(angle=0.03, symmetry=0.05, geometry=0.03),
        learning_rate=2.5e-5,
    ),
)
