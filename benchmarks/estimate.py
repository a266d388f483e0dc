"""Speed and memory of `posestage estimate`, and of starting the program.

``python benchmarks/estimate.py VIDEO`` measures on one clip: decoding alone, detection alone,
lifting alone, everything together, the peak memory of the whole process, and the import times.
Ratios within one run compare better between machines than seconds.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

from pose_core.camera import Camera
from pose_core.detection.blazepose import BlazePoseDetector
from pose_core.detection.tracking import detect_people
from pose_core.detection.tracks import collect_tracks
from pose_core.inference.lifter import make_lifter
from pose_core.inference.pipeline import estimate, track_of
from pose_core.inference.records import EstimateSettings
from pose_core.models.registry import model_entry
from pose_core.video import VideoReader, open_clip

IMPORTS = ("numpy", "pose_core.cli", "pose_core.inference.pipeline", "torch", "app.main_window")


def seconds(work) -> tuple[float, object]:  # noqa: ANN001
    """Time a call."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def peak_mb() -> float:
    """Largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform != "darwin" else peak / 2**20


def import_seconds(module: str) -> float:
    """Time of importing a module in a fresh process, beyond starting Python."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--quality", choices=("fast", "accurate"), default="fast")
    options = parser.parse_args()
    clip = open_clip(options.video)
    settings = EstimateSettings(quality=options.quality)

    def decode() -> None:
        with VideoReader(clip) as reader:
            for _ in reader.iter_frames():
                pass

    decoding, _ = seconds(decode)
    first_time, _ = seconds(lambda: list(estimate(clip, settings)))
    total, _ = seconds(lambda: list(estimate(clip, settings)))
    memory = peak_mb()
    detector = BlazePoseDetector(1 if options.quality == "fast" else 6)

    def detect() -> list:
        with VideoReader(clip) as reader:
            frames = ((i, clip.times_s[i], image) for i, image in reader.iter_frames())
            return list(detect_people(frames, detector))

    detecting, records = seconds(detect)
    track = track_of(collect_tracks(records)[0], 1, clip, detector)
    lifter = make_lifter(model_entry("temporal"))
    camera = Camera.assumed(clip.width, clip.height)
    keypoints = track.keypoints
    lifter.lift(keypoints.xy[:30], keypoints.scores[:30], clip.times_s[:30], camera)
    lifting, _ = seconds(lambda: lifter.lift(keypoints.xy, keypoints.scores, clip.times_s, camera))
    for name, value in (
        ("decode alone", decoding),
        ("decode and detect, one after the other", detecting),
        ("lift alone", lifting),
        ("estimate", total),
        ("estimate, with imports and loading", first_time),
    ):
        rate = clip.num_frames / value
        print(f"{name:<42}{value:8.2f} s {rate:9.1f} frames/s {value / total:7.2f} of the whole")
    print(f"{'peak memory of estimate':<42}{memory:8.0f} MB")
    for module in IMPORTS:
        print(f"{'import ' + module:<42}{import_seconds(module):8.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
