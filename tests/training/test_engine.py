"""The training loop with a toy task: stages, resume, workers, processes, precision."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from pose_core.errors import ConfigError
from pose_core.training.engine import Engine
from pose_core.training.run_folder import RunFolder
from pose_core.training.runs import read_events
from pose_core.training.schedule import Schedule, Stage

sys.path.insert(0, str(Path(__file__).parent))
from toy import ToyTask, schedule

TOY = Path(__file__).with_name("toy.py")


def train(out, settings=None, stop_after=None, **options):
    engine = Engine(ToyTask(), settings or schedule(), RunFolder(out), **options)
    records = []
    for record in engine.train():
        records.append(record)
        if stop_after is not None and record.step >= stop_after:
            break  # as if the process had ended
    return engine, records


def state(out):
    return RunFolder(out).load_checkpoint()


def assert_same_state(one, other):
    for part in ("network", "average"):
        for name, value in one[part].items():
            torch.testing.assert_close(value, other[part][name], rtol=0, atol=0)
    assert one["step"] == other["step"]


def test_training_learns_the_map(tmp_path):
    settings = Schedule(
        stages=(Stage(steps=400, learning_rate=3e-2, losses={"size": 0}),),
        checkpoint_every=100,
        weight_decay=0.0,
        average_decay=0.9,
    )
    engine = Engine(ToyTask(dropout=0.0), settings, RunFolder(tmp_path))
    errors = [r.validation["error"] for r in engine.train() if r.validation]
    assert errors[-1] < 1e-3
    assert engine.best == min(errors)


@pytest.mark.parametrize("stop_after", [3, 6, 9])
def test_a_run_in_pieces_equals_the_whole_one(tmp_path, stop_after):
    train(tmp_path / "whole")
    train(tmp_path / "pieces", stop_after=stop_after)
    train(tmp_path / "pieces")
    assert_same_state(state(tmp_path / "whole"), state(tmp_path / "pieces"))


def test_batches_drawn_by_other_processes_are_the_same(tmp_path):
    train(tmp_path / "here")
    train(tmp_path / "there", data_workers=1)
    assert_same_state(state(tmp_path / "here"), state(tmp_path / "there"))


def test_a_stage_trains_only_its_parts(tmp_path):
    before = {k: v.clone() for k, v in ToyTask().network.state_dict().items()}
    _, records = train(tmp_path, stop_after=6)
    after = state(tmp_path)["network"]
    assert torch.equal(before["0.weight"], after["0.weight"])
    assert not torch.equal(before["2.weight"], after["2.weight"])
    assert all(set(r.terms) == {"error"} for r in records)  # "size" has factor 0 in this stage


@pytest.mark.parametrize("trained", [("1.",), ()])
def test_only_trained_parts_gather_statistics(tmp_path, trained):
    task = ToyTask()
    task.network = nn.Sequential(nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8)), nn.Linear(8, 2))
    settings = Schedule(stages=(Stage(steps=2, trained=trained),), batch=8)
    assert list(Engine(task, settings, RunFolder(tmp_path)).train())
    gathered = bool(task.network[0][1].running_mean.any())
    assert gathered == (trained == ())


def test_the_result_has_the_statistics_of_the_last_steps(tmp_path):
    """Not their first values, which a slow average would keep for a thousand steps."""
    task = ToyTask()
    task.network = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    stages = (Stage(name="first", steps=3, trained=("0.",)), Stage(name="late", steps=40))
    settings = schedule(stages=stages, average_decay=0.998)
    for _ in Engine(task, settings, RunFolder(tmp_path)).train():
        pass
    kept = state(tmp_path)
    for name in ("1.running_mean", "1.running_var"):
        torch.testing.assert_close(kept["average"][name], kept["network"][name])
    assert not torch.equal(kept["average"]["0.weight"], kept["network"]["0.weight"])


def test_factors_of_a_stage_weigh_the_terms(tmp_path):
    engine, _ = train(tmp_path, stop_after=6)
    engine.enter_stage(1)
    batch = ToyTask().data.draw(8, torch.Generator().manual_seed(1))
    torch.manual_seed(5)
    plain = engine.task.loss_terms(engine.task.network.train(), batch)
    torch.manual_seed(5)
    weighted = engine.optimise(batch)
    assert weighted["size"] == pytest.approx(0.01 * float(plain["size"].detach()))
    assert weighted["error"] == pytest.approx(float(plain["error"].detach()))


def test_a_stage_without_progress_ends_early(tmp_path):
    # A learning rate of next to nothing never makes the validation better.
    stages = (
        Stage(name="stuck", steps=300, learning_rate=1e-30, decay="constant"),
        Stage(name="next", steps=3),
    )
    settings = schedule(stages=stages, patience=2, weight_decay=0.0, average_decay=0.0)
    _, records = train(tmp_path, settings)
    assert records[-1].stage == "next"
    assert records[-1].step <= 3 * 3 + 3
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert events[-1]["state"] == "finished"


def test_a_stop_file_stops_and_the_run_goes_on_later(tmp_path):
    train(tmp_path / "whole")
    engine = Engine(ToyTask(), schedule(), RunFolder(tmp_path / "run"))
    for record in engine.train():
        if record.step == 3:
            (tmp_path / "run" / "stop").touch()
    assert engine.step == 3
    train(tmp_path / "run")
    assert_same_state(state(tmp_path / "whole"), state(tmp_path / "run"))


def test_two_processes_train_as_one(tmp_path):
    alone = Engine(ToyTask(dropout=0.0), schedule(parts=2), RunFolder(tmp_path / "one"))
    list(alone.train())
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*launcher, "--nproc-per-node", "2", str(TOY), str(tmp_path / "two")]
    root = TOY.parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr
    one, two = state(tmp_path / "one"), state(tmp_path / "two")
    for name, value in one["network"].items():
        torch.testing.assert_close(value, two["network"][name], rtol=1e-5, atol=1e-6)
    # The second process wrote nothing: one line per record, beside "stopped" and "resumed".
    events, _ = read_events(tmp_path / "two" / "events.jsonl")
    assert [e["state"] for e in events if "terms" not in e] == ["stopped", "resumed", "finished"]
    assert [e["step"] for e in events if "terms" in e] == [3, 6, 9, 12, 14]


def test_bfloat16_trains_too(tmp_path):
    _, records = train(tmp_path, schedule(precision="bfloat16"))
    assert records[-1].step == 14
    assert state(tmp_path)["network"]["0.weight"].dtype == torch.float32


def test_gradients_are_cut_to_the_norm(tmp_path):
    norms = []
    engine = Engine(ToyTask(), replace(schedule(), clip_norm=1e-3), RunFolder(tmp_path))
    step = engine.optimizer.step

    def spy(*args, **kwargs):
        grads = [p.grad for p in engine.optimizer.param_groups[0]["params"]]
        norms.append(float(torch.cat([g.flatten() for g in grads]).norm()))
        return step(*args, **kwargs)

    engine.optimizer.step = spy
    next(iter(engine.train()))
    assert norms
    assert max(norms) <= 1e-3 * (1 + 1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"stages": ()},
        {"batch": 8, "parts": 3},
        {"precision": "float8"},
        {"optimizer": "sgd"},
        {"average_decay": 1.0},
    ],
)
def test_impossible_schedules_are_refused(changes):
    with pytest.raises(ConfigError):
        schedule(**changes)


def test_a_stage_that_trains_nothing_is_refused(tmp_path):
    stages = (Stage(name="typo", steps=1, trained=("third.",)),)
    with pytest.raises(ConfigError, match="typo"):
        Engine(ToyTask(), schedule(stages=stages), RunFolder(tmp_path))


def test_the_learning_rate_rises_and_falls():
    stage = Stage(steps=110, warmup_steps=10, learning_rate=2.0)
    rates = [stage.learning_rate_at(i) for i in range(110)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[10] == pytest.approx(2.0)
    # Half way down the cosine: the mean of the two ends, 2.0 and 0.02.
    assert rates[60] == pytest.approx(1.01)
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
