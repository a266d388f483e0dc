"""A clothed human figure around the joints of a movement."""

import numpy as np

from pose_core.synthesis.movement import Movement
from pose_core.synthesis.solid import FrozenSolid, Solid

SKIN, SHIRT, TROUSERS, SHOES, SOLES, HAIR, EYES, PUPILS, LIPS = range(9)

# RGB as light is reflected (linear), by material.
COLOURS = np.array(
    [
        [0.62, 0.36, 0.25],
        [0.10, 0.27, 0.25],
        [0.075, 0.08, 0.10],
        [0.62, 0.61, 0.58],
        [0.25, 0.22, 0.20],
        [0.035, 0.022, 0.016],
        [0.72, 0.70, 0.68],
        [0.02, 0.015, 0.012],
        [0.42, 0.16, 0.14],
    ],
    dtype=np.float32,
)

# Cloth rounds off where parts of the body meet; fingers and the face do not.
_BLEND_M = np.array(
    [0.005, 0.018, 0.018, 0.008, 0.004, 0.006, 0.002, 0.002, 0.003], dtype=np.float32
)


def build_figure(movement: Movement, frame: int) -> FrozenSolid:
    """The figure in one frame of a movement."""
    solid = Solid(_BLEND_M)
    joints = {name: places[frame] for name, places in movement.joints.items()}
    axes = {name: directions[frame] for name, directions in movement.axes.items()}
    _trunk(solid, joints, axes)
    _head(solid, joints, axes["thorax"], axes["head"])
    for side, sign in (("left", 1.0), ("right", -1.0)):
        _arm(solid, joints, axes, side, sign)
        _leg(solid, joints, axes, side)
    return solid.freeze()


def _trunk(solid: Solid, joints: dict[str, np.ndarray], axes: dict[str, np.ndarray]) -> None:
    spine, pelvis = joints["spine"], joints["pelvis"]
    chest, hips = axes["thorax"], axes["pelvis"]
    solid.ellipsoid(SHIRT, spine + chest @ [0.0, 0, 0.11], chest, (0.105, 0.155, 0.19))
    solid.ellipsoid(SHIRT, spine + chest @ [0.005, 0, -0.07], chest, (0.100, 0.140, 0.16))
    solid.ellipsoid(SHIRT, pelvis + hips @ [0.0, 0, 0.06], hips, (0.112, 0.158, 0.12))
    solid.ellipsoid(TROUSERS, pelvis + hips @ [-0.005, 0, -0.02], hips, (0.110, 0.155, 0.11))
    for sign in (1.0, -1.0):
        shoulder = spine + chest @ [0.0, sign * 0.135, 0.24]
        solid.cone(SHIRT, spine + chest @ [0, 0, 0.25], shoulder, (0.075, 0.06))
        breast = spine + chest @ [0.055, sign * 0.07, 0.17]
        solid.ellipsoid(SHIRT, breast, chest, (0.05, 0.08, 0.065))
        base = spine + chest @ [-0.01, sign * 0.08, 0.275]
        solid.cone(SHIRT, base, spine + chest @ [0.0, sign * 0.03, 0.315], (0.045, 0.04))
        buttock = pelvis + hips @ [-0.05, sign * 0.075, -0.05]
        solid.ellipsoid(TROUSERS, buttock, hips, (0.085, 0.085, 0.09))


def _head(solid: Solid, joints: dict[str, np.ndarray], chest: np.ndarray, head: np.ndarray) -> None:
    centre = joints["head_top"] - head @ [0.0, 0, 0.118]

    def at(x: float, y: float, z: float) -> np.ndarray:
        return centre + head @ [x, y, z]

    solid.cone(
        SKIN, joints["spine"] + chest @ [0.005, 0, 0.27], at(-0.025, 0, -0.05), (0.055, 0.053)
    )
    solid.ellipsoid(SKIN, at(-0.008, 0, 0.012), head, (0.092, 0.072, 0.098))
    solid.ellipsoid(SKIN, at(0.025, 0, -0.035), head, (0.062, 0.058, 0.075))
    solid.cone(SKIN, at(0.02, 0, -0.065), at(0.05, 0, -0.09), (0.042, 0.022), head[:, 0], 0.9)
    solid.cone(SKIN, at(0.086, 0, 0.0), at(0.101, 0, -0.034), (0.007, 0.012))
    solid.ellipsoid(HAIR, at(-0.034, 0, 0.022), head, (0.076, 0.078, 0.098))
    solid.ellipsoid(HAIR, at(-0.014, 0, 0.066), head, (0.082, 0.066, 0.054))
    for sign in (1.0, -1.0):
        solid.ellipsoid(SKIN, at(-0.002, sign * 0.074, -0.015), head, (0.018, 0.009, 0.030))
        solid.ellipsoid(SKIN, at(0.060, sign * 0.036, -0.028), head, (0.018, 0.02, 0.018))
        solid.ellipsoid(HAIR, at(-0.012, sign * 0.060, 0.030), head, (0.042, 0.018, 0.045))
        solid.ellipsoid(EYES, at(0.069, sign * 0.031, 0.003), head, (0.013, 0.0155, 0.0085))
        solid.ellipsoid(PUPILS, at(0.078, sign * 0.031, 0.003), head, (0.0062, 0.0062, 0.0065))
        brow_in, brow_out = at(0.081, sign * 0.016, 0.023), at(0.069, sign * 0.047, 0.022)
        solid.cone(HAIR, brow_in, brow_out, (0.0045, 0.003))
        solid.cone(LIPS, at(0.082, 0, -0.064), at(0.074, sign * 0.021, -0.063), (0.007, 0.004))


