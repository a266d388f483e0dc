"""The progress bar, on a terminal and in a log."""

import io

import pytest

from pose_core import progress
from pose_core.progress import ProgressBar, format_seconds


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves by hand."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (3723, "1:02:03")]
)
def test_durations_read_as_clock_times(seconds, text):
    assert format_seconds(seconds) == text


def test_log_gets_a_line_for_each_tenth(clock):
    log = io.StringIO()
    bar = ProgressBar(log, "frames")
    for done in range(1001):
        clock[0] += 0.01
        bar.update(done, 1000)
    bar.close()
    lines = log.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == [f"{n}%" for n in range(10, 101, 10)]
    assert "\r" not in log.getvalue()


def test_time_left_follows_the_speed(clock):
    log = io.StringIO()
    bar = ProgressBar(log, "frames")
    bar.update(0, 200)
    clock[0] += 10.0
    bar.update(100, 200)
    assert log.getvalue() == "50%  100/200 frames  10.0/s  0:10 left\n"


def test_frames_done_before_the_first_update_do_not_count_as_speed(clock):
    log = io.StringIO()
    bar = ProgressBar(log, "frames")
    bar.update(100, 200)
    clock[0] += 10.0
    bar.update(150, 200)
    assert "5.0/s  0:10 left" in log.getvalue()


def test_started_clock_counts_what_comes_at_once(clock):
    log = io.StringIO()
    bar = ProgressBar(log, "frames")
    bar.start()
    clock[0] += 10.0
    bar.update(100, 200)
    assert "10.0/s  0:10 left" in log.getvalue()


def test_terminal_redraws_one_line_and_ends_it(clock):
    terminal = Terminal()
    bar = ProgressBar(terminal, "frames")
    for done in range(11):
        clock[0] += 0.2
        bar.update(done, 10)
    bar.close()
    text = terminal.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert text.count("\r") == 11
    assert "100%  10/10 frames" in text.rpartition("\r")[2]


def test_terminal_is_not_redrawn_faster_than_one_can_see(clock):
    terminal = Terminal()
    bar = ProgressBar(terminal, "frames")
    for done in range(1000):
        clock[0] += 0.001
        bar.update(done, 1000)
    assert terminal.getvalue().count("\r") <= 11


def test_line_fits_a_narrow_terminal(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "24")
    terminal = Terminal()
    bar = ProgressBar(terminal, "frames")
    bar.update(500, 1000)
    assert len(terminal.getvalue().strip("\r")) <= 23
