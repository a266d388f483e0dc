"""Fine-tuning on edited keypoints: the geometry of its loss, its samples, and real training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save

from pose_core.data.skipping import SkipLog
from pose_core.errors import ConfigError, DataError
from pose_core.losses.reprojection import best_place, reprojection_loss, seen_places
from pose_core.models.entries import ModelEntry
from pose_core.models.networks import NETWORKS
from pose_core.models.registry import save_user_model
from pose_core.models.temporal_conv import TemporalConv, TemporalConvConfig
from pose_core.poses import SOURCE_DETECTOR, SOURCE_USER, Keypoints2D
from pose_core.session_io import save_session
from pose_core.skeleton import H36M_17
from pose_core.training import publish
from pose_core.training.edited_windows import EditedWindows, EditSettings, label_weights
from pose_core.training.edits import ERROR_2D, ERROR_BOTH, ERROR_HELD_OUT
from pose_core.training.edits_recipe import can_learn_from_edits, edits_recipe
from pose_core.training.first_weights import first_weights
from pose_core.training.recipes import TASKS, recipe_from
from pose_core.training.run_folder import RunFolder
from pose_core.training.start import train

TINY = {"channels": 16, "kernel_sizes": [3, 3]}


@pytest.fixture
def edited(session, tmp_path):
    """A session file in which the user has set the wrists of the first person in eight frames."""
    track = session.tracks[0]
    xy, sources = track.keypoints.xy.copy(), np.array(track.keypoints.sources)
    frames = np.arange(25, 57, 4)
    xy[frames[:, None], [13, 16]] += (18.0, -12.0)
    sources[sources == SOURCE_USER] = SOURCE_DETECTOR
    sources[frames[:, None], [13, 16]] = SOURCE_USER
    keypoints = Keypoints2D(xy, track.keypoints.scores, sources=sources)
    path = tmp_path / "edited.posestage"
    save_session(session.with_tracks((replace(track, keypoints=keypoints),)), path)
    return path


# -- the loss ------------------------------------------------------------------------------


def test_a_pose_on_its_rays_has_no_error_wherever_it_stands(walker_xyz):
    poses = torch.from_numpy(walker_xyz).double()
    place = poses[:, :1]
    relative, rays = poses - place, poses[..., :2] / poses[..., 2:]
    weights = torch.ones(rays.shape[:-1], dtype=torch.double)
    weights[:, 5] = 0
    torch.testing.assert_close(best_place(relative, rays, weights), place[:, 0], atol=1e-3, rtol=0)
    assert float(reprojection_loss(relative, rays, weights)) < 1e-4
    # A joint that is off counts by its distance across the ray, at its own depth.
    off = rays.clone()
    off[:, 16, 0] += 0.1 / poses[:, 16, 2]
    found = best_place(relative, rays, weights)
    moved = seen_places(relative, off, found) - relative[..., :2]
    torch.testing.assert_close(
        moved[:, 16, 0], torch.full_like(moved[:, 16, 0], 0.1), atol=2e-3, rtol=0
    )
    assert float(reprojection_loss(relative, off, weights)) > 0.1 / 17
    off[:, 5] = 7.0  # not labelled
    assert float(reprojection_loss(relative, off, weights)) < 0.03


def test_the_best_place_is_the_best(walker_xyz):
    """Against a search: no other place nearby fits better."""
    generator = torch.Generator().manual_seed(0)
    poses = torch.from_numpy(walker_xyz[:5]).double()
    relative = poses - poses[:, :1]
    rays = poses[..., :2] / poses[..., 2:]
    rays = rays + 0.01 * torch.randn(rays.shape, generator=generator, dtype=torch.double)
    weights = torch.rand(rays.shape[:-1], generator=generator, dtype=torch.double)

    def misfit(place):
        distances = relative[..., :2] - seen_places(relative, rays, place)
        return (weights * distances.square().sum(-1)).sum(-1)

    best = best_place(relative, rays, weights)
    for _ in range(50):
        step = 0.02 * torch.randn(best.shape, generator=generator, dtype=torch.double)
        assert (misfit(best + step) >= misfit(best) - 1e-6).all()


# -- samples -------------------------------------------------------------------------------


def test_samples_are_windows_around_edits(edited, session):
    window, answers = 9, slice(3, 6)
    settings = EditSettings(sessions=(str(edited),), jitter=0.0, mirror=0.0)
    rate_hz = float(1 / np.diff(session.clip.times_s).mean())  # each moment is a frame
    windows = EditedWindows(settings, rate_hz, window, answers)
    assert windows.num_moments == 8
    batch = windows.draw(64, torch.Generator().manual_seed(1))
    weights = batch["edit_weights"]
    assert batch["edit_features"].shape == (64, 9, 17, 3)
    assert (weights[..., 16] == 1).any(dim=1).all()  # an edited moment is among the answers
    assert set(weights[..., 16].unique().tolist()) == {0.0, 1.0}
    # What is seen and what it shall project to are the same keypoints, in the same axes.
    labelled = weights > 0
    rays = batch["edit_rays"][labelled]
    seen = batch["edit_features"][:, answers, :, :2][labelled]
    ratio = rays.norm(dim=-1) / seen.norm(dim=-1)
    torch.testing.assert_close(seen * ratio[:, None], rays, atol=1e-4, rtol=1e-4)
    noisy = EditedWindows(replace(settings, jitter=0.1), rate_hz, window, answers)
    other = noisy.draw(64, torch.Generator().manual_seed(1))
    assert (other["edit_features"] - batch["edit_features"]).abs().mean() > 0.02


def edit_frames(session, frames, path):
    """A session file in which the left wrist was set in these frames and nothing else."""
    track = session.tracks[0]
    sources = np.array(track.keypoints.sources)
    sources[sources == SOURCE_USER] = SOURCE_DETECTOR
    sources[frames, 16] = SOURCE_USER
    keypoints = Keypoints2D(track.keypoints.xy, track.keypoints.scores, sources=sources)
    save_session(session.with_tracks((replace(track, keypoints=keypoints),)), path)
    return EditSettings(sessions=(str(path),), jitter=0.0, mirror=0.0)


def test_every_fifth_edit_only_measures(session, tmp_path):
    frames = np.arange(12, 60, 2)
    seen = session.tracks[0].keypoints.present_mask
    frames = frames[seen[frames]]
    settings = edit_frames(session, frames, tmp_path / "many.posestage")
    rate_hz = float(1 / np.diff(session.clip.times_s).mean())
    trained, held = (
        EditedWindows(settings, rate_hz, 9, slice(3, 6), part) for part in ("trained", "held out")
    )
    assert trained.num_moments + held.num_moments == len(frames)
    assert held.num_moments == len(frames) // 5 > 1
    # No label is of both: windows around the ones give the others no weight.
    labels = [sum(stretch.weights.sum() for stretch in part._stretches) for part in (trained, held)]
    assert labels[1] / labels[0] == pytest.approx(held.num_moments / trained.num_moments, rel=0.2)
    for one, other in zip(trained._stretches, held._stretches, strict=True):
        assert not ((one.weights > 0) & (other.weights > 0)).any()
    few = edit_frames(session, frames[:9], tmp_path / "few.posestage")
    assert EditedWindows(few, rate_hz, 9, slice(3, 6), "held out").num_moments == 0
    assert EditedWindows(few, rate_hz, 9, slice(3, 6)).num_moments == 9


def test_both_errors_of_edits_are_told(random_model, session, motion_folder, tmp_path):
    settings = edit_frames(session, np.arange(25, 57, 2), tmp_path / "many.posestage")
    recipe = recipe_for(random_model, settings.sessions[0], 10)
    kind = TASKS[recipe.kind]
    task = kind.make(recipe.task, *kind.load(recipe.task, motion_folder, SkipLog()))
    with torch.no_grad():
        found = task.validate(task.network.eval(), torch.device("cpu"))
    assert found[ERROR_BOTH] == pytest.approx(found["MPJPE"] + found[ERROR_HELD_OUT])
    assert found[ERROR_2D] != found[ERROR_HELD_OUT]


def test_the_mirror_image_is_that_of_the_other_side(edited):
    plain = EditSettings(sessions=(str(edited),), jitter=0.0, mirror=0.0)
    a, b = (
        EditedWindows(each, 25.0, 9, slice(3, 6)).draw(16, torch.Generator().manual_seed(3))
        for each in (plain, replace(plain, mirror=1.0))
    )
    index = torch.from_numpy(H36M_17.mirror_index)
    sign = torch.tensor([-1.0, 1.0, 1.0])
    expected = a["edit_features"][:, :, index] * sign
    torch.testing.assert_close(b["edit_features"], expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(b["edit_weights"], a["edit_weights"][:, :, index])


def test_labels_are_what_the_user_set_and_what_is_sure_beside_it(session):
    track = session.tracks[0]
    scores = track.keypoints.scores.copy()
    scores[11, 3] = 0.3  # a doubtful one
    track = replace(track, keypoints=replace(track.keypoints, scores=scores))
    weights = label_weights(track)
    assert np.flatnonzero(weights.any(axis=1)).tolist() == [10, 11, 12]
    knee = int(np.flatnonzero(np.asarray(track.keypoints.sources)[11] == SOURCE_USER)[0])
    assert weights[11, knee] == 1
    assert weights[11, 3] == 0
    assert weights[11, 8] == scores[11, 8]


def test_a_session_without_edits_is_refused(session, tmp_path):
    path = tmp_path / "plain.posestage"
    save_session(session.with_tracks(session.tracks[1:]), path)
    with pytest.raises(DataError, match="No keypoint was edited"):
        EditedWindows(EditSettings(sessions=(str(path),)), 25.0, 9, slice(3, 6))


# -- training ------------------------------------------------------------------------------


@pytest.fixture
def random_model(tmp_path, monkeypatch):
    """A tiny temporal network of the user's, with random weights."""
    monkeypatch.setenv("POSESTAGE_DATA_DIR", str(tmp_path / "data"))
    torch.manual_seed(1)
    return model_of(NETWORKS["temporal_conv"].build(TINY).state_dict())


