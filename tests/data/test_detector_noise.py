"""The noise model gives back the figures that were measured, joint by joint."""

import pytest
import torch

from pose_core.data.detector_noise import (
    NoiseLevel,
    add_detector_noise,
    bursts,
    hidden_joints,
    trunk_length,
)
from pose_core.skeleton import H36M_17

RATE_HZ = 25.0
JITTER_ONLY = NoiseLevel(strength=(1.0, 1.0), clean_share=0.0, miss_share=0.0, swap_share=0.0)


def standing(batch: int, frames: int, facing: str = "camera") -> torch.Tensor:
    """(B, T, 17, 3) camera metres of a person who stands still 4 m away, trunk 0.5 m long."""
    xyz = torch.zeros(17, 3)
    heights = {"pelvis": 0.0, "spine": 0.25, "thorax": 0.52, "neck": 0.62, "head_top": 0.75,
               "hip": 0.0, "knee": -0.45, "ankle": -0.85, "shoulder": 0.5, "elbow": 0.2,
               "wrist": -0.05}  # fmt: skip
    beside = {"hip": 0.12, "knee": 0.14, "ankle": 0.15, "shoulder": 0.18, "elbow": 0.3,
              "wrist": 0.35}  # fmt: skip
    for joint, name in enumerate(H36M_17.joint_names):
        side, _, word = name.partition("_")
        word = word if side in ("left", "right") else name
        xyz[joint, 1] = -heights[word]
        xyz[joint, 0] = beside.get(word, 0.0) * (1 if side == "left" else -1)
    if facing == "side":
        xyz = xyz[:, [2, 1, 0]]
    return (xyz + torch.tensor([0.0, 0.0, 4.0])).repeat(batch, frames, 1, 1)


def errors(xyz: torch.Tensor, level: NoiseLevel, seed: int = 0) -> tuple[torch.Tensor, ...]:
    rays = xyz[..., :2] / xyz[..., 2:]
    generator = torch.Generator().manual_seed(seed)
    noisy = add_detector_noise(xyz, rays, level, generator, RATE_HZ)
    return (noisy.rays - rays) / trunk_length(rays), noisy.scores


# Measured on rendered people, per cent of the trunk: jitter and constant error of one coordinate.
MEASURED = {"wrist": (4.0, 3.6), "knee": (5.3, 4.7), "thorax": (2.7, 3.0), "hip": (4.3, 5.4)}


@pytest.mark.parametrize("word", MEASURED)
def test_jitter_and_constant_error_are_those_measured(word):
    offset, _ = errors(standing(800, 75), JITTER_ONLY)
    joint = H36M_17.joint_names.index(word if word == "thorax" else f"left_{word}")
    offset = 100 * offset[:, :, joint]
    jitter, constant = MEASURED[word]
    # Frames three seconds apart know nothing of each other but the constant part.
    apart = (offset[:, -1] - offset[:, 0]).square().mean().sqrt() / 2**0.5
    assert float(apart) == pytest.approx(jitter, rel=0.1)
    shared = (offset[:, -1] * offset[:, 0]).mean().sqrt()
    assert float(shared) == pytest.approx(constant, rel=0.25)


def test_jitter_is_mostly_slow():
    offset, _ = errors(standing(400, 60), JITTER_ONLY)
    change = {lag: float((offset[:, lag:] - offset[:, :-lag]).square().mean()) for lag in (1, 40)}
    # 2 fast^2 + 2 slow^2 (1 - exp(-lag / memory)), with 0.35, 0.94 and 0.3 s
    expected = (2 * 0.35**2 + 2 * 0.94**2 * (1 - 0.8752)) / (2 * 0.35**2 + 2 * 0.94**2 * 0.9952)
    assert change[1] / change[40] == pytest.approx(expected, rel=0.1)


def test_the_far_leg_is_hidden_from_the_side_and_none_from_the_front():
    names = H36M_17.joint_names
    from_side = hidden_joints(standing(1, 1, facing="side"))[0, 0]
    legs = {
        names[j] for j in range(17) if from_side[j] and ("knee" in names[j] or "ankle" in names[j])
    }
    assert legs == {"left_knee", "left_ankle"}  # the left side is the far one
    assert not hidden_joints(standing(1, 1))[0, 0].any()


def test_hidden_joints_jitter_three_times_as_much():
    offset, scores = errors(standing(600, 50, facing="side"), JITTER_ONLY)
    change = (offset[:, 40] - offset[:, 0]).square().mean(dim=(0, 2)).sqrt()
    left, right = H36M_17.index("left_knee"), H36M_17.index("right_knee")
    assert float(change[left] / change[right]) == pytest.approx(3.0, rel=0.12)
    assert scores[..., left].mean() < scores[..., right].mean() - 0.03


def test_limbs_go_astray_together_and_the_trunk_stays():
    level = NoiseLevel(strength=(0.0, 0.0), clean_share=0.0, miss_share=1.0, swap_share=0.0)
    offset, scores = errors(standing(600, 60), level)
    is_astray = offset.norm(dim=-1) > 1e-4
    joint = H36M_17.index
    assert not is_astray[:, :, [joint("pelvis"), joint("spine"), joint("thorax")]].any()
    elbow, wrist = (is_astray[..., joint(f"right_{name}")] for name in ("elbow", "wrist"))
    assert 0.03 < float(wrist.float().mean()) < 0.25
    assert 0.6 < float(elbow[wrist].float().mean()) < 0.9
    told = (scores < 1).any(dim=2).any(dim=1)
    sure = scores[told]
    assert sure[is_astray[told]].mean() < sure[~is_astray[told]].mean() - 0.2


def test_exchanged_sides_are_the_mirrored_person_for_a_while():
    level = NoiseLevel(strength=(0.0, 0.0), clean_share=0.0, miss_share=0.0, swap_share=1.0)
    xyz = standing(300, 60)
    offset, _ = errors(xyz, level)
    rays = xyz[..., :2] / xyz[..., 2:]
    found = rays + offset * trunk_length(rays)
    knee, other = H36M_17.index("left_knee"), H36M_17.index("right_knee")
    exchanged = offset[..., knee, :].norm(dim=-1) > 1e-4
    torch.testing.assert_close(found[exchanged][:, knee], rays[exchanged][:, other])
    frames = exchanged.sum(dim=1)
    assert int(frames.max()) <= 40  # one burst of at most 1.6 s in so short a sequence
    assert 0.4 < float((frames > 0).float().mean()) < 0.95


def test_perfect_keypoints_are_told_as_perfect():
    offset, scores = errors(standing(20, 30), NoiseLevel(clean_share=1.0))
    assert float(offset.abs().max()) < 1e-5
    assert (scores == 1).all()


@pytest.mark.parametrize("length", [1, 5, 25, 100])
def test_a_frame_is_struck_as_often_in_short_sequences_as_in_long_ones(length):
    always, generator = torch.ones(20_000), torch.Generator().manual_seed(length)
    struck = bursts(20_000, length, always, 0.8, RATE_HZ, generator)
    # One burst of 1 frame to 20 in a round of 100; the end of long ones is cut off.
    assert float(struck.float().mean()) == pytest.approx(0.071, rel=0.08)
