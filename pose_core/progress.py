"""A progress bar with the time left, for a terminal or for a log."""

import shutil
import time
from typing import TextIO

# A terminal is redrawn at most this often; a log gets a line for each tenth of the work.
_REDRAW_S = 0.1
_LOG_STEPS = 10


def format_seconds(seconds: float) -> str:
    """Duration as ``0:07``, ``12:30`` or ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class ProgressBar:
    """Shows how far a task is, its speed and the time that it still needs.

    Parameters
    ----------
    stream : TextIO
        Where to draw; a bar in one line when it is a terminal, plain lines otherwise.
    unit : str
        What is counted, in the plural: ``frames``.
    """

    def __init__(self, stream: TextIO, unit: str) -> None:
        self._stream = stream
        self._unit = unit
        self._is_terminal = stream.isatty()
        self._started: float | None = None
        self._drawn = 0.0
        self._first_done = 0
        self._tenths = 0
        self._is_line_open = False

    def start(self, done: int = 0) -> None:
        """Start the clock with this many units done; otherwise the first update does."""
        self._started, self._first_done = time.monotonic(), done

    def update(self, done: int, total: int) -> None:
        """Show that `done` of `total` units are finished."""
        if self._started is None:
            self.start(done)
        now = time.monotonic()
        if self._is_due(now, done, total):
            self._drawn = now
            self._draw(done, total)

    def close(self) -> None:
        """End the line, so that other output starts on a fresh one."""
        if self._is_line_open:
            self._stream.write("\n")
            self._stream.flush()
            self._is_line_open = False

    def _is_due(self, now: float, done: int, total: int) -> bool:
        if self._is_terminal:
            return done == total or now - self._drawn >= _REDRAW_S
        tenths = _LOG_STEPS * done // max(total, 1)
        is_new = tenths > self._tenths
        self._tenths = tenths
        return is_new

    def _draw(self, done: int, total: int) -> None:
        text = f"{done / max(total, 1):4.0%}  {done}/{total} {self._unit}"
        elapsed_s = 0.0 if self._started is None else time.monotonic() - self._started
        rate = (done - self._first_done) / elapsed_s if elapsed_s > 0 else 0.0
        if rate > 0:
            text += f"  {rate:.1f}/s  {format_seconds((total - done) / rate)} left"
        if self._is_terminal:
            columns = shutil.get_terminal_size().columns - 1
            width = max(min(columns - len(text) - 3, 30), 0)
            bar = "#" * round(width * done / max(total, 1))
            self._stream.write("\r" + f"[{bar:-<{width}}] {text}"[:columns].ljust(columns))
            self._is_line_open = True
        else:
            self._stream.write(f"{text.strip()}\n")
        self._stream.flush()
