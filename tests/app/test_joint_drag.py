"""Dragging a joint on the video: where it goes, and that all else the mouse does stays."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.views.overlay2d import PersonOverlay
from app.views.video import VideoView
from pose_core.poses import SOURCE_DETECTOR

NONE, LEFT, MIDDLE = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton
PRESS, MOVE = QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove
RELEASE = QEvent.Type.MouseButtonRelease
JOINT = 7


def person(track_id=1, is_selected=True, shift=(0, 0), **changes):
    index = np.arange(17)
    xy = np.stack([40.3 + 60 * (index % 6), 60.7 + 80 * (index // 6)], axis=1) + shift
    values = {"sources": np.full(17, SOURCE_DETECTOR), **changes}
    return PersonOverlay(track_id, xy, np.full(17, 0.3), is_selected, **values)


@pytest.fixture
def view(qtbot):
    """A view with two people, of whom the first one's joints can be taken."""
    view = VideoView()
    qtbot.addWidget(view)
    view.resize(500, 400)
    view.set_frame(np.full((300, 400, 3), 90, np.uint8), 7)
    with qtbot.waitExposed(view):
        view.show()
    view.grab()
    view.set_people([person(), person(2, False, (31, 37))])
    view.joint_drag.track_id = 1
    return view


@pytest.fixture
def told(view):
    """What the signals said, in order."""
    told, drag = [], view.joint_drag
    for name in ("drag_began", "dragged", "drag_ended", "drag_cancelled"):
        getattr(drag, name).connect(lambda *values, name=name: told.append((name, *values)))
    return told


def local(view, xy):
    return QPointF(*(view.zoom.to_device(np.asarray(xy)) / view.devicePixelRatioF()))


def mouse(view, kind, at, button=NONE, held=NONE, keys=Qt.KeyboardModifier.NoModifier):
    where = QPointF(view.mapToGlobal(at.toPoint()))
    QApplication.sendEvent(view, QMouseEvent(kind, at, where, button, held, keys))


def wheel(view, at, notches):
    where, delta = QPointF(view.mapToGlobal(at.toPoint())), QPoint(0, round(120 * notches))
    keys, phase = Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase
    event = QWheelEvent(at, where, QPoint(), delta, NONE, keys, phase, False)
    QApplication.sendEvent(view, event)


def names(told):
    return [each[0] for each in told]


@pytest.mark.parametrize("notches", [0, 3, -2])
def test_the_joint_follows_the_mouse_to_a_fraction_of_a_pixel(view, told, notches):
    """It stays as far from the cursor as it was taken, through zoom and pan."""
    if notches:
        wheel(view, QPointF(231, 187), notches)
        mouse(view, PRESS, QPointF(5, 5), MIDDLE, MIDDLE)
        mouse(view, MOVE, QPointF(-20, 30), NONE, MIDDLE)
        mouse(view, RELEASE, QPointF(-20, 30), MIDDLE)
    joint, zoom = person().xy[JOINT], view.zoom
    start, beside = local(view, joint), QPointF(2.5, -1.25)
    scale = zoom.scale / view.devicePixelRatioF()
    mouse(view, PRESS, start + beside, LEFT, LEFT)
    mouse(view, MOVE, start + beside + QPointF(3, 0), NONE, LEFT)
    assert told == []  # it may still be a click
    for by in (QPointF(20.5, 8.25), QPointF(-33.75, 40), QPointF(1, 0)):
        mouse(view, MOVE, start + beside + by, NONE, LEFT)
        name, index, x, y = told[-1]
        assert (name, index) == ("dragged", JOINT)
        # Where the cursor may be: Qt keeps positions as whole numbers of fractions of a pixel.
        assert (x, y) == pytest.approx(joint + np.array([by.x(), by.y()]) / scale, abs=0.02)
    mouse(view, RELEASE, start + beside, LEFT)
    assert names(told) == ["drag_began", "dragged", "dragged", "dragged", "drag_ended"]
    assert view.zoom == zoom  # the picture stays where it is


def test_zooming_while_a_joint_is_held_keeps_it_at_the_cursor(view, told):
    joint = person().xy[JOINT]
    start = local(view, joint) + QPointF(3, 2)
    mouse(view, PRESS, start, LEFT, LEFT)
    mouse(view, MOVE, start + QPointF(30, 20), NONE, LEFT)
    before = told[-1][2:]
    wheel(view, start + QPointF(30, 20), 4)
    mouse(view, MOVE, start + QPointF(30, 20), NONE, LEFT)
    assert told[-1][2:] == pytest.approx(before, abs=0.02)


