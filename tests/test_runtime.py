"""Fast forms of networks say the same as the plain ones, or are not taken."""

from importlib.util import find_spec

import pytest
import torch
from torch import nn
from torch.nn import functional

from pose_core.errors import ConfigError
from pose_core.inference import runtime
from pose_core.inference.fast_networks import channels_last, winograd
from pose_core.inference.runtime import backends_of, distance_mm, prepare, stages_of
from pose_core.models.networks import NETWORKS
from pose_core.models.winograd import WinogradConv2d, suits_winograd

TINY = {
    "rpsm": {"width": 0.1, "image_size": 88, "adapted_size": 16, "hidden_size": 16},
    "pose_machine": {
        "width": 0.1,
        "image_size": 88,
        "adapted_size": 16,
        "hidden_size": 16,
        "projector_units": 16,
    },
    "sapnet": {"channels": 16, "input_size": 64},
    "tpnet": {"hidden": 16},
    "lstm_baseline": {"hidden": 16},
    "temporal_conv": {"channels": 16, "kernel_sizes": [3, 3]},
}


def tiny(name):
    torch.manual_seed(0)
    return NETWORKS[name].build(TINY[name]).eval()


def inputs_of(network, batch, frames, seed=1):
    return network.example_inputs(batch, frames, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_chosen_form_agrees_with_the_plain_network(name):
    network = tiny(name)
    runner = prepare(network, "cpu")
    # Other lengths and numbers of clips than those it was prepared with.
    for batch, frames in ((1, 1), (2, 3)):
        inputs = inputs_of(network, batch, frames)
        with torch.inference_mode():
            expected = stages_of(network(*inputs))
        assert distance_mm(stages_of(runner(*inputs)), expected) < 0.1
    assert runner.backend in runner.summary()


@pytest.mark.parametrize("name", ["rpsm", "pose_machine", "sapnet"])
@pytest.mark.parametrize("backend", ["channels_last", "winograd", "onnxruntime"])
def test_every_form_of_the_image_networks_agrees(name, backend):
    if backend == "onnxruntime" and find_spec("onnxruntime") is None:
        pytest.skip("onnxruntime is not installed")
    network = tiny(name)
    runner = prepare(network, "cpu", backend)
    assert runner.backend == backend
    inputs = inputs_of(network, 2, 2)
    with torch.inference_mode():
        expected = stages_of(network(*inputs))
    assert distance_mm(stages_of(runner(*inputs)), expected) < 0.1


def test_state_is_carried_through_a_fast_form():
    network = tiny("rpsm")
    runner = prepare(network, "cpu", "channels_last")
    (frames,) = inputs_of(network, 1, 4)
    whole = runner(frames).stages
    first = runner(frames[:, :2])
    second = runner(frames[:, 2:], first.state)
    torch.testing.assert_close(torch.cat([first.stages, second.stages], dim=2), whole)


def test_bfloat16_is_close_and_single_precision_outside_convolutions():
    network = tiny("rpsm")
    runner = prepare(network, "cpu", "bfloat16", tolerance_mm=100.0)
    assert stages_of(runner(*inputs_of(network, 1, 2))).dtype == torch.float32


def test_a_form_that_differs_is_not_taken(monkeypatch):
    def wrong(network):
        fast = channels_last(network)
        next(m for m in fast.modules() if isinstance(m, nn.Conv2d)).weight.data.mul_(3)
        return fast

    monkeypatch.setattr(runtime, "channels_last", wrong)
    runner = prepare(tiny("sapnet"), "cpu", tolerance_mm=0.01)
    trial = next(t for t in runner.trials if t.backend == "channels_last")
    assert "differ by" in trial.rejected
    assert runner.backend != "channels_last"
    with pytest.raises(ConfigError, match="differ by"):
        prepare(tiny("sapnet"), "cpu", "channels_last", tolerance_mm=0.01)


def test_missing_onnx_runtime_is_no_obstacle(monkeypatch):
    monkeypatch.setattr("pose_core.inference.onnx_parts.find_spec", lambda name: None)
    runner = prepare(tiny("sapnet"), "cpu")
    trial = next(t for t in runner.trials if t.backend == "onnxruntime")
    assert "cannot be imported" in trial.rejected
    with pytest.raises(ConfigError, match=r"posestage\[fast\]|cannot be imported"):
        prepare(tiny("sapnet"), "cpu", "onnxruntime")


def test_unknown_forms_are_refused():
    with pytest.raises(ConfigError, match="'magic'"):
        prepare(tiny("sapnet"), "cpu", "magic")
    assert backends_of(tiny("tpnet"), "cpu") == ("eager",)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 10), (46, 46)])
@pytest.mark.parametrize("has_bias", [True, False])
def test_winograd_is_the_convolution(height, width, has_bias):
    torch.manual_seed(0)
    conv = nn.Conv2d(256, 128, 3, padding=1, bias=has_bias).double()
    assert suits_winograd(conv)
    x = torch.randn(2, 256, height, width, dtype=torch.float64)
    expected = functional.conv2d(x, conv.weight, conv.bias, padding=1)
    torch.testing.assert_close(WinogradConv2d(conv)(x), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "changes",
    [{"stride": 2}, {"padding": 0}, {"groups": 2}, {"kernel_size": 5}, {"out_channels": 16}],
)
def test_other_convolutions_are_left_alone(changes):
    settings = {"in_channels": 256, "out_channels": 128, "kernel_size": 3, "padding": 1} | changes
    network = nn.Sequential(nn.Conv2d(**settings))
    assert isinstance(winograd(network)[0], nn.Conv2d)


def test_the_given_network_stays_as_it_is():
    network = tiny("sapnet")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    prepare(network, "cpu")
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    assert not any(isinstance(m, WinogradConv2d) for m in network.modules())
