"""``posestage doctor``: what is there, what is missing, and what mends it."""

import argparse


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the command line."""
    parser = subparsers.add_parser(
        "doctor",
        help="report what is missing on this machine, and the command that mends it",
        description="Report versions, graphics, libraries and weights, what is missing, and the "
        "command that mends it. Exits with 1 when something needed is missing.",
    )
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the report."""
    from pose_core.doctor import as_json, as_text, examine

    findings = list(examine())
    print(as_json(findings) if options.json else as_text(findings))
    return int(any(finding.state == "missing" for finding in findings))
