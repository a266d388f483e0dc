"""The page about replication, against the record of figures that it is made from."""

import importlib
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pose_core.models.tpnet import TpNet, TpNetConfig

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "docs" / "replication.json"


def table_of(record: Path, *options: str) -> list[str]:
    """Rows that the program prints of a record, without data to train on."""
    command = [sys.executable, "benchmarks/replicate.py", "--record", str(record), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line.startswith("| ")][1:]


def error_after(row: str) -> float:
    """The column "after" of a row."""
    return float(row.split("|")[5])


def test_the_page_shows_the_record() -> None:
    page = (ROOT / "docs" / "replication.md").read_text(encoding="utf-8").splitlines()
    printed = table_of(RECORD)
    assert len(printed) > 10
    assert [line for line in page if line in printed] == printed


def test_figures_made_with_other_settings_are_left_out() -> None:
    assert table_of(RECORD, "--steps", "0.5") == []


def test_the_record_is_read_as_it_is(tmp_path: Path) -> None:
    runs = json.loads(RECORD.read_text(encoding="utf-8"))
    names = [name for name in runs if name.startswith("temporal-light-")]
    for name in names:
        runs[name]["figures"]["answer"]["MPJPE"] *= 2
    (tmp_path / "record.json").write_text(json.dumps(runs), encoding="utf-8")
    (before,) = table_of(RECORD, "--only", "a fifth as strong: MPJPE")
    (after,) = table_of(tmp_path / "record.json", "--only", "a fifth as strong: MPJPE")
    assert error_after(after) == pytest.approx(2 * error_after(before), abs=0.2)
    assert after.endswith("| no |")


def test_slow_frames_by_their_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a loop: what the answer depends on shows the person, with joints that go 40 cm."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    refined = importlib.import_module("variants").refined

    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(4, 12, 17, 3, generator=generator).cumsum(1)
    truth *= torch.tensor([0.01, 0.06, 0.08, 0.5]).view(-1, 1, 1, 1)
    poses = truth + torch.randn(truth.shape, generator=generator)
    valid = torch.ones(4, 12, dtype=torch.bool)
    valid[1, 7:] = False
    for mode in ("online", "semi-online"):
        network = TpNet(TpNetConfig(num_joints=17, context=4, mode=mode, hidden=8))
        batch = {"features": poses, "target": truth, "valid": valid}
        answers = refined(network, batch)
        before, after = network.config.padding
        num_slow = 0
        for b, t in itertools.product(range(4), range(12)):
            context = slice(t - before, t + after + 1)
            is_slow = t >= before and t + after < 12 and bool(valid[b, context].all())
            if is_slow:
                steps = truth[b, context].diff(dim=0).norm(dim=-1)
                is_slow = float(steps.mean(-1).sum()) < 0.4
            num_slow += is_slow
            for name in ("single frame", "refined"):
                assert bool(answers[f"{name}, slow"][b, t].isfinite().all()) == is_slow
        assert 5 < num_slow < 4 * 8
