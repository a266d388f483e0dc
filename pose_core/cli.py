"""The command line ``posestage``."""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import pose_core
from pose_core.commands import (
    doctor,
    estimate,
    evaluate,
    export,
    gui,
    mocap,
    models,
    runs,
    synthesize,
    train,
)
from pose_core.errors import PoseStageError

COMMANDS = (gui, estimate, export, models, evaluate, train, runs, mocap, synthesize, doctor)

EXIT_USAGE = 2
EXIT_INTERNAL_ERROR = 70
EXIT_INTERRUPTED = 130


class OneLineParser(argparse.ArgumentParser):
    """Parser whose complaints are one line, like all other errors of the program."""

    def error(self, message: str) -> NoReturn:
        """Complain and exit."""
        self.exit(EXIT_USAGE, f"posestage: error: {message}. See {self.prog} --help.\n")


def build_parser() -> argparse.ArgumentParser:
    """Parser of the whole command line."""
    parser = OneLineParser(
        prog="posestage",
        description="3D human pose from one camera. Without a command the application opens.",
        epilog="POSESTAGE_DEBUG=1 shows the full trace of an error.",
    )
    parser.add_argument("--version", action="version", version=pose_core.__version__)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after the program's name; those of the process by default.

    Returns
    -------
    int
        Exit code: 0 for success, otherwise that of the error (see `pose_core.errors`).
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words[:1] in ([], ["gui"]):
            return gui.open_application(words[1:])
        options = build_parser().parse_args(words)
        return options.run(options)
    except KeyboardInterrupt:
        print("posestage: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort: a user gets one line, not a trace
        if os.environ.get("POSESTAGE_DEBUG"):
            traceback.print_exc()
        return report(error)


def report(error: Exception) -> int:
    """Print an error as one line and return its exit code."""
    if isinstance(error, PoseStageError):
        print(f"posestage: error: {error}", file=sys.stderr)
        return error.exit_code
    if isinstance(error, OSError):
        print(f"posestage: error: {error}", file=sys.stderr)
        return PoseStageError.exit_code
    print(
        f"posestage: internal error: {type(error).__name__}: {error}. "
        "Set POSESTAGE_DEBUG=1 and run again for the trace to report.",
        file=sys.stderr,
    )
    return EXIT_INTERNAL_ERROR
