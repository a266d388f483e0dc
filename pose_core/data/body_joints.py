"""The 17 joints from whatever joints a motion capture skeleton has.

Hips, knees, ankles, shoulders, elbows and wrists are taken as they are. The pelvis is the middle
of the hips. Skeletons differ most along the back and in the head: there, points are put where
Human3.6M has them, by constant rules, so that bones which are rigid in the file stay rigid. Their
definition still differs between sources by a few centimetres. The neck is the joint of head and
neck, half way from the thorax to the top of the head; rendered people have it there too
(`pose_core.synthesis.bake_body`).
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from pose_core.data.joint_names import NEEDED, JointMatch, Recipe
from pose_core.skeleton import H36M_17

# Shares of the trunk (middle of the hips to middle of the shoulders), measured on the motion
# capture listed in NOTICE, as in `pose_core.skeleton`.
THORAX_PER_TRUNK, NECK_PER_TRUNK, HEAD_TOP_PER_TRUNK = 0.05, 0.3, 0.5
# From the joint of head and neck to the top of the head, as a share of the stature. Skeletons
# that end inside the head are made that long.
HEAD_PER_STATURE, SHORTEST_HEAD_PER_STATURE = 0.096, 0.085
# A head joint lower than this part of the trunk above the thorax sits at the base of the skull.
LOW_HEAD_PER_TRUNK = 0.2
MIN_HEAD_END_PER_STATURE = 0.03

Points = Mapping[str, np.ndarray]


def limb_positions(points: Points, match: JointMatch) -> dict[str, np.ndarray]:
    """(T, 3) positions of the needed joints, in the unit and axes of the points."""
    return {joint: _mixed(points, match.joints[joint]) for joint in NEEDED}


def body_positions(points: Points, match: JointMatch, stature: float) -> np.ndarray:
    """All joints.

    Parameters
    ----------
    points : mapping of (T, 3) ndarray
        What the file has, by name.
    match : JointMatch
    stature : float
        Of the person, in the unit of the points.

    Returns
    -------
    (T, 17, 3) float64 ndarray
    """
    if set(match.joints) == set(H36M_17.joint_names):
        joints = {joint: _mixed(points, recipe) for joint, recipe in match.joints.items()}
    else:
        joints = limb_positions(points, match)
        hips = (joints["left_hip"] + joints["right_hip"]) / 2
        shoulders = (joints["left_shoulder"] + joints["right_shoulder"]) / 2
        given = {joint: _mixed(points, recipe) for joint, recipe in match.joints.items()}
        joints["pelvis"] = hips
        trunk = shoulders - hips
        joints["thorax"] = given.get("thorax", shoulders + THORAX_PER_TRUNK * trunk)
        chain = [hips, *(points[name] for name in match.spine_chain), joints["thorax"]]
        joints["spine"] = half_way(chain)
        joints |= _head(points, match, given, joints["thorax"], stature)
        if "neck" not in joints:
            joints["neck"] = shoulders + NECK_PER_TRUNK * trunk
            joints["head_top"] = shoulders + HEAD_TOP_PER_TRUNK * trunk
    return np.stack([joints[name] for name in H36M_17.joint_names], axis=1)


def half_way(chain: Sequence[np.ndarray]) -> np.ndarray:
    """The point half way along a chain of (T, 3) points: always the same mix of two of them."""
    lengths = [_median_length(b - a) for a, b in itertools.pairwise(chain)]
    ends = np.concatenate([[0.0], np.cumsum(lengths)])
    half = ends[-1] / 2
    segment = int(np.clip(np.searchsorted(ends, half) - 1, 0, len(lengths) - 1))
    share = (half - ends[segment]) / max(lengths[segment], 1e-12)
    return (1 - share) * chain[segment] + share * chain[segment + 1]


def _head(
    points: Points, match: JointMatch, given: Points, thorax: np.ndarray, stature: float
) -> dict[str, np.ndarray]:
    """Neck and top of the head, where the file has a head."""
    if "neck" not in given:
        return {}
    joint = given["neck"]
    way = given["head_top"] - joint if "head_top" in given else np.zeros_like(joint)
    length = _median_length(way)
    if length > MIN_HEAD_END_PER_STATURE * stature:
        top = joint + way * max(1.0, SHORTEST_HEAD_PER_STATURE * stature / length)
    elif len(match.eyes) == 2:
        left, right = points[match.eyes["left"]], points[match.eyes["right"]]
        up = _up_from_eyes(joint, left, right)
        top = joint + HEAD_PER_STATURE * stature * up
    else:
        top = joint + HEAD_PER_STATURE * stature * _unit(joint - thorax)
    is_low = _median_length(joint - thorax) < LOW_HEAD_PER_TRUNK * 0.288 * stature
    return {"neck": (thorax + top) / 2 if is_low else joint, "head_top": top}


def _up_from_eyes(joint: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Upward direction of a head: eyes lie as far in front of its joint as above it."""
    ahead_and_up = _unit((left + right) / 2 - joint)
    return _unit(ahead_and_up - np.cross(_unit(left - right), ahead_and_up))


def _mixed(points: Points, recipe: Recipe) -> np.ndarray:
    return sum((weight * points[name] for name, weight in recipe.items()), np.zeros(3))


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, np.nan)


def _median_length(vectors: np.ndarray) -> float:
    length = np.linalg.norm(vectors, axis=-1)
    length = length[np.isfinite(length)]
    return float(np.median(length)) if len(length) else 0.0
