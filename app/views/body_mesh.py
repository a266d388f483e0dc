"""Skeletons as triangles: tapered bones, and joints whose shape tells the side.

Balls for left, cubes for right, octahedra for the middle: the shapes of the 2D overlay in 3D.
"""

from dataclasses import dataclass
from functools import lru_cache

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
        if len(meshes) == 1:
            return meshes[0]
        if not meshes:
            nothing = np.zeros((0, 3), np.float32)
            return cls(nothing, nothing, nothing, np.zeros((0, 3), np.uint32))
        offsets = np.cumsum([0] + [len(mesh.positions) for mesh in meshes[:-1]])
        return cls(
            np.concatenate([mesh.positions for mesh in meshes]),
            np.concatenate([mesh.normals for mesh in meshes]),
            np.concatenate([mesh.colours for mesh in meshes]),
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


# Radii that make the three look equally large.
_JOINTS = {
    "left": (Shape.ball(), JOINT_RADIUS_M),
    "right": (Shape.cube(), JOINT_RADIUS_M * 0.84),
    "middle": (Shape.octahedron(), JOINT_RADIUS_M * 1.25),
}

# Tapered tubes, open at their ends, which lie inside the joints.
_ANGLES = 2 * np.pi * np.arange(NUM_SIDES) / NUM_SIDES
_COSINES, _SINES = np.cos(_ANGLES), np.sin(_ANGLES)
_HERE = np.arange(NUM_SIDES)
_AFTER = (_HERE + 1) % NUM_SIDES
_TUBE_FACES = np.concatenate(
    [
        np.stack([_HERE, _AFTER, _HERE + NUM_SIDES], 1),
        np.stack([_AFTER, _AFTER + NUM_SIDES, _HERE + NUM_SIDES], 1),
    ]
)


def body_mesh(
    poses: np.ndarray,
    thickness: float = 1.0,
    fade: float = 0.0,
    fade_to: tuple[float, float, float] = (0.0, 0.0, 0.0),
    colour: tuple[float, float, float] | None = None,
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
    colour : (float, float, float), optional
        RGB 0..1 of everything, in place of the colours of the sides.

    Returns
    -------
    Mesh
        As long as the same joints are known, `colours` and `faces` are the same objects.
    """
    known = np.isfinite(poses).all(axis=-1)
    frame = _frame(known.tobytes(), thickness, fade, tuple(fade_to), colour)
    points = np.asarray(poses, dtype=np.float64).reshape(-1, 3)
    ring = _rings(points[frame.bones[:, 0]], points[frame.bones[:, 1]])  # (B, K, 3)
    first, last = (thickness * radius for radius in BONE_RADII_M)
    tubes = np.stack([first * ring, last * ring], axis=1) + points[frame.bones][:, :, None]
    positions = [points[frame.joints] + frame.offsets, tubes.reshape(-1, 3)]
    normals = [frame.normals, np.stack([ring, ring], axis=1).reshape(-1, 3)]
    return Mesh(
        np.concatenate(positions).astype(np.float32),
        np.concatenate(normals).astype(np.float32),
        frame.colours,
        frame.faces,
    )


@dataclass(frozen=True, eq=False)
class _Frame:
    """What a mesh has in common with those of other poses of which the same joints are known.

    Parameters
    ----------
    joints : (N,) ndarray
        For each corner of a joint's shape the joint, counted through all poses.
    offsets, normals : (N, 3) ndarray
        From the joint to the corner, metres, and the direction of the surface there.
    bones : (B, 2) ndarray
        Parent and child of each tube, counted through all poses.
    colours, faces : ndarray
        As in `Mesh`: first the joints, then the tubes.
    """

    joints: np.ndarray
    offsets: np.ndarray
    normals: np.ndarray
    bones: np.ndarray
    colours: np.ndarray
    faces: np.ndarray


@lru_cache(maxsize=64)
def _frame(
    known_bytes: bytes,
    thickness: float,
    fade: float,
    fade_to: tuple[float, ...],
    colour: tuple[float, ...] | None,
) -> _Frame:
    known = np.frombuffer(known_bytes, dtype=bool).reshape(-1, len(SIDES))
    rgb = JOINT_RGB if colour is None else np.tile(colour, (len(SIDES), 1))
    rgb = rgb + fade * (np.array(fade_to) - rgb)
    joints, offsets, normals, faces = [], [], [], [np.zeros((0, 3), int)]
    num_corners = 0
    for person, joint in np.argwhere(known).tolist():
        shape, radius = _JOINTS[SIDES[joint]]
        joints.append(np.full(len(shape.positions), person * len(SIDES) + joint))
        offsets.append(thickness * radius * shape.positions)
        normals.append(shape.normals)
        faces.append(shape.faces + num_corners)
        num_corners += len(shape.positions)
    drawn = known[:, BONES[:, 0]] & known[:, BONES[:, 1]]
    people, bones = np.nonzero(drawn)
    tubes = 2 * NUM_SIDES * np.arange(len(bones))[:, None, None] + num_corners
    faces.append((_TUBE_FACES + tubes).reshape(-1, 3))
    at_corners = np.concatenate([np.zeros(0, int), *joints])
    colours = [rgb[at_corners % len(SIDES)], np.repeat(rgb[BONES[bones, 1]], 2 * NUM_SIDES, axis=0)]
    return _Frame(
        at_corners,
        np.concatenate([np.zeros((0, 3)), *offsets]),
        np.concatenate([np.zeros((0, 3)), *normals]),
        len(SIDES) * people[:, None] + BONES[bones],
        np.concatenate(colours).astype(np.float32),
        np.concatenate(faces).astype(np.uint32),
    )


def _rings(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(N, NUM_SIDES, 3) unit vectors around the way from (N, 3) to (N, 3)."""
    along = ends - starts
    length = np.linalg.norm(along, axis=1, keepdims=True)
    along = np.where(length > 1e-9, along / np.maximum(length, 1e-9), [0.0, 0.0, 1.0])
    helper = np.where(np.abs(along[:, 2:]) < 0.9, [0.0, 0.0, 1.0], [1.0, 0.0, 0.0])
    u = np.cross(along, helper)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(along, u)
    return _COSINES[:, None] * u[:, None] + _SINES[:, None] * v[:, None]
