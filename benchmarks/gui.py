r"""Milliseconds from a key press to the painted result, and the longest stall, in the real window.

The window, 1600 x 1000, shows the bundled clip with a real estimate, which is made first unless
``--session`` names one. A result counts as painted when every view that shows it has been painted
with the state that was asked for and the event loop is free again. Needs a screen, for example::

    QT_QPA_PLATFORM=xcb xvfb-run -a -s "-screen 0 1600x1000x24" \
        python benchmarks/gui.py --session walk.posestage --json gui.json

Beside the time on the clock stands the time that the GUI thread itself was at work: on a busy
machine the first is longer because others have the processor. The refiner of the sensitivity is a
trained one where there is one; else it has the size of the recipe ``tp-net`` and random weights,
which makes no difference in time.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import repeat
from pathlib import Path

import numpy as np
import psutil
from PySide6.QtCore import (
    QCoreApplication,
    QEvent,
    QEventLoop,
    QObject,
    QPointF,
    QSettings,
    Qt,
    QTimer,
)
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractScrollArea, QWidget

from app import bootstrap
from app.commands import SetTracks
from app.document import Change
from app.laboratory.laboratory import PANELS
from app.laboratory.panel import LabPanel
from app.main_window import MainWindow
from app.paths import sample_clip
from app.settings import Settings
from app.widgets.theme import theme
from pose_core.inference.lifter import make_lifter
from pose_core.inference.pipeline import lifted
from pose_core.inference.records import EstimateSettings
from pose_core.models.entries import ModelEntry
from pose_core.models.networks import NETWORKS
from pose_core.models.registry import installed_models, save_user_model
from pose_core.resources import resource_path
from pose_core.skeleton import H36M_17

SIZE = (1600, 1000)
STEP_TARGET_MS, RECOMPUTE_TARGET_MS, STALL_TARGET_MS = 50.0, 150.0, 100.0
PATIENCE_MS = 20_000
SETTLE_S = 180  # the first panel that needs it imports PyTorch
PAUSE_MS = 60  # between two presses, as of somebody who looks
HEARTBEAT_MS = 2
Views = dict[QWidget, Callable[[], bool]]

WARM_UP = 5  # presses that are not counted
FIRST_FRAME = 100
REFINERS = ("tpnet", "lstm_baseline")


@dataclass(frozen=True)
class Measured:
    """What one action takes, milliseconds; None where it could not be measured."""

    name: str
    target_ms: float
    median_ms: float
    p95_ms: float
    gui_thread_ms: float  # median of the time that the GUI thread itself was at work
    gui_thread_p95_ms: float
    num: int

    @property
    def is_met(self) -> bool:
        """Whether the time on the clock keeps to the target; the other may be less."""
        return self.p95_ms < self.target_ms


class Painted(QObject):
    """Waits until each of some widgets has been painted in the state that is asked for.

    Parameters
    ----------
    views : dict of QWidget to callable
        What tells whether the widget has the state now.
    """

    def __init__(self, views: Views) -> None:
        super().__init__()
        self._views = views
        self._is_right = {id(widget): is_right for widget, is_right in views.items()}
        self._left: set[int] = set()
        self._loop = QEventLoop()
        self._patience = QTimer(self, singleShot=True, interval=PATIENCE_MS)
        self._patience.timeout.connect(self._loop.quit)
        for widget in views:
            widget.installEventFilter(self)

    def time_of(self, act: Callable[[], object]) -> tuple[float, float]:
        """Milliseconds, on the clock and of this thread, from an action to what it paints."""
        self._left = set(self._is_right)
        started = time.perf_counter(), time.thread_time()
        self._patience.start()
        act()
        self._loop.exec()
        now = time.perf_counter(), time.thread_time()
        self._patience.stop()
        if self._left:
            left = [type(widget).__name__ for widget in self._views if id(widget) in self._left]
            raise TimeoutError(f"not painted: {', '.join(left)}")
        return 1000 * (now[0] - started[0]), 1000 * (now[1] - started[1])

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        key, is_paint = id(watched), event.type() == QEvent.Type.Paint
        if is_paint and key in self._left and self._is_right[key]():
            self._left.discard(key)
            if not self._left:
                # The widget is painted after this filter; then the loop is free.
                QTimer.singleShot(0, self._loop.quit)
        return False

    def stop(self) -> None:
        for widget in self._views:
            widget.removeEventFilter(self)


def pause(milliseconds: int) -> None:
    """Let the window live for a while. `QTest.qWait` would keep the interpreter from threads."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


