"""One person looked at in several crops of a picture, and the answers averaged.

The landmarks of a network move by some pixels when its crop is shifted, scaled, turned or
mirrored. Averaging over such crops removes much of that error.
"""

import math
from dataclasses import replace

import numpy as np

from pose_core.detection.blazepose_nets import LandmarkNet, Landmarks, Roi
from pose_core.skeleton import BLAZEPOSE_33

# Scale, turn in degrees, mirrored. An even number of them from the start is balanced.
_VARIANTS = (
    (1.00, 0.0, False),
    (1.00, 0.0, True),
    (1.10, 8.0, False),
    (1.10, -8.0, True),
    (0.94, -8.0, False),
    (0.94, 8.0, True),
    (1.20, -4.0, False),
    (1.20, 4.0, True),
    (1.04, 14.0, False),
)
MAX_CROPS = len(_VARIANTS)
# Distance from the median, in crop widths and metres, at which an answer counts half.
_HALF_WEIGHT_CROP, _HALF_WEIGHT_M = 0.01, 0.03


def average_landmarks(net: LandmarkNet, image: np.ndarray, roi: Roi, num_crops: int) -> Landmarks:
    """Landmarks of the person in a region, averaged over `num_crops` looks.

    Crops that exchange left and right against the majority are put right in 2D and do not count
    in 3D, for they also take front for back.
    """
    looks = [_look(net, image, roi, *variant) for variant in _VARIANTS[:num_crops]]
    if num_crops == 1:
        return looks[0]
    mirror = BLAZEPOSE_33.mirror_index
    against_first = np.array([_is_exchanged(look.xy, looks[0].xy) for look in looks])
    exchanged = against_first if 2 * against_first.sum() <= num_crops else ~against_first
    xy = np.stack([k.xy[mirror] if e else k.xy for k, e in zip(looks, exchanged, strict=True)])
    scores = np.stack(
        [k.scores[mirror] if e else k.scores for k, e in zip(looks, exchanged, strict=True)]
    )
    in_3d = np.flatnonzero(~exchanged)
    world = np.stack([looks[i].world_xyz for i in in_3d])
    return Landmarks(
        _robust_mean(xy, scores, _HALF_WEIGHT_CROP * roi.size),
        scores.mean(axis=0),
        _robust_mean(world, scores[in_3d], _HALF_WEIGHT_M),
        float(np.mean([look.person_score for look in looks])),
        _mean_roi([look.next_roi for look in looks]),
    )


def _look(
    net: LandmarkNet, image: np.ndarray, roi: Roi, scale: float, turn_deg: float, is_mirrored: bool
) -> Landmarks:
    turned = replace(roi, size=roi.size * scale, angle=roi.angle + math.radians(turn_deg))
    found = net(image, turned, is_mirrored=is_mirrored)
    if not is_mirrored:
        return found
    order = BLAZEPOSE_33.mirror_index
    return replace(
        found, xy=found.xy[order], scores=found.scores[order], world_xyz=found.world_xyz[order]
    )


def _is_exchanged(xy: np.ndarray, reference: np.ndarray) -> bool:
    """Whether (33, 2) points fit the reference better with left and right exchanged."""
    as_named = np.linalg.norm(xy - reference, axis=1).sum()
    exchanged = np.linalg.norm(xy[BLAZEPOSE_33.mirror_index] - reference, axis=1).sum()
    return bool(exchanged < as_named)


def _robust_mean(points: np.ndarray, scores: np.ndarray, half_weight: float) -> np.ndarray:
    """Mean (J, D) of points (K, J, D) that trusts those near their median and well scored."""
    distance = np.linalg.norm(points - np.median(points, axis=0), axis=2)
    weights = (scores + 1e-3) / (1.0 + (distance / half_weight) ** 2)
    mean = (weights[..., None] * points).sum(axis=0) / weights.sum(axis=0)[:, None]
    return mean.astype(np.float32)


def _mean_roi(rois: list[Roi]) -> Roi:
    x, y, size = np.median([(roi.x, roi.y, roi.size) for roi in rois], axis=0).tolist()
    angle = math.atan2(
        sum(math.sin(roi.angle) for roi in rois), sum(math.cos(roi.angle) for roi in rois)
    )
    return Roi(x, y, size, angle)
