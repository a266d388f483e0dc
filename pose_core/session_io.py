"""Session files (``.posestage``): a zip of JSON and of arrays as they are in memory.

``session.json`` holds names, provenance and where the video lies, both absolute and relative to
the session file; ``arrays/`` the arrays bit for bit, without pickle; ``history.json`` and
``history/`` the steps that can be undone. A file is written whole or not at all. The video itself
is not in it.
"""

import os
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import pose_core
from pose_core.array_archive import ArchiveReader, write_archive
from pose_core.array_files import DAMAGE, DamagedArrays
from pose_core.atomic_file import atomic_write
from pose_core.clip import Clip
from pose_core.errors import PoseStageError, SessionError
from pose_core.session import Session
from pose_core.session_history import History, decode_history, encode_history
from pose_core.session_migration import MIGRATIONS, read_packed_arrays
from pose_core.session_parts import Arrays, parts_of, session_of

SUFFIX = ".posestage"
FORMAT = "posestage-session"
FORMAT_VERSION = 4

_SESSION_NAME, _HISTORY_NAME = "session.json", "history.json"
_DAMAGE = (*DAMAGE, AttributeError, DamagedArrays)


@dataclass(frozen=True, eq=False)
class SessionFile:
    """What lies in a session file.

    Parameters
    ----------
    session : Session
    history : History
    save_id : str
        Another one in each file that was written; empty in files of older versions.
    warning : str
        What is wrong with the file, though the session is whole; empty otherwise.
    """

    session: Session
    history: History
    save_id: str = ""
    warning: str = ""


# --- writing ----------------------------------------------------------------------------------


def save_session(
    session: Session,
    path: Path,
    history: History | None = None,
    *,
    num_backups: int = 0,
    save_id: str | None = None,
) -> str:
    """Write a session file; an existing one is replaced only when the new one is complete.

    Parameters
    ----------
    session : Session
    path : Path
    history : History, optional
        Of the session as it is now.
    num_backups : int
        How many of the files that were there before to keep beside it.
    save_id : str, optional
        What `new_save_id` gave, for who has to know it before the file is there.

    Returns
    -------
    str
        The `save_id` of the file.

    Raises
    ------
    SessionError
        If it cannot be written, or holds what a session file cannot.
    """
    path, save_id = Path(path), save_id or new_save_id()
    description, arrays = parts_of(without_found_truth(session))
    arrays["times_s"] = np.asarray(session.clip.times_s, dtype=np.float64)
    members = {name: f"arrays/{i}.npy" for i, name in enumerate(arrays)}
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "software": f"PoseStage {pose_core.__version__}",
        "save_id": save_id,
        "clip": _encode_clip(session.clip, path),
        "session": description,
        "arrays": members,
    }
    texts = {_SESSION_NAME: content}
    stored = {members[name]: array for name, array in arrays.items()}
    if history is not None and history.steps:
        text, more = history_members(history)
        texts[_HISTORY_NAME] = text
        stored |= more
    try:
        with atomic_write(path, SessionError, num_backups=num_backups) as handle:
            write_archive(handle, texts, stored)
    except (TypeError, ValueError) as exc:
        raise SessionError(f"The session holds what JSON cannot: {exc}.") from exc
    return save_id


def new_save_id() -> str:
    """A `SessionFile.save_id` that no file has yet."""
    return uuid.uuid4().hex


def without_found_truth(session: Session) -> Session:
    """The session without a truth that is found beside the video each time it is opened."""
    is_found = session.truth is not None and session.truth.is_beside_clip
    return replace(session, truth=None) if is_found else session


def history_members(history: History) -> tuple[dict[str, Any], Arrays]:
    """A history as a JSON value and arrays by member name."""
    arrays: Arrays = {}
    text = encode_history(history, arrays)
    text["arrays"] = {name: f"history/{i}.npy" for i, name in enumerate(arrays)}
    return text, {text["arrays"][name]: array for name, array in arrays.items()}


def _encode_clip(clip: Clip, session_path: Path) -> dict[str, Any]:
    return {
        "path": str(clip.path),
        "relative_path": _relative_path(clip.path, session_path),
        "width": clip.width,
        "height": clip.height,
        "fingerprint": clip.fingerprint,
        "warning": clip.warning,
    }


