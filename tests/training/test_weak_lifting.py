"""Weak supervision of a network that sees keypoints: what is asked where 3D is not known."""

import pytest
import torch

from pose_core.errors import ConfigError
from pose_core.losses.reprojection import reprojection_loss
from pose_core.losses.structure import symmetry_loss
from pose_core.training.recipes import TASKS, load_recipe
from pose_core.training.run_folder import RunFolder
from pose_core.training.start import train
from pose_core.training.weak_lifting import WeakTemporalSettings, terms_without_3d

TINY = {
    "task.network.channels": 16,
    "task.share_3d_known": 0.5,
    "task.data.validation_samples": 128,
    "schedule.batch": 8,
    "schedule.average_decay": 0.9,
}


def made(motions, **changes):
    recipe = load_recipe("single-frame-weak", TINY | changes)
    return TASKS[recipe.kind].make(recipe.task, motions, motions)


def test_true_poses_lie_on_their_rays(motion):
    data = made([motion]).data
    batch = data.draw(16, torch.Generator().manual_seed(0))
    everything = made([motion])._base.data.draw(16, torch.Generator().manual_seed(0))
    weights = everything["valid"][..., None].expand(everything["target"].shape[:-1]).float()
    assert batch["weak_rays"].shape == everything["rays"].shape
    # In the assumed camera, whose focal length may be wrong: two per cent of a person, no more.
    assert reprojection_loss(everything["target"], everything["rays"], weights) < 0.04
    flipped = everything["target"].flip(0)
    assert reprojection_loss(flipped, everything["rays"], weights) > 0.1


def test_depths_alone_are_judged():
    """A pose whose left forearm is longer than the right one because of its depth."""
    poses = torch.randn(3, 2, 17, 3, generator=torch.Generator().manual_seed(1)) * 0.3
    poses = poses - poses[:, :, :1]
    place = torch.tensor([0.1, -0.2, 4.0])
    rays = (poses + place)[..., :2] / (poses + place)[..., 2:]
    terms = terms_without_3d(poses, rays, torch.ones(poses.shape[:-1]))
    assert terms["reprojection"] < 1e-4
    torch.testing.assert_close(terms["symmetry"], symmetry_loss(poses).mean(), rtol=1e-3, atol=0)
    moved = poses + torch.tensor([0.3, 0.0, 0.0]) * torch.rand(17, 1)
    again = terms_without_3d(moved, rays, torch.ones(poses.shape[:-1]))
    assert again["reprojection"] > 0.03


def test_only_motion_of_the_share_has_3d(motion_folder, tmp_path):
    stages = [{"steps": 60, "learning_rate": 3e-3, "losses": {"weak_symmetry": 0.05}}]
    recipe = load_recipe("single-frame-weak", TINY | {"schedule.stages": stages})
    for progress in train(recipe, motion_folder, tmp_path / "run"):
        last = progress
    assert {"position", "reprojection", "weak_symmetry"} <= set(last.terms)
    assert last.validation["MPJPE"] < 800
    assert RunFolder(tmp_path / "run").load_checkpoint()["step"] == 60


def test_depths_follow_the_losses_of_structure(motion):
    """Wrong depths go where bones of both sides are alike; x and y stay on their rays."""
    batch = made([motion])._base.data.draw(32, torch.Generator().manual_seed(0))
    wrong = torch.randn(batch["target"].shape[:-1], generator=torch.Generator().manual_seed(1))
    poses = batch["target"].clone()
    poses[..., 2] += 0.1 * wrong
    poses.requires_grad_(True)
    optimizer = torch.optim.Adam([poses], lr=5e-3)
    weights = torch.ones(poses.shape[:-1])
    found = []
    for _ in range(80):
        terms = terms_without_3d(poses, batch["rays"], weights)
        found.append({name: float(term.detach()) for name, term in terms.items()})
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
    for name in ("symmetry", "geometry", "angle"):
        assert found[-1][name] < 0.5 * found[0][name], name
    assert found[-1]["reprojection"] < 0.03


def test_a_share_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="share_3d_known"):
        WeakTemporalSettings(share_3d_known=0.0)
