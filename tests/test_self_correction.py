"""Self-correction: the fast form is the paper's, its rules hold, and it does correct."""

import copy
from dataclasses import fields, replace
from math import inf

import numpy as np
import pytest
import torch
from torch.func import functional_call, grad, vmap

from pose_core.errors import Cancelled, ConfigError
from pose_core.inference.self_correction import (
    CorrectionConfig,
    correct,
    correct_clip,
    correct_frame_by_frame,
    correct_toward,
    join,
    residual_2d,
)
from pose_core.models.projector import Projector
from pose_core.skeleton import H36M_17

# Never stops, never discards.
FREE = CorrectionConfig(steps=3, epsilon_mm=0.0, tau_mm=inf)
FIXED = replace(FREE, learning_rate=0.002, is_relative=False)
ROBUST = [H36M_17.index(f"{side}_{joint}") for side in ("left", "right") for joint in
          ("shoulder", "hip")] + [H36M_17.index("pelvis")]  # fmt: skip
LEFT_WRIST, RIGHT_ANKLE = H36M_17.index("left_wrist"), H36M_17.index("right_ankle")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def people(num_frames, seed):
    """Poses (N, 17, 3) of a body whose joints go where they like, and their 2D poses."""
    generator = torch.Generator().manual_seed(99)
    body = 0.3 * torch.randn(1, 17, 3, generator=generator)
    generator.manual_seed(seed)
    poses = body + 0.15 * torch.randn(num_frames, 17, 3, generator=generator)
    poses = poses - poses[:, :1]
    return poses, 2 * poses[..., :2]  # weak perspective


@pytest.fixture(scope="module")
def trained():
    """A small projector that has learned to repair noisy poses and to project them."""
    torch.manual_seed(0)
    projector = Projector(units=128, joint_dropout=0.0)
    optimizer = torch.optim.Adam(projector.parameters(), lr=3e-3)
    for step in range(300):
        poses, seen = people(128, seed=step)
        regressed, projected = projector(poses + 0.05 * torch.randn_like(poses))
        loss = (regressed - poses).square().sum() + (projected - seen).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return projector.eval()


@pytest.fixture
def untrained():
    """float64, with weights and statistics of batch norm at which a mistake would show."""
    torch.manual_seed(1)
    projector = Projector(units=32).double()
    for module in projector.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.uniform_(module.running_mean, -0.3, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.3, 0.3)
    return projector


def task(num_frames=12, seed=0):
    """Random float64 poses (N, 17, 3), 2D poses (N, 17, 2) and weights (N, 17)."""
    generator = torch.Generator().manual_seed(seed)
    poses = 0.3 * torch.randn(num_frames, 17, 3, generator=generator, dtype=torch.float64)
    seen = torch.randn(num_frames, 17, 2, generator=generator, dtype=torch.float64)
    weights = torch.rand(num_frames, 17, generator=generator, dtype=torch.float64)
    return poses, seen, weights


def assert_same(a, b, **tolerance):
    for field in fields(a):
        torch.testing.assert_close(getattr(a, field.name), getattr(b, field.name), **tolerance)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"is_relative": False, "learning_rate": 0.002},
        {"corrects_projection": False},
        {"epsilon_mm": 300.0, "tau_mm": 800.0},
        {"steps": 0},
    ],
)
def test_many_frames_at_once_equal_one_after_the_other(untrained, changes):
    config = replace(FREE, **changes)
    poses, seen, weights = task()
    for w in (None, weights):
        fast = correct(untrained, poses, seen, config, w)
        slow = correct_frame_by_frame(untrained, poses, seen, config, w)
        assert_same(fast, slow, atol=1e-9, rtol=1e-9)
    assert len(fast.iterations) == config.steps + 1


