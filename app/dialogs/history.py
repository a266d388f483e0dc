"""The list of everything that was done: a click goes to that state."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QLabel, QUndoView, QVBoxLayout, QWidget

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
        self.list = QUndoView(document.undo_stack)
        self.list.setAlternatingRowColors(True)
        self.list.setAccessibleName("Steps; the marked one is the present state")
        self._facts = QLabel()
        self._facts.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.addWidget(self.list, 1)
        layout.addWidget(self._facts)
        document.undo_stack.indexChanged.connect(self._show_facts)
        document.undo_stack.cleanChanged.connect(self._show_facts)
        document.opened.connect(self._show_facts)
        self._show_facts()

    def _show_facts(self) -> None:
        steps = self._document.history().steps
        if self._document.session is None or not steps:
            text = "Nothing was done yet. What you do to people and poses is listed here."
        else:
            size = sum(step.patch.num_bytes for step in steps) / 1024**2
            bound = self._document.history_bytes / 1024**2
            text = (
                f"{len(steps)} steps, {size:.1f} of {bound:.0f} MB. "
                "Click one to go there; they are saved with the session."
            )
        self._facts.setText(text)
        self.list.setEmptyLabel("The beginning")
