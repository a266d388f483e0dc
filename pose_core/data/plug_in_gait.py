"""Joint centres from the markers of the Vicon Plug-in Gait set.

Markers sit on the skin; joints lie inside. The hips follow from the shape of the pelvis, the
others from a marker beside the joint, moved inwards by half the joint's width along the axis about
which the joint bends. That axis is seen while the limb is bent, and carried over to the frames in
which it is straight with the markers of the upper bone. Widths are those of adults, so that joints
are a centimetre or two off where a person is built differently.

References
----------
M. E. Harrington et al., "Prediction of the hip joint centre in adults, children, and patients with
cerebral palsy based on magnetic resonance imaging", J. Biomechanics 2007.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pose_core.data.joint_names import JointMatch

NEEDED_MARKERS = (
    *("LASI", "RASI", "LKNE", "RKNE", "LANK", "RANK", "LSHO", "RSHO", "LELB", "RELB"),
    *("LWRA", "LWRB", "RWRA", "RWRB"),
)

# Half of a joint's width in adults, and 7 mm from the skin to the middle of a marker.
KNEE_INWARDS_M = 0.0525 + 0.007
ANKLE_INWARDS_M = 0.036 + 0.007
ELBOW_INWARDS_M = 0.035 + 0.007
SHOULDER_BELOW_ACROMION_M = 0.045
HEAD_TOP_ABOVE_BAND_M = 0.09  # of the plane of the four head markers
BENT_DEG = 25.0
MIN_BENT_FRAMES = 5
AXIS_ROUNDS = 10

Points = dict[str, np.ndarray]


def has_markers(names: "Mapping[str, object]") -> bool:
    """Whether the markers are there, with the back of the pelvis seen one way or the other."""
    has_back = "SACR" in names or ("LPSI" in names and "RPSI" in names)
    return has_back and all(name in names for name in NEEDED_MARKERS)


def without_subject(names: tuple[str, ...]) -> dict[str, str]:
    """Marker names without ``Subject:``, in capitals, and what they are in the file."""
    return {name.rpartition(":")[2].strip().upper(): name for name in names}


def joint_centres(markers: Points) -> tuple[Points, JointMatch]:
    """Joints in place of markers.

    Parameters
    ----------
    markers : dict of (T, 3) ndarray
        Metres, in any axes, by their names in the marker set.

    Returns
    -------
    points : dict of (T, 3) ndarray
        Metres; NaN where a marker that is needed was not seen.
    match : JointMatch
    """
    points = _hips(markers)
    across = _unit(points["left_hip"] - points["right_hip"])
    shoulders_across = _unit(markers["LSHO"] - markers["RSHO"])
    trunk = _unit(
        (markers["LSHO"] + markers["RSHO"] - points["left_hip"] - points["right_hip"]) / 2
    )
    for side, letter, sign in (("left", "L", 1.0), ("right", "R", -1.0)):
        points[f"{side}_shoulder"] = markers[f"{letter}SHO"] - SHOULDER_BELOW_ACROMION_M * trunk
        points[f"{side}_wrist"] = (markers[f"{letter}WRA"] + markers[f"{letter}WRB"]) / 2
        knee, ankle = markers[f"{letter}KNE"], markers[f"{letter}ANK"]
        # A knee bends backwards: cross(thigh, shin) points left. An elbow bends forwards.
        thigh_wand = markers.get(f"{letter}THI")
        leg = _Hinge(
            points[f"{side}_hip"], knee, ankle, KNEE_INWARDS_M, ANKLE_INWARDS_M, thigh_wand
        )
        outwards = leg.outwards(sign, sign * across)
        points[f"{side}_knee"] = knee - KNEE_INWARDS_M * outwards
        points[f"{side}_ankle"] = ankle - ANKLE_INWARDS_M * outwards
        elbow = markers[f"{letter}ELB"]
        arm_wand = markers.get(f"{letter}UPA")
        shoulder, wrist = points[f"{side}_shoulder"], points[f"{side}_wrist"]
        arm = _Hinge(shoulder, elbow, wrist, ELBOW_INWARDS_M, 0.0, arm_wand)
        outwards = arm.outwards(-sign, sign * shoulders_across)
        points[f"{side}_elbow"] = elbow - ELBOW_INWARDS_M * outwards
    points |= _trunk_and_head(markers)
    toes = {side: f"{side}_toe" for side, letter in (("left", "L"), ("right", "R"))}
    points |= {
        toes[s]: markers[f"{s[0].upper()}TOE"] for s in toes if f"{s[0].upper()}TOE" in markers
    }
    joints = {
        name: {name: 1.0} for name in points if name in (*_LIMBS, "thorax", "neck", "head_top")
    }
    chain = ("middle_of_the_trunk",) if "middle_of_the_trunk" in points else ()
    toes = {side: name for side, name in toes.items() if name in points}
    return points, JointMatch("Plug-in Gait markers", joints, chain, toes)


_LIMBS = tuple(
    f"{side}_{joint}"
    for side in ("left", "right")
    for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
)


def _hips(markers: Points) -> Points:
    """Hip joint centres by the regression of Harrington et al. without leg length, millimetres."""
    left, right = markers["LASI"], markers["RASI"]
    psis = [markers[name] for name in ("LPSI", "RPSI") if name in markers]
    back = sum(psis, np.zeros(3)) / 2 if len(psis) == 2 else markers["SACR"]
    origin = (left + right) / 2
    rightwards = _unit(right - left)
    up = _unit(np.cross(rightwards, origin - back))
    front = np.cross(up, rightwards)
    width_mm = 1000 * _median_length(right - left)
    depth_mm = 1000 * _median_length(origin - back)
    forward = (-0.24 * depth_mm - 9.9) / 1000
    upward = (-0.30 * width_mm - 10.9) / 1000
    sideward = (0.33 * width_mm + 7.3) / 1000
    middle = origin + forward * front + upward * up
    return {
        "left_hip": middle - sideward * rightwards,
        "right_hip": middle + sideward * rightwards,
    }


@dataclass(frozen=True, eq=False)
class _Hinge:
    """A limb of two bones with markers beside its joints.

    Parameters
    ----------
    start : (T, 3) ndarray
        Its upper joint.
    marker, end : (T, 3) ndarray
        Beside the joint between the bones, and at the lower end.
    inwards, end_inwards : float
        How far the joints lie inside of these, metres.
    wand : (T, 3) ndarray or None
        A third marker on the upper bone.
    """

    start: np.ndarray
    marker: np.ndarray
    end: np.ndarray
    inwards: float
    end_inwards: float
    wand: np.ndarray | None

    def outwards(self, sign: float, otherwise: np.ndarray) -> np.ndarray:
        """(T, 3) unit vectors along the axis of the joint, away from the body.

        `sign` makes the axis about which the limb bends point outwards; `otherwise` is taken
        where that axis is never seen, or the upper bone has no third marker.
        """
        upper = _unit(self.marker - self.start)
        outwards = _across(otherwise, upper)
        if self.wand is None:
            return outwards
        side = _across(self.wand - self.start, upper)
        frames = np.stack([side, upper, np.cross(side, upper)], axis=-1)
        # The plane in which the limb bends is that of its joints, which lie inwards by the axis
        # that is looked for: each round halves what is left of the error, or better.
        for _ in range(AXIS_ROUNDS):
            axis = self._axis_on_the_bone(sign, outwards, frames)
            if axis is None:
                break
            outwards = _unit(frames @ axis)
        return outwards

    def _axis_on_the_bone(
        self, sign: float, outwards: np.ndarray, frames: np.ndarray
    ) -> np.ndarray | None:
        """(3,) axis of the bend in the upper bone's axes; None where the limb never bends."""
        joint = self.marker - self.inwards * outwards
        end = self.end - self.end_inwards * outwards
        upper, lower = _unit(joint - self.start), _unit(end - joint)
        is_bent = (upper * lower).sum(-1) < np.cos(np.deg2rad(BENT_DEG))
        axis = sign * _unit(np.cross(upper, lower))
        local = np.einsum("tji,tj->ti", frames, axis)[is_bent]
        local = local[np.isfinite(local).all(axis=-1)]
        return np.median(local, axis=0) if len(local) >= MIN_BENT_FRAMES else None


