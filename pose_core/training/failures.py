"""What to tell people when a run fails."""

import traceback

import torch

from pose_core.errors import PoseStageError, TrainingError
from pose_core.training.budget import estimate_budget
from pose_core.training.recipes import Recipe

# What PyTorch says on Windows and on Linux; its error has no type of its own on the CPU.
_NO_MEMORY = ("not enough memory", "can't allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the memory of the device or the machine is used up."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _NO_MEMORY)


def explained(error: Exception, recipe: Recipe, device: str) -> PoseStageError:
    """The error as one that says what to do; measures which batch fits when memory ran out."""
    if isinstance(error, PoseStageError):
        return error
    if not is_out_of_memory(error):
        return TrainingError(
            f"Training failed: {type(error).__name__}: {error}.",
            "Set POSESTAGE_DEBUG=1 and resume the run for the trace to report.",
        )
    # Else the failed step keeps its memory while smaller ones are measured.
    traceback.clear_frames(error.__traceback__)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    message = f"The memory does not hold a step with {recipe.schedule.batch} samples."
    try:
        largest = estimate_budget(recipe, device).largest_batch
    except PoseStageError:
        return TrainingError(message, "Start another run with a smaller batch (--batch).")
    return TrainingError(message, f"Start another run with at most {largest} samples (--batch).")
