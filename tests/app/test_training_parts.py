"""Curves, queue, examples and dialogs of the training window, without training."""

import json
import os
from pathlib import Path

import numpy as np
import psutil
import pytest
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QLabel

from app.training import queue
from app.training.budget_line import budget_text
from app.training.comparison import ComparisonDialog, rows, splits_differ
from app.training.curves_view import CurvesView
from app.training.data_choice import DataChoice
from app.training.examples import load_examples
from app.training.examples_view import ExamplesView, PosePicture
from app.training.metric_plot import _DARK, _LIGHT
from app.training.new_run_dialog import NewRunDialog
from app.training.recipe_facts import facts_of_recipe
from app.training.run_curves import RunCurves, group_of
from app.training.run_list import RunList
from app.training.series import Series, smoothed
from app.training.service import Runs
from app.training.usage import usage_text
from app.training.work import NewRun, last_words, make_run, recipe_of
from app.widgets.theme import _ROLES_DARK, _ROLES_LIGHT, theme
from pose_core.errors import ConfigError
from pose_core.models.registry import load_manifest
from pose_core.skeleton import H36M_17
from pose_core.training.budget import Budget
from pose_core.training.recipe_files import recipe_names
from pose_core.training.runs import RunSummary, list_runs, summarise


def record(step, time=0.0, validation=None, **terms):
    return {
        "state": "running",
        "step": step,
        "time": time,
        "terms": terms,
        "validation": validation or {},
    }


def curves_of(events):
    curves = RunCurves()
    for event in events:
        curves.add(event)
    return {(g.is_validation, g.title): g for g in curves.groups()}


# -- curves --------------------------------------------------------------------------------


def test_a_full_series_stays_bounded_and_keeps_its_peaks():
    series = Series(max_points=64)
    for step in range(10_000):
        series.add(step, step / 100, 100.0 if step == 4321 else float(step % 7))
    curve = series.curve()
    assert len(curve.values) < 64
    assert curve.values.max() == 100.0
    assert curve.values.min() == 0.0
    assert abs(curve.steps[curve.values.argmax()] - 4321) == 0
    assert (np.diff(curve.steps) > 0).all()
    assert curve.steps[-1] == 9999


def test_a_series_of_values_that_are_not_finite_can_be_merged():
    series = Series(max_points=8)
    for step in range(8):
        series.add(step, 0.0, float("inf") if step < 4 else float(step))
    values = series.curve().values
    assert np.isnan(values[:2]).all()
    assert values[2:].tolist() == [4.0, 7.0]


def test_smoothing_is_the_mean_of_neighbours(rng):
    values = rng.normal(size=50)
    values[[3, 20]] = np.nan
    reach = 4
    expected = []
    for i in range(50):
        side = min(reach, i, 49 - i)
        near = values[i - side : i + side + 1]
        expected.append(np.nanmean(near) if np.isfinite(near).any() else np.nan)
    np.testing.assert_allclose(smoothed(values, reach), expected, atol=1e-12)
    line = np.linspace(3, 5, 50)
    np.testing.assert_allclose(smoothed(line, 6), line)  # does not lag, nor bend the ends


def test_stages_of_a_figure_share_a_plot():
    assert group_of("MPJPE stage 2") == group_of("MPJPE") == "MPJPE"
    assert group_of("range_of_motion") == "range_of_motion"
    figures = {"MPJPE stage 1": 120.0, "MPJPE": 90.0, "PCK": 50.0}
    groups = curves_of([record(25, validation=figures, position=0.5, velocity=0.1)])
    assert list(groups) == [
        (True, "MPJPE"),
        (True, "PCK"),
        (False, "position"),
        (False, "velocity"),
    ]
    assert set(groups[True, "MPJPE"].curves) == {"MPJPE stage 1", "MPJPE"}
    assert (groups[True, "MPJPE"].unit, groups[True, "PCK"].unit) == ("mm", "%")
    (named,) = curves_of([record(25, validation={"illegal angles %": 5.0})]).values()
    assert named.unit == "%"


def test_steps_that_are_done_again_replace_the_old_ones():
    events = [record(step, loss=1.0) for step in (25, 50, 75, 100)]
    events += [{"state": "resumed", "step": 50, "time": 900.0}]
    (group,) = curves_of(events).values()
    assert group.curves["loss"].steps.tolist() == [25, 50]
    (group,) = curves_of([*events, record(75, loss=2.0)]).values()
    assert group.curves["loss"].values.tolist() == [1.0, 1.0, 2.0]


