"""From a video to a session: detection, sides, lifting, root."""

from collections.abc import Generator, Iterator
from dataclasses import asdict, replace

import numpy as np

import pose_core
from pose_core.camera import Camera
from pose_core.clip import Clip
from pose_core.detection.base import Detector
from pose_core.detection.blazepose import BlazePoseDetector
from pose_core.detection.crop_average import MAX_CROPS
from pose_core.detection.jumps import doubt_jumps
from pose_core.detection.landmark_map import h36m_map
from pose_core.detection.sides import undo_side_swaps
from pose_core.detection.tracking import FramePeople, detect_people
from pose_core.detection.tracks import RawTrack, collect_tracks
from pose_core.errors import Cancelled, NoPersonError
from pose_core.inference.device import choose_device
from pose_core.inference.lifter import CorrectionVerdicts, TrackLifter, lifter_of
from pose_core.inference.prefetch import prefetched
from pose_core.inference.records import (
    EstimateFinished,
    EstimateRecord,
    EstimateSettings,
    FrameDetected,
    LiftProgress,
)
from pose_core.inference.root import estimate_root, stature
from pose_core.models.registry import model_entry
from pose_core.poses import Keypoints2D, Poses3D
from pose_core.session import ModelRun, Session, Track
from pose_core.video import VideoReader

_FRAMES_AHEAD = 4
# Variants of a crop come in pairs that balance each other: an even number.
_ACCURATE_CROPS = min(6, MAX_CROPS)


def estimate(
    clip: Clip, settings: EstimateSettings, detector: Detector | None = None
) -> Generator[EstimateRecord, None, None]:
    """Estimate the 3D poses of the people in a clip.

    Throw `Cancelled` into the generator to stop the detection early: what was seen so far is
    lifted, and `EstimateFinished` comes as usual.

    Parameters
    ----------
    clip : Clip
    settings : EstimateSettings
    detector : Detector, optional
        BlazePose by default.

    Raises
    ------
    ConfigError
        For a model or device that is not there.
    WeightsError
        For missing or altered weights.
    NoPersonError
        If nobody was found.
    VideoError
        If a frame cannot be decoded.
    """
    entry = model_entry(settings.model)
    lifter = lifter_of(entry, choose_device(settings.device))
    if detector is None:
        detector = BlazePoseDetector(_ACCURATE_CROPS if settings.quality == "accurate" else 1)
    records: list[FramePeople] = []
    try:
        yield from _detected(clip, settings, detector, records)
    except Cancelled:
        if records:  # what was done is what the results stand for
            settings = replace(settings, end=records[-1].frame + 1)
    raw_tracks = collect_tracks(records)
    if not raw_tracks:
        raise NoPersonError(
            f"Nobody was found in {clip.path.name}, frames {settings.start} to "
            f"{_end(clip, settings) - 1}.",
            "Choose a part in which a whole person is to be seen, or draw a box around the person.",
        )
    if settings.person == "largest":
        raw_tracks = raw_tracks[:1]
    num_swaps = 0
    tracks = []
    for index, raw in enumerate(raw_tracks):
        track = track_of(raw, index + 1, clip, detector)
        num_swaps += 0 if track.swapped_mask is None else int(track.swapped_mask.sum())
        tracks.append(lifted(track, lifter, clip, settings))
        yield LiftProgress(index, len(raw_tracks))
    session = Session(clip, tuple(tracks), settings.focal_px, settings.body_height_m)
    yield EstimateFinished(session, num_swaps, lifter.device)


def _end(clip: Clip, settings: EstimateSettings) -> int:
    return clip.num_frames if settings.end is None else min(settings.end, clip.num_frames)


def _detected(
    clip: Clip, settings: EstimateSettings, detector: Detector, records: list[FramePeople]
) -> Iterator[FrameDetected]:
    """Detect in all frames; append to `records` what was found in each."""
    to_h36m = h36m_map(detector.skeleton)
    end = _end(clip, settings)
    with VideoReader(clip) as reader:
        decoded = reader.iter_frames(settings.start, end)
        frames = prefetched(((i, clip.times_s[i], image) for i, image in decoded), _FRAMES_AHEAD)
        try:
            for record in detect_people(frames, detector, start_box=settings.start_box):
                records.append(record)
                people = tuple(
                    (key, to_h36m.apply(p.xy), to_h36m.apply_scores(p.scores))
                    for key, p in record.people
                )
                yield FrameDetected(record.frame, len(records), end - settings.start, people)
        finally:
            frames.close()


def track_of(raw: RawTrack, track_id: int, clip: Clip, detector: Detector) -> Track:
    """Track over the whole clip with canonical joints, exchanged sides put right."""
    fixed = undo_side_swaps(raw.xy, raw.scores, raw.times_s, skeleton=detector.skeleton)
    to_h36m = h36m_map(detector.skeleton)
    xy = np.full((clip.num_frames, 17, 2), np.nan, dtype=np.float32)
    scores = np.zeros((clip.num_frames, 17), dtype=np.float32)
    swapped = np.zeros(clip.num_frames, dtype=bool)
    xy[raw.frame_index] = to_h36m.apply(fixed.xy)
    sure = doubt_jumps(fixed.xy, fixed.scores, raw.times_s, detector.skeleton)
    scores[raw.frame_index] = to_h36m.apply_scores(sure)
    swapped[raw.frame_index] = fixed.swapped_mask
    return Track(track_id, f"Person {track_id}", Keypoints2D(xy, scores), {}, swapped)


def lifted(track: Track, lifter: TrackLifter, clip: Clip, settings: EstimateSettings) -> Track:
    """The track with one more run: the lifter's poses and the root position."""
    camera = Camera.assumed(clip.width, clip.height, settings.focal_px)
    xy, scores = track.keypoints.xy, track.keypoints.scores
    person = lifter.lift_track(track.keypoints, clip, camera)
    stages = person.stages
    if settings.body_height_m is not None:
        stages = stages * np.float32(settings.body_height_m / stature(stages[-1]))
    root = estimate_root(stages[-1], xy, scores, clip.times_s, camera)
    is_given = settings.focal_px is not None and settings.body_height_m is not None
    poses = Poses3D(stages, root, is_root_estimated=not is_given)
    run = ModelRun(poses, run_meta(lifter, settings, person.correction))
    return replace(track, runs={**track.runs, settings.model: run})


def run_meta(
    lifter: TrackLifter, settings: EstimateSettings, correction: CorrectionVerdicts | None
) -> dict[str, object]:
    """Provenance of a run, as JSON can hold it.

    ``stages`` are the names of its stages. ``correction`` is there for models that correct
    themselves: ``steps`` taken in each frame (-1 without the person), ``discarded_frames``.
    """
    meta: dict[str, object] = {
        "model": lifter.entry.name,
        "weights_sha256": lifter.entry.sha256,
        "version": pose_core.__version__,
        "device": lifter.device,
        "settings": asdict(settings),
        "stages": list(lifter.stage_names),
    }
    if correction is not None:
        meta["correction"] = {
            "steps": correction.steps.tolist(),
            "discarded_frames": np.flatnonzero(correction.discarded_mask).tolist(),
        }
    return meta
