"""The recipe that fine-tunes a model on edited keypoints; needs no PyTorch."""

from typing import Any

from pose_core.errors import ConfigError
from pose_core.models.entries import ModelEntry

# Kind of task by network, see `pose_core.training.recipes.TASKS`.
KINDS = {
    "temporal_conv": "temporal_edits",
    "rpsm": "rpsm_edits",
    "pose_machine": "pose_machine_edits",
}

# Every fifth edited moment is held out, where there are enough to have some left to learn from.
HELD_OUT_EVERY, LEAST_TO_HOLD_OUT = 5, 10


def can_learn_from_edits(entry: ModelEntry) -> bool:
    """Whether a model can be fine-tuned on edited keypoints."""
    return entry.lifts_keypoints and entry.network in KINDS


def edits_recipe(entry: ModelEntry, sessions: tuple[str, ...], steps: int) -> dict[str, Any]:
    """Values of the recipe that fine-tunes a model; see `pose_core.training.recipes.recipe_from`.

    Parameters
    ----------
    entry : ModelEntry
    sessions : tuple of str
        Session files with edited keypoints.
    steps : int

    Raises
    ------
    ConfigError
        If there is no recipe for this model.
    """
    if not can_learn_from_edits(entry):
        raise ConfigError(
            f"{entry.name} cannot be trained on edited keypoints.",
            "Choose a temporal network, RPSM, or a pose machine that sees keypoints.",
        )
    return {
        "about": f"{entry.name}, fine-tuned on keypoints that were put right by hand",
        "kind": KINDS[entry.network],
        "task": {
            "network": dict(entry.config),
            "data": {"rate_hz": float(entry.rate_hz)},
            "edits": {"sessions": list(sessions)},
        },
        "schedule": {
            "batch": 64,
            # So few steps would hardly show in a mean over many.
            "average_decay": 0.98,
            "checkpoint_every": min(100, steps),
            "stages": [
                {
                    "name": "edits",
                    "steps": steps,
                    # A tenth of what networks are trained with from nought.
                    "learning_rate": 1e-4,
                    "warmup_steps": min(20, steps),
                    # The factors of the paper's last stage.
                    "losses": {
                        "edits_angle": 0.03,
                        "edits_symmetry": 0.05,
                        "edits_geometry": 0.03,
                    },
                }
            ],
        },
    }
