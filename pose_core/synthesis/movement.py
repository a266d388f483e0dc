"""A short movement written as formulas: a person walks along a curve, squats, lifts a knee.

World coordinates: x right, y away from the camera, z up, metres, the floor at z = 0. The person's
own axes: x forward, y left, z up. Feet stay where they stand; legs are bent to reach them.
"""

from dataclasses import dataclass

import numpy as np

from pose_core.skeleton import H36M_17

FPS = 30
NUM_FRAMES = 9 * FPS

# Bone lengths and offsets of an adult of 1.74 m, metres.
_THIGH, _SHIN, _UPPER_ARM, _FOREARM = 0.43, 0.42, 0.29, 0.25
_HIP_SIDE, _SHOULDER_SIDE = 0.09, 0.185
_SPINE_UP, _SHOULDER_UP, _THORAX_UP = 0.25, 0.25, 0.265
_STAND_HEIGHT = 0.915  # of the pelvis
# In the foot's axes, from the ball of the foot.
_ANKLE_FROM_BALL = np.array([-0.125, 0.0, 0.065])
_BALL_HEIGHT, _HEEL_TO_BALL = 0.022, 0.18
_SIDES = {"left": 1.0, "right": -1.0}

# The plan, seconds.
_FIRST_STEP_S, _STEP_S, _SWING_S, _NUM_STEPS = 0.4, 0.5, 0.4, 7
_WALK_END_S = _FIRST_STEP_S + _NUM_STEPS * _STEP_S
_SQUAT_S = (4.1, 6.7)
_KNEE_LIFT_S = (6.9, 8.8)
# The path on the floor: straight to the left, then a curve towards the camera.
_STRAIGHT_M, _CURVE_RADIUS_M, _CURVE_ANGLE = 0.5, 1.4, np.radians(90)
_PATH_M = _STRAIGHT_M + _CURVE_RADIUS_M * _CURVE_ANGLE


@dataclass(frozen=True, eq=False)
class Movement:
    """Positions and directions of a body over T frames, in the world.

    Parameters
    ----------
    joints : dict of str to (T, 3) ndarray
        The 17 joints by name, metres.
    axes : dict of str to (T, 3, 3) ndarray
        Columns are the forward, left and up directions of the pelvis, the thorax, the head, and
        of each hand and foot (``left_hand``; a hand's "down" points to the fingers).
    """

    joints: dict[str, np.ndarray]
    axes: dict[str, np.ndarray]

    @property
    def positions(self) -> np.ndarray:
        """(T, 17, 3) joints in the order of Human3.6M-17, metres."""
        return np.stack([self.joints[name] for name in H36M_17.joint_names], axis=1)


def make_movement(num_frames: int = NUM_FRAMES) -> Movement:
    """Compute the movement at 30 frames per second."""
    t = np.arange(num_frames) / FPS
    squat = _bump(t, *_SQUAT_S, rise=1.1)
    lift = _bump(t, *_KNEE_LIFT_S, rise=0.7)
    place, heading = _path(_walked(t))
    walk = _ease((t - _FIRST_STEP_S) / 0.6) * _ease((_WALK_END_S - t) / 0.6)
    phase = np.pi * (t - _FIRST_STEP_S) / _STEP_S  # pi for each step; the left foot steps first
    swing = walk * np.sin(phase - 0.6)

    joints: dict[str, np.ndarray] = {}
    axes: dict[str, np.ndarray] = {}
    balls = {side: _foot(side, t, lift, axes) for side in _SIDES}
    axes["pelvis"] = _turn("z", heading + 0.10 * swing) @ _turn("y", 0.05 + 0.45 * squat)
    height = _STAND_HEIGHT - 0.012 * walk * (1 + np.cos(2 * phase)) - 0.37 * squat - 0.01 * lift
    to_right = _turn("z", heading)[:, :, 1] * -1.0
    sway = 0.022 * walk * np.sin(phase + 0.2) + 0.07 * lift
    back = -_turn("z", heading)[:, :, 0] * (0.14 * squat)[:, None]
    pelvis = place + back + to_right * sway[:, None]
    pelvis[:, 2] = height
    joints["pelvis"] = pelvis
    _add_trunk(joints, axes, heading, swing, squat, lift)
    for side in _SIDES:
        _add_leg(side, joints, axes, balls[side], heading)
        _add_arm(side, joints, axes, t, swing, squat, lift)
    return Movement(joints, axes)