def test_pauses_are_no_hours_of_training():
    events = [record(25, 0.0, loss=1.0), record(50, 3600.0, loss=1.0)]
    events += [{"state": "paused", "step": 50, "time": 3600.0}]
    events += [{"state": "resumed", "step": 50, "time": 90_000.0}, record(75, 93_600.0, loss=1.0)]
    (group,) = curves_of(events).values()
    assert group.curves["loss"].hours.tolist() == [0.0, 1.0, 2.0]


def test_damaged_events_are_passed_over():
    odd = [{}, {"step": "x", "terms": {}}, {"step": 3, "terms": 5}, {"terms": {"a": 1.0}}]
    assert curves_of([*odd, record(25, loss=None), record(50, loss=float("nan"))]).keys() == {
        (False, "loss")
    }


@pytest.fixture
def curves(qtbot):
    theme().choose("light")
    view = CurvesView()
    qtbot.addWidget(view)
    view.resize(900, 600)
    view.show()
    yield view
    theme().choose("light")


def some_groups(steps):
    made = RunCurves()
    for step in steps:
        made.add(record(step, step * 3.6, {"MPJPE": 100.0 + step}, position=1.0 / step))
    return made.groups()


def test_plots_read_their_values_under_the_mouse_and_share_the_axis(curves):
    curves.show_groups(some_groups(range(100, 2100, 100)))
    metric, loss = curves.plots[True, "MPJPE"], curves.plots[False, "position"]
    assert metric.legend_text() == ["MPJPE  2100 mm"]  # the last one
    metric.pointed.emit(520.0)
    assert metric.legend_text() == ["MPJPE  600 mm"]
    assert loss.legend_text() == ["position  0.002"]
    assert metric._cross.isVisible()
    metric.pointed.emit(float("nan"))
    assert loss.legend_text() == ["position  0.0005"]
    for plot in (metric, loss):
        (left, right), _ = plot._item.viewRange()
        assert left <= 0
        assert 2000 <= right < 2200
    curves.axis.setCurrentText("Hours")
    (_, right), _ = loss._item.viewRange()
    assert right == pytest.approx(1.9, abs=0.1)
    metric.pointed.emit(0.5)
    assert metric.legend_text() == ["MPJPE  700 mm"]


def test_new_points_move_the_view_only_where_the_user_has_not(curves):
    curves.show_groups(some_groups(range(100, 1100, 100)))
    plot = curves.plots[False, "position"]
    curves.show_groups(some_groups(range(100, 2100, 100)))
    assert plot._item.viewRange()[0][1] > 1900
    plot._item.setXRange(200, 300, padding=0)
    plot.moved.emit()
    curves.show_groups(some_groups(range(100, 3100, 100)))
    assert plot._item.viewRange()[0] == [200, 300]
    curves.fit()
    assert plot._item.viewRange()[0][1] > 2900


