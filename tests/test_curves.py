"""Curves of a joint over time."""

import numpy as np
import pytest

from pose_core.analysis.curves import has_angle, joint_curves
from pose_core.errors import ConfigError
from pose_core.skeleton import H36M_17

ELBOW, WRIST = H36M_17.index("left_elbow"), H36M_17.index("left_wrist")


def parabola(times_s):
    """A left wrist on a parabola; everything else at rest."""
    xyz = np.zeros((len(times_s), 17, 3))
    xyz[:, WRIST, 0] = 1 + 2 * times_s
    xyz[:, WRIST, 1] = 1.5 * times_s**2
    return xyz


def test_speed_and_acceleration_of_a_parabola_are_exact_at_uneven_times():
    times_s = np.array([0.0, 0.04, 0.07, 0.2, 0.21, 0.3])
    xyz = parabola(times_s)
    speed = joint_curves(xyz, times_s, WRIST, "speed")
    exact = np.hypot(2, 3 * times_s)[:, None]
    np.testing.assert_allclose(speed[1:-1], exact[1:-1])
    acceleration = joint_curves(xyz, times_s, WRIST, "acceleration")
    np.testing.assert_allclose(acceleration[1:-1], 3.0)
    assert np.isnan(acceleration[[0, -1]]).all()
    np.testing.assert_array_equal(joint_curves(xyz, times_s, WRIST, "position"), xyz[:, WRIST])


def test_a_missing_frame_takes_its_neighbours_along_and_no_more():
    times_s = np.arange(8) / 25
    xyz = parabola(times_s)
    xyz[3] = np.nan
    speed = joint_curves(xyz, times_s, WRIST, "speed")[:, 0]
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(speed)), [2, 3, 4])
    acceleration = joint_curves(xyz, times_s, WRIST, "acceleration")[1:-1, 0]
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(acceleration)) + 1, [2, 3, 4])
    assert np.isnan(joint_curves(xyz[:1], times_s[:1], WRIST, "speed")).all()


def test_angles_of_an_arm():
    xyz = np.zeros((3, 17, 3))
    xyz[:, ELBOW] = (0, 0.3, 0)
    xyz[:, WRIST] = [(0, 0.5, 0), (0.2, 0.3, 0), (0, 0.1, 0)]
    angle = joint_curves(xyz, np.arange(3.0), ELBOW, "angle")
    np.testing.assert_allclose(angle[:, 0], [0, 90, 180], atol=1e-9)


def test_angles_are_where_two_bones_meet():
    names = {H36M_17.joint_names[j] for j in range(17) if has_angle(j)}
    assert {"left_elbow", "right_knee", "left_hip"} <= names
    assert not names & {"pelvis", "thorax", "left_wrist", "head_top"}
    with pytest.raises(ConfigError, match="left_wrist"):
        joint_curves(np.zeros((2, 17, 3)), np.arange(2.0), WRIST, "angle")
    with pytest.raises(ConfigError, match="confidence"):
        joint_curves(np.zeros((2, 17, 3)), np.arange(2.0), WRIST, "confidence")