def _relative_path(video: Path, session_path: Path) -> str | None:
    """Path of the video seen from the session file; None on another Windows drive."""
    try:
        relative = os.path.relpath(video.absolute(), session_path.absolute().parent)
    except ValueError:
        return None
    return Path(relative).as_posix()


# --- reading ----------------------------------------------------------------------------------


def load_session(path: Path) -> Session:
    """Read the session of a session file: see `load_session_file`."""
    return load_session_file(path).session


def load_session_file(path: Path) -> SessionFile:
    """Read a session file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    SessionFile
        The clip's path is the stored one; where nothing lies there but the same video lies at
        the stored place relative to the session file, it is that. `locate_clip` mends it else.
        Long arrays are mapped into memory, not read. A damaged history is left out.

    Raises
    ------
    SessionError
        If the file cannot be opened, is damaged, or was written by a newer version.
    """
    path = Path(path)
    try:
        with ArchiveReader(path) as archive:
            content = archive.text(_SESSION_NAME)
            version = _checked_version(content, path)
            arrays = _read_arrays(archive, content, version)
            for older in range(version, FORMAT_VERSION):
                content, arrays = MIGRATIONS[older](content, arrays)
            session = _decode(content, arrays, path)
            history, warning = read_history(archive)
        return SessionFile(session, history, str(content.get("save_id", "")), warning)
    except SessionError:
        raise
    except (*_DAMAGE, PoseStageError) as exc:
        if isinstance(exc, OSError) and exc.strerror:
            raise SessionError(
                f"The session {path} cannot be read: {exc.strerror}.",
                "Check the name and the rights of the file.",
            ) from exc
        raise SessionError(
            f"The session {path} is damaged or no session file ({type(exc).__name__}: {exc}).",
            "Open an earlier copy of it: one of the files beside it with “backup” in the name.",
        ) from exc


def read_save_id(path: Path) -> str:
    """The `SessionFile.save_id` of a file, without its arrays.

    Raises
    ------
    SessionError
        If it cannot be read.
    """
    try:
        with ArchiveReader(path) as archive:
            return str(archive.text(_SESSION_NAME).get("save_id", ""))
    except _DAMAGE as exc:
        raise SessionError(f"The session {path} cannot be read: {exc}.") from exc


def _checked_version(content: dict[str, Any], path: Path) -> int:
    if content["format"] != FORMAT:
        raise ValueError(f"format {content['format']!r}")
    version = content["format_version"]
    if not isinstance(version, int) or version < 1:
        raise TypeError("its version is not a number from 1 on")
    if version > FORMAT_VERSION:
        raise SessionError(
            f"The session {path} was written by a newer version "
            f"({content.get('software', 'PoseStage')}, format {version}; "
            f"this one reads up to {FORMAT_VERSION}).",
            "Update PoseStage to open it.",
        )
    return version


def _read_arrays(archive: ArchiveReader, content: dict[str, Any], version: int) -> Arrays:
    if version < 3:
        return read_packed_arrays(archive)
    return archive.arrays(content["arrays"])


def read_history(archive: ArchiveReader) -> tuple[History, str]:
    """The history in an archive, or none and why it cannot be used."""
    if _HISTORY_NAME not in archive.names:
        return History(), ""
    try:
        text = archive.text(_HISTORY_NAME)
        return decode_history(text, archive.arrays(text["arrays"])), ""
    except _DAMAGE as exc:
        return History(), (
            "The list of what can be undone is damaged and was left out; the session itself is "
            f"whole ({type(exc).__name__}: {exc})."
        )


def _decode(content: dict[str, Any], arrays: Arrays, path: Path) -> Session:
    stored, times_s = content["clip"], arrays.pop("times_s")
    if times_s.dtype != np.float64 or times_s.ndim != 1:
        raise ValueError("its times are not a list of numbers")
    clip = Clip(
        path=Path(stored["path"]),
        width=int(stored["width"]),
        height=int(stored["height"]),
        times_s=times_s,
        fingerprint=str(stored["fingerprint"]),
        warning=str(stored["warning"]),
    )
    clip = _found_beside(clip, stored["relative_path"], path)
    return session_of(content["session"], arrays, clip)


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
