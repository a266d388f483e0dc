"""Which models there are to choose from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pose_core.errors import WeightsError
from pose_core.models.registry import ModelEntry, installed_models

# The shipped ones, as their papers write them.
_TITLES = {
    "temporal": "Temporal",
    "single-frame": "Single-frame",
    "rpsm": "RPSM",
    "pose-machine": "Pose machine",
    "sap-net": "SAP-Net",
    "rpsm-image": "RPSM on pictures",
    "pose-machine-image": "Pose machine on pictures",
    "tp-net": "TP-Net",
    "bi-tp-net": "Bi-TP-Net",
}


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
    """The models that can be run on a video: shipped ones, those for comparison, the user's own.

    Damaged ones are left out, `posestage models` says what is wrong with them; so are all where
    the manifest of the shipped ones is missing.
    """
    try:
        entries = [entry for entry in installed_models().values() if entry.estimates]
    except WeightsError:
        return []
    entries.sort(key=lambda entry: (entry.folder is not None, entry.is_baseline))
    return [_choice(entry) for entry in entries]


def title_of(model: str) -> str:
    """What a model is called in a text; the user's own, and unknown ones, by their names."""
    return _TITLES.get(model, model)


def _choice(entry: ModelEntry) -> ModelChoice:
    is_own = entry.folder is not None
    title = title_of(entry.name)
    notes = (
        "yours" if is_own else "",
        "baseline" if entry.is_baseline else "",
        "demonstration" if entry.caution else "",
    )
    if any(notes):
        title += f" ({', '.join(filter(None, notes))})"
    lines = [
        "Here to be compared with." if entry.is_baseline else entry.paper,
        *([f"Refines the poses of {entry.base}"] if entry.base else []),
        f"{entry.num_parameters / 1e6:.1f} million parameters",
        f"Trained on {entry.training_data}",
        f"Error: {error_text(entry.metrics)}",
        *([entry.caution] if entry.caution else []),
    ]
    error = ". ".join(filter(None, (error_text(entry.metrics), entry.caution)))
    return ModelChoice(entry.name, title, "\n".join(lines), error)


def error_text(metrics: Mapping[str, Any]) -> str:
    """The measured error in words, or that there is none."""
    for condition in ("noise_detector", "validation"):
        try:
            error_mm = float(metrics[condition]["MPJPE"])
            return f"{error_mm:.0f} mm per joint on average, on {metrics['split']} (MPJPE)"
        except (KeyError, TypeError, ValueError):
            continue
    return "not measured"
