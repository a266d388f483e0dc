"""``posestage gui``: open the application."""

import argparse
import importlib
from collections.abc import Sequence


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """List this command in the help; its options are the application's own."""
    subparsers.add_parser("gui", help="open the application, as without any command")


def open_application(words: Sequence[str]) -> int:
    """Hand the words after ``gui`` over to the application and return its exit code."""
    # By name: pose_core does not depend on the application, it only knows how to start it.
    return importlib.import_module("app.__main__").main(words)
