"""How much two detections cover the same person: boxes and keypoints compared."""

import numpy as np

from pose_core.detection.base import PersonDetection
from pose_core.skeleton import Skeleton

Box = tuple[float, float, float, float]

# A keypoint off by this share of the person's size counts exp(-1/2): twice the mean of COCO's
# per-joint deviations (COCO keypoint evaluation; Ronchi and Perona, ICCV 2017).
_TOLERANCE = 0.16
# Above any of these two detections are taken for one person. The last pair is for a detection of
# only a part of a person, inside that of the whole.
_SAME_SIMILARITY = 0.5
_SAME_IOU = 0.65
_PART_CONTAINMENT, _PART_SIMILARITY = 0.8, 0.2


def bounding_box(xy: np.ndarray) -> Box:
    """Smallest box x0, y0, x1, y1 (pixels) around finite points (..., 2); NaN if there is none."""
    points = xy[np.isfinite(xy).all(axis=-1)]
    if len(points) == 0:
        return (np.nan, np.nan, np.nan, np.nan)
    (x0, y0), (x1, y1) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return x0, y0, x1, y1


def box_area(box: Box) -> float:
    """Square pixels."""
    return (box[2] - box[0]) * (box[3] - box[1])


def box_intersection(a: Box, b: Box) -> float:
    """Square pixels that two boxes share; 0 if one of them is NaN."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    shared = box_intersection(a, b)
    return shared / (box_area(a) + box_area(b) - shared) if shared > 0 else 0.0


def keypoint_similarity(a: PersonDetection, b: PersonDetection, skeleton: Skeleton) -> float:
    """Object keypoint similarity, 0..1, blind to exchanged sides.

    Like COCO's, with one tolerance for all joints, weighted by the lower of the two scores.
    A detector may exchange left and right between two looks at one person, so the better of the
    two labellings counts.
    """
    area = np.sqrt(box_area(bounding_box(a.xy)) * box_area(bounding_box(b.xy)))
    mirror = skeleton.mirror_index
    return max(
        _similarity(a, b.xy, b.scores, area), _similarity(a, b.xy[mirror], b.scores[mirror], area)
    )


def _similarity(a: PersonDetection, xy: np.ndarray, scores: np.ndarray, area: float) -> float:
    weights = np.minimum(a.scores, scores)
    squared = ((a.xy - xy) ** 2).sum(axis=-1) / (_TOLERANCE**2 * max(area, 1.0))
    total = float(weights.sum())
    # Missing keypoints are NaN with score 0.
    return float(np.nansum(weights * np.exp(-squared / 2)) / total) if total > 0 else 0.0


def is_same_person(a: PersonDetection, b: PersonDetection, skeleton: Skeleton) -> bool:
    """Whether two detections in one picture are most likely of one person."""
    box_a, box_b = bounding_box(a.xy), bounding_box(b.xy)
    shared = box_intersection(box_a, box_b)
    if shared == 0:
        return False
    similarity = keypoint_similarity(a, b, skeleton)
    containment = shared / min(box_area(box_a), box_area(box_b))
    return (
        similarity > _SAME_SIMILARITY
        or box_iou(box_a, box_b) > _SAME_IOU
        or (containment > _PART_CONTAINMENT and similarity > _PART_SIMILARITY)
    )
