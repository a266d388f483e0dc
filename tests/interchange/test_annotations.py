"""Export of annotations and their way back; each file is also read without PoseStage."""

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pose_core.data import coco
from pose_core.data.keypoint_import import import_keypoints
from pose_core.errors import ConfigError, ExportError
from pose_core.interchange.exporting import export_session
from pose_core.interchange.keypoint_files import load_keypoints
from pose_core.interchange.named_keypoints import SOURCE_NAMES
from pose_core.poses import SOURCE_USER, Keypoints2D
from pose_core.skeleton import H36M_17

sys.path.insert(0, str(Path(__file__).parent))
import samples

NAMES = {"coco": "walk.coco.json", "keypoints": "walk.keypoints.csv"}


@pytest.fixture
def annotated(session):
    """Two people of whom joints are missing, hidden, and set by hand, without any 3D."""
    first, second = (replace(track, runs={}, swapped_mask=None) for track in session.tracks)
    known = first.keypoints
    xy, scores, sources = known.xy.copy(), known.scores.copy(), np.array(known.sources)
    xy[5, 3], scores[5, 3], sources[5, 3] = np.nan, 0.0, 0
    scores[6, 4] = 0.25
    sources[7, 5] = SOURCE_USER
    first = replace(first, keypoints=Keypoints2D(xy, scores, sources=sources))
    return session.with_tracks((first, second))


def exported(session, folder: Path, *formats: str) -> dict[str, Path]:
    return {f.path.name: f.path for f in export_session(session, folder, formats)}


def assert_same_people(tracks, session) -> None:
    """Bit for bit."""
    assert [track.name for track in tracks] == [track.name for track in session.tracks]
    for track, original in zip(tracks, session.tracks, strict=True):
        for name in ("xy", "scores", "sources"):
            ours, theirs = getattr(track.keypoints, name), getattr(original.keypoints, name)
            np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs), name)


@pytest.mark.parametrize("name", ["walk.coco.json", "walk.keypoints.csv", "walk.keypoints.npz"])
def test_annotations_come_back_bit_for_bit(tmp_path, annotated, name):
    paths = exported(annotated, tmp_path / "out", "coco", "keypoints")
    found = import_keypoints(paths[name], annotated.clip)
    assert_same_people(found.tracks, annotated)
    assert found.warning == ""


@pytest.mark.parametrize("suffix", ["npz", "json", "csv", "wide.csv"])
def test_2d_of_exported_poses_comes_back(tmp_path, session, suffix):
    paths = exported(session, tmp_path / "out", "npz", "json", "csv")
    (track,) = import_keypoints(paths[f"walk.person1.{suffix}"], session.clip).tracks
    np.testing.assert_array_equal(track.keypoints.xy, session.tracks[0].keypoints.xy)
    assert track.name in ("Ann", "Person 1")


def test_coco_is_what_its_users_expect(tmp_path, annotated):
    """The checks that pycocotools' index and its keypoint evaluation rely upon."""
    content = json.loads(exported(annotated, tmp_path, "coco")["walk.coco.json"].read_text())
    images = {image["id"]: image for image in content["images"]}
    (category,) = content["categories"]
    assert len(images) == len(content["images"])
    ids = [annotation["id"] for annotation in content["annotations"]]
    assert len(set(ids)) == len(ids) == 55 * 2
    assert 0 not in ids  # pycocotools takes 0 for none
    num_joints = len(category["keypoints"])
    assert category["name"] == "person"
    assert np.array(category["skeleton"]).min() >= 1
    assert np.array(category["skeleton"]).max() <= num_joints
    for annotation in content["annotations"]:
        assert annotation["image_id"] in images
        assert annotation["category_id"] == category["id"]
        points = np.array(annotation["keypoints"]).reshape(num_joints, 3)
        assert annotation["num_keypoints"] == (points[:, 2] > 0).sum() > 0
        marked = points[points[:, 2] > 0, :2]
        x, y, width, height = annotation["bbox"]
        np.testing.assert_allclose([x, y], marked.min(axis=0))
        np.testing.assert_allclose([x + width, y + height], marked.max(axis=0))
        assert annotation["area"] == pytest.approx(width * height)
        assert annotation["iscrowd"] == 0
    first = [a for a in content["annotations"] if a["track_id"] == 1]
    at = {images[a["image_id"]]["frame_id"]: np.array(a["keypoints"]).reshape(-1, 3) for a in first}
    assert at[5][3].tolist() == [0, 0, 0]
    assert at[6][4, 2] == 1
    assert (np.delete(at[6], 4, axis=0)[:, 2] == 2).all()
    np.testing.assert_array_equal(at[6][:, :2], annotated.tracks[0].keypoints.xy[6])


def test_csv_is_what_the_csv_module_reads(tmp_path, annotated):
    path = exported(annotated, tmp_path, "keypoints")["walk.keypoints.csv"]
    with path.open(newline="") as handle:
        rows = list(csv.DictReader(line for line in handle if not line.startswith("#")))
    assert len(rows) == 55 * 2 * 17
    by_key = {(int(r["frame"]), int(r["person_id"]), r["joint"]): r for r in rows}
    row = by_key[7, 1, H36M_17.joint_names[5]]
    assert row["source"] == "user"
    assert float(row["time_s"]) == annotated.clip.times_s[7]
    xy = annotated.tracks[0].keypoints.xy[7, 5]
    assert (float(row["x_px"]), float(row["y_px"])) == tuple(xy.tolist())
    assert by_key[5, 1, H36M_17.joint_names[3]]["visibility"] == "0"
    assert by_key[5, 1, H36M_17.joint_names[3]]["x_px"] == ""
    assert by_key[6, 1, H36M_17.joint_names[4]]["visibility"] == "1"


