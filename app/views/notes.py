"""The notes of the clip: a list to jump by, in which they are written, and their lane."""

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemDelegate,
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QStackedWidget,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.actions import Actions
from app.operations import notes
from app.operations.context import AppContext
from app.operations.navigation import go_to
from app.views.lanes import time_text
from app.views.note_lane import NAME, NoteLane
from app.views.timeline import Timeline
from pose_core.session import Note

FRAME, TIME, TEXT = range(3)
_FRAME_ROLE = Qt.ItemDataRole.UserRole
# Keys of the list that mean something else in the window.
_OWN_KEYS = (
    *(Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Delete, Qt.Key.Key_F2),
    *(Qt.Key.Key_Up, Qt.Key.Key_Down),
)


class NotesView(QWidget):
    """Frame, time and text of each note.

    A click or Enter goes to the frame, a double click or F2 edits the text, Delete removes.

    Parameters
    ----------
    context : AppContext
    actions : Actions
    """

    def __init__(self, context: AppContext, actions: Actions) -> None:
        super().__init__()
        self._context = context
        self._actions = actions
        self.list = _NoteList()
        self.list.setAccessibleName("Notes and bookmarks")
        self.empty = QLabel()
        self.empty.setWordWrap(True)
        self.empty.setProperty("faint", True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._buttons = QWidget()
        row = QHBoxLayout(self._buttons)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(_button(actions, "edit.bookmark", "Bookmark"))
        row.addWidget(_button(actions, "edit.note", "Note..."))
        row.addStretch()
        self.setMinimumWidth(200)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.empty)
        self._pages.addWidget(self.list)
        layout.addWidget(self._pages, 1)
        layout.addWidget(self._buttons)
        self.list.chosen.connect(lambda frame: go_to(context.view_state, frame))
        self.list.removed.connect(lambda frames: notes.remove_notes(context, frames))
        # Queued: the list is filled anew, which must not happen while its editor closes.
        self.list.written.connect(self._write, Qt.ConnectionType.QueuedConnection)
        self.list.given_up.connect(self.refresh, Qt.ConnectionType.QueuedConnection)
        context.document.opened.connect(self.refresh)
        context.document.notes_changed.connect(self.refresh)
        context.view_state.frame_changed.connect(self.list.mark_frame)
        self.refresh()

    def refresh(self) -> None:
        """Show the notes as the document has them."""
        session = self._context.document.session
        known = session.notes if session else ()
        self.list.fill([(note, self._time_text(note.frame)) for note in known])
        self.list.mark_frame(self._context.view_state.frame)
        bookmark, note = (
            self._actions[name].shortcut().toString(QKeySequence.SequenceFormat.NativeText)
            for name in ("edit.bookmark", "edit.note")
        )
        self.empty.setText(
            f"No notes yet.\n{bookmark} bookmarks the shown frame, {note} writes a note at it; "
            "the timeline and this list go there again."
        )
        self._show_either(bool(known))

    def edit(self, frame: int) -> None:
        """Write at a frame; a line for it is there until something is written."""
        if self._context.document.session is None:
            return
        self._show_either(True)
        self.list.edit_note(frame, self._time_text(frame))

    def _write(self, frame: int, text: str) -> None:
        notes.write_note(self._context, frame, text)
        self.refresh()

    def _show_either(self, has_lines: bool) -> None:
        self._pages.setCurrentWidget(self.list if has_lines else self.empty)

    def _time_text(self, frame: int) -> str:
        session = self._context.document.session
        assert session is not None
        times_s = session.clip.times_s
        return time_text(float(times_s[frame]), 2, float(times_s[-1]))


