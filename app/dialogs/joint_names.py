"""Asks what joints are called in a file, where they were not found by their names."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

UNKNOWN = "Choose..."


class JointNamesDialog(QDialog):
    """One line for each joint that is looked for.

    Parameters
    ----------
    file_name : str
    joints : tuple of str
        ``left_hip`` ...
    names : tuple of str
        All keypoints of the file.
    on_accept : callable
        Called with the name of each joint.
    parent : QWidget
    """

    def __init__(
        self,
        file_name: str,
        joints: tuple[str, ...],
        names: tuple[str, ...],
        on_accept: Callable[[dict[str, str]], None],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Names of Joints")
        self.setMinimumWidth(420)
        self._on_accept = on_accept
        text = QLabel(
            f"These joints were not found in {file_name}. What are they called there? Left and "
            "right are the person's own.",
            wordWrap=True,
        )
        self.choices = {joint: QComboBox() for joint in joints}
        form = QFormLayout()
        for joint, box in self.choices.items():
            box.addItems([UNKNOWN, *names])
            box.currentIndexChanged.connect(self._check)
            form.addRow(joint.replace("_", " ").capitalize(), box)
        self._message = QLabel(wordWrap=True)
        self._message.setProperty("warning", True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self._import = buttons.addButton("Import", QDialogButtonBox.ButtonRole.AcceptRole)
        self._import.setProperty("primary", True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(text)
        layout.addLayout(form)
        layout.addWidget(self._message)
        layout.addWidget(buttons)
        self._check()

    def chosen(self) -> dict[str, str]:
        """Name of each joint for which one is chosen."""
        boxes = self.choices.items()
        return {joint: box.currentText() for joint, box in boxes if box.currentIndex() > 0}

    def accept(self) -> None:
        """Hand over the names."""
        names = self.chosen()
        super().accept()
        self._on_accept(names)

    def _check(self) -> None:
        names = list(self.chosen().values())
        twice = sorted({name for name in names if names.count(name) > 1})
        self._message.setText(f"{twice[0]} can only be one of them." if twice else "")
        self._import.setEnabled(len(names) == len(self.choices) and not twice)
