"""What a training run does, in order: stages with their steps, learning rate and trained parts."""

import math
from dataclasses import dataclass, field
from typing import Literal

from pose_core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stretch of a schedule. Every stage starts with a fresh optimizer.

    Parameters
    ----------
    name : str
    steps : int
        Optimizer steps.
    learning_rate : float
        After the warm-up.
    warmup_steps : int
        Steps of linear rise from nought.
    decay : {"cosine", "constant"}
        Cosine falls to a hundredth of the learning rate at the end of the stage.
    trained : tuple of str
        Beginnings of the names of the parameters that are trained; all when empty.
    losses : dict of str to float
        Factors on the task's loss terms in this stage; 1 for a term that is not named, and a
        term with factor 0 is left out.
    """

    name: str = "all"
    steps: int
    learning_rate: float = 1e-3
    warmup_steps: int = 0
    decay: Literal["cosine", "constant"] = "cosine"
    trained: tuple[str, ...] = ()
    losses: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "trained", tuple(self.trained))
        if self.steps < 1 or self.learning_rate <= 0 or self.warmup_steps < 0:
            raise ConfigError(f"Stage {self.name!r} needs steps and a learning rate above nought.")
        if self.decay not in ("cosine", "constant"):
            raise ConfigError(f"Stage {self.name!r}: no decay is called {self.decay!r}.")

    def learning_rate_at(self, step: int) -> float:
        """Learning rate at a step counted from the start of the stage."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        if self.decay == "constant":
            return self.learning_rate
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How any task is trained.

    Parameters
    ----------
    stages : tuple of Stage
        One after the other.
    batch : int
        Samples per step, over all processes.
    parts : int
        Parts of equal size in which a batch is drawn. The number of processes divides it, so
        that any number of processes sees the same batches.
    optimizer : {"adamw", "adam"}
    weight_decay : float
        Of the optimizer.
    clip_norm : float
        Largest norm of the gradient; 0 leaves it as it is.
    precision : {"float32", "bfloat16", "float16"}
        Of the forward pass (autocast); float16 with a scaled loss, on CUDA only.
    average_decay : float
        Decay per step of the moving average of the weights that is the result; 0 keeps the
        weights of the last step.
    checkpoint_every : int
        Steps between checkpoints and validations.
    patience : int
        Checkpoints without a better validation after which a stage ends early; 0 never.
    seed : int
        Of first weights and data: the same seed gives the same run.
    """

    stages: tuple[Stage, ...]
    batch: int = 128
    parts: int = 1
    optimizer: Literal["adamw", "adam"] = "adamw"
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    average_decay: float = 0.998
    checkpoint_every: int = 250
    patience: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        if not self.stages:
            raise ConfigError("A schedule needs at least one stage.")
        if self.parts < 1 or self.batch < 1 or self.batch % self.parts:
            raise ConfigError(f"A batch of {self.batch} does not fall into {self.parts} parts.")
        if self.optimizer not in ("adamw", "adam"):
            raise ConfigError(f"No optimizer is called {self.optimizer!r}.")
        if self.precision not in ("float32", "bfloat16", "float16"):
            raise ConfigError(f"No precision is called {self.precision!r}.")
        if self.checkpoint_every < 1 or not 0 <= self.average_decay < 1:
            raise ConfigError("checkpoint_every must be positive, average_decay in [0, 1).")

    @property
    def num_steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)
