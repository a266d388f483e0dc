"""What the readers of data sets give: sequences with 3D truth, and pictures with 2D keypoints."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pose_core.data.lens_camera import LensCamera
from pose_core.errors import DataError
from pose_core.skeleton import H36M_17, Skeleton


@dataclass(frozen=True, eq=False)
class PoseSequence:
    """One recording seen by one camera.

    Parameters
    ----------
    keypoints : (T, 17, 2) float32 ndarray
        The joints of `H36M_17`, which is what lifters take, in pixels of the picture as recorded,
        bent by the lens; NaN where missing.
    scores : (T, 17) float32 ndarray
        0..1, 0 where missing.
    camera_xyz : (T, J, 3) float32 ndarray
        True positions in camera coordinates, metres; NaN where there is no truth.
    camera : LensCamera
    fps : float
    skeleton : Skeleton
        Joints of the truth: those that the benchmark measures.
    frame_actions : tuple of str
        Action of each frame, where it changes within a recording; empty otherwise.
    video : Path, optional
        The film, where the data set has it.
    """

    keypoints: np.ndarray
    scores: np.ndarray
    camera_xyz: np.ndarray
    camera: LensCamera
    fps: float
    skeleton: Skeleton = H36M_17
    frame_actions: tuple[str, ...] = ()
    video: Path | None = None

    def __post_init__(self) -> None:
        num_frames, num_joints = len(self.camera_xyz), self.skeleton.num_joints
        wanted = {
            "keypoints": (num_frames, H36M_17.num_joints, 2),
            "scores": (num_frames, H36M_17.num_joints),
            "camera_xyz": (num_frames, num_joints, 3),
        }
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                raise DataError(f"{name} are {getattr(self, name).shape}, expected {shape}.")

    def __len__(self) -> int:
        return len(self.camera_xyz)


@dataclass(frozen=True)
class SequenceEntry:
    """A sequence of a data set that has not been opened yet.

    Parameters
    ----------
    name : str
        Unique in the data set, for people: ``S9/Directions 1/60457274``.
    subject, action, camera : str
    trial : int
        1, 2, ... where an action was recorded several times.
    load : callable
        Reads it; raises `DataError` where it is damaged.
    """

    name: str
    subject: str
    action: str
    camera: str
    trial: int
    load: Callable[[], PoseSequence]


@dataclass(frozen=True, eq=False)
class KeypointSample:
    """One person in one picture, with 2D keypoints alone.

    Parameters
    ----------
    name : str
        For people: the picture and the number of the person.
    keypoints : (J, 2) float32 ndarray
        Pixels; NaN where missing.
    scores : (J,) float32 ndarray
        0..1, 0 where missing.
    skeleton : Skeleton
    box : (4,) float32 ndarray
        Left, top, width and height of the person, pixels.
    picture : Path
        An image, or a video when `frame` is given.
    frame : int, optional
        Frame of the video.
    """

    name: str
    keypoints: np.ndarray
    scores: np.ndarray
    skeleton: Skeleton
    box: np.ndarray
    picture: Path
    frame: int | None = None


def box_of_keypoints(keypoints: np.ndarray, margin: float = 0.2) -> np.ndarray:
    """Left, top, width, height (4,) of keypoints (J, 2), wider by a share of the longer side."""
    low, high = np.nanmin(keypoints, axis=0), np.nanmax(keypoints, axis=0)
    pad = margin * (high - low).max()
    return np.concatenate([low - pad, high - low + 2 * pad]).astype(np.float32)
