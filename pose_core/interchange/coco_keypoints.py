"""Keypoints of the people of a clip in the JSON form of COCO, with the frames as its images.

::

    {"videos": [{"id": 1, "name": "walk.mp4", "width": 640, "height": 480, "num_frames": 60}],
     "images": [{"id": 1, "video_id": 1, "frame_id": 0, "file_name": "walk_000000.jpg",
                 "width": 640, "height": 480}],
     "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "track_id": 1,
                      "keypoints": [x, y, v, ...], "num_keypoints": 17, "scores": [...],
                      "sources": [...], "bbox": [x, y, w, h], "area": 1.0, "iscrowd": 0}],
     "categories": [{"id": 1, "name": "person", "keypoints": ["pelvis", ...],
                     "skeleton": [[1, 2], ...]}]}

v is 0 for a keypoint that is not marked, 1 for one that is hidden, 2 for a visible one. ``scores``
and ``sources`` are PoseStage's own: other programs pass over them, and with them nothing is lost
on the way back. The box is the smallest around the keypoints.

References
----------
T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; "Data format" on
cocodataset.org. ``videos``, ``video_id``, ``frame_id`` and ``track_id`` as in the video form of
MMTracking (CocoVID).
"""

import json
import re
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

import pose_core
from pose_core.atomic_file import atomic_write
from pose_core.clip import Clip
from pose_core.errors import ExportError
from pose_core.interchange.named_keypoints import HIDDEN_SCORE, NamedKeypoints, marks_of
from pose_core.interchange.reading import damage_told, whole_number
from pose_core.poses import SOURCE_IMPORTED
from pose_core.skeleton import COCO_17, SKELETONS

FORMAT = "COCO keypoints"
_LAST_NUMBER = re.compile(r"(\d{1,15})(?=\D*$)")
_LAST_SOURCE = SOURCE_IMPORTED


def save_coco(path: Path, keypoints: NamedKeypoints, clip: Clip) -> None:
    """Write the keypoints of a clip, whole or not at all.

    Raises
    ------
    ExportError
    """
    with atomic_write(path, ExportError) as handle:
        write_coco(handle, keypoints, clip)


def write_coco(handle: BinaryIO, keypoints: NamedKeypoints, clip: Clip) -> None:
    """Write to an open file; the inverse of `read_coco`."""
    frames = np.unique(keypoints.frames)
    images = [
        {
            "id": int(frame) + 1,
            "video_id": 1,
            "frame_id": int(frame),
            "file_name": f"{clip.path.stem}_{frame:06d}.jpg",
            "width": clip.width,
            "height": clip.height,
        }
        for frame in frames
    ]
    order = np.lexsort((keypoints.people, keypoints.frames))
    head = {
        "info": {"description": clip.path.name, "version": f"PoseStage {pose_core.__version__}"},
        "videos": [
            {
                "id": 1,
                "name": clip.path.name,
                "width": clip.width,
                "height": clip.height,
                "num_frames": clip.num_frames,
                "fps": clip.fps,
            }
        ],
        "persons": list(keypoints.person_names),
        "categories": [_category(keypoints.names)],
        "images": images,
    }
    text = json.dumps(head, ensure_ascii=False, allow_nan=False)
    handle.write((text[:-1] + ', "annotations": [\n').encode())
    for place, row in enumerate(order):
        line = json.dumps(_annotation(keypoints, int(row), place + 1), allow_nan=False)
        handle.write((line + (",\n" if place + 1 < len(order) else "\n")).encode())
    handle.write(b"]}\n")


def _category(names: tuple[str, ...]) -> dict[str, Any]:
    known = [skeleton for skeleton in SKELETONS.values() if skeleton.joint_names == names]
    bones = known[0].bones if known else ()
    # COCO counts keypoints from 1.
    pairs = [[parent + 1, child + 1] for parent, child in bones]
    return {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(names),
        "skeleton": pairs,
    }


def _annotation(keypoints: NamedKeypoints, row: int, number: int) -> dict[str, Any]:
    xy, scores = keypoints.xy[row], keypoints.scores[row]
    marks = marks_of(scores)
    known = xy[marks > 0]
    low, high = known.min(axis=0), known.max(axis=0)
    width, height = (high - low).tolist()
    places = np.column_stack([np.where(marks[:, None] > 0, xy, 0.0), marks])
    annotation = {
        "id": number,
        "image_id": int(keypoints.frames[row]) + 1,
        "category_id": 1,
        "keypoints": places.ravel().tolist(),
        "num_keypoints": int((marks > 0).sum()),
        "scores": [float(str(score)) for score in scores],
        "bbox": [*low.tolist(), width, height],
        "area": width * height,
        "iscrowd": 0,
    }
    if keypoints.people[row] >= 0:
        annotation["track_id"] = int(keypoints.people[row]) + 1
    if keypoints.sources is not None:
        annotation["sources"] = keypoints.sources[row].tolist()
    return annotation


