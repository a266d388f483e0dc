"""Session files (``.posestage``): a zip of ``session.json`` and ``arrays.npz``.

The JSON holds names, provenance and where the video lies, both absolute and relative to the
session file; the arrays are stored bit for bit, without pickle. A file is written whole or not
at all. The video itself is not in it.
"""

import io
import json
import os
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import pose_core
from pose_core.array_files import DamagedArrays, check_size, read_arrays
from pose_core.atomic_file import atomic_write
from pose_core.clip import Clip
from pose_core.errors import PoseStageError, SessionError
from pose_core.poses import Keypoints2D, Poses3D
from pose_core.session import ModelRun, Session, Track, Truth
from pose_core.skeleton import SKELETONS, Skeleton

SUFFIX = ".posestage"
FORMAT = "posestage-session"
FORMAT_VERSION = 2


def _truth_with_source(content: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had nothing but the poses of the truth."""
    poses = content["truth"]
    return content | {"truth": {"source": "", "poses": poses} if poses else None}


# Turns the JSON of one version into that of the next, keyed by the older version.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _truth_with_source}

_JSON_NAME, _ARRAYS_NAME = "session.json", "arrays.npz"
MAX_JSON_BYTES = 64 * 1024**2
MAX_ARRAY_BYTES = 8 * 1024**3

_DAMAGE = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    RecursionError,
    MemoryError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    DamagedArrays,
)


# --- writing ----------------------------------------------------------------------------------


def save_session(session: Session, path: Path) -> None:
    """Write a session file; an existing one is replaced only when the new one is complete.

    Raises
    ------
    SessionError
        If it cannot be written, or holds what a session file cannot.
    """
    arrays: dict[str, np.ndarray] = {}
    content = _encode(session, Path(path), arrays)
    try:
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as exc:
        raise SessionError(f"The session holds what JSON cannot: {exc}.") from exc
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    with atomic_write(path, SessionError) as handle, zipfile.ZipFile(handle, "w") as archive:
        archive.writestr(_JSON_NAME, text, zipfile.ZIP_DEFLATED)
        archive.writestr(_ARRAYS_NAME, packed.getbuffer())


def _encode(session: Session, path: Path, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """JSON content of a session; its arrays are added to `arrays`."""
    clip = session.clip
    arrays["times_s"] = np.asarray(clip.times_s, dtype=np.float64)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "software": f"PoseStage {pose_core.__version__}",
        "clip": {
            "path": str(clip.path),
            "relative_path": _relative_path(clip.path, path),
            "width": clip.width,
            "height": clip.height,
            "fingerprint": clip.fingerprint,
            "warning": clip.warning,
        },
        "focal_px": session.focal_px,
        "body_height_m": session.body_height_m,
        "truth": _encode_truth(session.truth, arrays),
        "tracks": [_encode_track(track, arrays) for track in session.tracks],
    }


def _encode_truth(truth: Truth | None, arrays: dict[str, np.ndarray]) -> dict[str, Any] | None:
    """What the user has loaded; what lies beside the video is found there again."""
    if truth is None or truth.is_beside_clip:
        return None
    if truth.xy is not None:
        arrays["truth.xy"] = np.asarray(truth.xy, dtype=np.float32)
    return {"source": truth.source, "poses": _encode_poses(truth.poses, "truth", arrays)}


def _encode_track(track: Track, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    key = f"track{track.track_id}"
    keypoints = track.keypoints
    arrays[f"{key}.xy"] = keypoints.xy
    arrays[f"{key}.scores"] = keypoints.scores
    arrays[f"{key}.sources"] = np.asarray(keypoints.sources)
    if track.swapped_mask is not None:
        arrays[f"{key}.swapped"] = np.asarray(track.swapped_mask, dtype=bool)
    return {
        "track_id": track.track_id,
        "name": track.name,
        "skeleton": _skeleton_name(keypoints.skeleton),
        "runs": [
            {
                "model": model,
                "meta": dict(run.meta),
                "poses": _encode_poses(run.poses, f"{key}.run{i}", arrays),
            }
            for i, (model, run) in enumerate(track.runs.items())
        ],
    }


def _encode_poses(poses: Poses3D, key: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    arrays[f"{key}.stages"] = poses.stages
    arrays[f"{key}.root"] = np.asarray(poses.root)
    return {
        "key": key,
        "skeleton": _skeleton_name(poses.skeleton),
        "is_root_estimated": poses.is_root_estimated,
    }


def _skeleton_name(skeleton: Skeleton) -> str:
    if SKELETONS.get(skeleton.name) != skeleton:
        raise SessionError(f"The skeleton {skeleton.name!r} cannot be stored: it is not known.")
    return skeleton.name


def _relative_path(video: Path, session_path: Path) -> str | None:
    """Path of the video seen from the session file; None on another Windows drive."""
    try:
        relative = os.path.relpath(video.absolute(), session_path.absolute().parent)
    except ValueError:
        return None
    return Path(relative).as_posix()


# --- reading ----------------------------------------------------------------------------------


def load_session(path: Path) -> Session:
    """Read a session file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Session
        The clip's path is the stored one; where nothing lies there but the same video lies at
        the stored place relative to the session file, it is that. `locate_clip` mends it else.

    Raises
    ------
    SessionError
        If the file cannot be opened, is damaged, or was written by a newer version.
    """
    path = Path(path)
    try:
        with path.open("rb") as handle:
            text, packed = _read_members(handle)
        content = _migrated(json.loads(text), path)
        arrays = read_arrays(io.BytesIO(packed), MAX_ARRAY_BYTES)
        return _decode(content, arrays, path)
    except OSError as exc:
        raise SessionError(
            f"The session {path} cannot be read: {exc.strerror or exc}.",
            "Check the name and the rights of the file.",
        ) from exc
    except SessionError:
        raise
    except (*_DAMAGE, PoseStageError) as exc:
        raise SessionError(
            f"The session {path} is damaged or no session file ({type(exc).__name__}: {exc}).",
            "Open an earlier copy of it.",
        ) from exc


def _read_members(handle: Any) -> tuple[bytes, bytes]:
    """The two members of the zip, after a check of names and sizes."""
    with zipfile.ZipFile(handle) as archive:
        names = sorted(archive.namelist())
        if names != sorted((_JSON_NAME, _ARRAYS_NAME)):
            raise ValueError(f"unexpected content {', '.join(names)[:200]}")
        check_size(archive, MAX_ARRAY_BYTES)
        if archive.getinfo(_JSON_NAME).file_size > MAX_JSON_BYTES:
            raise ValueError("its description is too large")
        return archive.read(_JSON_NAME), archive.read(_ARRAYS_NAME)


def _migrated(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Content in the form of this version."""
    if content["format"] != FORMAT:
        raise ValueError(f"format {content['format']!r}")
    version = content["format_version"]
    if not isinstance(version, int):
        raise TypeError("its version is not a number")
    if version > FORMAT_VERSION:
        raise SessionError(
            f"The session {path} was written by a newer version "
            f"({content.get('software', 'PoseStage')}, format {version}; "
            f"this one reads up to {FORMAT_VERSION}).",
            "Update PoseStage to open it.",
        )
    for older in range(version, FORMAT_VERSION):
        content = MIGRATIONS[older](content)
    return content


def _decode(content: dict[str, Any], arrays: dict[str, np.ndarray], path: Path) -> Session:
    """Inverse of `_encode`."""
    stored = content["clip"]
    times_s = _taken(arrays, "times_s", np.float64)
    if times_s.ndim != 1:
        raise ValueError("its times are not a list")
    clip = Clip(
        path=Path(stored["path"]),
        width=int(stored["width"]),
        height=int(stored["height"]),
        times_s=times_s,
        fingerprint=str(stored["fingerprint"]),
        warning=str(stored["warning"]),
    )
    return Session(
        clip=_found_beside(clip, stored["relative_path"], path),
        tracks=tuple(_decode_track(track, arrays, clip) for track in content["tracks"]),
        focal_px=_number_or_none(content["focal_px"]),
        body_height_m=_number_or_none(content["body_height_m"]),
        truth=_decode_truth(content["truth"], arrays, clip),
    )


def _decode_truth(
    stored: dict[str, Any] | None, arrays: dict[str, np.ndarray], clip: Clip
) -> Truth | None:
    if stored is None:
        return None
    xy = _taken(arrays, "truth.xy", np.float32) if "truth.xy" in arrays else None
    return Truth(_decode_poses(stored["poses"], arrays, clip), xy, str(stored["source"]))


def _decode_track(stored: dict[str, Any], arrays: dict[str, np.ndarray], clip: Clip) -> Track:
    track_id = int(stored["track_id"])
    key = f"track{track_id}"
    keypoints = Keypoints2D(
        xy=_taken(arrays, f"{key}.xy", np.float32),
        scores=_taken(arrays, f"{key}.scores", np.float32),
        skeleton=SKELETONS[stored["skeleton"]],
        sources=_taken(arrays, f"{key}.sources", np.uint8),
    )
    swapped = None
    if f"{key}.swapped" in arrays:
        swapped = _taken(arrays, f"{key}.swapped", np.bool_)
        _check_shape(swapped, (clip.num_frames,))
    _check_shape(np.asarray(keypoints.sources), keypoints.scores.shape)
    runs = {
        str(run["model"]): ModelRun(_decode_poses(run["poses"], arrays, clip), dict(run["meta"]))
        for run in stored["runs"]
    }
    return Track(track_id, str(stored["name"]), keypoints, runs, swapped)


def _decode_poses(stored: dict[str, Any], arrays: dict[str, np.ndarray], clip: Clip) -> Poses3D:
    stages = _taken(arrays, f"{stored['key']}.stages", np.float32)
    root = _taken(arrays, f"{stored['key']}.root", np.float32)
    _check_shape(root, (clip.num_frames, 3))
    return Poses3D(stages, root, SKELETONS[stored["skeleton"]], bool(stored["is_root_estimated"]))


def _taken(arrays: dict[str, np.ndarray], name: str, dtype: type) -> np.ndarray:
    array = arrays[name]
    if array.dtype != dtype:
        raise TypeError(f"{name} is of type {array.dtype}")
    return array


def _check_shape(array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"an array is {array.shape} in place of {shape}")


def _number_or_none(value: Any) -> float | None:
    return None if value is None else float(value)


# --- the video --------------------------------------------------------------------------------


def _found_beside(clip: Clip, relative_path: str | None, session_path: Path) -> Clip:
    """The clip at its place relative to the session, when it is gone from its own."""
    if not relative_path or clip.path.exists():
        return clip
    candidate = Path(os.path.normpath(session_path.absolute().parent / relative_path))
    return replace(clip, path=candidate) if _is_same_video(candidate, clip) else clip


def _is_same_video(path: Path, clip: Clip) -> bool:
    # PyAV is slow to import, and not needed to read a session.
    from pose_core.video import file_fingerprint  # noqa: PLC0415

    try:
        return path.is_file() and file_fingerprint(path) == clip.fingerprint
    except (OSError, ValueError, PoseStageError):  # unreadable, or not a possible name
        return False


def locate_clip(session: Session, place: Path) -> Session:
    """Point a session to its video after that was moved or renamed.

    Parameters
    ----------
    session : Session
    place : Path
        The video, or a folder with it (its subfolders are not searched).

    Returns
    -------
    Session
        Copy with the new path.

    Raises
    ------
    SessionError
        If it is not the video that the session was made of.
    """
    place = Path(place).absolute()
    clip = session.clip
    try:
        candidates = sorted(place.iterdir()) if place.is_dir() else [place]
    except OSError as exc:
        raise SessionError(f"The folder {place} cannot be read: {exc.strerror or exc}.") from exc
    candidates.sort(key=lambda path: path.name != clip.path.name)  # the likely one first
    for path in candidates:
        if _is_same_video(path, clip):
            return replace(session, clip=replace(clip, path=path))
    if place.is_dir():
        raise SessionError(
            f"The folder {place} does not hold the video {clip.path.name} of this session.",
            "Choose the folder or file it was moved to.",
        )
    raise SessionError(
        f"{place} is not the video that this session was made of ({clip.path.name}).",
        "Choose the same file; a re-encoded copy has other frames and needs a new session.",
    )
