"""RPSM against its paper, a second implementation, and what it must learn."""

import itertools
import math

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn
from torch.nn import functional

from pose_core.errors import ConfigError
from pose_core.losses.stages import heatmap_loss, refinement_loss
from pose_core.models.image_features import gaussian_maps, hard_argmax, pixels_to_cells
from pose_core.models.networks import NETWORKS
from pose_core.models.rpsm import HeatmapPretraining, PoseFeatures, Rpsm, RpsmConfig
from pose_core.skeleton import H36M_17

SMALL = {
    "keypoints": {"frontend": "keypoints", "heatmap_size": 12},
    "image": {"frontend": "image", "image_size": 88},
}


def network(frontend="keypoints", **changes):
    """A small one, with biases other than zero so that a mistake there shows."""
    torch.manual_seed(0)
    sizes = {"width": 1 / 16, "adaption_channels": 8, "adapted_size": 12, "hidden_size": 10}
    net = Rpsm(RpsmConfig(**(SMALL[frontend] | sizes | changes)))
    for name, values in net.named_parameters():
        if "bias" in name:
            nn.init.uniform_(values, -0.2, 0.2)
    return net


def frames_for(net, batch=2, frames=4):
    (frames,) = net.example_inputs(batch, frames, torch.Generator().manual_seed(1))
    return frames


def count(module):
    return sum(p.numel() for p in module.parameters())


# The paper's network ------------------------------------------------------------------------

SHARED = 9_110_720  # Table 1, counted in test_image_features
PER_STAGE = (9 * (128 + 128) * 128 + 128) + (9 * 128 * 128 + 128)
ADAPTION = 2 * (25 * 128 * 128 + 128) + (128 * 3 * 3 * 1024 + 1024)
# Four gates see 1024 adapted features, 51 coordinates and 1024 hidden; PyTorch has two biases.
LSTM = 4 * (1024 * (1024 + 51) + 1024 * 1024 + 2 * 1024)
POSE = 1024 * 51 + 51


@pytest.mark.parametrize(
    ("share", "by_hand", "total"),
    [
        ("all", SHARED + PER_STAGE + ADAPTION + LSTM + POSE, 20_211_443),
        ("none", SHARED + 3 * (PER_STAGE + ADAPTION + LSTM + POSE), 42_412_889),
    ],
)
def test_parameters_counted_from_the_text(share, by_hand, total):
    assert count(Rpsm(RpsmConfig(share=share))) == by_hand == total


def test_the_papers_network_on_one_frame():
    net = NETWORKS["rpsm"].build()
    config = net.config
    assert (config.num_stages, config.share, config.clip_length) == (3, "partial", 5)
    assert count(net) == SHARED + 3 * PER_STAGE + ADAPTION + LSTM + POSE == 21_096_691
    assert [count(m) for m in net.pose_features] == [442_624] * 3 == [PER_STAGE] * 3
    assert count(net.recurrent[0].lstm) == LSTM == 8_605_696
    seen = []
    for module in (*net.pose_features, *net.adaption, net.recurrent[0].lstm):
        module.register_forward_hook(lambda _m, i, _o: seen.append(tuple(i[0].shape)))
    with torch.no_grad():
        output = net.eval()(frames_for(net, 1, 1))
    a_stage = [(1, 128, 46, 46), (1, 128, 46, 46), (1, 1, 1024 + 51)]
    assert seen == 3 * a_stage
    assert output.stages.shape == (3, 1, 1, 17, 3)
    assert output.state.hidden.shape == output.state.cell.shape == (3, 1, 1024)


def test_clips_of_one_frame_have_a_connected_layer_of_as_many_units():
    net = Rpsm(RpsmConfig(clip_length=1, frontend="keypoints"))
    connected = (1024 + 51) * 1024 + 1024
    assert count(net.recurrent) == connected + POSE
    assert not any(isinstance(m, nn.LSTM) for m in net.modules())


# Eq. (1) ------------------------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_by_hand(lstm, x, hidden, cell):
    """One step without peepholes (gates in PyTorch's order: input, forget, cell, output)."""
    w, u, b, c = (p.detach().numpy() for p in lstm.parameters())
    i, f, g, o = np.split(w @ x + u @ hidden + b + c, 4)
    cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(cell), cell


