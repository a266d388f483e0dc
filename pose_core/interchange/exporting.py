"""Writing a session's results in any of the formats, one file after another."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pose_core.atomic_file import make_folder
from pose_core.errors import ConfigError, ExportError, NoPersonError
from pose_core.interchange.bvh_export import save_person_bvh
from pose_core.interchange.coco_keypoints import save_coco
from pose_core.interchange.json_poses import save_json
from pose_core.interchange.keypoint_arrays import save_keypoint_arrays
from pose_core.interchange.keypoint_table import save_keypoint_table
from pose_core.interchange.named_keypoints import keypoints_of_session
from pose_core.interchange.npz import save_npz
from pose_core.interchange.person import PersonPoses, person_poses
from pose_core.interchange.tables import save_csv
from pose_core.session import Session, Track
from pose_core.session_io import SUFFIX as SESSION_SUFFIX
from pose_core.session_io import save_session

PERSON_FORMATS = ("bvh", "csv", "npz", "json")
# 2D keypoints of all people in one file; no 3D is needed.
KEYPOINT_FORMATS = {
    "coco": {".coco.json": save_coco},
    "keypoints": {".keypoints.csv": save_keypoint_table, ".keypoints.npz": save_keypoint_arrays},
}
FORMATS = (*PERSON_FORMATS, *KEYPOINT_FORMATS, "mp4", "session")


@dataclass(frozen=True)
class ExportedFile:
    """A file that was written.

    Parameters
    ----------
    path : Path
    format : str
        One of `FORMATS`.
    person : int, optional
        Track id; None for a file about the whole clip.
    report : str
        What the user should know of it, such as the error of the BVH's round trip.
    """

    path: Path
    format: str
    person: int | None = None
    report: str = ""

    def __str__(self) -> str:
        return f"{self.path}  ({self.report})" if self.report else str(self.path)


if TYPE_CHECKING:
    # PyAV and OpenCV are slow to import.
    from pose_core.interchange.overlay_video import OverlayProgress

    ExportRecord = ExportedFile | OverlayProgress


def check_formats(formats: Iterable[str]) -> tuple[str, ...]:
    """Tidy names of formats: lower case, no blanks, each once.

    Raises
    ------
    ConfigError
        If one is unknown, or there is none.
    """
    names = tuple(dict.fromkeys(name.strip().lower() for name in formats if name.strip()))
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        what = f"Unknown format {unknown[0]!r}." if unknown else "No format is given."
        raise ConfigError(what, f"There are: {', '.join(FORMATS)}.")
    return names


def export_session(
    session: Session,
    out_dir: Path,
    formats: Iterable[str],
    *,
    model: str | None = None,
    level: bool = False,
) -> "Iterator[ExportRecord]":
    """Write a session's results; an `ExportedFile` comes when its file is complete.

    Files are named after the clip, ``CLIP.person1.bvh``; existing ones are replaced, except
    session files, which may hold somebody's edits: those get a number.

    Parameters
    ----------
    session : Session
    out_dir : Path
        Made when missing.
    formats : iterable of str
        Of `FORMATS`. ``csv`` writes a long and a wide table, ``keypoints`` a table and arrays.
    model : str, optional
        Whose poses to write; those of the latest run by default.
    level : bool
        Whether the BVH is turned so that the standing person is upright, for a camera that looks
        up or down.

    Yields
    ------
    ExportedFile or OverlayProgress
        The latter while the overlay video is written, which takes long.

    Raises
    ------
    ConfigError
        If a format is unknown.
    NoPersonError
        If the session has no people.
    ExportError
        If nothing was estimated, or a file cannot be written; no partial file is left.
    VideoError
        If the clip is needed, for the overlay video, and cannot be read.
    """
    names = check_formats(formats)
    out_dir = Path(out_dir)
    people: list[tuple[Track, PersonPoses]] = []
    if set(names) & set(PERSON_FORMATS):
        # Gathered before anything is written, so that a mistake is told first.
        people = [(t, person_poses(session, t, model)) for t in _estimated_tracks(session, model)]
    make_folder(out_dir, ExportError)
    stem = session.clip.path.stem
    for name in names:
        if name == "session":
            path = _free_path(out_dir, stem)
            save_session(session, path)
            yield ExportedFile(path, name)
        elif name in KEYPOINT_FORMATS:
            keypoints = keypoints_of_session(session)
            for suffix, save in KEYPOINT_FORMATS[name].items():
                path = out_dir / f"{stem}{suffix}"
                save(path, keypoints, session.clip)
                yield ExportedFile(path, name)
        elif name == "mp4":
            # PyAV and OpenCV are slow to import, and only this format needs them.
            from pose_core.interchange.overlay_video import save_overlay_video  # noqa: PLC0415

            path = out_dir / f"{stem}.overlay.mp4"
            start, end = _estimated_frames(session, model)
            yield from save_overlay_video(session, path, model=model, start=start, end=end)
            yield ExportedFile(path, name, report=f"frames {start} to {end - 1}")
        for track, person in people if name in PERSON_FORMATS else ():
            base = out_dir / f"{stem}.person{track.track_id}"
            for suffix, write in _writers(name, level).items():
                path = base.with_name(base.name + suffix)
                report = write(path, person) or ""
                yield ExportedFile(path, name, track.track_id, report)


def _writers(name: str, level: bool) -> dict[str, Callable[[Path, PersonPoses], str | None]]:
    """Suffix and writer of each file of a format."""
    return {
        "bvh": {".bvh": lambda path, person: save_person_bvh(path, person, level=level)},
        "csv": {
            ".csv": lambda path, person: save_csv(path, person, "long"),
            ".wide.csv": lambda path, person: save_csv(path, person, "wide"),
        },
        "npz": {".npz": save_npz},
        "json": {".json": save_json},
    }[name]


def _estimated_tracks(session: Session, model: str | None) -> list[Track]:
    """Tracks with poses of the model; of the people only some may have been estimated."""
    if not session.tracks:
        raise NoPersonError(
            f"No person was found in {session.clip.path.name}: there is nothing to export."
        )
    tracks = [t for t in session.tracks if (t.runs if model is None else model in t.runs)]
    return tracks or [session.tracks[0]]  # `person_poses` says what is missing


def _estimated_frames(session: Session, model: str | None) -> tuple[int, int]:
    """Frames ``start <= frame < end`` that the runs were asked for; all where they do not say."""
    num_frames = session.clip.num_frames
    starts, ends = [], []
    for track in session.tracks:
        run = track.runs.get(model or next(reversed([*track.runs]), ""))
        if run is None:
            continue
        settings = run.meta.get("settings")
        asked = settings if isinstance(settings, Mapping) else {}
        start, end = asked.get("start"), asked.get("end")
        starts.append(start if isinstance(start, int) else 0)
        ends.append(end if isinstance(end, int) else num_frames)
    start, end = max(min(starts, default=0), 0), min(max(ends, default=num_frames), num_frames)
    return (start, end) if start < end else (0, num_frames)


def _free_path(folder: Path, stem: str) -> Path:
    path = folder / f"{stem}{SESSION_SUFFIX}"
    number = 2
    while path.exists():
        path = folder / f"{stem}-{number}{SESSION_SUFFIX}"
        number += 1
    return path
