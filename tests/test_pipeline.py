"""The whole way from a video file to a session, with the real detector and the shipped weights."""

from pathlib import Path

import numpy as np
import pytest

from pose_core.camera import Camera
from pose_core.detection.weights import detector_weights
from pose_core.errors import Cancelled, ConfigError, NoPersonError, WeightsError
from pose_core.inference.pipeline import estimate
from pose_core.inference.records import (
    EstimateFinished,
    EstimateSettings,
    FrameDetected,
    LiftProgress,
)
from pose_core.inference.root import stature
from pose_core.models import entries, registry
from pose_core.resources import resource_path
from pose_core.video import open_clip

CLIPS = Path(__file__).parents[2] / "shared" / "data" / "video"


@pytest.fixture(autouse=True)
def detector_present():
    try:
        detector_weights()
    except WeightsError as error:
        pytest.skip(f"detector weights are missing: {error}")


@pytest.fixture(scope="module")
def sample():
    return open_clip(sorted(resource_path("samples").glob("*.mp4"))[0])


@pytest.fixture(scope="module")
def finished(sample):
    records = list(estimate(sample, EstimateSettings(start=10, end=40)))
    return records, records[-1]


def test_records_come_in_order(finished):
    records, last = finished
    frames = [r for r in records if isinstance(r, FrameDetected)]
    assert [r.frame for r in frames] == list(range(10, 40))
    assert [r.num_done for r in frames] == list(range(1, 31))
    assert all(r.num_total == 30 for r in frames)
    assert sum(isinstance(r, LiftProgress) for r in records) == 1
    assert isinstance(last, EstimateFinished)


def test_the_session_covers_the_clip_and_says_how_it_was_made(finished, sample):
    session = finished[1].session
    (track,) = session.tracks
    run = track.runs["temporal"]
    assert len(track.keypoints) == len(run.poses) == sample.num_frames
    present = np.flatnonzero(np.isfinite(run.poses.xyz).all((1, 2)))
    assert present.min() >= 10
    assert present.max() < 40
    assert len(present) >= 28
    assert np.isfinite(run.poses.root[present]).all()
    assert run.poses.is_root_estimated
    assert run.meta["stages"] == ["network", "fitted skeleton"]
    assert len(run.poses.stages) == 2
    assert run.meta["weights_sha256"] == registry.model_entry("temporal").sha256
    np.testing.assert_allclose(run.poses.xyz[present][:, 0], 0, atol=1e-6)


def test_3d_projects_onto_the_2d(finished, sample):
    """Root and pose under the assumed camera land on the keypoints."""
    (track,) = finished[1].session.tracks
    poses = track.runs["temporal"].poses
    present = np.flatnonzero(np.isfinite(poses.root).all(1))
    camera = Camera.assumed(sample.width, sample.height)
    projected = camera.project(poses.camera_xyz[present].astype(float))
    miss = np.linalg.norm(projected - track.keypoints.xy[present], axis=-1)
    height = np.ptp(track.keypoints.xy[present][..., 1], axis=1).mean()
    assert np.median(miss) < 0.06 * height


def test_cancelling_keeps_what_was_done(sample):
    records = estimate(sample, EstimateSettings(end=60))
    for record in records:
        assert isinstance(record, FrameDetected)
        if record.num_done == 12:
            break
    rest = [records.throw(Cancelled()), *records]
    (track,) = rest[-1].session.tracks
    assert 10 <= len(track.present_frames) <= 12
    assert np.isfinite(track.runs["temporal"].poses.xyz[track.present_frames]).all()


def test_a_body_height_sets_the_scale(sample, finished):
    settings = EstimateSettings(start=10, end=40, body_height_m=1.9)
    session = list(estimate(sample, settings))[-1].session
    tall = session.tracks[0].runs["temporal"].poses
    plain = finished[1].session.tracks[0].runs["temporal"].poses
    factor = 1.9 / stature(plain.xyz)
    present = session.tracks[0].present_frames
    np.testing.assert_allclose(tall.xyz[present], factor * plain.xyz[present], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(tall.root[present], factor * plain.root[present], rtol=1e-3)


def test_an_empty_room_is_said_to_be_empty():
    clip = CLIPS / "walk_in_stand_walk_off.mp4"
    if not clip.exists():
        pytest.skip(f"{clip} is not there")
    with pytest.raises(NoPersonError, match="Nobody was found"):
        list(estimate(open_clip(clip), EstimateSettings(end=5)))


def test_unknown_models_and_altered_weights_are_refused_before_any_work(
    sample, monkeypatch, tmp_path
):
    with pytest.raises(ConfigError, match="temporal"):
        next(estimate(sample, EstimateSettings(model="nonsense")))
    entry = registry.model_entry("temporal")
    copy = tmp_path / "weights"
    copy.mkdir()
    content = bytearray(entry.path.read_bytes())
    content[-1] ^= 1
    (copy / entry.file).write_bytes(content)
    for module in (registry, entries):
        monkeypatch.setattr(module, "resource_path", lambda *parts: tmp_path.joinpath(*parts))
    (copy / "manifest.json").write_bytes((resource_path("weights") / "manifest.json").read_bytes())
    with pytest.raises(WeightsError, match="not those that were shipped"):
        next(estimate(sample, EstimateSettings()))
    (copy / entry.file).unlink()
    with pytest.raises(WeightsError, match="missing"):
        next(estimate(sample, EstimateSettings()))
