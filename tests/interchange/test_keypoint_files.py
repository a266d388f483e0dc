"""2D keypoints of other programs as people of a clip: each format, and what is refused."""

import csv
import json
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from pose_core.data.keypoint_import import import_keypoints, numbered_after, parse_names
from pose_core.data.keypoint_people import linked
from pose_core.errors import DataError, ExportError, PoseStageError
from pose_core.interchange.deeplabcut import header_of_pickle
from pose_core.interchange.keypoint_files import load_keypoints
from pose_core.poses import SOURCE_IMPORTED
from pose_core.skeleton import H36M_17

sys.path.insert(0, str(Path(__file__).parent))
import keypoint_files as files

LIMBS = [
    H36M_17.index(f"{side}_{part}")
    for side in ("left", "right")
    for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
]
SIZE = 640, 480


@pytest.fixture
def clip(session):
    """60 frames of 640 x 480 pixels."""
    return session.clip


@pytest.fixture
def people(session) -> dict[str, np.ndarray]:
    """Two people (60, 17, 2) far from each other; both are away now and then."""
    xy = session.truth.xy.astype(np.float64) * 0.5
    first, second = xy + np.array([20, 100]), xy + np.array([300, 120])
    first[[0, 1, 20]] = np.nan
    second[40:] = np.nan
    return {"ann": first, "bob": second}


def assert_same_limbs(track, xy: np.ndarray, tolerance: float = 0.01) -> None:
    np.testing.assert_allclose(track.keypoints.xy[:, LIMBS], xy[:, LIMBS], atol=tolerance)


@pytest.mark.parametrize("kind", files.WRITERS)
def test_people_come_out_where_they_were_put(tmp_path, clip, people, kind):
    found = import_keypoints(files.WRITERS[kind](tmp_path, people, SIZE), clip)
    both = list(people.values())
    if kind == "sleap slp":
        both[0] = both[0].copy()
        both[0][3] += 5  # corrected by hand, which goes before the prediction
    expected = both[:1] if "mediapipe" in kind else both
    if "openpose" in kind:  # without names the first to be seen comes first
        expected = both[::-1]
    assert len(found.tracks) == len(expected)
    for track, xy in zip(found.tracks, expected, strict=True):
        # Hips and shoulders are shares of the shipped map for MediaPipe's landmarks.
        assert_same_limbs(track, xy, 12 if "mediapipe" in kind else 0.01)
        present = np.isfinite(xy[:, 0, 0])
        np.testing.assert_array_equal(track.present_mask, present)
        known = np.isfinite(track.keypoints.xy[..., 0])
        # Every joint is there: the head follows from ears, eyes and nose.
        assert known[present].all()
        assert set(np.asarray(track.keypoints.sources)[known]) == {SOURCE_IMPORTED}
        assert (track.keypoints.scores[~known] == 0).all()
        scores = np.delete(track.keypoints.scores[present], 1, axis=0)
        assert np.median(scores) == pytest.approx(files.SCORE, abs=0.01)


@pytest.mark.parametrize("kind", ["deeplabcut csv", "deeplabcut h5", "sleap analysis", "sleap slp"])
def test_names_of_people_are_kept(tmp_path, clip, people, kind):
    found = import_keypoints(files.WRITERS[kind](tmp_path, people, SIZE), clip)
    assert [track.name for track in found.tracks] == ["ann", "bob"]


def test_pelvis_and_trunk_follow_from_hips_and_shoulders(tmp_path, clip, people):
    path = files.write_deeplabcut_csv(tmp_path / "a.csv", {"x": people["ann"]})
    xy = import_keypoints(path, clip).tracks[0].keypoints.xy
    joint = {name: xy[:, i] for i, name in enumerate(H36M_17.joint_names)}
    hips = (joint["left_hip"] + joint["right_hip"]) / 2
    shoulders = (joint["left_shoulder"] + joint["right_shoulder"]) / 2
    np.testing.assert_allclose(joint["pelvis"], hips, atol=1e-3)
    np.testing.assert_allclose(joint["spine"], (hips + shoulders) / 2, atol=1e-3)
    np.testing.assert_allclose(joint["thorax"], 1.05 * shoulders - 0.05 * hips, atol=1e-3)
    # The fixture has the ears beside our neck joint.
    np.testing.assert_allclose(joint["neck"], people["ann"][:, 9], atol=1e-3)


