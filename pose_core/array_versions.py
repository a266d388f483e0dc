"""Another version of a long array, with other values in some frames, at the cost of these alone.

Arrays are read-only, so whoever holds one may rely on it, in threads too; to change a frame takes
a new array. Of a long one that must not be a copy. The system can map the same part of a file into
memory many times: each mapping has pages of its own only where it was written to, and shares all
others. To numpy it is an array like any other.

Arrays of large session files are mapped from these. Another long array is written to a file without
a name when its first version is made, which takes as long as a copy, once.
"""

import mmap
import os
import sys
import tempfile

import numpy as np

SHORT_BYTES = 4 * 1024**2  # below that a copy is as quick
# What was written is copied from version to version: at most this share, in so many pieces.
MOST_WRITTEN, MOST_RANGES = 0.25, 4096

Ranges = tuple[tuple[int, int], ...]


class File:
    """A file that parts of are mapped; closed with the last of them.

    Parameters
    ----------
    number : int
        The file descriptor; it is duplicated.
    """

    number = -1  # where there is none to be had

    def __init__(self, number: int) -> None:
        self.number = os.dup(number)

    def __del__(self) -> None:
        if self.number >= 0:
            os.close(self.number)


class FileMapping(mmap.mmap):
    """A part of a file in memory; writing to it does not change the file.

    Attributes
    ----------
    file : File
    start : int
        Where the part begins in the file, bytes.
    written : tuple of (int, int)
        Ranges of bytes in the file, in order, in whose place others were written.
    """

    file: File
    start: int
    written: Ranges


def map_file(number: int) -> FileMapping:
    """Map a whole file, read-only; it must not be written to afterwards.

    Parameters
    ----------
    number : int
        Its descriptor, which may be closed at once.

    Raises
    ------
    OSError, ValueError
        If it cannot be mapped.
    """
    mapping = FileMapping(number, 0, access=mmap.ACCESS_READ)
    mapping.file, mapping.start, mapping.written = File(number), 0, ()
    return mapping


def with_frames(array: np.ndarray, axis: int, start: int, values: np.ndarray) -> np.ndarray:
    """A read-only array that has other values in some frames.

    Parameters
    ----------
    array : ndarray
        It stays as it is.
    axis : {0, 1}
        Which one counts the frames.
    start : int
    values : ndarray
        Like the array, with the frames from `start` on alone.
    """
    end = start + values.shape[axis]
    other = _writable_version(array, _bytes_of_frames(array, axis, start, end))
    other[(slice(None),) * axis + (slice(start, end),)] = values
    other.flags.writeable = False
    return other


def unequal_bytes(array: np.ndarray, other: np.ndarray) -> tuple[int, int]:
    """Between which bytes two arrays of one size may differ, as far as it is known at once."""
    if _is_mapped(array) and _is_mapped(other):
        (mapping, position), (mapping2, position2) = _place_in_file(array), _place_in_file(other)
        if mapping.file is mapping2.file and position == position2:
            written = _united((*_written(array), *_written(other)))
            return (written[0][0], written[-1][1]) if written else (0, 0)
    return 0, array.nbytes


def _writable_version(array: np.ndarray, changing: Ranges) -> np.ndarray:
    """The same values in an array of its own, of which some bytes are about to be written."""
    most = MOST_WRITTEN * array.nbytes
    if array.nbytes < SHORT_BYTES or not array.flags.c_contiguous or _length(changing) > most:
        return array.copy()
    try:
        written = _united((*_written(array), *changing))
        if _length(written) > most or len(written) > MOST_RANGES or not _is_mapped(array):
            array, written = _stored(array), changing
        return _mapped_again(array, written)
    except (OSError, ValueError):  # no room for a file, or no further mapping
        return array.copy()


def _mapped_again(array: np.ndarray, written: Ranges) -> np.ndarray:
    """The same values, from the same place of the same file."""
    mapping, position = _place_in_file(array)
    start = position - position % mmap.ALLOCATIONGRANULARITY
    length = position - start + array.nbytes
    other = FileMapping(mapping.file.number, length, access=mmap.ACCESS_COPY, offset=start)
    other.file, other.start = mapping.file, start
    other.written = tuple((position + first, position + last) for first, last in written)
    version = np.frombuffer(other, array.dtype, array.size, position - start).reshape(array.shape)
    old, new = (each.reshape(-1).view(np.uint8) for each in (array, version))
    for first, last in _written(array):
        new[first:last] = old[first:last]
    return version


def _stored(array: np.ndarray) -> np.ndarray:
    """The same values in a file without a name."""
    if sys.platform == "linux":  # in memory
        handle = os.fdopen(os.memfd_create("array"), "wb")
    else:
        handle = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
    with handle:
        handle.write(array.reshape(-1).view(np.uint8).data)
        handle.flush()
        mapping = map_file(handle.fileno())
    return np.frombuffer(mapping, array.dtype, array.size).reshape(array.shape)


def _written(array: np.ndarray) -> Ranges:
    """Which bytes of an array are not those of its file."""
    if not _is_mapped(array):
        return ()
    mapping, position = _place_in_file(array)
    inside = ((max(first - position, 0), min(last - position, array.nbytes))
              for first, last in mapping.written)  # fmt: skip
    return tuple((first, last) for first, last in inside if first < last)


def _is_mapped(array: np.ndarray) -> bool:
    return isinstance(_owner(array), FileMapping)


def _owner(array: np.ndarray) -> object:
    """Whose memory an array is."""
    base: object = array
    while isinstance(base, np.ndarray | memoryview):
        base = base.base if isinstance(base, np.ndarray) else base.obj
    return base


def _place_in_file(array: np.ndarray) -> tuple[FileMapping, int]:
    """What a mapped array lies in, and at which byte of the file."""
    mapping = _owner(array)
    assert isinstance(mapping, FileMapping)
    first = np.frombuffer(mapping, np.uint8, 1)
    return mapping, mapping.start + _address(array) - _address(first)


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def _bytes_of_frames(array: np.ndarray, axis: int, start: int, end: int) -> Ranges:
    """Where some frames lie in an array without gaps."""
    num_frames = array.shape[axis]
    num_blocks = array.shape[0] if axis else 1
    size = array.nbytes // max(num_blocks * num_frames, 1)
    blocks = (i * num_frames for i in range(num_blocks))
    return tuple(((first + start) * size, (first + end) * size) for first in blocks)


def _united(ranges: Ranges) -> Ranges:
    """The same bytes in order, each once."""
    united: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if united and first <= united[-1][1]:
            united[-1] = united[-1][0], max(united[-1][1], last)
        else:
            united.append((first, last))
    return tuple(united)


def _length(ranges: Ranges) -> int:
    return sum(last - first for first, last in ranges)
