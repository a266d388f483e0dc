"""How well and how fast people are found: ``python benchmarks/detector.py --clips FOLDER``.

The folder holds videos and a ``clips.json`` that says for each in which frames a whole person is
to be seen and which are empty. Printed are, per clip: the share of the person frames in which the
first track has a person, the empty frames in which any track has one, the frames in which sides
were exchanged and put right, and the frame rate with and without decoding; then what single calls
cost. Times are of the wall clock and of the processor: on a busy machine only the latter says how
fast the detector is. ``--overlays FOLDER`` also draws what was found, to be looked at.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from pose_core.clip import Clip
from pose_core.detection.blazepose import BlazePoseDetector
from pose_core.detection.sides import KINDS, SideCorrection, undo_side_swaps
from pose_core.detection.tracking import detect_people
from pose_core.detection.tracks import RawTrack, collect_tracks
from pose_core.skeleton import BLAZEPOSE_33
from pose_core.video import VideoReader, open_clip

SIDE_COLOURS = {"left": (0, 159, 230), "right": (178, 114, 0), "middle": (0, 158, 115)}  # BGR
NUM_OVERLAYS = 12
NUM_REPEATS = 12


class Stopwatch:
    """Seconds of the wall clock and of the processor since the start, less pauses."""

    def __init__(self) -> None:
        self.paused = np.zeros(2)
        self.start = self.now()

    @staticmethod
    def now() -> np.ndarray:
        return np.array([time.perf_counter(), time.process_time()])

    def elapsed(self) -> np.ndarray:
        """(2,) wall and processor seconds."""
        return self.now() - self.start - self.paused


def numbered_frames(clip: Clip, watch: Stopwatch) -> Iterator[tuple[int, float, np.ndarray]]:
    """Frames for the tracker; the time that decoding takes is counted as a pause."""
    with VideoReader(clip) as reader:
        begin = watch.now()
        for index, image in reader.iter_frames():
            watch.paused += watch.now() - begin
            yield index, float(clip.times_s[index]), image
            begin = watch.now()


def frames_in(ranges: list[list[int]]) -> set[int]:
    """Frame numbers of inclusive ranges."""
    return {frame for first, last in ranges for frame in range(first, last + 1)}


def kinds_found(corrected: SideCorrection) -> str:
    """For example ``whole 24, legs 3``."""
    counts = [(name, int((corrected.kinds == i).sum())) for i, name in enumerate(KINDS) if i]
    return ", ".join(f"{name} {count}" for name, count in counts if count) or "none"


def num_back_views(xy: np.ndarray) -> int:
    """Frames in which the right shoulder is to the right of the left one, as seen from behind."""
    left, right = BLAZEPOSE_33.index("left_shoulder"), BLAZEPOSE_33.index("right_shoulder")
    return int((xy[:, right, 0] > xy[:, left, 0]).sum())


def report_clip(path: Path, notes: dict, detector: BlazePoseDetector) -> list[RawTrack]:
    """Print the lines of one clip and return its tracks."""
    clip = open_clip(path)
    watch = Stopwatch()
    tracks = collect_tracks(detect_people(numbered_frames(clip, watch), detector))
    wall_s, cpu_s = watch.elapsed()
    decoding_s = watch.paused[0]
    person, empty = frames_in(notes["person_frames"]), frames_in(notes["empty_frames"])
    found = set(tracks[0].frame_index.tolist()) if tracks else set()
    anybody = {frame for track in tracks for frame in track.frame_index.tolist()}
    num = clip.num_frames
    print(f"\n{path.name}: {clip.width} x {clip.height}, {num} frames, {len(tracks)} tracks")
    print(f"  person found in        {len(found & person)} of {len(person)} frames")
    print(f"  somebody found in      {len(anybody & empty)} of {len(empty)} empty frames")
    print(
        f"  frames/s               {num / wall_s:.1f} detection, "
        f"{num / (wall_s + decoding_s):.1f} with decoding, "
        f"{num / cpu_s:.1f} per processor second of detection"
    )
    for index, track in enumerate(tracks):
        fixed = undo_side_swaps(track.xy, track.scores, track.times_s)
        print(
            f"  track {index + 1}: {len(track.frame_index)} frames; "
            f"sides put right: {kinds_found(fixed)}; "
            f"seen from behind: {num_back_views(track.xy)} frames before, "
            f"{num_back_views(fixed.xy)} after"
        )
    return tracks


def draw_overlays(path: Path, track: RawTrack, folder: Path) -> None:
    """Evenly spread frames of a clip as PNG, with the track after sides were put right."""
    clip = open_clip(path)
    fixed = undo_side_swaps(track.xy, track.scores, track.times_s)
    picked = np.linspace(0, len(track.frame_index) - 1, NUM_OVERLAYS).round().astype(int)
    folder.mkdir(parents=True, exist_ok=True)
    with VideoReader(clip) as reader:
        for row in picked:
            frame = int(track.frame_index[row])
            image = cv2.cvtColor(reader.read(frame), cv2.COLOR_RGB2BGR)
            for parent, joint in BLAZEPOSE_33.bones:
                ends = [tuple(np.round(fixed.xy[row, j]).astype(int).tolist())
                        for j in (parent, joint)]  # fmt: skip
                colour = SIDE_COLOURS[BLAZEPOSE_33.side(joint)]
                cv2.line(image, *ends, colour, max(2, clip.height // 300), cv2.LINE_AA)
            cv2.imwrite(str(folder / f"{path.stem}_{frame:05d}.png"), image)


def cost_ms(call: Callable[[], object]) -> str:
    """Mean and standard error of the processor time of a call, milliseconds."""
    call()
    times = []
    for _ in range(NUM_REPEATS):
        start = time.process_time()
        call()
        times.append(1000 * (time.process_time() - start))
    return f"{np.mean(times):7.1f} +- {np.std(times, ddof=1) / np.sqrt(len(times)):.1f} ms"


def report_calls(path: Path) -> None:
    """Print what single calls cost on the first frame of a clip."""
    with VideoReader(open_clip(path)) as reader:
        image = reader.read(0)
    detector = BlazePoseDetector()
    people = detector.detect(image)
    print(f"\nprocessor time of one call, first frame of {path.name}, {len(people)} people")
    print(f"  search, thorough       {cost_ms(lambda: detector.detect(image))}")
    print(f"  search, quick          {cost_ms(lambda: detector.detect(image, is_thorough=False))}")
    for num_crops in (1, 6):
        several = BlazePoseDetector(num_crops)
        cost = cost_ms(lambda several=several: several.follow(image, people[:1]))
        print(f"  follow one, {num_crops} crops    {cost}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=Path, required=True, help="folder with clips.json")
    parser.add_argument("--crops", type=int, default=1, help="looks per person and frame")
    parser.add_argument("--overlays", type=Path, help="folder for pictures of what was found")
    options = parser.parse_args()
    notes = json.loads((options.clips / "clips.json").read_text(encoding="utf-8"))
    detector = BlazePoseDetector(options.crops)
    for name in notes:
        tracks = report_clip(options.clips / name, notes[name], detector)
        if options.overlays and tracks:
            draw_overlays(options.clips / name, tracks[0], options.overlays)
    report_calls(options.clips / next(iter(notes)))
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"\npeak memory {peak_kib / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
