"""What the 3D view shows, as arrays: people at a frame, the ground they stand on, their extent."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from app.views.body_mesh import Mesh, body_mesh
from app.views.orbit import LEVEL, to_scene
from app.views.segments import TRAIL_FRAMES, Ground, Segments, trails
from pose_core.levelling import levelling_rotation, tilt_deg
from pose_core.skeleton import H36M_17

PELVIS = H36M_17.index("pelvis")
ANKLES = [H36M_17.index("left_ankle"), H36M_17.index("right_ankle")]

# The ankle joint of a grown person standing flat is about this far above the sole.
ANKLE_HEIGHT_M = 0.08
SAMPLES = 2000  # frames that are enough to know the extent of a long clip
COVERED_FRAMES = 8  # frames that are enough to know where words are in the way
POINTS_OF_A_BONE = 9
GRID_MARGIN_M = 1.5
SMALLEST_GRID_M = 6.0
LARGEST_GRID_M = 30.0
# A lean beyond this is rather an error of the poses, or somebody who hangs or lies, than a tilt.
LARGEST_TILT_DEG = 45.0
OTHERS_THICKNESS, OTHERS_FADE = 0.62, 0.45


@dataclass(frozen=True, eq=False)
class StagePoses:
    """(T, 17, 3) camera coordinates, computed for those frames alone that are asked for.

    Parameters
    ----------
    stage : (T, 17, 3) ndarray
        Relative to the pelvis.
    root : (T, 3) ndarray
    """

    stage: np.ndarray
    root: np.ndarray

    def __len__(self) -> int:
        return len(self.stage)

    def __getitem__(self, frames: int | slice) -> np.ndarray:
        return self.stage[frames] + self.root[frames][..., None, :]


@dataclass(frozen=True, eq=False)
class PersonPoses3D:
    """One person through the clip.

    Parameters
    ----------
    track_id : int
    camera_xyz : (T, 17, 3) ndarray or StagePoses
        Joints of the Human3.6M skeleton in camera coordinates (x right, y down, z forward),
        metres; NaN where missing.
    is_selected : bool
    level : (3, 3) ndarray
        From the camera's axes to those of a level camera, the same for everybody in a scene.
    preview : (int, (17, 3) ndarray), optional
        A frame, and the pose to show there in place of the person's own.
    moved : Mapping of int to frozenset of int
        By frame, joints that the user has put where they are.
    """

    track_id: int
    camera_xyz: np.ndarray | StagePoses
    is_selected: bool
    level: np.ndarray = field(default_factory=lambda: LEVEL)
    preview: tuple[int, np.ndarray] | None = None
    moved: Mapping[int, frozenset[int]] = field(default_factory=dict)

    def scene_xyz(self, frames: int | slice) -> np.ndarray:
        """(..., 17, 3) scene coordinates at some frames."""
        return to_scene(self.camera_xyz[frames], self.level)

    @property
    def sample(self) -> slice:
        """Frames that are enough to know where the person is."""
        return slice(None, None, max(len(self.camera_xyz) // SAMPLES, 1))


@dataclass(frozen=True, eq=False)
class Extent:
    """Where the people of a clip are, without the few frames that are far off.

    Parameters
    ----------
    low, high : (3,) ndarray
        Corners of a box around them, scene coordinates.
    ground_z : float
        Height of the floor.
    """

    low: np.ndarray
    high: np.ndarray
    ground_z: float

    @classmethod
    def of(cls, people: list[PersonPoses3D]) -> "Extent | None":
        """Extent of all people, None if there is no pose at all."""
        step = max(sum(len(person.camera_xyz) for person in people) // SAMPLES, 1)
        sampled = [person.scene_xyz(slice(None, None, step)) for person in people]
        points = np.concatenate([np.zeros((0, 17, 3)), *sampled])
        known = points[np.isfinite(points).all(axis=2)]
        if not len(known):
            return None
        low, high = np.percentile(known, [1, 99], axis=0)
        # One foot is on the ground nearly always, and a few frames may be far off: the median.
        lower_ankle = np.fmin.reduce(points[:, ANKLES, 2], axis=1)
        lower_ankle = lower_ankle[np.isfinite(lower_ankle)]
        if len(lower_ankle):
            ground_z = float(np.median(lower_ankle)) - ANKLE_HEIGHT_M
        else:
            ground_z = float(low[2])
        return cls(low, high, ground_z)

    @property
    def centre(self) -> np.ndarray:
        return (self.low + self.high) / 2

    @property
    def radius(self) -> float:
        """Metres from the centre to a corner; never less than half a person."""
        return max(float(np.linalg.norm(self.high - self.low)) / 2, 0.9)

    def ground(self, margin_m: float, smallest_m: float = 0.0) -> Ground:
        """Whole metres of floor around the people, with a margin on each side."""
        middle = self.centre[:2]
        half = (self.high - self.low)[:2] / 2 + margin_m
        half = np.clip(half, smallest_m / 2, LARGEST_GRID_M / 2)
        x0, y0 = np.floor(middle - half).astype(int).tolist()
        x1, y1 = np.ceil(middle + half).astype(int).tolist()
        return Ground(x0, x1, y0, y1, self.ground_z)

    def grid(self) -> Ground:
        """The floor on which the grid is drawn."""
        return self.ground(GRID_MARGIN_M, SMALLEST_GRID_M)


def level_of(people: list[PersonPoses3D]) -> np.ndarray:
    """(3, 3) rotation that makes the first person upright who stands long enough to tell.

    The camera's axes are kept where nobody does, or would have to be turned very far.
    """
    for person in people:
        rotation = levelling_rotation(person.camera_xyz[person.sample])
        if rotation is not None and tilt_deg(rotation) <= LARGEST_TILT_DEG:
            return rotation
    return LEVEL


def body_points(people: list[PersonPoses3D]) -> np.ndarray:
    """(N, 3) points along everybody's bones in some frames: where words are in the way."""
    points = [np.zeros((0, 3))]
    for person in people:
        step = max(len(person.camera_xyz) // COVERED_FRAMES, 1)
        points.append(points_along_bones(person.scene_xyz(slice(None, None, step))).reshape(-1, 3))
    return np.concatenate(points)


def points_along_bones(joints: np.ndarray) -> np.ndarray:
    """(P, N, D) points along the bones of poses (P, 17, D)."""
    parents, children = np.array(H36M_17.bones).T
    shares = np.linspace(0, 1, POINTS_OF_A_BONE)[:, None, None]
    points = (1 - shares) * joints[:, None, parents] + shares * joints[:, None, children]
    return points.reshape(len(joints), len(shares) * len(parents), joints.shape[-1])


def pose_at(person: PersonPoses3D, frame: int) -> np.ndarray:
    """(17, 3) scene coordinates of a person at a frame; NaN beyond the poses there are."""
    if not 0 <= frame < len(person.camera_xyz):
        return np.full((17, 3), np.nan)
    if person.preview is not None and person.preview[0] == frame:
        return to_scene(person.preview[1], person.level)
    return person.scene_xyz(frame)


def position_at(person: PersonPoses3D, frame: int) -> np.ndarray | None:
    """(3,) pelvis, or the middle of the joints that are known; None if none is."""
    pose = pose_at(person, frame)
    if np.isfinite(pose[PELVIS]).all():
        return pose[PELVIS]
    known = pose[np.isfinite(pose).all(axis=1)]
    return known.mean(axis=0) if len(known) else None


def bodies_at(
    people: list[PersonPoses3D], frame: int, background: tuple[float, float, float]
) -> Mesh:
    """Everybody at a frame; people that are not selected are thinner and fainter."""
    selected = [pose_at(person, frame) for person in people if person.is_selected]
    others = [pose_at(person, frame) for person in people if not person.is_selected]
    meshes = []
    if selected:
        meshes.append(body_mesh(np.stack(selected)))
    if others:
        faint = body_mesh(np.stack(others), OTHERS_THICKNESS, OTHERS_FADE, background)
        meshes.append(faint)
    return Mesh.joined(meshes)


def edited_points(people: list[PersonPoses3D], frame: int) -> np.ndarray:
    """(N, 3) scene points of the joints that the user has put where they are in a frame."""
    points = [
        pose_at(person, frame)[sorted(person.moved[frame])]
        for person in people
        if frame in person.moved
    ]
    return np.concatenate([np.zeros((0, 3)), *points])


def trails_at(people: list[PersonPoses3D], frame: int) -> Segments:
    """Paths that the selected people took to their place at a frame."""
    return Segments.joined(
        [
            trails(person.scene_xyz(slice(max(frame - TRAIL_FRAMES, 0), frame + 1)))
            for person in people
            if person.is_selected
        ]
    )
