"""BVH of one exported person: even frames, upright axes, feet on the ground."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pose_core.errors import ExportError
from pose_core.interchange.bvh import BvhMotion, load_bvh, save_bvh
from pose_core.interchange.person import PersonPoses
from pose_core.interchange.retarget import (
    ANKLE_HEIGHT_PER_SHIN,
    RoundTripError,
    bvh_motion,
    bvh_round_trip_error_mm,
    to_y_up_cm,
)
from pose_core.levelling import levelling_rotation, tilt_deg
from pose_core.skeleton import H36M_17

# A video counts as of constant rate while each frame is nearer to its place on an even grid than
# this part of a frame: then no pose is moved in time.
MAX_GRID_OFFSET = 0.25
MAX_FRAMES = 5_000_000

NOTICEABLE_LEAN_DEG = 3.0


@dataclass(frozen=True, eq=False)
class PersonBvh:
    """A person ready for a BVH file.

    Parameters
    ----------
    motion : BvhMotion
        Centimetres, y up.
    xyz_cm : (T, 17, 3) ndarray
        The positions it was made of, in the same axes.
    notes : tuple of str
        What the user should know of this export.
    """

    motion: BvhMotion
    xyz_cm: np.ndarray
    notes: tuple[str, ...]


def save_person_bvh(path: Path, person: PersonPoses, *, level: bool = False) -> str:
    """Write a person's BVH file, read it back, and say how near it is to the poses.

    Parameters
    ----------
    path : Path
    person : PersonPoses
    level : bool
        Turn the scene so that the standing person is upright (see `person_bvh`).

    Returns
    -------
    str
        Report for the user: the error of the round trip, and what was changed.

    Raises
    ------
    ExportError
    """
    made = person_bvh(person, level=level)
    save_bvh(path, made.motion)
    error: RoundTripError = bvh_round_trip_error_mm(load_bvh(path), made.xyz_cm)
    return "; ".join([str(error), *made.notes])


def person_bvh(person: PersonPoses, *, level: bool = False) -> PersonBvh:
    """Fit the BVH skeleton to a person.

    Axes: x to the right of the picture, y up, z towards the camera; the soles touch y = 0 in the
    frame in which they are lowest. Missing frames are filled in along straight lines between
    their neighbours, and a variable frame rate is evened out to its mean.

    Parameters
    ----------
    person : PersonPoses
    level : bool
        Turn the scene so that the standing person is upright on average, for a camera that looks
        up or down. Otherwise the camera's axes are kept.

    Raises
    ------
    ExportError
        If a joint has no position in any frame.
    """
    poses, root, notes = _even_frames(person)
    camera_xyz = poses + root[:, None]
    tilt = levelling_rotation(camera_xyz)
    if level and tilt is not None:
        camera_xyz = camera_xyz @ tilt.T
    xyz_cm = to_y_up_cm(camera_xyz)
    notes.append(_level_note(level, tilt))
    ground_cm = _ground_cm(xyz_cm)
    xyz_cm = xyz_cm - np.array([0.0, ground_cm, 0.0])
    notes.append("root position: " + str(person.meta.get("root_position", "estimated")))
    notes.append("hands and feet keep their rest angle")
    motion = bvh_motion(xyz_cm, person.fps)
    return PersonBvh(motion, xyz_cm, tuple(note for note in notes if note))


def _even_frames(person: PersonPoses) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Poses (T, 17, 3) and root (T, 3), metres, at constant rate without gaps."""
    notes = []
    place = (person.time_s - person.time_s[0]) * person.fps
    grid = np.round(place)
    if not 0 <= grid[-1] < MAX_FRAMES:
        raise ExportError(f"The times of the frames span {grid[-1]:.0f} frames, which is too many.")
    if np.abs(place - grid).max() > MAX_GRID_OFFSET or len(set(grid)) < len(grid):
        notes.append(f"variable frame rate evened out to {person.fps:.3f} frames/s")
    else:
        place = grid  # no pose moves
    wanted = np.arange(int(grid[-1]) + 1)

    missing = np.isnan(person.poses_3d).all(axis=0).any(axis=-1)
    if missing.any():
        names = ", ".join(np.array(H36M_17.joint_names)[missing])
        raise ExportError(f"No 3D position of {names} in any frame: no BVH can be made.")
    poses = _interpolated(place, person.poses_3d.reshape(len(place), -1), wanted)
    num_filled = len(wanted) - int(np.isfinite(person.poses_3d).all(axis=(1, 2)).sum())
    if num_filled > 0:
        notes.append(f"{num_filled} missing frames filled in")

    if np.isnan(person.root_3d).all(axis=0).any():
        root = np.zeros((len(wanted), 3))
        notes.append("root position unknown, the person stays in place")
    else:
        root = _interpolated(place, person.root_3d, wanted)
    return poses.reshape(-1, *person.poses_3d.shape[1:]), root, notes


def _interpolated(place: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Columns of (T, C) values at other places, along straight lines; NaN is skipped."""
    result = np.zeros((len(wanted), values.shape[1]))
    for column in range(values.shape[1]):
        known = np.isfinite(values[:, column])
        result[:, column] = np.interp(wanted, place[known], values[known, column])
    return result


def _level_note(level: bool, tilt: np.ndarray | None) -> str:
    if tilt is None:
        return "not levelled: nobody stands upright in it" if level else ""
    degrees = tilt_deg(tilt)
    if level:
        return f"levelled by {degrees:.1f} degrees"
    if degrees < NOTICEABLE_LEAN_DEG:
        return ""
    return f"camera axes kept, in which the standing person leans by {degrees:.1f} degrees"


def _ground_cm(xyz_cm: np.ndarray) -> float:
    """Height of the sole in the frame in which it is lowest, below the lower ankle."""
    joints = H36M_17.joint_names
    ankles = [joints.index(f"{side}_ankle") for side in ("left", "right")]
    knees = [joints.index(f"{side}_knee") for side in ("left", "right")]
    shin_cm = np.median(np.linalg.norm(xyz_cm[:, knees] - xyz_cm[:, ankles], axis=-1))
    return float(xyz_cm[:, ankles, 1].min() - ANKLE_HEIGHT_PER_SHIN * shin_cm)
