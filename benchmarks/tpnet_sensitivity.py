r"""What TP-Net listens to: the reading of Fig. 5 of Dabral et al. 2018, in numbers.

The paper reads three things from its figure: poses more than five frames back hardly count; hips
and shoulders are what almost all other joints are corrected by; a joint's own input counts ten
times as much as another's. This prints the same for a session with an estimate, averaged over the
clip, beside the weights as they are before any training, which tells what of it was learned::

    posestage estimate CLIP --formats session --out FOLDER
    python benchmarks/tpnet_sensitivity.py FOLDER/CLIP.posestage --model tp-net

``--runs RUN ...`` reads training runs of the same network as well, so that one can tell what a
change of the training does to it.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from pose_core.analysis.refiner_windows import PreparedRefiner, prepare_refiner
from pose_core.analysis.sensitivity import Sensitivity, WindowNetwork, jacobian_sensitivity
from pose_core.camera import Camera
from pose_core.models.networks import NETWORKS
from pose_core.models.registry import model_entry
from pose_core.models.tpnet import TpNet
from pose_core.session_io import load_session
from pose_core.skeleton import H36M_17
from pose_core.training.run_folder import RunFolder

NEAR_STEPS = 5
NUM_WINDOWS = 64
# Without the pelvis: inputs are relative to it, so that its weights are never trained.
_JOINTS = [j for j, name in enumerate(H36M_17.joint_names) if name != "pelvis"]


def prepared_of(session_path: Path, model: str) -> PreparedRefiner:
    """What the model sees of the first person of a session."""
    session = load_session(session_path)
    clip, track = session.clip, session.tracks[0]
    camera = Camera.assumed(clip.width, clip.height, session.focal_px)
    return prepare_refiner(model_entry(model), track.keypoints, clip.times_s, camera)


def untrained(model: str, seed: int) -> TpNet:
    """The same network with first weights."""
    entry = model_entry(model)
    torch.manual_seed(seed)
    network = NETWORKS[entry.network].build(entry.config)
    if not isinstance(network, TpNet):
        raise SystemExit(f"{model} is no TP-Net.")
    return network.eval()


def of_run(model: str, run: Path) -> TpNet:
    """The same network with the weights of a training run."""
    state = RunFolder(run).load_checkpoint()
    if state is None:
        raise SystemExit(f"{run} has no checkpoint.")
    network = untrained(model, seed=0)
    network.load_state_dict(state["average"])
    return network


def measured(prepared: PreparedRefiner, network: WindowNetwork) -> Sensitivity:
    """Averaged over frames spread evenly through the clip."""
    frames = np.flatnonzero(prepared.known_mask)
    some = frames[np.linspace(0, len(frames) - 1, min(NUM_WINDOWS, len(frames))).astype(int)]
    windows = prepared.windows(some)
    return jacobian_sensitivity(network, windows, answer_index=prepared.answer_index)


def print_reading(name: str, sensitivity: Sensitivity, first: Sensitivity) -> None:
    """The three readings of the paper, beside the same network with its `first` weights."""
    joints = _JOINTS
    over_time = sensitivity.over_time[:, joints].mean(axis=1)  # of the mean joint, by step
    floor = first.over_time[:, joints].mean()
    near = np.abs(sensitivity.steps) < NEAR_STEPS
    learned = np.maximum(over_time - floor, 0.0)
    own = np.diagonal(sensitivity.response, axis1=1, axis2=2)[:, joints].mean(axis=1)
    own_first = np.diagonal(first.response, axis1=1, axis2=2)[:, joints].mean()
    now = sensitivity.at(0)
    beside = np.where(np.eye(len(now), dtype=bool), np.nan, now)
    influence = np.nanmean(beside, axis=1)  # of each input joint on the other joints
    order = sorted(joints, key=lambda j: -influence[j])
    print(f"{name}:")
    print(
        f"  {over_time[near].sum() / over_time.sum():.0%} of the influence comes from the "
        f"{near.sum()} of {len(near)} frames less than {NEAR_STEPS} away; of what is above the "
        f"first weights, {learned[near].sum() / max(learned.sum(), 1e-9):.0%}"
    )
    print(f"  own input {own[sensitivity.steps == 0][0]:.3f} m per m; by frames away (first "
          f"weights {own_first:.3f}): {_by_distance(sensitivity.steps, own)}")  # fmt: skip
    print(f"  another joint's, at t = 0: {np.nanmean(beside[joints]):.4f}")
    ranked = ", ".join(f"{H36M_17.joint_names[j]} {influence[j]:.4f}" for j in order)
    print(f"  influence on the other joints at t = 0: {ranked}")


def _by_distance(steps: np.ndarray, values: np.ndarray) -> str:
    distances = sorted({abs(int(step)) for step in steps})
    means = (values[np.abs(steps) == distance].mean() for distance in distances)
    return " ".join(f"{mean:.3f}" for mean in means)


def main() -> None:
    parser = argparse.ArgumentParser(description="What TP-Net listens to.")
    parser.add_argument("session", type=Path)
    parser.add_argument("--model", default="tp-net")
    parser.add_argument("--runs", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    prepared = prepared_of(options.session, options.model)
    spread = 1000 * prepared.poses.std(dim=0).norm(dim=-1)
    ranked = zip(H36M_17.joint_names, spread.tolist(), strict=True)
    print("spread of the input, mm:", ", ".join(f"{name} {mm:.0f}" for name, mm in ranked))
    networks = {"trained": prepared.network}
    networks |= {r.name: of_run(options.model, r).pose_of_window for r in options.runs}
    first = measured(prepared, untrained(options.model, seed=0).pose_of_window)
    for name, network in networks.items():
        print_reading(name, measured(prepared, network), first)
    print_reading("first weights", first, first)


if __name__ == "__main__":
    main()
