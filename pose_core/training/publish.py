"""Put the result of a training run among the shipped weights.

``python -m pose_core.training.publish RUN --name NAME --data DIR`` writes
``resources/weights/NAME.safetensors`` (half precision) and its entry in the manifest, with the
errors on held-out motion that `posestage evaluate` measures.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from pose_core.data.lifting_batches import MotionBank
from pose_core.data.mocap import DEFAULT_SPLIT, Motion, load_motions
from pose_core.data.virtual_camera import CameraRange, sample_cameras
from pose_core.errors import DataError
from pose_core.inference.evaluate import METRICS, MocapProtocol, evaluate_mocap
from pose_core.inference.lifter import make_lifter
from pose_core.metrics.report import mean_error
from pose_core.models.networks import NETWORKS
from pose_core.models.registry import manifest_path, model_entry
from pose_core.training.recipes import TASKS
from pose_core.training.run_folder import RunFolder, write_json_atomic

_TRAINING_DATA = "CMU Graphics Lab Motion Capture Database and UI-PRMD, through virtual cameras"


def mean_pose(motions: Iterable[Motion]) -> np.ndarray:
    """Mean (17, 3) of root-relative training poses over random cameras, metres."""
    generator = torch.Generator().manual_seed(0)
    world, _ = MotionBank(list(motions), 25.0).draw(20_000, 1, (1.0, 1.0), generator)
    cameras = sample_cameras(world[:, 0, 0], CameraRange(), generator)
    xyz = cameras.to_camera(world)[:, 0]
    return (xyz - xyz[:, :1]).mean(dim=0).numpy()


def publish(run: Path, name: str, data: Path, history: str = "") -> dict[str, Any]:
    """Write weights and manifest entry; return the entry.

    `history` says what came before the run, where it did not start from random weights.

    Raises
    ------
    DataError
        If the run has no checkpoint.
    """
    folder = RunFolder(run)
    state = folder.load_checkpoint()
    if state is None:
        raise DataError(f"{run} has no checkpoint.", "Train first: posestage train.")
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    kind = TASKS[config["kind"]].network
    weights = {
        key: tensor.half().contiguous()
        for key, tensor in state["average"].items()
        if not key.endswith("num_batches_tracked")
    }
    content = save(weights, metadata={"format": "pt"})
    path = manifest_path().parent / f"{name}.safetensors"
    path.write_bytes(content)
    motions = load_motions(data)
    entry = {
        "network": kind,
        "config": config["task"]["network"],
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "rate_hz": config["task"]["data"]["rate_hz"],
        "skeleton": "h36m17",
        "preprocessing": "ray_input",
        "units": "metres",
        "training_data": _TRAINING_DATA,
        "licence": "Apache-2.0",
        "command": f"posestage train {name} --data MOCAP --out RUN "
        f"({state['step']} steps{history and f', {history}'})",
        "paper": NETWORKS[kind].paper,
        "num_parameters": sum(w.numel() for k, w in weights.items() if "running" not in k),
        "is_baseline": name != "temporal",
        "mean_pose": mean_pose(DEFAULT_SPLIT.training(motions)).astype(float).round(4).tolist(),
    }
    _write_entry(name, entry)
    entry["metrics"] = _metrics(name, DEFAULT_SPLIT.held_out(motions))
    _write_entry(name, entry)
    return entry


def _write_entry(name: str, entry: dict[str, Any]) -> None:
    path = manifest_path()
    manifest = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    write_json_atomic(path, manifest | {name: entry})


def _metrics(name: str, motions: list[Motion]) -> dict[str, Any]:
    lifter = make_lifter(model_entry(name))
    out: dict[str, Any] = {"split": "subjects and actions not trained on", "unit": "mm"}
    for noise in ("none", "detector"):
        protocol = MocapProtocol(noise=noise, num_views=1)
        results = list(evaluate_mocap(lifter.lift, motions, protocol))
        out[f"noise_{noise}"] = {m: round(mean_error(results, m), 2) for m in METRICS} | {
            "protocol": asdict(protocol)
        }
    return out


def main() -> int:
    """Run `publish` from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--history", default="", help="what came before the run")
    options = parser.parse_args()
    entry = publish(options.run, options.name, options.data, options.history)
    sys.stdout.write(json.dumps(entry["metrics"], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