def test_it_equals_true_copies_of_all_weights(untrained):
    """Against torch.func: every frame with its own full set of parameters."""
    poses, seen, weights = task()
    own = copy.deepcopy(untrained).eval()
    buffers = dict(own.named_buffers())
    shared = {name: p.detach() for name, p in own.named_parameters()}
    parameters = {name: p.expand(len(poses), *p.shape) for name, p in shared.items()}

    def regress_and_project(parameters, pose):
        return functional_call(own, (parameters, buffers), (pose[None],))

    def objective(parameters, pose, seen, weights):
        _, projected = regress_and_project(parameters, pose)
        return (weights[:, None] * (projected[0] - seen).square()).sum()

    expected = []
    for _ in range(FIXED.steps + 1):
        expected.append(vmap(regress_and_project)(parameters, poses)[0][:, 0])
        gradients = vmap(grad(objective))(parameters, poses, seen, weights)
        parameters = {
            name: p - FIXED.learning_rate * gradients[name] for name, p in parameters.items()
        }
    actual = correct(untrained, poses, seen, FIXED, weights).iterations
    torch.testing.assert_close(actual, torch.stack(expected), atol=1e-10, rtol=1e-10)
    assert (actual[-1] - actual[0]).abs().max() > 0.01


def test_the_trained_weights_are_never_changed(untrained):
    poses, seen, _ = task()
    untrained.train()
    before = copy.deepcopy(untrained.state_dict())
    correct(untrained, poses, seen, FREE)
    correct_toward(untrained, poses, seen, torch.ones(12, 17, dtype=torch.bool))
    correct_frame_by_frame(untrained, poses, seen, FREE)
    after = untrained.state_dict()
    assert before.keys() == after.keys()
    for name in before:
        assert torch.equal(before[name], after[name]), name
    assert untrained.training
    assert all(p.requires_grad and p.grad is None for p in untrained.parameters())


def test_frames_do_not_know_of_each_other(untrained):
    poses, seen, _ = task()
    whole = correct(untrained, poses, seen, FREE)
    poses[3], seen[5] = torch.nan, 1e6
    other = correct(untrained, poses, seen, FREE)
    rest = [i for i in range(12) if i not in (3, 5)]
    torch.testing.assert_close(whole.iterations[:, rest], other.iterations[:, rest])
    assert whole.kept_mask.all()
    assert not other.kept_mask[3]
    assert other.poses[3].isnan().all()


def test_joints_without_weight_are_not_looked_at(untrained):
    poses, seen, weights = task()
    weights[:, 4] = 0.0
    expected = correct(untrained, poses, seen, FREE, weights)
    seen[:, 4] = torch.nan
    actual = correct(untrained, poses, seen, FREE, weights)
    assert_same(actual, expected)
    assert actual.poses.isfinite().all()


def test_residual_is_that_of_equation_3(untrained):
    poses, seen, weights = task()
    result = correct(untrained, poses, seen, FREE, weights)
    gap = result.projected_2d.numpy() - seen.numpy()
    expected = (weights.numpy() * (gap**2).sum(-1)).sum(-1)
    np.testing.assert_allclose(result.residual, expected, rtol=1e-12)
    untrained.eval()
    with torch.no_grad():
        regressed, projected = untrained(poses)
    torch.testing.assert_close(result.iterations[0], regressed)
    torch.testing.assert_close(result.projected_2d[0], projected)


def robust_mm(after, before):
    """Mean movement of pelvis, shoulders and hips, mm, by a loop."""
    return np.array(
        [
            1000 * np.mean([np.linalg.norm(a[j] - b[j]) for j in ROBUST])
            for a, b in zip(after.numpy(), before.numpy(), strict=True)
        ]
    )


def test_movement_is_that_of_the_robust_joints(untrained):
    result = correct(untrained, *task()[:2], FREE)
    for k in range(FREE.steps):
        moved = robust_mm(result.iterations[k + 1], result.iterations[k])
        np.testing.assert_allclose(result.movement_mm[k], moved, rtol=1e-9)


