"""HumanEva-I: three subjects with motion capture, five actions, three cameras, 60 frames/s.

The files of the data set itself are objects of its own MATLAB classes, which nothing but MATLAB
with these classes can read. Everybody works with poses that MATLAB has taken out of them
(``ConvertHumanEva.m`` of VideoPose3D), and two forms of these are read. Both have 15 joints; 14 of
them, all but the pelvis, are those of the papers (`HUMANEVA_14`):

*MATLAB files*, beside the calibration as it comes with the data set::

    Validate/S1/Walking_1.mat        poses_3d (T, 15, 3) world mm, poses_2d (3, T, 15, 2) pixels
    S1/Calibration_Data/C1.cal       22 numbers

*npz files* made of these, where a recording is cut into chunks at damaged frames::

    data_3d_humaneva15.npz           positions_3d["Validate/S1"]["Walking 1 chunk0"] world metres
    data_2d_humaneva15_gt.npz        positions_2d[...][...][camera] pixels; any name for others
    S1/Calibration_Data/C1.cal

References
----------
L. Sigal, A. Balan and M. Black, "HumanEva: Synchronized Video and Motion Capture Dataset and
Baseline Algorithm for Evaluation of Articulated Human Motion", IJCV 2010.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pose_core.data.foreign_files import load_mat, reading
from pose_core.data.lens_camera import LensCamera
from pose_core.data.pickled_arrays import load_nested_arrays
from pose_core.data.samples import PoseSequence, SequenceEntry
from pose_core.errors import DataError
from pose_core.skeleton import COCO_17, H36M_17, HUMANEVA_14, joint_map

CAMERAS = ("C1", "C2", "C3")
SPLITS = ("Train", "Validate")
SUBJECTS = ("S1", "S2", "S3")
FPS = 60.0
TRUE_KEYPOINTS = "gt"
_SIZE = (640, 480)
# The 15 joints of the files are pelvis, thorax, left arm, right arm, left leg, right leg, head.
_PELVIS = 0
_JOINTS_OF_15 = (1, 14, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)
_NAME = re.compile(r"(?P<action>[A-Za-z]+)[ _](?P<trial>\d+)(?P<chunk> chunk\d+)?")
_EXPECTED = (
    "Expected Train and Validate with S1, S2, S3 and files like Walking_1.mat (poses_3d, "
    "poses_2d; ConvertHumanEva.m of VideoPose3D makes them), or data_3d_humaneva15.npz; and "
    "S1/Calibration_Data/C1.cal and so on, as in the data set."
)


def list_sequences(folder: Path, keypoints: str = TRUE_KEYPOINTS) -> list[SequenceEntry]:
    """All sequences of a folder in either form; ``subject`` is like ``Validate/S1``.

    Parameters
    ----------
    folder : Path
    keypoints : str
        ``gt``, or NAME of ``data_2d_humaneva15_NAME.npz``.

    Raises
    ------
    DataError
        If the folder is in neither form, or what it needs is missing.
    """
    if (folder / "data_3d_humaneva15.npz").is_file():
        entries = list(_npz_entries(folder, keypoints))
    elif any((folder / split).is_dir() for split in SPLITS):
        if keypoints != TRUE_KEYPOINTS:
            raise DataError(f"{folder} has no detected keypoints {keypoints!r}, only true ones.")
        entries = list(_mat_entries(folder))
    else:
        raise DataError(f"{folder} is not HumanEva-I.", _EXPECTED)
    if not entries:
        raise DataError(f"{folder} has no sequence of HumanEva-I.", _EXPECTED)
    return entries


def load_calibration(path: Path) -> LensCamera:
    """A camera from a ``.cal`` file.

    The file has 22 numbers: focal lengths, principal point, skew, five coefficients of the lens in
    the order of Bouguet (k1, k2, p1, p2, k3), a rotation by rows, a translation in millimetres;
    ``x_camera = R x_world + t``.

    Raises
    ------
    DataError
        If it is missing or not as expected.
    """
    expected = "Expected the 22 numbers of a .cal file of HumanEva-I."
    if not path.is_file():
        raise DataError(f"{path} is missing.", expected)
    with reading(path, expected):
        numbers = [float(word) for word in path.read_text(encoding="ascii").split()]
        if len(numbers) != 22:
            raise ValueError(f"{len(numbers)} numbers")
        if abs(numbers[4]) > 1e-6:
            raise ValueError("the pixels are skew")
    k1, k2, p1, p2, k3 = numbers[5:10]
    return LensCamera(
        path.stem,
        *_SIZE,
        (numbers[0], numbers[1]),
        (numbers[2], numbers[3]),
        (k1, k2, k3),
        (p1, p2),
        rotation=np.reshape(numbers[10:19], (3, 3)),
        translation=np.array(numbers[19:22]) / 1000,
    )


def _entry(name: str, subject: str, recording: str, camera: str, load: Any) -> SequenceEntry:
    match = _NAME.fullmatch(recording)
    if match is None:
        raise DataError(f"{name} is called {recording!r}.", "Expected a name like Walking_1.")
    return SequenceEntry(
        f"{subject}/{recording}/{camera}",
        subject,
        match["action"],
        camera,
        int(match["trial"]),
        load,
    )


def _cameras(folder: Path, subject: str) -> dict[str, LensCamera]:
    """Cameras of ``Validate/S1`` and the like."""
    calibration = folder / subject.split("/")[-1] / "Calibration_Data"
    return {camera: load_calibration(calibration / f"{camera}.cal") for camera in CAMERAS}


# MATLAB files


def _mat_entries(folder: Path) -> Iterator[SequenceEntry]:
    for split in SPLITS:
        for subject in SUBJECTS:
            files = sorted((folder / split / subject).glob("*.mat"))
            cameras = _cameras(folder, subject) if files else {}
            for file in files:
                for index, (name, camera) in enumerate(cameras.items()):
                    load = partial(_mat_sequence, file, index, camera)
                    yield _entry(str(file), f"{split}/{subject}", file.stem, name, load)


def _mat_sequence(path: Path, camera_index: int, camera: LensCamera) -> PoseSequence:
    content = load_mat(path, "poses_3d", "poses_2d")
    world, seen = content["poses_3d"], content["poses_2d"]
    if world.ndim != 3 or world.shape[1:] != (15, 3) or seen.shape != (3, len(world), 15, 2):
        raise DataError(
            f"{path} has poses_3d {world.shape}, poses_2d {seen.shape}.",
            "Expected (T, 15, 3) and (3, T, 15, 2).",
        )
    return _sequence(seen[camera_index], world / 1000, camera)


# npz files


def _npz_entries(folder: Path, keypoints: str) -> Iterator[SequenceEntry]:
    path = folder / "data_3d_humaneva15.npz"
    positions = load_nested_arrays(path, "positions_3d")
    detected_path = folder / f"data_2d_humaneva15_{keypoints}.npz"
    detected: Any = None
    layout = "humaneva15"
    if detected_path.is_file():
        detected = load_nested_arrays(detected_path, "positions_2d")
        layout = load_nested_arrays(detected_path, "metadata").get("layout_name", layout)
    elif keypoints != TRUE_KEYPOINTS:
        raise DataError(f"{detected_path} is missing.", _EXPECTED)
    for subject, recordings in positions.items():
        cameras = _cameras(folder, subject)
        for recording, world in recordings.items():
            for index, (name, camera) in enumerate(cameras.items()):
                seen = None
                if detected is not None:
                    seen = _seen(detected, subject, recording, index)
                load = partial(_npz_sequence, world, seen, layout, camera)
                yield _entry(str(path), subject, recording, name, load)


def _seen(detected: Any, subject: str, recording: str, camera_index: int) -> Any:
    """Detections of one camera; nothing where there are none, which is an error when read."""
    try:
        return detected[subject][recording][camera_index]
    except (KeyError, IndexError, TypeError):
        return ()


def _npz_sequence(world: Any, seen: Any, layout: str, camera: LensCamera) -> PoseSequence:
    if getattr(world, "ndim", 0) != 3 or world.shape[1:] != (15, 3):
        raise DataError(f"Positions are {getattr(world, 'shape', type(world))}, not (T, 15, 3).")
    if seen is None:
        return _sequence(None, world, camera)
    joints = {"humaneva15": 15, "coco": 17}.get(layout, 0)
    if getattr(seen, "ndim", 0) != 3 or seen.shape[:2] != (len(world), joints):
        raise DataError(
            f"Keypoints of {layout!r} are {getattr(seen, 'shape', 'missing')}.",
            f"Expected ({len(world)}, 15, 2) of humaneva15 or ({len(world)}, 17, 2) of coco.",
        )
    return _sequence(seen[..., :2], world, camera)


def _sequence(xy: np.ndarray | None, world: np.ndarray, camera: LensCamera) -> PoseSequence:
    """From 15 joints of the data set; keypoints also 17 of COCO, or None to compute them."""
    camera_xyz = camera.to_camera(np.asarray(world, dtype=np.float64))
    xy = camera.project(camera_xyz) if xy is None else np.asarray(xy, dtype=np.float64)
    if xy.shape[1] == COCO_17.num_joints:
        keypoints = joint_map(COCO_17, H36M_17).apply(xy)
    else:
        keypoints = joint_map(HUMANEVA_14, H36M_17).apply(xy[:, _JOINTS_OF_15])
        keypoints[:, H36M_17.index("pelvis")] = xy[:, _PELVIS]
    return PoseSequence(
        keypoints.astype(np.float32),
        np.asarray(np.isfinite(keypoints).all(axis=-1), dtype=np.float32),
        camera_xyz[:, _JOINTS_OF_15].astype(np.float32),
        camera,
        FPS,
        HUMANEVA_14,
    )
