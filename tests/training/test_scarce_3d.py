"""Training on few clips, and on movements of which only some have 3D."""

import pytest
import torch

from pose_core.errors import ConfigError
from pose_core.training.lifting_data import FixedClips
from pose_core.training.motion_in_2d import with_3d
from pose_core.training.pose_machine import PoseMachineSettings
from pose_core.training.recipe_files import read_recipe
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


def test_2d_alone_teaches(motion):
    """Projections of movements without 3D come nearer to their labels, and the poses move."""
    changes = TINY_MACHINE | {"task.share_3d_known": 0.5, "task.network.joint_dropout": 0.0}
    task = made("pose-machine", [motion] * 4, **changes)
    batch = task.data.draw(16, torch.Generator().manual_seed(0))
    before = task.network(batch["weak_features"]).stages[0].detach()
    optimizer = torch.optim.Adam(task.network.parameters(), lr=1e-2)
    found = []
    for _ in range(60):
        term = task.loss_terms(task.network, batch)["weak_projection"]
        optimizer.zero_grad()
        term.backward()
        optimizer.step()
        found.append(float(term.detach()))
    assert found[-1] < 0.5 * found[0]
    assert not torch.allclose(before, task.network(batch["weak_features"]).stages[0], atol=1e-3)


def test_weak_projection_waits_for_the_last_step(motion_folder, tmp_path):
    """Algorithm 1 has people without 3D in its step (iv) alone."""
    stages = [stage | {"steps": 2} for stage in read_recipe("pose-machine")["schedule"]["stages"]]
    changes = TINY_MACHINE | {"task.share_3d_known": 0.5, "schedule.stages": stages}
    recipe = load_recipe("pose-machine", changes)
    terms = {p.stage: set(p.terms) for p in train(recipe, motion_folder, tmp_path / "run")}
    assert [name for name, found in terms.items() if "weak_projection" in found] == ["joint"]


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5])
def test_an_impossible_share_is_refused(share):
    with pytest.raises(ConfigError, match="share_3d_known"):
        PoseMachineSettings(share_3d_known=share)


def test_a_negative_number_of_clips_is_refused():
    with pytest.raises(ConfigError, match="fixed_clips"):
        RpsmSettings(fixed_clips=-1)