def test_a_frame_stops_when_its_robust_joints_have_converged(untrained):
    poses, seen, _ = task()
    free = correct(untrained, poses, seen, FREE)
    epsilon = float(free.movement_mm[0].median())
    result = correct(untrained, poses, seen, replace(FREE, epsilon_mm=epsilon))
    stopped = free.movement_mm[0] < epsilon
    assert 0 < stopped.sum() < 12
    for k in (2, 3):
        assert torch.equal(result.iterations[k, stopped], result.iterations[1, stopped])
        assert (result.movement_mm[k - 1, stopped] == 0).all()
    # The others take the second step, and only those that moved far enough in it the third.
    assert torch.equal(result.iterations[2, ~stopped], free.iterations[2, ~stopped])
    goes_on = ~stopped & (free.movement_mm[1] >= epsilon)
    assert torch.equal(result.iterations[3, goes_on], free.iterations[3, goes_on])
    halted = ~stopped & ~goes_on
    assert torch.equal(result.iterations[3, halted], result.iterations[2, halted])


def test_a_correction_that_moves_robust_joints_too_far_is_discarded(untrained):
    poses, seen, _ = task()
    free = correct(untrained, poses, seen, FREE)
    total = robust_mm(free.iterations[-1], free.iterations[0])
    tau = float(np.median(total))
    result = correct(untrained, poses, seen, replace(FREE, tau_mm=tau))
    kept = result.kept_mask.numpy()
    np.testing.assert_array_equal(kept, total <= tau)
    assert 0 < kept.sum() < 12
    assert torch.equal(result.iterations, free.iterations)
    assert torch.equal(result.poses[kept], result.iterations[-1, kept])
    assert torch.equal(result.poses[~kept], result.iterations[0, ~kept])
    stages = result.stages(poses)
    assert torch.equal(stages, torch.stack([poses, *result.iterations[:2], result.poses]))
    none = correct(untrained, poses, seen, replace(FREE, steps=0))
    assert torch.equal(none.stages(poses), torch.stack([poses, *3 * [none.iterations[0]]]))


def test_only_the_robust_joints_decide(untrained):
    """With others declared robust, other frames are kept."""
    poses, seen, _ = task()
    free = correct(untrained, poses, seen, FREE)
    wrists = (13, 16)
    moved = 1000 * (free.iterations[-1] - free.iterations[0])[:, list(wrists)].norm(dim=-1).mean(-1)
    config = replace(FREE, robust_joints=wrists, tau_mm=float(moved.median()))
    result = correct(untrained, poses, seen, config)
    assert torch.equal(result.kept_mask, moved <= config.tau_mm)


def test_defaults_are_the_papers():
    config = CorrectionConfig()
    assert (config.steps, config.tau_mm, config.epsilon_mm) == (2, 20.0, 5.0)
    assert sorted(config.robust_joints) == sorted(ROBUST)
    assert config.corrects_projection


def test_correction_lowers_the_residual_and_the_3d_error(trained):
    """On people and noise never trained on, with the true 2D pose."""
    truth, seen = people(300, seed=10_000)
    noise = 0.05 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(5))
    result = correct(trained, truth + noise, seen, FREE)
    residual = result.residual.mean(1)
    assert (residual[1:] < residual[:-1]).all()
    assert residual[-1] < 0.6 * residual[0]
    error = (result.iterations - truth).norm(dim=-1).mean((1, 2))
    assert error[-1] < 0.95 * error[0]


