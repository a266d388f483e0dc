"""MediaPipe Pose: its 33 landmarks as programs write them, in JSON or CSV.

MediaPipe itself writes no files, so each program has its own form. Those in use come down to:

- JSON: a list of frames, at the top or under a key (``frames``, ``landmarks``, ...). A frame has
  33 landmarks, or several people with 33 each, under ``pose_landmarks``, ``landmarks``, ... Each
  is ``{"x", "y", "z", "visibility"}`` or ``[x, y, z, visibility]``; a frame without a person has
  none. The frame's number is under ``frame`` or the like; otherwise its place counts.
- CSV, wide: a row per frame with columns ``left_hip_x``, ``left_hip_y``, ``left_hip_visibility``
  or, by number from 0 or 1, ``x0, y0, z0, v0`` or ``landmark_0_x``.
- CSV, long: a row per frame and landmark with columns ``frame``, ``landmark``, ``x``, ``y``.

Places are shares of the picture; larger numbers are taken for pixels.

References
----------
"Pose landmark detection guide", ai.google.dev/edge/mediapipe; the order of the landmarks is that
of `pose_core.skeleton.BLAZEPOSE_33`.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from pose_core.errors import ExportError
from pose_core.interchange.named_keypoints import NamedKeypoints
from pose_core.interchange.reading import (
    csv_rows,
    damage_told,
    number_or_nan,
    numbers_of,
    whole_number,
)
from pose_core.skeleton import BLAZEPOSE_33

FORMAT = "MediaPipe"
NUM_LANDMARKS = BLAZEPOSE_33.num_joints
_HINT = "docs/formats.md says which forms of MediaPipe landmarks are read."
_FRAME_KEYS = (
    "frame",
    "frame_index",
    "frame_idx",
    "frame_number",
    "frame_num",
    "frame_nr",
    "frame_id",
)
_POSE_KEYS = ("pose_landmarks", "landmarks", "landmark", "poses", "pose", "keypoints", "people")
_LANDMARK_KEYS = (
    "landmark",
    "landmark_name",
    "name",
    "joint",
    "landmark_id",
    "landmark_index",
    "id",
)
_PERSON_KEYS = ("person", "person_id", "pose_id", "track_id")
_SCORE_KEYS = ("visibility", "v", "score", "confidence", "c")
# x0, landmark_0_x, left_hip_x, LEFT_HIP.x
_NUMBERED = re.compile(r"(x|y|v|visibility|score)_?(\d{1,2})")
_ENDING = re.compile(r"(?:landmark_?)?(.+?)[_. ](x|y|v|visibility|score|confidence)")

Row = tuple[int, np.ndarray]  # frame, (33, 3) place and score


def _result(rows: list[tuple[int, int, np.ndarray]], num_frames: int) -> NamedKeypoints:
    """Rows of frame, person (-1 if not said) and landmarks (33, 3)."""
    if not rows:
        raise ExportError("The file has no frame with the 33 landmarks of a person.", _HINT)
    points = np.stack([points for _, _, points in rows])
    ids = np.array([person for _, person, _ in rows], dtype=np.int64)
    numbers = np.unique(ids[ids >= 0])
    known = np.abs(points[..., :2][np.isfinite(points[..., :2])])
    # A landmark may lie outside of the picture, but half of them do not.
    is_share = bool(known.size) and float(np.median(known)) <= 2
    return NamedKeypoints(
        names=BLAZEPOSE_33.joint_names,
        frames=np.array([frame for frame, _, _ in rows], dtype=np.int64),
        people=np.where(ids >= 0, np.searchsorted(numbers, ids), -1),
        xy=points[..., :2],
        scores=points[..., 2],
        person_names=tuple(f"Person {number}" for number in numbers),
        format=FORMAT,
        num_frames=num_frames,
        is_share=is_share,
    )


# --- JSON -------------------------------------------------------------------------------------


def read_mediapipe_json(content: Any) -> NamedKeypoints:
    """Find the landmarks in a parsed JSON file.

    Raises
    ------
    ExportError
        If there are none, or they are damaged.
    """
    with damage_told("MediaPipe file", _HINT):
        frames = _frames(content)
        rows: list[tuple[int, int, np.ndarray]] = []
        numbers = [_frame_number(frame, place) for place, frame in enumerate(frames)]
        for number, frame in zip(numbers, frames, strict=True):
            people = _people(frame)
            # Of a single person it is known who it is.
            rows += [(number, -1 if len(people) > 1 else 0, points) for points in people]
        if any(person < 0 for _, person, _ in rows):
            rows = [(frame, -1, points) for frame, _, points in rows]
        return _result(rows, max(numbers, default=-1) + 1)


def _frames(content: Any) -> list[Any]:
    """The list of frames, at the top or under a key."""
    if isinstance(content, list):
        return content
    for key in ("frames", "landmarks", "pose_landmarks", "results", "data", "poses"):
        if isinstance(content.get(key), list):
            return content[key]
    raise ValueError("there is no list of frames")


def _frame_number(frame: Any, place: int) -> int:
    if isinstance(frame, dict):
        for key in _FRAME_KEYS:
            if key in frame:
                return whole_number(frame[key])
    return place


def _people(node: Any, depth: int = 0) -> list[np.ndarray]:
    """Landmarks (33, 3) of each person of a frame."""
    if depth > 4 or not isinstance(node, dict | list):
        return []
    if isinstance(node, dict):
        by_name = _by_name(node)
        if by_name is not None:
            return [by_name]
        return next((_people(node[key], depth + 1) for key in _POSE_KEYS if node.get(key)), [])
    if len(node) == NUM_LANDMARKS and _is_landmark(node[0]):
        return [np.array([_landmark(point) for point in node])]
    return [points for item in node for points in _people(item, depth + 1)]


def _by_name(node: dict[str, Any]) -> np.ndarray | None:
    """Landmarks of ``{"left_hip": {"x": ...}, ...}``, if it is that."""
    named = {_plain(key): value for key, value in node.items()}
    if not all(_plain(name) in named for name in BLAZEPOSE_33.joint_names):
        return None
    return np.array([_landmark(named[_plain(name)]) for name in BLAZEPOSE_33.joint_names])


def _is_landmark(node: Any) -> bool:
    if isinstance(node, dict):
        return "x" in node and "y" in node
    return isinstance(node, list) and len(node) >= 2 and isinstance(node[0], int | float)


def _landmark(point: Any) -> tuple[float, float, float]:
    """Place and score; a landmark without a score counts as seen."""
    if isinstance(point, dict):
        score = next((point[key] for key in _SCORE_KEYS if point.get(key) is not None), 1.0)
        return float(point["x"]), float(point["y"]), float(score)
    return float(point[0]), float(point[1]), float(point[3]) if len(point) > 3 else 1.0


# --- CSV --------------------------------------------------------------------------------------


def read_mediapipe_csv(handle: BinaryIO) -> NamedKeypoints:
    """Read a wide or a long table.

    Raises
    ------
    ExportError
        If it is neither, or damaged.
    """
    rows = csv_rows(handle)
    with damage_told("MediaPipe table", _HINT):
        header = [cell.strip().lower() for cell in next(rows, [])]
        columns = _wide_columns(header)
        found = _wide(rows, header, columns) if columns else _long(rows, header)
        return _result(found, max((frame for frame, _, _ in found), default=-1) + 1)


def _wide_columns(header: Sequence[str]) -> dict[tuple[int, int], int]:
    """Column of each landmark and of its x, y or score (0, 1, 2)."""
    numbered: dict[tuple[int, int], int] = {}
    named: dict[tuple[int, int], int] = {}
    for column, cell in enumerate(header):
        if match := _NUMBERED.fullmatch(cell):
            numbered[int(match[2]), _kind(match[1])] = column
        elif match := _ENDING.fullmatch(cell):
            if match[1].isdigit():
                numbered[int(match[1]), _kind(match[2])] = column
            elif (index := _index(match[1])) is not None:
                named[index, _kind(match[2])] = column
    if numbered and (0, 0) not in numbered:  # counted from 1
        numbered = {(index - 1, kind): column for (index, kind), column in numbered.items()}
    found = max(numbered, named, key=len)
    is_whole = all((i, kind) in found for i in range(NUM_LANDMARKS) for kind in (0, 1))
    return found if is_whole else {}


def _kind(word: str) -> int:
    return {"x": 0, "y": 1}.get(word, 2)


def _index(name: str) -> int | None:
    """Of a landmark, by its name or its number from 0."""
    if name.isdigit():
        return int(name) if int(name) < NUM_LANDMARKS else None
    plain = [_plain(joint) for joint in BLAZEPOSE_33.joint_names]
    return plain.index(_plain(name)) if _plain(name) in plain else None


def _plain(name: str) -> str:
    """``LEFT_HIP``, ``Left Hip``, ``mouth_left`` in one form: the side comes first."""
    short = re.sub(r"[^a-z0-9]", "", str(name).lower())
    for side in ("left", "right"):
        if short.endswith(side):
            return side + short.removesuffix(side)
    return short


def _wide(
    rows: Iterator[list[str]], header: Sequence[str], columns: dict[tuple[int, int], int]
) -> list[tuple[int, int, np.ndarray]]:
    frame_column = _column(header, _FRAME_KEYS)
    person_column = _column(header, _PERSON_KEYS)
    used = np.array(
        [[columns[i, 0], columns[i, 1], columns.get((i, 2), -1)] for i in range(NUM_LANDMARKS)]
    )
    first, last = used[used >= 0].min(), used.max() + 1
    found = []
    for place, row in enumerate(rows):
        # The last is what a landmark without a score has.
        values = np.array([*numbers_of(row[first:last]), 1.0])
        if len(values) != last - first + 1:
            raise ValueError(f"row {place + 1} has {len(row)} fields in place of {len(header)}")
        frame = place if frame_column is None else whole_number(row[frame_column])
        person = 0 if person_column is None else max(whole_number(row[person_column]), -1)
        found.append((frame, person, values[np.where(used >= 0, used - first, -1)]))
    return found


def _long(rows: Iterator[list[str]], header: Sequence[str]) -> list[tuple[int, int, np.ndarray]]:
    frame, landmark, x, y = (
        _column(header, keys) for keys in (_FRAME_KEYS, _LANDMARK_KEYS, ("x",), ("y",))
    )
    if frame is None or landmark is None or x is None or y is None:
        raise ValueError("its columns are not those of a wide or a long table of 33 landmarks")
    person, score = _column(header, _PERSON_KEYS), _column(header, _SCORE_KEYS)
    found: dict[tuple[int, int], np.ndarray] = {}
    for row in rows:
        index = _index(row[landmark])
        if index is None:
            raise ValueError(f"no landmark is called {row[landmark][:40]!r}")
        number = 0 if person is None else max(whole_number(row[person]), -1)
        key = whole_number(row[frame]), number
        points = found.setdefault(key, np.full((NUM_LANDMARKS, 3), np.nan))
        seen = 1.0 if score is None else number_or_nan(row[score])
        points[index] = number_or_nan(row[x]), number_or_nan(row[y]), seen
    return [(*key, points) for key, points in sorted(found.items())]


def _column(header: Sequence[str], names: Sequence[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)
