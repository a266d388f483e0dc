"""MPII Human Pose: people in pictures with up to 16 keypoints and no third dimension.

Read are the file of the data set and the JSON that most programs make of it::

    mpii_human_pose_v1_u12_1.mat, or the same in mpii_human_pose_v1_u12_2/
    annot/train.json, annot/valid.json      a list of image, joints (16, 2), joints_vis, ...
    images/

In the file of the data set, people of the training pictures have keypoints and those of the test
pictures have none. Both count pixels from 1, as MATLAB does; here the first one is (0, 0).

References
----------
M. Andriluka et al., "2D Human Pose Estimation: New Benchmark and State of the Art Analysis",
CVPR 2014.
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
from pose_core.skeleton import MPII_16

MAT_FILE = "mpii_human_pose_v1_u12_1.mat"
_JSON_FILES = {"train": "train.json", "valid": "valid.json"}
_EXPECTED = (
    f"Expected {MAT_FILE} or annot/train.json and annot/valid.json, beside the folder images."
)
_FIRST_PIXEL = 1.0


def read_samples(folder: Path, split: str = "train", log: SkipLog | None = None) -> Iterator[Any]:
    """People with keypoints, one at a time.

    Parameters
    ----------
    folder : Path
    split : {"train", "valid"}
        The file of the data set has no ``valid``.
    log : SkipLog, optional
        Takes down what is skipped.

    Yields
    ------
    KeypointSample

    Raises
    ------
    DataError
        If the folder is not MPII, or more than 1 % of the people are damaged.
    """
    json_file = folder / "annot" / _JSON_FILES.get(split, "")
    mat_files = [p for p in (folder, *folder.glob("mpii_human_pose_v1_u12*")) if p.is_dir()]
    mat_file = next((p / MAT_FILE for p in mat_files if (p / MAT_FILE).is_file()), None)
    if json_file.is_file():
        people = _json_people(json_file)
    elif mat_file is not None and split == "train":
        people = _mat_people(mat_file)
    else:
        raise DataError(f"{folder} has no MPII for {split!r}.", _EXPECTED)
    log = log or SkipLog(len(people))
    log.total = len(people)

    def read(person: tuple[str, Any]) -> KeypointSample:
        return _sample(folder / "images", *person)

    for _, sample in read_each(people, read, lambda person: person[0], log):
        yield sample


def _json_people(path: Path) -> list[tuple[str, Any]]:
    with reading(path, "Expected a list of people with image, joints (16, 2) and joints_vis."):
        people = json.loads(path.read_text(encoding="utf-8"))
        return [(f"{person['image']}, person {i}", person) for i, person in enumerate(people)]


def _mat_people(path: Path) -> list[tuple[str, Any]]:
    """People of the training pictures that have keypoints, in the form of the JSON."""
    from scipy.io import loadmat  # noqa: PLC0415 - slow to import

    expected = "Expected RELEASE with annolist and img_train, as in the data set."
    with reading(path, expected):
        release = loadmat(path, struct_as_record=False, squeeze_me=True)["RELEASE"]
        people = []
        for picture, is_train in zip(release.annolist, np.ravel(release.img_train), strict=True):
            if not is_train:
                continue
            for i, person in enumerate(np.ravel(picture.annorect)):
                points = getattr(getattr(person, "annopoints", None), "point", None)
                if points is not None:
                    name = f"{picture.image.name}, person {i}"
                    people.append((name, {"image": picture.image.name, "points": points}))
        return people


def _sample(images: Path, name: str, person: dict[str, Any]) -> KeypointSample:
    with reading(images / name, "Expected 16 joints with x, y and visibility."):
        if "points" in person:
            xy, seen = _from_points(person["points"])
        else:
            xy = np.array(person["joints"], dtype=np.float32) - _FIRST_PIXEL
            seen = np.array(person["joints_vis"], dtype=np.float32) > 0
        if xy.shape != (16, 2) or seen.shape != (16,):
            raise ValueError(f"joints {xy.shape}, joints_vis {seen.shape}")
        seen = seen & np.isfinite(xy).all(axis=1)
        if not seen.any():
            raise ValueError("no joint is marked")
        xy[~seen] = np.nan
        picture = images / str(person["image"])
    return KeypointSample(name, xy, seen.astype(np.float32), MPII_16, box_of_keypoints(xy), picture)


def _from_points(points: Any) -> tuple[np.ndarray, np.ndarray]:
    """Joints (16, 2) and which are marked. Hidden ones are marked too: a person guessed them."""
    xy = np.full((16, 2), np.nan, dtype=np.float32)
    for point in np.ravel(points):
        xy[int(point.id)] = float(point.x) - _FIRST_PIXEL, float(point.y) - _FIRST_PIXEL
    return xy, np.asarray(np.isfinite(xy).all(axis=1))
