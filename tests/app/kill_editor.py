"""Kill the application with SIGKILL while somebody edits, again and again: nothing is lost.

``python tests/app/kill_editor.py --times 50`` starts the real application (under Xvfb where there
is no display), which opens a session or restores what the kill before has left, edits and saves.
It is killed while it starts, at random moments, while an automatic copy is being written and while
the session is. After each kill every session file and backup must be whole, and the work that the
next start offers to restore must hold all edits but those of the last seconds that the settings
allow to be lost.
"""

import argparse
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
from PySide6.QtCore import QSettings, QTimer
from PySide6.QtWidgets import QDialog, QMessageBox

from app import bootstrap
from app.commands import SetTracks
from app.dialogs.recovery import RecoveryDialog
from app.document import Change
from app.main_window import MainWindow
from app.operations import edit_poses, editing, save_session
from app.operations.merge_tracks import merge_tracks
from app.settings import Settings
from pose_core.poses import Keypoints2D, Poses3D
from pose_core.session import ModelRun, Session, Track
from pose_core.session_io import load_session_file
from pose_core.session_io import save_session as write_session
from pose_core.session_parts import parts_of
from pose_core.session_recovery import CHANGES_NAME, load_recovery
from pose_core.video import open_clip

NUM_FRAMES = 120
EDIT_EVERY_MS = 120
PATIENCE_S = 120
MOMENTS = (
    "at random",
    "while a copy is written",
    "while it starts",
    "at random",
    "while it saves",
)


def digest(session: Session) -> str:
    """A hash of all that can be edited."""
    description, arrays = parts_of(session)
    total = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(arrays):
        total.update(name.encode() + arrays[name].tobytes())
    return total.hexdigest()[:16]


# --- the process that edits -------------------------------------------------------------------


class Editor:
    """Edits in a window as fast as a person would not, and tells of every state."""

    def __init__(self, window: MainWindow, path: Path, log: Path, seed: int) -> None:
        self._window, self._context = window, window.context
        self._path = path
        self._rng = random.Random(seed)
        self._log = log.open("a", encoding="utf-8")
        self._num_edits = 0
        self._timer = QTimer(window, interval=EDIT_EVERY_MS)
        self._timer.timeout.connect(self._edit)
        self._context.tasks.failed.connect(lambda error: self._tell(f"failed: {error}"))

    def start(self) -> None:
        """Restore what there is to restore, or open the file; then edit."""
        self._window.offer_recovery()
        dialog = self._window.findChild(RecoveryDialog)
        self._context.document.opened.connect(self._on_opened)
        if dialog is None:
            self._window.open_path(self._path)
        elif dialog.list.topLevelItem(0).text(4).startswith("saved later"):
            # Killed after the session was saved, before its copy was removed.
            dialog.discard_button.click()
            (box,) = dialog.findChildren(QMessageBox)
            next(button for button in box.buttons() if button.text() == "Discard").click()
            self._window.open_path(self._path)
        else:
            dialog.restore_button.click()

    def _on_opened(self) -> None:
        """All that was done must be undoable, however often the application was killed."""
        document = self._context.document
        before, index = digest(document.session), document.undo_stack.index()
        assert document.path == self._path
        document.go_to_step(0)
        document.go_to_step(index)
        assert digest(document.session) == before
        self._tell("opened")
        document.undo_stack.indexChanged.connect(lambda _: self._tell("edited"))
        document.modified_changed.connect(lambda is_modified: is_modified or self._tell("saved"))
        self._timer.start()

    def _tell(self, what: str) -> None:
        session = self._context.document.session
        line = {
            "time": time.time(),
            "what": what,
            "state": digest(session) if session else "",
            "steps": self._context.document.undo_stack.count(),
        }
        self._log.write(json.dumps(line) + "\n")
        self._log.flush()

    def _edit(self) -> None:
        if any(box.isVisible() for box in self._window.findChildren(QDialog)):
            self._tell("failed: there is a dialog")
        self._num_edits += 1
        self._rng.choice(self._verbs())()

    def _verbs(self) -> list[Callable[[], object]]:
        context, document = self._context, self._context.document
        track = self._rng.choice(document.session.tracks)
        start = self._rng.randrange(5, NUM_FRAMES - 20)
        end = start + self._rng.randrange(5, 12)
        pose = track.runs["model"].poses.xyz[start] + 0.01
        return [
            lambda: editing.rename(context, track.track_id, f"Name {self._num_edits}"),
            lambda: edit_poses.smooth(context, track, "model", start, end),
            lambda: edit_poses.interpolate(context, track, "model", start, end),
            lambda: edit_poses.swap_sides(context, track, start, end, (13, 16)),
            lambda: edit_poses.set_pose(context, track, "model", start, pose),
            lambda: self._merge(track, start, end),
            document.undo_stack.undo,
            document.undo_stack.redo,
            *([lambda: save_session.save(context)] if self._rng.random() < 0.3 else []),
        ]

    def _merge(self, track: Track, start: int, end: int) -> None:
        """What an estimate of these frames does to the session."""
        document = self._context.document
        moved = replace(track.keypoints, xy=track.keypoints.xy + self._rng.random())
        tracks = merge_tracks(
            document.session.tracks, (replace(track, keypoints=moved),), start, end
        )
        after = document.session.with_tracks(tracks)
        change = Change("poses", (), start, end)
        document.undo_stack.push(SetTracks(document, "Estimate", after, change))


