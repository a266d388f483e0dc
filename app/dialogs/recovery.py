"""Says what unsaved work was found, and asks what to do with it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.dialogs.question import ask
from pose_core.session_recovery import RecoveryInfo

COLUMNS = ("Clip", "People", "Edits", "Time", "Session file")
LONG_COLUMNS = (0, 1, 4)


@dataclass(frozen=True)
class RecoveryLine:
    """An automatic copy.

    Parameters
    ----------
    folder : Path
    info : RecoveryInfo, optional
        None where it cannot be read.
    is_file_newer : bool
        The user's file was saved after the copy was made.
    problem : str
        Why not.
    """

    folder: Path
    info: RecoveryInfo | None
    is_file_newer: bool = False
    problem: str = ""


class RecoveryDialog(QDialog):
    """A line for each copy; the newest that can be read is chosen.

    Parameters
    ----------
    lines : list of RecoveryLine
    restore, discard : callable
        Called with the chosen line.
    parent : QWidget
    """

    def __init__(
        self,
        lines: list[RecoveryLine],
        restore: Callable[[RecoveryLine], None],
        discard: Callable[[RecoveryLine], None],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Unsaved Work Was Found")
        self.resize(760, 300)
        self._lines = list(lines)
        self._restore, self._discard = restore, discard
        self.list = QTreeWidget()
        self.list.setHeaderLabels(COLUMNS)
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setAccessibleName("Unsaved work")
        header = self.list.header()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(False)
        for column in LONG_COLUMNS:  # they give way, so that all columns are seen
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        self.list.addTopLevelItems([_item(line) for line in lines])
        self.restore_button = QPushButton("Restore")
        self.discard_button = QPushButton("Discard...")
        self.later_button = QPushButton("Keep for Later")
        self._make_layout()
        self.list.itemDoubleClicked.connect(lambda *_: self._on_restore())
        self.list.currentItemChanged.connect(lambda *_: self._update_buttons())
        self._choose(next((row for row, line in enumerate(lines) if line.info is not None), 0))

    def _make_layout(self) -> None:
        text = QLabel(
            "PoseStage ended without saving. Restoring opens the work as it was, with what can be "
            "undone; your own files stay as they are until you save."
        )
        text.setWordWrap(True)
        role = QDialogButtonBox.ButtonRole
        buttons = QDialogButtonBox()
        buttons.addButton(self.restore_button, role.AcceptRole)
        buttons.addButton(self.discard_button, role.DestructiveRole)
        buttons.addButton(self.later_button, role.RejectRole)
        self.restore_button.clicked.connect(self._on_restore)
        self.discard_button.clicked.connect(self._ask_to_discard)
        buttons.rejected.connect(self.reject)
        self.restore_button.setDefault(True)
        layout = QVBoxLayout(self)
        layout.addWidget(text)
        layout.addWidget(self.list, 1)
        layout.addWidget(buttons)

    def _choose(self, row: int) -> None:
        self.list.setCurrentIndex(self.list.model().index(row, 0))

    def _chosen(self) -> RecoveryLine:
        return self._lines[self.list.currentIndex().row()]

    def _update_buttons(self) -> None:
        is_chosen = self.list.currentIndex().isValid()
        self.discard_button.setEnabled(is_chosen)
        self.restore_button.setEnabled(is_chosen and self._chosen().info is not None)

    def _on_restore(self) -> None:
        line = self._chosen()
        if line.info is not None:
            self.accept()
            self._restore(line)

    def _ask_to_discard(self) -> None:
        line = self._chosen()
        question = "Discard the copy that cannot be read?"
        if line.info is not None:
            question = f"Discard the unsaved work on {Path(line.info.clip_path).name}?"
        ask(
            self,
            "Discard unsaved work",
            question,
            [("Cancel", "reject", None), ("Discard", "destroy", lambda: self._on_discard(line))],
            more="It cannot be brought back.",
        )

    def _on_discard(self, line: RecoveryLine) -> None:
        self.list.takeTopLevelItem(self._lines.index(line))
        self._lines.remove(line)
        self._discard(line)
        if not self._lines:
            self.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Delete:
            self._ask_to_discard()
        else:
            super().keyPressEvent(event)


def _item(line: RecoveryLine) -> QTreeWidgetItem:
    info = line.info
    if info is None:
        item = QTreeWidgetItem(["Cannot be read", "", "", "", ""])
        item.setToolTip(0, line.problem)
        return item
    time = datetime.fromtimestamp(info.time_s).strftime("%d %b %Y, %H:%M:%S")
    people = ", ".join(info.people) or "nobody yet"
    file = Path(info.session_path).name if info.session_path else "not saved yet"
    whole_path = info.session_path
    if line.is_file_newer:
        file = f"saved later: {file}"
        whole_path += (
            "\nThis file was saved after the copy was made. It stays as it is: "
            "what is restored gets a file of its own."
        )
    item = QTreeWidgetItem([Path(info.clip_path).name, people, str(info.num_edits), time, file])
    item.setToolTip(0, info.clip_path)
    item.setToolTip(1, people)
    item.setToolTip(4, whole_path)
    return item
