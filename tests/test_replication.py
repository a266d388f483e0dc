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


def test_slow_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a loop: 19 frames before to 10 after show the person, with 2 cm a frame at most."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    refined = importlib.import_module("variants").refined

    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(4, 60, 17, 3, generator=generator).cumsum(1)
    truth *= torch.tensor([0.002, 0.012, 0.0125, 0.05]).view(-1, 1, 1, 1)
    valid = torch.ones(4, 60, dtype=torch.bool)
    valid[0, 50:] = False
    network = TpNet(TpNetConfig(num_joints=17, context=4, hidden=8))
    answers = refined(network, {"features": truth, "target": truth, "valid": valid})
    num_slow = 0
    for b, t in itertools.product(range(4), range(60)):
        is_slow = t >= 19 and t + 10 < 60 and bool(valid[b, t - 19 : t + 11].all())
        if is_slow:
            steps = [(truth[b, u + 1] - truth[b, u]).norm(dim=-1) for u in range(t - 19, t + 10)]
            is_slow = float(torch.stack(steps).mean()) < 0.02
        num_slow += is_slow
        for name in ("single frame", "refined"):
            assert bool(answers[f"{name}, slow"][b, t].isfinite().all()) == is_slow
    assert 21 < num_slow < 21 + 2 * 31  # all of the first sequence, some of the next two
