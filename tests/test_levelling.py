"""A camera's tilt found from the people it sees."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pose_core.levelling import levelling_rotation, tilt_deg
from pose_core.skeleton import H36M_17

UPPER = H36M_17.index("spine")  # the first joint above the hips; so are all after it


def joint(xyz: np.ndarray, name: str) -> np.ndarray:
    return xyz[:, H36M_17.index(name)]


def upward_deg(xyz: np.ndarray) -> np.ndarray:
    """(T,) angles between upward, -y, and the line from the ankles to the thorax."""
    up = joint(xyz, "thorax") - (joint(xyz, "left_ankle") + joint(xyz, "right_ankle")) / 2
    return np.rad2deg(np.arccos(-up[:, 1] / np.linalg.norm(up, axis=-1)))


@pytest.mark.parametrize(("pitch", "roll"), [(11, 0), (-20, 5), (30, -12), (0, 8)])
def test_known_pitch_and_roll_are_undone(walker_xyz, pitch, roll):
    camera = Rotation.from_euler("xz", [pitch, roll], degrees=True).as_matrix()
    rotation = levelling_rotation(walker_xyz @ camera.T)
    assert rotation is not None
    assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    expected_deg = np.rad2deg(np.arccos(camera[1, 1]))
    assert tilt_deg(rotation) == pytest.approx(expected_deg, abs=1.5)
    level = walker_xyz @ camera.T @ rotation.T
    assert upward_deg(level).mean() < 3
    assert np.ptp(joint(level, "pelvis")[:, 1]) < 0.1  # walks on level ground
    # About a level axis: the camera looks the same way, neither more left nor more right.
    assert rotation[0, 2] == pytest.approx(rotation[2, 0], abs=1e-12)


def test_only_frames_in_which_somebody_stands_count(walker_xyz):
    camera = Rotation.from_euler("x", 15, degrees=True).as_matrix()
    tilted = walker_xyz @ camera.T
    alone = levelling_rotation(tilted)
    bent = tilted[:30].copy()
    # Bows by 60 degrees: all joints from the spine upwards.
    bow = Rotation.from_euler("x", 60, degrees=True).as_matrix()
    hips = bent[:, :1]
    bent[:, UPPER:] = (bent[:, UPPER:] - hips) @ bow.T + hips
    nobody = np.full((40, 17, 3), np.nan)
    mixed = levelling_rotation(np.concatenate([bent, nobody, tilted]))
    assert mixed == pytest.approx(alone, abs=1e-12)
    assert levelling_rotation(bent) is None
    assert levelling_rotation(nobody) is None
    assert levelling_rotation(tilted[:4]) is None
    assert levelling_rotation(np.zeros((0, 17, 3))) is None
