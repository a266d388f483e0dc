"""Which way is up for a camera of unknown tilt, told by the people who stand in front of it."""

import numpy as np

from pose_core.geometry import rotation_between
from pose_core.skeleton import H36M_17

UP = np.array([0.0, -1.0, 0.0])  # of a level camera; its y points down

# Standing: legs and trunk in one line, within this angle.
STANDING_DEG = 15.0
MIN_STANDING_FRAMES = 5


def levelling_rotation(camera_xyz: np.ndarray) -> np.ndarray | None:
    """Rotation that makes a standing person upright on average.

    A standing person is balanced: from the middle of the ankles to the thorax is upward on
    average. Only frames with legs and trunk in one line count.

    Parameters
    ----------
    camera_xyz : (T, 17, 3) ndarray
        Joints in camera coordinates (y down), any unit; NaN where missing.

    Returns
    -------
    (3, 3) ndarray or None
        From the camera's axes to those of a level camera that looks the same way:
        ``camera_xyz @ rotation.T``. None when the person stands in too few frames.
    """
    joint = {name: camera_xyz[:, i] for i, name in enumerate(H36M_17.joint_names)}
    ankles = (joint["left_ankle"] + joint["right_ankle"]) / 2
    up = joint["thorax"] - ankles
    legs, trunk = joint["pelvis"] - ankles, joint["thorax"] - joint["pelvis"]
    scale = np.linalg.norm(legs, axis=-1) * np.linalg.norm(trunk, axis=-1)
    # Missing joints compare as false.
    is_standing = (legs * trunk).sum(-1) > np.cos(np.deg2rad(STANDING_DEG)) * scale
    if is_standing.sum() < MIN_STANDING_FRAMES:
        return None
    mean_up = np.mean(up[is_standing] / np.linalg.norm(up[is_standing], axis=-1)[:, None], axis=0)
    return rotation_between(mean_up, UP)


def tilt_deg(rotation: np.ndarray) -> float:
    """Angle, 0 to 180 degrees, by which a rotation (3, 3) moves the upward direction."""
    return float(np.rad2deg(np.arccos(np.clip(rotation[1, 1], -1.0, 1.0))))
