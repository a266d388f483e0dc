"""The page of all shortcuts; each can be given another one."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QHeaderView,
    QKeySequenceEdit,
    QLabel,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

ID_ROLE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class ShortcutLine:
    """One action on the page.

    Parameters
    ----------
    id, menu, text : str
    sequences : list of QKeySequence
    """

    id: str
    menu: str
    text: str
    sequences: list[QKeySequence]


class ShortcutsDialog(QDialog):
    """Lists, finds and changes shortcuts.

    Parameters
    ----------
    lines : callable
        Returns the actions as they are now.
    rebind : callable
        Called with an action's id and its new shortcut (None for the default); returns the text
        of the action that has this shortcut already, or None when it was set.
    parent : QWidget
    """

    def __init__(
        self,
        lines: Callable[[], list[ShortcutLine]],
        rebind: Callable[[str, str | None], str | None],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Keyboard Shortcuts")
        self.resize(560, 640)
        self._lines = lines
        self._rebind = rebind
        self.search = QLineEdit(placeholderText="Find an action or a key")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._filter)
        self.tree = QTreeWidget()
        self.tree.setHeaderLabels(["Action", "Shortcut"])
        self.tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.tree.header().setStretchLastSection(False)
        self.tree.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.tree.currentItemChanged.connect(self._show_current)
        self.key_edit = QKeySequenceEdit()
        self.key_edit.setMaximumSequenceLength(1)
        self._assign = QPushButton("Assign")
        self._assign.clicked.connect(self._on_assign)
        self._default = QPushButton("Default")
        self._default.clicked.connect(self._on_default)
        self.message = QLabel(" ")
        self.message.setProperty("warning", True)
        row = QHBoxLayout()
        row.addWidget(QLabel("New shortcut"))
        row.addWidget(self.key_edit, 1)
        row.addWidget(self._assign)
        row.addWidget(self._default)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.search)
        layout.addWidget(self.tree, 1)
        layout.addLayout(row)
        layout.addWidget(self.message)
        layout.addWidget(buttons)
        self._fill()
        self._show_current()

    def _fill(self, current_id: str | None = None) -> None:
        self.tree.clear()
        groups: dict[str, QTreeWidgetItem] = {}
        for line in self._lines():
            if line.menu not in groups:
                groups[line.menu] = QTreeWidgetItem(self.tree, [line.menu])
                groups[line.menu].setFlags(Qt.ItemFlag.ItemIsEnabled)
            keys = ", ".join(
                sequence.toString(QKeySequence.SequenceFormat.NativeText)
                for sequence in line.sequences
            )
            item = QTreeWidgetItem(groups[line.menu], [line.text, keys])
            item.setData(0, ID_ROLE, line.id)
            if line.id == current_id:
                self.tree.setCurrentItem(item)
        self.tree.expandAll()
        self._filter(self.search.text())

    def _filter(self, text: str) -> None:
        wanted = text.lower()
        for group in _children(self.tree.invisibleRootItem()):
            items = _children(group)
            for item in items:
                item.setHidden(wanted not in f"{item.text(0)} {item.text(1)}".lower())
            group.setHidden(all(item.isHidden() for item in items))

    def _current_id(self) -> str | None:
        item = self.tree.currentItem()
        return item.data(0, ID_ROLE) if item else None

    def _show_current(self) -> None:
        is_action = self._current_id() is not None
        for widget in (self.key_edit, self._assign, self._default):
            widget.setEnabled(is_action)
        self.key_edit.clear()
        self.message.setText(" ")

    def _on_assign(self) -> None:
        self._set(self.key_edit.keySequence().toString())

    def _on_default(self) -> None:
        self._set(None)

    def _set(self, shortcut: str | None) -> None:
        action_id = self._current_id()
        if action_id is None:
            return
        user = self._rebind(action_id, shortcut)
        if user is None:
            self._fill(action_id)
        else:
            self.message.setText(f"This is already the shortcut of “{user}”.")


def _children(item: QTreeWidgetItem) -> list[QTreeWidgetItem]:
    return [child for i in range(item.childCount()) if (child := item.child(i)) is not None]
