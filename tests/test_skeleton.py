import numpy as np
import pytest

from pose_core.errors import ConfigError
from pose_core.skeleton import (
    BLAZEPOSE_33,
    COCO_17,
    H36M_17,
    HUMANEVA_14,
    MOCAP_21,
    MPII_16,
    SKELETONS,
    joint_map,
)


@pytest.mark.parametrize(("name", "joints"), [(s, int(s[-2:])) for s in SKELETONS])
def test_every_skeleton_has_the_joints_of_its_name_and_a_sound_tree(name, joints):
    skeleton = SKELETONS[name]
    assert skeleton.num_joints == joints == len(set(skeleton.joint_names))
    for joint in range(joints):
        seen = set()
        while joint >= 0:
            assert joint not in seen
            seen.add(joint)
            joint = skeleton.parents[joint]
    lefts = sum(n.startswith("left_") for n in skeleton.joint_names)
    assert len(skeleton.left_right_pairs) == lefts
    assert (skeleton.mirror_index[skeleton.mirror_index] == np.arange(joints)).all()


def test_canonical_order_is_that_of_human36m():
    assert H36M_17.joint_names[:5] == (
        "pelvis", "right_hip", "right_knee", "right_ankle", "left_hip",
    )  # fmt: skip
    assert H36M_17.joint_names[10:14] == ("head_top", "left_shoulder", "left_elbow", "left_wrist")
    assert len(H36M_17.bones) == 16


def test_blazepose_map_puts_pelvis_between_hips_and_carries_scores(rng):
    m = joint_map(BLAZEPOSE_33, H36M_17)
    points = rng.normal(size=(5, 33, 2))
    scores = rng.random((5, 33))
    mapped = m.apply(points)
    hips = [BLAZEPOSE_33.index("left_hip"), BLAZEPOSE_33.index("right_hip")]
    np.testing.assert_allclose(mapped[:, 0], points[:, hips].mean(1))
    np.testing.assert_allclose(mapped[:, 13], points[:, BLAZEPOSE_33.index("left_wrist")])
    np.testing.assert_allclose(m.apply_scores(scores)[:, 0], scores[:, hips].mean(1))
    scores[2, hips[0]] = 0.0
    assert m.apply_scores(scores)[2, 0] == 0.0, "a missing hip"
    assert (m.apply_scores(scores)[[0, 1, 3, 4], 0] > 0).all()
    assert m.available_mask.all()


@pytest.mark.parametrize(
    ("source", "target"),
    [(BLAZEPOSE_33, H36M_17), (COCO_17, H36M_17), (MPII_16, H36M_17), (HUMANEVA_14, H36M_17)],
)
def test_maps_move_with_the_body(source, target, rng):
    """A map of joints must commute with shifts, turns and scales: its rows sum to one."""
    m = joint_map(source, target)
    points = rng.normal(size=(source.num_joints, 2))
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    moved = 3.0 * points @ turn.T + [5.0, -7.0]
    np.testing.assert_allclose(m.apply(moved), 3.0 * m.apply(points) @ turn.T + [5.0, -7.0])


@pytest.mark.parametrize("other", [MPII_16, HUMANEVA_14])
def test_round_trip_keeps_the_limbs(other, rng):
    points = rng.normal(size=(4, 17, 3))
    there = joint_map(H36M_17, other).apply(points)
    back = joint_map(other, H36M_17).apply(there)
    limbs = [j for j in range(17) if H36M_17.side(j) != "middle"]
    np.testing.assert_allclose(back[:, limbs], points[:, limbs])


def test_mocap_joints_are_picked_by_name(rng):
    points = rng.normal(size=(2, 21, 3))
    picked = joint_map(MOCAP_21, H36M_17).apply(points)
    order = [MOCAP_21.index(name) for name in H36M_17.joint_names]
    np.testing.assert_array_equal(picked, points[:, order])


def test_a_missing_joint_makes_only_its_dependants_missing(rng):
    points = rng.normal(size=(33, 2))
    points[BLAZEPOSE_33.index("left_hip")] = np.nan
    mapped = joint_map(BLAZEPOSE_33, H36M_17).apply(points)
    missing = {H36M_17.joint_names[j] for j in np.flatnonzero(np.isnan(mapped[:, 0]))}
    assert missing == {"pelvis", "left_hip", "spine", "thorax"}


def test_unknown_names_are_refused_by_name():
    with pytest.raises(ConfigError, match="tail"):
        H36M_17.index("tail")