def test_npz_is_what_numpy_reads(tmp_path, annotated):
    path = exported(annotated, tmp_path, "keypoints")["walk.keypoints.npz"]
    with np.load(path) as arrays:  # without pickle
        rows = np.flatnonzero(arrays["person"] == 1)
        frames = arrays["frame_index"][rows]
        second = annotated.tracks[1].keypoints
        np.testing.assert_array_equal(arrays["keypoints_2d"][rows], second.xy[frames])
        assert arrays["person_names"][1] == "Björn"
        assert arrays["source_names"].tolist() == list(SOURCE_NAMES)
        low = np.nanmin(second.xy[frames], axis=1)
        np.testing.assert_array_equal(arrays["boxes"][rows, :2], low)


def test_own_coco_serves_as_training_data(tmp_path, annotated):
    path = exported(annotated, tmp_path, "coco")["walk.coco.json"]
    found = list(coco.read_samples(path))
    assert len(found) == 55 * 2
    by_picture = [s for s in found if s.picture == tmp_path / "walk_000006.jpg"]
    assert len(by_picture) == 2
    assert by_picture[0].skeleton is H36M_17
    np.testing.assert_array_equal(by_picture[0].keypoints, annotated.tracks[0].keypoints.xy[6])
    assert by_picture[0].scores[4] == 0.5


def test_coco_of_other_programs_finds_its_frames(tmp_path, annotated):
    """Without our fields: frames by the names of the pictures, people told apart by place."""
    path = exported(annotated, tmp_path, "coco")["walk.coco.json"]
    content = json.loads(path.read_text())
    for field in ("videos", "persons", "info"):
        del content[field]
    for image in content["images"]:
        image["file_name"] = f"frame_{image.pop('frame_id'):05d}.png"
    for annotation in content["annotations"]:
        for field in ("track_id", "scores", "sources"):
            del annotation[field]
    path.write_text(json.dumps(content))
    found = import_keypoints(path, annotated.clip).tracks
    for track, original in zip(found, annotated.tracks, strict=True):
        np.testing.assert_array_equal(track.keypoints.xy, original.keypoints.xy)
        known = original.keypoints.scores > 0.5
        assert (track.keypoints.scores[known] == 1.0).all()


def test_without_people_there_is_nothing_to_export(tmp_path, annotated):
    with pytest.raises(ExportError, match=r"no keypoints in walk\.mp4"):
        exported(annotated.with_tracks(()), tmp_path, "coco")
    with pytest.raises(ConfigError, match="coco, keypoints"):
        exported(annotated, tmp_path, "yaml")


def test_rows_of_a_table_may_be_sparse_and_in_any_order(tmp_path, annotated):
    path = tmp_path / "few.csv"
    lines = ["person_id,joint,y_px,x_px,frame"]
    xy = annotated.tracks[0].keypoints.xy
    for frame in (9, 4):
        for joint, name in reversed(list(enumerate(H36M_17.joint_names))):
            lines.append(f"3,{name},{xy[frame, joint, 1]},{xy[frame, joint, 0]},{frame}")
    path.write_text("\n".join(lines[:-1]))
    (track,) = import_keypoints(path, annotated.clip).tracks
    assert track.present_frames.tolist() == [4, 9]
    np.testing.assert_array_equal(track.keypoints.xy[9], xy[9])
    assert np.isnan(track.keypoints.xy[4, 0]).all()
    path.write_text("\n".join([*lines, lines[1].replace("pelvis", "x")]).replace(",9", ",nine"))
    with pytest.raises(ExportError, match="damaged"):
        load_keypoints(path)


@pytest.mark.parametrize("name", samples.READERS)
def test_damaged_files_are_refused_in_words(tmp_path, name, capsys):
    """A few of what ``fuzz_readers.py --times 1000`` tries in a process of its own."""
    import random  # noqa: PLC0415

    from fuzz_readers import FAILURES, attempt, mutated  # noqa: PLC0415

    path = samples.READERS[name].make(tmp_path)
    intact = path.read_bytes()
    samples.READERS[name].read(path)
    for number in range(30):
        path.write_bytes(mutated(intact, random.Random(f"suite {name} {number}")))
        outcome, text = attempt(name, path)
        assert outcome not in FAILURES, f"{number}: {text}"


@pytest.mark.parametrize("code", [0x110000, 0xFFFFFFFF, 0xD800])
def test_texts_that_are_none_are_refused(tmp_path, annotated, code):
    """To numpy they are fine; Python fails when somebody reads them."""
    path = exported(annotated, tmp_path, "keypoints")["walk.keypoints.npz"]
    with np.load(path) as arrays:
        content = dict(arrays)
    names = content["person_names"].copy()
    names.view("u4")[0] = code
    np.savez(path, **content | {"person_names": names})
    with pytest.raises(ExportError, match="characters that do not exist"):
        load_keypoints(path)
