"""``posestage models``: the networks that can be chosen."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from pose_core.errors import WeightsError

if TYPE_CHECKING:
    from pose_core.models.registry import ModelEntry


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the command line."""
    parser = subparsers.add_parser(
        "models",
        help="list the networks, and whether their weights are intact",
        description="List the networks that --model can name, where each comes from, and whether "
        "its weights are intact.",
    )
    parser.add_argument("--json", action="store_true", help="all that the manifest says")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the list."""
    from pose_core.models.registry import load_manifest

    entries = list(load_manifest().values())
    states = [weights_state(entry) for entry in entries]
    if options.json:
        listed = [asdict(entry) | {"weights": s} for entry, s in zip(entries, states, strict=True)]
        print(json.dumps(listed, indent=1))
    else:
        print("\n".join(describe(entry, s) for entry, s in zip(entries, states, strict=True)))
    return 0


def weights_state(entry: "ModelEntry") -> str:
    """``intact``, or what is wrong with the weights and what mends them."""
    try:
        entry.check()
    except WeightsError as error:
        return str(error)
    return "intact"


def describe(entry: "ModelEntry", state: str) -> str:
    """A few lines for people."""
    kind = "baseline, to compare with" if entry.is_baseline else entry.paper
    return "\n".join(
        [
            f"{entry.name}: {kind}",
            f"  {entry.num_parameters / 1e6:.1f} million parameters at {entry.rate_hz:g} frames/s, "
            f"{entry.file}",
            f"  trained on {entry.training_data}; licence {entry.licence}",
            f"  weights: {state}",
        ]
    )
