"""Bodies stand as recorded joints do."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from pose_core.data.mocap import load_motion
from pose_core.skeleton import H36M_17
from pose_core.synthesis.body import apply_blend
from pose_core.synthesis.retarget import retarget, shortest_turn
from pose_core.synthesis.segments import INDEX

SHARED_MOCAP = Path(__file__).parents[3] / "shared" / "data" / "mocap"
LIMBS = [
    (f"{side}_{a}", f"{side}_{b}", f"{side}_{upper}", f"{side}_{lower}")
    for side in ("left", "right")
    for a, b, upper, lower in (
        ("shoulder", "elbow", "upper_arm", "forearm"),
        ("elbow", "wrist", "forearm", "hand"),
        ("hip", "knee", "thigh", "shin"),
        ("knee", "ankle", "shin", "foot"),
    )
]


@pytest.fixture(scope="module")
def rest(body):
    return body.rest(body.sample_shapes(1, torch.Generator().manual_seed(5)))


def pose_of(body, rest, positions):
    joints = torch.as_tensor(np.asarray(positions))[None]
    return retarget(joints, body.pivots(rest), body.joints(rest))


def posed_pivots(body, rest, pose):
    repeated = rest.expand(pose.root.shape[1], -1, -1)
    transforms = body.transforms(repeated, pose.rotations[0], pose.root[0])
    return body.pivots(apply_blend(body.blend(transforms), repeated))


def worst_direction_deg(body, rest, positions) -> float:
    """Largest mean angle between a recorded limb and that of the body."""
    pivots = posed_pivots(body, rest, pose_of(body, rest, positions))
    angles = []
    for a, b, upper, lower in LIMBS:
        recorded = positions[:, H36M_17.index(b)] - positions[:, H36M_17.index(a)]
        own = (pivots[:, INDEX[lower]] - pivots[:, INDEX[upper]]).numpy()
        cross = np.linalg.norm(np.cross(recorded, own), axis=1)
        angles.append(np.degrees(np.arctan2(cross, (recorded * own).sum(1))).mean())
    return max(angles)


def test_limbs_point_as_recorded(body, rest, walk_and_squat):
    assert worst_direction_deg(body, rest, walk_and_squat) < 0.01


def test_rotations_are_rotations_and_change_smoothly(body, rest, walk_and_squat):
    rotations = pose_of(body, rest, walk_and_squat).rotations[0]
    error = rotations @ rotations.mT - torch.eye(3)
    assert error.abs().max() < 1e-5
    assert (torch.linalg.det(rotations) > 0.99).all()
    # Less than 30 degrees from one frame to the next: no limb flips about its own axis.
    trace = (rotations[1:].mT @ rotations[:-1]).diagonal(dim1=-2, dim2=-1).sum(-1)
    assert torch.rad2deg(torch.acos(((trace - 1) / 2).clamp(-1, 1))).max() < 30


def test_root_moves_with_the_length_of_the_legs(body, rest, walk_and_squat):
    pose = pose_of(body, rest, walk_and_squat)
    pivots = posed_pivots(body, rest, pose)
    hips = (pivots[:, INDEX["left_thigh"]] + pivots[:, INDEX["right_thigh"]]) / 2
    torch.testing.assert_close(hips, pose.root[0], atol=1e-5, rtol=0)
    taller = pose_of(body, rest, 1.2 * walk_and_squat)
    torch.testing.assert_close(taller.root, pose.root, atol=1e-4, rtol=0)


def test_a_straight_arm_keeps_the_hinge_that_the_clip_shows_elsewhere(body, rest, walk_and_squat):
    """A frame with a straight elbow is turned like its neighbour, in which the elbow bends."""
    still = np.repeat(walk_and_squat[:1], 40, axis=0).copy()
    shoulder, elbow, wrist = (H36M_17.index(f"left_{n}") for n in ("shoulder", "elbow", "wrist"))
    upper = still[0, elbow] - still[0, shoulder]
    upper = np.array([0.0, 0.0, -np.linalg.norm(upper)])
    still[:, elbow] = still[:, shoulder] + upper
    forward = np.cross([0.0, 0.0, 1.0], still[0, 1] - still[0, 4])
    forward /= np.linalg.norm(forward)
    outward = still[0, 4] - still[0, 1]
    hinge_towards = normalize(torch.as_tensor(forward + 1.5 * outward), dim=0).numpy()
    bend = np.radians(np.linspace(0, 60, 40))[:, None]
    lower = np.cos(bend) * [0.0, 0.0, -0.25] + np.sin(bend) * 0.25 * hinge_towards
    still[:, wrist] = still[:, elbow] + lower
    rotations = pose_of(body, rest, still).rotations[0, :, INDEX["left_upper_arm"]]
    trace = (rotations[0].T @ rotations[-1]).diagonal().sum()
    assert torch.rad2deg(torch.acos((trace - 1) / 2)) < 12


def test_feet_are_flat_in_standing(body, rest, walk_and_squat):
    pose = pose_of(body, rest, walk_and_squat)
    foot = pose.rotations[0, 0, INDEX["left_foot"]]
    assert foot[2, 2] > 0.99
    lifted = pose.rotations[0, 230:240, INDEX["left_foot"]]  # the left knee is lifted there
    assert lifted[:, 2, 2].min() < 0.97


def test_knees_never_turn_backwards_when_noise_overstretches_them(body, rest, walk_and_squat):
    rng = np.random.default_rng(0)
    standing = np.repeat(walk_and_squat[:1], 30, axis=0)
    noisy = (standing + rng.normal(0, 0.01, standing.shape)).astype(np.float32)
    thigh = pose_of(body, rest, noisy).rotations[0, :, INDEX["left_thigh"]]
    pelvis = pose_of(body, rest, noisy).rotations[0, :, INDEX["pelvis"]]
    forward = ((thigh @ torch.tensor([0.0, -1, 0])) * (pelvis @ torch.tensor([0.0, -1, 0]))).sum(-1)
    assert forward.min() > 0.5


def test_shortest_turn_turns_one_direction_into_the_other():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 50, 3, generator=generator, dtype=torch.float64)
    turned = (shortest_turn(a, b) @ normalize(a, dim=-1)[..., None])[..., 0]
    torch.testing.assert_close(turned, normalize(b, dim=-1))


def test_recorded_motion_of_several_sources(body, rest):
    paths = sorted(SHARED_MOCAP.rglob("*.npz"))[::150]
    if not paths:
        pytest.skip(f"no motion capture at {SHARED_MOCAP}")
    for path in paths:
        assert worst_direction_deg(body, rest, load_motion(path).positions[:300]) < 0.05
