"""``posestage models``: the networks that can be chosen, and a card of each."""

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from pose_core.errors import ConfigError

if TYPE_CHECKING:
    from pose_core.models.cards import ModelCard
    from pose_core.models.registry import ModelEntry


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the command line."""
    parser = subparsers.add_parser(
        "models",
        help="list the networks, and whether their weights are intact",
        description="List the networks that --model can name, yours among them, where each comes "
        "from, and whether its weights are intact; and the kinds of networks that can be trained. "
        "With NAME, the card of one of them: size, operations, paper, settings, weights, errors, "
        "licence.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="model or kind of network")
    parser.add_argument("--json", action="store_true", help="all that is known, for programs")
    parser.add_argument(
        "--time",
        action="store_true",
        help="with NAME: also find the form in which the network runs fastest on this machine",
    )
    parser.add_argument(
        "--remove", action="store_true", help="with NAME: delete this model of your own"
    )
    parser.add_argument("--yes", action="store_true", help="with --remove: do not ask")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the list or the card, or remove a model."""
    if options.remove:
        return _remove(options.name, is_sure=options.yes)
    if options.name is not None:
        from pose_core.models.cards import model_card

        card = model_card(options.name)
        print(_json(asdict(card)) if options.json else describe_card(card))
        if options.time:
            print(
                f"  fastest     {_fastest(card)}", file=sys.stderr if options.json else sys.stdout
            )
        return 0
    _print_list(as_json=options.json)
    return 0


def _print_list(*, as_json: bool) -> None:
    from pose_core.models.cards import weights_state
    from pose_core.models.networks import NETWORKS
    from pose_core.models.registry import installed_models, load_user_models

    entries = list(installed_models().values())
    states = [weights_state(entry) for entry in entries]
    if as_json:
        print(_json([asdict(e) | {"weights": s} for e, s in zip(entries, states, strict=True)]))
    else:
        print("\n".join(describe(entry, s) for entry, s in zip(entries, states, strict=True)))
        print("\nKinds of networks (`posestage models NAME` prints the card of one):")
        trained = {entry.network for entry in entries}
        for name, kind in NETWORKS.items():
            print(f"  {name:<14} {kind.title}{'' if name in trained else ' (not trained)'}")
    for problem in load_user_models().problems.values():
        print(f"posestage: warning: {problem}", file=sys.stderr)


def _remove(name: str | None, *, is_sure: bool) -> int:
    """Delete a model of the user's, after a question unless the answer is known.

    Raises
    ------
    ConfigError
        If no model is named, it is none of the user's, or nobody can be asked.
    """
    from pose_core.models.registry import remove_user_model, user_model_folder

    if name is None:
        raise ConfigError("--remove needs the NAME of a model.", "posestage models lists them.")
    folder = user_model_folder(name)
    if not is_sure:
        if not sys.stdin.isatty():
            raise ConfigError("Nobody can be asked whether to remove it.", "Add --yes.")
        answer = input(f"Delete {folder}? [y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            print("nothing was removed", file=sys.stderr)
            return 1
    remove_user_model(name)
    print(f"removed {folder}", file=sys.stderr)
    return 0


def _json(content: object) -> str:
    return json.dumps(content, indent=1, default=str)  # folders become text


def _fastest(card: "ModelCard") -> str:
    """How the network runs fastest here; its weights do not matter for that."""
    from pose_core.inference.runtime import prepare
    from pose_core.models.networks import NETWORKS

    return prepare(NETWORKS[card.network].build(card.config)).summary()


def describe(entry: "ModelEntry", state: str) -> str:
    """A few lines for people."""
    kind = "baseline, to compare with" if entry.is_baseline else entry.paper
    owner = "" if entry.folder is None else " (your own)"
    return "\n".join(
        [
            f"{entry.name}{owner}: {kind}",
            f"  {entry.num_parameters / 1e6:.1f} million parameters at {entry.rate_hz:g} frames/s, "
            f"{entry.path if owner else entry.file}",
            f"  trained on {entry.training_data}; licence {entry.licence}",
            f"  weights: {state}",
            *([f"  note: {entry.caution}"] if entry.caution else []),
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
    if entry["caution"]:
        lines.append(f"  note        {entry['caution']}")
    if entry["base"]:
        lines.append(f"  refines     the poses of {entry['base']}")
    if validation := metrics.get("validation"):
        # Millimetres, but where the name says per cent.
        figures = (
            f"{name.removesuffix(' %')} {value:.1f} {'%' if name.endswith(' %') else 'mm'}"
            for name, value in validation.items()
        )
        lines.append(f"  error       {', '.join(figures)} ({metrics['split']})")
    for noise, title in (("noise_none", "true 2D"), ("noise_detector", "a detector's errors")):
        if noise in metrics:
            errors = ", ".join(
                f"{name} {value:.1f}"
                for name, value in metrics[noise].items()
                if isinstance(value, float)
            )
            lines.append(f"  error       {errors} mm, {title} ({metrics['split']})")
            for stage, means in metrics[noise].get("stages", {}).items():
                errors = ", ".join(f"{name} {value:.1f}" for name, value in means.items())
                lines.append(f"    {stage:<16}{errors}")
    return lines


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _settings(config: dict) -> str:
    return ", ".join(f"{name} {value}" for name, value in config.items())
