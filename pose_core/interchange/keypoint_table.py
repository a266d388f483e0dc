"""Keypoints of the people of a clip as CSV: a row for each person, frame and joint.

Columns: ``frame``, ``time_s``, ``person_id`` (from 1), ``person``, ``joint``, ``x_px``, ``y_px``,
``score``, ``visibility`` (0 absent, 1 hidden, 2 visible, as in COCO) and ``source``. A first line
that begins with ``#`` says so. Missing numbers are empty.
"""

import csv
import io
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

import pose_core
from pose_core.atomic_file import atomic_write
from pose_core.clip import Clip
from pose_core.errors import ExportError
from pose_core.interchange.named_keypoints import (
    SOURCE_NAMES,
    NamedKeypoints,
    marks_of,
)
from pose_core.interchange.reading import csv_rows, damage_told, number_or_nan, whole_number

FORMAT = "PoseStage keypoint table"
COLUMNS = (
    *("frame", "time_s", "person_id", "person", "joint"),
    *("x_px", "y_px", "score", "visibility", "source"),
)
# Room taken for each keypoint that is there, at most: damage makes many names of few.
MAX_SPARSE = 100
_NEEDED = ("frame", "person_id", "joint", "x_px", "y_px")
_COMMENT = (
    "# PoseStage {version}: keypoints of {clip}, {width} x {height} pixels, {num_frames} frames; "
    "x right, y down from the corner of the upright picture; "
    'read with pandas.read_csv(path, comment="#")\n'
)


def save_keypoint_table(path: Path, keypoints: NamedKeypoints, clip: Clip) -> None:
    """Write the keypoints of a clip, whole or not at all.

    Raises
    ------
    ExportError
    """
    with atomic_write(path, ExportError) as handle:
        write_keypoint_table(handle, keypoints, clip)


def write_keypoint_table(handle: BinaryIO, keypoints: NamedKeypoints, clip: Clip) -> None:
    """Write to an open file; the inverse of `read_keypoint_table`."""
    text = io.TextIOWrapper(handle, encoding="utf-8", newline="", write_through=True)
    try:
        name = " ".join(clip.path.name.splitlines())
        text.write(
            _COMMENT.format(
                version=pose_core.__version__,
                clip=name,
                width=clip.width,
                height=clip.height,
                num_frames=clip.num_frames,
            )
        )
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in np.lexsort((keypoints.people, keypoints.frames)):
            writer.writerows(_rows(keypoints, int(row), clip))
    finally:
        text.detach()  # the handle stays open: it is the caller's


def _rows(keypoints: NamedKeypoints, row: int, clip: Clip) -> Iterator[list[object]]:
    frame, person = int(keypoints.frames[row]), int(keypoints.people[row])
    start = [frame, float(clip.times_s[frame]), person + 1, keypoints.person_names[person]]
    marks = marks_of(keypoints.scores[row])
    sources = keypoints.sources[row] if keypoints.sources is not None else np.zeros(len(marks), int)
    for joint, name in enumerate(keypoints.names):
        x, y = keypoints.xy[row, joint].tolist()
        place = [x, y, str(keypoints.scores[row, joint])] if marks[joint] else ["", "", ""]
        yield [*start, name, *place, int(marks[joint]), SOURCE_NAMES[int(sources[joint])]]


def is_keypoint_table(header: list[str]) -> bool:
    """Whether these are the columns of such a table."""
    return set(_NEEDED) <= set(header)


def read_keypoint_table(handle: BinaryIO) -> NamedKeypoints:
    """Read a table; columns may be in any order, and those not needed may be left out.

    Raises
    ------
    ExportError
        If it is damaged or something else.
    """
    rows = csv_rows(handle)
    with damage_told("table of keypoints"):
        header = next(rows, [])
        if not is_keypoint_table(header):
            raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
        places = {name: header.index(name) for name in COLUMNS if name in header}
        return _keypoints({name: row[place] for name, place in places.items()} for row in rows)


def _keypoints(cells: Iterator[dict[str, str]]) -> NamedKeypoints:
    """Keypoints from one row of the table after the other."""
    joints: dict[str, int] = {}
    rows: dict[tuple[int, int], int] = {}
    titles: dict[int, str] = {}
    # Row, joint, place, score and source of each keypoint: Python objects would take ten times
    # the memory.
    flat = array("d")
    for cell in cells:
        key = whole_number(cell["frame"]), whole_number(cell["person_id"])
        titles.setdefault(key[1], cell.get("person") or f"Person {key[1]}")
        flat.append(rows.setdefault(key, len(rows)))
        flat.append(joints.setdefault(cell["joint"], len(joints)))
        flat.extend((number_or_nan(cell["x_px"]), number_or_nan(cell["y_px"])))
        flat.append(number_or_nan(cell["score"]) if cell.get("score") else 1.0)
        flat.append(SOURCE_NAMES.index(cell.get("source") or "imported"))
    if len(rows) * len(joints) > MAX_SPARSE * max(len(flat) // 6, 1):
        raise ValueError(f"it has {len(joints)} names of joints, most of them in few rows")
    values = np.frombuffer(flat).reshape(-1, 6)
    place = values[:, 0].astype(np.int64), values[:, 1].astype(np.int64)
    xy = np.full((len(rows), len(joints), 2), np.nan)
    scores, sources = np.zeros(xy.shape[:2]), np.zeros(xy.shape[:2])
    xy[place], scores[place], sources[place] = values[:, 2:4], values[:, 4], values[:, 5]
    ids = sorted(titles)
    return NamedKeypoints(
        names=tuple(joints),
        frames=np.array([frame for frame, _ in rows], dtype=np.int64),
        people=np.array([ids.index(person) for _, person in rows], dtype=np.int64),
        xy=xy,
        scores=scores,
        person_names=tuple(titles[person] for person in ids),
        format=FORMAT,
        sources=np.where(np.isnan(xy[..., 0]), 0, sources).astype(np.uint8),
    )
