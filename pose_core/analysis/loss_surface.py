"""Loss surfaces: what each loss says as one joint moves (Dabral et al., ECCV 2018, Fig. 4).

One joint of a pose is moved over a grid in two coordinates while everything else stays, and the
losses that may train SAP-Net are evaluated at each place: that of the 2D location alone, with
symmetry, with symmetry and illegal angle, and that of full 3D supervision.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pose_core.errors import ConfigError
from pose_core.losses.structure import (
    StructureWeights,
    geometry_loss,
    illegal_angle_loss,
    symmetry_loss,
)
from pose_core.skeleton import H36M_17, Skeleton

AXES = ("x", "y", "z")
TERMS = ("position_2d", "position_3d", "symmetry", "angle", "geometry")
# Fig. 4 (a) to (d).
SURFACES = {
    "2d": ("position_2d",),
    "2d + symmetry": ("position_2d", "symmetry"),
    "2d + symmetry + angle": ("position_2d", "symmetry", "angle"),
    "3d": ("position_3d",),
}


@dataclass(frozen=True, kw_only=True)
class SurfaceWeights:
    """What the terms are multiplied with.

    The lambdas of section 4.3 stand beside a loss of heatmaps there. Beside the squared distance
    of one joint in metres they make the illegal angle too flat to see, so that here every term
    counts as it is; `structure` takes the paper's.

    Parameters
    ----------
    position : float
        Squared distance of the joints, in x and y or in all three coordinates.
    structure : StructureWeights
    """

    position: float = 1.0
    structure: StructureWeights = field(
        default_factory=lambda: StructureWeights(angle=1.0, symmetry=1.0, geometry=1.0)
    )

    def of(self, term: str) -> float:
        """Weight of one of `TERMS`."""
        return self.position if term.startswith("position") else getattr(self.structure, term)


@dataclass(frozen=True, eq=False, kw_only=True)
class LossSurface:
    """Losses over a grid of places of one joint.

    Parameters
    ----------
    joint : int
    axes : (str, str)
        Of `AXES`: camera axes, x right, y down, z forward.
    first_m, second_m : (N,) and (M,) float64 ndarray
        Coordinates of the joint along the two axes, root-relative, metres.
    terms : dict of str to (N, M) float64 ndarray
        Each of `TERMS` with its weight.
    surfaces : dict of str to (N, M) float64 ndarray
        Sums of terms: see `SURFACES`.
    """

    joint: int
    axes: tuple[str, str]
    first_m: np.ndarray
    second_m: np.ndarray
    terms: dict[str, np.ndarray]
    surfaces: dict[str, np.ndarray]


def losses_of(
    poses: np.ndarray,
    truth: np.ndarray,
    *,
    weights: SurfaceWeights | None = None,
    skeleton: Skeleton = H36M_17,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Terms and surfaces of given poses: of marked places, stages of a network, a prediction.

    Parameters
    ----------
    poses : (..., J, 3) ndarray
        Root-relative, camera axes, metres.
    truth : (J, 3) or (..., J, 3) ndarray
        The same; its x and y are what 2D supervision knows.
    weights : SurfaceWeights, optional
    skeleton : Skeleton
        Human3.6M-17 or MPII-16.

    Returns
    -------
    terms, surfaces : dict of str to (...) ndarray
        See `LossSurface`. NaN where a pose or the truth lacks a joint.
    """
    weights = weights or SurfaceWeights()
    pose = torch.as_tensor(np.asarray(poses, dtype=np.float64))
    target = torch.as_tensor(np.asarray(truth, dtype=np.float64))
    values = {name: weights.of(name) * _term(name, pose, target, skeleton) for name in TERMS}
    terms = {name: value.numpy() for name, value in values.items()}
    sums = {name: np.sum([terms[t] for t in parts], axis=0) for name, parts in SURFACES.items()}
    return terms, sums


def _term(name: str, pose: Tensor, target: Tensor, skeleton: Skeleton) -> Tensor:
    """One of `TERMS`, without weight, of poses (..., J, 3)."""
    squared = (pose - target).square()
    functions = {
        "position_2d": lambda: squared[..., :2].sum((-1, -2)),
        "position_3d": lambda: squared.sum((-1, -2)),
        "symmetry": lambda: symmetry_loss(pose, skeleton),
        "angle": lambda: illegal_angle_loss(pose, skeleton),
        "geometry": lambda: geometry_loss(pose, skeleton),
    }
    return functions[name]()


def grid_poses(
    pose: np.ndarray, joint: int, axes: tuple[str, str], first_m: np.ndarray, second_m: np.ndarray
) -> np.ndarray:
    """(N, M, J, 3) copies of a pose (J, 3) with one joint at every place of a grid."""
    grid = np.broadcast_to(pose, (len(first_m), len(second_m), *pose.shape)).copy()
    grid[..., joint, AXES.index(axes[0])] = first_m[:, None]
    grid[..., joint, AXES.index(axes[1])] = second_m
    return grid


def loss_surface(
    pose: np.ndarray,
    truth: np.ndarray,
    joint: int,
    *,
    axes: tuple[str, str] = ("x", "z"),
    reach_m: float = 0.5,
    steps: int = 61,
    weights: SurfaceWeights | None = None,
    skeleton: Skeleton = H36M_17,
) -> LossSurface:
    """Move one joint about its true place and evaluate the losses.

    Parameters
    ----------
    pose : (J, 3) ndarray
        Where all other joints are, and the joint's third coordinate: the truth, as in Fig. 4, or
        a prediction. Root-relative, camera axes, metres.
    truth : (J, 3) ndarray
        What the losses compare with.
    joint : int
    axes : (str, str)
        Two of x, y, z; Fig. 4 has x and z.
    reach_m : float
        Half the side of the square grid, metres; its middle is the joint's true place.
    steps : int
        Places along each axis.
    weights : SurfaceWeights, optional
    skeleton : Skeleton
        Human3.6M-17 or MPII-16.

    Returns
    -------
    LossSurface

    Raises
    ------
    ConfigError
        If joint, axes or grid are not possible.
    """
    if not 0 <= joint < skeleton.num_joints:
        raise ConfigError(
            f"{skeleton.name} has no joint {joint}, only 0..{skeleton.num_joints - 1}."
        )
    if len(axes) != 2 or axes[0] == axes[1] or not set(axes) <= set(AXES):
        raise ConfigError(f"A loss surface needs two different axes of x, y, z, not {axes}.")
    if steps < 2 or not reach_m > 0:
        raise ConfigError(f"A grid needs two steps and some reach, not {steps} and {reach_m} m.")
    offsets = np.linspace(-reach_m, reach_m, steps)
    first_m, second_m = (float(truth[joint, AXES.index(axis)]) + offsets for axis in axes)
    grid = grid_poses(np.asarray(pose, dtype=np.float64), joint, axes, first_m, second_m)
    terms, surfaces = losses_of(grid, truth, weights=weights, skeleton=skeleton)
    return LossSurface(
        joint=joint, axes=axes, first_m=first_m, second_m=second_m, terms=terms, surfaces=surfaces
    )
