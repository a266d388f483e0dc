"""The body model: its pack, shapes and poses."""

import numpy as np
import pytest
import torch

from pose_core.errors import DataError
from pose_core.skeleton import H36M_17
from pose_core.synthesis.body import Body, apply_blend
from pose_core.synthesis.body_pack import BODY, load_body_pack
from pose_core.synthesis.segments import INDEX, PARENTS, SEGMENTS


def random_rotations(count: int, seed: int = 0) -> torch.Tensor:
    """(count, 20, 3, 3) float64 rotations, uniform."""
    generator = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(torch.randn(count, 20, 3, 3, generator=generator, dtype=torch.float64))
    return q * torch.linalg.det(q)[..., None, None]


def test_segments_form_a_tree_with_parents_first():
    assert len(SEGMENTS) == 20
    assert PARENTS[0] == -1
    assert all(0 <= parent < child for child, parent in enumerate(PARENTS) if child)
    assert SEGMENTS[PARENTS[INDEX["left_hand"]]] == "left_forearm"
    assert SEGMENTS[PARENTS[INDEX["right_thigh"]]] == "pelvis"


def test_bodies_are_adults_of_human_size(body):
    generator = torch.Generator().manual_seed(0)
    rest = body.rest(body.sample_shapes(300, generator))
    height = rest[:, : body.num_vertices, 2].amax(1) - rest[:, : body.num_vertices, 2].amin(1)
    assert height.min() > 1.35
    assert height.max() < 2.1
    assert 1.55 < height.mean() < 1.78
    assert height.std() > 0.05


def test_joints_lie_where_anatomy_says(body):
    joints = body.joints(body.rest(torch.zeros(1, len(body.basis))))[0]
    at = {name: joints[i] for i, name in enumerate(H36M_17.joint_names)}
    order = ("left_ankle", "left_knee", "pelvis", "spine", "thorax", "neck", "head_top")
    heights = [float(at[name][2]) for name in order]
    assert heights == sorted(heights)
    assert at["left_shoulder"][0] > 0.1  # the body faces -y, so its left is +x
    # As in motion capture, where the neck is half way to the top of the head (0.50 to 0.51).
    way = at["head_top"] - at["thorax"]
    assert 0.45 < (at["neck"] - at["thorax"]) @ way / way.square().sum() < 0.57
    assert at["neck"][1] > -0.09 + at["thorax"][1]  # inside the head, not at the tip of the nose
    np.testing.assert_allclose(at["left_knee"][0], -at["right_knee"][0], atol=0.005)
    torch.testing.assert_close(at["pelvis"], (at["left_hip"] + at["right_hip"]) / 2)


def test_bones_of_limbs_keep_their_length_in_every_pose(body):
    generator = torch.Generator().manual_seed(4)
    rest = body.rest(body.sample_shapes(1, generator)).expand(6, -1, -1)
    rotations = random_rotations(6).float()
    transforms = body.transforms(rest, rotations, torch.zeros(6, 3))
    at_rest, posed = body.joints(rest), body.joints(apply_blend(body.blend(transforms), rest))
    for parent, child in H36M_17.bones:
        if H36M_17.side(child) == "middle" or H36M_17.joint_names[child].endswith("shoulder"):
            continue
        before, after = ((x[:, child] - x[:, parent]).norm(dim=-1) for x in (at_rest, posed))
        torch.testing.assert_close(after, before, atol=2e-4, rtol=0)


def test_pose_agrees_with_a_slow_walk_through_the_tree():
    body = Body(dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    rest = body.rest(body.sample_shapes(2, generator))
    rotations = random_rotations(2)
    root = torch.tensor([[0.3, -1.0, 0.9], [0.0, 2.0, 1.1]], dtype=torch.float64)
    blend = body.blend(body.transforms(rest, rotations, root))
    posed = apply_blend(blend, rest).numpy()
    for person in range(2):
        points, pivots = rest[person].numpy(), body.pivots(rest)[person].numpy()
        turn = rotations[person].numpy()
        hips = (pivots[INDEX["left_thigh"]] + pivots[INDEX["right_thigh"]]) / 2
        place = {0: root[person].numpy() + turn[0] @ (pivots[0] - hips)}
        for segment in range(1, 20):
            parent = PARENTS[segment]
            place[segment] = place[parent] + turn[parent] @ (pivots[segment] - pivots[parent])
        for point in range(0, len(points), 997):
            moved = sum(
                float(share) * (turn[s] @ (points[point] - pivots[s]) + place[s])
                for s, share in enumerate(body.skin[point])
            )
            np.testing.assert_allclose(posed[person, point], moved, atol=1e-9)


def test_a_turn_of_the_whole_body_turns_everything(body):
    generator = torch.Generator().manual_seed(2)
    rest = body.rest(body.sample_shapes(1, generator))
    turn = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    root = torch.tensor([[1.0, 2.0, 3.0]])
    transforms = body.transforms(rest, turn.expand(1, 20, 3, 3), root)
    posed = apply_blend(body.blend(transforms), rest)
    hips = body.joints(rest)[:, :1]
    torch.testing.assert_close(posed, (rest - hips) @ turn.T + root[:, None], atol=1e-5, rtol=0)
    expected = (body.joints(rest) - hips) @ turn.T + root[:, None]
    torch.testing.assert_close(body.joints(posed), expected, atol=1e-4, rtol=0)


def test_fast_normals_are_near_the_exact_ones(body):
    generator = torch.Generator().manual_seed(3)
    shape = body.sample_shapes(1, generator)
    points = body.rest(shape)[0, : body.num_vertices].numpy()
    faces = body.faces.numpy()
    corners = points[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    exact = np.zeros_like(points)
    for corner in range(3):
        np.add.at(exact, faces[:, corner], across)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    cosine = (exact * body.rest_normals(shape)[0].numpy()).sum(1)
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean() < 5
    # Triangles are seen from outside counter-clockwise: the volume (half a cubic metre would be a
    # giant) is positive.
    corners = corners[body.face_kinds.numpy() == BODY]
    volume = np.einsum("fi,fi", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    assert 0.03 < volume < 0.2


def test_a_damaged_pack_is_refused(tmp_path):
    path = tmp_path / "body.npz"
    path.write_bytes(b"no zip")
    with pytest.raises(DataError, match="cannot be read"):
        load_body_pack(path)
    np.savez(path, template=np.zeros((3, 3)))
    with pytest.raises(DataError, match="lacks basis"):
        load_body_pack(path)
