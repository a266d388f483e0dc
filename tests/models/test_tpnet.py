"""TP-Net and the recurrent baselines against Dabral et al. 2018, section 4.2 and Table 4."""

import numpy as np
import pytest
import torch

from pose_core.errors import ConfigError
from pose_core.models.baselines import LstmBaseline, LstmBaselineConfig
from pose_core.models.networks import NETWORKS
from pose_core.models.tpnet import TpNet, TpNetConfig

MODES = ("online", "semi-online")


def eight_clips(frames=6, joints=16):
    """Smooth movements (8, T, J, 3) in metres, and the same as a jittery lifter sees them."""
    generator = torch.Generator().manual_seed(3)
    rest, swing, phase = torch.randn(3, 8, 1, joints, 3, generator=generator).unbind(0)
    time = torch.arange(frames)[None, :, None, None] / 25
    truth = 0.3 * rest + 0.1 * swing * torch.sin(6 * time + phase)
    return truth, truth + 0.03 * torch.randn(truth.shape, generator=generator)


def mean_error_mm(network, truth, seen):
    with torch.no_grad():
        return float(1000 * (network(seen)[-1] - truth).norm(dim=-1).mean())


def overfit(network, truth, seen, steps=250):
    """Minimise the paper's L2 loss on a few clips. L-BFGS: a small problem, wanted exactly."""
    optimizer = torch.optim.LBFGS(
        network.parameters(),
        max_iter=steps,
        history_size=20,
        line_search_fn="strong_wolfe",
        tolerance_grad=0,
        tolerance_change=0,
    )

    def closure():
        optimizer.zero_grad()
        loss = (network(seen)[-1] - truth).square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)


def count(network):
    return sum(p.numel() for p in network.parameters())


def tiny(mode="online", context=4, **changes):
    torch.manual_seed(0)
    return TpNet(TpNetConfig(context=context, mode=mode, hidden=32, **changes))


@pytest.mark.parametrize("context", [4, 10, 20])
@pytest.mark.parametrize(("num_joints", "coordinates"), [(16, 48), (17, 51)])
def test_size_of_tp_net(context, num_joints, coordinates):
    """N poses flattened -> 4096 -> one pose; Bi-TP-Net sees the wanted pose beside its N."""
    online = TpNet(TpNetConfig(context=context, num_joints=num_joints))
    both = TpNet(TpNetConfig(context=context, num_joints=num_joints, mode="semi-online"))
    last = 4096 * coordinates + coordinates
    assert count(online) == context * coordinates * 4096 + 4096 + last
    assert count(both) == (context + 1) * coordinates * 4096 + 4096 + last


def test_the_papers_tp_net_has_about_four_million_parameters():
    # 20 poses of 16 joints: 960 x 4096 + 4096 = 3,936,256, and 4096 x 48 + 48 = 196,656.
    assert count(NETWORKS["tpnet"].build()) == 4_132_912
    # One pose more: 48 x 4096 = 196,608.
    assert count(NETWORKS["tpnet"].build({"mode": "semi-online"})) == 4_329_520


def test_size_of_the_recurrent_baselines():
    """An LSTM has four gates, each with input, recurrent and (in torch) two bias terms."""
    one_way = 4 * 1024 * (48 + 1024 + 2)
    assert count(NETWORKS["lstm_baseline"].build()) == one_way + 1024 * 48 + 48
    both = NETWORKS["lstm_baseline"].build({"bidirectional": True})
    assert count(both) == 2 * one_way + 2 * 1024 * 48 + 48


@pytest.mark.parametrize("mode", MODES)
def test_each_frame_sees_its_neighbours_in_the_order_of_time(mode):
    """A slow version that gathers the poses of every frame one by one, in numpy."""
    net = tiny(mode).double()
    poses = torch.randn(2, 7, 16, 3, dtype=torch.float64)
    offsets = range(-3, 1) if mode == "online" else range(-2, 3)
    w1, b1, w2, b2 = (p.detach().numpy() for p in net.parameters())
    answer = net(poses)
    assert answer.shape == (1, 2, 7, 16, 3)
    for b in range(2):
        for t in range(7):
            # beyond the ends the first and the last pose are repeated
            x = np.concatenate([poses[b, min(max(t + k, 0), 6)].numpy().ravel() for k in offsets])
            slow = w2 @ (w1 @ x + b1).clip(0) + b2
            torch.testing.assert_close(answer[0, b, t].flatten(), torch.from_numpy(slow))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("frames", [1, 2, 3, 9])
def test_streaming_gives_what_the_whole_sequence_gives(mode, frames):
    net = tiny(mode).double()
    poses = torch.randn(2, frames, 16, 3, dtype=torch.float64)
    streamed = list(net.stream(poses.unbind(1)))
    assert len(streamed) == frames
    torch.testing.assert_close(torch.stack(streamed, 1), net(poses)[-1])


def test_online_answers_at_once_and_semi_online_half_a_context_late():
    for mode, late in (("online", 0), ("semi-online", 2)):
        fed = []

        def feed(fed=fed):
            for t in range(6):
                fed.append(t)
                yield torch.zeros(1, 16, 3)

        answers = tiny(mode).stream(feed())
        for t in range(4):
            next(answers)
            assert len(fed) == t + 1 + late
    assert list(tiny().stream([])) == []


