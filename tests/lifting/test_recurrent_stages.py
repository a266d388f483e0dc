"""Recurrent networks see clips of the length they were trained on, from both sides of time."""

import pytest
import torch

from pose_core.inference.network_stages import BLOCK, Ways, recurrent_stages, recurrent_stages_at
from pose_core.models.rpsm import Rpsm, RpsmConfig


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    config = RpsmConfig(
        frontend="keypoints", num_stages=2, clip_length=10, width=0.0625, heatmap_size=14,
        adaption_channels=4, adapted_size=8, hidden_size=8,
    )  # fmt: skip
    network = Rpsm(config).eval()
    for name, parameter in network.named_parameters():
        if name.endswith("pose.weight"):
            torch.nn.init.normal_(parameter, std=0.5)
    return network


def features_of(num_frames):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(1, num_frames, 17, 3, generator=generator)


def by_definition(network, features):
    """Block by block: after the block before it, and backwards after the one behind it."""
    num_frames = features.shape[1]
    missing = max(2 * BLOCK, -(-num_frames // BLOCK) * BLOCK) - num_frames
    frames = torch.cat([features, features[:, -1:].repeat(1, missing, 1, 1)], dim=1)
    blocks = list(frames.split(BLOCK, dim=1))
    answers = []
    for k, block in enumerate(blocks):
        if k > 0:
            forward = network(torch.cat([blocks[k - 1], block], dim=1)).stages[:, :, BLOCK:]
        else:
            forward = network(block).stages
        turned = block.flip(1)
        if k + 1 < len(blocks):
            turned = torch.cat([blocks[k + 1].flip(1), turned], dim=1)
        backward = network(turned).stages[:, :, -BLOCK:].flip(2)
        answers.append((forward + backward) / 2)
    return torch.cat(answers, dim=2)[:, 0, :num_frames]


class OneWay(Ways):
    """As they are, without the mirrored ones beside them."""

    def __init__(self):
        super().__init__((0.0,), "cpu")

    def of(self, features):
        return features

    def mean(self, stages):
        return stages[:, 0]


@pytest.mark.parametrize("num_frames", [1, 4, 5, 6, 10, 23, 40])
@torch.inference_mode()
def test_each_block_is_answered_from_both_sides(network, num_frames):
    features = features_of(num_frames)
    mirrored = Ways((0.0,), "cpu")
    found = recurrent_stages(network, features, OneWay())
    torch.testing.assert_close(found, by_definition(network, features), atol=1e-5, rtol=0)
    whole = recurrent_stages(network, features, mirrored)
    for sample in range(num_frames):
        at = recurrent_stages_at(network, features, mirrored, sample)
        torch.testing.assert_close(at, whole[:, [sample]], atol=1e-5, rtol=0)


@torch.inference_mode()
def test_far_frames_change_nothing_and_near_ones_on_both_sides_do(network):
    features, ways = features_of(40), Ways((0.0,), "cpu")
    before = recurrent_stages(network, features, ways)
    features[:, 22, :, :2] += 0.3
    moved = (recurrent_stages(network, features, ways) - before).abs().amax((0, 2, 3))
    changed = torch.nonzero(moved > 1e-6).flatten().tolist()
    assert changed
    assert changed[0] < 20
    assert changed[-1] > 24
    assert set(changed) <= set(range(15, 30))
