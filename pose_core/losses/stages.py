"""Losses of networks that refine in stages, and of their 2D pre-training (Lin et al. 2017)."""

from collections.abc import Sequence

from torch import Tensor

from pose_core.errors import ConfigError


def refinement_loss(
    stages: Tensor,
    truth: Tensor,
    *,
    pose_range: Tensor,
    valid: Tensor | None = None,
    stage_weights: Sequence[float] | None = None,
) -> Tensor:
    """Squared distance of normalised poses, over all stages (Lin et al. 2017, Eq. 2).

    The sum over stages and frames of a clip is the paper's; clips are averaged, so that the
    learning rate does not depend on the batch size.

    Parameters
    ----------
    stages : (S, B, T, J, 3) Tensor
        Poses of every stage, metres.
    truth : (B, T, J, 3) Tensor
        Metres.
    pose_range : (3,) Tensor
        Extent of the training poses along each axis, metres: poses are compared after min-max
        normalisation to 0..1.
    valid : (B, T) bool Tensor, optional
        Frames that count; all by default.
    stage_weights : sequence of S floats, optional
        alpha_k; all 1 by default, as in the paper.

    Returns
    -------
    scalar Tensor

    Raises
    ------
    ConfigError
        If there is not one weight per stage.
    """
    weights = [1.0] * len(stages) if stage_weights is None else list(stage_weights)
    if len(weights) != len(stages):
        raise ConfigError(f"{len(stages)} stages need as many weights, not {len(weights)}.")
    difference = (stages - truth) / pose_range
    if valid is not None:
        # Before squaring and not as a product: neither loss nor gradient takes NaN from there.
        difference = difference.where(valid[..., None, None], 0.0)
    per_stage = difference.square().sum((-3, -2, -1)).mean(-1)
    return (per_stage * per_stage.new_tensor(weights)).sum()


def heatmap_loss(maps: Tensor, target: Tensor, visible: Tensor) -> Tensor:
    """Mean squared error of heatmaps over the joints that are labelled.

    Lin et al. 2017, section 4, pre-train "as [31]", that is Tompson et al. 2014, whose loss this
    is.

    Parameters
    ----------
    maps, target : (N, J, H, W) Tensor
    visible : (N, J) bool Tensor

    Returns
    -------
    scalar Tensor
        0 where no joint is labelled.
    """
    difference = (maps - target).where(visible[..., None, None], 0.0)
    return difference.square().mean((-2, -1)).sum() / visible.sum().clamp_min(1)
