"""Keypoints of the person in a box that somebody drew, found in the background."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.operations.context import AppContext
from app.workers.task import Task
from pose_core.analysis.keypoint_edits import FramePose
from pose_core.poses import SOURCE_DETECTOR, SOURCE_NONE

if TYPE_CHECKING:  # imports its runtime, which takes a while
    from pose_core.detection.base import Detector

Box = tuple[float, float, float, float]
NUM_CROPS = 6  # of one frame: as accurate as it gets, and still within a second or two


class BoxFinder(QObject):
    """Runs the detector in one box after the other.

    Attributes
    ----------
    working_changed : Signal(bool)
    """

    working_changed = Signal(bool)

    def __init__(
        self, context: AppContext, make_detector: "Callable[[], Detector] | None" = None
    ) -> None:
        super().__init__(context)
        self._context = context
        self._make_detector = make_detector or _blazepose
        self._detector: Detector | None = None
        self._task: Task | None = None

    @property
    def is_working(self) -> bool:
        """Whether it looks into a box."""
        return self._task is not None

    def find(self, image: np.ndarray, box: Box, take: Callable[[FramePose | None], None]) -> bool:
        """Look for the person in a box; not while it looks into another one.

        Parameters
        ----------
        image : (H, W, 3) uint8 ndarray
            The picture; it must not change meanwhile.
        box : (x0, y0, x1, y1)
            Pixels.
        take : callable
            Gets the keypoints, or None where nobody was recognised. It is not called when another
            clip is open by then, or when there is no detector.

        Returns
        -------
        bool
            Whether it looks now.
        """
        if self.is_working:
            return False
        revision = self._context.document.opened_revision
        task = self._task = Task("find in a box", lambda: self._work(image, box))

        def on_found(pose: FramePose | None) -> None:
            if self._context.document.opened_revision == revision:
                take(pose)

        task.succeeded.connect(on_found)
        task.failed.connect(
            lambda error: self._context.notice(f"The box was not looked into: {error}")
        )
        task.ended.connect(self._on_ended)
        self._context.tasks.start(task)
        self.working_changed.emit(True)
        return True

    def _work(self, image: np.ndarray, box: Box) -> FramePose | None:
        """In the thread."""
        from pose_core.detection.landmark_map import h36m_map  # noqa: PLC0415

        if self._detector is None:
            self._detector = self._make_detector()
        person = self._detector.detect_in_box(image, box)
        if person is None:
            return None
        to_h36m = h36m_map(self._detector.skeleton)
        xy, scores = to_h36m.apply(person.xy), to_h36m.apply_scores(person.scores)
        is_known = np.isfinite(xy).all(axis=-1)
        sources = np.where(is_known, SOURCE_DETECTOR, SOURCE_NONE).astype(np.uint8)
        return FramePose(
            xy.astype(np.float32), np.where(is_known, scores, 0).astype(np.float32), sources
        )

    def _on_ended(self) -> None:
        self._task = None
        self.working_changed.emit(False)


def _blazepose() -> "Detector":
    from pose_core.detection.blazepose import BlazePoseDetector  # noqa: PLC0415

    return BlazePoseDetector(NUM_CROPS)
