"""MPI-INF-3DHP: eight subjects and 14 cameras for training, six sequences for testing.

The layout is that of the data set, without any conversion. For training::

    S1/Seq1/annot.mat             annot2, annot3: for each camera (T, 28 * 2), (T, 28 * 3)
    S1/Seq1/camera.calibration    14 cameras
    S1/Seq1/imageSequence/video_0.avi

For testing::

    TS1/annot_data.mat            MATLAB 7.3: annot2, annot3, univ_annot3, valid_frame, ...
    test_util/camera_calibration/ts1-4cameras.calib, ts5-6cameras.calib

Positions are millimetres in camera coordinates. The joints that are measured, the 17 "relevant"
ones, are those of `H36M_17`; what is called ``neck`` here is its ``thorax``, and ``head`` its
``neck``.

References
----------
D. Mehta et al., "Monocular 3D Human Pose Estimation in the Wild Using Improved CNN Supervision",
3DV 2017; ``mpii_get_sequence_info.m`` and the evaluation program of the data set.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from pose_core.data.foreign_files import load_mat, load_mat73, reading
from pose_core.data.lens_camera import LensCamera
from pose_core.data.samples import PoseSequence, SequenceEntry
from pose_core.errors import DataError

TRAIN_SUBJECTS = tuple(f"S{i}" for i in range(1, 9))
TEST_SEQUENCES = tuple(f"TS{i}" for i in range(1, 7))
# At the height of chest or knee; the others hang from the ceiling ("vnect" in the data set).
TRAIN_CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)
ACTIVITIES = (
    "Standing/Walking",
    "Exercising",
    "Sitting",
    "Reaching/Crouching",
    "On the floor",
    "Sports",
    "Miscellaneous",
)
# Those recorded at 50 frames/s; all others, and the test set, at 25.
_FAST = {("S1", "Seq2"), ("S3", "Seq1"), ("S3", "Seq2"), ("S5", "Seq1"), ("S5", "Seq2")}
# Of the 28 joints for training and the 17 for testing, those of `H36M_17` in its order.
_JOINTS_OF_28 = (4, 23, 24, 25, 18, 19, 20, 3, 5, 6, 7, 9, 10, 11, 14, 15, 16)
_JOINTS_OF_17 = (14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4)
_CALIBRATION = {
    **dict.fromkeys(("TS1", "TS2", "TS3", "TS4"), ("ts1-4cameras.calib", 2048, 2048)),
    **dict.fromkeys(("TS5", "TS6"), ("ts5-6cameras.calib", 1920, 1080)),
}
_EXPECTED_TRAIN = (
    "Expected S1 to S8 with Seq1 and Seq2 in each, and annot.mat and camera.calibration in those."
)
_EXPECTED_TEST = (
    "Expected TS1 to TS6 with annot_data.mat in each, beside test_util/camera_calibration, as in "
    "mpi_inf_3dhp_test_set."
)


def list_training_sequences(folder: Path) -> list[SequenceEntry]:
    """The 16 recordings, each seen by the eight cameras of `TRAIN_CAMERAS`.

    Raises
    ------
    DataError
        If the folder has none.
    """
    entries = list(_training_entries(folder))
    if not entries:
        raise DataError(f"{folder} is not the training set of MPI-INF-3DHP.", _EXPECTED_TRAIN)
    return entries


def list_test_sequences(folder: Path) -> list[SequenceEntry]:
    """The six test sequences.

    Raises
    ------
    DataError
        If the folder has none, or its calibration is missing.
    """
    entries = []
    for name in TEST_SEQUENCES:
        path = folder / name / "annot_data.mat"
        if path.is_file():
            load = partial(_test_sequence, path, _test_camera(folder, name))
            entries.append(SequenceEntry(name, name, "", "", 1, load))
    if not entries:
        raise DataError(f"{folder} is not the test set of MPI-INF-3DHP.", _EXPECTED_TEST)
    return entries


# Training set


def _training_entries(folder: Path) -> Iterator[SequenceEntry]:
    for subject in TRAIN_SUBJECTS:
        for recording in sorted((folder / subject).glob("Seq*")):
            if not (recording / "annot.mat").is_file():
                raise DataError(f"{recording} has no annot.mat.", _EXPECTED_TRAIN)
            cameras = load_calibration(recording / "camera.calibration")
            fps = 50.0 if (subject, recording.name) in _FAST else 25.0
            for index in TRAIN_CAMERAS:
                if index >= len(cameras):
                    raise DataError(
                        f"{recording / 'camera.calibration'} has {len(cameras)} cameras.",
                        "Expected 14.",
                    )
                yield SequenceEntry(
                    f"{subject}/{recording.name}/video_{index}",
                    subject,
                    recording.name,
                    str(index),
                    1,
                    partial(_training_sequence, recording, index, cameras[index], fps),
                )


def load_calibration(path: Path) -> list[LensCamera]:
    """The cameras of ``camera.calibration``: lines of a word and its values, for each camera.

    Raises
    ------
    DataError
        If it is missing or not as expected.
    """
    expected = "Expected lines: name, sensor, size, animated, intrinsic, extrinsic, radial."
    if not path.is_file():
        raise DataError(f"{path} is missing.", expected)
    cameras = []
    with reading(path, expected):
        blocks: list[dict[str, list[str]]] = []
        for line in path.read_text(encoding="ascii").splitlines():
            word, *values = line.split() or [""]
            if word == "name":
                blocks.append({})
            if blocks:
                blocks[-1][word] = values
        for block in blocks:
            width, height = (int(v) for v in block["size"])
            intrinsic = np.reshape(np.array(block["intrinsic"], dtype=float), (4, 4))
            extrinsic = np.reshape(np.array(block["extrinsic"], dtype=float), (4, 4))
            cameras.append(
                LensCamera(
                    block["name"][0],
                    width,
                    height,
                    (float(intrinsic[0, 0]), float(intrinsic[1, 1])),
                    (float(intrinsic[0, 2]), float(intrinsic[1, 2])),
                    rotation=extrinsic[:3, :3],
                    translation=extrinsic[:3, 3] / 1000,
                )
            )
        if not cameras:
            raise ValueError("no camera")
    return cameras


def _training_sequence(recording: Path, index: int, camera: LensCamera, fps: float) -> PoseSequence:
    path = recording / "annot.mat"
    content = load_mat(path, "annot2", "annot3")
    expected = "Expected annot2 and annot3 to be cells of (T, 56) and (T, 84) for each camera."
    with reading(path, expected):
        xy = np.asarray(content["annot2"][index, 0], dtype=np.float64).reshape(-1, 28, 2)
        xyz = np.asarray(content["annot3"][index, 0], dtype=np.float64).reshape(-1, 28, 3)
        if len(xy) != len(xyz):
            raise ValueError(f"{len(xy)} frames in 2D, {len(xyz)} in 3D")
    video = recording / "imageSequence" / f"video_{index}.avi"
    return _sequence(
        xy[:, _JOINTS_OF_28],
        xyz[:, _JOINTS_OF_28],
        camera,
        fps,
        video=video if video.is_file() else None,
    )


# Test set


def _test_camera(folder: Path, name: str) -> LensCamera:
    """The camera of a test sequence: millimetres on the sensor, coefficients as in OpenCV."""
    file, width, height = _CALIBRATION[name]
    path = folder / "test_util" / "camera_calibration" / file
    if not path.is_file():
        # The utilities may also lie beside the test set.
        path = folder.parent / "test_util" / "camera_calibration" / file
    if not path.is_file():
        raise DataError(f"{file} is missing.", _EXPECTED_TEST)
    expected = "Expected lines: sensorSize, focalLength, pixelAspect, centerOffset, distortion."
    with reading(path, expected):
        lines = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
        values = {words[0]: words[1:] for words in lines if words}
        px_per_mm = width / float(values["sensorSize"][0])
        focal = float(values["focalLength"][0]) * px_per_mm
        dx, dy = (float(v) * px_per_mm for v in values["centerOffset"][:2])
        lens = [float(v) for v in values.get("distortion", [])] or [0.0] * 5
        k1, k2, p1, p2, k3 = lens
        return LensCamera(
            name,
            width,
            height,
            (focal, focal * float(values["pixelAspect"][0])),
            (width / 2 + dx, height / 2 + dy),
            (k1, k2, k3),
            (p1, p2),
        )


def _test_sequence(path: Path, camera: LensCamera) -> PoseSequence:
    """Truth is ``univ_annot3``, the skeleton of one height that the evaluation program uses.

    Frames that are not valid have none.
    """
    names = ("annot2", "univ_annot3", "valid_frame", "activity_annotation")
    content = load_mat73(path, *names)
    expected = "Expected annot2 (T, 1, 17, 2), univ_annot3 (T, 1, 17, 3), valid_frame (T, 1)."
    with reading(path, expected):
        num_frames = len(content["annot2"])
        xy = content["annot2"].reshape(num_frames, 17, 2)[:, _JOINTS_OF_17]
        xyz = content["univ_annot3"].reshape(num_frames, 17, 3)[:, _JOINTS_OF_17]
        valid = content["valid_frame"].reshape(num_frames) > 0
        labels = content["activity_annotation"].reshape(num_frames).astype(int)
        xyz = np.where(valid[:, None, None], xyz, np.nan)
        actions = tuple(ACTIVITIES[label - 1] if label > 0 else "" for label in labels)
    return _sequence(xy, xyz, camera, 25.0, actions=actions)


def _sequence(
    xy: np.ndarray,
    xyz_mm: np.ndarray,
    camera: LensCamera,
    fps: float,
    *,
    actions: tuple[str, ...] = (),
    video: Path | None = None,
) -> PoseSequence:
    return PoseSequence(
        xy.astype(np.float32),
        np.asarray(np.isfinite(xy).all(axis=-1), dtype=np.float32),
        (xyz_mm / 1000).astype(np.float32),
        camera,
        fps,
        frame_actions=actions,
        video=video,
    )
