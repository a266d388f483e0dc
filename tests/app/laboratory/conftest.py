"""A window with the bundled clip, its person, and a model with three stages."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PySide6.QtCore import QCoreApplication, QEvent, QPointF, QSettings, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog
from safetensors.torch import save

from app.commands import SetTracks
from app.document import Change
from app.laboratory.panel import LabPanel
from app.main_window import MainWindow
from app.paths import sample_clip
from app.settings import Settings
from app.widgets.theme import theme
from pose_core.analysis.keypoint_edits import FramePose
from pose_core.inference.lifter import make_lifter
from pose_core.inference.pipeline import estimate, lifted
from pose_core.inference.records import EstimateSettings
from pose_core.models.entries import ModelEntry
from pose_core.models.networks import NETWORKS
from pose_core.models.registry import save_user_model
from pose_core.poses import Keypoints2D, Poses3D
from pose_core.session import ModelRun, Track
from pose_core.session_parts import parts_of

NOISE_M = (0.06, 0.03, 0.01)  # of each stage
MISSING = (3, 4)  # frames without a person
NONE, LEFT = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
PRESS, MOVE = QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove
RELEASE = QEvent.Type.MouseButtonRelease
PLAIN = Qt.KeyboardModifier.NoModifier


@dataclass
class Lab:
    """What the tests of the laboratory do as a person would."""

    window: MainWindow
    qtbot: object

    @property
    def context(self):
        return self.window.context

    @property
    def session(self):
        return self.context.document.session

    @property
    def state(self):
        return self.context.view_state

    @property
    def track(self):
        return self.session.track(self.state.track_id)

    @property
    def run(self) -> ModelRun:
        return self.track.runs[self.state.model]

    def open(self, name: str) -> LabPanel:
        """Show a panel by its action, and wait until it knows its numbers."""
        self.window.actions_table[f"laboratory.{name}"].trigger()
        panel = self.window.laboratory.panel(name)
        self.qtbot.waitUntil(panel.isVisible)
        self.settle(panel)
        return panel

    def settle(self, panel: LabPanel) -> None:
        self.qtbot.waitUntil(lambda: panel.is_up_to_date)

    def go_to(self, frame: int, panel: LabPanel) -> None:
        self.state.set_frame(frame)
        self.settle(panel)


@pytest.fixture(scope="module", autouse=True)
def nothing_left(qapp, leak_check):
    """The tests of a module share a window: what it leaves behind is looked at once."""
    with leak_check():
        yield


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Models of the user's, copies and settings of the tests of a module."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSESTAGE_DATA_DIR", str(folder))
        patch.setattr("app.operations.autosave.recovery_dir", lambda: folder)
        yield folder


@pytest.fixture(scope="module")
def settings(data_dir):
    return Settings(QSettings(str(data_dir / "settings.ini"), QSettings.Format.IniFormat))


@pytest.fixture(scope="module")
def shared_window(nothing_left, qapp, settings):
    """One window for all tests of a module: making it and opening the clip take a while."""
    theme().choose("light")
    window = MainWindow(settings, estimate)
    window.resize(1300, 900)
    window.show()
    yield window
    window.context.document.open(None)
    window.close()
    window.deleteLater()
    QTest.qWait(10)
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def lab(shared_window, open_file, qtbot) -> Lab:
    """The bundled clip with a person whose three stages come nearer and nearer to the truth.

    Data, place and panels are as new in each test.
    """
    path = sample_clip()
    if path is None:
        pytest.skip("the bundled clip is not installed")
    window, document = shared_window, shared_window.context.document
    if document.session is None:
        open_file(window, path)
        document.undo_stack.push(_estimate(document))
    _forget_panels(window, qtbot)
    document.undo_stack.setIndex(1)
    window.context.settings.remove("anatomy")
    state = window.context.view_state
    state.set_playing(False)
    state.set_range(None)
    state.set_track(1, "fine", len(NOISE_M))
    state.set_stage(len(NOISE_M) - 1)
    state.set_frame(document.session.clip.num_frames // 2)
    window.activateWindow()
    qtbot.waitUntil(lambda: window.context.tasks.num_running == 0)
    # What is gripped with the mouse is on the picture of this frame.
    qtbot.waitUntil(lambda: window.presenter.is_picture_shown)
    return Lab(window, qtbot)


def _estimate(document) -> SetTracks:
    truth = document.session.truth
    assert truth is not None, "the bundled clip has no truth beside it"
    rng = np.random.default_rng(0)
    true_xyz = truth.poses.xyz
    noise = rng.normal(size=(len(NOISE_M), *true_xyz.shape))
    noise *= np.array(NOISE_M)[:, None, None, None]
    noise[:, :, 0] = 0
    stages = true_xyz + noise.astype(np.float32)
    stages[:, MISSING] = np.nan
    root = np.array(truth.poses.root)
    if not np.isfinite(root).any():
        root = np.tile(np.float32([0, 0, 4]), (len(root), 1))
    xy = np.array(truth.xy) + 2
    xy[list(MISSING)] = np.nan
    keypoints = Keypoints2D(xy, np.where(np.isnan(xy[..., 0]), 0, 0.9))
    rough = ModelRun(Poses3D(stages[:1], root), {"model": "rough"})
    fine = ModelRun(Poses3D(stages, root), {"model": "fine", "stages": ["rough", "better", "fit"]})
    track = Track(1, "Ann", keypoints, {"rough": rough, "fine": fine})
    after = document.session.with_tracks((track,))
    return SetTracks(document, "Estimate", after, Change("poses"))


def _forget_panels(window: MainWindow, qtbot) -> None:
    """Take the panels of the test before away, with all that they show elsewhere."""
    qtbot.waitUntil(lambda: window.context.tasks.num_running == 0)
    laboratory = window.laboratory
    window.workspace._laboratory.hide()
    laboratory.setCurrentIndex(0)
    for page in laboratory._pages:
        panel = page.takeWidget()
        if panel is not None:
            panel.lanes.remove()
            panel.clear()
            panel.deleteLater()
    laboratory._panels.clear()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture(scope="module")
def add_model(data_dir):
    """Add a tiny network with random weights to the user's models; gives its entry."""

    def add(name, kind, config, base="") -> ModelEntry:
        torch.manual_seed(0)
        network = NETWORKS[kind].build(config)
        for parameter_name, p in network.named_parameters():
            if any(part in parameter_name for part in ("shrink", "answer", ".pose.", "regression")):
                torch.nn.init.normal_(p, std=0.3 / p.shape[-1] ** 0.5)
        entry = ModelEntry(
            name=name, network=kind, config=config, file="w.safetensors", sha256="", rate_hz=25.0,
            skeleton="h36m17", preprocessing="ray_input", units="metres", training_data="",
            licence="", command="", paper="", num_parameters=0, base=base,
        )  # fmt: skip
        return save_user_model(entry, save(network.state_dict()))

    return add


