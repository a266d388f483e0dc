"""Files that are either complete or not there: written beside the target, then moved over it."""

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pose_core.errors import PoseStageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_FOLDER = (errno.ENOENT, errno.ENOTDIR, errno.EEXIST)


@contextlib.contextmanager
def atomic_write(path: Path, error: type[PoseStageError]) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces `path` only when the block ends without an error.

    Parameters
    ----------
    path : Path
        Its folder must exist. A link is followed: the file it points to is replaced.
    error : type
        What to raise in place of an `OSError`.

    Yields
    ------
    BinaryIO

    Raises
    ------
    PoseStageError
        Of the given type, when the disk is full, the folder cannot be written to, ...
    """
    target = Path(path).resolve()
    partial = partial_path(target)
    try:
        with partial.open("wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())  # else a power cut may leave an empty file of that name
        partial.replace(target)
    except OSError as exc:
        raise write_error(path, exc, error) from exc
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def partial_path(target: Path) -> Path:
    """Choose a fresh name beside `target` for a file in the making."""
    return target.with_name(f"{target.stem[:60]}.{uuid.uuid4().hex[:8]}.partial")


def make_folder(folder: Path, error: type[PoseStageError]) -> None:
    """Make a folder and those above it, where missing.

    Raises
    ------
    PoseStageError
        Of the given type, when that is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise write_error(folder, exc, error) from exc


def write_error(path: Path, exc: OSError, error: type[PoseStageError]) -> PoseStageError:
    """Say in words why a file or folder could not be written."""
    if exc.errno in _FULL:
        return error(f"The disk is full: {path} was not written.", "Free some space and try again.")
    if exc.errno in _FORBIDDEN:
        return error(
            f"{path} cannot be written: no permission, or open in another program.",
            "Choose another folder.",
        )
    if exc.errno in _NO_FOLDER:
        return error(
            f"{path} cannot be written: {path.parent} is not a usable folder.",
            "Choose another folder.",
        )
    return error(
        f"{path} cannot be written: {exc.strerror or exc}.", "Choose another folder or name."
    )
