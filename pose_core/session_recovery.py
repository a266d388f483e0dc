"""Automatic copies of unsaved sessions: a folder with a whole session, and what has changed since.

The whole session (``base-....posestage``) is written seldom; where the user's own file holds it,
it is a second name of that file and costs nothing. What differs from it, and the history, lie in
``changes.zip``, which is replaced each time and names the base that it belongs to. So the copy of
a long session is as cheap as its edits, and at any moment the folder holds one whole state.
"""

import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pose_core.array_archive import ArchiveReader, write_archive
from pose_core.array_files import DAMAGE
from pose_core.atomic_file import atomic_write, make_folder
from pose_core.errors import SessionError
from pose_core.session import Session
from pose_core.session_history import History
from pose_core.session_io import (
    SUFFIX,
    history_members,
    load_session,
    read_history,
    read_save_id,
    save_session,
    without_found_truth,
)
from pose_core.session_parts import Arrays, parts_of
from pose_core.session_patch import Patch, decode_patch, encode_patch

CHANGES_NAME, _TEXT_NAME = "changes.zip", "recovery.json"
RECOVERY_VERSION = 1
# A new base is written when the changes are more than this and than a quarter of the session.
SMALL_BYTES = 32 * 1024**2
_DAMAGE = (*DAMAGE, AttributeError)


@dataclass(frozen=True)
class RecoveryInfo:
    """What a copy holds, for the question whether to restore it.

    Parameters
    ----------
    clip_path : str
        The video.
    people : tuple of str
        Their names.
    num_edits : int
        Steps that are in the copy and not in the user's file.
    session_path : str
        The user's file; empty where there is none yet.
    save_id : str
        What that file held; see `pose_core.session_io.SessionFile`.
    next_save_id : str
        What that file holds as soon as the save ends that went on when the copy was made: the
        copy is as new as that, or newer. Empty where no save went on.
    time_s : float
        When the work was as in the copy, seconds since 1970.
    """

    clip_path: str
    people: tuple[str, ...]
    num_edits: int
    session_path: str = ""
    save_id: str = ""
    next_save_id: str = ""
    time_s: float = 0.0

    def is_from(self, save_id: str) -> bool:
        """Whether the copy holds all that a session file with this `save_id` does."""
        # Files of older versions have none.
        return save_id == self.save_id or (bool(save_id) and save_id == self.next_save_id)


@dataclass(frozen=True, eq=False)
class Base:
    """A session file that the changes are told from.

    Parameters
    ----------
    path : Path
    session : Session
        What lies in it.
    """

    path: Path
    session: Session


@dataclass(frozen=True, eq=False)
class Recovered:
    """What an automatic copy held."""

    session: Session
    history: History
    info: RecoveryInfo
    warning: str = ""


# --- writing ----------------------------------------------------------------------------------


