"""Front ends and feature adaption against Table 1, numpy and finite differences."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pose_core.errors import ConfigError
from pose_core.models.image_features import (
    FeatureAdaption,
    FrontEndConfig,
    HeatmapHead,
    KeypointFrontEnd,
    KeypointVector,
    SharedConvolutions,
    cells_to_pixels,
    gaussian_maps,
    hard_argmax,
    pixels_to_cells,
    soft_argmax,
    xavier,
)


def count(module):
    return sum(p.numel() for p in module.parameters())


def shapes_inside(module, kinds, *inputs):
    """Output shapes, without the batch, of the layers of these kinds, in order."""
    seen = []
    for layer in module.modules():
        if isinstance(layer, kinds):
            layer.register_forward_hook(lambda _m, _i, out: seen.append(tuple(out.shape[1:])))
    with torch.no_grad():
        module(*inputs)
    return seen


def points(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# Shared convolutions ------------------------------------------------------------------------


def test_layers_have_the_shapes_of_table_1():
    network, picture = SharedConvolutions(), torch.zeros(1, 3, 368, 368)
    expected = [
        *[(64, 368, 368)] * 2,
        (64, 184, 184),  # max_1
        *[(128, 184, 184)] * 2,
        (128, 92, 92),  # max_2
        *[(256, 92, 92)] * 4,
        (256, 46, 46),  # max_3
        *[(512, 46, 46)] * 2,
        *[(256, 46, 46)] * 4,
        (128, 46, 46),
    ]
    assert shapes_inside(network, (nn.Conv2d, nn.MaxPool2d), picture) == expected
    assert [n for n, _ in network.named_children() if "relu" not in n] == [
        *("conv1_1", "conv1_2", "max_1", "conv2_1", "conv2_2", "max_2"),
        *("conv3_1", "conv3_2", "conv3_3", "conv3_4", "max_3"),
        *("conv4_1", "conv4_2", "conv4_3", "conv4_4", "conv4_5", "conv4_6", "conv4_7"),
    ]


def test_parameters_of_table_1():
    """3 x 3 kernels: 9 x inputs x outputs weights and a bias per output."""
    by_hand = (
        (9 * 3 * 64 + 64)  # conv1_1
        + (9 * 64 * 64 + 64)
        + (9 * 64 * 128 + 128)  # conv2_1
        + (9 * 128 * 128 + 128)
        + (9 * 128 * 256 + 256)  # conv3_1
        + 3 * (9 * 256 * 256 + 256)
        + (9 * 256 * 512 + 512)  # conv4_1
        + (9 * 512 * 512 + 512)
        + (9 * 512 * 256 + 256)  # conv4_3
        + 3 * (9 * 256 * 256 + 256)
        + (9 * 256 * 128 + 128)  # conv4_7
    )
    assert count(SharedConvolutions()) == by_hand == 9_110_720


def test_every_convolution_is_followed_by_a_relu_and_sees_a_centred_picture():
    network = SharedConvolutions(width=1 / 16)
    layers = list(network)
    for layer, after in zip(layers, [*layers[1:], None], strict=True):
        assert not isinstance(layer, nn.Conv2d) or isinstance(after, nn.ReLU)
    assert network(torch.full((1, 3, 16, 24), 0.5)).eq(0).all()  # mid-grey, no biases yet
    features = network(torch.rand(2, 3, 16, 24))
    assert features.shape == (2, 8, 2, 3)
    assert features.min() == 0 < features.max()


def test_signal_survives_all_convolutions_at_the_start():
    torch.manual_seed(0)
    picture = torch.rand(2, 3, 64, 64)
    spread = SharedConvolutions(width=0.5)(picture).std() / picture.std()
    # Xavier without the gain of the ReLU would leave 2 ** -7.5 of this.
    assert 0.05 < spread < 20


def test_xavier_draws_each_gate_by_itself():
    torch.manual_seed(0)
    lstm = nn.LSTM(40, 60)
    xavier(lstm)
    for weights, inputs in ((lstm.weight_ih_l0, 40), (lstm.weight_hh_l0, 60)):
        bound = math.sqrt(6 / (inputs + 60))  # Glorot and Bengio 2010, Eq. 16
        assert 0.99 * bound < weights.abs().max() <= bound
    assert not lstm.bias_ih_l0.any()
    assert not lstm.bias_hh_l0.any()


# Keypoint front end -------------------------------------------------------------------------


def drawn_by_numpy(keypoints, size, extent, sigma):
    """One cell at a time, from the definition."""
    maps = np.zeros((*keypoints.shape[:2], size, size))
    side = 2 * extent / size
    for n, j, row, column in np.ndindex(*maps.shape):
        x, y, score = keypoints[n, j]
        if score > 0:
            centre = (-extent + (column + 0.5) * side, -extent + (row + 0.5) * side)
            squared = (x - centre[0]) ** 2 + (y - centre[1]) ** 2
            maps[n, j, row, column] = score * math.exp(-squared / (2 * (sigma * side) ** 2))
    return maps


def test_drawn_keypoints_match_numpy_and_missing_joints_are_empty():
    keypoints = points((2, 3, 3))
    keypoints[..., 2] = torch.tensor([[1.0, 0.4, 0.7], [0.2, 0.0, 0.9]])
    keypoints[1, 1, :2] = math.nan
    front_end = KeypointFrontEnd(3, 4, size=12, extent=2.5, sigma=1.3)
    maps = front_end.draw(keypoints)
    np.testing.assert_allclose(maps, drawn_by_numpy(keypoints.numpy(), 12, 2.5, 1.3), atol=1e-12)
    assert not maps[1, 1].any()
    assert front_end.double()(keypoints).shape == (2, 4, 12, 12)


def test_gradient_reaches_the_keypoints():
    torch.manual_seed(0)
    front_end = KeypointFrontEnd(3, 4, size=8, extent=2.0, sigma=1.0).double()
    keypoints = points((2, 3, 3)).clamp(-1.5, 1.5)
    keypoints[..., 2] = torch.tensor([0.9, 0.5, 0.3])
    keypoints[1, 2] = torch.tensor([math.nan, math.nan, 0.0])
    keypoints.requires_grad_()
    front_end(keypoints).square().sum().backward()
    assert keypoints.grad is not None
    assert keypoints.grad.isfinite().all()
    assert not keypoints.grad[1, 2, :2].any()
    assert (keypoints.grad[0].abs() > 1e-6).all()
    present = keypoints.detach()[:1].requires_grad_()
    assert torch.autograd.gradcheck(front_end.draw, present)


def test_coordinates_are_worth_nothing_without_a_score_and_keep_small_moves():
    torch.manual_seed(0)
    vector = KeypointVector(3, 8, 5).double()
    keypoints = points((2, 3, 3))
    keypoints[..., 2] = torch.tensor([[1.0, 0.4, 0.7], [0.2, 0.0, 0.9]])
    missing = keypoints.clone()
    missing[1, 1, :2] = math.nan
    torch.testing.assert_close(vector(missing), vector(keypoints), rtol=0, atol=0)
    moved = keypoints.clone()
    moved[0, 0, 0] += 1e-3
    change = (vector(moved) - vector(keypoints)).abs().amax(1)
    assert change[0] > 1e-6
    assert change[1] == 0


def test_config_gives_each_front_end_the_same_feature_shape():
    generator = torch.Generator().manual_seed(0)
    for frontend in ("image", "keypoints"):
        config = FrontEndConfig(frontend=frontend, width=1 / 16, image_size=96, heatmap_size=12)
        frames = config.example_frames(2, 3, generator)
        features = config.make_front_end()(frames.flatten(0, 1))
        assert features.shape == (6, 8, 12, 12)
        assert features.shape[1:] == (config.feature_channels, *[config.feature_size] * 2)
    paper = FrontEndConfig()
    assert (paper.feature_channels, paper.feature_size) == (128, 46)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frontend": "images"}, "frontend"),
        ({"image_size": 100}, "multiple of 8"),
        ({"image_size": 80}, "too small"),
        ({"frontend": "keypoints", "heatmap_size": 10}, "too small"),
        ({"frontend": "image", "coordinate_units": 4}, "keypoint front end"),
        ({"num_joints": 0}, "positive"),
        ({"width": 0.0}, "positive"),
        ({"sigma": -1.0}, "positive"),
    ],
)
def test_configuration_refuses_what_cannot_be(changes, message):
    with pytest.raises(ConfigError, match=message):
        FrontEndConfig(**changes)


# Feature adaption ---------------------------------------------------------------------------


def test_adaption_has_the_shapes_and_parameters_of_section_3_3():
    adaption, features = FeatureAdaption(128, 46), torch.zeros(1, 128, 46, 46)
    expected = [(128, 23, 23), (128, 11, 11), (128, 6, 6), (128, 3, 3), (1024,)]
    assert shapes_inside(adaption, (nn.Conv2d, nn.MaxPool2d, nn.Linear), features) == expected
    convolutions = 2 * (25 * 128 * 128 + 128)
    connected = (128 * 3 * 3) * 1024 + 1024
    assert adaption.connect.in_features == 1152
    assert count(adaption) == convolutions + connected == 2_000_128


@pytest.mark.parametrize("size", [11, 12, 15, 16, 23, 24, 31, 46, 47])
def test_adaption_fits_maps_of_other_sizes(size):
    config = FrontEndConfig(frontend="keypoints", heatmap_size=size)  # not refused
    adaption = FeatureAdaption(3, config.feature_size, channels=2, outputs=5)
    assert adaption(torch.rand(2, 3, size, size)).shape == (2, 5)


# Heatmaps -----------------------------------------------------------------------------------


def test_cells_are_where_the_poolings_put_them():
    """A blob in a picture, averaged over the pixels of each cell, has its centre at the cell."""
    pixel = torch.tensor([45.3, 61.8], dtype=torch.float64)
    picture = gaussian_maps(pixel, 128, sigma=9.0)
    cells = functional.avg_pool2d(picture[None], 8)[0]
    total, grid = cells.sum(), torch.arange(16)
    centre = torch.stack([(cells.sum(0) * grid).sum(), (cells.sum(1) * grid).sum()]) / total
    torch.testing.assert_close(pixels_to_cells(pixel), centre, atol=1e-3, rtol=0)
    torch.testing.assert_close(cells_to_pixels(pixels_to_cells(pixel)), pixel)


def test_argmax_finds_drawn_joints():
    generator = torch.Generator().manual_seed(0)
    cells = 3 + torch.rand(2, 17, 2, generator=generator) * 39
    maps = gaussian_maps(cells, 46, sigma=1.0)
    assert maps.shape == (2, 17, 46, 46)
    torch.testing.assert_close(hard_argmax(maps), cells.round())
    noisy = maps + 0.03 * torch.randn(maps.shape, generator=generator)
    for found, most in ((soft_argmax(maps), 0.05), (soft_argmax(noisy), 0.15)):
        assert (found - cells).norm(dim=-1).mean() < most
    wide = torch.zeros(1, 4, 9)
    wide[0, 3, 7] = 1.0
    assert hard_argmax(wide).tolist() == soft_argmax(wide).tolist() == [[7.0, 3.0]]


def test_soft_argmax_has_a_gradient_and_survives_empty_maps():
    maps = gaussian_maps(points((2, 2)) + 3, 7, 1.0).requires_grad_()
    assert torch.autograd.gradcheck(soft_argmax, maps)
    assert soft_argmax(-torch.ones(2, 5, 5)).isfinite().all()


def test_heatmap_head_keeps_the_place_of_a_feature():
    head = HeatmapHead(4, 16)
    features = torch.zeros(1, 4, 6, 6)
    features[0, :, 2, 5] = 1.0
    maps = head(features)
    assert maps.shape == (1, 16, 6, 6)
    assert (maps != 0).nonzero()[:, 2:].unique(dim=0).tolist() == [[2, 5]]
