"""Movements by computation: feet that stay, limbs that bend as they can, enough to learn from."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pose_core.data.mocap import DEFAULT_SPLIT, Motion
from pose_core.data.skipping import SkipLog
from pose_core.skeleton import H36M_17
from pose_core.synthesis import movement
from pose_core.synthesis.acts import KICK, PUNCH, REACH, on_side, with_both
from pose_core.synthesis.movement import BUNDLED, FPS, KINDS, bundled_motions, motions_from
from pose_core.synthesis.puppet import build_of
from pose_core.synthesis.script import Script
from pose_core.training.lifting_data import LiftingData, load_split
from pose_core.training.recipes import load_recipe
from pose_core.training.start import train


@pytest.fixture(scope="module")
def build(body):
    return build_of(body, torch.zeros(len(body.basis)))


@pytest.fixture(scope="module")
def motions() -> list[Motion]:
    return bundled_motions()


def at(positions: np.ndarray, joint: str) -> np.ndarray:
    return positions[:, H36M_17.index(joint)]


# --- a script ------------------------------------------------------------------------------------


def test_a_walk_covers_its_steps_and_a_turn_its_angle(build):
    script = Script(build)
    script.wait(0.6)
    script.walk(4, step_m=0.5)
    script.wait(0.5)
    positions = script.movement(FPS).positions
    way = at(positions, "pelvis")[-1] - at(positions, "pelvis")[0]
    # The first step is three quarters of a step long.
    np.testing.assert_allclose(way[:2], [0.5 * 3.75, 0], atol=0.01)
    for angle in (np.pi / 2, -np.pi):
        script = Script(build)
        script.wait(0.6)
        script.turn(angle)
        script.wait(0.5)
        left = script.movement(FPS).positions
        left = at(left, "left_hip") - at(left, "right_hip")
        turned = np.unwrap(np.arctan2(left[:, 1], left[:, 0]))
        assert turned[-1] - turned[0] == pytest.approx(angle, abs=0.02)


def test_an_act_moves_its_own_side_and_returns(build):
    def played(act) -> np.ndarray:
        script = Script(build)
        script.act(act)
        script.wait(2.5)
        return script.movement(FPS).positions

    resting = played({})
    reach = played(on_side(REACH, "left"))
    ahead = at(reach, "left_wrist")[:, 0] - at(resting, "left_wrist")[:, 0]
    assert ahead.max() > 0.35
    assert abs(at(reach, "right_wrist") - at(resting, "right_wrist")).max() < 0.2
    np.testing.assert_allclose(reach[-1], resting[-1], atol=1e-3)
    # The other side does the mirror image.
    mirrored = played(on_side(REACH, "right"))[:, H36M_17.mirror_index] * [1, -1, 1]
    np.testing.assert_allclose(mirrored, reach, atol=1e-3)
    both = played(with_both(REACH))
    for side in ("left", "right"):
        way = at(both, f"{side}_wrist")[:, 0] - at(resting, f"{side}_wrist")[:, 0]
        assert way.max() > 0.3


def test_a_kick_stands_on_the_other_foot(build):
    script = Script(build)
    script.act(on_side(KICK, "right"))
    script.wait(2.0)
    positions = script.movement(FPS).positions
    assert np.ptp(at(positions, "left_ankle"), axis=0).max() < 0.005
    highest = at(positions, "right_ankle")[:, 2].argmax()
    assert at(positions, "right_ankle")[highest, 2] > 0.5
    assert at(positions, "pelvis")[highest, 1] > 0.04  # towards the foot that stands


def test_a_punch_straightens_the_arm_that_was_bent(build):
    script = Script(build)
    script.act(on_side(PUNCH, "right"))
    script.wait(2.0)
    positions = script.movement(FPS).positions
    reach = np.linalg.norm(at(positions, "right_wrist") - at(positions, "right_shoulder"), axis=1)
    arm = build.upper_arm + build.forearm
    assert reach[round(0.4 * FPS)] < 0.7 * arm
    assert reach.max() > 0.98 * arm


# --- the bundled motions -------------------------------------------------------------------------


def test_they_are_many_and_named(motions):
    assert len(motions) == movement.NUM_PEOPLE * len(KINDS)
    assert len({motion.name for motion in motions}) == len(motions)
    assert sum(len(m) / m.fps for m in motions) > 20 * 60
    statures = {m.subject: m.positions[0, H36M_17.index("head_top"), 2] for m in motions}
    assert np.ptp(list(statures.values())) > 0.05


def test_a_seed_always_gives_the_same(monkeypatch):
    monkeypatch.setattr(movement, "NUM_PEOPLE", 1)
    first, again, other = bundled_motions(), motions_from(Path(BUNDLED)), bundled_motions(seed=1)
    for a, b, c in zip(first, again, other, strict=True):
        assert np.array_equal(a.positions, b.positions)
        assert a.action == c.action
        assert a.positions.shape != c.positions.shape or not np.allclose(a.positions, c.positions)


def test_their_bodies_hold_together(motions):
    for motion in motions:
        xyz = motion.positions
        assert np.isfinite(xyz).all()
        assert at(xyz, "left_ankle")[:, 2].min() > 0.05
        for parent, child in H36M_17.bones:
            if H36M_17.side(child) != "middle":
                length = np.linalg.norm(xyz[:, child] - xyz[:, parent], axis=1)
                assert np.ptp(length) < 1e-4, (motion.name, H36M_17.joint_names[child])
        speed = np.linalg.norm(np.diff(xyz, axis=0), axis=-1) * motion.fps
        assert speed.max() < 10, motion.name


def test_their_feet_stay_where_they_stand(motions):
    slips = []
    for motion in motions:
        for side in ("left", "right"):
            ankle = at(motion.positions, f"{side}_ankle")
            is_down = ankle[:, 2] < ankle[:, 2].min() + 0.001
            both = is_down[1:] & is_down[:-1]
            speed = np.linalg.norm(np.diff(ankle[:, :2], axis=0), axis=1) * motion.fps
            slips.append(speed[both])
            assert both.mean() > 0.15, motion.name
    assert np.quantile(np.concatenate(slips), 0.95) < 0.02  # metres a second


def test_people_and_a_kind_of_movement_are_held_out(motions, monkeypatch):
    monkeypatch.setattr(movement, "bundled_motions", lambda: motions)
    training, held_out = load_split(Path(BUNDLED), SkipLog())
    assert len(held_out) > 20
    assert len(training) > 2 * len(held_out)
    assert not {m.subject for m in training} & set(DEFAULT_SPLIT.subjects)
    assert "bundled kick" in {m.action for m in held_out} - {m.action for m in training}


def test_a_network_learns_from_them(motions, monkeypatch, tmp_path):
    """A short training ends far below the error of the mean pose, on people it has not seen."""
    monkeypatch.setattr(movement, "bundled_motions", lambda: motions)  # they take a while
    recipe = load_recipe(
        "temporal",
        {
            "task.network": {"channels": 48, "kernel_sizes": [3], "dropout": 0.0},
            "task.output_frames": 4,
            "task.data.validation_samples": 128,
            "schedule.batch": 16,
            "schedule.checkpoint_every": 120,
            "schedule.average_decay": 0.95,
            "schedule.stages": [{"steps": 120, "warmup_steps": 20, "learning_rate": 3e-3}],
        },
    )
    *_, last = train(recipe, BUNDLED, tmp_path / "run")
    training, held_out = load_split(Path(BUNDLED), SkipLog())
    known, unseen = (
        LiftingData(some, recipe.task.data, 1, slice(None)).draw(
            256, torch.Generator().manual_seed(0)
        )["target"]
        for some in (training, held_out)
    )
    mean_pose_mm = 1000 * float((unseen - known.mean((0, 1))).norm(dim=-1).mean())
    assert last.validation["MPJPE"] < 0.85 * mean_pose_mm
