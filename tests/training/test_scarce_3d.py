"""Training on few clips, and on movements of which only some have 3D."""

import pytest
import torch

from pose_core.errors import ConfigError
from pose_core.training.lifting_data import FixedClips
from pose_core.training.motion_in_2d import with_3d
from pose_core.training.pose_machine import PoseMachineSettings
from pose_core.training.recipes import TASKS, load_recipe
from pose_core.training.rpsm import RpsmSettings
from pose_core.training.start import train

TINY = {
    "task.network.width": 0.05,
    "task.network.coordinate_units": 0,
    "task.network.adapted_size": 16,
    "task.network.hidden_size": 16,
    "task.data.validation_samples": 128,
    "schedule.batch": 8,
}
TINY_MACHINE = TINY | {"task.network.projector_units": 16}


def made(recipe, motions, **changes):
    settings = load_recipe(recipe, changes)
    return TASKS[settings.kind].make(settings.task, motions, motions)


def test_few_clips_come_back(motion):
    task = made("rpsm", [motion], **TINY, **{"task.fixed_clips": 3})
    assert isinstance(task.data, FixedClips)
    drawn = task.data.draw(40, torch.Generator().manual_seed(1))
    assert len(drawn["features"].flatten(1).unique(dim=0)) == 3
    pairs = torch.cat([drawn["features"].flatten(1), drawn["target"].flatten(1)], dim=1)
    assert len(pairs.unique(dim=0)) == 3
    endless = made("rpsm", [motion], **TINY).data.draw(40, torch.Generator().manual_seed(1))
    assert len(endless["features"].flatten(1).unique(dim=0)) == 40


def test_held_out_clips_are_not_among_the_few(motion):
    few, endless = (
        made("rpsm", [motion], **TINY, **{"task.fixed_clips": number}) for number in (3, 0)
    )
    few.network.load_state_dict(endless.network.state_dict())
    cpu = torch.device("cpu")
    assert few.validate(few.network, cpu) == endless.validate(endless.network, cpu)


def test_every_nth_movement_has_3d(motion):
    motions = [motion] * 21
    assert len(with_3d(motions, 0.1)) == 3
    assert len(with_3d(motions, 1.0)) == 21


def test_3d_of_the_others_is_not_there(motion):
    task = made("pose-machine", [motion] * 4, **TINY_MACHINE, **{"task.share_3d_known": 0.5})
    batch = task.data.draw(8, torch.Generator().manual_seed(0))
    assert {"features", "target", "weak_features", "weak_keypoints_2d"} <= set(batch)
    assert "weak_target" not in batch
    assert not torch.equal(batch["features"], batch["weak_features"])


def test_2d_alone_moves_the_pose(motion_folder, tmp_path):
    """With nothing to learn from but projections of movements without 3D, these come nearer."""
    changes = TINY_MACHINE | {"task.share_3d_known": 0.5, "task.network.joint_dropout": 0.0}
    off = dict.fromkeys(("intermediate", "regression", "projection", "consistency"), 0.0)
    changes["schedule.stages"] = [
        {
            "steps": 40,
            "learning_rate": 3e-3,
            "losses": {"consistency": 0.0, "weak_projection": 0.0},
        },
        {"name": "2D", "steps": 150, "learning_rate": 3e-3, "losses": off},
    ]
    recipe = load_recipe("pose-machine", changes)
    terms = [progress.terms for progress in train(recipe, motion_folder, tmp_path / "run")]
    assert "weak_projection" not in terms[0]
    assert set(terms[-1]) == {"weak_projection"}
    first = next(t["weak_projection"] for t in terms if "weak_projection" in t)
    assert terms[-1]["weak_projection"] < 0.7 * first


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5])
def test_an_impossible_share_is_refused(share):
    with pytest.raises(ConfigError, match="share_3d_known"):
        PoseMachineSettings(share_3d_known=share)


def test_a_negative_number_of_clips_is_refused():
    with pytest.raises(ConfigError, match="fixed_clips"):
        RpsmSettings(fixed_clips=-1)
