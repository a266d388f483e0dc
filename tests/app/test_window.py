"""Actions, people, settings, themes, errors, and how the window starts."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtGui import QGuiApplication, QImage, QKeySequence, QPalette
from PySide6.QtWidgets import QApplication, QMenu, QMessageBox

from app import bootstrap
from app.__main__ import main
from app.actions import ACTIONS, MENUS, Actions
from app.commands import SetTracks
from app.dialogs.go_to_frame import GoToFrameDialog, parse_position
from app.dialogs.palette import PaletteDialog
from app.dialogs.settings_dialog import SettingsDialog
from app.dialogs.shortcuts import ShortcutsDialog
from app.document import Change
from app.operations.navigation import flags
from app.settings import Settings
from app.widgets.theme import theme
from pose_core.clip import Clip
from pose_core.poses import Keypoints2D
from pose_core.session import Track

ROOT = Path(__file__).parents[2]


def person(track_id, present, name=None, swapped=None, offset=0.0):
    """A track that is present in some frames."""
    xy = np.full((len(present), 17, 2), np.nan, np.float32)
    xy[present] = np.linspace(10, 100, 34).reshape(17, 2) + offset
    scores = np.where(np.isnan(xy[..., 0]), 0, 0.9)
    name = name or f"Person {track_id}"
    return Track(track_id, name, Keypoints2D(xy, scores), {}, swapped)


@pytest.fixture
def window_with_two(window, open_file, numbered_clip):
    open_file(window, numbered_clip)
    document = window.context.document
    everywhere = np.ones(90, dtype=bool)
    tracks = (person(1, everywhere), person(4, everywhere, "Ben", offset=60.0))
    after = document.session.with_tracks(tracks)
    document.undo_stack.push(SetTracks(document, "Estimate", after, Change("poses")))
    return window


def names(window):
    return [track.name for track in window.context.document.session.tracks]


# -- actions -------------------------------------------------------------------------------


def test_every_action_is_in_its_menu_and_does_something(window):
    assert {spec.menu for spec in ACTIONS} <= set(MENUS)
    bar = [action.text().replace("&", "") for action in window.menuBar().actions()]
    assert bar == list(MENUS)
    handlers = window._handlers()
    assert {spec.id for spec in ACTIONS} == set(handlers)


def test_no_two_actions_share_a_shortcut(window):
    users = {}
    for action in window.actions_table.all():
        for sequence in action.shortcuts():
            assert not sequence.isEmpty(), action.objectName()
            assert sequence.toString() not in users, (users, action.objectName())
            users[sequence.toString()] = action.objectName()


def test_menus_show_their_tips(window):
    menus = [menu for menu in window.menuBar().findChildren(QMenu) if menu.title() == "&Train"]
    assert menus[0].toolTipsVisible()


def test_a_changed_shortcut_is_kept_and_a_taken_one_refused(window, settings, qtbot):
    window.actions_table["help.shortcuts"].trigger()
    dialog = window.findChild(ShortcutsDialog)
    (item,) = dialog.tree.findItems("Loop", Qt.MatchFlag.MatchRecursive | Qt.MatchFlag.MatchExactly)
    dialog.tree.setCurrentItem(item)
    dialog.key_edit.setKeySequence(QKeySequence("Space"))
    dialog._assign.click()
    assert "Play or Pause" in dialog.message.text()
    assert window.actions_table["go.loop"].shortcut().toString() == "L"
    dialog.key_edit.setKeySequence(QKeySequence("Ctrl+Alt+L"))
    dialog._assign.click()
    dialog.close()
    assert window.actions_table["go.loop"].shortcut().toString() == "Ctrl+Alt+L"
    assert Actions(settings, window)["go.loop"].shortcut().toString() == "Ctrl+Alt+L"


def test_the_palette_finds_and_runs_an_action(window, open_file, numbered_clip, qtbot):
    open_file(window, numbered_clip)
    window.actions_table["tools.palette"].trigger()
    dialog = window.findChild(PaletteDialog)
    qtbot.keyClicks(dialog.search, "last frame")
    qtbot.keyClick(dialog.search, Qt.Key.Key_Return)
    assert window.context.view_state.frame == 89


def test_hidden_poses_say_how_to_get_them_back(window, open_file, numbered_clip, qtbot):
    open_file(window, numbered_clip)
    qtbot.keyClick(window, Qt.Key.Key_H)
    assert not window.context.view_state.are_poses_visible
    assert "Press H" in window.statusBar().currentMessage()
    qtbot.keyClick(window, Qt.Key.Key_H)
    assert window.context.view_state.are_poses_visible
    assert window.statusBar().currentMessage() == ""


def test_the_number_pad_turns_the_3d_view_and_the_digits_choose_people(window_with_two, qtbot):
    window, state = window_with_two, window_with_two.context.view_state
    looks = []
    for key in (Qt.Key.Key_1, Qt.Key.Key_3, Qt.Key.Key_7):
        qtbot.keyClick(window, key, Qt.KeyboardModifier.KeypadModifier)
        looks.append(window.skeleton.orbit)
    assert len({(look.azimuth_deg, look.elevation_deg) for look in looks}) == 3
    assert state.track_id == 1
    qtbot.keyClick(window, Qt.Key.Key_2)
    assert state.track_id == 4


# -- people --------------------------------------------------------------------------------


def test_renaming_in_the_list_can_be_undone(window_with_two, qtbot):
    window = window_with_two
    tree = window.people._list
    tree.topLevelItem(0).setText(0, "Ada")
    qtbot.waitUntil(lambda: names(window) == ["Ada", "Ben"])
    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert names(window) == ["Person 1", "Ben"]
    tree.topLevelItem(0).setText(0, "   ")
    qtbot.waitUntil(lambda: tree.topLevelItem(0).text(0) == "Person 1")
    assert names(window) == ["Person 1", "Ben"]


def test_deleting_a_person_selects_another_and_can_be_undone(window_with_two, qtbot):
    window, state = window_with_two, window_with_two.context.view_state
    qtbot.keyClick(window, Qt.Key.Key_Delete)
    assert names(window) == ["Ben"]
    assert state.track_id == 4
    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert names(window) == ["Person 1", "Ben"]


def test_flags_lie_where_the_person_comes_goes_and_was_exchanged():
    present = np.zeros(30, dtype=bool)
    present[4:20] = True
    swapped = np.zeros(30, dtype=bool)
    swapped[8:11] = True
    assert flags(person(1, present, swapped=swapped)).tolist() == [4, 8, 19]


# -- positions -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "frame"),
    [("7", 7), ("0", 0), ("1.0s", 25), ("0:01", 25), ("0:00.5", 12), ("90", None), ("x", None)],
)
def test_frames_and_times_are_understood(text, frame):
    clip = Clip(Path("a.mp4"), 4, 4, np.arange(90) / 25, "f")
    assert parse_position(text, clip) == frame


def test_go_to_frame_goes_there(window, open_file, numbered_clip, qtbot):
    open_file(window, numbered_clip)
    qtbot.keyClick(window, Qt.Key.Key_J, Qt.KeyboardModifier.ControlModifier)
    dialog = window.findChild(GoToFrameDialog)
    dialog.line.setText("42")
    dialog.accept()
    assert window.context.view_state.frame == 42


# -- settings, themes, errors --------------------------------------------------------------


def test_settings_take_effect_and_the_scale_can_be_undone(window, open_file, numbered_clip, qtbot):
    open_file(window, numbered_clip)
    document = window.context.document
    window.actions_table["pose.scale"].trigger()
    dialog = window.findChild(SettingsDialog)
    dialog.body_height.is_known.setChecked(True)
    dialog.body_height.spin.setValue(1.82)
    dialog.boxes["quality"].setCurrentIndex(dialog.boxes["quality"].findData("accurate"))
    dialog.accept()
    qtbot.waitUntil(lambda: document.session.body_height_m == pytest.approx(1.82))
    wanted = window.estimator.settings()
    assert wanted.quality == "accurate"
    assert wanted.body_height_m == pytest.approx(1.82)
    assert wanted.focal_px is None
    document.undo_stack.undo()
    assert document.session.body_height_m is None


def test_both_themes_can_be_read(window):
    for choice, is_dark in (("dark", True), ("light", False)):
        theme().choose(choice)
        palette = QApplication.palette()
        background = palette.color(QPalette.ColorRole.Window).lightness()
        text = palette.color(QPalette.ColorRole.WindowText).lightness()
        assert (background < text) is is_dark
        assert abs(background - text) > 150


def test_uncaught_errors_are_shown_once_with_details_to_copy(window, qtbot, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr("threading.excepthook", sys.excepthook)
    reporter = bootstrap.ErrorReporter(window)
    for text in ("first", "second"):
        try:
            raise ValueError(text)
        except ValueError as error:
            reporter._on_exception(type(error), error, error.__traceback__)
    qtbot.waitUntil(lambda: window.findChild(QMessageBox) is not None)
    (dialog,) = window.findChildren(QMessageBox)
    assert "first" in dialog.text()
    (copy,) = [b for b in dialog.buttons() if b.text().replace("&", "") == "Copy the Details"]
    copy.click()
    assert dialog.isVisible()
    assert "ValueError: first" in QGuiApplication.clipboard().text()
    dialog.close()


def test_the_layout_is_remembered_and_can_be_reset(make_window, open_file, numbered_clip, qtbot):
    first = make_window()
    open_file(first, numbered_clip)
    people = first.workspace._people
    people.close()
    first.context.document.open(None)
    first.close()
    second = make_window()
    open_file(second, numbered_clip)
    assert not second.workspace._people.isVisible()
    second.actions_table["window.reset"].trigger()
    assert second.workspace._people.isVisible()


def test_settings_survive_nonsense(tmp_path):
    file = tmp_path / "settings.ini"
    file.write_text("[General]\nmodel=@Invalid()\nloop=maybe\n[folder]\nvideo=7\n")
    settings = Settings(QSettings(str(file), QSettings.Format.IniFormat))
    assert settings.get("missing", "x") == "x"
    assert settings.folder("video") == "7"
    assert settings.recent_files() == []


# -- start ---------------------------------------------------------------------------------


def test_nothing_slow_is_imported_before_the_first_paint():
    code = """
