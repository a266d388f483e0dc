"""Ground truth from motion capture: its camera is found from the keypoints of the person.

C3D, TRC, BVH and AMC hold a person in the world of the recording; where the video's camera stood
in it they do not say. One camera that does not move is fitted such that the joints fall onto the
2D keypoints of all frames. The 3D estimate has no part in it, so it can be judged by the result.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pose_core.camera import Camera
from pose_core.clip import Clip
from pose_core.data.joint_names import NEEDED
from pose_core.data.mocap_files import MOTION_SUFFIXES, suffix_of
from pose_core.data.recording import Recording, load_recording
from pose_core.data.recording_settings import settings_for
from pose_core.data.truth import FPS_TOLERANCE, load_truth
from pose_core.errors import DataError
from pose_core.poses import Poses3D
from pose_core.session import Session, Track, Truth
from pose_core.skeleton import H36M_17

# Joints that mean the same to every program; along the back and in the head they differ.
_LIMBS = np.array([H36M_17.index(joint) for joint in NEEDED])
_SURE_SCORE = 0.5
_FEWEST_POINTS = 60
_MOST_POINTS = 6000  # enough for a camera; more take longer
# Residuals above this many medians belong to keypoints that slipped.
_OUTLIER = 4.0
_ROUNDS = 3
# Distance from the keypoints that most joints keep, in heights of the person: above it, it is
# somebody else, a tenth of a second too late, or the camera moves. Detectors are within 0.03.
_MOST_JOINTS = 0.8
MOST_DISTANCE = 0.06


@dataclass(frozen=True, eq=False)
class CameraFit:
    """Where the camera stands.

    Parameters
    ----------
    camera : Camera
    distance : float
        Distance of joint and keypoint, in heights of the person in the picture, that four of five
        joints are within.
    """

    camera: Camera
    distance: float


def load_any_truth(path: Path, session: Session) -> Truth:
    """Read the truth of a session's clip, from an npz or from motion capture.

    Parameters
    ----------
    path : Path
        ``.npz`` as `pose_core.data.truth`, or C3D, TRC, BVH, AMC. The latter begin with the first
        frame of the video; a file ``mocap.json`` beside it may give unit, axes and names.
    session : Session
        For motion capture, somebody in it must have keypoints.

    Raises
    ------
    PoseStageError
        If the file cannot be read, lacks something, or does not fit the clip.
    """
    if suffix_of(path) not in MOTION_SUFFIXES:
        return load_truth(path, session.clip)
    recording = load_recording(path, settings_for(path, path.parent))
    recording.require_sound()
    if not any(len(track.present_frames) for track in session.tracks):
        raise DataError(
            f"{path} does not say where the camera stood, and nobody has 2D keypoints to find it.",
            "Estimate or import the keypoints of the person first.",
        )
    world = at_frames(recording, session.clip)
    camera = Camera.assumed(session.clip.width, session.clip.height, session.focal_px)
    fits = [fit for t in session.tracks if (fit := fit_camera(world, t, camera)) is not None]
    best = min(fits, key=lambda fit: fit.distance, default=None)
    if best is None or best.distance > MOST_DISTANCE:
        found = f" (off by {best.distance:.0%} of the person's height)" if best else ""
        raise DataError(
            f"{path} does not fall onto anybody's keypoints{found}.",
            "It must be of this person, begin with the first frame of the video, and the camera "
            "must stand still.",
        )
    return _truth(world, best.camera, path.name)


def _truth(world: np.ndarray, camera: Camera, source: str) -> Truth:
    xyz = camera.to_camera(world)
    if (xyz[..., 2] <= 0).any():
        raise DataError(f"In {source} some of the person is behind the camera.")
    root = xyz[:, 0]
    relative = (xyz - root[:, None]).astype(np.float32)
    xy = camera.project(world).astype(np.float32)
    return Truth(Poses3D(relative[None], root.astype(np.float32)), xy, source)


def at_frames(recording: Recording, clip: Clip) -> np.ndarray:
    """Joints (T, 17, 3) of a recording at the frames of a clip, metres, world; NaN beyond its end.

    A recording of as many frames at the same rate is taken frame by frame, any other by time.
    """
    is_same_rate = abs(recording.fps / clip.fps - 1) <= FPS_TOLERANCE
    if len(recording) == clip.num_frames and is_same_rate:
        return recording.xyz
    place = clip.times_s * recording.fps
    low = np.minimum(place.astype(int), len(recording) - 1)
    high = np.minimum(low + 1, len(recording) - 1)
    share = (place - low)[:, None, None]
    # A frame that is hit exactly needs no neighbour, which may be missing.
    after = np.where(share < 1e-6, recording.xyz[low], recording.xyz[high])
    xyz = (1 - share) * recording.xyz[low] + share * after
    xyz[place > len(recording) - 1 + 1e-6] = np.nan
    return xyz


def fit_camera(world: np.ndarray, track: Track, camera: Camera) -> CameraFit | None:
    """Place a camera of known focal length so that joints fall onto keypoints.

    Parameters
    ----------
    world : (T, 17, 3) ndarray
        Metres; NaN where not known.
    track : Track
    camera : Camera
        Its rotation and translation are found.

    Returns
    -------
    CameraFit or None
        None where too few joints are known in both.

    References
    ----------
    Terzakis and Lourakis, "A Consistently Fast and Globally Optimal Solution to the
    Perspective-n-Point Problem", ECCV 2020; then Levenberg-Marquardt (OpenCV).
    """
    points, pixels, heights = _common(world, track)
    if len(points) < _FEWEST_POINTS:
        return None
    used = np.ones(len(points), dtype=bool)
    far, fitted = np.zeros(len(points)), camera
    for _ in range(_ROUNDS):
        solved = _solve(points[used], pixels[used], camera)
        if solved is None:
            return None
        fitted = solved
        far = np.linalg.norm(fitted.project(points) - pixels, axis=-1) / heights
        far[np.isnan(far)] = np.inf  # behind the camera
        used = far <= max(_OUTLIER * float(np.median(far)), 1e-6)
    return CameraFit(fitted, float(np.quantile(far, _MOST_JOINTS)))


def _common(world: np.ndarray, track: Track) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joints (N, 3), keypoints (N, 2), the person's height in pixels (N,), where both are known."""
    known = track.keypoints
    sizes = np.nanmax(known.xy, axis=1, initial=-np.inf) - np.nanmin(
        known.xy, axis=1, initial=np.inf
    )
    heights = np.repeat(sizes.max(axis=-1)[:, None], len(_LIMBS), axis=1)
    xyz, xy = world[:, _LIMBS], known.xy[:, _LIMBS].astype(np.float64)
    is_known = np.isfinite(xyz).all(axis=-1) & np.isfinite(xy).all(axis=-1)
    is_known &= (known.scores[:, _LIMBS] >= _SURE_SCORE) & (heights > 1)
    step = max(int(is_known.sum()) // _MOST_POINTS, 1)
    return xyz[is_known][::step], xy[is_known][::step], heights[is_known][::step]


def _solve(points: np.ndarray, pixels: np.ndarray, camera: Camera) -> Camera | None:
    try:
        is_found, turn, shift = cv2.solvePnP(
            points, pixels, camera.intrinsics, None, flags=cv2.SOLVEPNP_SQPNP
        )
        if not is_found:
            return None
        turn, shift = cv2.solvePnPRefineLM(points, pixels, camera.intrinsics, None, turn, shift)
    except cv2.error:  # degenerate: all in one point
        return None
    return Camera(
        camera.width,
        camera.height,
        camera.focal_px,
        rotation=cv2.Rodrigues(turn)[0],
        translation=shift.ravel(),
        is_estimated=True,
    )
