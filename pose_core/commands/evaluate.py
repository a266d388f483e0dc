"""``posestage evaluate``: errors of a model on motion that it has not seen."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pose_core.progress import ProgressBar

if TYPE_CHECKING:
    from pose_core.data.mocap import Motion
    from pose_core.inference.evaluate import Lift, MocapProtocol, MotionErrors

_MEAN_POSE = "mean pose"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the command line."""
    parser = subparsers.add_parser(
        "evaluate",
        help="measure the errors of a model on motion capture",
        description="Look at recorded motion through virtual cameras, lift what they see to 3D, "
        "and report the errors in millimetres beside those of always answering the mean pose.",
    )
    parser.add_argument("model", metavar="MODEL", help="see posestage models")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of npz")
    parser.add_argument("--protocol", choices=("mocap",), default="mocap")
    parser.add_argument(
        "--noise",
        choices=("none", "detector"),
        default="none",
        help="true 2D, or 2D with the errors of a detector",
    )
    parser.add_argument("--views", type=int, default=2, metavar="N", help="cameras per motion")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument(
        "--focal",
        choices=("known", "assumed"),
        default="known",
        help="whether the model is told the focal length",
    )
    parser.add_argument("--roll", type=float, metavar="DEG", help="roll all cameras by this much")
    parser.add_argument(
        "--held-out",
        action="store_true",
        help="of DIR, only the subjects and actions that the shipped weights were not trained on",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to a file")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Evaluate, print tables, write JSON."""
    from pose_core.atomic_file import atomic_write
    from pose_core.data.mocap import DEFAULT_SPLIT, load_motions
    from pose_core.errors import ConfigError, DataError
    from pose_core.inference.evaluate import MocapProtocol, mean_pose_lift
    from pose_core.inference.lifter import TemporalLifter
    from pose_core.models.registry import model_entry

    if options.views < 1:
        raise ConfigError(f"--views {options.views} is not possible.", "Give at least 1.")
    entry = model_entry(options.model)
    motions = load_motions(options.data)
    if options.held_out:
        motions = DEFAULT_SPLIT.held_out(motions)
        if not motions:
            raise DataError(f"Nothing below {options.data} is held out from training.")
    protocol = MocapProtocol(
        noise=options.noise,
        num_views=options.views,
        seed=options.seed,
        focal=options.focal,
        roll_deg=options.roll,
    )
    results = {entry.name: _errors(TemporalLifter(entry).lift, motions, protocol)}
    if entry.mean_pose is not None:
        lift = mean_pose_lift(np.array(entry.mean_pose))
        results[_MEAN_POSE] = _errors(lift, motions, protocol)
    print("\n".join(table(results, options.held_out)))
    if options.json:
        with atomic_write(options.json, DataError) as file:
            file.write(json.dumps(_numbers(results, options), indent=1).encode())
    return 0


def _errors(
    lift: "Lift", motions: "list[Motion]", protocol: "MocapProtocol"
) -> "list[MotionErrors]":
    from pose_core.inference.evaluate import evaluate_mocap

    bar = ProgressBar(sys.stderr, "motions")
    results = []
    try:
        for result in evaluate_mocap(lift, motions, protocol):
            results.append(result)
            bar.update(len(results), len(motions))
    finally:
        bar.close()
    return results


def _groups(results: "list[MotionErrors]", by_split: bool) -> "dict[str, list[MotionErrors]]":
    from pose_core.data.mocap import DEFAULT_SPLIT, Motion
    from pose_core.inference.evaluate import by_action

    if not by_split:
        return by_action(results)
    empty = np.zeros((0, 17, 3), np.float32)
    groups: dict[str, list[MotionErrors]] = {}
    for r in results:
        held = DEFAULT_SPLIT.held_out_by(Motion(r.motion, empty, 1.0, r.action, r.subject))
        groups.setdefault(f"new {held}", []).append(r)
    return dict(sorted(groups.items())) | by_action(results)


def table(results: "dict[str, list[MotionErrors]]", by_split: bool = False) -> list[str]:
    """Lines of a text table: a block per model, a row per action, all errors in mm."""
    from pose_core.inference.evaluate import METRICS, mean_error, mean_per_joint

    lines = []
    for name, errors in results.items():
        lines.append(
            f"{name:<44.44}" + "".join(f"{metric:>10}" for metric in METRICS) + "   frames"
        )
        rows = _groups(errors, by_split) | {"all": errors}
        for label, group in rows.items():
            numbers = "".join(f"{mean_error(group, metric):10.1f}" for metric in METRICS)
            lines.append(f"  {label:<42.42}{numbers}{sum(r.num_frames for r in group):9}")
        joints = mean_per_joint(errors, "MPJPE").items()
        lines.append("  MPJPE per joint: " + ", ".join(f"{j} {e:.1f}" for j, e in joints))
        lines.append("")
    if len(results) == 2:
        model, baseline = (mean_error(errors, "MPJPE") for errors in results.values())
        lines.append(
            f"MPJPE is {100 * (1 - model / baseline):.1f} % below the mean pose. All in mm."
        )
    return lines


def _numbers(
    results: "dict[str, list[MotionErrors]]", options: argparse.Namespace
) -> dict[str, Any]:
    from pose_core.inference.evaluate import METRICS, by_action, mean_error, mean_per_joint

    def of(errors: "list[MotionErrors]") -> dict[str, Any]:
        return {metric: mean_error(errors, metric) for metric in METRICS} | {
            "num_frames": sum(r.num_frames for r in errors)
        }

    settings = {k: str(v) for k, v in vars(options).items() if k != "run"}
    return {"unit": "mm", "settings": settings} | {
        name: {
            "all": of(errors),
            "per_action": {action: of(group) for action, group in by_action(errors).items()},
            "per_joint": {metric: mean_per_joint(errors, metric) for metric in METRICS},
        }
        for name, errors in results.items()
    }
