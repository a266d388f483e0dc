"""What a new run is offered to begin with."""

import pytest

from app.training.beginnings import beginnings
from app.training.recipe_facts import facts_of_recipe
from pose_core.models.networks import NETWORKS
from pose_core.models.registry import load_manifest
from pose_core.training.first_weights import first_weights
from pose_core.training.recipe_files import recipe_names
from pose_core.training.recipes import TASKS, load_recipe


@pytest.fixture(autouse=True)
def no_own_models(tmp_path, monkeypatch):
    monkeypatch.setenv("POSESTAGE_DATA_DIR", str(tmp_path / "data"))


@pytest.mark.parametrize("name", recipe_names())
def test_what_is_offered_can_be_begun_with(name):
    offers = list(beginnings(facts_of_recipe(name), []))
    if name in load_manifest():
        assert any(text.startswith("The weights of the model") for text, _ in offers)
    recipe = load_recipe(name)
    for _, path in offers:
        config = recipe.to_dict()["task"]["network"]
        first_weights(path, NETWORKS[TASKS[recipe.kind].network].build(config))


def test_the_pose_machine_on_pictures_can_begin_with_the_convolutions_of_rpsm():
    offers = dict(beginnings(facts_of_recipe("pose-machine-image"), []))
    path = offers["The convolutions of the model RPSM on pictures"]
    assert path == load_manifest()["rpsm-image"].path
    others = dict(beginnings(facts_of_recipe("pose-machine-image-paper"), []))
    assert "The convolutions of the model RPSM on pictures" not in others
