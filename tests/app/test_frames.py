"""What is on screen is the frame that the program says it is."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt

from app.workers.frame_cache import FrameCache, PreviewStore
from app.workers.frame_decoder import FrameDecoder
from pose_core.video import VideoReader, open_clip

KEYS = [
    (Qt.Key.Key_Right, Qt.KeyboardModifier.NoModifier, 1),
    (Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier, 11),
    (Qt.Key.Key_Left, Qt.KeyboardModifier.NoModifier, 10),
    (Qt.Key.Key_PageDown, Qt.KeyboardModifier.NoModifier, 19),
    (Qt.Key.Key_End, Qt.KeyboardModifier.NoModifier, 89),
    (Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier, 79),
    (Qt.Key.Key_PageUp, Qt.KeyboardModifier.NoModifier, 70),
    (Qt.Key.Key_Home, Qt.KeyboardModifier.NoModifier, 0),
]


def test_each_key_shows_exactly_its_frame(
    window, open_file, numbered_clip, number_on_screen, qtbot
):
    open_file(window, numbered_clip)
    for key, modifier, frame in KEYS:
        qtbot.keyClick(window, key, modifier)
        assert window.context.view_state.frame == frame
        assert window.timeline.frame == frame
        qtbot.waitUntil(lambda frame=frame: number_on_screen(window) == frame)


def test_dragging_shows_a_preview_and_releasing_the_exact_frame(
    window, open_file, numbered_clip, number_on_screen, number_of, qtbot
):
    open_file(window, numbered_clip)
    shown = []
    window.context.decoder.frame_ready.connect(lambda *frame: shown.append(frame))
    timeline, left = window.timeline, Qt.MouseButton.LeftButton

    def place(frame):
        return QPoint(round(timeline.x_of_frame(frame)), timeline.height() // 2)

    qtbot.mousePress(timeline, left, pos=place(5))
    for frame in (20, 60, 33, 71):
        qtbot.mouseMove(timeline, place(frame))
    qtbot.mouseRelease(timeline, left, pos=place(71))
    assert window.context.view_state.frame == 71
    qtbot.waitUntil(lambda: bool(shown) and shown[-1][0] == 71 and not shown[-1][2])
    assert number_on_screen(window) == 71
    for index, image, is_preview in shown:
        assert number_of(image) == index, is_preview


@pytest.mark.parametrize("speed", [1.0, 4.0])
def test_playback_goes_to_the_end_and_never_shows_a_wrong_frame(
    window, open_file, numbered_clip, number_of, qtbot, speed
):
    open_file(window, numbered_clip)
    state, shown = window.context.view_state, []
    window.context.decoder.frame_ready.connect(lambda *frame: shown.append(frame))
    state.set_speed(speed)
    state.set_frame(60)
    qtbot.waitUntil(lambda: bool(shown) and shown[-1][0] == 60 and not shown[-1][2])
    shown.clear()
    qtbot.keyClick(window, Qt.Key.Key_Space)
    assert state.is_playing
    qtbot.waitUntil(lambda: not state.is_playing)
    assert state.frame == 89
    qtbot.waitUntil(lambda: shown[-1][0] == 89 and not shown[-1][2])
    indices = [index for index, _, is_preview in shown if not is_preview]
    assert indices == sorted(set(indices))
    assert len(indices) + window.player.num_skipped == 29
    for index, image, _ in shown:
        assert number_of(image) == index


def test_looping_stays_inside_the_selected_range(window, open_file, numbered_clip, qtbot):
    open_file(window, numbered_clip)
    state, frames = window.context.view_state, []
    state.set_range((10, 18))
    state.set_looping(True)
    state.set_speed(4.0)
    state.frame_changed.connect(frames.append)
    state.set_playing(True)
    qtbot.waitUntil(lambda: frames.count(10) >= 3)
    state.set_playing(False)
    assert set(frames) <= set(range(10, 18))


def test_the_decoder_serves_the_newest_wish_and_keeps_to_its_memory(
    qtbot, numbered_clip, number_of
):
    clip = open_clip(numbered_clip)
    frame_bytes = clip.width * clip.height * 3
    decoder = FrameDecoder(cache_bytes=10 * frame_bytes)
    try:
        decoder.open(clip)
        shown = []
        decoder.frame_ready.connect(lambda *frame: shown.append(frame))
        for index in (80, 3, 40, 66):
            decoder.request(index)
        qtbot.waitUntil(lambda: any(i == 66 and not p for i, _, p in shown))
        exact = [index for index, _, is_preview in shown if not is_preview]
        assert exact[-1] == 66
        for index, image, _ in shown:
            assert number_of(image) == index
        decoder.set_playing(True)
        decoder.request(0)
        qtbot.waitUntil(lambda: decoder.newest_between(0, 10) is not None)
        assert decoder._open.cache.num_bytes <= 10 * frame_bytes
    finally:
        decoder.shut_down()


@pytest.mark.parametrize("step", [1, -1])
def test_stepping_seldom_goes_back_in_the_file(numbered_clip, qtbot, monkeypatch, step):
    """Each way back is decoded from a keyframe on, which may lie hundreds of frames before."""
    clip, start, num_steps, seeks = open_clip(numbered_clip), 45, 30, []
    seek = VideoReader._seek
    monkeypatch.setattr(VideoReader, "_seek", lambda *args: seeks.append(args[1]) or seek(*args))
    decoder = FrameDecoder()
    try:
        decoder.open(clip)
        for k in range(num_steps + 1):
            frame = start + k * step
            if frame in decoder._open.cache:
                decoder.request(frame)
                continue
            with qtbot.waitSignal(decoder.frame_ready, check_params_cb=lambda i, _, p: not p):
                decoder.request(frame)
        last = start + num_steps * step
        ready = {i for i in range(last - 12, last + 13) if 0 <= i < clip.num_frames}
        qtbot.waitUntil(lambda: all(i in decoder._open.cache for i in ready))
    finally:
        decoder.shut_down()
    assert len(seeks) <= 8


def test_the_cache_drops_what_was_not_used_for_longest():
    frames = [np.full((10, 10, 3), i, np.uint8) for i in range(4)]
    cache = FrameCache(max_bytes=3 * frames[0].nbytes)
    for index in range(3):
        cache.put(index, frames[index])
    cache.get(0)
    cache.put(3, frames[3])
    assert [index in cache for index in range(4)] == [True, False, True, True]
    assert cache.num_bytes == cache.max_bytes
    assert cache.newest_between(0, 2) == 2
    assert cache.newest_between(0, 1) is None


def test_previews_are_small_few_and_of_the_right_frame(numbered_clip, number_of):
    store = PreviewStore(num_frames=1000, max_count=100)
    assert store.spacing == 10
    large = np.full((1080, 1920, 3), 7, np.uint8)
    store.offer(20, large)
    store.offer(23, large)
    index, image = store.nearest(27, max_distance=12)
    assert index == 20
    assert max(image.shape) <= 480
    assert store.nearest(90, max_distance=12) is None
