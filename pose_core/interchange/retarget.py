"""From joint positions to a BVH skeleton: constant bones, and rotations with a steady twist.

Positions leave one freedom open for each bone: its turn about itself (twist). It is taken from
the hip and shoulder lines for the trunk, and for limbs from the axis about which the elbow or
knee bends, so that the lower limb turns like a hinge. Where a limb is nearly straight that axis
is not seen; `steady_hinge` carries it over from the frames before and after.

The rest pose is a T-pose on the ground plane's axes: x to the person's left, y up, z forward.
Hands and feet have no joints beyond wrist and ankle: they keep their rest angle.
"""

from dataclasses import dataclass

import numpy as np

from pose_core.errors import ExportError
from pose_core.interchange.bvh import BvhMotion
from pose_core.interchange.rotations import (
    ZXY_CHANNELS,
    norm,
    steady_hinge,
    to_zxy_degrees,
    turned,
    unit,
)
from pose_core.skeleton import H36M_17

X, Y, Z = np.eye(3)
CM_PER_M = 100.0

# Where the back bends: the pivot lies this part of the way from the pelvis to the spine joint.
# Nearly at the pelvis, so that a back which bends sideways keeps its distance from it (within
# 0.6 mm at 30 degrees); not quite, because importers refuse bones without a length.
PIVOT_SHARE = 0.02

# Sizes that the 17 joints do not show, from the mean proportions of adults (fractions of
# stature: shin 0.246, ankle height 0.039, ankle to toes 0.11, forearm 0.146, hand 0.108;
# Winter, *Biomechanics and Motor Control of Human Movement*, figure 4.1).
ANKLE_HEIGHT_PER_SHIN = 0.039 / 0.246
TOES_PER_SHIN = 0.11 / 0.246
HAND_PER_FOREARM = 0.108 / 0.146

# Name, parent, and the joint of the 17 that it sits on, in depth-first order.
_JOINTS = (
    ("Hips", "", "pelvis"),
    ("Spine", "Hips", ""),
    ("Spine1", "Spine", "spine"),
    ("Neck", "Spine1", "thorax"),
    ("Head", "Neck", "neck"),
    ("Head_end", "Head", "head_top"),
    ("LeftShoulder", "Spine1", ""),
    ("LeftArm", "LeftShoulder", "left_shoulder"),
    ("LeftForeArm", "LeftArm", "left_elbow"),
    ("LeftHand", "LeftForeArm", "left_wrist"),
    ("LeftHand_end", "LeftHand", ""),
    ("RightShoulder", "Spine1", ""),
    ("RightArm", "RightShoulder", "right_shoulder"),
    ("RightForeArm", "RightArm", "right_elbow"),
    ("RightHand", "RightForeArm", "right_wrist"),
    ("RightHand_end", "RightHand", ""),
    ("LeftUpLeg", "Hips", "left_hip"),
    ("LeftLeg", "LeftUpLeg", "left_knee"),
    ("LeftFoot", "LeftLeg", "left_ankle"),
    ("LeftFoot_end", "LeftFoot", ""),
    ("RightUpLeg", "Hips", "right_hip"),
    ("RightLeg", "RightUpLeg", "right_knee"),
    ("RightFoot", "RightLeg", "right_ankle"),
    ("RightFoot_end", "RightFoot", ""),
)
ROOT_CHANNELS = ("Xposition", "Yposition", "Zposition", *ZXY_CHANNELS)
BVH_NAMES = tuple(name for name, _, _ in _JOINTS)
BVH_PARENTS = tuple(BVH_NAMES.index(parent) if parent else -1 for _, parent, _ in _JOINTS)
# BVH joint of each of the 17 joints.
BVH_OF_H36M = {joint: name for name, _, joint in _JOINTS if joint}


def to_y_up_cm(camera_xyz: np.ndarray) -> np.ndarray:
    """Camera metres (..., 3) to y-up centimetres: x right, y up, z towards the camera."""
    return camera_xyz * np.array([CM_PER_M, -CM_PER_M, -CM_PER_M])


def bvh_motion(xyz_cm: np.ndarray, fps: float) -> BvhMotion:
    """Fit a BVH skeleton with constant bones to positions.

    Each bone points from where the fitted skeleton has its root to where the joint should be, so
    that errors of bone length do not add up along a limb.

    Parameters
    ----------
    xyz_cm : (T, 17, 3) ndarray
        Finite positions, y up, centimetres.
    fps : float
        Frames per second.

    Returns
    -------
    BvhMotion
    """
    return _Fit(np.asarray(xyz_cm, dtype=np.float64), fps).motion()


