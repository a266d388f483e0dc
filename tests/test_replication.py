"""The page about replication, against the record of figures that it is made from."""

import importlib
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


def test_whole_context_is_that_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are left out where one of the poses that the answer depends on shows nobody."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    refined = importlib.import_module("claims").refined

    poses = torch.randn(2, 12, 17, 3, generator=torch.Generator().manual_seed(0))
    poses.requires_grad_(True)
    valid = torch.ones(2, 12, dtype=torch.bool)
    valid[1, 7:] = False
    for mode in ("online", "semi-online"):
        network = TpNet(TpNetConfig(num_joints=17, context=4, mode=mode, hidden=8))
        answers = refined(network, {"features": poses, "valid": valid})
        kept = answers["refined, whole context"].isfinite().all(-1).all(-1)
        for b in range(2):
            for t in range(12):
                (grad,) = torch.autograd.grad(
                    answers["refined"][b, t].sum(), poses, retain_graph=True
                )
                sees = grad[b].abs().sum((1, 2)) > 0
                is_whole = sees.sum() == network.config.receptive_field and valid[b][sees].all()
                assert kept[b, t] == is_whole
        assert torch.equal(answers["single frame, whole context"].isfinite().all(-1).all(-1), kept)
