"""A very long session: open, step, edit, undo, save, automatic copy.

``xvfb-run -a python benchmarks/large_session.py --frames 1000000 --people 10`` makes a session
file of random poses beside a short video, in whose frames it stays, and drives the real window
with it. It prints how long each thing takes, the longest time for which the window could not
answer meanwhile, and the processor time of all threads, which other programs on the machine change
less.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import psutil
from PySide6.QtCore import QEventLoop, QSettings, Qt, QTimer

from app import bootstrap
from app.main_window import MainWindow
from app.operations import edit_poses, editing, save_session
from app.settings import Settings
from pose_core.analysis.keypoint_edits import shifted
from pose_core.poses import Keypoints2D, Poses3D
from pose_core.session import ModelRun, Session, Track
from pose_core.session_io import load_session_file
from pose_core.session_io import save_session as write_session
from pose_core.video import open_clip

VIDEO_FRAMES = 300
NUM_STEPS = 100
PATIENCE_S = 300


class Heart:
    """Beats in the event loop; a beat that comes late tells for how long nothing was answered."""

    def __init__(self) -> None:
        self._timer = QTimer(interval=1, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._last = 0.0
        self.longest_s = 0.0

    def measure(
        self, action: Callable[[], object], is_done: Callable[[], bool]
    ) -> tuple[float, float, float]:
        """Seconds until `is_done`, the longest stretch without an answer, processor time."""
        self._last = started = time.perf_counter()
        processor = time.process_time()
        self.longest_s = 0.0
        self._timer.start()
        action()
        while not is_done():
            assert time.perf_counter() - started < PATIENCE_S, "it does not end"
            wait(2)
        seconds = time.perf_counter() - started
        self._beat()
        self._timer.stop()
        return seconds, self.longest_s, time.process_time() - processor

    def _beat(self) -> None:
        now = time.perf_counter()
        self.longest_s = max(self.longest_s, now - self._last)
        self._last = now


def wait(milliseconds: int) -> None:
    """Let the window work."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def make_session(folder: Path, num_frames: int, num_people: int) -> Path:
    """A session file as `num_people` who stand through `num_frames` would give it."""
    video = folder / "clip.mp4"
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        for i in range(VIDEO_FRAMES):
            image = np.full((192, 320, 3), i % 255, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    clip = replace(open_clip(video), times_s=np.arange(num_frames) / 25)
    rng = np.random.default_rng(0)

    def person(number: int) -> Track:
        xy = rng.uniform(0, 190, (num_frames, 17, 2)).astype(np.float32)
        stages = rng.uniform(-1, 1, (1, num_frames, 17, 3)).astype(np.float32)
        root = np.full((num_frames, 3), (number, 0.0, 5.0), np.float32)
        keypoints = Keypoints2D(xy, rng.random(xy.shape[:2], np.float32))
        run = ModelRun(Poses3D(stages, root), {"model": "model"})
        return Track(number, f"Person {number}", keypoints, {"model": run})

    path = folder / "clip.posestage"
    write_session(Session(clip, tuple(map(person, range(1, num_people + 1)))), path)
    return path


def report(what: str, times: tuple[float, float, float], note: str = "") -> None:
    """One line of the result."""
    columns = "".join(f"{1000 * each:12.1f}" for each in times)
    print(f"{what:32}{columns}   {note}", flush=True)


class Benchmark:
    """Everything that is done with the session, in a window."""

    def __init__(self, window: MainWindow, path: Path) -> None:
        self._window, self._context, self._path = window, window.context, path
        self._document = self._context.document
        self._heart = Heart()

    def open(self) -> None:
        """Read the file alone, then open it in the window."""
        read = self._heart.measure(lambda: load_session_file(self._path), lambda: True)
        report("read the session file", read)

        def is_open() -> bool:
            return self._document.session is not None and self._window.presenter.is_picture_shown

        for what in ("open it, the first of all", "open it again"):
            self._document.open(None)
            wait(500)
            done = self._heart.measure(lambda: self._window.open_path(self._path), is_open)
            report(what, done)
        wait(1500)

    def step(self) -> None:
        """From frame to frame, until its picture is shown."""
        state, presenter = self._context.view_state, self._window.presenter
        steps = []
        for frame in range(1, NUM_STEPS):
            step = lambda frame=frame: state.set_frame(frame)  # noqa: E731
            steps.append(self._heart.measure(step, lambda: presenter.is_picture_shown))
        for share in (50, 95):
            seconds, busy, processor = np.percentile(steps, share, axis=0)
            report(f"step a frame, {share} % within", (seconds, busy, processor))
        state.set_frame(0)

    def edit(self) -> None:
        """Edits, each undone and redone."""
        context, stack = self._context, self._document.undo_stack
        pose = self._first.runs["model"].poses.xyz[50] + 0.1
        edits = {
            "rename a person": lambda: editing.rename(context, 1, "Ada"),
            "move a joint": lambda: edit_poses.set_pose(context, self._first, "model", 50, pose),
            "move a keypoint": lambda: self._move_keypoint(60),
            "move another keypoint": lambda: self._move_keypoint(61),
            "smooth 1000 frames": lambda: edit_poses.smooth(
                context, self._first, "model", 100, 1100
            ),
        }
        for what, action in edits.items():
            index = stack.index()
            done = self._heart.measure(action, lambda index=index: stack.index() > index)
            report(what, done)
            report("   undo", self._heart.measure(stack.undo, lambda: True))
            report("   redo", self._heart.measure(stack.redo, lambda: True))
            wait(300)

    def _move_keypoint(self, frame: int) -> None:
        editor = self._window.annotation.editor
        pose = editor.pose(frame)
        assert pose is not None
        editor.set_pose(frame, shifted(pose, np.array([3]), 2.0, 1.0), "Move a Keypoint")

    @property
    def _first(self) -> Track:
        session = self._document.session
        assert session is not None
        return session.tracks[0]

    def copy_and_save(self) -> None:
        """Automatic copies before and after a save."""
        document, path = self._document, self._path
        self._copy("first automatic copy")
        editing.rename(self._context, 1, "Eve")
        wait(300)
        self._copy("automatic copy after an edit")
        saving = lambda: save_session.save(self._context)  # noqa: E731
        saved = self._heart.measure(saving, lambda: not document.is_modified)
        report("save", saved, f"{path.stat().st_size / 1e9:.2f} GB written")
        wait(500)
        editing.rename(self._context, 1, "Zoe")
        self._copy("automatic copy after the save")

    def _copy(self, what: str) -> None:
        autosave, tasks = self._window._autosave, self._context.tasks
        done = self._heart.measure(autosave.save_copy, lambda: tasks.num_running == 0)
        # What is a second name of the user's file was not written.
        files = [file.stat() for file in autosave.folder.iterdir()]
        size = sum(file.st_size for file in files if file.st_nlink == 1)
        report(what, done, f"{size / 1e6:.3f} MB written")


def main() -> int:
    """Run with the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["POSESTAGE_DATA_DIR"] = str(folder)
        path = make_session(folder, options.frames, options.people)
        size = path.stat().st_size / 1e9
        print(f"{options.frames} frames, {options.people} people: a file of {size:.2f} GB")
        print(f"{'milliseconds':32}{'in all':>12}{'window busy':>12}{'processor':>12}")
        bootstrap.make_application([])
        settings = QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat)
        settings.setValue("autosave_s", "3600")  # when it is told to, not in between
        window = MainWindow(Settings(settings))
        window.show()
        bootstrap.GuiGarbageCollector(window)
        wait(1000)
        benchmark = Benchmark(window, path)
        benchmark.open()
        benchmark.step()
        benchmark.edit()
        benchmark.copy_and_save()
        memory = psutil.Process().memory_info()
        shared = getattr(memory, "shared", 0)  # what the system could fetch from files again
        own, mapped = (memory.rss - shared) / 1e9, memory.rss / 1e9
        print(f"memory: {own:.2f} GB of its own, {mapped:.2f} GB with what is mapped from files")
        window.shut_down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
