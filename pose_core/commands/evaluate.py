"""``posestage evaluate``: errors of a model on motion that it has not seen."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pose_core.progress import ProgressBar

if TYPE_CHECKING:
    from pose_core.data.mocap import Motion
    from pose_core.inference.evaluate import Lift, MocapProtocol
    from pose_core.metrics.report import Report, SequenceErrors

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
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all means as a table")
    parser.add_argument(
        "--frames-csv", type=Path, metavar="FILE", help="write the errors of every frame"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Evaluate, print tables, write files."""
    report = _evaluate_mocap(options)
    print("\n".join(table(report, options.held_out)))
    _write_files(report, options)
    return 0


def _evaluate_mocap(options: argparse.Namespace) -> "Report":
    from pose_core.data.mocap import DEFAULT_SPLIT, load_motions
    from pose_core.errors import ConfigError, DataError
    from pose_core.inference.evaluate import MOCAP_METRICS, MocapProtocol, mean_pose_lift
    from pose_core.inference.lifter import TemporalLifter
    from pose_core.metrics.report import Report
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
    return Report(MOCAP_METRICS, results)


def _errors(
    lift: "Lift", motions: "list[Motion]", protocol: "MocapProtocol"
) -> "list[SequenceErrors]":
    from pose_core.inference.evaluate import evaluate_mocap

    bar = ProgressBar(sys.stderr, "views")
    results = []
    try:
        for result in evaluate_mocap(lift, motions, protocol):
            results.append(result)
            bar.update(len(results), len(motions) * protocol.num_views)
    finally:
        bar.close()
    return results


def _groups(results: "list[SequenceErrors]", by_split: bool) -> "dict[str, list[SequenceErrors]]":
    from pose_core.data.mocap import DEFAULT_SPLIT, Motion
    from pose_core.metrics.report import by_action

    if not by_split:
        return by_action(results)
    empty = np.zeros((0, 17, 3), np.float32)
    groups: dict[str, list[SequenceErrors]] = {}
    for r in results:
        held = DEFAULT_SPLIT.held_out_by(Motion(r.name, empty, 1.0, r.action, r.subject))
        groups.setdefault(f"new {held}", []).append(r)
    return dict(sorted(groups.items())) | by_action(results)


def table(report: "Report", by_split: bool = False) -> list[str]:
    """Lines of a text table: a block per method, a row per action."""
    from pose_core.inference.evaluate import METRICS
    from pose_core.metrics.report_files import metrics_table, parts_line

    lines = []
    for name, results in report.methods.items():
        rows = _groups(list(results), by_split) | {"all": list(results)}
        lines += metrics_table(name, rows, METRICS)
        lines.append(parts_line(report, name, "MPJPE"))
        lines += _below(report, name)
        lines.append("")
    if len(report.methods) == 2:
        model, baseline = (report.mean(name, "MPJPE") for name in report.methods)
        lines.append(
            f"MPJPE is {100 * (1 - model / baseline):.1f} % below the mean pose. All in mm."
        )
    return lines


def _below(report: "Report", name: str) -> list[str]:
    """Lines with what does not fit the columns: shares, bones, joint angles."""
    from pose_core.metrics.report_files import parts_line

    shares = (f"{m} {report.mean(name, m):.1f} %" for m in ("PCK", "AUC", "illegal angles"))
    bones = (parts_line(report, name, m) for m in ("left/right difference", "bone-length spread"))
    return ["  " + ", ".join(shares), *bones]


def _write_files(report: "Report", options: argparse.Namespace) -> None:
    from pose_core.atomic_file import atomic_write
    from pose_core.errors import DataError
    from pose_core.metrics.report_files import write_csv, write_frames_csv, write_json

    if options.json:
        settings = {k: str(v) for k, v in vars(options).items() if k != "run"}
        with atomic_write(options.json, DataError) as file:
            write_json(file, report, settings)
    for path, write in ((options.csv, write_csv), (options.frames_csv, write_frames_csv)):
        if path:
            with atomic_write(path, DataError) as file:
                write(file, report)
