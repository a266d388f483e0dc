"""Undoable changes: the only code that changes the open session."""

from dataclasses import replace

from PySide6.QtGui import QUndoCommand

from app.document import Change, SessionDocument
from pose_core.session import Session, Track, Truth


class SessionCommand(QUndoCommand):
    """Puts one session in the place of another.

    Sessions are immutable and share what they have in common, so keeping both costs little.
    """

    def __init__(
        self, document: SessionDocument, text: str, after: Session, changes: tuple[Change, ...]
    ) -> None:
        super().__init__(text)
        assert document.session is not None
        self._document = document
        self._before = document.session
        self._after = after
        self._changes = changes

    def redo(self) -> None:
        self._put(self._after)

    def undo(self) -> None:
        self._put(self._before)

    def _put(self, session: Session) -> None:
        # The video may have moved since: where it lies is not undone.
        clip = _session(self._document).clip
        self._document.apply(replace(session, clip=clip), self._changes)


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


class SetScale(SessionCommand):
    """Body height and focal length as the user knows them, with the poses that follow."""

    def __init__(self, document: SessionDocument, after: Session) -> None:
        changes = (Change("camera"), Change("poses"))
        super().__init__(document, "Body Height and Camera", after, changes)


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
