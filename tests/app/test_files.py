"""Opening, saving and exporting: nothing is lost, and what goes wrong is said."""

import json
import shutil
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import psutil
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QFileDialog, QMessageBox

from app.commands import RenamePerson, SetTracks
from app.dialogs.export_dialog import ExportChoice, ExportDialog
from app.dialogs.export_report import ExportReport
from app.dialogs.history import HistoryDialog
from app.dialogs.recovery import RecoveryDialog
from app.document import Change
from app.operations import autosave, export, notes, open_file, recovery
from pose_core.interchange.bvh import load_bvh
from pose_core.interchange.npz import load_npz
from pose_core.session_history import History
from pose_core.session_io import load_session, read_save_id, save_session
from pose_core.session_recovery import (
    RecoveryInfo,
    load_recovery,
    read_recovery_info,
    save_recovery,
)
from pose_core.video import open_clip

HOUR = timedelta(hours=1)


@pytest.fixture
def video(tmp_path, numbered_clip):
    """A copy of the numbered clip that a test may move."""
    return shutil.copy(numbered_clip, tmp_path / "walk.mp4")


@pytest.fixture
def people(session, video):
    """The tracks of the shared session, over all frames of the video."""
    num_frames = open_clip(video).num_frames

    def stretch(array, axis=0):
        index = np.minimum(np.arange(num_frames), array.shape[axis] - 1)
        return np.take(array, index, axis=axis)

    def stretched(track):
        points = track.keypoints
        keypoints = replace(
            points,
            xy=stretch(points.xy),
            scores=stretch(points.scores),
            sources=stretch(points.sources),
        )
        runs = {
            name: replace(
                run,
                poses=replace(
                    run.poses, stages=stretch(run.poses.stages, 1), root=stretch(run.poses.root)
                ),
            )
            for name, run in track.runs.items()
        }
        swapped = track.swapped_mask
        return replace(
            track,
            keypoints=keypoints,
            runs=runs,
            swapped_mask=None if swapped is None else stretch(swapped),
        )

    return tuple(stretched(track) for track in session.tracks)


@pytest.fixture
def window_with_people(window, open_file, video, people):
    """A window with unsaved results."""
    open_file(window, video)
    document = window.context.document
    after = document.session.with_tracks(people)
    document.undo_stack.push(SetTracks(document, "Estimate", after, Change("poses")))
    return window


def message_box(window):
    boxes = [box for box in window.findChildren(QMessageBox) if box.isVisible()]
    return boxes[-1] if boxes else None


