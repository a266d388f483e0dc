"""What panels have in common that look into a network, which must be installed for that."""

from collections.abc import Sequence

from PySide6.QtGui import QShowEvent

from app.laboratory.focus import Subject
from app.laboratory.panel import Bench, LabPanel, Obstacle
from app.operations.models import title_of
from pose_core.errors import WeightsError
from pose_core.models.registry import ModelEntry, installed_models


class NetworkPanel(LabPanel):
    """A panel that applies to some kinds of networks.

    Subclasses name `kinds` of `pose_core.models.networks.NETWORKS`, the `recipe` that trains one,
    and in `does_not` what other models do not do.
    """

    kinds: tuple[str, ...] = ()
    recipe = ""
    does_not = ""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self._models: dict[str, ModelEntry] | None = None

    def showEvent(self, event: QShowEvent) -> None:
        self._models = None  # a model may have come or gone meanwhile
        super().showEvent(event)

    @property
    def models(self) -> dict[str, ModelEntry]:
        """Installed models by name, read from the disk once while the panel is shown."""
        if self._models is None:
            try:
                self._models = installed_models()
            except WeightsError:
                self._models = {}
        return self._models

    def obstacle(self, subject: Subject) -> Obstacle | None:
        entry = self.models.get(subject.model)
        if entry is None:
            return Obstacle(
                f"The model {title_of(subject.model)} is not installed",
                "What it does inside cannot be computed. "
                + self._advice([name for name, e in self.models.items() if self.applies_to(e)]),
            )
        if not self.applies_to(entry):
            fitting = [name for name, e in self.models.items() if self.applies_to(e)]
            return Obstacle(f"{title_of(subject.model)} {self.does_not}", self._advice(fitting))
        return None

    def applies_to(self, entry: ModelEntry) -> bool:
        """Whether the panel can look into the model."""
        return entry.network in self.kinds and entry.lifts_keypoints

    def _advice(self, fitting: Sequence[str]) -> str:
        if fitting:
            return (
                f"Choose {' or '.join(map(title_of, fitting))} in the menu Models, "
                "then Pose &gt; 3D Again from the Same 2D."
            )
        return (
            "No model that does is trained yet: choose Train &gt; New Training Run with the recipe "
            f"{self.recipe}, add the result to your models, and compute the 3D with it."
        )
