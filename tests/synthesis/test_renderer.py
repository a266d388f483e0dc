"""Drawn people: where they are, what they wear, how they are lit; labels against ray casting."""

import importlib.util
import sys

import numpy as np
import pytest
import torch

from pose_core.skeleton import H36M_17
from pose_core.synthesis import appearance, shading
from pose_core.synthesis.appearance import sample_look
from pose_core.synthesis.body import apply_blend
from pose_core.synthesis.body_pack import BODY
from pose_core.synthesis.labels import HIDDEN, OUTSIDE, VISIBLE, parts_of_joints, visibility
from pose_core.synthesis.rasterise_warp import warp_rasteriser
from pose_core.synthesis.renderer import NO_PART, Renderer, View
from pose_core.synthesis.retarget import retarget
from pose_core.synthesis.segments import INDEX

SIZE = (256, 256)
NUM_POSES = 12


@pytest.fixture(scope="module")
def scene(body, walk_and_squat):
    """Twelve bodies in twelve poses, seen from twelve sides."""
    generator = torch.Generator().manual_seed(11)
    frames = torch.linspace(0, 260, NUM_POSES).long()
    shape = body.sample_shapes(NUM_POSES, generator)
    rest = body.rest(shape)
    joints = torch.from_numpy(walk_and_squat)[None].expand(NUM_POSES, -1, -1, -1)
    pose = retarget(joints, body.pivots(rest), body.joints(rest))
    row = torch.arange(NUM_POSES)
    transforms = body.transforms(rest, pose.rotations[row, frames], pose.root[row, frames])
    posed = apply_blend(body.blend(transforms), rest)
    angle = 2 * np.pi * row / NUM_POSES + 0.2
    height = 0.4 * torch.sin(2 * angle)
    offset = torch.stack([3 * angle.cos(), 3 * angle.sin(), height], dim=1)
    target = posed.mean(1)
    forward = torch.nn.functional.normalize(-offset, dim=1)
    right = torch.linalg.cross(forward, torch.tensor([0.0, 0.0, 1.0]).expand_as(forward))
    right = torch.nn.functional.normalize(right, dim=1)
    rotation = torch.stack([right, torch.linalg.cross(forward, right), forward], dim=1)
    translation = -(rotation @ (target + offset)[..., None])[..., 0]
    focal = SIZE[0] * 3 / 2.4
    intrinsics = torch.tensor([[focal, 0, SIZE[1] / 2], [0, focal, SIZE[0] / 2], [0, 0, 1]])
    view = View(intrinsics.expand(NUM_POSES, 3, 3), rotation, translation)
    look = sample_look(NUM_POSES, generator)
    look.has_long_hair[:], look.has_skirt[:] = False, False
    return shape, rest, transforms, look, view, posed


@pytest.fixture(scope="module")
def drawing(body, scene):
    shape, rest, transforms, look, view, posed = scene
    ground = posed[..., 2].amin(1)
    return Renderer(body).draw(shape, rest, transforms, look, view, SIZE, ground)


def first_hit(origin, ray, triangles) -> tuple[float, int]:
    """Distance along a ray to the first triangle (N, 3, 3), and which (Moeller, Trumbore)."""
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    edge, other = b - a, c - a
    h = np.cross(ray, other)
    det = (edge * h).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        s = (origin - a) / det[:, None]
        u = (s * h).sum(1)
        q = np.cross(s, edge)
        v = q @ ray
        t = (q * other).sum(1)
    t = np.where((np.abs(det) > 1e-12) & (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0), t, np.inf)
    return float(t.min()), int(t.argmin())


def test_visible_joints_lie_inside_the_mask_of_their_part(body, scene, drawing):
    """Rays are cast at the mesh in numpy: an answer that shares nothing with the rasteriser."""
    *_, view, posed = scene
    joints = body.joints(posed).numpy()
    keypoints = view.project(view.to_camera(body.joints(posed)))
    labels = visibility(drawing.parts, keypoints).numpy()
    allowed = parts_of_joints().numpy()
    faces = body.faces[body.face_kinds == BODY].numpy()
    segments = body.face_segments[body.face_kinds == BODY].numpy()
    in_mask, label_agrees, part_agrees = [], [], []
    for person in range(NUM_POSES):
        camera = view.position[person].numpy().astype(np.float64)
        triangles = posed[person, : body.num_vertices].numpy().astype(np.float64)[faces]
        for joint in range(17):
            ray = joints[person, joint] - camera
            distance, face = first_hit(camera, ray, triangles)
            # The skin lies less than 15 cm in front of a joint, other limbs further away.
            if not 0 < (1 - distance) * np.linalg.norm(ray) < 0.15:
                continue
            if not allowed[joint, segments[face]]:
                continue
            x, y = keypoints[person, joint].floor().long().tolist()
            around = drawing.parts[person, y - 1 : y + 2, x - 1 : x + 2].numpy()
            in_mask.append(allowed[joint, around].any())
            part_agrees.append((around == segments[face]).any())  # joints lie between two parts
            label_agrees.append(labels[person, joint] == VISIBLE)
    share = f"{100 * np.mean(in_mask):.1f} % of {len(in_mask)} visible joints"
    sys.stdout.write(share + " lie in the mask of their part\n")  # shown by pytest -rP
    assert len(in_mask) > 130
    assert np.mean(in_mask) >= 0.99
    assert np.mean(label_agrees) >= 0.99
    assert np.mean(part_agrees) >= 0.9  # clothes shift the borders between parts a little


