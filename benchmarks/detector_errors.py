"""What the detector gets wrong in videos of rendered people, whose joints are known exactly.

``python benchmarks/detector_errors.py PEOPLE`` with a file of sequences written by
``python -m pose_core.synthesis.detected`` prints the figures that stand in
`pose_core.data.detector_noise`, and beside each what that model does to the same people. Errors
are those that a lifter sees: after exchanged sides were put right and landmarks mapped to joints,
in per cent of the trunk's length.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import least_squares

from pose_core.data.detector_noise import NoiseLevel, add_detector_noise, trunk_length
from pose_core.detection.jumps import doubt_jumps
from pose_core.detection.landmark_map import h36m_map
from pose_core.detection.sides import undo_side_swaps
from pose_core.skeleton import BLAZEPOSE_33, H36M_17
from pose_core.synthesis.detected import DetectedPeople, load_detected
from pose_core.synthesis.labels import VISIBLE

RATE_HZ = 25.0
# A joint farther away than this share of the trunk is astray, not noisy.
ASTRAY = 0.3
# Pairs nearer than this in the picture say nothing about sides.
LEAST_APART = 0.15
LIMBS = {
    "trunk": ("hip", "shoulder"),
    "arms": ("elbow", "wrist"),
    "legs": ("knee", "ankle"),
}
SCORE_ERRORS = (0.0, 0.03, 0.06, 0.1, 0.15, 0.3, 0.6, 10.0)


@dataclass(frozen=True, eq=False)
class Errors:
    """N sequences of T frames.

    Parameters
    ----------
    offset : (N, T, 17, 2) ndarray
        Found minus true place over the length of the trunk; NaN where nobody was found.
    scores : (N, T, 17) ndarray
    is_visible : (N, T, 17) bool ndarray
    truth : (N, T, 17, 2) ndarray
        True places over the length of the trunk.
    """

    offset: np.ndarray
    scores: np.ndarray
    is_visible: np.ndarray
    truth: np.ndarray

    def exchanged(self, joints: list[int]) -> np.ndarray:
        """(N, T) bool: frames in which these joints lie much nearer to their mirror images."""
        mirrored = H36M_17.mirror_index[joints]
        found = self.truth + self.offset
        as_named = np.linalg.norm(self.offset[:, :, joints], axis=-1).sum(axis=-1)
        apart = self.truth[:, :, joints] - self.truth[:, :, mirrored]
        as_mirrored = np.linalg.norm(found[:, :, mirrored] - self.truth[:, :, joints], axis=-1)
        is_clear = np.linalg.norm(apart, axis=-1).mean(axis=-1) > LEAST_APART
        return is_clear & (as_mirrored.sum(axis=-1) < 0.7 * as_named)


def joints_called(*names: str) -> list[int]:
    """Both sides of the joints with these names."""
    return [
        j for j, name in enumerate(H36M_17.joint_names)
        if name in names or name.partition("_")[2] in names
    ]  # fmt: skip


def measured(people: DetectedPeople, *, with_sides_undone: bool = True) -> Errors:
    """What the detector did."""
    camera_xyz = torch.tensor(people.camera_xyz)
    unit = trunk_length(camera_xyz[..., :2] / camera_xyz[..., 2:]).numpy()
    unit_px = unit * people.focal_px[:, None, None, None]
    to_h36m = h36m_map(BLAZEPOSE_33)
    offset = np.full(people.xy.shape, np.nan)
    scores = np.zeros(people.xy.shape[:3])
    for n, found in enumerate(people.found_mask):
        frames = np.flatnonzero(found)
        landmarks, sure = people.landmarks[n, frames], people.scores[n, frames]
        if with_sides_undone:
            fixed = undo_side_swaps(landmarks, sure, frames / RATE_HZ)
            sure = doubt_jumps(fixed.xy, fixed.scores, frames / RATE_HZ, BLAZEPOSE_33)
            landmarks = fixed.xy
        offset[n, frames] = to_h36m.apply(landmarks) - people.xy[n, frames]
        scores[n, frames] = to_h36m.apply_scores(sure)
    is_visible = people.visibility == VISIBLE
    return Errors(offset / unit_px, scores, is_visible, people.xy / unit_px)


def modelled(people: DetectedPeople, copies: int = 8) -> Errors:
    """What the noise model does to the same people."""
    camera_xyz = torch.tensor(people.camera_xyz).repeat(copies, 1, 1, 1)
    rays = camera_xyz[..., :2] / camera_xyz[..., 2:]
    level = NoiseLevel(strength=(1.0, 1.0), clean_share=0.0)
    generator = torch.Generator().manual_seed(0)
    noisy = add_detector_noise(camera_xyz, rays, level, generator, RATE_HZ)
    unit = trunk_length(rays)
    is_visible = np.tile(people.visibility == VISIBLE, (copies, 1, 1))
    return Errors(
        ((noisy.rays - rays) / unit).numpy(),
        noisy.scores.numpy(),
        is_visible,
        (rays / unit).numpy(),
    )


def run_lengths(mask: np.ndarray) -> np.ndarray:
    """Lengths of the runs of True along the last axis of (..., T)."""
    flat = mask.reshape(-1, mask.shape[-1])
    steps = np.diff(np.pad(flat, ((0, 0), (1, 1))).astype(int), axis=1)
    return np.concatenate([np.flatnonzero(s < 0) - np.flatnonzero(s > 0) for s in steps])


def jitter_of(offset: np.ndarray, mask: np.ndarray) -> tuple[float, float, float, float]:
    """Standard deviations of fast and slow jitter, its memory in seconds, constant error.

    The mean squared change over a lag is 2 fast^2 + 2 slow^2 (1 - exp(-lag / memory)); what the
    jitter does not explain of the mean square is constant. All per coordinate.

    Parameters
    ----------
    offset : (M, T, 2) ndarray
    mask : (M, T) bool ndarray
        Frames that count.
    """
    lags_s, changes = [], []
    for lag in range(1, 26):
        both = mask[:, lag:] & mask[:, :-lag]
        if both.sum() > 100:
            lags_s.append(lag / RATE_HZ)
            changes.append(float(((offset[:, lag:] - offset[:, :-lag])[both] ** 2).mean()))
    lag_s, change = np.array(lags_s), np.array(changes)

    def misfit(p: np.ndarray) -> np.ndarray:
        return (2 * p[0] ** 2 + 2 * p[1] ** 2 * (1 - np.exp(-lag_s / p[2]))) / change - 1

    fast, slow, memory_s = least_squares(
        misfit, [0.01, 0.03, 0.3], bounds=([0, 0, 0.04], [1, 1, 1.5])
    ).x
    rest = float((offset[mask] ** 2).mean()) - fast**2 - slow**2
    return fast, slow, memory_s, max(rest, 0.0) ** 0.5


def joint_rows(errors: Errors) -> Iterator[tuple[str, list[float]]]:
    """Figures of each joint, both sides together."""
    exchanged = np.zeros(errors.offset.shape[:3], bool)
    for words in LIMBS.values():
        joints = joints_called(*words)
        exchanged[:, :, joints] |= errors.exchanged(joints)[..., None]
    usable = np.isfinite(errors.offset[..., 0]) & ~exchanged
    distance = np.linalg.norm(errors.offset, axis=-1)
    words = ("pelvis", "hip", "knee", "ankle", "spine", "thorax", "neck", "head_top", "shoulder")
    for word in (*words, "elbow", "wrist"):
        offset, far, used, seen = (
            np.moveaxis(x[:, :, joints_called(word)], 2, 0).reshape(-1, *x.shape[1:2], *x.shape[3:])
            for x in (errors.offset, distance > ASTRAY, usable, errors.is_visible)
        )
        noisy = used & ~far
        fast, slow, memory_s, bias = jitter_of(offset, noisy & seen)
        rms_seen, rms_hidden = (
            float((offset[noisy & m] ** 2).mean()) ** 0.5 for m in (seen, ~seen)
        )
        runs = run_lengths(far & used)
        yield word, [
            100 * fast, 100 * slow, memory_s, 100 * bias, rms_hidden / rms_seen,
            100 * far[used & seen].mean(), 100 * far[used & ~seen].mean(),
            float(runs.mean()) / RATE_HZ if len(runs) else np.nan,
        ]  # fmt: skip


def print_joints(errors: list[Errors]) -> None:
    heads = ("fast", "slow", "memory s", "constant", "hidden x", "astray", "hidden", "burst s")
    print(f"{'':10}" + "".join(f"{h:>16}" for h in heads))
    for (word, first), (_, second) in zip(*map(joint_rows, errors), strict=True):
        print(
            f"{word:10}"
            + "".join(f"{a:8.2f} ({b:5.2f})" for a, b in zip(first, second, strict=True))
        )


def print_exchanges(names: list[str], errors: list[Errors]) -> None:
    print(f"\n{'exchanged sides':24}" + "".join(f"{limb:>34}" for limb in LIMBS))
    for name, one in zip(names, errors, strict=True):
        cells = []
        for words in LIMBS.values():
            mask = one.exchanged(joints_called(*words))
            runs = run_lengths(mask)
            usual = f"{runs.mean() / RATE_HZ:.2f} s" if len(runs) else "-"
            cells.append(
                f"{100 * mask.mean():5.1f} % of frames, bursts of {usual}, "
                f"{100 * mask.any(axis=1).mean():3.0f} % of sequences"
            )
        print(f"{name:24}" + "  |".join(cells))


def print_scores(errors: list[Errors]) -> None:
    print("\nscores: median, and the tenth and ninetieth per cent")
    print(f"{'error':14}" + "".join(f"{h:>34}" for h in ("visible", "hidden", "model, visible",
                                                         "model, hidden")))  # fmt: skip
    for low, high in pairwise(SCORE_ERRORS):
        line = f"{low:5.2f} to {high:5.2f}"
        for one in errors:
            distance = np.linalg.norm(one.offset, axis=-1)
            inside = (distance >= low) & (distance < high)
            for seen in (one.is_visible, ~one.is_visible):
                scores = one.scores[inside & seen]
                text = "-"
                if len(scores) > 20:
                    middle, least, most = np.quantile(scores, (0.5, 0.1, 0.9))
                    text = f"{middle:.2f} ({least:.2f} to {most:.2f}) {len(scores):7d}"
                line += f"{text:>34}"
        print(line)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("people", type=Path)
    people = load_detected(parser.parse_args().people)
    found = people.found_mask
    print(f"{found.shape[0]} sequences of {found.shape[1]} frames; nobody found in "
          f"{100 * (1 - found.mean()):.1f} % of the frames\n")  # fmt: skip
    raw = measured(people, with_sides_undone=False)
    errors = [measured(people), modelled(people)]
    print_joints(errors)
    print_exchanges(["as detected", "put right", "model"], [raw, *errors])
    print_scores(errors)
    return 0


if __name__ == "__main__":
    sys.exit(main())