def test_a_head_seen_from_the_side_still_has_a_place(tmp_path, clip, people):
    folder = files.write_openpose(tmp_path / "op", [people["ann"]])
    path = folder / "walk_000000000005_keypoints.json"
    content = json.loads(path.read_text())
    points = content["people"][0]["pose_keypoints_2d"]
    points[3 * 17 : 3 * 17 + 3] = [0, 0, 0]  # REar
    path.write_text(json.dumps(content))
    keypoints = import_keypoints(folder, clip).tracks[0].keypoints
    joint = H36M_17.index("head_top")
    assert np.isfinite(keypoints.xy[5, joint]).all()
    # Away from the seen ear, which lies 2 pixels to the side of the middle.
    assert 2 < keypoints.xy[5, joint, 0] - keypoints.xy[4, joint, 0] + 1 < 5


def test_missing_openpose_points_are_missing(tmp_path, clip, people):
    xy = people["ann"].copy()
    xy[7, H36M_17.index("left_wrist")] = np.nan
    track = import_keypoints(files.write_openpose(tmp_path / "op", [xy]), clip).tracks[0]
    known = np.isfinite(track.keypoints.xy[..., 0])
    assert not known[7, H36M_17.index("left_wrist")]
    assert known[7].sum() == 16


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (1.0, 2.0)])
def test_openpose_shares_of_the_picture_become_pixels(tmp_path, clip, people, shift, scale):
    """--keypoint_scale 3 (0..1) and 4 (-1..1)."""
    size = np.array(SIZE)
    folder = files.write_openpose(tmp_path / "op", [people["ann"]])
    for path in folder.iterdir():
        content = json.loads(path.read_text())
        for person in content["people"]:
            values = np.array(person["pose_keypoints_2d"]).reshape(-1, 3)
            values[:, :2] = scale * values[:, :2] / size - shift
            person["pose_keypoints_2d"] = values.ravel().tolist()
        path.write_text(json.dumps(content))
    assert_same_limbs(import_keypoints(folder, clip).tracks[0], people["ann"])


def test_tracked_openpose_people_keep_their_numbers(tmp_path, clip, people):
    # They change places in the middle: without numbers they would be told apart by place.
    a, b = people["ann"].copy(), people["bob"].copy()
    a[20:30], b[20:30] = people["bob"][20:30], people["ann"][20:30]
    folder = files.write_openpose(tmp_path / "op", [a, b], ids=[7, 3])
    found = import_keypoints(folder, clip).tracks
    assert [track.name for track in found] == ["Person 3", "Person 7"]
    assert_same_limbs(found[1], a)


def test_one_file_of_a_folder_stands_for_its_video(tmp_path, clip, people):
    folder = files.write_openpose(tmp_path / "op", [people["ann"]])
    files.write_openpose(folder, [people["bob"]], stem="other")
    with pytest.raises(ExportError, match="2 videos: other, walk"):
        import_keypoints(folder, clip)
    one = folder / "walk_000000000000_keypoints.json"
    assert_same_limbs(import_keypoints(one, clip).tracks[0], people["ann"])


def mediapipe_forms(xy):
    """The landmarks in the forms that programs write."""
    frames = files.mediapipe_frames(xy, SIZE)
    as_list = [[list(point.values()) for point in frame] for frame in frames]
    named = [dict(zip(files.MEDIAPIPE_NAMES, frame, strict=False)) for frame in frames]
    return {
        "list of frames": [{"frame_index": i, "landmarks": f} for i, f in enumerate(frames)],
        "several people": {"frames": [{"poses": [f] if f else []} for f in frames]},
        "protobuf as dict": [{"poseLandmarks": 0, "pose": {"landmark": f}} for f in frames],
        "lists of numbers": {"frames": [{"pose_landmarks": f} for f in as_list]},
        "by name": [{"frame": i, "landmarks": f} for i, f in enumerate(named)],
        "bare": frames,
    }


@pytest.mark.parametrize("form", mediapipe_forms(np.zeros((1, 17, 2))))
def test_forms_of_mediapipe_json(tmp_path, clip, people, form):
    reference = files.write_mediapipe_csv(tmp_path / "a.csv", people["ann"], SIZE)
    expected = import_keypoints(reference, clip).tracks[0].keypoints.xy
    path = tmp_path / "a.json"
    path.write_text(json.dumps(mediapipe_forms(people["ann"])[form]))
    (track,) = import_keypoints(path, clip).tracks
    np.testing.assert_allclose(track.keypoints.xy, expected, atol=1e-3)


