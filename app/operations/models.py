"""Which models there are to choose from."""

from dataclasses import dataclass

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
        What it is and how far to trust it, in the words of its manifest.
    """

    name: str
    title: str
    description: str


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
        f"{entry.paper}",
        f"{entry.num_parameters / 1e6:.1f} million parameters",
        f"Trained on: {entry.training_data}",
    ]
    if not entry.metrics:
        lines.append("Not tested: no errors are known.")
    return ModelChoice(entry.name, title, "\n".join(lines))