def _trunk_and_head(markers: Points) -> Points:
    """Middle of the trunk, thorax, neck and top of the head, where their markers are."""
    points: Points = {}
    if "T10" in markers and "STRN" in markers:
        points["middle_of_the_trunk"] = (markers["T10"] + markers["STRN"]) / 2
    if "C7" not in markers or "CLAV" not in markers:
        return points
    points["thorax"] = (markers["C7"] + markers["CLAV"]) / 2
    if all(name in markers for name in ("LFHD", "RFHD", "LBHD", "RBHD")):
        front = (markers["LFHD"] + markers["RFHD"]) / 2
        back = (markers["LBHD"] + markers["RBHD"]) / 2
        leftwards = markers["LFHD"] - markers["RFHD"] + markers["LBHD"] - markers["RBHD"]
        up = _unit(np.cross(front - back, leftwards))
        points["head_top"] = (front + back) / 2 + HEAD_TOP_ABOVE_BAND_M * up
        points["neck"] = (points["thorax"] + points["head_top"]) / 2
    return points


def _across(vectors: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Unit vectors across an axis, as near to the given ones as possible."""
    axis = _unit(axis)
    return _unit(vectors - (vectors * axis).sum(-1, keepdims=True) * axis)


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, np.nan)


def _median_length(vectors: np.ndarray) -> float:
    length = np.linalg.norm(vectors, axis=-1)
    length = length[np.isfinite(length)]
    return float(np.median(length)) if len(length) else np.nan
