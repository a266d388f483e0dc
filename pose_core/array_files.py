"""Reading ``.npz`` files that come from anywhere: no pickle, bounded size, one kind of error."""

import lzma
import math
import struct
import sys
import tokenize
import zipfile
import zlib
from typing import IO, BinaryIO

import numpy as np

# All that zipfile and numpy's header parser raise for a damaged file.
DAMAGE = (
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    OSError,
    MemoryError,
    OverflowError,
    SyntaxError,
    RecursionError,
    RuntimeError,  # an encrypted member
    NotImplementedError,  # an unknown compression
    tokenize.TokenError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


class DamagedArrays(Exception):
    """An ``.npz`` file cannot be read; the text says why."""


def read_arrays(handle: BinaryIO, max_bytes: int) -> dict[str, np.ndarray]:
    """Read all arrays of an ``.npz`` file.

    Parameters
    ----------
    handle : BinaryIO
        Seekable.
    max_bytes : int
        Largest total size of the arrays; more is refused before it is unpacked.

    Returns
    -------
    dict of str to ndarray
        Read-only arrays.

    Raises
    ------
    DamagedArrays
    """
    try:
        with zipfile.ZipFile(handle) as archive:
            check_size(archive, max_bytes)
            return {
                info.filename.removesuffix(".npy"): _read_array(archive, info)
                for info in archive.infolist()
            }
    except DAMAGE as exc:
        raise DamagedArrays(f"{type(exc).__name__}: {exc}") from exc


def check_size(archive: zipfile.ZipFile, max_bytes: int) -> None:
    """Raise ValueError where the members would unpack to more than `max_bytes`."""
    num_bytes = sum(info.file_size for info in archive.infolist())
    if num_bytes > max_bytes:
        raise ValueError(f"it would unpack to {num_bytes} bytes; {max_bytes} are allowed")


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """One ``.npy`` member; its header must agree with its size before memory is taken."""
    with archive.open(info) as member:
        shape, is_fortran, dtype = read_header(member, info)
        array = np.frombuffer(member.read(), dtype) if math.prod(shape) else np.zeros(0, dtype)
    if dtype.kind == "U":
        _check_text(array)
    return array.reshape(shape, order="F" if is_fortran else "C")


def _check_text(texts: np.ndarray) -> None:
    """Raise ValueError for numbers that are no characters: numpy makes texts of them unseen."""
    codes = np.frombuffer(texts.tobytes(), texts.dtype.byteorder.replace("|", "=") + "u4")
    if codes.max(initial=0) > sys.maxunicode or ((codes >= 0xD800) & (codes < 0xE000)).any():
        raise ValueError("a text has characters that do not exist")


def read_header(member: IO[bytes], info: zipfile.ZipInfo) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order (True is Fortran's) and type of an ``.npy`` member; then come the values.

    Raises
    ------
    ValueError
        If it holds Python objects, or another number of bytes than it says. (And other `DAMAGE`.)
    """
    version = np.lib.format.read_magic(member)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, is_fortran, dtype = read(member)
    if dtype.hasobject or dtype.names is not None:
        raise ValueError("it holds Python objects or records")
    num_bytes = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or num_bytes != info.file_size - member.tell():
        raise ValueError(f"{info.filename} is not of the size that it states")
    return shape, is_fortran, dtype
