"""Do the papers' claims hold? ``python benchmarks/replicate.py MOCAP --runs FOLDER [--seeds 3]``.

Trains the networks that the claims compare, small enough for two cores, and prints for each claim
the paper's relative change beside ours: on people and actions never trained on, with a detector's
errors, mean and spread over the seeds. Runs that are finished are not trained again, and those
that were cut short go on. ``--only NAME`` takes the claims whose name holds NAME; ``--steps 0.01``
makes every run shorter, to try the program; ``--json FILE`` keeps the figures.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pose_core.data.skipping import SkipLog
from pose_core.inference.self_correction import correct
from pose_core.losses.structure import illegal_joints
from pose_core.metrics.catalogue import pose_metrics, structure_metrics
from pose_core.metrics.report import SequenceErrors, mean_error
from pose_core.models.registry import build_network, model_entry
from pose_core.skeleton import H36M_17
from pose_core.training.lifting_data import LiftingData, load_split
from pose_core.training.recipes import TASKS, Recipe, load_recipe
from pose_core.training.run_folder import RunFolder
from pose_core.training.start import train

FRAMES, NUM_CLIPS, CLIPS_AT_ONCE = 100, 256, 16
METRICS = (*pose_metrics(H36M_17.joint_names), *structure_metrics())
ILLEGAL = "illegal angles"

# Poses (B, T, J, 3) by method, of a trained network on a batch of held-out clips.
Predict = Callable[[nn.Module, dict[str, Tensor]], dict[str, Tensor]]
Figures = dict[str, dict[str, float]]  # by method, by metric


@dataclass(frozen=True)
class Variant:
    """A network to train, and the poses that it gives.

    Parameters
    ----------
    recipe : str
    predict : callable
    changes : Mapping
        Settings that differ from the recipe.
    """

    recipe: str
    predict: Predict
    changes: Mapping[str, Any] = field(default_factory=dict)

    def settings(self, seed: int, share_of_steps: float) -> Recipe:
        """The recipe of one seed."""
        recipe = load_recipe(self.recipe, {**self.changes, "schedule.seed": seed})
        steps = max(1, round(recipe.schedule.num_steps * share_of_steps))
        return recipe.with_steps(steps)


@dataclass(frozen=True)
class Claim:
    """Something a paper says: method `after` is better than `before`, by so much.

    Parameters
    ----------
    name, source : str
    before, after : (str, str)
        Variant and method.
    metric : str
    paper : float
        Relative change of the metric in the paper, per cent.
    """

    name: str
    source: str
    before: tuple[str, str]
    after: tuple[str, str]
    metric: str
    paper: float


def all_stages(network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each stage of RPSM."""
    stages = network(batch["features"]).stages
    return {f"stage {k + 1}": poses for k, poses in enumerate(stages)}


