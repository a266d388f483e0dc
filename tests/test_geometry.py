import numpy as np
import pytest

from pose_core import geometry
from pose_core.camera import Camera


def random_rotation(rng):
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


def test_projection_and_rays_are_inverse(rng):
    camera = Camera(1280, 720, 900.0, centre_px=(600.0, 380.0), rotation=random_rotation(rng),
                    translation=np.array([0.1, -0.2, 4.0]))  # fmt: skip
    world = rng.normal(size=(20, 3)) * 0.5
    xyz = camera.to_camera(world)
    np.testing.assert_allclose(camera.to_world(xyz), world, atol=1e-12)
    rays = camera.rays(camera.project(world))
    np.testing.assert_allclose(rays, xyz[:, :2] / xyz[:, 2:], atol=1e-12)


def test_points_behind_the_camera_have_no_picture():
    assert np.isnan(Camera(100, 100, 50.0).project(np.array([[0.0, 0.0, -1.0]]))).all()


def test_alignment_undoes_any_similarity(rng):
    points = rng.normal(size=(6, 17, 3))
    rotation = np.stack([random_rotation(rng) for _ in range(6)])
    moved = 1.7 * points @ np.swapaxes(rotation, -1, -2) + rng.normal(size=(6, 1, 3))
    np.testing.assert_allclose(geometry.similarity_align(points, moved), moved, atol=1e-10)
    found, scale, _ = geometry.similarity_fit(points, moved)
    np.testing.assert_allclose(found, rotation, atol=1e-10)
    np.testing.assert_allclose(scale, 1.7)


def test_alignment_never_reflects(rng):
    points = rng.normal(size=(17, 3))
    mirrored = points * [-1, 1, 1]
    rotation, _, _ = geometry.similarity_fit(points, mirrored)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    assert np.abs(geometry.similarity_align(points, mirrored) - mirrored).max() > 0.1


def test_alignment_is_the_least_squares_optimum(rng):
    """No small turn, growth or shift of the aligned points comes nearer to the target."""
    a, b = rng.normal(size=(17, 3)), rng.normal(size=(17, 3))
    best = geometry.similarity_align(a, b)
    least = ((best - b) ** 2).sum()
    for _ in range(50):
        turn = np.eye(3) + geometry.cross_matrix(1e-3 * rng.normal(size=3))
        other = (1 + 1e-3 * rng.normal()) * best @ turn.T + 1e-3 * rng.normal(size=3)
        assert ((other - b) ** 2).sum() >= least - 1e-9


def test_weak_perspective_fit_recovers_scale_and_shift(rng):
    xyz = rng.normal(size=(5, 17, 3))
    xy = 250.0 * xyz[..., :2] + [320.0, 240.0]
    scale, shift = geometry.weak_perspective_fit(xyz, xy, rng.random((5, 17)))
    np.testing.assert_allclose(scale, 250.0)
    np.testing.assert_allclose(shift, np.broadcast_to([320.0, 240.0], (5, 2)))


def test_perspective_root_fit_finds_the_root(rng):
    xyz = geometry.root_centre(rng.normal(size=(5, 17, 3)) * 0.3)
    root = np.array([0.5, -0.2, 4.0]) + rng.normal(size=(5, 3)) * 0.2
    camera_xyz = xyz + root[:, None]
    rays = camera_xyz[..., :2] / camera_xyz[..., 2:]
    found = geometry.perspective_root_fit(xyz, rays, np.ones((5, 17)))
    np.testing.assert_allclose(found, root, atol=1e-6)


def test_rotation_between_turns_one_direction_into_the_other(rng):
    a, b = rng.normal(size=(30, 3)), rng.normal(size=(30, 3))
    b[0], b[1] = a[0], -a[1]
    rotation = geometry.rotation_between(a, b)
    turned = (rotation @ a[..., None])[..., 0]
    np.testing.assert_allclose(
        turned / np.linalg.norm(a, axis=-1, keepdims=True),
        b / np.linalg.norm(b, axis=-1, keepdims=True),
        atol=1e-9,
    )
    np.testing.assert_allclose(np.linalg.det(rotation), 1.0)


def test_triangulation_finds_points_from_two_views(rng):
    points = rng.normal(size=(7, 3))
    cameras = [
        Camera(1000, 1000, 900.0, rotation=random_rotation(rng), translation=np.array([0, 0, 6.0]))
        for _ in range(3)
    ]
    projections = np.stack(
        [c.intrinsics @ np.column_stack([c.rotation, c.translation]) for c in cameras]
    )
    xy = np.stack([c.project(points) for c in cameras])
    np.testing.assert_allclose(geometry.triangulate(xy, projections), points, atol=1e-9)
