r"""Pictures of every view of the application, light and dark, for the documentation.

``python docs/figures/screens.py --out docs/images`` estimates the bundled clip, makes three tiny
training runs, and takes the pictures in the real window, so it needs a screen::

    QT_QPA_PLATFORM=xcb xvfb-run -a -s "-screen 0 1600x1000x24" \
        python docs/figures/screens.py --out docs/images

``--scale 2`` takes them as on a screen of twice the resolution. ``--session`` and ``--runs`` keep
what was computed from one call to the next. Settings, models and runs of the user have no part in
it. It needs Pillow, which comes with matplotlib and so with the ``dev`` extra.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pose_core.inference.lifter import make_lifter
from pose_core.inference.pipeline import lifted
from pose_core.inference.records import EstimateSettings
from pose_core.models.registry import model_entry
from pose_core.session_io import load_session, save_session
from pose_core.skeleton import H36M_17

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from app.main_window import MainWindow

FRAME = 150  # an arm bent before the chest
# What each panel is there for: the model that it shows here.
MODELS = {
    "stages": "rpsm",
    "self_correction": "pose-machine",
    "sensitivity": "tp-net",
    "what_if": "pose-machine",
}
MODEL = "temporal"  # of the other ones
DRAGGED = "left_wrist"
DRAGGED_BY = (55.0, -70.0)  # pixels of the picture
WINDOW_SIZE = (1440, 900)
NUM_COLOURS = 256
PATIENCE_S = 300.0
SETTLE_MS = 900  # after the last answer: views paint, the 3D view gets its frame
RUNS = {  # a name, and the words after ``posestage train``
    "wide": ("temporal", "--set", "task.network.channels=96"),
    "narrow": ("temporal", "--set", "task.network.channels=24"),
    "one-frame": ("single-frame", "--set", "task.network.channels=64"),
}
RUN_STEPS = 1200


@dataclass(frozen=True)
class Taker:
    """Brings the window into shape and takes the pictures."""

    window: "MainWindow"
    out: Path
    suffix: str  # of the scale

    def settle(self, is_ready: Callable[[], bool] = lambda: True) -> None:
        """Wait until everything that is to be seen is there."""
        tasks, deadline = self.window.context.tasks, time.monotonic() + PATIENCE_S
        while not (self.window.presenter.is_picture_shown and not tasks.num_running and is_ready()):
            if time.monotonic() > deadline:
                raise TimeoutError("the window does not come to rest")
            pause(50)
        pause(SETTLE_MS)

    def take(self, name: str, widget: "QWidget") -> None:
        """Save a picture with a palette of its own: a third of the size."""
        from app.widgets.theme import theme  # noqa: PLC0415 - after the scale is set

        shade = "_dark" if theme().is_dark else ""
        path = self.out / f"{name}{shade}{self.suffix}.png"
        widget.grab().save(str(path), "PNG")
        with Image.open(path) as picture:
            with_palette(picture.convert("RGB")).save(path, optimize=True)
        print(f"{path}  {path.stat().st_size / 1024:.0f} KB")


def pause(milliseconds: int) -> None:
    """Let the window live for a while. `QTest.qWait` would keep the interpreter from threads."""
    from PySide6.QtCore import QEventLoop, QTimer  # noqa: PLC0415 - after the scale is set

    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def with_palette(picture: Image.Image) -> Image.Image:
    """The picture in few colours.

    They are chosen as if each colour covered the root of its area: else the many shades of a
    video would take the palette from thin lines, whose colours mean something.
    """
    counted = picture.getcolors(picture.width * picture.height) or []
    pixels = [colour for count, colour in counted for _ in range(math.isqrt(count))]
    sample = Image.new("RGB", (len(pixels), 1))
    sample.putdata(pixels)
    palette = sample.quantize(NUM_COLOURS, Image.Quantize.MEDIANCUT, kmeans=1)
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)


# -- what is taken -------------------------------------------------------------------------


def welcome(taker: Taker) -> None:
    """Before anything is open."""
    taker.take("welcome", taker.window)


def main_window(taker: Taker) -> None:
    """The analyst's workspace as it opens."""
    show_model(taker.window, MODEL)
    taker.window.workspaces.choose("analyst")
    taker.window.workspaces.reset()
    taker.settle()
    taker.take("main_window", taker.window)


