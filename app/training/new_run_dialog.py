"""Asks what to train, and says beforehand what that takes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from app.operations.context import AppContext
from app.training.beginnings import beginnings
from app.training.budget_line import BudgetLine
from app.training.data_choice import DataChoice
from app.training.recipe_facts import RecipeFacts, facts_of_recipe, facts_of_run
from app.training.run_form import (
    RunDialog,
    device_box,
    form_of,
    number_box,
    wrapped_label,
)
from app.training.run_names import MOST_LETTERS, free_name, name_complaint
from app.training.service import Runs
from app.training.work import NewRun, measure_budget
from pose_core.errors import PoseStageError
from pose_core.training.recipe_files import recipe_names
from pose_core.training.runs import BUNDLED_DATA

FILE_CHOICE = "another file"
_FIELD_WIDTH = 460
_MOST_STEPS, _MOST_BATCH, _MOST_SEED = 100_000_000, 1_000_000, 2_147_483_647


class NewRunDialog(RunDialog):
    """Recipe, data, device and the settings that are changed most.

    Parameters
    ----------
    context : AppContext
    runs : Runs
        Those there are: their names are taken, their weights can be begun with.
    on_accept : callable
        Called with the `NewRun`.
    parent : QWidget
    like : Path, optional
        Run whose settings are taken.
    """

    def __init__(
        self,
        context: AppContext,
        runs: Runs,
        on_accept: Callable[[NewRun], None],
        parent: QWidget,
        like: Path | None = None,
    ) -> None:
        super().__init__(runs, parent)
        self.setWindowTitle("New Training Run")
        self._context, self._runs, self._on_accept, self._like = context, runs, on_accept, like
        self._facts: RecipeFacts | None = None
        self._make_fields()
        self._lay_out()
        self._connect()
        self._show_recipe()
        if like is not None and self._facts is not None:
            self.data.set_data(self._facts.data, self._facts.annotations or ())

    # -- construction ----------------------------------------------------------------------

    def _make_fields(self) -> None:
        self.recipe = QComboBox()
        if self._like is not None:
            self.recipe.addItem(f"As {self._like.name}", "")
        else:
            for name in recipe_names():
                self.recipe.addItem(name, name)
            self.recipe.addItem("From a file (TOML)...", FILE_CHOICE)
            self.recipe.setCurrentIndex(max(self.recipe.findData("temporal"), 0))
        self._recipe_index = self.recipe.currentIndex()
        self.about = wrapped_label(look="faint")
        self.data = DataChoice(self._context.settings)
        self.device = device_box(self._context.settings)
        self.name = QLineEdit(maxLength=MOST_LETTERS)
        self.steps, self.batch, self.seed = (
            number_box(1, _MOST_STEPS),
            number_box(1, _MOST_BATCH),
            number_box(0, _MOST_SEED),
        )
        self.begin_with = QComboBox()
        self.budget = BudgetLine(self._context, lambda wanted: measure_budget(wanted))

    def _lay_out(self) -> None:
        form = form_of(
            ("Recipe", self.recipe),
            ("", self.about),
            ("Data", self.data),
            ("Begin with", self.begin_with),
            ("Runs on", self.device),
            ("Name", self.name),
            ("Steps", self.steps),
            ("Batch", self.batch),
            ("Seed", self.seed),
            ("It takes", self.budget),
            ("", self.problem),
        )
        self.recipe.setMinimumWidth(_FIELD_WIDTH)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.buttons)

    def _connect(self) -> None:
        self.recipe.activated.connect(self._on_recipe_chosen)
        self.data.changed.connect(self._update)
        self.name.textChanged.connect(self._update)
        for number in (self.steps, self.batch, self.seed):
            number.valueChanged.connect(self._update)
        for box in (self.device, self.begin_with):
            box.currentIndexChanged.connect(self._update)

    # -- recipe and data -------------------------------------------------------------------

    def _on_recipe_chosen(self) -> None:
        if self.recipe.currentData() == FILE_CHOICE:
            start = self._context.settings.folder("recipe")
            path, _ = QFileDialog.getOpenFileName(self, "Recipe", start, "Recipes (*.toml)")
            if not path:
                self.recipe.setCurrentIndex(self._recipe_index)
                return
            self._context.settings.set_folder("recipe", Path(path).parent)
            self.recipe.insertItem(0, Path(path).stem, path)
            self.recipe.setCurrentIndex(0)
        self._recipe_index = self.recipe.currentIndex()
        self._show_recipe()

    def _show_recipe(self) -> None:
        """Show a recipe with its own steps, batch and seed."""
        name = self.recipe.currentData()
        try:
            self._facts = facts_of_recipe(name) if self._like is None else facts_of_run(self._like)
        except PoseStageError as error:
            self._facts = None
            self.about.setText(str(error))
            self._update()
            return
        facts = self._facts
        self.about.setText(facts.about)
        self.data.set_sees_pictures(facts.annotations is not None)
        for box, value in (
            (self.steps, facts.steps),
            (self.batch, facts.batch),
            (self.seed, facts.seed),
        ):
            box.setValue(value)
        self.begin_with.clear()
        if self._like is not None and facts.start_from:
            self.begin_with.addItem(f"What {self._like.name} began with", facts.start_from)
        self.begin_with.addItem("Random weights", "")
        for text, path in beginnings(facts, self._runs.listed):
            self.begin_with.addItem(text, str(path))
        wanted = self._like.name if self._like else Path(name).stem
        self.name.setText(free_name(self._runs, wanted))
        self._update()

    # -- the answer ------------------------------------------------------------------------

    def wanted(self) -> NewRun:
        """The run as described now."""
        begin_with, facts = self.begin_with.currentData(), self._facts
        own = (facts.steps, facts.batch, facts.seed) if facts else (None, None, None)
        chosen = (self.steps.value(), self.batch.value(), self.seed.value())
        steps, batch, seed = (
            None if value == before else value for value, before in zip(chosen, own, strict=True)
        )
        return NewRun(
            name=self.name.text().strip(),
            recipe=self.recipe.currentData(),
            like=self._like,
            data=self.data.data(),
            annotations=self.data.chosen_annotations(),
            device=self.device.currentData(),
            steps=steps,
            batch=batch,
            seed=seed,
            start_from=Path(begin_with) if begin_with else None,
        )

    def accept(self) -> None:
        """Hand over the run."""
        if self._complaint():
            return
        self._on_accept(self.wanted())
        super().accept()

    def done(self, result: int) -> None:
        """Measure nothing more."""
        self.budget.stop()
        super().done(result)

    def _complaint(self) -> str:
        """What is missing; empty when all is there."""
        if self._facts is None:
            return "Choose another recipe."
        if complaint := self.data.complaint():
            return complaint
        return name_complaint(self._runs, self.name.text().strip())

    def _update(self) -> None:
        self.show_complaint(self._complaint())
        if self._facts is not None:
            share = self.steps.value() / self._facts.steps
            self.budget.show_of(_to_measure(self.wanted()), share)


def _to_measure(wanted: NewRun) -> NewRun:
    """The part of a run that memory and the time of a step depend on."""
    return replace(wanted, name="", data=BUNDLED_DATA, steps=None, seed=None, start_from=None)