def test_hidden_joints_are_called_hidden(body, scene, drawing):
    """From behind nobody's face is visible, whatever the pose."""
    *_, view, posed = scene
    keypoints = view.project(view.to_camera(body.joints(posed)))
    labels = visibility(drawing.parts, keypoints)
    nothing = torch.full_like(drawing.parts, NO_PART)
    assert set(visibility(nothing, keypoints).unique().tolist()) <= {HIDDEN, OUTSIDE}
    far = keypoints + 10 * SIZE[0]
    assert (visibility(drawing.parts, far) == OUTSIDE).all()
    assert 0.6 < (labels == VISIBLE).float().mean() < 0.99


def test_parts_of_left_joints_are_left():
    table = parts_of_joints()
    left, right = (H36M_17.index(f"{side}_wrist") for side in ("left", "right"))
    assert table[left, INDEX["left_hand"]]
    assert not table[left, INDEX["right_hand"]]
    assert table[right].sum() == table[left].sum() == 2


def test_everybody_is_clothed(body):
    """Trunk, hips and thighs down to where trousers end, whatever the look."""
    look = sample_look(200, torch.Generator().manual_seed(0))
    arm, leg, trunk, head = body.wardrobe.T
    used = torch.zeros(body.num_vertices, dtype=torch.bool)
    used[body.faces[body.face_kinds == BODY].unique()] = True
    must = used & (arm < 0.01) & (head < 0.5) & (leg < 0.4) & (trunk < 0.94)
    assert must.sum() > 1000
    offsets = shading.garment_offsets(body.wardrobe.T, look)
    assert (offsets[:, must] > 0.003).all()
    kind = torch.zeros(int(must.sum()), dtype=torch.long)
    place = torch.zeros(3, len(kind))
    for person in range(0, 200, 10):
        row = look[person]
        material = shading.materials(
            kind, body.wardrobe.T[:, must], place, torch.zeros(len(kind)), row.edges, torch.inf
        )
        assert set(material.unique().tolist()) <= {appearance.SHIRT, appearance.TROUSERS}


def test_shadows_darken_and_light_brightens(body, scene, drawing):
    shape, rest, transforms, look, view, _ = scene
    is_body = drawing.parts != NO_PART
    assert 0.03 < is_body.float().mean() < 0.4
    assert not drawing.light[~is_body].any()
    assert drawing.shade.amax() > 0.2
    assert (drawing.shade > 0).float().mean() < 0.3
    brighter = sample_look(NUM_POSES, torch.Generator().manual_seed(11))
    for name in vars(brighter):
        getattr(brighter, name).copy_(getattr(look, name))
    brighter.light_colour.mul_(2)
    again = Renderer(body).draw(shape, rest, transforms, brighter, view, SIZE)
    assert torch.equal(again.parts, drawing.parts)
    assert (again.light >= drawing.light - 1e-6).all()
    assert again.light.sum() > 1.2 * drawing.light.sum()
    brighter.light_colour.copy_(look.light_colour)
    brighter.shadow.zero_()
    unshadowed = Renderer(body).draw(shape, rest, transforms, brighter, view, SIZE)
    darker = (unshadowed.light - drawing.light).amax(-1)[is_body]
    assert darker.min() > -1e-6
    assert 0.02 < (darker > 0.02).float().mean() < 0.6  # self-shadow, but not everywhere


def test_people_near_the_camera_do_not_break_the_picture(body, scene):
    shape, rest, transforms, look, view, posed = scene
    inside = View(view.intrinsics, view.rotation, view.translation - torch.tensor([0, 0, 2.9]))
    drawing = Renderer(body).draw(
        shape, rest, transforms, look, inside, SIZE, posed[..., 2].amin(1)
    )
    assert drawing.light.isfinite().all()
    assert drawing.shade.isfinite().all()


@pytest.mark.skipif(importlib.util.find_spec("warp") is None, reason="warp-lang is not installed")
def test_warp_draws_the_same_pictures(body, scene, drawing):
    shape, rest, transforms, look, view, posed = scene
    ground = posed[..., 2].amin(1)
    own = Renderer(body, warp_rasteriser()).draw(shape, rest, transforms, look, view, SIZE, ground)
    differs = (own.light - drawing.light).abs().amax(-1) > 1 / 255
    assert differs.float().mean() < 0.001
    assert (own.parts != drawing.parts).float().mean() < 0.001
    assert ((own.shade - drawing.shade).abs() > 0.02).float().mean() < 0.001
