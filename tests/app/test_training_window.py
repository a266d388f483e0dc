"""The training window with real runs: processes of their own that train a tiny network."""

import os
import signal
from functools import partial

import psutil
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox

from app.training import queue
from app.training.work import NewRun, make_run
from pose_core.training.runs import read_events, summarise

TINY = """
about = "Tiny temporal network, for tests"
kind = "temporal"
[task]
output_frames = 4
[task.network]
channels = 8
kernel_sizes = [3, 3]
[task.data]
validation_samples = 128
[schedule]
batch = 4
checkpoint_every = 10
[[schedule.stages]]
steps = 200000
learning_rate = 3e-3
"""


@pytest.fixture(autouse=True)
def own_data_dir(tmp_path, monkeypatch):
    """Models, and what is thrown away, lie in a folder of the test."""
    monkeypatch.setenv("POSESTAGE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    (tmp_path / "xdg").mkdir()


@pytest.fixture
def qtbot(qtbot):
    """More patient still: processes have to start."""
    qtbot.waitUntil = partial(qtbot.waitUntil, timeout=300_000)
    return qtbot


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return str(path)


@pytest.fixture
def training(window, qtbot, own_runs_folder):
    """The open training window; what still trains at the end of the test is killed."""
    own_runs_folder.mkdir()
    opened = window.training.show_window()
    qtbot.waitUntil(opened.isVisible)
    yield opened
    for run in window.training.service.runs.listed:
        queue.take_out(own_runs_folder, run.name)
        if run.pid is not None and run.state == "running" and psutil.pid_exists(run.pid):
            os.kill(run.pid, signal.SIGKILL)


@pytest.fixture
def state_of(window):
    """The state of a run as the window knows it."""

    def state(name):
        run = window.training.service.runs.named(name)
        return None if run is None else run.state

    return state


def press(training, name):
    button = training.header.buttons[name]
    assert button.isEnabled(), name
    assert button.isVisible(), name
    button.click()


def last_step(training):
    plots = list(training.curves.plots.values())
    return plots[0].last() if plots else 0.0


def question(training):
    return training.findChild(QMessageBox)


def answer(training, text):
    box = question(training)
    next(button for button in box.buttons() if button.text() == text).click()


def test_a_run_from_start_to_model(
    window, training, recipe, motion_folder, own_runs_folder, state_of, qtbot
):
    service = window.training.service
    assert training._pages.currentIndex() == 0  # nothing there: says what to do

    window.actions_table["train.new"].trigger()
    dialog = training.dialog
    dialog.recipe.insertItem(0, "tiny", recipe)
    dialog.recipe.setCurrentIndex(0)
    dialog._on_recipe_chosen()
    assert "Tiny temporal network" in dialog.about.text()
    dialog.data.kind.setCurrentIndex(dialog.data.kind.findData("mocap"))
    assert not dialog.start.isEnabled()
    assert "folder" in dialog.problem.text()
    dialog.data.folder.setText(str(motion_folder))
    dialog.seed.setValue(7)
    assert dialog.start.text() == "Start"
    dialog.start.click()
    qtbot.waitUntil(lambda: state_of("tiny-1") == "running")
    assert training.list.chosen_name() == "tiny-1"

    # Curves grow, and show what the events say.
    qtbot.waitUntil(lambda: last_step(training) > 0)
    seen = last_step(training)
    qtbot.waitUntil(lambda: last_step(training) > seen)
    assert (True, "MPJPE") in training.curves.plots
    assert (False, "position") in training.curves.plots
    events, _ = read_events(own_runs_folder / "tiny-1" / "events.jsonl")
    assert all(e["num_steps"] == 200000 for e in events if e.get("terms"))
    assert "samples/s" in training.header.facts.text()
    assert "processor" in training.header.usage.text()

    # Closed and opened again, the run goes on and is found.
    pid = service.runs.named("tiny-1").pid
    assert os.getsid(pid) != os.getsid(0)
    training.close()
    assert not training.follower._timer.isActive()
    assert psutil.pid_exists(pid)
    assert window.training.show_window() is training
    qtbot.waitUntil(lambda: last_step(training) > seen)
    assert service.runs.named("tiny-1").pid == pid

    press(training, "pause")
    qtbot.waitUntil(lambda: state_of("tiny-1") == "paused")
    paused_at = service.runs.named("tiny-1").step
    press(training, "resume")
    qtbot.waitUntil(lambda: state_of("tiny-1") == "running")
    qtbot.waitUntil(lambda: service.runs.named("tiny-1").step > paused_at)
    press(training, "stop")
    qtbot.waitUntil(lambda: state_of("tiny-1") == "stopped")
    assert service.runs.named("tiny-1").step > paused_at

    press(training, "publish")
    qtbot.waitUntil(lambda: service.runs.models == {"tiny-1": "tiny-1"})
    models = window.estimate_bar._model
    assert models.findData("tiny-1") >= 0
    assert models.currentData() != "tiny-1"  # what was chosen stays chosen
    assert not training.header.buttons["publish"].isEnabled()
    assert training.header.buttons["compare"].isEnabled()

    press(training, "discard")
    answer(training, "Keep It")
    qtbot.wait(50)
    assert (own_runs_folder / "tiny-1" / "config.json").exists()
    press(training, "discard")
    answer(training, "Discard")
    qtbot.waitUntil(lambda: state_of("tiny-1") is None)
    assert not (own_runs_folder / "tiny-1").exists()


def test_the_queue_goes_on_after_a_run_that_fails(
    window, training, recipe, motion_folder, tmp_path, own_runs_folder, state_of, qtbot
):
    service = window.training.service
    empty = tmp_path / "nothing here"
    empty.mkdir()
    service.add(NewRun("bad", recipe, str(empty)))
    qtbot.waitUntil(lambda: state_of("bad") is not None)
    service.add(NewRun("good", recipe, str(motion_folder), steps=50))
    qtbot.waitUntil(lambda: service.runs.named("good") is not None)
    assert state_of("good") == "queued"
    assert queue.waiting(own_runs_folder) == ["good"]
    training.list.choose("good")
    assert "Waiting in the queue" in training.header.facts.text()

    qtbot.waitUntil(lambda: state_of("bad") == "failed")
    training.list.choose("bad")
    assert "nothing here" in training.header._problem_text.text()
    assert training.header.problem.isVisible()
    qtbot.waitUntil(lambda: state_of("good") == "finished")
    assert service.runs.named("good").step == 50
    assert queue.waiting(own_runs_folder) == []
    training.list.choose("good")
    assert not training.header.problem.isVisible()
    assert not training.header.buttons["resume"].isEnabled()

    # Duplicating takes over everything but the name.
    press(training, "duplicate")
    wanted = training.dialog.wanted()
    assert (wanted.name, wanted.data, training.dialog.steps.value()) == (
        "good-1",
        str(motion_folder),
        50,
    )
    training.dialog.reject()


def test_a_killed_run_is_interrupted_and_can_be_resumed(
    window, training, recipe, motion_folder, own_runs_folder, state_of, qtbot
):
    service = window.training.service
    service.add(NewRun("killed", recipe, str(motion_folder)))
    qtbot.waitUntil(lambda: state_of("killed") == "running")
    # Also before it has said its first word.
    os.kill(service.runs.named("killed").pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: state_of("killed") == "interrupted")
    assert "Resume goes on" in training.header._problem_text.text()
    assert training.header.buttons["resume"].isEnabled()
    assert not training.header.buttons["pause"].isVisible()


def test_the_queue_waits_for_the_application(window, recipe, own_runs_folder, qtbot, make_window):
    service = window.training.service
    own_runs_folder.mkdir()
    service.stop()
    make_run(NewRun("later", recipe, steps=25), own_runs_folder)  # on the bundled motions
    assert queue.waiting(own_runs_folder) == ["later"]
    another = make_window()  # its service finds the queue, without the training window
    qtbot.waitUntil(lambda: summarise(own_runs_folder / "later").state == "finished")
    assert another.training.window is None
    assert not another.training.service._timer.isActive()  # nothing is left to look after


def test_shortcuts_open_and_close_it(window, qtbot):
    window.actions_table["train.window"].trigger()
    training = window.training.window
    qtbot.waitUntil(training.isActiveWindow)
    qtbot.keyClick(training, Qt.Key.Key_W, Qt.KeyboardModifier.ControlModifier)
    assert not training.isVisible()
    window.close()
    assert window.training.window is None