def _add_trunk(
    joints: dict[str, np.ndarray],
    axes: dict[str, np.ndarray],
    heading: np.ndarray,
    swing: np.ndarray,
    squat: np.ndarray,
    lift: np.ndarray,
) -> None:
    """Spine, thorax, neck, head and the roots of arms and legs."""
    axes["thorax"] = _turn("z", heading - 0.12 * swing) @ _turn("y", 0.06 + 0.50 * squat)
    # The head follows the path a little ahead of the body, and looks up while squatting.
    look = _turn("z", heading - 0.04 * swing)
    axes["head"] = look @ _turn("y", 0.06 - 0.12 * squat + 0.10 * lift)
    joints["spine"] = joints["pelvis"] + axes["pelvis"] @ [0.01, 0.0, _SPINE_UP]
    thorax = axes["thorax"]
    joints["thorax"] = joints["spine"] + thorax @ [0.015, 0.0, _THORAX_UP]
    skull = joints["spine"] + thorax @ [0.02, 0.0, _THORAX_UP + 0.10]
    joints["neck"] = skull + axes["head"] @ [0.045, 0.0, 0.045]
    joints["head_top"] = skull + axes["head"] @ [0.015, 0.0, 0.19]
    for side, sign in _SIDES.items():
        joints[f"{side}_hip"] = joints["pelvis"] + axes["pelvis"] @ [0.0, sign * _HIP_SIDE, 0.0]
        offset = [0.0, sign * _SHOULDER_SIDE, _SHOULDER_UP]
        joints[f"{side}_shoulder"] = joints["spine"] + thorax @ offset


def _add_leg(
    side: str,
    joints: dict[str, np.ndarray],
    axes: dict[str, np.ndarray],
    ball: np.ndarray,
    heading: np.ndarray,
) -> None:
    """Bend hip and knee so that the foot stays where it is."""
    hip = joints[f"{side}_hip"]
    ankle = ball + axes[f"{side}_foot"] @ _ANKLE_FROM_BALL
    towards = ankle - hip
    distance = np.linalg.norm(towards, axis=-1, keepdims=True)
    reach = np.minimum(distance, 0.998 * (_THIGH + _SHIN))
    towards /= distance
    forward = _turn("z", heading) @ [1.0, _SIDES[side] * 0.22, 0.0]
    forward -= (forward * towards).sum(-1, keepdims=True) * towards
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    along = (_THIGH**2 - _SHIN**2 + reach**2) / (2 * reach)
    joints[f"{side}_knee"] = hip + along * towards + np.sqrt(_THIGH**2 - along**2) * forward
    joints[f"{side}_ankle"] = hip + reach * towards


def _add_arm(
    side: str,
    joints: dict[str, np.ndarray],
    axes: dict[str, np.ndarray],
    t: np.ndarray,
    swing: np.ndarray,
    squat: np.ndarray,
    lift: np.ndarray,
) -> None:
    """Swing against the leg of the same side; both forward in the squat; one at the knee lift."""
    sign = _SIDES[side]
    is_reaching = side == "right"  # opposite to the lifted left knee
    arms_up = _bump(t, _SQUAT_S[0] - 0.1, _SQUAT_S[1] + 0.1, rise=0.9)
    reach = lift if is_reaching else -0.35 * lift
    flexion = 0.05 + 0.42 * sign * swing + 1.70 * arms_up + 0.40 * squat + 1.5 * reach
    abduction = sign * (0.13 - 0.08 * arms_up + 0.12 * lift)
    bend = 0.25 + 0.18 * sign * swing + 0.10 * arms_up + (0.35 if is_reaching else 0.5) * lift
    upper = axes["thorax"] @ _turn("y", -flexion) @ _turn("x", abduction)
    lower = upper @ _turn("y", -bend)
    joints[f"{side}_elbow"] = joints[f"{side}_shoulder"] - _UPPER_ARM * upper[:, :, 2]
    joints[f"{side}_wrist"] = joints[f"{side}_elbow"] - _FOREARM * lower[:, :, 2]
    axes[f"{side}_hand"] = lower @ _turn("y", np.full(len(t), -0.12))


# --- the path and the feet -----------------------------------------------------------------------


