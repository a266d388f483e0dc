"""Skeletons as triangles: tapered bones, and joints whose shape tells the side.

Balls for left, cubes for right, octahedra for the middle: the shapes of the 2D overlay in 3D.
"""

from dataclasses import dataclass

import numpy as np

from pose_core.palette import SIDE_COLOURS
from pose_core.skeleton import H36M_17

BONES = np.array(H36M_17.bones)
SIDES = tuple(H36M_17.side(joint) for joint in range(H36M_17.num_joints))
SIDE_RGB = {side: np.array(rgb) / 255 for side, rgb in SIDE_COLOURS.items()}
JOINT_RGB = np.array([SIDE_RGB[side] for side in SIDES])

JOINT_RADIUS_M = 0.034
BONE_RADII_M = (0.024, 0.016)  # at the parent, at the child
NUM_SIDES = 8


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles.

    Parameters
    ----------
    positions, normals : (N, 3) float32 ndarray
    colours : (N, 3) float32 ndarray
        RGB 0..1.
    faces : (F, 3) uint32 ndarray
    """

    positions: np.ndarray
    normals: np.ndarray
    colours: np.ndarray
    faces: np.ndarray

    @classmethod
    def joined(cls, meshes: list["Mesh"]) -> "Mesh":
        """Put meshes into one."""
        if not meshes:
            nothing = np.zeros((0, 3), np.float32)
            return cls(nothing, nothing, nothing, np.zeros((0, 3), np.uint32))
        offsets = np.cumsum([0] + [len(mesh.positions) for mesh in meshes[:-1]])
        return cls(
            np.concatenate([mesh.positions for mesh in meshes]).astype(np.float32),
            np.concatenate([mesh.normals for mesh in meshes]).astype(np.float32),
            np.concatenate([mesh.colours for mesh in meshes]).astype(np.float32),
            np.concatenate(
                [mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=True)]
            ).astype(np.uint32),
        )


@dataclass(frozen=True, eq=False)
class Shape:
    """One joint of unit size about the origin; the mesh of many joints repeats it."""

    positions: np.ndarray
    normals: np.ndarray
    faces: np.ndarray

    @classmethod
    def flat(cls, triangles: np.ndarray, faces_per_normal: int) -> "Shape":
        """Shape with one normal for every `faces_per_normal` triangles (F, 3, 3)."""
        edges = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
        normals = edges / np.linalg.norm(edges, axis=1, keepdims=True)
        normals = np.repeat(normals[::faces_per_normal], faces_per_normal, axis=0)
        return cls(
            triangles.reshape(-1, 3),
            np.repeat(normals, 3, axis=0),
            np.arange(3 * len(triangles)).reshape(-1, 3),
        )

    @classmethod
    def ball(cls) -> "Shape":
        """Octahedron divided twice and blown up: 128 triangles."""
        triangles = cls.octahedron().positions.reshape(-1, 3, 3)
        for _ in range(2):
            a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
            ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
            triangles = np.concatenate(
                [
                    np.stack(corners, 1)
                    for corners in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
                ]
            )
        points, index = np.unique(triangles.reshape(-1, 3), axis=0, return_inverse=True)
        points = points / np.linalg.norm(points, axis=1, keepdims=True)
        return cls(points, points, index.reshape(-1, 3))

    @classmethod
    def octahedron(cls) -> "Shape":
        signs = np.array([(x, y, z) for x in (1, -1) for y in (1, -1) for z in (1, -1)])
        triangles = signs[:, :, None] * np.eye(3)
        # Seen from outside, corners run counter-clockwise.
        inward = np.prod(signs, axis=1) < 0
        triangles[inward] = triangles[inward][:, ::-1]
        return cls.flat(triangles, 1)

    @classmethod
    def cube(cls) -> "Shape":
        triangles = []
        for axis in range(3):
            for sign in (1.0, -1.0):
                ahead = np.roll([sign, 0, 0], axis)
                u, v = np.roll([0, 1.0, 0], axis), np.roll([0, 0, sign], axis)
                corners = [ahead - u - v, ahead + u - v, ahead + u + v, ahead - u + v]
                triangles += [corners[:3], [corners[0], *corners[2:]]]
        return cls.flat(np.array(triangles), 2)

    def at(self, centres: np.ndarray, radius: float, colour: np.ndarray) -> Mesh:
        """Repeat the shape at (N, 3) centres."""
        count = len(self.positions)
        positions = centres[:, None] + radius * self.positions
        offsets = count * np.arange(len(centres))[:, None, None]
        return Mesh(
            positions.reshape(-1, 3),
            np.tile(self.normals, (len(centres), 1)),
            np.broadcast_to(colour, (count * len(centres), 3)),
            (self.faces + offsets).reshape(-1, 3),
        )


# Radii that make the three look equally large.
_JOINTS = {
    "left": (Shape.ball(), JOINT_RADIUS_M),
    "right": (Shape.cube(), JOINT_RADIUS_M * 0.84),
    "middle": (Shape.octahedron(), JOINT_RADIUS_M * 1.25),
}
_SIDE_JOINTS = {side: np.array([s == side for s in SIDES]) for side in _JOINTS}


def body_mesh(
    poses: np.ndarray,
    thickness: float = 1.0,
    fade: float = 0.0,
    fade_to: tuple[float, float, float] = (0.0, 0.0, 0.0),
    colour: np.ndarray | None = None,
) -> Mesh:
    """Triangles of skeletons.

    Parameters
    ----------
    poses : (P, 17, 3) ndarray
        Scene coordinates, metres; joints with NaN, and their bones, are left out.
    thickness : float
        1 for the usual bones and joints.
    fade : float
        Share of `fade_to`, an RGB colour 0..1, in all colours.
    colour : (3,) ndarray, optional
        RGB 0..1 of everything, in place of the colours of the sides.
    """

    def faded(rgb: np.ndarray) -> np.ndarray:
        rgb = rgb if colour is None else np.broadcast_to(colour, rgb.shape)
        return rgb + fade * (np.array(fade_to) - rgb)

    poses = np.asarray(poses, dtype=np.float64)
    known = np.all(np.isfinite(poses), axis=-1)
    meshes = []
    for side, (shape, radius) in _JOINTS.items():
        centres = poses[known & _SIDE_JOINTS[side]]
        if len(centres):
            meshes.append(shape.at(centres, radius * thickness, faded(SIDE_RGB[side])))
    drawn = known[:, BONES[:, 0]] & known[:, BONES[:, 1]]
    if drawn.any():
        starts, ends = poses[:, BONES[:, 0]][drawn], poses[:, BONES[:, 1]][drawn]
        colours = np.broadcast_to(JOINT_RGB[BONES[:, 1]], (len(poses), len(BONES), 3))[drawn]
        meshes.append(_bones(starts, ends, faded(colours), thickness))
    return Mesh.joined(meshes)


def _bones(starts: np.ndarray, ends: np.ndarray, colours: np.ndarray, thickness: float) -> Mesh:
    """Tapered tubes from (N, 3) to (N, 3), open at their ends, which lie inside the joints."""
    along = ends - starts
    length = np.linalg.norm(along, axis=1, keepdims=True)
    along = np.where(length > 1e-9, along / np.maximum(length, 1e-9), [0.0, 0.0, 1.0])
    helper = np.where(np.abs(along[:, 2:]) < 0.9, [0.0, 0.0, 1.0], [1.0, 0.0, 0.0])
    u = np.cross(along, helper)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(along, u)
    angles = 2 * np.pi * np.arange(NUM_SIDES) / NUM_SIDES
    ring = np.cos(angles)[:, None] * u[:, None] + np.sin(angles)[:, None] * v[:, None]  # (N, K, 3)
    first, last = (thickness * radius for radius in BONE_RADII_M)
    positions = np.concatenate(
        [starts[:, None] + first * ring, ends[:, None] + last * ring], axis=1
    )
    here = np.arange(NUM_SIDES)
    after = (here + 1) % NUM_SIDES
    faces = np.concatenate(
        [
            np.stack([here, after, here + NUM_SIDES], 1),
            np.stack([after, after + NUM_SIDES, here + NUM_SIDES], 1),
        ]
    )
    offsets = 2 * NUM_SIDES * np.arange(len(starts))[:, None, None]
    return Mesh(
        positions.reshape(-1, 3),
        np.concatenate([ring, ring], axis=1).reshape(-1, 3),
        np.repeat(colours, 2 * NUM_SIDES, axis=0),
        (faces + offsets).reshape(-1, 3),
    )
