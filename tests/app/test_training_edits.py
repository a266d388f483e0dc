"""Edits sent to training from the real window: dialog, run, model, comparison on the clip."""

import os
import signal
from dataclasses import replace
from functools import partial

import numpy as np
import psutil
import pytest
from safetensors.torch import save

from app.commands import SetTracks
from app.document import Change
from app.training import queue
from app.training.edits_dialog import counts_text
from app.training.edits_work import EditCounts, EditsRun, count_edits, make_edits_run
from pose_core.errors import ConfigError
from pose_core.models.entries import ModelEntry
from pose_core.models.networks import NETWORKS
from pose_core.models.registry import load_user_models, model_entry, save_user_model
from pose_core.poses import SOURCE_USER, Keypoints2D
from pose_core.session_io import load_session, save_session
from pose_core.video import open_clip

TINY = {"channels": 8, "kernel_sizes": [3, 3]}


@pytest.fixture(autouse=True)
def own_data_dir(tmp_path, monkeypatch):
    """Models lie in a folder of the test."""
    monkeypatch.setenv("POSESTAGE_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def qtbot(qtbot):
    """More patient still: a process has to start."""
    qtbot.waitUntil = partial(qtbot.waitUntil, timeout=300_000)
    return qtbot


@pytest.fixture
def base_model():
    """A tiny temporal network of the user's, called base, with random weights."""
    network = NETWORKS["temporal_conv"].build(TINY)
    weights = {k: v for k, v in network.state_dict().items() if "num_batches_tracked" not in k}
    entry = ModelEntry(
        name="base", network="temporal_conv", config=TINY, file="w.safetensors", sha256="",
        rate_hz=25.0, skeleton="h36m17", preprocessing="ray_input", units="metres",
        training_data="", licence="", command="", paper="", num_parameters=0,
    )  # fmt: skip
    return save_user_model(entry, save(weights))


@pytest.fixture
def edited(session, short_clip):
    """A person in 30 frames, the wrists set by hand in five of them; 3D by the model base."""
    track = session.tracks[0]
    xy = track.keypoints.xy[22:52] / 2
    sources = np.array(track.keypoints.sources[22:52])
    sources[4:24:5, [13, 16]] = SOURCE_USER
    run = track.runs["temporal"]
    poses = replace(run.poses, stages=run.poses.stages[:, 22:52], root=run.poses.root[22:52])
    track = replace(
        track,
        keypoints=Keypoints2D(xy, track.keypoints.scores[22:52], sources=sources),
        runs={"base": replace(run, poses=poses)},
        swapped_mask=None,
    )
    return replace(session, clip=open_clip(short_clip), tracks=(track,), truth=None)


def ask(window, qtbot):
    """Press the menu's entry, and wait for the dialog."""
    before = window.training.edits_dialog
    window.actions_table["train.edits"].trigger()
    qtbot.waitUntil(lambda: window.training.edits_dialog is not before)
    return window.training.edits_dialog


def test_from_edits_to_a_comparison(
    make_window, open_file, edited, base_model, motion_folder, short_clip, own_runs_folder, qtbot
):
    window = make_window()
    service, document = window.training.service, window.context.document
    assert not window.actions_table["train.edits"].isEnabled()
    open_file(window, short_clip)

    # Nothing edited yet: it says what to do, and does it.
    dialog = ask(window, qtbot)
    assert "not put any joint right" in dialog.head.text()
    assert dialog.start.text() == "Edit Keypoints"
    dialog.start.click()
    assert window.annotation.mode.is_on
    window.actions_table["edit.keypoints"].trigger()

    after = document.session.with_tracks(edited.tracks)
    document.undo_stack.push(SetTracks(document, "Estimate", after, Change("poses")))
    dialog = ask(window, qtbot)
    assert dialog.head.text() == "4 edited frames of 1 person, 8 joints set by you"
    assert dialog.model.currentData() == "base"  # whose 3D is shown
    assert dialog.name.text() == "base-edits-1"
    assert dialog.start.text() == "Start"
    dialog.name.setText("a/b")
    assert not dialog.start.isEnabled()
    qtbot.waitUntil(lambda: " in all, " in dialog.budget.text())  # from real steps
    took = dialog.budget.text()
    dialog.steps.setValue(2 * dialog.steps.value())
    assert dialog.budget.text() != took
    assert dialog.budget.text().split(" in all, ")[1] == took.split(" in all, ")[1]
    dialog.name.setText("mine")
    dialog.data.kind.setCurrentIndex(dialog.data.kind.findData("mocap"))
    assert not dialog.start.isEnabled()
    dialog.data.folder.setText(str(motion_folder))
    dialog.steps.setValue(8)
    dialog.start.click()

    training = window.training.window
    try:
        qtbot.waitUntil(lambda: service.runs.named("mine") is not None)
        stored = load_session(own_runs_folder / "mine" / "edits.posestage")
        assert [list(track.runs) for track in stored.tracks] == [[]]
        qtbot.waitUntil(lambda: service.runs.named("mine").state in ("finished", "failed"))
    finally:
        queue.take_out(own_runs_folder, "mine")
        pid = service.runs.named("mine").pid
        if service.runs.named("mine").state == "running" and psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)
    run = service.runs.named("mine")
    assert run.state == "finished", run.message
    assert run.watched == "MPJPE + 2D"
    training.list.choose("mine")
    assert not training.header.buttons["clip"].isVisible()
    training.header.buttons["duplicate"].click()  # begins with the same weights
    start = own_runs_folder / "mine" / "start.safetensors"
    assert training.dialog.wanted().start_from == start.resolve()
    training.dialog.reject()

    training.header.buttons["publish"].click()
    qtbot.waitUntil(lambda: service.runs.models == {"mine": "mine"})
    assert training.header.buttons["clip"].isEnabled()
    training.header.buttons["clip"].click()
    qtbot.waitUntil(lambda: list(document.session.tracks[0].runs) == ["base", "mine"])
    assert document.undo_stack.undoText() == "3D by mine"
    assert window.context.view_state.model == "mine"
    assert window.laboratory.current == "compare"
    panel = window.laboratory.panel("compare")
    qtbot.waitUntil(lambda: panel.result is not None)
    titles = panel.result.titles
    assert all(any(name in title for title in titles) for name in ("mine", "base")), titles
    # The edits are as they were, and so is the model that it began with.
    assert count_edits(document.session) == EditCounts(4, 1, 8)
    assert model_entry("base").sha256 == base_model.sha256
    document.open(None)  # no clip any more: nothing to compare on
    assert not training.header.buttons["clip"].isEnabled()


def test_a_run_that_cannot_be_made_leaves_nothing(edited, base_model, tmp_path, full_disk):
    folder = tmp_path / "runs"
    wanted = EditsRun("mine", "base", 10)
    with pytest.raises(Exception, match="disk is full"):
        make_edits_run(wanted, edited, folder)
    assert not (folder / "mine").exists()
    assert queue.waiting(folder) == []


def test_names_models_and_counts(edited, base_model, session, tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConfigError, match="is there already"):
        make_edits_run(EditsRun("mine", "base", 10), edited, tmp_path)
    assert set(load_user_models().entries) == {"base"}
    assert count_edits(session) == EditCounts(3, 1, 3)
    save_session(session, tmp_path / "a.posestage")
    assert count_edits(load_session(tmp_path / "a.posestage")) == EditCounts(3, 1, 3)
    assert counts_text(EditCounts(1, 1, 1)) == "1 edited frame of 1 person, 1 joint set by you"
    assert counts_text(EditCounts(1200, 2, 3000)).startswith("1,200 edited frames of 2 people")