def h36m_positions(motion: BvhMotion) -> np.ndarray:
    """(T, 17, 3) positions of the 17 joints in a motion made by `bvh_motion`.

    Raises
    ------
    ExportError
        If the motion has another skeleton.
    """
    picks = [motion.index(BVH_OF_H36M[name]) for name in H36M_17.joint_names]
    return motion.forward_kinematics()[0][:, picks]


@dataclass(frozen=True, eq=False)
class RoundTripError:
    """Distance between exported poses and what the BVH file holds, millimetres.

    Parameters
    ----------
    mean_mm, max_mm : (17,) float64 ndarray
        Per joint, over all frames.
    """

    mean_mm: np.ndarray
    max_mm: np.ndarray

    def __str__(self) -> str:
        worst = int(np.argmax(self.max_mm))
        return (
            f"read back: mean {self.mean_mm.mean():.1f} mm from the poses, "
            f"at most {self.max_mm[worst]:.1f} mm ({H36M_17.joint_names[worst]})"
        )


def bvh_round_trip_error_mm(motion: BvhMotion, xyz_cm: np.ndarray) -> RoundTripError:
    """How far a BVH file, read back, lies from the positions it was made of.

    Parameters
    ----------
    motion : BvhMotion
        As read from the file.
    xyz_cm : (T, 17, 3) ndarray
        The positions, y up, centimetres.

    Raises
    ------
    ExportError
        If skeleton or number of frames differ.
    """
    positions = h36m_positions(motion)
    if len(positions) != len(xyz_cm):
        raise ExportError(f"The BVH file has {len(positions)} frames in place of {len(xyz_cm)}.")
    distance_mm = 10.0 * np.linalg.norm(positions - xyz_cm, axis=-1)
    return RoundTripError(distance_mm.mean(axis=0), distance_mm.max(axis=0))


@dataclass(frozen=True, eq=False)
class _Bone:
    """A BVH joint, which of the 17 it points to, and its direction at rest."""

    name: str
    target: str
    rest: np.ndarray
    length_cm: float


