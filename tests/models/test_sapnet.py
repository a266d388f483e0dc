"""SAP-Net and its hourglass: sizes by hand, geometry by hand, learning eight clips by heart."""

import numpy as np
import pytest
import torch

from pose_core.errors import ConfigError
from pose_core.losses.structure_training import SAPNET_STAGES
from pose_core.models.hourglass import Hourglass, Residual, StackedHourglass, quarter_argmax
from pose_core.models.image_features import gaussian_maps
from pose_core.models.sapnet import (
    SapNet,
    SapNetConfig,
    cells_to_half_sides,
    depth_target,
    half_sides_to_cells,
    limb_length,
)
from pose_core.skeleton import H36M_17, MPII_16, joint_map

TO_MPII = torch.tensor(joint_map(H36M_17, MPII_16).weights)


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny networks are fastest on one thread, above all beside other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(seed=0, **changes):
    torch.manual_seed(seed)
    values = {"channels": 8, "input_size": 64} | changes
    return SapNet(SapNetConfig(**values)).eval()


def images(net, batch=2, frames=1, seed=0):
    (example,) = net.example_inputs(batch, frames, torch.Generator().manual_seed(seed))
    return example


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def convolution(inputs, outputs, kernel):
    return inputs * outputs * kernel**2 + outputs


def residual(inputs, outputs):
    """Batch norm (2 per channel) and convolution, three times, and a shortcut if widths differ."""
    middle = outputs // 2
    total = 2 * inputs + convolution(inputs, middle, 1)
    total += 2 * middle + convolution(middle, middle, 3)
    total += 2 * middle + convolution(middle, outputs, 1)
    return total + (convolution(inputs, outputs, 1) if inputs != outputs else 0)


def test_parameters_of_the_papers_network():
    """Section 3: two stacks, 16 joints, four residual modules and a linear layer for depth."""
    net = SapNet(SapNetConfig())
    c, joints = 256, 16
    # Newell et al. 2016, section 3: 7x7 convolution, residual module, pooling, two more.
    stem = convolution(3, 64, 7) + 2 * 64
    stem += residual(64, 128) + residual(128, 128) + residual(128, c)
    # At each of four scales: kept branch, way down, way up; one module at the bottom.
    hourglass = (4 * 3 + 1) * residual(c, c)
    assert parameters(net.hourglass.stacks[0].hourglass) == hourglass
    features = residual(c, c) + convolution(c, c, 1) + 2 * c
    heatmaps = convolution(c, joints, 1)
    embeddings = convolution(c, c, 1) + convolution(joints, c, 1)
    stack = hourglass + features + heatmaps + embeddings
    # 64 cells halved four times leave 4 x 4.
    depth = 4 * residual(c, c) + 4 * 4 * c * joints + joints
    assert parameters(net.depth) == depth
    assert parameters(net) == stem + 2 * stack + depth
    assert round(parameters(net) / 1e6, 1) == 7.6


def test_shapes_of_the_papers_network():
    net = SapNet(SapNetConfig()).eval()
    with torch.no_grad():
        output = net(images(net, batch=1))
    assert output.heatmaps.shape == (2, 1, 1, 16, 64, 64)
    assert output.stages.shape == (2, 1, 1, 17, 3)
    assert output.keypoints.shape == (2, 1, 1, 16, 2)
    assert output.depths.shape == (1, 1, 16)


def test_sizes_inside_the_network():
    """64 x 64 cells at the stem and 4 x 4 at the bottom of the hourglass; depths from 4 x 4."""
    seen = {}
    net = tiny(input_size=256)
    bottom = net.hourglass.stacks[0].hourglass.inner.inner.inner.inner
    for name, module in (("stem", net.hourglass.stem), ("bottom", bottom)):
        module.register_forward_hook(
            lambda module, inputs, output, name=name: seen.update({name: tuple(output.shape)})
        )
    net.depth.to_depths.register_forward_hook(
        lambda module, inputs, output: seen.update(linear=tuple(inputs[0].shape))
    )
    with torch.no_grad():
        net(images(net, batch=1))
    assert seen == {"stem": (1, 8, 64, 64), "bottom": (1, 8, 4, 4), "linear": (1, 8 * 4 * 4)}


def test_an_hourglass_sees_the_whole_picture_and_keeps_its_details():
    torch.manual_seed(0)
    hourglass = Hourglass(8).eval().double()
    x = torch.rand(1, 8, 16, 16, dtype=torch.float64)
    changed = x.clone()
    changed[..., 3, 3] += 1.0
    with torch.no_grad():
        moved = (hourglass(changed) - hourglass(x)).abs().sum((0, 1))
    assert (moved > 0).all()
    assert moved.argmax() == 3 * 16 + 3


def test_a_residual_module_adds_to_its_input():
    module = Residual(8, 8).eval()
    torch.nn.init.zeros_(module.branch[2][2].weight)
    torch.nn.init.zeros_(module.branch[2][2].bias)
    x = torch.randn(2, 8, 4, 4)
    torch.testing.assert_close(module(x), x)


