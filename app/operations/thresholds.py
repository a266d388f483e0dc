"""From which severity on a finding of anatomy counts: kept in the settings."""

from dataclasses import asdict, fields

from app.settings import Settings
from pose_core.analysis.anatomy import AnatomyThresholds

_DEFAULTS = AnatomyThresholds()


def stored_thresholds(settings: Settings) -> AnatomyThresholds:
    """The thresholds that the user has chosen, the default where what is stored is no number."""
    values = {}
    for field in fields(AnatomyThresholds):
        default = getattr(_DEFAULTS, field.name)
        try:
            value = float(settings.get(f"anatomy/{field.name}", str(default)))
        except ValueError:
            value = default
        values[field.name] = value if 0 < value < float("inf") else default
    return AnatomyThresholds(**values)


def store_thresholds(settings: Settings, thresholds: AnatomyThresholds) -> None:
    """Keep thresholds for the next start, too."""
    for name, value in asdict(thresholds).items():
        if value == getattr(_DEFAULTS, name):
            settings.remove(f"anatomy/{name}")  # follows the default, should that change
        else:
            settings.set(f"anatomy/{name}", repr(value))
