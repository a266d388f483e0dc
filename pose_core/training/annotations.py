"""People with 2D keypoints alone as training data: sessions, COCO keypoint JSON, MPII folders.

Pictures of COCO and MPII are opened and cut when they are drawn. Frames of a video would have to
be looked for each time, so the people of a session are cut out once and held as JPEG in memory,
some ten kilobytes each and at most `MOST_PER_SESSION` of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from pose_core.data import coco, mpii, session_samples
from pose_core.data.samples import KeypointSample
from pose_core.data.skipping import SkipLog, read_each
from pose_core.errors import DataError
from pose_core.session_io import SUFFIX, load_session
from pose_core.skeleton import H36M_17, joint_map
from pose_core.training.crops import CropLabels, decoded, read_picture
from pose_core.video import VideoReader

MOST_PER_SESSION = 2000
# Keypoints that a detector doubts are no labels.
_LEAST_SCORE = 0.5
_FEWEST_JOINTS = 6
# Side of the crop over the larger side of the box around the joints: the mean of rendered people.
_MARGIN = 1.4
_JPEG_QUALITY = 95


@dataclass(frozen=True, eq=False)
class AnnotatedPerson:
    """A square of a picture with somebody in it.

    Parameters
    ----------
    name : str
    keypoints : (17, 2) float32 ndarray
        Human3.6M-17, pixels of the picture; NaN where not labelled.
    corner : (2,) float32 ndarray
        Left and top of the square, pixels; it may reach beyond the picture.
    side : float
        Of the square, pixels.
    picture : Path or bytes
        A file, or the square itself as JPEG.
    """

    name: str
    keypoints: np.ndarray
    corner: np.ndarray
    side: float
    picture: Path | bytes


class AnnotatedPeople:
    """Annotated people, one frame each; see `pose_core.training.crops.CropStore`.

    Parameters
    ----------
    people : list of AnnotatedPerson
    side : int
        Of the crops, pixels.
    """

    def __init__(self, people: list[AnnotatedPerson], side: int) -> None:
        self.side = side
        self._people = people
        scaled = [(p.keypoints - p.corner) * (side / p.side) for p in people]
        keypoints = torch.from_numpy(np.stack(scaled).astype(np.float32))[:, None]
        self.labels = CropLabels(
            keypoints,
            torch.full((*keypoints.shape[:-1], 3), torch.nan),
            torch.eye(3).expand(len(people), 3, 3),
        )

    def name(self, index: int) -> str:
        """As the data set or the session calls the sample."""
        return self._people[index].name

    def pictures(self, index: int) -> np.ndarray:
        """The one frame (1, side, side, 3) uint8, RGB, of a sample."""
        person = self._people[index]
        if isinstance(person.picture, bytes):
            return decoded(person.picture, person.name)[None]
        return cut(read_picture(person.picture), person.corner, person.side, self.side)[None]


def annotated_people(paths: tuple[str, ...], side: int, skipped: SkipLog) -> AnnotatedPeople:
    """Everybody in some sessions, COCO files and MPII folders.

    Parameters
    ----------
    paths : tuple of str
        ``NAME.posestage``, ``NAME.json`` with the pictures beside it, or a folder of MPII.
    side : int
        Of the crops, pixels.
    skipped : SkipLog
        Takes down who has no picture or a damaged label.

    Raises
    ------
    PoseStageError
        If a path cannot be read, nobody is left, or more than 1 % are skipped.
    """
    people = [p for path in paths for p in _people_of(Path(path), side, skipped)]
    if not people:
        raise DataError(
            f"Nobody in {', '.join(paths)} has {_FEWEST_JOINTS} labelled joints.",
            "Estimate or annotate people first, or leave the annotations away.",
        )
    return AnnotatedPeople(people, side)


def _people_of(path: Path, side: int, skipped: SkipLog) -> Iterator[AnnotatedPerson]:
    if path.suffix == SUFFIX:
        yield from _people_of_session(path, side)
        return
    log = SkipLog()
    if path.suffix == ".json":
        samples = list(coco.read_samples(path, log=log))
    elif path.is_dir():
        samples = list(mpii.read_samples(path, log=log))
    else:
        raise DataError(
            f"{path} holds no annotations.",
            f"Give a session (*{SUFFIX}), COCO keypoints (*.json) or a folder of MPII.",
        )
    for _, person in read_each(samples, _person_in_file, lambda sample: sample.name, log):
        if person is not None:
            yield person
    skipped.total += log.total
    skipped.reasons |= log.reasons


def _person_in_file(sample: KeypointSample) -> AnnotatedPerson | None:
    if not sample.picture.is_file():
        raise DataError(f"there is no picture {sample.picture}")
    return _person(sample)


def _people_of_session(path: Path, side: int) -> Iterator[AnnotatedPerson]:
    """People cut out of the video, frame after frame."""
    clip = load_session(path).clip
    found = list(session_samples.read_samples(path))
    step = -(-len(found) // MOST_PER_SESSION)
    by_frame: dict[int, list[AnnotatedPerson]] = {}
    for sample in found[:: max(step, 1)]:
        person = _person(sample)
        if person is not None and sample.frame is not None:
            by_frame.setdefault(sample.frame, []).append(person)
    with VideoReader(clip) as video:
        for frame in sorted(by_frame):
            picture = video.read(frame)
            for person in by_frame[frame]:
                crop = cut(picture, person.corner, person.side, side)
                yield AnnotatedPerson(
                    person.name, person.keypoints, person.corner, person.side, _jpeg(crop)
                )


def _person(sample: KeypointSample) -> AnnotatedPerson | None:
    """The sample's joints as those of Human3.6M and a square around it; None for too few."""
    to_h36m = joint_map(sample.skeleton, H36M_17)
    is_sure = to_h36m.apply_scores(sample.scores) >= _LEAST_SCORE
    keypoints = np.where(is_sure[:, None], to_h36m.apply(sample.keypoints), np.float32(np.nan))
    if np.isfinite(keypoints).all(axis=1).sum() < _FEWEST_JOINTS:
        return None
    low, high = np.nanmin(keypoints, axis=0), np.nanmax(keypoints, axis=0)
    # Of somebody of whom a part is labelled, the box shows how large the rest is.
    left_top, size = sample.box[:2], sample.box[2:]
    side = max(_MARGIN * float((high - low).max()), float(size.max()), 1.0)
    middle = (np.minimum(low, left_top) + np.maximum(high, left_top + size)) / 2
    return AnnotatedPerson(sample.name, keypoints, middle - side / 2, side, sample.picture)


def cut(picture: np.ndarray, corner: np.ndarray, side: float, size: int) -> np.ndarray:
    """A square of a picture (H, W, 3), scaled to (size, size, 3).

    What lies outside continues the nearest edge.

    Parameters
    ----------
    picture : (H, W, 3) uint8 ndarray
    corner : (2,) ndarray
        Left and top of the square, pixels counted from the corner of the picture.
    side : float
        Of the square, pixels.
    size : int
    """
    scale = size / side
    corner = np.asarray(corner, dtype=np.float64)
    if scale < 1:
        # Averaged over the pixels that fall together, or thin things would flicker.
        height, width = picture.shape[:2]
        small = max(round(width * scale), 1), max(round(height * scale), 1)
        picture = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        corner = corner * scale
        scale = 1.0
    # cv2 counts from the middle of the first pixel.
    offset = -scale * corner + 0.5 * (scale - 1)
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
    return cv2.warpAffine(picture, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)


def _jpeg(picture: np.ndarray) -> bytes:
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return data.tobytes()
