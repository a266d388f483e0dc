"""The MPJPE family against examples worked by hand, and what it must not depend on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import procrustes
from scipy.spatial.transform import Rotation

from pose_core.metrics import pose_error

FAMILY = ("mpjpe", "pa_mpjpe", "n_mpjpe", "mpjve", "mpjae")
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture
def poses(rng):
    return rng.normal(size=(6, 17, 3)), rng.normal(size=(6, 17, 3))


def test_mpjpe_by_hand():
    truth = np.zeros((2, 3, 3))
    predicted = truth.copy()
    predicted[0, 1] = [0.003, 0.004, 0.0]  # 5 mm
    predicted[1] += 7.0  # a shift of the whole pose is no error
    np.testing.assert_allclose(
        pose_error.mpjpe(predicted, truth), [[0, 5, 0], [0, 0, 0]], atol=1e-9
    )


def test_the_root_can_be_any_joint():
    truth = np.zeros((1, 3, 3))
    predicted = truth.copy()
    predicted[0, 2, 0] = 0.01
    np.testing.assert_allclose(pose_error.mpjpe(predicted, truth, root=2), [[10, 10, 0]])


def test_n_mpjpe_by_hand():
    # One joint at (1, 0, 0), the other at (0, 1, 0); the prediction is twice as large and its
    # second joint 1 m too deep: a = (2, 0, 0), (0, 2, 1).
    # Best scale = a . b / a . a = (2 + 2) / (4 + 4 + 1) = 4/9.
    truth = np.array([[[0, 0, 0], [1, 0, 0], [0, 1, 0]]], dtype=float)
    predicted = np.array([[[0, 0, 0], [2, 0, 0], [0, 2, 1]]], dtype=float)
    # First joint: 8/9 - 1 = -1/9. Second: (8/9 - 1, 4/9) = (-1/9, 4/9).
    expected = [0, 1000 / 9, 1000 * np.sqrt(17) / 9]
    np.testing.assert_allclose(pose_error.n_mpjpe(predicted, truth), [expected], atol=1e-9)


def test_velocity_and_acceleration_errors_by_hand():
    truth = np.zeros((4, 2, 3))
    predicted = truth.copy()
    predicted[:, 1, 0] = [0.0, 0.001, 0.003, 0.006]  # the root keeps still
    np.testing.assert_allclose(pose_error.mpjve(predicted, truth)[:, 1], [1, 2, 3])
    np.testing.assert_allclose(pose_error.mpjae(predicted, truth)[:, 1], [1, 1])


@settings(max_examples=25, deadline=None)
@given(seeds, st.floats(0.2, 5.0))
def test_pa_mpjpe_ignores_rotation_shift_and_scale(seed, scale):
    rng = np.random.default_rng(seed)
    predicted, truth = rng.normal(size=(2, 3, 17, 3))
    rotation = Rotation.random(random_state=seed).as_matrix()
    moved = scale * predicted @ rotation.T + rng.normal(size=3)
    np.testing.assert_allclose(
        pose_error.pa_mpjpe(moved, truth), pose_error.pa_mpjpe(predicted, truth), atol=1e-6
    )


def test_pa_mpjpe_does_not_forgive_a_mirror_image(poses):
    _, truth = poses
    assert pose_error.pa_mpjpe(truth * [-1, 1, 1], truth).mean() > 100


def test_pa_mpjpe_agrees_with_scipy(rng):
    truth = rng.normal(size=(4, 17, 3))
    # Near the truth, so that scipy, which allows reflections, does not want one.
    predicted = truth + 0.05 * rng.normal(size=truth.shape)
    for error, a, b in zip(pose_error.pa_mpjpe(predicted, truth), truth, predicted, strict=True):
        standard, fitted, _ = procrustes(a, b)
        scale = np.linalg.norm(a - a.mean(axis=0))
        by_scipy = 1000 * scale * np.linalg.norm(standard - fitted, axis=-1)
        np.testing.assert_allclose(error, by_scipy, rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(seeds, st.floats(0.2, 5.0))
def test_n_mpjpe_ignores_scale_and_shift_but_not_rotation(seed, scale):
    rng = np.random.default_rng(seed)
    predicted, truth = rng.normal(size=(2, 3, 17, 3))
    plain = pose_error.n_mpjpe(predicted, truth)
    moved = scale * predicted + rng.normal(size=3)
    np.testing.assert_allclose(pose_error.n_mpjpe(moved, truth), plain, atol=1e-6)
    turned = truth @ Rotation.from_euler("x", 30, degrees=True).as_matrix().T
    assert pose_error.n_mpjpe(turned, truth).mean() > 10


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_roots_together_errors_ignore_a_shift_that_changes_over_time(seed):
    rng = np.random.default_rng(seed)
    predicted, truth = rng.normal(size=(2, 5, 17, 3))
    shift = rng.normal(size=(5, 1, 3))
    for name in FAMILY:
        metric = getattr(pose_error, name)
        np.testing.assert_allclose(
            metric(predicted + shift, truth), metric(predicted, truth), atol=1e-6
        )


def test_a_constant_offset_of_a_joint_is_no_error_of_motion(poses):
    _, truth = poses
    predicted = truth.copy()
    predicted[:, 5] += 0.1
    assert pose_error.mpjpe(predicted, truth)[:, 5].min() > 99
    np.testing.assert_allclose(pose_error.mpjve(predicted, truth), 0, atol=1e-9)
    # A constant speed of the error is one of velocity, not of acceleration.
    predicted[:, 5, 2] += 0.002 * np.arange(6)
    np.testing.assert_allclose(pose_error.mpjve(predicted, truth)[:, 5], 2)
    np.testing.assert_allclose(pose_error.mpjae(predicted, truth), 0, atol=1e-9)


def test_more_freedom_never_costs_squared_error(poses):
    predicted, truth = poses
    plain = (pose_error.mpjpe(predicted, truth) ** 2).sum(-1)
    scaled = (pose_error.n_mpjpe(predicted, truth) ** 2).sum(-1)
    aligned = (pose_error.pa_mpjpe(predicted, truth) ** 2).sum(-1)
    assert (scaled <= plain + 1e-6).all()
    assert (aligned <= scaled + 1e-6).all()


@pytest.mark.parametrize("name", FAMILY)
def test_a_perfect_answer_has_no_error(poses, name):
    _, truth = poses
    np.testing.assert_allclose(getattr(pose_error, name)(truth, truth), 0, atol=1e-6)


@pytest.mark.parametrize("name", ["mpjpe", "pa_mpjpe", "n_mpjpe"])
def test_a_missing_joint_has_no_error_and_changes_no_other(poses, name):
    predicted, truth = poses
    metric = getattr(pose_error, name)
    without = [j for j in range(17) if j not in (4, 9)]
    holes, gaps = predicted.copy(), truth.copy()
    holes[:, 4], gaps[:, 9] = np.nan, np.nan
    errors = metric(holes, gaps)
    assert np.isnan(errors[:, [4, 9]]).all()
    # As if these joints did not exist at all.
    np.testing.assert_allclose(errors[:, without], metric(predicted[:, without], truth[:, without]))


@pytest.mark.parametrize("name", ["mpjve", "mpjae"])
def test_a_missing_frame_has_no_differences(poses, name):
    predicted, truth = poses
    holes = predicted.copy()
    holes[3, 4] = np.nan
    errors = getattr(pose_error, name)(holes, truth)
    full = getattr(pose_error, name)(predicted, truth)
    order = 6 - len(full)
    lost = np.isnan(errors)
    assert set(zip(*np.nonzero(lost), strict=True)) == {
        (t, 4) for t in range(6 - order) if t <= 3 <= t + order
    }
    np.testing.assert_allclose(errors[~lost], full[~lost])


def test_without_a_root_there_is_no_error_but_aligned_ones_remain(poses):
    predicted, truth = poses
    predicted = predicted.copy()
    predicted[2, 0] = np.nan
    for name in ("mpjpe", "n_mpjpe"):
        errors = getattr(pose_error, name)(predicted, truth)
        assert np.isnan(errors[2]).all()
        assert np.isfinite(np.delete(errors, 2, axis=0)).all()
    assert np.isfinite(pose_error.pa_mpjpe(predicted, truth)[2, 1:]).all()


def test_two_joints_cannot_be_aligned(poses):
    predicted, truth = poses
    predicted = predicted.copy()
    predicted[1, 2:] = np.nan
    errors = pose_error.pa_mpjpe(predicted, truth)
    assert np.isnan(errors[1]).all()
    assert np.isfinite(errors[0]).all()
