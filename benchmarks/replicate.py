"""Do the papers' claims hold? ``python benchmarks/replicate.py MOCAP --runs FOLDER [--seeds 3]``.

Trains the networks that the claims (`claims.py`) compare, small enough for two cores, and prints
for each claim the paper's relative change beside ours: on people and actions never trained on,
with a detector's errors, mean and spread over the seeds. ``--people FOLDER`` names drawings of
people (``drawn_people.py``), for the claims of SAP-Net, which sees pictures; without them these are
left out. Runs that are finished are not trained again, and those that were cut short go on.
``--only NAME`` takes the claims whose name holds NAME; ``--steps 0.01`` makes every run shorter, to
try the program; ``--json FILE`` keeps the table, ``--figure FILE`` draws it.

``--record FILE`` keeps the figures of every run, in RUNS by default. Those that are in FILE
already, and were made with the settings of today, are taken from there: ``python
benchmarks/replicate.py --record docs/replication.json`` prints the table of `docs/replication.md`
and trains nothing.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from claims import CLAIMS, Claim
from replication_figure import save_changes
from variants import VARIANTS, Predict, Variant, run_name

from pose_core.atomic_file import atomic_write
from pose_core.data.skipping import SkipLog
from pose_core.errors import DataError
from pose_core.inference.evaluate import illegal_angles
from pose_core.losses.structure import HINGES
from pose_core.metrics.catalogue import pose_metrics, structure_metrics
from pose_core.metrics.report import Metric, SequenceErrors, mean_error
from pose_core.models.registry import load_user_models, save_user_model
from pose_core.skeleton import H36M_17
from pose_core.training.lifting_data import LiftingData
from pose_core.training.publish import _packed
from pose_core.training.recipes import TASKS
from pose_core.training.run_folder import RunFolder
from pose_core.training.start import train
from pose_core.training.tpnet import PredictedPoses

# Four seconds or more of a movement, few of which are longer, and about as many frames whatever
# the rate.
SECONDS, LEAST_FRAMES, NUM_FRAMES, CLIPS_AT_ONCE = 4.0, 10, 25_600, 16
FEWEST_FRAMES = 3  # an acceleration takes as many
METRICS = (
    *pose_metrics(H36M_17.joint_names),
    *structure_metrics(),
    Metric("illegal angles %", "%", illegal_angles, HINGES),
)

Figures = dict[str, dict[str, float]]  # by method, by metric


def measure_clips(predict: Predict, network: torch.nn.Module, held_out: LiftingData) -> Figures:
    """Every method's figures on always the same held-out clips, where the person is seen.

    A third of the clips begins or ends with frames without the person. Frames that a method leaves
    out are NaN.
    """
    results: dict[str, list[SequenceErrors]] = {}
    for i in range(0, NUM_FRAMES // held_out.window, CLIPS_AT_ONCE):
        batch = held_out.draw(CLIPS_AT_ONCE, torch.Generator().manual_seed(i))
        with torch.no_grad():
            methods = predict(network, batch)
        for method, poses in methods.items():
            for predicted, truth, valid in zip(poses, batch["target"], batch["valid"], strict=True):
                seen = valid & predicted.isfinite().flatten(1).all(1)
                if seen.sum() < FEWEST_FRAMES:
                    continue
                inside = (predicted[seen].numpy(), truth[seen].numpy())
                results.setdefault(method, []).append(SequenceErrors.measure(*inside, METRICS))
    return {
        method: {m.name: mean_error(errors, m.name) for m in METRICS}
        for method, errors in results.items()
    }


def run_of(name: str, seed: int, options: argparse.Namespace) -> Path:
    """Folder of one run, trained (or gone on with, or found)."""
    variant, folder = VARIANTS[name], options.runs / run_name(name, seed)
    start = run_of(variant.start, seed, options) if variant.start else None
    if variant.lifter:
        make_model(run_of(variant.lifter, seed, options))
    recipe = variant.settings(seed, options.steps)
    data = getattr(options, variant.data)
    for progress in train(recipe, data, folder, start_from=start):
        if progress.validation:
            error = progress.validation["MPJPE"]
            print(f"{folder.name}: step {progress.step}, MPJPE {error:.1f} mm", file=sys.stderr)
    return folder


def make_model(run: Path) -> None:
    """Make what a run came to a model, so that other runs can name it."""
    if run.name not in load_user_models().entries:
        save_user_model(*_packed(run, run.name, is_shipped=False))


class Record:
    """Figures of runs in one file, so that they outlast the runs.

    Parameters
    ----------
    path : Path, optional
        None for a record that is not kept.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._runs: dict[str, Any] = {}
        if path and path.exists():
            self._runs = json.loads(path.read_text(encoding="utf-8"))

    def find(self, name: str, seed: int, steps: float) -> Figures | None:
        """The figures of a run, if they were made with the settings of today."""
        known = self._runs.get(run_name(name, seed))
        if known is None or known["settings"] != fingerprint(name, seed, steps):
            return None
        return known["figures"]

    def add(self, name: str, seed: int, steps: float, figures: Figures) -> None:
        """Keep the figures of a run."""
        rounded = {
            method: {metric: round(error, 3) for metric, error in errors.items()}
            for method, errors in figures.items()
        }
        self._runs[run_name(name, seed)] = {
            "settings": fingerprint(name, seed, steps),
            "figures": rounded,
        }
        if self.path:
            text = json.dumps(dict(sorted(self._runs.items())), indent=1)
            with atomic_write(self.path, DataError) as file:
                file.write(text.encode() + b"\n")


