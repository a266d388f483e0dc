"""Edits of keypoints as plain data: what changes, what stays, and who is said to have done it."""

import numpy as np
import pytest

from pose_core.analysis.keypoint_edits import (
    ABSENT,
    OCCLUDED,
    SWAPPED_JOINTS,
    VISIBLE,
    FramePose,
    Sides,
    box_around,
    box_with_sides,
    confirmed,
    expected_xy,
    found_anew,
    interpolated,
    key_frames,
    next_visibility,
    pasted,
    placed,
    removed,
    shifted,
    span_around,
    standing_in_box,
)
from pose_core.interchange.named_keypoints import HIDDEN_SCORE
from pose_core.poses import (
    SOURCE_DETECTOR,
    SOURCE_INTERPOLATED,
    SOURCE_NONE,
    SOURCE_USER,
    Keypoints2D,
)
from pose_core.skeleton import H36M_17

WRIST, KNEE, HEAD = (H36M_17.index(n) for n in ("left_wrist", "right_knee", "head_top"))


@pytest.fixture
def keypoints() -> Keypoints2D:
    """Twelve frames; the head is nowhere, and nobody is in frame 9."""
    xy = np.random.default_rng(0).uniform(0, 300, (12, 17, 2))
    xy[:, HEAD] = np.nan
    xy[9] = np.nan
    return Keypoints2D(xy, np.where(np.isnan(xy[..., 0]), 0, 0.8))


@pytest.fixture
def pose(keypoints) -> FramePose:
    return FramePose.of(keypoints, 4)


def others(pose, *joints):
    keep = np.setdiff1d(np.arange(17), joints)
    return pose.xy[keep].tobytes(), pose.scores[keep].tobytes(), pose.sources[keep].tobytes()


def test_joints_move_by_fractions_of_a_pixel_and_only_they_do(pose):
    after = shifted(pose, np.array([WRIST, KNEE, HEAD]), 1.25, -0.5)
    for joint in (WRIST, KNEE):
        np.testing.assert_allclose(after.xy[joint], pose.xy[joint] + [1.25, -0.5], rtol=1e-6)
        assert (after.scores[joint], after.sources[joint]) == (1.0, SOURCE_USER)
    assert np.isnan(after.xy[HEAD]).all()
    assert after.sources[HEAD] == SOURCE_NONE
    assert others(after, WRIST, KNEE) == others(pose, WRIST, KNEE)
    assert not after.is_same(pose)
    assert pose.is_same(FramePose(pose.xy.copy(), pose.scores, pose.sources))


def test_visibility_goes_round_and_says_so_in_score_and_source(pose):
    place = tuple(pose.xy[WRIST].tolist())
    marks, after = [int(pose.marks[WRIST])], pose
    for _ in range(3):
        after = next_visibility(after, WRIST, place)
        marks.append(int(after.marks[WRIST]))
        assert after.sources[WRIST] == SOURCE_USER
        assert others(after, WRIST) == others(pose, WRIST)
        if marks[-1] == OCCLUDED:
            assert 0 < after.scores[WRIST] < HIDDEN_SCORE
            moved = shifted(after, np.array([WRIST]), 3, 3)
            assert moved.marks[WRIST] == OCCLUDED  # as it was said to be
        if marks[-1] == ABSENT:
            assert np.isnan(after.xy[WRIST]).all()
            assert after.scores[WRIST] == 0
            assert next_visibility(after, WRIST, None).is_same(after)
    assert marks == [VISIBLE, OCCLUDED, ABSENT, VISIBLE]
    np.testing.assert_array_equal(after.xy, pose.xy)


def test_a_joint_that_a_detector_doubts_is_visible_once_it_was_moved(pose):
    doubted = FramePose(pose.xy, np.full(17, 0.2, np.float32), pose.sources)
    assert doubted.marks[WRIST] == OCCLUDED
    assert shifted(doubted, np.array([WRIST]), 1, 0).marks[WRIST] == VISIBLE
    same_place = confirmed(doubted, WRIST)
    np.testing.assert_array_equal(same_place.xy, pose.xy)
    assert (same_place.sources[WRIST], same_place.marks[WRIST]) == (SOURCE_USER, VISIBLE)
    assert confirmed(pose, HEAD).is_same(pose)


def test_joints_are_placed_and_removed(pose):
    after = placed(pose, HEAD, 12.5, 7.75)
    assert after.xy[HEAD].tolist() == [12.5, 7.75]
    gone = removed(after, np.array([HEAD, KNEE]))
    assert gone.marks[[HEAD, KNEE]].tolist() == [ABSENT, ABSENT]
    assert gone.sources[[HEAD, KNEE]].tolist() == [SOURCE_USER, SOURCE_USER]
    assert others(gone, HEAD, KNEE) == others(pose, HEAD, KNEE)


def test_a_pasted_pose_brings_what_it_has(keypoints, pose):
    copied = removed(FramePose.of(keypoints, 2), np.array([KNEE]))
    after = pasted(pose, copied)
    assert others(after, KNEE, HEAD)[:2] == others(copied, KNEE, HEAD)[:2]
    assert after.xy[KNEE].tolist() == pose.xy[KNEE].tolist()
    assert after.sources[KNEE] == SOURCE_DETECTOR
    assert (np.delete(after.sources, [KNEE, HEAD]) == SOURCE_USER).all()
    changed = after.put_into(keypoints, 4)
    assert FramePose.of(changed, 4).is_same(after)
    np.testing.assert_array_equal(np.delete(changed.xy, 4, 0), np.delete(keypoints.xy, 4, 0))
    np.testing.assert_array_equal(changed.edited_mask, np.arange(12) == 4)
    assert changed.part(3, 6).edited_mask.tolist() == [False, True, False]


