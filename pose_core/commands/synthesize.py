"""``posestage synthesize``: pictures of people with exact labels, from motion capture."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pose_core.progress import ProgressBar

if TYPE_CHECKING:
    from pose_core.synthesis.people import PeopleConfig

EXIT_INTERRUPTED = 130


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the command line."""
    parser = subparsers.add_parser(
        "synthesize",
        help="render people with exact 2D and 3D labels",
        description="Dress free body models, let them move as recorded in DIR, and photograph "
        "them with virtual cameras. The same command goes on with a run that was stopped; the "
        "same seed gives the same pictures.",
    )
    parser.add_argument(
        "--mocap",
        type=Path,
        required=True,
        metavar="DIR",
        help='motion capture, or the word "bundled" for movements that PoseStage makes itself',
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for pictures and labels")
    parser.add_argument("--count", type=int, metavar="N", help="samples to write to --out")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="draw 24 samples into one PNG")
    parser.add_argument("--size", type=int, default=256, metavar="PX", help="side of the pictures")
    parser.add_argument("--frames", type=int, default=1, metavar="T", help="frames of each sample")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument(
        "--split",
        choices=("all", "training", "held-out"),
        default="all",
        help="which motions: those that training leaves out are the held-out ones",
    )
    parser.add_argument("--backgrounds", type=Path, metavar="DIR", help="photos without people")
    parser.add_argument("--renderer", choices=("torch", "warp"), default="torch")
    parser.add_argument("--workers", type=int, metavar="N", help="processes; one per core")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write samples with progress, or one contact sheet."""
    from pose_core.errors import ConfigError
    from pose_core.synthesis.people import PeopleConfig

    config = PeopleConfig(
        size=options.size,
        frames=options.frames,
        backgrounds=options.backgrounds,
        renderer=options.renderer,
    )
    if options.seed < 0:
        raise ConfigError(f"--seed {options.seed} is not possible.", "Give 0 or more.")
    if options.sheet:
        _draw_sheet(options, config)
        return 0
    if options.out is None or options.count is None:
        raise ConfigError("There is nothing to make.", "Give --out and --count, or --sheet.")
    if options.count < 1 or (options.workers is not None and options.workers < 1):
        raise ConfigError("--count and --workers must be at least 1.")
    return _write(options, config)


def _write(options: argparse.Namespace, config: "PeopleConfig") -> int:
    from pose_core.synthesis.people_files import write_people

    workers = options.workers or os.cpu_count() or 1
    bar = ProgressBar(sys.stderr, "samples")
    try:
        for progress in write_people(
            options.mocap,
            options.out,
            config,
            num_samples=options.count,
            seed=options.seed,
            split=options.split,
            workers=workers,
        ):
            bar.update(progress.done, progress.total)
    except KeyboardInterrupt:
        bar.close()
        print(f"stopped; the same command goes on in {options.out}", file=sys.stderr)
        return EXIT_INTERRUPTED
    finally:
        bar.close()
    print(options.out)
    return 0


def _draw_sheet(options: argparse.Namespace, config: "PeopleConfig") -> None:
    from pose_core.atomic_file import atomic_write
    from pose_core.errors import DataError
    from pose_core.synthesis.people import PeopleSource
    from pose_core.synthesis.people_files import select_motions
    from pose_core.synthesis.sheet import contact_sheet, encode_png

    source = PeopleSource(select_motions(options.mocap, options.split), config)
    with atomic_write(options.sheet, DataError) as file:
        file.write(encode_png(contact_sheet(source, options.seed)))
    print(options.sheet)