def answer(qtbot, window, label):
    """Wait for a question, and press one of its buttons."""
    qtbot.waitUntil(lambda: message_box(window) is not None)
    box = message_box(window)
    (button,) = [b for b in box.buttons() if b.text().replace("&", "") == label]
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def drop(window, path):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(
        QPointF(50, 50),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    window.dropEvent(event)
    return event


def choose(monkeypatch, method, path):
    """Let the next file dialog answer a path."""
    monkeypatch.setattr(QFileDialog, method, lambda *_args, **_options: (str(path), ""))


def same_tracks(a, b):
    assert [t.name for t in a] == [t.name for t in b]
    for left, right in zip(a, b, strict=True):
        np.testing.assert_array_equal(left.keypoints.xy, right.keypoints.xy)
        assert list(left.runs) == list(right.runs)
        for name in left.runs:
            np.testing.assert_array_equal(
                left.runs[name].poses.stages, right.runs[name].poses.stages
            )


def test_a_dropped_video_opens_and_becomes_recent(window, video, qtbot):
    assert drop(window, video).isAccepted()
    qtbot.waitUntil(lambda: window.context.document.session is not None)
    assert window.context.document.session.clip.num_frames == 90
    assert window.context.settings.recent_files() == [video]
    assert window.windowTitle().startswith("walk.mp4")


def test_a_bad_file_is_told_and_what_is_open_stays(window, open_file, video, tmp_path, qtbot):
    open_file(window, video)
    window.context.view_state.set_frame(12)
    bad = tmp_path / "notes.mp4"
    bad.write_text("this is no video")
    drop(window, bad)
    qtbot.waitUntil(lambda: message_box(window) is not None)
    assert "notes.mp4" in message_box(window).text()
    message_box(window).close()
    assert window.context.document.session.clip.path == video
    assert window.context.view_state.frame == 12


def test_a_damaged_session_is_told(window, tmp_path, qtbot):
    bad = tmp_path / "bad.posestage"
    bad.write_bytes(b"PK\x03\x04 not really")
    window.open_path(bad)
    qtbot.waitUntil(lambda: message_box(window) is not None)
    assert "bad.posestage" in message_box(window).text()
    message_box(window).close()
    assert window.context.document.session is None


def test_what_is_saved_comes_back(window_with_people, tmp_path, monkeypatch, qtbot):
    window, document = window_with_people, window_with_people.context.document
    assert document.is_modified
    target = tmp_path / "mine.posestage"
    choose(monkeypatch, "getSaveFileName", target)
    qtbot.keyClick(window, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: not document.is_modified)
    assert document.path == target
    saved = document.session
    same_tracks(load_session(target).tracks, saved.tracks)
    # Undoing after saving is a change again; redoing leads back to what is in the file.
    document.undo_stack.undo()
    assert document.is_modified
    document.undo_stack.redo()
    assert not document.is_modified
    document.open(None)
    window.open_path(target)
    qtbot.waitUntil(lambda: document.session is not None)
    same_tracks(document.session.tracks, saved.tracks)
    assert document.path == target


def test_a_save_that_fails_is_told_and_closes_nothing(
    window_with_people, tmp_path, monkeypatch, qtbot, request
):
    window, document = window_with_people, window_with_people.context.document
    choose(monkeypatch, "getSaveFileName", tmp_path / "no such folder" / "mine.posestage")
    window.close()
    answer(qtbot, window, "Save")
    qtbot.waitUntil(lambda: message_box(window) is not None)
    assert "no such folder" in message_box(window).text()
    message_box(window).close()
    assert window.isVisible()
    assert document.is_modified
    # Neither does a disk that is full by now: the file is what it was.
    target = tmp_path / "mine.posestage"
    choose(monkeypatch, "getSaveFileName", target)
    window.actions_table["file.save"].trigger()
    qtbot.waitUntil(lambda: not document.is_modified)
    before = target.read_bytes()
    document.undo_stack.push(RenamePerson(document, 1, "Ada"))
    request.getfixturevalue("full_disk")
    window.close()
    answer(qtbot, window, "Save")
    qtbot.waitUntil(lambda: message_box(window) is not None)
    assert "The disk is full" in message_box(window).text()
    message_box(window).close()
    assert window.isVisible()
    assert document.is_modified
    assert document.path == target
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.glob("mine*")] == ["mine.posestage"]


def test_closing_asks_for_unsaved_changes(window_with_people, tmp_path, monkeypatch, qtbot):
    window = window_with_people
    window.close()
    answer(qtbot, window, "Cancel")
    assert window.isVisible()
    target = tmp_path / "kept.posestage"
    choose(monkeypatch, "getSaveFileName", target)
    window.close()
    answer(qtbot, window, "Save")
    qtbot.waitUntil(lambda: not window.isVisible())
    assert len(load_session(target).tracks) == 2


def test_a_moved_video_is_asked_for_and_checked(
    window, session, people, video, numbered_clip, tmp_path, monkeypatch, qtbot
):
    document = window.context.document
    folder = tmp_path / "sessions"
    folder.mkdir()
    clip = open_clip(video)
    target = folder / "walk.posestage"
    save_session(replace(session, clip=clip, tracks=people, truth=None), target)
    moved = tmp_path / "elsewhere" / "renamed.mp4"
    moved.parent.mkdir()
    video.rename(moved)
    wrong = tmp_path / "elsewhere" / "walk.mp4"
    wrong.write_bytes(moved.read_bytes() + b"x")

    choose(monkeypatch, "getOpenFileName", wrong)
    window.open_path(target)
    answer(qtbot, window, "Locate the Video...")
    qtbot.waitUntil(lambda: message_box(window) is not None)
    assert "is not the video" in message_box(window).text()
    message_box(window).close()
    assert document.session is None

    choose(monkeypatch, "getOpenFileName", moved)
    window.open_path(target)
    answer(qtbot, window, "Locate the Video...")
    qtbot.waitUntil(lambda: document.session is not None)
    assert document.session.clip.path == moved
    same_tracks(document.session.tracks, people)


