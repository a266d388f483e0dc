"""What people do besides stepping, as keyframes for `pose_core.synthesis.script.Script.act`.

Written for the right side: ``near_`` is the acting side, ``far_`` the other. Seconds; degrees and
metres (of a person whose legs measure 0.8 m) that are added to the resting pose.
"""

from collections.abc import Mapping

from pose_core.synthesis.script import Keyframes

Act = Mapping[str, Keyframes]
# Channels that change their sign with the side.
_SIDEWAYS = ("pelvis_turn", "chest_turn", "head_turn", "pelvis_lean", "chest_lean", "sway")


def bump(value: float, *times: float) -> Keyframes:
    """0 at the first time, the value from the second to the one before the last, then 0."""
    rise, *hold, fall = times
    return [(rise, 0.0), *((t, value) for t in hold), (fall, 0.0)]


def on_side(act: Act, side: str) -> dict[str, Keyframes]:
    """The act done with the limbs of one side."""
    other = "left" if side == "right" else "right"
    out: dict[str, Keyframes] = {}
    for channel, frames in act.items():
        if channel in _SIDEWAYS and side == "left":
            out[channel] = [(t, -value) for t, value in frames]
        else:
            out[channel.replace("near_", f"{side}_").replace("far_", f"{other}_")] = frames
    return out


def with_both(act: Act) -> dict[str, Keyframes]:
    """The act done with the limbs of both sides at once; what is sideways is left out."""
    return {
        name: frames
        for side in ("left", "right")
        for name, frames in on_side(act, side).items()
        if name not in _SIDEWAYS
    }


def length_s(act: Act) -> float:
    """When the last keyframe is reached."""
    return max(frames[-1][0] for frames in act.values())


