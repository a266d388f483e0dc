"""Undoable changes: the only code that changes the open session."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from PySide6.QtGui import QUndoCommand

from app.document import Change, SessionDocument
from pose_core.poses import Keypoints2D, Poses3D
from pose_core.session import ModelRun, Session, Track, Truth


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


@dataclass(frozen=True, eq=False)
class TrackFrames:
    """What a track has in frames ``start <= frame < end``.

    Parameters
    ----------
    start, end : int
    keypoints : tuple of ndarray
        Pixels, scores and sources.
    runs : Mapping of str to tuple
        By model: stages, root and provenance.
    """

    start: int
    end: int
    keypoints: tuple[np.ndarray, np.ndarray, np.ndarray]
    runs: Mapping[str, tuple[np.ndarray, np.ndarray, Mapping[str, object]]]

    @classmethod
    def of(cls, track: Track, models: tuple[str, ...], start: int, end: int) -> "TrackFrames":
        """Copy them from a track."""
        part, known = slice(start, end), track.keypoints
        arrays = known.xy, known.scores, np.asarray(known.sources)
        runs = {}
        for name in models:
            run = track.runs[name]
            root = np.asarray(run.poses.root)
            runs[name] = run.poses.stages[:, part].copy(), root[part].copy(), run.meta
        xy, scores, sources = (array[part].copy() for array in arrays)
        return cls(start, end, (xy, scores, sources), runs)

    def put_into(self, track: Track) -> Track:
        """The track with these frames in place of its own."""
        part, known = slice(self.start, self.end), track.keypoints
        arrays = [known.xy.copy(), known.scores.copy(), np.array(known.sources)]
        for array, values in zip(arrays, self.keypoints, strict=True):
            array[part] = values
        xy, scores, sources = arrays
        runs = dict(track.runs)
        for name, (some_stages, some_roots, meta) in self.runs.items():
            poses = runs[name].poses
            stages, root = poses.stages.copy(), np.array(poses.root)
            stages[:, part], root[part] = some_stages, some_roots
            changed = Poses3D(stages, root, poses.skeleton, poses.is_root_estimated)
            runs[name] = ModelRun(changed, meta)
        return replace(track, keypoints=Keypoints2D(xy, scores, known.skeleton, sources), runs=runs)


class EditFrames(QUndoCommand):
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
        super().__init__(text)
        self._document = document
        self._track_id = after.track_id
        before = _session(document).track(after.track_id)
        self._before = TrackFrames.of(before, models, start, end)
        self._after = TrackFrames.of(after, models, start, end)

    def redo(self) -> None:
        self._put(self._after)

    def undo(self) -> None:
        self._put(self._before)

    def _put(self, frames: TrackFrames) -> None:
        session = _session(self._document)
        tracks = tuple(
            frames.put_into(track) if track.track_id == self._track_id else track
            for track in session.tracks
        )
        change = Change("poses", (self._track_id,), frames.start, frames.end)
        self._document.apply(session.with_tracks(tracks), (change,))


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