def read_coco(content: Any) -> NamedKeypoints:
    """Read parsed JSON: the inverse of `write_coco`, and the files of other programs.

    The frame of an image is its ``frame_id``, or the last number in its file name, or its place.

    Raises
    ------
    ExportError
        If it is damaged or something else.
    """
    with damage_told("COCO file"):
        category = next((c for c in content.get("categories", []) if c.get("keypoints")), None)
        names = tuple(map(str, category["keypoints"])) if category else COCO_17.joint_names
        frames = _frames(content["images"])
        people = [a for a in content["annotations"] if _has_keypoints(a)]
        if not people:
            raise ExportError("The COCO file has no keypoints of people.")
        points = [_points(annotation, len(names)) for annotation in people]
        ids = np.array([_track(annotation) for annotation in people], dtype=np.int64)
        numbers = np.unique(ids[ids >= 0])
        videos = content.get("videos") or [{}]
        return NamedKeypoints(
            names=names,
            frames=np.array([frames[a["image_id"]] for a in people], dtype=np.int64),
            people=np.where(ids >= 0, np.searchsorted(numbers, ids), -1),
            xy=np.stack([point[0] for point in points]),
            scores=np.stack([point[1] for point in points]),
            person_names=_person_names(content, numbers),
            format=FORMAT,
            sources=np.stack([point[2] for point in points]),
            num_frames=whole_number(videos[0].get("num_frames", max(frames.values()) + 1)),
            picture_size=_picture_size(content["images"]),
        )


def _frames(images: list[dict[str, Any]]) -> dict[Any, int]:
    """Frame of each image, by its id."""
    ids = [image["id"] for image in images]
    by_field = [image.get("frame_id", image.get("frame_index")) for image in images]
    by_name = [_LAST_NUMBER.search(Path(str(image.get("file_name", ""))).stem) for image in images]
    for numbers in (by_field, [match[1] if match else None for match in by_name]):
        if None not in numbers and len(set(numbers)) == len(numbers):
            return dict(zip(ids, map(whole_number, numbers), strict=True))
    return {image_id: place for place, image_id in enumerate(ids)}


def _has_keypoints(annotation: dict[str, Any]) -> bool:
    """Crowds and people too small to mark have none."""
    return not annotation.get("iscrowd") and bool(annotation.get("keypoints"))


def _points(
    annotation: dict[str, Any], num_names: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places, scores and sources of one person."""
    values = np.array(annotation["keypoints"], dtype=np.float64).reshape(num_names, 3)
    xy, marks = values[:, :2], values[:, 2]
    scores = np.select([marks >= 2, marks >= 1], [1.0, HIDDEN_SCORE], 0.0)
    if "scores" in annotation:
        scores = np.where(marks > 0, np.array(annotation["scores"], dtype=np.float64), 0.0)
    sources = np.where(marks > 0, SOURCE_IMPORTED, 0)
    if "sources" in annotation:
        sources = np.array([whole_number(source) for source in annotation["sources"]])
    if scores.shape != marks.shape or sources.shape != marks.shape:
        raise ValueError("scores or sources are not as many as the keypoints")
    return xy, scores, np.clip(sources, 0, _LAST_SOURCE).astype(np.uint8)


def _track(annotation: dict[str, Any]) -> int:
    number = annotation.get("track_id", annotation.get("instance_id"))
    return -1 if number is None else max(whole_number(number), -1)


def _person_names(content: dict[str, Any], numbers: np.ndarray) -> tuple[str, ...]:
    """Names by `persons`, which counts tracks from 1."""
    names = content.get("persons") or []
    return tuple(
        str(names[n - 1]) if 0 < n <= len(names) else f"Person {n}" for n in numbers.tolist()
    )


def _picture_size(images: list[dict[str, Any]]) -> tuple[int, int] | None:
    sizes = {(image.get("width"), image.get("height")) for image in images}
    if len(sizes) != 1 or None in (size := sizes.pop()):
        return None
    return whole_number(size[0]), whole_number(size[1])
