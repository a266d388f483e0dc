"""Bones left and right and over time, and joint angles."""

import numpy as np
import pytest

from pose_core.bones import bone_lengths
from pose_core.inference.evaluate import illegal_angles
from pose_core.losses.structure import HINGES
from pose_core.metrics.structure import (
    bone_spread_mm,
    paired_bones,
    side_difference_mm,
)
from pose_core.skeleton import H36M_17, MPII_16


def test_paired_bones_are_those_of_the_limbs():
    names = {
        name: tuple(H36M_17.joint_names[j] for j in joints)
        for name, joints in paired_bones().items()
    }
    assert names == {
        "hip bone": ("left_hip", "right_hip"),
        "upper leg": ("left_knee", "right_knee"),
        "lower leg": ("left_ankle", "right_ankle"),
        "collar bone": ("left_shoulder", "right_shoulder"),
        "upper arm": ("left_elbow", "right_elbow"),
        "lower arm": ("left_wrist", "right_wrist"),
    }
    assert set(paired_bones(MPII_16)) == set(names)


def test_the_walker_has_the_bones_that_made_it(walker_xyz):
    # tests/conftest.py: thigh 0.45 m, shin 0.42 m, upper arm 0.3 m, forearm 0.25 m.
    lengths = 1000 * bone_lengths(walker_xyz)
    child = [H36M_17.joint_names[c] for _, c in H36M_17.bones]
    for joint, expected in (("knee", 450), ("ankle", 420), ("elbow", 300), ("wrist", 250)):
        for side in ("left", "right"):
            np.testing.assert_allclose(lengths[:, child.index(f"{side}_{joint}")], expected)
    np.testing.assert_allclose(side_difference_mm(walker_xyz), 0, atol=1e-9)
    np.testing.assert_allclose(bone_spread_mm(walker_xyz), 0, atol=1e-9)


def stretch_left_forearm(xyz, metres):
    """Lengthen the left forearm by so much in each frame."""
    elbow, wrist = H36M_17.index("left_elbow"), H36M_17.index("left_wrist")
    out = xyz.copy()
    bone = xyz[:, wrist] - xyz[:, elbow]
    out[:, wrist] += bone / np.linalg.norm(bone, axis=-1, keepdims=True) * metres[:, None]
    return out


def test_side_difference_and_spread_by_hand(walker_xyz):
    # Every other frame 10 mm longer: lengths 250 and 260, mean 255, standard deviation 5 mm on
    # the left, 0 on the right, 2.5 for the pair.
    longer = np.where(np.arange(len(walker_xyz)) % 2, 0.01, 0.0)
    xyz = stretch_left_forearm(walker_xyz, longer)
    forearm = list(paired_bones()).index("lower arm")
    np.testing.assert_allclose(side_difference_mm(xyz)[:2, forearm], [0, 10], atol=1e-9)
    spread = bone_spread_mm(xyz)
    assert spread[0, forearm] == pytest.approx(2.5)
    np.testing.assert_allclose(np.delete(spread, forearm), 0, atol=1e-9)


def test_exchanging_the_sides_changes_neither(walker_xyz, rng):
    xyz = walker_xyz + 0.02 * rng.normal(size=walker_xyz.shape)
    other = xyz[:, H36M_17.mirror_index]
    np.testing.assert_allclose(side_difference_mm(other), side_difference_mm(xyz))
    np.testing.assert_allclose(bone_spread_mm(other), bone_spread_mm(xyz))


def test_missing_joints_take_only_their_own_bones_away(walker_xyz, rng):
    xyz = walker_xyz + 0.02 * rng.normal(size=walker_xyz.shape)
    holes = xyz.copy()
    holes[:4, H36M_17.index("left_wrist")] = np.nan
    forearm = list(paired_bones()).index("lower arm")
    difference = side_difference_mm(holes)
    assert np.isnan(difference[:4, forearm]).all()
    np.testing.assert_array_equal(difference[4:], side_difference_mm(xyz)[4:])
    # The spread is that of the frames in which the bone is known.
    left = (1000 * bone_lengths(xyz))[4:, 12].std()
    right = (1000 * bone_lengths(xyz))[:, 15].std()
    assert bone_spread_mm(holes)[0, forearm] == pytest.approx((left + right) / 2)
    holes[:, H36M_17.index("left_wrist")] = np.nan
    assert np.isnan(bone_spread_mm(holes)[0, forearm])


def test_illegal_angles_flag_a_knee_bent_forwards_and_nothing_else(walker_xyz):
    assert not illegal_angles(walker_xyz, walker_xyz).any()
    # The camera looks along z at somebody who walks towards it: forwards is -z. A shin that
    # swings forwards from a hanging thigh bends the knee the wrong way.
    xyz = walker_xyz[:3].copy()
    hip, knee, ankle = (H36M_17.index(f"right_{j}") for j in ("hip", "knee", "ankle"))
    xyz[:, knee] = xyz[:, hip] + [0, 0.45, 0]
    xyz[1, ankle] = xyz[1, knee] + [0, 0.3, -0.3]
    xyz[2, ankle] = np.nan
    expected = np.zeros((3, 4))
    expected[1, HINGES.index("right_knee")] = 100
    expected[2, HINGES.index("right_knee")] = np.nan
    np.testing.assert_array_equal(illegal_angles(xyz, xyz), expected)
