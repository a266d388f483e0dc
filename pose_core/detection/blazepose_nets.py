"""The two networks of BlazePose: where people are, and the landmarks of one person.

Both are convolutional networks run by LiteRT on one thread (more threads are slower on busy
machines). This file turns pictures into their inputs and their outputs into pixels; what to do
with the answers is decided in `pose_core.detection.blazepose`.

References
----------
V. Bazarevsky et al., "BlazePose: On-device Real-time Body Pose Tracking", CVPR workshop 2020.
The layout of the tensors follows the model cards of MediaPipe's ``pose_detection`` and
``pose_landmark_full``.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

NUM_LANDMARKS = 33
# The landmark network also gives the middle of the hips and a point on the circle around the
# whole body; its other auxiliary points are not used.
_NUM_RAW = 39
_CENTRE_POINT, _CIRCLE_POINT = 33, 34

_PERSON_INPUT = 224
_ANCHOR_GRIDS = ((28, 2), (14, 2), (7, 6))  # cells per side, anchors per cell
_SAME_PERSON_IOU = 0.3

_LANDMARK_INPUT = 256
_HEATMAP_RADIUS = 3
_MIN_HEATMAP_PEAK = 0.5
# The crop is this much wider than the circle around the body: the network was trained so.
_ROI_MARGIN = 1.25


@dataclass(frozen=True)
class Roi:
    """A square around one person, turned so that the person stands upright in it.

    Parameters
    ----------
    x, y : float
        Centre (the middle of the hips), pixels.
    size : float
        Side, pixels.
    angle : float
        Radians, clockwise on screen, by which the person is turned from upright.
    """

    x: float
    y: float
    size: float
    angle: float

    @classmethod
    def around(cls, centre: np.ndarray, circle_point: np.ndarray) -> "Roi":
        """Square around the circle about `centre` through a point straight above it in the body."""
        x, y = centre.tolist()
        dx, dy = (circle_point - centre).tolist()
        # Never of no size, however degenerate the points: a crop must be possible.
        size = max(2 * _ROI_MARGIN * math.hypot(dx, dy), 1.0)
        return cls(x, y, size, math.atan2(dx, -dy))

    def matrix(self) -> np.ndarray:
        """(2, 3) affine map from crop pixels to picture pixels (pixel corners, not centres)."""
        scale = self.size / _LANDMARK_INPUT
        cos, sin = math.cos(self.angle) * scale, math.sin(self.angle) * scale
        rotation = np.array([[cos, -sin], [sin, cos]])
        offset = np.array([self.x, self.y]) - rotation @ np.full(2, _LANDMARK_INPUT / 2)
        return np.column_stack([rotation, offset])


@dataclass(frozen=True, eq=False)
class Landmarks:
    """What the landmark network says about one crop.

    Parameters
    ----------
    xy : (33, 2) float32 ndarray
        Picture pixels.
    scores : (33,) float32 ndarray
    world_xyz : (33, 3) float32 ndarray
        Metres, origin between the hips, camera axes.
    person_score : float
        0..1 that the crop shows a person.
    next_roi : Roi
        Where to look in the next frame, or in a second pass.
    """

    xy: np.ndarray
    scores: np.ndarray
    world_xyz: np.ndarray
    person_score: float
    next_roi: Roi


class _Network:
    """One LiteRT network with one input, on one thread. Not to be shared by threads."""

    def __init__(self, path: Path, output_names: tuple[str, ...]) -> None:
        # LiteRT is loaded when a detector is made, not when this file is imported.
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415

        self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        indices = {d["name"]: d["index"] for d in self._interpreter.get_output_details()}
        self._outputs = [indices[name] for name in output_names]

    def __call__(self, batch_of_one: np.ndarray) -> list[np.ndarray]:
        self._interpreter.set_tensor(self._input, batch_of_one)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index)[0] for index in self._outputs]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -60.0, 60.0)))


class PersonNet:
    """Finds the people of a picture (or of a tile of it) as rough regions."""

    def __init__(self, path: Path) -> None:
        self._network = _Network(path, ("Identity", "Identity_1"))
        self._anchors = _anchors()

    def __call__(self, image: np.ndarray, min_score: float) -> list[tuple[Roi, float]]:
        """Regions of people with their scores, best first.

        Parameters
        ----------
        image : (H, W, 3) uint8 ndarray
        min_score : float
        """
        small, scale, offset = _letterbox(image)
        values, logits = self._network(small[None].astype(np.float32) / 127.5 - 1.0)
        scores = _sigmoid(logits[:, 0])
        kept = scores >= min_score
        # Each row: box centre, box size, then four points, all from the anchor, in input pixels.
        points = values[kept].reshape(-1, 6, 2)
        anchors = self._anchors[kept][:, None] * _PERSON_INPUT
        centre, half = points[:, :1] + anchors, points[:, 1:2] / 2
        points = np.concatenate([centre - half, centre + half, points[:, 2:] + anchors], axis=1)
        points = (points - offset) / scale
        return [
            (Roi.around(person[2], person[3]), score)
            for person, score in _merge_overlapping(points, scores[kept])
        ]


def _anchors() -> np.ndarray:
    """(2254, 2) centres of the grid cells that the network's rows belong to, 0..1."""
    centres = []
    for cells, per_cell in _ANCHOR_GRIDS:
        y, x = np.divmod(np.arange(cells * cells), cells)
        centres.append(np.repeat((np.stack([x, y], axis=1) + 0.5) / cells, per_cell, axis=0))
    return np.concatenate(centres)


