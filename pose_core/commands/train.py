"""``posestage train``: train a network, or go on with a run that was stopped."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from pose_core.progress import ProgressBar

EXIT_INTERRUPTED = 130


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the command line."""
    parser = subparsers.add_parser(
        "train",
        help="train a lifter on motion capture",
        description="Train on every motion below DIR that the default split does not hold out. "
        "The run folder holds the settings, a log of events and checkpoints; the same command "
        "goes on with a run that was stopped or killed. Ctrl+C, or a file named 'stop' in the "
        "folder, stops it.",
    )
    parser.add_argument(
        "recipe",
        metavar="RECIPE",
        help="temporal (as shipped), temporal-paper (Table 3 of the paper) or single-frame",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of npz")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="run folder")
    parser.add_argument("--steps", type=int, metavar="N", help="optimiser steps")
    parser.add_argument("--batch", type=int, metavar="N", help="windows per step")
    parser.add_argument("--channels", type=int, metavar="N", help="width of the network")
    parser.add_argument("--kernels", metavar="K,K,...", help="kernel sizes, for example 3,3,3,3,3")
    parser.add_argument("--start-from", metavar="RUN", help="begin with the weights of another run")
    parser.add_argument("--seed", type=int, metavar="S")
    parser.add_argument(
        "--checkpoint-every", type=int, metavar="N", help="steps between checkpoints"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads; all by default")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train with progress; leave a run that can be continued."""
    import torch

    from pose_core.inference.device import choose_device
    from pose_core.training.temporal import train_temporal

    if options.threads:
        torch.set_num_threads(options.threads)
    bar = ProgressBar(sys.stderr, "steps")
    last_mm = None
    try:
        recipe = _recipe(options)
        device = choose_device(options.device)
        for progress in train_temporal(recipe, options.data, options.out, device, options.recipe):
            bar.update(progress.step, progress.num_steps)
            last_mm = progress.validation_mm or last_mm
    except KeyboardInterrupt:
        bar.close()
        print(f"stopped; the same command goes on from {options.out}", file=sys.stderr)
        return EXIT_INTERRUPTED
    finally:
        bar.close()
    if last_mm is not None:
        print(f"validation MPJPE {last_mm:.1f} mm on held-out motion with detector noise")
    print(options.out)
    return 0


def _recipe(options: argparse.Namespace):  # noqa: ANN202 - torch is imported when first used
    """The named recipe with the changes of the command line."""
    from pose_core.errors import ConfigError
    from pose_core.training.temporal import RECIPES

    if options.recipe not in RECIPES:
        raise ConfigError(
            f"No recipe is called {options.recipe!r}.", f"Choose of: {', '.join(RECIPES)}."
        )
    recipe = RECIPES[options.recipe]
    names = ("steps", "batch", "seed", "checkpoint_every", "start_from")
    changes = {name: getattr(options, name) for name in names}
    shape = {"channels": options.channels}
    if options.kernels:
        try:
            shape["kernel_sizes"] = tuple(int(k) for k in options.kernels.split(","))
        except ValueError:
            raise ConfigError(f"--kernels {options.kernels} is not a list of numbers.") from None
    network = replace(recipe.network, **{k: v for k, v in shape.items() if v is not None})
    changes = {k: v for k, v in changes.items() if v is not None}
    return replace(recipe, network=network, **changes)