def edit(options: argparse.Namespace) -> int:
    """Be the application until it is killed."""
    bootstrap.enable_crash_trace()
    application = bootstrap.make_application([])
    window = MainWindow(Settings())
    bootstrap.ErrorReporter(window)
    window.show()
    bootstrap.GuiGarbageCollector(window)
    editor = Editor(window, options.edit, options.log, options.seed)
    QTimer.singleShot(0, editor.start)
    return application.exec()


# --- the process that kills -------------------------------------------------------------------


@dataclass(frozen=True)
class Kill:
    """What was found after a kill.

    Parameters
    ----------
    moment : str
    num_states : int
        How many states the killed process told of.
    lost_s : float
        How long before the kill the first edit that is missing was made.
    num_steps : int
        How many steps the history holds.
    torn : bool
        Whether half a file was left behind.
    """

    moment: str
    num_states: int
    lost_s: float
    num_steps: int
    torn: bool


def make_session(folder: Path) -> Path:
    """A session file with two people, and its video."""
    video = folder / "clip.mp4"
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for i in range(NUM_FRAMES):
            image = np.full((96, 160, 3), 2 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    clip = open_clip(video)
    rng = np.random.default_rng(0)
    t = clip.times_s[:, None, None]

    def person(track_id: int) -> Track:
        xy = rng.uniform(0, 90, (17, 2)) + 5 * np.sin(t + rng.uniform(0, 6, (17, 2)))
        stages = rng.uniform(-1, 1, (2, 1, 17, 3)) + 0.1 * np.sin(t + rng.uniform(0, 6, (17, 3)))
        root = np.tile([0.0, 0.0, 4.0], (clip.num_frames, 1))
        keypoints = Keypoints2D(xy + 60 * track_id, np.full(xy.shape[:2], 0.9))
        runs = {"model": ModelRun(Poses3D(stages, root), {"model": "model"})}
        return Track(track_id, f"Person {track_id}", keypoints, runs)

    path = folder / "work" / "clip.posestage"
    path.parent.mkdir()
    write_session(Session(clip, (person(1), person(2))), path)
    return path


def read_log(log: Path) -> list[dict]:
    """What the killed process has told; a line may be cut off."""
    lines = log.read_text(encoding="utf-8").split("\n")[:-1] if log.exists() else []
    told = [json.loads(line) for line in lines]
    failures = [line["what"] for line in told if line["what"].startswith("failed")]
    assert not failures, failures
    return told


def wait_for(moment: str, rng: random.Random, folder: Path, log: Path, interval_s: float) -> bool:
    """Wait for the moment; False where it does not come."""
    started = time.time()
    if moment == "while it starts":
        time.sleep(rng.uniform(1.0, 6.0))
        return True
    while not any(line["what"] == "edited" for line in read_log(log)):
        if time.time() - started > PATIENCE_S:
            return False
        time.sleep(0.02)
    time.sleep(rng.uniform(0.0, 2.5) * interval_s)
    places = {"while a copy is written": "data", "while it saves": "work"}
    if moment in places:
        deadline = time.time() + PATIENCE_S
        while not any((folder / places[moment]).rglob("*.partial")):
            if time.time() > deadline:
                return False
    return True


def look_at(
    folder: Path, log: Path, moment: str, killed_at: float, before: str
) -> tuple[Kill, str]:
    """What is left after a kill, and the state that the next start must come to."""
    states = [line for line in read_log(log) if line["state"]]
    files = {path: load_session_file(path) for path in (folder / "work").glob("*.posestage")}
    assert not [file.warning for file in files.values() if file.warning]
    copies = [path.parent for path in (folder / "data" / "recovery").rglob(CHANGES_NAME)]
    assert len(copies) <= 1, copies
    main = folder / "work" / "clip.posestage"
    recovered = files[main]
    if copies:
        copy = load_recovery(copies[0])
        assert not copy.warning
        is_outdated = not copy.info.is_from(recovered.save_id)
        assert not is_outdated or main.stat().st_mtime > copy.info.time_s
        recovered = recovered if is_outdated else copy
    state = digest(recovered.session)
    if not states:  # killed before anything was open
        assert state == before
        return Kill(moment, 0, 0.0, len(recovered.history.steps), False), state
    assert states[0]["state"] == before, "not the state that was to be restored"
    last = max(i for i, line in enumerate(states) if line["state"] == state)
    missing = [line for line in states[last + 1 :] if line["state"] != state]
    lost_s = killed_at - missing[0]["time"] if missing else 0.0
    torn = any(folder.rglob("*.partial"))
    return Kill(moment, len(states), lost_s, len(recovered.history.steps), torn), state


def kill_again_and_again(folder: Path, times: int, seed: int, interval_s: float) -> list[Kill]:
    """Edit with kills.

    Raises
    ------
    AssertionError
        If more is lost than the settings allow, or any file is damaged.
    """
    rng, path = random.Random(seed), make_session(folder)
    (folder / "data").mkdir()
    places = {"POSESTAGE_DATA_DIR": folder / "data", "XDG_CONFIG_HOME": folder / "config"}
    environment = os.environ | {key: str(value) for key, value in places.items()}
    store = QSettings(str(folder / "config/PoseStage/PoseStage.conf"), QSettings.Format.IniFormat)
    store.setValue("autosave_s", str(interval_s))
    store.sync()
    state = digest(load_session_file(path).session)
    kills: list[Kill] = []
    moments = itertools.cycle(MOMENTS)
    while len(kills) < times:
        log, moment = folder / f"log{len(kills)}.jsonl", next(moments)
        words = ["--edit", path, "--log", log, "--seed", rng.randrange(1 << 30)]
        process = subprocess.Popen(
            [sys.executable, __file__, *map(str, words)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        has_come = wait_for(moment, rng, folder, log, interval_s)
        is_running = process.poll() is None
        killed_at = time.time()
        # With the other signal it tells where it stands.
        process.send_signal(signal.SIGKILL if has_come else signal.SIGABRT)
        errors = process.communicate()[1].decode()
        assert is_running, f"it ended by itself: {errors}"
        assert has_come, f"nothing to kill {moment}: {read_log(log)[-5:]} {errors}"
        kill, state = look_at(folder, log, moment, killed_at, state)
        print(f"kill {len(kills) + 1} {kill}", flush=True)  # noqa: T201 - a program
        assert kill.lost_s <= interval_s, f"{kill.lost_s:.1f} s of edits are missing"
        kills.append(kill)
    return kills


@contextmanager
def display() -> Iterator[None]:
    """A display: the one there is, or Xvfb's."""
    if os.environ.get("DISPLAY"):
        yield
        return
    program = shutil.which("Xvfb")
    assert program, "no display, and no Xvfb to make one"
    words = ["-displayfd", "1", "-screen", "0", "1600x1000x24"]
    server = subprocess.Popen([program, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        os.environ["DISPLAY"] = f":{server.stdout.readline().decode().strip()}"
        yield
    finally:
        server.terminate()
        server.wait()


def main() -> int:
    """Kill as often as the options say, or be the application that is killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--interval", type=float, default=4.0, help="seconds that may be lost")
    parser.add_argument("--edit", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.edit is not None:
        return edit(options)
    with tempfile.TemporaryDirectory() as folder, display():
        kills = kill_again_and_again(Path(folder), options.times, options.seed, options.interval)
    torn = sum(kill.torn for kill in kills)
    lost = max(kill.lost_s for kill in kills)
    sys.stdout.write(
        f"{len(kills)} kills after {sum(kill.num_states for kill in kills)} states, {torn} of them "
        f"in the middle of a file: no file was damaged, and at most {lost:.1f} s of edits were "
        f"missing ({options.interval:g} s are allowed)\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