def contrast(a, b):
    def luminance(name):
        channels = [c / 255 for c in QColor(name).getRgb()[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("colours", "roles"), [(_LIGHT, _ROLES_LIGHT), (_DARK, _ROLES_DARK)])
def test_curves_stand_out_from_their_ground(colours, roles):
    assert min(contrast(colour, roles[QPalette.ColorRole.Base]) for colour in colours) >= 3


# -- examples ------------------------------------------------------------------------------


@pytest.fixture
def examples_file(tmp_path, rng):
    true = rng.normal(0, 0.4, (3, 2, 17, 3)).astype(np.float32)
    true[:, :, 0] = 0
    predicted = np.stack([true + np.array([0.03, 0, 0]), true]).astype(np.float32)
    valid = np.ones((3, 2), bool)
    valid[1, 0] = False
    true[1, 0] = np.nan
    np.savez(tmp_path / "examples.npz", predicted=predicted, true=true, valid=valid, step=50)
    return tmp_path


def test_examples_are_shown_for_each_stage_and_pose(examples_file, qtbot):
    view = ExamplesView()
    qtbot.addWidget(view)
    view.resize(260, 500)
    view.show()
    assert view._pages.currentWidget() is view.empty
    view.show_examples(load_examples(examples_file))
    assert view.slider.maximum() == 4  # the pose without truth is left out
    assert view.stage.currentText() == "stage 2"
    assert view.error.text().startswith("0 mm from the truth")
    view.stage.setCurrentIndex(0)
    view.slider.setValue(4)
    assert view.error.text() == "30 mm from the truth · window 3 of 3 · at step 50"
    view.show_examples(None)
    assert view._pages.currentWidget() is view.empty


def test_a_pose_is_drawn_upright_and_turns(qtbot):
    picture = PosePicture("front", 0.0)
    qtbot.addWidget(picture)
    picture.resize(200, 200)
    pose = np.zeros((17, 3))
    pose[H36M_17.index("head_top")] = (0, -0.8, 0)
    pose[H36M_17.index("left_wrist")] = (0.5, 0, 0)
    pose[H36M_17.index("right_wrist")] = (0, 0, 0.5)
    picture.show_pose(pose, pose, 0.8)
    pixels = picture.project(pose)
    assert pixels[H36M_17.index("head_top"), 1] < pixels[0, 1]
    assert pixels[H36M_17.index("left_wrist"), 0] > pixels[0, 0]
    assert pixels[H36M_17.index("right_wrist"), 0] == pytest.approx(pixels[0, 0])
    picture.azimuth_deg = 90.0
    turned = picture.project(pose)
    assert turned[H36M_17.index("left_wrist"), 0] == pytest.approx(turned[0, 0])
    assert turned[H36M_17.index("right_wrist"), 0] > turned[0, 0]


@pytest.mark.parametrize("damage", ["cut", "shape", "missing"])
def test_damaged_examples_are_none(examples_file, damage):
    path = examples_file / "examples.npz"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:200])
    elif damage == "shape":
        np.savez(path, predicted=np.zeros((1, 3, 2, 5, 3)), true=np.zeros((3, 2, 17, 3)),
                 valid=np.ones((3, 2)), step=1)  # fmt: skip
    else:
        np.savez(path, predicted=np.zeros((1, 3, 2, 17, 3)))
    assert load_examples(examples_file) is None


# -- queue and list ------------------------------------------------------------------------


def fake_run(folder, name, status, steps=100):
    run = folder / name
    run.mkdir(parents=True)
    config = {"kind": "temporal", "about": "", "data": "bundled"}
    config["schedule"] = {"stages": [{"steps": steps}]}
    (run / "config.json").write_text(json.dumps(config))
    (run / "status.json").write_text(json.dumps(status))
    return run


def test_the_queue_keeps_its_order_on_disk(tmp_path):
    for name in "abc":
        queue.put(tmp_path, name)
    queue.put_first(tmp_path, "c")
    assert queue.waiting(tmp_path) == ["c", "a", "b"]
    queue.take_out(tmp_path, "a")
    queue.take_out(tmp_path, "not there")
    assert json.loads((tmp_path / "queue.json").read_text()) == ["c", "b"]
    (tmp_path / "queue.json").write_text("{ damaged")
    assert queue.waiting(tmp_path) == []


