"""Keypoints in the JSON form of COCO: the data set, and what annotation programs write.

::

    {"images": [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}],
     "annotations": [{"image_id": 1, "keypoints": [x, y, v, ...], "bbox": [x, y, w, h], ...}],
     "categories": [{"name": "person", "keypoints": ["nose", ...]}]}

v is 0 for a keypoint that is not marked, 1 for one that is marked but hidden, 2 for a visible
one. The order of the keypoints is taken from ``categories`` where it is there.

References
----------
T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; "Data format" on
cocodataset.org.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pose_core.data.foreign_files import reading
from pose_core.data.samples import KeypointSample, box_of_keypoints
from pose_core.data.skipping import SkipLog, read_each
from pose_core.errors import DataError
from pose_core.interchange.named_keypoints import HIDDEN_SCORE
from pose_core.skeleton import COCO_17, H36M_17, Skeleton

_EXPECTED = (
    "Expected the JSON form of COCO keypoints: images, and annotations with image_id and "
    "keypoints [x, y, v, ...]."
)


def read_samples(
    path: Path, pictures: Path | None = None, log: SkipLog | None = None
) -> Iterator[KeypointSample]:
    """People with at least one keypoint, one at a time.

    Parameters
    ----------
    path : Path
        For example ``annotations/person_keypoints_val2017.json``.
    pictures : Path, optional
        Folder of the images; that of the JSON by default.
    log : SkipLog, optional
        Takes down what is skipped.

    Raises
    ------
    DataError
        If the file is not of this form, or more than 1 % of the annotations are damaged.
    """
    with reading(path, _EXPECTED):
        content = json.loads(path.read_text(encoding="utf-8"))
        files = {image["id"]: image["file_name"] for image in content["images"]}
        people = [a for a in content["annotations"] if _has_keypoints(a)]
        hash(tuple(a["image_id"] for a in people))  # a list can be no one's number
        skeleton, order = _joints(content.get("categories", []))
    folder = pictures or path.parent
    log = log or SkipLog(len(people))
    log.total = len(people)

    def name(person: dict[str, Any]) -> str:
        return f"annotation {person.get('id', '?')} of {files.get(person['image_id'], 'no image')}"

    def read(person: dict[str, Any]) -> KeypointSample:
        with reading(folder / name(person), _EXPECTED):
            picture = folder / files[person["image_id"]]
            return _sample(picture, person, skeleton, order, name(person))

    for _, sample in read_each(people, read, name, log):
        yield sample


def _has_keypoints(annotation: dict[str, Any]) -> bool:
    """Crowds and people too small to mark have none."""
    if annotation.get("iscrowd") or "image_id" not in annotation:
        return False
    return annotation.get("num_keypoints", 1) > 0 and "keypoints" in annotation


def _joints(categories: list[dict[str, Any]]) -> tuple[Skeleton, np.ndarray]:
    """The skeleton of the file, and where each of its joints lies in the lists of the file.

    It has the joints of COCO, or those that PoseStage writes itself.
    """
    names = next((c["keypoints"] for c in categories if c.get("keypoints")), None)
    if names is None:
        return COCO_17, np.arange(COCO_17.num_joints)
    for skeleton in (COCO_17, H36M_17):
        if set(skeleton.joint_names) <= set(names):
            return skeleton, np.array([names.index(joint) for joint in skeleton.joint_names])
    missing = [joint for joint in COCO_17.joint_names if joint not in names]
    raise DataError(f"The file has no keypoints {', '.join(missing)}.", _EXPECTED)


def _sample(
    picture: Path, person: dict[str, Any], skeleton: Skeleton, order: np.ndarray, name: str
) -> KeypointSample:
    values = np.array(person["keypoints"], dtype=np.float32).reshape(-1, 3)[order]
    xy, marks = values[:, :2].copy(), values[:, 2]
    if not np.isfinite(xy[marks > 0]).all() or not (marks > 0).any():
        raise ValueError("no keypoint is marked, or one is not a number")
    xy[marks <= 0] = np.nan
    scores = np.where(marks >= 2, 1.0, np.where(marks >= 1, HIDDEN_SCORE, 0.0))
    box = np.array(person.get("bbox") or box_of_keypoints(xy), dtype=np.float32)
    if box.shape != (4,):
        raise ValueError(f"bbox {box.shape}")
    return KeypointSample(name, xy, scores.astype(np.float32), skeleton, box, picture)