class Bench:
    """The window, and what a person does with it."""

    def __init__(self, window: MainWindow, num_repeats: int) -> None:
        self.window, self.num_repeats = window, num_repeats
        self.state = window.context.view_state

    def settle(self, panel: LabPanel | None = None) -> None:
        """Wait until nothing is left to do."""
        window, deadline = self.window, time.monotonic() + SETTLE_S
        while (
            not window.presenter.is_picture_shown
            or window.context.tasks.num_running
            or not (panel is None or panel.is_up_to_date)
        ):
            if time.monotonic() > deadline:
                raise TimeoutError("the window does not come to rest")
            pause(20)
        pause(300)

    def open_panel(self, name: str) -> LabPanel:
        self.window.actions_table[f"laboratory.{name}"].trigger()
        panel = self.window.laboratory.panel(name)
        self.settle(panel)
        return panel

    def press(self, key: Qt.Key) -> None:
        QTest.keyClick(self.window, key)

    def measure(
        self,
        name: str,
        target_ms: float,
        views: Views,
        acts: Iterator[Callable[[], object]],
    ) -> Measured:
        """Do something many times."""
        painted = Painted(views)
        times = []
        try:
            for _ in range(WARM_UP + self.num_repeats):
                times.append(painted.time_of(next(acts)))
                pause(PAUSE_MS)
        finally:
            painted.stop()
        clock, own = np.array(times[WARM_UP:]).T
        parts = np.percentile([clock, own], (50, 95), axis=1).T.ravel().tolist()
        return Measured(name, target_ms, *parts, self.num_repeats)

    # -- what a person does ----------------------------------------------------------------

    def frame_steps(self, where: str) -> Measured:
        """The arrow key, until picture, 3D and timeline show the frame."""
        window, wanted = self.window, [FIRST_FRAME]
        self.state.set_frame(FIRST_FRAME)
        self.settle()

        def step() -> None:
            wanted[0] = self.state.frame + 1
            self.press(Qt.Key.Key_Right)

        views: Views = {
            window.video: lambda: window.video.exact_frame == wanted[0],
            window.skeleton: lambda: window.skeleton._frame == wanted[0],
            window.timeline: lambda: window.timeline.frame == wanted[0],
        }
        return self.measure(f"frame step, {where}", STEP_TARGET_MS, views, repeat(step))

    def stage_steps(self) -> Measured:
        """The keys [ and ], until 3D and strip show the stage."""
        panel = self.open_panel("stages")
        wanted = [self.state.stage]

        def step() -> None:
            is_last = self.state.stage == self.state.num_stages - 1
            wanted[0] = self.state.stage + (-1 if is_last else 1)
            self.press(Qt.Key.Key_BracketLeft if is_last else Qt.Key.Key_BracketRight)

        views: Views = {
            self.window.skeleton: lambda: self.state.stage == wanted[0],
            panel.strip: lambda: panel.strip._current == wanted[0],
        }
        measured = self.measure("stage step", STEP_TARGET_MS, views, repeat(step))
        self.state.set_stage(self.state.num_stages - 1)
        return measured

    def recomputes(self, panel_name: str, title: str, parts: tuple[str, ...]) -> Measured:
        """The arrow key, until a panel shows what belongs to the frame."""
        self.state.set_frame(FIRST_FRAME)
        panel = self.open_panel(panel_name)
        wanted = [FIRST_FRAME]

        def step() -> None:
            wanted[0] = self.state.frame + 1
            self.press(Qt.Key.Key_Right)

        def is_right() -> bool:
            return self.state.frame == wanted[0] and shows_present(panel)

        views: Views = dict.fromkeys((canvas(getattr(panel, part)) for part in parts), is_right)
        return self.measure(title, RECOMPUTE_TARGET_MS, views, repeat(step))

    def drags(self) -> Measured:
        """A wrist dragged on the video, until the panel What-if has the answer of each move."""
        window, frame = self.window, FIRST_FRAME + 20
        self.state.set_frame(frame)
        panel = self.open_panel("what_if")
        xy = window.context.selected_track.keypoints.xy[frame, H36M_17.index("left_wrist")]
        start = QPointF(*window.video.zoom.to_device(xy)) / window.video.devicePixelRatioF()
        send_mouse(window.video, QEvent.Type.MouseButtonPress, start)
        before = [panel._inputs]

        def moves() -> Iterator[Callable[[], object]]:
            for k in range(1, 10**6):
                angle = 0.3 * k
                place = start + QPointF(30 * np.cos(angle), 30 * np.sin(angle))
                before[0] = panel._inputs
                yield lambda place=place: send_mouse(window.video, QEvent.Type.MouseMove, place)

        def is_right() -> bool:
            return panel._inputs is not before[0] and shows_present(panel)

        views: Views = dict.fromkeys((canvas(panel.strip), canvas(panel.numbers)), is_right)
        try:
            return self.measure("what-if drag", RECOMPUTE_TARGET_MS, views, moves())
        finally:
            QTest.keyClick(window.video, Qt.Key.Key_Escape)
            send_mouse(window.video, QEvent.Type.MouseButtonRelease, start)
            panel.discard()

    def stall(self, seconds: float) -> dict[str, float]:
        """The longest time that the GUI thread was away while clip and estimate ran."""
        window = self.window
        heartbeat = Heartbeat()
        self.state.set_looping(True)
        self.state.set_frame(0)
        window.estimator.start()
        self.state.set_playing(True)
        ends = time.monotonic() + seconds
        pause(500)  # the estimate begins to load
        heartbeat.start()
        while time.monotonic() < ends and window.estimator.is_running:
            pause(100)
        heartbeat.stop()
        threads = threading.active_count(), psutil.Process().num_threads()
        window.estimator.cancel()
        self.state.set_playing(False)
        self.settle()
        return {**heartbeat.report(), "python_threads": threads[0], "threads": threads[1]}


