"""The command line and the pipeline with keypoints of a file in place of the detector."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from pose_core.camera import Camera
from pose_core.data.keypoint_import import import_keypoints
from pose_core.data.truth import truth_beside
from pose_core.errors import Cancelled, NoPersonError
from pose_core.inference.from_keypoints import estimate_from_keypoints
from pose_core.inference.records import EstimateFinished, EstimateSettings, LiftProgress
from pose_core.inference.root import estimate_root
from pose_core.metrics.pose_error import pa_mpjpe
from pose_core.models.registry import installed_models

sys.path.insert(0, str(Path(__file__).parent))
import keypoint_files as files


@pytest.fixture
def installed():
    if "temporal" not in installed_models():
        pytest.skip("the weights of the temporal network are missing")


@pytest.fixture
def imported(tmp_path, session):
    """The walker, and a smaller person beside, from a file."""
    xy = session.truth.xy.astype(np.float64)
    people = {"small": 0.3 * xy + 20, "large": xy}
    return import_keypoints(files.write_slp(tmp_path / "a.slp", people), session.clip).tracks


def finished(*arguments, **settings) -> list:
    return list(estimate_from_keypoints(*arguments, EstimateSettings(**settings)))


def test_imported_people_are_lifted_without_the_detector(installed, session, imported, walker_xyz):
    records = finished(session.clip, imported, person="all", focal_px=640.0)
    assert [type(r) for r in records] == [LiftProgress, LiftProgress, EstimateFinished]
    walker = records[-1].session.tracks[1]
    assert walker.name == "large"
    poses = walker.runs["temporal"].poses
    assert np.nanmean(pa_mpjpe(poses.xyz.astype(np.float64), walker_xyz)) < 80
    assert np.abs(np.asarray(poses.root)[:, 2] / walker_xyz[:, 0, 2] - 1).max() < 0.25


def test_the_largest_person_and_the_range_are_chosen(installed, session, imported):
    (track,) = finished(session.clip, imported, start=10, end=40)[-1].session.tracks
    assert track.name == "large"
    assert track.present_frames.tolist() == list(range(10, 40))
    known = np.isfinite(track.runs["temporal"].poses.xyz).all((1, 2))
    assert np.flatnonzero(known).tolist() == list(range(10, 40))
    with pytest.raises(NoPersonError, match="Nobody has keypoints in these frames"):
        finished(session.clip, ())


def test_who_is_lifted_when_stopped_is_kept(installed, session, imported):
    records = estimate_from_keypoints(session.clip, imported, EstimateSettings(person="all"))
    assert isinstance(next(records), LiftProgress)
    last = records.throw(Cancelled())
    assert isinstance(last, EstimateFinished)
    assert [track.name for track in last.session.tracks] == ["small"]


def test_the_root_is_found_with_some_keypoints_missing(session, walker_xyz):
    """Before, one missing keypoint left the place of the whole pose unknown."""
    camera = Camera.assumed(640, 480)
    xy = camera.project(walker_xyz)
    relative = walker_xyz - walker_xyz[:, :1]
    scores, times_s = np.ones(xy.shape[:2]), session.clip.times_s
    whole = estimate_root(relative, xy, scores, times_s, camera)
    xy[:, [3, 16]], scores[:, [3, 16]] = np.nan, 0.0
    xy[7, 5:], scores[7, 5:] = np.nan, 0.0
    some = estimate_root(relative, xy, scores, times_s, camera)
    assert np.isnan(some[7]).all()
    others = np.arange(60) != 7
    np.testing.assert_allclose(some[others], whole[others], atol=0.02)


def test_the_command_lifts_a_file_and_measures_against_the_truth(installed, tmp_path, capsys):
    from pose_core.cli import main  # noqa: PLC0415
    from pose_core.resources import resource_path  # noqa: PLC0415
    from pose_core.video import open_clip  # noqa: PLC0415

    video = sorted(resource_path("samples").glob("*.mp4"))[0]
    clip = open_clip(video)
    xy = truth_beside(clip).xy.astype(np.float64)
    path = files.write_deeplabcut_csv(tmp_path / "dlc.csv", {"x": xy})
    out = tmp_path / "out"
    path.write_text(path.read_text().replace("left_hip", "huefte"))
    out = tmp_path / "out"
    words = ["estimate", str(video), "--keypoints", str(path), "--out", str(out)]
    assert main(words) == 7
    assert "Joints are missing: left_hip" in capsys.readouterr().err
    assert main([*words[:2], "--names", "left_hip=huefte"]) == 2
    words += ["--names", "left_hip=huefte", "--formats", "json", "--end", "0.5"]
    assert main(words) == 0
    assert "error against the truth beside the clip: MPJPE" in capsys.readouterr().err
    content = json.loads(next(out.glob("*.json")).read_text())
    joint = content["joint_names"].index("left_knee")
    np.testing.assert_allclose(content["frames"][5]["keypoints_2d"][joint], xy[5, joint], atol=0.01)
    assert len(content["frames"]) == np.searchsorted(clip.times_s, 0.5)