def corrected(network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The pose machine: as it is, corrected by the seen 2D pose, corrected by the true one."""
    output = network(batch["features"])
    poses = {"intermediate": output.stages[0]}
    if output.projected_2d is None:
        return poses
    poses["regressed"] = output.stages[1]
    start, seen = output.stages[0].flatten(0, 1), output.keypoints_2d.flatten(0, 1)
    scores = batch["features"][..., 2].flatten(0, 1)
    shape = output.stages[0].shape
    poses["corrected"] = correct(network.projector, start, seen, weights=scores).poses.view(shape)
    true_2d = batch["keypoints_2d"].flatten(0, 1)
    poses["corrected by true 2D"] = correct(network.projector, start, true_2d).poses.view(shape)
    return poses


def refined(network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The single-frame network, and what TP-Net or an LSTM makes of its poses."""
    poses = _single_frame()(batch["features"])[-1]
    return {"single frame": poses, "refined": network(poses)[-1]}


def temporal(network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The temporal network, with the ends of the clip repeated."""
    before, after = network.config.padding
    seen = batch["features"]
    padded = [seen[:, :1].expand(-1, before, -1, -1), seen, seen[:, -1:].expand(-1, after, -1, -1)]
    return {"answer": network(torch.cat(padded, dim=1))[-1]}


@cache
def _single_frame() -> nn.Module:
    return build_network(model_entry("single-frame"))


_NETWORK = "task.network."
_SMALL = {
    f"{_NETWORK}width": 0.0625,
    f"{_NETWORK}adapted_size": 128,
    f"{_NETWORK}hidden_size": 256,
    "schedule.checkpoint_every": 250,
}
_SMALL_MACHINE = _SMALL | {f"{_NETWORK}projector_units": 256}
_STAGE = {"learning_rate": 1e-3, "warmup_steps": 100}
_BEFORE_CORRECTION = {
    "steps": 1500,
    "name": "transformer",
    "trained": ["front_end", "transformer"],
    "losses": {"regression": 0.0, "projection": 0.0, "consistency": 0.0},
    **_STAGE,
}
_ALGORITHM_1 = [
    _BEFORE_CORRECTION,
    {
        "name": "projector",
        "steps": 500,
        "learning_rate": 1e-3,
        "trained": ["projector"],
        "losses": {"intermediate": 0.0, "consistency": 0.0},
    },
    {"name": "joint", "steps": 500, "learning_rate": 1e-4, "losses": {"projection": 0.0}},
]
_POSITION_ONLY = {
    f"task.loss.{name}": 0.0
    for name in (
        "angle",
        "distance",
        "symmetry",
        "range_of_motion",
        "velocity",
        "acceleration",
        "angular_acceleration",
    )
}
_SMALL_TEMPORAL = {
    f"{_NETWORK}channels": 256,
    f"{_NETWORK}kernel_sizes": [3, 3, 3],
    "schedule.batch": 64,
    "schedule.stages": [{"steps": 4000, **_STAGE}],
}
_SMALL_REFINER = {
    "schedule.batch": 64,
    "schedule.stages": [{"steps": 3000, "learning_rate": 3e-4, "warmup_steps": 100}],
}


def _rpsm(stages: int, clip: int) -> Variant:
    shape = {f"{_NETWORK}num_stages": stages, f"{_NETWORK}clip_length": clip}
    steps = {"schedule.stages": [{"steps": 2000, **_STAGE}]}
    # As many frames in a step whatever the length of the clips.
    batch = {"schedule.batch": 160 // clip}
    return Variant("rpsm", all_stages, _SMALL | shape | steps | batch)


VARIANTS = {
    "rpsm-1": _rpsm(1, 5),
    "rpsm-2": _rpsm(2, 5),
    "rpsm-3": _rpsm(3, 5),
    "rpsm-1-single": _rpsm(1, 1),
    "machine": Variant(
        "pose-machine", corrected, _SMALL_MACHINE | {"schedule.stages": _ALGORITHM_1}
    ),
    "machine-without": Variant(
        "pose-machine",
        corrected,
        _SMALL_MACHINE
        | {f"{_NETWORK}has_projector": False}
        | {"schedule.stages": [_BEFORE_CORRECTION | {"steps": 2500}]},
    ),
    "tp-net": Variant("tp-net", refined, _SMALL_REFINER),
    "bi-tp-net": Variant("bi-tp-net", refined, _SMALL_REFINER),
    "bi-lstm": Variant("bi-lstm", refined, _SMALL_REFINER),
    "temporal": Variant("temporal", temporal, _SMALL_TEMPORAL),
    "temporal-position": Variant("temporal", temporal, _SMALL_TEMPORAL | _POSITION_ONLY),
}

_RPSM, _MACHINE = "Lin et al. 2017, Table 4", "Wang et al. 2019, Table 5"
_SAP, _AWARE = "Dabral et al. 2018", "Gupta 2019, Table 6"
CLAIMS = (
    Claim("RPSM: two stages", _RPSM, ("rpsm-1", "stage 1"), ("rpsm-2", "stage 2"), "MPJPE", -5.7),
    Claim("RPSM: three stages", _RPSM, ("rpsm-1", "stage 1"), ("rpsm-3", "stage 3"), "MPJPE", -8.8),
    Claim(
        "RPSM: clips of 5 frames",
        _RPSM,
        ("rpsm-1-single", "stage 1"),
        ("rpsm-1", "stage 1"),
        "MPJPE",
        -11.8,
    ),
    Claim(
        "self-correction at test",
        _MACHINE,
        ("machine", "intermediate"),
        ("machine", "corrected"),
        "MPJPE",
        -5.9,
    ),
    Claim(
        "correction in training",
        _MACHINE,
        ("machine-without", "intermediate"),
        ("machine", "intermediate"),
        "MPJPE",
        -15.6,
    ),
    Claim(
        "correction by true 2D",
        _MACHINE,
        ("machine", "intermediate"),
        ("machine", "corrected by true 2D"),
        "MPJPE",
        -12.2,
    ),
    Claim(
        "TP-Net",
        f"{_SAP}, Table 3",
        ("tp-net", "single frame"),
        ("tp-net", "refined"),
        "MPJPE",
        -6.1,
    ),
    Claim(
        "Bi-TP-Net",
        f"{_SAP}, Table 3",
        ("bi-tp-net", "single frame"),
        ("bi-tp-net", "refined"),
        "MPJPE",
        -7.9,
    ),
    Claim(
        "TP-Net against Bi-LSTM",
        f"{_SAP}, Table 4",
        ("bi-lstm", "refined"),
        ("tp-net", "refined"),
        "MPJPE",
        -2.9,
    ),
    Claim(
        "TP-Net: spread of bone lengths",
        f"{_SAP}, Table 6",
        ("tp-net", "single frame"),
        ("tp-net", "refined"),
        "bone-length spread",
        -28.7,
    ),
    *(
        Claim(
            f"joint-aware losses: {metric}",
            _AWARE,
            ("temporal-position", "answer"),
            ("temporal", "answer"),
            metric,
            paper,
        )
        for metric, paper in (("MPJPE", -1.9), ("MPJVE", -7.0), ("MPJAE", -13.0))
    ),
)


def measure(predict: Predict, network: nn.Module, held_out: LiftingData) -> Figures:
    """Every method's figures on always the same held-out clips."""
    results: dict[str, list[SequenceErrors]] = {}
    illegal: dict[str, list[float]] = {}
    network.eval()
    for i in range(0, NUM_CLIPS, CLIPS_AT_ONCE):
        batch = held_out.draw(CLIPS_AT_ONCE, torch.Generator().manual_seed(i))
        with torch.no_grad():
            methods = predict(network, batch)
        for method, poses in methods.items():
            for predicted, truth in zip(poses, batch["target"], strict=True):
                errors = SequenceErrors.measure(predicted.numpy(), truth.numpy(), METRICS)
                results.setdefault(method, []).append(errors)
            share = illegal_joints(poses).float().mean()
            illegal.setdefault(method, []).append(100 * float(share))
    return {
        method: {m.name: mean_error(errors, m.name) for m in METRICS}
        | {ILLEGAL: sum(illegal[method]) / len(illegal[method])}
        for method, errors in results.items()
    }


def figures_of(name: str, seed: int, options: argparse.Namespace) -> Figures:
    """Train (or go on, or find) one run and measure it."""
    variant, folder = VARIANTS[name], options.runs / f"{name}-{seed}"
    kept = folder / "figures.json"
    if kept.exists():
        return json.loads(kept.read_text(encoding="utf-8"))
    recipe = variant.settings(seed, options.steps)
    for progress in train(recipe, options.mocap, folder):
        if progress.validation:
            error = progress.validation["MPJPE"]
            print(f"{folder.name}: step {progress.step}, MPJPE {error:.1f} mm", file=sys.stderr)
    training, held_out = load_split(options.mocap, SkipLog())
    task = TASKS[recipe.kind].make(recipe.task, training, held_out)
    state = RunFolder(folder).load_checkpoint()
    if state is None:
        raise SystemExit(f"{folder} has no checkpoint.")
    task.network.load_state_dict(state["average"])
    data = LiftingData(held_out, recipe.task.data, FRAMES, slice(None))
    figures = measure(variant.predict, task.network, data)
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


def main() -> int:
    """Train what is missing, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mocap", type=Path)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="part of a claim's name")
    parser.add_argument("--steps", type=float, default=1.0, help="share of the steps")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    claims = [c for c in CLAIMS if options.only in c.name]
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
