"""Human3.6M: seven subjects, fifteen actions, four cameras, 50 frames/s (Ionescu 2014).

Two layouts are read, told apart by what is in the folder; both need ``metadata.xml``.

*The official one*, in CDF files or in the ``.cdf.mat`` files that its MATLAB code makes of them::

    S9/MyPoseFeatures/D3_Positions_mono/Directions 1.60457274.cdf   camera coordinates, mm
    S9/MyPoseFeatures/D3_Positions/Directions 1.cdf                 world coordinates, mm
    S9/MyPoseFeatures/D2_Positions/Directions 1.60457274.cdf        pixels
    S9/Videos/Directions 1.60457274.mp4

One of the first two is enough; without the third, pixels are computed. *That of VideoPose3D*::

    data_3d_h36m.npz                 world coordinates, metres
    data_2d_h36m_cpn_ft_h36m_dbb.npz detected keypoints, pixels; any name, "gt" for the true ones

It holds the whole data set in two objects (0.2 and 0.3 GB in memory), the price of that format;
of the official layout one sequence at a time is read.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pose_core.data.foreign_files import load_cdf, load_mat
from pose_core.data.human36m_metadata import CAMERAS, Metadata, action_of, load_metadata
from pose_core.data.lens_camera import LensCamera
from pose_core.data.pickled_arrays import load_nested_arrays
from pose_core.data.samples import PoseSequence, SequenceEntry
from pose_core.errors import DataError
from pose_core.skeleton import COCO_17, H36M_17, joint_map

SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
FPS = 50.0
TRUE_KEYPOINTS = "gt"
# Of the 32 points recorded, those of `H36M_17` in its order; the others repeat them.
JOINTS_OF_32 = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
# The film of this one is damaged, and everybody leaves it out.
_LEFT_OUT = ("S11", "Directions")
_EXPECTED = (
    "Expected either S1, S5, ... S11 with MyPoseFeatures/D3_Positions_mono or D3_Positions in "
    "each (.cdf or .cdf.mat), or data_3d_h36m.npz of VideoPose3D; and metadata.xml."
)


def list_sequences(folder: Path, keypoints: str = TRUE_KEYPOINTS) -> list[SequenceEntry]:
    """All sequences of a folder in either layout.

    Parameters
    ----------
    folder : Path
    keypoints : str
        ``gt``, or NAME of ``data_2d_h36m_NAME.npz``.

    Raises
    ------
    DataError
        If the folder is in neither layout, or what it needs is missing.
    """
    if (folder / "data_3d_h36m.npz").is_file():
        entries = list(_npz_entries(folder, load_metadata(folder), keypoints))
    elif any((folder / subject).is_dir() for subject in SUBJECTS):
        if keypoints != TRUE_KEYPOINTS:
            raise DataError(
                f"{folder} has no detected keypoints {keypoints!r}.",
                f"Beside S1, S5, ... only true ones are known: {TRUE_KEYPOINTS}.",
            )
        entries = list(_official_entries(folder, load_metadata(folder)))
    else:
        raise DataError(f"{folder} is not Human3.6M.", _EXPECTED)
    if not entries:
        raise DataError(f"{folder} has no sequence of Human3.6M.", _EXPECTED)
    return entries


# The layout of VideoPose3D


def _npz_entries(folder: Path, metadata: Metadata, keypoints: str) -> Iterator[SequenceEntry]:
    positions = load_nested_arrays(folder / "data_3d_h36m.npz", "positions_3d")
    detected, layout = _npz_keypoints(folder, keypoints)
    for subject, recordings in positions.items():
        for name, world in recordings.items():
            if (subject, name) == _LEFT_OUT:
                continue
            for index, camera_name in enumerate(CAMERAS):
                seen = None
                if detected is not None:
                    seen = _seen(detected, subject, name, index)
                yield SequenceEntry(
                    f"{subject}/{name}/{camera_name}",
                    subject,
                    action_of(name),
                    camera_name,
                    metadata.trial(subject, name),
                    partial(
                        _npz_sequence, world, seen, layout, metadata.camera(subject, camera_name)
                    ),
                )


def _npz_keypoints(folder: Path, keypoints: str) -> tuple[Any, str]:
    """Detections (None for true keypoints that are to be computed) and their layout."""
    path = folder / f"data_2d_h36m_{keypoints}.npz"
    if not path.is_file():
        if keypoints == TRUE_KEYPOINTS:
            return None, "h36m"
        found = sorted(p.stem.removeprefix("data_2d_h36m_") for p in folder.glob("data_2d_h36m_*"))
        raise DataError(f"{path} is missing.", f"Keypoints there: {', '.join(found) or 'none'}.")
    metadata = load_nested_arrays(path, "metadata")
    # The oldest files name no layout; they are all of Human3.6M's own.
    layout = metadata.get("layout_name", "h36m") if isinstance(metadata, dict) else "h36m"
    if layout not in ("h36m", "coco"):
        raise DataError(f"{path} has joints of {layout!r}.", "Expected h36m or coco.")
    return load_nested_arrays(path, "positions_2d"), layout


def _seen(detected: Any, subject: str, name: str, camera_index: int) -> Any:
    """Detections of one camera; None where there are none, which is an error when read."""
    try:
        return detected[subject][name][camera_index]
    except (KeyError, IndexError, TypeError):
        return ()


def _npz_sequence(world: Any, seen: Any, layout: str, camera: LensCamera) -> PoseSequence:
    if getattr(world, "ndim", 0) != 3 or world.shape[1:] not in ((32, 3), (17, 3)):
        raise DataError(
            f"Positions are {getattr(world, 'shape', type(world))}.", "Expected (T, 32, 3)."
        )
    if world.shape[1] == 32:
        world = world[:, JOINTS_OF_32]
    camera_xyz = camera.to_camera(world.astype(np.float64))
    if seen is None:
        return _sequence(camera.project(camera_xyz), camera_xyz, camera)
    if getattr(seen, "ndim", 0) != 3 or seen.shape[1] != 17 or len(seen) < len(world):
        raise DataError(
            f"Keypoints are {getattr(seen, 'shape', 'missing')}.",
            f"Expected ({len(world)} or more, 17, 2).",
        )
    # Films are a frame or two longer than the motion capture.
    xy = seen[: len(world), :, :2].astype(np.float64)
    if layout == "coco":
        xy = joint_map(COCO_17, H36M_17).apply(xy)
    return _sequence(xy, camera_xyz, camera)


# The official layout


def _official_entries(folder: Path, metadata: Metadata) -> Iterator[SequenceEntry]:
    for subject in SUBJECTS:
        if not (folder / subject).is_dir():
            continue
        for name in _recordings(folder / subject):
            if (subject, name) == _LEFT_OUT:
                continue
            for camera_name in CAMERAS:
                yield SequenceEntry(
                    f"{subject}/{name}/{camera_name}",
                    subject,
                    action_of(name),
                    camera_name,
                    metadata.trial(subject, name),
                    partial(
                        _official_sequence,
                        folder / subject,
                        name,
                        metadata.camera(subject, camera_name),
                    ),
                )


def _recordings(subject_folder: Path) -> list[str]:
    """Names such as ``Directions 1``, in the order of the alphabet."""
    files = [
        *_feature_folder(subject_folder, "D3_Positions_mono").glob("*.cdf*"),
        *_feature_folder(subject_folder, "D3_Positions").glob("*.cdf*"),
    ]
    names = {file.name.split(".")[0] for file in files}
    if not names:
        raise DataError(f"{subject_folder} has no 3D positions.", _EXPECTED)
    return sorted(name for name in names if not name.startswith("_ALL"))


def _feature_folder(subject_folder: Path, feature: str) -> Path:
    return subject_folder / "MyPoseFeatures" / feature


def _official_sequence(subject_folder: Path, name: str, camera: LensCamera) -> PoseSequence:
    mono = _feature_folder(subject_folder, "D3_Positions_mono")
    file = _existing(mono / f"{name}.{camera.name}.cdf")
    if file:
        camera_xyz = _load_feature(file, 3) / 1000
    else:
        world_file = _feature_folder(subject_folder, "D3_Positions") / f"{name}.cdf"
        camera_xyz = camera.to_camera(_load_feature(_existing(world_file) or world_file, 3) / 1000)
    file = _existing(_feature_folder(subject_folder, "D2_Positions") / f"{name}.{camera.name}.cdf")
    xy = _load_feature(file, 2) if file else camera.project(camera_xyz)
    num_frames = min(len(xy), len(camera_xyz))
    video = subject_folder / "Videos" / f"{name}.{camera.name}.mp4"
    return _sequence(xy[:num_frames], camera_xyz[:num_frames], camera, video)


def _existing(path: Path) -> Path | None:
    """The file, or what MATLAB made of it; None where there is neither."""
    candidates = (path, path.with_name(f"{path.name}.mat"))
    return next((p for p in candidates if p.is_file()), None)


def _load_feature(path: Path, size: int) -> np.ndarray:
    """(T, 17, size) of a file with 32 points a frame."""
    if path.suffix == ".mat":
        values = load_mat(path, "data")["data"]
        values = values[0, 0] if values.dtype.hasobject else values
    else:
        values = load_cdf(path, "Pose")
    if values.size == 0 or values.shape[-1] != 32 * size:
        raise DataError(f"{path} has values {values.shape}.", f"Expected (T, {32 * size}).")
    points = np.asarray(values, dtype=np.float64).reshape(-1, 32, size)
    return points[:, JOINTS_OF_32]


def _sequence(
    xy: np.ndarray, camera_xyz: np.ndarray, camera: LensCamera, video: Path | None = None
) -> PoseSequence:
    scores = np.asarray(np.isfinite(xy).all(axis=-1), dtype=np.float32)
    film = video if video is not None and video.is_file() else None
    return PoseSequence(
        xy.astype(np.float32), scores, camera_xyz.astype(np.float32), camera, FPS, video=film
    )
