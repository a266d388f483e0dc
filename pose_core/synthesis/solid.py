"""Soft bodies made of many round cones and ellipsoids, as a signed distance in space.

Every part is a round cone (two balls and their tangent cone) in local coordinates that may be
squeezed along its axes. Parts of one material melt into each other; materials do not.
"""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np


@dataclass
class Solid:
    """A body in the making: add parts, then `freeze` it.

    Parameters
    ----------
    blend_m : (materials,) ndarray
        Length over which the parts of each material flow together, metres.

    Parts are kept as rows: material, world-to-local matrix (3, 4), then the radii of the two
    balls, their distance and the factor from local to world distance, then a bounding ball.
    """

    blend_m: np.ndarray
    _rows: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=list)

    def cone(
        self,
        material: int,
        start: np.ndarray,
        end: np.ndarray,
        radii: tuple[float, float],
        flat_along: np.ndarray | None = None,
        flatness: float = 1.0,
    ) -> None:
        """Add a round cone from one ball to another, squeezed along one direction.

        Parameters
        ----------
        material : int
        start, end : (3,) ndarray
            Centres of the balls, world metres.
        radii : (float, float)
            Metres.
        flat_along : (3,) ndarray, optional
            Direction of the squeeze.
        flatness : float
            Thickness along it over the thickness across, at most 1.
        """
        length = float(np.linalg.norm(end - start))
        along = (end - start) / length
        helper = np.eye(3)[np.argmin(np.abs(along))] if flat_along is None else flat_along
        across = helper - (helper @ along) * along
        across /= np.linalg.norm(across)
        axes = np.stack([across / flatness, np.cross(along, across), along])
        ball = [*((start + end) / 2), length / 2 + max(radii)]
        self._add(material, axes, start, [*radii, length, flatness], ball)

    def ellipsoid(
        self, material: int, centre: np.ndarray, axes: np.ndarray, radii: tuple[float, ...]
    ) -> None:
        """Add an ellipsoid with half axes `radii` (metres) along the columns of `axes`."""
        scaled = axes.T / np.array(radii)[:, None]
        self._add(material, scaled, centre, [1, 1, 0, min(radii)], [*centre, max(radii)])

    def _add(
        self,
        material: int,
        axes: np.ndarray,
        origin: np.ndarray,
        shape: list[float],
        ball: list[float],
    ) -> None:
        to_local = np.concatenate([axes, -(axes @ origin)[:, None]], axis=1)
        self._rows.append((material, to_local, np.array(shape), np.array(ball)))

    def freeze(self) -> "FrozenSolid":
        """Pack the parts into arrays, sorted by material."""
        rows = sorted(self._rows, key=lambda row: row[0])
        materials, to_local, shapes, balls = zip(*rows, strict=True)
        return FrozenSolid(
            np.array(materials),
            np.stack(to_local, axis=-1).astype(np.float32),
            np.stack(shapes, axis=-1).astype(np.float32),
            np.stack(balls).astype(np.float32),
            self.blend_m,
        )


@dataclass(frozen=True, eq=False)
class FrozenSolid:
    """A body that can be asked for distances.

    Parameters
    ----------
    part_materials : (P,) int ndarray
        Material of each part, ascending.
    to_local : (3, 4, P) float32 ndarray
        World to local coordinates of the parts.
    shapes : (4, P) float32 ndarray
        First radius, second radius, length, local-to-world factor.
    balls : (P, 4) float32 ndarray
        Centre and radius of a ball around each part, metres.
    blend_m : (materials,) float32 ndarray
        As in `Solid`.
    """

    part_materials: np.ndarray
    to_local: np.ndarray
    shapes: np.ndarray
    balls: np.ndarray
    blend_m: np.ndarray

    @cached_property
    def materials(self) -> np.ndarray:
        """(M,) numbers of the materials in use, ascending."""
        return np.unique(self.part_materials)

    def near_rays(self, origins: np.ndarray, rays: np.ndarray, margin: float) -> "FrozenSolid":
        """Only the parts within `margin` metres of any of some rays; there may be none.

        Parameters
        ----------
        origins, rays : (N, 3) or (3,) ndarray
            Start and unit direction of each ray.
        margin : float
        """
        origins, rays = np.broadcast_arrays(origins, rays)
        centres = self.balls[:, :3]
        along = centres @ rays.T - (origins * rays).sum(1)
        squared = (centres**2).sum(1)[:, None] - 2 * centres @ origins.T + (origins**2).sum(1)
        apart = squared - along * np.maximum(along, 0)
        is_near = (apart < (self.balls[:, 3:] + margin) ** 2).any(axis=1)
        return FrozenSolid(
            self.part_materials[is_near],
            self.to_local[..., is_near],
            self.shapes[:, is_near],
            self.balls[is_near],
            self.blend_m,
        )

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Signed distance (N,) of world points (N, 3) to the surface, metres, never too long."""
        return self.distances(points).min(axis=0)

    def distances(self, points: np.ndarray) -> np.ndarray:
        """Signed distance (M, N) of world points (N, 3) to each material, metres."""
        parts = self._part_distances(points)
        starts = np.searchsorted(self.part_materials, [*self.materials, np.iinfo(int).max])
        blended = [
            _soft_minimum(parts[start:end], self.blend_m[material])
            for material, (start, end) in zip(self.materials, pairwise(starts), strict=True)
        ]
        return np.stack(blended)

    def normals(self, points: np.ndarray, step: float = 0.0015) -> np.ndarray:
        """Unit normals (N, 3) of the surface near world points (N, 3)."""
        # Differences towards the corners of a tetrahedron need four distances instead of six.
        corners = np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], dtype=np.float32)
        gradient = np.zeros_like(points)
        for corner in corners:
            gradient += corner * self.distance(points + step * corner)[:, None]
        return gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-9)

    def _part_distances(self, points: np.ndarray) -> np.ndarray:
        """Signed distance (P, N) to each part.

        A round cone is the union of balls along its axis; the nearest one is found directly.
        """
        radius_0, radius_1, length, factor = self.shapes[:, :, None]
        slope = (radius_0 - radius_1) / np.maximum(length, np.float32(1e-6))
        x, y, z = (row[:3].T @ points.T + row[3][:, None] for row in self.to_local)
        across = x * x
        across += y * y
        ball = z - np.sqrt(across) * (slope / np.sqrt(1 - slope * slope))
        ball = np.minimum(np.maximum(ball, 0, out=ball), length, out=ball)
        z -= ball
        across += z * z
        distance = np.sqrt(across, out=across)
        distance -= radius_0 - slope * ball
        distance *= factor
        return distance


def _soft_minimum(distances: np.ndarray, blend: np.ndarray) -> np.ndarray:
    """Minimum (N,) over the parts (P, N) that rounds off the creases between them."""
    nearest = distances.min(axis=0)
    if len(distances) == 1:
        return nearest
    weights = np.exp((nearest - distances) / blend)
    return nearest - blend * np.log(weights.sum(axis=0))