def test_undo_does_not_move_the_video_back(window_with_people, tmp_path, monkeypatch, qtbot):
    window, document = window_with_people, window_with_people.context.document
    moved = tmp_path / "moved.mp4"
    document.session.clip.path.rename(moved)
    choose(monkeypatch, "getOpenFileName", moved)
    window.actions_table["file.locate"].trigger()
    qtbot.waitUntil(lambda: document.session.clip.path == moved)
    document.undo_stack.undo()
    assert document.session.clip.path == moved
    assert document.session.tracks == ()


def test_the_export_dialog_writes_what_it_says(window_with_people, tmp_path, qtbot):
    window = window_with_people
    window.context.view_state.set_range((5, 15))
    window.actions_table["file.export"].trigger()
    dialog = window.findChild(ExportDialog)
    dialog.preset.setCurrentText("Blender")
    dialog.preset.activated.emit(dialog.preset.currentIndex())
    assert dialog.choice().formats == ("bvh",)
    assert dialog.choice().level
    dialog.formats["npz"].click()
    assert dialog.preset.currentText() == "My own choice"
    folder = tmp_path / "out"
    dialog.folder.setText(str(folder))
    dialog.person.setCurrentText("Ann")
    dialog.accept()
    report = window.findChild(ExportReport)
    qtbot.waitUntil(lambda: window.context.tasks.num_running == 0)
    text = report.text.toPlainText()
    report.reject()
    assert sorted(path.name for path in folder.iterdir()) == [
        "walk.person1.bvh",
        "walk.person1.npz",
    ]
    assert len(load_bvh(folder / "walk.person1.bvh").values) == 10
    assert load_npz(folder / "walk.person1.npz").frame_index.tolist() == list(range(5, 15))
    assert "walk.person1.bvh" in text
    assert "mm" in text  # the error of the round trip is told


def test_a_copy_of_the_session_is_whole(window_with_people, tmp_path, qtbot):
    window = window_with_people
    choice = ExportChoice(("session",), tmp_path / "out", (1,), (5, 15), False)
    report = export.export(window.context, choice)
    qtbot.waitUntil(lambda: window.context.tasks.num_running == 0)
    report.reject()
    copy = load_session(tmp_path / "out" / "walk.posestage")
    same_tracks(copy.tracks, window.context.document.session.tracks)


def test_the_video_of_a_range_has_its_frames(window_with_people, tmp_path, qtbot):
    window = window_with_people
    choice = ExportChoice(("mp4",), tmp_path / "out", (1, 4), (5, 15), False)
    report = export.export(window.context, choice)
    qtbot.waitUntil(lambda: window.context.tasks.num_running == 0)
    report.reject()
    assert open_clip(tmp_path / "out" / "walk.overlay.mp4").num_frames == 10


def test_a_cancelled_export_leaves_no_half_file(window_with_people, tmp_path, qtbot):
    window = window_with_people
    folder = tmp_path / "out"
    report = export.export(window.context, ExportChoice(("mp4",), folder, (1,), None, False))
    qtbot.waitUntil(lambda: report._bar.value() > 3)
    report.reject()
    qtbot.waitUntil(lambda: window.context.tasks.num_running == 0)
    assert list(folder.iterdir()) == []


def test_an_export_that_fails_is_told(window_with_people, tmp_path, qtbot):
    window = window_with_people
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    window.actions_table["file.export"].trigger()
    dialog = window.findChild(ExportDialog)
    dialog.folder.setText(str(blocked / "out"))
    dialog.accept()
    qtbot.waitUntil(lambda: message_box(window) is not None)
    assert str(blocked) in message_box(window).text()
    message_box(window).close()


