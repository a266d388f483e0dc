"""Files that are either complete or not there: written beside the target, then moved over it."""

import contextlib
import errno
import glob
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pose_core.errors import PoseStageError

# Why there is no room, and what to do about it.
_NO_ROOM = {
    errno.EDQUOT: (
        "Your quota on this disk is used up",
        "Remove files of your own and try again, or choose another disk.",
    ),
    errno.ENOSPC: ("The disk is full", "Free some space and try again, or choose another disk."),
    errno.EFBIG: (
        "The file is larger than this system allows",
        "Choose another disk, such as one that is not FAT, or raise the limit (ulimit -f).",
    ),
}
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_FOLDER = (errno.ENOENT, errno.ENOTDIR, errno.EEXIST)


@contextlib.contextmanager
def atomic_write(
    path: Path, error: type[PoseStageError], *, num_backups: int = 0
) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces `path` only when the block ends without an error.

    Parameters
    ----------
    path : Path
        Its folder must exist. A link is followed: the file it points to is replaced.
    error : type
        What to raise in place of an `OSError`.
    num_backups : int
        How many earlier files to keep beside it: see `backup_path`.

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
        if num_backups:
            _keep_backup(target, num_backups)
        partial.replace(target)
    except OSError as exc:
        raise write_error(path, exc, error) from exc
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def backup_path(target: Path, number: int) -> Path:
    """Where an earlier file is kept; number 1 is the one before the present one."""
    return target.with_name(f"{target.stem}.backup{number}{target.suffix}")


def _keep_backup(target: Path, num_backups: int) -> None:
    """Let the file that is about to be replaced be backup 1, and the older ones move on.

    A backup that cannot be made is no reason not to save.
    """
    with contextlib.suppress(OSError):
        if not target.exists():
            return
        for number in range(num_backups - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                backup_path(target, number).replace(backup_path(target, number + 1))
        newest = backup_path(target, 1)
        newest.unlink(missing_ok=True)
        try:
            newest.hardlink_to(target)
        except OSError:  # a file system without links
            shutil.copyfile(target, newest)


def partial_path(target: Path) -> Path:
    """Choose a fresh name beside `target` for a file in the making."""
    return target.with_name(f"{target.stem[:60]}.{uuid.uuid4().hex[:8]}.partial")


def remove_partials(target: Path) -> None:
    """Remove what a process that was killed has left of `target`; nobody may be writing it."""
    for path in target.parent.glob(f"{glob.escape(target.stem[:60])}.????????.partial"):
        with contextlib.suppress(OSError):
            path.unlink()


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
    if exc.errno in _NO_ROOM:
        what, hint = _NO_ROOM[exc.errno]
        return error(f"{what}: {path} was not written.", hint)
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