class Heartbeat(QObject):
    """Notes when the GUI thread comes back to its event loop."""

    def __init__(self) -> None:
        super().__init__()
        self._beats: list[tuple[float, float]] = []
        self._timer = QTimer(self, interval=HEARTBEAT_MS, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)

    def _beat(self) -> None:
        self._beats.append((time.perf_counter(), time.thread_time()))

    def start(self) -> None:
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()

    def report(self) -> dict[str, float]:
        """Milliseconds of the longest gaps, and what the thread itself worked in the longest."""
        clock, own = 1000 * np.diff(np.array(self._beats), axis=0).T
        longest = int(clock.argmax())
        return {
            "stall_ms": float(clock[longest]),
            "stall_gui_thread_ms": float(own[longest]),
            "longest_work_ms": float(own.max()),
            "p99_ms": float(np.percentile(clock, 99)),
            "gaps_over_target": int((clock > STALL_TARGET_MS).sum()),
            "seconds": float(clock.sum() / 1000),
        }


def canvas(widget: QWidget) -> QWidget:
    """The widget whose paint events paint it."""
    return widget.viewport() if isinstance(widget, QAbstractScrollArea) else widget


def shows_present(panel: LabPanel) -> bool:
    """Whether what a panel shows belongs to what it is asked for now."""
    subject = panel.bench.focus.current
    return panel.is_up_to_date and subject is not None and panel.inputs(subject) == panel._inputs


def send_mouse(widget: QWidget, kind: QEvent.Type, place: QPointF) -> None:
    button = Qt.MouseButton.LeftButton
    is_move = kind == QEvent.Type.MouseMove
    event = QMouseEvent(
        kind,
        place,
        QPointF(widget.mapToGlobal(place)),
        Qt.MouseButton.NoButton if is_move else button,
        Qt.MouseButton.NoButton if kind == QEvent.Type.MouseButtonRelease else button,
        Qt.KeyboardModifier.NoModifier,
    )
    QCoreApplication.sendEvent(widget, event)


# -- the window and what it shows ----------------------------------------------------------


def estimated(session: Path) -> None:
    """Estimate the bundled clip, unless the session is there."""
    if not session.exists():
        words = ["estimate", str(sample_clip()), "--formats", "session", "--out"]
        command = [sys.executable, "-m", "pose_core", *words, str(session.parent)]
        subprocess.run(command, check=True)
        next(session.parent.glob("*.posestage")).rename(session)


def refiner() -> ModelEntry:
    """A network that refines poses over time: the first installed, else one as the recipe has it.

    The latter goes to the models of the user, which lie in a folder of this benchmark.
    """
    import torch  # noqa: PLC0415 - the window must come without it
    from safetensors.torch import save  # noqa: PLC0415

    known = [entry for entry in installed_models().values() if entry.network in REFINERS]
    if known:
        return known[0]
    recipe = tomllib.loads(resource_path("recipes", "tp-net.toml").read_text("utf-8"))
    config = recipe["task"]["network"]
    torch.manual_seed(0)
    network = NETWORKS["tpnet"].build(config)
    entry = ModelEntry(
        name="tp-net random weights", network="tpnet", config=config, file="w.safetensors",
        sha256="", rate_hz=25.0, skeleton="h36m17", preprocessing="ray_input", units="metres",
        training_data="", licence="", command="", paper="", num_parameters=0,
        base=recipe["task"]["lifter"],
    )  # fmt: skip
    return save_user_model(entry, save(network.state_dict()))