def test_every_stack_answers_and_sees_the_one_before():
    torch.manual_seed(0)
    net = StackedHourglass(num_stacks=3, channels=8, num_joints=5).eval()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before, _ = net(x)
        net.stacks[1].heatmaps.bias += 1.0
        after, _ = net(x)
    assert before.shape == (3, 1, 5, 16, 16)
    changed = [not torch.allclose(a, b) for a, b in zip(before, after, strict=True)]
    assert changed == [False, True, True]


def test_frames_and_clips_do_not_mix():
    net = tiny()
    clips = images(net, batch=2, frames=3)
    with torch.no_grad():
        together = net(clips)
        alone = net(clips[1:, 2:])
    torch.testing.assert_close(together.stages[:, 1:, 2:], alone.stages, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together.depths[1:, 2:], alone.depths, rtol=1e-4, atol=1e-5)


def test_the_maximum_moves_a_quarter_of_a_cell_to_its_higher_neighbours():
    maps = torch.zeros(3, 8, 8)
    maps[0, 2, 5], maps[0, 2, 4], maps[0, 3, 5] = 1.0, 0.6, 0.3  # left and below
    maps[1, 0, 7] = 1.0  # in a corner: stays
    maps[2, 4, 4] = 1.0  # neighbours are equal: stays
    expected = torch.tensor([[4.75, 2.25], [7.0, 0.0], [4.0, 4.0]])
    torch.testing.assert_close(quarter_argmax(maps), expected)


@pytest.mark.parametrize(("decoding", "limit"), [("argmax", 0.36), ("soft_argmax", 0.04)])
def test_places_drawn_as_heatmaps_come_back(decoding, limit):
    """In cells; a quarter of a cell leaves at most a quarter along each axis."""
    net = tiny(decoding=decoding)
    generator = torch.Generator().manual_seed(0)
    places = 1.4 * torch.rand(200, 2, generator=generator, dtype=torch.float64) - 0.7
    cells = half_sides_to_cells(places, 16)
    torch.testing.assert_close(cells_to_half_sides(cells, 16), places)
    maps = gaussian_maps(cells, 16, 1.0)
    stack = net.hourglass
    stack.forward = lambda images: (maps[None, None, :16], torch.zeros(1, 8, 16, 16).double())
    with torch.no_grad():
        found = net.double()(torch.zeros(1, 1, 3, 64, 64)).keypoints[0, 0, 0]
    error = half_sides_to_cells(found, 16) - cells[:16]
    assert error.norm(dim=-1).max() < limit
    # The first cell begins at the left edge of the picture, the last one ends at the right.
    edges = cells_to_half_sides(torch.tensor([-0.5, 15.5]), 16)
    torch.testing.assert_close(edges, torch.tensor([-1.0, 1.0]))


def body(walker_xyz, frames):
    """Poses (frames, 17, 3) of a walker, and (frames, 16, 3) of MPII joints, root-relative."""
    poses = torch.from_numpy(walker_xyz)[:frames]
    poses = poses - poses[:, :1]
    return poses, TO_MPII @ poses


def test_weak_perspective_and_depth_give_the_pose_back(walker_xyz):
    """Half sides to metres by hand: a body of known limbs, seen small and off the middle."""
    poses, joints = body(walker_xyz, 5)
    # Thigh 0.45, shin 0.42, upper arm 0.3, forearm 0.25; hip at 0.12; shoulder 0.17 aside and
    # 0.02 below the thorax.
    length = 2 * (0.45 + 0.42 + 0.3 + 0.25 + 0.12 + np.hypot(0.17, 0.02))
    torch.testing.assert_close(limb_length(joints, MPII_16), torch.full((5,), length).double())
    net = tiny(limb_length_m=length)
    keypoints = 0.31 * joints[..., :2] + torch.tensor([0.2, -0.1])
    depths = depth_target(joints, keypoints)
    torch.testing.assert_close(depths, 0.31 * joints[..., 2])
    found = net.to_poses(keypoints[None], depths)
    assert found.shape == (1, 5, 17, 3)
    # Spine and neck are not among the joints of MPII; the map makes them of their neighbours.
    known = [j for j, name in enumerate(H36M_17.joint_names) if name not in ("spine", "neck")]
    torch.testing.assert_close(found[0, :, known], poses[:, known])
    torch.testing.assert_close(found[0, :, 9], poses[:, 9])
    torch.testing.assert_close(found[0, :, 7], poses[:, 8] / 2)


