"""What a model says of moved keypoints, against lifting the whole clip anew."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save

from pose_core.analysis.anatomy import AnatomyThresholds, anatomy_findings
from pose_core.analysis.correction import prepare_correction
from pose_core.analysis.pose_report import pose_report
from pose_core.analysis.what_if import TOLERANCE_M, WhatIf
from pose_core.analysis.what_if_network import WhatIfNetwork
from pose_core.camera import Camera
from pose_core.errors import ConfigError
from pose_core.inference.lifter import make_lifter
from pose_core.inference.root import estimate_root
from pose_core.inference.self_correction import BY_HAND, correct_toward
from pose_core.losses.structure import StructureWeights, structure_terms
from pose_core.models.entries import ModelEntry
from pose_core.models.networks import NETWORKS
from pose_core.models.registry import save_user_model
from pose_core.poses import Keypoints2D, Poses3D
from pose_core.skeleton import H36M_17

CAMERA = Camera.assumed(640, 480)
NUM_FRAMES, FRAME, WRIST = 120, 70, H36M_17.index("left_wrist")
KEYPOINTS = {"frontend": "keypoints", "width": 0.02, "heatmap_size": 11, "adaption_channels": 4,
             "adapted_size": 16, "hidden_size": 16}  # fmt: skip
TEMPORAL = {"num_joints": 17, "num_features": 3, "channels": 16, "kernel_sizes": [3, 3],
            "dropout": 0.0, "causal": False}  # fmt: skip
MODELS = {
    "conv": ("temporal_conv", TEMPORAL, ""),
    "single": ("temporal_conv", {**TEMPORAL, "kernel_sizes": [1]}, ""),
    "tp": ("tpnet", {"num_joints": 17, "mode": "online", "context": 6, "hidden": 32}, "own single"),
    "lstm": ("lstm_baseline", {"num_joints": 17, "hidden": 8}, "own single"),
    "rpsm": ("rpsm", {**KEYPOINTS, "num_stages": 2, "clip_length": 5}, ""),
    "machine": ("pose_machine", {**KEYPOINTS, "projector_units": 16}, ""),
}
# Of these the answer depends on the entire past, of which a little is looked at.
REMEMBERS = ("lstm", "rpsm", "machine")


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    """Tiny networks with random weights, one of each kind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSESTAGE_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield {name: _add(f"own {name}", *model) for name, model in MODELS.items()}


def _add(name, kind, config, base) -> ModelEntry:
    torch.manual_seed(0)
    network = NETWORKS[kind].build(config)
    for parameter_name, p in network.named_parameters():
        if any(part in parameter_name for part in ("shrink", "answer", ".pose.", "regression")):
            torch.nn.init.normal_(p, std=0.3 / p.shape[-1] ** 0.5)
    entry = ModelEntry(
        name=name, network=kind, config=config, file="w.safetensors", sha256="", rate_hz=25.0,
        skeleton="h36m17", preprocessing="ray_input", units="metres", training_data="",
        licence="", command="", paper="", num_parameters=0, base=base,
    )  # fmt: skip
    return save_user_model(entry, save(network.state_dict()))


@pytest.fixture
def keypoints(walker_xyz) -> Keypoints2D:
    """The walker, there and back again, in three of whose frames there is nobody."""
    camera_xyz = np.concatenate([walker_xyz, walker_xyz[::-1]])
    xy = CAMERA.project(camera_xyz) + np.random.default_rng(0).normal(size=(NUM_FRAMES, 17, 2))
    xy[20:23] = np.nan
    return Keypoints2D(xy, np.where(np.isnan(xy[..., 0]), 0.0, 0.9))


@pytest.fixture
def lifted(entries, keypoints, known_lifts):
    """Keypoints, and what a model makes of them; lifting takes a while."""

    def lift_once(name):
        if name not in known_lifts:
            known_lifts[name] = lift(entries[name], keypoints)
        return keypoints, known_lifts[name]

    return lift_once


@pytest.fixture(scope="module")
def known_lifts():
    return {}


def lift(entry, keypoints, fps=25.0):
    times_s = np.arange(len(keypoints)) / fps
    stages = make_lifter(entry).lift(keypoints.xy, keypoints.scores, times_s, CAMERA)
    root = estimate_root(stages[-1], keypoints.xy, keypoints.scores, times_s, CAMERA)
    return Poses3D(stages, root)


