"""The structure losses of SAP-Net: by loops, by differences, on bodies made by hand, on mocap."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pose_core.data.mocap import load_motion
from pose_core.errors import ConfigError
from pose_core.losses.structure import (
    BONES,
    CANONICAL_LENGTHS_M,
    HINGES,
    StructureWeights,
    geometry_loss,
    hinge_volumes,
    illegal_angle_loss,
    illegal_joints,
    structure_terms,
    symmetry_loss,
)
from pose_core.losses.structure_training import SAPNET_STAGES, weakly_supervised_terms
from pose_core.skeleton import H36M_17, HUMANEVA_14, MPII_16

MOCAP = Path(__file__).resolve().parents[2] / "shared" / "data" / "mocap"
EVERYTHING = StructureWeights(angle=1.0, symmetry=1.0, geometry=1.0)
SKELETONS = pytest.mark.parametrize("skeleton", [H36M_17, MPII_16], ids=lambda s: s.name)


def standing(bends_deg=(40, 40, 40, 40)):
    """(17, 3): faces the camera, upper arms and thighs down, bent legally by angles as HINGES.

    Camera axes: x right (the person's left), y down, z away from the camera, so forearms go
    towards negative z and shins towards positive.
    """
    left_elbow, right_elbow, left_knee, right_knee = np.radians(bends_deg)
    down, near = np.array([0, 1.0, 0]), np.array([0, 0, -1.0])
    pose = {
        "pelvis": np.zeros(3),
        "spine": -0.25 * down,
        "thorax": -0.5 * down,
        "neck": -0.6 * down + 0.05 * near,
        "head_top": -0.8 * down,
    }
    for side, x, elbow, knee in (
        ("left", 1, left_elbow, left_knee),
        ("right", -1, right_elbow, right_knee),
    ):
        pose[f"{side}_hip"] = np.array([0.1 * x, 0, 0])
        pose[f"{side}_knee"] = pose[f"{side}_hip"] + 0.4 * down
        shin = np.cos(knee) * down - np.sin(knee) * near
        pose[f"{side}_ankle"] = pose[f"{side}_knee"] + 0.4 * shin
        pose[f"{side}_shoulder"] = pose["thorax"] + np.array([0.2 * x, 0, 0])
        pose[f"{side}_elbow"] = pose[f"{side}_shoulder"] + 0.3 * down
        forearm = np.cos(elbow) * down + np.sin(elbow) * near
        pose[f"{side}_wrist"] = pose[f"{side}_elbow"] + 0.25 * forearm
    return torch.tensor(np.stack([pose[name] for name in H36M_17.joint_names]))


def random_poses(skeleton, *shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, skeleton.num_joints, 3, generator=generator, dtype=torch.float64)


def slow_angle(pose, at):
    """Eq. (1) as printed, with the thorax for the neck and the pelvis for that of the legs."""

    def normal_dot(base, side, root, hinge, end):
        v_sn = at(f"{side}_{root}") - at(base)
        v_es = at(f"{side}_{hinge}") - at(f"{side}_{root}")
        v_we = at(f"{side}_{end}") - at(f"{side}_{hinge}")
        return np.cross(v_sn, v_es) @ v_we

    elbow_r = min(normal_dot("thorax", "right", "shoulder", "elbow", "wrist"), 0)
    elbow_l = max(normal_dot("thorax", "left", "shoulder", "elbow", "wrist"), 0)
    knee_r = max(normal_dot("pelvis", "right", "hip", "knee", "ankle"), 0)
    knee_l = min(normal_dot("pelvis", "left", "hip", "knee", "ankle"), 0)
    return (
        -elbow_r * np.exp(-elbow_r)
        + elbow_l * np.exp(elbow_l)
        + knee_r * np.exp(knee_r)
        - knee_l * np.exp(-knee_l)
    )


LIMB_BONES = [
    ("shoulder", "elbow"),
    ("elbow", "wrist"),
    ("hip", "knee"),
    ("knee", "ankle"),
    ("thorax", "shoulder"),
    ("pelvis", "hip"),
]


def slow_length(at, side, a, b):
    first = at(a) if a in ("thorax", "pelvis") else at(f"{side}_{a}")
    return np.sqrt(((first - at(f"{side}_{b}")) ** 2).sum())


def slow_symmetry(pose, at):
    return sum(
        abs(slow_length(at, "left", a, b) - slow_length(at, "right", a, b)) for a, b in LIMB_BONES
    )


def slow_geometry(pose, at):
    """Zhou et al. 2017: per group, mean squared deviation of the ratios from their mean."""
    total = 0.0
    for group in ((0, 1), (2, 3), (4,), (5,)):
        ratios = []
        for k in group:
            canonical = next(CANONICAL_LENGTHS_M[n] for n, v in BONES.items() if v == LIMB_BONES[k])
            ratios += [slow_length(at, s, *LIMB_BONES[k]) / canonical for s in ("left", "right")]
        mean = sum(ratios) / len(ratios)
        total += sum((r - mean) ** 2 for r in ratios) / len(ratios)
    return total


LOSSES = pytest.mark.parametrize(
    ("fast", "slow"),
    [
        (illegal_angle_loss, slow_angle),
        (symmetry_loss, slow_symmetry),
        (geometry_loss, slow_geometry),
    ],
)


@SKELETONS
@LOSSES
def test_equal_to_loops_over_single_poses(fast, slow, skeleton):
    poses = 0.5 * random_poses(skeleton, 2, 3, seed=5)
    values = fast(poses, skeleton)
    assert values.shape == (2, 3)
    for index in np.ndindex(2, 3):
        pose = poses[index].numpy()
        expected = slow(pose, lambda name, pose=pose: pose[skeleton.index(name)])
        assert float(values[index]) == pytest.approx(expected, rel=1e-12)
    assert (values > 0).sum() >= 5  # not a comparison of zeros


@LOSSES
def test_gradients_equal_finite_differences(fast, slow):
    poses = (0.5 * random_poses(H36M_17, 3, seed=1)).requires_grad_()
    assert torch.autograd.gradcheck(fast, poses)


def test_a_legal_body_costs_nothing_and_each_joint_bent_backwards_costs():
    assert float(illegal_angle_loss(standing())) == 0
    assert not illegal_joints(standing()).any()
    for k in range(4):
        bends = [40.0] * 4
        bends[k] = -40.0
        pose = standing(bends)
        # Collar-bone 0.2 or hip 0.1, upper and lower limb as in `standing`.
        side = 0.2 * 0.3 * 0.25 if "elbow" in HINGES[k] else 0.1 * 0.4 * 0.4
        volume = side * np.sin(np.radians(40))
        assert float(illegal_angle_loss(pose)) == pytest.approx(volume * np.exp(volume))
        assert illegal_joints(pose).nonzero().flatten().tolist() == [k]


def test_beyond_human_size_the_exponent_stays():
    """E = 5 cubic metres costs 5 exp(3), with a slope to go back by."""
    side = (5 / np.sin(np.radians(40)) / (0.2 * 0.3 * 0.25)) ** (1 / 3)
    pose = (side * standing((-40, 40, 40, 40))).requires_grad_()
    loss = illegal_angle_loss(pose)
    loss.backward()
    assert loss.item() == pytest.approx(5 * np.exp(3))
    assert (pose.grad[[11, 12, 13]] != 0).any()


def test_limbs_count_as_straight_up_to_a_limit():
    """A knee 15 degrees the wrong way is how markers see a standing leg."""
    pose = standing((40, 40, -15, -25))
    assert illegal_joints(pose).tolist() == [False, False, False, True]
    assert illegal_joints(pose, straight_deg=10).tolist() == [False, False, True, True]
    assert float(illegal_angle_loss(standing((40, 40, -15, 40)))) > 0


def test_limbs_with_a_missing_joint_are_not_flagged():
    pose = standing((-40, -40, -40, 40))
    pose[H36M_17.index("left_wrist")] = torch.nan
    assert illegal_joints(pose).tolist() == [False, True, True, False]


def test_turned_and_moved_bodies_cost_the_same_and_mirrored_ones_swap_sides():
    pose = standing((40, -30, 10, -50))
    turn = torch.linalg.qr(random_poses(H36M_17, seed=3)[:3])[0]
    turn = turn * torch.linalg.det(turn)  # a rotation, not a reflection
    moved = pose @ turn.T + torch.tensor([0.3, -2.0, 5.0])
    torch.testing.assert_close(hinge_volumes(moved), hinge_volumes(pose))
    mirrored = (pose * torch.tensor([-1.0, 1.0, 1.0]))[H36M_17.mirror_index.tolist()]
    torch.testing.assert_close(hinge_volumes(mirrored), hinge_volumes(pose)[[1, 0, 3, 2]])
    # Mirrored without exchanging the sides everything bends backwards.
    inside_out = pose * torch.tensor([1.0, 1.0, -1.0])
    torch.testing.assert_close(hinge_volumes(inside_out), -hinge_volumes(pose))


def test_symmetry_is_the_sum_of_differences_of_length():
    pose = standing()
    assert float(symmetry_loss(pose)) == pytest.approx(0, abs=1e-12)
    longer = pose.clone()
    wrist, elbow = H36M_17.index("left_wrist"), H36M_17.index("left_elbow")
    longer[wrist] = pose[elbow] + 1.2 * (pose[wrist] - pose[elbow])
    assert float(symmetry_loss(longer)) == pytest.approx(0.2 * 0.25)


def test_geometry_allows_any_stature_but_no_other_proportion():
    pose = standing()
    assert float(geometry_loss(1.3 * pose)) == pytest.approx(1.3**2 * float(geometry_loss(pose)))
    # Arms: lengths over canonical 0.3 / 0.279 and 0.25 / 0.228, twice each, and so on.
    arms = np.var([0.3 / 0.279, 0.25 / 0.228])
    legs = np.var([0.4 / 0.405, 0.4 / 0.435])
    assert float(geometry_loss(pose)) == pytest.approx(arms + legs)


DEGENERATE = {
    "all in one point": torch.zeros(17, 3, dtype=torch.float64),
    "straight limbs": standing((0, 0, 0, 0)),
    "bones of no length": standing().index_copy(0, torch.tensor([12, 2]), standing()[[11, 1]]),
    "limb folded back on itself": standing((180, 180, 180, 180)),
    "far out of human size": 1e4 * standing((-90, -90, -90, -90)),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_degenerate_poses_give_finite_values_and_gradients(name, dtype):
    pose = DEGENERATE[name].detach().to(dtype, copy=True).requires_grad_()
    terms = structure_terms(pose, EVERYTHING)
    total = torch.stack(list(terms.values())).sum()
    total.backward()
    assert total.dtype == dtype
    assert torch.isfinite(total)
    assert torch.isfinite(pose.grad).all()
    assert illegal_joints(pose.detach()).any() == (name == "far out of human size")


def test_weights():
    pose = standing((-40, 40, 40, 40)) * torch.tensor([1.0, 1.1, 1.0])
    terms = structure_terms(pose, StructureWeights(symmetry=0))
    assert terms.keys() == {"angle", "geometry"}
    assert float(terms["angle"]) == pytest.approx(0.03 * float(illegal_angle_loss(pose)))
    assert float(terms["geometry"]) == pytest.approx(0.03 * float(geometry_loss(pose)))
    with pytest.raises(ConfigError, match="negative"):
        StructureWeights(angle=-0.1)
    with pytest.raises(ConfigError, match="pelvis"):
        illegal_angle_loss(torch.zeros(14, 3), HUMANEVA_14)


def weak_batch():
    """Two people with 3D and two without, predictions off by known amounts."""
    target = torch.stack([standing()] * 4)
    predicted = target.clone()
    predicted[..., 0] += 0.1
    predicted[:3, 15, 2] += torch.tensor([0.2, 0.4, 0.6])  # right elbow too far away
    has_3d = torch.tensor([True, True, False, False])
    target[2:, :, 2] = torch.nan
    return predicted, target, has_3d


def test_weak_supervision_compares_depth_where_known_and_structure_elsewhere():
    predicted, target, has_3d = weak_batch()
    predicted.requires_grad_()
    terms = weakly_supervised_terms(predicted, target, has_3d, EVERYTHING)
    assert terms["position_2d"].item() == pytest.approx(0.1**2)
    assert terms["depth"].item() == pytest.approx((0.2**2 + 0.4**2) / (2 * 17))
    # The structure is that of the true x and y: those of the prediction are all shifted.
    third = standing()
    third[15, 2] += 0.6
    for name, loss in structure_terms(torch.stack([third, standing()]), EVERYTHING).items():
        assert terms[name].item() == pytest.approx(loss.mean().item()), name
    sum(terms[name] for name in ("angle", "symmetry", "geometry")).backward()
    grad = predicted.grad
    assert torch.isfinite(grad).all()
    assert (grad[:2] == 0).all()
    assert (grad[2:, :, :2] == 0).all()
    assert (grad[2, 14:16, 2] != 0).all()


def test_joints_without_label_do_not_count():
    predicted, target, has_3d = weak_batch()
    whole = weakly_supervised_terms(predicted, target, has_3d, EVERYTHING)
    predicted = predicted.clone()
    target[0, 3] = torch.nan
    target[3, 6] = torch.nan
    predicted[0, 3] += 100.0
    predicted.requires_grad_()
    terms = weakly_supervised_terms(predicted, target, has_3d, EVERYTHING)
    assert terms["position_2d"].item() == pytest.approx(whole["position_2d"].item())
    assert terms["depth"].item() == pytest.approx((0.2**2 + 0.4**2) / (2 * 17 - 1))
    torch.stack(list(terms.values())).sum().backward()
    assert torch.isfinite(predicted.grad).all()
    assert (predicted.grad[0, 3] == 0).all()


@pytest.mark.parametrize("known", [True, False])
def test_batches_of_one_kind(known):
    predicted, target, _ = weak_batch()
    target = torch.stack([standing()] * 4) if known else target * torch.nan
    terms = weakly_supervised_terms(
        predicted, target, torch.full((4,), known), StructureWeights(angle=1)
    )
    assert all(torch.isfinite(value) for value in terms.values())
    assert (float(terms["depth"]) > 0) == known
    assert (float(terms["symmetry"]) > 0) != known


def test_the_four_training_stages_are_those_of_the_paper():
    assert [stage.modules for stage in SAPNET_STAGES] == [
        ("hourglass",), ("depth",), ("hourglass", "depth"), ("hourglass", "depth"),
    ]  # fmt: skip
    lambdas = [(s.weights.angle, s.weights.geometry, s.weights.symmetry) for s in SAPNET_STAGES]
    assert lambdas == [(0, 0, 0), (0, 0, 0), (0.03, 0.03, 0), (0.03, 0.03, 0.05)]
    assert [s.iterations for s in SAPNET_STAGES] == [None, 240_000, 160_000, None]
    assert [s.uses_2d for s in SAPNET_STAGES] == [True, False, True, True]
    assert [s.learning_rate for s in SAPNET_STAGES[2:]] == [2.5e-4, 2.5e-5]


@pytest.fixture(scope="module")
def real_motion():
    """(N, 17, 3) every 5th frame of every 4th recording of the motion capture, camera axes."""
    if not MOCAP.is_dir():
        pytest.skip(f"needs motion capture in {MOCAP}")
    motions = [load_motion(path) for path in sorted(MOCAP.rglob("*.npz"))[::4]]
    world = torch.cat([torch.from_numpy(m.positions[::5]) for m in motions]).double()
    x, y, z = world.unbind(-1)
    to_camera = torch.stack([x, -z, y], dim=-1)  # z up becomes y down; determinant +1
    return to_camera - to_camera[:, :1]


def test_real_motion_is_legal(real_motion):
    flagged = illegal_joints(real_motion)
    assert flagged.double().mean() <= 0.02
    assert flagged[:, 2:].double().mean() <= 0.001  # knees
    # What is legal costs a small part of what the same bodies inside out would.
    inside_out = real_motion * torch.tensor([1.0, 1.0, -1.0])
    assert illegal_angle_loss(real_motion).mean() < 0.06 * illegal_angle_loss(inside_out).mean()


@pytest.mark.parametrize("k", range(4), ids=HINGES)
def test_real_limbs_bent_backwards_are_flagged(real_motion, k):
    """Half a turn of the forearm or shin about the upper arm or thigh."""
    root, hinge, end = ((11, 12, 13), (14, 15, 16), (4, 5, 6), (1, 2, 3))[k]
    upper = real_motion[:, hinge] - real_motion[:, root]
    lower = real_motion[:, end] - real_motion[:, hinge]
    along = (upper * lower).sum(-1, keepdim=True) / upper.square().sum(-1, keepdim=True) * upper
    mirrored = real_motion.clone()
    mirrored[:, end] = real_motion[:, hinge] + 2 * along - lower

    legal = hinge_volumes(real_motion)[:, k] > 0
    gained = illegal_angle_loss(mirrored) - illegal_angle_loss(real_motion)
    assert (gained[legal] > 0).all()
    cosine = torch.nn.functional.cosine_similarity(upper, lower, dim=-1)
    bent = cosine < np.cos(np.radians(20.001))
    assert illegal_joints(mirrored)[legal & bent, k].all()
    assert not illegal_joints(real_motion)[legal, k].any()
    assert (legal & bent).double().mean() > 0.5
    others = [j for j in range(4) if j != k]
    assert (illegal_joints(mirrored) == illegal_joints(real_motion))[:, others].all()
