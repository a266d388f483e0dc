"""From a run to a model that can be chosen: shipped weights and the user's own."""

import json
import re
import shlex

import numpy as np
import pytest
import torch

from pose_core.cli import main
from pose_core.errors import ConfigError, DataError, WeightsError
from pose_core.inference.lifter import make_lifter
from pose_core.models.entries import read_entries
from pose_core.models.registry import (
    check_user_model_name,
    free_user_model_name,
    installed_models,
    load_user_models,
    model_entry,
    user_models_dir,
)
from pose_core.training import publish as publishing
from pose_core.training.recipes import load_recipe
from pose_core.training.run_folder import RunFolder
from pose_core.training.start import train

TINY = {
    "task.network": {"channels": 8, "kernel_sizes": [3], "dropout": 0.1},
    "task.data.validation_samples": 128,
    "schedule.batch": 2,
    "schedule.checkpoint_every": 2,
    "schedule.average_decay": 0.5,
    "schedule.stages": [{"steps": 4}],
}
TINY_RPSM = {
    "task.network": {"frontend": "keypoints", "num_stages": 2, "width": 0.02, "heatmap_size": 11,
                     "adaption_channels": 4, "adapted_size": 8, "hidden_size": 8},
    "task.data.validation_samples": 128,
    "schedule.batch": 2,
    "schedule.stages": [{"steps": 2}],
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("POSESTAGE_DATA_DIR", str(tmp_path / "data"))


def trained(recipe, data, out):
    for _ in train(recipe, data, out):
        pass
    return out


def result(work):
    """What a generator returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def add_user_model(*of_run):
    return result(publishing.add_user_model(*of_run))


def publish(*of_run):
    return result(publishing.publish(*of_run))


@pytest.fixture
def run(motion_folder, tmp_path):
    """A real run of a tiny temporal network."""
    return trained(load_recipe("temporal", TINY), motion_folder, tmp_path / "run")


def test_a_run_becomes_a_model_of_the_users_with_its_best_weights(run, motion_folder, capsys):
    entry = add_user_model(run, "My walk 2")
    assert model_entry("My walk 2") == entry
    assert list(installed_models())[-1] == "My walk 2"
    assert entry.path.parent == user_models_dir() / "My walk 2"
    best = RunFolder(run).load_checkpoint(best=True)["average"]
    network = make_lifter(entry).answer.args[0]
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter, best[name], rtol=1e-3, atol=1e-6)
    assert entry.num_parameters == sum(p.numel() for p in network.parameters())
    assert entry.training_data == str(motion_folder)
    # One of three motions is held out: its errors are measured.
    for noise in ("noise_none", "noise_detector"):
        measured = entry.metrics[noise]
        assert list(measured["stages"]) == ["network", "fitted skeleton"]
        assert measured["stages"]["fitted skeleton"]["MPJPE"] == measured["MPJPE"] > 0
    assert main(["evaluate", "My walk 2", "--data", str(motion_folder), "--views", "1",
                 "--held-out"]) == 0  # fmt: skip
    printed = capsys.readouterr().out
    for name, stage in entry.metrics["noise_none"]["stages"].items():
        (row,) = re.findall(rf"^ *{name} +([\d.]+)", printed, re.MULTILINE)
        assert float(row) == pytest.approx(stage["MPJPE"], abs=0.06)  # both are rounded


def test_a_model_given_up_while_it_is_measured_leaves_nothing(run, motion_folder, tmp_path):
    work = publishing.add_user_model(run, "mine")
    assert next(work) == publishing.Measuring(1, 2)  # one held-out motion, two kinds of noise
    work.close()
    assert not load_user_models().entries
    work = publishing.publish(run, "tiny", motion_folder, tmp_path / "weights")
    next(work)
    work.close()
    assert not (tmp_path / "weights").exists()


def test_without_held_out_motion_the_error_is_that_of_the_run(motion_folder, tmp_path):
    (motion_folder / "m2.npz").unlink()  # the only one that is held out
    run = trained(load_recipe("rpsm", TINY_RPSM), motion_folder, tmp_path / "run")
    entry = add_user_model(run, "machine")
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    last = [e["validation"] for e in events if e.get("validation")][-1]
    assert entry.metrics["validation"] == last
    assert "validation clips" in entry.metrics["split"]
    assert make_lifter(entry).stage_names == ("refinement 1", "refinement 2", "fitted skeleton")


def test_published_weights_name_the_command_that_makes_them(run, motion_folder, tmp_path):
    folder = tmp_path / "weights"
    publish(run, "tiny", motion_folder, folder)
    entry = publish(run, "small-walker", motion_folder, folder, "after many years", "Falls.")
    assert entry.caution == "Falls."
    stored = read_entries(folder / "manifest.json")
    assert list(stored) == ["tiny", "small-walker"]
    assert stored["small-walker"].to_json() == json.loads(json.dumps(entry.to_json()))
    assert (folder / "small-walker.safetensors").stat().st_size < 100_000
    assert str(tmp_path) not in json.dumps(entry.to_json())
    assert np.array(entry.mean_pose).shape == (17, 3)
    command, _, history = entry.command.rpartition(" (")
    assert history == "4 of 4 steps, after many years)"
    words = shlex.split(command)
    assert words[:3] == ["posestage", "train", "temporal"]
    assert words[-4:] == ["--data", "MOCAP", "--out", "RUN"]


def test_the_command_makes_the_same_recipe_again(run, monkeypatch, motion_folder, tmp_path):
    entry = publish(run, "tiny", motion_folder, tmp_path / "weights")
    words = shlex.split(entry.command.rpartition(" (")[0])[1:]
    seen = []
    monkeypatch.setattr(
        "pose_core.training.start.train", lambda recipe, *_, **__: seen.append(recipe) or iter(())
    )
    assert main(words) == 0
    assert seen == [load_recipe("temporal", TINY)]


def test_runs_that_are_no_models_are_refused(run, tmp_path):
    with pytest.raises(DataError, match="no checkpoint"):
        add_user_model(tmp_path / "nothing", "x1")
    state = RunFolder(run).load_checkpoint(best=True)
    state["average"]["shrink.weight"][0, 0] = float("nan")
    torch.save(state, RunFolder(run).best_path)
    with pytest.raises(DataError, match="no numbers"):
        add_user_model(run, "x1")
    del state["average"]["shrink.weight"]
    torch.save(state, RunFolder(run).best_path)
    with pytest.raises(DataError, match="does not fit"):
        add_user_model(run, "x1")
    assert not load_user_models().entries
    assert not load_user_models().problems


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\\b", "C:x", " x", "x ", "x.", "con", "NUL.txt",
             "temporal", "Temporal", "rpsm", "ä", "a\nb", "x" * 65]
)  # fmt: skip
def test_names_that_cannot_be_used_are_refused(name, tmp_path):
    with pytest.raises(ConfigError):
        check_user_model_name(name)
    free = free_user_model_name(name)
    check_user_model_name(free)


def test_a_name_is_given_once(run, full_disk_later):
    add_user_model(run, "mine")
    with pytest.raises(ConfigError, match="already"):
        add_user_model(run, "MINE")
    assert free_user_model_name("Mine") == "Mine-2"
    full_disk_later()
    with pytest.raises(WeightsError, match="disk is full"):
        add_user_model(run, "other")
    assert [path.name for path in user_models_dir().iterdir()] == ["mine"]


@pytest.fixture
def full_disk_later(request):
    return lambda: request.getfixturevalue("full_disk")


def test_a_damaged_model_is_named_and_hides_no_other(run, capsys):
    add_user_model(run, "good")
    for name, content in (
        ("cut", '{"network": "tem'),
        ("list", "[]"),
        ("empty", "{}"),
        ("unknown", json.dumps(model_entry("good").to_json() | {"network": "magic"})),
        ("outside", json.dumps(model_entry("good").to_json() | {"file": "../good/w"})),
        ("number", json.dumps(model_entry("good").to_json() | {"config": 3})),
    ):
        (user_models_dir() / name).mkdir()
        (user_models_dir() / name / "model.json").write_text(content)
    (user_models_dir() / "bare").mkdir()
    user = load_user_models()
    assert list(user.entries) == ["good"]
    assert set(user.problems) == {"cut", "list", "empty", "unknown", "outside", "number", "bare"}
    with pytest.raises(WeightsError, match=r"cut.*model\.json"):
        model_entry("cut")
    assert main(["models"]) == 0
    out, err = capsys.readouterr()
    assert "good (your own)" in out
    assert err.count("warning") == 7
    assert main(["models", "cut", "--remove", "--yes"]) == 0
    assert not (user_models_dir() / "cut").exists()


def test_models_are_removed_after_a_question(run, monkeypatch, capsys):
    add_user_model(run, "mine")
    assert main(["models", "mine", "--remove"]) == 2  # nobody can be asked
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, is_left in (("n", True), ("", True), ("y", False)):
        monkeypatch.setattr("builtins.input", lambda _, answer=answer: answer)
        assert main(["models", "mine", "--remove"]) == (1 if is_left else 0)
        assert (user_models_dir() / "mine").exists() == is_left
    assert not list(user_models_dir().iterdir())
    for name in ("temporal", "mine", "..", ""):
        assert main(["models", name, "--remove", "--yes"]) == 2
    assert "no model called" in capsys.readouterr().err