PUNCH: Act = {
    "near_flexion": [(0, 0), (0.4, 34), (0.68, 84), (0.80, 82), (1.15, 30), (1.6, 0)],
    "near_bend": [(0, 0), (0.4, 108), (0.68, -8), (0.80, -6), (1.15, 96), (1.6, 0)],
    "near_twist": [(0, 0), (0.4, 20), (0.68, 14), (0.80, 14), (1.15, 20), (1.6, 0)],
    # The arm aims ahead although the chest turns.
    "near_abduction": [(0, 0), (0.4, 5), (0.68, 24), (0.80, 23), (1.15, 6), (1.6, 0)],
    "near_forward": [(0, 0), (0.4, -5), (0.68, 20), (0.80, 18), (1.15, 0), (1.6, 0)],
    "near_busy": bump(1, 0, 0.3, 1.2, 1.6),
    "far_flexion": bump(32, 0, 0.4, 1.15, 1.6),
    "far_bend": bump(104, 0, 0.42, 1.15, 1.6),
    "far_twist": bump(20, 0, 0.4, 1.15, 1.6),
    "far_busy": bump(1, 0, 0.3, 1.2, 1.6),
    "chest_turn": [(0, 0), (0.4, -10), (0.68, 26), (0.80, 25), (1.15, 4), (1.6, 0)],
    "pelvis_turn": [(0, 0), (0.4, -5), (0.68, 12), (0.80, 12), (1.15, 2), (1.6, 0)],
    "head_turn": [(0, 0), (0.4, 5), (0.68, -14), (0.80, -14), (1.15, -2), (1.6, 0)],
    "chest_pitch": bump(7, 0.35, 0.68, 0.80, 1.4),
    "ahead": [(0, 0), (0.4, -0.02), (0.70, 0.07), (0.82, 0.07), (1.6, 0)],
    "crouch": bump(0.035, 0, 0.4, 1.1, 1.6),
}
KICK: Act = {
    "near_foot_up": [(0.15, 0), (0.55, 0.40), (0.80, 0.60), (0.88, 0.59), (1.15, 0.34), (1.6, 0)],
    "near_foot_ahead": [
        (0.15, 0),
        (0.55, 0.08),
        (0.80, 0.66),
        (0.88, 0.65),
        (1.15, 0.16),
        (1.6, 0),
    ],
    "near_foot_pitch": [
        (0.15, 0),
        (0.4, 30),
        (0.6, 22),
        (0.82, -25),
        (1.15, 18),
        (1.5, 4),
        (1.6, 0),
    ],
    "near_foot_out": bump(-0.04, 0.2, 0.6, 1.1, 1.6),
    "sway": bump(0.085, 0, 0.38, 1.25, 1.8),
    "pelvis_turn": bump(10, 0.2, 0.8, 0.9, 1.6),
    "pelvis_pitch": [(0.1, 0), (0.55, -6), (0.82, -16), (1.1, -5), (1.6, 0)],
    "chest_pitch": [(0.1, 0), (0.55, 2), (0.82, -4), (1.1, 3), (1.6, 0)],
    "chest_turn": bump(-8, 0.2, 0.8, 0.9, 1.6),
    "crouch": bump(0.025, 0, 0.4, 1.2, 1.8),
    "near_flexion": [(0, 0), (0.45, 24), (0.82, -18), (1.2, 15), (1.8, 0)],
    "near_bend": bump(55, 0, 0.5, 1.2, 1.8),
    "near_abduction": bump(16, 0, 0.8, 0.95, 1.8),
    "far_flexion": [(0, 0), (0.45, 14), (0.82, 24), (1.2, 14), (1.8, 0)],
    "far_bend": bump(66, 0, 0.5, 1.2, 1.8),
    "far_twist": bump(12, 0, 0.5, 1.2, 1.8),
    "far_abduction": bump(8, 0, 0.5, 1.2, 1.8),
}
REACH: Act = {
    "near_flexion": [(0, 0), (0.8, 76), (1.2, 80), (2.0, 0)],
    "near_bend": [(0, 0), (0.45, 45), (0.85, -4), (1.2, -4), (1.6, 30), (2.0, 0)],
    "near_forward": bump(16, 0.2, 0.85, 1.2, 2.0),
    "near_shrug": bump(6, 0.2, 0.85, 1.2, 2.0),
    "near_twist": bump(-8, 0.2, 0.85, 1.2, 2.0),
    "near_wrist": bump(-24, 0.3, 0.9, 1.2, 1.9),
    "near_busy": bump(1, 0, 0.4, 1.6, 2.0),
    "chest_turn": bump(18, 0.1, 0.85, 1.2, 2.0),
    "chest_pitch": bump(10, 0.1, 0.85, 1.2, 2.0),
    "pelvis_pitch": bump(6, 0.1, 0.85, 1.2, 2.0),
    "head_turn": bump(-8, 0.1, 0.85, 1.2, 2.0),
    "ahead": bump(0.05, 0, 0.85, 1.2, 2.0),
}
HAND_TO_SHOULDER: Act = {
    "near_flexion": bump(52, 0, 0.7, 1.3, 2.0),
    "near_bend": bump(100, 0, 0.7, 1.3, 2.0),
    "near_twist": bump(48, 0, 0.7, 1.3, 2.0),
    "near_forward": bump(10, 0, 0.7, 1.3, 2.0),
    "near_busy": bump(1, 0, 0.4, 1.6, 2.0),
    "chest_turn": bump(6, 0, 0.7, 1.3, 2.0),
    "head_turn": bump(16, 0, 0.7, 1.3, 2.0),
}
WAVE: Act = {
    "near_abduction": bump(62, 0, 0.7, 2.2, 3.0),
    "near_flexion": bump(12, 0, 0.7, 2.2, 3.0),
    "near_twist": [
        (0, 0),
        (0.7, -88),
        (1.0, -66),
        (1.3, -98),
        (1.6, -66),
        (1.9, -98),
        (2.2, -84),
        (3.0, 0),
    ],
    "near_bend": [(0, 0), (0.7, 72), (2.2, 72), (3.0, 0)],
    "near_busy": bump(1, 0, 0.4, 2.6, 3.0),
    "near_shrug": bump(8, 0, 0.7, 2.2, 3.0),
    "chest_lean": bump(-4, 0, 0.7, 2.2, 3.0),
    "head_turn": bump(-6, 0, 0.7, 2.2, 3.0),
}
SQUAT: Act = {
    "crouch": bump(0.33, 0, 1.1, 1.4, 2.5),
    "ahead": bump(-0.12, 0, 1.1, 1.4, 2.5),
    "pelvis_pitch": bump(30, 0, 1.1, 1.4, 2.5),
    "chest_pitch": bump(9, 0, 1.1, 1.4, 2.5),
    "head_nod": bump(-6, 0, 1.1, 1.4, 2.5),
    "near_flexion": bump(84, 0, 1.0, 1.5, 2.5),
    "far_flexion": bump(84, 0, 1.0, 1.5, 2.5),
    "near_busy": bump(1, 0, 0.5, 2.0, 2.5),
    "far_busy": bump(1, 0, 0.5, 2.0, 2.5),
}
SIT: Act = {
    "crouch": bump(0.35, 0, 1.2, 2.4, 3.6),
    "ahead": bump(-0.30, 0, 1.2, 2.4, 3.6),
    "pelvis_pitch": [(0, 0), (0.7, 32), (1.3, 2), (2.3, 2), (2.9, 34), (3.6, 0)],
    "chest_pitch": [(0, 0), (0.7, 12), (1.3, 4), (2.3, 4), (2.9, 12), (3.6, 0)],
    "near_flexion": bump(32, 0, 1.2, 2.4, 3.6),
    "far_flexion": bump(30, 0, 1.2, 2.4, 3.6),
    "near_bend": bump(42, 0, 1.2, 2.4, 3.6),
    "far_bend": bump(45, 0, 1.2, 2.4, 3.6),
    "near_twist": bump(12, 0, 1.2, 2.4, 3.6),
    "far_twist": bump(12, 0, 1.2, 2.4, 3.6),
}
PICK_UP: Act = {
    "pelvis_pitch": bump(46, 0, 1.2, 1.5, 2.8),
    "chest_pitch": bump(26, 0, 1.2, 1.5, 2.8),
    "crouch": bump(0.26, 0, 1.2, 1.5, 2.8),
    "ahead": bump(-0.14, 0, 1.2, 1.5, 2.8),
    "near_flexion": bump(82, 0, 1.2, 1.5, 2.8),
    "near_forward": bump(12, 0, 1.2, 1.5, 2.8),
    "near_busy": bump(1, 0, 0.5, 2.2, 2.8),
    "far_flexion": bump(40, 0, 1.2, 1.5, 2.8),
    "far_bend": bump(50, 0, 1.2, 1.5, 2.8),
    "chest_turn": bump(14, 0, 1.2, 1.5, 2.8),
}
ARM_UP: Act = {
    "near_flexion": bump(158, 0, 1.0, 1.4, 2.4),
    "near_shrug": bump(18, 0, 1.0, 1.4, 2.4),
    "near_busy": bump(1, 0, 0.5, 2.0, 2.4),
    "chest_pitch": bump(-4, 0, 1.0, 1.4, 2.4),
    "head_nod": bump(-10, 0, 1.0, 1.4, 2.4),
    "chest_lean": bump(4, 0, 1.0, 1.4, 2.4),
}
ARM_OUT: Act = {
    "near_abduction": bump(80, 0, 0.9, 1.3, 2.2),
    "near_shrug": bump(6, 0, 0.9, 1.3, 2.2),
    "near_busy": bump(1, 0, 0.5, 1.8, 2.2),
}
KNEE_LIFT: Act = {
    "near_foot_up": bump(0.42, 0.2, 0.8, 1.0, 1.6),
    "near_foot_ahead": bump(0.14, 0.2, 0.8, 1.0, 1.6),
    "near_foot_pitch": bump(24, 0.2, 0.6, 1.0, 1.5),
    "sway": bump(0.085, 0, 0.4, 1.3, 1.8),
    "near_flexion": bump(-16, 0.2, 0.8, 1.0, 1.6),
    "far_flexion": bump(48, 0.2, 0.8, 1.0, 1.6),
    "far_bend": bump(48, 0.2, 0.8, 1.0, 1.6),
}
SIDE_BEND: Act = {
    "chest_lean": bump(-24, 0, 0.9, 1.2, 2.1),
    "pelvis_lean": bump(-4, 0, 0.9, 1.2, 2.1),
    "near_abduction": bump(150, 0, 0.9, 1.2, 2.1),
    "near_bend": bump(22, 0, 0.9, 1.2, 2.1),
    "near_shrug": bump(18, 0, 0.9, 1.2, 2.1),
}
TWIST: Act = {
    "chest_turn": [(0, 0), (0.8, 36), (1.6, -36), (2.4, 0)],
    "head_turn": [(0, 0), (0.8, 14), (1.6, -14), (2.4, 0)],
    "near_abduction": bump(66, 0, 0.6, 1.8, 2.4),
    "far_abduction": bump(66, 0, 0.6, 1.8, 2.4),
    "near_bend": bump(24, 0, 0.6, 1.8, 2.4),
    "far_bend": bump(24, 0, 0.6, 1.8, 2.4),
}
HANDS_ON_HIPS: Act = {
    "near_abduction": bump(34, 0, 0.7, 2.0, 2.7),
    "far_abduction": bump(34, 0, 0.7, 2.0, 2.7),
    "near_flexion": bump(-16, 0, 0.7, 2.0, 2.7),
    "far_flexion": bump(-16, 0, 0.7, 2.0, 2.7),
    "near_twist": bump(52, 0, 0.7, 2.0, 2.7),
    "far_twist": bump(52, 0, 0.7, 2.0, 2.7),
    "near_bend": bump(76, 0, 0.7, 2.0, 2.7),
    "far_bend": bump(76, 0, 0.7, 2.0, 2.7),
    "head_turn": [(0, 0), (0.9, 30), (1.7, -25), (2.7, 0)],
}
