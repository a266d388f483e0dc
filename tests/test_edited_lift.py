"""3D that follows edited keypoints, against lifting the whole clip anew."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save

from pose_core.analysis import what_if_network
from pose_core.analysis.edited_lift import lift_edit
from pose_core.analysis.what_if import TOLERANCE_M, WhatIf
from pose_core.analysis.what_if_network import WhatIfNetwork
from pose_core.camera import Camera
from pose_core.errors import ConfigError
from pose_core.inference.lifter import make_lifter
from pose_core.inference.root import estimate_root
from pose_core.inference.self_correction import BY_HAND
from pose_core.models.entries import ModelEntry
from pose_core.models.networks import NETWORKS
from pose_core.models.registry import save_user_model
from pose_core.poses import SOURCE_DETECTOR, SOURCE_NONE, SOURCE_USER, Keypoints2D, Poses3D
from pose_core.skeleton import H36M_17

CAMERA = Camera.assumed(640, 480)
NUM_FRAMES, START, END = 90, 52, 58
WRIST = H36M_17.index("left_wrist")
MODELS = {
    "conv": ("temporal_conv", {"num_joints": 17, "num_features": 3, "channels": 16,
                               "kernel_sizes": [3, 3], "dropout": 0.0, "causal": False}),
    "machine": ("pose_machine", {"frontend": "keypoints", "width": 0.02, "heatmap_size": 11,
                                 "adaption_channels": 4, "adapted_size": 16, "hidden_size": 16,
                                 "projector_units": 16}),
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def short_fits():
    """Fitted skeletons are not what is looked at here, and take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pose_core.inference.fitting._STEPS", 10)
        yield


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Tiny networks with random weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSESTAGE_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield {name: WhatIfNetwork(_add(name, *model)) for name, model in MODELS.items()}


def _add(name, kind, config) -> ModelEntry:
    torch.manual_seed(0)
    network = NETWORKS[kind].build(config)
    for parameter_name, p in network.named_parameters():
        if any(part in parameter_name for part in ("shrink", "answer", ".pose.", "regression")):
            torch.nn.init.normal_(p, std=0.3 / p.shape[-1] ** 0.5)
    entry = ModelEntry(
        name=name, network=kind, config=config, file="w.safetensors", sha256="", rate_hz=25.0,
        skeleton="h36m17", preprocessing="ray_input", units="metres", training_data="",
        licence="", command="", paper="", num_parameters=0, base="",
    )  # fmt: skip
    return save_user_model(entry, save(network.state_dict()))


@pytest.fixture(scope="module")
def known_lifts():
    """What the models make of `keypoints`: lifting takes a while."""
    return {}


@pytest.fixture
def lifted(networks, keypoints, known_lifts):
    def lift_once(name, fps=25.0):
        if (name, fps) not in known_lifts:
            known_lifts[name, fps] = lift(networks[name], keypoints, fps)
        return known_lifts[name, fps]

    return lift_once


@pytest.fixture
def keypoints(walker_xyz) -> Keypoints2D:
    camera_xyz = np.concatenate([walker_xyz, walker_xyz[::-1]])[:NUM_FRAMES]
    xy = CAMERA.project(camera_xyz) + np.random.default_rng(0).normal(size=(NUM_FRAMES, 17, 2))
    xy[20:23] = np.nan
    return Keypoints2D(xy, np.where(np.isnan(xy[..., 0]), 0.0, 0.9))


def edited(keypoints, frames, xy, source=SOURCE_DETECTOR, joints=WRIST):
    all_xy, scores = keypoints.xy.copy(), keypoints.scores.copy()
    sources = np.array(keypoints.sources)
    all_xy[frames, joints] = xy
    is_known = np.isfinite(all_xy[frames, joints, 0])
    scores[frames, joints] = np.where(is_known, 1.0, 0.0)
    sources[frames, joints] = source
    return Keypoints2D(all_xy, scores, sources=sources)


def lift(network, keypoints, fps=25.0):
    times_s = np.arange(NUM_FRAMES) / fps
    stages = make_lifter(network.entry).lift(keypoints.xy, keypoints.scores, times_s, CAMERA)
    root = estimate_root(stages[-1], keypoints.xy, keypoints.scores, times_s, CAMERA)
    return Poses3D(stages, root)


def follow(network, before, after, poses, edited_frames, fps=25.0, **options):
    times_s = np.arange(NUM_FRAMES) / fps
    return lift_edit(network, before, after, poses, times_s, CAMERA, edited_frames, **options)


@pytest.mark.parametrize(("name", "fps"), [("conv", 25.0), ("conv", 50.0), ("machine", 25.0)])
def test_the_poses_are_those_of_lifting_the_clip_anew(networks, keypoints, lifted, name, fps):
    """Several frames are edited, and some joints of them are missing."""
    network, frames = networks[name], slice(START, END)
    after = edited(keypoints, frames, keypoints.xy[frames, WRIST] + [14.0, -9.0])
    after = edited(after, START + 2, np.nan, SOURCE_NONE, joints=3)
    before_poses, want = lifted(name, fps), lift(network, after, fps)
    found = follow(network, keypoints, after, before_poses, (START, END), fps)
    assert found.start <= START < END <= found.end
    close = {"atol": 3e-4 if name == "machine" else 2e-6}
    part = slice(found.start, found.end)
    np.testing.assert_allclose(found.poses.stages[:-1, part], want.stages[:-1, part], **close)
    outside = np.ones(NUM_FRAMES, dtype=bool)
    outside[part] = False
    np.testing.assert_array_equal(found.poses.stages[:, outside], before_poses.stages[:, outside])
    own = np.nan_to_num(want.stages - before_poses.stages)[:-1]
    assert np.abs(own[:, part]).max() > 5e-4
    assert np.abs(own[:, outside]).max() < 3 * TOLERANCE_M


