"""The timeline in a real window: frames under the mouse, lanes, ranges, a million frames."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QMouseEvent, QResizeEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.views.lanes import Lane, TimeAxis, ticks, time_text
from app.views.timeline import Timeline

NO_BUTTON, LEFT_BUTTON = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
NONE, ALT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.AltModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
PRESS, MOVE = QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove
RELEASE, TWICE = QEvent.Type.MouseButtonRelease, QEvent.Type.MouseButtonDblClick

NUM_FRAMES = 120
TIMES = np.arange(NUM_FRAMES) / 30


def mouse(
    view: Timeline,
    kind: QEvent.Type,
    x: float,
    held=LEFT_BUTTON,
    modifiers=NONE,
    button=LEFT_BUTTON,
) -> None:
    at = QPointF(x, view.plot_rect().center().y())
    where = QPointF(view.mapToGlobal(at.toPoint()))
    button = NO_BUTTON if kind == MOVE else button
    QApplication.sendEvent(view, QMouseEvent(kind, at, where, button, held, modifiers))


def drag(view: Timeline, start: float, end: float, modifiers=NONE, button=LEFT_BUTTON) -> None:
    mouse(view, PRESS, start, button, modifiers, button)
    for share in (0.4, 0.8, 1.0):
        mouse(view, MOVE, start + share * (end - start), button, modifiers)
    mouse(view, RELEASE, end, NO_BUTTON, modifiers, button)


def wheel(view: Timeline, x: float, notches: float, modifiers=NONE) -> None:
    at = QPointF(x, view.plot_rect().center().y())
    where = QPointF(view.mapToGlobal(at.toPoint()))
    turned = QPoint(0, round(120 * notches))
    phase = Qt.ScrollPhase.NoScrollPhase
    event = QWheelEvent(at, where, QPoint(), turned, NO_BUTTON, modifiers, phase, False)
    QApplication.sendEvent(view, event)


def pixels(view: Timeline) -> np.ndarray:
    """(H, W, 3) int of what the view paints."""
    image = view.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)


class Heard:
    """Everything a timeline says."""

    def __init__(self, view: Timeline) -> None:
        self.moved: list[int] = []
        self.released: list[int] = []
        self.ranges: list[tuple[int, int]] = []
        view.scrub_moved.connect(self.moved.append)
        view.scrub_released.connect(self.released.append)
        view.range_changed.connect(lambda start, end: self.ranges.append((start, end)))


@pytest.fixture
def view(qtbot):
    """A timeline of 120 frames at 30 frames/s, 900 pixels wide."""
    view = Timeline()
    qtbot.addWidget(view)
    view.set_clip(TIMES)
    view.resize(900, 140)
    with qtbot.waitExposed(view):
        view.show()
    return view


def test_scrubbing_says_every_frame_it_passes_and_the_last_one(view):
    heard = Heard(view)
    mouse(view, PRESS, view.x_of_frame(40))
    for frame in (41, 41, 57, 3):
        mouse(view, MOVE, view.x_of_frame(frame))
    assert heard.released == []
    mouse(view, RELEASE, view.x_of_frame(3), NO_BUTTON)
    assert heard.moved == [40, 41, 57, 3]
    assert heard.released == [3]
    assert view.frame == 3
    drag(view, view.x_of_frame(10), 5000)
    assert heard.released == [3, NUM_FRAMES - 1]


@pytest.mark.parametrize("zoom", [0, 12])
def test_every_frame_can_be_reached_at_a_variable_rate(view, zoom):
    steps = np.random.default_rng(0).uniform(0.01, 0.2, 59)
    view.set_clip(np.concatenate([[0.0], np.cumsum(steps)]))
    wheel(view, view.x_of_frame(30), zoom)
    plot = view.plot_rect()
    frames = [f for f in range(60) if plot.left() < view.x_of_frame(f) < plot.right()]
    assert len(frames) == 60 if zoom == 0 else 2 < len(frames) < 30
    assert [view.frame_at_x(view.x_of_frame(frame)) for frame in frames] == frames


def test_playhead_follows_the_player_but_not_while_it_is_held(view):
    view.set_frame(25)
    assert view.frame == 25
    mouse(view, PRESS, view.x_of_frame(60))
    view.set_frame(26)
    assert view.frame == 60
    mouse(view, RELEASE, view.x_of_frame(60), NO_BUTTON)
    view.set_frame(10_000)
    assert view.frame == NUM_FRAMES - 1


@pytest.mark.parametrize(("first", "second"), [(40, 41), (41, 40), (0, 119), (90, 3)])
@pytest.mark.parametrize("has_focus", [False, True])
def test_a_step_paints_all_that_is_another_picture_and_little_else(
    view, qtbot, monkeypatch, first, second, has_focus
):
    view.add_lane("Error", np.linspace(0, 90, NUM_FRAMES), value_range=(0, 100), unit="mm")
    if has_focus:
        view.setFocus()
    view.set_frame(first)
    before = pixels(view)
    regions = []
    monkeypatch.setattr(view, "update", regions.append)
    view.set_frame(second)
    painted = np.zeros(before.shape[:2], bool)
    for rect in regions[0]:
        painted[rect.top() : rect.bottom() + 1, rect.left() : rect.right() + 1] = True
    is_other = (pixels(view) != before).any(axis=2)
    assert is_other.any()
    assert not (is_other & ~painted).any()
    assert painted.mean() < 0.5


def test_escape_puts_the_playhead_back(view):
    heard = Heard(view)
    view.set_frame(33)
    mouse(view, PRESS, view.x_of_frame(80))
    QTest.keyClick(view, Qt.Key.Key_Escape)
    mouse(view, RELEASE, view.x_of_frame(80), NO_BUTTON)
    assert heard.released == [33]
    assert view.frame == 33


def test_keys_step_when_the_timeline_has_the_focus(view):
    heard = Heard(view)
    view.set_frame(50)
    for key, modifiers in (
        *((Qt.Key.Key_Left, NONE), (Qt.Key.Key_Right, SHIFT)),
        *((Qt.Key.Key_End, NONE), (Qt.Key.Key_Right, NONE), (Qt.Key.Key_Home, NONE)),
    ):
        QTest.keyClick(view, key, modifiers)
    assert heard.released == [49, 59, 119, 119, 0]


def test_shift_drag_selects_a_half_open_range(view):
    heard = Heard(view)
    drag(view, view.x_of_frame(20), view.x_of_frame(35), SHIFT)
    drag(view, view.x_of_frame(35), view.x_of_frame(20), SHIFT)
    drag(view, view.x_of_frame(100), 5000, SHIFT)
    assert heard.ranges == [(20, 36), (20, 36), (100, NUM_FRAMES)]
    assert heard.moved == []
    bare = pixels(view)
    view.set_range(5, 90)
    assert not np.array_equal(pixels(view), bare)
    view.clear_range()
    view.set_range(0, 10_000)
    drag(view, 300, 301, SHIFT)  # a click selects nothing
    assert len(heard.ranges) == 3


def test_escape_puts_the_range_back(view):
    heard = Heard(view)
    view.set_range(10, 20)
    before = pixels(view)
    mouse(view, PRESS, view.x_of_frame(50), modifiers=SHIFT)
    mouse(view, MOVE, view.x_of_frame(90), modifiers=SHIFT)
    QTest.keyClick(view, Qt.Key.Key_Escape)
    mouse(view, RELEASE, view.x_of_frame(90), NO_BUTTON)
    QApplication.sendEvent(view, QEvent(QEvent.Type.Leave))
    assert heard.ranges == []
    assert np.array_equal(pixels(view), before)


def test_zooming_keeps_the_time_under_the_mouse(view):
    x = view.x_of_frame(75)
    for zoom in (
        lambda: wheel(view, x, 6),
        lambda: drag(view, x, x + 160, ALT),
        lambda: drag(view, x, x - 60, ALT),
    ):
        width = view.axis.frame_width
        zoom()
        assert view.frame_at_x(x) == 75
        assert view.axis.frame_width != width
    view.set_frame(0)  # out of sight: the page turns
    assert view.plot_rect().left() <= view.x_of_frame(0) <= view.plot_rect().right()
    mouse(view, TWICE, x)
    mouse(view, RELEASE, x, NO_BUTTON)
    assert not view.axis.is_zoomed


def test_moving_along_a_zoomed_timeline(view):
    middle = view.plot_rect().center().x()
    wheel(view, middle, 8)
    here = view.axis.time_at(0.5)
    drag(view, middle, middle - 200, button=Qt.MouseButton.MiddleButton)
    moved = 200 / view.plot_rect().width() * view.axis.span_s
    assert view.axis.time_at(0.5) == pytest.approx(here + moved)
    wheel(view, middle, 100, SHIFT)
    assert view.axis.start_s == 0
    wheel(view, middle, -1000, SHIFT)
    assert view.axis.end_s == pytest.approx(NUM_FRAMES / 30)


def test_lanes_show_what_is_known(view):
    empty = pixels(view)
    confidence = np.full(NUM_FRAMES, 0.9)
    confidence[60:] = 0.2
    confidence[:10] = np.nan
    view.set_confidence(confidence)
    view.resize(900, view.sizeHint().height())
    painted = pixels(view)
    ratio = view.devicePixelRatioF()
    row = painted[int((view.plot_rect().top() + 32) * ratio)]  # near the bottom of the lane
    ground, sure, unsure = (row[int(view.x_of_frame(f) * ratio)] for f in (4, 30, 90))
    assert sure[1] > sure[0] + 30  # green
    assert unsure[0] > unsure[2] + 30  # orange red
    assert np.ptp(ground) < 10
    view.set_confidence(None)
    view.resize(900, 140)
    assert np.array_equal(pixels(view), empty)


def test_more_lanes_can_be_added_replaced_and_removed(view):
    height = view.sizeHint().height()
    view.add_lane("Jumps", np.zeros(NUM_FRAMES, bool), "marks")
    higher = view.sizeHint().height()
    assert higher > height
    without = pixels(view)
    view.add_lane("Jumps", np.arange(NUM_FRAMES) == 60, "marks")
    assert view.sizeHint().height() == higher
    replaced = pixels(view)
    assert not np.array_equal(replaced, without)
    view.resizeEvent(QResizeEvent(view.size(), view.size()))  # paints all lanes anew, not one
    np.testing.assert_array_equal(replaced, pixels(view))
    view.add_lane("Late", np.zeros(7))  # of a clip that was closed meanwhile
    assert view.sizeHint().height() == higher
    view.remove_lane("Jumps")
    view.remove_lane("unknown")
    assert view.sizeHint().height() == height
    view.add_lane("Jumps", np.zeros(NUM_FRAMES), value_range=(0, 40))
    view.set_clip(TIMES[:50])
    assert view.sizeHint().height() == height


def test_hover_tells_frame_time_and_values(view):
    view.set_present_mask(np.ones(NUM_FRAMES, bool))
    before = pixels(view)
    mouse(view, MOVE, view.x_of_frame(45), NO_BUTTON)
    assert not np.array_equal(pixels(view), before)
    lane = Lane("Confidence", np.array([0.25, np.nan]))
    assert (lane.text_at(0), lane.text_at(1)) == ("confidence 0.25", "")


@pytest.mark.parametrize("num_frames", [0, 1, 2])
def test_clips_of_hardly_any_frames(view, num_frames):
    view.set_clip(np.arange(num_frames) / 25)
    view.set_confidence(np.full(num_frames, np.nan))
    view.set_swapped_mask(np.ones(num_frames, bool))
    for frame in (-1, 0, 5):
        view.set_frame(frame)
    heard = Heard(view)
    drag(view, 200, 800)
    drag(view, 300, 700, ALT)
    wheel(view, 500, 20)
    mouse(view, TWICE, 500)
    assert pixels(view).shape[0] > 0
    assert heard.released == [num_frames - 1] * (num_frames > 0)


def test_one_frame_in_a_million_is_not_overlooked(view):
    count = 1_000_000
    view.set_clip(np.arange(count) / 30)
    confidence = np.full(count, 0.9)
    swapped = np.zeros(count, bool)
    view.set_confidence(confidence)
    view.set_swapped_mask(swapped)
    view.resize(900, view.sizeHint().height())
    before = pixels(view)
    confidence[700_000], swapped[300_000] = 0.1, True
    view.set_confidence(confidence)
    view.set_swapped_mask(swapped)
    changed = np.flatnonzero((pixels(view) != before).any(axis=(0, 2))) / view.devicePixelRatioF()
    expected = [view.x_of_frame(300_000), view.x_of_frame(700_000)]
    assert 2 <= len(changed) <= 6
    assert np.abs(changed[:, None] - expected).min(axis=1).max() < 3
    assert np.abs(changed[:, None] - expected).min(axis=0).max() < 3
    wheel(view, view.x_of_frame(700_000), 60)
    assert 1 / view.axis.frame_width == pytest.approx(8, rel=1e-6)


@pytest.mark.parametrize("is_high_bad", [False, True])
@pytest.mark.parametrize("num_columns", [7, 90, 1100])
def test_columns_hold_the_mean_and_the_worst_of_their_frames(num_columns, is_high_bad):
    """Against a loop over columns and frames, at a variable rate with gaps, at several zooms."""
    rng = np.random.default_rng(4)
    values = rng.uniform(0, 1, 300).astype(np.float32)
    values[40:60] = np.nan
    # Some of it came later, known where it was not and the other way round.
    earlier = np.append(values[:200], values[:100])
    lane = Lane("c", earlier, is_high_bad=is_high_bad)
    lane.change(200, values[200:300])
    whole = TimeAxis.of_clip(np.cumsum(rng.uniform(0.01, 0.1, 300)))
    for axis in (whole, whole.zoomed(0.2, 5.0), whole.zoomed(0.7, 30.0)):
        columns = axis.columns(num_columns)
        mean, worst = lane.mean(columns), lane.worst(columns)
        edges = axis.edges_s
        for k in range(num_columns):
            begin = axis.time_at(k / num_columns)
            end = axis.time_at((k + 1) / num_columns)
            touched = np.flatnonzero((edges[:-1] < end - 1e-9) & (edges[1:] > begin + 1e-9))
            own = np.arange(columns.start[k], columns.stop[k])
            assert set(own) <= set(touched)
            assert len(own) >= 1
            known = values[own][np.isfinite(values[own])]
            assert np.isnan(mean[k]) == np.isnan(worst[k]) == (len(known) == 0)
            if len(known):
                assert mean[k] == pytest.approx(known.mean(), abs=1e-5)
                assert worst[k] == (known.max() if is_high_bad else known.min())
        visible = np.flatnonzero((edges[:-1] >= axis.start_s) & (edges[:-1] < axis.end_s))
        shown = np.concatenate(
            [np.arange(a, b) for a, b in zip(columns.start, columns.stop, strict=True)]
        )
        assert set(visible) <= set(shown)


@pytest.mark.parametrize(
    ("time_s", "decimals", "longest_s", "text"),
    [
        (4.5, 2, 10, "4.50 s"),
        (59.996, 2, 61, "1:00.00"),
        (64, 0, 100, "1:04"),
        (3723.25, 1, 4000, "1:02:03.2"),
        (0, 0, 4000, "0:00:00"),
    ],
)
def test_times_are_written_as_people_read_them(time_s, decimals, longest_s, text):
    assert time_text(time_s, decimals, longest_s) == text


@pytest.mark.parametrize("duration", [0.05, 3, 200, 40_000])
def test_ticks_are_round_and_not_too_many(duration):
    axis = TimeAxis.of_clip(np.linspace(0, duration, 1000))
    for view in (axis, axis.zoomed(0.37, 9.0)):
        marks = ticks(view, 10)
        times = np.array([time for time, _ in marks])
        assert 2 <= len(marks) <= 11
        assert len({text for _, text in marks}) == len(marks)
        assert times.min() >= view.start_s - 1e-9
        assert times.max() <= view.end_s + 1e-9
