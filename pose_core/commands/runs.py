"""``posestage runs``: the training runs, and how they stand."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pose_core.errors import DataError
from pose_core.progress import format_seconds

if TYPE_CHECKING:
    from pose_core.training.runs import RunSummary


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the command line."""
    parser = subparsers.add_parser(
        "runs",
        help="list training runs with their state",
        description="List the training runs in FOLDER: state, step, the best figure on held-out "
        "motion, time left. A run whose process has gone away is interrupted; "
        "`posestage train --resume RUN` goes on with it.",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="FOLDER",
        help="folder of run folders, or one of them (default: those of the application)",
    )
    parser.add_argument("--json", action="store_true", help="all that is known, for programs")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the list."""
    from pose_core.training.runs import default_runs_folder, list_runs, summarise

    folder: Path = options.folder or default_runs_folder()
    if options.folder and not folder.is_dir():
        raise DataError(f"{folder} is not a folder.")
    is_run = (folder / "config.json").is_file()
    runs = [summarise(folder)] if is_run else list_runs(folder)
    if options.json:
        print(json.dumps([asdict(r) | {"path": str(r.path)} for r in runs], indent=1))
    elif runs:
        print("\n".join(describe(r) for r in runs))
    else:
        print(f"No runs in {folder}. `posestage train RECIPE --data DIR --out RUN` starts one.")
    return 0


def describe(summary: "RunSummary") -> str:
    """One line for people, and another when something is wrong."""
    share = summary.step / max(summary.num_steps, 1)
    line = f"{summary.name:<24} {summary.state:<12} {summary.recipe_kind:<14}"
    line += f"{summary.step:>7}/{summary.num_steps} ({share:.0%})"
    if summary.best is not None:
        line += f"  best {summary.watched} {summary.best:.1f}"
    if summary.state == "running" and summary.seconds_left is not None:
        line += f"  {format_seconds(summary.seconds_left)} left"
    problem = f"{summary.message} {summary.hint}".strip()
    return f"{line}\n    {problem}" if problem else line