def question(entry, keypoints, poses, frame=FRAME, fps=25.0, **options):
    times_s = np.arange(len(keypoints)) / fps
    network = WhatIfNetwork(entry)
    return WhatIf(network, keypoints, poses, times_s, CAMERA, frame, **options)


def move(keypoints, frame=FRAME, joint=WRIST, by=(14.0, -9.0)):
    """Where a joint is moved to, and the keypoints with it there."""
    moved = np.full((17, 2), np.nan)
    moved[joint] = keypoints.xy[frame, joint] + by
    xy, scores = keypoints.xy.copy(), keypoints.scores.copy()
    xy[frame, joint], scores[frame, joint] = moved[joint], 1.0
    return moved, Keypoints2D(xy, scores)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "single"])
def test_the_answers_are_those_of_lifting_the_clip_anew(entries, lifted, name):
    keypoints, poses = lifted(name)
    moved, after = move(keypoints)
    want = lift(entries[name], after)
    what_if = question(entries[name], keypoints, poses)
    quick, whole = what_if.quick(moved), what_if.whole(moved)
    # The moved frame of a pose machine is corrected in another way: see below.
    own = slice(0, 2 if name == "machine" else -1)
    close = {"atol": 3e-4 if name in REMEMBERS else 2e-6}
    change = np.abs(want.stages - poses.stages)
    assert change[own, FRAME].max() > 5e-4
    here = list(quick.frames).index(FRAME)
    np.testing.assert_allclose(quick.stages[own, here], want.stages[own, FRAME], **close)
    np.testing.assert_array_equal(quick.root, poses.root[quick.frames])
    frames = whole.frames
    assert FRAME in frames
    np.testing.assert_array_equal(np.diff(frames), 1)
    np.testing.assert_allclose(whole.stages[own], want.stages[own][:, frames], **close)
    outside = np.setdiff1d(np.flatnonzero(np.isfinite(poses.root[:, 0])), frames)
    assert change[own][:, outside].max() < 2 * TOLERANCE_M
    if name != "machine":
        np.testing.assert_allclose(whole.root, want.root[frames], atol=0.02)


def test_a_keypoint_that_is_not_moved_changes_no_bit(entries, keypoints):
    """Also not what somebody has edited, nor at the ends of what is looked at."""
    keypoints = Keypoints2D(keypoints.xy, np.ones((NUM_FRAMES, 17)))
    poses = lift(entries["conv"], keypoints)
    stages = poses.stages.copy()
    stages[-1, FRAME - 3 : FRAME + 2, WRIST] += 0.1
    edited = Poses3D(stages, poses.root)
    what_if = question(entries["conv"], keypoints, edited)
    moved, _ = move(keypoints, by=(0.0, 0.0))
    for answer in (what_if.quick(moved), what_if.whole(moved)):
        np.testing.assert_array_equal(answer.stages, stages[:, answer.frames])
    assert what_if.whole(moved).frames.tolist() == [FRAME]
    moved, _ = move(keypoints)
    new, old = what_if.whole(moved), question(entries["conv"], keypoints, poses).whole(moved)
    difference = stages[:, new.frames] - poses.stages[:, new.frames]
    np.testing.assert_allclose(new.stages - old.stages, difference, atol=1e-6)
    whole = new.put_into(edited)
    np.testing.assert_array_equal(whole.stages[:, new.frames], new.stages)
    rest = np.setdiff1d(np.arange(NUM_FRAMES), new.frames)
    np.testing.assert_array_equal(whole.stages[:, rest], stages[:, rest])


def test_a_given_body_height_scales_what_moves(entries, lifted):
    keypoints, poses = lifted("conv")
    larger = Poses3D(1.3 * poses.stages, 1.3 * np.asarray(poses.root))
    moved, _ = move(keypoints)
    plain = question(entries["conv"], keypoints, poses)
    scaled = question(entries["conv"], keypoints, larger, is_scaled=True)
    for of_plain, of_scaled in (
        (plain.quick(moved), scaled.quick(moved)),
        (plain.whole(moved), scaled.whole(moved)),
    ):
        common = np.intersect1d(of_plain.frames, of_scaled.frames)
        assert len(common) > 5
        parts = [a.stages[:, np.isin(a.frames, common)] for a in (of_plain, of_scaled)]
        np.testing.assert_allclose(parts[1], 1.3 * parts[0], atol=1e-5)


