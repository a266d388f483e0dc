"""Rendered people as training data: drawn live, or from folders that ``posestage synthesize`` made.

A folder of training data holds folders of rendered people, some made with ``--split training``
and at least one with ``--split held-out``: movements are mixed when they are rendered, so one
folder cannot be split afterwards. Labels are held in memory, under half a kilobyte a frame;
pictures are opened when they are drawn.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from pose_core.data.mocap import Motion
from pose_core.data.skipping import SkipLog, read_each
from pose_core.errors import DataError
from pose_core.synthesis.people import PeopleConfig, PeopleSource
from pose_core.synthesis.people_files import read_people
from pose_core.training.crops import CropLabels, labels_of_crops, read_picture

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_HOW_TO_MAKE = "posestage synthesize --mocap DIR --split {split} --out {folder}/{split} --count N"


class RenderedPeople:
    """People rendered when they are drawn; see `pose_core.training.batches.TrainingData`.

    Parameters
    ----------
    motions : sequence of Motion
    config : PeopleConfig
    """

    def __init__(self, motions: Sequence[Motion], config: PeopleConfig) -> None:
        self._source = PeopleSource(motions, config)

    def draw(self, num_samples: int, generator: Generator) -> dict[str, Tensor]:
        """A batch as `pose_core.training.crops` describes it."""
        seed = int(torch.randint(2**62, (), generator=generator))
        people = self._source.batch(num_samples, seed, number=0)
        labels = CropLabels(people.keypoints, people.camera_xyz, people.intrinsics)
        as_it_is = torch.eye(3).expand(num_samples, 3, 3)
        size = self._source.config.size
        return {"images": people.images, **labels_of_crops(labels, as_it_is, size)}


@dataclass(frozen=True, eq=False)
class StoredPeople:
    """Rendered people in folders; see `pose_core.training.crops.CropStore`.

    Parameters
    ----------
    side : int
    labels : CropLabels
    paths : list of list of Path
        Of each sample, its frames.
    """

    side: int
    labels: CropLabels
    paths: list[list[Path]]

    def name(self, index: int) -> str:
        """File of the first frame."""
        return str(self.paths[index][0])

    def pictures(self, index: int) -> np.ndarray:
        """Frames (T, side, side, 3) uint8, RGB."""
        return np.stack([_square(path, self.side) for path in self.paths[index]])


def _square(path: Path, side: int) -> np.ndarray:
    picture = read_picture(path)
    if picture.shape[:2] != (side, side):
        height, width = picture.shape[:2]
        raise DataError(f"{path} has {width} x {height} pixels, expected {side} x {side}.")
    return picture


def people_folders(data: Path) -> dict[str, list[Path]]:
    """Folders of rendered people in `data` and just below it, by their split; {} for none."""
    found: dict[str, list[Path]] = {}
    for path in sorted([*data.glob("settings.json"), *data.glob("*/settings.json")]):
        if (path.parent / "labels").is_dir():
            found.setdefault(str(_settings(path.parent)["split"]), []).append(path.parent)
    return found


def stored_people(
    data: Path,
    folders: dict[str, list[Path]],
    split: str,
    frames: int,
    skipped: SkipLog,
    rate_hz: float | None = None,
) -> StoredPeople:
    """The people of one split, of samples with at least `frames` frames.

    Samples with a missing or cut off picture are left out.

    Parameters
    ----------
    data : Path
        Where the folders lie, for messages.
    folders : dict
        As `people_folders` gives them.
    split : {"training", "held-out"}
    frames : int
        The first frames of each sample that are used.
    skipped : SkipLog
    rate_hz : float, optional
        Frames per second that clips must have; any by default.

    Raises
    ------
    DataError
        If there are none, their labels are damaged, sizes differ, the samples are shorter or of
        another rate, or more than 1 % of them are left out.
    """
    chosen = folders.get(split, [])
    if not chosen:
        raise DataError(
            f"{data} has no rendered people of the split {split!r}.",
            f"Make some: {_HOW_TO_MAKE.format(split=split, folder=data)}",
        )
    settings = [_settings(folder) for folder in chosen]
    sides = {int(s["size"]) for s in settings}
    if len(sides) > 1:
        raise DataError(f"The pictures below {data} have different sizes: {sorted(sides)}.")
    fewest, rates = min(int(s["frames"]) for s in settings), {float(s["rate_hz"]) for s in settings}
    if fewest < frames:
        raise DataError(
            f"The samples below {data} have {fewest} frames, but clips of {frames} are needed.",
            f"Make others: posestage synthesize --frames {frames}.",
        )
    if frames > 1 and rate_hz is not None and rates != {rate_hz}:
        raise DataError(
            f"The clips below {data} have {sorted(rates)} frames per second, not {rate_hz:g}.",
            f"Set task.data.rate_hz to {min(rates):g}, or make others.",
        )
    shards = [shard for folder in chosen for shard in read_people(folder)]
    paths = [sample[:frames] for shard in shards for sample in shard.image_paths]
    skipped.total += len(paths)
    indices = list(range(len(paths)))
    kept = [
        index
        for index, _ in read_each(
            indices, lambda i: _require_whole(paths[i]), lambda i: str(paths[i][0]), skipped
        )
    ]

    def labels(name: str) -> Tensor:
        values = np.concatenate([shard.labels[name] for shard in shards])[kept]
        return torch.from_numpy(values.astype(np.float32))

    return StoredPeople(
        sides.pop(),
        CropLabels(
            labels("keypoints")[:, :frames], labels("camera_xyz")[:, :frames], labels("intrinsics")
        ),
        [paths[index] for index in kept],
    )


def _require_whole(paths: Sequence[Path]) -> None:
    """Look at both ends of JPEG files: a thousandth of the time it takes to decode them."""
    for path in paths:
        try:
            with path.open("rb") as file:
                start = file.read(2)
                file.seek(-2, 2)
                is_whole = start == _JPEG_START and file.read(2) == _JPEG_END
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}.") from error
        if not is_whole:
            raise DataError(f"{path} is not a whole JPEG file.")


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / "settings.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: content[name] for name in ("size", "frames", "rate_hz", "split")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} does not say how these people were made: {error}.",
            "Make them again with posestage synthesize.",
        ) from error