def test_interpolation_is_between_frames_in_which_the_joint_itself_was_set(keypoints):
    def edit(frame, known, joint, xy):
        return placed(FramePose.of(known, frame), joint, *xy).put_into(known, frame)

    known = keypoints
    for frame, joint, xy in ((2, WRIST, (10, 50)), (10, WRIST, (50, 10)), (2, KNEE, (5, 5))):
        known = edit(frame, known, joint, xy)
    known = removed(FramePose.of(known, 6), np.array([WRIST])).put_into(known, 6)
    times_s = np.arange(12) ** 1.5  # uneven
    after = interpolated(known, times_s, 0, 12)
    share = (times_s[2:11] - times_s[2]) / (times_s[10] - times_s[2])
    want = np.array([10, 50]) + share[:, None] * [40, -40]
    between = [3, 4, 5, 7, 8, 9]  # 6 was said to be absent
    np.testing.assert_allclose(after.xy[between, WRIST], want[np.array(between) - 2], rtol=1e-6)
    assert (np.asarray(after.sources)[between, WRIST] == SOURCE_INTERPOLATED).all()
    assert np.isnan(after.xy[6, WRIST]).all()
    same = np.ones((12, 17), dtype=bool)
    same[between, WRIST] = False
    for name in ("xy", "scores", "sources"):
        np.testing.assert_array_equal(getattr(after, name)[same], getattr(known, name)[same])
    assert key_frames(after).tolist() == [2, 6, 10]
    assert [span_around(known, f) for f in (1, 2, 5, 6, 10)] == [
        None, (2, 7), (2, 7), (6, 11), None
    ]  # fmt: skip
    # A range with one key frame of a joint has nothing between.
    np.testing.assert_array_equal(interpolated(known, times_s, 3, 12).xy, known.xy)


def test_where_a_missing_joint_is_expected(keypoints):
    found = expected_xy(keypoints, 9)
    middle = (keypoints.xy[8].astype(float) + keypoints.xy[10]) / 2
    np.testing.assert_allclose(np.delete(found, HEAD, 0), np.delete(middle, HEAD, 0))
    assert np.isnan(found[HEAD]).all()
    np.testing.assert_allclose(expected_xy(keypoints, 9, reach=1)[WRIST], middle[WRIST])


def test_somebody_standing_fills_the_box_with_the_right_sides():
    xy = standing_in_box((100, 50, 300, 450))
    assert xy[:, 1].min() == 50
    assert 430 < xy[:, 1].max() <= 450
    assert np.ptp(xy[:, 0]) == 200
    for left, right in H36M_17.left_right_pairs:
        assert xy[left, 0] > 200 > xy[right, 0]
    lower = [H36M_17.index(n) for n in ("head_top", "neck", "thorax", "spine", "pelvis")]
    assert (np.diff(xy[lower, 1]) > 0).all()


def test_what_is_swapped():
    mirror = H36M_17.mirror_index
    for name, joints in SWAPPED_JOINTS.items():
        assert set(mirror[list(joints)]) == set(joints), name
    assert set(SWAPPED_JOINTS["all"]) == set(np.flatnonzero(mirror != np.arange(17)))
    assert set(SWAPPED_JOINTS["arms"]) | set(SWAPPED_JOINTS["legs"]) == set(SWAPPED_JOINTS["all"])


def test_boxes_hold_the_joints_and_keep_their_other_sides(pose):
    x0, y0, x1, y1 = box = box_around(pose, 290, 400)
    known = pose.xy[pose.known_joints]
    assert (x0, y0) <= tuple(known.min(axis=0))
    assert x1 == min(known[:, 0].max() + 0.08 * np.ptp(known, axis=0).max(), 290)
    assert y1 > known[:, 1].max()
    assert box_around(removed(pose, np.arange(16)), 290, 400) is None
    for across in (-1, 0, 1):
        for along in (-1, 0, 1):
            got = box_with_sides(box, Sides(across, along), (100, 120), 290, 400)
            want = [x0, y0, x1, y1]
            if across:
                want[0 if across < 0 else 2] = 100
            if along:
                want[1 if along < 0 else 3] = 120
            assert got == tuple(want)
    low, _, high, _ = box_with_sides(box, Sides(1, 0), (-50, 0), 290, 400)
    assert (low, high) == (x0, x0 + 8)
    assert box_with_sides(box, Sides(1, 1), (1e4, 1e4), 290, 400)[2:] == (290, 400)


def test_what_was_edited_is_not_found_anew(pose):
    edited = removed(shifted(pose, np.array([WRIST]), 3, 4), np.array([KNEE]))
    found = FramePose(pose.xy + 9, pose.scores * 0.5, np.ones(17, np.uint8))
    after = found_anew(edited, found)
    for joint in range(17):
        origin = edited if joint in (WRIST, KNEE) else found
        np.testing.assert_array_equal(after.xy[joint], origin.xy[joint])
        assert after.scores[joint] == origin.scores[joint]
        assert after.sources[joint] == origin.sources[joint]
