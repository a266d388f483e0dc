"""Every kind of network from a folder of the user's to stages of poses; tiny, never trained."""

import hashlib
import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors.torch import save

from pose_core.camera import Camera
from pose_core.clip import Clip
from pose_core.errors import ConfigError, WeightsError
from pose_core.inference import network_stages
from pose_core.inference.lifter import make_lifter
from pose_core.inference.pipeline import lifted
from pose_core.inference.records import EstimateSettings
from pose_core.inference.self_correction import correct
from pose_core.models.entries import ModelEntry
from pose_core.models.networks import NETWORKS
from pose_core.models.ray_input import normalise_rays
from pose_core.models.registry import build_network, model_entry, save_user_model
from pose_core.poses import Keypoints2D
from pose_core.session import Session, Track
from pose_core.session_io import load_session, save_session

FRONT_END = {"frontend": "keypoints", "width": 0.02, "heatmap_size": 11, "adaption_channels": 4,
             "adapted_size": 16, "hidden_size": 16}  # fmt: skip
KINDS = {
    "convolutions": ("temporal_conv", {"channels": 8, "kernel_sizes": [3, 3]}, "",
                     ("network",)),
    "sequence machine": ("rpsm", {**FRONT_END, "num_stages": 2}, "",
                         ("refinement 1", "refinement 2")),
    "pose machine": ("pose_machine", {**FRONT_END, "projector_units": 16}, "",
                     ("intermediate", "regressed", "corrected once", "corrected")),
    "plain machine": ("pose_machine", {**FRONT_END, "has_projector": False}, "",
                      ("network",)),
    "online": ("tpnet", {"num_joints": 17, "context": 5, "hidden": 16}, "frame",
               ("base", "refined")),
    "both ways": ("tpnet", {"num_joints": 17, "context": 4, "hidden": 16, "mode": "semi-online"},
                  "frame", ("base", "refined")),
    "past": ("lstm_baseline", {"num_joints": 17, "hidden": 8}, "frame", ("base", "refined")),
    "window": ("lstm_baseline", {"num_joints": 17, "hidden": 8, "context": 4,
                                 "bidirectional": True}, "frame", ("base", "refined")),
}  # fmt: skip
FRAME = ("temporal_conv", {"channels": 8, "kernel_sizes": [1, 1]}, "", ())


def random_network(kind, config):
    """A network whose poses are about as large as a person, with statistics as if trained."""
    torch.manual_seed(0)
    network = NETWORKS[kind].build(config)
    for name, p in network.named_parameters():
        if "shrink" in name or "answer" in name or ".pose." in name or "regression" in name:
            torch.nn.init.normal_(p, std=0.3 / p.shape[-1] ** 0.5)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.1)
    return network


def expect(network, seen):
    """Let a projector answer about the keypoints of the walker: some corrections are believed."""
    last = network.projector.projection[-1]
    features = features_of(seen[3].rays(seen[0]), seen[1]).features[0]
    with torch.no_grad():
        last.weight.mul_(3)
        last.bias.copy_(features[..., :2].mean(0).flatten())


def features_of(rays, scores):
    return normalise_rays(*(torch.from_numpy(a).float()[None] for a in (rays, scores)))


def entry_of(name, kind, config, base=""):
    return ModelEntry(
        name=name, network=kind, config=config, file="w.safetensors", sha256="", rate_hz=25.0,
        skeleton="h36m17", preprocessing="ray_input", units="metres", training_data="",
        licence="", command="", paper="", num_parameters=0, base=base,
    )  # fmt: skip


def add(name, kind, config, base="", seen=None):
    network = random_network(kind, config)
    if seen is not None and hasattr(network, "projector"):
        expect(network, seen)
    return save_user_model(entry_of(name, kind, config, base), save(network.state_dict()))


