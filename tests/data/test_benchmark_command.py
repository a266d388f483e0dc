"""`posestage evaluate --protocol`: from the files of a benchmark to the table of a paper."""

import csv
import json

import h5py
import numpy as np
import pytest

from pose_core.cli import main
from pose_core.data.human36m_metadata import CAMERAS
from pose_core.data.protocols import get_protocol, sequences_of
from pose_core.data.skipping import SkipLog
from pose_core.errors import DataError
from pose_core.inference.benchmark import benchmark_metrics, evaluate_benchmark
from pose_core.metrics.report import Report


def measure(protocol, entries, lift, log=None):
    log = log or SkipLog(len(entries))
    results = [r for some in evaluate_benchmark(lift, entries, protocol, log) for r in some]
    return Report(benchmark_metrics(protocol), {"lift": results})


def perfect(entries):
    """A lifter that knows the truth, with the left wrist 34 mm off."""
    truths = iter([entry.load().camera_xyz for entry in entries])

    def lift(xy, scores, times_s, camera):
        answer = next(truths).astype(np.float64)
        answer = answer - answer[:, :1]
        answer[:, 13, 2] += 0.034
        return answer[None]

    return lift


def test_errors_by_hand(human36m):
    human36m.write_videopose()
    protocol = get_protocol("h36m-sapnet")
    entries = sequences_of(protocol, human36m.folder)
    assert len(entries) == 12  # three recordings of S9 by four cameras
    report = measure(protocol, entries, perfect(entries))
    # One joint of 17 is 34 mm off: 2 mm.
    assert report.mean("lift", "MPJPE") == pytest.approx(2.0, abs=1e-3)
    assert report.per_part("lift", "MPJPE")["left_wrist"] == pytest.approx(34, abs=1e-3)
    assert report.mean("lift", "PCK") == 100
    # Every fifth frame of 12, 9 and 8: 3 + 2 + 2, by four cameras.
    assert sum(r.num_frames for r in report.methods["lift"]) == 28
    assert report.methods["lift"][0].frame_index.tolist() == [0, 5, 10]


def test_the_lifter_sees_what_the_cameras_saw_without_their_lenses(human36m):
    human36m.write_official(human36m.write_cdf)
    protocol = get_protocol("h36m-joint-aware")
    entries = sequences_of(protocol, human36m.folder)
    seen = []

    def lift(xy, scores, times_s, camera):
        seen.append((xy, times_s, camera))
        return np.zeros((1, len(xy), 17, 3))

    measure(protocol, entries, lift)
    for entry, (xy, times_s, camera) in zip(entries, seen, strict=True):
        truth = entry.load().camera_xyz
        np.testing.assert_allclose(camera.project(truth), xy, atol=0.01)
        np.testing.assert_allclose(np.diff(times_s), 1 / 50)


def test_mpi_inf_3dhp_is_measured_per_activity_and_leaves_joints_out_of_pck(tmp_path):
    utilities = tmp_path / "test_util" / "camera_calibration"
    utilities.mkdir(parents=True)
    (utilities / "ts1-4cameras.calib").write_text(
        "sensorSize 10 10\nfocalLength 7.3\npixelAspect 1.0\ncenterOffset 0 0\n"
    )
    (tmp_path / "TS1").mkdir()
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-700, 700, (6, 17, 3)) + np.array([0, 0, 4000])
    with h5py.File(tmp_path / "TS1" / "annot_data.mat", "w") as file:
        file["annot2"] = rng.uniform(0, 2048, (6, 1, 17, 2))
        file["univ_annot3"] = xyz[:, None]
        file["valid_frame"] = np.array([[1], [1], [1], [0], [1], [1]])
        file["activity_annotation"] = np.array([[1], [1], [6], [6], [6], [6]])
    protocol = get_protocol("mpi-inf-3dhp")
    entries = sequences_of(protocol, tmp_path)
    truth = entries[0].load().camera_xyz

    def lift(xy, scores, times_s, camera):
        answer = truth.astype(np.float64) - truth[:, :1]
        answer[3] = 0.0
        # Spine, which PCK leaves out, and left wrist, 1 m off in the frames of sports.
        answer[2:, [7, 13], 0] += 1.0
        return answer[None]

    report = measure(protocol, entries, lift)
    assert {r.action: r.num_frames for r in report.methods["lift"]} == {
        "Standing/Walking": 2,
        "Sports": 3,
    }
    # One of 14 joints is wrong, in three frames of five.
    assert report.mean("lift", "PCK", "Sports") == pytest.approx(100 * 13 / 14)
    assert report.mean("lift", "PCK") == pytest.approx(100 * (1 - 3 / (5 * 14)))
    assert report.mean("lift", "MPJPE", "Sports") == pytest.approx(2000 / 17, abs=1e-2)
    assert report.mean("lift", "MPJPE", "Standing/Walking") == pytest.approx(0, abs=1e-2)


