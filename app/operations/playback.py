"""Plays the clip at its own times, at any speed."""

from PySide6.QtCore import QElapsedTimer, QObject, Qt, QTimer, Signal

from app.document import SessionDocument
from app.view_state import ViewState
from app.workers.frame_decoder import FrameDecoder

TICK_MS = 8
MAX_LAG_S = 0.5


class Player(QObject):
    """Moves the frame on while the state says "playing".

    The clock rules: a frame that is not decoded in time is left out, and counted; never is
    another frame's picture shown in its place.

    Attributes
    ----------
    skipped_changed : Signal(int)
        Frames left out since playback began.
    """

    skipped_changed = Signal(int)

    def __init__(
        self,
        document: SessionDocument,
        view_state: ViewState,
        decoder: FrameDecoder,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._document = document
        self._state = view_state
        self._decoder = decoder
        self._clock = QElapsedTimer()
        self._start_time_s = 0.0
        self._own_frame = -1
        self.num_skipped = 0
        self._timer = QTimer(self, interval=TICK_MS, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        view_state.playing_changed.connect(self._on_playing_changed)
        view_state.speed_changed.connect(self._restart_clock)

    def _on_playing_changed(self, is_playing: bool) -> None:
        self._decoder.set_playing(is_playing)
        if not is_playing:
            self._timer.stop()
            return
        first, end = self._bounds()
        if not first <= self._state.frame < end - 1:
            self._state.set_frame(first)
        self._set_skipped(0)
        self._restart_clock()
        self._timer.start()

    def _bounds(self) -> tuple[int, int]:
        """Frames to play: the selected range, or the whole clip."""
        return self._state.range or (0, self._state.num_frames)

    def _restart_clock(self) -> None:
        session = self._document.session
        if session is None:
            return
        self._own_frame = self._state.frame
        self._start_time_s = float(session.clip.times_s[self._own_frame])
        self._clock.start()

    def _tick(self) -> None:
        session = self._document.session
        if session is None:
            self._state.set_playing(False)
            return
        if self._state.frame != self._own_frame:
            self._restart_clock()  # the user jumped
        clip = session.clip
        first, end = self._bounds()
        time_s = self._start_time_s + self._clock.elapsed() / 1000 * self._state.speed
        last_frame_s = 1 / clip.fps
        if time_s >= float(clip.times_s[end - 1]) + last_frame_s:
            self._finish(first, end)
            return
        target = min(clip.frame_at(time_s), end - 1)
        self._advance(target)
        if time_s - float(clip.times_s[self._state.frame]) > MAX_LAG_S:
            self._decoder.skip_to(target)

    def _advance(self, target: int) -> None:
        """Show the newest frame that is due and decoded."""
        shown = self._state.frame
        frame = self._decoder.newest_between(shown, target)
        if frame is None:
            return
        self._show(frame)

    def _show(self, frame: int) -> None:
        num_skipped = max(frame - self._state.frame - 1, 0)
        self._set_skipped(self.num_skipped + num_skipped)
        self._own_frame = frame
        self._state.set_frame(frame)

    def _finish(self, first: int, end: int) -> None:
        self._show(end - 1)
        if self._state.is_looping:
            self._state.set_frame(first)
            self._restart_clock()
        else:
            self._state.set_playing(False)

    def _set_skipped(self, num_skipped: int) -> None:
        if num_skipped != self.num_skipped:
            self.num_skipped = num_skipped
            self.skipped_changed.emit(num_skipped)
