"""Zip files of JSON texts and ``.npy`` arrays that open at once, however large the arrays are.

Arrays are stored as they are, without compression, each at a multiple of 64 bytes: long ones are
not read but mapped into memory, and the system fetches from disk what is looked at.
"""

import json
import math
import os
import struct
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from pose_core.array_files import check_size, read_header
from pose_core.array_versions import FileMapping, map_file

ALIGNMENT = 64
PADDING_ID = 0xD935  # of the extra field, as Android's zipalign writes it
LOCAL_HEADER_BYTES, ZIP64_EXTRA_BYTES = 30, 20
PIECE_BYTES = 16 * 1024**2  # written at a time: other threads get their turn in between
MAX_JSON_BYTES = 256 * 1024**2
# Smaller files are read as a whole and their check sums looked at: then it does not matter what
# becomes of the file afterwards. Windows lets nobody replace a file that is mapped.
MAP_FROM_BYTES = 256 * 1024**2
CAN_MAP = sys.platform != "win32"


def write_archive(
    handle: BinaryIO, texts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Write an archive.

    Parameters
    ----------
    handle : BinaryIO
        Empty, and seekable.
    texts : Mapping
        JSON values by member name.
    arrays : Mapping of str to ndarray
        By member name.

    Raises
    ------
    TypeError, ValueError
        If a text holds what JSON cannot. Nothing has been written then.
    """
    encoded = {
        name: json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        for name, value in texts.items()
    }
    with zipfile.ZipFile(handle, "w") as archive:
        for name, text in encoded.items():
            archive.writestr(name, text, zipfile.ZIP_DEFLATED)
        for name, array in arrays.items():
            _write_array(archive, handle.tell(), name, np.ascontiguousarray(array))


def _write_array(archive: zipfile.ZipFile, offset: int, name: str, array: np.ndarray) -> None:
    info = zipfile.ZipInfo(name)
    before = LOCAL_HEADER_BYTES + len(name.encode()) + 4 + ZIP64_EXTRA_BYTES
    padding = -(offset + before) % ALIGNMENT
    info.extra = struct.pack("<HH", PADDING_ID, padding) + bytes(padding)
    with archive.open(info, "w", force_zip64=True) as member:
        # The header's length is a multiple of 64 too.
        header = np.lib.format.header_data_from_array_1_0(array)
        np.lib.format.write_array_header_1_0(member, header)
        data = array.reshape(-1).view(np.uint8).data
        for start in range(0, len(data), PIECE_BYTES):
            member.write(data[start : start + PIECE_BYTES])


class ArchiveReader:
    """An archive that is open for reading; a context manager.

    Everything that is wrong with the file is one of `pose_core.array_files.DAMAGE`.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._handle = Path(path).open("rb")  # noqa: SIM115 - closed by __exit__
        try:
            self._zip = zipfile.ZipFile(self._handle)
        except BaseException:
            self._handle.close()
            raise
        self.names = self._zip.namelist()

    def __enter__(self) -> "ArchiveReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()
        self._handle.close()

    def text(self, name: str) -> Any:
        """The JSON value of a member."""
        if self._zip.getinfo(name).file_size > MAX_JSON_BYTES:
            raise ValueError(f"{name} is too large")
        return json.loads(self._zip.read(name))

    def packed(self, name: str, max_bytes: int) -> bytes:
        """A member as it is; it must not unpack to more than `max_bytes`."""
        check_size(self._zip, max_bytes)
        return self._zip.read(name)

    def arrays(self, names: Mapping[str, str]) -> dict[str, np.ndarray]:
        """Arrays by the keys of `names`, whose values are member names; read-only."""
        infos = {key: self._zip.getinfo(name) for key, name in names.items()}
        size = sum(info.file_size for info in infos.values())
        if any(info.compress_type != zipfile.ZIP_STORED for info in infos.values()):
            raise ValueError("its arrays are compressed")
        if size > os.fstat(self._handle.fileno()).st_size:
            raise ValueError("its arrays are larger than the file")
        mapping = None
        if CAN_MAP and size > MAP_FROM_BYTES:
            mapping = map_file(self._handle.fileno())
        return {key: self._array(info, mapping) for key, info in infos.items()}

    def _array(self, info: zipfile.ZipInfo, mapping: FileMapping | None) -> np.ndarray:
        with self._zip.open(info) as member:
            shape, is_fortran, dtype = read_header(member, info)
            num_values, start = math.prod(shape), member.tell()
            if not num_values:
                array = np.zeros(0, dtype)
            elif mapping is None:
                array = np.frombuffer(member.read(), dtype)
            else:
                offset = self._data_offset(info) + start
                array = np.frombuffer(mapping, dtype, num_values, offset)
        return array.reshape(shape, order="F" if is_fortran else "C")

    def _data_offset(self, info: zipfile.ZipInfo) -> int:
        """Where a member's bytes begin: behind its own header, whose length differs."""
        position = self._handle.tell()
        self._handle.seek(info.header_offset + 26)
        name_length, extra_length = struct.unpack("<HH", self._handle.read(4))
        self._handle.seek(position)
        return info.header_offset + LOCAL_HEADER_BYTES + name_length + extra_length
