"""How fast people are rendered: ``python benchmarks/synthesis.py --mocap FOLDER``.

Prints, for each renderer that is installed and each size, the processor time of a whole sample
(motion, body, picture, labels) on one thread, and how many samples a second that makes on a core.
The best of several batches is shown: other work on the machine only ever adds time. ``--profile``
also prints where the time goes.
"""

import argparse
import importlib.util
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import torch

from pose_core.data.mocap import load_motions
from pose_core.synthesis import people, renderer
from pose_core.synthesis.people import PeopleConfig, PeopleSource

SIZES = (128, 256, 368)
BATCH = 16
# Parts of a sample that `--profile` tells apart, as (module or class, function).
PARTS = (
    (PeopleSource, "_pose"),
    (renderer.Renderer, "_dress"),
    (renderer.Renderer, "_shade"),
    (renderer, "_ground_shade"),
    (people, "random_background"),
    (people, "occlude"),
    (people, "photograph"),
    (people, "visibility"),
)


def best_ms(source: PeopleSource, num_batches: int) -> float:
    """Least processor time of a sample over several batches, milliseconds."""
    source.batch(BATCH, 0, 0)  # warm up
    best = float("inf")
    for _ in range(num_batches):
        start = time.process_time()
        source.batch(BATCH, 0, 1)
        best = min(best, time.process_time() - start)
    return 1000 * best / BATCH


def profile(source: PeopleSource) -> Counter[str]:
    """Milliseconds of each part in one sample."""
    spent: Counter[str] = Counter()

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*values: Any, **named: Any) -> Any:
            start = time.process_time()
            try:
                return function(*values, **named)
            finally:
                spent[name] += 1000 * (time.process_time() - start) / BATCH

        return run

    originals = [(place, name, getattr(place, name)) for place, name in PARTS]
    drawn = source._renderer
    rasterise = drawn._rasterise
    try:
        drawn._rasterise = timed("rasterise", rasterise)
        for place, name, function in originals:
            setattr(place, name, timed(name, function))
        source.batch(BATCH, 0, 1)
    finally:
        drawn._rasterise = rasterise
        for place, name, function in originals:
            setattr(place, name, function)
    return spent


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mocap", type=Path, required=True)
    parser.add_argument("--batches", type=int, default=6)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    motions = load_motions(options.mocap)
    has_warp = importlib.util.find_spec("warp") is not None
    for name in ("torch", "warp") if has_warp else ("torch",):
        for size in SIZES:
            source = PeopleSource(motions, PeopleConfig(size=size, renderer=name))
            cost = best_ms(source, options.batches)
            print(f"{name:<6}{size:5} px {cost:8.1f} ms a sample {1000 / cost:7.0f} a second")
            if options.profile:
                for part, spent in profile(source).most_common():
                    print(f"    {part.strip('_'):<20}{spent:6.2f} ms")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
