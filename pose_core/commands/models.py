"""``posestage models``: the networks that can be chosen, and a card of each."""

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pose_core.models.cards import ModelCard
    from pose_core.models.registry import ModelEntry


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the command line."""
    parser = subparsers.add_parser(
        "models",
        help="list the networks, and whether their weights are intact",
        description="List the networks that --model can name, where each comes from, and whether "
        "its weights are intact; and the kinds of networks that can be trained. With NAME, the "
        "card of one of them: size, operations, paper, settings, weights, errors, licence.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="model or kind of network")
    parser.add_argument("--json", action="store_true", help="all that is known, for programs")
    parser.add_argument(
        "--time",
        action="store_true",
        help="with NAME: also find the form in which the network runs fastest on this machine",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the list or the card."""
    if options.name is not None:
        from pose_core.models.cards import model_card

        card = model_card(options.name)
        print(json.dumps(asdict(card), indent=1) if options.json else describe_card(card))
        if options.time:
            print(
                f"  fastest     {_fastest(card)}", file=sys.stderr if options.json else sys.stdout
            )
        return 0
    from pose_core.models.cards import weights_state
    from pose_core.models.networks import NETWORKS
    from pose_core.models.registry import load_manifest

    entries = list(load_manifest().values())
    states = [weights_state(entry) for entry in entries]
    if options.json:
        listed = [asdict(entry) | {"weights": s} for entry, s in zip(entries, states, strict=True)]
        print(json.dumps(listed, indent=1))
        return 0
    print("\n".join(describe(entry, s) for entry, s in zip(entries, states, strict=True)))
    print("\nKinds of networks (`posestage models NAME` prints the card of one):")
    trained = {entry.network for entry in entries}
    for name, kind in NETWORKS.items():
        print(f"  {name:<14} {kind.title}{'' if name in trained else ' (not trained)'}")
    return 0


def _fastest(card: "ModelCard") -> str:
    """How the network runs fastest here; its weights do not matter for that."""
    from pose_core.inference.runtime import prepare
    from pose_core.models.networks import NETWORKS

    return prepare(NETWORKS[card.network].build(card.config)).summary()


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


def describe_card(card: "ModelCard") -> str:
    """The card for people."""
    lines = [
        f"{card.name}: {card.title}",
        f"  paper       {card.paper}",
        f"  parameters  {card.num_parameters / 1e6:.2f} million",
        f"  operations  {card.streaming_gflop:.3g} GFLOP for a single frame, "
        f"{card.clip_gflop:.3g} a frame in a clip (a multiply-add counts as two)",
        f"  input       {', '.join(_shape(shape) for shape in card.input_shapes)}",
        f"  output      {_shape(card.output_shape)} (stages, clips, frames, joints, metres)",
        f"  settings    {_settings(card.config)}",
        f"  weights     {card.weights}",
    ]
    if card.entry:
        lines += _entry_lines(card.entry)
    return "\n".join(lines)


def _entry_lines(entry: dict) -> list[str]:
    lines = [
        f"  file        {entry['file']}, for {entry['rate_hz']:g} frames/s",
        f"  made by     {entry['command']}",
        f"  trained on  {entry['training_data']}",
        f"  licence     {entry['licence']}",
    ]
    metrics = entry["metrics"]
    for noise, title in (("noise_none", "true 2D"), ("noise_detector", "a detector's errors")):
        if noise in metrics:
            errors = ", ".join(
                f"{name} {value:.1f}"
                for name, value in metrics[noise].items()
                if isinstance(value, float)
            )
            lines.append(f"  error       {errors} mm, {title} ({metrics['split']})")
    return lines


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _settings(config: dict) -> str:
    return ", ".join(f"{name} {value}" for name, value in config.items())
