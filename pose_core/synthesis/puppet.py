"""A person made of bones: where the joints are when trunk, arms, feet and head are told what to do.

World coordinates: x right, y away from the camera, z up, metres, the floor at z = 0. The person's
own axes: x forward, y left, z up. Feet stay where they are put; legs bend to reach them.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from pose_core.skeleton import H36M_17
from pose_core.synthesis.body import Body
from pose_core.synthesis.segments import INDEX

SIDES = {"left": 1.0, "right": -1.0}
# A leg is never quite straight, or its knee would snap.
_STRAIGHTEST_LEG, _STANDING_LEG = 0.999, 0.993
# Where the sole touches the floor while the heel is up, from the heel, over its length.
_BALL_OF_SOLE = 0.85
_SOLE_HEIGHT_M = 0.012


@dataclass(frozen=True, eq=False)
class Build:
    """Sizes of a person: offsets (3,) in the person's own axes, left ones of pairs, metres.

    Parameters
    ----------
    hip : from the pelvis.
    spine : from the pelvis.
    thorax, shoulder : from the spine.
    neck, head_top : from the thorax.
    thigh, shin, upper_arm, forearm : float
        Lengths.
    ankle : from the ball of the foot.
    ball_m, sole_m : float
        Height of the ball of the foot in standing; from there back to the heel.
    """

    hip: np.ndarray
    spine: np.ndarray
    thorax: np.ndarray
    shoulder: np.ndarray
    neck: np.ndarray
    head_top: np.ndarray
    thigh: float
    shin: float
    upper_arm: float
    forearm: float
    ankle: np.ndarray
    ball_m: float
    sole_m: float

    @property
    def leg(self) -> float:
        """Length of the stretched leg."""
        return self.thigh + self.shin


def build_of(body: Body, shape: torch.Tensor) -> Build:
    """Sizes of a body with these shape coefficients (K,)."""
    rest = body.rest(shape[None])
    own = torch.stack([-rest[..., 1], rest[..., 0], rest[..., 2]], dim=-1)
    joints = body.joints(own)[0].double().numpy()
    at = {name: joints[i] for i, name in enumerate(H36M_17.joint_names)}
    is_foot = body.vertex_segments == INDEX["left_foot"]
    foot = own[0, : body.num_vertices][is_foot].double().numpy()
    sole = foot[foot[:, 2] < foot[:, 2].min() + 0.012]
    heel, toe = sole[:, 0].min(), sole[:, 0].max()
    ball = np.array([heel + _BALL_OF_SOLE * (toe - heel), sole[:, 1].mean(), sole[:, 2].min()])

    def length(a: str, b: str) -> float:
        return float(np.linalg.norm(at[f"left_{b}"] - at[f"left_{a}"]))

    return Build(
        hip=at["left_hip"] - at["pelvis"],
        spine=at["spine"] - at["pelvis"],
        thorax=at["thorax"] - at["spine"],
        shoulder=at["left_shoulder"] - at["spine"],
        neck=at["neck"] - at["thorax"],
        head_top=at["head_top"] - at["thorax"],
        thigh=length("hip", "knee"),
        shin=length("knee", "ankle"),
        upper_arm=length("shoulder", "elbow"),
        forearm=length("elbow", "wrist"),
        ankle=at["left_ankle"] - ball,
        ball_m=_SOLE_HEIGHT_M,
        sole_m=float(_BALL_OF_SOLE * (toe - heel)),
    )


@dataclass(frozen=True, eq=False)
class Movement:
    """Positions and directions of a body over T frames, in the world.

    Parameters
    ----------
    joints : dict of str to (T, 3) ndarray
        The 17 joints by name, metres.
    axes : dict of str to (T, 3, 3) ndarray
        Columns are the forward, left and up directions of pelvis, chest and head, and of each
        forearm, hand and foot (``left_hand``; "down" points to the fingers).
    """

    joints: dict[str, np.ndarray] = field(default_factory=dict)
    axes: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def positions(self) -> np.ndarray:
        """(T, 17, 3) joints in the order of Human3.6M-17, metres."""
        return np.stack([self.joints[name] for name in H36M_17.joint_names], axis=1)


@dataclass(frozen=True, eq=False)
class Feet:
    """Where the feet are, over T frames.

    Parameters
    ----------
    ball : dict of side to (T, 3) ndarray
        Ball of the foot in the world, metres.
    heading, pitch : dict of side to (T,) ndarray
        Where the foot points (from x, about z) and how far its heel is up, radians.
    centre : (T, 2) ndarray
        Where the pelvis is carried to, metres.
    body_heading : (T,) ndarray
        Where the person faces, radians.
    """

    ball: dict[str, np.ndarray]
    heading: dict[str, np.ndarray]
    pitch: dict[str, np.ndarray]
    centre: np.ndarray
    body_heading: np.ndarray


def pose_puppet(build: Build, feet: Feet, told: dict[str, np.ndarray], fps: float) -> Movement:
    """All joints of a person.

    Parameters
    ----------
    build : Build
    feet : Feet
    told : dict of str to (T,) ndarray
        The channels of `pose_core.synthesis.script`: metres and degrees.
    fps : float
    """
    out = Movement()
    heading = feet.body_heading
    # Stepping turns the hips with the leg that is in front, and the chest against it.
    stride = np.clip(_stride(feet) / build.leg, -1, 1)
    pelvis_yaw = heading - 0.12 * stride + np.radians(told["pelvis_turn"])
    chest_yaw = pelvis_yaw + 0.30 * stride + np.radians(told["chest_turn"])
    chest_pitch = np.radians(told["pelvis_pitch"] + told["chest_pitch"])
    out.axes["pelvis"] = (
        turn("z", pelvis_yaw)
        @ turn("y", np.radians(told["pelvis_pitch"]))
        @ turn("x", np.radians(told["pelvis_lean"]))
    )
    out.axes["chest"] = (
        turn("z", chest_yaw)
        @ turn("y", chest_pitch)
        @ turn("x", np.radians(told["pelvis_lean"] + told["chest_lean"]))
    )
    # The head stays more level and looks more ahead than the chest.
    head_yaw = heading + 0.5 * (chest_yaw - heading) + np.radians(told["head_turn"])
    out.axes["head"] = turn("z", head_yaw) @ turn(
        "y", 0.35 * chest_pitch + np.radians(told["head_nod"])
    )
    for side in SIDES:
        out.axes[f"{side}_foot"] = turn("z", feet.heading[side]) @ turn("y", feet.pitch[side])
        ankle = out.axes[f"{side}_foot"] @ _of_side(build.ankle, side)
        out.joints[f"{side}_ankle"] = feet.ball[side] + ankle
    _place_pelvis(out, build, feet, told, fps)
    _add_trunk(out, build, told)
    for side in SIDES:
        _bend_leg(out, build, side)
        _add_arm(out, build, side, told, stride)
    return out


def _of_side(offset: np.ndarray, side: str) -> np.ndarray:
    return offset * [1.0, SIDES[side], 1.0]


def _stride(feet: Feet) -> np.ndarray:
    """How far (T,) the left foot is in front of the right one, metres."""
    forward = np.stack([np.cos(feet.body_heading), np.sin(feet.body_heading)], axis=-1)
    return ((feet.ball["left"] - feet.ball["right"])[:, :2] * forward).sum(-1)


def _place_pelvis(
    out: Movement, build: Build, feet: Feet, told: dict[str, np.ndarray], fps: float
) -> None:
    """Over the feet, as high as the legs reach, less what the person crouches."""
    yaw = turn("z", feet.body_heading)
    pelvis = np.zeros((len(yaw), 3))
    pelvis[:, :2] = feet.centre
    pelvis += yaw[:, :, 0] * told["ahead"][:, None] + yaw[:, :, 1] * told["sway"][:, None]
    highest = np.full(len(yaw), np.inf)
    for side in SIDES:
        hip = pelvis + out.axes["pelvis"] @ _of_side(build.hip, side)
        way = out.joints[f"{side}_ankle"] - hip
        reach = np.sqrt(np.maximum((_STANDING_LEG * build.leg) ** 2 - way[:, 0] ** 2
                                   - way[:, 1] ** 2, 0.01))  # fmt: skip
        highest = np.minimum(highest, way[:, 2] + reach)
    pelvis[:, 2] = gaussian_filter1d(highest, 0.05 * fps, mode="nearest") - told["crouch"]
    out.joints["pelvis"] = pelvis


def _add_trunk(out: Movement, build: Build, told: dict[str, np.ndarray]) -> None:
    """Hips, spine, thorax, shoulders, neck and head."""
    pelvis, chest = out.axes["pelvis"], out.axes["chest"]
    out.joints["spine"] = out.joints["pelvis"] + pelvis @ build.spine
    out.joints["thorax"] = out.joints["spine"] + chest @ build.thorax
    # Half of a nod happens between thorax and neck, the rest above.
    nape = _half_way(chest, out.axes["head"])
    out.joints["neck"] = out.joints["thorax"] + nape @ build.neck
    skull = out.axes["head"] @ (build.head_top - build.neck)
    out.joints["head_top"] = out.joints["neck"] + skull
    for side, sign in SIDES.items():
        hip = pelvis @ _of_side(build.hip, side)
        out.joints[f"{side}_hip"] = out.joints["pelvis"] + hip
        # The shoulder blade slides forward (and up) about the thorax.
        slide = turn("z", -sign * np.radians(told[f"{side}_forward"]))
        lift = turn("x", sign * np.radians(told[f"{side}_shrug"]))
        offset = slide @ lift @ _of_side(build.shoulder - build.thorax, side)
        place = (chest @ offset[:, :, None])[:, :, 0]
        out.joints[f"{side}_shoulder"] = out.joints["thorax"] + place


def _half_way(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Rotations (T, 3, 3) between two that are not far apart."""
    u, _, v = np.linalg.svd(a + b)
    return u @ v