@pytest.mark.parametrize("coordinate_units", [0, 6])
@pytest.mark.parametrize("share", ["partial", "all", "none"])
def test_forward_is_equation_1_written_out(share, coordinate_units):
    """Frame by frame, stage by stage, one clip at a time, the LSTM in numpy."""
    net = network(share=share, num_stages=3, coordinate_units=coordinate_units).double()
    net.fit_normalisation(torch.randn(50, 17, 3, dtype=torch.float64))
    frames = frames_for(net).double()
    low, high = net.pose_range.low.numpy(), net.pose_range.high.numpy()
    expected = np.zeros((3, 2, 4, 17, 3))
    with torch.no_grad():
        for b in range(2):
            state = {k: (np.zeros(10), np.zeros(10)) for k in range(3)}
            for t in range(4):
                shared = net.front_end(frames[b, t][None])
                features, pose = torch.zeros_like(shared), np.zeros(51)
                for k in range(3):
                    own = 0 if share == "all" else k
                    other = k if share == "none" else 0
                    first, second = net.pose_features[own][0], net.pose_features[own][2]
                    both = torch.cat([shared, features], 1)
                    features = second(first(both).relu()).relu()
                    adapted = net.adaption[other](features)[0]
                    if net.coordinates is not None:
                        adapted = adapted + net.coordinates(frames[b, t][None])[0]
                    x = np.concatenate([adapted.numpy(), pose])
                    recurrent = net.recurrent[other]
                    state[k] = lstm_by_hand(recurrent.lstm, x, *state[k])
                    weight, bias = (p.numpy() for p in recurrent.pose.parameters())
                    pose = weight @ state[k][0] + bias
                    expected[k, b, t] = low + pose.reshape(17, 3) * (high - low)
        np.testing.assert_allclose(net(frames).stages, expected, atol=1e-10)


def test_connected_layer_of_single_frames_written_out():
    module = network(clip_length=1).recurrent[0].double()
    adapted, pose = torch.randn(2, 3, 12).double(), torch.randn(2, 3, 51).double()
    x = np.concatenate([adapted, pose], axis=-1)
    weight, bias, out_weight, out_bias = (p.detach().numpy() for p in module.parameters())
    expected = np.maximum(x @ weight.T + bias, 0) @ out_weight.T + out_bias
    np.testing.assert_allclose(module(adapted, pose, None)[0].detach(), expected, atol=1e-12)


@pytest.mark.parametrize("frontend", ["keypoints", "image"])
def test_shared_features_are_computed_once_per_frame(frontend):
    net = network(frontend)
    seen = []
    net.front_end.register_forward_hook(lambda _m, i, _o: seen.append(len(i[0])))
    net(frames_for(net, batch=2, frames=3))
    assert seen == [2 * 3]


@pytest.mark.parametrize("frontend", ["keypoints", "image"])
@pytest.mark.parametrize("clip_length", [1, 5])
def test_pieces_with_carried_state_equal_the_whole_clip(frontend, clip_length):
    net = network(frontend, clip_length=clip_length).double().eval()
    frames = frames_for(net, batch=2, frames=7).double()
    with torch.no_grad():
        whole = net(frames)
        for length in (1, 3):
            pieces, state = [], None
            for piece in frames.split(length, dim=1):
                stages, state = net(piece, state)
                pieces.append(stages)
            torch.testing.assert_close(torch.cat(pieces, dim=2), whole.stages)
            assert (state is None) == (clip_length == 1)
            if state is not None:
                torch.testing.assert_close(state, whole.state)


@pytest.mark.parametrize("frontend", ["keypoints", "image"])
@pytest.mark.parametrize("clip_length", [1, 5])
def test_a_frame_reaches_later_frames_only(frontend, clip_length):
    net = network(frontend, clip_length=clip_length).double().eval()
    frames = frames_for(net, batch=2, frames=6).double()
    changed = frames.clone()
    changed[0, 2] = changed[0, 2].flip(-2)
    with torch.no_grad():
        moved = (net(frames).stages - net(changed).stages).abs().amax((-2, -1)) > 0
    expected = torch.zeros(3, 2, 6, dtype=torch.bool)
    expected[:, 0, 2 : 3 if clip_length == 1 else 6] = True  # the other clip stays
    assert torch.equal(moved, expected)


# Stages and sharing -------------------------------------------------------------------------


def test_a_stage_depends_on_the_stages_before_it_only():
    net = network(share="none", num_stages=3)
    frames = frames_for(net)
    with torch.no_grad():
        before = net(frames).stages
        for module in ("pose_features", "adaption", "recurrent"):
            for k in range(3):
                net_k = network(share="none", num_stages=3)
                for values in getattr(net_k, module)[k].parameters():
                    values.mul_(1.5)
                moved = (net_k(frames).stages - before).abs().amax((1, 2, 3, 4)) > 0
                assert moved.tolist() == [stage >= k for stage in range(3)], (module, k)


