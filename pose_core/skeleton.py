"""Skeletons of the field, and linear maps from one to another.

The canonical skeleton is Human3.6M with 17 joints (``H36M_17``). "Left" and "right" are always
the person's own.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pose_core.errors import ConfigError


@dataclass(frozen=True)
class Skeleton:
    """Named joints and the tree that connects them.

    Parameters
    ----------
    name : str
        Short name, for example ``h36m17``.
    joint_names : tuple of str
        J names; ``left_`` and ``right_`` mark sides.
    parents : tuple of int
        Parent index of each joint, -1 for a root. Detector skeletons may have several roots.
    """

    name: str
    joint_names: tuple[str, ...]
    parents: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.joint_names) != len(self.parents):
            raise ConfigError(f"Skeleton {self.name}: one parent is needed for each joint.")

    @property
    def num_joints(self) -> int:
        return len(self.joint_names)

    def index(self, joint_name: str) -> int:
        """Index of a joint.

        Raises
        ------
        ConfigError
            If the skeleton has no such joint.
        """
        try:
            return self.joint_names.index(joint_name)
        except ValueError:
            raise ConfigError(
                f"Skeleton {self.name} has no joint {joint_name!r}.",
                f"It has: {', '.join(self.joint_names)}.",
            ) from None

    @cached_property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(parent, child) for every joint that has a parent."""
        return tuple((p, c) for c, p in enumerate(self.parents) if p >= 0)

    @cached_property
    def left_right_pairs(self) -> tuple[tuple[int, int], ...]:
        """(left, right) index pairs."""
        names = self.joint_names
        return tuple(
            (i, names.index("right" + name.removeprefix("left")))
            for i, name in enumerate(names)
            if name.startswith("left")
        )

    @cached_property
    def mirror_index(self) -> np.ndarray:
        """(J,) int: ``x[:, mirror_index]`` exchanges left and right."""
        index = np.arange(self.num_joints)
        for left, right in self.left_right_pairs:
            index[left], index[right] = right, left
        return index

    def side(self, joint: int) -> str:
        """``left``, ``right`` or ``middle``."""
        prefix = self.joint_names[joint].split("_")[0]
        return prefix if prefix in ("left", "right") else "middle"


def _skeleton(name: str, tree: str) -> Skeleton:
    """Build a skeleton from ``joint<parent`` words; a root has no parent."""
    pairs = [word.partition("<")[::2] for word in tree.split()]
    names = tuple(joint for joint, _ in pairs)
    parents = tuple(names.index(parent) if parent else -1 for _, parent in pairs)
    return Skeleton(name, names, parents)


H36M_17 = _skeleton(
    "h36m17",
    "pelvis right_hip<pelvis right_knee<right_hip right_ankle<right_knee "
    "left_hip<pelvis left_knee<left_hip left_ankle<left_knee "
    "spine<pelvis thorax<spine neck<thorax head_top<neck "
    "left_shoulder<thorax left_elbow<left_shoulder left_wrist<left_elbow "
    "right_shoulder<thorax right_elbow<right_shoulder right_wrist<right_elbow",
)

MPII_16 = _skeleton(
    "mpii16",
    "right_ankle<right_knee right_knee<right_hip right_hip<pelvis "
    "left_hip<pelvis left_knee<left_hip left_ankle<left_knee "
    "pelvis thorax<pelvis upper_neck<thorax head_top<upper_neck "
    "right_wrist<right_elbow right_elbow<right_shoulder right_shoulder<thorax "
    "left_shoulder<thorax left_elbow<left_shoulder left_wrist<left_elbow",
)

HUMANEVA_14 = _skeleton(
    "humaneva14",
    "thorax head<thorax "
    "left_shoulder<thorax left_elbow<left_shoulder left_wrist<left_elbow "
    "right_shoulder<thorax right_elbow<right_shoulder right_wrist<right_elbow "
    "left_hip<thorax left_knee<left_hip left_ankle<left_knee "
    "right_hip<thorax right_knee<right_hip right_ankle<right_knee",
)

COCO_17 = _skeleton(
    "coco17",
    "nose left_eye<nose right_eye<nose left_ear<left_eye right_ear<right_eye "
    "left_shoulder<nose right_shoulder<nose left_elbow<left_shoulder "
    "right_elbow<right_shoulder left_wrist<left_elbow right_wrist<right_elbow "
    "left_hip<left_shoulder right_hip<right_shoulder left_knee<left_hip right_knee<right_hip "
    "left_ankle<left_knee right_ankle<right_knee",
)

BLAZEPOSE_33 = _skeleton(
    "blazepose33",
    "nose left_eye_inner<nose left_eye<left_eye_inner left_eye_outer<left_eye "
    "right_eye_inner<nose right_eye<right_eye_inner right_eye_outer<right_eye "
    "left_ear<left_eye_outer right_ear<right_eye_outer left_mouth<nose right_mouth<nose "
    "left_shoulder<nose right_shoulder<nose left_elbow<left_shoulder right_elbow<right_shoulder "
    "left_wrist<left_elbow right_wrist<right_elbow left_pinky<left_wrist right_pinky<right_wrist "
    "left_index<left_wrist right_index<right_wrist left_thumb<left_wrist right_thumb<right_wrist "
    "left_hip<left_shoulder right_hip<right_shoulder left_knee<left_hip right_knee<right_hip "
    "left_ankle<left_knee right_ankle<right_knee left_heel<left_ankle right_heel<right_ankle "
    "left_foot_index<left_heel right_foot_index<right_heel",
)