class _Fit:
    """One fit: positions in, a world rotation and position for every BVH joint out."""

    def __init__(self, xyz_cm: np.ndarray, fps: float) -> None:
        self.target = {name: xyz_cm[:, i] for i, name in enumerate(H36M_17.joint_names)}
        self.fps = fps
        self.offsets = {"Hips": np.zeros(3)}
        self.positions: dict[str, np.ndarray] = {}
        self.rotations: dict[str, np.ndarray] = {}
        self._fit_trunk()
        self._fit_neck_and_head()
        for side, sign in (("Left", 1.0), ("Right", -1.0)):
            self._fit_arm(side, sign)
            self._fit_leg(side, sign)

    def motion(self) -> BvhMotion:
        """The fit as a BVH motion."""
        channels: list[tuple[str, ...]] = []
        values = [self.positions["Hips"]]
        for name, parent in zip(BVH_NAMES, BVH_PARENTS, strict=True):
            if name not in self.rotations:  # an end site
                channels.append(())
                continue
            local = self.rotations[name]
            if parent >= 0:
                local = np.swapaxes(self.rotations[BVH_NAMES[parent]], -1, -2) @ local
            channels.append(ZXY_CHANNELS if parent >= 0 else ROOT_CHANNELS)
            values.append(to_zxy_degrees(local))
        return BvhMotion(
            names=BVH_NAMES,
            parents=BVH_PARENTS,
            offsets=np.array([self.offsets[name] for name in BVH_NAMES]),
            channels=tuple(channels),
            values=np.concatenate(values, axis=1),
            frame_time_s=1.0 / self.fps,
        )

    def _length(self, start: str, end: str) -> float:
        """Median length of a bone over the clip; people's sides differ by a centimetre or two."""
        return float(np.median(norm(self.target[end] - self.target[start])))

    def _place(self, name: str, offset: np.ndarray) -> None:
        """Set a joint's offset and with it its position; its parent must be turned already."""
        parent = BVH_NAMES[BVH_PARENTS[BVH_NAMES.index(name)]]
        self.offsets[name] = offset
        self.positions[name] = self.positions[parent] + self.rotations[parent] @ offset

    def _aim(self, name: str, target: str, rest: np.ndarray) -> np.ndarray:
        """(T, 3) unit vectors from a placed joint to one of the 17."""
        return unit(self.target[target] - self.positions[name], rest)

    def _fit_trunk(self) -> None:
        target = self.target
        hips_across = target["left_hip"] - target["right_hip"]
        shoulders_across = target["left_shoulder"] - target["right_shoulder"]
        both_across = unit(hips_across, X) + unit(shoulders_across, X)
        up = target["spine"] - target["pelvis"]
        hips = turned(unit(hips_across, X), up, X, Y)
        self.rotations["Hips"] = hips
        # The legs hang on the hip joints: these come out right in every frame, the pelvis on
        # the median.
        hip_middle = (target["left_hip"] + target["right_hip"]) / 2
        from_pelvis = np.einsum("tji,tj->ti", hips, hip_middle - target["pelvis"])
        self.hip_offset = np.median(from_pelvis, axis=0) * (Y + Z)
        self.positions["Hips"] = hip_middle - hips @ self.hip_offset

        pivot_cm = PIVOT_SHARE * self._length("pelvis", "spine")
        self._place("Spine", pivot_cm * Y)
        self.rotations["Spine"] = turned(self._aim("Spine", "spine", Y), both_across, Y, X)
        lower_back = np.median(norm(target["spine"] - self.positions["Spine"]))
        self._place("Spine1", float(lower_back) * Y)
        self.rotations["Spine1"] = turned(self._aim("Spine1", "thorax", Y), shoulders_across, Y, X)

    def _fit_neck_and_head(self) -> None:
        # Two points do not show where the face is: it looks where the chest does.
        chest_across = self.rotations["Spine1"][:, :, 0]
        self._place("Neck", self._length("spine", "thorax") * Y)
        self.rotations["Neck"] = turned(self._aim("Neck", "neck", Y), chest_across, Y, X)
        self._place("Head", self._length("thorax", "neck") * Y)
        self.rotations["Head"] = turned(self._aim("Head", "head_top", Y), chest_across, Y, X)
        self._place("Head_end", self._length("neck", "head_top") * Y)

    def _fit_arm(self, side: str, sign: float) -> None:
        shoulder, elbow, wrist = (f"{side.lower()}_{j}" for j in ("shoulder", "elbow", "wrist"))
        outwards, chest = sign * X, self.rotations["Spine1"]
        collar = f"{side}Shoulder"
        self._place(collar, self.offsets["Neck"])
        self.rotations[collar] = turned(
            self._aim(collar, shoulder, outwards), chest[:, :, 1], outwards, Y
        )
        self._place(f"{side}Arm", self._length("thorax", shoulder) * outwards)
        # Palms down, the elbow bends forward: about -y on the left, about +y on the right.
        forearm_cm = self._length(elbow, wrist)
        self._fit_chain(
            _Bone(f"{side}Arm", elbow, outwards, self._length(shoulder, elbow)),
            _Bone(f"{side}ForeArm", wrist, outwards, forearm_cm),
            -sign * Y,
            chest,
        )
        self._add_tip(f"{side}Hand", forearm_cm * outwards)
        self._place(f"{side}Hand_end", HAND_PER_FOREARM * forearm_cm * outwards)

    def _fit_leg(self, side: str, sign: float) -> None:
        hip, knee, ankle = (f"{side.lower()}_{j}" for j in ("hip", "knee", "ankle"))
        hip_cm = self._length("left_hip", "right_hip") / 2
        self._place(f"{side}UpLeg", self.hip_offset + sign * hip_cm * X)
        shin_cm = self._length(knee, ankle)
        self._fit_chain(
            _Bone(f"{side}UpLeg", knee, -Y, self._length(hip, knee)),
            _Bone(f"{side}Leg", ankle, -Y, shin_cm),
            X,
            self.rotations["Hips"],
        )
        self._add_tip(f"{side}Foot", -shin_cm * Y)
        sole = TOES_PER_SHIN * Z - ANKLE_HEIGHT_PER_SHIN * Y
        self._place(f"{side}Foot_end", shin_cm * sole)

    def _fit_chain(
        self,
        upper: _Bone,
        lower: _Bone,
        hinge_at_rest: np.ndarray,
        trunk: np.ndarray,
    ) -> None:
        """Turn two bones, the first of which is placed, with one hinge between them."""
        upper_way = self._aim(upper.name, upper.target, upper.rest)
        # Along the bone, so its end is known before its twist.
        self.positions[lower.name] = self.positions[upper.name] + upper.length_cm * upper_way
        lower_way = self._aim(lower.name, lower.target, lower.rest)
        rest = (upper.rest, hinge_at_rest)
        hinge = steady_hinge(upper_way, lower_way, trunk, rest, self.fps)
        self.rotations[upper.name] = turned(upper_way, hinge, upper.rest, hinge_at_rest)
        self._place(lower.name, upper.length_cm * upper.rest)
        self.rotations[lower.name] = turned(lower_way, hinge, lower.rest, hinge_at_rest)

    def _add_tip(self, name: str, offset: np.ndarray) -> None:
        """Place a hand or foot, which keeps its rest angle."""
        self._place(name, offset)
        self.rotations[name] = self.rotations[BVH_NAMES[BVH_PARENTS[BVH_NAMES.index(name)]]]
