"""From keypoints to 3D: rates, gaps, mirror images, long videos, and where the person stands."""

import threading
from functools import partial

import numpy as np
import pytest
import torch

from pose_core.camera import Camera
from pose_core.geometry import root_centre
from pose_core.inference import network_stages
from pose_core.inference.lifter import Lifter, stretches
from pose_core.inference.network_stages import temporal_answer
from pose_core.inference.prefetch import prefetched
from pose_core.inference.resampling import (
    lifter_rate,
    resample_keypoints,
    resample_poses,
    uniform_times,
)
from pose_core.inference.root import estimate_root, stature
from pose_core.models.registry import ModelEntry
from pose_core.models.temporal_conv import TemporalConv, TemporalConvConfig
from pose_core.skeleton import H36M_17


@pytest.fixture
def network():
    torch.manual_seed(0)
    net = TemporalConv(TemporalConvConfig(channels=16, kernel_sizes=(3, 3, 5)))
    torch.nn.init.normal_(net.shrink.weight)
    return net.eval()


@pytest.fixture
def lifter(network):
    entry = ModelEntry(
        name="t", network="temporal_conv", config={}, file="t.safetensors", sha256="", rate_hz=25.0,
        skeleton="h36m17", preprocessing="ray_input", units="metres", training_data="",
        licence="", command="", paper="", num_parameters=0,
    )  # fmt: skip
    return Lifter(
        entry, "cpu", ("network", "fitted skeleton"), partial(temporal_answer, network, "cpu")
    )


def lift_uniform(network, rays, scores):
    return temporal_answer(network, "cpu", rays, scores).stages


@pytest.fixture
def seen(motion):
    """Keypoints of the walker, 50 frames/s, through a camera at the side."""
    rotation = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    camera = Camera(1000, 800, 900.0, rotation=rotation, translation=np.array([-1.5, 1.0, 5.0]))
    xyz = camera.to_camera(motion.positions.astype(np.float64))
    return camera.project(motion.positions), np.ones((len(motion), 17)), xyz, camera


@pytest.mark.parametrize(
    ("fps", "rate"),
    [(25, 25), (30, 30), (60, 30), (50, 25), (24, 24), (10, 20), (5, 25), (120, 24)],
)
def test_grid_falls_on_the_frames_of_the_video(fps, rate):
    assert lifter_rate(fps, 25.0) == pytest.approx(rate)
    times = np.arange(3 * fps) / fps
    grid = uniform_times(times, rate)
    coarse, fine = (grid, times) if rate < fps else (times, grid)
    for t in coarse:
        assert np.abs(fine - t).min() < 1e-9 or t > fine[-1]


def test_resampling_keeps_straight_motion_and_trusts_sure_frames():
    times = np.arange(60) / 60
    rays = np.zeros((60, 17, 2)) + times[:, None, None]
    scores = np.ones((60, 17))
    rays[30], scores[30] = 50.0, 0.0  # a wild frame that says so
    grid = uniform_times(times, 30.0)
    mean, _ = resample_keypoints(rays, scores, times, grid)
    inner = slice(1, -1)
    np.testing.assert_allclose(mean[inner, 0, 0], grid[inner], atol=0.06)


def test_poses_come_back_at_the_frames_of_a_video_of_uneven_rate():
    grid = np.arange(100) / 25
    xyz = np.sin(2 * np.pi * 1.3 * grid)[:, None, None] * np.ones((1, 17, 3))
    times = np.sort(np.random.default_rng(0).uniform(0.2, 3.8, 70))
    back = resample_poses(xyz, grid, times)
    np.testing.assert_allclose(back[:, 0, 0], np.sin(2 * np.pi * 1.3 * times), atol=2e-3)


def test_long_sequences_are_lifted_in_pieces_to_the_same_numbers(network, rng, monkeypatch):
    rays, scores = 0.1 * rng.normal(size=(150, 17, 2)), rng.random((150, 17))
    whole = lift_uniform(network, rays, scores)
    monkeypatch.setattr(network_stages, "_FRAMES_AT_ONCE", 40)
    np.testing.assert_allclose(lift_uniform(network, rays, scores), whole, atol=1e-5)


def test_mirrored_keypoints_give_the_mirrored_pose(network, rng):
    rays, scores = 0.1 * rng.normal(size=(40, 17, 2)), rng.random((40, 17))
    mirror = H36M_17.mirror_index
    plain = lift_uniform(network, rays, scores)
    mirrored = lift_uniform(network, rays[:, mirror] * [-1, 1], scores[:, mirror])
    np.testing.assert_allclose(mirrored[:, :, mirror] * [-1, 1, 1], plain, atol=1e-5)


def test_turning_the_camera_turns_the_pose(network, seen):
    """The same rays seen by a camera that looks elsewhere: the pose turns with its axes."""
    _, scores, xyz, _ = seen
    angle = np.deg2rad(12)
    turn = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )

    def lift(points):
        return lift_uniform(network, points[..., :2] / points[..., 2:], scores)[-1]

    # The trunk's middle is brought to the axis by the smallest turn, so a small twist remains.
    difference = np.linalg.norm(lift(xyz @ turn.T) - lift(xyz) @ turn.T, axis=-1)
    assert np.median(difference) < 0.06 * np.median(np.linalg.norm(lift(xyz), axis=-1))


def test_absent_frames_stay_absent_and_short_gaps_do_not_cut(lifter, seen):
    xy, scores, _, camera = seen
    times = np.arange(len(xy)) / 50
    xy = xy.copy()
    xy[40:50] = np.nan  # 0.2 s: bridged
    xy[100:160] = np.nan  # 1.2 s: a new stretch
    stages = lifter.lift(xy, scores, times, camera)
    absent = np.isnan(stages).any((0, 2, 3))
    assert set(np.flatnonzero(absent)) == {*range(40, 50), *range(100, 160)}
    present = np.isfinite(xy).all((1, 2))
    assert [len(s) for s in stretches(present, times)] == [90, 40]


def test_single_frames_and_single_missing_joints_are_lifted(lifter, seen):
    xy, scores, _, camera = seen
    xy = xy[:1].copy()
    xy[0, 13] = np.nan
    stages = lifter.lift(xy, scores[:1], np.array([0.0]), camera)
    assert np.isfinite(stages).all()


def test_root_is_found_under_the_right_focal_length(seen):
    xy, scores, xyz, camera = seen
    root = estimate_root(root_centre(xyz), xy, scores, np.arange(len(xy)) / 50, camera)
    inner = slice(20, -20)
    np.testing.assert_allclose(root[inner], xyz[inner, 0], atol=0.05)


def test_stature_follows_the_bones(motion):
    # pelvis to head top 0.78 m, leg 0.85 m, sole 0.08 m
    assert stature(motion.positions) == pytest.approx(0.78 + 0.85 + 0.08, abs=1e-3)


def test_prefetch_keeps_order_hands_over_errors_and_ends_its_thread():
    def source():
        yield from range(5)
        raise ValueError("broken")

    got = []
    with pytest.raises(ValueError, match="broken"):
        got.extend(prefetched(source(), 2))
    items = prefetched(iter(range(1000)), 2)
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    items.close()
    assert not any(t.name == "prefetch" for t in threading.enumerate())
