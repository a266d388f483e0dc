"""What the user has chosen, kept between starts of the application."""

from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QByteArray, QSettings

MAX_RECENT_FILES = 12

T = TypeVar("T", str, int, bool)


class Settings:
    """Typed front of `QSettings`.

    Parameters
    ----------
    store : QSettings, optional
        Where to keep the values; the user's own store by default.
    """

    def __init__(self, store: QSettings | None = None) -> None:
        self._store = store or QSettings("PoseStage", "PoseStage")

    def get(self, key: str, default: T) -> T:
        """Value of a key; the default also where what is stored is of another type."""
        kind = type(default)
        try:
            value = self._store.value(key, default, type=kind)
        except (TypeError, ValueError):
            return default
        return value if isinstance(value, kind) else default

    def set(self, key: str, value: str | int | bool) -> None:
        self._store.setValue(key, value)

    def get_bytes(self, key: str) -> QByteArray:
        """Layout of a window, empty when there is none."""
        value = self._store.value(key)
        return value if isinstance(value, QByteArray) else QByteArray()

    def set_bytes(self, key: str, value: QByteArray) -> None:
        self._store.setValue(key, value)

    def remove(self, key: str) -> None:
        self._store.remove(key)

    def sync(self) -> None:
        """Write everything to disk now."""
        self._store.sync()

    # -- folders and recent files ----------------------------------------------------------

    def folder(self, kind: str) -> str:
        """Folder last used for a kind of file (``video``, ``session``, ``export``)."""
        return self.get(f"folder/{kind}", str(Path.home()))

    def set_folder(self, kind: str, folder: Path) -> None:
        self.set(f"folder/{kind}", str(folder))

    def recent_files(self) -> list[Path]:
        """Files opened or saved last, newest first."""
        text = self.get("recent_files", "")
        return [Path(line) for line in text.splitlines() if line]

    def add_recent_file(self, path: Path) -> None:
        rest = [known for known in self.recent_files() if known != path]
        self._set_recent_files([path, *rest][:MAX_RECENT_FILES])

    def remove_recent_file(self, path: Path) -> None:
        self._set_recent_files([known for known in self.recent_files() if known != path])

    def clear_recent_files(self) -> None:
        self._set_recent_files([])

    def _set_recent_files(self, paths: list[Path]) -> None:
        self.set("recent_files", "\n".join(map(str, paths)))

    # -- shortcuts -------------------------------------------------------------------------

    def shortcut(self, action_id: str) -> str | None:
        """Shortcut that the user gave an action; None where the default holds."""
        key = f"shortcuts/{action_id}"
        return self.get(key, "") if self._store.contains(key) else None

    def set_shortcut(self, action_id: str, shortcut: str | None) -> None:
        """Keep a shortcut; None brings the default back."""
        if shortcut is None:
            self.remove(f"shortcuts/{action_id}")
        else:
            self.set(f"shortcuts/{action_id}", shortcut)