MOCAP_21 = _skeleton(
    "mocap21",
    "pelvis right_hip<pelvis right_knee<right_hip right_ankle<right_knee right_toe<right_ankle "
    "left_hip<pelvis left_knee<left_hip left_ankle<left_knee left_toe<left_ankle "
    "spine<pelvis thorax<spine neck<thorax head_top<neck "
    "left_shoulder<thorax left_elbow<left_shoulder left_wrist<left_elbow left_hand<left_wrist "
    "right_shoulder<thorax right_elbow<right_shoulder right_wrist<right_elbow "
    "right_hand<right_wrist",
)

SKELETONS = {s.name: s for s in (H36M_17, MPII_16, HUMANEVA_14, COCO_17, BLAZEPOSE_33, MOCAP_21)}


@dataclass(frozen=True)
class JointMap:
    """Linear map from the joints of one skeleton to those of another.

    Parameters
    ----------
    source, target : Skeleton
    weights : (J_target, J_source) float ndarray
        Each row sums to one, or is all NaN where the target joint cannot be had.
    """

    source: Skeleton
    target: Skeleton
    weights: np.ndarray

    @property
    def available_mask(self) -> np.ndarray:
        """(J_target,) bool: joints that the source determines."""
        return ~np.isnan(self.weights[:, 0])

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Map (..., J_source, D) points to (..., J_target, D); unavailable joints are NaN.

        A missing (NaN) source joint makes only those targets NaN that need it.
        """
        out = np.full((*points.shape[:-2], *self.weights.shape[:1], points.shape[-1]), np.nan)
        for joint in np.flatnonzero(self.available_mask):
            used = np.flatnonzero(self.weights[joint])
            out[..., joint, :] = np.einsum(
                "s,...sd->...d", self.weights[joint, used], points[..., used, :]
            )
        return out.astype(points.dtype)

    def apply_scores(self, scores: np.ndarray) -> np.ndarray:
        """Map (..., J_source) scores: the mean over the joints that one is made of, by their share.

        0 where one of them is missing (score 0), for then `apply` gives NaN.
        """
        share = np.nan_to_num(np.abs(self.weights))
        share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-9)
        is_missing = (scores == 0) @ (share > 0).T
        return np.where(is_missing, 0.0, scores @ share.T).astype(scores.dtype)


# What a target joint is made of where the source has no joint of the same name.
# Proportions measured on the motion capture listed in NOTICE: thorax 5 % of the trunk above the
# shoulder line, the neck (Human3.6M: between chin and nose) 30 %, the head top about 50 %.
_MID_HIPS = {"left_hip": 0.5, "right_hip": 0.5}
_MID_SHOULDERS = {"left_shoulder": 0.5, "right_shoulder": 0.5}


def _mix(*terms: tuple[float, dict[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for factor, parts in terms:
        for name, weight in parts.items():
            total[name] = total.get(name, 0.0) + factor * weight
    return total


_MID_EARS = {"left_ear": 0.5, "right_ear": 0.5}
_MID_MOUTH = {"left_mouth": 0.5, "right_mouth": 0.5}
_TRUNK_FROM_LIMB_ROOTS = {
    "pelvis": _MID_HIPS,
    "thorax": _mix((1.05, _MID_SHOULDERS), (-0.05, _MID_HIPS)),
    "spine": _mix((0.5, _MID_SHOULDERS), (0.5, _MID_HIPS)),
}
_HEAD_TOP_FROM_EARS = _mix((1.65, _MID_EARS), (-0.65, _MID_SHOULDERS))

_RECIPES: dict[tuple[str, str], dict[str, dict[str, float]]] = {
    ("blazepose33", "h36m17"): _TRUNK_FROM_LIMB_ROOTS
    | {
        "neck": _mix((0.5, _MID_MOUTH), (0.5, _MID_EARS)),
        "head_top": _HEAD_TOP_FROM_EARS,
    },
    ("coco17", "h36m17"): _TRUNK_FROM_LIMB_ROOTS
    | {
        "neck": _mix((0.4, {"nose": 1.0}), (0.6, _MID_EARS)),
        "head_top": _HEAD_TOP_FROM_EARS,
    },
    ("h36m17", "mpii16"): {"upper_neck": {"neck": 0.5, "thorax": 0.5}},
    ("mpii16", "h36m17"): {
        "spine": {"pelvis": 0.5, "thorax": 0.5},
        "neck": {"upper_neck": 2.0, "thorax": -1.0},
    },
    ("h36m17", "humaneva14"): {"head": {"neck": 0.5, "head_top": 0.5}},
    ("humaneva14", "h36m17"): {
        "pelvis": _MID_HIPS,
        "spine": _mix((0.5, _MID_HIPS), (0.5, {"thorax": 1.0})),
        "neck": {"thorax": 0.5, "head": 0.5},
        "head_top": {"thorax": -0.5, "head": 1.5},
    },
    ("blazepose33", "coco17"): {},
    ("mocap21", "h36m17"): {},
}


def joint_map(source: Skeleton, target: Skeleton) -> JointMap:
    """Map between two skeletons: joints of the same name, then the known recipes.

    Raises
    ------
    ConfigError
        If no map between the two is known.
    """
    recipe = _RECIPES.get((source.name, target.name), {})
    shared = set(source.joint_names) & set(target.joint_names)
    if not shared and not recipe:
        raise ConfigError(f"No joint map from {source.name} to {target.name} is known.")
    weights = np.full((target.num_joints, source.num_joints), np.nan)
    for row, name in enumerate(target.joint_names):
        parts = {name: 1.0} if name in shared else recipe.get(name)
        if parts is None:
            continue
        weights[row] = 0.0
        for part, weight in parts.items():
            weights[row, source.index(part)] += weight
    return JointMap(source, target, weights)
