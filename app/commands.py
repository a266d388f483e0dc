"""Undoable changes: the only code that changes the open session."""

from collections.abc import Iterable
from dataclasses import replace

from app.document import Change, SessionDocument, StepCommand
from pose_core.session import Note, Session, Track, Truth
from pose_core.session_history import Step
from pose_core.session_patch import Patch


class SessionCommand(StepCommand):
    """Puts one session in the place of another.

    What differs is found out and kept, so that it can be undone even after a restart: a new kind
    of command needs nothing but the session as it shall be.

    Parameters
    ----------
    document : SessionDocument
    text : str
        Its name in the Edit menu and in the history.
    after : Session
    changes : tuple of Change
        What has to be drawn anew.
    """

    def __init__(
        self, document: SessionDocument, text: str, after: Session, changes: tuple[Change, ...]
    ) -> None:
        patch = Patch.between(_session(document), after)
        super().__init__(document, Step(text, changes, patch), is_restored=False)


class SetTracks(SessionCommand):
    """New people or poses, for example from an estimate."""

    def __init__(
        self, document: SessionDocument, text: str, after: Session, change: Change
    ) -> None:
        super().__init__(document, text, after, (Change("people"), change))


class RenamePerson(SessionCommand):
    """Gives a person another name."""

    def __init__(self, document: SessionDocument, track_id: int, name: str) -> None:
        tracks = tuple(
            replace(track, name=name) if track.track_id == track_id else track
            for track in _tracks(document)
        )
        super().__init__(
            document,
            f"Rename to {name}",
            _session(document).with_tracks(tracks),
            (Change("people", (track_id,)),),
        )


class DeletePerson(SessionCommand):
    """Removes a person from the session."""

    def __init__(self, document: SessionDocument, track_id: int) -> None:
        session = _session(document)
        name = session.track(track_id).name
        tracks = tuple(track for track in session.tracks if track.track_id != track_id)
        super().__init__(
            document,
            f"Delete {name}",
            session.with_tracks(tracks),
            (Change("people", (track_id,)),),
        )


class RearrangePeople(SessionCommand):
    """Says who is who: people split, merged or exchanged.

    Parameters
    ----------
    document : SessionDocument
    text : str
    after : Session
    track_ids : tuple of int
        Whose frames belong to somebody else now.
    """

    def __init__(
        self, document: SessionDocument, text: str, after: Session, track_ids: tuple[int, ...]
    ) -> None:
        changes = (Change("people", track_ids), Change("poses", track_ids))
        super().__init__(document, text, after, changes)


class EditFrames(StepCommand):
    """Other joints of one person in a range of frames.

    It keeps these frames alone, so that many edits of a long clip take little memory.

    Parameters
    ----------
    document : SessionDocument
    text : str
    after : Track
        The person as it shall be; the same as before outside of the range.
    models : tuple of str
        Whose poses are others.
    start, end : int
    """

    def __init__(
        self,
        document: SessionDocument,
        text: str,
        after: Track,
        models: tuple[str, ...],
        start: int,
        end: int,
    ) -> None:
        change = Change("poses", (after.track_id,), start, end)
        before = _session(document).track(after.track_id)
        patch = Patch.of_frames(before, after, models, start, end)
        super().__init__(document, Step(text, (change,), patch), is_restored=False)


class SetScale(SessionCommand):
    """Body height and focal length as the user knows them, with the poses that follow."""

    def __init__(self, document: SessionDocument, after: Session) -> None:
        changes = (Change("camera"), Change("poses"))
        super().__init__(document, "Body Height and Camera", after, changes)


class SetNotes(SessionCommand):
    """Other notes and bookmarks."""

    def __init__(self, document: SessionDocument, text: str, notes: Iterable[Note]) -> None:
        after = replace(_session(document), notes=tuple(sorted(notes, key=lambda note: note.frame)))
        super().__init__(document, text, after, (Change("notes"),))


class SetTruth(SessionCommand):
    """Exact 3D to measure errors against, or none any more."""

    def __init__(self, document: SessionDocument, truth: Truth | None) -> None:
        text = "Import Ground Truth" if truth else "Remove Ground Truth"
        after = replace(_session(document), truth=truth)
        super().__init__(document, text, after, (Change("truth"),))


def _session(document: SessionDocument) -> Session:
    assert document.session is not None
    return document.session


def _tracks(document: SessionDocument) -> tuple[Track, ...]:
    return _session(document).tracks
