"""Which triangle is in front at each pixel: the one interface of all backends, and its reference.

A rasteriser takes points on the screen and gives the index of the nearest triangle per pixel.
Everything else (posing, shading) is done in torch for all backends alike, so that they can differ
only where rounding decides which of two triangles a pixel at their common edge belongs to.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# Triangles are grouped by the larger side of their box in pixels; each group is drawn at once.
_GROUPS = (1, 2, 3, 5, 8, 16, 32, 64, 128)
# At most this many candidate pixels are looked at in one go.
_MAX_CANDIDATES = 4_000_000
DEPTH_STEPS = float(2**30)
FACE_BITS = 16
EMPTY = 2**62


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles to draw.

    Parameters
    ----------
    faces : (F, 3) int Tensor
        Vertices of each; F is less than 65,536.
    drawn : (B, F) bool Tensor
        Which are drawn in each picture.
    two_sided : (F,) bool Tensor
        Seen from both sides; the others only from outside (clockwise on the screen, y down).
    """

    faces: Tensor
    drawn: Tensor
    two_sided: Tensor


# (points (B, V, 3), mesh, (height, width)) -> keys (B, H, W), see `rasterise_torch`.
Rasteriser = Callable[[Tensor, Mesh, tuple[int, int]], Tensor]


def rasterise_torch(points: Tensor, mesh: Mesh, size: tuple[int, int]) -> Tensor:
    """Draw in pure torch, on any device: the reference.

    Parameters
    ----------
    points : (B, V, 3) Tensor
        Pixel x, y and a depth that is affine on the screen and between 0 (near) and 1 (far).
        A vertex that must not be drawn has a depth of NaN, and so have all its triangles.
    mesh : Mesh
    size : (int, int)
        Height and width, pixels.

    Returns
    -------
    (B, H, W) int64 Tensor
        ``depth * 2**30 << 16 | face`` of the nearest triangle that covers the pixel's centre, or
        `EMPTY`. `faces_of` and `depths_of` take it apart.
    """
    height, width = size
    batch = len(points)
    # One plane per coordinate and corner: contiguous, so that setting up all triangles is cheap.
    ax, ay, az, bx, by, bz, cx, cy, cz = (
        points[..., axis].index_select(1, mesh.faces[:, corner])
        for corner in range(3)
        for axis in range(3)
    )
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    left, right = _pixel_range(ax, bx, cx, width)
    top, bottom = _pixel_range(ay, by, cy, height)
    side = torch.maximum(right - left, bottom - top) + 1
    wanted = mesh.drawn & ((area < 0) | (mesh.two_sided & (area > 0)))
    wanted &= (right >= left) & (bottom >= top) & (az + bz + cz).isfinite()
    picture, face = wanted.nonzero(as_tuple=True)
    flat = picture * len(mesh.faces) + face
    planes = (ax, ay, az, bx, by, bz, cx, cy, cz, left, top)
    setup = torch.stack([plane.flatten()[flat] for plane in planes])
    side = side.flatten()[flat]
    keys = torch.full((batch * height * width,), EMPTY, dtype=torch.int64, device=points.device)
    smaller = 0
    for larger in (*_GROUPS, max(size)):
        group = ((side > smaller) & (side <= larger)).nonzero()[:, 0]
        smaller = larger
        for rows in group.split(max(_MAX_CANDIDATES // larger**2, 1)):
            _draw(keys, picture[rows], face[rows], setup[:, rows], larger, size)
    return keys.view(batch, height, width)


def _pixel_range(a: Tensor, b: Tensor, c: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """First and last pixel whose centre lies between the extremes of three coordinates."""
    first = torch.minimum(torch.minimum(a, b), c).sub_(0.5).ceil_().clamp_(min=0)
    last = torch.maximum(torch.maximum(a, b), c).sub_(0.5).floor_().clamp_(max=count - 1)
    return first, last


def _draw(
    keys: Tensor, picture: Tensor, face: Tensor, setup: Tensor, side: int, size: tuple[int, int]
) -> None:
    """Put triangles whose boxes are at most `side` pixels wide into the flat keys.

    Parameters
    ----------
    keys : (B * H * W,) Tensor
        Changed in place.
    picture, face : (N,) Tensor
    setup : (11, N) Tensor
        x, y, depth of the three corners, and first column and row of the box.
    """
    height, width = size
    ax, ay, az, bx, by, bz, cx, cy, cz, left, top = setup
    x, y = left + 0.5, top + 0.5
    scale = 1 / ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
    # Shares of the corners and depth change evenly over the screen: first value, then the change
    # per column and per row.
    of_a = ((bx - x) * (cy - y) - (by - y) * (cx - x)) * scale, (by - cy) * scale, (cx - bx) * scale
    of_b = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) * scale, (cy - ay) * scale, (ax - cx) * scale
    to_b, to_c = bz - az, cz - az
    of_c = 1 - of_a[0] - of_b[0], -of_a[1] - of_b[1], -of_a[2] - of_b[2]
    depth = tuple(az * (i == 0) + b * to_b + c * to_c
                  for i, (b, c) in enumerate(zip(of_b, of_c, strict=True)))  # fmt: skip
    steps = torch.arange(side, device=keys.device, dtype=setup.dtype)
    inside = _plane(of_a, steps) >= 0
    inside &= _plane(of_b, steps) >= 0
    inside &= _plane(of_c, steps) >= 0
    inside &= (left[:, None] + steps < width)[:, None] & (top[:, None] + steps < height)[..., None]
    # From here on only what is covered, which is a third of the candidates.
    hit = inside.flatten().nonzero()[:, 0]
    which, place = hit // side**2, hit % side**2
    row, column = place // side, place % side
    first = (picture * height + top.long()) * width + left.long()
    key = (_plane(depth, steps).flatten()[hit] * DEPTH_STEPS).long() << FACE_BITS
    key |= face[which]
    keys.scatter_reduce_(0, first[which] + row * width + column, key, "amin")


def _plane(change: tuple[Tensor, ...], steps: Tensor) -> Tensor:
    """Values (N, S, S) at rows and columns from a first value (N,), by its changes."""
    first, per_column, per_row = change
    along = first[:, None] + per_column[:, None] * steps
    return along[:, None] + (per_row[:, None] * steps)[..., None]


def faces_of(keys: Tensor) -> Tensor:
    """Face at each pixel, -1 where there is none."""
    return torch.where(keys < EMPTY, keys & (2**FACE_BITS - 1), -1)


def depths_of(keys: Tensor) -> Tensor:
    """Depth (0..1) at each pixel, infinite where there is none."""
    depth = (keys >> FACE_BITS).to(torch.float32) / DEPTH_STEPS
    return torch.where(keys < EMPTY, depth, torch.inf)