def test_fewer_stages_give_the_same_first_stages():
    three, two = network(num_stages=3), network(num_stages=2)
    two.load_state_dict(three.state_dict(), strict=False)
    frames = frames_for(three)
    torch.testing.assert_close(two(frames).stages, three(frames).stages[:2])


@pytest.mark.parametrize(
    ("share", "copies"), [("partial", (3, 1, 1)), ("all", (1, 1, 1)), ("none", (3, 3, 3))]
)
def test_what_is_shared_learns_from_every_stage(share, copies):
    net = network(share=share, num_stages=3)
    modules = (net.pose_features, net.adaption, net.recurrent)
    assert tuple(len(m) for m in modules) == copies
    frames = frames_for(net)
    for k, module in itertools.product(range(3), modules):
        net.zero_grad()
        net(frames).stages[k].square().sum().backward()
        learns = [any(p.grad is not None and p.grad.any() for p in m.parameters()) for m in module]
        # The loss of stage k reaches the weights of stage k and, fed back, those before.
        assert learns == ([True] if len(module) == 1 else [own <= k for own in range(3)])
    assert len(save(net.state_dict())) > 0  # safetensors refuses weights under two names


@pytest.mark.parametrize("frontend", ["keypoints", "image"])
@pytest.mark.parametrize("num_stages", [1, 2, 3, 5])
@pytest.mark.parametrize("clip_length", [1, 5, 10])
def test_variants_of_the_paper_run_from_the_configuration(frontend, num_stages, clip_length):
    for share in ("partial", "all", "none"):
        values = SMALL[frontend] | {
            "width": 1 / 32,
            "adaption_channels": 4,
            "hidden_size": 8,
            "adapted_size": 8,
        }
        variant = {"num_stages": num_stages, "clip_length": clip_length, "share": share}
        net = NETWORKS["rpsm"].build(values | variant)
        frames = frames_for(net, batch=1, frames=2)
        stages = net(frames).stages
        assert stages.shape == (num_stages, 1, 2, 17, 3)
        stages.sum().backward()
        assert all(p.grad is not None for p in net.parameters())


