"""Exact 3D of the person in a clip, from motion capture or a renderer, and where it lies.

An ``.npz`` file with ``poses_3d (T, 17, 3)``, relative to the pelvis, and ``joint_names (17,)``;
better also with ``root_3d (T, 3)``, ``keypoints_2d (T, 17, 2)`` in pixels, and ``fps``. Metres,
camera axes (x right, y down, z forward), one pose for every frame of the clip, NaN where it is not
known. Nothing is taken on trust: frames, unit, axes and sides are checked.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from pose_core.array_files import DamagedArrays, read_arrays
from pose_core.clip import Clip
from pose_core.data import mocap_checks as checks
from pose_core.errors import DataError
from pose_core.geometry import root_centre
from pose_core.poses import Poses3D
from pose_core.session import Truth
from pose_core.skeleton import H36M_17

SUFFIX = ".truth.npz"
LONE_NAME = "truth.npz"
MAX_BYTES = 4 * 1024**3

AXES_HINT = "Poses must be in the camera's axes: x right, y down, z forward, away from the camera."
FPS_TOLERANCE = 0.02
PELVIS_WITHIN_M = 0.001
# Offsets of joints in the picture follow those in space, but for perspective.
CORRELATION_ABOVE = 0.8
# A camera may look down on heads; it does not lie on its side or stand on its head.
POSSIBLE_UP = ("", "-y", "-z")
_Z_UP = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])


def truth_path(clip: Clip) -> Path | None:
    """The truth that lies beside a video, if there is one.

    It is called ``NAME.truth.npz`` beside ``NAME.mp4``; or ``truth.npz``, which only counts where
    no other video of the same type is in the folder: it would not say which one it belongs to.
    """
    video = clip.path
    named = video.with_name(video.stem + SUFFIX)
    if named.is_file():
        return named
    lone = video.with_name(LONE_NAME)
    if not lone.is_file():
        return None
    others = [
        path
        for path in video.parent.iterdir()
        if path.suffix.lower() == video.suffix.lower()
        and not path.name.startswith(f"{video.stem}.")  # CLIP.overlay.mp4 was made from CLIP.mp4
    ]
    return None if others else lone


def truth_beside(clip: Clip) -> Truth | None:
    """Read the truth that lies beside a video, see `truth_path`.

    Raises
    ------
    DataError
        As `load_truth`.
    """
    try:
        path = truth_path(clip)
    except OSError:  # the folder cannot be listed, so nothing can be found in it
        return None
    return None if path is None else load_truth(path, clip, is_beside_clip=True)


def load_truth(path: Path, clip: Clip, *, is_beside_clip: bool = False) -> Truth:
    """Read the truth of a clip.

    Parameters
    ----------
    path : Path
    clip : Clip
    is_beside_clip : bool
        See `Truth`.

    Raises
    ------
    DataError
        If the file cannot be read, lacks something, or does not fit the clip.
    """
    try:
        with path.open("rb") as handle:
            return read_truth(handle, clip, path.name, is_beside_clip=is_beside_clip)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}.",
            "Check the name and the rights of the file.",
        ) from error
    except DataError as error:
        raise DataError(f"{path}: {error.message}", error.hint) from error


def read_truth(handle: BinaryIO, clip: Clip, source: str, *, is_beside_clip: bool = False) -> Truth:
    """Read from an open file; see `load_truth`."""
    try:
        arrays = read_arrays(handle, MAX_BYTES)
    except DamagedArrays as error:
        raise DataError(f"It is no intact npz file ({error}).") from error
    order = _joint_order(arrays)
    num_joints = arrays["joint_names"].size
    xyz = _numbers(arrays, "poses_3d", (num_joints, 3), clip)[:, order]
    root = xy = None
    if "root_3d" in arrays:
        root = _numbers(arrays, "root_3d", (3,), clip)
    if "keypoints_2d" in arrays:
        xy = _numbers(arrays, "keypoints_2d", (num_joints, 2), clip)[:, order]
    if "fps" in arrays:
        _check_rate(arrays["fps"], clip)
    _check_poses(xyz, clip.fps)
    if xy is not None:
        _check_against_picture(xyz, root, xy)
    poses = Poses3D(xyz[None], root, is_root_estimated=root is None)
    return Truth(poses, xy, source, is_beside_clip)


def _joint_order(arrays: dict[str, np.ndarray]) -> list[int]:
    """Index of each of the 17 joints among those of the file."""
    for key in ("poses_3d", "joint_names"):
        if key not in arrays:
            raise DataError(
                f"It has no array {key!r}; it has {', '.join(sorted(arrays)) or 'none'}.",
                "docs/formats.md says what a truth file holds.",
            )
    names = [str(name) for name in arrays["joint_names"].ravel()]
    missing = [name for name in H36M_17.joint_names if name not in names]
    if missing:
        raise DataError(
            f"Its joint_names lack {', '.join(missing)}.",
            f"The 17 joints are: {', '.join(H36M_17.joint_names)}.",
        )
    return [names.index(name) for name in H36M_17.joint_names]


def _numbers(
    arrays: dict[str, np.ndarray], key: str, shape: tuple[int, ...], clip: Clip
) -> np.ndarray:
    """A (T, ...) float32 array of the expected shape; NaN for what is not finite."""
    array = arrays[key]
    if array.dtype.kind not in "fiu" or array.shape[1:] != shape:
        wanted = ", ".join(map(str, ("T", *shape)))
        raise DataError(f"{key} must hold numbers ({wanted}), not {array.dtype} {array.shape}.")
    if len(array) != clip.num_frames:
        raise DataError(
            f"{key} has {len(array)} frames, and {clip.path.name} has {clip.num_frames}.",
            "The truth needs a pose for every frame of the video, NaN where it is not known.",
        )
    values = array.astype(np.float32)
    return np.where(np.isfinite(values), values, np.float32(np.nan))


def _check_rate(fps: np.ndarray, clip: Clip) -> None:
    if fps.dtype.kind not in "fiu" or fps.size != 1:
        raise DataError("fps must be one number.")
    rate = float(fps.reshape(()))
    if not abs(rate - clip.fps) <= FPS_TOLERANCE * clip.fps:
        raise DataError(
            f"It has {rate:g} frames a second, and {clip.path.name} has {clip.fps:g}.",
            "Resample it at the times of the video's frames.",
        )


def _check_poses(xyz: np.ndarray, fps: float) -> None:
    """Raise DataError unless poses are relative to the pelvis, in metres and camera axes."""
    if not np.isfinite(xyz).all(axis=(1, 2)).any():
        raise DataError("It has no frame in which all 17 joints are known.")
    if np.nanmax(np.abs(xyz[:, 0])) > PELVIS_WITHIN_M:
        raise DataError(
            "poses_3d is not relative to the pelvis.",
            "Subtract the pelvis from all joints, and give its own place as root_3d.",
        )
    limbs = {name: xyz[:, i].astype(np.float64) for i, name in enumerate(H36M_17.joint_names)}
    stature = checks.stature(limbs)
    low, high = checks.STATURE_M
    if not low / 2 <= stature <= high:  # children are people too
        raise DataError(
            f"poses_3d is not in metres: the person would be {stature:.3g} m tall.",
            "1 m is 1000 mm, 100 cm, 39.37 in.",
        )
    if (up := checks.up_evidence(limbs).axis) not in POSSIBLE_UP:
        raise DataError(f"People stand up along the axis {up} of poses_3d.", AXES_HINT)
    turned = {name: points @ _Z_UP.T for name, points in limbs.items()}
    sides = checks.side_evidence(turned, {}, fps)
    if sides.verdict == "exchanged":
        raise DataError(
            f"Left and right are exchanged, or an axis is turned round: {sides.seen[0]}.", AXES_HINT
        )


def _check_against_picture(xyz: np.ndarray, root: np.ndarray | None, xy: np.ndarray) -> None:
    """Raise DataError unless x and y in space go along with x and y in the picture."""
    space = xyz.astype(np.float64)
    if root is not None:
        space = space + root[:, None]
        if (space[..., 2] <= 0).any():
            raise DataError("Some of the person is behind the camera, going by root_3d.", AXES_HINT)
        space = space / space[..., 2:]
    space, picture = root_centre(space)[..., :2], root_centre(xy.astype(np.float64))
    known = np.isfinite(space).all(-1) & np.isfinite(picture).all(-1)
    for axis, name in enumerate(("x", "y")):
        a, b = space[known][:, axis], picture[known][:, axis]
        # Both are offsets from the pelvis: no mean to take away. True where nothing is known.
        if a @ b < CORRELATION_ABOVE * np.sqrt((a @ a) * (b @ b)):
            raise DataError(
                f"The axis {name} of poses_3d does not go along with that of keypoints_2d.",
                AXES_HINT,
            )
