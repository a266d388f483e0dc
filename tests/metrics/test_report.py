"""Reports: every mean by hand, and the files read back by other readers."""

import csv
import io
import json
import math

import numpy as np
import pytest

from pose_core.metrics.catalogue import pose_metrics, share_metrics, structure_metrics
from pose_core.metrics.report import Metric, Reference, Report, SequenceErrors
from pose_core.metrics.report_files import (
    actions_table,
    metrics_table,
    parts_line,
    write_csv,
    write_frames_csv,
    write_json,
)
from pose_core.skeleton import H36M_17

PARTS = ("pelvis", "wrist")
# The error is the prediction itself, so that tests can choose it.
SHIFT = Metric("shift", "mm", lambda predicted, truth: predicted[..., 0], PARTS)
STEP = Metric("step", "mm", lambda predicted, truth: np.diff(predicted[..., 0], axis=0), PARTS)


def sequence(values, action="walk", name="one", **options):
    """Errors given directly: (T, 2) values."""
    poses = np.stack([np.asarray(values, dtype=float)] * 3, axis=-1)
    return SequenceErrors.measure(
        poses, poses, [SHIFT, STEP], name=name, action=action, subject="S1", **options
    )


@pytest.fixture
def report():
    # walk: frames (1, 3), (3, 5), (5, 7), (7, 9): mean 5. sit: (10, 30): mean 20.
    ours = [
        sequence([[1, 3], [3, 5], [5, 7], [7, 9]]),
        sequence([[10, 30]], action="sit, down", name="Zwölf"),
    ]
    theirs = [sequence([[2, 2]] * 4), sequence([[np.nan, 4]], action="sit, down", name="Zwölf")]
    paper = Reference("Somebody", "CVPR 2099, Table 1", "shift", 6.25, {"walk": 4.5})
    return Report((SHIFT, STEP), {"ours": ours, "theirs": theirs}, (paper,))


def test_means_by_hand(report):
    # All frames: (4 * 5 + 20) / 5 = 8. Actions: (5 + 20) / 2 = 12.5.
    assert report.mean("ours", "shift") == pytest.approx(8)
    assert report.mean("ours", "shift", "walk") == pytest.approx(5)
    assert report.average_of_actions("ours", "shift") == pytest.approx(12.5)
    # Pelvis (1 + 3 + 5 + 7 + 10) / 5, wrist (3 + 5 + 7 + 9 + 30) / 5.
    assert report.per_part("ours", "shift") == pytest.approx({"pelvis": 5.2, "wrist": 10.8})
    np.testing.assert_allclose(report.methods["ours"][0].per_frame["shift"], [2, 4, 6, 8])


def test_missing_values_are_left_out_of_every_mean(report):
    # Eight values of 2 and one of 4.
    assert report.mean("theirs", "shift") == pytest.approx(20 / 9)
    assert report.per_part("theirs", "shift") == pytest.approx({"pelvis": 2, "wrist": 12 / 5})
    assert report.average_of_actions("theirs", "shift") == pytest.approx(3)


def test_a_sequence_counts_with_its_frames_also_in_differences():
    # Steps of 1 over 3 frames (2 differences) and of 4 over 2 frames (1 difference).
    results = [sequence([[0, 0], [1, 1], [2, 2]]), sequence([[0, 0], [4, 4]])]
    report = Report((SHIFT, STEP), {"ours": results})
    assert report.mean("ours", "step") == pytest.approx((3 * 1 + 2 * 4) / 5)


def test_nothing_measured_is_not_zero():
    report = Report((SHIFT, STEP), {"ours": [sequence([[np.nan, np.nan]])]})
    assert math.isnan(report.mean("ours", "shift"))
    assert math.isnan(report.mean("ours", "step"))
    assert math.isnan(report.mean("ours", "shift", "no such action"))
    assert math.isnan(report.average_of_actions("ours", "shift"))
    assert "-" in actions_table(report, "shift", {"walk": "Walk"})[1]


def test_splitting_a_sequence_changes_no_mean_of_positions(rng):
    values = rng.normal(size=(7, 2)) ** 2
    whole = Report((SHIFT,), {"ours": [sequence(values)]})
    parts = Report((SHIFT,), {"ours": [sequence(values[:3]), sequence(values[3:])]})
    assert parts.mean("ours", "shift") == pytest.approx(whole.mean("ours", "shift"))
    assert parts.per_part("ours", "shift") == pytest.approx(whole.per_part("ours", "shift"))


