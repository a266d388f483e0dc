"""Milliseconds per frame of every network: plain PyTorch against the form that is chosen.

``python benchmarks/models.py`` takes some minutes on two cores; ``--quick`` makes the networks
narrow. Everything is timed in turns in one run, so that ratios hold whatever else the machine does.
The peak is that of a product of two large matrices in the same run and precision.
"""

import argparse
import json
import sys
from pathlib import Path

import torch

from pose_core.inference.device import choose_device
from pose_core.inference.runtime import least_times_s, prepare
from pose_core.inference.self_correction import correct_clip, correct_frame_by_frame, join
from pose_core.models.cards import count_operations
from pose_core.models.networks import NETWORKS
from pose_core.models.projector import Projector

MATRIX = 2048
CLIPS = {"rpsm": 4, "pose_machine": 4, "sapnet": 4, "tpnet": 1000, "lstm_baseline": 1000}
CLIPS["temporal_conv"] = 1000
QUICK = {
    "rpsm": {"width": 0.25, "image_size": 184},
    "pose_machine": {"width": 0.25, "image_size": 184},
    "sapnet": {"channels": 64, "input_size": 128},
    "temporal_conv": {"channels": 256},
}
CORRECTED_FRAMES = 1000
LOOP_FRAMES = 20


def matrix_peak(device: str) -> float:
    """Operations per second of a product of two large float32 matrices."""
    a = torch.randn(MATRIX, MATRIX, device=device)
    seconds = least_times_s({"product": lambda: a @ a}, repetitions=10)["product"]
    return 2 * MATRIX**3 / seconds


def measure(name: str, device: str, *, is_quick: bool) -> list[dict]:
    """Rows of one network: one frame at a time, and a clip."""
    torch.manual_seed(0)
    values = QUICK.get(name, {}) if is_quick else {}
    with torch.device("meta"):
        shapes = NETWORKS[name].build(values).eval()
    rows = []
    for mode, num_frames in (("streaming", 1), ("batched", CLIPS[name])):
        network = NETWORKS[name].build(values)
        runner = prepare(network, device, num_frames=num_frames)
        inputs = network.example_inputs(1, num_frames, torch.Generator().manual_seed(1))
        inputs = tuple(x.to(device) for x in inputs)
        with torch.inference_mode():
            seconds = least_times_s(
                {
                    "eager": lambda net=network, x=inputs: net(*x),
                    "chosen": lambda run=runner, x=inputs: run(*x),
                },
                repetitions=5,
            )
        operations, _, _ = count_operations(shapes, num_frames)
        rows.append(
            {
                "network": name,
                "mode": mode,
                "frames": num_frames,
                "gflop_per_frame": operations / num_frames / 1e9,
                "eager_ms": 1000 * seconds["eager"] / num_frames,
                "chosen_ms": 1000 * seconds["chosen"] / num_frames,
                "backend": runner.backend,
                "ratio": seconds["eager"] / seconds["chosen"],
                "flop_per_s": operations / seconds["chosen"],
            }
        )
    return rows


def measure_correction(device: str) -> dict:
    """Self-correction of a clip: all frames together against the loop over frames.

    The loop is timed over fewer frames: its time per frame does not depend on their number.
    """
    torch.manual_seed(0)
    projector = Projector().eval().to(device)
    poses = 0.3 * torch.randn(CORRECTED_FRAMES, 17, 3, device=device)
    seen = torch.randn(CORRECTED_FRAMES, 17, 2, device=device)
    seconds = least_times_s(
        {
            "together": lambda: join(p.correction for p in correct_clip(projector, poses, seen)),
            "loop": lambda: correct_frame_by_frame(
                projector, poses[:LOOP_FRAMES], seen[:LOOP_FRAMES]
            ),
        }
    )
    together_ms = 1000 * seconds["together"] / CORRECTED_FRAMES
    loop_ms = 1000 * seconds["loop"] / LOOP_FRAMES
    return {
        "frames": CORRECTED_FRAMES,
        "loop_frames": LOOP_FRAMES,
        "together_ms": together_ms,
        "loop_ms": loop_ms,
        "ratio": loop_ms / together_ms,
    }


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="narrow networks")
    parser.add_argument("--network", choices=list(NETWORKS), help="only this one")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    device = choose_device(options.device)
    peak = matrix_peak(device)
    print(f"{device}, {torch.get_num_threads()} threads; matrix product {peak / 1e9:.0f} GFLOP/s")
    print(
        f"{'network':<14}{'mode':<11}{'frames':>7}{'GFLOP':>9}{'eager ms':>10}{'chosen ms':>11}"
        f"{'ratio':>7}{'of peak':>9}  form"
    )
    names = [options.network] if options.network else list(NETWORKS)
    rows = []
    for name in names:
        for row in measure(name, device, is_quick=options.quick):
            rows.append(row | {"share_of_peak": row["flop_per_s"] / peak})
            print(
                f"{name:<14}{row['mode']:<11}{row['frames']:>7}{row['gflop_per_frame']:>9.3g}"
                f"{row['eager_ms']:>10.3g}{row['chosen_ms']:>11.3g}{row['ratio']:>7.2f}"
                f"{row['flop_per_s'] / peak:>9.0%}  {row['backend']}"
            )
    correction = measure_correction(device)
    print(
        f"self-correction of {correction['frames']} frames: {correction['together_ms']:.3g} ms a "
        f"frame together, {correction['loop_ms']:.3g} one by one (timed over "
        f"{correction['loop_frames']}): {correction['ratio']:.0f} times faster"
    )
    if options.json is not None:
        content = {"device": device, "matrix_flop_per_s": peak, "networks": rows}
        options.json.write_text(json.dumps(content | {"self_correction": correction}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