@pytest.mark.parametrize("frame", [70, 71])
def test_a_faster_video_is_sampled_as_the_whole_of_it(entries, keypoints, frame):
    """At 50 frames/s every other frame is a sample, wherever the frames around begin."""
    poses = lift(entries["conv"], keypoints, fps=50.0)
    moved, after = move(keypoints, frame)
    want = lift(entries["conv"], after, fps=50.0)
    answer = question(entries["conv"], keypoints, poses, frame, 50.0).whole(moved)
    np.testing.assert_allclose(answer.stages[0], want.stages[0, answer.frames], atol=2e-5)


def test_a_pose_machine_is_pulled_toward_the_moved_joint(entries, lifted, monkeypatch):
    keypoints, poses = lifted("machine")
    what_if = question(entries["machine"], keypoints, poses)
    moved, after = move(keypoints)
    times_s = np.arange(len(keypoints)) / 25
    prepared = prepare_correction(entries["machine"], after, times_s, CAMERA)
    is_moved = torch.from_numpy(np.isfinite(moved[:, 0]))[None]
    intermediate, seen = prepared.poses[[FRAME]], prepared.features[[FRAME]]
    config = replace(BY_HAND, steps=8)
    want = correct_toward(prepared.projector, intermediate, seen[..., :2], is_moved, config)
    robust = list(config.robust_joints)
    way = want.iterations[-1, 0, robust] - want.iterations[0, 0, robust]
    pose = (want.poses[0] @ prepared.rotation[FRAME]).numpy()
    assert len(what_if.whole(moved).pull.residual) == BY_HAND.steps + 1
    # With random weights so many steps end anywhere: those that are the same are compared.
    monkeypatch.setattr("pose_core.analysis.what_if_network.BY_HAND", config)
    for answer in (what_if.quick(moved), what_if.whole(moved)):
        np.testing.assert_allclose(answer.pull.residual, want.residual[:, 0], rtol=2e-2)
        moved_mm = 1000 * float(way.norm(dim=-1).mean())
        assert answer.pull.robust_mm == pytest.approx(moved_mm, rel=5e-2)
        here = list(answer.frames).index(FRAME)
        np.testing.assert_allclose(answer.stages[3, here], pose - pose[0], atol=5e-3)
    assert np.abs(poses.stages[3, FRAME] - (pose - pose[0])).max() > 0.02


def test_what_cannot_be_asked_is_said(entries, lifted):
    keypoints, poses = lifted("conv")
    with pytest.raises(ConfigError, match="not in frame 21"):
        question(entries["conv"], keypoints, poses, 21)
    with pytest.raises(ConfigError, match="other stages"):
        question(entries["rpsm"], keypoints, poses)
    with pytest.raises(ConfigError, match="looks at pictures"):
        WhatIfNetwork(replace(entries["rpsm"], config={"frontend": "image"}))


def test_a_report_is_that_of_the_losses_and_findings(walker_xyz):
    root = walker_xyz[:, 0]
    poses = walker_xyz - root[:, None]
    elbow, wrist = H36M_17.index("left_elbow"), WRIST
    poses[30, wrist] = poses[30, elbow] + (0, 0, 0.25)  # bent the wrong way
    times_s, thresholds = np.arange(60) / 25, AnatomyThresholds()
    report = pose_report(poses, root, times_s, 30, thresholds)
    pose = torch.from_numpy(poses[30])
    alone = structure_terms(pose, StructureWeights(angle=1, symmetry=1, geometry=1))
    for name, value in alone.items():
        assert report.losses[name] == pytest.approx(float(value))
    weighted = structure_terms(pose, StructureWeights())
    assert report.losses["total"] == pytest.approx(float(sum(weighted.values())))
    findings = anatomy_findings(poses, times_s, root)
    bend = report.findings["illegal_angle"]
    assert bend.severity == pytest.approx(findings.illegal_angle.severity[30, elbow])
    assert (bend.threshold, bend.unit) == (20.0, "deg")
    assert ("illegal_angle", "left_elbow") in {(p.kind, p.place) for p in report.problems}
    assert all(p.start <= 30 < p.end for p in report.problems)
    assert pose_report(poses, root, times_s, 10, thresholds).problems == ()
