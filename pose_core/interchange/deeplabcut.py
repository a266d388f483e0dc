"""DeepLabCut: what ``analyze_videos`` writes, as CSV or HDF5, for one individual or several.

Both are one table with a row per frame. In the CSV, its first rows name the columns::

    scorer,DLC_resnet50,DLC_resnet50,DLC_resnet50,...
    individuals,ann,ann,ann,...                        (only with several individuals)
    bodyparts,left_hip,left_hip,left_hip,...
    coords,x,y,likelihood,...
    0,312.5,201.2,0.98,...

The HDF5 is pandas' own, as a ``table`` or ``fixed``. In the former the names of the columns are a
pickle in an attribute. It is never loaded: only its texts, tuples and lists are read, and any
other content is refused.

References
----------
DeepLabCut user guide, "Analyzing novel videos"; pandas, ``pandas.DataFrame.to_hdf``.
"""

import pickletools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from pose_core.errors import ExportError
from pose_core.interchange.hdf5 import bytes_attribute, member, open_hdf5, read_numbers, read_texts
from pose_core.interchange.named_keypoints import NamedKeypoints
from pose_core.interchange.reading import csv_rows, damage_told, numbers_of, whole_number

FORMAT = "DeepLabCut"
_HEADER = ("scorer", "individuals", "bodyparts", "coords")
_COORDS = ("x", "y", "likelihood")
_CSV_HINT = "Export CSV: deeplabcut.analyze_videos(..., save_as_csv=True), and import that."
# Bodyparts of the scene that belong to no individual.
_NOBODY = "single"
_LAST_NUMBER = re.compile(r"(\d{1,15})(?=\D*$)")

Column = tuple[str, str, str]  # individual, bodypart, coord


def _keypoints(columns: list[Column], frames: np.ndarray, table: np.ndarray) -> NamedKeypoints:
    """Keypoints from a table (T, C) with these columns."""
    names = tuple(dict.fromkeys(part for who, part, _ in columns if who != _NOBODY))
    individuals = tuple(dict.fromkeys(who for who, _, _ in columns if who != _NOBODY))
    if len(set(columns)) < len(columns):
        raise ValueError("two of its columns have the same names")
    values = np.full((len(individuals), len(table), len(names), len(_COORDS)), np.nan)
    values[..., 2] = 1.0  # annotations have no likelihood
    for column, (who, part, coord) in enumerate(columns):
        if who != _NOBODY and coord in _COORDS:
            place = individuals.index(who), slice(None), names.index(part), _COORDS.index(coord)
            values[place] = table[:, column]
    values = values.reshape(-1, len(names), len(_COORDS))
    people = np.repeat(np.arange(len(individuals)), len(table))
    is_there = np.isfinite(values[..., :2]).all(axis=-1).any(axis=-1)
    return NamedKeypoints(
        names=names,
        frames=np.tile(frames, len(individuals))[is_there],
        people=people[is_there],
        xy=values[is_there, :, :2],
        scores=values[is_there, :, 2],
        person_names=individuals,
        format=FORMAT,
        num_frames=int(frames.max(initial=-1)) + 1,
    )


def _columns(headers: Sequence[Sequence[str]]) -> list[Column]:
    """Columns from (scorer, [individual,] bodypart, coord) each."""
    if {len(header) for header in headers} not in ({3}, {4}):
        raise ValueError("its columns are not named by scorer, bodyparts and coords")
    columns = [
        (header[1] if len(header) == 4 else "Person 1", header[-2], header[-1])
        for header in headers
    ]
    if not {"x", "y"} <= {coord for _, _, coord in columns}:
        raise ValueError("it has no coords x and y")
    return columns


# --- CSV --------------------------------------------------------------------------------------


def read_deeplabcut_csv(handle: BinaryIO) -> NamedKeypoints:
    """Read a table; also one of annotations, whose frames are names of pictures.

    Raises
    ------
    ExportError
    """
    rows = csv_rows(handle)
    with damage_told("DeepLabCut table"):
        header, first = _header_rows(rows)
        # Annotations name the picture in one column or in three; there the header is empty.
        start = next((i for i, cell in enumerate(header["scorer"]) if i and cell), 1)
        named = [header[name][start:] for name in _HEADER if name in header]
        columns = _columns(list(zip(*named, strict=True)))
        frames, table = [], []
        for row in _with_first(first, rows):
            frames.append(_frame(row[start - 1]))
            table.append(np.array(numbers_of(row[start:])))
        if any(len(row) != len(columns) for row in table):
            raise ValueError("its rows are not all as long as its header")
        numbers = np.array(frames, dtype=np.int64)
        return _keypoints(columns, numbers, np.array(table).reshape(-1, len(columns)))


def _header_rows(rows: Iterator[list[str]]) -> tuple[dict[str, list[str]], list[str] | None]:
    """Header rows by name, and the row after them."""
    header: dict[str, list[str]] = {}
    for row in rows:
        if row[0] not in _HEADER:
            return header, row
        header[row[0]] = row
    return header, None


def _with_first(first: list[str] | None, rows: Iterator[list[str]]) -> Iterator[list[str]]:
    if first is not None:
        yield first
    yield from rows


def _frame(cell: str) -> int:
    """Number of a frame: itself, or the last number of a picture's name."""
    match = _LAST_NUMBER.search(Path(cell).stem)
    if match is None:
        raise ValueError(f"{cell[:40]!r} is no number of a frame")
    return int(match[1])


