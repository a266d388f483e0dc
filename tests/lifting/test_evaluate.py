"""`posestage evaluate`: the protocol, from files to a table."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from pose_core.cli import main
from pose_core.data.mocap import load_motions
from pose_core.inference.evaluate import (
    MOCAP_METRICS,
    MocapProtocol,
    evaluate_mocap,
    mean_pose_lift,
    views_of,
)
from pose_core.metrics.report import Report, mean_error


def test_a_perfect_lifter_has_no_error_and_a_shifted_one_the_shift(motion):
    protocol = MocapProtocol(num_views=3)
    truths = iter([view.truth for view in views_of(motion, protocol)] * 2)

    def perfect(*_):
        return next(truths)[None]

    def off(*_):
        answer = next(truths).copy()
        answer[:, 13, 0] += 0.017
        return answer[None]

    assert mean_error(list(evaluate_mocap(perfect, [motion], protocol)), "MPJPE") < 1e-3
    results = list(evaluate_mocap(off, [motion], protocol))
    report = Report(MOCAP_METRICS, {"off": results})
    assert report.per_part("off", "MPJPE")["left_wrist"] == pytest.approx(17, abs=1e-3)
    assert mean_error(results, "MPJPE") == pytest.approx(1.0, abs=1e-3)


def test_views_depend_on_the_seed_and_the_motion_alone(motion):
    protocol = MocapProtocol(noise="detector", num_views=2)
    a, b = list(views_of(motion, protocol)), list(views_of(motion, protocol))
    np.testing.assert_array_equal(a[1].xy, b[1].xy)
    other = next(views_of(motion, replace(protocol, seed=1)))
    assert not np.allclose(a[0].xy, other.xy)


def test_pictures_are_projections_of_the_truth(motion):
    for view in views_of(motion, MocapProtocol(num_views=4)):
        np.testing.assert_allclose(view.camera.project(view.truth), view.xy, atol=0.01)


def test_roll_turns_the_picture_and_nothing_else(motion):
    level = next(views_of(motion, MocapProtocol(roll_deg=0.0)))
    rolled = next(views_of(motion, MocapProtocol(roll_deg=20.0)))
    centre = 500.0
    np.testing.assert_allclose(
        np.linalg.norm(level.xy - centre, axis=-1), np.linalg.norm(rolled.xy - centre, axis=-1),
        rtol=1e-4,
    )  # fmt: skip
    assert np.abs(level.xy - rolled.xy).max() > 10


def test_mean_pose_baseline_answers_one_pose(motion):
    pose = np.arange(51.0).reshape(17, 3)
    answer = mean_pose_lift(pose)(np.zeros((4, 17, 2)), None, None, None)
    assert answer.shape == (1, 4, 17, 3)
    np.testing.assert_array_equal(answer[0, 2], pose)


def test_the_command_prints_a_table_and_writes_json(motion_folder, tmp_path, capsys):
    file, table, frames_table = (tmp_path / name for name in ("a.json", "a.csv", "frames.csv"))
    words = ["evaluate", "temporal", "--data", str(motion_folder), "--protocol", "mocap",
             "--noise", "detector", "--views", "1", "--seed", "3", "--json", str(file),
             "--csv", str(table), "--frames-csv", str(frames_table)]  # fmt: skip
    assert main(words) == 0
    out = capsys.readouterr().out
    for word in (
        "PCK",
        "illegal angles",
        "bone-length spread",
        "PA-MPJPE",
        "MPJAE",
        "walking",
        "mean pose",
        "left_wrist",
    ):
        assert word in out
    numbers = json.loads(file.read_text())
    frames = sum(len(m) for m in load_motions(motion_folder))
    assert numbers["temporal"]["all"]["num_frames"] == frames
    assert numbers["temporal"]["all"]["MPJPE"] < numbers["mean pose"]["all"]["MPJPE"]
    with table.open(newline="") as handle:
        values = {
            (r["method"], r["metric"], r["action"], r["part"]): r["value"]
            for r in csv.DictReader(handle)
        }
    all_frames = float(values["temporal", "MPJPE", "all", "all"])
    assert all_frames == pytest.approx(numbers["temporal"]["all"]["MPJPE"])
    with frames_table.open(newline="") as handle:
        errors = [
            float(r["value"])
            for r in csv.DictReader(handle)
            if (r["method"], r["metric"]) == ("temporal", "MPJPE")
        ]
    assert np.mean(errors) == pytest.approx(all_frames)
    assert set(numbers["temporal"]["per_action"]) == {"walking", "running", "jumping"}


def test_wrong_words_are_one_line_errors(motion_folder, capsys):
    assert main(["evaluate", "nonsense", "--data", str(motion_folder)]) == 2
    assert "temporal" in capsys.readouterr().err
    assert main(["evaluate", "temporal", "--data", str(motion_folder / "none")]) == 7
    assert "not a folder" in capsys.readouterr().err