def panels(taker: Taker) -> None:
    """Every panel of the laboratory, in the place and size that it has at first."""
    from app.laboratory.laboratory import PANELS  # noqa: PLC0415 - after the scale is set

    window = taker.window
    window.workspaces.choose("analyst")
    window.workspaces.reset()
    for name, _, _ in PANELS:
        show_model(window, MODELS.get(name, MODEL))
        window.actions_table[f"laboratory.{name}"].trigger()
        panel = window.laboratory.panel(name)
        taker.settle(lambda panel=panel: panel.is_up_to_date)
        if name in ACTS:
            ACTS[name](window)
            taker.settle(lambda panel=panel: panel.is_up_to_date)
        taker.take(f"laboratory_{name}", window.laboratory)
        if name in ("stages", "what_if"):
            taker.take("workspace_analyst" if name == "stages" else "what_if", window)
        window.context.unkept.discard()
    show_model(window, MODEL)


def show_model(window: "MainWindow", name: str) -> None:
    """Choose whose poses are shown, and its last stage."""
    state = window.context.view_state
    track = window.context.track(state.track_id)
    state.set_track(track.track_id, name, len(track.runs[name].poses.stages))


def bend_elbow(window: "MainWindow") -> None:
    """Drag the elbow to where the loss of illegal angles is high, well inside the map."""
    panel = window.laboratory.panel("loss_surface")
    panel.choose_loss("2d + symmetry + angle")
    surface = panel.result.surface
    angle = surface.terms["angle"]
    margin = len(angle) // 6
    inner = angle[margin:-margin, margin:-margin]
    first, second = np.unravel_index(np.argmax(inner), inner.shape)
    panel.map.target.setPos(surface.first_m[margin + first], surface.second_m[margin + second])


def drag_wrist(window: "MainWindow") -> None:
    """Drag a joint on the video, as a person does."""
    from PySide6.QtCore import QEvent, QPointF, Qt  # noqa: PLC0415 - after the scale is set
    from PySide6.QtGui import QMouseEvent  # noqa: PLC0415
    from PySide6.QtWidgets import QApplication  # noqa: PLC0415

    video, state = window.video, window.context.view_state
    keypoints = window.context.track(state.track_id).keypoints
    start = keypoints.xy[state.frame, H36M_17.index(DRAGGED)]
    none, left = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
    kinds = QEvent.Type
    for kind, share, button, held in (
        (kinds.MouseButtonPress, 0.0, left, left),
        (kinds.MouseMove, 0.5, none, left),
        (kinds.MouseMove, 1.0, none, left),
        (kinds.MouseButtonRelease, 1.0, left, none),
    ):
        place = video.zoom.to_device(start + share * np.array(DRAGGED_BY))
        at = QPointF(*(place / video.devicePixelRatioF()))
        where = QPointF(video.mapToGlobal(at.toPoint()))
        keys = Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(video, QMouseEvent(kind, at, where, button, held, keys))


# What is done in a panel before its picture is taken.
ACTS = {"loss_surface": bend_elbow, "what_if": drag_wrist}


def teacher(taker: Taker) -> None:
    """The teacher's workspace, with the stages of RPSM."""
    show_model(taker.window, MODELS["stages"])
    taker.window.workspaces.choose("teacher")
    taker.window.workspaces.reset()
    taker.settle()
    taker.take("workspace_teacher", taker.window)
    taker.window.workspaces.choose("analyst")
    show_model(taker.window, MODEL)


def editing(taker: Taker) -> None:
    """Keypoints in the hand of the user."""
    window = taker.window
    window.actions_table["edit.keypoints"].trigger()
    taker.settle()
    window.annotation.mode.select(frozenset({H36M_17.index(DRAGGED)}))
    taker.settle()
    taker.take("editing", window)
    window.annotation.mode.set_on(False)


def training(taker: Taker) -> None:
    """The training window with the runs."""
    window = taker.window.training.show_window()
    window.resize(1280, 800)
    taker.settle(lambda: bool(window.curves.plots))
    taker.take("training", window)
    window.hide()


WITHOUT_CLIP = {"welcome": welcome}
WITH_CLIP = {
    "main_window": main_window,
    "panels": panels,
    "teacher": teacher,
    "editing": editing,
    "training": training,
}


