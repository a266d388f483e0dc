"""Motion capture files of any format as named points: one door for BVH, AMC, C3D, TRC and npz."""

import gzip
import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pose_core.array_files import DamagedArrays, read_arrays
from pose_core.errors import DataError, ExportError
from pose_core.interchange.amc import load_amc, load_asf
from pose_core.interchange.bvh import read_bvh
from pose_core.interchange.c3d import read_c3d
from pose_core.interchange.named_points import NamedPoints
from pose_core.interchange.reading import open_to_read
from pose_core.interchange.trc import read_trc
from pose_core.skeleton import H36M_17, MOCAP_21

MOTION_SUFFIXES = (".bvh", ".bvh.gz", ".amc", ".c3d", ".trc")
SUFFIXES = (".npz", *MOTION_SUFFIXES)
NPZ_HINT = (
    "Expected npz files with positions (T, J, 3), h36m17 (17,) and fps, as docs/formats.md says."
)
MAX_BYTES = 2**30  # of one file, unpacked
# The axis that is up in a format by custom, where its files do not say.
UP_BY_CUSTOM = {".bvh": "y", ".bvh.gz": "y", ".amc": "y"}
# Rounded frame times give rates like 59.9988; whole ones are meant.
_RATE_TOLERANCE = 1e-4


def suffix_of(path: Path) -> str:
    """The format's ending, such as ``.bvh.gz``; empty for other files."""
    name = path.name.lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def load_points(path: Path) -> NamedPoints:
    """Read the joints or markers of a file, whatever its format.

    Raises
    ------
    PoseStageError
        If the format is not known, or the file cannot be read or is damaged.
    """
    suffix = suffix_of(path)
    if not suffix:
        raise DataError(
            f"{path} is no motion capture file that can be read.",
            f"Known endings: {', '.join(SUFFIXES)}.",
        )
    if suffix == ".npz":
        return _npz_points(path)
    if suffix == ".amc":
        return load_amc(path, load_asf(skeleton_of(path)))
    with open_to_read(path) as handle:
        if suffix == ".bvh.gz":
            return _read_packed(handle, _read_bvh)
        if path.stat().st_size > MAX_BYTES:
            raise ExportError(f"It is larger than {MAX_BYTES / 2**30:g} GB.", "Cut it into parts.")
        return {".bvh": _read_bvh, ".c3d": read_c3d, ".trc": read_trc}[suffix](handle)


def skeleton_of(path: Path) -> Path:
    """The ASF file of an AMC file: of the same name, of its subject (``02.asf``), or the only one.

    Raises
    ------
    DataError
        If there is none, or several that may be meant.
    """
    folder = path.parent
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() == ".asf")
    for stem in (path.stem, path.stem.partition("_")[0]):
        if same := [p for p in found if p.stem.lower() == stem.lower()]:
            return same[0]
    if len(found) == 1:
        return found[0]
    raise DataError(
        f"{path} needs the ASF file of its skeleton; {folder} has {len(found) or 'none'}.",
        f"Put it beside the AMC file as {path.stem}.asf.",
    )


def _read_bvh(handle: BinaryIO) -> NamedPoints:
    motion = read_bvh(handle)
    return NamedPoints(
        _distinct(motion.names), motion.forward_kinematics()[0], _rate(1 / motion.frame_time_s)
    )


def _rate(fps: float) -> float:
    whole = round(fps)
    return float(whole) if whole and abs(fps / whole - 1) < _RATE_TOLERANCE else fps


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names that occur again get a number, so that each point can be named."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return tuple(result)


def _read_packed(handle: BinaryIO, read: Callable[[BinaryIO], NamedPoints]) -> NamedPoints:
    try:
        with gzip.GzipFile(fileobj=handle) as unpacked:
            data = unpacked.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ExportError(f"The packed file is damaged: {error}.") from error
    if len(data) > MAX_BYTES:
        raise ExportError(f"Unpacked it is larger than {MAX_BYTES / 2**30:g} GB.")
    return read(io.BytesIO(data))


# --- npz --------------------------------------------------------------------------------------


def _npz_points(path: Path) -> NamedPoints:
    """The points of an npz file, of which ``h36m17`` says which are the canonical joints."""
    with open_to_read(path) as handle:
        try:
            arrays = read_arrays(handle, MAX_BYTES)
        except DamagedArrays as error:
            raise DataError(f"{path} cannot be read as motion: {error}.", NPZ_HINT) from error
    if missing := [key for key in ("positions", "h36m17", "fps") if key not in arrays]:
        raise DataError(f"{path} lacks {', '.join(missing)}.", NPZ_HINT)
    try:
        positions = np.asarray(arrays["positions"], dtype=np.float64)
        index = np.asarray(arrays["h36m17"], dtype=np.int64)
        fps = float(arrays["fps"])
    except (TypeError, ValueError) as error:
        raise DataError(f"{path} has arrays of another type: {error}.", NPZ_HINT) from error
    if positions.ndim != 3 or positions.shape[-1] != 3 or index.shape != (H36M_17.num_joints,):
        raise DataError(f"{path} has positions {positions.shape}, h36m17 {index.shape}.", NPZ_HINT)
    if not 0 <= index.min() <= index.max() < positions.shape[1] or len(set(index)) < len(index):
        raise DataError(f"{path} has joint indices out of range.", NPZ_HINT)
    if len(positions) == 0 or not np.isfinite(positions).all():
        raise DataError(f"{path} is empty or has positions that are not finite.", NPZ_HINT)
    names = [f"point{i}" for i in range(positions.shape[1])]
    if len(names) == MOCAP_21.num_joints:
        names = list(MOCAP_21.joint_names)
    for place, joint in zip(index, H36M_17.joint_names, strict=True):
        names[place] = joint
    labels = {k: str(arrays[k]) for k in ("action", "subject", "source") if k in arrays}
    return NamedPoints(tuple(names), positions, fps, 1.0, "z", labels)
