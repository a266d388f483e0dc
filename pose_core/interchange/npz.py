"""NPZ: the poses of one person as numpy arrays, without pickle.

Keys: ``poses_3d (T, 17, 3)`` float32 metres, root-relative, camera axes (x right, y down,
z forward); ``root_3d (T, 3)`` camera metres; ``keypoints_2d (T, 17, 2)`` pixels; ``scores
(T, 17)``; ``stages_3d (S, T, 17, 3)``; ``frame_index (T,)``; ``time_s (T,)``; ``fps``;
``joint_names``; ``meta``, a JSON text. Missing values are NaN.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from pose_core.array_files import DamagedArrays, read_arrays
from pose_core.atomic_file import atomic_write
from pose_core.errors import ExportError
from pose_core.interchange.person import PersonPoses, parse_meta
from pose_core.interchange.reading import open_to_read

MAX_BYTES = 4 * 1024**3

_DTYPES = {
    "poses_3d": np.float32,
    "root_3d": np.float32,
    "keypoints_2d": np.float32,
    "scores": np.float32,
    "stages_3d": np.float32,
    "frame_index": np.int64,
    "time_s": np.float64,
}


def save_npz(path: Path, person: PersonPoses) -> None:
    """Write the poses of one person, whole or not at all.

    Raises
    ------
    ExportError
    """
    with atomic_write(path, ExportError) as handle:
        write_npz(handle, person)


def write_npz(handle: BinaryIO, person: PersonPoses) -> None:
    """Write to an open file; the inverse of `read_npz`."""
    arrays = {name: getattr(person, name).astype(dtype) for name, dtype in _DTYPES.items()}
    np.savez_compressed(
        handle,
        **arrays,
        fps=np.float64(person.fps),
        joint_names=np.array(person.joint_names),
        meta=np.array(person.meta_text),
    )


def load_npz(path: Path) -> PersonPoses:
    """Read the poses of one person.

    Raises
    ------
    ExportError
        If the file cannot be opened or is damaged.
    """
    with open_to_read(path) as handle:
        return read_npz(handle)


def read_npz(handle: BinaryIO) -> PersonPoses:
    """Read from an open file; the inverse of `write_npz`.

    Raises
    ------
    ExportError
    """
    try:
        arrays = read_arrays(handle, MAX_BYTES)
        fields = {name: _typed(arrays, name, dtype) for name, dtype in _DTYPES.items()}
        return PersonPoses(
            **fields,
            fps=float(arrays["fps"]),
            joint_names=tuple(map(str, arrays["joint_names"])),
            meta=parse_meta(str(arrays["meta"])),
        )
    except DamagedArrays as exc:
        raise ExportError(f"This is not an intact NPZ file: {exc}.") from exc
    except KeyError as exc:
        raise ExportError(f"The NPZ file has no array {exc}.") from exc
    except (TypeError, ValueError, RecursionError) as exc:
        raise ExportError(f"The NPZ file is damaged: {exc}.") from exc


def _typed(arrays: dict[str, np.ndarray], name: str, dtype: type) -> np.ndarray:
    array = arrays[name]
    if array.dtype != dtype:
        raise ValueError(f"{name} is of type {array.dtype}")
    return array
