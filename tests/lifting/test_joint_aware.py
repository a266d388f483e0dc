"""The losses of the joint-aware paper against slow numpy versions and finite differences."""

import itertools

import numpy as np
import pytest
import torch

from pose_core.errors import ConfigError
from pose_core.losses.joint_aware import JointAwareWeights, joint_aware_terms
from pose_core.skeleton import H36M_17

ALL_ON = JointAwareWeights(
    position=1, angle=1, distance=1, symmetry=1, range_of_motion=1, velocity=1, acceleration=1,
    angular_acceleration=1,
)  # fmt: skip
P = H36M_17.parents


def bone(pose, j):
    return pose[j] - pose[P[j]]


def angle(a, b):
    return np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)


def slow_terms(predicted, truth):
    """Every term by loops over batch, frames and joints."""
    batch, frames = predicted.shape[:2]
    adjacent = [(P[j], j) for j in range(17) if P[j] >= 0 and P[P[j]] >= 0]
    limbs = [(2, 3), (5, 6), (12, 13), (15, 16)]

    def per_frame(function):
        return np.array([[function(pose) for pose in seq] for seq in predicted]), np.array(
            [[function(pose) for pose in seq] for seq in truth]
        )

    def mean_square(function, order=0):
        a, b = per_frame(function)
        return np.mean(np.diff(a - b, n=order, axis=1) ** 2)

    def angles(pose, pairs=adjacent):
        return [angle(bone(pose, i), bone(pose, j)) for i, j in pairs]

    def lengths(pose):
        return [np.linalg.norm(bone(pose, j)) for j in range(1, 17)]

    def asymmetry(pose):
        return [
            np.linalg.norm(bone(pose, left)) - np.linalg.norm(bone(pose, right))
            for left, right in H36M_17.left_right_pairs
        ]

    a, b = per_frame(lambda pose: angles(pose, limbs))
    ranges = (a.max(1) - a.min(1)) - (b.max(1) - b.min(1))
    distance = [
        np.linalg.norm(predicted[i, t, j] - truth[i, t, j])
        for i, t, j in itertools.product(range(batch), range(frames), range(17))
    ]
    return {
        "position": np.mean(distance),
        "angle": mean_square(angles),
        "distance": mean_square(lengths),
        "symmetry": mean_square(asymmetry),
        "range_of_motion": np.mean(ranges**2),
        "velocity": mean_square(lambda pose: pose, 1),
        "acceleration": mean_square(lambda pose: pose, 2),
        "angular_acceleration": mean_square(angles, 2),
    }


def poses(seed, frames=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, frames, 17, 3, generator=generator, dtype=torch.float64)


def test_terms_equal_their_slow_versions():
    predicted, truth = poses(0), poses(1)
    valid = torch.ones(2, 5, dtype=torch.bool)
    fast = joint_aware_terms(predicted, truth, valid, ALL_ON)
    slow = slow_terms(predicted.numpy(), truth.numpy())
    assert fast.keys() == slow.keys()
    for name, value in slow.items():
        assert float(fast[name]) == pytest.approx(value, rel=1e-9), name


@pytest.mark.parametrize("name", list(slow_terms(poses(0).numpy(), poses(1).numpy())))
def test_gradients_equal_finite_differences(name):
    weights = JointAwareWeights(**{f: float(f == name) for f in ALL_ON.__dataclass_fields__})
    truth, valid = poses(1, 4), torch.ones(2, 4, dtype=torch.bool)

    def loss(predicted):
        (value,) = joint_aware_terms(predicted, truth, valid, weights).values()
        return value

    assert torch.autograd.gradcheck(loss, poses(0, 4).requires_grad_(), atol=1e-5, rtol=1e-3)


def test_degenerate_poses_have_finite_gradients():
    """All joints in one point, and a straight arm, as an untrained network may answer."""
    predicted = torch.zeros(1, 4, 17, 3, dtype=torch.float64)
    predicted[:, :, 12, 0], predicted[:, :, 13, 0] = 1.0, 2.0
    predicted.requires_grad_()
    valid = torch.ones(1, 4, dtype=torch.bool)
    terms = joint_aware_terms(predicted, poses(1, 4)[:1], valid, ALL_ON)
    torch.stack(list(terms.values())).sum().backward()
    assert torch.isfinite(predicted.grad).all()


def test_frames_that_do_not_count_have_no_gradient():
    predicted = poses(0).requires_grad_()
    valid = torch.ones(2, 5, dtype=torch.bool)
    valid[0, 3:] = False
    weights = JointAwareWeights(range_of_motion=0)
    torch.stack(
        list(joint_aware_terms(predicted, poses(1), valid, weights).values())
    ).sum().backward()
    assert (predicted.grad[0, 3:] == 0).all()
    assert (predicted.grad[0, :3] != 0).any()


def test_a_weight_of_zero_switches_a_term_off():
    terms = joint_aware_terms(
        poses(0),
        poses(1),
        torch.ones(2, 5, dtype=torch.bool),
        JointAwareWeights(angle=0, velocity=0),
    )
    assert {"angle", "velocity"}.isdisjoint(terms)
    with pytest.raises(ConfigError, match="angle"):
        JointAwareWeights(angle=-1)
