"""Lenses: against OpenCV, against Human3.6M's formula, and there and back."""

import cv2
import numpy as np
import pytest

from pose_core.data.lens_camera import LensCamera

RADIAL, TANGENTIAL = (-0.27, 0.13, -0.05), (-0.002, 0.003)


@pytest.fixture
def points(rng):
    """Camera coordinates within 30 degrees of the axis, as people are."""
    xyz = rng.uniform(-1, 1, size=(200, 3))
    return np.stack([1.5 * xyz[:, 0], 1.5 * xyz[:, 1], 4 + xyz[:, 2]], axis=-1)


def camera(factor=2, **options):
    lens = {"radial": RADIAL, "tangential": TANGENTIAL, "tangential_factor": factor}
    return LensCamera("c", 1920, 1080, (1683.0, 1672.0), (940.0, 560.0), **lens | options)


def test_projection_is_that_of_opencv(points):
    lens = camera()
    k = np.array([[1683.0, 0, 940], [0, 1672.0, 560], [0, 0, 1]])
    coefficients = np.array([RADIAL[0], RADIAL[1], *TANGENTIAL, RADIAL[2]])
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), k, coefficients)
    np.testing.assert_allclose(lens.project(points), expected[:, 0], atol=1e-9)


@pytest.mark.parametrize("factor", [1, 2])
def test_rays_undo_the_lens(points, factor):
    lens = camera(factor)
    rays = lens.rays(lens.project(points))
    # Of a focal length of 1683 pixels: two millionths of a pixel.
    np.testing.assert_allclose(rays, points[:, :2] / points[:, 2:], atol=1e-9)


def test_straightened_pixels_are_those_of_the_pinhole_camera(points):
    lens = camera()
    straight = lens.straighten(lens.project(points))
    np.testing.assert_allclose(straight, lens.pinhole().project(points), atol=1e-5)
    assert np.abs(straight - lens.project(points)).max() > 5  # the lens did something


def test_without_a_lens_it_is_a_pinhole_camera_with_two_focal_lengths():
    lens = camera(radial=(0.0, 0.0, 0.0), tangential=(0.0, 0.0))
    point = np.array([[0.4, -0.2, 2.0]])
    np.testing.assert_allclose(lens.project(point), [[940 + 0.2 * 1683, 560 - 0.1 * 1672]])


def test_missing_points_stay_missing_and_points_behind_are_not_seen():
    xyz = np.array([[0, 0, 3.0], [np.nan, 0, 3.0], [0, 0, -3.0]])
    xy = camera().project(xyz)
    np.testing.assert_allclose(xy[0], [940, 560])
    assert np.isnan(xy[1]).any()
    assert np.isnan(xy[2]).all()
    assert np.isnan(camera().rays(xy)[2]).all()
