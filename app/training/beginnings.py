"""What a run can begin with in place of random weights: what other runs and models have learnt."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from app.operations.models import title_of
from app.training.recipe_facts import RecipeFacts
from pose_core.errors import PoseStageError
from pose_core.models.entries import ModelEntry
from pose_core.models.registry import installed_models
from pose_core.training.runs import RunSummary


def beginnings(facts: RecipeFacts, runs: Sequence[RunSummary]) -> Iterator[tuple[str, Path]]:
    """What to choose from, as text and as run folder or file of weights.

    Parameters
    ----------
    facts : RecipeFacts
        Of the network that is to be trained.
    runs : sequence of RunSummary
        Those of the same kind are offered.
    """
    for run in runs:
        if run.recipe_kind == facts.kind and run.step:
            yield f"The weights of {run.name}", run.path
    try:
        models = installed_models()
    except PoseStageError:  # where the manifest is damaged, runs and random weights are left
        return
    for entry in models.values():
        if _is_like(facts, entry):
            yield f"The weights of the model {title_of(entry.name)}", entry.path
        elif _has_like_convolutions(facts, entry):
            yield f"The convolutions of the model {title_of(entry.name)}", entry.path


def _is_like(facts: RecipeFacts, entry: ModelEntry) -> bool:
    """Whether the network of a model has all settings that the recipe names."""
    wanted = facts.network
    return bool(wanted) and wanted.items() <= entry.config.items()


def _has_like_convolutions(facts: RecipeFacts, entry: ModelEntry) -> bool:
    """Whether both look at pictures, with as many channels."""
    wanted, config = facts.network, entry.config
    names = ("frontend", "width")
    return wanted.get("frontend") == "image" and all(config.get(n) == wanted[n] for n in names)
