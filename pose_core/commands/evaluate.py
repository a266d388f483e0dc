"""``posestage evaluate``: errors of a model on motion that it has not seen."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pose_core.progress import ProgressBar

if TYPE_CHECKING:
    from pose_core.data.mocap import Motion
    from pose_core.inference.evaluate import Lift, MocapProtocol
    from pose_core.metrics.report import Report, SequenceErrors

Result = TypeVar("Result")

_MEAN_POSE = "mean pose"
_MOCAP = "mocap"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the command line."""
    parser = subparsers.add_parser(
        "evaluate",
        help="measure the errors of a model on motion capture or on a benchmark",
        description="Look at recorded motion through virtual cameras, or at a benchmark of the "
        "field through its own, lift what they see to 3D, and report the errors in millimetres "
        "beside those of always answering the mean pose and those that papers have published.",
    )
    parser.add_argument("model", metavar="MODEL", help="see posestage models")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder of motion, or a benchmark"
    )
    parser.add_argument(
        "--protocol",
        default=_MOCAP,
        metavar="NAME",
        help="mocap (the default); h36m-1, h36m-2, h36m-3, h36m-sapnet, h36m-joint-aware, "
        "humaneva or mpi-inf-3dhp (a wrong DIR gets a message that names the files they need)",
    )
    parser.add_argument(
        "--keypoints",
        default="gt",
        metavar="NAME",
        help="of a benchmark: true 2D (gt), or NAME of data_2d_h36m_NAME.npz",
    )
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
    if options.protocol == _MOCAP:
        report = _evaluate_mocap(options)
        print("\n".join(table(report, options.held_out)))
    else:
        report = _evaluate_benchmark(options)
    _write_files(report, options)
    return 0


def _evaluate_mocap(options: argparse.Namespace) -> "Report":
    from pose_core.data.mocap import DEFAULT_SPLIT
    from pose_core.errors import ConfigError, DataError
    from pose_core.inference.evaluate import MOCAP_METRICS, MocapProtocol, mean_pose_lift
    from pose_core.inference.lifter import make_lifter
    from pose_core.metrics.report import Report
    from pose_core.models.registry import model_entry
    from pose_core.synthesis.movement import motions_from

    if options.views < 1:
        raise ConfigError(f"--views {options.views} is not possible.", "Give at least 1.")
    entry = model_entry(options.model)
    motions = motions_from(options.data)
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
    lifter = make_lifter(entry)
    *before, last = _errors_of_stages(lifter.lift, motions, protocol)
    print("\n".join(stages_table(lifter.stage_names, [*before, last])))
    results = {entry.name: last}
    if entry.mean_pose is not None:
        lift = mean_pose_lift(np.array(entry.mean_pose))
        results[_MEAN_POSE] = _errors_of_stages(lift, motions, protocol)[-1]
    return Report(MOCAP_METRICS, results)


def stages_table(names: Sequence[str], stages: "list[list[SequenceErrors]]") -> list[str]:
    """Lines of a text table: the mean errors of each stage of a model, a blank line at the end."""
    from pose_core.inference.evaluate import METRICS
    from pose_core.metrics.report_files import metrics_table

    return [*metrics_table("stages", dict(zip(names, stages, strict=True)), METRICS), ""]


def _evaluate_benchmark(options: argparse.Namespace) -> "Report":
    """Evaluate by the protocol of a paper and print its table."""
    from pose_core.data.protocols import get_protocol, sequences_of
    from pose_core.data.skipping import SkipLog
    from pose_core.inference.benchmark import benchmark_metrics, evaluate_benchmark
    from pose_core.inference.evaluate import Lift, mean_pose_lift
    from pose_core.inference.lifter import make_lifter
    from pose_core.metrics.report import Report
    from pose_core.metrics.report_files import actions_table, parts_line
    from pose_core.models.registry import model_entry

    protocol = get_protocol(options.protocol)
    _refuse_options_of_mocap(options)
    entry = model_entry(options.model)
    entries = sequences_of(protocol, options.data, options.keypoints)
    lifts: dict[str, Lift] = {entry.name: make_lifter(entry).lift}
    if entry.mean_pose is not None:
        lifts[_MEAN_POSE] = mean_pose_lift(np.array(entry.mean_pose))
    results = {}
    for name, lift in lifts.items():
        log = SkipLog(len(entries))
        found = evaluate_benchmark(lift, entries, protocol, log)
        results[name] = [r for some in _shown(found, len(entries), "sequences") for r in some]
    columns = protocol.columns
    report = Report(benchmark_metrics(protocol), results, protocol.references, tuple(columns))
    print(protocol.title)
    for metric in protocol.metrics:
        print("\n".join(["", *actions_table(report, metric, columns)]))
    print("\n".join(["", *(parts_line(report, name, "MPJPE") for name in results), *log.lines()]))
    return report


def _refuse_options_of_mocap(options: argparse.Namespace) -> None:
    from pose_core.errors import ConfigError

    given = {
        "--noise": options.noise != "none",
        "--focal": options.focal != "known",
        "--roll": options.roll is not None,
        "--held-out": options.held_out,
    }
    if names := [name for name, is_given in given.items() if is_given]:
        raise ConfigError(
            f"{', '.join(names)} does not go with --protocol {options.protocol}.",
            "A benchmark has its own cameras and its own split.",
        )


def _errors_of_stages(
    lift: "Lift", motions: "list[Motion]", protocol: "MocapProtocol"
) -> "list[list[SequenceErrors]]":
    """Errors of all views, for each stage."""
    from pose_core.inference.evaluate import evaluate_stages

    total = len(motions) * protocol.num_views
    views = list(_shown(evaluate_stages(lift, motions, protocol), total, "views"))
    return [list(stage) for stage in zip(*views, strict=True)]


def _shown(results: Iterable[Result], total: int, unit: str) -> Iterator[Result]:
    """The same results, while a bar shows how many there are."""
    bar = ProgressBar(sys.stderr, unit)
    try:
        for done, result in enumerate(results, start=1):
            yield result
            bar.update(done, total)
    finally:
        bar.close()


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
