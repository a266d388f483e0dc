"""Single-frame slips of the detector are doubted; fast movement is not."""

import numpy as np
import pytest

from pose_core.detection.jumps import doubt_jumps
from pose_core.skeleton import H36M_17

WRIST, KNEE = H36M_17.index("left_wrist"), H36M_17.index("right_knee")


@pytest.fixture
def keypoints(walker_xyz):
    """The walker of the other tests at 30 frames/s, about 100 pixels of trunk."""
    return (
        200.0 * walker_xyz[..., :2],
        np.ones(walker_xyz.shape[:2]),
        np.arange(len(walker_xyz)) / 30,
    )


def doubted(xy, scores, times_s):
    return {tuple(p) for p in np.argwhere(doubt_jumps(xy, scores, times_s, H36M_17) < 0.5).tolist()}


def test_walking_is_not_doubted(keypoints):
    assert doubted(*keypoints) == set()


def test_a_slip_of_one_frame_is_doubted_and_nothing_else(keypoints):
    xy, scores, times_s = keypoints
    xy = xy.copy()
    xy[20, WRIST] += (25, 10)
    xy[31, KNEE] -= (0, 30)
    assert doubted(xy, scores, times_s) == {(20, WRIST), (31, KNEE)}


def test_a_fast_swing_is_movement(keypoints):
    xy, scores, times_s = keypoints
    xy = xy.copy()
    xy[:, WRIST, 0] += 150 * np.sin(2 * np.pi * 2 * times_s)
    assert doubted(xy, scores, times_s) == set()


def test_at_a_low_rate_nothing_can_be_said(keypoints):
    xy, scores, times_s = keypoints
    xy = xy.copy()
    xy[20, WRIST] += (60, 0)
    assert doubted(xy, scores, 3 * times_s) == set()


def test_short_tracks_are_left_alone(keypoints):
    xy, scores, times_s = (a[:2] for a in keypoints)
    np.testing.assert_array_equal(doubt_jumps(xy, scores, times_s, H36M_17), scores)
