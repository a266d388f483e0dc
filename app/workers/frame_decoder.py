"""The one thread that decodes the frames to be shown."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from PySide6.QtCore import QObject, Qt, QTimer, Signal

from app.workers.frame_cache import FrameCache, PreviewStore
from app.workers.priority import OF_DECODER, give_way
from pose_core.clip import Clip
from pose_core.errors import PoseStageError
from pose_core.video import VideoReader

CACHE_BYTES = 256 * 2**20
NEIGHBOURS = 12  # frames decoded on either side of the one shown, for stepping
MAX_AHEAD = 60  # frames decoded ahead while playing
REST_S = 1.0  # without a request, before the clip is gone through for the previews
PREVIEW_DELAY_MS = 60  # a jump that takes longer shows a preview first
MAX_SWEPT_FRAMES = 5000  # longer clips have no previews made of every part beforehand


@dataclass
class _OpenClip:
    """What belongs to one clip; work that comes late ends up here and is let go with it."""

    clip: Clip
    cache: FrameCache
    previews: PreviewStore
    errors: dict[int, PoseStageError] = field(default_factory=dict)
    read_position: int = -1  # the last frame decoded; going on is quick, going back is not
    sweep_position: int = 0

    @property
    def frame_bytes(self) -> int:
        return self.clip.width * self.clip.height * 3

    @property
    def num_fitting(self) -> int:
        """How many frames can be kept."""
        return self.cache.max_bytes // max(self.frame_bytes, 1)

    def is_settled(self, index: int) -> bool:
        """Whether there is nothing (more) to be done for a frame."""
        return index in self.cache or index in self.errors

    def unsettled(self, first: int, last: int) -> Iterator[int]:
        """Frames of a stretch, clipped to the clip, that are still to be decoded."""
        stretch = range(max(first, 0), min(last, self.clip.num_frames - 1) + 1)
        return (index for index in stretch if not self.is_settled(index))


class FrameDecoder(QObject):
    """Delivers frames of the open clip; the newest request wins.

    While playing it decodes ahead, at rest the neighbours of the frame shown, and after a while
    goes once through the clip for the previews. To go back means to decode from the keyframe
    before, often hundreds of frames: so it is done seldom, and brings several frames at once.

    Attributes
    ----------
    frame_ready : Signal(int, ndarray, bool)
        Index and picture (H, W, 3) uint8 RGB; True where it is a preview: small, and its index
        only near the one asked for.
    failed : Signal(PoseStageError)
        The frame asked for cannot be decoded.
    """

    frame_ready = Signal(int, object, bool)
    failed = Signal(object)
    _decoded = Signal(object, int, object)

    def __init__(self, cache_bytes: int = CACHE_BYTES, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cache_bytes = cache_bytes
        self._condition = threading.Condition()
        self._open: _OpenClip | None = None
        self._wanted: int | None = None
        self._position = 0
        self._asked_at = 0.0
        self._is_playing = False
        self._is_idle_work_allowed = True
        self._is_stopping = False
        self._decoded.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._preview_timer = QTimer(self, singleShot=True, interval=PREVIEW_DELAY_MS)
        self._preview_timer.timeout.connect(self._show_preview)
        self._thread = threading.Thread(target=self._run, name="frame decoder", daemon=True)
        self._thread.start()

    # -- GUI thread ------------------------------------------------------------------------

    def open(self, clip: Clip | None) -> None:
        """Serve another clip, or none."""
        state = None
        if clip is not None:
            previews = PreviewStore(clip.num_frames)
            state = _OpenClip(clip, FrameCache(self._cache_bytes), previews)
        self._preview_timer.stop()
        with self._condition:
            self._open = state
            self._wanted = None
            self._position = 0
            self._is_playing = False
            self._condition.notify()

    def request(self, index: int, *, is_scrubbing: bool = False) -> None:
        """Ask for a frame: at once where it is kept, otherwise as soon as it is decoded.

        Parameters
        ----------
        index : int
        is_scrubbing : bool
            The user is dragging: the nearest preview is delivered meanwhile.
        """
        state = self._open
        if state is None:
            return
        image = state.cache.get(index)
        with self._condition:
            self._position = index
            self._asked_at = time.monotonic()
            self._wanted = None if state.is_settled(index) else index
            self._condition.notify()
        if image is not None:
            self._preview_timer.stop()
            self.frame_ready.emit(index, image, False)
        elif index in state.errors:
            self.failed.emit(state.errors[index])
        elif is_scrubbing:
            self._show_preview()
        else:
            self._preview_timer.start()

    def newest_between(self, after: int, last: int) -> int | None:
        """Largest decoded index with ``after < index <= last``, for playback."""
        return self._open.cache.newest_between(after, last) if self._open else None

    def set_playing(self, is_playing: bool) -> None:
        """Decode ahead of the last request."""
        with self._condition:
            self._is_playing = is_playing
            self._condition.notify()

    def skip_to(self, index: int) -> None:
        """Decode ahead from here on: playback has fallen behind."""
        with self._condition:
            self._position = index
            self._condition.notify()

    def allow_idle_work(self, is_allowed: bool) -> None:
        """Leave the processor to others, for example while poses are estimated."""
        with self._condition:
            self._is_idle_work_allowed = is_allowed
            self._condition.notify()

    def shut_down(self) -> None:
        """End the thread and close the file."""
        self._preview_timer.stop()
        with self._condition:
            self._is_stopping = True
            self._condition.notify()
        self._thread.join()

    def _show_preview(self) -> None:
        if self._open is None or self._wanted is None:
            return
        max_distance = max(self._open.previews.spacing, round(self._open.clip.fps))
        found = self._open.previews.nearest(self._wanted, max_distance)
        if found is not None:
            self.frame_ready.emit(*found, True)

    def _deliver(self, state: _OpenClip, index: int, result: np.ndarray | PoseStageError) -> None:
        if state is not self._open or index != self._wanted:
            return
        self._wanted = None
        self._preview_timer.stop()
        if isinstance(result, PoseStageError):
            self.failed.emit(result)
        else:
            self.frame_ready.emit(index, result, False)

    # -- decode thread ---------------------------------------------------------------------

    def _run(self) -> None:
        give_way(OF_DECODER)
        reader: VideoReader | None = None
        served: _OpenClip | None = None
        while True:
            with self._condition:
                while (job := self._next_job()) is None and not self._is_stopping:
                    # Nothing may hold a closed clip's file open.
                    if reader is not None and served is not self._open:
                        break
                    self._condition.wait(REST_S)  # then the sweep may have its turn
                state, is_stopping = self._open, self._is_stopping
            if reader is not None and (is_stopping or served is not state):
                reader.close()
                reader = None
            if is_stopping:
                return
            if state is None or job is None:
                continue
            served = state
            reader = self._decode(state, reader, job)

    def _decode(
        self, state: _OpenClip, reader: VideoReader | None, index: int
    ) -> VideoReader | None:
        """Decode one frame and keep it; returns the reader, opened if it was not."""
        try:
            reader = reader or VideoReader(state.clip)
            image = reader.read(index)
        except PoseStageError as error:
            state.errors[index] = error
            self._decoded.emit(state, index, error)
            return reader
        state.read_position = index
        with self._condition:
            is_needed = self._is_near(index) or state.cache.has_room_for(image.nbytes)
        if is_needed:
            state.cache.put(index, image)
        self._decoded.emit(state, index, image)
        state.previews.offer(index, image)
        return reader

    def _is_near(self, index: int) -> bool:
        """Whether a frame is worth dropping another one for."""
        return index == self._wanted or abs(index - self._position) <= MAX_AHEAD

    def _next_job(self) -> int | None:
        """Index of the frame to decode next; None when there is nothing to do."""
        state = self._open
        if state is None:
            return None
        if self._wanted is not None and not state.is_settled(self._wanted):
            return self._on_the_way(state, self._wanted)
        job = next(self._frames_around(state), None)
        is_at_rest = time.monotonic() - self._asked_at >= REST_S
        if job is not None or self._is_playing or not (self._is_idle_work_allowed and is_at_rest):
            return job
        return self._next_of_sweep(state)

    def _on_the_way(self, state: _OpenClip, wanted: int) -> int:
        """The frame to decode for the sake of a wanted one.

        Somebody who steps back wants the frames before it next, and they are passed anyway.
        """
        num_near = self._num_near(state)
        is_step_back = 0 <= state.read_position - wanted <= 3 * num_near
        is_on_the_way = 0 < wanted - state.read_position <= num_near
        if is_step_back:
            return next(state.unsettled(wanted - num_near, wanted))
        return next(state.unsettled(state.read_position + 1, wanted)) if is_on_the_way else wanted

    def _num_near(self, state: _OpenClip) -> int:
        """How many frames on either side are kept ready."""
        return min(NEIGHBOURS, state.num_fitting // 4)

    def _frames_around(self, state: _OpenClip) -> Iterator[int]:
        """Frames to have ready at the present position, in the order of decoding."""
        position = self._position
        if self._is_playing:
            yield from state.unsettled(position, position + min(MAX_AHEAD, state.num_fitting // 2))
            return
        num_near = self._num_near(state)
        yield from state.unsettled(position, position + num_near)
        is_scarce = any(True for _ in state.unsettled(position - num_near // 2, position))
        # Those before it all at once, in one pass.
        if is_scarce or 0 < position - state.read_position <= num_near:
            yield from state.unsettled(position - num_near, position)

    def _next_of_sweep(self, state: _OpenClip) -> int | None:
        """Next frame of the one pass that fills the cache and makes the previews."""
        if state.clip.num_frames > MAX_SWEPT_FRAMES:
            return None
        while state.sweep_position < state.clip.num_frames:
            index = state.sweep_position
            state.sweep_position += 1
            is_useful = state.cache.has_room_for(state.frame_bytes) or state.previews.wants(index)
            if is_useful and not state.is_settled(index):
                return index
        return None