def mediapipe_tables(frames):
    """Rows of the forms of tables that programs write, header first."""
    points = [[list(point.values()) for point in frame] for frame in frames]
    numbered = [f"{c}{i}" for i in range(1, 34) for c in "xyzv"]
    indexed = [f"landmark_{i}_{c}" for i in range(33) for c in ("x", "y", "z", "visibility")]
    flat = [[v for point in frame for v in point] for frame in points]
    long = [
        [i, name, *point]
        for i, frame in enumerate(points)
        for name, point in zip(files.MEDIAPIPE_NAMES, frame, strict=False)
    ]
    return {
        "x1, y1, z1, v1": [["class", *numbered], *(["w", *row] for row in flat)],
        "landmark_0_x": [["frame", *indexed], *([i, *row] for i, row in enumerate(flat))],
        "long": [["frame", "landmark", "x", "y", "z", "visibility"], *long],
        "long by number": [
            ["frame", "landmark_id", "x", "y", "z", "visibility"],
            *([i, files.MEDIAPIPE_NAMES.index(name), *rest] for i, name, *rest in long),
        ],
    }


@pytest.mark.parametrize("form", mediapipe_tables([]))
def test_forms_of_mediapipe_tables(tmp_path, clip, people, form):
    frames = files.mediapipe_frames(people["bob"][:40], SIZE)
    with (tmp_path / "a.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows(mediapipe_tables(frames)[form])
    (track,) = import_keypoints(tmp_path / "a.csv", clip).tracks
    path = files.write_mediapipe_json(tmp_path / "a.json", people["bob"], SIZE)
    expected = import_keypoints(path, clip).tracks[0].keypoints
    np.testing.assert_allclose(track.keypoints.xy, expected.xy, atol=1e-3)
    np.testing.assert_allclose(track.keypoints.scores, expected.scores, atol=1e-6)


def test_mediapipe_in_pixels(tmp_path, clip, people):
    in_shares = files.write_mediapipe_csv(tmp_path / "a.csv", people["ann"], SIZE)
    in_pixels = files.write_mediapipe_csv(tmp_path / "b.csv", people["ann"], (1, 1))
    a, b = (import_keypoints(p, clip).tracks[0].keypoints.xy for p in (in_shares, in_pixels))
    np.testing.assert_allclose(a, b, atol=1e-3)


def test_annotated_pictures_of_deeplabcut_are_found_by_their_number(tmp_path, clip, people):
    """Three columns name the picture, and there is no likelihood."""
    path = files.write_deeplabcut_csv(tmp_path / "a.csv", {"x": people["ann"][10:13]})
    rows = list(csv.reader(path.open()))
    kept = [0] + [i for i, coord in enumerate(rows[2]) if coord in ("x", "y")]
    rows = [[row[i] for i in kept] for row in rows]
    for number, row in enumerate(rows):
        names = ["labeled-data", "walk", f"img{number + 7:04d}.png"]
        row[:1] = [row[0], "", ""] if number < 3 else names
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows(rows)
    (track,) = import_keypoints(path, clip).tracks
    assert track.present_frames.tolist() == [10, 11, 12]
    assert_same_limbs(track, np.where(np.isin(np.arange(60), [10, 11, 12])[:, None, None],
                                      people["ann"], np.nan))  # fmt: skip
    assert track.keypoints.scores[10, LIMBS[0]] == 1


def test_sleap_says_the_order_of_its_axes(tmp_path, clip, people):
    path = files.write_sleap_analysis(tmp_path / "a.h5", people)
    expected = import_keypoints(path, clip).tracks
    with h5py.File(path, "r+") as file:
        tracks, scores = file["tracks"][()], file["point_scores"][()]
        del file["tracks"], file["point_scores"]
        file["tracks"] = tracks.transpose(3, 0, 2, 1)
        file["tracks"].attrs["dims"] = json.dumps(["frame", "track", "node", "xy"])
        file["point_scores"] = scores.transpose(2, 0, 1)
    for a, b in zip(expected, import_keypoints(path, clip).tracks, strict=True):
        np.testing.assert_array_equal(a.keypoints.xy, b.keypoints.xy)
        np.testing.assert_array_equal(a.keypoints.scores, b.keypoints.scores)


def test_untracked_sleap_people_are_told_apart_by_place(tmp_path, clip, people):
    path = files.write_slp(tmp_path / "a.slp", people, is_tracked=False)
    found = import_keypoints(path, clip).tracks
    assert len(found) == 2
    for track in found:
        far = [np.nanmax(np.abs(track.keypoints.xy[:, LIMBS] - xy[:, LIMBS]))
               for xy in people.values()]  # fmt: skip
        assert min(far) < 0.01


def test_the_video_of_a_project_is_found_by_its_name(tmp_path, clip, people):
    videos = "C:\\films\\other.mp4", "C:\\films\\walk.mp4"
    path = files.write_slp(tmp_path / "a.slp", people, videos=videos)
    assert_same_limbs(import_keypoints(path, clip).tracks[0], people["ann"])
    moved = replace(clip, path=clip.path.with_name("third.mp4"))
    with pytest.raises(ExportError, match=r"2 videos: other.mp4, walk.mp4.*called third"):
        import_keypoints(path, moved)


# --- names ------------------------------------------------------------------------------------


def renamed(tmp_path, people, names: dict[str, str]) -> Path:
    path = files.write_deeplabcut_csv(tmp_path / "a.csv", {"x": people["ann"]})
    rows = list(csv.reader(path.open()))
    rows[1] = [names.get(word, word) for word in rows[1]]
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows(rows)
    return path


def test_joints_that_are_not_found_are_named_and_can_be_given(tmp_path, clip, people):
    path = renamed(tmp_path, people, {"left_hip": "HueftLinks", "nose": "schnauze"})
    with pytest.raises(DataError) as told:
        import_keypoints(path, clip)
    assert "Joints are missing: left_hip" in told.value.message
    assert "HueftLinks" in told.value.message
    assert "--names left_hip=" in told.value.hint
    given = parse_names("left_hip = HueftLinks, nose=schnauze")
    assert_same_limbs(import_keypoints(path, clip, given).tracks[0], people["ann"])


def test_a_given_name_goes_before_one_that_is_found(tmp_path, clip, people):
    path = renamed(tmp_path, people, {"left_hip": "right_hip", "right_hip": "left_hip"})
    given = {"left_hip": "right_hip", "right_hip": "left_hip"}
    assert_same_limbs(import_keypoints(path, clip, given).tracks[0], people["ann"])


@pytest.mark.parametrize(
    ("text", "message"),
    [("tail=nose", "No joint is called tail"), ("left_hip=Hip9", "no keypoint Hip9")],
)
def test_unknown_names_are_refused(tmp_path, clip, people, text, message):
    with pytest.raises(DataError, match=message):
        import_keypoints(renamed(tmp_path, people, {}), clip, parse_names(text))


@pytest.mark.parametrize("text", ["left_hip", "left_hip=", "left_hip=a,left_hip=b"])
def test_texts_that_name_no_joint_are_refused(text):
    with pytest.raises(DataError, match="does not say what one joint is called"):
        parse_names(text)


# --- what does not fit the clip ---------------------------------------------------------------


def test_more_frames_than_the_clip_are_refused_and_fewer_are_told(tmp_path, clip, people):
    path = files.write_deeplabcut_csv(tmp_path / "a.csv", {"x": people["ann"]})
    short = replace(clip, times_s=clip.times_s[:50])
    with pytest.raises(DataError, match=r"60 frames, and walk.mp4 has 50"):
        import_keypoints(path, short)
    assert import_keypoints(path, clip).warning == ""
    path = files.write_deeplabcut_csv(tmp_path / "b.csv", {"x": people["ann"][:50]})
    assert "the first 50 of the 60 frames" in import_keypoints(path, clip).warning


def test_points_of_larger_pictures_are_refused(tmp_path, clip, people):
    path = files.write_deeplabcut_csv(tmp_path / "a.csv", {"x": people["ann"] * 4})
    with pytest.raises(DataError, match="lie outside of the picture of 640 x 480"):
        import_keypoints(path, clip)


def test_pictures_of_another_size_are_scaled_or_refused(tmp_path, clip, people):
    double = {who: 2 * xy for who, xy in people.items()}
    path = files.write_slp(tmp_path / "a.slp", double, size=(1280, 960))
    found = import_keypoints(path, clip)
    assert_same_limbs(found.tracks[0], people["ann"])
    assert "1280 x 960" in found.warning
    path = files.write_slp(tmp_path / "b.slp", people, size=(640, 640))
    with pytest.raises(DataError, match="640 x 640"):
        import_keypoints(path, clip)


def test_what_is_no_person_is_left_out(tmp_path, clip, people):
    flash = np.full_like(people["ann"], np.nan)
    flash[30] = people["ann"][30] - np.array([100, 0])
    folder = files.write_openpose(tmp_path / "op", [people["ann"], flash])
    found = import_keypoints(folder, clip)
    assert len(found.tracks) == 1
    assert "1 people seen in one or two frames were left out" in found.warning
    few = people["ann"].copy()
    few[:, LIMBS[:8]] = np.nan
    with pytest.raises(DataError, match="Nobody in it has 6 joints"):
        import_keypoints(files.write_openpose(tmp_path / "few", [few]), clip)


@pytest.mark.parametrize("name", ["a.xml", "none.csv", "empty.h5", "empty.json", "empty.csv"])
def test_what_is_no_such_file_is_refused_by_name(tmp_path, name):
    if not name.startswith("none"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(PoseStageError, match=name):
        load_keypoints(tmp_path / name)


# --- safety -----------------------------------------------------------------------------------


class Trap:
    def __reduce__(self):
        return (exec, ("raise AssertionError('the pickle was run')",))


@pytest.mark.parametrize("protocol", range(6))
def test_headers_are_read_without_running_their_pickle(protocol):
    header = [("scorer", "left_hip", "x"), ("scorer", "left_hip", "y"), ("scorer", "é", "x")]
    assert header_of_pickle(pickle.dumps(header, protocol)) == header
    for evil in ([("scorer", Trap(), "x")], Trap(), [("a", 1, "x")], ["a"], np.zeros(3)):
        with pytest.raises(ExportError, match="header of the DeepLabCut file"):
            header_of_pickle(pickle.dumps(evil, protocol))


def test_an_h5_whose_header_is_a_program_asks_for_csv(tmp_path, people):
    path = files.write_deeplabcut_h5(tmp_path / "a.h5", people)
    with h5py.File(path, "r+") as file:
        data = file["df_with_missing/table"]
        data.attrs["values_block_0_kind"] = np.bytes_(pickle.dumps([("a", Trap(), "x")], 0))
    with pytest.raises(ExportError, match=r"holds more than names.*Export CSV"):
        load_keypoints(path)


def test_arrays_that_are_not_in_the_file_take_no_memory(tmp_path, people):
    path = files.write_sleap_analysis(tmp_path / "a.h5", people)
    with h5py.File(path, "r+") as file:
        del file["tracks"]
        file.create_dataset("tracks", shape=(2, 2, 17, 10**9), dtype="f8", chunks=(2, 2, 17, 64))
    with pytest.raises(ExportError, match="says that it holds 544000000000 bytes"):
        load_keypoints(path)


def test_links_to_other_files_are_not_followed(tmp_path, people):
    other = files.write_sleap_analysis(tmp_path / "other.h5", people)
    path = files.write_sleap_analysis(tmp_path / "a.h5", people)
    with h5py.File(path, "r+") as file:
        del file["tracks"]
        file["tracks"] = h5py.ExternalLink(str(other), "tracks")
    with pytest.raises(ExportError, match="tracks"):
        load_keypoints(path)


# --- who is who -------------------------------------------------------------------------------


def test_people_are_told_apart_as_they_move(people):
    xy = np.stack(list(people.values()), axis=1)  # (60, 2, 17, 2)
    rng = np.random.default_rng(0)
    rows = [(t, who, xy[t, who]) for t in range(60) for who in rng.permutation(2)]
    rows = [row for row in rows if np.isfinite(row[2]).all()]
    frames, who, places = (np.array(list(column)) for column in zip(*rows, strict=True))
    numbers = linked(frames, places, 25.0)
    for person in range(2):
        assert len(set(numbers[who == person])) == 1
    assert set(numbers) == {0, 1}


def test_who_comes_back_after_a_second_is_another(people):
    xy = people["ann"][2:20]
    frames = np.concatenate([np.arange(18), np.arange(18) + 18 + 26])
    numbers = linked(frames, np.concatenate([xy, xy]), 25.0)
    assert numbers.tolist() == [0] * 18 + [1] * 18


def test_new_people_get_numbers_after_the_present_ones(session, tmp_path, people):
    path = files.write_slp(tmp_path / "a.slp", people)
    imported = import_keypoints(path, session.clip).tracks
    assert [t.track_id for t in numbered_after(imported, session.tracks)] == [5, 6]
