"""``posestage train``: train a network, or go on with a run that was stopped."""

import argparse
import signal
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pose_core.errors import ConfigError
from pose_core.progress import ProgressBar, format_seconds
from pose_core.training.recipe_files import recipe_names

if TYPE_CHECKING:
    from pose_core.training.engine import TrainingProgress
    from pose_core.training.recipes import Recipe


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the command line."""
    parser = subparsers.add_parser(
        "train",
        help="train a network on motion capture",
        description="Train on every motion below DIR that the default split does not hold out. "
        "The run folder holds the settings, a log of events and checkpoints; the same command, "
        "or --resume RUN, goes on with a run that was stopped or killed. Ctrl+C, or a file named "
        "'stop' in the folder, ends it after the present step, with a checkpoint.",
    )
    parser.add_argument(
        "recipe", nargs="?", metavar="RECIPE", help=f"{', '.join(recipe_names())}, or a .toml file"
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help='motion capture, or "bundled" for our own motions'
    )
    parser.add_argument("--out", type=Path, metavar="RUN", help="run folder")
    parser.add_argument(
        "--resume", type=Path, metavar="RUN", help="go on with a run, with its own settings"
    )
    parser.add_argument(
        "--estimate",
        action="store_true",
        help="start nothing; measure in a few steps how much memory and time a run takes, and "
        "which batch fits",
    )
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
    parser.add_argument(
        "--start-from",
        type=Path,
        metavar="RUN",
        help="begin with its weights; of another network with the parts that both have",
    )
    parser.add_argument(
        "--data-workers",
        type=int,
        metavar="N",
        help="processes that draw samples ahead; 0: the training process draws them (default: as "
        "many as suit the device)",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), help="default: auto")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads; all by default")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train with progress; leave a run that can be continued."""
    from pose_core.training.runs import summarise

    if options.estimate:
        print(_estimate(options))
        return 0
    out, records = _started(options)
    bar = ProgressBar(sys.stderr, "steps")
    validation: dict[str, float] = {}
    with _stop_on_interrupt(out), _denormals_as_zero():
        try:
            for progress in records:
                bar.update(progress.step, progress.num_steps)
                validation = progress.validation or validation
        finally:
            bar.close()
    for name, error in validation.items():
        unit = "" if name.endswith("%") else " mm"
        print(f"{name} {error:.1f}{unit} on held-out motion")
    if (state := summarise(out).state) in ("stopped", "paused"):
        print(f"{state}; posestage train --resume {out} goes on", file=sys.stderr)
    print(out)
    return 0


def _estimate(options: argparse.Namespace) -> str:
    """What the run of the options would take, for people."""
    from pose_core.training.budget import estimate_budget

    if not options.recipe:
        raise ConfigError("--estimate needs RECIPE.", "See posestage train --help.")
    recipe = _recipe(options)
    budget = estimate_budget(recipe, options.device or "auto", threads=options.threads)
    advice = "" if budget.fits else f"; choose --batch {budget.largest_batch}"
    return "\n".join(
        [
            f"memory   {budget.peak_memory_bytes / 2**30:.2f} GiB of "
            f"{budget.free_memory_bytes / 2**30:.2f} GiB that are free, without the data",
            f"batch    {budget.batch}; at most {budget.largest_batch} fit{advice}",
            f"step     {budget.seconds_per_step:.3f} s",
            f"time     {format_seconds(budget.seconds)} for {recipe.schedule.num_steps} steps, "
            "without validations",
        ]
    )


def _started(options: argparse.Namespace) -> "tuple[Path, Iterator[TrainingProgress]]":
    """Run folder and records of the run that the options ask for.

    Raises
    ------
    ConfigError
        If options are missing or contradict each other.
    """
    from pose_core.training.start import resume, train

    machine = {"threads": options.threads, "device": options.device}
    if options.resume is not None:
        fixed = ("recipe", "data", "out", "steps", "batch", "seed", "set", "start_from")
        if given := [name for name in fixed if getattr(options, name)]:
            raise ConfigError(
                f"--resume goes on with the settings of the run; {given[0]} cannot be given.",
                "Start another run to change it.",
            )
        return options.resume, resume(options.resume, data_workers=options.data_workers, **machine)
    if missing := [name for name in ("recipe", "data", "out") if not getattr(options, name)]:
        raise ConfigError(
            f"A new run needs RECIPE, --data and --out; {missing[0]} is missing.",
            "See posestage train --help.",
        )
    return options.out, train(
        _recipe(options),
        options.data,
        options.out,
        device=options.device or "auto",
        data_workers=options.data_workers,
        threads=options.threads,
        start_from=options.start_from,
    )


@contextmanager
def _stop_on_interrupt(out: Path) -> Iterator[None]:
    """The first Ctrl+C asks for a checkpoint and the end, the second ends at once."""
    from pose_core.training.runs import request_stop

    def stop(signal_number: int, _frame: object) -> None:
        signal.signal(signal_number, signal.default_int_handler)
        request_stop(out)
        print("\nstopping after this step; Ctrl+C again ends at once", file=sys.stderr)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _denormals_as_zero() -> Iterator[None]:
    """Decayed weights become denormal numbers, with which a step takes four times as long."""
    import torch

    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


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
