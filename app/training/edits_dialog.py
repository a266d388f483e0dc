"""Sends what the user has put right to training, and says what may come of it."""

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtWidgets import (
    QComboBox,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from app.operations.context import AppContext
from app.training.budget_line import BudgetLine
from app.training.data_choice import DataChoice
from app.training.edits_work import EditCounts, EditsRun, measure_edits_budget
from app.training.run_form import (
    RunDialog,
    device_box,
    form_of,
    number_box,
    wrapped_label,
)
from app.training.run_names import MOST_LETTERS, free_name, name_complaint
from app.training.service import Runs
from pose_core.models.registry import ModelEntry
from pose_core.training.edits_recipe import LEAST_TO_HOLD_OUT
from pose_core.training.runs import BUNDLED_DATA

if TYPE_CHECKING:  # imports torch
    from pose_core.training.budget import Budget

FEW_FRAMES = 20
_WIDTH_PX = 560
_MOST_STEPS = 1_000_000
_STEPS = 300
_WHAT_IT_DOES = (
    "The model goes on training from its own weights. In the frames that you have edited its 3D "
    "has to project to your joints and to be a pose that a body can take; motion with known 3D "
    "beside it keeps what the model knows."
)
_WHAT_IT_CANNOT = (
    "It learns the poses and the view of this clip. It does not learn depth, which 2D does not "
    "tell, and it does not make the detector find people or joints better. A model that was "
    "trained so fits your edits better; whether it is better elsewhere, the comparison shows."
)
_HOW_TO_EDIT = (
    "Press E and drag joints of a person to where they are in the video, in some twenty frames "
    "over the clip. Then come back: the model can learn from what you have put right."
)


class EditsDialog(RunDialog):
    """Model, steps and name of a run on the user's edits.

    Parameters
    ----------
    context : AppContext
    counts : EditCounts
    models : list of ModelEntry
        That can learn from edits.
    runs : Runs
        Those there are: their names are taken.
    on_accept : callable
        Called with the `EditsRun`.
    on_edit : callable
        Begins to edit keypoints: what to do where nothing was edited yet.
    parent : QWidget
    """

    def __init__(
        self,
        context: AppContext,
        counts: EditCounts,
        models: list[ModelEntry],
        runs: Runs,
        on_accept: Callable[[EditsRun], None],
        on_edit: Callable[[], object],
        parent: QWidget,
    ) -> None:
        super().__init__(runs, parent)
        self.setWindowTitle("Train on Your Edits")
        self._context, self._runs = context, runs
        self._on_accept, self._on_edit = on_accept, on_edit
        self.head = QLabel(counts_text(counts))
        font = self.head.font()
        font.setBold(True)
        self.head.setFont(font)
        layout = QVBoxLayout(self)
        layout.addWidget(self.head)
        self.has_edits = bool(counts.frames) and bool(models)
        if self.has_edits:
            self._make_fields(models)
            self._lay_out(layout, counts)
            self._connect()
            self._update()
        else:
            hint = _HOW_TO_EDIT if models else "No installed model can be trained so."
            layout.addWidget(wrapped_label(hint))
            self.start.setText("Edit Keypoints")
            self.start.setEnabled(bool(models))
        layout.addStretch()
        layout.addWidget(self.buttons)
        self.setMinimumWidth(_WIDTH_PX)
        self.resize(_WIDTH_PX, self.sizeHint().height())

    def _make_fields(self, models: list[ModelEntry]) -> None:
        self.model = QComboBox()
        for entry in models:
            self.model.addItem(entry.name, entry.name)
        wanted = self._context.view_state.model or self._context.settings.get("model", "")
        self.model.setCurrentIndex(max(self.model.findData(wanted), 0))
        self.data = DataChoice(self._context.settings)
        self.steps = number_box(1, _MOST_STEPS)
        self.steps.setValue(_STEPS)
        self.device = device_box(self._context.settings)
        self.name = QLineEdit(maxLength=MOST_LETTERS)
        self.budget = BudgetLine(self._context, self._measure)

    def _measure(self, wanted: EditsRun) -> "Generator[float, None, Budget]":
        session = self._context.document.session
        assert session is not None
        return measure_edits_budget(wanted, session)

    def _lay_out(self, layout: QVBoxLayout, counts: EditCounts) -> None:
        layout.addWidget(wrapped_label(_WHAT_IT_DOES))
        layout.addWidget(wrapped_label(_WHAT_IT_CANNOT, "faint"))
        if counts.frames >= LEAST_TO_HOLD_OUT:
            held = (
                "Every fifth edited frame is held out: the curves show how far the model is from "
                "the edits that it learns from, and from those that it has not seen."
            )
            layout.addWidget(wrapped_label(held, "faint"))
        if counts.frames < FEW_FRAMES:
            few = (
                f"Fewer than {FEW_FRAMES} frames change little, and a model may learn them by "
                "heart. More, spread over the clip, are worth more."
            )
            layout.addWidget(wrapped_label(few, "warning"))
        layout.addLayout(
            form_of(
                ("Model", self.model),
                ("3D beside it", self.data),
                ("Steps", self.steps),
                ("Runs on", self.device),
                ("Name", self.name),
                ("It takes", self.budget),
                ("", self.problem),
            )
        )
        layout.addWidget(
            wrapped_label(
                "Afterwards “Make a Model” in the training window puts it among the models, and "
                "“Compare on the Clip” shows both on this clip.",
                "faint",
            )
        )

    def _connect(self) -> None:
        self.model.currentIndexChanged.connect(self._propose_name)
        self.name.textChanged.connect(self._update)
        self.data.changed.connect(self._update)
        self.steps.valueChanged.connect(self._update)
        self.device.currentIndexChanged.connect(self._update)
        self._propose_name()

    def _propose_name(self) -> None:
        self.name.setText(free_name(self._runs, f"{self.model.currentData()}-edits"))

    def _update(self) -> None:
        name = self.name.text().strip()
        self.show_complaint(self.data.complaint() or name_complaint(self._runs, name))
        # On what memory and the time of a step depend.
        wanted = replace(self.wanted(), name="", data=BUNDLED_DATA, steps=_STEPS)
        self.budget.show_of(wanted, self.steps.value() / _STEPS)

    def done(self, result: int) -> None:
        """Measure nothing more."""
        if self.has_edits:
            self.budget.stop()
        super().done(result)

    def wanted(self) -> EditsRun:
        """The run as described now."""
        return EditsRun(
            name=self.name.text().strip(),
            model=self.model.currentData(),
            steps=self.steps.value(),
            data=self.data.data(),
            device=self.device.currentData(),
        )

    def accept(self) -> None:
        """Hand over the run, or begin to edit."""
        if not self.start.isEnabled():
            return
        if self.has_edits:
            self._on_accept(self.wanted())
        else:
            self._on_edit()
        super().accept()


def counts_text(counts: EditCounts) -> str:
    """How much was edited, in words."""
    if not counts.frames:
        return "You have not put any joint right in this clip yet."
    frames = "1 edited frame" if counts.frames == 1 else f"{counts.frames:,} edited frames"
    joints = "1 joint" if counts.joints == 1 else f"{counts.joints:,} joints"
    people = "1 person" if counts.people == 1 else f"{counts.people} people"
    return f"{frames} of {people}, {joints} set by you"