def test_unsaved_work_is_copied_and_offered_after_a_crash(
    window_with_people, own_recovery_dir, make_window, qtbot, monkeypatch
):
    window = window_with_people
    tracks = window.context.document.session.tracks
    document = window.context.document
    document.undo_stack.push(RenamePerson(document, 1, "Ada"))
    document.undo_stack.undo()
    window._autosave.save_copy()
    qtbot.waitUntil(lambda: window.context.tasks.num_running == 0)
    (copy,) = own_recovery_dir.iterdir()
    assert autosave.abandoned_copies() == []  # this process lives
    # Of processes that are gone: one copy, one that was not finished.
    pid, started, _ = copy.name.split("-")
    abandoned = copy.with_name(f"{pid}-{int(started) - 60}-0")
    shutil.copytree(copy, abandoned)
    dead = subprocess.Popen([sys.executable, "-c", ""])  # its parent has not asked for its end yet
    pid, started = dead.pid, int(psutil.Process(dead.pid).create_time())
    listed = shutil.copytree(copy, copy.with_name(f"{pid}-{started}-0"))
    qtbot.waitUntil(lambda: listed in autosave.abandoned_copies())
    dead.wait()
    shutil.rmtree(listed)
    unfinished = own_recovery_dir / "999999999-1-0"
    unfinished.mkdir()
    (unfinished / "base-1.posestage").write_bytes(b"half")
    assert autosave.abandoned_copies() == [abandoned]
    assert not unfinished.exists()

    second = make_window()
    second.offer_recovery()
    dialog = second.findChild(RecoveryDialog)
    item = dialog.list.topLevelItem(0)
    told = [item.text(column) for column in (0, 1, 2, 4)]
    assert told == ["walk.mp4", "Ann, Björn", "1", "not saved yet"]
    assert abs(datetime.strptime(item.text(3), "%d %b %Y, %H:%M:%S") - datetime.now()) < HOUR
    dialog.later_button.click()
    assert abandoned.exists()
    second.offer_recovery()
    second.findChildren(RecoveryDialog)[-1].restore_button.click()
    qtbot.waitUntil(lambda: second.context.document.session is not None)
    restored = second.context.document
    same_tracks(restored.session.tracks, tracks)
    assert restored.is_modified
    texts = restored.undo_stack.undoText(), restored.undo_stack.redoText()
    assert texts == ("Estimate", "Rename to Ada")
    # The copy is kept, now as one of this process, until the work is saved.
    assert not abandoned.exists()
    assert len(list(own_recovery_dir.iterdir())) == 2
    restored.undo_stack.undo()
    assert restored.session.tracks == ()


@pytest.fixture
def saved_session(session, people, video, tmp_path):
    """A session file of the video."""
    target = tmp_path / "walk.posestage"
    save_session(replace(session, clip=open_clip(video), tracks=people, truth=None), target)
    return target


def test_a_restored_session_is_saved_to_its_file_unless_that_has_changed(
    window, open_file, saved_session, own_recovery_dir, qtbot
):
    document, target = window.context.document, saved_session
    open_file(window, target)
    document.undo_stack.push(RenamePerson(document, 1, "Ada"))
    window._autosave.save_copy()
    qtbot.waitUntil(lambda: window.context.tasks.num_running == 0)
    (copy,) = own_recovery_dir.iterdir()
    (base,) = copy.glob("base-*")
    assert base.samefile(target)  # a second name of the user's file, not another copy
    abandoned = [shutil.copytree(copy, copy.with_name(f"999999999-1-{i}")) for i in range(2)]
    document.open(None)
    recovery.restore(window.context, window._autosave, abandoned[0])
    qtbot.waitUntil(lambda: document.session is not None)
    assert document.path == target
    assert document.session.tracks[0].name == "Ada"
    window._autosave.save_copy()  # knows the file, though nothing was saved to it yet
    qtbot.waitUntil(lambda: window.context.tasks.num_running == 0)
    own = read_recovery_info(window._autosave.folder)
    other = read_recovery_info(abandoned[1])
    assert (own.save_id, own.num_edits) == (other.save_id, other.num_edits)
    assert own.num_edits == 1
    window.actions_table["file.save"].trigger()
    qtbot.waitUntil(lambda: not document.is_modified)
    assert load_session(target).tracks[0].name == "Ada"
    assert load_session(target.with_name("walk.backup1.posestage")).tracks[0].name == "Ann"
    window.offer_recovery()
    dialog = window.findChild(RecoveryDialog)
    assert dialog.list.topLevelItem(0).text(4) == "saved later: walk.posestage"
    dialog.later_button.click()
    document.open(None)
    notices = []
    window.context.noticed.connect(notices.append)
    recovery.restore(window.context, window._autosave, abandoned[1])
    qtbot.waitUntil(lambda: document.session is not None)
    assert document.path is None  # something newer lies there now
    assert "walk.posestage was saved later" in notices[-1]


