"""2D keypoints of any program: one door for all files, told apart by what is in them."""

from pathlib import Path
from typing import Any

import numpy as np

from pose_core.array_files import DamagedArrays, read_arrays
from pose_core.errors import ExportError
from pose_core.interchange import coco_keypoints, json_poses, keypoint_arrays, npz, tables
from pose_core.interchange.deeplabcut import (
    is_deeplabcut_h5,
    load_deeplabcut_h5,
    read_deeplabcut_csv,
)
from pose_core.interchange.hdf5 import open_hdf5
from pose_core.interchange.keypoint_table import is_keypoint_table, read_keypoint_table
from pose_core.interchange.mediapipe import read_mediapipe_csv, read_mediapipe_json
from pose_core.interchange.named_keypoints import NamedKeypoints
from pose_core.interchange.openpose import is_openpose_file, load_openpose
from pose_core.interchange.person import PersonPoses
from pose_core.interchange.reading import csv_rows, open_to_read, read_json_text
from pose_core.interchange.sleap import is_analysis, load_sleap_analysis, load_slp

_KNOWN = (
    "Files of keypoints are: a folder of OpenPose; JSON of COCO or MediaPipe; CSV of DeepLabCut, "
    "MediaPipe or PoseStage; HDF5 of DeepLabCut or SLEAP; .slp; .npz of PoseStage."
)


def load_keypoints(path: Path, video: str = "") -> NamedKeypoints:
    """Read the keypoints of people from a file of any known program.

    Parameters
    ----------
    path : Path
        A file, or the folder that OpenPose has written.
    video : str
        Name of the video's file, for projects that have several.

    Raises
    ------
    ExportError
        If it cannot be read, is damaged, has nobody in it, or is of no known form.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if path.is_dir() or is_openpose_file(path):
        found = load_openpose(path)
    elif suffix == ".slp":
        found = load_slp(path, video)
    elif suffix in (".h5", ".hdf5"):
        found = _load_hdf5(path)
    elif suffix in (".json", ".csv", ".npz"):
        with open_to_read(path) as handle:
            found = {".json": _read_json, ".csv": _read_csv, ".npz": _read_npz}[suffix](handle)
    else:
        raise ExportError(f"{path} is no file of keypoints that can be read.", _KNOWN)
    if not len(found.frames):
        raise ExportError(f"{path} has nobody in it.")
    return found


def _load_hdf5(path: Path) -> NamedKeypoints:
    with open_hdf5(path) as file:
        of_sleap, of_deeplabcut = is_analysis(file), is_deeplabcut_h5(file)
    if of_sleap:
        return load_sleap_analysis(path)
    if of_deeplabcut:
        return load_deeplabcut_h5(path)
    raise ExportError(f"{path} is neither of SLEAP (analysis) nor of DeepLabCut.", _KNOWN)


def _read_json(handle: Any) -> NamedKeypoints:
    content = read_json_text(handle)
    if isinstance(content, dict) and content.get("format") == json_poses.FORMAT:
        handle.seek(0)
        return of_person(json_poses.read_json(handle))
    if isinstance(content, dict) and "annotations" in content:
        return coco_keypoints.read_coco(content)
    return read_mediapipe_json(content)


def _read_csv(handle: Any) -> NamedKeypoints:
    header = next(csv_rows(handle), [""])
    handle.seek(0)
    if is_keypoint_table(header):
        return read_keypoint_table(handle)
    if header[0] == "scorer":
        return read_deeplabcut_csv(handle)
    if header[:2] == ["frame", "time_s"]:
        return of_person(tables.read_csv(handle))
    return read_mediapipe_csv(handle)


def _read_npz(handle: Any) -> NamedKeypoints:
    try:
        arrays = read_arrays(handle, npz.MAX_BYTES)
    except DamagedArrays as exc:
        raise ExportError(f"This is not an intact npz file: {exc}.") from exc
    if "poses_3d" in arrays:
        handle.seek(0)
        return of_person(npz.read_npz(handle))
    return keypoint_arrays.read_keypoint_arrays(arrays)


def of_person(person: PersonPoses) -> NamedKeypoints:
    """The keypoints of an export of 2D and 3D poses."""
    return NamedKeypoints(
        names=person.joint_names,
        frames=person.frame_index,
        people=np.zeros(len(person.frame_index), dtype=np.int64),
        xy=person.keypoints_2d,
        scores=person.scores,
        person_names=(str(person.meta.get("person_name", "Person 1")),),
        format="PoseStage export",
    )