# -- what they show ------------------------------------------------------------------------


def estimated(session: Path) -> None:
    """Estimate the bundled clip with all models that are shown, unless the session is there."""
    if session.exists():
        return
    from app.paths import sample_clip  # noqa: PLC0415 - after the scale is set

    words = ["estimate", str(sample_clip()), "--formats", "session", "--out"]
    posestage(*words, str(session.parent))
    found = load_session(next(session.parent.glob("*.posestage")))
    track = found.tracks[0]
    for name in sorted(set(MODELS.values())):
        lifter, settings = make_lifter(model_entry(name)), EstimateSettings(model=name)
        runs = lifted(track, lifter, found.clip, settings).runs
        track = replace(track, runs={**track.runs, name: runs[name]})
    save_session(found.with_tracks((track, *found.tracks[1:])), session)


def trained(folder: Path) -> None:
    """Make the runs, unless they are there."""
    for name, words in RUNS.items():
        if not (folder / name).exists():
            schedule = ("--batch", "32", "--steps", str(RUN_STEPS), "--threads", "1")
            often = ("--set", f"schedule.checkpoint_every={RUN_STEPS // 8}")
            options = ("--data", "bundled", "--data-workers", "0", "--device", "cpu")
            posestage("train", *words, *schedule, *often, *options, "--out", str(folder / name))


def posestage(*words: str) -> None:
    """Run the command line; it says itself how far it is."""
    subprocess.run([sys.executable, "-m", "pose_core", *words], check=True)


def make_window(runs: Path) -> "MainWindow":
    """A window that knows no settings but the defaults."""
    from PySide6.QtCore import QSettings  # noqa: PLC0415 - after the scale is set

    from app import bootstrap  # noqa: PLC0415
    from app.main_window import MainWindow  # noqa: PLC0415
    from app.settings import Settings  # noqa: PLC0415

    bootstrap.prepare_environment()
    bootstrap.make_application([])
    settings = Settings(QSettings("", QSettings.Format.IniFormat))
    bootstrap.apply_theme(settings)
    window = MainWindow(settings)
    window.training.service.set_folder(runs)
    window.resize(*WINDOW_SIZE)
    window.show()
    bootstrap.GuiGarbageCollector(window)
    return window


def take_all(options: argparse.Namespace, session: Path, runs: Path) -> None:
    """Open the window and take what was asked for."""
    from PySide6.QtCore import QCoreApplication, QEvent  # noqa: PLC0415 - after the scale is set

    from app.widgets.theme import theme  # noqa: PLC0415

    window = make_window(runs)
    suffix = "" if options.scale == 1 else f"_{100 * options.scale:.0f}"
    taker = Taker(window, options.out, suffix)
    for screens in (WITHOUT_CLIP, WITH_CLIP):
        if screens is WITH_CLIP:
            window.open_path(session)
            taker.settle(lambda: window.context.document.session is not None)
            window.context.view_state.set_frame(FRAME)
        for name in [name for name in screens if name in options.only]:
            for shade in options.themes:
                theme().choose(shade)
                taker.settle()
                screens[name](taker)
    window.context.document.open(None)
    window.close()
    window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def parse() -> argparse.Namespace:
    """Options of the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [*WITHOUT_CLIP, *WITH_CLIP]
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--scale", type=float, default=1, help="of the screen")
    parser.add_argument("--session", type=Path, metavar="FILE", help="keep the estimate here")
    parser.add_argument("--runs", type=Path, metavar="FOLDER", help="keep the training runs here")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--themes", nargs="+", choices=("light", "dark"), default=("light", "dark"))
    return parser.parse_args()


def main() -> None:
    """Compute what is missing, then take the pictures."""
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        session = options.session or Path(folder) / "estimate" / "walk_punch_turn.posestage"
        runs = options.runs or Path(folder) / "runs"
        session.parent.mkdir(parents=True, exist_ok=True)
        estimated(session)
        if "training" in options.only:
            trained(runs)
        # What Qt and the application read once: before they are imported and made.
        os.environ.setdefault("POSESTAGE_DATA_DIR", str(Path(folder) / "data"))
        if options.scale != 1:
            os.environ["QT_SCALE_FACTOR"] = str(options.scale)
        take_all(options, session, runs)


if __name__ == "__main__":
    main()
