"""The lifters on real clips: their errors where two cameras saw, and how far they differ.

``python benchmarks/four_systems.py CLIPS`` detects the largest person of each clip once and gives
the same keypoints to every installed model; those that look at pictures learn from them where the
person is. It prints

- the errors of each lifter on the balance clips, against the positions that both cameras together
  give (see ``two_views.py``; that reference comes from the same 2D);
- the mean distance of any two lifters over all clips after a similarity fit of each frame
  (PA-MPJPE of one against the other): how far their opinions differ, whoever is right.

Models that are not installed are named and left out.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from skeleton_figure import save_side_by_side
from two_views import cached_detection, reference

from pose_core.camera import Camera
from pose_core.clip import Clip
from pose_core.detection.blazepose import BlazePoseDetector
from pose_core.errors import ConfigError, WeightsError
from pose_core.inference.lifter import TrackLifter, lifter_of
from pose_core.inference.pipeline import track_of
from pose_core.metrics import pose_error
from pose_core.models.registry import installed_models
from pose_core.session import Track
from pose_core.video import open_clip

SYSTEMS = ("temporal", "rpsm", "pose-machine", "sap-net", "tp-net", "bi-tp-net")
METRICS = {
    "PA-MPJPE": pose_error.pa_mpjpe,
    "N-MPJPE": pose_error.n_mpjpe,
    "MPJVE": pose_error.mpjve,
}
_REFERENCE_CAMERAS = "balance_cameras_refined.json"


@dataclass(frozen=True, eq=False)
class Seen:
    """One clip and the keypoints of its largest person."""

    clip: Clip
    track: Track

    def lifted(self, lifter: TrackLifter) -> np.ndarray:
        """(S, T, 17, 3) stages of a lifter."""
        camera = Camera.assumed(self.clip.width, self.clip.height)
        return lifter.lift_track(self.track.keypoints, self.clip, camera).stages


def installed_lifters(names: list[str]) -> dict[str, TrackLifter]:
    """The lifters of these models, or of all; says which are not there."""
    installed = installed_models()
    wanted = names or [*SYSTEMS, *(n for n in installed if n not in SYSTEMS)]
    lifters = {}
    for name in wanted:
        entry = installed.get(name)
        if entry is None:
            print(f"not installed, left out: {name}")
        elif entry.estimates:
            try:
                lifters[name] = lifter_of(entry)
            except (ConfigError, WeightsError) as error:
                print(f"left out: {name}: {error}")
    return lifters


def error_rows(
    lifters: dict[str, TrackLifter], answers: dict[str, dict[str, np.ndarray]], truth: dict
) -> list[str]:
    """A line for each lifter, stage and view of the balance clips."""
    lines = [f"{'mm, against two views':<44}" + "".join(f"{name:>10}" for name in METRICS)]
    for name, lifter in lifters.items():
        stages = zip(lifter.stage_names, *(answers[name][clip] for clip in truth), strict=True)
        for stage, *poses in stages:
            # Both views count alike.
            means = [
                np.mean([np.nanmean(metric(p, truth[clip]))
                         for p, clip in zip(poses, truth, strict=True)])
                for metric in METRICS.values()
            ]  # fmt: skip
            label = f"{name}, {stage}"
            lines.append(f"{label:<44}" + "".join(f"{mean:10.1f}" for mean in means))
    return lines


def disagreement_mm(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> float:
    """PA-MPJPE between the answers of two lifters, the mean of both directions and all frames."""
    errors = []
    for clip, stages in a.items():
        first, second = stages[-1].astype(np.float64), b[clip][-1].astype(np.float64)
        known = np.isfinite(first).all((1, 2)) & np.isfinite(second).all((1, 2))
        for one, other in ((first, second), (second, first)):  # the fit takes the other's size
            errors.append(pose_error.pa_mpjpe(one[known], other[known]))
    return float(np.concatenate(errors).mean())


def disagreement_rows(answers: dict[str, dict[str, np.ndarray]]) -> list[str]:
    """The matrix of disagreements; its diagonal is left empty."""
    width = 2 + max(map(len, answers))
    heads = "".join(f"{name:>{width}}" for name in answers)
    lines = [f"{'mm, PA, between two lifters':<28}{heads}"]
    for name, own in answers.items():
        cells = [
            f"{'-':>{width}}" if other == name else f"{disagreement_mm(own, theirs):{width}.1f}"
            for other, theirs in answers.items()
        ]
        lines.append(f"{name[:28]:<28}{''.join(cells)}")
    return lines


def draw(path: Path, seen: dict[str, Seen], answers: dict[str, dict[str, np.ndarray]]) -> None:
    """The systems side by side in the middle of each clip."""
    middle = {
        name: int(person.track.present_frames[len(person.track.present_frames) // 2])
        for name, person in seen.items()
    }
    titles = {clip: f"{clip}, {frame}".replace("_", " ") for clip, frame in middle.items()}
    save_side_by_side(
        path,
        {titles[clip]: seen[clip].track.keypoints.xy[frame] for clip, frame in middle.items()},
        {
            name: {titles[clip]: stages[clip][-1, frame] for clip, frame in middle.items()}
            for name, stages in answers.items()
        },
    )


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, help="folder of videos")
    parser.add_argument("--models", nargs="*", default=[], help="instead of all installed ones")
    parser.add_argument("--crops", type=int, default=1, help="6 is the accurate mode")
    parser.add_argument("--figure", type=Path, help="draw the middle frame of each clip")
    parser.add_argument("--cache", type=Path, help="keep the detections here between runs")
    options = parser.parse_args()
    lifters = installed_lifters(options.models)
    detector = BlazePoseDetector()
    seen = {}
    for path in sorted(options.clips.glob("*.mp4")):
        clip = open_clip(path)
        raw = cached_detection(clip, options.crops, options.cache)
        seen[path.stem] = Seen(clip, track_of(raw, 1, clip, detector))
    answers = {
        name: {clip: person.lifted(lifter) for clip, person in seen.items()}
        for name, lifter in lifters.items()
    }
    calibration = json.loads((options.clips / _REFERENCE_CAMERAS).read_text(encoding="utf-8"))
    views = {f"balance_{name}": view for name, view in calibration["views"].items()}
    world = reference(
        [seen[clip].track for clip in views],
        list(views.values()),
        seen[next(iter(views))].clip.times_s,
    )
    truth = {
        clip: world @ np.array(view["R"]).T + np.array(view["t"]) for clip, view in views.items()
    }
    if options.figure:
        draw(options.figure, seen, answers)
    num_frames = sum(len(person.track.present_frames) for person in seen.values())
    print("\n".join(["", *error_rows(lifters, answers, truth)]))
    print("\n".join(["", *disagreement_rows(answers)]))
    print(f"{len(seen)} clips, {num_frames} frames; last stage of each lifter")
    return 0


if __name__ == "__main__":
    sys.exit(main())