def model_of(state):
    """A model called base with these weights."""
    weights = {k: v.contiguous() for k, v in state.items() if "num_batches_tracked" not in k}
    entry = ModelEntry(
        name="base", network="temporal_conv", config=TINY, file="w.safetensors",
        sha256="", rate_hz=25.0, skeleton="h36m17", preprocessing="ray_input", units="metres",
        training_data="", licence="", command="", paper="", num_parameters=0,
    )  # fmt: skip
    return save_user_model(entry, save(weights))


def recipe_for(model, edited, steps):
    values = edits_recipe(model, (str(edited),), steps)
    values["schedule"]["batch"] = 8
    values["task"]["data"]["validation_samples"] = 128
    return recipe_from(values)


def test_the_edits_are_learnt(random_model, edited, motion_folder):
    """By all terms together, in steps of the task alone."""
    recipe = recipe_for(random_model, edited, 10)
    kind = TASKS[recipe.kind]
    task = kind.make(recipe.task, *kind.load(recipe.task, motion_folder, SkipLog()))
    task.network.train()
    batch = task.data.draw(8, torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(task.network.parameters(), lr=1e-2)
    seen = []
    for _ in range(80):
        terms = task.loss_terms(task.network, batch)
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
        seen.append({name: float(term.detach()) for name, term in terms.items()})
    assert seen[-1]["reprojection"] < 0.5 * seen[0]["reprojection"]
    assert seen[-1]["position"] < 0.8 * seen[0]["position"]
    assert all(module.training for module in task.network.modules())


def test_a_run_from_a_model_to_a_model(random_model, edited, motion_folder, tmp_path):
    run = tmp_path / "tuned"
    recipe = recipe_for(random_model, edited, 4)
    records = list(train(recipe, motion_folder, run, start_from=random_model.path))
    after = records[-1].validation
    own = {"reprojection", "edits_angle", "edits_symmetry", "edits_geometry"}
    assert own | {"position", "angle", "symmetry"} <= set(records[-1].terms)
    assert after[ERROR_BOTH] == pytest.approx(after["MPJPE"] + after[ERROR_2D])
    # So few steps leave the weights near those that it began with.
    began, ended = load_file(random_model.path), RunFolder(run).load_checkpoint()["network"]
    for name, tensor in began.items():
        if "running" not in name:
            torch.testing.assert_close(ended[name], tensor.float(), atol=1e-3, rtol=0)
    entry, _ = publish._packed(run, "tuned", is_shipped=False)
    assert (entry.network, entry.rate_hz, entry.config["channels"]) == ("temporal_conv", 25.0, 16)
    assert entry.command.startswith("posestage train temporal_edits.toml --data ")
    assert entry.metrics["validation"] == after
    assert can_learn_from_edits(entry)


def test_weights_of_another_network_are_refused(random_model, tmp_path):
    network = TemporalConv(TemporalConvConfig(channels=8, kernel_sizes=(3, 3, 3)))
    with pytest.raises(DataError, match="of another network"):
        first_weights(random_model.path, network)
    with pytest.raises(DataError, match="cannot be read"):
        first_weights(tmp_path / "none.safetensors", network)


def test_only_networks_that_see_keypoints_learn_from_them(random_model):
    for entry in (replace(random_model, network="sapnet"), replace(random_model, network="tpnet")):
        assert not can_learn_from_edits(entry)
        with pytest.raises(ConfigError, match="cannot be trained on edited keypoints"):
            edits_recipe(entry, ("a.posestage",), 10)
