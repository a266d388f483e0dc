"""Shows the truth of a clip, and how far the shown poses are from it."""

from functools import partial
from html import escape

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPointF
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QToolTip

from app.operations.context import AppContext
from app.operations.models import title_of
from app.views.error_readout import ErrorReadout
from app.views.lanes import ERROR
from app.views.presenter import stage_xyz
from app.views.skeleton3d import Skeleton3DView
from app.views.timeline import Timeline
from app.views.video import VideoView
from app.workers.task import Task
from pose_core.geometry import root_centre
from pose_core.metrics.against_truth import METRICS, stage_errors, true_person
from pose_core.metrics.pose_error import mpjpe
from pose_core.metrics.report import SequenceErrors, mean_error
from pose_core.session import ModelRun, Truth
from pose_core.skeleton import H36M_17

LANE = "MPJPE"
# Ends of the lane's axis: the first that nearly all frames of all stages fit under.
LANE_TOPS_MM = (50.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0, 2000.0)
JOINT_REACH = 12.0  # logical pixels from which a joint is hit


class TruthPresenter(QObject):
    """Feeds true poses and errors to video, 3D view and timeline.

    They are shown while the person that the truth is of is selected. Errors are computed in a
    thread, once for all stages and frames. Make it after the `Presenter`, which clears the views
    for another clip.
    """

    def __init__(
        self,
        context: AppContext,
        video: VideoView,
        skeleton: Skeleton3DView,
        timeline: Timeline,
    ) -> None:
        super().__init__(context)
        self._context = context
        self._video = video
        self._skeleton = skeleton
        self._timeline = timeline
        self.readout = ErrorReadout(tuple(metric.name for metric in METRICS))
        skeleton.set_corner(self.readout)
        skeleton.installEventFilter(self)
        self.readout.installEventFilter(self)
        self._is_visible = True
        self._truth: Truth | None = None
        self._run: ModelRun | None = None
        self._errors: tuple[SequenceErrors, ...] = ()
        document, state = context.document, context.view_state
        document.opened.connect(self._refresh)
        document.changed.connect(self._refresh)
        state.track_changed.connect(self._refresh)
        state.stage_changed.connect(self._show)
        state.frame_changed.connect(self._show_numbers)

    def set_visible(self, is_visible: bool) -> None:
        """Show or hide the true pose; its errors stay."""
        self._is_visible = is_visible
        self._show_pose()

    # -- what is compared ------------------------------------------------------------------

    def _refresh(self) -> None:
        """Find out what there is to compare, and compute its errors if they are not known yet."""
        session, state = self._context.document.session, self._context.view_state
        person = true_person(session) if session else None
        run = None
        if person is not None and person.track_id == state.track_id:
            run = person.runs.get(state.model or "")
        truth = session.truth if session and run else None
        if (run, truth) != (self._run, self._truth):
            self._run, self._truth, self._errors = run, truth, ()
            if run is not None and truth is not None:
                self._compute(run, truth)
        self._show()

    def _compute(self, run: ModelRun, truth: Truth) -> None:
        work = partial(stage_errors, run.poses, truth)
        task = Task("errors", work, self._context.document.revision)

        def on_known(errors: tuple[SequenceErrors, ...]) -> None:
            if (run, truth) == (self._run, self._truth):
                self._errors = errors
                self._show()

        task.succeeded.connect(on_known)
        self._context.start_task(task, "Comparing with the ground truth")

    # -- what is shown ---------------------------------------------------------------------

    def _show(self) -> None:
        self._show_pose()
        self._show_lane()
        self._show_numbers()

    def _show_pose(self) -> None:
        run, truth = self._run, self._truth
        if run is None or truth is None or not self._is_visible:
            self._skeleton.set_truth(None)
            self._video.set_truth(None)
            return
        pelvis = stage_xyz(run, self._context.view_state.stage)[:, :1]
        self._skeleton.set_truth(root_centre(truth.poses.xyz) + pelvis)
        self._video.set_truth(truth.xy)

    def _show_lane(self) -> None:
        if self._truth is None:
            self._timeline.remove_lane(LANE)
        elif self._errors:
            every = np.concatenate([errors.per_frame[LANE] for errors in self._errors])
            self._timeline.add_lane(
                LANE,
                self._errors[self._context.view_state.stage].per_frame[LANE],
                colour=ERROR,
                value_range=(0.0, lane_top_mm(every)),
                unit="mm",
                is_high_bad=True,
            )

    def _show_numbers(self) -> None:
        state = self._context.view_state
        if not self._errors or state.frame >= self._errors[0].num_frames:
            self.readout.hide()
            return
        errors = self._errors[state.stage]
        self.readout.show_errors(
            self._title(),
            {
                metric.name: (
                    float(errors.per_frame[metric.name][state.frame]),
                    mean_error([errors], metric.name),
                )
                for metric in METRICS
            },
        )

    def _title(self) -> str:
        state = self._context.view_state
        stage = f", stage {state.stage + 1} of {state.num_stages}" if state.num_stages > 1 else ""
        return f"Error of {title_of(state.model or '')}{stage}"

    # -- joint by joint, on demand ---------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Tell the error of the joint under the cursor, or of all joints over the panel.

        The panel is as large as the view allows.
        """
        if watched is self._skeleton and event.type() == QEvent.Type.Resize:
            self.readout.fit()
        if event.type() != QEvent.Type.ToolTip or not isinstance(event, QHelpEvent):
            return super().eventFilter(watched, event)
        text = self._table() if watched is self.readout else self._joint_text(event)
        if text:
            QToolTip.showText(event.globalPos(), text)
        else:
            QToolTip.hideText()
        return True

    def joint_errors_mm(self) -> np.ndarray | None:
        """(17,) distance of each joint in the shown frame and stage; None if nothing is shown."""
        run, truth, state = self._run, self._truth, self._context.view_state
        if run is None or truth is None:
            return None
        shown, true = run.poses.stages[state.stage, [state.frame]], truth.poses.xyz[[state.frame]]
        return mpjpe(shown.astype(np.float64), true.astype(np.float64))[0]

    def _joint_text(self, event: QHelpEvent) -> str:
        found = self._skeleton.joint_at(QPointF(event.pos()), JOINT_REACH)
        if found is None:
            return ""
        name = H36M_17.joint_names[found[1]].replace("_", " ").capitalize()
        errors = self.joint_errors_mm()
        is_true_person = found[0] == self._context.view_state.track_id
        if errors is None or not is_true_person or np.isnan(errors[found[1]]):
            return name
        return f"{name}\n{errors[found[1]]:.1f} mm from the truth"

    def _table(self) -> str:
        errors = self.joint_errors_mm()
        if errors is None or self._truth is None:
            return ""
        rows = "".join(
            f"<tr><td>{name.replace('_', ' ')}</td>"
            f'<td align="right">&nbsp;&nbsp;{_millimetres(error)}</td></tr>'
            for name, error in zip(H36M_17.joint_names, errors.tolist(), strict=True)
        )
        source = self._truth.source or "the session"
        return (
            f"<p>Joint by joint in frame {self._context.view_state.frame},"
            "<br>pelvises put together (MPJPE)."
            f"<br>The truth is that of {escape(source)}.</p><table>{rows}</table>"
        )


def _millimetres(error: float) -> str:
    return "\N{EN DASH}" if np.isnan(error) else f"{error:.1f} mm"


def lane_top_mm(errors_mm: np.ndarray) -> float:
    """End of an axis for errors: a round number under which 99 of 100 frames lie."""
    known = errors_mm[np.isfinite(errors_mm)]
    high = float(np.percentile(known, 99)) if len(known) else 0.0
    return next((top for top in LANE_TOPS_MM if top >= high), LANE_TOPS_MM[-1])
