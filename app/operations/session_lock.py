"""One session file is open in one window at a time."""

import contextlib
from pathlib import Path

from filelock import FileLock, Timeout

from pose_core.atomic_file import remove_partials


class SessionLock:
    """Holds the lock of the session file that is open.

    The system lets go of it when the process ends, however it ends: a lock file that was left
    behind holds nobody up.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._lock: FileLock | None = None

    def take(self, path: Path) -> bool:
        """Take the lock of a file in place of the one held before.

        Returns
        -------
        bool
            False where another window has it; then the one held before is kept.
        """
        path = path.resolve()
        if path == self._path:
            return True
        lock = None
        if path.parent.is_dir():  # else FileLock would make it
            lock = FileLock(lock_path(path), timeout=0, thread_local=False)
            try:
                lock.acquire()
            except Timeout:
                return False
            except OSError:  # a folder that cannot be written to: nobody saves there either
                lock = None
        self.release()
        self._path, self._lock = path, lock
        if lock is not None:
            remove_partials(path)  # of a save that was killed: nobody else saves it now
        return True

    def is_free(self, path: Path) -> bool:
        """Whether no other window has a file open."""
        if path.resolve() == self._path:
            return True
        probe = SessionLock()
        is_free = probe.take(path)
        probe.release()
        return is_free

    def release(self) -> None:
        """Let go of the file."""
        if self._path is not None and self._lock is not None:
            with contextlib.suppress(OSError):  # Windows removes no open file
                lock_path(self._path).unlink()
            self._lock.release()
        self._path = self._lock = None


def lock_path(path: Path) -> Path:
    """The lock file beside a session file."""
    return path.with_name(f".{path.name}.lock")
