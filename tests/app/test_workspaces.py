"""Workspaces: each keeps its layout, panel and size of letters, also over a restart."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QWidget

from app.dialogs.palette import PaletteDialog
from app.views.workspace import ROLES
from app.widgets.flow import FlowLayout
from app.widgets.theme import theme

TEACHER = ROLES["teacher"]


@pytest.fixture(autouse=True)
def letters_as_before(qapp):
    """The size of the letters belongs to the application, and so to all tests."""
    size = qapp.font().pointSizeF()
    yield size
    font = qapp.font()
    font.setPointSizeF(size)
    qapp.setFont(font)


def visible_docks(window):
    return {dock.objectName() for dock in window.workspace._docks() if dock.isVisible()}


def place_of(window, name):
    """Rectangle of a dock in the workspace."""
    return next(d for d in window.workspace._docks() if d.objectName() == name).geometry()


def is_arranged_as(window, places):
    """Whether the same docks are shown in the same places, but for a few pixels."""
    if visible_docks(window) != set(places):
        return False
    shifts = [
        np.subtract(place_of(window, name).getCoords(), place.getCoords())
        for name, place in places.items()
    ]
    return np.abs(shifts).max() <= 5


def test_workspaces_keep_layout_panel_and_letters(
    make_window, open_file, short_clip, qtbot, letters_as_before
):
    window = make_window()
    window.resize(1400, 850)
    open_file(window, short_clip)
    size = letters_as_before
    assert visible_docks(window) == {"skeleton", "people", "timeline"}

    # The analyst gives the people another width and opens a panel.
    own, at_first = window.workspace, place_of(window, "people").width()
    docks = [own._skeleton, own._people]
    own.resizeDocks(docks, [420, at_first + 90], Qt.Orientation.Horizontal)
    window.actions_table["laboratory.anatomy"].trigger()
    qtbot.waitUntil(lambda: place_of(window, "people").width() > at_first + 60)
    qtbot.wait(20)
    analyst = {name: place_of(window, name) for name in visible_docks(window)}

    qtbot.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.AltModifier)
    assert visible_docks(window) == {"skeleton", "laboratory", "timeline"}
    assert window.laboratory.current == "stages"
    assert window.actions_table["window.teacher"].isChecked()
    assert not window.actions_table["window.analyst"].isChecked()
    assert not window.estimate_bar.isVisible()
    for widget in (window.menuBar(), window.laboratory.tabBar(), window.timeline, window.video):
        assert widget.font().pointSizeF() == pytest.approx(size * TEACHER.text_scale), widget
    qtbot.wait(20)
    lesson, video = place_of(window, "laboratory"), window.video.geometry()
    assert lesson.left() > video.right()
    assert lesson.width() > 0.4 * own.width()
    assert lesson.height() > 0.9 * own.height()
    assert place_of(window, "skeleton").top() > video.bottom()

    # A teacher who does without the timeline has none when they come back, and only they.
    own._timeline.close()
    window.workspaces.choose("analyst")
    qtbot.waitUntil(lambda: is_arranged_as(window, analyst))
    assert window.laboratory.current == "anatomy"
    assert window.estimate_bar.isVisible()
    assert QApplication.font().pointSizeF() == pytest.approx(size)
    window.actions_table["tools.palette"].trigger()
    dialog = window.findChild(PaletteDialog)
    qtbot.keyClicks(dialog.search, "teacher")
    qtbot.keyClick(dialog.search, Qt.Key.Key_Return)
    assert visible_docks(window) == {"skeleton", "laboratory"}
    window.laboratory.turn_to("curves")
    window.close()

    # All of it is there after a restart, until it is reset: this workspace, and only it.
    window = make_window()
    window.resize(1400, 850)
    assert window.workspaces.role.name == "teacher"
    assert QApplication.font().pointSizeF() == pytest.approx(size * TEACHER.text_scale)
    open_file(window, short_clip)
    assert visible_docks(window) == {"skeleton", "laboratory"}
    assert window.laboratory.current == "curves"
    window.actions_table["window.reset"].trigger()
    assert visible_docks(window) == {"skeleton", "laboratory", "timeline"}
    assert window.laboratory.current == "stages"
    window.workspaces.choose("analyst")
    qtbot.waitUntil(lambda: is_arranged_as(window, analyst))
    window.actions_table["window.reset"].trigger()
    assert visible_docks(window) == {"skeleton", "people", "timeline"}


def test_large_letters_are_not_cut_off(make_window, open_file, short_clip, qtbot):
    window = make_window()
    window.resize(1280, 800)
    window.workspaces.choose("teacher")
    qtbot.wait(20)
    assert_all_words_fit(window.welcome)
    open_file(window, short_clip)
    window.truth.readout.show_errors("Error of a model", {"MPJPE": (1234.5, np.nan)})
    for name in ("stages", "curves", "anatomy", "loss_surface"):
        window.actions_table[f"laboratory.{name}"].trigger()
        qtbot.wait(20)
        assert_all_words_fit(window.laboratory)
    for part in (window.truth.readout, window.transport, window.statusBar()):
        assert_all_words_fit(part)


def assert_all_words_fit(parent):
    """No label or button is smaller than its words, nor wider than what it lies in."""
    buttons = [b for b in parent.findChildren(QAbstractButton) if b.icon().isNull()]
    shown = [w for w in (*parent.findChildren(QLabel), *buttons) if w.isVisible() and w.text()]
    assert shown
    for widget in shown:
        if not (isinstance(widget, QLabel) and widget.wordWrap()):
            words = widget.fontMetrics().horizontalAdvance(widget.text())
            assert widget.width() >= words, widget.text()
        assert widget.height() >= widget.fontMetrics().height(), widget.text()
        right = widget.mapTo(widget.window(), widget.rect().topRight()).x()
        assert right <= widget.window().width(), widget.text()


def test_widgets_have_their_colours_when_the_theme_says_that_it_changed(qtbot):
    page = QWidget()
    qtbot.addWidget(page)
    label = QLabel("x", page)
    page.show()
    seen = []

    def look() -> None:
        seen.append(label.palette().window().color().lightness())

    theme().choose("light")
    theme().changed.connect(look)
    theme().choose("dark")
    theme().choose("light")
    theme().changed.disconnect(look)
    assert seen[0] < 100 < 200 < seen[1]


def test_buttons_flow_into_the_next_line(qtbot):
    page = QWidget()
    qtbot.addWidget(page)
    flow = FlowLayout(*(QLabel("mmmmmmmm") for _ in range(4)))
    page.setLayout(flow)
    one_line = flow.sizeHint()
    assert flow.heightForWidth(one_line.width()) == one_line.height()
    assert flow.heightForWidth(one_line.width() - 1) > 2 * one_line.height()
    narrow = flow.minimumSize().width()
    assert flow.heightForWidth(narrow) > 4 * one_line.height()
