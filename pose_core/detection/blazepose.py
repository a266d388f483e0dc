"""People and their 33 landmarks in pictures, by BlazePose.

BlazePose alone finds one prominent person. Here the picture is also searched in overlapping
tiles, every find is looked at twice, and what cannot be a person is dropped. Between key frames
people are followed by their landmarks alone, which takes a fraction of the time.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pose_core.detection.base import PersonDetection
from pose_core.detection.blazepose_nets import LandmarkNet, PersonNet, Roi
from pose_core.detection.crop_average import MAX_CROPS, average_landmarks
from pose_core.detection.overlap import Box, bounding_box, box_iou, is_same_person
from pose_core.detection.tiles import tile_boxes
from pose_core.detection.weights import detector_weights
from pose_core.errors import ConfigError
from pose_core.skeleton import BLAZEPOSE_33

_MIN_REGION_SCORE = 0.5
_MIN_PERSON_SCORE = 0.5
# On empty rooms the networks alone report someone in most pictures; a trunk this small beside the
# picture's short side was always furniture.
_MIN_TORSO_SHARE = 0.05
# Of the twelve joints of trunk and limbs, how many must be inside the picture.
_MIN_INSIDE_SHARE = 0.35
# Regions from several tiles are one person's if this near (over their size) and alike in size.
_SAME_REGION_DISTANCE = 0.2
_SAME_REGION_RATIO = 1.6
_MAX_PEOPLE = 20
# A followed person is looked at again where the region was off by more than this: shift over its
# size, ratio of sizes, turn in radians.
_MAX_SHIFT, _MAX_RATIO, _MAX_TURN = 0.08, 1.12, 0.25
# Smaller changes of the region are mostly jitter: it takes them up slowly, so that the crop, and
# with it the landmarks, keep still while the person does.
_JITTER_SHIFT, _LEAST_GAIN = 0.03, 0.2
# A box drawn by hand: the tile searched is this much wider, and the person found must fill it.
_BOX_MARGIN = 1.4
_MIN_BOX_IOU = 0.2
_MIN_SCORE_IN_BOX = 0.2

_MAIN_JOINTS = [
    BLAZEPOSE_33.index(f"{side}_{joint}")
    for joint in ("shoulder", "hip", "elbow", "wrist", "knee", "ankle")
    for side in ("left", "right")
]
_SHOULDERS, _HIPS = _MAIN_JOINTS[:2], _MAIN_JOINTS[2:4]


@dataclass(frozen=True, eq=False)
class BlazePosePerson(PersonDetection):
    """A person with the region where the next look should be.

    Parameters
    ----------
    roi : Roi
    """

    roi: Roi = field(kw_only=True)


class BlazePoseDetector:
    """BlazePose through LiteRT, on one thread.

    Not to be used by two threads at once.

    Parameters
    ----------
    num_crops : int
        Looks at each followed person: 1 is fast; several are averaged robustly over crops of
        other scales and rotations and mirrored ones, each costing as much as the first.

    Raises
    ------
    WeightsError
        If the weights are missing or altered.
    ConfigError
        If `num_crops` is not in 1..9.
    """

    name = "blazepose"
    skeleton = BLAZEPOSE_33

    def __init__(self, num_crops: int = 1) -> None:
        if not 1 <= num_crops <= MAX_CROPS:
            raise ConfigError(f"The number of crops must be 1..{MAX_CROPS}, not {num_crops}.")
        weights = detector_weights()
        self._person_net = PersonNet(weights.person)
        self._landmark_net = LandmarkNet(weights.landmarks)
        self._num_crops = num_crops

    def detect(self, image: np.ndarray, *, is_thorough: bool = True) -> list[PersonDetection]:
        """All people of a picture (H, W, 3) uint8, the surest first.

        Parameters
        ----------
        image : (H, W, 3) uint8 ndarray
            RGB.
        is_thorough : bool
            False leaves out the tiles: only large people are found, several times as fast.
        """
        height, width = image.shape[:2]
        boxes = [(0, 0, width, height)]
        if is_thorough:
            boxes += tile_boxes(width, height)
        regions = _distinct_regions(
            [found for box in boxes for found in self._regions_in(image, box)]
        )
        people: list[PersonDetection] = []
        for roi, _ in regions:
            person = self._look_twice(image, roi)
            if person and not any(is_same_person(person, p, self.skeleton) for p in people):
                people.append(person)
        return people[:_MAX_PEOPLE]

    def follow(
        self, image: np.ndarray, previous: Sequence[PersonDetection]
    ) -> list[PersonDetection | None]:
        """Look for the same people one frame later; None where one was lost."""
        followed: list[PersonDetection | None] = []
        for person in previous:
            roi = person.roi if isinstance(person, BlazePosePerson) else _roi_of(person)
            found = self._look(image, roi, self._num_crops)
            if not _is_well_inside(found.roi, roi):
                roi = found.roi
                found = self._look(image, roi, self._num_crops)
            steady = replace(found, roi=_steadied(found.roi, roi))
            followed.append(steady if _is_plausible(steady, image) else None)
        return followed

    def detect_in_box(self, image: np.ndarray, box: Box) -> PersonDetection | None:
        """Look for the person inside a box x0, y0, x1, y1 (pixels) that the user drew.

        The user says that someone is there, so little evidence is enough, and a person who lies
        or hangs is looked for in turned regions too. None if the networks see nobody at all.
        """
        centre_x, centre_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        long_side = max(box[2] - box[0], box[3] - box[1])
        quarter_turns = [
            Roi(centre_x, centre_y, 1.25 * long_side, k * math.pi / 2) for k in (0, 1, -1, 2)
        ]
        tile = _grown_box(box, _BOX_MARGIN, image)
        regions = [roi for roi, _ in self._regions_in(image, tile)] + quarter_turns
        best, best_fit = None, 0.0
        for roi in regions:
            first = self._look(image, roi, num_crops=1)
            person = self._look(image, first.roi, self._num_crops)
            iou = box_iou(bounding_box(person.xy[_MAIN_JOINTS]), box)
            fit = min(first.person_score, person.person_score) * iou
            is_sure = person.person_score >= _MIN_SCORE_IN_BOX and iou >= _MIN_BOX_IOU
            if is_sure and fit > best_fit:
                best, best_fit = person, fit
        return best

    def _regions_in(self, image: np.ndarray, tile: tuple[int, ...]) -> list[tuple[Roi, float]]:
        """Regions of people (in picture pixels) that the person network sees in one tile."""
        x0, y0, x1, y1 = tile
        found = self._person_net(image[y0:y1, x0:x1], _MIN_REGION_SCORE)
        return [(replace(roi, x=roi.x + x0, y=roi.y + y0), score) for roi, score in found]

    def _look_twice(self, image: np.ndarray, roi: Roi) -> BlazePosePerson | None:
        """Landmarks in a region that was corrected by a first look; None if nobody is there."""
        first = self._look(image, roi, num_crops=1)
        # A second look at nothing often finds somebody: the first must be sure already.
        if first.person_score < _MIN_PERSON_SCORE:
            return None
        second = self._look(image, first.roi, self._num_crops)
        return second if _is_plausible(second, image) else None

    def _look(self, image: np.ndarray, roi: Roi, num_crops: int) -> BlazePosePerson:
        found = average_landmarks(self._landmark_net, image, roi, num_crops)
        return BlazePosePerson(
            found.xy, found.scores, found.person_score, found.world_xyz, roi=found.next_roi
        )


def _distinct_regions(regions: list[tuple[Roi, float]]) -> list[tuple[Roi, float]]:
    """Regions sorted by score, without those that another tile saw better."""
    distinct: list[tuple[Roi, float]] = []
    for roi, score in sorted(regions, key=lambda region: -region[1]):
        if not any(_is_same_region(roi, other) for other, _ in distinct):
            distinct.append((roi, score))
    return distinct


def _is_same_region(a: Roi, b: Roi) -> bool:
    large, small = max(a.size, b.size), min(a.size, b.size)
    distance = math.hypot(a.x - b.x, a.y - b.y)
    turn = math.remainder(a.angle - b.angle, math.tau)
    return (
        distance < _SAME_REGION_DISTANCE * large
        and large < _SAME_REGION_RATIO * small
        and abs(turn) < math.pi / 4
    )


def _is_well_inside(found: Roi, looked_at: Roi) -> bool:
    """Whether the region that was looked at was near enough to where the person is."""
    shift, log_ratio, turn = _difference(found, looked_at)
    return shift < _MAX_SHIFT and abs(log_ratio) < math.log(_MAX_RATIO) and abs(turn) < _MAX_TURN


def _steadied(new: Roi, previous: Roi) -> Roi:
    """Take up large changes of a region at once, small ones slowly."""
    shift, log_ratio, turn = _difference(new, previous)

    def gain(change: float, jitter: float) -> float:
        return min(1.0, _LEAST_GAIN + abs(change) / jitter)

    of_shift = gain(shift, _JITTER_SHIFT)
    return Roi(
        previous.x + of_shift * (new.x - previous.x),
        previous.y + of_shift * (new.y - previous.y),
        previous.size * math.exp(gain(log_ratio, 2 * _JITTER_SHIFT) * log_ratio),
        previous.angle + gain(turn, 4 * _JITTER_SHIFT) * turn,
    )


def _difference(a: Roi, b: Roi) -> tuple[float, float, float]:
    """Shift over the size of b, logarithm of the ratio of sizes, turn in radians."""
    shift = math.hypot(a.x - b.x, a.y - b.y) / b.size
    return shift, math.log(a.size / b.size), math.remainder(a.angle - b.angle, math.tau)


def _is_plausible(person: BlazePosePerson, image: np.ndarray) -> bool:
    """Whether a find can be a person: sure enough, not tiny, not mostly outside the picture."""
    height, width = image.shape[:2]
    joints = person.xy[_MAIN_JOINTS]
    is_inside = ((joints >= 0) & (joints < (width, height))).all(axis=1)
    return (
        person.person_score >= _MIN_PERSON_SCORE
        and _torso_length(person.xy) >= _MIN_TORSO_SHARE * min(height, width)
        and bool(is_inside.mean() >= _MIN_INSIDE_SHARE)
    )


def _torso_length(xy: np.ndarray) -> float:
    """Pixels from the middle of the shoulders to the middle of the hips."""
    return float(np.linalg.norm(xy[_SHOULDERS].mean(axis=0) - xy[_HIPS].mean(axis=0)))


def _roi_of(person: PersonDetection) -> Roi:
    """Region of a person that was not found by this detector: around hips, along the trunk."""
    hips, shoulders = person.xy[_HIPS].mean(axis=0), person.xy[_SHOULDERS].mean(axis=0)
    reach = float(np.nanmax(np.linalg.norm(person.xy - hips, axis=1)))
    up = (shoulders - hips) / max(float(np.linalg.norm(shoulders - hips)), 1e-6)
    return Roi.around(hips, hips + reach * up)


def _grown_box(box: Box, factor: float, image: np.ndarray) -> tuple[int, int, int, int]:
    """Box made larger about its middle, whole pixels inside the picture."""
    height, width = image.shape[:2]
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half_x, half_y = factor * (box[2] - box[0]) / 2, factor * (box[3] - box[1]) / 2
    x0, y0 = max(0, math.floor(x - half_x)), max(0, math.floor(y - half_y))
    x1, y1 = min(width, math.ceil(x + half_x)), min(height, math.ceil(y + half_y))
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)
