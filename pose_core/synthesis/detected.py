"""Rendered people as the 2D detector sees them, beside the exact truth.

``python -m pose_core.synthesis.detected --data MOCAP --out FILE`` writes what the detector's map of
landmarks is fitted on, and what its errors are measured on.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pose_core.array_files import DamagedArrays, read_arrays
from pose_core.atomic_file import atomic_write, make_folder
from pose_core.detection.base import Detector, PersonDetection
from pose_core.detection.blazepose import BlazePoseDetector
from pose_core.errors import DataError, PoseStageError
from pose_core.progress import ProgressBar
from pose_core.synthesis.people import PeopleConfig, PeopleSource
from pose_core.synthesis.people_files import SPLITS, select_motions

# Large enough for the detector, which looks at 256 pixels around the person.
_PICTURE_PX = 384
_RATE_HZ = 25.0
# Of the bodies, the share that goes with the training motions; the rest goes with the held out.
_TRAINING_BODIES = 0.75
_MAX_FILE_BYTES = 500_000_000


@dataclass(frozen=True, eq=False)
class DetectedPeople:
    """N sequences of T frames, one rendered person each.

    Parameters
    ----------
    landmarks : (N, T, L, 2) float32 ndarray
        The detector's own joints, pixels; NaN in frames in which it found nobody.
    scores : (N, T, L) float32 ndarray
        0 where nobody was found.
    xy : (N, T, 17, 2) float32 ndarray
        True pixels of the joints of Human3.6M-17.
    camera_xyz : (N, T, 17, 3) float32 ndarray
        True joints in camera axes, metres.
    visibility : (N, T, 17) uint8 ndarray
        See `pose_core.synthesis.labels`.
    focal_px : (N,) float32 ndarray
        Focal length of the pictures.
    """

    landmarks: np.ndarray
    scores: np.ndarray
    xy: np.ndarray
    camera_xyz: np.ndarray
    visibility: np.ndarray
    focal_px: np.ndarray

    @property
    def found_mask(self) -> np.ndarray:
        """(N, T) bool: frames in which the detector found somebody."""
        return np.isfinite(self.landmarks[..., 0, 0])


def detect_rendered(
    source: PeopleSource, detector: Detector, numbers: Iterable[int], seed: int
) -> Iterator[DetectedPeople]:
    """Render sequences one by one and look at them; each comes alone (N = 1).

    A person is searched for in the first frame and followed from frame to frame, as in a video.
    A sequence depends on the seed and on its own number alone.
    """
    for number in numbers:
        batch = source.batch(1, seed, number)
        pictures = batch.images[0].permute(0, 2, 3, 1).cpu().numpy()
        people = list(_followed(detector, pictures))
        num_landmarks = detector.skeleton.num_joints
        landmarks = np.full((1, len(people), num_landmarks, 2), np.nan, np.float32)
        scores = np.zeros((1, len(people), num_landmarks), np.float32)
        for frame, person in enumerate(people):
            if person is not None:
                landmarks[0, frame], scores[0, frame] = person.xy, person.scores
        yield DetectedPeople(
            landmarks,
            scores,
            batch.keypoints.cpu().numpy(),
            batch.camera_xyz.cpu().numpy(),
            batch.visibility.cpu().numpy(),
            batch.intrinsics[:, 0, 0].cpu().numpy(),
        )


def join(parts: Sequence[DetectedPeople]) -> DetectedPeople:
    """All sequences of several records, which must be equally long."""
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return DetectedPeople(*(np.concatenate(column) for column in columns))


def save_detected(path: Path, people: DetectedPeople) -> None:
    """Keep people in an ``.npz`` file.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    make_folder(path.parent, DataError)
    with atomic_write(path, DataError) as file:
        np.savez(file, **vars(people))


def load_detected(path: Path) -> DetectedPeople:
    """Read what `save_detected` wrote.

    Raises
    ------
    DataError
        If it cannot be read or holds something else.
    """
    try:
        with path.open("rb") as file:
            return DetectedPeople(**read_arrays(file, _MAX_FILE_BYTES))
    except (OSError, DamagedArrays, TypeError) as error:
        raise DataError(
            f"{path} does not hold detected people ({error}).",
            "Make it with: python -m pose_core.synthesis.detected --data MOCAP --out FILE",
        ) from error


def _followed(detector: Detector, pictures: np.ndarray) -> Iterator[PersonDetection | None]:
    """The person of each picture (T, H, W, 3); None where nobody is found."""
    person: PersonDetection | None = None
    for picture in pictures:
        picture = np.ascontiguousarray(picture)
        if person is not None:
            (person,) = detector.follow(picture, [person])
        if person is None:
            person = next(iter(detector.detect(picture, is_thorough=False)), None)
        yield person


def people_of_split(mocap: Path, split: str, frames: int) -> PeopleSource:
    """People of one of `SPLITS`: bodies are divided like motions, so that both are new.

    Raises
    ------
    DataError
        If no motion is found there.
    """
    config = PeopleConfig(size=_PICTURE_PX, frames=frames, rate_hz=_RATE_HZ)
    source = PeopleSource(select_motions(mocap, split), config)
    bodies = source.body.shapes
    border = round(_TRAINING_BODIES * len(bodies))
    if split != "all":
        source.body.shapes = bodies[:border] if split == "training" else bodies[border:]
    return source


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Detect rendered people.")
    parser.add_argument("--data", type=Path, required=True, help="folder of motion capture")
    parser.add_argument("--split", choices=SPLITS, default="all")
    parser.add_argument("--sequences", type=int, default=60)
    parser.add_argument("--frames", type=int, default=60, help="of each sequence, at 25 a second")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help=".npz file")
    options = parser.parse_args()
    bar = ProgressBar(sys.stderr, "sequences")
    parts: list[DetectedPeople] = []
    try:
        source = people_of_split(options.data, options.split, options.frames)
        numbers = range(options.sequences)
        for part in detect_rendered(source, BlazePoseDetector(), numbers, options.seed):
            parts.append(part)
            bar.update(len(parts), len(numbers))
        save_detected(options.out, join(parts))
    except PoseStageError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    finally:
        bar.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
