"""Sensitivity of temporal networks: random perturbation and the exact Jacobian must agree."""

import numpy as np
import pytest
import torch

from pose_core.analysis.sensitivity import (
    Sensitivity,
    capped_diagonal,
    jacobian_sensitivity,
    perturbation_sensitivity,
    random_directions,
    window_jacobians,
)
from pose_core.errors import ConfigError
from pose_core.models.temporal_conv import TemporalConv, TemporalConvConfig
from pose_core.models.tpnet import TpNet, TpNetConfig, pose_windows


def small_tp_net(mode="online", joints=5):
    torch.manual_seed(0)
    config = TpNetConfig(num_joints=joints, context=4, mode=mode, hidden=32)
    return TpNet(config).double()


def seed(value=0):
    return torch.Generator().manual_seed(value)


def windows_of(net, frames=3):
    (poses,) = net.example_inputs(1, frames, seed(1))
    return pose_windows(poses.double(), *net.config.padding)[0]


class Linear:
    """A network whose every answer is known: joint j moves by `gain[r, i, j]` times input i."""

    def __init__(self, gain):
        self.gain = torch.as_tensor(gain, dtype=torch.float64)

    def __call__(self, windows):
        return torch.einsum("rij,brid->bjd", self.gain, windows)


def test_a_network_of_known_gains():
    gain = np.random.default_rng(0).uniform(-2, 2, (4, 3, 3))
    windows = torch.randn(2, 4, 3, 3, dtype=torch.float64, generator=seed())
    directions = random_directions(5, windows, seed())
    measured = perturbation_sensitivity(Linear(gain), windows, directions, answer_index=3)
    exact = jacobian_sensitivity(Linear(gain), windows, answer_index=3)
    for found in (measured, exact):
        np.testing.assert_allclose(found.response, np.abs(gain), rtol=1e-9)
        assert found.steps.tolist() == [-3, -2, -1, 0]
        np.testing.assert_array_equal(found.at(-1), found.response[2])
        # Fig. 5a: time by the joint that is moved
        np.testing.assert_allclose(found.over_time, np.abs(gain).mean(axis=2))


@pytest.mark.parametrize("mode", ["online", "semi-online"])
def test_small_perturbations_move_the_answer_as_the_jacobian_says(mode):
    """The same random directions in both: |A d|, averaged over them and over the frames."""
    net = small_tp_net(mode)
    windows = windows_of(net)
    index = net.config.padding[0]
    directions = random_directions(6, windows, seed(2))
    measured = perturbation_sensitivity(
        net.pose_of_window, windows, directions, answer_index=index, size=1e-4
    )
    jacobians = window_jacobians(net.pose_of_window, windows, chunk=2)
    expected = torch.einsum("fjarib,kb->kfrija", jacobians, directions).norm(dim=-1).mean((0, 1))
    np.testing.assert_allclose(measured.response, expected.detach().numpy(), rtol=1e-3)


def test_many_directions_tend_to_the_exact_mean():
    net = small_tp_net()
    windows = windows_of(net, frames=2)
    directions = random_directions(20_000, windows, seed(3))
    jacobians = window_jacobians(net.pose_of_window, windows)
    sampled = torch.einsum("fjarib,kb->kfrija", jacobians, directions).norm(dim=-1).mean((0, 1))
    exact = jacobian_sensitivity(net.pose_of_window, windows, answer_index=3)
    # |A d| varies by at most its own size: 20,000 samples leave under 1 %, and averaging less.
    np.testing.assert_allclose(exact.response, sampled.detach().numpy(), rtol=0.02)


def test_large_perturbations_differ_from_the_jacobian():
    """ReLU is not linear: moving a joint by metres is something else, and must look so."""
    net = small_tp_net()
    windows = windows_of(net)
    directions = random_directions(6, windows, seed(2))
    far, near = (
        perturbation_sensitivity(
            net.pose_of_window, windows, directions, answer_index=3, size=size
        ).response
        for size in (3.0, 1e-4)
    )
    assert np.abs(far - near).max() > 0.05 * near.max()


