"""How the user's work is kept safe: choices with their defaults, in one place."""

from dataclasses import dataclass

from app.settings import Settings

AUTOSAVE_SECONDS = {"10": "10 seconds", "30": "30 seconds", "60": "1 minute", "300": "5 minutes"}
BACKUPS = {"0": "None", "1": "1 file", "3": "3 files", "10": "10 files"}
HISTORY_MB = {"64": "64 MB", "256": "256 MB", "1024": "1 GB", "4096": "4 GB"}


@dataclass(frozen=True)
class Safety:
    """What the settings say.

    Parameters
    ----------
    autosave_s : float
        No more work than this is lost when the application ends without warning.
    num_backups : int
        Earlier session files that are kept beside the present one.
    history_bytes : int
        What the steps that can be undone may take.
    """

    autosave_s: float = 30.0
    num_backups: int = 3
    history_bytes: int = 256 * 1024**2

    @classmethod
    def of(cls, settings: Settings) -> "Safety":
        """Read them; the default stands in for what is no sensible number."""
        default = cls()
        history_mb = _number(settings, "history_mb", default.history_bytes / 1024**2, 1, 65536)
        return cls(
            _number(settings, "autosave_s", default.autosave_s, 0.5, 3600),
            int(_number(settings, "num_backups", default.num_backups, 0, 99)),
            int(history_mb * 1024**2),
        )


def _number(settings: Settings, key: str, default: float, low: float, high: float) -> float:
    try:
        value = float(settings.get(key, str(default)))
    except ValueError:
        return default
    return value if low <= value <= high else default
