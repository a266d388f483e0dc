"""The losses of the joint-aware paper against slow numpy versions and finite differences."""

import itertools

import numpy as np
import pytest
import torch

from pose_core.errors import ConfigError
from pose_core.losses.joint_aware import JointAwareWeights, joint_aware_terms
from pose_core.models.temporal_conv import TemporalConv, TemporalConvConfig
from pose_core.skeleton import H36M_17

ALL_ON = JointAwareWeights(
    position=1, angle=1, distance=1, symmetry=1, range_of_motion=1, velocity=1, acceleration=1,
    angular_acceleration=1,
)  # fmt: skip
TERMS = tuple(ALL_ON.__dataclass_fields__)
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


@pytest.mark.parametrize("name", TERMS)
def test_gradients_equal_finite_differences(name):
    weights = only(name)
    truth, valid = poses(1, 4)[:1], torch.ones(1, 4, dtype=torch.bool)

    def loss(predicted):
        (value,) = joint_aware_terms(predicted, truth, valid, weights).values()
        return value

    assert torch.autograd.gradcheck(loss, poses(0, 4)[:1].requires_grad_(), atol=1e-5, rtol=1e-3)


def only(name):
    return JointAwareWeights(**{f: float(f == name) for f in TERMS})


def all_valid(xyz):
    return torch.ones(xyz.shape[:2], dtype=torch.bool)


def zero_bone(xyz):
    xyz[:, :, 13] = xyz[:, :, 12]  # the left wrist on the elbow


def nearly_zero_bone(xyz):
    xyz[:, :, 13] = xyz[:, :, 12]
    xyz[:, :, 13, 0] += 1e-9


def straight_limb(xyz):
    for joint, place in ((11, 0.0), (12, 0.3), (13, 0.55)):
        xyz[:, :, joint] = torch.tensor([place, 0.0, 0.0])


def folded_limb(xyz):
    straight_limb(xyz)
    xyz[:, :, 13] = xyz[:, :, 11]


def one_point(xyz):
    xyz[:] = 0.0


DEGENERATE = (zero_bone, nearly_zero_bone, straight_limb, folded_limb, one_point)


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("spoil", DEGENERATE)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_degenerate_poses_have_values_and_gradients_of_use(spoil, name, dtype):
    predicted, truth = 0.3 * poses(0, 4), 0.3 * poses(1, 4)
    spoil(predicted)
    predicted = predicted.to(dtype).requires_grad_()
    for other in (truth.to(dtype), predicted.detach()):  # degenerate, and without any error
        (value,) = joint_aware_terms(predicted, other, all_valid(predicted), only(name)).values()
        (gradient,) = torch.autograd.grad(value, predicted)
        assert value.dtype == dtype
        assert torch.isfinite(value)
        assert torch.isfinite(gradient).all()
        assert gradient.abs().max() < 1e3


@pytest.mark.parametrize("name", TERMS)
def test_identical_poses_cost_nothing(name):
    predicted = poses(0).requires_grad_()
    (value,) = joint_aware_terms(
        predicted, predicted.detach(), all_valid(predicted), only(name)
    ).values()
    value.backward()
    assert float(value.detach()) == 0
    assert (predicted.grad == 0).all()


def test_all_terms_together_are_the_sum_of_each_alone():
    """The default weights times the slow versions with weight 1: Eq. (1)."""
    weights = JointAwareWeights()
    predicted, truth = poses(0), poses(1)
    together = joint_aware_terms(predicted, truth, all_valid(truth), weights)
    slow = slow_terms(predicted.numpy(), truth.numpy())
    expected = sum(getattr(weights, name) * value for name, value in slow.items())
    assert float(sum(together.values())) == pytest.approx(expected, rel=1e-9)