def test_a_damaged_sequence_in_few_stops_the_run(human36m):
    human36m.write_official(human36m.write_cdf)
    base = human36m.folder / "S9" / "MyPoseFeatures" / "D3_Positions_mono"
    (base / f"Directions.{CAMERAS[0]}.cdf").write_bytes(b"torn")
    protocol = get_protocol("h36m-1")
    entries = sequences_of(protocol, human36m.folder)
    with pytest.raises(DataError, match=r"1 of 12 samples.*Directions/54138969"):
        measure(protocol, entries, lambda xy, *_: np.zeros((1, len(xy), 17, 3)))
    # Among a hundred and more it is skipped and named.
    log = SkipLog(120)
    results = evaluate_benchmark(
        lambda xy, *_: np.zeros((1, len(xy), 17, 3)), entries * 10, protocol, SkipLog(1200)
    )
    assert len(list(results)) == 110
    measure(protocol, entries, lambda xy, *_: np.zeros((1, len(xy), 17, 3)), log)
    assert "S9/Directions/54138969" in log.reasons


def test_the_command_prints_the_papers_table_and_writes_files(human36m, capsys):
    human36m.recordings = {("S9", "Directions"): human36m.recordings["S9", "Directions"][:3]}
    human36m.write_videopose("cpn")
    folder = human36m.folder
    words = ["evaluate", "single-frame", "--data", str(folder), "--protocol", "h36m-1",
             "--keypoints", "cpn", "--json", str(folder / "a.json"),
             "--csv", str(folder / "a.csv")]  # fmt: skip
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "Protocol #1" in lines[0]
    table = {line.split("  ")[0]: line.split()[-17:] for line in lines[2:10]}
    assert table["MPJPE (mm)"][0] == "Direct."
    assert table["MPJPE (mm)"][-4:] == ["WalkDog", "WalkPair", "Avg.", "frames"]
    assert table["RPSM, 3 stages"][:2] == ["58.0", "68.2"]
    assert table["RPSM, 3 stages"][-2:] == ["73.1", "-"]
    ours = table["single-frame"]
    assert ours[1] == "-"  # nobody discusses here
    numbers = json.loads((folder / "a.json").read_text())
    found = numbers["single-frame"]
    assert float(ours[0]) == pytest.approx(found["per_action"]["Directions"]["MPJPE"], abs=0.051)
    assert float(ours[-2]) == pytest.approx(found["average_of_actions"]["MPJPE"], abs=0.051)
    assert float(ours[-1]) == pytest.approx(found["all"]["MPJPE"], abs=0.051)
    assert "mean pose" in table
    with (folder / "a.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    paper = [r for r in rows if r["method"] == "pose machine" and r["action"] == "Walking"]
    assert paper[0]["value"] == "41.48"
    assert "TPAMI" in paper[0]["source"]


def test_wrong_words_are_one_line_errors(human36m, capsys):
    base = ["evaluate", "single-frame", "--data", str(human36m.folder)]
    assert main([*base, "--protocol", "h36m-9"]) == 2
    assert "h36m-1" in capsys.readouterr().err
    assert main([*base, "--protocol", "h36m-1"]) == 7
    assert "data_3d_h36m.npz" in capsys.readouterr().err
    assert main([*base, "--protocol", "h36m-1", "--noise", "detector"]) == 2
    assert "--noise" in capsys.readouterr().err
    human36m.recordings = {("S1", "Directions 1"): human36m.recordings["S9", "Directions"]}
    human36m.trials = {(2, 1): {"S1": "Directions 1"}}
    human36m.write_videopose()
    assert main([*base, "--protocol", "h36m-3"]) == 7
    error = capsys.readouterr().err
    assert "It tests S11; the folder has S1" in error
