"""MPII in its own MATLAB file and in the JSON that programs make of it."""

import json

import numpy as np
import pytest
from scipy.io import savemat

from pose_core.data.mpii import MAT_FILE, read_samples
from pose_core.data.skipping import SkipLog
from pose_core.errors import DataError
from pose_core.skeleton import MPII_16


def write_mat(folder):
    """Two training pictures, the second with two people, and a test picture without keypoints."""
    point = np.dtype([("x", object), ("y", object), ("id", object), ("is_visible", object)])
    person = np.dtype([("annopoints", object), ("scale", object)])

    def someone(ids):
        points = np.array([[(10.0 * i + 1, 20.0 * i + 2, i, i % 2) for i in ids]], dtype=point)
        box = np.zeros((1, 1), dtype=[("point", object)])
        box[0, 0]["point"] = points
        return (box, 1.5)

    rects = [
        np.array([[someone([0, 9, 15])]], dtype=person),
        np.array([[someone(range(16)), someone([6, 7])]], dtype=person),
        np.array([[(np.zeros((0, 0)), 1.0)]], dtype=person),
    ]
    annolist = np.zeros((1, 3), dtype=[("image", object), ("annorect", object)])
    for i, rect in enumerate(rects):
        image = np.zeros((1, 1), dtype=[("name", object)])
        image[0, 0]["name"] = f"{i:09}.jpg"
        annolist[0, i] = (image, rect)
    release = np.zeros((1, 1), dtype=[("annolist", object), ("img_train", object)])
    release[0, 0] = (annolist, np.array([[1, 1, 0]]))
    (folder / "mpii_human_pose_v1_u12_2").mkdir()
    savemat(folder / "mpii_human_pose_v1_u12_2" / MAT_FILE, {"RELEASE": release})


def test_the_file_of_the_data_set(tmp_path):
    write_mat(tmp_path)
    samples = list(read_samples(tmp_path))
    assert [s.picture.name for s in samples] == ["000000000.jpg", "000000001.jpg", "000000001.jpg"]
    first = samples[0]
    assert first.skeleton is MPII_16
    assert np.flatnonzero(first.scores).tolist() == [0, 9, 15]
    # Joint 9 was marked at (91, 182), counted from 1.
    np.testing.assert_allclose(first.keypoints[9], [90, 181])
    assert np.isnan(first.keypoints[1]).all()
    # From (0, 1) to (150, 301): 300 px high, so 60 px wider on every side.
    np.testing.assert_allclose(first.box, [-60, -59, 270, 420])
    assert (samples[1].scores == 1).all()


def json_person(name="a.jpg", joints=None):
    joints = [[5.0 + i, 6.0] for i in range(16)] if joints is None else joints
    visible = [1] * 15 + [0]
    return {"image": name, "joints": joints, "joints_vis": visible, "scale": 1, "center": [1, 1]}


def write_json(folder, people, split="train"):
    (folder / "annot").mkdir(exist_ok=True)
    (folder / "annot" / f"{split}.json").write_text(json.dumps(people))


def test_the_json_form(tmp_path):
    write_json(tmp_path, [json_person(), json_person("b.jpg")], "valid")
    samples = list(read_samples(tmp_path, "valid"))
    assert samples[1].picture == tmp_path / "images" / "b.jpg"
    np.testing.assert_allclose(samples[0].keypoints[3], [7, 5])
    assert samples[0].scores[15] == 0
    assert np.isnan(samples[0].keypoints[15]).all()


def test_one_damaged_person_in_a_hundred_is_skipped_and_named_and_two_are_too_many(tmp_path):
    people = [json_person(f"{i}.jpg") for i in range(100)]
    people[40] = json_person("bad.jpg", [[1, 2]])
    write_json(tmp_path, people)
    log = SkipLog(0)
    assert len(list(read_samples(tmp_path, log=log))) == 99
    assert "bad.jpg, person 40" in log.lines()[1]
    people[60] = {"image": "worse.jpg"}
    write_json(tmp_path, people)
    with pytest.raises(DataError, match=r"2 of 100 samples cannot be read.*worse\.jpg"):
        list(read_samples(tmp_path))


def test_wrong_folders_say_what_was_expected(tmp_path):
    with pytest.raises(DataError, match="has no MPII") as error:
        list(read_samples(tmp_path))
    assert MAT_FILE in error.value.hint
    savemat(tmp_path / MAT_FILE, {"something": 1})
    with pytest.raises(DataError, match="not as expected") as error:
        list(read_samples(tmp_path))
    assert "RELEASE" in error.value.hint
