"""Ways to move through a clip."""

import numpy as np

from app.document import SessionDocument
from app.view_state import ViewState
from pose_core.session import Session, Track


def step(state: ViewState, num_frames: int) -> None:
    """Pause and move by a number of frames."""
    go_to(state, state.frame + num_frames)


def page(state: ViewState, direction: int) -> None:
    """Pause and move by a tenth of the clip."""
    step(state, direction * max(1, round(state.num_frames / 10)))


def go_to(state: ViewState, frame: int) -> None:
    """Pause and go to a frame."""
    state.set_playing(False)
    state.set_frame(frame)


def go_around(state: ViewState, frames: np.ndarray, direction: int) -> None:
    """Go to the next (1) or previous (-1) of some frames (N,), ascending, in a circle."""
    if not len(frames):
        return
    side = "right" if direction > 0 else "left"
    after = int(np.searchsorted(frames, state.frame, side=side))
    go_to(state, int(frames[(after if direction > 0 else after - 1) % len(frames)]))


def flags(track: Track) -> np.ndarray:
    """Frames worth a look: where the person enters or leaves, and where exchanged sides begin.

    Returns
    -------
    (N,) int ndarray
        Ascending.
    """
    present = track.present_mask
    swapped = track.swapped_mask
    swapped = np.zeros_like(present) if swapped is None else swapped
    enters = _rises(present)
    leaves = np.flatnonzero(present[:-1] & ~present[1:])
    return np.unique(np.concatenate([enters, leaves, _rises(swapped)]))


def noted_frames(session: Session) -> np.ndarray:
    """(N,) int: frames with a note or bookmark, ascending."""
    return np.array([note.frame for note in session.notes], dtype=int)


def _rises(mask: np.ndarray) -> np.ndarray:
    before = np.concatenate([[False], mask[:-1]])
    return np.flatnonzero(mask & ~before)


def go_to_flag(document: SessionDocument, state: ViewState, direction: int) -> None:
    """Go to the next (1) or previous (-1) note, or flag of the selected person."""
    session = document.session
    if session is None:
        return
    frames = noted_frames(session)
    if state.track_id is not None:
        frames = np.union1d(frames, flags(session.track(state.track_id)))
    frames = frames[frames > state.frame] if direction > 0 else frames[frames < state.frame][::-1]
    if len(frames):
        go_to(state, int(frames[0]))
