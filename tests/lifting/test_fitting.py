"""Skeleton fitting: constant bones, keypoints met, depth recovered."""

import numpy as np
import pytest

from pose_core.camera import Camera
from pose_core.geometry import root_centre
from pose_core.inference import fitting
from pose_core.inference.fitting import fit_skeleton
from pose_core.skeleton import H36M_17


@pytest.fixture
def seen(motion):
    """True poses, root and rays of the walker seen from the side, 25 frames/s."""
    rotation = np.array([[0.8, 0.6, 0], [0, 0, -1], [-0.6, 0.8, 0]])
    camera = Camera(1000, 800, 900.0, rotation=rotation, translation=np.array([-1.0, 1.0, 5.0]))
    xyz = camera.to_camera(motion.positions[::2].astype(np.float64))
    return root_centre(xyz), xyz[:, 0], xyz[..., :2] / xyz[..., 2:]


def bone_spread(poses):
    lengths = [np.linalg.norm(poses[:, c] - poses[:, p], axis=-1) for p, c in H36M_17.bones]
    return np.mean([length.std() for length in lengths])


def error(poses, truth):
    return np.linalg.norm(poses - truth, axis=-1).mean()


def test_the_truth_is_left_where_it_is(seen):
    truth, root, rays = seen
    fitted = fit_skeleton(truth, root, rays, np.ones(rays.shape[:2]), 25.0)
    assert error(fitted, truth) < 0.008
    np.testing.assert_allclose(fitted[:, 0], 0, atol=1e-6)


def test_shortened_depth_is_stretched_until_bones_fit(seen):
    """What a lifter does when unsure: now and then half as deep as it should be."""
    truth, root, rays = seen
    flat = truth.copy()
    flat[..., 2] *= 0.75 + 0.25 * np.sin(np.arange(len(truth)) / 8)[:, None]
    fitted = fit_skeleton(flat, root, rays, np.ones(rays.shape[:2]), 25.0)
    assert bone_spread(flat) > 0.005
    assert bone_spread(fitted) < 0.3 * bone_spread(flat)
    assert error(fitted, truth) < 0.85 * error(flat, truth)


def test_left_and_right_bones_end_equally_long(seen, rng):
    truth, root, rays = seen
    uneven = truth.copy()
    uneven[:, 13] += 0.2 * (uneven[:, 13] - uneven[:, 12])
    fitted = fit_skeleton(uneven, root, rays, np.ones(rays.shape[:2]), 25.0)
    left, right = (np.linalg.norm(fitted[:, a] - fitted[:, b], axis=-1).mean() for a, b in
                   ((12, 13), (15, 16)))  # fmt: skip
    assert left == pytest.approx(right, abs=0.006)


def test_unsure_keypoints_pull_less(seen):
    truth, root, rays = seen
    wrong = rays.copy()
    wrong[:, 16, 0] += 0.1
    scores = np.ones(rays.shape[:2])
    trusted = fit_skeleton(truth, root, wrong, scores, 25.0)
    scores[:, 16] = 0.0
    doubted = fit_skeleton(truth, root, wrong, scores, 25.0)
    pulled = [
        np.linalg.norm(fit[:, 16] - truth[:, 16], axis=-1).mean() for fit in (trusted, doubted)
    ]
    assert pulled[1] < 0.5 * pulled[0]


def test_pieces_of_a_long_sequence_join_without_a_seam(seen, monkeypatch):
    truth, root, rays = seen
    scores = np.ones(rays.shape[:2])
    flat = truth * [1, 1, 0.6]
    whole = fit_skeleton(flat, root, rays, scores, 25.0)
    monkeypatch.setattr(fitting, "_CHUNK_FRAMES", 40)
    monkeypatch.setattr(fitting, "_OVERLAP_FRAMES", 20)
    np.testing.assert_allclose(fit_skeleton(flat, root, rays, scores, 25.0), whole, atol=0.004)


def test_one_frame_is_enough(seen):
    truth, root, rays = (a[:1] for a in seen)
    assert np.isfinite(fit_skeleton(truth, root, rays, np.ones((1, 17)), 25.0)).all()
