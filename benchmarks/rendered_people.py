"""How real rendered people look to the detector: the same figures for them and for real clips.

``python benchmarks/rendered_people.py PEOPLE CLIPS`` takes sequences of rendered people written by
``python -m pose_core.synthesis.detected`` and a folder of real clips with ``clips.json``. Printed
are in how many frames the person was found, how sure the detector was, how much the keypoints
tremble (median second difference at 25 to 30 frames/s, per cent of the trunk: real clips include
the person's own acceleration), and the object keypoint similarity of the twelve limb joints. For
real people there is a reference only where two calibrated cameras saw them: triangulated from the
same keypoints, it flatters the detector.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from detector import frames_in
from two_views import cached_detection, reference

from pose_core.clip import Clip
from pose_core.detection.jumps import doubt_jumps
from pose_core.detection.landmark_map import h36m_map
from pose_core.detection.sides import undo_side_swaps
from pose_core.detection.tracks import RawTrack
from pose_core.poses import Keypoints2D
from pose_core.session import Track
from pose_core.skeleton import BLAZEPOSE_33, H36M_17
from pose_core.synthesis.detected import DetectedPeople, load_detected
from pose_core.video import open_clip

# COCO's standard deviations (keypoint evaluation, 2 sigma), by joint.
SIGMAS = {"shoulder": 0.079, "elbow": 0.072, "wrist": 0.062,
          "hip": 0.107, "knee": 0.087, "ankle": 0.089}  # fmt: skip
LIMB_JOINTS = [j for j in range(17) if H36M_17.side(j) != "middle"]
TOLERANCES = np.array([2 * SIGMAS[H36M_17.joint_names[j].partition("_")[2]] for j in LIMB_JOINTS])
# Persons cover about this share of their box (COCO takes the area of the outline).
AREA_OF_BOX = 0.53
STEP_S = 1 / 30
RENDERED_HZ = 25.0


@dataclass(frozen=True, eq=False)
class Seen:
    """One person through T frames.

    Parameters
    ----------
    xy : (T, 17, 2) ndarray
        Pixels; NaN where nobody was found.
    scores : (T, 17) ndarray
    rate_hz : float
    truth : (T, 17, 2) ndarray, optional
        Reference pixels.
    """

    xy: np.ndarray
    scores: np.ndarray
    rate_hz: float
    truth: np.ndarray | None = None

    @property
    def found(self) -> np.ndarray:
        return np.isfinite(self.xy[:, 0, 0])

    def similarity(self) -> np.ndarray:
        """(T,) object keypoint similarity, 0..1; NaN where nobody was found."""
        assert self.truth is not None
        squared = ((self.xy - self.truth)[:, LIMB_JOINTS] ** 2).sum(axis=-1)
        area = AREA_OF_BOX * np.ptp(self.truth, axis=1).prod(axis=-1)
        return np.exp(-squared / (2 * area[:, None] * TOLERANCES**2)).mean(axis=-1)

    def tremble(self) -> np.ndarray:
        """Second differences (M,) over the trunk, per cent; of the errors if the truth is known."""
        step = max(1, round(self.rate_hz * STEP_S))
        xy = self.xy if self.truth is None else self.xy - self.truth
        whole = self.xy if self.truth is None else self.truth
        trunk = np.linalg.norm(whole[:, [1, 4]].mean(1) - whole[:, [11, 14]].mean(1), axis=-1)
        second = xy[2 * step :] - 2 * xy[step:-step] + xy[: -2 * step]
        return 100 * np.linalg.norm(second, axis=-1).ravel() / np.nanmax(trunk)


def as_seen(xy: np.ndarray, scores: np.ndarray, times_s: np.ndarray) -> tuple[np.ndarray, ...]:
    """Canonical joints and scores of landmarks, exchanged sides put right, as in the pipeline."""
    fixed = undo_side_swaps(xy, scores, times_s)
    sure = doubt_jumps(fixed.xy, fixed.scores, times_s, BLAZEPOSE_33)
    to_h36m = h36m_map(BLAZEPOSE_33)
    return to_h36m.apply(fixed.xy), to_h36m.apply_scores(sure)


def rendered(people: DetectedPeople) -> Iterator[Seen]:
    for n, found in enumerate(people.found_mask):
        xy = np.full(people.xy.shape[1:], np.nan)
        scores = np.zeros(people.xy.shape[1:3])
        frames = np.flatnonzero(found)
        xy[found], scores[found] = as_seen(
            people.landmarks[n, frames], people.scores[n, frames], frames / RENDERED_HZ
        )
        yield Seen(xy, scores, RENDERED_HZ, people.xy[n].astype(float))


def of_clip(clip: Clip, raw: RawTrack, frames: set[int]) -> Seen:
    """The largest person in those frames of a clip that show a whole person."""
    xy = np.full((clip.num_frames, 17, 2), np.nan)
    scores = np.zeros((clip.num_frames, 17))
    xy[raw.frame_index], scores[raw.frame_index] = as_seen(raw.xy, raw.scores, raw.times_s)
    chosen = sorted(frames)
    rate_hz = (len(clip.times_s) - 1) / float(clip.times_s[-1] - clip.times_s[0])
    return Seen(xy[chosen], scores[chosen], rate_hz)


def with_reference(folder: Path, seen: dict[str, Seen]) -> dict[str, Seen]:
    """The clips of two calibrated cameras with what both say together as the truth."""
    views = json.loads((folder / "balance_cameras_refined.json").read_text())["views"]
    names = {view: f"balance_{view}.mp4" for view in views}
    pair = [seen[name] for name in names.values()]
    tracks = [
        Track(1, "", Keypoints2D(s.xy.astype(np.float32), s.scores.astype(np.float32)), {})
        for s in pair
    ]
    times_s = np.arange(len(pair[0].xy)) / pair[0].rate_hz
    world = reference(tracks, list(views.values()), times_s)
    out = {}
    for view, name in names.items():
        camera = views[view]
        xyz = world @ np.array(camera["R"]).T + np.array(camera["t"])
        out[name] = Seen(seen[name].xy, seen[name].scores, seen[name].rate_hz,
                         distorted(xyz, camera))  # fmt: skip
    return out


def distorted(camera_xyz: np.ndarray, camera: dict) -> np.ndarray:
    """Pixels (T, 17, 2) of points in camera axes, as the lens shows them."""
    flat = np.ascontiguousarray(camera_xyz.reshape(-1, 1, 3))
    matrix, lens = np.array(camera["K"]), np.array(camera["dist"])
    pixels, _ = cv2.projectPoints(flat, np.zeros(3), np.zeros(3), matrix, lens)
    return pixels.reshape(*camera_xyz.shape[:2], 2)


def row(name: str, people: list[Seen], *, with_tremble: bool = True) -> str:
    """One line of the table."""
    found = np.concatenate([s.found for s in people])
    sure = np.concatenate([s.scores[s.found] for s in people])
    limbs, middle = sure[:, LIMB_JOINTS].mean(), np.delete(sure, LIMB_JOINTS, axis=1).mean()
    line = f"{name:34}{len(found):7d}{100 * found.mean():9.1f}{limbs:9.2f}{middle:9.2f}"
    if with_tremble:
        line += f"{np.nanmedian(np.concatenate([s.tremble() for s in people])):11.2f}"
    else:
        line += f"{'-':>11}"
    if people[0].truth is not None:
        similarity = np.concatenate([s.similarity()[s.found] for s in people])
        median, low = np.quantile(similarity, (0.5, 0.1))
        line += f"{similarity.mean():8.3f}{median:9.3f}{low:9.3f}"
    return line


def views_of(people: DetectedPeople) -> dict[str, np.ndarray]:
    """(N,) bool: from where the people are seen, and how they hold themselves, in the middle."""
    xyz = people.camera_xyz[:, people.camera_xyz.shape[1] // 2]
    left = xyz[:, [4, 11]].mean(axis=1) - xyz[:, [1, 14]].mean(axis=1)
    up = xyz[:, [11, 14]].mean(axis=1) - xyz[:, [1, 4]].mean(axis=1)
    left, up = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (left, up))
    ahead = np.cross(left, up)[:, 2]  # towards the camera is negative
    upright = up[:, 1] < -0.7
    return {
        "from the front": upright & (ahead < -0.5),
        "from the side": upright & (abs(ahead) <= 0.5),
        "from behind": upright & (ahead > 0.5),
        "leaning or lying": ~upright,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("people", type=Path)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--cache", type=Path, help="keep the detections of clips here")
    options = parser.parse_args()
    people = load_detected(options.people)
    seen = list(rendered(people))
    heads = ("frames", "found %", "limbs", "middle", "tremble %", "OKS", "median", "10 %")
    widths = (7, 9, 9, 9, 11, 8, 9, 9)
    print(f"{'':34}" + "".join(f"{h:>{w}}" for h, w in zip(heads, widths, strict=True)))
    print(row("rendered people", seen))
    for name, mask in views_of(people).items():
        if mask.any():
            print(row(f"  {name}", [s for s, chosen in zip(seen, mask, strict=True) if chosen]))
    notes = json.loads((options.clips / "clips.json").read_text(encoding="utf-8"))
    real = {}
    for name in notes:
        clip = open_clip(options.clips / name)
        raw = cached_detection(clip, 1, options.cache)
        real[name] = of_clip(clip, raw, frames_in(notes[name]["person_frames"]))
    real |= with_reference(options.clips, real)
    for name, one in real.items():
        print(row(name, [one], with_tremble=one.rate_hz >= 1 / STEP_S - 1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