def test_a_copy_made_during_a_save_is_newer_than_the_saved_file(
    window, open_file, saved_session, own_recovery_dir, qtbot, monkeypatch
):
    """It holds what was done meanwhile; of the end of the save the killed process knew nothing."""
    document, target = window.context.document, saved_session
    open_file(window, target)
    document.undo_stack.push(RenamePerson(document, 1, "Ada"))
    may_go_on = threading.Event()

    def slow(*args, **settings):
        assert may_go_on.wait(60)
        return save_session(*args, **settings)

    monkeypatch.setattr("app.operations.save_session.save_session", slow)
    window.actions_table["file.save"].trigger()
    document.undo_stack.push(RenamePerson(document, 1, "Eve"))
    window._autosave.save_copy()
    qtbot.waitUntil(lambda: window.context.tasks.num_running == 1)
    (copy,) = own_recovery_dir.iterdir()
    abandoned = shutil.copytree(copy, copy.with_name("999999999-1-0"))
    may_go_on.set()
    qtbot.waitUntil(lambda: window.context.saving is None)
    assert load_session(target).tracks[0].name == "Ada"
    window.offer_recovery()
    dialog = window.findChild(RecoveryDialog)
    assert dialog.list.topLevelItem(0).text(4) == "walk.posestage"
    dialog.later_button.click()
    document.open(None)
    recovery.restore(window.context, window._autosave, abandoned)
    qtbot.waitUntil(lambda: document.session is not None)
    assert (document.path, document.session.tracks[0].name) == (target, "Eve")
    assert document.save_id == read_save_id(target)
    assert document.is_modified


def test_unsaved_work_is_discarded_only_after_a_question(window, session, own_recovery_dir, qtbot):
    folders = [own_recovery_dir / f"999999999-1-{i}" for i in range(2)]
    for folder in reversed(folders):
        save_recovery(folder, session, History(), RecoveryInfo("walk.mp4", ("Ann",), 3), None)
    (folders[0] / "changes.zip").write_bytes(b"damaged")
    window.offer_recovery()
    dialog = window.findChild(RecoveryDialog)
    assert dialog.list.topLevelItem(0).text(0) == "Cannot be read"
    assert dialog.restore_button.isEnabled()  # the one that can be read is chosen
    assert dialog.list.header().length() <= dialog.list.viewport().width()
    dialog.list.setCurrentItem(dialog.list.topLevelItem(0))
    assert not dialog.restore_button.isEnabled()
    for label in ("Cancel", "Discard"):
        dialog.discard_button.click()
        answer(qtbot, dialog, label)
        qtbot.waitUntil(lambda: message_box(dialog) is None)
        assert folders[0].exists() == (label == "Cancel")
    assert dialog.restore_button.isEnabled()
    dialog.later_button.click()
    assert load_recovery(folders[1]).info.num_edits == 3


