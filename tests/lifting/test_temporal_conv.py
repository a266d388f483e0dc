import pytest
import torch

from pose_core.errors import ConfigError
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
def test_receptive_field_is_exact(causal):
    """Changing one input frame changes just the outputs that may see it."""
    net = network(causal=causal)
    before, after = net.config.padding
    x = torch.randn(1, 61, 17, 3)
    padded = torch.nn.functional.pad(x, (0, 0, 0, 0, before, after))
    changed = padded.clone()
    changed[:, before + 30] += 1
    with torch.no_grad():
        moved = (net(padded) - net(changed)).abs().amax((0, 1, 3, 4)) > 0
    frames = moved.nonzero().flatten()
    reach = net.config.receptive_field // 2
    expected = (30, 60) if causal else (30 - reach, 30 + reach)
    assert (int(frames.min()), int(frames.max())) == expected


def test_parameters_of_the_papers_network():
    """3,3,3,3,3 with 1024 channels, counted by hand from the paper and Pavllo et al. 2019."""
    c, inputs, outputs = 1024, 17 * 3, 17 * 3
    convolutions = 3 * inputs * c + 4 * (3 * c * c + c * c)
    norms = (1 + 4 * 2) * 2 * c
    last = c * outputs + outputs
    net = TemporalConv(TemporalConvConfig(channels=c))
    assert sum(p.numel() for p in net.parameters()) == convolutions + norms + last
    assert net.config.receptive_field == 243


def test_configuration_refuses_what_cannot_be():
    with pytest.raises(ConfigError, match="odd"):
        TemporalConvConfig(kernel_sizes=(3, 4))
    with pytest.raises(ConfigError, match="Dropout"):
        TemporalConvConfig(dropout=1.0)
