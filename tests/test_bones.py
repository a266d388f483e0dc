"""Skeleton fitting: given lengths, the same directions."""

import numpy as np
import pytest

from pose_core.bones import bone_lengths, with_bone_lengths
from pose_core.errors import ConfigError
from pose_core.skeleton import BLAZEPOSE_33, H36M_17, HUMANEVA_14, MPII_16


@pytest.mark.parametrize("skeleton", [H36M_17, MPII_16, HUMANEVA_14, BLAZEPOSE_33])
def test_lengths_are_as_given_and_directions_as_they_were(skeleton):
    """Also where joints are listed before their parents, as in MPII."""
    rng = np.random.default_rng(0)
    xyz = rng.normal(size=(5, skeleton.num_joints, 3))
    lengths = rng.uniform(0.1, 1, len(skeleton.bones))
    fitted = with_bone_lengths(xyz, lengths, skeleton)
    np.testing.assert_allclose(bone_lengths(fitted, skeleton), np.tile(lengths, (5, 1)))
    for parent, child in skeleton.bones:
        before, after = xyz[:, child] - xyz[:, parent], fitted[:, child] - fitted[:, parent]
        cosine = (before * after).sum(-1)
        cosine /= np.linalg.norm(before, axis=-1) * np.linalg.norm(after, axis=-1)
        np.testing.assert_allclose(cosine, 1)
    roots = [joint for joint, parent in enumerate(skeleton.parents) if parent < 0]
    np.testing.assert_array_equal(fitted[:, roots], xyz[:, roots])


def test_a_persons_own_lengths_change_nothing():
    xyz = np.random.default_rng(1).normal(size=(2, 3, 17, 3))
    np.testing.assert_allclose(with_bone_lengths(xyz, bone_lengths(xyz)), xyz)


def test_one_pose_for_people_of_several_sizes():
    xyz = np.random.default_rng(2).normal(size=(17, 3))
    lengths = bone_lengths(xyz) * np.array([[0.5], [2.0]])
    fitted = with_bone_lengths(xyz, lengths)
    assert fitted.shape == (2, 17, 3)
    np.testing.assert_allclose(fitted - xyz[0], (xyz - xyz[0]) * [[[0.5]], [[2.0]]])


def test_bones_without_direction_and_missing_joints():
    xyz = np.random.default_rng(3).normal(size=(2, 17, 3))
    xyz[0, 2] = xyz[0, 1]  # right knee on the right hip
    xyz[1, 11] = np.nan  # left shoulder
    fitted = with_bone_lengths(xyz, np.full(16, 0.3))
    np.testing.assert_array_equal(fitted[0, 2], fitted[0, 1])
    assert np.linalg.norm(fitted[0, 3] - fitted[0, 2]) == pytest.approx(0.3)
    missing = np.isnan(fitted[1]).any(-1)
    assert np.flatnonzero(missing).tolist() == [11, 12, 13]


def test_wrong_lengths_are_refused():
    with pytest.raises(ConfigError, match="16 bone lengths"):
        with_bone_lengths(np.zeros((17, 3)), np.ones(17))
    with pytest.raises(ConfigError, match="smallest -1"):
        with_bone_lengths(np.zeros((17, 3)), np.array([-1.0] + [1.0] * 15))