def test_a_file_is_open_in_one_window_at_a_time(
    window, open_file, make_window, saved_session, tmp_path, monkeypatch, qtbot
):
    half = tmp_path / "walk.0123abcd.partial"
    half.write_bytes(b"of a save that was killed")
    (tmp_path / ".walk.posestage.lock").write_bytes(b"")  # as that left it
    open_file(window, saved_session)
    assert window.context.document.path == saved_session
    assert not half.exists()
    second = make_window()
    second.open_path(saved_session)
    answer(qtbot, second, "Open Read-Only")
    qtbot.waitUntil(lambda: second.context.document.session is not None)
    assert second.context.document.path is None
    assert second.windowTitle() == "walk.posestage (read-only)[*] - PoseStage"
    assert second.context.document.saved is None
    # Neither may its file be overwritten from there.
    choose(monkeypatch, "getSaveFileName", saved_session)
    for action in ("file.save", "file.save_copy"):
        second.actions_table[action].trigger()
        assert "open in another window" in message_box(second).text()
        message_box(second).close()
        qtbot.waitUntil(lambda: message_box(second) is None)
    asked = []
    monkeypatch.setattr(
        QFileDialog,
        "getSaveFileName",
        lambda *args, **_: asked.append(args[2]) or (str(tmp_path / "own.posestage"), ""),
    )
    notes.write_note(second.context, 3, "seen")
    second.actions_table["file.save"].trigger()
    qtbot.waitUntil(lambda: not second.context.document.is_modified)
    assert asked == [str(tmp_path / "walk copy.posestage")]
    assert second.windowTitle() == "own.posestage[*] - PoseStage"
    assert load_session(saved_session).notes == ()
    second.context.document.open(None)
    # A copy of one's own leaves the session where it is; a save under another name does not.
    document, lock = window.context.document, second.context.session_lock
    for action, name in (("file.save_copy", "one.posestage"), ("file.save_as", "two.posestage")):
        path = tmp_path / name
        choose(monkeypatch, "getSaveFileName", path)
        window.actions_table[action].trigger()
        qtbot.waitUntil(path.exists)
        qtbot.waitUntil(lambda: window.context.tasks.num_running == 0)
        is_copy = action == "file.save_copy"
        assert document.path == (saved_session if is_copy else path)
        assert lock.is_free(saved_session) == (not is_copy)
        assert lock.is_free(path) == is_copy
    for each in (window, second):
        each.context.document.open(None)
    assert not list(tmp_path.glob(".*.lock"))


def test_the_history_list_goes_to_any_state(window_with_people, qtbot):
    window, document = window_with_people, window_with_people.context.document
    for name in ("Ada", "Eve"):
        document.undo_stack.push(RenamePerson(document, 1, name))
    window.actions_table["edit.history"].trigger()
    dialog = window.findChild(HistoryDialog)
    model = dialog.list.model()
    rows = [model.index(row, 0) for row in range(model.rowCount())]
    texts = ["The beginning", "Estimate", "Rename to Ada", "Rename to Eve"]
    assert [row.data() for row in rows] == texts
    changes = []
    document.changed.connect(changes.append)
    for row, name in ((0, None), (2, "Ada")):
        position = dialog.list.visualRect(model.index(row, 0)).center()
        qtbot.mouseClick(dialog.list.viewport(), Qt.MouseButton.LeftButton, pos=position)
        qtbot.waitUntil(lambda row=row: document.undo_stack.index() == row)
        tracks = document.session.tracks
        assert (tracks[0].name if tracks else None) == name
    # Each click is told once, however many steps it takes.
    assert [change.kind for change in changes] == ["people", "poses", "people", "poses"]
    document.history_bytes = 1
    document.limit_history()
    assert model.rowCount() == 3
    assert window.actions_table["edit.undo"].text() == "Undo Rename to Ada"
    dialog.close()


def test_the_copy_goes_once_all_is_saved(window_with_people, own_recovery_dir, tmp_path, qtbot):
    window = window_with_people
    window._autosave.save_copy()
    qtbot.waitUntil(lambda: window.context.tasks.num_running == 0)
    assert len(list(own_recovery_dir.iterdir())) == 1
    window.context.document.path = tmp_path / "mine.posestage"
    window.actions_table["file.save"].trigger()
    qtbot.waitUntil(lambda: list(own_recovery_dir.iterdir()) == [])


def test_the_sample_action_says_when_there_is_none(window, monkeypatch, qtbot):
    monkeypatch.setattr(open_file, "sample_clip", lambda: None)
    open_file.open_sample(window.context)
    assert "sample clip" in message_box(window).text()
    message_box(window).close()


def test_a_session_of_a_newer_version_is_told(window, session, tmp_path, qtbot):
    path = tmp_path / "newer.posestage"
    save_session(replace(session, truth=None), path)
    rewrite_version(path, 999)
    window.open_path(path)
    qtbot.waitUntil(lambda: message_box(window) is not None)
    assert "newer" in message_box(window).text()
    message_box(window).close()


def rewrite_version(path, version):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    content = json.loads(members["session.json"])
    content["format_version"] = version
    members["session.json"] = json.dumps(content).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