def test_edits_add_up_and_3d_that_was_changed_stays(networks, keypoints, lifted):
    network, poses = networks["conv"], lifted("conv")
    stages = poses.stages.copy()
    stages[-1, START, WRIST] += 0.1
    one = edited(keypoints, START, [300.0, 200.0])
    two = edited(one, START + 1, [310.0, 200.0])
    first = follow(network, keypoints, one, Poses3D(stages, poses.root), (START, START + 1))
    second = follow(network, one, two, first.poses, (START + 1, START + 2))
    both = follow(network, keypoints, two, Poses3D(stages, poses.root), (START, START + 2))
    plain = follow(network, keypoints, one, poses, (START, START + 1))
    change = first.poses.stages - plain.poses.stages
    np.testing.assert_allclose(change, stages - poses.stages, atol=1e-6)
    # What changes less is left as it is, in each edit anew.
    close = {"atol": 2 * TOLERANCE_M}
    np.testing.assert_allclose(second.poses.stages[:-1], both.poses.stages[:-1], **close)
    back = follow(network, two, keypoints, both.poses, (START, START + 2))
    np.testing.assert_allclose(back.poses.stages[:-1], stages[:-1], **close)
    same = follow(network, keypoints, keypoints, poses, (START, START + 1))
    assert same.start == same.end
    assert same.poses is poses


def test_a_pose_machine_corrects_itself_toward_what_somebody_has_set(
    networks, keypoints, lifted, monkeypatch
):
    """As when the joint is tried out in the What-if panel."""
    # With weights drawn at random many steps lead far away, and rounding with them.
    monkeypatch.setattr(what_if_network, "BY_HAND", replace(BY_HAND, steps=2))
    network, poses = networks["machine"], lifted("machine")
    place = keypoints.xy[START, WRIST] + [14.0, -9.0]
    after = edited(keypoints, START, place, SOURCE_USER)
    found = follow(network, keypoints, after, poses, (START, START + 1))
    moved = np.full((17, 2), np.nan)
    moved[WRIST] = place
    times_s = np.arange(NUM_FRAMES) / 25
    tried = WhatIf(network, keypoints, poses, times_s, CAMERA, START).whole(moved)
    np.testing.assert_allclose(
        found.poses.stages[:-1, tried.frames], tried.stages[:-1], rtol=1e-3, atol=1e-4
    )
    own_rules = follow(
        network, keypoints, edited(keypoints, START, place), poses, (START, START + 1)
    )
    change = np.abs(own_rules.poses.stages[-2, START] - found.poses.stages[-2, START])
    assert change.max() > 1e-3


def test_frames_in_which_the_person_comes_or_goes(networks, keypoints, lifted):
    network, everything = networks["conv"], slice(None)
    poses = lifted("conv")
    gone = edited(keypoints, slice(START, START + 2), np.nan, SOURCE_USER, joints=everything)
    found = follow(network, keypoints, gone, poses, (START, START + 2))
    assert np.isnan(found.poses.stages[:, START : START + 2]).all()
    assert np.isnan(np.asarray(found.poses.root)[START : START + 2]).all()
    assert np.isfinite(found.poses.stages[:, START + 2]).all()
    back = follow(network, gone, keypoints, found.poses, (START, START + 2))
    want = poses.stages[:-1, START : START + 2]
    np.testing.assert_allclose(back.poses.stages[:-1, START : START + 2], want, atol=1e-5)
    come = edited(keypoints, slice(20, 23), keypoints.xy[19], joints=everything)
    filled = follow(network, keypoints, come, poses, (20, 23))
    assert np.isfinite(filled.poses.stages[:, 20:23]).all()
    nobody = edited(keypoints, slice(None), np.nan, SOURCE_USER, joints=everything)
    none = follow(network, nobody, nobody, poses, (START, START + 1))
    assert none.start == none.end


def test_a_body_height_scales_what_follows(networks, keypoints, lifted):
    network, poses = networks["conv"], lifted("conv")
    after = edited(keypoints, START, keypoints.xy[START, WRIST] + [20.0, 0.0])
    plain = follow(network, keypoints, after, poses, (START, START + 1))
    large = Poses3D(1.3 * poses.stages, 1.3 * np.asarray(poses.root))
    scaled = follow(network, keypoints, after, large, (START, START + 1), is_scaled=True)
    part = slice(START, START + 1)
    np.testing.assert_allclose(
        scaled.poses.stages[:, part], 1.3 * plain.poses.stages[:, part], rtol=1e-4, atol=1e-5
    )
    with pytest.raises(ConfigError, match="other stages"):
        follow(network, keypoints, after, Poses3D(poses.stages[:1], poses.root), (START, END))
