"""Asks, before an estimate of frames that were edited, whether to keep or replace the edits."""

import numpy as np

from app.dialogs.question import ask
from app.operations.context import AppContext
from app.operations.estimate import Estimator
from app.operations.merge_tracks import KEPT_SOURCES
from pose_core.analysis.pose_edits import moved_joints
from pose_core.inference.records import EstimateSettings
from pose_core.session import Session


def ask_and_estimate(
    context: AppContext, estimator: Estimator, settings: EstimateSettings | None = None
) -> None:
    """Start an estimate; where it would meet edits, ask first what shall become of them."""
    session = context.document.session
    chosen = settings or estimator.settings()
    num_frames = 0 if session is None else num_edited_frames(session, chosen)
    if num_frames == 0 or estimator.is_running:
        estimator.start(chosen)
        return
    frames = "1 of these frames has" if num_frames == 1 else f"{num_frames} of these frames have"
    ask(
        context.window,
        "Edited frames",
        f"{frames} joints that you have set, interpolated or imported.",
        [
            ("Keep My Edits", "accept", lambda: estimator.start(chosen)),
            (
                "Replace Them",
                "destroy",
                lambda: estimator.start(chosen, replaces_edits=True),
            ),
            ("Cancel", "reject", None),
        ],
        more="Edits of people who are not found again stay in any case. "
        "Ctrl+Z takes an estimate back.",
    )


def num_edited_frames(session: Session, settings: EstimateSettings) -> int:
    """In how many frames of an estimate a joint was edited, in 2D or in 3D by its model."""
    part = slice(settings.start, settings.end)
    edited = np.zeros(session.clip.num_frames, dtype=bool)
    for track in session.tracks:
        sources = np.asarray(track.keypoints.sources)[part]
        edited[part] |= np.isin(sources, KEPT_SOURCES).any(axis=1)
        run = track.runs.get(settings.model)
        is_moved = np.zeros(len(edited), dtype=bool)
        is_moved[list(moved_joints(run.meta) if run is not None else ())] = True
        edited[part] |= is_moved[part]
    return int(edited.sum())
