"""What happens when a run cannot go on: a clear message, and nothing lost."""

import json
import sys
from pathlib import Path

import psutil
import pytest
import torch

from pose_core.errors import TrainingError
from pose_core.training import budget
from pose_core.training.engine import MAX_SKIPPED_IN_A_ROW, Engine
from pose_core.training.recipes import load_recipe
from pose_core.training.run_folder import RunFolder
from pose_core.training.runs import summarise
from pose_core.training.schedule import Stage
from pose_core.training.start import resume, train
from pose_core.training.temporal import TemporalTask

sys.path.insert(0, str(Path(__file__).parent))
from toy import ToyTask, schedule

TINY = {
    "task.network": {"channels": 8, "kernel_sizes": [3, 3], "dropout": 0.1},
    "task.data.validation_samples": 128,
    "schedule.batch": 4,
    "schedule.checkpoint_every": 4,
    "schedule.stages": [{"steps": 12}, {"steps": 12, "learning_rate": 1e-4}],
}


def tiny():
    return load_recipe("temporal", TINY)


class SpoiltTask(ToyTask):
    """Its loss is no number at some steps."""

    def __init__(self, spoilt):
        super().__init__()
        self._step, self._spoilt = -1, spoilt

    def loss_terms(self, network, batch):
        self._step += 1
        terms = super().loss_terms(network, batch)
        factor = float("nan") if self._step in self._spoilt else 1.0
        return {name: value * factor for name, value in terms.items()}


def spoilt_engine(out, spoilt, **changes):
    return Engine(SpoiltTask(spoilt), schedule(**changes), RunFolder(out))


@pytest.mark.parametrize("clip_norm", [0.0, 1.0])
def test_a_step_without_a_finite_gradient_changes_nothing(tmp_path, clip_norm):
    engine = spoilt_engine(tmp_path, {1}, clip_norm=clip_norm)
    batches = engine._batches()
    assert engine.optimise(next(batches))
    before = {k: v.clone() for k, v in engine._state()["network"].items()}
    average = {k: v.clone() for k, v in engine.average.state_dict().items()}
    assert engine.optimise(next(batches)) == {}
    for name, value in engine.task.network.state_dict().items():
        assert torch.equal(value, before[name])
    for name, value in engine.average.state_dict().items():
        assert torch.equal(value, average[name])
    assert engine.skipped_steps == 1
    engine.optimise(next(batches))
    assert not torch.equal(engine.task.network.state_dict()["2.weight"], before["2.weight"])


def test_skipped_steps_are_counted_and_not_in_the_means(tmp_path):
    records = list(spoilt_engine(tmp_path, {1, 7}).train())
    assert [r.skipped_steps for r in records] == [1, 1, 2, 2, 2]
    assert all(torch.tensor(list(r.terms.values())).isfinite().all() for r in records)
    assert json.loads((tmp_path / "status.json").read_text())["skipped_steps"] == 2


def test_a_run_that_has_come_apart_ends_with_its_last_good_checkpoint(tmp_path):
    engine = spoilt_engine(tmp_path, range(4, 200), stages=(Stage(steps=200),))
    with pytest.raises(TrainingError, match=f"last {MAX_SKIPPED_IN_A_ROW} steps") as caught:
        list(engine.train())
    assert "learning rate" in caught.value.hint
    assert engine.step == 4 + MAX_SKIPPED_IN_A_ROW - 1
    weights = RunFolder(tmp_path).load_checkpoint()["network"]
    assert all(value.isfinite().all() for value in weights.values())


def test_a_validation_that_is_no_number_ends_the_run_before_its_checkpoint(tmp_path):
    engine = spoilt_engine(tmp_path, set())
    finite = engine.task.validate
    engine.task.validate = lambda network, device: (
        finite(network, device) if engine.step < 9 else {"error": float("nan")}
    )
    with pytest.raises(TrainingError, match="error on held-out data is not finite at step 9"):
        list(engine.train())
    assert RunFolder(tmp_path).load_checkpoint()["step"] == 6


def test_an_error_is_told_by_the_status_and_a_resumed_run_forgets_it(
    motion_folder, tmp_path, monkeypatch
):
    run = tmp_path / "run"

    def broken(*_):
        raise ZeroDivisionError("nought")

    with monkeypatch.context() as patch:
        patch.setattr(TemporalTask, "validate", broken)
        with pytest.raises(TrainingError, match="ZeroDivisionError: nought"):
            list(train(tiny(), motion_folder, run))
    summary = summarise(run)
    assert summary.state == "failed"
    assert "nought" in summary.message
    assert "POSESTAGE_DEBUG" in summary.hint
    list(resume(run))
    assert (summarise(run).state, summarise(run).message) == ("finished", "")


def test_out_of_memory_says_which_batch_fits(motion_folder, tmp_path, monkeypatch):
    def too_much(*_):
        return torch.zeros(2**50)  # more than any machine has

    monkeypatch.setattr(TemporalTask, "loss_terms", too_much)
    with pytest.raises(TrainingError, match="step with 4 samples") as caught:
        list(train(tiny(), motion_folder, tmp_path / "run"))
    largest = int(caught.value.hint.split("at most ")[1].split()[0])
    assert largest > 100  # a network of this size takes next to nothing
    assert summarise(tmp_path / "run").hint == caught.value.hint


def test_a_budget_is_measured(motion_folder, monkeypatch):
    monkeypatch.setattr(budget, "BUNDLED_DATA", str(motion_folder))
    recipe = load_recipe("temporal", TINY | {"schedule.batch": 16})
    found = budget.measure(recipe, "cpu")
    assert 0 < found.seconds_per_step < 10
    assert found.seconds == pytest.approx(24 * found.seconds_per_step)
    assert found.fits
    assert 0 < found.peak_memory_bytes < found.free_memory_bytes
    # Where there is no memory, nothing fits, and the recipe's batch is not tried.
    monkeypatch.setattr(
        budget.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1000})
    )
    none = budget.measure(recipe, "cpu")
    assert not none.fits
    assert none.largest_batch == 0


def test_a_measurement_that_is_given_up_leaves_no_process():
    measuring = budget.measuring_budget(load_recipe("temporal"), "cpu")
    assert 0 < next(measuring) < 60
    children = psutil.Process().children()
    (child,) = [c for c in children if "pose_core.training.budget" in c.cmdline()]
    measuring.close()
    assert not child.is_running()


def test_memory_of_a_batch_is_a_straight_line():
    assert budget._line([2, 10], [700, 1500]) == (500.0, 100.0)
