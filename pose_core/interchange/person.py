"""What is exported of one person: the content that NPZ, JSON and CSV share."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

import pose_core
from pose_core.errors import ExportError
from pose_core.poses import SOURCE_INTERPOLATED, SOURCE_USER, Keypoints2D, Poses3D
from pose_core.session import ModelRun, Session, Track
from pose_core.skeleton import H36M_17

FRAME_OF_REFERENCE = "camera axes: x right, y down, z forward (away from the camera)"
UNITS = {
    "poses_3d": "metre, relative to the pelvis",
    "root_3d": "metre, pelvis in camera coordinates",
    "stages_3d": "metre, relative to the pelvis",
    "keypoints_2d": "pixel of the upright picture, x right, y down",
    "scores": "confidence 0..1, 0 where missing",
    "time_s": "second from the first frame of the video",
    "fps": "frame per second",
}


@dataclass(frozen=True, eq=False)
class PersonPoses:
    """Poses of one person in the T frames in which the person was seen and estimated.

    Parameters
    ----------
    poses_3d : (T, 17, 3) float32 ndarray
        Root-relative, camera axes (x right, y down, z forward), metres; NaN where missing.
    root_3d : (T, 3) float32 ndarray
        Pelvis in camera coordinates, metres; NaN where unknown.
    keypoints_2d : (T, 17, 2) float32 ndarray
        Pixels of the upright picture; NaN where missing.
    scores : (T, 17) float32 ndarray
        Confidence 0..1.
    stages_3d : (S, T, 17, 3) float32 ndarray
        Every stage of the model; the last one is `poses_3d`.
    frame_index : (T,) int64 ndarray
        Frame numbers of the video, from 0, ascending; may have gaps.
    time_s : (T,) float64 ndarray
        Presentation times, seconds.
    fps : float
        Mean frame rate of the video.
    joint_names : tuple of str
    meta : Mapping
        JSON-able provenance: model, weights_sha256, version, settings, edits, assumptions.
    """

    poses_3d: np.ndarray
    root_3d: np.ndarray
    keypoints_2d: np.ndarray
    scores: np.ndarray
    stages_3d: np.ndarray
    frame_index: np.ndarray
    time_s: np.ndarray
    fps: float
    joint_names: tuple[str, ...] = H36M_17.joint_names
    meta: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        num_frames, num_joints = len(self.frame_index), len(self.joint_names)
        shapes = {
            "poses_3d": (num_frames, num_joints, 3),
            "root_3d": (num_frames, 3),
            "keypoints_2d": (num_frames, num_joints, 2),
            "scores": (num_frames, num_joints),
            "stages_3d": (len(self.stages_3d), num_frames, num_joints, 3),
            "frame_index": (num_frames,),
            "time_s": (num_frames,),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ExportError(f"{name} must be {shape}, not {getattr(self, name).shape}.")

    @property
    def meta_text(self) -> str:
        """`meta` as one line of JSON.

        Raises
        ------
        ExportError
            If it holds what JSON cannot.
        """
        try:
            return json.dumps(dict(self.meta), ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as exc:
            raise ExportError(f"The provenance cannot be written as JSON: {exc}.") from exc


def parse_meta(text: str) -> dict[str, object]:
    """Read what `PersonPoses.meta_text` wrote; ValueError if it is no JSON object."""
    meta = json.loads(text)
    if not isinstance(meta, dict):
        raise ValueError("the provenance is not a JSON object")
    return meta


def person_poses(session: Session, track: Track, model: str | None = None) -> PersonPoses:
    """Gather what is exported of one track.

    Parameters
    ----------
    session : Session
    track : Track
    model : str, optional
        Name of the run; the latest by default.

    Raises
    ------
    ExportError
        If the track has no such run, or no frame with a pose.
    """
    name, run = _pick_run(track, model)
    poses = run.poses
    if track.keypoints.skeleton != H36M_17 or poses.skeleton != H36M_17:
        raise ExportError(f"{track.name}: only {H36M_17.name} poses can be exported.")
    estimated = np.isfinite(poses.xyz).all(axis=-1).any(axis=-1)
    frames = np.flatnonzero(track.present_mask & estimated)
    if not len(frames):
        raise ExportError(
            f"{track.name} has no frame with a 3D pose.", "Estimate a range with the person in it."
        )
    return PersonPoses(
        poses_3d=poses.xyz[frames],
        root_3d=np.asarray(poses.root)[frames],
        keypoints_2d=track.keypoints.xy[frames],
        scores=track.keypoints.scores[frames],
        stages_3d=poses.stages[:, frames],
        frame_index=frames.astype(np.int64),
        time_s=session.clip.times_s[frames],
        fps=session.clip.fps,
        meta=_provenance(session, track, name, run, frames),
    )


def _pick_run(track: Track, model: str | None) -> tuple[str, ModelRun]:
    if not track.runs:
        raise ExportError(f"{track.name} has no 3D poses yet.", "Estimate first, then export.")
    name = model if model is not None else list(track.runs)[-1]
    if name not in track.runs:
        raise ExportError(
            f"{track.name} has no poses from the model {name!r}.",
            f"There are: {', '.join(track.runs)}.",
        )
    return name, track.runs[name]


def _provenance(
    session: Session, track: Track, model: str, run: ModelRun, frames: np.ndarray
) -> dict[str, object]:
    """Where the poses come from, what was assumed, and what the user changed."""
    height = session.body_height_m
    known = {
        "model": model,
        "weights_sha256": "",
        "version": pose_core.__version__,
        "settings": {},
    }
    return {
        **known,
        **run.meta,
        "clip": session.clip.path.name,
        "clip_fingerprint": session.clip.fingerprint,
        "person": track.track_id,
        "person_name": track.name,
        "frame_of_reference": FRAME_OF_REFERENCE,
        "units": UNITS,
        "root_position": _root_mark(session, run.poses),
        "depth": f"scaled to the given body height of {height} m"
        if height
        else "relative: no body height was given, the scale is the model's",
        "focal_px": session.focal_px or "assumed",
        "edited_keypoints": _marked(track.keypoints, SOURCE_USER, frames),
        "interpolated_keypoints": _marked(track.keypoints, SOURCE_INTERPOLATED, frames),
    }


def _root_mark(session: Session, poses: Poses3D) -> str:
    if not np.isfinite(np.asarray(poses.root)).all(axis=1).any():
        return "unknown"
    if not poses.is_root_estimated:
        return "from the given camera and body height"
    missing = [
        name
        for name, value in (("focal length", session.focal_px), ("size", session.body_height_m))
        if not value
    ]
    return "estimated" + (f" under an assumed {' and '.join(missing)}" if missing else "")


def _marked(keypoints: Keypoints2D, source: int, frames: np.ndarray) -> dict[str, list[int]]:
    """Frame numbers with this source, for each joint that has any."""
    mask = np.asarray(keypoints.sources)[frames] == source
    return {
        name: frames[mask[:, joint]].tolist()
        for joint, name in enumerate(keypoints.skeleton.joint_names)
        if mask[:, joint].any()
    }