# --- HDF5 -------------------------------------------------------------------------------------


def load_deeplabcut_h5(path: Path) -> NamedKeypoints:
    """Read the HDF5 that DeepLabCut writes.

    Raises
    ------
    ExportError
        If it cannot be read, or its header holds more than texts: the CSV is asked for.
    """
    with open_hdf5(path) as file:
        for name in file:
            group = file.get(name)
            if isinstance(group, h5py.Group) and "table" in group:
                return _of_table(group)
            if isinstance(group, h5py.Group) and "block0_values" in group:
                return _of_fixed(group)
    raise ExportError(f"{path} has no table of DeepLabCut in it.", _CSV_HINT)


def is_deeplabcut_h5(file: h5py.File) -> bool:
    """Whether an open file has a table of pandas."""
    groups = [group for name in file if isinstance(group := file.get(name), h5py.Group)]
    return any("table" in group or "block0_values" in group for group in groups)


def _of_table(group: h5py.Group) -> NamedKeypoints:
    """Of pandas' format ``table``: records of an index and blocks of columns."""
    records = read_numbers(group, "table")
    attributes = member(group, "table", h5py.Dataset)
    headers: list[Sequence[str]] = []
    blocks = []
    names = sorted(n for n in records.dtype.names or () if n.startswith("values_block_"))
    for name in names:
        headers += header_of_pickle(bytes_attribute(attributes, f"{name}_kind"))
        blocks.append(np.asarray(records[name], dtype=np.float64).reshape(len(records), -1))
    table = np.concatenate(blocks, axis=1)
    if table.shape[1] != len(headers):
        raise ValueError(f"its table has {table.shape[1]} columns and {len(headers)} names")
    return _keypoints(_columns(headers), _frame_numbers(records["index"]), table)


def _of_fixed(group: h5py.Group) -> NamedKeypoints:
    """Of pandas' format ``fixed``: one array, the levels of its columns and codes into them."""
    table = np.asarray(read_numbers(group, "block0_values"), dtype=np.float64)
    levels = []
    for level in range(4):
        if f"block0_items_level{level}" not in group:
            break
        texts = read_texts(group, f"block0_items_level{level}")
        codes = read_numbers(group, f"block0_items_label{level}")
        if codes.min(initial=0) < 0:
            raise ValueError("a column has no name")
        levels.append([texts[code] for code in codes])
    columns = _columns(list(zip(*levels, strict=True)))
    frames = _frame_numbers(read_numbers(group, "axis1"))
    if table.shape != (len(frames), len(columns)):
        raise ValueError(f"its table is {table.shape}")
    return _keypoints(columns, frames, table)


def _frame_numbers(index: np.ndarray) -> np.ndarray:
    if index.ndim != 1 or index.dtype.kind not in "iu":
        raise ValueError("its rows are not numbered by frames")
    for number in (index.min(initial=0), index.max(initial=0)):
        whole_number(number)
    return index.astype(np.int64)


class _Mark:
    """Where a list or tuple begins on the stack of a pickle."""


def header_of_pickle(data: bytes) -> list[tuple[str, ...]]:
    """The list of tuples of texts that a pickle describes, without running it.

    A pickle is a program for a machine with a stack. Its text is taken apart by `pickletools`, and
    those of its instructions are followed that put texts, lists and tuples together. There is none
    among them that could call or import anything.

    Raises
    ------
    ExportError
        If there is any other instruction, or the result is something else.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    with damage_told("header of the DeepLabCut file", _CSV_HINT):
        for opcode, argument, _ in pickletools.genops(data):
            _follow(opcode.name, argument, stack, memo)
        (result,) = stack
        if not isinstance(result, list) or not all(map(_is_name, result)):
            raise ValueError("it is no list of names")
        return result


def _is_name(item: object) -> bool:
    return isinstance(item, tuple) and all(isinstance(word, str) for word in item)


def _follow(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    """One instruction of a pickle. `_PUSHED` only put what they state on the stack."""
    if name in _PUSHED:
        stack.append(argument)
    elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
        memo[argument] = stack[-1]
    elif name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif name in ("GET", "BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    elif name in _MADE:
        stack.append(_MADE[name](_since_mark(stack) if name in _MARKED else []))
    elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
        size = int(name[-1])
        stack[-size:] = [tuple(stack[-size:])]
    elif name in ("APPEND", "APPENDS"):
        items = _since_mark(stack) if name == "APPENDS" else [stack.pop()]
        stack[-1].extend(items) if isinstance(stack[-1], list) else _refuse(name)
    elif name == "MARK":
        stack.append(_Mark())
    elif name not in ("PROTO", "FRAME", "STOP"):
        _refuse(name)


_PUSHED = frozenset(
    [
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING"),
    ]  # Python 2
)
_MADE = {"LIST": list, "TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_MARKED = frozenset(("LIST", "TUPLE"))


def _since_mark(stack: list[Any]) -> list[Any]:
    """Take off the stack what lies above the last mark, and the mark."""
    place = max(i for i, item in enumerate(stack) if isinstance(item, _Mark))
    items = stack[place + 1 :]
    del stack[place:]
    return items


def _refuse(name: str) -> None:
    raise ValueError(f"it holds more than names ({name})")
