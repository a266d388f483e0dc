"""The stages of a run: how each moves the joints, and whether it comes nearer to the truth."""

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, QTimer, QVariantAnimation
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QCheckBox, QPushButton, QSplitter, QVBoxLayout

from app.laboratory.files import Table
from app.laboratory.focus import Subject
from app.laboratory.number_table import NumberTable
from app.laboratory.panel import Bench, LabPanel, Obstacle
from app.laboratory.plots import Plots, name_axis, series_pen, truth_pen
from app.laboratory.stage_strip import StageStrip, StageView
from app.operations import navigation
from app.operations.models import title_of
from app.views.lanes import Lane
from app.views.truth import lane_top_mm
from app.widgets.flow import FlowLayout
from pose_core.analysis.stage_movement import StageMovement, stage_movement
from pose_core.skeleton import H36M_17

LANE = "Stage movement"
LANE_COLOUR = (150, 150, 90)
HEADROOM, MOST_ROOM = 1.7, 4.0  # of the curve's height, for the names of the curves
MORPH_MS = 900  # from one stage to the next
PLAYING_INTERVAL_MS = 200  # while a clip plays, nobody can read numbers more often
AFTER_PAINTING_MS = 10  # a timer of 0 ms would come before the views are painted
JOINT_NAMES = [name.replace("_", " ") for name in H36M_17.joint_names]


