"""``posestage estimate``: a video to 3D poses in files."""

import argparse
import signal
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import FrameType
from typing import TYPE_CHECKING

import numpy as np

from pose_core.commands.export import add_export_options, follow_export
from pose_core.errors import Cancelled, ConfigError, DataError, ExportError
from pose_core.progress import ProgressBar

if TYPE_CHECKING:
    from pose_core.clip import Clip
    from pose_core.inference.records import EstimateFinished, EstimateRecord, EstimateSettings
    from pose_core.session import Session

EXIT_INTERRUPTED = 130


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the command line."""
    parser = subparsers.add_parser(
        "estimate",
        help="estimate the 3D poses of the people in a video",
        description="Find the people in a video, estimate their 2D keypoints and 3D poses, and "
        "write them to files. Ctrl+C stops early and keeps the frames that are done; a second "
        "Ctrl+C gives up at once.",
    )
    parser.add_argument("video", type=Path, metavar="VIDEO")
    parser.add_argument("--model", default="temporal", metavar="NAME", help="see posestage models")
    add_export_options(parser, "bvh,csv,npz")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--person",
        choices=("largest", "all"),
        default="largest",
        help="the largest person only, or all of them",
    )
    parser.add_argument(
        "--quality",
        choices=("fast", "accurate"),
        default="fast",
        help="accurate averages several crops of each frame and takes several times longer",
    )
    parser.add_argument("--start", type=float, default=0.0, metavar="S", help="first second")
    parser.add_argument("--end", type=float, metavar="S", help="second to stop at")
    parser.add_argument(
        "--height", type=float, metavar="M", help="body height in metres, which fixes the scale"
    )
    parser.add_argument(
        "--focal", type=float, metavar="PX", help="the camera's focal length in pixels"
    )
    parser.add_argument(
        "--keypoints",
        type=Path,
        metavar="FILE",
        help="lift the 2D keypoints of this file in place of detecting people: OpenPose (a "
        "folder), MediaPipe, DeepLabCut, SLEAP, COCO, or PoseStage's own",
    )
    parser.add_argument(
        "--truth",
        type=Path,
        metavar="FILE",
        help="print the error against these true 3D poses: npz, or motion capture of the same "
        "movement as C3D, TRC, BVH or AMC",
    )
    parser.add_argument(
        "--names",
        default="",
        metavar="LIST",
        help="what joints are called in the file of keypoints, where they are not found by "
        "themselves: left_hip=HipL,right_hip=HipR",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Estimate, then export."""
    # Slow to import, and not needed for a mistyped command line.
    from pose_core.interchange.exporting import check_formats, export_session
    from pose_core.video import open_clip

    formats = check_formats(options.formats.split(","))
    clip = open_clip(options.video)
    if clip.warning:
        print(f"posestage: warning: {clip.warning}", file=sys.stderr)
    records = records_of(options, clip)
    with first_interrupt() as interrupt:
        finished = follow(records, interrupt)
    session = finished.session
    if line := error_line(session, options.truth):
        print(line, file=sys.stderr)
    follow_export(
        export_session(session, options.out, formats, model=options.model, level=options.level)
    )
    if interrupt.is_set():
        print("stopped early: the frames that were done are in these files", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def records_of(
    options: argparse.Namespace, clip: "Clip"
) -> "Generator[EstimateRecord, None, None]":
    """The estimate of the options: from the pictures, or from a file of keypoints."""
    settings = settings_of(options, clip)
    if options.keypoints is None:
        if options.names:
            raise ConfigError("--names is for the joints of a file.", "Give it with --keypoints.")
        from pose_core.inference.pipeline import estimate

        return estimate(clip, settings)
    from pose_core.data.keypoint_import import import_keypoints, parse_names
    from pose_core.inference.from_keypoints import estimate_from_keypoints

    imported = import_keypoints(options.keypoints, clip, parse_names(options.names))
    if imported.warning:
        print(f"posestage: warning: {imported.warning}", file=sys.stderr)
    return estimate_from_keypoints(clip, imported.tracks, settings)


def error_line(session: "Session", path: Path | None = None) -> str:
    """What the poses are off the truth of a file, or of one beside the video; otherwise empty."""
    from pose_core.data.truth import truth_beside
    from pose_core.data.truth_motion import load_any_truth
    from pose_core.metrics.against_truth import METRICS, stage_errors, true_person
    from pose_core.metrics.report import mean_error

    where = path.name if path else "beside the clip"
    try:
        truth = load_any_truth(path, session) if path else truth_beside(session.clip)
    except (DataError, ExportError) as error:
        return f"posestage: warning: the truth {where} is not used: {error}"
    person = true_person(replace(session, truth=truth))
    if truth is None or person is None or not person.runs:
        return ""
    run = list(person.runs.values())[-1]
    errors = stage_errors(run.poses, truth)[-1:]
    means = (f"{metric.name} {mean_error(errors, metric.name):.1f} mm" for metric in METRICS)
    return f"error against the truth {where}: {', '.join(means)}"


def settings_of(options: argparse.Namespace, clip: "Clip") -> "EstimateSettings":
    """Make settings from the options, with seconds turned into frames of this clip.

    Raises
    ------
    ConfigError
        If no frame lies between the start and the end.
    """
    from pose_core.inference.records import EstimateSettings

    end_s = np.inf if options.end is None else options.end
    start, end = (int(index) for index in np.searchsorted(clip.times_s, [options.start, end_s]))
    if start >= end:
        raise ConfigError(
            f"No frame of {clip.path.name} lies between {options.start:g} and {end_s:g} s: "
            f"the clip lasts {clip.duration_s:.2f} s.",
            "Change --start or --end.",
        )
    return EstimateSettings(
        model=options.model,
        device=options.device,
        person=options.person,
        quality=options.quality,
        start=start,
        end=end,
        focal_px=options.focal,
        body_height_m=options.height,
    )


def follow(
    records: "Generator[EstimateRecord, None, None]", interrupt: Event
) -> "EstimateFinished":
    """Show the progress of an estimate until it is finished, early once interrupted."""
    from pose_core.inference.records import EstimateFinished, FrameDetected

    bar = ProgressBar(sys.stderr, "frames")
    bar.start()  # frames come in bursts: the detector looks ahead
    is_told = False
    try:
        record = next(records)
        while not isinstance(record, EstimateFinished):
            if isinstance(record, FrameDetected):
                bar.update(record.num_done, record.num_total)
            if interrupt.is_set() and not is_told:
                is_told = True
                record = records.throw(Cancelled())
            else:
                record = next(records)
    finally:
        bar.close()
    return record


@contextmanager
def first_interrupt() -> Iterator[Event]:
    """Event that the first Ctrl+C sets; the second one interrupts as usual."""
    interrupt = Event()
    usual = signal.getsignal(signal.SIGINT)

    def note(_signal_number: int, _frame: FrameType | None) -> None:
        interrupt.set()
        signal.signal(signal.SIGINT, usual)

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, usual)