def test_escape_aborts_and_letting_go_then_does_nothing(view, told, qtbot):
    start = local(view, person().xy[JOINT])
    mouse(view, PRESS, start, LEFT, LEFT)
    mouse(view, MOVE, start + QPointF(40, 0), NONE, LEFT)
    QTest.keyClick(view, Qt.Key.Key_Escape)
    assert names(told) == ["drag_began", "dragged", "drag_cancelled"]
    zoom = view.zoom
    with qtbot.assertNotEmitted(view.person_clicked):
        mouse(view, MOVE, start + QPointF(80, 0), NONE, LEFT)
        mouse(view, RELEASE, start + QPointF(80, 0), LEFT)
    assert len(told) == 3
    assert view.zoom == zoom
    view.joint_drag.cancel()
    assert len(told) == 3


def test_a_click_chooses_and_other_presses_do_what_they_did(view, told, qtbot):
    first, second = person(), person(2, False, (31, 37))
    for each in (first, second):
        with qtbot.waitSignal(view.person_clicked) as clicked:
            qtbot.mouseClick(view, LEFT, pos=local(view, each.xy[JOINT]).toPoint())
        assert clicked.args == [each.track_id]
    zoom = view.zoom

    def drag(at, button=LEFT, keys=Qt.KeyboardModifier.NoModifier):
        mouse(view, PRESS, at, button, button, keys)
        mouse(view, MOVE, at + QPointF(40, 10), NONE, button, keys)
        mouse(view, RELEASE, at + QPointF(40, 10), button, NONE, keys)

    on_joint = local(view, first.xy[JOINT])
    drag(local(view, second.xy[JOINT]))  # of another person: neither taken nor a pan
    drag(on_joint, keys=Qt.KeyboardModifier.AltModifier)
    assert view.zoom == zoom
    drag(local(view, (15, 15)))
    assert view.zoom != zoom
    view.fit()
    drag(local(view, first.xy[JOINT]), MIDDLE)
    view.fit()
    for stop in (
        lambda: setattr(view.joint_drag, "track_id", None),
        lambda: view.set_preview(True),
        lambda: view.set_poses_visible(False),
        lambda: view.set_people([person(sources=None)]),  # live: an estimate runs
    ):
        stop()
        drag(local(view, first.xy[JOINT]))
        view.set_people([first, second])
        view.joint_drag.track_id = 1
        view.set_preview(False)
        view.set_poses_visible(True)
        view.fit()
    assert told == []


def test_another_button_leaves_the_joint_in_the_hand(view, told):
    start = local(view, person().xy[JOINT])
    zoom = view.zoom
    mouse(view, PRESS, start, LEFT, LEFT)
    mouse(view, MOVE, start + QPointF(40, 0), NONE, LEFT)
    mouse(view, PRESS, start + QPointF(40, 0), MIDDLE, LEFT | MIDDLE)
    mouse(view, MOVE, start + QPointF(50, 0), NONE, LEFT | MIDDLE)
    mouse(view, RELEASE, start + QPointF(50, 0), MIDDLE, LEFT)
    assert view.zoom == zoom
    assert names(told) == ["drag_began", "dragged", "dragged"]
    mouse(view, RELEASE, start + QPointF(50, 0), LEFT)
    assert names(told)[-1] == "drag_ended"
    mouse(view, PRESS, start, LEFT, LEFT)
    mouse(view, MOVE, start + QPointF(40, 0), NONE, LEFT)
    view.clear()
    assert names(told)[-1] == "drag_cancelled"


def test_a_moved_joint_is_drawn_where_it_is_as_one_set_by_the_user(view):
    def painted():
        image = view.grab().toImage()
        x, y = view.zoom.to_device(np.array([150.0, 30.0])).astype(int)
        box = [(x + dx, y + dy) for dx in range(-14, 15) for dy in range(-14, 15)]
        return sum(image.pixelColor(*place).lightness() > 235 for place in box)

    assert painted() == 0
    moved = np.full((17, 2), np.nan)
    moved[JOINT] = 150, 30
    view.set_moved_joints(1, 7, moved)
    assert painted() > 20  # the white frame
    view.set_moved_joints(1, 8, moved)  # in another frame
    assert painted() == 0
    view.set_moved_joints(1, 7, None)
    assert painted() == 0