def test_configuration_refuses_what_cannot_be():
    for wrong in ({"share": "some"}, {"num_stages": 0}, {"clip_length": 0}, {"hidden_size": 0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            RpsmConfig(**wrong)
    with pytest.raises(ConfigError, match="heatmap_size"):
        RpsmConfig(frontend="keypoints", heatmap_size=4)


# Numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("frontend", ["keypoints", "image"])
def test_other_types_of_numbers_and_memory_layouts(frontend):
    net = network(frontend, num_stages=2).eval()
    frames = frames_for(net)
    with torch.no_grad():
        exact = network(frontend, num_stages=2).double()(frames.double()).stages
        for dtype, most in ((torch.float32, 1e-5), (torch.bfloat16, 0.03)):
            stages, state = net.to(dtype, memory_format=torch.channels_last)(frames.to(dtype))
            assert stages.dtype == state.cell.dtype == dtype
            assert (stages.double() - exact).abs().max() < most
    assert exact.dtype == torch.float64


def test_normalisation_goes_there_and_back():
    net = network()
    poses = torch.randn(40, 5, 17, 3) * torch.tensor([0.5, 2.0, 1.0])
    net.fit_normalisation(poses)
    torch.testing.assert_close(net.pose_range.low, poses.amin((0, 1, 2)))
    torch.testing.assert_close(net.pose_range.high, poses.amax((0, 1, 2)))
    assert {"pose_range.low", "pose_range.high"} <= set(net.state_dict())
    nn.init.zeros_(net.recurrent[0].pose.weight)
    nn.init.constant_(net.recurrent[0].pose.bias, 0.25)
    expected = net.pose_range.low + 0.25 * (net.pose_range.extent)
    torch.testing.assert_close(net(frames_for(net)).stages, expected.expand(3, 2, 4, 17, 3))
    for bad in (torch.zeros(3, 17, 3), torch.full((3, 17, 3), math.nan)):
        with pytest.raises(ConfigError, match="training poses"):
            net.fit_normalisation(bad)


# Losses -------------------------------------------------------------------------------------


def test_refinement_loss_is_equation_2():
    rng = np.random.default_rng(0)
    stages, truth = rng.normal(size=(3, 2, 4, 5, 3)), rng.normal(size=(2, 4, 5, 3))
    pose_range, alpha = np.array([0.5, 2.0, 1.5]), [1.0, 0.3, 2.0]
    valid = np.array([[True, True, False, True], [True, False, True, True]])
    truth[0, 2] = np.nan
    expected = 0.0
    for k, b, t in np.ndindex(3, 2, 4):
        if valid[b, t]:
            distance = np.linalg.norm((stages[k, b, t] - truth[b, t]) / pose_range)
            expected += alpha[k] * distance**2 / 2  # the mean of two clips
    tensors = [torch.from_numpy(v) for v in (stages, truth, pose_range, valid)]
    predicted = tensors[0].requires_grad_()

    def loss(values):
        return refinement_loss(
            values, tensors[1], pose_range=tensors[2], valid=tensors[3], stage_weights=alpha
        )

    assert float(loss(predicted).detach()) == pytest.approx(expected, rel=1e-12)
    assert torch.autograd.gradcheck(loss, predicted)
    with pytest.raises(ConfigError, match="3 stages"):
        refinement_loss(predicted, tensors[1], pose_range=tensors[2], stage_weights=[1.0])


def test_every_stage_and_frame_weighs_the_same_by_default():
    stages = torch.zeros(2, 1, 2, 3, 3)
    stages[1, 0, 1, 2] = torch.tensor([0.3, 0.0, 0.0])
    ones = refinement_loss(stages, torch.zeros(1, 2, 3, 3), pose_range=torch.ones(3))
    assert float(ones) == pytest.approx(0.09)
    assert float(refinement_loss(stages + 1, stages[0] + 1, pose_range=torch.ones(3))) == (
        pytest.approx(0.09)
    )


def test_gradient_of_equation_2_through_the_network():
    """Finite differences over weights of each kind, in float64."""
    net = network(num_stages=2).double()
    frames, truth = frames_for(net).double(), torch.randn(2, 4, 17, 3, dtype=torch.float64)
    net.fit_normalisation(truth)

    def loss():
        stages = net(frames).stages
        return refinement_loss(stages, truth, pose_range=net.pose_range.extent)

    loss().backward()
    for name, values in net.named_parameters():
        with torch.no_grad():
            place, step = int(values.grad.abs().argmax()), 1e-6
            flat = values.view(-1)
            flat[place] += step
            above = loss()
            flat[place] -= 2 * step
            below = loss()
            flat[place] += step
        slope = float(above - below) / (2 * step)
        assert slope == pytest.approx(float(values.grad.view(-1)[place]), rel=1e-4), name


def test_heatmap_loss_leaves_unlabelled_joints_out():
    maps, target = torch.rand(2, 3, 4, 4, requires_grad=True), torch.rand(2, 3, 4, 4)
    visible = torch.tensor([[True, False, True], [False, False, True]])
    target[0, 1] = math.nan
    loss = heatmap_loss(maps, target, visible)
    labelled = [(maps[n, j] - target[n, j]).square().mean() for n, j in ((0, 0), (0, 2), (1, 2))]
    torch.testing.assert_close(loss, sum(labelled) / 3)
    loss.backward()
    assert maps.grad.isfinite().all()
    assert not maps.grad[~visible].any()
    unlabelled = torch.zeros(2, 3, dtype=torch.bool)
    assert heatmap_loss(maps, target, unlabelled).detach().eq(0)


# Learning -----------------------------------------------------------------------------------


def eight_clips(xyz, frames):
    """(8, T, 17, 3) root-relative metres of a walker (T, 17, 3), each seen from another side."""
    xyz = torch.from_numpy(xyz).float()
    xyz = xyz - xyz[:, :1]
    clips = []
    for i in range(8):
        cos, sin = math.cos(0.7 * i), math.sin(0.7 * i)
        turn = torch.tensor([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
        clips.append(xyz[7 * i : 7 * i + frames] @ turn.T)
    return torch.stack(clips)


def pictures_of(poses, size):
    """Drawn people (B, T, 3, size, size), a colour per bone on grey, and joints in pixels."""
    pixels = (poses[..., :2] + 1) * size / 2 - 0.5
    pictures = np.full((*poses.shape[:2], size, size, 3), 0.5, np.float32)
    for b, t in np.ndindex(*poses.shape[:2]):
        ends = (pixels[b, t].numpy() * 8).round().astype(int)  # in eighths, see shift=3
        for parent, child in H36M_17.bones:
            colour = [(child * k % 16) / 15 for k in (1, 3, 7)]
            start, end = ends[parent].tolist(), ends[child].tolist()
            cv2.line(pictures[b, t], start, end, colour, 5, cv2.LINE_AA, 3)
    return torch.from_numpy(pictures).movedim(-1, 2), pixels


def train(net, frames, truth, *, steps, learning_rate, enough_mm):
    """Minimise Eq. (2); mean joint error of the last stage, mm, and the loss at every step."""
    net.fit_normalisation(truth)
    net.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(net.parameters(), learning_rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda i: min(1, (i + 1) / 20) * (1 - i / steps)
    )
    losses = []
    for _ in range(steps):
        stages = net(frames).stages
        error_mm = float((stages[-1] - truth).detach().norm(dim=-1).mean()) * 1000
        if error_mm < enough_mm:
            break
        loss = refinement_loss(stages, truth, pose_range=net.pose_range.extent)
        losses.append(float(loss.detach()))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return error_mm, losses


def learner(frontend, **changes):
    torch.manual_seed(0)
    sizes = {
        "width": 1 / 8,
        "adaption_channels": 16,
        "adapted_size": 256,
        "hidden_size": 256,
        "num_stages": 2,
    }
    return Rpsm(RpsmConfig(**(SMALL[frontend] | sizes | changes)))


def features_of(poses):
    """Keypoints without noise, in person sizes, all seen."""
    return functional.pad(poses[..., :2] * 2, (0, 1), value=1.0)


def test_keypoint_version_overfits_eight_clips(walker_xyz):
    truth = eight_clips(walker_xyz, frames=3)
    error_mm, _ = train(
        learner("keypoints"),
        features_of(truth),
        truth,
        steps=200,
        learning_rate=5e-3,
        enough_mm=4.9,
    )
    assert error_mm < 5


def test_image_version_overfits_eight_clips(walker_xyz):
    truth = eight_clips(walker_xyz, frames=2)
    pictures, _ = pictures_of(truth, 88)
    error_mm, _ = train(
        learner("image"), pictures, truth, steps=130, learning_rate=2e-3, enough_mm=4.9
    )
    assert error_mm < 5


def test_same_seed_same_numbers(walker_xyz):
    truth = eight_clips(walker_xyz, frames=3)
    options = {"steps": 4, "learning_rate": 1e-3, "enough_mm": 0.0}
    first, second = (
        train(learner("keypoints"), features_of(truth), truth, **options) for _ in range(2)
    )
    assert first == second
    assert len(set(first[1])) == 4


def test_pretraining_teaches_the_layers_of_the_network(walker_xyz):
    pictures, pixels = pictures_of(eight_clips(walker_xyz, frames=1), 88)
    # The joints of 2D data may be others: head, wrists and ankles, which move most.
    joints = [3, 6, 10, 13, 16]
    pictures, cells = pictures[:, 0], pixels_to_cells(pixels[:, 0, joints])
    target, visible = gaussian_maps(cells, 11, 1.0), torch.ones(8, 5, dtype=torch.bool)
    net = learner("image")
    pretraining = HeatmapPretraining(net, num_joints=5).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(pretraining.parameters(), 2e-3, betas=(0.9, 0.98))

    def distance():
        with torch.no_grad():
            return float((hard_argmax(pretraining(pictures)) - cells).norm(dim=-1).mean())

    before, untrained = distance(), learner("image").state_dict()
    for _ in range(40):
        optimiser.zero_grad()
        heatmap_loss(pretraining(pictures), target, visible).backward()
        optimiser.step()
    assert distance() < 0.5 * before
    changed = [name for name, v in net.state_dict().items() if not v.equal(untrained[name])]
    assert changed == [f"front_end.{name}" for name, _ in net.front_end.named_parameters()]
    assert not any("head" in name for name in net.state_dict())
    with pytest.raises(ConfigError, match="pre-train"):
        HeatmapPretraining(learner("keypoints"), num_joints=17)


def test_pose_features_use_both_inputs():
    module = PoseFeatures(4)
    shared, previous = torch.rand(2, 1, 4, 6, 6).requires_grad_().unbind(0)
    out = module(shared, previous)
    assert out.shape == shared.shape
    for gradient in torch.autograd.grad(out.sum(), (shared, previous)):
        assert gradient.any()
