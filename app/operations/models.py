"""Which models there are to choose from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pose_core.errors import WeightsError
from pose_core.models.registry import ModelEntry, load_manifest


@dataclass(frozen=True)
class ModelChoice:
    """A model as the user sees it.

    Parameters
    ----------
    name : str
        Key of the dictionary of models.
    title : str
    description : str
        What it is and what it was trained on, in the words of its manifest.
    error : str
        How far to trust it.
    """

    name: str
    title: str
    description: str
    error: str


def available_models() -> list[ModelChoice]:
    """The shipped models, those for comparison last; none where the manifest is missing."""
    try:
        entries = load_manifest().values()
    except WeightsError:
        return []
    return [_choice(entry) for entry in sorted(entries, key=lambda entry: entry.is_baseline)]


def _choice(entry: ModelEntry) -> ModelChoice:
    title = entry.name.replace("_", " ").capitalize()
    if entry.is_baseline:
        title += " (baseline)"
    lines = [
        "Here to be compared with." if entry.is_baseline else entry.paper,
        f"{entry.num_parameters / 1e6:.1f} million parameters",
        f"Trained on {entry.training_data}",
        f"Error: {error_text(entry.metrics)}",
    ]
    return ModelChoice(entry.name, title, "\n".join(lines), error_text(entry.metrics))


def error_text(metrics: Mapping[str, Any]) -> str:
    """The measured error in words, or that there is none."""
    try:
        error_mm = float(metrics["noise_detector"]["MPJPE"])
        return f"{error_mm:.0f} mm per joint on average, on {metrics['split']} (MPJPE)"
    except (KeyError, TypeError, ValueError):
        return "not measured"