def _walked(t: np.ndarray) -> np.ndarray:
    """Metres along the path: from rest to an even pace and back to rest."""
    ramp = 0.6
    u = np.clip(t - _FIRST_STEP_S, 0, _WALK_END_S - _FIRST_STEP_S - 0.1)
    total = _WALK_END_S - _FIRST_STEP_S - 0.1
    start = np.where(u < ramp, u**2 / (2 * ramp), u - ramp / 2)
    rest = np.maximum(u - (total - ramp), 0)
    return _PATH_M * (start - rest**2 / (2 * ramp)) / (total - ramp)


def _path(walked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Floor position (..., 3) and heading (angle of "forward" from x) at a length of path."""
    bend = np.maximum(walked - _STRAIGHT_M, 0) / _CURVE_RADIUS_M
    x = -np.minimum(walked, _STRAIGHT_M) - _CURVE_RADIUS_M * np.sin(bend)
    y = -_CURVE_RADIUS_M * (1 - np.cos(bend))
    end_bend = _CURVE_ANGLE
    x += _STRAIGHT_M + _CURVE_RADIUS_M * np.sin(end_bend)  # the path ends at the origin
    y += _CURVE_RADIUS_M * (1 - np.cos(end_bend))
    return np.stack([x, y, np.zeros_like(x)], axis=-1), np.pi + bend


def _footprint(side: str, walked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the ball of a foot stands, and its heading, when the body is this far."""
    place, heading = _path(walked)
    sign = _SIDES[side]
    forward = np.stack([np.cos(heading), np.sin(heading), np.zeros_like(heading)], axis=-1)
    left = np.stack([-np.sin(heading), np.cos(heading), np.zeros_like(heading)], axis=-1)
    return place + 0.12 * forward + sign * 0.095 * left, heading + sign * 0.12


def _foot(side: str, t: np.ndarray, lift: np.ndarray, axes: dict[str, np.ndarray]) -> np.ndarray:
    """Ball of a foot (T, 3) over the steps; adds the axes of the foot."""
    swings = [_FIRST_STEP_S + k * _STEP_S for k in range(_NUM_STEPS)][_SIDES[side] < 0 :: 2]
    ball, heading = _footprint(side, np.zeros_like(t))
    pitch, height = np.zeros_like(t), np.zeros_like(t)
    for start in swings:
        # The next stance is centred under the body as it passes over.
        stance_middle = start + (_SWING_S + 2 * _STEP_S) / 2
        next_ball, next_heading = _footprint(side, _walked(np.full_like(t, stance_middle)))
        u = (t - start) / _SWING_S
        moved = _ease(u)
        ball += moved[:, None] * (next_ball - ball)
        heading = heading + moved * (next_heading - heading)
        inside = np.clip(u, 0, 1)
        height += 0.09 * np.sin(np.pi * inside) ** 2
        # The heel rises before the swing and touches the floor first after it.
        pitch += 0.75 * np.exp(-(((u + 0.02) / 0.33) ** 2)) - 0.30 * np.exp(
            -(((u - 0.97) / 0.2) ** 2)
        )
    if side == "left":
        height = height + 0.36 * lift
        ball += (0.16 * lift)[:, None] * _turn("z", heading)[:, :, 0]
        pitch = pitch + 0.35 * lift
    ball[:, 2] = _BALL_HEIGHT + height + _HEEL_TO_BALL * np.sin(np.maximum(-pitch, 0))
    axes[f"{side}_foot"] = _turn("z", heading) @ _turn("y", pitch)
    return ball


# --- building blocks -----------------------------------------------------------------------------


def _ease(u: np.ndarray) -> np.ndarray:
    """0 up to u = 0, 1 from u = 1 on, smooth between."""
    u = np.clip(u, 0.0, 1.0)
    return u**3 * (10 - 15 * u + 6 * u**2)


def _bump(t: np.ndarray, start: float, end: float, rise: float) -> np.ndarray:
    """0 outside start..end (seconds), 1 in the middle, with smooth flanks of `rise` seconds."""
    return _ease((t - start) / rise) * _ease((end - t) / rise)


def _turn(axis: str, angle: np.ndarray | float) -> np.ndarray:
    """Rotation matrices (T, 3, 3) by angles (T,) in radians about one axis."""
    angle = np.atleast_1d(angle)
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrices = np.tile(np.eye(3), (len(angle), 1, 1))
    matrices[:, i, i] = matrices[:, j, j] = np.cos(angle)
    matrices[:, j, i] = np.sin(angle)
    matrices[:, i, j] = -np.sin(angle)
    return matrices