def save_recovery(
    folder: Path,
    session: Session,
    history: History,
    info: RecoveryInfo,
    base: Base | None,
) -> Base:
    """Write a copy; at a kill at any moment the folder holds this one or the one before.

    Parameters
    ----------
    folder : Path
        Made where it is missing; nothing else may lie in it.
    session : Session
    history : History
        Of the session as it is.
    info : RecoveryInfo
    base : Base, optional
        What this function returned for the copy before; or the user's own file as it was last
        read or written; or None.

    Returns
    -------
    Base
        For the next copy.

    Raises
    ------
    SessionError
        If it cannot be written.
    """
    make_folder(folder, SessionError)
    session = without_found_truth(session)
    if base is not None and base.path.parent != folder:
        base = _linked(base, folder, info.save_id)
    patch = Patch() if base is None else Patch.between(base.session, session)
    if base is None or patch.num_bytes > max(SMALL_BYTES, _num_bytes(session) // 4):
        base = Base(_new_base_path(folder), session)
        patch = Patch()
        save_session(session, base.path)
    _write_changes(folder, base, patch, history, info)
    for path in folder.iterdir():
        if path.name not in (base.path.name, CHANGES_NAME):
            path.unlink(missing_ok=True)
    return base


def _new_base_path(folder: Path) -> Path:
    return folder / f"base-{uuid.uuid4().hex[:12]}{SUFFIX}"


def _linked(base: Base, folder: Path, save_id: str) -> Base | None:
    """The user's file under a second name, as long as it holds what it did."""
    path = _new_base_path(folder)
    try:
        path.hardlink_to(base.path)
        if save_id and read_save_id(path) == save_id:
            return Base(path, without_found_truth(base.session))
    except (OSError, SessionError):  # another disk, no links there, or replaced by something else
        pass
    path.unlink(missing_ok=True)
    return None


def _num_bytes(session: Session) -> int:
    return sum(array.nbytes for array in parts_of(session)[1].values())


def _write_changes(
    folder: Path, base: Base, patch: Patch, history: History, info: RecoveryInfo
) -> None:
    arrays: Arrays = {}
    text: dict[str, Any] = {
        "version": RECOVERY_VERSION,
        "base": base.path.name,
        "info": asdict(info),
        "patch": encode_patch(patch, "patch", arrays),
    }
    text["arrays"] = {name: f"arrays/{i}.npy" for i, name in enumerate(arrays)}
    stored = {text["arrays"][name]: array for name, array in arrays.items()}
    history_text, more = history_members(history)
    try:
        with atomic_write(folder / CHANGES_NAME, SessionError) as handle:
            texts = {_TEXT_NAME: text, "history.json": history_text}
            write_archive(handle, texts, stored | more)
    except (TypeError, ValueError) as exc:
        raise SessionError(f"The session holds what JSON cannot: {exc}.") from exc


# --- reading ----------------------------------------------------------------------------------


def read_recovery_info(folder: Path) -> RecoveryInfo:
    """What the copy in a folder holds.

    Raises
    ------
    SessionError
        If there is no whole copy in it.
    """
    try:
        with ArchiveReader(folder / CHANGES_NAME) as archive:
            return _info_of(archive.text(_TEXT_NAME))
    except _DAMAGE as exc:
        raise _damaged(folder, exc) from exc


def load_recovery(folder: Path) -> Recovered:
    """Inverse of `save_recovery`.

    Raises
    ------
    SessionError
        If it is damaged, or was written by a newer version.
    """
    try:
        with ArchiveReader(folder / CHANGES_NAME) as archive:
            text = archive.text(_TEXT_NAME)
            info = _info_of(text)
            base_name = str(text["base"])
            if Path(base_name).name != base_name:
                raise ValueError(f"a base named {base_name!r}")
            patch = decode_patch(text["patch"], archive.arrays(text["arrays"]))
            history, warning = read_history(archive)
        session, _ = patch.exchange(load_session(folder / base_name))
    except _DAMAGE as exc:
        raise _damaged(folder, exc) from exc
    session = replace(session, clip=replace(session.clip, path=Path(info.clip_path)))
    return Recovered(session, history, info, warning)


def _info_of(text: dict[str, Any]) -> RecoveryInfo:
    if text["version"] != RECOVERY_VERSION:
        raise ValueError(f"a copy of version {text['version']}")
    stored = text["info"]
    return RecoveryInfo(
        clip_path=str(stored["clip_path"]),
        people=tuple(map(str, stored["people"])),
        num_edits=int(stored["num_edits"]),
        session_path=str(stored["session_path"]),
        save_id=str(stored["save_id"]),
        next_save_id=str(stored.get("next_save_id", "")),  # copies of before know of none
        time_s=float(stored["time_s"]),
    )


def _damaged(folder: Path, exc: BaseException) -> SessionError:
    return SessionError(
        f"The automatic copy in {folder} cannot be read ({type(exc).__name__}: {exc}).",
        "It was left where it is.",
    )
