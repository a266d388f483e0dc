"""Notes and bookmarks in a real window: keys, list, timeline, undo, files, recovery, CSV."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit

from app.operations import notes
from app.operations.autosave import process_name
from app.views.lanes import TimeAxis
from app.views.note_lane import NAME, NoteLane
from app.views.notes import FRAME, TEXT, TIME
from pose_core.errors import ConfigError
from pose_core.session import Note, Session
from pose_core.session_io import load_session_file
from pose_core.session_recovery import load_recovery

CTRL = Qt.KeyboardModifier.ControlModifier
CTRL_SHIFT = CTRL | Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def noted(window, open_file, short_clip):
    """A window on a clip of 30 frames."""
    open_file(window, short_clip)
    return window


def lines(window):
    tree = window.notes.list
    items = [tree.topLevelItem(row) for row in range(tree.topLevelItemCount())]
    return [tuple(item.text(column) for column in (FRAME, TIME, TEXT)) for item in items]


def known(window):
    return [(note.frame, note.text) for note in window.context.document.session.notes]


def press(window, frame, key, modifiers=CTRL):
    window.context.view_state.set_frame(frame)
    QTest.keyClick(window, key, modifiers)


def type_note(qtbot, window, text, end=Qt.Key.Key_Return):
    editor = window.notes.list.findChild(QLineEdit)
    assert editor is not None
    editor.selectAll()
    QTest.keyClicks(editor, text)
    QTest.keyClick(editor, end)
    qtbot.waitUntil(lambda: window.notes.list.findChild(QLineEdit) is None)
    qtbot.wait(10)  # what is queued


def click(window, row, *, double=False):
    tree = window.notes.list
    tree.scrollToItem(tree.topLevelItem(row))
    at = tree.visualItemRect(tree.topLevelItem(row)).center()
    QTest.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=at)
    if double:
        QTest.mouseDClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=at)


def test_keys_list_and_undo(noted, qtbot):
    window, state = noted, noted.context.view_state
    stack = window.context.document.undo_stack
    assert not window.actions_table["go.next_flag"].isEnabled()
    assert not window.actions_table["file.export_notes"].isEnabled()

    for frame in (20, 4, 12):
        press(window, frame, Qt.Key.Key_B)
    assert known(window) == [(4, ""), (12, ""), (20, "")]
    assert stack.undoText() == "Bookmark Frame 12"
    press(window, 12, Qt.Key.Key_B)  # takes it away again
    assert known(window) == [(4, ""), (20, "")]
    assert stack.undoText() == "Remove the Note at Frame 12"
    QTest.keyClick(window, Qt.Key.Key_Z, CTRL)
    assert known(window) == [(4, ""), (12, ""), (20, "")]

    # Ctrl+Left and Ctrl+Right stop at them, though nobody is selected.
    visited = []
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Right):
        QTest.keyClick(window, key, CTRL)
        visited.append(state.frame)
    assert visited == [4, 4, 12, 20]
    window.actions_table["edit.keypoints"].trigger()  # the edit mode has keys of its own
    QTest.keyClick(window, Qt.Key.Key_Left, CTRL)
    assert state.frame == 12
    window.actions_table["edit.keypoints"].trigger()

    # A note is one step, written in the list; what is given up leaves no line behind.
    press(window, 7, Qt.Key.Key_B, CTRL_SHIFT)
    qtbot.waitUntil(window.notes.isVisible)
    type_note(qtbot, window, "left  knee hidden")
    assert known(window)[1] == (7, "left knee hidden")
    assert stack.undoText() == "Note at Frame 7"
    num_steps = stack.index()
    press(window, 9, Qt.Key.Key_B, CTRL_SHIFT)
    type_note(qtbot, window, "nothing", Qt.Key.Key_Escape)
    press(window, 7, Qt.Key.Key_B, CTRL_SHIFT)
    type_note(qtbot, window, "left knee hidden")
    assert stack.index() == num_steps
    assert lines(window) == [
        ("4", "0.16 s", ""),
        ("7", "0.28 s", "left knee hidden"),
        ("12", "0.48 s", ""),
        ("20", "0.80 s", ""),
    ]

    # Click and Enter go there; a double click edits; Delete removes all that are selected.
    click(window, 3)
    assert state.frame == 20
    QTest.keyClick(window.notes.list, Qt.Key.Key_Up)
    QTest.keyClick(window.notes.list, Qt.Key.Key_Return)
    assert state.frame == 12
    click(window, 2, double=True)
    type_note(qtbot, window, "turns (here)")
    assert known(window)[2] == (12, "turns (here)")
    window.notes.list.selectAll()
    QTest.keyClick(window.notes.list, Qt.Key.Key_Delete)
    assert known(window) == []
    assert stack.undoText() == "Remove 4 Notes"
    assert window.notes.empty.isVisible()
    assert "Ctrl+B" in window.notes.empty.text()
    stack.undo()
    assert [frame for frame, _ in known(window)] == [4, 7, 12, 20]
    window.context.view_state.set_frame(7)
    (selected,) = window.notes.list.selectedItems()
    assert selected.text(FRAME) == "7"
    stack.setIndex(0)
    assert known(window) == []


def test_files_recovery_and_table_carry_them(
    noted, make_window, open_file, tmp_path, monkeypatch, qtbot, own_recovery_dir
):
    window, context = noted, noted.context
    notes.write_note(context, 3, "a, b\n“c”")
    notes.write_note(context, 29, "")
    window._autosave.save_copy()
    qtbot.waitUntil(lambda: context.tasks.num_running == 0)
    (copy,) = [path for path in own_recovery_dir.iterdir() if path.name.startswith(process_name())]
    recovered = load_recovery(copy)
    assert recovered.session.notes == (Note(3, "a, b “c”"), Note(29))
    assert [step.text for step in recovered.history.steps] == [
        "Note at Frame 3",
        "Bookmark Frame 29",
    ]

    target, table = tmp_path / "n.posestage", tmp_path / "n.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_a, **_k: (str(target), ""))
    window.actions_table["file.save"].trigger()
    qtbot.waitUntil(lambda: not context.document.is_modified)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_a, **_k: (str(table), ""))
    window.actions_table["file.export_notes"].trigger()
    qtbot.waitUntil(table.exists)
    with table.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["frame", "time_s", "note"],
            ["3", "0.120000", "a, b “c”"],
            ["29", "1.160000", ""],
        ]
    context.document.open(None)
    assert lines(window) == []

    second = make_window()
    open_file(second, target)
    assert known(second) == [(3, "a, b “c”"), (29, "")]
    second.context.document.undo_stack.undo()
    assert known(second) == [(3, "a, b “c”")]
    assert load_session_file(target).session.notes[1] == Note(29)


def hover(timeline, frame):
    """Move the pointer over a frame, and read what is written there."""
    at = QPointF(timeline.x_of_frame(frame), timeline.plot_rect().center().y())
    where = QPointF(timeline.mapToGlobal(at.toPoint()))
    button, none = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
    move = QMouseEvent(QEvent.Type.MouseMove, at, where, button, button, none)
    QApplication.sendEvent(timeline, move)
    return timeline.grab().toImage()


def test_the_timeline_shows_them(noted):
    timeline = noted.timeline
    height = timeline.sizeHint().height()
    notes.write_note(noted.context, 10, "turns")
    assert timeline.sizeHint().height() > height
    assert hover(timeline, 10) != hover(timeline, 12)
    lane = timeline._lanes[NAME]
    assert [lane.text_at(frame) for frame in (9, 10)] == ["", "turns"]
    noted.context.document.undo_stack.undo()
    assert timeline.sizeHint().height() == height


@pytest.mark.parametrize("num_frames", [40, 100_000])
def test_a_lane_of_notes(num_frames):
    """One pennant for each note, at its frame; found by a pointer wider than a frame."""
    frames = (1, num_frames // 2, num_frames - 2)
    lane = NoteLane(num_frames, {frames[0]: "", frames[1]: "m" * 200, frames[2]: "end"})
    axis = TimeAxis.of_clip(np.arange(num_frames) / 25)
    columns = axis.columns(800)
    alpha = lane.render(columns, 18)[..., 3]
    masts = np.flatnonzero(alpha[-1])
    starts = masts[np.diff(masts, prepend=-5) > 1]
    middles = (axis.edges_s[list(frames)] + 0.5 / 25) / axis.edges_s[-1] * 800
    assert np.abs(starts - middles).max() <= 1
    assert (alpha[6] > 0).sum() > (alpha[-1] > 0).sum()
    reach = num_frames // 160
    assert lane.text_at(frames[2] - reach, reach) == (f"at {frames[2]}: end" if reach else "end")
    assert lane.text_at(frames[1]) == "m" * 80 + "..."
    assert lane.text_at(frames[0]) == "bookmark"
    assert lane.text_at(frames[0] + 1 + reach, reach) == ""


def test_notes_belong_to_frames_of_the_clip(session: Session):
    last = session.clip.num_frames
    for wrong in ((Note(last),), (Note(-1),), (Note(4), Note(4)), (Note(5), Note(4))):
        with pytest.raises(ConfigError):
            replace(session, notes=wrong)
    assert replace(session, notes=(Note(4, "a"), Note(7))).note(4) == Note(4, "a")
    assert session.note(4) is None
