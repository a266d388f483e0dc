"""What the application says of the models that can be chosen."""

import json
from dataclasses import replace

import pytest
from safetensors.torch import save

from app.operations.models import available_models, error_text
from pose_core.models.networks import NETWORKS
from pose_core.models.registry import (
    ModelEntry,
    load_manifest,
    model_entry,
    save_user_model,
    user_models_dir,
)


@pytest.fixture(autouse=True)
def own_data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("POSESTAGE_DATA_DIR", str(tmp_path / "data"))


def own(name, network, config) -> ModelEntry:
    entry = replace(model_entry("temporal"), name=name, network=network, config=config, metrics={})
    return save_user_model(entry, save(NETWORKS[network].build(config).state_dict()))


def test_shipped_models_come_first_then_baselines_then_the_users():
    own("walk", "temporal_conv", {"channels": 8, "kernel_sizes": [1]})
    own("eyes", "sapnet", {"num_stacks": 1, "channels": 8})
    own("clips", "rpsm", {"frontend": "image", "width": 0.125, "image_size": 88})
    external = {"external_channels": 8, "external_size": 11, "adapted_size": 8, "hidden_size": 8}
    own("features", "pose_machine", external)  # of another network, which is not there
    choices = available_models()
    shipped = [e for e in load_manifest().values() if e.estimates]
    assert [c.name for c in choices] == [
        *(e.name for e in shipped if not e.is_baseline),
        *(e.name for e in shipped if e.is_baseline),
        "clips",
        "eyes",
        "walk",
    ]
    titles = {c.name: c.title for c in choices}
    assert titles["sap-net"] == "SAP-Net (demonstration)"
    assert titles["rpsm-image"] == "RPSM on pictures (demonstration)"
    assert titles["pose-machine-image"] == "Pose machine on pictures (demonstration)"
    demonstrations = {e.name for e in shipped if e.caution}
    assert {"sap-net", "rpsm-image", "pose-machine-image"} <= demonstrations
    for choice in choices:  # what not to expect of it is said wherever its error is
        is_one = choice.name in demonstrations
        assert ("real video" in choice.error) == ("real video" in choice.description) == is_one
    assert titles["temporal"] == "Temporal"
    assert titles["single-frame"] == "Single-frame (baseline)"
    assert titles["walk"] == "walk (yours)"


def test_a_damaged_model_does_not_stop_the_application():
    own("walk", "temporal_conv", {"channels": 8, "kernel_sizes": [1]})
    path = user_models_dir() / "walk" / "model.json"
    path.write_text(json.dumps({"network": "temporal_conv"}))
    assert "walk" not in [choice.name for choice in available_models()]
    assert "temporal" in [choice.name for choice in available_models()]


def test_the_error_is_the_measured_one_or_that_of_the_run():
    split = {"split": "strangers"}
    assert error_text({}) == "not measured"
    measured = {"noise_detector": {"MPJPE": 90.4}, "validation": {"MPJPE": 70.0}} | split
    assert error_text(measured).startswith("90 mm per joint on average, on strangers")
    assert error_text({"validation": {"MPJPE": 70.0}} | split).startswith("70 mm")
    assert error_text({"validation": {"loss": 70.0}} | split) == "not measured"
