"""Does each stage come nearer to the truth? ``python benchmarks/clip_stages.py``.

Finds the person of the bundled clip, whose truth is known, gives the same keypoints to every
installed model, and prints the errors of each of its stages and the share of the frames in which
the stage is nearer to the truth than the first one. ``--frames`` prints them for single frames,
``--json FILE`` keeps the figures.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from two_views import detect

from app.paths import sample_clip
from pose_core.data.truth import truth_beside
from pose_core.detection.blazepose import BlazePoseDetector
from pose_core.errors import PoseStageError
from pose_core.inference.lifter import lifter_of
from pose_core.inference.pipeline import lifted, track_of
from pose_core.inference.records import EstimateSettings
from pose_core.metrics.against_truth import METRICS, stage_errors
from pose_core.metrics.report import mean_error
from pose_core.models.registry import installed_models
from pose_core.session import ModelRun, Truth
from pose_core.video import open_clip


def rows_of(name: str, run: ModelRun, truth: Truth, frames: list[int]) -> list[dict[str, Any]]:
    """Figures of every stage of a model."""
    rows, first = [], None
    for stage, errors in zip(run.meta["stages"], stage_errors(run.poses, truth), strict=True):
        own = errors.per_frame["MPJPE"]
        first = own if first is None else first
        known = np.isfinite(own)
        rows.append(
            {
                "model": name,
                "stage": stage,
                **{m.name: mean_error([errors], m.name) for m in METRICS},
                "nearer_percent": float(100 * (own < first)[known].mean()),
                "frames": {frame: float(own[frame]) for frame in frames},
            }
        )
    return rows


def line(row: dict[str, Any]) -> str:
    """One row of the table."""
    means = "".join(f"{row[m.name]:10.1f}" for m in METRICS)
    single = "".join(f"   frame {f}: {mm:.1f}" for f, mm in row["frames"].items())
    label = f"{row['model']}, {row['stage']}"
    return f"{label:<44}{means}{row['nearer_percent']:12.0f}{single}"


def main() -> int:
    """Print a line for each stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", default=[], help="instead of all installed ones")
    parser.add_argument("--frames", nargs="*", type=int, default=[], help="print these ones too")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    path = sample_clip()
    if path is None:
        raise SystemExit("The bundled clip is not there.")
    clip = open_clip(path)
    truth = truth_beside(clip)
    if truth is None:
        raise SystemExit(f"{path} has no truth beside it.")
    detector = BlazePoseDetector()
    person = track_of(detect(clip, 1), 1, clip, detector)
    heads = "".join(f"{metric.name:>10}" for metric in METRICS)
    print(f"{'mm, against the truth':<44}{heads}{'nearer, %':>12}")
    rows = []
    for name, entry in installed_models().items():
        if options.models and name not in options.models:
            continue
        try:
            lifter = lifter_of(entry)
        except PoseStageError as error:
            print(f"left out: {name}: {error}")
            continue
        run = lifted(person, lifter, clip, EstimateSettings(model=name)).runs[name]
        own_rows = rows_of(name, run, truth, options.frames)
        print("\n".join(line(row) for row in own_rows))
        rows += own_rows
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
