"""Do the papers' claims hold? ``python benchmarks/replicate.py MOCAP --runs FOLDER [--seeds 3]``.

Trains the networks that the claims (`claims.py`) compare, small enough for two cores, and prints
for each claim the paper's relative change beside ours: on people and actions never trained on,
with a detector's errors, mean and spread over the seeds. ``--people FOLDER`` and ``--clips
FOLDER`` name drawings of people, single frames and clips (``drawn_people.py``), for the claims of
networks that see pictures; without them these are left out. Runs that are finished are not trained
again, and those that were cut short go on. ``--only NAME`` takes the claims whose name holds NAME;
``--steps 0.01`` makes every run shorter, to try the program; ``--json FILE`` keeps the figures.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from claims import CLAIMS, VARIANTS, Claim, Predict, run_name

from pose_core.data.skipping import SkipLog
from pose_core.metrics.catalogue import pose_metrics, structure_metrics
from pose_core.metrics.report import SequenceErrors, mean_error
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
METRICS = (*pose_metrics(H36M_17.joint_names), *structure_metrics())

Figures = dict[str, dict[str, float]]  # by method, by metric


def measure_clips(predict: Predict, network: torch.nn.Module, held_out: LiftingData) -> Figures:
    """Every method's figures on always the same held-out clips, where the person is seen.

    A third of the clips begins or ends with frames without the person.
    """
    results: dict[str, list[SequenceErrors]] = {}
    for i in range(0, NUM_FRAMES // held_out.window, CLIPS_AT_ONCE):
        batch = held_out.draw(CLIPS_AT_ONCE, torch.Generator().manual_seed(i))
        with torch.no_grad():
            methods = predict(network, batch)
        for method, poses in methods.items():
            for predicted, truth, seen in zip(poses, batch["target"], batch["valid"], strict=True):
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


def figures_of(name: str, seed: int, options: argparse.Namespace) -> Figures:
    """Of one run, measured or as they were kept."""
    kept = options.runs / run_name(name, seed) / "figures.json"
    if kept.exists():
        return json.loads(kept.read_text(encoding="utf-8"))
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
            figures = {"answer": task.validate(task.network, torch.device("cpu"))}
    else:
        frames = max(LEAST_FRAMES, round(SECONDS * recipe.task.data.rate_hz))
        shown = (held_out, recipe.task.data, frames, slice(None))
        data = LiftingData(*shown)
        if isinstance(task.data, PredictedPoses):
            data = PredictedPoses(*shown, task.data.lifter)
        figures = measure_clips(variant.predict, task.network, data)
    kept.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return figures


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
    """Whether its data is given."""
    data = VARIANTS[claim.after[0]].data
    if getattr(options, data):
        return True
    print(f"{claim.name}: left out, it needs --{data} FOLDER", file=sys.stderr)
    return False


def main() -> int:
    """Train what is missing, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mocap", type=Path)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--people", type=Path, help="folder of drawings")
    parser.add_argument("--clips", type=Path, help="folder of drawings of clips of five frames")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="part of a claim's name")
    parser.add_argument("--steps", type=float, default=1.0, help="share of the steps")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    # Models that are made on the way are not the user's.
    os.environ["POSESTAGE_DATA_DIR"] = str(options.runs / "models")
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)  # as `posestage train` does
    claims = [c for c in CLAIMS if options.only in c.name and can_measure(c, options)]
    needed = sorted({variant for c in claims for variant, _ in (c.before, c.after)})
    by_seed = [
        {name: figures_of(name, seed, options) for name in needed} for seed in range(options.seeds)
    ]
    rows = [row(claim, by_seed) for claim in claims]
    print("\n".join(table(rows)))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