def test_nothing_starts_beside_a_running_run(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(queue, "start", lambda run: started.append(run.name))
    me = {"pid": os.getpid(), "process_started": psutil.Process().create_time()}
    running = fake_run(tmp_path, "running", {"state": "running", **me})
    fake_run(tmp_path, "next", {"state": "queued"})
    fake_run(tmp_path, "done", {"state": "finished"})
    for name in ("done", "gone", "next"):
        queue.put(tmp_path, name)
    assert queue.start_next(tmp_path) is None
    assert queue.waiting(tmp_path) == ["done", "gone", "next"]
    (running / "status.json").write_text('{"state": "running", "pid": 1, "process_started": 5}')
    assert queue.start_next(tmp_path).name == "next"  # an interrupted run holds nobody up
    assert started == ["next"]
    assert queue.waiting(tmp_path) == []


def test_the_list_shows_what_runs_and_waits_first_and_keeps_the_choice(tmp_path, qtbot):
    fake_run(tmp_path, "old", {"state": "finished", "step": 100, "time": 1.0})
    fake_run(tmp_path, "new", {"state": "failed", "step": 10, "time": 9.0})
    fake_run(tmp_path, "waits", {"state": "queued"})
    fake_run(tmp_path, "again", {"state": "paused", "step": 50, "time": 99.0})
    view = RunList()
    qtbot.addWidget(view)
    view.show_runs(Runs(list_runs(tmp_path), ["waits", "again"], {}))
    texts = [view.item(row).text() for row in range(view.count())]
    assert texts == [
        "waits, waiting, place 1, 0%",
        "again, waiting, place 2, 50%",
        "new, failed, 10%",
        "old, finished, 100%",
    ]
    view.choose("new")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    view.show_runs(Runs(list_runs(tmp_path), [], {}))
    assert view.chosen_name() == "new"
    assert any("broken, cannot be read" in view.item(r).text() for r in range(view.count()))
    view.grab()  # every state can be painted


def test_the_end_of_the_log_is_found(tmp_path):
    assert last_words(tmp_path) == ""
    (tmp_path / "log.txt").write_text("x" * 10_000 + "\nfirst\n\nsecond\nposestage: error: third\n")
    assert last_words(tmp_path, 2) == "second\nposestage: error: third"


def test_usage_says_what_is_known():
    assert usage_text({}) == ""
    text = usage_text({"cpu_percent": 150.0, "memory_bytes": 2.5e9, "gpu_percent": 93.0,
                       "gpu_memory_bytes": 4e9, "gpu_memory_total_bytes": 8e9})  # fmt: skip
    assert "processor 1.5 of" in text
    assert "memory 2.5 GB · graphics card 93 % · its memory 4.0 GB of 8.0 GB" in text


# -- new runs ------------------------------------------------------------------------------


@pytest.fixture
def dialog(window, own_runs_folder):
    own_runs_folder.mkdir()
    taken = RunSummary(own_runs_folder / "temporal-1", "temporal-1", "temporal", "finished", 5, 5)
    accepted = []
    made = NewRunDialog(window.context, Runs([taken], [], {}), accepted.append, window)
    made.accepted_runs = accepted
    yield made
    made.reject()


def test_every_recipe_can_be_chosen(dialog):
    for name in recipe_names():
        dialog.recipe.setCurrentIndex(dialog.recipe.findData(name))
        dialog._on_recipe_chosen()
        facts = facts_of_recipe(name)
        assert dialog.about.text() == facts.about != ""
        assert dialog.steps.value() == facts.steps > 0
        assert dialog.start.isEnabled(), name
        assert dialog.wanted().steps is dialog.wanted().batch is None


def test_the_dialog_is_as_high_as_its_rows(dialog, qtbot):
    dialog.open()
    for name in ("pose-machine-image", "temporal"):
        dialog.recipe.setCurrentIndex(dialog.recipe.findData(name))
        dialog._on_recipe_chosen()
        rows = dialog.layout().totalHeightForWidth
        qtbot.waitUntil(lambda: dialog.height() == rows(dialog.width()))  # noqa: B023
    dialog.resize(dialog.width(), 800)
    dialog.recipe.setCurrentIndex(dialog.recipe.findData("pose-machine-image"))
    dialog._on_recipe_chosen()
    qtbot.wait(50)
    assert dialog.height() == 800


def test_memory_and_time_are_measured_again_only_where_they_change(dialog, monkeypatch, qtbot):
    asked = []
    budget = Budget(1_000_000_000, 4_000_000_000, 0.1, 1200.0, 128, 900)
    monkeypatch.setattr(
        "app.training.new_run_dialog.measure_budget", lambda wanted: asked.append(wanted) or budget
    )
    dialog.show()
    assert dialog.budget.text() == "Measuring a few steps..."
    qtbot.waitUntil(lambda: dialog.budget.text().startswith("20:00 in all"))
    dialog.name.setText("other")
    dialog.steps.setValue(dialog.steps.value() // 2)
    assert dialog.budget.text().startswith("10:00 in all")
    dialog.batch.setValue(64)
    assert dialog.budget.text() == "Measuring a few steps..."
    qtbot.waitUntil(lambda: len(asked) == 2)
    assert asked[1].batch == 64
    qtbot.waitUntil(lambda: dialog.budget.text().startswith("10:00 in all"))


def test_what_is_asked_for_becomes_the_run(dialog, tmp_path):
    assert dialog.name.text() == "temporal-2"  # the first free one
    dialog.name.setText("Temporal-1")
    assert "already" in dialog.problem.text()
    dialog.name.setText("../elsewhere")
    assert not dialog.start.isEnabled()
    dialog.name.setText("mine")
    dialog.begin_with.setCurrentIndex(1)
    dialog.steps.setValue(100)
    dialog.seed.setValue(3)
    dialog.start.click()
    (wanted,) = dialog.accepted_runs
    assert wanted == NewRun(
        "mine", "temporal", steps=100, seed=3, device=wanted.device, start_from=wanted.start_from
    )
    assert wanted.start_from.name == "temporal-1"


def test_networks_that_see_pictures_take_annotations(settings, qtbot, tmp_path):
    choice = DataChoice(settings)
    qtbot.addWidget(choice)
    assert choice.kind.findData("people") < 0
    choice.annotations.setText("/nowhere/a.posestage")
    assert choice.chosen_annotations() == ()
    choice.set_sees_pictures(True)
    assert "/nowhere/a.posestage" in choice.complaint()
    files = [tmp_path / "a.posestage", tmp_path / "b.json"]
    for file in files:
        file.write_text("{}")
    choice.annotations.setText("; ".join(map(str, files)))
    assert choice.complaint() == ""
    wanted = NewRun("a", "sap-net", annotations=choice.chosen_annotations(), batch=6)
    recipe = recipe_of(wanted)
    assert recipe.task.data.annotations == tuple(map(str, files))
    assert recipe.schedule.batch == 6


def test_a_run_is_made_as_asked_for_and_like_another_one(tmp_path):
    path = make_run(NewRun("a", "temporal", steps=600, batch=16, seed=9), tmp_path)
    recipe = json.loads((path / "config.json").read_text())
    assert sum(stage["steps"] for stage in recipe["schedule"]["stages"]) == 600
    assert (recipe["schedule"]["batch"], recipe["schedule"]["seed"]) == (16, 9)
    again = make_run(NewRun("b", "", like=path, batch=8), tmp_path)
    other = json.loads((again / "config.json").read_text())
    assert other["schedule"] == recipe["schedule"] | {"batch": 8}
    assert other["task"] == recipe["task"]
    assert queue.waiting(tmp_path) == ["a", "b"]
    with pytest.raises(ConfigError, match="holds a run already"):
        make_run(NewRun("a", "temporal"), tmp_path)
    with pytest.raises(ConfigError):
        make_run(NewRun("c", "temporal", batch=0), tmp_path)
    assert not (tmp_path / "c").exists()


def test_a_batch_that_does_not_fit_is_said_beforehand():
    budget = Budget(9_000_000_000, 4_000_000_000, 0.5, 3600.0, 512, 200)
    assert budget_text(budget) == (
        "1:00:00 in all, 500 ms a step · 9.0 GB of 4.0 GB free memory · batches up to 200 fit\n"
        "A batch of 512 does not fit on this machine."
    )


# -- comparison ----------------------------------------------------------------------------


def test_models_are_compared_metric_by_metric(window, qtbot):
    shipped = load_manifest()["temporal"]
    values = shipped.to_json() | {"metrics": {"split": "other motion", "noise_none": {"MPJPE": 9}}}
    own = type(shipped)(name="mine", folder=Path("/tmp"), **values)
    (first, *_) = [row for row in rows(own, shipped) if row.own is not None]
    assert (first.metric, first.unit, first.own) == ("MPJPE", "mm", 9.0)
    assert first.other == shipped.metrics["noise_none"]["MPJPE"]
    assert splits_differ(own, shipped)
    assert not splits_differ(shipped, shipped)
    dialog = ComparisonDialog(own, [shipped], lambda entries: None, window)
    dialog.show()
    assert dialog.warning.isVisible()
    assert "MPJPE: 9.0 and" in dialog.bars.accessibleDescription()
    dialog.bars.grab()
    assert any("Shorter is better" in label.text() for label in dialog.findChildren(QLabel))
    dialog.close()


def test_both_can_be_measured_on_what_the_run_held_out(window, motion_folder, tmp_path, qtbot):
    run = fake_run(tmp_path, "run", {"state": "finished"})
    config = json.loads((run / "config.json").read_text()) | {"data": str(motion_folder)}
    (run / "config.json").write_text(json.dumps(config))
    summary, models = summarise(run), load_manifest()
    own, other = models["temporal"], models["single-frame"]
    measure = lambda entries: window.training.service.measure(summary, entries)  # noqa: E731
    dialog = ComparisonDialog(own, [other], measure, window)
    dialog.show()
    before = dialog.bars.accessibleDescription()
    dialog.measure.click()
    assert not dialog.measure.isEnabled()
    qtbot.waitUntil(dialog.measure.isEnabled)
    assert dialog.bars.accessibleDescription() != before
    assert "not measured" not in dialog.bars.accessibleDescription()
    assert str(motion_folder) in dialog.note.text()
    assert not dialog.warning.isVisible()
    dialog.close()
