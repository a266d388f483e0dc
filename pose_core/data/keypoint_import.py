"""Keypoints of another program as people of a clip, ready to be lifted to 3D."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pose_core.clip import Clip
from pose_core.data.joint_names import MissingJoints
from pose_core.data.keypoint_joints import mapped
from pose_core.data.keypoint_people import linked
from pose_core.errors import DataError
from pose_core.interchange.keypoint_files import load_keypoints
from pose_core.interchange.named_keypoints import NamedKeypoints
from pose_core.poses import SOURCE_IMPORTED, SOURCE_NONE, Keypoints2D
from pose_core.session import Track
from pose_core.skeleton import H36M_17

# Fewer joints in every frame are no person.
FEWEST_JOINTS = 6
# A person found only this often, in a file without identities, is a mistake of the detector.
_FEWEST_FRAMES = 3
_SAME_ASPECT = 0.01
# People may stand half outside of the picture; points further out than this belong to another.
_OUTSIDE = 0.1
_MOST_OUTSIDE = 0.5


@dataclass(frozen=True, eq=False)
class ImportedPeople:
    """What a file has brought.

    Parameters
    ----------
    tracks : tuple of Track
        Without 3D, in the order of the file, numbered from 1.
    format : str
        Whose file it was.
    warning : str
        What the user should know; empty when all is well.
    """

    tracks: tuple[Track, ...]
    format: str
    warning: str = ""


def import_keypoints(
    path: Path, clip: Clip, names: Mapping[str, str] | None = None
) -> ImportedPeople:
    """Read a file of keypoints as the people of a clip.

    Parameters
    ----------
    path : Path
        A file, or the folder that OpenPose has written.
    clip : Clip
    names : mapping of str to str, optional
        What joints are called in the file, for those that are not found by themselves.

    Raises
    ------
    ExportError
        If the file cannot be read or is damaged.
    MissingJoints
        If joints cannot be found by their names.
    DataError
        If the file does not fit the clip, or nobody in it has at least six joints.
    """
    found = load_keypoints(path, clip.path.name)
    try:
        return _people(mapped(found, names), clip)
    except MissingJoints as error:
        text = f"{path}: {error.message}"
        raise MissingJoints(text, error.hint, error.joints, error.names) from error
    except DataError as error:
        raise DataError(f"{path}: {error.message}", error.hint) from error


def _people(keypoints: NamedKeypoints, clip: Clip) -> ImportedPeople:
    notes = [_check_frames(keypoints, clip)]
    xy, note = _pixels(keypoints, clip)
    notes.append(note)
    _check_inside(xy, clip)
    people, titles = keypoints.people, list(keypoints.person_names)
    is_tracked = bool((people >= 0).all())
    if not is_tracked:
        people = linked(keypoints.frames, xy, clip.fps)
        titles = [""] * (int(people.max(initial=-1)) + 1)
    tracks: list[Track] = []
    num_left_out = 0
    for person, title in enumerate(titles):
        rows = np.flatnonzero(people == person)
        if not is_tracked and len(rows) < min(_FEWEST_FRAMES, clip.num_frames):
            num_left_out += 1
        elif (np.isfinite(xy[rows, :, 0]).sum(axis=1) >= FEWEST_JOINTS).any():
            track_id = len(tracks) + 1
            points = _on_clip(keypoints, xy, rows, clip)
            tracks.append(Track(track_id, title or f"Person {track_id}", points))
    if not tracks:
        raise DataError(
            f"Nobody in it has {FEWEST_JOINTS} joints in any frame.",
            "Check that it is of this video, and that its keypoints were found.",
        )
    if num_left_out:
        notes.append(f"{num_left_out} people seen in one or two frames were left out.")
    return ImportedPeople(tuple(tracks), keypoints.format, " ".join(filter(None, notes)))


def _on_clip(
    keypoints: NamedKeypoints, xy: np.ndarray, rows: np.ndarray, clip: Clip
) -> Keypoints2D:
    """Keypoints of one person over all frames of the clip."""
    shape = clip.num_frames, H36M_17.num_joints
    all_xy = np.full((*shape, 2), np.nan, dtype=np.float32)
    scores = np.zeros(shape, dtype=np.float32)
    sources = np.full(shape, SOURCE_NONE, dtype=np.uint8)
    frames = keypoints.frames[rows]
    all_xy[frames], scores[frames] = xy[rows], keypoints.scores[rows]
    given = SOURCE_IMPORTED if keypoints.sources is None else keypoints.sources[rows]
    sources[frames] = np.where(np.isnan(xy[rows, :, 0]), SOURCE_NONE, given)
    return Keypoints2D(all_xy, scores, sources=sources)


def _check_frames(keypoints: NamedKeypoints, clip: Clip) -> str:
    """A note where the file has fewer frames than the clip; DataError where it has more."""
    has = max(keypoints.num_frames or 0, int(keypoints.frames.max()) + 1)
    name = clip.path.name
    if has > clip.num_frames:
        raise DataError(
            f"It has keypoints of {has} frames, and {name} has {clip.num_frames}.",
            "Choose the file of this video. Cut or re-encoded copies have other frames.",
        )
    if keypoints.num_frames is not None and has < clip.num_frames:
        return f"It has the first {has} of the {clip.num_frames} frames of {name}."
    return ""


def _pixels(keypoints: NamedKeypoints, clip: Clip) -> tuple[np.ndarray, str]:
    """Places in pixels of the clip, and a note where they had to be scaled."""
    size = np.array([clip.width, clip.height], dtype=np.float64)
    if keypoints.is_share:
        return keypoints.xy * size, ""
    own = keypoints.picture_size
    if own is None or own == (clip.width, clip.height) or min(own) <= 0:
        return keypoints.xy, ""
    scale = size / own
    described = f"pictures of {own[0]} x {own[1]} pixels; those of {clip.path.name} have "
    described += f"{clip.width} x {clip.height}"
    if abs(scale[0] / scale[1] - 1) > _SAME_ASPECT:
        raise DataError(f"It is of {described}.", "Choose the file of this video.")
    return keypoints.xy * scale, f"It is of {described}: the keypoints were scaled."


def _check_inside(xy: np.ndarray, clip: Clip) -> None:
    size = np.array([clip.width, clip.height])
    known = xy[np.isfinite(xy).all(axis=-1)]
    outside = ((known < -_OUTSIDE * size) | (known > (1 + _OUTSIDE) * size)).any(axis=-1)
    if len(known) and outside.mean() > _MOST_OUTSIDE:
        low, high = known.min(axis=0), known.max(axis=0)
        raise DataError(
            f"{outside.mean():.0%} of its keypoints lie outside of the picture of "
            f"{clip.width} x {clip.height} pixels: they reach from ({low[0]:.0f}, {low[1]:.0f}) to "
            f"({high[0]:.0f}, {high[1]:.0f}).",
            "Choose the file of this video, in its own pixels.",
        )


def parse_names(text: str) -> dict[str, str]:
    """Names of joints as the command line has them: ``left_hip=HipL,right_hip=HipR``.

    Raises
    ------
    DataError
        If a part has no ``=``, or a joint is named twice.
    """
    names: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        joint, sign, name = (word.strip() for word in part.partition("="))
        if not sign or not name or joint in names:
            raise DataError(
                f"{part!r} does not say what one joint is called.",
                "Write for example left_hip=HipL,right_hip=HipR.",
            )
        names[joint] = name
    return names


def numbered_after(tracks: tuple[Track, ...], present: tuple[Track, ...]) -> tuple[Track, ...]:
    """New people with numbers after those of the present ones, and names that go with them."""
    first = max((track.track_id for track in present), default=0)
    return tuple(
        replace(
            track,
            track_id=first + track.track_id,
            name=f"Person {first + track.track_id}"
            if track.name == f"Person {track.track_id}"
            else track.name,
        )
        for track in tracks
    )
