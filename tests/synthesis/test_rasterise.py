"""The rasterisers against a plain loop over pixels and triangles, and against each other."""

import importlib.util

import numpy as np
import pytest
import torch

from pose_core.errors import ConfigError
from pose_core.synthesis.rasterise import EMPTY, Mesh, depths_of, faces_of, rasterise_torch
from pose_core.synthesis.rasterise_warp import warp_rasteriser

HAS_WARP = importlib.util.find_spec("warp") is not None
SIZE = (37, 50)


def soup(seed: int, num_faces: int = 60) -> tuple[torch.Tensor, Mesh]:
    """Random triangles of all sizes in two pictures, partly outside."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(2, num_faces, 1, 2, generator=generator) * torch.tensor([60.0, 45.0]) - 5
    reach = 30 * torch.rand(2, num_faces, 1, 1, generator=generator) ** 3 + 0.5
    xy = centre + reach * torch.randn(2, num_faces, 3, 2, generator=generator)
    depth = torch.rand(2, num_faces, 3, 1, generator=generator)
    points = torch.cat([xy, depth], dim=-1).flatten(1, 2)
    faces = torch.arange(3 * num_faces).view(-1, 3)
    drawn = torch.rand(2, num_faces, generator=generator) < 0.9
    return points, Mesh(faces, drawn, torch.rand(num_faces, generator=generator) < 0.3)


def slow_rasterise(points: np.ndarray, mesh: Mesh, picture: int) -> tuple[np.ndarray, np.ndarray]:
    """Nearest face (-1 for none) and depth at each pixel centre, by the signs of three areas."""
    height, width = SIZE
    best = np.full(SIZE, np.inf)
    face_at = np.full(SIZE, -1)
    for index, face in enumerate(mesh.faces.numpy()):
        a, b, c = points[face].astype(np.float64).tolist()
        total = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if not mesh.drawn[picture, index] or not (total < 0 or mesh.two_sided[index]):
            continue
        if np.isnan(a[2] + b[2] + c[2]):
            continue
        for row in range(height):
            for column in range(width):
                x, y = column + 0.5, row + 0.5
                u = ((b[0] - x) * (c[1] - y) - (b[1] - y) * (c[0] - x)) / total
                v = ((c[0] - x) * (a[1] - y) - (c[1] - y) * (a[0] - x)) / total
                w = 1 - u - v
                depth = u * a[2] + v * b[2] + w * c[2]
                if min(u, v, w) >= 0 and depth < best[row, column]:
                    best[row, column], face_at[row, column] = depth, index
    return face_at, best


def test_torch_rasteriser_agrees_with_a_plain_loop():
    points, mesh = soup(0)
    points[1, 7, 2] = torch.nan  # a vertex behind the camera takes its triangle along
    keys = rasterise_torch(points, mesh, SIZE)
    for picture in range(2):
        face, depth = slow_rasterise(points[picture].numpy(), mesh, picture)
        own = faces_of(keys)[picture].numpy()
        assert (own == face).mean() > 0.998  # rounding at edges
        same = (own == face) & (face >= 0)
        assert same.mean() > 0.15
        np.testing.assert_allclose(depths_of(keys)[picture].numpy()[same], depth[same], atol=1e-5)
    assert not (faces_of(keys)[1] == 2).any()


def test_outside_is_clockwise_on_the_screen():
    clockwise = torch.tensor([[[5.0, 5.0, 0.5], [5.0, 30.0, 0.5], [40.0, 5.0, 0.5]]])
    faces, drawn = torch.tensor([[0, 1, 2]]), torch.ones(1, 1, dtype=torch.bool)
    one_sided = Mesh(faces, drawn, torch.zeros(1, dtype=torch.bool))
    two_sided = Mesh(faces, drawn, torch.ones(1, dtype=torch.bool))
    reversed_points = clockwise[:, [0, 2, 1]]
    area = int((rasterise_torch(clockwise, one_sided, SIZE) < EMPTY).sum())
    assert area == pytest.approx(35 * 25 / 2, rel=0.05)
    assert not (rasterise_torch(reversed_points, one_sided, SIZE) < EMPTY).any()
    assert int((rasterise_torch(reversed_points, two_sided, SIZE) < EMPTY).sum()) == area


def test_neighbours_leave_no_gap():
    """A fan of thin triangles covers its square without holes."""
    rim = torch.tensor([[x, 0.0] for x in np.linspace(0, 36, 73)] + [[36.0, 36.0], [0.0, 36.0]])
    points = torch.cat([torch.tensor([[17.3, 21.7]]), rim])
    points = torch.cat([points, torch.full((len(points), 1), 0.5)], dim=1)[None]
    last = len(rim)
    faces = torch.tensor([[0, i, i % last + 1] for i in range(1, last + 1)])
    mesh = Mesh(faces, torch.ones(1, last, dtype=torch.bool), torch.ones(last, dtype=torch.bool))
    keys = rasterise_torch(points, mesh, (36, 36))
    assert (keys < EMPTY).all()


@pytest.mark.skipif(not HAS_WARP, reason="the optional package warp-lang is not installed")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_warp_gives_what_torch_gives(seed):
    points, mesh = soup(seed, num_faces=400)
    points[0, 30, 2] = torch.nan
    expected, own = (draw(points, mesh, SIZE) for draw in (rasterise_torch, warp_rasteriser()))
    assert (faces_of(own) == faces_of(expected)).float().mean() > 0.999
    both = (faces_of(own) == faces_of(expected)) & (own < EMPTY)
    assert (depths_of(own)[both] - depths_of(expected)[both]).abs().max() < 1e-5


@pytest.mark.skipif(HAS_WARP, reason="warp-lang is installed")
def test_missing_warp_says_what_to_do():
    with pytest.raises(ConfigError, match="posestage\\[warp\\]"):
        warp_rasteriser()
