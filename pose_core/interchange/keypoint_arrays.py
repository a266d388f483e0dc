"""Keypoints of the people of a clip as numpy arrays (npz), without pickle.

One row for each person in each frame, D in all: ``frame_index (D,)``, ``person (D,)`` index into
``person_names``, ``keypoints_2d (D, J, 2)`` pixels, ``scores (D, J)``, ``visibility (D, J)`` as in
COCO, ``sources (D, J)`` index into ``source_names``, ``boxes (D, 4)`` left, top, width, height;
``joint_names``, ``num_frames``, ``picture_size``, ``fps``, ``clip``.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from pose_core.atomic_file import atomic_write
from pose_core.clip import Clip
from pose_core.errors import ExportError
from pose_core.interchange.named_keypoints import SOURCE_NAMES, NamedKeypoints, marks_of
from pose_core.interchange.reading import damage_told

FORMAT = "PoseStage keypoint arrays"
NEEDED = ("keypoints_2d", "scores", "frame_index", "person", "joint_names", "person_names")


def save_keypoint_arrays(path: Path, keypoints: NamedKeypoints, clip: Clip) -> None:
    """Write the keypoints of a clip, whole or not at all.

    Raises
    ------
    ExportError
    """
    with atomic_write(path, ExportError) as handle:
        write_keypoint_arrays(handle, keypoints, clip)


def write_keypoint_arrays(handle: BinaryIO, keypoints: NamedKeypoints, clip: Clip) -> None:
    """Write to an open file; the inverse of `read_keypoint_arrays`."""
    low, high = np.nanmin(keypoints.xy, axis=1), np.nanmax(keypoints.xy, axis=1)
    sources = keypoints.sources
    np.savez_compressed(
        handle,
        keypoints_2d=keypoints.xy.astype(np.float32),
        scores=keypoints.scores,
        visibility=marks_of(keypoints.scores),
        sources=np.zeros(keypoints.scores.shape, np.uint8) if sources is None else sources,
        boxes=np.concatenate([low, high - low], axis=1).astype(np.float32),
        frame_index=keypoints.frames,
        person=keypoints.people,
        person_names=np.array(keypoints.person_names, dtype=str),
        joint_names=np.array(keypoints.names),
        source_names=np.array(SOURCE_NAMES),
        num_frames=np.int64(clip.num_frames),
        picture_size=np.array([clip.width, clip.height]),
        fps=np.float64(clip.fps),
        clip=np.array(clip.path.name),
    )


def read_keypoint_arrays(arrays: dict[str, np.ndarray]) -> NamedKeypoints:
    """Read the arrays of a file.

    Raises
    ------
    ExportError
        If some are missing, or are of another type or size.
    """
    with damage_told("npz file"):
        xy = _numbers(arrays, "keypoints_2d", "f").astype(np.float64)
        sources = arrays.get("sources")
        if sources is not None:
            sources = _numbers(arrays, "sources", "u").astype(np.uint8)
            if sources.shape != xy.shape[:2] or sources.max(initial=0) >= len(SOURCE_NAMES):
                raise ValueError("its sources are not those of PoseStage")
        size = arrays.get("picture_size")
        names = _texts(arrays, "person_names")
        people = _numbers(arrays, "person", "iu").astype(np.int64)
        if people.max(initial=-1) >= len(names):
            raise ValueError("a person has no name")
        return NamedKeypoints(
            names=_texts(arrays, "joint_names"),
            frames=_numbers(arrays, "frame_index", "iu").astype(np.int64),
            people=people,
            xy=xy,
            scores=_numbers(arrays, "scores", "f").astype(np.float32),
            person_names=names,
            format=FORMAT,
            sources=sources,
            num_frames=int(arrays["num_frames"]) if "num_frames" in arrays else None,
            picture_size=None if size is None else (int(size[0]), int(size[1])),
        )


def _numbers(arrays: dict[str, np.ndarray], name: str, kinds: str) -> np.ndarray:
    array = arrays[name]
    if array.dtype.kind not in kinds:
        raise ValueError(f"{name} is of type {array.dtype}")
    return array


def _texts(arrays: dict[str, np.ndarray], name: str) -> tuple[str, ...]:
    array = arrays[name]
    if array.dtype.kind != "U" or array.ndim != 1:
        raise ValueError(f"{name} is of type {array.dtype}")
    return tuple(map(str, array))
