"""The row at the top: open, choose a model, estimate, and how far the estimate is."""

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QToolBar,
    QWidget,
)

from app.actions import Actions
from app.operations.context import AppContext
from app.operations.estimate import EstimateProgress, Estimator
from app.operations.models import ModelChoice
from app.operations.settings import PERSONS, QUALITIES
from app.widgets.icons import icon
from pose_core.progress import format_seconds


class EstimateBar(QToolBar):
    """Choices for the estimate, replaced by its progress while it runs."""

    def __init__(
        self,
        context: AppContext,
        actions: Actions,
        estimator: Estimator,
        models: list[ModelChoice],
    ) -> None:
        super().__init__("Estimate")
        self.setObjectName("estimate_bar")
        self.setMovable(False)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self._context = context
        self._models = models
        for action_id in ("open", "export"):
            actions[f"file.{action_id}"].setIcon(icon(action_id))
            self.addAction(actions[f"file.{action_id}"])
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.addSeparator()
        self._pages = QStackedWidget()
        self._choices = self._make_choices(actions)
        self._progress_page = self._make_progress(actions)
        self._pages.addWidget(self._choices)
        self._pages.addWidget(self._progress_page)
        self.addWidget(self._pages)
        estimator.started.connect(lambda: self._pages.setCurrentWidget(self._progress_page))
        estimator.ended.connect(lambda: self._pages.setCurrentWidget(self._choices))
        estimator.progressed.connect(self._show_progress)
        context.document.opened.connect(self._show_whether_open)
        context.settings_changed.connect(self.refresh)
        context.models_changed.connect(self._fill_models)
        self._show_whether_open()

    def refresh(self) -> None:
        """Show the choices as the settings have them now."""
        for key, box in (
            ("model", self._model),
            ("quality", self._quality),
            ("person", self._person),
        ):
            index = box.findData(self._context.settings.get(key, ""))
            box.setCurrentIndex(max(index, 0))

    def _make_choices(self, actions: Actions) -> QWidget:
        page = QWidget()
        layout = QHBoxLayout(page)
        layout.setContentsMargins(4, 0, 4, 0)
        self._model = self._combo("Model", "model", {})
        self._quality = self._combo("Quality", "quality", QUALITIES)
        self._quality.setToolTip("Accurate looks at several crops of each frame; it is slower.")
        self._person = self._combo("People", "person", PERSONS)
        layout.addWidget(QLabel("Model"))
        for box in (self._model, self._quality, self._person):
            layout.addWidget(box)
        layout.addSpacing(6)
        layout.addWidget(_action_button(actions, "pose.estimate", is_primary=True))
        layout.addWidget(_action_button(actions, "pose.box"))
        layout.addStretch()
        self._fill_models()
        return page

    def _fill_models(self) -> None:
        self._model.clear()
        for value, text in _titles(self._models).items():
            self._model.addItem(text, value)
        for index, model in enumerate(self._models):
            self._model.setItemData(index, model.description, Qt.ItemDataRole.ToolTipRole)
        self.refresh()

    def _combo(self, name: str, key: str, choices: dict[str, str]) -> QComboBox:
        box = QComboBox()
        box.setAccessibleName(name)
        box.setToolTip(name)
        for value, text in choices.items():
            box.addItem(text, value)
        box.activated.connect(lambda: self._choose(key, box.currentData()))
        return box

    def _choose(self, key: str, value: str) -> None:
        self._context.settings.set(key, value)
        self._context.settings_changed.emit()

    def _make_progress(self, actions: Actions) -> QWidget:
        page = QWidget()
        layout = QHBoxLayout(page)
        layout.setContentsMargins(4, 0, 4, 0)
        self._bar = QProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setMinimumWidth(80)
        self._bar.setMaximumWidth(420)
        self._text = QLabel()
        self._fit_letters()
        layout.addWidget(self._bar, 1)
        layout.addWidget(self._text)
        layout.addWidget(_action_button(actions, "pose.stop"))
        layout.addWidget(_action_button(actions, "pose.cancel", text="Cancel"))
        layout.addStretch()
        return page

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit_letters()

    def _fit_letters(self) -> None:
        """Room for the longest text, so that the buttons beside it stay where they are."""
        longest = "Frame 00000 of 00000  -  00:00 left"
        self._text.setMinimumWidth(self.fontMetrics().horizontalAdvance(longest))

    def _show_progress(self, progress: EstimateProgress) -> None:
        self._bar.setValue(round(1000 * progress.share))
        text = progress.text
        if progress.seconds_left is not None:
            text += f"  -  {format_seconds(progress.seconds_left)} left"
        self._text.setText(text)

    def _show_whether_open(self) -> None:
        self._choices.setEnabled(self._context.document.session is not None)


def _titles(models: list[ModelChoice]) -> dict[str, str]:
    return {model.name: model.title for model in models} or {"": "none installed"}


def _action_button(
    actions: Actions, action_id: str, *, text: str = "", is_primary: bool = False
) -> QPushButton:
    """A push button that does what an action does and is enabled with it."""
    action = actions[action_id]
    button = QPushButton(text or action.text().removesuffix("..."))
    button.setProperty("primary", is_primary)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    shortcut = ", ".join(key.toString() for key in actions.keys_of(action_id))
    button.setToolTip(f"{action.toolTip()} ({shortcut})" if shortcut else action.toolTip())
    button.clicked.connect(action.trigger)
    button.setEnabled(action.isEnabled())
    action.enabledChanged.connect(button.setEnabled)
    if not text:
        action.changed.connect(lambda: button.setText(action.text().removesuffix("...")))
    return button
