"""One joint of the input moved: what the network answers, and the way that counts most."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from pose_core.analysis.moved_joint import move_joint, strongest_direction
from pose_core.analysis.plain_lstm import lstm_states
from pose_core.analysis.refiner_windows import PreparedRefiner
from pose_core.analysis.sensitivity import window_jacobians
from pose_core.models.baselines import LstmBaseline, LstmBaselineConfig
from pose_core.models.tpnet import TpNet, TpNetConfig

STRETCH = 9  # poses in each of two stretches


@pytest.fixture
def prepared():
    """A semi-online TP-Net and 20 frames: 9 with the person, 2 without, 9 with it again."""
    torch.manual_seed(0)
    config = TpNetConfig(num_joints=17, context=4, mode="semi-online", hidden=24)
    net = TpNet(config).double()
    poses = 0.3 * torch.randn(2 * STRETCH, 17, 3, dtype=torch.float64)
    rotations = Rotation.random(2 * STRETCH, random_state=0).as_matrix()
    places = np.full((20, 3), -1)
    for start, frames in ((0, range(9)), (STRETCH, range(11, 20))):
        places[list(frames), 0] = start + np.arange(STRETCH)
        places[list(frames), 1:] = start, start + STRETCH - 1
    return PreparedRefiner(net.pose_of_window, poses, rotations, places, np.arange(-2, 3), 25.0)


def slow_answer(prepared, frame, place, joint, displacement):
    """The answer in camera axes, with a joint of the pose at a place moved in every window."""
    start = 0 if frame < 10 else STRETCH
    here = frame if frame < 10 else frame - 11 + STRETCH
    window = []
    for step in (-2, -1, 0, 1, 2):
        index = min(max(here + step, start), start + STRETCH - 1)
        pose = prepared.poses[index].clone()
        if step == place:
            pose[joint] += torch.from_numpy(prepared.rotations[index] @ displacement)
        window.append(pose)
    with torch.no_grad():
        answer = prepared.network(torch.stack(window)[None])[0].numpy()
    return answer @ prepared.rotations[here]


def test_windows_stay_in_their_stretch(prepared):
    expected = [[0, 0, 0, 1, 2], [6, 7, 8, 8, 8], [9, 9, 9, 10, 11]]
    np.testing.assert_array_equal(prepared.seen_from(np.array([0, 8, 11])), expected)
    np.testing.assert_array_equal(prepared.known_mask, [True] * 9 + [False] * 2 + [True] * 9)
    assert prepared.answer_index == 2


@pytest.mark.parametrize(("frame", "step"), [(4, 0), (11, -1), (19, 2)])
def test_the_answer_is_that_of_the_network_to_the_moved_pose(prepared, frame, step):
    displacement = np.array([0.1, -0.25, 0.2])
    moved = move_joint(prepared, frame, step, 13, displacement)
    before = slow_answer(prepared, frame, step, 13, np.zeros(3))
    after = slow_answer(prepared, frame, step, 13, displacement)
    np.testing.assert_allclose(moved.answer, [before - before[0], after - before[0]], atol=1e-12)
    distance = np.linalg.norm(after - before, axis=1)
    np.testing.assert_allclose(moved.displacement, distance, atol=1e-12)
    assert distance.max() > 0.01
    change = np.zeros((17, 3))
    change[13] = displacement
    np.testing.assert_allclose(moved.seen[1] - moved.seen[0], change, atol=1e-12)
    index = prepared.seen_from(np.array([frame]))[0, 2 + step]
    pose = prepared.poses[index].numpy() @ prepared.rotations[index]
    np.testing.assert_allclose(moved.seen[0], pose - pose[0], atol=1e-12)


def test_no_direction_moves_the_answer_more_than_the_strongest(prepared):
    step, joint, answer_joint, size = -1, 6, 16, 1e-6

    def response(direction):
        moved = move_joint(prepared, 14, step, joint, size * direction)
        return moved.displacement[answer_joint] / size

    strongest = strongest_direction(prepared, 14, step, joint, answer_joint)
    assert np.linalg.norm(strongest) == pytest.approx(1)
    assert strongest[np.abs(strongest).argmax()] > 0
    others = np.random.default_rng(0).normal(size=(300, 3))
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    found = [response(direction) for direction in others]
    assert max(found) <= response(strongest) * (1 + 1e-5)
    assert response(strongest) < 1.02 * max(found)
    assert min(found) < 0.8 * max(found)


@pytest.mark.parametrize(("bidirectional", "layers"), [(False, 1), (True, 2)])
def test_the_written_out_lstm_is_that_of_torch_and_so_are_its_derivatives(bidirectional, layers):
    torch.manual_seed(1)
    config = LstmBaselineConfig(
        num_joints=2, hidden=5, num_layers=layers, bidirectional=bidirectional
    )
    net = LstmBaseline(config).double().eval()
    windows = torch.randn(3, 6, 2, 3, dtype=torch.float64)
    states = torch.stack(lstm_states(net.lstm, windows.flatten(2)), dim=1)
    torch.testing.assert_close(states, net.lstm(windows.flatten(2))[0], rtol=1e-12, atol=1e-12)

    def answer(seen):
        return net.answer(lstm_states(net.lstm, seen.flatten(2))[3]).unflatten(-1, (-1, 3))

    exact = window_jacobians(answer, windows)
    step = 1e-6
    with torch.no_grad():
        for r, i, c in np.ndindex(6, 2, 3):
            moved = windows.clone()
            moved[:, r, i, c] += step
            slope = net.answer(net.lstm(moved.flatten(2))[0][:, 3])
            slope = (slope - net.answer(net.lstm(windows.flatten(2))[0][:, 3])) / step
            want = slope.unflatten(-1, (-1, 3))
            torch.testing.assert_close(exact[..., r, i, c], want, rtol=1e-4, atol=1e-8)