class StagesPanel(LabPanel):
    """Strip of stages, table and curve of movement and error, ghost and arrows in the 3D view."""

    title = "Stages"
    explanation = "What each stage does to the pose before it. [ and ] move all views through them."
    equation = (
        "Recurrent 3D Pose Sequence Machines, Eq. (2): every stage <i>k</i> = 1..<i>K</i> is "
        "trained to give the pose, &nbsp;<b>L</b> = &Sigma;<sub>k</sub> &alpha;<sub>k</sub> "
        "&Sigma;<sub>t</sub> &Vert;<b>S</b><sub>t</sub><sup>k</sup> &minus; "
        "<b>S</b><sub>t</sub><sup>*</sup>&Vert;<sup>2</sup>. "
        "Movement here is &Vert;<b>S</b><sup>k</sup> &minus; <b>S</b><sup>k&minus;1</sup>&Vert;, "
        "the error &Vert;<b>S</b><sup>k</sup> &minus; <b>S</b><sup>*</sup>&Vert;, for each joint, "
        "pelvises together, millimetres."
    )
    works_hidden = True  # for the lane of the timeline

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.strip = StageStrip()
        self.joints = NumberTable("mm", JOINT_NAMES)
        self.curve = Plots()
        self._plot = self.curve.add_plot(0)
        self._plot.setLabel("bottom", "stage")
        self.curve.add_legend(self._plot)
        self._curves: dict[str, Any] = {}  # those that are shown, by their names
        self._num_ticks, self._top = 0, 0.0
        self.curve.setMinimumSize(140, 90)
        self.ghost = _box("Ghost", "Show the stage before, faintly, in the 3D view.")
        self.arrows = _box("Arrows", "Show in the 3D view how far each joint moved.")
        self.projection = _box("On the Picture", "Show where this stage lies in the video.")
        self.on_timeline = _box("On the Timeline", "A lane with the movement through the stages.")
        self.morph_button = QPushButton("Morph")
        self.morph_button.setToolTip("Play the way from the first stage to the last.")
        self.next_button = QPushButton("Next Disagreement")
        self.next_button.setToolTip("Go to the next frame in which the stages differ most.")
        self._morph = QVariantAnimation(self)
        self._later = QTimer(self, singleShot=True)
        self._later.timeout.connect(self._show_details)
        self._strip_of: tuple | None = None
        self._numbers_of: tuple | None = None
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        boxes = (self.ghost, self.arrows, self.projection, self.on_timeline)
        buttons = FlowLayout(*boxes, self.morph_button, self.next_button)
        self._numbers = QSplitter(Qt.Orientation.Horizontal)
        self._numbers.addWidget(self.joints)
        self._numbers.addWidget(self.curve)
        self._numbers.setSizes([320, 180])
        self._split = QSplitter(Qt.Orientation.Vertical)
        self._split.addWidget(self.strip)
        self._split.addWidget(self._numbers)
        self._split.setSizes([340, 260])
        layout = QVBoxLayout(self.body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self._split, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay the parts side by side where there is more width than height."""
        super().resizeEvent(event)
        is_wide = self.body.width() > 1.6 * self.body.height()
        across, along = Qt.Orientation.Vertical, Qt.Orientation.Horizontal
        self._split.setOrientation(along if is_wide else across)
        self._numbers.setOrientation(across if is_wide else along)
        self._plot.legend.setColumnCount(2 if is_wide else 1)

    def _connect(self) -> None:
        self.strip.chosen.connect(self.bench.context.view_state.set_stage)
        for box in (self.ghost, self.arrows, self.projection):
            box.toggled.connect(self.refresh)
        self.on_timeline.toggled.connect(self._on_lane_toggled)
        self.joints.itemSelectionChanged.connect(self.refresh)
        self.morph_button.clicked.connect(self.play_morph)
        self.next_button.clicked.connect(lambda: self.go_to_next(1))
        self._morph.valueChanged.connect(self._show_between)
        self._morph.finished.connect(self._end_morph)
        self.bench.context.view_state.frame_changed.connect(self._stop_morph)

    # -- hooks -----------------------------------------------------------------------------

    def obstacle(self, subject: Subject) -> Obstacle | None:
        if len(subject.stages) > 1:
            return None
        return Obstacle(
            f"{title_of(subject.model)} has one stage",
            "Choose a model with several, such as RPSM or the pose machine, in the menu Models, "
            "then Pose &gt; 3D Again from the Same 2D.",
        )

    def inputs(self, subject: Subject) -> tuple:
        return (subject.run, subject.truth)

    def compute(self, subject: Subject, inputs: tuple) -> StageMovement:
        return stage_movement(subject.stages, subject.truth_xyz)

    def show_result(self, subject: Subject, result: object) -> None:
        assert isinstance(result, StageMovement)
        self.lanes.show(subject, result, lambda: self._lane(result))
        if not self.isVisible():
            return
        self._show_in_views(subject)
        if not self._later.isActive():
            is_playing = self.bench.context.view_state.is_playing
            self._later.start(PLAYING_INTERVAL_MS if is_playing else AFTER_PAINTING_MS)

    def _show_details(self) -> None:
        """What the panel itself shows; a moment later, so that video and 3D need not wait."""
        subject, movement = self.bench.focus.current, self._movement
        if subject is not None and movement is not None and self.isVisible():
            self._show_strip(subject, movement)
            self._show_numbers(subject, movement)

    @property
    def is_up_to_date(self) -> bool:
        return super().is_up_to_date and not self._later.isActive()

    def clear(self) -> None:
        self._later.stop()
        self.on_hidden()

    def on_hidden(self) -> None:
        self._stop_morph()
        self.bench.skeleton.set_ghost(None)
        self.bench.skeleton.set_arrows(None)
        self.bench.video.set_projection(0, None)

    def table(self) -> Table:
        subject, movement = self.bench.focus.current, self._movement
        assert subject is not None
        assert movement is not None
        numbers = _numbers(movement, subject.frame)
        rows = [[name, *row] for name, row in zip(JOINT_NAMES, numbers.tolist(), strict=True)]
        return Table(["joint", *(f"{c} (mm)" for c in _columns(subject, movement))], rows)

    # -- showing ---------------------------------------------------------------------------

    @property
    def _movement(self) -> StageMovement | None:
        return self.result if isinstance(self.result, StageMovement) else None

    def _show_strip(self, subject: Subject, movement: StageMovement) -> None:
        frame, names = subject.frame, subject.stage_names
        shown = (movement, frame, self.bench.skeleton.level.tobytes())
        if shown == self._strip_of:
            self.strip.set_current(subject.stage)
            return
        self._strip_of = shown
        moved_mm = 1000 * movement.per_step[:, frame]
        errors = movement.error
        views = []
        for k, name in enumerate(names):
            facts = [f"moved {moved_mm[k - 1]:.1f} mm"] if k else []
            if errors is not None and np.isfinite(errors[k, frame]).any():
                facts.append(f"error {1000 * np.nanmean(errors[k, frame]):.1f} mm")
            pose, before = subject.stages[k, frame], subject.stages[k - 1, frame] if k else None
            views.append(StageView(f"{k + 1}  {name}", pose, tuple(facts), before))
        truth = None if subject.truth_xyz is None else subject.truth_xyz[frame]
        if truth is not None:
            truth = truth - truth[0]
        # A body as large in every frame, whatever its pose.
        sample = subject.stages[-1, :: max(len(subject.run.poses) // 200, 1)]
        self.strip.set_scene(self.bench.skeleton.level, sample)
        self.strip.show_stages(tuple(views), subject.stage, truth)

    def _show_numbers(self, subject: Subject, movement: StageMovement) -> None:
        joint = self.joints.selected
        shown = (movement, subject.frame, joint)
        if shown == self._numbers_of:
            return  # another stage is looked at: these are the numbers of all of them
        self._numbers_of = shown
        self.joints.set_columns(_columns(subject, movement))  # narrow: the unit stands once
        self.joints.set_numbers(_numbers(movement, subject.frame))
        what = "mean" if joint is None else JOINT_NAMES[joint]
        name_axis(self._plot, "left", f"{what} (mm)")
        stages = np.arange(1, len(subject.stages) + 1)
        moved = _of_joint(movement.displacement[:, subject.frame], joint)
        self._show_curve("movement", series_pen(0), stages[1:], moved)
        error = np.full(len(stages), np.nan)
        if movement.error is not None:
            error = _of_joint(movement.error[:, subject.frame], joint)
        self._show_curve("error", truth_pen(), stages, error)
        self._fit_axes(stages, np.nanmax([*moved, *error, 0.0]))

    def _show_curve(self, name: str, pen: pg.QtGui.QPen, x: np.ndarray, y: np.ndarray) -> None:
        """Show a curve, or nothing where nothing of it is known."""
        curve = self._curves.get(name)
        if not np.isfinite(y).any():
            if curve is not None:
                self._plot.removeItem(self._curves.pop(name))
        elif curve is not None:
            curve.setData(x, y)  # many times faster than a new one
        else:
            self._curves[name] = self._plot.plot(
                x, y, name=name, pen=pen, symbol="o", symbolSize=7, symbolBrush=pen.color()
            )

    def _fit_axes(self, stages: np.ndarray, highest: float) -> None:
        """Fit the axes; they stand still from frame to frame, where they can."""
        if len(stages) != self._num_ticks:
            self._num_ticks = len(stages)
            self._plot.getAxis("bottom").setTicks([[(int(k), str(k)) for k in stages]])
            self._plot.setXRange(0.8, len(stages) + 0.2, padding=0)
        # An axis takes as long to draw as a video frame: it waits until the curve is too small.
        if not MOST_ROOM * highest > self._top > HEADROOM * highest:
            self._top = _round_above(HEADROOM * highest)
            self._plot.setYRange(0, self._top, padding=0)

    def _show_in_views(self, subject: Subject) -> None:
        if self._morph.state() == QVariantAnimation.State.Running:
            return
        shown = subject.stages[subject.stage, subject.frame] + subject.root
        before = None
        if subject.stage:
            before = subject.stages[subject.stage - 1, subject.frame] + subject.root
        ghost = before is not None and self.ghost.isChecked()
        arrows = before is not None and self.arrows.isChecked()
        skeleton = self.bench.skeleton
        skeleton.set_ghost([before] if ghost and before is not None else None)
        ends = np.stack([before, shown], axis=1) if arrows and before is not None else None
        skeleton.set_arrows(ends)
        self._project(subject, shown)

    def _project(self, subject: Subject, camera_xyz: np.ndarray) -> None:
        xy = subject.camera.project(camera_xyz) if self.projection.isChecked() else None
        self.bench.video.set_projection(subject.frame, xy)

    def _on_lane_toggled(self) -> None:
        self.lanes.remove()
        self.refresh()

    def _lane(self, movement: StageMovement) -> list[Lane]:
        if not self.on_timeline.isChecked():
            return []
        moved_mm = 1000 * movement.per_frame
        top = lane_top_mm(moved_mm)
        return [Lane(LANE, moved_mm, "curve", LANE_COLOUR, (0.0, top), unit="mm", is_high_bad=True)]

    # -- acting ----------------------------------------------------------------------------

    def go_to_next(self, direction: int) -> None:
        """Go to the next frame in which the stages differ most; from the last to the first."""
        frames = self._movement.disagreements() if self._movement else np.zeros(0, int)
        navigation.go_around(self.bench.context.view_state, frames, direction)

    def play_morph(self) -> None:
        """Play the way from the first stage to the last in the 3D view and on the picture."""
        subject = self.bench.focus.current
        if subject is None or len(subject.stages) < 2:
            return
        self.bench.context.view_state.set_playing(False)
        self._stop_morph()
        last = len(subject.stages) - 1
        self._morph.setStartValue(0.0)
        self._morph.setEndValue(float(last))
        self._morph.setDuration(MORPH_MS * last)
        self._morph.start()

    def _show_between(self, place: float) -> None:
        """Show the pose at a place between two stages."""
        subject = self.bench.focus.current
        if subject is None:
            return
        pose = between(subject.stages[:, subject.frame], place) + subject.root
        self.bench.skeleton.set_ghost(None)
        self.bench.skeleton.set_arrows(None)
        self.bench.skeleton.set_preview(pose)
        self._project(subject, pose)

    def _stop_morph(self) -> None:
        if self._morph.state() == QVariantAnimation.State.Running:
            self._morph.stop()
            self.bench.skeleton.set_preview(None)

    def _end_morph(self) -> None:
        self.bench.skeleton.set_preview(None)
        self.refresh()


def between(stages: np.ndarray, place: float) -> np.ndarray:
    """Pose (17, 3) at a place 0..S - 1 along stages (S, 17, 3)."""
    first = min(int(place), len(stages) - 2)
    share = place - first
    return (1 - share) * stages[first] + share * stages[first + 1]


def _columns(subject: Subject, movement: StageMovement) -> list[str]:
    count = len(subject.stages)
    moved = [f"{k} to {k + 1}" for k in range(1, count)]
    errors = [f"error {k + 1}" for k in range(count)] if movement.error is not None else []
    return moved + errors


def _numbers(movement: StageMovement, frame: int) -> np.ndarray:
    """(17, columns) millimetres: movement from stage to stage, then errors of the stages."""
    parts = [movement.displacement[:, frame]]
    if movement.error is not None:
        parts.append(movement.error[:, frame])
    return 1000 * np.concatenate(parts).T


def _of_joint(metres: np.ndarray, joint: int | None) -> np.ndarray:
    """(S,) millimetres of one joint, or the mean over the known ones."""
    if joint is not None:
        return 1000 * metres[:, joint]
    known = np.isfinite(metres).any(axis=1)
    mean = np.full(len(metres), np.nan)
    mean[known] = 1000 * np.nanmean(metres[known], axis=1)
    return mean


def _round_above(value: float) -> float:
    """The first round number that is not below a value; 1 at least."""
    power = 10.0 ** np.floor(np.log10(max(value, 1.0)))
    return next(step * power for step in (1, 1.5, 2, 3, 5, 7, 10) if step * power >= max(value, 1))


def _box(text: str, tip: str) -> QCheckBox:
    box = QCheckBox(text)
    box.setChecked(True)
    box.setToolTip(tip)
    return box