@pytest.fixture(autouse=True)
def own_data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("POSESTAGE_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture(params=sorted(KINDS))
def added(request, seen):
    """Entry of a user's model of each kind, and the names of its network's stages."""
    kind, config, base, names = KINDS[request.param]
    if base:
        add(base, *FRAME[:3])
    return add(request.param, kind, config, base, seen), names


@pytest.fixture
def seen(motion):
    """Keypoints (T, 17, 2), scores, times and camera of a walker at 50 frames/s."""
    rotation = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    camera = Camera(1000, 800, 900.0, rotation=rotation, translation=np.array([-1.5, 1.0, 5.0]))
    scores = np.random.default_rng(1).uniform(0.3, 1.0, (len(motion), 17))
    return camera.project(motion.positions), scores, np.arange(len(motion)) / 50, camera


def test_stages_are_named_finite_and_absent_where_the_person_is(added, seen):
    entry, names = added
    xy, scores, times_s, camera = seen
    xy = xy[:120].copy()
    xy[50:60] = np.nan
    xy[70, 13] = np.nan  # one joint is hidden
    lifter = make_lifter(model_entry(entry.name))
    assert lifter.stage_names == (*names, "fitted skeleton")
    stages = lifter.lift(xy, scores[:120], times_s[:120], camera)
    assert stages.shape == (len(names) + 1, 120, 17, 3)
    assert stages.dtype == np.float32
    absent = np.isnan(stages)
    assert absent[:, 50:60].all()
    assert not np.delete(absent, slice(50, 60), axis=1).any()
    np.testing.assert_allclose(np.delete(stages[:, :, 0], slice(50, 60), axis=1), 0, atol=1e-6)
    for before, after in pairwise(stages):
        assert np.nanmax(np.abs(after - before)) > 1e-4  # each is something of its own


def test_a_long_clip_in_pieces_equals_the_whole(added, seen, monkeypatch):
    entry, _ = added
    rays, scores = seen[3].rays(seen[0]), seen[1]
    answer = make_lifter(entry).answer
    whole = answer(rays, scores).stages
    for name in ("_FRAMES_AT_ONCE", "_WINDOWS_AT_ONCE"):
        monkeypatch.setattr(network_stages, name, 37)
    monkeypatch.setattr(network_stages, "_CLIPS_AT_ONCE", 3)
    np.testing.assert_allclose(answer(rays, scores).stages, whole, atol=1e-5)


def test_mirrored_keypoints_give_the_mirrored_pose(added, seen):
    entry, _ = added
    mirror = np.array([0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13])
    rays, scores = seen[3].rays(seen[0])[:40], seen[1][:40]
    answer = make_lifter(entry).answer
    # The projector of a pose machine is asked once, of the mean pose, so it is not symmetric.
    num_stages = 1 if entry.name == "pose machine" else None
    plain = answer(rays, scores).stages[:num_stages]
    mirrored = answer(rays[:, mirror] * [-1, 1], scores[:, mirror]).stages[:num_stages]
    np.testing.assert_allclose(mirrored[:, :, mirror] * [-1, 1, 1], plain, atol=2e-5)


def test_a_single_frame_is_lifted(added, seen):
    xy, scores, times_s, camera = seen
    stages = make_lifter(added[0]).lift(xy[:1], scores[:1], times_s[:1], camera)
    assert np.isfinite(stages).all()


def test_refiners_see_what_they_were_trained_on(seen, monkeypatch):
    """The poses of the single-frame network in the axes of the turned camera, unrolled."""
    base = build_network(add("frame", *FRAME[:3]))
    kind, config, _, _ = KINDS["online"]
    entry = add("online", kind, config, "frame")
    rays, scores = seen[3].rays(seen[0]), seen[1]
    frame = features_of(rays, scores)
    with torch.no_grad():
        poses = base(frame.features)[-1]
        expected = (build_network(entry)(poses)[-1][0] @ frame.rotation[0]).double().numpy()
    monkeypatch.setattr(network_stages, "Ways", OneWay)
    answer = network_stages.refiner_answer(build_network(entry), base, "cpu", rays, scores)
    np.testing.assert_allclose(answer.stages[1], expected, atol=1e-5)


class OneWay:
    """Neither rolled nor mirrored."""

    def __init__(self, *_):
        pass

    def of(self, features):
        return features

    def mean(self, stages):
        return stages[:, 0]


def test_the_pose_machine_tells_what_its_correction_did(seen):
    kind, config, _, _ = KINDS["pose machine"]
    entry = add("machine", kind, config, seen=seen)
    xy, scores, times_s, camera = seen
    xy = xy[:100].copy()
    xy[20:25] = np.nan
    lifter = make_lifter(entry)
    person = lifter.lift_person(xy, scores[:100], times_s[:100], camera)
    verdicts = person.correction
    assert verdicts is not None
    assert (verdicts.steps[20:25] == -1).all()
    present = np.delete(np.arange(100), slice(20, 25))
    assert set(verdicts.steps[present].tolist()) <= {0, 1, 2}
    assert not verdicts.discarded_mask[20:25].any()
    # Where it is discarded, the answer is the regressed pose; the frames of the video that are
    # samples of the network's grid show that exactly.
    first = np.arange(0, 20, 2)
    second = np.arange(26, 100, 2)
    for frames in (first, second):
        moved = np.abs(person.stages[3] - person.stages[1])[frames].max(axis=(1, 2))
        np.testing.assert_array_equal(moved < 1e-6, verdicts.discarded_mask[frames])
    assert 0 < verdicts.discarded_mask.sum() < 60
    assert {1, 2} <= set(verdicts.steps[present].tolist())


def test_the_correction_is_that_of_the_paper(seen):
    """Regressed and corrected pose of the common intermediate pose, by `correct` itself."""
    kind, config, _, _ = KINDS["pose machine"]
    network = build_network(add("machine", kind, config, seen=seen))
    rays, scores = seen[3].rays(seen[0])[:60], seen[1][:60]
    answer = network_stages.pose_machine_answer(network, "cpu", rays, scores)
    frame = features_of(rays, scores)
    rotation = frame.rotation[0]
    poses = torch.from_numpy(answer.stages[0]).float() @ rotation.transpose(-1, -2)
    features = frame.features[0]
    expected = correct(network.projector, poses, features[..., :2], weights=features[..., 2])
    for stage, pose in zip((1, 2, 3), (*expected.iterations[:2], expected.poses), strict=True):
        turned = (pose @ rotation).double().numpy()
        np.testing.assert_allclose(answer.stages[stage], turned, atol=1e-4)


def test_names_of_stages_and_verdicts_come_back_from_a_session_file(seen, tmp_path):
    kind, config, _, _ = KINDS["pose machine"]
    lifter = make_lifter(add("machine", kind, config, seen=seen))
    xy, scores, times_s, _ = seen
    xy = xy[:50].astype(np.float32)
    xy[7] = np.nan
    kept_scores = np.where(np.isfinite(xy[..., 0]), scores[:50], 0).astype(np.float32)
    clip = Clip(tmp_path / "walk.mp4", 1000, 800, times_s[:50], "f" * 64)
    track = lifted(
        Track(1, "Ann", Keypoints2D(xy, kept_scores)), lifter, clip,
        EstimateSettings(model="machine"),
    )  # fmt: skip
    save_session(Session(clip, (track,)), tmp_path / "walk.posestage")
    (back,) = load_session(tmp_path / "walk.posestage").tracks
    meta = back.runs["machine"].meta
    assert meta["stages"] == [*KINDS["pose machine"][3], "fitted skeleton"]
    assert len(back.runs["machine"].poses.stages) == 5
    assert len(meta["correction"]["steps"]) == 50
    assert meta["correction"]["steps"][7] == -1
    assert meta == track.runs["machine"].meta


def test_a_refiner_without_its_base_says_so(seen):
    kind, config, _, _ = KINDS["online"]
    entry = add("online", kind, config, "frame")
    with pytest.raises(ConfigError, match="'frame', which is not installed"):
        make_lifter(entry)
    add("frame", "temporal_conv", {"channels": 8, "kernel_sizes": [3]})
    with pytest.raises(WeightsError, match="single frames"):
        make_lifter(entry)


def test_networks_that_look_at_pictures_are_no_lifters():
    for kind, config in (("sapnet", {}), ("rpsm", {"frontend": "image"})):
        with pytest.raises(ConfigError, match="looks at pictures"):
            make_lifter(entry_of("eyes", kind, config))


def test_weights_of_another_shape_are_refused():
    entry = add("small", *FRAME[:3])
    path = entry.folder / "model.json"
    content = json.loads(path.read_text())
    content["config"]["channels"] = 9
    path.write_text(json.dumps(content))
    with pytest.raises(WeightsError, match="do not fit"):
        make_lifter(model_entry("small"))
    junk = b"no tensors"
    (entry.folder / entry.file).write_bytes(junk)
    content["sha256"] = hashlib.sha256(junk).hexdigest()
    path.write_text(json.dumps(content))
    with pytest.raises(WeightsError, match="do not fit"):
        make_lifter(model_entry("small"))