def _arm(
    solid: Solid,
    joints: dict[str, np.ndarray],
    axes: dict[str, np.ndarray],
    side: str,
    sign: float,
) -> None:
    shoulder, elbow = joints[f"{side}_shoulder"], joints[f"{side}_elbow"]
    wrist, hand = joints[f"{side}_wrist"], axes[f"{side}_hand"]
    sleeve = shoulder + 0.62 * (elbow - shoulder)
    solid.cone(SHIRT, shoulder, sleeve, (0.060, 0.055))
    solid.cone(SKIN, shoulder, elbow, (0.046, 0.038))
    solid.cone(SKIN, elbow, wrist, (0.037, 0.025))
    belly = elbow + 0.3 * (wrist - elbow)
    solid.cone(SKIN, elbow, belly, (0.036, 0.040))

    def at(x: float, y: float, z: float) -> np.ndarray:
        return wrist + hand @ [x, sign * y, z]

    solid.cone(SKIN, at(0, 0, -0.02), at(0.002, 0, -0.075), (0.031, 0.038), hand[:, 1], 0.42)
    solid.cone(SKIN, at(0.022, -0.004, -0.03), at(0.052, -0.018, -0.075), (0.015, 0.010))
    for finger, reach in enumerate((0.155, 0.172, 0.178, 0.165)):
        x = -0.030 + 0.020 * finger
        knuckle, bend = at(x, 0, -0.090), at(1.08 * x, -0.006, -0.5 * (0.09 + reach))
        solid.cone(SKIN, knuckle, bend, (0.0095, 0.0085))
        solid.cone(SKIN, bend, at(1.1 * x, -0.022, -reach), (0.0085, 0.0070))


def _leg(
    solid: Solid, joints: dict[str, np.ndarray], axes: dict[str, np.ndarray], side: str
) -> None:
    hip, knee, ankle = (joints[f"{side}_{name}"] for name in ("hip", "knee", "ankle"))
    foot = axes[f"{side}_foot"]
    solid.cone(TROUSERS, hip, knee, (0.088, 0.058))
    solid.cone(TROUSERS, knee, ankle + 0.12 * (knee - ankle), (0.057, 0.050))
    backward = -axes["pelvis"][:, 0]
    calf = knee + 0.33 * (ankle - knee)
    shin = ankle - knee
    backward = backward - (backward @ shin) / (shin @ shin) * shin
    calf = calf + 0.018 * backward / np.linalg.norm(backward)
    solid.cone(TROUSERS, calf, calf + 0.2 * shin, (0.056, 0.05))
    solid.cone(SKIN, ankle + 0.2 * (knee - ankle), ankle, (0.034, 0.034))

    def at(x: float, z: float) -> np.ndarray:
        return ankle + foot @ [x + 0.125, 0.0, z - 0.065]  # from the ball of the foot

    up = foot[:, 2]
    solid.cone(SHOES, at(-0.135, 0.055), at(-0.145, 0.02), (0.036, 0.034))
    solid.cone(SHOES, at(-0.14, 0.028), at(0.0, 0.018), (0.038, 0.042), up, 0.85)
    solid.cone(SHOES, at(-0.10, 0.045), at(0.02, 0.015), (0.034, 0.032))
    solid.cone(SHOES, at(0.0, 0.018), at(0.062, 0.012), (0.042, 0.032), up, 0.7)
    solid.cone(SOLES, at(-0.145, -0.008), at(-0.05, -0.008), (0.036, 0.034), up, 0.35)
    solid.cone(SOLES, at(-0.05, -0.008), at(0.065, -0.008), (0.040, 0.032), up, 0.35)