def add_run(window: MainWindow, entry: ModelEntry) -> None:
    """Give the person the 3D of a model, and show it."""
    document, track = window.context.document, window.context.selected_track
    settings = EstimateSettings(model=entry.name)
    more = lifted(track, make_lifter(entry), document.session.clip, settings)
    tracks = (replace(more, runs={**track.runs, **more.runs}),)
    after = document.session.with_tracks(tracks)
    document.undo_stack.push(SetTracks(document, "3D Again", after, Change("poses")))
    num_stages = len(more.runs[entry.name].poses.stages)
    window.context.view_state.set_track(track.track_id, entry.name, num_stages)


def make_window(session: Path) -> MainWindow:
    """The window with the estimated clip, as at the first start."""
    bootstrap.prepare_environment()
    bootstrap.make_application([])
    settings = Settings(QSettings("", QSettings.Format.IniFormat))
    bootstrap.apply_theme(settings)
    theme().choose("light")
    window = MainWindow(settings)
    window.resize(*SIZE)
    window.show()
    bootstrap.GuiGarbageCollector(window)
    window.activateWindow()
    window.open_path(session)
    while window.context.document.session is None or not window.presenter.is_picture_shown:
        pause(20)
    return window


def measure_all(
    bench: Bench, seconds: float, folder: Path
) -> tuple[list[Measured], dict[str, float]]:
    """Every row of the table, and the stall."""
    window = bench.window
    rows = [bench.frame_steps("no panel open"), bench.stage_steps()]
    rows.append(bench.frame_steps("stages open"))
    parts = ("map", "surface3d")
    rows.append(bench.recomputes("loss_surface", "loss-surface recompute", parts))
    if "what_if" in {name for name, _, _ in PANELS}:
        rows.append(bench.drags())
    bench.open_panel("stages")
    stall = bench.stall(seconds)
    # Only now: the estimate wants the weights of the detector, which lie in the user's folder.
    os.environ["POSESTAGE_DATA_DIR"] = str(folder)
    add_run(window, refiner())
    rows.append(bench.recomputes("sensitivity", "sensitivity recompute", ("map", "curve")))
    return rows, stall


def print_table(rows: list[Measured], facts: dict[str, float | str]) -> None:
    clock, own = "on the clock, ms", "GUI thread at work, ms"
    print(f"{'':32} {clock:>17} {own:>24}")
    print(f"{'':32} {'median':>8} {'p95':>8} {'median':>15} {'p95':>8} {'target':>8}")
    for row in rows:
        verdict = "met" if row.is_met else "missed"
        print(
            f"{row.name:32} {row.median_ms:8.1f} {row.p95_ms:8.1f} {row.gui_thread_ms:15.1f} "
            f"{row.gui_thread_p95_ms:8.1f} {row.target_ms:8.0f}   {verdict}"
        )
    stall_ms, own_ms = float(facts["stall_ms"]), float(facts["stall_gui_thread_ms"])
    verdict = "met" if stall_ms < STALL_TARGET_MS else "missed"
    print(
        f"{'longest stall':32} {stall_ms:17.1f} {own_ms:24.1f} {STALL_TARGET_MS:8.0f}   {verdict}"
    )
    for name, value in facts.items():
        print(f"{name:32} {value:.1f}" if isinstance(value, float) else f"{name:32} {value}")


def main() -> int:
    """Measure and print; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--session", type=Path, help="estimate to show; made where it is not there")
    parser.add_argument("--repeat", type=int, default=60, help="times of each action")
    parser.add_argument("--seconds", type=float, default=30, help="of playback while estimating")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args()
    load = psutil.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        session = options.session or Path(folder) / "estimate" / "walk_punch_turn.posestage"
        session.parent.mkdir(parents=True, exist_ok=True)
        estimated(session)
        window = make_window(session)
        bench = Bench(window, options.repeat)
        bench.settle()
        rows, stall = measure_all(bench, options.seconds, Path(folder))
        memory = psutil.Process().memory_info().rss / 2**20
        window.context.document.open(None)
        window.close()
        window.deleteLater()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    facts = {"load_before": load, "load_after": psutil.getloadavg()[0], "memory_mb": memory}
    facts |= {"processors": os.cpu_count() or 0, **stall}
    print_table(rows, facts)
    if options.json is not None:
        found = {"rows": [{**asdict(row), "is_met": row.is_met} for row in rows], **facts}
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return 0 if all(row.is_met for row in rows) and stall["stall_ms"] < STALL_TARGET_MS else 1


if __name__ == "__main__":
    sys.exit(main())
