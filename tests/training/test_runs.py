"""Runs seen from outside: lists, states, events, locks, stopping, and the command line."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from pose_core.cli import main
from pose_core.errors import ConfigError, DataError
from pose_core.synthesis.movement import BUNDLED
from pose_core.training.recipes import load_recipe
from pose_core.training.run_folder import RunFolder
from pose_core.training.run_status import this_process, write_json_atomic
from pose_core.training.runs import (
    BUNDLED_DATA,
    list_runs,
    queue_run,
    read_events,
    request_stop,
    summarise,
)
from pose_core.training.start import resume, train

KILL_RUN = Path(__file__).with_name("kill_run.py")
TINY = {
    "task.network": {"channels": 8, "kernel_sizes": [3, 3], "dropout": 0.1},
    "task.data.validation_samples": 128,
    "schedule.batch": 2,
    "schedule.checkpoint_every": 10,
    "schedule.stages": [{"steps": 40}],
}


def tiny():
    return load_recipe("temporal", TINY)


@pytest.fixture
def made(tmp_path):
    """Makes a run folder with a status."""

    def make(name, status):
        run = queue_run(tiny(), tmp_path / "data", tmp_path / "runs" / name).path
        write_json_atomic(run / "status.json", status)
        return run

    return make


def test_the_list_tells_the_state_of_every_run(made, tmp_path):
    here = this_process()
    made("a-queued", {"state": "queued"})
    made("b-running", {"state": "running", "step": 7, "best": 80.5, "watched": "MPJPE", **here})
    later = {**here, "process_started": here["process_started"] - 100}
    made("c-number-used-again", {"state": "running", "step": 7, **later})
    made("d-old-version", {"state": "running", "step": 7})
    made("e-failed", {"state": "failed", "message": "It broke.", "hint": "Mend it.", **here})
    made("f-finished", {"state": "finished", "step": 40, **here})
    made("g-odd", {"state": "running", "step": "many", **here})
    (made("h-broken", {"state": "running"}) / "config.json").write_text("{")
    (made("i-killed-early", {}) / "status.json").unlink()
    (tmp_path / "runs" / "j-not-a-run").mkdir()
    runs = {r.name[2:]: r for r in list_runs(tmp_path / "runs")}
    assert {name: r.state for name, r in runs.items()} == {
        "queued": "queued",
        "running": "running",
        "number-used-again": "interrupted",
        "old-version": "interrupted",
        "failed": "failed",
        "finished": "finished",
        "odd": "broken",
        "broken": "broken",
        "killed-early": "interrupted",
    }
    running = runs["running"]
    assert (running.recipe_kind, running.step, running.num_steps) == ("temporal", 7, 40)
    assert (running.watched, running.best, running.pid) == ("MPJPE", 80.5, os.getpid())
    assert (runs["failed"].message, runs["failed"].hint) == ("It broke.", "Mend it.")
    assert "config.json" in runs["broken"].message
    assert not runs["finished"].can_resume
    assert runs["number-used-again"].can_resume


def test_a_process_that_ended_is_interrupted_although_nobody_asked_for_its_exit_code(made):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    started = psutil.Process(process.pid).create_time()
    run = made("run", {"state": "running", "pid": process.pid, "process_started": started})
    assert summarise(run).state == "running"
    os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while summarise(run).state == "running" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert summarise(run).state == "interrupted"
    process.wait()


def test_there_are_no_runs_where_there_is_no_folder(tmp_path):
    assert list_runs(tmp_path / "none") == []
    assert BUNDLED_DATA == BUNDLED


def test_listing_runs_needs_no_torch():
    code = "import sys; import pose_core.training.runs; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_events_are_read_on_from_where_the_last_call_ended(tmp_path):
    path = tmp_path / "events.jsonl"
    assert read_events(path) == ([], 0)
    path.write_bytes(b'{"step": 1}\n{"step": 2}\n{"st')
    events, end = read_events(path)
    assert ([e["step"] for e in events], end) == ([1, 2], 24)
    assert read_events(path, end) == ([], end)
    with path.open("ab") as file:
        file.write(b'ep": 3}\nhalf of a li{"step": 4}\n{"step": 5}\n')
    events, end = read_events(path, end)
    assert [e["step"] for e in events] == [3, 5]  # the line of two halves is left out
    path.write_bytes(b'{"step": 1}\n')  # the run was begun anew
    assert read_events(path, end) == ([{"step": 1}], 12)


def test_the_half_line_of_a_killed_run_is_cut(tmp_path):
    run = RunFolder(tmp_path)
    run.log({"step": 1})
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'{"step": 2, "ter')
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.0123abcd.partial").write_bytes(b"half")
    run.start({})
    run.log({"step": 3})
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 3]
    assert list(tmp_path.rglob("*.partial")) == []


def test_one_process_trains_in_a_folder_and_a_killed_one_gives_it_free(tmp_path):
    code = (
        "import sys, time; from pathlib import Path\n"
        "from pose_core.training.run_folder import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).locked():\n"
        "    print('locked', flush=True); time.sleep(120)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    with pytest.raises(ConfigError, match="Another process trains"):
        list(train(tiny(), tmp_path, tmp_path))
    process.kill()
    process.communicate()
    with RunFolder(tmp_path).locked():
        assert not (tmp_path / "config.json").exists()  # the refused run left nothing


def test_a_full_disk_is_told_and_keeps_the_old_checkpoint(tmp_path, request):
    run = RunFolder(tmp_path)
    run.save_checkpoint({"step": 1}, is_best=True)
    run.set_status(step=1)
    request.getfixturevalue("full_disk")
    for best in (False, True):
        with pytest.raises(DataError, match="disk is full"):
            run.save_checkpoint({"step": 2, "network": np.zeros(9).tolist() * 500}, is_best=best)
        assert run.load_checkpoint(best=best) == {"step": 1}
    with pytest.raises(DataError, match="disk is full"):
        run.set_status(terms={str(i): 0.5 for i in range(500)})
    assert json.loads((tmp_path / "status.json").read_text())["step"] == 1
    assert list(tmp_path.rglob("*.partial")) == []


def test_events_on_a_full_disk(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("there is no device here that is always full")
    (tmp_path / "events.jsonl").symlink_to("/dev/full")
    with pytest.raises(DataError, match="disk is full"):
        RunFolder(tmp_path).log({"step": 1})


@pytest.mark.parametrize("pause", [False, True])
def test_a_run_that_is_asked_to_stop_keeps_every_step(motion_folder, tmp_path, pause):
    run = tmp_path / "run"
    for progress in train(tiny(), motion_folder, run):
        if progress.step == 25:  # between two checkpoints
            request_stop(run, pause=pause)
    assert RunFolder(run).load_checkpoint()["step"] == 25
    summary = summarise(run)
    assert (summary.state, summary.step) == ("paused" if pause else "stopped", 25)
    events, end = read_events(run / "events.jsonl")
    errors = [e["validation"]["MPJPE"] for e in events if e.get("validation")]
    assert (summary.watched, summary.best) == ("MPJPE", min(errors))
    assert summary.validation["MPJPE"] == errors[-1]
    list(resume(run))
    assert summarise(run).state == "finished"
    assert summarise(run).step == 40
    resumed, *later = read_events(run / "events.jsonl", end)[0]
    assert (resumed["state"], resumed["step"]) == ("resumed", 25)
    assert [e["step"] for e in later] == [30, 40, 40]


def test_a_stop_that_was_meant_for_an_older_process_is_forgotten(motion_folder, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    request_stop(run)
    os.utime(run / "stop", (1e9, 1e9))
    assert list(train(tiny(), motion_folder, run))[-1].step == 40
    assert not (run / "stop").exists()


def test_a_queued_run_starts_from_any_working_folder(motion_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    queue_run(tiny(), Path("mocap"), tmp_path / "run", device="cpu", data_workers=0)
    assert summarise(tmp_path / "run").state == "queued"
    with pytest.raises(ConfigError, match="holds a run already"):
        queue_run(tiny(), Path("mocap"), tmp_path / "run")
    monkeypatch.chdir("/")
    assert list(resume(tmp_path / "run"))[-1].step == 40


def test_a_run_of_an_older_version_goes_on(motion_folder, tmp_path, monkeypatch):
    run = tmp_path / "run"
    for progress in train(tiny(), motion_folder, run):
        if progress.step == 20:
            break
    config = json.loads((run / "config.json").read_text())
    del config["machine"], config["schedule"]["patience"]
    config["data"] = "mocap"
    (run / "config.json").write_text(json.dumps(config))
    (run / "status.json").write_text(json.dumps({"state": "running", "step": 20, "time": 1e9}))
    checkpoint = RunFolder(run).load_checkpoint()
    del checkpoint["skipped_steps"], checkpoint["device_rng"]
    RunFolder(run).save_checkpoint(checkpoint)
    monkeypatch.chdir(tmp_path)
    assert next(iter(train(tiny(), Path("mocap"), run))).step == 25


def test_a_folder_without_a_run_cannot_be_resumed(tmp_path):
    with pytest.raises(ConfigError, match="holds no run"):
        list(resume(tmp_path))


def test_examples_are_kept_with_each_checkpoint(motion_folder, tmp_path):
    records = list(train(tiny(), motion_folder, tmp_path / "run"))
    with np.load(tmp_path / "run" / "examples.npz") as examples:
        predicted, true, valid = (examples[k] for k in ("predicted", "true", "valid"))
        assert examples["step"] == 40
    assert predicted.shape == (1, *true.shape)
    assert true.shape[2:] == (17, 3)
    errors = np.linalg.norm(predicted[0] - true, axis=-1).mean(-1)[valid]
    assert 1000 * errors.mean() == pytest.approx(records[-1].validation["MPJPE"], rel=0.5)


def test_the_command_lists_runs(made, tmp_path, capsys):
    made("one", {"state": "queued"})
    made("two", {"state": "failed", "step": 20, "message": "It broke.", "hint": "Mend it."})
    assert main(["runs", str(tmp_path / "runs")]) == 0
    first, second, problem = capsys.readouterr().out.splitlines()
    assert first.split()[:4] == ["one", "queued", "temporal", "0/40"]
    assert second.split()[:5] == ["two", "failed", "temporal", "20/40", "(50%)"]
    assert problem.strip() == "It broke. Mend it."
    assert main(["runs", str(tmp_path / "runs" / "two"), "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["name"], listed["state"], listed["num_steps"]) == ("two", "failed", 40)
    assert main(["runs", str(tmp_path / "none")]) == DataError.exit_code


def test_ctrl_c_keeps_the_step(motion_folder, tmp_path, capsys):
    run = queue_run(tiny(), motion_folder, tmp_path / "run", device="cpu", data_workers=0).path

    def press() -> None:
        deadline = time.monotonic() + 120
        while summarise(run).step < 10 and time.monotonic() < deadline:
            time.sleep(0.002)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    assert main(["train", "--resume", str(run)]) == 0
    thread.join()
    assert summarise(run).state == "stopped"
    assert 10 <= summarise(run).step < 40
    assert RunFolder(run).load_checkpoint()["step"] == summarise(run).step
    assert f"posestage train --resume {run}" in capsys.readouterr().err


def test_options_that_do_not_go_together(tmp_path, capsys):
    assert main(["train", "--resume", str(tmp_path), "--batch", "3"]) == ConfigError.exit_code
    assert "batch cannot be given" in capsys.readouterr().err
    assert main(["train", "temporal", "--out", str(tmp_path)]) == ConfigError.exit_code
    assert "data is missing" in capsys.readouterr().err


def test_nothing_is_lost_when_a_run_is_killed():
    done = subprocess.run(
        [sys.executable, str(KILL_RUN), "--times", "3"],
        capture_output=True,
        text=True,
        check=False,
        cwd=KILL_RUN.parents[2],
        env=os.environ | {"PYTHONPATH": str(KILL_RUN.parents[2])},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kills" in done.stdout.splitlines()[-1]
