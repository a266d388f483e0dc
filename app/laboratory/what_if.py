"""What-if: keypoints dragged on the video, and what the model, losses and anatomy say to that."""

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QSplitter, QVBoxLayout

from app.laboratory.displacement_plots import DisplacementBars, MovementCurve
from app.laboratory.files import Table
from app.laboratory.focus import Subject
from app.laboratory.network_panel import NetworkPanel
from app.laboratory.number_table import NumberTable
from app.laboratory.panel import Bench, Obstacle
from app.laboratory.stage_strip import StageStrip, StageView
from app.laboratory.what_if_result import (
    COLUMNS,
    JOINT_NAMES,
    ROWS,
    Comparer,
    Tried,
    numbers_of,
    problems_text,
    what_happened,
)
from app.operations.move_keypoints import move_keypoints
from app.operations.thresholds import stored_thresholds
from pose_core.models.registry import ModelEntry

if TYPE_CHECKING:  # imports torch, which would stop the window for a second
    from pose_core.analysis.what_if import WhatIf
    from pose_core.analysis.what_if_network import WhatIfNetwork

Place = tuple[float, float]


class WhatIfPanel(NetworkPanel):
    """Drag joints of the selected person on the video; the model answers at once.

    While the mouse is down the model is run for the shown frame only; when it is let go, for all
    frames that change. Nothing is changed in the session before it is kept.
    """

    title = "What-if"
    explanation = "Drag a joint on the video: the model answers to the changed 2D, live."
    equation = (
        "The model of the shown run sees the changed keypoints (score 1); what its answer differs "
        "by is added to the poses. A pose machine also corrects itself toward them: "
        "3D Human Pose Machines with Self-supervised Learning, Eq. (3), "
        "&Vert;p<sup>2d</sup> &minus; &Psi;<sub>P</sub>(&Psi;<sub>C</sub>(p<sup>3d</sup>))"
        "&Vert;<sup>2</sup> with the moved joints in p<sup>2d</sup>. Losses: Learning 3D Human "
        "Pose from Structure and Motion, Eq. (1) angle, (2) symmetry, (3) their sum with geometry "
        "and the weights of section 4.3."
    )
    recipe = "temporal"
    does_not = "looks at pictures: moved keypoints are nothing to it"

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.keep_button = QPushButton("Keep")
        self.keep_button.setToolTip("Make it an edit, which can be undone.")
        self.discard_button = QPushButton("Discard")
        self.discard_button.setToolTip("Put all back (Esc).")
        self.strip = StageStrip()
        self.strip.setToolTip("Drag to turn it.")
        self.bars, self.curve = DisplacementBars(), MovementCurve()
        names, decimals = zip(*ROWS.values(), strict=True)
        self.numbers = NumberTable("This frame", names, decimals)
        self.numbers.set_columns(COLUMNS)
        self.words, self.problems = QLabel(wordWrap=True), QLabel(wordWrap=True)
        self._moved: dict[int, Place] = {}
        self._before_drag: dict[int, Place] = {}
        self._is_dragging = False
        self._place: tuple | None = None  # where `_moved` belongs to
        self._question: tuple = ((), False)  # what was asked last: moved joints, is dragging
        self._comparer = Comparer()
        self._network: tuple[ModelEntry, WhatIfNetwork] | None = None
        self._what_if: tuple[tuple, WhatIf] | None = None
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(self.words, 1)
        for button in (self.keep_button, self.discard_button):
            head.addWidget(button, alignment=Qt.AlignmentFlag.AlignTop)
        plots = QSplitter(Qt.Orientation.Vertical)
        plots.addWidget(self.bars)
        plots.addWidget(self.curve)
        plots.setSizes([240, 100])
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        for widget in (self.strip, plots, self.numbers):
            split.addWidget(widget)
        split.setSizes([190, 200, 330])
        layout = QVBoxLayout(self.body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(head)
        layout.addWidget(split, 1)
        layout.addWidget(self.problems)
        for label in (self.words, self.problems):
            # Else a label that wraps asks for the height that it would have if it were narrow.
            label.setMinimumHeight(label.fontMetrics().height())

    def _connect(self) -> None:
        drag = self.bench.video.joint_drag
        drag.drag_began.connect(self._on_drag_began)
        drag.dragged.connect(self._on_dragged)
        drag.drag_ended.connect(self._on_drag_ended)
        drag.drag_cancelled.connect(self._on_drag_cancelled)
        self.keep_button.clicked.connect(self.keep)
        self.discard_button.clicked.connect(self.discard)
        self.bench.context.view_state.playing_changed.connect(self.refresh)

    # -- hooks -----------------------------------------------------------------------------

    def applies_to(self, entry: ModelEntry) -> bool:
        return entry.lifts_keypoints

    def obstacle(self, subject: Subject) -> Obstacle | None:
        obstacle = super().obstacle(subject)
        if obstacle is not None:
            return obstacle
        is_seen = np.isfinite(subject.track.keypoints.xy[subject.frame]).any()
        if is_seen and np.isfinite(subject.stages[:, subject.frame]).all():
            return None
        return Obstacle(
            f"{subject.track.name} is not in frame {subject.frame}",
            "Go to a frame in which the person was found.",
        )

    def inputs(self, subject: Subject) -> tuple:
        thresholds = stored_thresholds(self.bench.context.settings)
        source = (self.models[subject.model], *_place(subject), subject.session.focal_px)
        is_playing = self.bench.context.view_state.is_playing
        return source, subject.truth, subject.stage, thresholds, is_playing, self._question

    def compute(self, subject: Subject, inputs: tuple) -> Tried:
        source, _, _, thresholds, is_playing, (joints, is_dragging) = inputs
        answer, moved = None, _array(dict(joints))
        # While it plays nobody drags: then only losses and anatomy are looked at.
        if joints or not is_playing:
            what_if = self._prepared(subject, source)
            if not joints:
                what_if.prepare()
            else:
                answer = what_if.quick(moved) if is_dragging else what_if.whole(moved)
        return self._comparer.compare(subject, answer, moved, thresholds)

    def _prepared(self, subject: Subject, source: tuple) -> "WhatIf":
        """The frame as the network sees it; called in the thread."""
        from pose_core.analysis.what_if import WhatIf  # noqa: PLC0415
        from pose_core.analysis.what_if_network import WhatIfNetwork  # noqa: PLC0415

        entry = source[0]
        if self._network is None or self._network[0] != entry:
            self._network = entry, WhatIfNetwork(entry)
        if self._what_if is None or self._what_if[0] != source:
            session = subject.session
            what_if = WhatIf(
                self._network[1],
                subject.track.keypoints,
                subject.run.poses,
                session.clip.times_s,
                subject.camera,
                subject.frame,
                is_scaled=session.body_height_m is not None,
            )
            self._what_if = source, what_if
        return self._what_if[1]

    def refresh(self) -> None:
        """Also when the user looks elsewhere, where what was moved does not belong to."""
        subject = self.bench.focus.current
        if self._place is not None and (subject is None or _place(subject) != self._place):
            self._put_back()
        super().refresh()

    def show_result(self, subject: Subject, result: object) -> None:
        assert isinstance(result, Tried)
        self.bench.video.joint_drag.track_id = subject.track.track_id
        self._show_strip(subject, result)
        self.bars.show_movement(result.here_mm)
        frames = np.zeros(0, int) if result.answer is None else result.answer.frames
        self.curve.show_movement(frames, result.moved_mm.mean(axis=1), subject.frame)
        self.numbers.set_numbers(numbers_of(result))
        self.words.setText(what_happened(subject, result, self._moved))
        self.problems.setText(problems_text(result))
        self._show_in_views(subject, result)
        self._update_buttons()
        self._ask_on()

    def clear(self) -> None:
        self.bench.video.joint_drag.track_id = None
        self._put_back()

    def on_hidden(self) -> None:
        self.clear()

    def table(self) -> Table:
        assert isinstance(self.result, Tried)
        numbers = numbers_of(self.result).tolist()
        rows = [[name, *row] for (name, _), row in zip(ROWS.values(), numbers, strict=True)]
        moved = zip(JOINT_NAMES, self.result.here_mm.tolist(), strict=True)
        rows += [[f"{name} moved in 3D (mm)", 0.0, mm, None] for name, mm in moved]
        return Table(["quantity", *COLUMNS], rows)

    # -- dragging --------------------------------------------------------------------------

    def _on_drag_began(self, joint: int) -> None:
        subject, video = self.bench.focus.current, self.bench.video
        if not self.isVisible() or subject is None or video.exact_frame != subject.frame:
            video.joint_drag.cancel()
            return
        self._is_dragging, self._before_drag = True, dict(self._moved)
        self._place = _place(subject)
        self.bench.context.view_state.set_playing(False)
        self.bench.context.unkept.hold(self.discard)

    def _on_dragged(self, joint: int, x: float, y: float) -> None:
        if self._is_dragging:
            self._moved[joint] = (x, y)
            self._show_moved()

    def _on_drag_ended(self, joint: int) -> None:
        self._is_dragging = False
        self._show_moved()

    def _on_drag_cancelled(self, joint: int) -> None:
        if not self._is_dragging:
            return
        self._is_dragging, self._moved = False, self._before_drag
        if self._moved:
            self._show_moved()
        else:
            self.discard()

    def _show_moved(self) -> None:
        """Draw the joints where they are dragged to, and ask what the model says to that."""
        subject = self.bench.focus.current
        if subject is not None:
            xy = _array(self._moved) if self._moved else None
            self.bench.video.set_moved_joints(subject.track.track_id, subject.frame, xy)
        self._update_buttons()
        self._ask_on()

    def _ask_on(self) -> None:
        """Ask what the joints as they are now lead to, if that is another question.

        While the mouse is down one question waits for the answer to the one before: otherwise
        none would be answered until it rests.
        """
        question = tuple(sorted(self._moved.items())), self._is_dragging
        if question != self._question and (self.is_up_to_date or not self._is_dragging):
            self._question = question
            self.refresh()

    def _update_buttons(self) -> None:
        result = self.result if isinstance(self.result, Tried) else None
        is_whole = result is not None and result.answer is not None and result.answer.is_whole
        question = tuple(sorted(self._moved.items())), self._is_dragging
        is_answered = self.is_up_to_date and question == self._question
        self.keep_button.setEnabled(is_whole and is_answered and bool(self._moved))
        self.discard_button.setEnabled(self._place is not None)

    # -- keeping and discarding ------------------------------------------------------------

    def keep(self) -> None:
        """Make the moved keypoints, and the poses that follow from them, an edit."""
        subject, result = self.bench.focus.current, self.result
        if not self.keep_button.isEnabled() or subject is None or not isinstance(result, Tried):
            return
        answer, moved = result.answer, _array(self._moved)
        assert answer is not None
        self._put_back()
        changed = int(answer.frames[0]), int(answer.frames[-1]) + 1
        poses = answer.put_into(subject.run.poses)
        move_keypoints(
            self.bench.context, subject.track, subject.model, subject.frame, moved, poses, changed
        )

    def discard(self) -> None:
        """Put all joints back, also that in the hand."""
        self._put_back()
        self.refresh()

    def _put_back(self) -> None:
        """Forget what was moved and show everything as it is in the session."""
        was_moved, self._place = self._place is not None, None
        self._moved, self._is_dragging, self._question = {}, False, ((), False)
        if was_moved:
            self.bench.video.joint_drag.cancel()
            self.bench.context.unkept.release(self.discard)
            self.bench.video.set_moved_joints(0, 0, None)
            self.bench.video.set_projection(0, None)
            self.bench.skeleton.set_preview(None)
            self.bench.skeleton.set_ghost(None)
            self.bench.skeleton.set_arrows(None)
        self._update_buttons()

    # -- showing ---------------------------------------------------------------------------

    def _show_strip(self, subject: Subject, result: Tried) -> None:
        both = np.stack([result.before.pose, result.after.pose])
        self.strip.set_scene(self.bench.skeleton.level, both)
        view = StageView("as it is", result.before.pose, ("",))
        if result.answer is not None:
            moved = f"{result.here_mm.mean():.1f} mm on average"
            view = StageView("before (faint), after", result.after.pose, (moved,), view.xyz)
        truth = None if subject.truth_xyz is None else subject.truth_xyz[subject.frame]
        self.strip.show_stages((view,), -1, None if truth is None else truth - truth[:1])

    def _show_in_views(self, subject: Subject, result: Tried) -> None:
        """The pose after in the 3D view and on the video, with the one before as a ghost."""
        if result.answer is None:
            return
        before, after = (side.pose + side.root for side in (result.before, result.after))
        self.bench.video.set_projection(subject.frame, subject.camera.project(after))
        skeleton = self.bench.skeleton
        skeleton.set_preview(after)
        skeleton.set_ghost([before])
        skeleton.set_arrows(np.stack([before, after], axis=1))


def _place(subject: Subject) -> tuple:
    """What moved keypoints belong to."""
    return subject.track.keypoints, subject.run, subject.frame


def _array(moved: dict[int, Place]) -> np.ndarray:
    """(17, 2) pixels, NaN for joints that are not moved."""
    xy = np.full((len(JOINT_NAMES), 2), np.nan)
    for joint, place in moved.items():
        xy[joint] = place
    return xy
