"""``posestage export``: a saved session to files."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pose_core.progress import ProgressBar

if TYPE_CHECKING:
    from pose_core.interchange.exporting import ExportRecord


def add_export_options(parser: argparse.ArgumentParser, formats: str) -> None:
    """Options on the files to write, the same wherever results are exported."""
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="folder for the files (here)"
    )
    parser.add_argument(
        "--formats",
        default=formats,
        metavar="LIST",
        help="comma-separated, of bvh, csv, npz, json, coco and keypoints (2D of all people), mp4 "
        f"(overlay video) and session (the application's own file); default {formats}",
    )
    parser.add_argument(
        "--level",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="turn the BVH so that the standing person is upright, for a camera that looks up "
        "or down (the default); --no-level keeps the camera's axes",
    )


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the command line."""
    parser = subparsers.add_parser(
        "export",
        help="write the results of a saved session in other formats",
        description="Write the poses of a saved session, edits included, in any format.",
    )
    parser.add_argument("session", type=Path, metavar="SESSION")
    parser.add_argument("--model", metavar="NAME", help="whose poses; the latest by default")
    add_export_options(parser, "bvh,csv,npz")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Load and export."""
    from pose_core.interchange.exporting import check_formats, export_session
    from pose_core.session_io import load_session

    formats = check_formats(options.formats.split(","))
    session = load_session(options.session)
    follow_export(
        export_session(session, options.out, formats, model=options.model, level=options.level)
    )
    return 0


def follow_export(records: "Iterator[ExportRecord]") -> None:
    """Print each file that is written, and show how far the overlay video is."""
    from pose_core.interchange.exporting import ExportedFile

    bar = ProgressBar(sys.stderr, "frames")
    try:
        for record in records:
            if isinstance(record, ExportedFile):
                bar.close()
                print(record)
            else:
                bar.update(record.num_done, record.num_total)
    finally:
        bar.close()
