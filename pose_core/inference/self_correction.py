"""Self-supervised correction at test time (Wang et al. 2019, section 3.3, Eq. 3 and 4).

Each frame gets its own copy of the projector's weights. A few steps of gradient descent change
this copy until the projection of the 3D pose agrees better with the 2D pose that was seen; the
pose that comes out of the changed copy is the answer. The trained weights stay as they are.

The paper does it frame after frame (`correct_frame_by_frame`). `correct` gives the same numbers
for many frames at once, see `pose_core.models.per_frame`.
"""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from pose_core.errors import ConfigError
from pose_core.models.per_frame import descend, fixed_copy, give_each_frame_its_own
from pose_core.models.projector import Projector
from pose_core.skeleton import H36M_17

_ROBUST_JOINTS = ("pelvis", "left_shoulder", "right_shoulder", "left_hip", "right_hip")


@dataclass(frozen=True, kw_only=True)
class CorrectionConfig:
    """How far the copies of the weights are changed.

    Parameters
    ----------
    steps : int
        Back-propagations per frame (paper: 2).
    learning_rate : float
        Of plain gradient descent. The paper asks for "a small iteration number with large
        learning rate" and names no value.
    is_relative : bool
        True: the learning rate is the share of the residual that a step removes as far as the
        projector is linear in its weights, which gives each frame a rate of its own. False: it is
        the same number for all frames. One that suits most frames sends some of them far off,
        and it depends on the width of the projector. The paper sets its hyperparameters "for
        each frame" by a heuristic that it does not describe.
    epsilon_mm : float
        A frame whose robust joints moved less in a step, on average, takes no further step.
    tau_mm : float
        The correction of a frame is discarded when its robust joints moved further, on average,
        from where they were without correction: the 2D pose is then likely to be wrong.
    robust_joints : tuple of int
        Joints that move little and are seldom hidden; those of the paper by default.
    corrects_projection : bool
        Change the copy of Psi_P as well as that of Psi_C, as in Eq. (3). False changes the pose
        alone.
    """

    steps: int = 2
    learning_rate: float = 0.5
    is_relative: bool = True
    epsilon_mm: float = 5.0
    tau_mm: float = 20.0
    robust_joints: tuple[int, ...] = tuple(H36M_17.index(name) for name in _ROBUST_JOINTS)
    corrects_projection: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "robust_joints", tuple(self.robust_joints))
        if self.steps < 0 or not self.learning_rate > 0 or not self.robust_joints:
            raise ConfigError(
                "Correction needs steps of at least 0, a learning rate above 0 and robust joints."
            )
        if not 0 <= self.epsilon_mm <= self.tau_mm:
            raise ConfigError(
                f"Correction stops at {self.epsilon_mm} mm and is discarded at {self.tau_mm} mm.",
                "Choose 0 <= epsilon_mm <= tau_mm.",
            )


DEFAULT = CorrectionConfig()
# For keypoints that somebody moved: no doubt about the 2D pose, so nothing is discarded, and the
# pose alone gives way, or half of the way would be taken by a bent projection.
BY_HAND = CorrectionConfig(steps=30, epsilon_mm=0.0, tau_mm=inf, corrects_projection=False)
_UNMOVED_WEIGHT = 0.1
# Of a pose machine that corrects itself, see `Correction.stages`.
STAGE_NAMES = ("intermediate", "regressed", "corrected once", "corrected")


@dataclass(frozen=True, eq=False)
class Correction:
    """What the correction did to T frames in K steps.

    Parameters
    ----------
    poses : (T, J, 3) Tensor
        The answer: the last iteration, or the uncorrected pose where the correction was
        discarded. Root-relative, camera axes, metres.
    iterations : (K + 1, T, J, 3) Tensor
        Regressed pose with the trained weights, then after each step, discarded or not. Frames
        that have converged repeat their last pose.
    projected_2d : (K + 1, T, J, 2) Tensor
        Where each iteration projects to.
    residual : (K + 1, T) Tensor
        Eq. (3) at each iteration: squared distance between seen and projected 2D pose, summed
        over joints.
    movement_mm : (K, T) Tensor
        Mean distance that the robust joints moved in each step.
    kept_mask : (T,) bool Tensor
        False where the correction was discarded.
    """

    poses: Tensor
    iterations: Tensor
    projected_2d: Tensor
    residual: Tensor
    movement_mm: Tensor
    kept_mask: Tensor

    @property
    def steps_taken(self) -> Tensor:
        """(T,) number of steps in which the pose was changed."""
        return (self.movement_mm > 0).sum(0)

    def stages(self, intermediate: Tensor) -> Tensor:
        """`STAGE_NAMES` (4, T, J, 3) of a pose machine whose intermediate poses are (T, J, 3).

        With the two steps of the paper these are all iterations. As many however many steps there
        were, so that frames corrected in another way fit into the same run.
        """
        once = self.iterations[:2][-1]  # the regressed pose where there was no step
        return torch.stack([intermediate, self.iterations[0], once, self.poses])