import sys
from PySide6.QtCore import QSettings, QTimer
from app import bootstrap
from app.main_window import MainWindow
from app.settings import Settings
application = bootstrap.make_application([])
settings = Settings(QSettings("", QSettings.Format.IniFormat))
bootstrap.apply_theme(settings)
window = MainWindow(settings)
window.show()
def look():
    slow = ("torch", "scipy", "trimesh", "ai_edge_litert", "pyqtgraph")
    print([name for name in slow if name in sys.modules])
    window.close()
QTimer.singleShot(300, look)
application.exec()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["[]"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_screenshot_shows_the_clip_in_the_theme_asked_for(numbered_clip, tmp_path, theme):
    picture = tmp_path / "window.png"
    command = [sys.executable, "-m", "app", str(numbered_clip), "--screenshot", str(picture)]
    command += ["--theme", theme]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    image = QImage(str(picture))
    assert image.width() >= 1000
    # Frame 0 is eight black blocks on grey: they are somewhere in the left half.
    dark = sum(
        image.pixelColor(x, y).lightness() < 40
        for x in range(0, image.width() // 2, 4)
        for y in range(0, image.height(), 4)
    )
    assert dark > 500
    corner = image.pixelColor(20, image.height() - 6).lightness()
    assert corner < 90 if theme == "dark" else corner > 200


def test_a_screenshot_of_a_bad_file_fails_in_one_line(tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    command = [sys.executable, "-m", "app", str(bad), "--screenshot", str(tmp_path / "x.png")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert "bad.mp4" in done.stderr
    assert not (tmp_path / "x.png").exists()


def test_without_a_display_the_message_is_plain(monkeypatch, capsys):
    monkeypatch.setattr(bootstrap, "has_display", lambda: False)
    assert main([]) == 1
    assert "no display" in capsys.readouterr().err
