"""Our 17 joints from the keypoints of another program, found by their names."""

from collections.abc import Mapping, Sequence

import numpy as np

from pose_core.data.joint_names import NEEDED, MissingJoints, NameIndex, match_joints
from pose_core.detection.landmark_map import h36m_map
from pose_core.errors import DataError
from pose_core.interchange.named_keypoints import NamedKeypoints
from pose_core.skeleton import BLAZEPOSE_33, H36M_17, MPII_16, JointMap, Skeleton, joint_map

# Skeletons whose joints all have to be there by name, the best known map first.
_WHOLE = (H36M_17, BLAZEPOSE_33, MPII_16)
_SIDES = ("left", "right")
# Points of the head from which its joints follow, in the order in which they are looked for.
_HEAD_NAMES = ("ear", "eye")
_SAME_EVERYWHERE = ("pelvis", "head_top")
# Besides the joints, these points can be named by the user.
NAMEABLE = (*H36M_17.joint_names, "nose", *(f"{s}_{part}" for part in _HEAD_NAMES for s in _SIDES))


def mapped(keypoints: NamedKeypoints, names: Mapping[str, str] | None = None) -> NamedKeypoints:
    """The same people with the joints of Human3.6M-17.

    Hips, knees, ankles, shoulders, elbows and wrists must be there. Pelvis, spine and thorax
    follow from hips and shoulders. Neck and top of the head follow from ears (one is enough),
    eyes and nose, and are missing where there are none.

    Parameters
    ----------
    keypoints : NamedKeypoints
    names : mapping of str to str, optional
        For joints (or nose, ears, eyes) that are not found by themselves: what they are called in
        the file.

    Raises
    ------
    MissingJoints
        If joints cannot be found: says which, and which names the file has.
    DataError
        If `names` has a joint or a name that is not there.
    """
    called = _renamed(keypoints.names, names or {})
    for skeleton in _WHOLE:
        order = _order(skeleton, called)
        if order is not None:
            return _by_map(keypoints, _map_of(skeleton), order)
    return _by_limbs(keypoints, called, names or {})


def _map_of(skeleton: Skeleton) -> JointMap:
    return joint_map(skeleton, H36M_17) if skeleton is H36M_17 else h36m_map(skeleton)


