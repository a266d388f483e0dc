"""``posestage train``: train a network, or go on with a run that was stopped."""

import argparse
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from pose_core.errors import ConfigError
from pose_core.progress import ProgressBar
from pose_core.training.recipe_files import recipe_names

if TYPE_CHECKING:
    from pose_core.training.recipes import Recipe

EXIT_INTERRUPTED = 130


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the command line."""
    parser = subparsers.add_parser(
        "train",
        help="train a network on motion capture",
        description="Train on every motion below DIR that the default split does not hold out. "
        "The run folder holds the settings, a log of events and checkpoints; the same command "
        "goes on with a run that was stopped or killed. Ctrl+C, or a file named 'stop' in the "
        "folder, stops it.",
    )
    parser.add_argument(
        "recipe", metavar="RECIPE", help=f"{', '.join(recipe_names())}, or a .toml file"
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="motion capture")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="run folder")
    parser.add_argument("--steps", type=int, metavar="N", help="optimizer steps, of all stages")
    parser.add_argument("--batch", type=int, metavar="N", help="samples per step")
    parser.add_argument("--seed", type=int, metavar="S")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other setting of the recipe, for example task.network.channels=1024; VALUE as "
        "in TOML, and text may go without quotes",
    )
    parser.add_argument("--start-from", type=Path, metavar="RUN", help="begin with its weights")
    parser.add_argument(
        "--data-workers",
        type=int,
        default=0,
        metavar="N",
        help="processes that draw samples ahead (default: 0, the training process draws them)",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads; all by default")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train with progress; leave a run that can be continued."""
    import torch

    from pose_core.inference.device import choose_device
    from pose_core.training.start import train

    if options.threads:
        torch.set_num_threads(options.threads)
    bar = ProgressBar(sys.stderr, "steps")
    validation: dict[str, float] = {}
    try:
        records = train(
            _recipe(options),
            options.data,
            options.out,
            device=choose_device(options.device),
            data_workers=options.data_workers,
            start_from=options.start_from,
        )
        for progress in records:
            bar.update(progress.step, progress.num_steps)
            validation = progress.validation or validation
    except KeyboardInterrupt:
        bar.close()
        print(f"stopped; the same command goes on from {options.out}", file=sys.stderr)
        return EXIT_INTERRUPTED
    finally:
        bar.close()
    for name, error in validation.items():
        print(f"{name} {error:.1f} mm on held-out motion with a detector's errors")
    print(options.out)
    return 0


def _recipe(options: argparse.Namespace) -> "Recipe":
    """The named recipe with the changes of the command line."""
    from pose_core.training.recipes import load_recipe

    changes = dict(_change(text) for text in options.set)
    for name in ("batch", "seed"):
        if (value := getattr(options, name)) is not None:
            changes[f"schedule.{name}"] = value
    recipe = load_recipe(options.recipe, changes)
    return recipe if options.steps is None else recipe.with_steps(options.steps)


def _change(text: str) -> tuple[str, object]:
    """Name and value of one ``--set``.

    Raises
    ------
    ConfigError
        If there is no equals sign.
    """
    name, separator, value = text.partition("=")
    if not separator:
        raise ConfigError(f"--set {text} has no value.", "Write --set NAME=VALUE.")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value
