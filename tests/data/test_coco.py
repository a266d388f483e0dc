"""COCO keypoints: the data set's form, and what annotation programs do with it."""

import json

import numpy as np
import pytest

from pose_core.data.coco import read_samples
from pose_core.data.skipping import SkipLog
from pose_core.errors import DataError
from pose_core.skeleton import COCO_17


def annotation(index=1, *, marks=None, **options):
    marks = [2] * 17 if marks is None else marks
    keypoints = [v for i, m in enumerate(marks) for v in (10.0 * i, 5.0 * i, m)]
    return {
        "id": index, "image_id": 7, "keypoints": keypoints, "num_keypoints": sum(map(bool, marks)),
        "bbox": [1.0, 2.0, 30.0, 40.0], "iscrowd": 0, "category_id": 1,
    } | options  # fmt: skip


def write(folder, annotations, names=COCO_17.joint_names, **options):
    content = {
        "images": [{"id": 7, "file_name": "people.jpg", "width": 640, "height": 480}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": list(names)}],
    }
    path = folder / "keypoints.json"
    path.write_text(json.dumps(content | options))
    return path


def test_people_with_keypoints_are_read_and_others_are_left_out(tmp_path):
    marks = [2, 1, 0] + [2] * 14
    path = write(
        tmp_path,
        [
            annotation(1, marks=marks),
            annotation(2, marks=[0] * 17),
            annotation(3, iscrowd=1),
            annotation(4),
        ],
    )
    log = SkipLog(0)
    samples = list(read_samples(path, tmp_path / "val2017", log))
    assert [s.name for s in samples] == [f"annotation {i} of people.jpg" for i in (1, 4)]
    assert log.lines() == []
    first = samples[0]
    assert first.picture == tmp_path / "val2017" / "people.jpg"
    assert first.skeleton is COCO_17
    np.testing.assert_allclose(first.keypoints[[0, 1, 16]], [[0, 0], [10, 5], [160, 80]])
    assert np.isnan(first.keypoints[2]).all()
    np.testing.assert_allclose(first.scores[:4], [1, 0.5, 0, 1])
    np.testing.assert_allclose(first.box, [1, 2, 30, 40])


def test_the_order_of_the_keypoints_is_that_of_the_file(tmp_path):
    names = list(reversed(COCO_17.joint_names))
    (sample,) = read_samples(write(tmp_path, [annotation()], names))
    # The file's keypoint 0 is the last joint.
    np.testing.assert_allclose(sample.keypoints[16], [0, 0])
    np.testing.assert_allclose(sample.keypoints[0], [160, 80])
    with pytest.raises(DataError, match="no keypoints nose"):
        list(read_samples(write(tmp_path, [annotation()], COCO_17.joint_names[1:])))


def test_annotation_programs_may_leave_out_boxes_and_categories(tmp_path):
    entry = annotation()
    del entry["bbox"], entry["num_keypoints"], entry["iscrowd"]
    (sample,) = read_samples(write(tmp_path, [entry], categories=[]))
    # Keypoints from (0, 0) to (160, 80); 0.2 * 160 = 32 px more on every side.
    np.testing.assert_allclose(sample.box, [-32, -32, 224, 144])


@pytest.mark.parametrize(
    "damage", [{"keypoints": [1, 2]}, {"image_id": 99}, {"bbox": [1, 2]}, {"keypoints": "text"}]
)
def test_damaged_annotations_are_skipped_and_counted(tmp_path, damage):
    entries = [annotation(i) for i in range(150)]
    entries[20] = annotation(20, **damage)
    log = SkipLog(0)
    assert len(list(read_samples(write(tmp_path, entries), log=log))) == 149
    assert log.lines()[0] == "1 of 150 samples were skipped:"
    assert "annotation 20" in log.lines()[1]


@pytest.mark.parametrize("text", ["{}", "[]", "nothing", '{"images": 3}'])
def test_other_files_say_what_was_expected(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match="not as expected") as error:
        list(read_samples(path))
    assert "image_id" in error.value.hint
