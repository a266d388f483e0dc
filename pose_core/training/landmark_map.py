r"""Fits the map from the detector's landmarks to the 17 joints on rendered people.

It prints the errors on bodies and motions that the fit has not seen, and writes the map that
`pose_core.detection.landmark_map` reads::

    python -m pose_core.synthesis.detected --data MOCAP --split training --frames 1 \
        --sequences 1200 --seed 0 --out fit.npz
    python -m pose_core.synthesis.detected --data MOCAP --split held-out --frames 1 \
        --sequences 500 --seed 1 --out check.npz
    python -m pose_core.training.landmark_map fit.npz check.npz
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pose_core.atomic_file import atomic_write, make_folder
from pose_core.detection.landmark_map import FITTED_MAP
from pose_core.errors import ExportError, PoseStageError
from pose_core.inference.root import stature
from pose_core.resources import resource_path
from pose_core.skeleton import BLAZEPOSE_33, H36M_17, JointMap, joint_map
from pose_core.synthesis.detected import DetectedPeople, load_detected

# Pull towards the recipe, as a share of the landmarks' own spread (squared trunk lengths).
_RIDGE = 1e-3
_ITERATIONS = 15
# A person this tall, for errors in pixels.
_TALL_PX = 500.0


def _both(*names: str) -> tuple[str, ...]:
    return tuple(f"{side}_{name}" for name in names for side in ("left", "right"))


# What each joint is made of; more landmarks gain less than 0.3 % of the trunk. Right joints
# mirror left ones. Feet say which way the hips face. Elbows and the spine stay as the recipe has
# them, for no landmark improves them.
_MADE_OF = {
    "left_hip": _both("hip", "shoulder", "heel", "foot_index"),
    "left_knee": ("left_knee", "left_ankle"),
    "left_ankle": ("left_ankle", "left_heel"),
    "left_shoulder": ("left_shoulder", "left_ear", "left_hip"),
    "left_wrist": ("left_wrist", "left_elbow", "left_pinky", "left_thumb"),
    "thorax": _both("shoulder", "hip", "ear"),
    "neck": ("nose", *_both("ear", "mouth", "shoulder")),
    "head_top": ("nose", *_both("eye", "ear", "mouth", "shoulder")),
}
_LIMB_JOINTS = [j for j in range(H36M_17.num_joints) if H36M_17.side(j) != "middle"]


@dataclass(frozen=True, eq=False)
class Samples:
    """N pictures in which the detector found the person, with sides not exchanged.

    Parameters
    ----------
    landmarks : (N, 33, 2) ndarray
        Pixels.
    xy : (N, 17, 2) ndarray
        True pixels.
    trunk_px : (N,) ndarray
        Length of the trunk at its distance, as if not foreshortened.
    person_px : (N,) ndarray
        Height of the person at that distance, standing upright.
    """

    landmarks: np.ndarray
    xy: np.ndarray
    trunk_px: np.ndarray
    person_px: np.ndarray


def samples_of(people: DetectedPeople) -> Samples:
    """The usable frames; pictures with exchanged sides say nothing about where joints lie."""
    found = people.found_mask
    landmarks, xy, xyz = (
        x[found].astype(np.float64) for x in (people.landmarks, people.xy, people.camera_xyz)
    )
    hips, shoulders = xyz[:, [1, 4]].mean(axis=1), xyz[:, [11, 14]].mean(axis=1)
    focal = np.broadcast_to(people.focal_px[:, None], found.shape)[found]
    px_per_m = focal / ((hips + shoulders) / 2)[:, 2]
    trunk_px = np.linalg.norm(shoulders - hips, axis=-1) * px_per_m
    person_px = np.array([stature(pose[None]) for pose in xyz]) * px_per_m
    right = ~sides_exchanged(joint_map(BLAZEPOSE_33, H36M_17).apply(landmarks), xy)
    return Samples(landmarks[right], xy[right], trunk_px[right], person_px[right])


def sides_exchanged(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Whether found joints (..., 17, 2) fit the truth better with left and right exchanged."""
    as_named, mirrored = (
        np.linalg.norm(xy - truth, axis=-1)[..., _LIMB_JOINTS].sum(axis=-1)
        for xy in (found, found[..., H36M_17.mirror_index, :])
    )
    return mirrored < as_named


