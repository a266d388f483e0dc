"""Ground truth from motion capture: the camera is found from 2D, at any rate and in any format."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pose_core.camera import Camera
from pose_core.data.truth_motion import load_any_truth
from pose_core.errors import DataError
from pose_core.poses import Keypoints2D
from pose_core.skeleton import H36M_17

sys.path.insert(0, str(Path(__file__).parents[1] / "interchange"))
import samples

NEEDED = [i for i, n in enumerate(H36M_17.joint_names) if n.startswith(("left_", "right_"))]


@pytest.fixture
def filmed(session, walking):
    """The z-up walker (50 frames/s) seen by a camera at the side for 1.2 s, with a noisy detector.

    Returns the session (25 frames/s) and the true joints in camera coordinates.
    """
    turn = np.array([[0.8, -0.6, 0], [-0.06, -0.08, -0.995], [0.597, 0.796, -0.1]])
    turn = np.linalg.svd(turn)[0] @ np.linalg.svd(turn)[2]
    camera = Camera(640, 480, 500.0, rotation=turn, translation=np.array([-0.5, 1.0, 5.0]))
    xyz = walking[: 2 * session.clip.num_frames : 2].astype(np.float64)
    rng = np.random.default_rng(0)
    xy = camera.project(xyz) + rng.normal(0, 1.0, (*xyz.shape[:2], 2))
    xy[10, 3] += 200  # slipped
    scores = np.full(xy.shape[:2], 0.9, dtype=np.float32)
    walker = replace(session.tracks[0], keypoints=Keypoints2D(xy.astype(np.float32), scores))
    stranger = session.tracks[1]
    return replace(session, tracks=(stranger, walker), truth=None), camera.to_camera(xyz)


SAVE = {".c3d": samples.save_c3d, ".trc": samples.save_trc, ".bvh": samples.save_world_bvh}


@pytest.mark.parametrize("suffix", SAVE)
def test_the_true_poses_come_out_in_the_axes_of_the_camera(tmp_path, filmed, walking, suffix):
    """A recording of twice the rate, which goes on after the clip."""
    session, true_xyz = filmed
    path = tmp_path / f"walk{suffix}"
    SAVE[suffix](path, walking.astype(np.float64), 50.0)
    truth = load_any_truth(path, session)
    relative = true_xyz - true_xyz[:, :1]
    # Along the back and in the head, joints of other programs are put by rules.
    found = np.linalg.norm(truth.poses.xyz - relative, axis=-1)[:, NEEDED]
    assert found.max() < 0.02
    assert np.linalg.norm(truth.poses.root - true_xyz[:, 0], axis=-1).max() < 0.1
    assert truth.source == f"walk{suffix}"
    # It is the walker's, and not the stranger's.
    far = np.linalg.norm(truth.xy - session.tracks[1].keypoints.xy, axis=-1)[:, NEEDED]
    assert np.median(far) < 3


def test_as_many_frames_at_the_same_rate_are_taken_one_by_one(tmp_path, filmed, walking):
    session, _ = filmed
    path = tmp_path / "walk.trc"
    few = walking[: 2 * session.clip.num_frames : 2].astype(np.float64)
    few[20, 5] = np.nan
    samples.save_trc(path, few, 25.1)
    truth = load_any_truth(path, session)
    assert np.argwhere(np.isnan(truth.poses.xyz[..., 0])).tolist() == [[20, 5]]


def test_a_recording_that_ends_early_leaves_the_rest_open(tmp_path, filmed, walking):
    session, _ = filmed
    path = tmp_path / "walk.trc"
    samples.save_trc(path, walking[:61].astype(np.float64), 50.0)
    known = np.isfinite(load_any_truth(path, session).poses.xyz).all((1, 2))
    assert np.flatnonzero(known).tolist() == list(range(31))


def test_another_movement_or_nobody_in_2d_is_refused(tmp_path, filmed, walking):
    session, _ = filmed
    session = session.with_tracks(session.tracks[1:])
    path = tmp_path / "walk.trc"
    samples.save_trc(path, walking[25:].astype(np.float64), 50.0)  # half a stride later
    with pytest.raises(DataError, match=r"does not fall onto anybody's keypoints \(off by"):
        load_any_truth(path, session)
    with pytest.raises(DataError, match="nobody has 2D keypoints") as told:
        load_any_truth(path, session.with_tracks(()))
    assert "Estimate or import" in told.value.hint


def test_npz_is_read_as_ever(tmp_path, filmed):
    session, true_xyz = filmed
    poses = (true_xyz - true_xyz[:, :1]).astype(np.float32)
    np.savez(tmp_path / "a.npz", poses_3d=poses, joint_names=H36M_17.joint_names)
    truth = load_any_truth(tmp_path / "a.npz", session)
    np.testing.assert_array_equal(truth.poses.xyz, poses)
