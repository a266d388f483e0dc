"""Networks that see pictures, on a video: crops, axes, clips, and what comes after them."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save

from pose_core.camera import Camera
from pose_core.errors import ConfigError
from pose_core.inference.crops import crops_around, cut
from pose_core.inference.from_keypoints import estimate_from_keypoints
from pose_core.inference.lifter import lifter_of, make_lifter
from pose_core.inference.records import EstimateFinished, EstimateSettings
from pose_core.inference.self_correction import correct
from pose_core.models.entries import ModelEntry
from pose_core.models.networks import NETWORKS
from pose_core.models.registry import build_network, save_user_model
from pose_core.poses import Keypoints2D
from pose_core.session import Track
from pose_core.video import VideoReader, open_clip

SIZE = 64
NETWORK_OF = {
    "pictures": ("sapnet", {"num_stacks": 1, "channels": 8, "input_size": SIZE,
                            "skeleton": "h36m17"}),
    "refiner": ("tpnet", {"num_joints": 17, "mode": "online", "context": 4}),
    "rpsm clips": ("rpsm", {"frontend": "image", "width": 0.125, "image_size": 88,
                            "num_stages": 2, "adapted_size": 16, "hidden_size": 16}),
    "machine clips": ("pose_machine", {"frontend": "image", "width": 0.125, "image_size": 88,
                                       "extent": 1.0, "adapted_size": 16, "hidden_size": 16,
                                       "projector_units": 16}),
}  # fmt: skip


@pytest.fixture
def entries(tmp_path, monkeypatch):
    monkeypatch.setenv("POSESTAGE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr("pose_core.inference.picture_lifter.installed_models", dict)
    return {"pictures": add_model("pictures")}


def add_model(name, rate_hz=25.0):
    kind, config = NETWORK_OF[name]
    torch.manual_seed(1)
    network = NETWORKS[kind].build(config)
    entry = ModelEntry(
        name=name, network=kind, config=config, file="w.safetensors", sha256="", rate_hz=rate_hz,
        skeleton="h36m17", preprocessing="crop", units="metres", training_data="",
        licence="", command="", paper="", num_parameters=0, base="single-frame",
    )  # fmt: skip
    return save_user_model(entry, save(network.state_dict()))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """70 frames of noise that slowly becomes another, 160 x 120."""
    path, rng = tmp_path_factory.mktemp("clips") / "noise.mp4", np.random.default_rng(1)
    first, last = (cv2.GaussianBlur(rng.uniform(0, 255, (120, 160, 3)), (0, 0), 5) for _ in "ab")
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (160, 120))
    for share in np.linspace(0, 1, 70):
        writer.write(((1 - share) * first + share * last).astype(np.uint8))
    writer.release()
    return open_clip(path)


@pytest.fixture
def seen(clip):
    """A clip, and somebody who walks out of the picture at the right, away for ten frames."""
    rng = np.random.default_rng(0)
    pose = rng.uniform((-0.2, -0.35), (0.2, 0.35), (17, 2)) * clip.height
    place = np.linspace(0.3 * clip.width, clip.width, clip.num_frames)
    xy = pose + np.stack([place, np.full(clip.num_frames, clip.height / 2)], axis=1)[:, None]
    xy[40:50] = np.nan
    scores = np.where(np.isfinite(xy[..., 0]), 0.9, 0.0)
    return clip, Keypoints2D(xy.astype(np.float32), scores.astype(np.float32))


def crop_by_hand(image, box, size=SIZE):
    """Pixel by pixel, the edge going on beyond the picture."""
    left, top, side = box
    height, width, _ = image.shape
    square = np.zeros((side, side, 3), np.uint8)
    for row in range(side):
        for column in range(side):
            y, x = min(max(top + row, 0), height - 1), min(max(left + column, 0), width - 1)
            square[row, column] = image[y, x]
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(square, (size, size), interpolation=method)


def turn_toward(box, camera):
    """The axes of a camera that looks at the middle of the crop, by their definition."""
    ahead = np.array([*camera.rays(np.array([box[:2] + box[2] / 2]))[0], 1.0])
    ahead /= np.linalg.norm(ahead)
    axis = np.cross([0, 0, 1.0], ahead)
    return cv2.Rodrigues(axis / np.linalg.norm(axis) * np.arccos(ahead[2]))[0]


def test_the_crop_has_the_person_in_the_middle_and_goes_on_beyond_the_edge(seen):
    clip, keypoints = seen
    boxes = crops_around(keypoints.xy)
    assert not boxes[40:50].any()
    with VideoReader(clip) as reader:
        for frame in (0, clip.num_frames - 1):
            image = reader.read(frame)
            np.testing.assert_array_equal(
                cut(image, boxes[frame], SIZE), crop_by_hand(image, boxes[frame])
            )
    left, top, side = boxes[0]
    low, high = keypoints.xy[0].min(axis=0), keypoints.xy[0].max(axis=0)
    np.testing.assert_allclose((left + side / 2, top + side / 2), (low + high) / 2, atol=1)
    assert side == pytest.approx(1.4 * (high - low).max(), abs=1)
    assert boxes[-1][0] + boxes[-1][2] > clip.width  # it does reach beyond


def test_poses_are_the_networks_turned_from_the_crop_into_the_cameras_axes(seen, entries):
    clip, keypoints = seen
    camera = Camera.assumed(clip.width, clip.height)
    lifter = lifter_of(entries["pictures"])
    assert lifter.stage_names == ("SAP-Net", "fitted skeleton")
    stages = lifter.lift_track(keypoints, clip, camera).stages
    network, frame = build_network(entries["pictures"]).eval(), 20
    box = crops_around(keypoints.xy)[frame]
    with VideoReader(clip) as reader:
        picture = crop_by_hand(reader.read(frame), box)
    with torch.no_grad():
        image = torch.from_numpy(picture).permute(2, 0, 1).float()[None, None] / 255
        pose = network(image).stages[-1][0, 0].double().numpy()
    np.testing.assert_allclose(stages[0, frame], pose @ turn_toward(box, camera).T, atol=1e-4)
    assert np.isnan(stages[:, 40:50]).all()
    assert np.isfinite(np.delete(stages, slice(40, 50), axis=1)).all()
    assert not np.allclose(stages[1, frame], stages[0, frame], atol=0.01)


def test_tp_net_refines_where_it_is_installed(seen, entries, monkeypatch):
    clip, keypoints = seen
    camera = Camera.assumed(clip.width, clip.height)
    alone = lifter_of(entries["pictures"]).lift_track(keypoints, clip, camera).stages
    known = {"refiner": add_model("refiner")}
    monkeypatch.setattr("pose_core.inference.picture_lifter.installed_models", lambda: known)
    lifter = lifter_of(entries["pictures"])
    assert lifter.stage_names == ("SAP-Net", "TP-Net", "fitted skeleton")
    stages = lifter.lift_track(keypoints, clip, camera).stages
    np.testing.assert_array_equal(stages[0], alone[0])
    assert np.nanmax(np.abs(stages[1] - stages[0])) > 1e-3
    known["refiner"].path.unlink()
    assert lifter_of(entries["pictures"]).stage_names == ("SAP-Net", "fitted skeleton")


def test_an_estimate_with_it_has_its_stages_and_it_lifts_no_keypoints_alone(seen, entries):
    clip, keypoints = seen
    entry = entries["pictures"]
    assert entry.estimates
    assert not entry.lifts_keypoints
    with pytest.raises(ConfigError, match="looks at pictures"):
        make_lifter(entry)
    track = Track(1, "Person 1", keypoints, {})
    *_, last = estimate_from_keypoints(clip, (track,), EstimateSettings(model="pictures"))
    assert isinstance(last, EstimateFinished)
    run = last.session.tracks[0].runs["pictures"]
    assert run.meta["stages"] == ["SAP-Net", "fitted skeleton"]
    assert np.isfinite(run.poses.xyz[20]).all()
    assert np.isfinite(np.asarray(run.poses.root)[20]).all()


@pytest.mark.parametrize("name", ["rpsm clips", "machine clips"])
def test_recurrent_networks_see_clips_in_a_crop_that_stays_from_both_ends(seen, entries, name):
    clip, keypoints = seen
    camera = Camera.assumed(clip.width, clip.height)
    entry = add_model(name, rate_hz=12.5)
    assert entry.estimates
    lifter = lifter_of(entry)
    person = lifter.lift_track(keypoints, clip, camera)
    assert len(person.stages) == len(lifter.stage_names)
    assert np.isnan(person.stages[:, 40:50]).all()
    assert np.isfinite(np.delete(person.stages, slice(40, 50), axis=1)).all()
    # Frames 10, 12, .. 18 are the second clip.
    frames = np.arange(10, 20, 2)
    box = crops_around(keypoints.xy[frames].reshape(1, -1, 2))[0]
    with VideoReader(clip) as reader:
        pictures = np.stack([crop_by_hand(reader.read(int(f)), box, 88) for f in frames])
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()[None] / 255
    network = build_network(entry).eval()
    with torch.no_grad():
        forward, backward = network(images), network(images.flip(1))
    first = (forward.stages[0, 0] + backward.stages[0, 0].flip(0)) / 2
    turn = turn_toward(box, camera)
    np.testing.assert_allclose(person.stages[0, frames], first.numpy() @ turn.T, atol=1e-4)
    # Between the samples: straight.
    between = person.stages[0, [10, 12]].mean(axis=0)
    np.testing.assert_allclose(person.stages[0, 11], between, atol=1e-4)
    if name == "rpsm clips":
        assert person.correction is None
        return
    seen_2d = (forward.keypoints_2d[0] + backward.keypoints_2d[0].flip(0)) / 2
    correction = correct(network.projector, first, seen_2d)
    np.testing.assert_allclose(
        person.stages[3, frames], correction.poses.numpy() @ turn.T, atol=1e-4
    )
    steps = correction.steps_taken.numpy()
    np.testing.assert_array_equal(person.correction.steps[frames], steps)
    assert (person.correction.steps[40:50] == -1).all()


def test_features_of_a_network_that_is_not_there_cannot_be_run(entries):
    kind, config = NETWORK_OF["machine clips"]
    features = {"external_channels": 256, "external_size": 64}
    entry = replace(entries["pictures"], network=kind, config={**config, **features})
    assert not entry.estimates