@dataclass(frozen=True, eq=False)
class CorrectionProgress:
    """Frames ``done - T`` to `done` of `num_frames` are corrected."""

    done: int
    num_frames: int
    correction: Correction


def correct(
    projector: Projector,
    poses: Tensor,
    keypoints_2d: Tensor,
    config: CorrectionConfig = DEFAULT,
    weights: Tensor | None = None,
) -> Correction:
    """Correct frames by the 2D poses that were seen, each frame by itself.

    Memory grows with the number of frames; `correct_clip` is for long clips.

    Parameters
    ----------
    projector : Projector
        Trained; neither its weights nor its statistics or mode are changed.
    poses : (T, J, 3) Tensor
        Intermediate poses p3d, root-relative, metres.
    keypoints_2d : (T, J, 2) Tensor
        2D poses in the units of the projector. True ones in place of predicted ones are the row
        "w/ 2D GT" of the paper's Table 5.
    config : CorrectionConfig
    weights : (T, J) Tensor, optional
        Factor on each joint's squared distance in Eq. (3), 1 by default. Joints with 0 are not
        looked at and may be NaN.

    Returns
    -------
    Correction
    """
    # Also where the caller has switched gradients off.
    with torch.inference_mode(False), torch.enable_grad():
        poses, keypoints_2d = poses.detach().clone(), keypoints_2d.detach().clone()
        weights = torch.ones_like(poses[..., 0]) if weights is None else weights.detach().clone()
        own = fixed_copy(projector)
        layers = give_each_frame_its_own(own.regression, len(poses))
        if config.corrects_projection:
            layers += give_each_frame_its_own(own.projection, len(poses))
        is_active = poses.new_ones(len(poses), 1)
        iterations, projections, residuals, movements = [], [], [], []
        for step in range(config.steps + 1):
            regressed, projected = own(poses)
            residual = residual_2d(projected, keypoints_2d, weights)
            iterations.append(regressed.detach())
            projections.append(projected.detach())
            residuals.append(residual.detach())
            if step > 0:
                moved_mm = _movement_mm(iterations[-1], iterations[-2], config)
                movements.append(moved_mm)
                is_active = is_active * (moved_mm >= config.epsilon_mm)[:, None]
            if step < config.steps:
                rate = config.learning_rate * is_active
                descend(layers, residual, rate, is_relative=config.is_relative)
    kept_mask = _movement_mm(iterations[-1], iterations[0], config) <= config.tau_mm
    return Correction(
        poses=torch.where(kept_mask[:, None, None], iterations[-1], iterations[0]),
        iterations=torch.stack(iterations),
        projected_2d=torch.stack(projections),
        residual=torch.stack(residuals),
        movement_mm=torch.stack(movements) if movements else poses.new_zeros(0, len(poses)),
        kept_mask=kept_mask,
    )


def residual_2d(projected: Tensor, seen: Tensor, weights: Tensor) -> Tensor:
    """Eq. (3), (...): weighted squared distance of 2D poses (..., J, 2), summed over joints."""
    difference = (projected - seen).where(weights[..., None] > 0, 0.0)  # NaN where not seen
    return (difference.square().sum(-1) * weights).sum(-1)


def _movement_mm(after: Tensor, before: Tensor, config: CorrectionConfig) -> Tensor:
    """(T,) mean distance of the robust joints of poses (T, J, 3)."""
    joints = list(config.robust_joints)
    return 1000 * (after[:, joints] - before[:, joints]).norm(dim=-1).mean(-1)


def correct_clip(
    projector: Projector,
    poses: Tensor,
    keypoints_2d: Tensor,
    config: CorrectionConfig = DEFAULT,
    weights: Tensor | None = None,
    frames_at_once: int = 256,
) -> Iterator[CorrectionProgress]:
    """Correct a clip of any length in pieces, see `correct`.

    Every record is a place to stop: close the generator, or throw `pose_core.errors.Cancelled`
    into it; the pieces so far are valid. `join` puts them together.
    """
    num_frames = len(poses)
    for first in range(0, num_frames, frames_at_once):
        piece = slice(first, first + frames_at_once)
        correction = correct(
            projector,
            poses[piece],
            keypoints_2d[piece],
            config,
            None if weights is None else weights[piece],
        )
        yield CorrectionProgress(min(piece.stop, num_frames), num_frames, correction)