def test_the_catalogue_measures_real_poses(walker_xyz):
    metrics = (
        *pose_metrics(H36M_17.joint_names),
        *share_metrics(H36M_17.joint_names),
        *structure_metrics(),
    )
    off = walker_xyz.copy()
    off[:, H36M_17.index("left_wrist"), 2] += 0.17
    results = SequenceErrors.measure(off, walker_xyz, metrics)
    report = Report(metrics, {"off": [results]})
    assert report.per_part("off", "MPJPE")["left_wrist"] == pytest.approx(170)
    assert report.mean("off", "MPJPE") == pytest.approx(10)  # one joint of 17
    assert report.mean("off", "PCK") == pytest.approx(100 * 16 / 17)
    assert report.mean("off", "MPJVE") == pytest.approx(0, abs=1e-9)
    assert results.action == "unnamed"


def test_csv_is_read_back_by_the_standard_library(report):
    handle = io.BytesIO()
    write_csv(handle, report)
    rows = list(csv.DictReader(io.StringIO(handle.getvalue().decode("utf-8"))))
    found = {(r["method"], r["metric"], r["action"], r["part"]): r for r in rows}
    assert len(found) == len(rows)
    assert float(found["ours", "shift", "all", "all"]["value"]) == pytest.approx(8)
    assert float(found["ours", "shift", "sit, down", "all"]["value"]) == pytest.approx(20)
    assert float(found["ours", "shift", "all", "wrist"]["value"]) == pytest.approx(10.8)
    assert found["ours", "shift", "walk", "all"]["num_frames"] == "4"
    assert found["ours", "step", "sit, down", "all"]["value"] == ""
    paper = found["Somebody", "shift", "average of actions", "all"]
    assert (paper["value"], paper["source"]) == ("6.25", "CVPR 2099, Table 1")


def test_frames_csv_has_a_line_for_every_measured_frame():
    result = sequence([[1, 3], [5, 7], [2, 2]], frame_index=np.array([0, 5, 10]))
    handle = io.BytesIO()
    write_frames_csv(handle, Report((SHIFT, STEP), {"ours": [result]}))
    rows = list(csv.DictReader(io.StringIO(handle.getvalue().decode("utf-8"))))
    found = {(r["metric"], int(r["frame"])): float(r["value"]) for r in rows}
    assert found == {
        ("shift", 0): 2,
        ("shift", 5): 6,
        ("shift", 10): 2,
        ("step", 5): 4,
        ("step", 10): -4,
    }


def test_json_is_strict_and_has_all_numbers(report):
    handle = io.BytesIO()
    write_json(handle, report, {"model": "ours"})

    def refuse(word):
        raise AssertionError(word)

    content = json.loads(handle.getvalue(), parse_constant=refuse)
    assert content["ours"]["all"] == pytest.approx({"shift": 8, "step": 2, "num_frames": 5})
    assert content["ours"]["per_action"]["sit, down"]["step"] is None
    assert content["ours"]["per_joint"]["shift"] == {"pelvis": 5.2, "wrist": 10.8}
    assert content["ours"]["per_sequence"][1]["name"] == "Zwölf"
    assert content["references"][0]["per_action"] == {"walk": 4.5}
    assert content["settings"] == {"model": "ours"}


def test_text_tables_line_up(report):
    lines = actions_table(report, "shift", {"walk": "Walk", "sit, down": "SitDown"})
    rows = [line.split() for line in lines]
    assert rows[0][2:] == ["Walk", "SitDown", "Avg.", "frames"]
    assert rows[1] == ["ours", "5.0", "20.0", "12.5", "8.0"]
    assert rows[3] == ["Somebody", "4.5", "-", "6.2", "-"]
    assert "CVPR 2099" in lines[4]
    assert len({len(line) for line in lines[:4]}) == 1
    columns = [line.index(word) + len(word) for line, word in zip(lines, ("Walk", "5.0"))]  # noqa: B905
    assert columns[0] == columns[1]
    block = metrics_table("ours", report.groups("ours"), ["shift", "step"])
    assert block[1].split() == ["sit,", "down", "20.0", "-", "1"]
    assert len({len(line) for line in block}) == 1
    assert parts_line(report, "ours", "shift") == "  shift per joint: pelvis 5.2, wrist 10.8"
