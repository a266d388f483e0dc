"""The list of everything that was done: a click goes to that state."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette, QShowEvent
from PySide6.QtWidgets import QDialog, QLabel, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from app.document import SessionDocument


class HistoryDialog(QDialog):
    """Stays beside the window while the user works.

    Parameters
    ----------
    document : SessionDocument
    parent : QWidget
    """

    def __init__(self, document: SessionDocument, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Tool)
        self.setWindowTitle("History")
        self.resize(300, 380)
        self._document = document
        self.list = QListWidget()
        self.list.setAlternatingRowColors(True)
        self.list.setAccessibleName("Steps; the marked one is the present state")
        self._facts = QLabel()
        self._facts.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.addWidget(self.list, 1)
        layout.addWidget(self._facts)
        # Queued: the list is filled anew, which must not happen while it takes a click.
        self.list.currentRowChanged.connect(self._on_row_chosen, Qt.ConnectionType.QueuedConnection)
        document.undo_stack.indexChanged.connect(self._refresh)
        document.modified_changed.connect(self._refresh)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._refresh()

    def _refresh(self) -> None:
        """Show the steps as they are; those that were undone are faint."""
        if not self.isVisible():
            return
        history = self._document.history()
        saved = self._document.undo_stack.cleanIndex() if self._document.path else -1
        faint = self.palette().brush(QPalette.ColorRole.PlaceholderText)
        self.list.blockSignals(True)
        self.list.clear()
        for i, text in enumerate(("The beginning", *(step.text for step in history.steps))):
            item = QListWidgetItem(f"{text} (saved)" if i == saved else text)
            if i > history.index:
                item.setForeground(faint)
                item.setToolTip("Undone; a click does it again.")
            self.list.addItem(item)
        self.list.setCurrentRow(history.index)
        self.list.blockSignals(False)
        self._facts.setText(self._facts_text())

    def _facts_text(self) -> str:
        steps = self._document.history().steps
        if not steps:
            return "Nothing was done yet. What you do to people and poses is listed here."
        size = sum(step.patch.num_bytes for step in steps) / 1024**2
        bound = self._document.history_bytes / 1024**2
        return (
            f"{len(steps)} steps, {size:.1f} of {bound:.0f} MB. "
            "Click one to go there; they are saved with the session."
        )

    def _on_row_chosen(self, row: int) -> None:
        if row >= 0:
            self._document.go_to_step(row)
