"""TRC, the marker table of Motion Analysis and OpenSim: tab-separated text.

Line 2 names what line 3 gives (DataRate, NumFrames, NumMarkers, Units); line 4 names the markers,
each over three columns; then a row per frame: number, time in seconds, coordinates. Where a marker
was not seen its fields are empty, NaN, or three zeros.
"""

import math
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pose_core.errors import ExportError
from pose_core.interchange.named_points import NamedPoints, metres_per_unit
from pose_core.interchange.reading import open_to_read

MAX_MARKERS = 10_000
LARGEST_NUMBER = 1e9
# The time column may round its steps, but not by more than this share of a frame on average.
RATE_TOLERANCE = 0.02


def load_trc(path: Path) -> NamedPoints:
    """Read a TRC file.

    Raises
    ------
    ExportError
        If it cannot be opened, is no TRC, or is damaged; the text says where.
    """
    with open_to_read(path) as handle:
        return read_trc(handle)


def read_trc(handle: BinaryIO) -> NamedPoints:
    """Read TRC text.

    Raises
    ------
    ExportError
    """
    lines = handle.read().decode("utf-8-sig", errors="replace").splitlines()
    if len(lines) < 5 or not lines[0].startswith("PathFileType"):
        raise ExportError("This is not a TRC file: PathFileType or its header is missing.")
    head = dict(zip(lines[1].split(), lines[2].split(), strict=False))
    names = _marker_names(lines[3], _count(head, "NumMarkers"))
    rows = [line for line in lines[4:] if line.strip()]
    if rows and rows[0].split()[0][:1] in "Xx":
        rows = rows[1:]  # the line X1 Y1 Z1 X2 ...
    num_frames = _count(head, "NumFrames")
    if num_frames != len(rows) or not rows:
        raise _damaged(f"it announces {num_frames} frames and holds {len(rows)}")
    table = _table(rows, 2 + 3 * len(names))
    fps = _number(head.get("DataRate", ""), "DataRate")
    _check_rate(fps, table[:, 1])
    xyz = table[:, 2:].reshape(len(rows), len(names), 3).copy()
    xyz[(xyz == 0).all(axis=-1) | np.isnan(xyz).any(axis=-1)] = np.nan
    return NamedPoints(names, xyz, fps, metres_per_unit(head.get("Units", "")))


def _marker_names(line: str, num_markers: int) -> tuple[str, ...]:
    words = line.split("\t") if "\t" in line else line.split()
    names = tuple(word.strip() for word in words[2:] if word.strip())
    if len(names) != num_markers or num_markers < 1:
        raise _damaged(f"it announces {num_markers} markers and names {len(names)}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise _damaged(f"two markers are called {twice[:40]!r}")
    return names


def _table(rows: list[str], num_columns: int) -> np.ndarray:
    """Numbers (T, C) of the rows; fields that are empty or left off at the end are NaN."""
    fields: list[str] = []
    for index, row in enumerate(rows):
        words = row.rstrip("\r\n").split("\t") if "\t" in row else row.split()
        while len(words) > num_columns and not words[-1].strip():
            words.pop()
        if len(words) > num_columns or len(words) < 2:
            raise _damaged(
                f"row {index + 1} has {len(words)} fields in place of {num_columns} "
                "(frame, time and three per marker)"
            )
        fields += [word if word and not word.isspace() else "nan" for word in words]
        fields += ["nan"] * (num_columns - len(words))
    try:
        table = np.array(fields, dtype=np.float64)
    except ValueError:
        table = np.array([_number(field, "a row") for field in fields])
    if (np.abs(table) > LARGEST_NUMBER).any():
        raise _damaged("a coordinate is larger than any room")
    return table.reshape(len(rows), num_columns)


def _check_rate(fps: float, times_s: np.ndarray) -> None:
    if not 0 < fps < LARGEST_NUMBER:
        raise _damaged(f"its DataRate is {fps:g}")
    seconds = times_s[-1] - times_s[0]
    if len(times_s) < 3 or not seconds > 0:
        return  # no usable times to compare with
    by_times = (len(times_s) - 1) / seconds
    if abs(by_times / fps - 1) > RATE_TOLERANCE:
        raise ExportError(
            f"The TRC file says {fps:g} frames per second, but its times say {by_times:.3f}.",
            "Correct DataRate in its third line, or its times.",
        )


def _count(head: dict[str, str], name: str) -> int:
    word = head.get(name, "")
    if not (word.isascii() and word.isdigit() and len(word) < 10):
        raise _damaged(f"{name} is missing in the header or no number")
    return int(word)


def _number(word: str, where: str) -> float:
    try:
        number = float(word)
    except ValueError:
        raise _damaged(f"{word[:40]!r} is not a number in {where}") from None
    if math.isinf(number):
        raise _damaged(f"{word[:40]!r} is not a usable number in {where}")
    return number


def _damaged(what: str) -> ExportError:
    return ExportError(f"The TRC file is damaged: {what}.")
