"""The temporal network against Gupta 2019, section 3 and Table 3, and Pavllo et al. 2019."""

import pytest
import torch

from pose_core.errors import ConfigError
from pose_core.models.networks import NETWORKS
from pose_core.models.temporal_conv import TemporalConv, TemporalConvConfig


def network(**changes):
    torch.manual_seed(0)
    config = TemporalConvConfig(**{"channels": 24, "kernel_sizes": (3, 3, 5)} | changes)
    net = TemporalConv(config)
    # Statistics of batch norm other than 0 and 1, so that a mistake there shows.
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.uniform_(module.running_mean, -1, 1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return net.eval()


def on_paper(**settings):
    """A network that has shapes but no numbers, so that the large ones cost nothing."""
    with torch.device("meta"):
        return NETWORKS["temporal_conv"].build(settings)


def count(net):
    return sum(p.numel() for p in net.parameters())


def test_the_configuration_is_that_of_table_3():
    config = TemporalConvConfig()
    assert config.channels == 2048
    assert config.kernel_sizes == (3, 3, 3, 3, 3)
    assert config.dropout == 0.25
    assert config.receptive_field == 243
    assert not config.causal


@pytest.mark.parametrize(
    ("channels", "num_features", "expected"),
    [
        # The layers of the paper, each with its weights:
        #   expand   3 frames x 17 joints x features -> C
        #   4 blocks 3 frames x C -> C, and C -> C: 4 C^2 each
        #   9 batch norms of 2 C; shrink C -> 51 with bias
        # C = 1024: blocks 16 x 1,048,576 = 16,777,216; norms 18,432; shrink 52,275
        #   expand with x, y 102 x 1024 = 104,448; with the score 153 x 1024 = 156,672
        (1024, 2, 104_448 + 16_777_216 + 18_432 + 52_275),  # 16.95 M in Pavllo et al., Table 5
        (1024, 3, 156_672 + 16_777_216 + 18_432 + 52_275),  # 17.0 M
        # C = 2048: blocks 16 x 4,194,304 = 67,108,864; norms 36,864; shrink 104,499
        (2048, 2, 208_896 + 67_108_864 + 36_864 + 104_499),  # 67.5 M
        (2048, 3, 313_344 + 67_108_864 + 36_864 + 104_499),
    ],
)
def test_parameters(channels, num_features, expected):
    assert count(on_paper(channels=channels, num_features=num_features)) == expected


@pytest.mark.parametrize(("frames", "num_blocks"), [(27, 2), (81, 3), (243, 4)])
def test_layers_of_each_receptive_field(frames, num_blocks):
    net = on_paper(kernel_sizes=[3] * (num_blocks + 1))
    assert net.config.receptive_field == frames
    assert net.config.padding == ((frames - 1) // 2, (frames - 1) // 2)
    assert tuple(net.expand.weight.shape) == (2048, 3 * 17 * 3)
    assert [block.conv.dilation for block in net.blocks] == [3, 9, 27, 81][:num_blocks]
    for block in net.blocks:
        assert tuple(block.conv.weight.shape) == (2048, 3 * 2048)
        assert tuple(block.mix.weight.shape) == (2048, 2048)
    assert tuple(net.shrink.weight.shape) == (51, 2048)
    dropouts = [m.p for m in net.modules() if isinstance(m, torch.nn.Dropout)]
    assert dropouts == [0.25] * (1 + 2 * num_blocks)
    # one block fewer is 4 C^2 weights and two batch norms less
    full = on_paper()
    assert count(full) - count(net) == (4 - num_blocks) * (4 * 2048 * 2048 + 2 * 2 * 2048)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kernels", [(3, 3, 5), (3, 3, 3), (5, 3), (1, 1, 1)])
def test_strided_and_dense_forms_give_the_same(kernels, causal):
    net = network(kernel_sizes=kernels, causal=causal)
    field = net.config.receptive_field
    x = torch.randn(2, 3 * field, 17, 3)
    dense, strided = net(x)[-1], net(x, strided=True)[-1]
    assert strided.shape == (2, 3, 17, 3)
    torch.testing.assert_close(dense[:, ::field], strided, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kernels", [(3, 3, 5), (3, 3, 3), (3, 3, 3, 3), (3, 3, 3, 3, 3)])
def test_changing_one_frame_changes_the_answers_that_may_see_it_and_no_others(kernels, causal):
    """27, 81 and 243 frames: half on either side, or all of them before if causal."""
    net = network(kernel_sizes=kernels, causal=causal, channels=16).double()
    field, at = net.config.receptive_field, net.config.receptive_field + 4
    before, after = net.config.padding
    x = torch.randn(1, 2 * field + 9, 17, 3, dtype=torch.float64)
    padded = torch.nn.functional.pad(x, (0, 0, 0, 0, before, after))
    changed = padded.clone()
    changed[:, before + at] += 1
    with torch.no_grad():
        moved = (net(padded) - net(changed)).abs().amax((0, 1, 3, 4)) > 0
    assert len(moved) == x.shape[1]  # padding by config.padding loses no frame
    frames = moved.nonzero().flatten().tolist()
    reach = field // 2
    seen_by = range(at, at + field) if causal else range(at - reach, at + reach + 1)
    assert frames == list(seen_by)


@pytest.mark.parametrize("causal", [False, True])
def test_shortcuts_carry_the_frame_that_is_answered(causal):
    """Blocks that add nothing leave the first convolution: three frames about, or up to, one."""
    net = network(kernel_sizes=(3, 3, 3), causal=causal).double()
    for block in net.blocks:
        torch.nn.init.zeros_(block.after_mix.norm.weight)
        torch.nn.init.zeros_(block.after_mix.norm.bias)
    x = torch.randn(1, 27, 17, 3, dtype=torch.float64, requires_grad=True)
    net(x)[-1].sum().backward()
    seen = x.grad.abs().amax((0, 2, 3)).nonzero().flatten().tolist()
    assert seen == ([24, 25, 26] if causal else [12, 13, 14])


@pytest.mark.parametrize("causal", [False, True])
def test_a_strided_answer_sees_its_own_window_and_all_of_it(causal):
    net = network(kernel_sizes=(3, 3, 3), causal=causal).double()
    x = torch.randn(1, 3 * 27, 17, 3, dtype=torch.float64, requires_grad=True)
    net(x, strided=True)[-1][:, 1].sum().backward()
    seen = x.grad.abs().amax((0, 2, 3)).nonzero().flatten().tolist()
    assert seen == list(range(27, 54))


def eight_clips(before, after, frames=5):
    """Smooth movements (8, T, 17, 3) in metres, and keypoints of them from a camera 4 m away.

    The keypoints have `before` and `after` frames more, as the ends of a clip are repeated.
    """
    generator = torch.Generator().manual_seed(3)
    rest, swing, phase = torch.randn(3, 8, 1, 17, 3, generator=generator).unbind(0)
    time = torch.arange(-before, frames + after).clamp(0, frames - 1)[None, :, None, None] / 25
    xyz = 0.3 * rest + 0.1 * swing * torch.sin(6 * time + phase)
    xyz = xyz - xyz[:, :, :1]
    seen = 3 * xyz[..., :2] / (1 + xyz[..., 2:] / 4)
    scores = torch.ones_like(seen[..., :1])
    return torch.cat([seen, scores], -1), xyz[:, before : before + frames]


def test_it_overfits_eight_clips():
    torch.manual_seed(0)
    config = TemporalConvConfig(channels=128, kernel_sizes=(3, 3), dropout=0.0)
    net = TemporalConv(config)
    seen, truth = eight_clips(*config.padding)
    # The statistics of the clips, then fixed: of so few frames, the variance in training (over
    # n) and in use (over n - 1) differ by a centimetre in the answer.
    torch.optim.swa_utils.update_bn([seen], net)
    net.eval()

    def error_mm():
        with torch.no_grad():
            return float(1000 * (net(seen)[-1] - truth).norm(dim=-1).mean())

    optimizer = torch.optim.LBFGS(
        net.parameters(),
        max_iter=250,
        history_size=20,
        line_search_fn="strong_wolfe",
        tolerance_grad=0,
        tolerance_change=0,
    )

    def closure():
        optimizer.zero_grad()
        loss = (net(seen)[-1] - truth).square().sum()
        loss.backward()
        return loss

    assert error_mm() > 100
    optimizer.step(closure)
    assert error_mm() < 5


def test_the_same_seed_gives_the_same_numbers():
    states = []
    for _ in range(2):
        torch.manual_seed(7)
        net = TemporalConv(TemporalConvConfig(channels=16, kernel_sizes=(3, 3)))  # with dropout
        (x,) = net.example_inputs(2, 4, torch.Generator().manual_seed(1))
        net(x).square().mean().backward()
        states.append([p.grad for p in net.parameters()] + list(net.parameters()))
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_example_inputs_in_every_precision(dtype):
    net = network(num_features=2)
    (x,) = net.example_inputs(2, 6, torch.Generator().manual_seed(0))
    exact = net.double()(x.to(dtype).double())
    answer = net.to(dtype)(x.to(dtype))
    assert answer.shape == (1, 2, 6, 17, 3)
    assert answer.dtype == dtype
    tolerance = 0.05 if dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(answer.double(), exact, rtol=0, atol=tolerance)


def test_configuration_refuses_what_cannot_be():
    with pytest.raises(ConfigError, match="odd"):
        TemporalConvConfig(kernel_sizes=(3, 4))
    with pytest.raises(ConfigError, match="Dropout"):
        TemporalConvConfig(dropout=1.0)
    with pytest.raises(ConfigError, match="positive"):
        TemporalConvConfig(channels=0)
