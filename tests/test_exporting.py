"""Exporting a session: which files, what they hold, and that failures leave nothing behind."""

import errno
import io
import os
from dataclasses import replace

import av
import numpy as np
import pytest

from pose_core.errors import ConfigError, ExportError, NoPersonError
from pose_core.interchange.bvh import load_bvh
from pose_core.interchange.exporting import ExportedFile, check_formats, export_session
from pose_core.interchange.json_poses import load_json
from pose_core.interchange.npz import load_npz
from pose_core.interchange.tables import load_csv
from pose_core.session_io import load_session
from pose_core.video import open_clip


def test_every_format_writes_its_files(tmp_path, session):
    out = tmp_path / "results" / "today"
    records = list(export_session(session, out, ["bvh", "csv", "npz", "json", "session"]))
    names = {
        *(f"walk.person{i}{suffix}" for i in (1, 4) for suffix in (".bvh", ".npz", ".json")),
        *(f"walk.person{i}{suffix}" for i in (1, 4) for suffix in (".csv", ".wide.csv")),
        "walk.posestage",
    }
    assert {record.path.name for record in records} == names
    assert {path.name for path in out.iterdir()} == names
    for record in records:
        assert record.path.parent == out
        is_whole_clip = record.format == "session"
        assert record.person is None if is_whole_clip else f"person{record.person}." in str(record)


def test_formats_hold_the_same_poses(tmp_path, session):
    list(export_session(session, tmp_path, ["csv", "npz", "json"], model="three"))
    npz = load_npz(tmp_path / "walk.person1.npz")
    assert npz.meta["model"] == "three"
    assert npz.stages_3d.shape[0] == 3
    assert len(npz.frame_index) == len(session.tracks[0].present_frames)
    for other in (
        load_json(tmp_path / "walk.person1.json"),
        load_csv(tmp_path / "walk.person1.csv"),
        load_csv(tmp_path / "walk.person1.wide.csv"),
    ):
        assert np.array_equal(other.poses_3d, npz.poses_3d)
        assert np.array_equal(other.root_3d, npz.root_3d)
        assert np.array_equal(other.keypoints_2d, npz.keypoints_2d, equal_nan=True)
        assert np.array_equal(other.frame_index, npz.frame_index)


def test_bvh_reports_its_round_trip_and_spans_the_gaps(tmp_path, session):
    record = next(export_session(session, tmp_path, ["bvh"]))
    assert record.path == tmp_path / "walk.person1.bvh"
    assert "read back: mean 0." in record.report
    assert "2 missing frames filled in" in record.report
    assert "root position: estimated under an assumed size" in record.report
    motion = load_bvh(record.path)
    assert motion.num_frames == 57  # frames 2 to 58
    assert motion.frame_time_s == pytest.approx(0.04)


def test_levelling_is_passed_on(tmp_path, session):
    plain = next(export_session(session, tmp_path, ["bvh"]))
    level = next(export_session(session, tmp_path, ["bvh"], level=True))
    assert "levelled" not in plain.report
    assert "levelled by 0." in level.report


def test_person_without_the_model_is_left_out(tmp_path, session):
    records = list(export_session(session, tmp_path, ["npz"], model="three"))
    assert [record.person for record in records] == [1]
    with pytest.raises(ExportError, match="no poses from the model 'none'"):
        list(export_session(session, tmp_path, ["npz"], model="none"))


@pytest.fixture
def filmed(tmp_path, session):
    """The session with a real video of 60 frames, whose latest run was asked for frames 5 to 25."""
    path = tmp_path / "walk.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for shade in range(0, 240, 4):
            picture = np.full((48, 64, 3), shade, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    run = session.tracks[0].runs["temporal"]
    asked = replace(run, meta={**run.meta, "settings": {"start": 5, "end": 25}})
    runs = {**session.tracks[0].runs, "temporal": asked}
    bystander = replace(session.tracks[1], runs={})
    tracks = (replace(session.tracks[0], runs=runs), bystander)
    return replace(session, clip=open_clip(path), tracks=tracks)


@pytest.mark.parametrize(("model", "num_frames"), [(None, 20), ("three", 60)])
def test_overlay_video_shows_the_frames_that_were_estimated(tmp_path, filmed, model, num_frames):
    out = tmp_path / "out"
    *progress, written = export_session(filmed, out, ["mp4"], model=model)
    assert written.path == out / "walk.overlay.mp4"
    assert [record.num_done for record in progress] == list(range(1, num_frames + 1))
    assert {record.num_total for record in progress} == {num_frames}
    overlay = open_clip(written.path)
    assert overlay.num_frames == num_frames
    assert overlay.fps == pytest.approx(25)


def test_leaving_early_leaves_no_video(tmp_path, filmed):
    records = export_session(filmed, tmp_path / "out", ["mp4"])
    next(records)
    records.close()
    assert not list((tmp_path / "out").iterdir())


def test_session_files_are_never_replaced(tmp_path, session):
    (tmp_path / "walk.posestage").write_bytes(b"my edits")
    names = [next(export_session(session, tmp_path, ["session"])).path.name for _ in range(2)]
    assert names == ["walk-2.posestage", "walk-3.posestage"]
    assert (tmp_path / "walk.posestage").read_bytes() == b"my edits"
    assert len(load_session(tmp_path / "walk-2.posestage").tracks) == 2


def test_formats_are_tidied_and_checked():
    assert check_formats([" BVH", "csv", "bvh", ""]) == ("bvh", "csv")
    every = "bvh, csv, npz, json, coco, keypoints, mp4, session"
    with pytest.raises(ConfigError, match=f"'fbx'.*{every}"):
        check_formats(["bvh", "fbx"])
    with pytest.raises(ConfigError, match="No format"):
        check_formats([""])


def test_nothing_to_export_is_said_before_anything_is_written(tmp_path, session):
    out = tmp_path / "results"
    with pytest.raises(NoPersonError, match=r"walk\.mp4"):
        list(export_session(session.with_tracks(()), out, ["npz"]))
    bare = replace(session.tracks[0], runs={})
    with pytest.raises(ExportError, match="Ann has no 3D poses yet"):
        list(export_session(session.with_tracks((bare,)), out, ["npz"]))
    assert not out.exists()


@pytest.mark.parametrize("format_", ["bvh", "csv", "npz", "json"])
def test_full_disk_leaves_nothing_half_written(tmp_path, session, full_disk, format_):
    with pytest.raises(ExportError, match=r"disk is full: .*walk\.person1"):
        list(export_session(session, tmp_path, [format_]))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_read_only_folder_is_said_in_words(tmp_path, session, monkeypatch, code):
    real_open = io.open

    def read_only(file: str, mode: str = "r", *args: object, **options: object) -> object:
        if "w" in mode:
            raise OSError(code, os.strerror(code), str(file))
        return real_open(file, mode, *args, **options)

    monkeypatch.setattr(io, "open", read_only)
    with pytest.raises(ExportError, match="cannot be written: no permission") as caught:
        list(export_session(session, tmp_path, ["npz"]))
    assert "Choose another folder" in caught.value.hint


def test_file_in_place_of_the_folder(tmp_path, session):
    (tmp_path / "out").write_text("")
    for out in (tmp_path / "out", tmp_path / "out" / "deeper"):
        with pytest.raises(ExportError, match="not a usable folder"):
            list(export_session(session, out, ["npz"]))


def test_a_record_prints_as_a_line():
    assert str(ExportedFile("a.npz", "npz", 1)) == "a.npz"
    assert str(ExportedFile("a.bvh", "bvh", 1, "mean 2 mm")) == "a.bvh  (mean 2 mm)"
