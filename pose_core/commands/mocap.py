"""``posestage mocap``: what is in a motion capture file."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pose_core.data.recording import Recording
    from pose_core.data.recording_settings import RecordingSettings


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the command line."""
    parser = subparsers.add_parser(
        "mocap",
        help="look into motion capture files",
        description="Look into motion capture files.",
    )
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    inspect = verbs.add_parser(
        "inspect",
        help="joints, rate, units, axes and sides of a file, and what is doubtful",
        description="Read a BVH, AMC, C3D, TRC or npz file as training would, and say what was "
        "found: joints, frame rate, unit, upward axis, stature, bones, sides, gaps. The exit code "
        "is 7 where training would refuse the file.",
    )
    inspect.add_argument("file", type=Path, metavar="FILE")
    inspect.add_argument("--png", type=Path, metavar="PNG", help="draw some frames into a picture")
    inspect.add_argument(
        "--settings",
        type=Path,
        metavar="JSON",
        help="settings file with any of up, units, swap_sides, fps, joints, action, subject; "
        "mocap.json in the file's own folder by default",
    )
    inspect.add_argument("--up", metavar="AXIS", help="x, y, z, or --up=-x and so on")
    inspect.add_argument(
        "--units", metavar="UNIT", help="m, cm, mm, in, ft, cmu, or metres per unit"
    )
    inspect.add_argument("--fps", type=float, metavar="HZ", help="frames per second")
    inspect.add_argument(
        "--swap-sides",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="exchange left and right, or keep them whatever they look like",
    )
    inspect.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read, print, draw."""
    from pose_core.data.recording import load_recording
    from pose_core.errors import DataError

    recording = load_recording(options.file, _settings(options))
    print("\n".join(describe(recording)))
    if options.png:
        from pose_core.data.mocap_sheet import save_sheet

        save_sheet(options.png, recording)
        print(options.png)
    return DataError.exit_code if any(f.is_serious for f in recording.findings) else 0


def _settings(options: argparse.Namespace) -> "RecordingSettings":
    """Those of the file or folder, with the changes of the command line."""
    from dataclasses import replace

    from pose_core.data.recording_settings import load_settings, settings_for

    given = options.settings
    settings = load_settings(given) if given else settings_for(options.file, options.file.parent)
    changes = {name: getattr(options, name) for name in ("up", "units", "fps", "swap_sides")}
    return replace(settings, **{k: v for k, v in changes.items() if v is not None})


def describe(recording: "Recording") -> list[str]:
    """Lines of text."""
    sides = recording.sides
    seen = ", ".join(sides.seen) or "nothing tells"
    labels = {k: v for k, v in recording.labels.items() if v}
    variation = ", ".join(f"{j} {100 * v:.1f}" for j, v in recording.bone_variation.items())
    lines = [
        str(recording.path),
        "  " + ", ".join(f"{name}: {text}" for name, text in labels.items()),
        f"  names: {recording.naming}",
        *(f"    {joint} = {points}" for joint, points in recording.joints.items()),
        f"  {len(recording)} frames at {recording.fps:g} per second, "
        f"{len(recording) / recording.fps:.1f} s",
        f"  unit: {recording.units}",
        f"  up: {recording.up}",
        f"  stature: {recording.stature_m:.2f} m",
        f"  left and right: {sides.verdict} ({seen})",
        f"  bones, change of length in %: {variation}",
    ]
    for finding in recording.findings:
        lines.append(f"  {'REFUSED' if finding.is_serious else 'note'}: {finding}")
    return lines