def _bend_leg(out: Movement, build: Build, side: str) -> None:
    """Put the knee where it must be; knees point where pelvis and foot do on the average."""
    hip, ankle = out.joints[f"{side}_hip"], out.joints[f"{side}_ankle"]
    way = ankle - hip
    distance = np.linalg.norm(way, axis=-1, keepdims=True)
    reach = np.clip(distance, abs(build.thigh - build.shin) + 0.05, _STRAIGHTEST_LEG * build.leg)
    way = way / distance
    forward = out.axes["pelvis"][:, :, 0] + out.axes[f"{side}_foot"][:, :, 0] * [1, 1, 0]
    forward = forward + 0.15 * SIDES[side] * out.axes["pelvis"][:, :, 1]
    forward = forward - (forward * way).sum(-1, keepdims=True) * way
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    along = (build.thigh**2 - build.shin**2 + reach**2) / (2 * reach)
    height = np.sqrt(np.maximum(build.thigh**2 - along**2, 0))
    out.joints[f"{side}_knee"] = hip + along * way + height * forward
    out.joints[f"{side}_ankle"] = hip + reach * way


def _add_arm(
    out: Movement, build: Build, side: str, told: dict[str, np.ndarray], stride: np.ndarray
) -> None:
    """Arms swing against the leg of their side, and do what they are told."""
    sign = SIDES[side]
    back = sign * stride * (1 - np.clip(told[f"{side}_busy"], 0, 1))
    flexion = np.radians(told[f"{side}_flexion"]) - 0.55 * back
    bend = np.radians(np.clip(told[f"{side}_bend"], 4, 150)) - 0.25 * np.minimum(back, 0)
    upper = (
        out.axes["chest"]
        @ turn("y", -flexion)
        @ turn("x", sign * np.radians(told[f"{side}_abduction"]))
        @ turn("z", -sign * np.radians(told[f"{side}_twist"]))
    )
    lower = upper @ turn("y", -bend)
    shoulder = out.joints[f"{side}_shoulder"]
    out.joints[f"{side}_elbow"] = shoulder - build.upper_arm * upper[:, :, 2]
    out.joints[f"{side}_wrist"] = out.joints[f"{side}_elbow"] - build.forearm * lower[:, :, 2]
    out.axes[f"{side}_forearm"] = lower
    out.axes[f"{side}_hand"] = lower @ turn("y", -np.radians(told[f"{side}_wrist"]))


def turn(axis: str, angle: np.ndarray | float) -> np.ndarray:
    """Rotation matrices (T, 3, 3) by angles (T,) in radians about one axis."""
    angle = np.atleast_1d(angle)
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrices = np.tile(np.eye(3), (len(angle), 1, 1))
    matrices[:, i, i] = matrices[:, j, j] = np.cos(angle)
    matrices[:, j, i] = np.sin(angle)
    matrices[:, i, j] = -np.sin(angle)
    return matrices