def _renamed(names: Sequence[str], given: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the file, in which those that the user has named are called as here."""
    if unknown := [joint for joint in given if joint not in NAMEABLE]:
        raise DataError(
            f"No joint is called {', '.join(unknown)}.", f"There are: {', '.join(NAMEABLE)}."
        )
    if absent := [name for name in given.values() if name not in names]:
        raise DataError(
            f"The file has no keypoint {', '.join(absent)}.", f"It has: {', '.join(names)[:1000]}."
        )
    new = {name: joint for joint, name in given.items()}
    # What already has such a name, and is not it, must not be taken for it.
    return tuple(new.get(name, f"{name} (other)" if name in given else name) for name in names)


def _order(skeleton: Skeleton, names: Sequence[str]) -> list[int] | None:
    """Where each joint of a skeleton is among the names; None where one is missing."""
    index = NameIndex(names)
    found = [index.find_joint(joint) for joint in skeleton.joint_names]
    return None if None in found else [names.index(name) for name in found if name is not None]


def _by_map(keypoints: NamedKeypoints, to_h36m: JointMap, order: list[int]) -> NamedKeypoints:
    # A mean of several has no source of its own.
    is_same = keypoints.sources is not None and to_h36m.source is H36M_17
    return _with_joints(
        keypoints,
        to_h36m.apply(keypoints.xy[:, order]),
        to_h36m.apply_scores(keypoints.scores[:, order]),
        np.asarray(keypoints.sources)[:, order] if is_same else None,
    )


def _by_limbs(
    keypoints: NamedKeypoints, names: tuple[str, ...], given: Mapping[str, str]
) -> NamedKeypoints:
    """From the twelve joints of arms and legs, and what there is of the head."""
    try:
        match = match_joints(names)
    except MissingJoints as error:
        raise _unmapped(error, keypoints.names) from error
    # Each is made of one point: only names of skeletons with all joints mix several.
    points = {
        joint: _point(keypoints, names.index(next(iter(match.joints[joint])))) for joint in NEEDED
    }
    hips, shoulders = (_middle(points, joint) for joint in ("hip", "shoulder"))
    head = _head(keypoints, names)
    points |= {
        "pelvis": hips,
        "spine": _mixed((0.5, hips), (0.5, shoulders)),
        "thorax": _mixed((1.05, shoulders), (-0.05, hips)),
        # As in the recipes of COCO's joints in pose_core.skeleton.
        "neck": _mixed((0.4, _first(keypoints, names, "nose")), (0.6, head)),
        "head_top": _mixed((1.65, head), (-0.65, shoulders)),
    }
    for joint in H36M_17.joint_names:
        # What others call spine, thorax or neck is rarely what it is here: only where it is said.
        if joint in given or (joint in _SAME_EVERYWHERE and joint in names):
            points[joint] = _point(keypoints, names.index(joint))
    joints = [points[joint] for joint in H36M_17.joint_names]
    xy, scores = (np.stack(arrays, axis=1) for arrays in zip(*joints, strict=True))
    return _with_joints(keypoints, xy, scores, None)


Point = tuple[np.ndarray, np.ndarray]  # places (D, 2), scores (D,)


def _point(keypoints: NamedKeypoints, index: int) -> Point:
    return keypoints.xy[:, index], keypoints.scores[:, index]


def _first(keypoints: NamedKeypoints, names: Sequence[str], wanted: str) -> Point:
    """The keypoint of that name; nowhere where there is none."""
    found = NameIndex(names).find_joint(wanted)
    if found is not None:
        return _point(keypoints, names.index(found))
    return np.full((len(keypoints.frames), 2), np.nan), np.zeros(len(keypoints.frames), np.float32)


def _middle(points: Mapping[str, Point], joint: str) -> Point:
    return _mixed((0.5, points[f"left_{joint}"]), (0.5, points[f"right_{joint}"]))


def _mixed(*terms: tuple[float, Point]) -> Point:
    """Weighted sum of places; missing where one is missing. The score is the mean by weight."""
    place = sum(weight * xy for weight, (xy, _) in terms)
    total = sum(abs(weight) for weight, _ in terms)
    score = sum(abs(weight) / total * scores for weight, (_, scores) in terms)
    return np.asarray(place), np.asarray(score)


def _head(keypoints: NamedKeypoints, names: Sequence[str]) -> Point:
    """The middle of the ears, or the one that is seen; else of the eyes; else the nose."""
    candidates = [
        tuple(_first(keypoints, names, f"{side}_{part}") for side in _SIDES) for part in _HEAD_NAMES
    ]
    place, score = _first(keypoints, names, "nose")
    place, score = place.copy(), score.copy()
    for pair in reversed(candidates):  # the better ones replace the others
        xy, scores = (np.stack(arrays) for arrays in zip(*pair, strict=True))
        known = np.isfinite(xy[..., 0])
        count = known.sum(axis=0)
        seen = count > 0
        place[seen] = (np.nansum(xy, axis=0) / np.maximum(count, 1)[:, None])[seen]
        score[seen] = (scores.sum(axis=0) / np.maximum(count, 1))[seen]
    return place, score


def _with_joints(
    keypoints: NamedKeypoints, xy: np.ndarray, scores: np.ndarray, sources: np.ndarray | None
) -> NamedKeypoints:
    return NamedKeypoints(
        names=H36M_17.joint_names,
        frames=keypoints.frames,
        people=keypoints.people,
        xy=xy,
        scores=scores,
        person_names=keypoints.person_names,
        format=keypoints.format,
        sources=sources,
        num_frames=keypoints.num_frames,
        picture_size=keypoints.picture_size,
        is_share=keypoints.is_share,
    )


def _unmapped(error: MissingJoints, names: tuple[str, ...]) -> MissingJoints:
    shown = ", ".join(name[:40] for name in names[:60])
    return MissingJoints(
        f"Joints are missing: {', '.join(error.joints)}. The file has: {shown}"
        f"{' ...' if len(names) > 60 else ''}.",
        "Say what these joints are called in it, for example: --names left_hip=HipL,right_hip=HipR "
        "(the window asks for it).",
        error.joints,
        names,
    )