def test_depths_are_relative_to_the_pelvis_and_need_no_map_with_its_own_skeleton():
    net = tiny(skeleton="h36m17", num_stacks=1)
    assert net.config.num_joints == 17
    with torch.no_grad():
        output = net(images(net))
    assert (output.depths[..., 0] == 0).all()
    assert output.heatmaps.shape[3] == 17
    points = torch.cat([output.keypoints[0], output.depths[..., None]], -1)
    scale = 3.23 / limb_length(points, H36M_17)[..., None, None]
    torch.testing.assert_close(output.stages[0], scale * (points - points[..., :1, :]))


def test_a_picture_without_anybody_gives_finite_poses():
    net = tiny()
    for parameter in net.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        output = net(images(net))
    assert torch.isfinite(output.stages).all()


def test_soft_argmax_carries_gradients_to_the_hourglass():
    net = tiny(decoding="soft_argmax").train()
    net(images(net)).stages[-1][..., :2].square().sum().backward()
    assert net.hourglass.stacks[1].heatmaps.weight.grad.abs().max() > 0


def coloured_joints(walker_xyz, size):
    """Eight one-frame clips: pictures of coloured dots, seen from all around, and their truth.

    Returns pictures (8, 1, 3, size, size), places in half sides (8, 1, 16, 2) and MPII joints
    (8, 1, 16, 3), metres.
    """
    poses = torch.from_numpy(walker_xyz)[:56:7, None].float()
    x, y, z = (poses - poses[:, :, :1]).unbind(-1)
    angle = torch.linspace(0, 5, 8)[:, None, None]
    turned = [angle.cos() * x + angle.sin() * z, y, angle.cos() * z - angle.sin() * x]
    joints = TO_MPII.float() @ torch.stack(turned, dim=-1)
    places = 0.9 * joints[..., :2]
    dots = gaussian_maps(half_sides_to_cells(places, size), size, 2.0)
    hue = torch.arange(16) * 2 * torch.pi / 16
    colours = 0.5 + 0.5 * torch.stack([hue.cos(), (hue + 2.1).cos(), (hue + 4.2).cos()], -1)
    pictures = torch.einsum("btkhw,kc->btchw", dots, colours).clamp(0, 1)
    return pictures, places, joints


def test_learns_eight_clips_by_heart(walker_xyz):
    pictures, places, joints = coloured_joints(walker_xyz, 64)
    truth = torch.tensor(joint_map(MPII_16, H36M_17).weights).float() @ joints
    net = tiny(
        channels=32,
        num_stacks=1,
        decoding="soft_argmax",
        limb_length_m=limb_length(joints, MPII_16).mean().item(),
    ).train()
    size, steps = net.config.heatmap_size, 200
    maps = gaussian_maps(half_sides_to_cells(places, size), size, 1.0)
    depths = depth_target(joints, places)
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, steps, pct_start=0.15)
    for step in range(steps):
        if step == 120:
            net.eval()  # from here on with the statistics that it will be used with
        output = net(pictures)
        loss = 3 * (output.keypoints - places).norm(dim=-1).mean()
        loss = loss + (output.depths - depths).abs().mean()
        if step < 60:
            loss = loss + 5 * (output.heatmaps - maps).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        error = (net(pictures).stages[-1] - truth).norm(dim=-1).mean()
    assert error < 0.005


def test_training_stages_name_parts_of_the_network():
    parts = dict(tiny().named_children())
    for stage in SAPNET_STAGES:
        assert set(stage.modules) <= parts.keys()


def test_the_same_seed_gives_the_same_numbers():
    one, same, other = tiny(seed=1), tiny(seed=1), tiny(seed=2)
    x = images(one)
    with torch.no_grad():
        assert torch.equal(one(x).stages, same(x).stages)
        assert not torch.equal(one(x).heatmaps, other(x).heatmaps)
    assert torch.equal(images(one, seed=3), images(one, seed=3))


def test_precisions_and_layouts_agree():
    net = tiny(decoding="soft_argmax")
    x = images(net)
    with torch.no_grad():
        exact = net.double()(x.double())
        half = net.bfloat16()(x.bfloat16())
        single = net.float()(x)
        last = net.to(memory_format=torch.channels_last)(x)
    assert exact.stages.dtype == torch.float64
    assert half.heatmaps.dtype == torch.bfloat16
    assert half.stages.dtype == torch.float32
    torch.testing.assert_close(half.heatmaps.double(), exact.heatmaps, rtol=0.1, atol=0.1)
    torch.testing.assert_close(last.heatmaps, single.heatmaps, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(last.depths, single.depths, rtol=1e-3, atol=1e-4)
    assert torch.isfinite(half.stages).all()


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"num_stacks": 0}, "stack"),
        ({"channels": 30}, "channels"),
        ({"input_size": 100}, "input_size"),
        ({"skeleton": "coco17"}, "skeleton"),
        ({"decoding": "guess"}, "decoding"),
        ({"limb_length_m": 0.0}, "limb_length_m"),
    ],
)
def test_configuration_refuses_what_cannot_be(values, word):
    with pytest.raises(ConfigError, match=word):
        SapNetConfig(**values)
