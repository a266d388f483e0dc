"""What the dialogs that ask for a new run have in common."""

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QComboBox, QDialog, QLabel, QPushButton, QSpinBox

from app.operations.settings import DEVICES
from app.settings import Settings
from app.training.service import Runs


class RunDialog(QDialog):
    """Grows with its rows: lines that wrap need more height than a layout asks for by itself."""

    def event(self, event: QEvent) -> bool:
        is_done = super().event(event)
        # Of other events one is the last: the dialog is no more.
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Show):
            layout = self.layout()
            if layout is not None:
                self.setMinimumHeight(layout.totalHeightForWidth(self.width()))
        return is_done


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


def start_button(runs: Runs) -> QPushButton:
    """Starts the run, or says that it has to wait for its turn."""
    is_next = not runs.is_one_running and not runs.waiting
    button = QPushButton("Start" if is_next else "Add to the Queue")
    button.setProperty("primary", True)
    return button