class _NoteList(QTreeWidget):
    """The lines.

    Attributes
    ----------
    chosen : Signal(int)
        Go to this frame.
    removed : Signal(list)
        Remove the notes of these frames.
    written : Signal(int, str)
        Frame and its new text.
    given_up : Signal()
        A text was left as it is.
    """

    chosen = Signal(int)
    removed = Signal(object)
    written = Signal(int, str)
    given_up = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._items: dict[int, QTreeWidgetItem] = {}
        self.setHeaderLabels(["Frame", "Time", "Note"])
        self.setRootIsDecorated(False)
        self.setAlternatingRowColors(True)
        self.setUniformRowHeights(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        for column in (FRAME, TIME):
            mode = QHeaderView.ResizeMode.ResizeToContents
            self.header().setSectionResizeMode(column, mode)
        self.itemClicked.connect(lambda item: self.chosen.emit(_frame_of(item)))
        self.itemDoubleClicked.connect(lambda item: self.editItem(item, TEXT))
        self.itemChanged.connect(self._on_item_changed)

    def fill(self, lines: list[tuple[Note, str]]) -> None:
        """Show notes, each with the time of its frame."""
        self.blockSignals(True)
        self.clear()
        self._items = {note.frame: _item_of(note, time) for note, time in lines}
        self.addTopLevelItems(list(self._items.values()))
        self.blockSignals(False)

    def mark_frame(self, frame: int) -> None:
        """Select the line of the shown frame, if there is one."""
        item = self._items.get(frame)
        if item is None:
            self.clearSelection()
        elif not item.isSelected():
            self.setCurrentItem(item)

    def edit_note(self, frame: int, time: str) -> None:
        """Begin to write at a frame, in a new line where there is none yet."""
        if frame not in self._items:
            item = _item_of(Note(frame), time)
            place = sum(known < frame for known in self._items)
            self.insertTopLevelItem(place, item)
            self._items[frame] = item
        self.setCurrentItem(self._items[frame])
        self.editItem(self._items[frame], TEXT)

    def closeEditor(self, editor: QWidget, hint: QAbstractItemDelegate.EndEditHint) -> None:
        """Drop a new line in which nothing was written."""
        super().closeEditor(editor, hint)
        self.given_up.emit()

    def _on_item_changed(self, item: QTreeWidgetItem, column: int) -> None:
        if column == TEXT:
            self.written.emit(_frame_of(item), item.text(TEXT))

    def event(self, event: QEvent) -> bool:
        """Keep keys that are shortcuts of the window, too."""
        is_override = event.type() == QEvent.Type.ShortcutOverride
        if is_override and isinstance(event, QKeyEvent) and event.key() in _OWN_KEYS:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        item = self.currentItem()
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and item is not None:
            self.chosen.emit(_frame_of(item))
        elif event.key() == Qt.Key.Key_F2 and item is not None:
            self.editItem(item, TEXT)
        elif event.key() == Qt.Key.Key_Delete:
            self.removed.emit([_frame_of(each) for each in self.selectedItems()])
        else:
            super().keyPressEvent(event)


class NoteMarks(QObject):
    """Keeps the lane of the notes on the timeline as the document has them."""

    def __init__(self, context: AppContext, timeline: Timeline) -> None:
        super().__init__(context)
        self._context = context
        self._timeline = timeline
        context.document.opened.connect(self._show)
        context.document.notes_changed.connect(self._show)

    def _show(self) -> None:
        session = self._context.document.session
        if session is None or not session.notes:
            self._timeline.remove_lane(NAME)
            return
        texts = {note.frame: note.text for note in session.notes}
        self._timeline.show_lane(NoteLane(session.clip.num_frames, texts))


def _button(actions: Actions, action_id: str, text: str) -> QToolButton:
    action = actions[action_id]
    button = QToolButton()
    button.setText(text)
    button.setToolTip(action.toolTip())
    button.clicked.connect(action.trigger)
    button.setEnabled(action.isEnabled())
    action.enabledChanged.connect(button.setEnabled)
    return button


def _item_of(note: Note, time: str) -> QTreeWidgetItem:
    item = QTreeWidgetItem([str(note.frame), time, note.text])
    item.setData(FRAME, _FRAME_ROLE, note.frame)
    item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
    item.setToolTip(TEXT, note.text)
    item.setTextAlignment(FRAME, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return item


def _frame_of(item: QTreeWidgetItem) -> int:
    return int(item.data(FRAME, _FRAME_ROLE))
