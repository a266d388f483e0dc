"""Metrics against examples worked by hand, and what they must not depend on."""

import numpy as np
import pytest

from pose_core.metrics import pose_error


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


def test_velocity_and_acceleration_errors_by_hand():
    truth = np.zeros((4, 2, 3))
    predicted = truth.copy()
    predicted[:, 1, 0] = [0.0, 0.001, 0.003, 0.006]  # the root keeps still
    np.testing.assert_allclose(pose_error.mpjve(predicted, truth)[:, 1], [1, 2, 3])
    np.testing.assert_allclose(pose_error.mpjae(predicted, truth)[:, 1], [1, 1])


def test_aligned_errors_ignore_what_they_align(poses, rng):
    predicted, truth = poses
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.linalg.det(q))
    moved = 2.5 * predicted @ q.T + 1.0
    np.testing.assert_allclose(
        pose_error.pa_mpjpe(moved, truth), pose_error.pa_mpjpe(predicted, truth)
    )
    np.testing.assert_allclose(
        pose_error.n_mpjpe(2.5 * predicted + 1.0, truth), pose_error.n_mpjpe(predicted, truth)
    )


def test_more_freedom_never_costs_squared_error(poses):
    predicted, truth = poses
    plain = (pose_error.mpjpe(predicted, truth) ** 2).sum(-1)
    scaled = (pose_error.n_mpjpe(predicted, truth) ** 2).sum(-1)
    aligned = (pose_error.pa_mpjpe(predicted, truth) ** 2).sum(-1)
    assert (scaled <= plain + 1e-6).all()
    assert (aligned <= scaled + 1e-6).all()


def test_a_perfect_answer_has_no_error(poses):
    _, truth = poses
    for metric in ("mpjpe", "pa_mpjpe", "n_mpjpe", "mpjve", "mpjae"):
        np.testing.assert_allclose(getattr(pose_error, metric)(truth, truth), 0, atol=1e-6)
