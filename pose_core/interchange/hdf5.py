"""Reading HDF5 files that come from anywhere: plain numbers and texts of bounded size, no more.

Nothing that a file holds is run: attributes that are pickles are never loaded, and links to other
files are refused.
"""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pose_core.errors import ExportError

MAX_BYTES = 4 * 1024**3
# Deflate makes data at most 1032 times smaller: a larger array is not in the file.
_LARGEST_RATIO = 1100
_SMALL_BYTES = 1024**2


@contextlib.contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open a file to read.

    Raises
    ------
    ExportError
        If it cannot be opened, is damaged, or is of another form; in place of the reader's own
        error, which lacks the path.
    """
    try:
        if not path.stat().st_size:
            raise ValueError("it is empty")
        with h5py.File(path, "r") as file:
            yield file
    except ExportError as exc:
        raise ExportError(f"{path}: {exc.message}", exc.hint) from exc
    except (FileNotFoundError, PermissionError, IsADirectoryError) as exc:
        raise ExportError(
            f"{path} cannot be read: {exc.strerror or exc}.",
            "Check the name and the rights of the file.",
        ) from exc
    # What h5py raises where its library stumbles.
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, IndexError,
            OverflowError, MemoryError, RecursionError, NotImplementedError) as exc:  # fmt: skip
        raise ExportError(
            f"{path} is damaged or of another form: {str(exc)[:200]}.",
            "Write it again, or export CSV from the program that wrote it.",
        ) from exc


def member(group: h5py.Group, name: str, kind: type) -> Any:
    """A group or dataset of a file; KeyError where there is none, or a link to another file."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise KeyError(name)
    found = group[name]
    if not isinstance(found, kind):
        raise ValueError(f"{name} is not a {kind.__name__.lower()}")
    return found


def read_numbers(group: h5py.Group, name: str) -> np.ndarray:
    """An array of numbers, or of records of numbers.

    Raises
    ------
    KeyError
        If there is none of that name.
    ValueError
        If it is of another type, or larger than can be in the file.
    """
    data = member(group, name, h5py.Dataset)
    fields = [data.dtype[field] for field in data.dtype.names or ()] or [data.dtype]
    if any(field.base.kind not in "biuf" for field in fields):
        raise ValueError(f"{name} holds {data.dtype}, not numbers")
    _check_size(data, name)
    return data[()]


def read_texts(group: h5py.Group, name: str) -> list[str]:
    """A list of texts; an empty one where an array is empty.

    Raises
    ------
    KeyError, ValueError
        As `read_numbers`.
    """
    data = member(group, name, h5py.Dataset)
    if data.dtype.kind != "S" and h5py.check_string_dtype(data.dtype) is None:
        if not data.size:  # an empty list is often written as numbers
            return []
        raise ValueError(f"{name} holds {data.dtype}, not texts")
    _check_size(data, name)
    return [_text(value) for value in np.atleast_1d(data[()]).ravel()]


def text_attribute(holder: h5py.Group | h5py.Dataset, name: str) -> str:
    """A text attribute of a group or dataset; KeyError or ValueError where there is none."""
    return _text(bytes_attribute(holder, name))


def bytes_attribute(holder: h5py.Group | h5py.Dataset, name: str) -> bytes:
    """The bytes of a text attribute; KeyError or ValueError where it is none."""
    value = holder.attrs[name]
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(())[()]
    if isinstance(value, str):
        return value.encode("utf-8", errors="replace")
    if not isinstance(value, bytes):
        raise ValueError(f"{name} is not a text")
    return bytes(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, bytes):
        raise ValueError("a text is not a text")
    return value.decode("utf-8", errors="replace")


def _check_size(data: h5py.Dataset, name: str) -> None:
    """Raise ValueError before memory is taken for what cannot be in the file."""
    if data.is_virtual or data.external:
        raise ValueError(f"{name} lies in another file")
    num_bytes = math.prod(data.shape or ()) * data.dtype.itemsize
    file_bytes = Path(data.file.filename).stat().st_size
    if num_bytes > min(MAX_BYTES, _LARGEST_RATIO * file_bytes + _SMALL_BYTES):
        raise ValueError(f"{name} says that it holds {num_bytes} bytes")