def fit_landmark_map(samples: Samples) -> JointMap:
    """The map of least robust error, near the recipe, the same left and right.

    Each joint is its recipe's point p plus shares of (landmark - p): whatever the shares, the
    weights sum to one and the map moves, turns and scales with the body. Every sample counts
    twice, the second time mirrored. Iteratively reweighted least squares with the weights of a
    Cauchy distribution leaves out what the detector got wrong altogether.
    """
    weights = joint_map(BLAZEPOSE_33, H36M_17).weights.copy()
    landmarks = np.concatenate([samples.landmarks, samples.landmarks[:, BLAZEPOSE_33.mirror_index]])
    trunk_px = np.tile(samples.trunk_px, 2)[:, None]
    for name, parts in _MADE_OF.items():
        joint = H36M_17.index(name)
        mirrored = H36M_17.mirror_index[joint]
        chosen = [BLAZEPOSE_33.index(part) for part in parts]
        by_recipe = np.einsum("l,nld->nd", weights[joint], landmarks)
        missing = np.concatenate([samples.xy[:, joint], samples.xy[:, mirrored]]) - by_recipe
        reach = landmarks[:, chosen] - by_recipe[:, None]
        shares = _robust_fit(reach / trunk_px[:, None], missing / trunk_px)
        row = weights[joint] * (1 - shares.sum())
        row[chosen] += shares
        weights[joint] = row
        if mirrored != joint:
            weights[mirrored] = row[BLAZEPOSE_33.mirror_index]
    # By definition the pelvis is the middle of the hips.
    hips = [H36M_17.index("left_hip"), H36M_17.index("right_hip")]
    weights[H36M_17.index("pelvis")] = weights[hips].mean(axis=0)
    return JointMap(BLAZEPOSE_33, H36M_17, weights)


def _robust_fit(basis: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Shares (K,) with which the vectors (N, K, 2) come nearest to (N, 2)."""
    trust = np.ones(len(target))
    shares = np.zeros(basis.shape[1])
    for _ in range(_ITERATIONS):
        weighted = trust[:, None, None] * basis
        square = np.einsum("nkd,nmd->km", weighted, basis)
        ridge = _RIDGE * trust.sum() * np.eye(len(shares))
        shares = np.linalg.solve(square + ridge, np.einsum("nkd,nd->k", weighted, target))
        error = np.linalg.norm(target - np.einsum("k,nkd->nd", shares, basis), axis=-1)
        trust = 1 / (1 + (error / (1.5 * np.median(error))) ** 2)
    return shares


def errors_of(samples: Samples, to_h36m: JointMap) -> tuple[np.ndarray, np.ndarray]:
    """Errors (N, 17): in per cent of the trunk, and in pixels of a person 500 px tall."""
    error = np.linalg.norm(to_h36m.apply(samples.landmarks) - samples.xy, axis=-1)
    return (
        100 * error / samples.trunk_px[:, None],
        error * (_TALL_PX / samples.person_px)[:, None],
    )


def report(before: JointMap, after: JointMap, held_out: Samples) -> str:
    """Table of median errors, both sides of a joint together."""
    columns = [e for to_h36m in (before, after) for e in errors_of(held_out, to_h36m)]
    names = list(dict.fromkeys(name.split("_", 1)[-1] if _sided(name) else name
                               for name in H36M_17.joint_names))  # fmt: skip
    lines = [f"{'median error':12}{'% of trunk':>20}{'px, person of 500 px':>24}"]
    for name in (*names, "all"):
        rows = [
            joint for joint, full in enumerate(H36M_17.joint_names)
            if name == "all" or full in (name, *_both(name))
        ]  # fmt: skip
        percent, px, new_percent, new_px = (np.median(c[:, rows]) for c in columns)
        lines.append(f"{name:12}{percent:10.1f} ->{new_percent:7.1f}{px:14.1f} ->{new_px:7.1f}")
    return "\n".join(lines)


def _sided(name: str) -> bool:
    return name.startswith(("left_", "right_"))


def save_landmark_map(path: Path, to_h36m: JointMap, num_pictures: int) -> None:
    """Write a map, and what it was fitted on.

    Raises
    ------
    ExportError
        If the file cannot be written.
    """
    shares = {
        joint: {
            landmark: round(float(share), 4)
            for landmark, share in zip(BLAZEPOSE_33.joint_names, row, strict=True)
            if abs(share) >= 5e-5
        }
        for joint, row in zip(H36M_17.joint_names, to_h36m.weights, strict=True)
    }
    content = {
        "what": "BlazePose landmarks to Human3.6M-17 joints, fitted on rendered people",
        "command": "python -m pose_core.training.landmark_map (see there)",
        "num_pictures": num_pictures,
        "licence": "Apache-2.0",
        "weights": shares,
    }
    text = json.dumps(content, indent=1)
    make_folder(path.parent, ExportError)
    with atomic_write(path, ExportError) as file:
        file.write(f"{text}\n".encode())


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Fit the map from landmarks to joints.")
    parser.add_argument("fit", type=Path, help="pictures to fit on")
    parser.add_argument("check", type=Path, help="pictures of other bodies and motions")
    parser.add_argument("--out", type=Path, default=resource_path("weights", FITTED_MAP))
    options = parser.parse_args()
    try:
        people, unseen = load_detected(options.fit), load_detected(options.check)
        samples, held_out = samples_of(people), samples_of(unseen)
        fitted = fit_landmark_map(samples)
        save_landmark_map(options.out, fitted, len(samples.landmarks))
    except PoseStageError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    for name, all_of, used in (("fit", people, samples), ("check", unseen, held_out)):
        found, num_used = int(all_of.found_mask.sum()), len(used.landmarks)
        sys.stdout.write(
            f"{name}: somebody found in {found} of {all_of.found_mask.size} pictures, "
            f"sides exchanged in {found - num_used}, used {num_used}\n"
        )
    sys.stdout.write(report(joint_map(BLAZEPOSE_33, H36M_17), fitted, held_out) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
