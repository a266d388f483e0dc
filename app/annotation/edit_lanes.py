"""Marks on the timeline at the frames that were edited, in 2D and in the shown 3D."""

import numpy as np
from PySide6.QtCore import QObject

from app.document import Change
from app.operations.context import AppContext
from app.views.lanes import Rgb
from app.views.timeline import Timeline
from pose_core.analysis.pose_edits import edited_in_3d
from pose_core.poses import Keypoints2D

EDITS, EDITS_3D = "Edited", "Edited 3D"
EDITED: Rgb = (240, 228, 66)  # yellow of the Okabe-Ito set


class EditLanes(QObject):
    """Keeps both lanes as the selected person and the shown model are; none where nothing is.

    Parameters
    ----------
    context : AppContext
    timeline : Timeline
    """

    def __init__(self, context: AppContext, timeline: Timeline) -> None:
        super().__init__(context)
        self._context, self._timeline = context, timeline
        self._keypoints: Keypoints2D | None = None  # whose edits are in the first lane
        self._notes: tuple[object, ...] = ()  # what the second one is made of
        context.document.changed.connect(self._on_document_changed)
        context.view_state.track_changed.connect(self._show)

    def _on_document_changed(self, change: Change) -> None:
        """Of a part of the clip where only that is another.

        Another name is no reason to look through a long clip again.
        """
        track = self._context.selected_track
        is_part = change.kind == "poses" and change.end >= 0 and self._timeline.has_lane(EDITS)
        if track is None or not is_part or not track.keypoints.edited_mask.any():
            self._show()
            return
        if track.keypoints is not self._keypoints:
            part = track.keypoints.part(change.start, change.end)
            self._timeline.change_lane(EDITS, change.start, part.edited_mask)
            self._keypoints = track.keypoints
        self._show_3d()

    def _show(self) -> None:
        track = self._context.selected_track
        keypoints = track.keypoints if track else None
        if keypoints is not self._keypoints:
            self._keypoints = keypoints
            self._set_lane(EDITS, None if keypoints is None else keypoints.edited_mask)
        self._show_3d()

    def _show_3d(self) -> None:
        """Told by the notes of the run, which are few, not by its poses."""
        track, model = self._context.selected_track, self._context.view_state.model
        run = track.runs.get(model or "") if track else None
        notes = (track and track.track_id, model, run and run.meta.get("edits"))
        if notes != self._notes:
            self._notes = notes
            self._set_lane(EDITS_3D, edited_in_3d(track, model) if track else None)

    def _set_lane(self, name: str, mask: np.ndarray | None) -> None:
        if mask is not None and mask.any():
            self._timeline.add_lane(name, mask, "marks", EDITED)
        else:
            self._timeline.remove_lane(name)
