"""Errors on a real person filmed by two calibrated cameras.

``python benchmarks/two_views.py CLIPS`` estimates the two balance clips, triangulates their 2D into
a metric reference, and prints how far the 3D of each single view is from it, beside the 3D that
the landmark detector itself gives. The reference comes from the same 2D, after
exchanged sides were put right, so it shares the detector's idea of where a joint is.
"""

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np

from pose_core.clip import Clip
from pose_core.detection.blazepose import BlazePoseDetector
from pose_core.detection.landmark_map import h36m_map
from pose_core.detection.tracking import FramePeople, detect_people
from pose_core.detection.tracks import RawTrack, collect_tracks
from pose_core.geometry import root_centre, similarity_fit, triangulate
from pose_core.inference.lifter import make_lifter
from pose_core.inference.pipeline import lifted, track_of
from pose_core.inference.records import EstimateSettings
from pose_core.inference.root import gaussian_over_time
from pose_core.metrics import pose_error
from pose_core.models.registry import model_entry
from pose_core.session import Track
from pose_core.skeleton import H36M_17
from pose_core.video import VideoReader, open_clip

LIMB_JOINTS = [j for j, name in enumerate(H36M_17.joint_names) if H36M_17.side(j) != "middle"]
# The reference's own jitter, taken off before speeds are compared.
REFERENCE_SMOOTH_S = 0.05


def detect(clip: Clip, num_crops: int) -> RawTrack:
    """The largest person of a clip."""
    detector = BlazePoseDetector(num_crops)
    with VideoReader(clip) as reader:
        frames = ((i, clip.times_s[i], image) for i, image in reader.iter_frames())
        records: list[FramePeople] = list(detect_people(frames, detector))
    return collect_tracks(records)[0]


def undistorted(xy: np.ndarray, view: dict) -> np.ndarray:
    """Pixels without lens distortion."""
    matrix, distortion = np.array(view["K"]), np.array(view["dist"])
    flat = xy.reshape(-1, 1, 2).astype(np.float64)
    return cv2.undistortPoints(flat, matrix, distortion, P=matrix).reshape(xy.shape)


def reference(tracks: list[Track], views: list[dict], times_s: np.ndarray) -> np.ndarray:
    """World positions (T, 17, 3) from both views, metres."""
    projections = np.stack([np.array(v["K"]) @ np.column_stack([v["R"], v["t"]]) for v in views])
    xy = np.stack([undistorted(t.keypoints.xy, v) for t, v in zip(tracks, views, strict=True)])
    scores = np.stack([np.maximum(t.keypoints.scores, 0.05) for t in tracks])
    return gaussian_over_time(triangulate(xy, projections, scores), times_s, REFERENCE_SMOOTH_S)


def bone_spread_mm(xyz: np.ndarray) -> float:
    """Mean over bones of the standard deviation of bone length over frames."""
    lengths = [np.linalg.norm(xyz[:, c] - xyz[:, p], axis=-1) for p, c in H36M_17.bones]
    return float(1000 * np.mean([length.std() for length in lengths]))


def row(name: str, predicted: np.ndarray, truth: np.ndarray) -> str:
    """One line of errors; both in the axes of the camera."""
    metrics = (pose_error.pa_mpjpe, pose_error.n_mpjpe, pose_error.mpjpe, pose_error.mpjve)
    numbers = [float(metric(predicted, truth).mean()) for metric in metrics]
    limbs = float(pose_error.pa_mpjpe(predicted, truth)[:, LIMB_JOINTS].mean())
    numbers += [bone_spread_mm(predicted), limbs]
    return f"{name:<34}" + "".join(f"{n:10.1f}" for n in numbers)


def agreement_mm(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance of limb joints after one rigid alignment of the whole sequence."""
    a, b = root_centre(a), root_centre(b)
    rotation, _, shift = similarity_fit(a.reshape(-1, 3), b.reshape(-1, 3), with_scale=False)
    moved = a @ rotation.T + shift
    return float(1000 * np.linalg.norm(moved - b, axis=-1)[:, LIMB_JOINTS].mean())


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--model", default="temporal")
    parser.add_argument("--crops", type=int, default=1, help="6 is the accurate mode")
    parser.add_argument("--cache", type=Path, help="keep the detections here between runs")
    options = parser.parse_args()
    calibration = json.loads((options.clips / "balance_cameras_refined.json").read_text())
    names = list(calibration["views"])
    views = [calibration["views"][name] for name in names]
    clips = [open_clip(options.clips / f"balance_{name}.mp4") for name in names]
    raw = [cached_detection(clip, options.crops, options.cache) for clip in clips]
    detector = BlazePoseDetector()
    lifter = make_lifter(model_entry(options.model))
    settings = EstimateSettings(model=options.model)
    tracks = [
        lifted(track_of(r, 1, c, detector), lifter, c, settings)
        for r, c in zip(raw, clips, strict=True)
    ]
    world = reference(tracks, views, clips[0].times_s)
    to_h36m = h36m_map(detector.skeleton)
    print(f"{'mm':<34}" + "".join(f"{n:>10}" for n in COLUMNS))
    for name, view, track, found in zip(names, views, tracks, raw, strict=True):
        truth = world @ np.array(view["R"]).T + np.array(view["t"])
        for number, stage in enumerate(track.runs[options.model].poses.stages, start=1):
            print(row(f"{name} {options.model}, stage {number}", stage, truth))
        print(row(f"{name} detector's own 3D", root_centre(to_h36m.apply(found.world)), truth))
        num_swapped = 0 if track.swapped_mask is None else int(track.swapped_mask.sum())
        print(f"{name} frames with exchanged sides put right: {num_swapped}")
    poses = [t.runs[options.model].poses.xyz for t in tracks]
    print(f"agreement of the two views, limb joints: {agreement_mm(*poses):.1f} mm")
    print(f"bone-length spread of the reference: {bone_spread_mm(world):.1f} mm")
    return 0


COLUMNS = ("PA-MPJPE", "N-MPJPE", "MPJPE", "MPJVE", "bones sd", "PA limbs")


def cached_detection(clip: Clip, num_crops: int, folder: Path | None) -> RawTrack:
    """Detect, or take what an earlier run found."""
    if folder is None:
        return detect(clip, num_crops)
    path = folder / f"{clip.path.stem}.{num_crops}.npz"
    if not path.exists():
        track = detect(clip, num_crops)
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(path, **vars(track))
    with np.load(path) as file:
        return RawTrack(**{key: file[key] for key in file if key != "key"}, key=int(file["key"]))


if __name__ == "__main__":
    sys.exit(main())
