"""Asks, before frames that were edited are computed again, whether to keep the edits."""

from functools import partial
from typing import Protocol

import numpy as np

from app.dialogs.question import ask
from app.operations.context import AppContext
from app.operations.estimate import Estimator
from app.operations.lift import lift_with_model
from app.operations.merge_tracks import KEPT_SOURCES
from pose_core.analysis.pose_edits import edited_in_3d
from pose_core.inference.records import EstimateSettings
from pose_core.session import Session


class Start(Protocol):
    """Begins the work."""

    def __call__(self, *, replaces_edits: bool = False) -> None: ...


def ask_and_estimate(
    context: AppContext, estimator: Estimator, settings: EstimateSettings | None = None
) -> None:
    """Start an estimate; where it would meet edits, ask first what shall become of them."""
    session = context.document.session
    chosen = settings or estimator.settings()
    is_met = session is not None and not estimator.is_running
    _ask_and_start(
        context,
        num_edited_frames(session, chosen) if session is not None and is_met else 0,
        "joints that you have set, moved or smoothed, or that were imported",
        partial(estimator.start, chosen),
        "Edits of people who are not found again stay in any case. Ctrl+Z takes an estimate back.",
    )


def ask_and_lift(context: AppContext, estimator: Estimator) -> None:
    """Run the chosen model on all people; where its 3D was edited, ask first as above."""
    session, model = context.document.session, estimator.settings().model
    if session is None:
        return
    edited = [edited_in_3d(track, model) for track in session.tracks]
    _ask_and_start(
        context,
        int(np.any(edited, axis=0).sum()),
        f"3D by {model} that you have moved, smoothed, interpolated or corrected",
        partial(lift_with_model, context, estimator, model),
        "What you have set in 2D stays in any case. Ctrl+Z takes it back.",
    )


def num_edited_frames(session: Session, settings: EstimateSettings) -> int:
    """In how many frames of an estimate something was edited, in 2D or in 3D by its model."""
    part = slice(settings.start, settings.end)
    edited = np.zeros(session.clip.num_frames, dtype=bool)
    for track in session.tracks:
        sources = np.asarray(track.keypoints.sources)[part]
        edited[part] |= np.isin(sources, KEPT_SOURCES).any(axis=1)
        edited[part] |= edited_in_3d(track, settings.model)[part]
    return int(edited.sum())


def _ask_and_start(
    context: AppContext, num_frames: int, what: str, start: Start, more: str
) -> None:
    """Start at once where no frame was edited."""
    if num_frames == 0:
        start()
        return
    frames = "1 frame has" if num_frames == 1 else f"{num_frames:,} frames have"
    ask(
        context.window,
        "Edited frames",
        f"{frames} {what}.",
        [
            ("Keep My Edits", "accept", start),
            ("Replace Them", "destroy", partial(start, replaces_edits=True)),
            ("Cancel", "reject", None),
        ],
        more=more,
    )
