"""The 3D pose machine against the paper: sizes, parts, time, losses."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from pose_core.errors import ConfigError
from pose_core.losses.pose_machine import (
    hide_joints,
    joint_terms,
    keypoint_loss,
    projector_terms,
    transformer_loss,
)
from pose_core.models.networks import NETWORKS
from pose_core.models.pose_machine import (
    PeakHead,
    PoseMachine,
    PoseMachineConfig,
    picture_to_plane,
)
from pose_core.models.projector import Projector

TINY = {
    "frontend": "keypoints",
    "heatmap_size": 11,
    "width": 0.125,
    "adaption_channels": 16,
    "adapted_size": 24,
    "hidden_size": 32,
    "projector_units": 24,
}
PICTURES = TINY | {"frontend": "image", "image_size": 88, "width": 0.0625}
EXTERNAL = TINY | {"frontend": "image", "external_channels": 5, "external_size": 16}
POSE_RANGE = torch.tensor([1.5, 2.0, 1.8], dtype=torch.float64)
UNITS = {"pose_range": POSE_RANGE, "plane_range": 5.5}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network(settings=TINY, seed=0, **changes):
    torch.manual_seed(seed)
    return PoseMachine(PoseMachineConfig(**settings | changes)).eval()


def example(net, batch=2, frames=6, seed=0):
    return net.example_inputs(batch, frames, torch.Generator().manual_seed(seed))[0]


def count(module):
    return sum(p.numel() for p in module.parameters())


# Sizes, by hand from the paper ---------------------------------------------------------------


def dense(inputs, outputs):
    return inputs * outputs + outputs


def convolution(inputs, outputs, kernel):
    return kernel * kernel * inputs * outputs + outputs


def test_parameters_of_the_papers_network():
    with torch.device("meta"):
        net = PoseMachine(PoseMachineConfig())
    # Table 1, from the 3 colours: conv1, conv2, conv3, conv4.
    channels = [3, 64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 256, 256, 256, 256, 128]
    table_1 = sum(convolution(a, b, 3) for a, b in pairwise(channels))
    assert count(net.front_end) == table_1
    # Eq. 5: "an extra FC layer upon the convolutional layers" of 128 x 46 x 46, to 2 K = 34.
    assert count(net.head) == dense(128 * 46 * 46, 34)
    # Section 3.2: two convolutions 5 x 5 stride 2 with pooling, 46 -> 23 -> 11 -> 6 -> 3, FC 1024.
    adaption = 2 * convolution(128, 128, 5) + dense(128 * 3 * 3, 1024)
    # Two LSTM layers: four gates, each from 1024 inputs and 1024 hidden states, without peepholes.
    # PyTorch has a bias for either, the paper's formula one: 4 x 1024 more per layer.
    lstm = 2 * 4 * (dense(1024, 1024) + dense(1024, 1024))
    assert count(net.transformer) == adaption + lstm + dense(1024, 51)
    # Section 3.3: FC 3K - 1024 - 3K; then four FC of 1024 units and 2K at the end. Batch norm
    # (weight and bias per unit) after all but the last of each.
    norm = 2 * 1024
    regression = dense(51, 1024) + norm + dense(1024, 51)
    projection = dense(51, 1024) + norm + 2 * (dense(1024, 1024) + norm) + dense(1024, 34)
    assert count(net.projector.regression) == regression
    assert count(net.projector.projection) == projection
    # Six fully connected layers (Fig. 3).
    assert sum(isinstance(m, torch.nn.Linear) for m in net.projector.modules()) == 2 + 4


def test_shapes_of_the_papers_network():
    with torch.device("meta"):
        net = PoseMachine(PoseMachineConfig()).eval()
        shapes = {}
        for name in ("front_end", "head", "transformer.adaption"):
            net.get_submodule(name).register_forward_hook(
                lambda _, __, out, name=name: shapes.__setitem__(name, tuple(out.shape))
            )
        stages, keypoints_2d, projected_2d, state = net(torch.zeros(1, 2, 3, 368, 368))
    assert shapes["front_end"] == (2, 128, 46, 46)  # section 3.1
    assert shapes["head"] == (2, 17, 2)
    assert shapes["transformer.adaption"] == (2, 1024)
    assert stages.shape == (2, 1, 2, 17, 3)
    assert keypoints_2d.shape == projected_2d.shape == (1, 2, 17, 2)
    assert [s.shape for s in state] == [(2, 1, 1024)] * 2  # two layers


@pytest.mark.parametrize(
    ("settings", "num_stages"),
    [
        (TINY, 2),
        (PICTURES, 2),
        (PICTURES | {"head": "argmax"}, 2),
        (EXTERNAL, 2),
        (TINY | {"temporal": "none"}, 2),
        (TINY | {"temporal": "single_frame"}, 2),
        (TINY | {"has_projector": False}, 1),
        (PICTURES | {"has_projector": False, "temporal": "none", "head": "argmax"}, 1),
        (TINY | {"num_joints": 16}, 2),
    ],
)
def test_every_variant_runs_and_learns(settings, num_stages):
    """Every parameter of every variant has a share in the loss."""
    net = NETWORKS["pose_machine"].build(settings).train()
    out = net(example(net, 3, 2))
    joints = net.config.num_joints
    assert out.stages.shape == (num_stages, 3, 2, joints, 3)
    assert out.keypoints_2d.shape == (3, 2, joints, 2)
    assert (out.projected_2d is None) == (num_stages == 1)
    loss = out.stages.square().sum() + out.keypoints_2d.square().sum()
    if num_stages == 2:
        loss = loss + out.projected_2d.square().sum()
    loss.backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_configuration_refuses_what_cannot_be():
    for wrong, word in [
        ({"frontend": "video"}, "frontend"),
        ({"head": "heatmap"}, "head"),
        ({"temporal": "gru"}, "temporal"),
        ({"joint_dropout": 1.0}, "joint_dropout"),
        ({"hidden_size": 0}, "hidden_size"),
        ({"external_channels": 256}, "external"),
        ({"external_channels": 256, "external_size": 64, "frontend": "keypoints"}, "another"),
        ({"external_channels": 256, "external_size": 8}, "small"),
    ]:
        with pytest.raises(ConfigError, match=word):
            PoseMachineConfig(**wrong)
    defaults = PoseMachineConfig()
    assert (defaults.joint_dropout, defaults.image_size, defaults.head) == (0.3, 368, "fc")


# 2D poses ------------------------------------------------------------------------------------


def test_keypoints_are_the_2d_pose_of_the_keypoint_front_end():
    net = network()
    frames = example(net)
    torch.testing.assert_close(net(frames).keypoints_2d, frames[..., :2])


def test_coordinates_go_past_the_maps():
    """A move of a hundredth of a cell changes the pose even where the maps are not looked at."""
    net = network(coordinate_units=6)
    frames = example(net, 1, 1)
    moved = frames.clone()
    moved[..., 0] += 0.01 * 2 * net.config.extent / net.config.heatmap_size
    with torch.no_grad():
        for weight in net.transformer.adaption.parameters():
            weight.zero_()
        assert not torch.equal(net(moved).stages[0], net(frames).stages[0])


def test_places_in_the_picture_and_in_the_maps_are_one_plane():
    """The outer edges are at -extent and extent, for pictures as for heatmaps."""
    edges = torch.tensor([[-0.5, -0.5], [367.5, 183.5]])
    expected = torch.tensor([[-2.75, -2.75], [2.75, 0.0]])
    torch.testing.assert_close(picture_to_plane(edges, 368, 2.75), expected)
    # What the keypoint front end draws is found again where it was, up to half a cell.
    config = PoseMachineConfig(frontend="keypoints")
    xy = torch.rand(5, 17, 2, generator=torch.Generator().manual_seed(0)) * 4 - 2
    maps = config.make_front_end().draw(torch.cat([xy, torch.ones(5, 17, 1)], dim=-1))
    head = PeakHead(config)
    weight = torch.zeros(17, 128, 1, 1)
    weight[range(17), range(17)] = 1.0  # passes 17 of 128 channels on
    head.convolution.weight.data, head.convolution.bias.data = weight, torch.zeros(17)
    features = torch.cat([maps, torch.zeros(5, 111, 46, 46)], dim=1)
    half_cell = config.extent / 46
    peak = head.eval()(features)
    assert (peak - xy).abs().max() <= half_cell + 1e-5
    mean = head.train()(features)  # finer than cells
    assert (mean - xy).abs().max() < 0.1 * half_cell
    assert mean.requires_grad


def test_missing_joints_do_not_spoil_the_pose():
    net = network()
    frames = example(net)
    frames[0, 2, 5, 2] = 0.0
    expected = net(frames).stages
    frames[0, 2, 5, :2] = torch.nan
    torch.testing.assert_close(net(frames).stages, expected)


# Projector -----------------------------------------------------------------------------------


def test_dropout_hides_whole_joints_in_training_only():
    projector = Projector(units=8, joint_dropout=0.3)
    # A range of one metre about zero: what arrives is the pose itself plus one half.
    projector.pose_range.fit(torch.tensor([[-0.5, -0.5, -0.5], [0.5, 0.5, 0.5]]))
    seen = []
    projector.regression.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0] - 0.5))
    torch.manual_seed(0)
    poses = torch.randn(2000, 17, 3) + 3
    projector.train()(poses)
    projector.eval()(poses)
    trained, tested = (s.unflatten(1, (17, 3)) for s in seen)
    torch.testing.assert_close(tested, poses)
    is_zero = trained.abs() < 1e-5
    hidden = is_zero.all(-1)
    assert torch.equal(hidden, is_zero.any(-1))  # x, y and z together
    torch.testing.assert_close(trained[~hidden], poses[~hidden])
    # Four standard deviations of a share of 34,000 draws, and of 2,000 for each joint.
    assert abs(hidden.float().mean() - 0.3) < 4 * (0.21 / 34_000) ** 0.5
    assert ((hidden.float().mean(0) - 0.3).abs() < 4 * (0.21 / 2000) ** 0.5).all()
    # Joints fall out independently: of two, both with chance 0.09.
    assert abs((hidden[:, 0] & hidden[:, 1]).float().mean() - 0.09) < 4 * (0.082 / 2000) ** 0.5
    projector.train()(poses)
    assert not torch.equal(seen[2], seen[0])


def test_projection_has_an_identity_shortcut():
    """With the layers inside silenced, what goes in comes out."""
    projector = Projector(units=8).eval()
    shortcut = projector.projection[3]
    for layer in (shortcut[0], shortcut[3]):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    x = torch.randn(4, 8)
    torch.testing.assert_close(shortcut(x), x)


def test_poses_are_normalised_with_the_extremes_of_training():
    net = network()
    poses = torch.randn(40, 17, 3) * torch.tensor([1.0, 2.0, 0.5])
    net.fit_normalisation(poses)
    for part in (net.transformer, net.projector):
        unit = part.pose_range.to_unit(poses)
        torch.testing.assert_close(unit.amin((0, 1)), torch.zeros(3), atol=1e-6, rtol=0)
        torch.testing.assert_close(unit.amax((0, 1)), torch.ones(3), atol=1e-6, rtol=0)
        torch.testing.assert_close(part.pose_range.to_metres(unit), poses)
    # They are part of the weights, and of the answer.
    other = network(seed=1)
    other.load_state_dict(net.state_dict())
    frames = example(net)
    assert torch.equal(other(frames).stages, net(frames).stages)
    assert not torch.allclose(network()(frames).stages, net(frames).stages, atol=1e-2)
    for flat in (torch.zeros(4, 17, 3), torch.full((4, 17, 3), torch.nan)):
        with pytest.raises(ConfigError, match="every axis"):
            net.fit_normalisation(flat)


# Time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings", [TINY, PICTURES, TINY | {"temporal": "none"}, TINY | {"coordinate_units": 6}]
)
@pytest.mark.parametrize("piece", [1, 4])
def test_a_clip_in_pieces_equals_the_whole(settings, piece):
    net = network(settings)
    frames = example(net, 2, 9)
    with torch.no_grad():
        whole = net(frames)
        state, pieces = None, []
        for part in frames.split(piece, dim=1):
            pieces.append(net(part, state))
            state = pieces[-1].state
    stages = torch.cat([p.stages for p in pieces], dim=2)
    torch.testing.assert_close(stages, whole.stages, atol=1e-5, rtol=1e-5)
    if whole.state is not None:
        torch.testing.assert_close(state, whole.state, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("temporal", "expected"), [("lstm", [3, 4, 5]), ("none", [3]), ("single_frame", [3])]
)
def test_frames_depend_on_the_past_alone(temporal, expected):
    net = network(temporal=temporal)
    frames = example(net, 1, 6)
    changed = frames.clone()
    changed[:, 3, :, :2] += 0.5
    with torch.no_grad():
        moved = (net(frames).stages - net(changed).stages).abs().amax((1, 3, 4)) > 0
    for stage in moved:
        assert stage.nonzero().flatten().tolist() == expected


def test_single_frame_is_the_same_network_without_a_past():
    trained, single = network(), network(temporal="single_frame")
    single.load_state_dict(trained.state_dict())
    frames = example(trained, 2, 5)
    with torch.no_grad():
        each = torch.cat([trained(frame).stages for frame in frames.split(1, dim=1)], dim=2)
        torch.testing.assert_close(single(frames).stages, each, atol=1e-6, rtol=1e-5)
        assert not torch.allclose(trained(frames).stages, each, atol=1e-4)
    assert single(frames).state is None


# Training ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            PICTURES,
            {
                "2d": {"front_end", "head"},
                "transformer": {"transformer"},
                "projector": {"projector"},
                "joint": {"front_end", "head", "transformer", "projector"},
            },
        ),
        (
            TINY,
            {
                "transformer": {"front_end", "transformer"},
                "projector": {"projector"},
                "joint": {"front_end", "transformer", "projector"},
            },
        ),
        (
            TINY | {"has_projector": False},
            {
                "transformer": {"front_end", "transformer"},
                "joint": {"front_end", "transformer"},
            },
        ),
    ],
)
def test_each_step_trains_its_parts(settings, expected):
    net = network(settings)
    names = {name.split(".")[0] for name, _ in net.named_parameters()}
    for step in ("2d", "transformer", "projector", "joint"):
        if step in expected:
            assert set(net.config.trained_in(step)) == expected[step]
            assert expected[step] <= names
        else:
            with pytest.raises(ConfigError, match=step):
                net.config.trained_in(step)
    assert expected["joint"] == names  # the last one leaves nothing out


def test_it_learns_eight_clips_by_heart():
    """Algorithm 1 for keypoints: transformer, projector, everything; then under 5 mm."""
    net = network(joint_dropout=0.0, hidden_size=128, adapted_size=128, projector_units=128)
    frames = example(net, 8, 3)
    bones = torch.randn(8, 3, 17, 3, generator=torch.Generator().manual_seed(1)) * 0.2
    truth = bones - bones[:, :, :1]
    net.fit_normalisation(truth)
    pose_range = net.transformer.pose_range.extent
    units = {"pose_range": pose_range, "plane_range": 2 * net.config.extent}

    def loss_of(step, out):
        if step == "transformer":
            return transformer_loss(out.stages[0], truth, pose_range=pose_range)
        if step == "projector":
            return sum(
                projector_terms(
                    out.stages[1], out.projected_2d, truth, frames[..., :2], **units
                ).values()
            )
        return sum(
            joint_terms(
                out.stages, out.projected_2d, out.keypoints_2d, truth,
                valid=torch.ones(8, 3, dtype=torch.bool), **units,
            ).values()
        )  # fmt: skip

    for step, rounds, rate in (
        ("transformer", 160, 5e-3), ("projector", 100, 5e-3), ("joint", 80, 1e-4),
    ):  # fmt: skip
        # Over so few frames the variance that batch norm keeps for testing is 2 % larger than
        # the one it trains with: the last step trains with the kept one.
        net.train(step != "joint")
        for name, parameter in net.named_parameters():
            parameter.requires_grad_(name.startswith(net.config.trained_in(step)))
        optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, rounds)
        for _ in range(rounds):
            loss = loss_of(step, net(frames))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        out = net.eval()(frames)
    error_mm = 1000 * (out.stages - truth).norm(dim=-1).mean((1, 2, 3))
    assert (error_mm < 5).all()
    assert (out.projected_2d - frames[..., :2]).norm(dim=-1).mean() < 0.05


def test_the_same_seed_gives_the_same_network():
    frames = example(network())
    a, b, c = (network(seed=s)(frames).stages for s in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.allclose(a, c)
    assert torch.equal(frames, example(network()))
    assert not torch.equal(frames, example(network(), seed=1))


@pytest.mark.parametrize("settings", [TINY, PICTURES, EXTERNAL | {"head": "argmax"}])
def test_other_number_types(settings):
    net = network(settings)
    frames = example(net)
    expected = net(frames)
    double = net.double()(frames.double())
    short = net.bfloat16()(frames.bfloat16())
    for field in ("stages", "keypoints_2d", "projected_2d"):
        assert getattr(double, field).dtype == torch.float64
        assert getattr(short, field).dtype == torch.bfloat16
        torch.testing.assert_close(
            getattr(double, field).float(), getattr(expected, field), atol=1e-4, rtol=1e-4
        )
    torch.testing.assert_close(short.stages.float(), expected.stages, atol=0.05, rtol=0.05)


def test_channels_last_changes_nothing():
    net = network(PICTURES)
    frames = example(net)
    expected = net(frames).stages
    actual = net.to(memory_format=torch.channels_last)(frames).stages
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)


# Losses --------------------------------------------------------------------------------------


def poses(seed, coordinates=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 3, 17, coordinates, generator=generator, dtype=torch.float64)


def slow_loss(predicted, truth, unit, counts):
    """Mean over frames of the squared length of all that differs, by loops."""
    frames = []
    for b in range(2):
        for t in range(3):
            joints = [j for j in range(17) if counts[b, t, j]]
            if joints:
                frames.append(
                    sum(
                        ((predicted[b, t, j, c] - truth[b, t, j, c]) / unit[c]) ** 2
                        for j in joints
                        for c in range(len(unit))
                    )
                )
    return np.mean(frames)


def masks():
    valid = torch.tensor([[True, False, True], [True, True, False]])
    visible = torch.rand(2, 3, 17, generator=torch.Generator().manual_seed(3)) < 0.6
    visible[0, 0] = False
    return valid, visible


def test_losses_equal_their_slow_versions():
    stages, truth = torch.stack([poses(0), poses(1)]), poses(2)
    projected, keypoints, truth_2d = poses(3, 2), poses(4, 2), poses(5, 2)
    valid, visible = masks()
    every, frames = np.ones((2, 3, 17)), valid[..., None].expand(-1, -1, 17)
    unit_3d, unit_2d = POSE_RANGE.numpy(), [5.5, 5.5]

    def close(actual, *arguments):
        assert float(actual) == pytest.approx(float(slow_loss(*arguments)), rel=1e-10)

    close(keypoint_loss(keypoints, truth_2d, plane_range=5.5), keypoints, truth_2d, unit_2d, every)
    close(
        transformer_loss(stages[0], truth, pose_range=POSE_RANGE), stages[0], truth, unit_3d, every
    )
    terms = projector_terms(
        stages[1], projected, truth, truth_2d, valid=valid, visible=visible, **UNITS
    )
    assert set(terms) == {"regression", "projection"}
    close(terms["regression"], stages[1], truth, unit_3d, frames)
    close(terms["projection"], projected, truth_2d, unit_2d, visible)
    terms = joint_terms(stages, projected, keypoints, truth, valid=valid, visible=visible, **UNITS)
    assert set(terms) == {"consistency", "intermediate", "regression"}
    close(terms["consistency"], projected, keypoints, unit_2d, visible)
    close(terms["intermediate"], stages[0], truth, unit_3d, frames)
    close(terms["regression"], stages[1], truth, unit_3d, frames)


def test_gradients_equal_finite_differences():
    truth, truth_2d = poses(2), poses(5, 2)
    valid, visible = masks()

    def joint(stages, projected, keypoints):
        terms = joint_terms(
            stages, projected, keypoints, truth, valid=valid, visible=visible, **UNITS
        )
        return tuple(terms.values())

    def projector(regressed, projected):
        return tuple(projector_terms(regressed, projected, truth, truth_2d, **UNITS).values())

    stages = torch.stack([poses(0), poses(1)]).requires_grad_()
    projected, keypoints = poses(3, 2).requires_grad_(), poses(4, 2).requires_grad_()
    assert torch.autograd.gradcheck(joint, (stages, projected, keypoints))
    assert torch.autograd.gradcheck(projector, (poses(1).requires_grad_(), projected))


def test_2d_only_samples_teach_by_consistency_alone():
    """Their missing 3D truth gives no loss, no gradient and no NaN."""
    valid, visible = masks()
    truth = poses(2)
    truth[~valid] = torch.nan
    stages = torch.stack([poses(0), poses(1)]).requires_grad_()
    projected, keypoints = poses(3, 2).requires_grad_(), poses(4, 2)
    keypoints[~visible] = torch.nan
    keypoints.requires_grad_()
    terms = joint_terms(stages, projected, keypoints, truth, valid=valid, visible=visible, **UNITS)
    sum(terms.values()).backward()
    assert (stages.grad[:, ~valid] == 0).all()
    assert (stages.grad[:, valid] != 0).all()
    for of_2d in (projected.grad, keypoints.grad):
        assert (of_2d[~visible] == 0).all()
        assert (of_2d[visible] != 0).all()
    none = torch.zeros_like(valid)
    assert float(transformer_loss(poses(0), truth, pose_range=POSE_RANGE, valid=none)) == 0


def test_hidden_joints_of_the_2d_pose():
    visible = torch.ones(100, 20, 17, dtype=torch.bool)
    visible[..., 0] = False
    kept = hide_joints(visible, 0.3, torch.Generator().manual_seed(0))
    assert not kept[..., 0].any()
    assert abs(kept[..., 1:].float().mean() - 0.7) < 4 * (0.21 / 32_000) ** 0.5
    assert torch.equal(kept, hide_joints(visible, 0.3, torch.Generator().manual_seed(0)))
    assert torch.equal(hide_joints(visible, 0.0, torch.Generator()), visible)
