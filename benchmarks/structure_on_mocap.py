"""Illegal joint angles on real motion, and on the same motion with its limbs bent backwards.

``python benchmarks/structure_on_mocap.py MOCAP`` prints, per elbow and knee, what share of real
limbs L_a of SAP-Net and `illegal_joints` call illegal, and what share of the same limbs once
their lower half is mirrored through the joint plane. That plane holds the upper half of the limb
and the axis about which it is bent, so a mirrored limb is bent by the same angle the other way.
"""

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor

from pose_core.data.mocap import load_motions
from pose_core.losses.structure import (
    HINGES,
    hinge_volumes,
    illegal_angle_loss,
    illegal_joints,
)
from pose_core.skeleton import H36M_17

# World (x, y, z up) to camera axes (x right, y down, z forward): a turn about x, determinant +1.
CAMERA_FROM_WORLD = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0))
# What `illegal_joints` takes for straight.
STRAIGHT_DEG = 20.0
LIMBS = {
    "left_elbow": ("left_shoulder", "left_elbow", "left_wrist"),
    "right_elbow": ("right_shoulder", "right_elbow", "right_wrist"),
    "left_knee": ("left_hip", "left_knee", "left_ankle"),
    "right_knee": ("right_hip", "right_knee", "right_ankle"),
}


def camera_poses(folder: Path) -> Tensor:
    """All frames below a folder, root-relative in camera axes (N, 17, 3), float64 metres."""
    frames = [torch.from_numpy(motion.positions).double() for motion in load_motions(folder)]
    world = torch.cat(frames)
    return (world - world[:, :1]) @ torch.tensor(CAMERA_FROM_WORLD, dtype=world.dtype).T


def bent_backwards(poses: Tensor, hinge: str) -> Tensor:
    """Poses (N, 17, 3) with the forearm or shin mirrored through the joint plane."""
    root, middle, end = (H36M_17.index(name) for name in LIMBS[hinge])
    along = torch.nn.functional.normalize(poses[:, middle] - poses[:, root], dim=-1)
    lower = poses[:, end] - poses[:, middle]
    sideways = lower - (lower * along).sum(-1, keepdim=True) * along
    mirrored = poses.clone()
    mirrored[:, end] = poses[:, end] - 2 * sideways
    return mirrored


def bend_deg(poses: Tensor, hinge: str) -> Tensor:
    """Angle (N,) between the halves of a limb, degrees, 0 when straight."""
    root, middle, end = (poses[:, H36M_17.index(name)] for name in LIMBS[hinge])
    cosine = torch.nn.functional.cosine_similarity(middle - root, end - middle, dim=-1)
    return torch.rad2deg(cosine.clamp(-1, 1).acos())


def report(poses: Tensor) -> list[str]:
    """Lines of the table; shares in per cent."""
    volumes, flags, before = hinge_volumes(poses), illegal_joints(poses), illegal_angle_loss(poses)
    lines = [
        f"{len(poses)} frames; mean L_a {before.mean():.5f}",
        f"{'':11s} |        as recorded, %        |       bent backwards, %",
        f"{'':11s} | {'flagged':>8s} {'n.v < 0':>8s} {'straight':>9s}  | {'legal: L_a up':>15s} "
        f"{'legal and bent: flagged':>24s} {'bent: flagged':>14s}  mean L_a",
    ]
    for k, hinge in enumerate(HINGES):
        mirrored = bent_backwards(poses, hinge)
        legal, bent = volumes[:, k] > 0, bend_deg(poses, hinge) > STRAIGHT_DEG
        after = illegal_angle_loss(mirrored)
        mirrored_flag = illegal_joints(mirrored)[:, k]
        lines.append(
            f"{hinge:11s} | {share(flags[:, k]):8.2f} {share(volumes[:, k] < 0):8.2f} "
            f"{share(~bent):9.2f}  | {share((after > before)[legal]):15.2f} "
            f"{share(mirrored_flag[legal & bent]):24.2f} {share(mirrored_flag[bent]):14.2f}"
            f"  {after.mean():.5f}"
        )
    lines.append(f"{'all':11s} | {share(flags):8.2f} {share(volumes < 0):8.2f}")
    return lines


def share(mask: Tensor) -> float:
    """Per cent of a mask that is set."""
    return 100 * float(mask.double().mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mocap", type=Path, help="folder of npz files, see docs/formats.md")
    print("\n".join(report(camera_poses(parser.parse_args().mocap))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
