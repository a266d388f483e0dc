"""Structure-aware losses of SAP-Net (Dabral et al., ECCV 2018, section 4.1).

Illegal angle L_a (Eq. 1), symmetry L_s (Eq. 2), the geometry loss L_g that the paper takes from
Zhou et al. (ICCV 2017), and their weighted sum L_SA (Eq. 3). All take joint positions
``(..., J, 3)`` in any right-handed axes, metres, and give one number per pose ``(...)``.
How they train a network on people of whom only 2D is known is in
`pose_core.losses.structure_training`.

What the paper leaves open, and how it is settled here:

*Which joint is the "neck" of Eq. (1)?* The collar-bone runs from the base of the neck, which is
the ``thorax`` of Human3.6M-17 and of MPII-16, not the joint that Human3.6M calls neck (between
chin and nose). On the motion capture listed in NOTICE, n . v_we has the illegal sign in 5 % of
elbows from the thorax, and in 29 % from Human3.6M's neck.

*Which sign is legal?* In right-handed axes (camera: x right, y down, z forward) the paper's signs
hold as printed: n . v is positive for a legal right elbow and left knee, negative for a legal
left elbow and right knee. The base of the knee's plane is the pelvis, in place of the neck.

*Which unit has E?* It is a volume; the paper does not say of what. Here it is cubic metres. Zhou
et al. train in half widths of a picture that the person fills, which comes to about the same.

*What is a canonical length in L_g?* The mean over the people of the same motion capture.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from pose_core.errors import ConfigError
from pose_core.skeleton import H36M_17, Skeleton

HINGES = ("left_elbow", "right_elbow", "left_knee", "right_knee")
# Base, root and end of the chain whose hinge is the elbow or the knee.
_CHAINS = {"elbow": ("thorax", "shoulder", "wrist"), "knee": ("pelvis", "hip", "ankle")}
# Turns n . v of a legal limb positive, in the order of HINGES.
_LEGAL_SIGNS = (-1.0, 1.0, 1.0, -1.0)
# exp(E) goes on as a straight line from here. No human joint comes near a cubic metre (0.02 is
# much), but the joints of an untrained network do, and exp of them would not be finite.
_LARGEST_EXPONENT = 3.0

BONES = {
    "shoulder": ("thorax", "shoulder"),
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
    "hip": ("pelvis", "hip"),
    "thigh": ("hip", "knee"),
    "shin": ("knee", "ankle"),
}
CANONICAL_LENGTHS_M = {
    "shoulder": 0.173,
    "upper_arm": 0.279,
    "forearm": 0.228,
    "hip": 0.094,
    "thigh": 0.405,
    "shin": 0.435,
}
BONE_GROUPS = {
    "arms": ("upper_arm", "forearm"),
    "legs": ("thigh", "shin"),
    "shoulders": ("shoulder",),
    "hips": ("hip",),
}
_MIDDLE_JOINTS = ("thorax", "pelvis")


@dataclass(frozen=True, kw_only=True)
class StructureWeights:
    """Weights of Eq. (3); 0 switches a term off.

    Parameters
    ----------
    angle, symmetry, geometry : float
        lambda_a, lambda_s and lambda_g of section 4.3.
    """

    angle: float = 0.03
    symmetry: float = 0.05
    geometry: float = 0.03

    def __post_init__(self) -> None:
        if min(self.angle, self.symmetry, self.geometry) < 0:
            raise ConfigError(f"Weights of the structure loss must not be negative: {self}.")


@cache
def _hinge_joints(skeleton: Skeleton) -> tuple[list[int], ...]:
    """Indices of base, root, hinge and end, each in the order of HINGES."""
    columns: tuple[list[int], ...] = ([], [], [], [])
    for hinge in HINGES:
        side, joint = hinge.split("_")
        base, root, end = _CHAINS[joint]
        for column, name in zip(
            columns, (base, f"{side}_{root}", hinge, f"{side}_{end}"), strict=True
        ):
            column.append(skeleton.index(name))
    return columns


@cache
def _bone_joints(skeleton: Skeleton) -> tuple[list[list[int]], list[list[int]]]:
    """Upper and lower joint of every bone of BONES, left (row 0) and right (row 1)."""

    def joint(name: str, side: str) -> int:
        return skeleton.index(name if name in _MIDDLE_JOINTS else f"{side}_{name}")

    sides = ("left", "right")
    upper = [[joint(bone[0], side) for bone in BONES.values()] for side in sides]
    lower = [[joint(bone[1], side) for bone in BONES.values()] for side in sides]
    return upper, lower


def hinge_volumes(poses: Tensor, skeleton: Skeleton = H36M_17) -> Tensor:
    """How far each elbow and knee is on its legal side: n . v of section 4.1, legal positive.

    Parameters
    ----------
    poses : (..., J, 3) Tensor
        Metres, right-handed axes.
    skeleton : Skeleton
        Human3.6M-17 or MPII-16.

    Returns
    -------
    (..., 4) Tensor
        Cubic metres, in the order of `HINGES`; 0 for a straight limb.

    Raises
    ------
    ConfigError
        If the skeleton has no pelvis, thorax or limb joint.
    """
    base, root, hinge, end = (poses[..., joints, :] for joints in _hinge_joints(skeleton))
    normal = torch.linalg.cross(root - base, hinge - root)
    volume = (normal * (end - hinge)).sum(-1)
    return volume * torch.tensor(_LEGAL_SIGNS, dtype=poses.dtype, device=poses.device)


def illegal_joints(
    poses: Tensor, skeleton: Skeleton = H36M_17, *, straight_deg: float = 20.0
) -> Tensor:
    """Which elbows and knees bend the wrong way.

    A joint is illegal where L_a punishes it (`hinge_volumes` is negative) and it is bent by more
    than `straight_deg`. Without the second condition 16 % of the joints of real people were
    illegal: the legs of people who stand are straight, and whether the ankle lies 1 cm in front
    of the line or behind it is decided by where the markers are.

    Parameters
    ----------
    poses : (..., J, 3) Tensor
        Metres, right-handed axes.
    skeleton : Skeleton
        Human3.6M-17 or MPII-16.
    straight_deg : float
        Limbs bent by no more than this count as straight, and so as legal.

    Returns
    -------
    (..., 4) bool Tensor
        In the order of `HINGES`; False where a joint of the limb is missing (NaN).

    Notes
    -----
    On real motion 1.6 % of all elbows and knees are flagged: elbows 3.2 %, knees 0.0 %. The
    elbows are no errors of measurement: Eq. (1) knows nothing of the rotation of the upper arm,
    and hands behind the neck or forearms turned far inwards do leave its half space. Mirrored
    through its joint plane, every bent limb that was not flagged is
    (``benchmarks/structure_on_mocap.py`` prints the table).
    """
    _, root, hinge, end = (poses[..., joints, :] for joints in _hinge_joints(skeleton))
    upper, lower = hinge - root, end - hinge
    across = torch.linalg.cross(upper, lower).norm(dim=-1)
    bend = torch.atan2(across, (upper * lower).sum(-1))
    return (hinge_volumes(poses, skeleton) < 0) & (bend > torch.pi / 180 * straight_deg)


def illegal_angle_loss(poses: Tensor, skeleton: Skeleton = H36M_17) -> Tensor:
    """L_a of Eq. (1): the sum of E exp(E) over both elbows and both knees.

    E is how far a limb is on the illegal side, 0 where it is legal. Beyond E = 3 cubic metres
    the exponent stays 3, so that no pose gives infinity.

    Parameters
    ----------
    poses : (..., J, 3) Tensor
        Metres, right-handed axes.
    skeleton : Skeleton
        Human3.6M-17 or MPII-16.

    Returns
    -------
    (...) Tensor
    """
    illegal = (-hinge_volumes(poses, skeleton)).clamp_min(0)
    return (illegal * illegal.clamp_max(_LARGEST_EXPONENT).exp()).sum(-1)


def bone_lengths(poses: Tensor, skeleton: Skeleton = H36M_17) -> Tensor:
    """(..., 2, 6) lengths of the left and right `BONES`, metres; gradient 0 at length 0."""
    upper, lower = _bone_joints(skeleton)
    return torch.linalg.vector_norm(poses[..., lower, :] - poses[..., upper, :], dim=-1)


def symmetry_loss(poses: Tensor, skeleton: Skeleton = H36M_17) -> Tensor:
    """L_s of Eq. (2): the sum over bones of |left - right length|.

    Parameters
    ----------
    poses : (..., J, 3) Tensor
        Metres.
    skeleton : Skeleton
        Human3.6M-17 or MPII-16.

    Returns
    -------
    (...) Tensor
        Metres.
    """
    left, right = bone_lengths(poses, skeleton).unbind(-2)
    return (left - right).abs().sum(-1)


def geometry_loss(poses: Tensor, skeleton: Skeleton = H36M_17) -> Tensor:
    """L_g: the sum over bone groups of the variance of length over canonical length.

    Zhou et al. 2017, section 3.3: arms and legs have four bones, shoulders and hips two.

    Parameters
    ----------
    poses : (..., J, 3) Tensor
        Metres.
    skeleton : Skeleton
        Human3.6M-17 or MPII-16.

    Returns
    -------
    (...) Tensor
        No unit.
    """
    canonical = torch.tensor(
        [CANONICAL_LENGTHS_M[bone] for bone in BONES], dtype=poses.dtype, device=poses.device
    )
    ratios = bone_lengths(poses, skeleton) / canonical  # (..., 2, 6)
    names = list(BONES)
    variances = [
        ratios[..., [names.index(bone) for bone in group]].flatten(-2).var(-1, correction=0)
        for group in BONE_GROUPS.values()
    ]
    return torch.stack(variances, dim=-1).sum(-1)


def structure_terms(
    poses: Tensor, weights: StructureWeights, skeleton: Skeleton = H36M_17
) -> dict[str, Tensor]:
    """Weighted terms (...) of L_SA, Eq. (3), those with weight 0 left out; their sum is L_SA."""
    functions = {
        "angle": illegal_angle_loss,
        "symmetry": symmetry_loss,
        "geometry": geometry_loss,
    }
    return {
        name: weight * function(poses, skeleton)
        for name, function in functions.items()
        if (weight := getattr(weights, name))
    }