def _letterbox(image: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Picture fitted into the network's square with black bars; its scale and (2,) offset."""
    height, width = image.shape[:2]
    scale = _PERSON_INPUT / max(height, width)
    fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
    offset = np.array([(_PERSON_INPUT - fitted[0]) // 2, (_PERSON_INPUT - fitted[1]) // 2])
    square = np.zeros((_PERSON_INPUT, _PERSON_INPUT, 3), np.uint8)
    # INTER_AREA averages all pixels when shrinking: small people do not vanish between samples.
    square[offset[1] : offset[1] + fitted[1], offset[0] : offset[0] + fitted[0]] = cv2.resize(
        image, fitted, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    return square, scale, offset


def _merge_overlapping(points: np.ndarray, scores: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Non-maximum suppression that averages what it merges.

    Parameters
    ----------
    points : (N, 6, 2) ndarray
        Box corners (first two) and four points of each candidate.
    scores : (N,) ndarray

    Returns
    -------
    list of ((6, 2) ndarray, float)
        Score-weighted mean of each group and its best score, best first.
    """
    merged = []
    left = np.argsort(-scores, kind="stable")
    while len(left):
        low = np.maximum(points[left[0], 0], points[left, 0])
        high = np.minimum(points[left[0], 1], points[left, 1])
        shared = np.clip(high - low, 0, None).prod(axis=1)
        areas = np.clip(points[left, 1] - points[left, 0], 0, None).prod(axis=1)
        same = shared > _SAME_PERSON_IOU * (areas[0] + areas - shared)
        same[0] = True
        group = left[same]
        mean = np.average(points[group], axis=0, weights=scores[group])
        merged.append((mean, float(scores[left[0]])))
        left = left[~same]
    return merged


class LandmarkNet:
    """Finds the 33 landmarks of the person in a region."""

    def __init__(self, path: Path) -> None:
        self._network = _Network(path, ("Identity", "Identity_1", "Identity_3", "Identity_4"))

    def __call__(self, image: np.ndarray, roi: Roi, *, is_mirrored: bool = False) -> Landmarks:
        """Landmarks of the person in a region of a picture (H, W, 3) uint8.

        A mirrored crop is answered in the picture's own coordinates, but with the landmarks as
        the network named them: the person's left is then called right.
        """
        matrix = roi.matrix()
        crop = _cut(image, matrix)
        if is_mirrored:
            crop = crop[:, ::-1]
        inputs = np.ascontiguousarray(crop[None], dtype=np.float32) / 255.0
        values, person_score, heatmaps, world = self._network(inputs)
        rows = values.reshape(_NUM_RAW, 5)
        points = _refine(rows[:, :2], heatmaps)
        world = world.reshape(_NUM_RAW, 3)[:NUM_LANDMARKS].copy()
        if is_mirrored:
            points[:, 0] = _LANDMARK_INPUT - points[:, 0]
            world[:, 0] *= -1
        points = points @ matrix[:, :2].T + matrix[:, 2]
        cos, sin = math.cos(roi.angle), math.sin(roi.angle)
        world[:, :2] = world[:, :2] @ np.array([[cos, sin], [-sin, cos]])
        # Columns 3 and 4: the logits that a landmark is not hidden, and that it is in the crop.
        sure = _sigmoid(rows[:NUM_LANDMARKS, 3:5]).min(axis=1)
        return Landmarks(
            points[:NUM_LANDMARKS].astype(np.float32),
            sure.astype(np.float32),
            world.astype(np.float32),
            float(person_score[0]),
            Roi.around(points[_CENTRE_POINT], points[_CIRCLE_POINT]),
        )


def _cut(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(256, 256, 3) crop of a picture; black outside it."""
    # OpenCV counts from pixel centres, the matrix from pixel corners.
    centred = matrix.copy()
    centred[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    return cv2.warpAffine(
        image,
        centred,
        (_LANDMARK_INPUT, _LANDMARK_INPUT),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )


def _refine(points: np.ndarray, heatmaps: np.ndarray) -> np.ndarray:
    """Regressed points (39, 2) in crop pixels, moved to the mean of a clear heatmap peak nearby.

    Parameters
    ----------
    points : (39, 2) ndarray
    heatmaps : (64, 64, 39) ndarray
        Logits.
    """
    size = heatmaps.shape[0]
    cell = _LANDMARK_INPUT / size
    around = np.arange(-_HEATMAP_RADIUS, _HEATMAP_RADIUS + 1)
    columns, rows = np.floor(points.T / cell).astype(int)[..., None] + around  # (39, 7) each
    has_column, has_row = ((index >= 0) & (index < size) for index in (columns, rows))
    joints = np.arange(len(points))[:, None, None]
    logits = heatmaps[
        np.clip(rows, 0, size - 1)[:, :, None], np.clip(columns, 0, size - 1)[:, None, :], joints
    ]
    weights = _sigmoid(logits) * (has_row[:, :, None] & has_column[:, None, :])  # (39, 7, 7)
    has_peak = weights.max(axis=(1, 2)) >= _MIN_HEATMAP_PEAK
    is_inside = has_column[:, _HEATMAP_RADIUS] & has_row[:, _HEATMAP_RADIUS]
    total = np.maximum(weights.sum(axis=(1, 2)), 1e-9)
    x = (weights.sum(axis=1) * columns).sum(axis=1) / total
    y = (weights.sum(axis=2) * rows).sum(axis=1) / total
    peaks = np.stack([x, y], axis=1) * cell
    return np.where((has_peak & is_inside)[:, None], peaks, points)