def changed_frames(network, frames=15, at=7):
    """Output frames that move when one input frame does."""
    poses = torch.randn(1, frames, 16, 3, dtype=torch.float64)
    other = poses.clone()
    other[:, at] += 1
    with torch.no_grad():
        moved = (network.double()(poses) - network.double()(other)).abs().amax((0, 1, 3, 4))
    return moved.nonzero().flatten().tolist()


def lstm(bidirectional):
    torch.manual_seed(0)
    return LstmBaseline(LstmBaselineConfig(bidirectional=bidirectional, context=4, hidden=8))


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (tiny("online"), range(7, 11)),
        (tiny("semi-online"), range(5, 10)),
        (lstm(False), range(7, 15)),
        (lstm(True), range(5, 10)),
    ],
    ids=["TP-Net", "Bi-TP-Net", "LSTM", "Bi-LSTM"],
)
def test_receptive_fields(network, expected):
    """Online networks never see the future; only the LSTM sees the entire past."""
    assert changed_frames(network) == list(expected)


@pytest.mark.parametrize(
    "network",
    [tiny("online"), tiny("semi-online"), lstm(False), lstm(True)],
    ids=["TP-Net", "Bi-TP-Net", "LSTM", "Bi-LSTM"],
)
def test_wanted_frames_are_those_of_the_whole_sequence(network):
    poses = torch.randn(2, 9, 16, 3)
    with torch.no_grad():
        expected, wanted = network(poses)[:, :, 3:7], network(poses, slice(3, 7))
    torch.testing.assert_close(wanted, expected)


def test_bi_lstm_runs_each_direction_up_to_the_wanted_frame():
    net = lstm(True).double()
    poses = torch.randn(1, 9, 16, 3, dtype=torch.float64)
    flat = poses.flatten(2)
    size = net.config.hidden

    def run(suffix, sequence):
        one = torch.nn.LSTM(48, size, batch_first=True, dtype=torch.float64)
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        one.load_state_dict({n: getattr(net.lstm, n + suffix) for n in names})
        return one(sequence)[0][:, -1]

    forward = run("", flat[:, 2:5])
    backward = run("_reverse", flat[:, 4:7].flip(1))
    expected = net.answer(torch.cat([forward, backward], -1)).unflatten(-1, (-1, 3))
    torch.testing.assert_close(net(poses)[0, :, 4], expected)


@pytest.mark.parametrize(
    "config",
    [
        TpNetConfig(context=4, hidden=128),
        TpNetConfig(context=4, hidden=128, mode="semi-online"),
        LstmBaselineConfig(hidden=64),
        LstmBaselineConfig(hidden=32, context=2, bidirectional=True),
    ],
    ids=["TP-Net", "Bi-TP-Net", "LSTM", "Bi-LSTM"],
)
def test_each_network_overfits_eight_clips(config):
    truth, seen = eight_clips()
    torch.manual_seed(0)
    network = TpNet(config) if isinstance(config, TpNetConfig) else LstmBaseline(config)
    assert mean_error_mm(network, truth, seen) > 100
    overfit(network, truth, seen)
    assert mean_error_mm(network, truth, seen) < 5


def test_the_same_seed_gives_the_same_numbers():
    truth, seen = eight_clips()
    first, second = tiny(), tiny()
    start = {name: p.clone() for name, p in first.state_dict().items()}
    overfit(first, truth, seen, 5)
    overfit(second, truth, seen, 5)
    torch.testing.assert_close(first.state_dict(), second.state_dict(), rtol=0, atol=0)
    assert not torch.equal(first.state_dict()["hidden.weight"], start["hidden.weight"])


@pytest.mark.parametrize("name", ["tpnet", "lstm_baseline"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_example_inputs_in_every_precision(name, dtype):
    config = {"hidden": 16, "context": 4, "num_joints": 17}
    net = NETWORKS[name].build(config).to(dtype)
    (poses,) = net.example_inputs(2, 5, torch.Generator().manual_seed(0))
    answer = net(poses.to(dtype))
    assert answer.shape == (1, 2, 5, 17, 3)
    assert answer.dtype == dtype
    exact = net.double()(poses.to(dtype).double())
    tolerance = 0.03 if dtype == torch.bfloat16 else 1e-6
    torch.testing.assert_close(answer.double(), exact, rtol=0, atol=tolerance)


def test_configurations_refuse_what_cannot_be():
    with pytest.raises(ConfigError, match="mode"):
        TpNetConfig(mode="offline")
    with pytest.raises(ConfigError, match="even"):
        TpNetConfig(mode="semi-online", context=5)
    with pytest.raises(ConfigError, match="positive"):
        TpNetConfig(hidden=0)
    with pytest.raises(ConfigError, match="even"):
        LstmBaselineConfig(bidirectional=True, context=5)
    with pytest.raises(ConfigError, match="positive"):
        LstmBaselineConfig(hidden=0)
    assert TpNetConfig(context=5).receptive_field == 5
