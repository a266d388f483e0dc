"""C3D, the binary file of motion capture laboratories: its 3D points.

Blocks of 512 bytes: a header, parameters in groups (POINT: LABELS, UNITS, RATE, SCALE, ...), then
the frames, as 16-bit integers or floats, in the byte order of one of three processors. Analog
channels are skipped. Read here and not with a library, because those at hand crash, loop for ever
or pass over damage in damaged files.

References
----------
The C3D File Format, User Guide (Motion Lab Systems), https://www.c3d.org.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pose_core.errors import ExportError
from pose_core.interchange.named_points import NamedPoints, metres_per_unit
from pose_core.interchange.reading import open_to_read

_BLOCK = 512
_MAGIC = 0x50
_INTEL, _DEC, _SGI = 84, 85, 86
_TYPE_BYTES = {-1: 1, 1: 1, 2: 2, 4: 4}
MAX_FRAMES = 10_000_000
LARGEST_NUMBER = 1e9

Parameters = dict[tuple[str, str], "_Parameter"]


def load_c3d(path: Path) -> NamedPoints:
    """Read the points of a C3D file.

    Raises
    ------
    ExportError
        If it cannot be opened, is no C3D, or is damaged; the text says where.
    """
    with open_to_read(path) as handle:
        return read_c3d(handle)


def read_c3d(handle: BinaryIO) -> NamedPoints:
    """Read from an open file.

    Points with a negative residual, which is how C3D marks a gap, are NaN; so are points that lie
    exactly on the origin.

    Raises
    ------
    ExportError
    """
    data = handle.read()
    if len(data) < _BLOCK or data[1] != _MAGIC:
        raise ExportError("This is not a C3D file: its header is missing.")
    start = _BLOCK * (data[0] - 1)
    if start < 0 or len(data) < start + 4:
        raise _damaged("its parameters are missing")
    words = _Words(data[start + 3])
    parameters = _read_parameters(data, start, words)
    header = _header(data, words)
    names = _labels(parameters, header.num_points)
    xyz = _frames(data, header, _num_frames(parameters, header), words, parameters)
    rate = _first(parameters, ("POINT", "RATE"), header.fps)
    if not 0 < rate < LARGEST_NUMBER:
        raise _damaged(f"its frame rate is {rate:g}")
    unit = metres_per_unit(_text(parameters, "POINT", "UNITS"))
    up = _text(parameters, "POINT", "Y_SCREEN").strip().lower().removeprefix("+")
    known_up = up if up.removeprefix("-") in ("x", "y", "z") else ""
    return NamedPoints(names, xyz[:, : len(names)], rate, unit, known_up)


class _Words:
    """Numbers as one of the three processors writes them."""

    def __init__(self, processor: int) -> None:
        if processor not in (_INTEL, _DEC, _SGI):
            raise _damaged(f"its processor type is {processor}, not 84, 85 or 86")
        self.is_dec = processor == _DEC
        self.order = ">" if processor == _SGI else "<"

    def integers(self, data: bytes) -> np.ndarray:
        """16-bit integers, with sign."""
        return np.frombuffer(data, dtype=self.order + "i2")

    def floats(self, data: bytes) -> np.ndarray:
        """32-bit floats; those of DEC have their halves exchanged and an exponent of 2 more."""
        if not self.is_dec:
            return np.frombuffer(data, dtype=self.order + "f4").astype(np.float64)
        halves = np.frombuffer(data, dtype="<u2").reshape(-1, 2)[:, ::-1]
        return np.ascontiguousarray(halves).view("<f4")[:, 0].astype(np.float64) / 4


@dataclass(frozen=True)
class _Header:
    """What the first block says."""

    num_points: int
    num_analog: int  # values of all channels in a frame
    num_frames: int
    scale: float
    data_block: int
    fps: float


def _header(data: bytes, words: _Words) -> _Header:
    counts = words.integers(data[:_BLOCK]).astype(np.int64) & 0xFFFF
    floats = words.floats(data[12:16] + data[20:24])
    return _Header(
        num_points=int(counts[1]),
        num_analog=int(counts[2]),
        num_frames=int(counts[4] - counts[3] + 1),
        scale=float(floats[0]),
        data_block=int(counts[8]),
        fps=float(floats[1]),
    )


@dataclass(frozen=True)
class _Parameter:
    """One parameter: text (type -1) or numbers, with its sizes, the fastest first."""

    kind: int
    sizes: tuple[int, ...]
    data: bytes
    words: _Words

    def numbers(self) -> np.ndarray:
        if self.kind == 4:
            return self.words.floats(self.data)
        if self.kind == 2:
            return self.words.integers(self.data)
        return np.frombuffer(self.data, dtype=np.uint8)

    def texts(self) -> list[str]:
        width = self.sizes[0] if self.sizes else 1
        pieces = range(0, len(self.data), width) if width else range(0)
        found = (self.data[i : i + width].decode("latin-1") for i in pieces)
        return [text.replace("\0", " ").strip() for text in found]


def _read_parameters(data: bytes, start: int, words: _Words) -> Parameters:
    """All parameters by group and name; records follow each other by their own offsets."""
    groups: dict[int, str] = {}
    found: list[tuple[int, str, _Parameter]] = []
    place = start + 4
    try:
        while place < len(data):
            length, number = struct.unpack_from("bb", data, place)
            if length == 0:
                break
            name_end = place + 2 + abs(length)
            name = data[place + 2 : name_end].decode("latin-1").upper().strip()
            step = int(words.integers(data[name_end : name_end + 2])[0]) & 0xFFFF
            if number < 0:
                groups[-number] = name
            else:
                found.append((number, name, _parameter(data, name_end + 2, words)))
            if step == 0:
                break
            place = name_end + step
    except (struct.error, IndexError, ValueError) as error:
        raise _damaged("its parameters end early") from error
    return {(groups.get(number, ""), name): parameter for number, name, parameter in found}


def _parameter(data: bytes, place: int, words: _Words) -> _Parameter:
    kind, num_sizes = struct.unpack_from("bB", data, place)
    sizes = struct.unpack_from(f"{num_sizes}B", data, place + 2)
    if kind not in _TYPE_BYTES or num_sizes > 7:
        raise _damaged(f"a parameter is of unknown type {kind} with {num_sizes} sizes")
    begin = place + 2 + num_sizes
    end = begin + _TYPE_BYTES[kind] * int(np.prod(sizes, dtype=np.float64))
    if end > len(data):
        raise _damaged("its parameters end early")
    return _Parameter(kind, sizes, data[begin:end], words)


def _first(parameters: Parameters, key: tuple[str, str], otherwise: float) -> float:
    """First number of a parameter, if it is there."""
    numbers = parameters[key].numbers() if key in parameters else np.zeros(0)
    return float(numbers[0]) if len(numbers) else float(otherwise)


def _text(parameters: Parameters, group: str, name: str) -> str:
    texts = parameters[group, name].texts() if (group, name) in parameters else []
    return texts[0] if texts else ""


def _labels(parameters: Parameters, num_points: int) -> tuple[str, ...]:
    """Names of the points, at most one each; more than 255 go on in LABELS2, LABELS3, ..."""
    keys = [("POINT", "LABELS" + (str(i) if i > 1 else "")) for i in range(1, 300)]
    texts = [text for key in keys if key in parameters for text in parameters[key].texts()]
    names = tuple(texts[:num_points])
    if not any(names):
        raise ExportError("The C3D file names no points (POINT:LABELS).")
    return tuple(name or f"unnamed{i + 1}" for i, name in enumerate(names))


def _num_frames(parameters: Parameters, header: _Header) -> int:
    """Number of frames; the header holds no more than 65535."""
    ends = [("TRIAL", "ACTUAL_START_FIELD"), ("TRIAL", "ACTUAL_END_FIELD")]
    if all(key in parameters and parameters[key].kind == 2 for key in ends):
        low_high = [parameters[key].numbers().astype(np.int64) & 0xFFFF for key in ends]
        if all(len(pair) == 2 for pair in low_high):
            first, last = (int(pair[0]) + 65536 * int(pair[1]) for pair in low_high)
            return last - first + 1
    if header.num_frames < 0xFFFF:
        return header.num_frames
    return int(_first(parameters, ("POINT", "LONG_FRAMES"), header.num_frames))


def _frames(
    data: bytes, header: _Header, num_frames: int, words: _Words, parameters: Parameters
) -> np.ndarray:
    """Points (T, N, 3), NaN where a point was not seen."""
    scale = _first(parameters, ("POINT", "SCALE"), header.scale)
    block = _first(parameters, ("POINT", "DATA_START"), header.data_block)
    if not 1 <= num_frames <= MAX_FRAMES or header.num_points < 1 or not 2 <= block < 65536:
        raise _damaged("it has no frames, no points or no data")
    if not np.isfinite(scale) or scale == 0:
        raise _damaged(f"its scale is {scale:g}")
    is_float = scale < 0
    num_values = 4 * header.num_points + header.num_analog
    size = num_values * (4 if is_float else 2)
    begin = _BLOCK * (int(block) - 1)
    if len(data) < begin + num_frames * size:
        held = max(len(data) - begin, 0) / size
        raise _damaged(f"it announces {num_frames} frames and holds {held:.1f}")
    raw = data[begin : begin + num_frames * size]
    values = words.floats(raw) if is_float else words.integers(raw)
    points = values.reshape(num_frames, num_values)[:, : 4 * header.num_points]
    points = points.reshape(num_frames, header.num_points, 4)
    xyz = points[..., :3] * (1.0 if is_float else scale)
    is_missing = (points[..., 3] < 0) | ~np.isfinite(points).all(axis=-1) | (xyz == 0).all(axis=-1)
    xyz[is_missing] = np.nan
    if (np.abs(xyz) > LARGEST_NUMBER).any():
        raise _damaged("a coordinate is larger than any room")
    return xyz


def _damaged(what: str) -> ExportError:
    return ExportError(f"The C3D file is damaged: {what}.")