def fingerprint(name: str, seed: int, steps: float) -> str:
    """Tells the settings of a run, and of the runs that it stands on, from any others."""
    settings = [
        variant.settings(seed, steps).to_dict() | {"about": ""} for variant in with_origins(name)
    ]
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def with_origins(name: str) -> Iterator[Variant]:
    """A variant and those whose weights or poses it is given."""
    yield VARIANTS[name]
    for origin in (VARIANTS[name].start, VARIANTS[name].lifter):
        if origin:
            yield from with_origins(origin)


def figures_of(name: str, seed: int, options: argparse.Namespace) -> Figures:
    """Of one run, trained where it is not there yet, and measured."""
    variant, folder = VARIANTS[name], run_of(name, seed, options)
    recipe = variant.settings(seed, options.steps)
    kind = TASKS[recipe.kind]
    training, held_out = kind.load(recipe.task, getattr(options, variant.data), SkipLog())
    task = kind.make(recipe.task, training, held_out)
    state = RunFolder(folder).load_checkpoint()
    if state is None:
        raise SystemExit(f"{folder} has no checkpoint.")
    task.network.load_state_dict(state["average"])
    task.network.eval()
    if variant.predict is None:
        with torch.no_grad():
            return {"answer": task.validate(task.network, torch.device("cpu"))}
    frames = max(LEAST_FRAMES, round(SECONDS * recipe.task.data.rate_hz))
    shown = (held_out, recipe.task.data, frames, slice(None))
    data = LiftingData(*shown)
    if isinstance(task.data, PredictedPoses):
        data = PredictedPoses(*shown, task.data.lifter)
    return measure_clips(variant.predict, task.network, data)


def row(claim: Claim, by_seed: list[dict[str, Figures]]) -> dict[str, Any]:
    """One claim's figures: means over the seeds, relative change and its spread."""
    before, after = (
        torch.tensor([run[variant][method][claim.metric] for run in by_seed])
        for variant, method in (claim.before, claim.after)
    )
    change = 100 * (after - before) / before
    return {
        "claim": claim.name,
        "source": claim.source,
        "metric": claim.metric,
        "before": float(before.mean()),
        "after": float(after.mean()),
        "change_percent": float(change.mean()),
        "spread_percent": float(change.std()) if len(by_seed) > 1 else None,
        "paper_percent": claim.paper,
        "seeds": len(by_seed),
        "verdict": verdict(float(change.mean()), claim.paper),
    }


def verdict(change: float, paper: float) -> str:
    """Whether the sign and half of the size hold."""
    if change * paper <= 0:
        return "no"
    return "yes" if abs(change) >= abs(paper) / 2 else "sign only"


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Markdown."""
    lines = [
        "| claim | source | metric | before | after | ours | paper | seeds | replicates |",
        "|---|---|---|---:|---:|---:|---:|---:|---|",
    ]
    for r in rows:
        spread = "" if r["spread_percent"] is None else f" ± {r['spread_percent']:.1f}"
        lines.append(
            f"| {r['claim']} | {r['source']} | {r['metric']} | {r['before']:.1f} | "
            f"{r['after']:.1f} | {r['change_percent']:+.1f}{spread} % | {r['paper_percent']:+.1f} %"
            f" | {r['seeds']} | {r['verdict']} |"
        )
    return lines


def can_measure(claim: Claim, options: argparse.Namespace) -> bool:
    """Whether the data that its networks are trained on is given."""
    needed = VARIANTS[claim.after[0]].data
    return bool(options.runs and options.mocap and getattr(options, needed))


def by_seed(claim: Claim, options: argparse.Namespace, record: Record) -> list[dict[str, Figures]]:
    """Figures of both variants, of every seed for which they are recorded or can be made."""
    found: list[dict[str, Figures]] = []
    for seed in range(options.seeds):
        figures: dict[str, Figures] = {}
        for name in (claim.before[0], claim.after[0]):
            known = record.find(name, seed, options.steps)
            if known is None and can_measure(claim, options):
                known = figures_of(name, seed, options)
                record.add(name, seed, options.steps, known)
            if known is not None:
                figures[name] = known
        if {claim.before[0], claim.after[0]} <= figures.keys():
            found.append(figures)
    return found


def main() -> int:
    """Train what is missing, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mocap", type=Path, nargs="?")
    parser.add_argument("--runs", type=Path, help="folder of the runs")
    parser.add_argument("--record", type=Path, help="file of figures, to take and to keep")
    parser.add_argument("--people", type=Path, help="folder of drawings")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="part of a claim's name")
    parser.add_argument("--steps", type=float, default=1.0, help="share of the steps")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path, help="draw the table")
    options = parser.parse_args()
    # Models that are made on the way are not the user's.
    if options.runs:
        os.environ["POSESTAGE_DATA_DIR"] = str(options.runs / "models")
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)  # as `posestage train` does
    if options.runs and not options.record:
        options.record = options.runs / "figures.json"
    record, rows = Record(options.record), []
    for claim in CLAIMS:
        if options.only not in claim.name:
            continue
        if seeds := by_seed(claim, options, record):
            rows.append(row(claim, seeds))
        else:
            print(f"{claim.name}: left out, no figures and no data to train on", file=sys.stderr)
    print("\n".join(table(rows)))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    if options.figure:
        save_changes(options.figure, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
