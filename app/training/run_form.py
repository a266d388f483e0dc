"""What the dialogs that ask for a new run have in common."""

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QWidget,
)

from app.operations.settings import DEVICES
from app.settings import Settings
from app.training.service import Runs


class RunDialog(QDialog):
    """As high as its rows: lines that wrap need more height than a layout asks for by itself.

    Parameters
    ----------
    runs : Runs
        Those there are: where one goes on, the new one has to wait.
    parent : QWidget

    Attributes
    ----------
    start : QPushButton
        Accepts.
    buttons : QDialogButtonBox
        `start`, and another to cancel.
    problem : QLabel
        What is missing, if anything.
    """

    def __init__(self, runs: Runs, parent: QWidget) -> None:
        super().__init__(parent)
        self.start = _start_button(runs)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.buttons.addButton(self.start, QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.problem = wrapped_label(look="warning")

    def show_complaint(self, complaint: str) -> None:
        """Say what is missing, without which nothing starts; empty when all is there."""
        self.problem.setText(complaint)
        self.problem.setVisible(bool(complaint))
        self.start.setEnabled(not complaint)

    def event(self, event: QEvent) -> bool:
        is_done = super().event(event)
        # Of other events one is the last: the dialog is no more.
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Show):
            self._fit_height()
        return is_done

    def _fit_height(self) -> None:
        """Take the height that the rows need, unless the user has made the dialog higher."""
        layout = self.layout()
        if layout is None:
            return
        was_fitted = self.height() == self.minimumHeight()
        self.setMinimumHeight(layout.totalHeightForWidth(self.width()))
        if was_fitted:
            self.resize(self.width(), self.minimumHeight())


def device_box(settings: Settings) -> QComboBox:
    """The devices, the one of the settings first chosen."""
    box = QComboBox()
    for value, text in DEVICES.items():
        box.addItem(text, value)
    box.setCurrentIndex(max(box.findData(settings.get("device", "")), 0))
    return box


def number_box(least: int, most: int) -> QSpinBox:
    """A field for large whole numbers."""
    box = QSpinBox()
    box.setGroupSeparatorShown(True)
    box.setRange(least, most)
    return box


def wrapped_label(text: str = "", look: str = "") -> QLabel:
    """Words that wrap; `look` is ``faint``, ``warning`` or nothing."""
    label = QLabel(text)
    label.setWordWrap(True)
    if look:
        label.setProperty(look, True)
    return label


def form_of(*rows: tuple[str, QWidget]) -> QFormLayout:
    """Fields below each other, with their labels."""
    form = QFormLayout()
    for label, widget in rows:
        form.addRow(label, widget)
    return form


def _start_button(runs: Runs) -> QPushButton:
    """Starts the run, or says that it has to wait for its turn."""
    is_next = not runs.is_one_running and not runs.waiting
    button = QPushButton("Start" if is_next else "Add to the Queue")
    button.setProperty("primary", True)
    return button
