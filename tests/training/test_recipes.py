"""Recipes: every one that ships can be made, changed and written down."""

import json
import subprocess
import sys

import pytest
import torch

from pose_core.errors import ConfigError
from pose_core.training.recipe_files import recipe_names
from pose_core.training.recipes import TASKS, load_recipe, recipe_from


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_can_be_read_and_written(name):
    recipe = load_recipe(name)
    assert recipe.about
    assert recipe_from(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_settings_can_be_changed_by_name():
    recipe = load_recipe("temporal", {"task.network.channels": 64, "schedule.batch": 7})
    assert recipe.task.network.channels == 64
    assert recipe.schedule.batch == 7
    assert recipe.task.network.kernel_sizes == load_recipe("temporal").task.network.kernel_sizes


def test_steps_are_spread_over_the_stages():
    stages = [{"steps": 300}, {"steps": 100}]
    recipe = load_recipe("temporal", {"schedule.stages": stages}).with_steps(40)
    assert [stage.steps for stage in recipe.schedule.stages] == [30, 10]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task.network.chanels": 3}, "no setting 'chanels'"),
        ({"task.network.channels.deep": 3}, "is no table"),
        ({"kind": "poem"}, "'poem'"),
        ({"extra": 3}, "no table 'extra'"),
        ({"schedule.stages": []}, "at least one stage"),
    ],
)
def test_wrong_settings_are_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        load_recipe("temporal", changes)


def test_unknown_recipes_and_damaged_files(tmp_path):
    with pytest.raises(ConfigError, match="'temprl'") as caught:
        load_recipe("temprl")
    assert "temporal" in caught.value.hint
    file = tmp_path / "mine.toml"
    file.write_text("kind = ")
    with pytest.raises(ConfigError, match=r"mine\.toml"):
        load_recipe(str(file))


def test_names_of_recipes_need_no_torch():
    code = "import sys; from pose_core.training.recipe_files import recipe_names; recipe_names()"
    code += "; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


TINY_NETWORKS = {
    "tp-net": {"hidden": 8},
    "bi-tp-net": {"hidden": 8},
    "bi-lstm": {"hidden": 8},
    "rpsm": {"width": 0.05, "heatmap_size": 11, "adapted_size": 8, "hidden_size": 8},
    "pose-machine": {
        "width": 0.05,
        "heatmap_size": 11,
        "adapted_size": 8,
        "hidden_size": 8,
        "projector_units": 8,
    },
}


@pytest.mark.parametrize("name", sorted(TINY_NETWORKS))
def test_loss_and_validation_of_a_task(name, motion):
    changes = {f"task.network.{key}": value for key, value in TINY_NETWORKS[name].items()}
    recipe = load_recipe(name, {**changes, "task.data.validation_samples": 128})
    torch.manual_seed(0)
    task = TASKS[recipe.kind].make(recipe.task, [motion], [motion])
    batch = task.data.draw(2, torch.Generator().manual_seed(0))
    terms = task.loss_terms(task.network, batch)
    torch.stack(list(terms.values())).sum().backward()
    assert all(p.grad is not None for p in task.network.parameters())
    figures = task.validate(task.network.eval(), torch.device("cpu"))
    assert 10 < figures[task.watched] < 5000
