"""A window with the bundled clip, its person, and a model with three stages."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QFileDialog

from app.commands import SetTracks
from app.document import Change
from app.laboratory.panel import LabPanel
from app.main_window import MainWindow
from app.paths import sample_clip
from pose_core.poses import Keypoints2D, Poses3D
from pose_core.session import ModelRun, Track

NOISE_M = (0.06, 0.03, 0.01)  # of each stage
MISSING = (3, 4)  # frames without a person


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


@pytest.fixture
def lab(window, open_file, qtbot) -> Lab:
    """The bundled clip with a person whose three stages come nearer and nearer to the truth."""
    path = sample_clip()
    if path is None:
        pytest.skip("the bundled clip is not installed")
    open_file(window, path)
    window.resize(1300, 900)
    document = window.context.document
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
    document.undo_stack.push(SetTracks(document, "Estimate", after, Change("poses")))
    qtbot.waitUntil(lambda: window.context.tasks.num_running == 0)
    window.context.view_state.set_frame(document.session.clip.num_frames // 2)
    return Lab(window, qtbot)


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