def test_jacobian_equals_finite_differences():
    net = small_tp_net(joints=2)
    window = windows_of(net, frames=1)
    exact = window_jacobians(net.pose_of_window, window)[0]
    step = 1e-6
    for r in range(4):
        for i in range(2):
            for c in range(3):
                moved = window.clone()
                moved[0, r, i, c] += step
                slope = (net.pose_of_window(moved) - net.pose_of_window(window))[0] / step
                torch.testing.assert_close(exact[..., r, i, c], slope, rtol=1e-5, atol=1e-8)


def test_a_keypoint_network_without_its_scores():
    """The temporal convolutions: x and y are moved, the score is not."""
    torch.manual_seed(0)
    config = TemporalConvConfig(num_joints=4, channels=16, kernel_sizes=(3, 3), dropout=0.0)
    net = TemporalConv(config).double().eval()
    torch.nn.init.normal_(net.shrink.weight)
    windows = torch.randn(2, 9, 4, 3, dtype=torch.float64, generator=seed())

    def one_pose(seen):
        return net(seen)[-1][:, 0]

    directions = random_directions(4000, windows, seed(), num_axes=2)
    exact = jacobian_sensitivity(one_pose, windows, answer_index=4, num_axes=2)
    assert exact.response.shape == (9, 4, 4)
    assert exact.steps.tolist() == list(range(-4, 5))
    few = directions[:3]
    measured = perturbation_sensitivity(one_pose, windows, few, answer_index=4, size=1e-6)
    jacobians = window_jacobians(one_pose, windows)[..., :2]

    def mean(chosen):
        moved = torch.einsum("fjarib,kb->kfrija", jacobians, chosen)
        return moved.norm(dim=-1).mean((0, 1)).detach().numpy()

    np.testing.assert_allclose(measured.response, mean(few), rtol=1e-3)
    np.testing.assert_allclose(exact.response, mean(directions), rtol=0.03)


def test_a_range_of_frames_is_the_mean_of_its_frames():
    net = small_tp_net()
    windows = windows_of(net, frames=5)
    whole = jacobian_sensitivity(net.pose_of_window, windows, answer_index=3, chunk=2).response
    parts = [
        jacobian_sensitivity(net.pose_of_window, windows[i : i + 1], answer_index=3).response
        for i in range(5)
    ]
    np.testing.assert_allclose(whole, np.mean(parts, axis=0))


def test_a_trained_network_listens_to_the_joint_that_it_learned_from():
    """Joint 0 of the answer is made of the past of joint 1: training must show there."""
    net = small_tp_net().float()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    generator = seed()
    for _ in range(150):
        windows = torch.randn(64, 4, 5, 3, generator=generator)
        truth = windows[:, 3].clone()
        truth[:, 0] = windows[:, 2, 1]
        optimizer.zero_grad()
        (net.pose_of_window(windows) - truth).square().mean().backward()
        optimizer.step()
    found = jacobian_sensitivity(net.pose_of_window, windows, answer_index=3)
    assert found.at(-1).argmax() == 1 * 5 + 0  # input joint 1, joint 0 of the answer
    assert found.at(0)[0].max() < 0.5 * found.at(-1)[1, 0]
    np.testing.assert_array_equal(found.at(0)[1:].argmax(axis=1), [1, 2, 3, 4])


def test_capping_the_diagonal_leaves_the_rest():
    matrix = np.array([[9.0, 1, 2], [3, 0.5, 1], [0, 1, 7]])
    expected = np.array([[3.0, 1, 2], [3, 0.5, 1], [0, 1, 3]])
    np.testing.assert_array_equal(capped_diagonal(matrix), expected)
    assert matrix[0, 0] == 9


def test_a_step_outside_the_window_is_refused():
    with pytest.raises(ConfigError, match="-3 to 0"):
        Sensitivity(np.arange(-3, 1), np.zeros((4, 2, 2))).at(-7)