@pytest.mark.parametrize("num_frames", [1, 7])
@pytest.mark.parametrize("joint", [LEFT_WRIST, RIGHT_ANKLE])
def test_a_joint_moved_by_hand_moves_in_3d(trained, num_frames, joint):
    poses, _ = people(num_frames, seed=20_000)
    with torch.no_grad():
        _, projected = trained(poses)
    moved_mask = torch.zeros(num_frames, 17, dtype=torch.bool)
    moved_mask[:, joint] = True
    target = torch.full_like(projected, torch.nan)
    target[:, joint] = projected[:, joint] + torch.tensor([0.2, 0.0])
    result = correct_toward(trained, poses, target, moved_mask)
    shift = result.poses - result.iterations[0]
    # 0.2 in the picture are 0.1 m; most of the way is gone, to the right and not up or down.
    assert (shift[:, joint, 0] > 0.07).all()
    assert (shift[:, joint, 1].abs() < 0.4 * shift[:, joint, 0]).all()
    assert (shift.norm(dim=-1).argmax(-1) == joint).all()
    with torch.no_grad():
        reached = trained.project(result.poses)[:, joint]
    assert ((reached - target[:, joint]).norm(dim=-1) < 0.1).all()
    assert result.kept_mask.all()
    # Others are held where they were, with a tenth of the weight.
    goal = torch.where(moved_mask[..., None], target, projected)
    gap = (result.projected_2d - goal).square().sum(-1).numpy()
    expected = (np.where(moved_mask, 1.0, 0.1) * gap).sum(-1)
    np.testing.assert_allclose(result.residual, expected, rtol=1e-4)
    np.testing.assert_allclose(result.residual[0], 0.2**2, rtol=1e-3)


def test_where_both_agree_nothing_moves(untrained):
    poses, _, _ = task()
    untrained.eval()
    with torch.no_grad():
        _, projected = untrained(poses)
    result = correct(untrained, poses, projected, FREE)
    torch.testing.assert_close(result.poses, result.iterations[0], atol=1e-12, rtol=0)
    assert result.kept_mask.all()


def test_a_long_clip_is_corrected_in_pieces(untrained):
    poses, seen, weights = task(num_frames=10)
    records = list(correct_clip(untrained, poses, seen, FREE, weights, frames_at_once=4))
    assert [(r.done, r.num_frames) for r in records] == [(4, 10), (8, 10), (10, 10)]
    whole = correct(untrained, poses, seen, FREE, weights)
    assert_same(join(r.correction for r in records), whole, atol=1e-12, rtol=1e-12)
    assert list(correct_clip(untrained, poses[:0], seen[:0])) == []


def test_it_can_be_cancelled_between_pieces(untrained):
    poses, seen, _ = task(num_frames=10)
    records = correct_clip(untrained, poses, seen, FREE, frames_at_once=4)
    first = next(records)
    with pytest.raises(Cancelled):
        records.throw(Cancelled())
    assert next(records, None) is None
    assert first.correction.poses.shape == (4, 17, 3)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_works_where_gradients_are_switched_off(untrained, mode):
    poses, seen, _ = task()
    expected = correct(untrained, poses, seen, FREE)
    with mode():
        assert_same(correct(untrained, poses + 0, seen + 0, FREE), expected)
        assert_same(
            correct_toward(untrained, poses + 0, seen, torch.ones(12, 17, dtype=torch.bool)),
            correct_toward(untrained, poses, seen, torch.ones(12, 17, dtype=torch.bool)),
        )


def test_inputs_are_left_alone(untrained):
    poses, seen, weights = task()
    copies = [t.clone() for t in (poses, seen, weights)]
    correct(untrained, poses, seen, FREE, weights)
    for before, after in zip(copies, (poses, seen, weights), strict=True):
        assert torch.equal(before, after)


def test_bfloat16_goes_the_same_way(trained):
    poses, seen = people(20, seed=30_000)
    exact = correct(trained, poses, seen, FREE)
    short = copy.deepcopy(trained).bfloat16()
    rough = correct(short, poses.bfloat16(), seen.bfloat16(), FREE)
    assert rough.poses.dtype == rough.residual.dtype == torch.bfloat16
    assert (rough.iterations.float() - exact.iterations).abs().mean() < 0.02


def test_configuration_refuses_what_cannot_be():
    for wrong in (
        {"steps": -1},
        {"learning_rate": 0.0},
        {"robust_joints": ()},
        {"epsilon_mm": 25.0},
        {"epsilon_mm": -1.0},
    ):
        with pytest.raises(ConfigError):
            CorrectionConfig(**wrong)


def test_gradient_of_the_residual(untrained):
    _, seen, weights = task(3)
    projected = torch.randn(3, 17, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: residual_2d(p, seen, weights), projected)
