"""Real windows for the tests of the application, and a check that nothing of them is left."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from PySide6.QtCore import QSettings, QTimer
from shiboken6 import isValid

from app.main_window import MainWindow
from app.settings import Settings
from app.widgets.theme import theme
from pose_core.inference.pipeline import estimate

BLOCK = 32  # pixels; the frame number stands in the picture as eight black or white blocks
NUM_BITS = 8


def numbered_picture(index: int, width: int = 320, height: int = 180) -> np.ndarray:
    """Grey picture (H, W, 3) with its number in blocks along the top, lowest bit first."""
    image = np.full((height, width, 3), 110, dtype=np.uint8)
    for bit in range(NUM_BITS):
        value = 235 if index >> bit & 1 else 20
        image[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = value
    return image


def read_number(image: np.ndarray) -> int:
    """The number in a picture, whatever its size."""
    scale = image.shape[1] / 320
    middles = [round((bit + 0.5) * BLOCK * scale) for bit in range(NUM_BITS)]
    row = image[round(BLOCK / 2 * scale)]
    return sum(1 << bit for bit, x in enumerate(middles) if row[x].mean() > 128)


def make_clip(path: Path, num_frames: int, fps: int = 25, gop: int = 12) -> Path:
    """A video with numbered pictures and B-frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.options = {"g": str(gop), "bf": "2", "crf": "18", "preset": "ultrafast"}
        for index in range(num_frames):
            frame = av.VideoFrame.from_ndarray(numbered_picture(index), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
def qtbot(qtbot):
    """Patient: what has to happen happens, however busy the machine is."""
    for name in ("waitUntil", "waitSignal", "waitExposed"):
        setattr(qtbot, name, partial(getattr(qtbot, name), timeout=60_000))
    return qtbot


@pytest.fixture
def number_of():
    """Function that reads the number in a picture."""
    return read_number


@pytest.fixture
def number_on_screen():
    """Function that reads the number from the pixels that the video view paints."""

    def read(window: MainWindow) -> int:
        painted = window.video.grab().toImage()
        bits = 0
        for bit in range(NUM_BITS):
            x, y = window.video.zoom.to_device(np.array([(bit + 0.5) * BLOCK, BLOCK / 2]))
            value = painted.pixelColor(round(x), round(y)).lightness()
            assert value < 80 or value > 180, f"no block at {x:.0f}, {y:.0f}: {value}"
            bits |= (value > 128) << bit
        return bits

    return read


@pytest.fixture(scope="session")
def numbered_clip(tmp_path_factory) -> Path:
    """90 frames at 25 frames/s that carry their numbers."""
    return make_clip(tmp_path_factory.mktemp("clips") / "numbered.mp4", 90)


@pytest.fixture(scope="session")
def short_clip(tmp_path_factory) -> Path:
    """30 frames at 25 frames/s that carry their numbers."""
    return make_clip(tmp_path_factory.mktemp("clips") / "short.mp4", 30)


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))


@pytest.fixture(autouse=True)
def own_recovery_dir(tmp_path, monkeypatch) -> Path:
    """Automatic copies go to a folder of the test."""
    folder = tmp_path / "recovery"
    folder.mkdir()
    monkeypatch.setattr("app.operations.autosave.recovery_dir", lambda: folder)
    return folder


@pytest.fixture(autouse=True)
def own_runs_folder(tmp_path, monkeypatch) -> Path:
    """Training runs lie in a folder of the test."""
    folder = tmp_path / "runs"
    monkeypatch.setattr("app.training.service.default_runs_folder", lambda: folder)
    return folder


@contextmanager
def leaves_nothing() -> Iterator[None]:
    """Fail when a thread or a running timer is left behind."""
    threads_before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - threads_before:
        thread.join(5)
    # Threads of Qt show up as dummies as soon as they run Python; they end with their pool.
    left = [
        thread
        for thread in set(threading.enumerate()) - threads_before
        if not isinstance(thread, threading._DummyThread)
    ]
    assert not left
    gc.collect()
    timers = [
        timer
        for timer in gc.get_objects()
        if issubclass(type(timer), QTimer) and isValid(timer) and timer.isActive()
    ]
    assert not [(timer.parent(), timer.interval()) for timer in timers]


@pytest.fixture(scope="session")
def leak_check():
    """The check, for windows that live longer than one test."""
    return leaves_nothing


@pytest.fixture(autouse=True)
def nothing_left(qapp):
    """Every test cleans up."""
    with leaves_nothing():
        yield


@pytest.fixture
def make_window(qtbot, settings):
    """Make main windows; each is closed at the end, without a question."""
    windows = []

    def make(pipeline=estimate) -> MainWindow:
        theme().choose("light")
        window = MainWindow(settings, pipeline)
        windows.append(window)
        window.resize(960, 640)
        with qtbot.waitExposed(window):
            window.show()
        window.activateWindow()
        return window

    yield make
    for window in windows:
        if isValid(window):
            window.context.document.open(None)
            window.close()
            window.deleteLater()
    qtbot.wait(10)


@pytest.fixture
def window(make_window) -> MainWindow:
    """A window without a clip."""
    return make_window()


@pytest.fixture
def open_file(qtbot):
    """Open a file in a window, and wait until its first frame is on screen."""

    def open_and_wait(window: MainWindow, path: Path) -> None:
        # A frame that comes before is one of another clip.
        with qtbot.waitSignal(window.context.document.opened):
            window.open_path(path)
        qtbot.waitUntil(lambda: window.presenter.is_picture_shown)

    return open_and_wait