def join(pieces: Iterable[Correction]) -> Correction:
    """One correction from those of neighbouring pieces of a clip (at least one)."""
    pieces = list(pieces)
    return Correction(
        poses=torch.cat([p.poses for p in pieces]),
        iterations=torch.cat([p.iterations for p in pieces], dim=1),
        projected_2d=torch.cat([p.projected_2d for p in pieces], dim=1),
        residual=torch.cat([p.residual for p in pieces], dim=1),
        movement_mm=torch.cat([p.movement_mm for p in pieces], dim=1),
        kept_mask=torch.cat([p.kept_mask for p in pieces]),
    )


def correct_toward(
    projector: Projector,
    poses: Tensor,
    keypoints_2d: Tensor,
    moved_mask: Tensor,
    config: CorrectionConfig = BY_HAND,
) -> Correction:
    """Correct one frame or a range of frames toward keypoints that somebody moved.

    Moved joints are drawn to their keypoints. The others are held, more loosely, where the
    uncorrected pose projects to, so that they go along only as far as the body demands.

    Parameters
    ----------
    projector : Projector
        See `correct`.
    poses : (T, J, 3) Tensor
        Intermediate poses, root-relative, metres.
    keypoints_2d : (T, J, 2) Tensor
        2D poses in the units of the projector. Only those of moved joints are looked at.
    moved_mask : (T, J) bool Tensor
        Joints that were moved.
    config : CorrectionConfig

    Returns
    -------
    Correction
        Its residual is the weighted one.
    """
    with torch.no_grad():
        _, projected = fixed_copy(projector)(poses)
    target = torch.where(moved_mask[..., None], keypoints_2d, projected)
    weights = torch.where(moved_mask, 1.0, _UNMOVED_WEIGHT).to(poses.dtype)
    return join(p.correction for p in correct_clip(projector, poses, target, config, weights))


def correct_frame_by_frame(
    projector: Projector,
    poses: Tensor,
    keypoints_2d: Tensor,
    config: CorrectionConfig = DEFAULT,
    weights: Tensor | None = None,
) -> Correction:
    """The same as `correct`, as the paper describes it: what `correct` is measured against."""
    weights = torch.ones_like(poses[..., 0]) if weights is None else weights
    frames = zip(poses[:, None], keypoints_2d[:, None], weights[:, None], strict=True)
    return join(_correct_frame(projector, *frame, config) for frame in frames)


def _correct_frame(
    projector: Projector,
    pose: Tensor,
    seen: Tensor,
    weights: Tensor,
    config: CorrectionConfig,
) -> Correction:
    own = copy.deepcopy(projector).eval().requires_grad_(True)
    own.projection.requires_grad_(config.corrects_projection)
    descent = torch.optim.SGD(own.parameters(), lr=config.learning_rate)
    iterations, projections, residuals, movements = [], [], [], []
    is_converged = False
    for step in range(config.steps + 1):
        regressed, projected = own(pose)
        residual = residual_2d(projected, seen, weights)
        iterations.append(regressed.detach())
        projections.append(projected.detach())
        residuals.append(residual.detach())
        if step > 0:
            movements.append(_movement_mm(iterations[-1], iterations[-2], config))
            is_converged = is_converged or bool(movements[-1] < config.epsilon_mm)
        if step < config.steps and not is_converged:
            descent.zero_grad()
            residual.sum().backward()
            if config.is_relative:
                squared = sum(
                    float(p.grad.square().sum()) for p in own.parameters() if p.grad is not None
                )
                descent.param_groups[0]["lr"] = config.learning_rate * residual.item() / squared
            descent.step()
    is_kept = bool(_movement_mm(iterations[-1], iterations[0], config) <= config.tau_mm)
    return Correction(
        poses=iterations[-1] if is_kept else iterations[0],
        iterations=torch.stack(iterations),
        projected_2d=torch.stack(projections),
        residual=torch.stack(residuals),
        movement_mm=torch.stack(movements) if movements else pose.new_zeros(0, 1),
        kept_mask=torch.tensor([is_kept], device=pose.device),
    )