def test_rotations_and_shifts():
    """Turning prediction and truth together changes nothing, a shift only the position."""
    predicted, truth = poses(0), poses(1)
    q, _ = torch.linalg.qr(poses(2)[0, 0, :3])
    turned = joint_aware_terms(predicted @ q.T, truth @ q.T, all_valid(truth), ALL_ON)
    plain = joint_aware_terms(predicted, truth, all_valid(truth), ALL_ON)
    torch.testing.assert_close(turned, plain)
    shifted = joint_aware_terms(predicted + 1, truth, all_valid(truth), ALL_ON)
    changed = {name for name in TERMS if not torch.isclose(shifted[name], plain[name])}
    assert changed == {"position"}


@pytest.mark.parametrize("name", TERMS)
def test_each_term_alone_trains_a_network(name):
    """A small network learns what the term measures, whatever else it gets wrong."""
    torch.manual_seed(0)
    config = TemporalConvConfig(channels=24, kernel_sizes=(3,), dropout=0.0)
    network = TemporalConv(config).double()
    generator = torch.Generator().manual_seed(2)
    rest, swing = torch.randn(2, 4, 1, 17, 3, generator=generator, dtype=torch.float64).unbind(0)
    time = torch.arange(8, dtype=torch.float64)[None, :, None, None]
    xyz = 0.3 * rest + 0.1 * swing * torch.sin(time)
    truth = xyz[:, 1:-1]
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    values = []
    for _ in range(80):
        predicted = network(xyz)[-1]
        (value,) = joint_aware_terms(predicted, truth, all_valid(truth), only(name)).values()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(float(value.detach()))
    assert values[-1] < 0.15 * values[0]


def counted(terms):
    return torch.stack(list(terms.values())).sum()


@pytest.mark.parametrize("first_out", [0, 2, 3])
def test_frames_that_do_not_count_make_no_difference(first_out):
    """At the start, inside and at the end, also where they hold NaN."""
    valid = torch.ones(2, 5, dtype=torch.bool)
    valid[0, first_out : first_out + 2] = False
    predicted, truth = poses(0).requires_grad_(), poses(1)
    value = counted(joint_aware_terms(predicted, truth, valid, ALL_ON))
    value.backward()
    assert (predicted.grad[0, ~valid[0]] == 0).all()
    assert (predicted.grad[0, valid[0]] != 0).any()
    with torch.no_grad():
        spoiled, missing = predicted.clone(), truth.clone()
        spoiled[~valid], missing[~valid] = 1e6, torch.nan
    spoiled.requires_grad_()
    same = counted(joint_aware_terms(spoiled, missing, valid, ALL_ON))
    same.backward()
    torch.testing.assert_close(same, value)
    torch.testing.assert_close(spoiled.grad, predicted.grad)


def test_differences_over_a_gap_do_not_count():
    """Frames 0 1 _ 3 4: two velocities and no acceleration, by hand."""
    predicted, truth = poses(0)[:1], poses(1)[:1]
    valid = torch.tensor([[True, True, False, True, True]])
    terms = joint_aware_terms(predicted, truth, valid, ALL_ON)
    error = (predicted - truth).numpy()[0]
    steps = np.stack([error[1] - error[0], error[4] - error[3]])
    assert float(terms["velocity"]) == pytest.approx((steps**2).mean())
    assert float(terms["acceleration"]) == 0
    assert float(terms["angular_acceleration"]) == 0
    assert float(terms["range_of_motion"]) == 0


def test_windows_without_motion_and_batches_without_frames():
    predicted, truth = poses(0, 1).requires_grad_(), poses(1, 1)
    terms = joint_aware_terms(predicted, truth, all_valid(truth), ALL_ON)
    assert {name for name, value in terms.items() if value > 0} == {
        "position", "angle", "distance", "symmetry",
    }  # fmt: skip
    nothing = joint_aware_terms(predicted, truth, ~all_valid(truth), ALL_ON)
    value = counted(nothing)
    value.backward()
    assert float(value.detach()) == 0
    assert (predicted.grad == 0).all()


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
