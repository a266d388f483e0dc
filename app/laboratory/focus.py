"""What the panels of the laboratory look at: the selected person's 3D at the playhead."""

from dataclasses import dataclass, replace

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.operations.context import AppContext
from pose_core.camera import Camera
from pose_core.metrics.against_truth import true_person
from pose_core.session import ModelRun, Session, Track, Truth


@dataclass(frozen=True, eq=False)
class Subject:
    """The selected person, one model's 3D of it, and the place in it.

    Parameters
    ----------
    session : Session
    track : Track
    model : str
        Name of `run` among the runs of the track.
    run : ModelRun
    stage, frame : int
        Shown at the moment.
    truth : Truth or None
        None where this is not the person that the truth is of.
    """

    session: Session
    track: Track
    model: str
    run: ModelRun
    stage: int
    frame: int
    truth: Truth | None

    @property
    def stages(self) -> np.ndarray:
        """(S, T, 17, 3) root-relative poses, camera axes, metres."""
        return self.run.poses.stages

    @property
    def stage_names(self) -> tuple[str, ...]:
        """What each stage is called; by their numbers where the run does not say."""
        return stage_names_of(self.run)

    @property
    def truth_xyz(self) -> np.ndarray | None:
        """(T, 17, 3) true root-relative poses, camera axes, metres; None where not known."""
        return None if self.truth is None else self.truth.poses.xyz

    @property
    def root(self) -> np.ndarray:
        """(3,) pelvis at the frame, camera coordinates, metres."""
        return np.asarray(self.run.poses.root)[self.frame]

    @property
    def camera(self) -> Camera:
        """That of the clip, as far as it is known."""
        clip = self.session.clip
        return Camera.assumed(clip.width, clip.height, self.session.focal_px)


def stage_names_of(run: ModelRun) -> tuple[str, ...]:
    """What the stages of a run are called; by their numbers where it does not say."""
    known, count = run.meta.get("stages"), len(run.poses.stages)
    names = [str(name) for name in known] if isinstance(known, (list, tuple)) else []
    return tuple(names) if len(names) == count else tuple(f"stage {k + 1}" for k in range(count))


class Focus(QObject):
    """Keeps `current` up to date.

    Attributes
    ----------
    changed : Signal()
        Something of it is another, be it only the frame.
    current : Subject or None
        None while there is no 3D of a selected person.
    """

    changed = Signal()

    def __init__(self, context: AppContext) -> None:
        super().__init__(context)
        self._context = context
        self.current: Subject | None = None
        document, state = context.document, context.view_state
        document.opened.connect(self._find)
        document.changed.connect(self._find)
        state.track_changed.connect(self._find)
        state.stage_changed.connect(self._move)
        state.frame_changed.connect(self._move)

    def _find(self) -> None:
        session, state = self._context.document.session, self._context.view_state
        track = self._context.selected_track
        run = track.runs.get(state.model or "") if track else None
        if session is None or track is None or run is None or state.model is None:
            self.current = None
            self.changed.emit()
            return
        # Which person the truth is of takes a look at the whole clip: not for every frame.
        is_true = session.truth is not None and true_person(session) is track
        truth = session.truth if is_true else None
        self.current = Subject(session, track, state.model, run, 0, 0, truth)
        self._move()

    def _move(self) -> None:
        """Take over frame and stage."""
        state = self._context.view_state
        if self.current is not None:
            stage = min(max(state.stage, 0), len(self.current.stages) - 1)
            frame = min(state.frame, len(self.current.run.poses) - 1)
            self.current = replace(self.current, stage=stage, frame=frame)
        self.changed.emit()