@pytest.fixture(scope="module")
def lifted_runs():
    """What the models of a module made of the person, by name: lifting takes a while."""
    return {}


@pytest.fixture
def show_run(lab, lifted_runs):
    """Lift the person with a model, as an estimate does, and show what comes out."""

    def show(entry: ModelEntry) -> Lab:
        document, session = lab.context.document, lab.session
        name = entry.name
        if name not in lifted_runs:
            settings = EstimateSettings(model=name)
            done = lifted(lab.track, make_lifter(entry), session.clip, settings)
            lifted_runs[name] = done.runs[name]
        track = replace(lab.track, runs={**lab.track.runs, name: lifted_runs[name]})
        after = session.with_tracks((track,))
        document.undo_stack.push(SetTracks(document, "3D Again", after, Change("poses")))
        lab.state.set_track(1, name, len(lifted_runs[name].poses.stages))
        return lab

    return show


@pytest.fixture
def export_to(tmp_path, monkeypatch):
    """Let a panel export what it shows, as a person does; gives the file."""

    def export(panel: LabPanel, kind: str) -> Path:
        path = tmp_path / f"shown.{kind}"
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
        menu = panel.export_button.menu()
        (action,) = [a for a in menu.actions() if kind.upper() in a.text()]
        action.trigger()
        return path

    return export


class Editor:
    """Mouse and keys of somebody who edits."""

    def __init__(self, lab):
        self.lab, self.video = lab, lab.window.video
        self.annotation, self.mode = lab.window.annotation, lab.window.annotation.mode
        self.stack = lab.context.document.undo_stack

    @property
    def keypoints(self):
        return self.lab.track.keypoints

    @property
    def pose(self):
        return FramePose.of(self.keypoints, self.lab.state.frame)

    def mouse(self, kind, at, button=NONE, held=NONE, keys=PLAIN):
        where = QPointF(self.video.mapToGlobal(at.toPoint()))
        QApplication.sendEvent(self.video, QMouseEvent(kind, at, where, button, held, keys))

    def key(self, key, keys=PLAIN):
        QTest.keyClick(self.video, key, keys)

    def at(self, xy):
        """Where a pixel of the picture lies in the video view."""
        return QPointF(*(self.video.zoom.to_device(xy) / self.video.devicePixelRatioF()))

    def at_joint(self, joint):
        return self.at(self.pose.xy[joint])

    def pull(self, start, by, keys=PLAIN):
        """Press and move by so many pixels of the picture, without letting go."""
        end = start + self.at(np.array(by, float)) - self.at(np.zeros(2))
        self.mouse(PRESS, start, LEFT, LEFT, keys)
        for share in (0.4, 0.7, 1.0):
            self.mouse(MOVE, start + share * (end - start), NONE, LEFT, keys)
        return end

    def let_go(self, at):
        self.mouse(RELEASE, at, LEFT)

    def drag(self, joint, by, keys=PLAIN):
        self.mouse(RELEASE, self.pull(self.at_joint(joint), by, keys), LEFT, NONE, keys)

    def click(self, at, button=LEFT, keys=PLAIN):
        self.mouse(PRESS, at, button, button, keys)
        self.mouse(RELEASE, at, button, NONE, keys)

    def go_to(self, frame):
        self.lab.state.set_frame(frame)
        self.lab.qtbot.waitUntil(lambda: self.video.exact_frame == frame)

    def settle(self):
        """Until the 3D has followed."""
        self.lab.qtbot.waitUntil(lambda: not self.annotation.editor.follower.is_working)

    def saved(self):
        """Everything there is, to the bit."""
        description, arrays = parts_of(self.lab.session)
        return repr(description), {name: array.tobytes() for name, array in arrays.items()}


@pytest.fixture
def editor(lab):
    """The edit mode, turned on by its key, in a frame of the middle; its 3D cannot follow."""
    editor = Editor(lab)
    editor.go_to(lab.state.frame)
    editor.video.setFocus()
    editor.key(Qt.Key.Key_E)
    assert editor.mode.is_on
    yield editor
    editor.settle()
    editor.mode.set_on(False)
