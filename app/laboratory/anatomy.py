"""Anatomy: what is wrong with the body, frame by frame, and repairs."""

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QModelIndex, QSortFilterProxyModel, Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableView,
    QToolButton,
    QVBoxLayout,
)

from app.dialogs.threshold_form import ThresholdForm
from app.laboratory.files import Table
from app.laboratory.focus import Subject
from app.laboratory.panel import Bench, LabPanel
from app.laboratory.problem_table import KIND_TITLES, ProblemModel, shown_unit
from app.operations import edit_poses, navigation
from app.operations.thresholds import store_thresholds, stored_thresholds
from app.views.lanes import WARNING, Lane
from pose_core.analysis.anatomy import AnatomyFindings, anatomy_findings
from pose_core.analysis.problems import Problem, problems_of
from pose_core.levelling import UP, levelling_rotation
from pose_core.skeleton import H36M_17

FULL_COLOUR_AT = 3.0  # times the threshold
BOTH_SIDES = tuple(joint for pair in H36M_17.left_right_pairs for joint in pair)


@dataclass(frozen=True, eq=False)
class Examined:
    """The result of the panel."""

    findings: AnatomyFindings
    problems: list[Problem]


class AnatomyPanel(LabPanel):
    """Table of problems, lanes on the timeline, thresholds, and repairs."""

    title = "Anatomy"
    explanation = "What a body cannot do, or does seldom: no truth is needed to find it."
    equation = (
        "Learning 3D Human Pose from Structure and Motion. Eq. (1), illegal angle: with "
        "<b>n</b> = <b>v</b><sub>sn</sub> &times; <b>v</b><sub>es</sub> an elbow is legal where "
        "<b>n</b> &middot; <b>v</b><sub>we</sub> has the sign of its side; shown is the bend of "
        "illegal elbows and knees. Eq. (2), symmetry: "
        "|&Vert;<b>b</b><sub>left</sub>&Vert; &minus; &Vert;<b>b</b><sub>right</sub>&Vert;|. "
        "Table 6: spread of bone lengths over time, here the distance from the median length."
    )
    works_hidden = True  # for the lanes of the timeline

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self._model = ProblemModel()
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSourceModel(self._model)
        self._sorted.setSortRole(ProblemModel.SORT_ROLE)
        self.problems = QTableView()
        self.problems.setModel(self._sorted)
        self.problems.setSortingEnabled(True)
        self.problems.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.problems.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.problems.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.problems.setAlternatingRowColors(True)
        self.problems.setShowGrid(False)
        self.problems.verticalHeader().hide()
        self.problems.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 5)
        self.problems.horizontalHeader().setSectionResizeMode(
            QHeaderView.ResizeMode.ResizeToContents
        )
        self.problems.setAccessibleName("Problems")
        self.summary = QLabel()
        self.on_timeline = QCheckBox("On the Timeline")
        self.on_timeline.setChecked(True)
        self.thresholds = ThresholdForm(stored_thresholds(bench.context.settings))
        self.thresholds.hide()
        self.thresholds_button = QToolButton()
        self.thresholds_button.setText("Thresholds")
        self.thresholds_button.setCheckable(True)
        self.swap_button = _button("Swap Sides", "Exchange left and right, in 2D and 3D.")
        self.smooth_button = _button("Smooth", "Average over neighbouring frames.")
        self.interpolate_button = _button(
            "Interpolate", "Replace by the way from the frame before to the frame after."
        )
        self.next_button = _button("Next Problem", "Go to the next frame with a problem.")
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(self.summary, 1)
        for widget in (self.on_timeline, self.thresholds_button, self.next_button):
            head.addWidget(widget)
        self.target = QLabel()
        repairs = QHBoxLayout()
        repairs.addWidget(self.target, 1)
        for button in (self.swap_button, self.smooth_button, self.interpolate_button):
            repairs.addWidget(button)
        layout = QVBoxLayout(self.body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(head)
        layout.addWidget(self.thresholds)
        layout.addWidget(self.problems, 1)
        layout.addLayout(repairs)

    def _connect(self) -> None:
        self.thresholds_button.toggled.connect(self._show_thresholds)
        self.thresholds.changed.connect(self._store_thresholds)
        self.bench.context.settings_changed.connect(self._take_settings)
        self.on_timeline.toggled.connect(self._on_lanes_toggled)
        self.next_button.clicked.connect(lambda: self.go_to_next(1))
        self.problems.clicked.connect(self._on_clicked)
        self.problems.selectionModel().selectionChanged.connect(self._show_target)
        self.bench.context.view_state.range_changed.connect(self._show_target)
        self.swap_button.clicked.connect(self._swap)
        self.smooth_button.clicked.connect(self._smooth)
        self.interpolate_button.clicked.connect(self._interpolate)

    # -- hooks -----------------------------------------------------------------------------

    def inputs(self, subject: Subject) -> tuple:
        return (subject.run, subject.stage, stored_thresholds(self.bench.context.settings))

    def compute(self, subject: Subject, inputs: tuple) -> Examined:
        run, stage, thresholds = inputs
        root = np.asarray(run.poses.root, np.float64)
        poses = run.poses.stages[stage].astype(np.float64)
        rotation = levelling_rotation(poses + root[:, None])
        up = UP if rotation is None else rotation.T @ UP
        times_s = subject.session.clip.times_s
        findings = anatomy_findings(poses, times_s, root, up=up, thresholds=thresholds)
        return Examined(findings, problems_of(findings))

    def show_result(self, subject: Subject, result: object) -> None:
        assert isinstance(result, Examined)
        self.lanes.show(subject, result, lambda: self._make_lanes(result))
        if self._model.problems is not result.problems:
            self._model.set_problems(result.problems)
            count = len(result.problems)
            words = {0: "No problems", 1: "1 problem"}.get(count, f"{count} problems")
            self.summary.setText(f"{words} in {subject.stage_names[subject.stage]}")
        self._show_target()

    def clear(self) -> None:
        self._model.set_problems([])

    def table(self) -> Table:
        header = ["first frame", "last frame", "kind", "joint", "worst frame"]
        header += ["severity", "threshold", "unit"]
        rows = [
            [p.start, p.end - 1, p.kind, p.place, p.worst_frame, p.severity, p.threshold, p.unit]
            for p in self._model.problems
        ]
        return Table(header, rows)

    def go_to_next(self, direction: int) -> None:
        """Go to the next or previous frame in which a problem is worst, and select it."""
        problems = self._model.problems
        state = self.bench.context.view_state
        frames = np.unique([problem.worst_frame for problem in problems]).astype(int)
        navigation.go_around(state, frames, direction)
        here = [row for row, p in enumerate(problems) if p.worst_frame == state.frame]
        if here:
            worst = max(here, key=lambda row: problems[row].grade)
            self.problems.selectRow(self._sorted.mapFromSource(self._model.index(worst, 0)).row())

    # -- lanes -----------------------------------------------------------------------------

    def _show_thresholds(self, are_shown: bool) -> None:
        """Show the thresholds in place of the problems: there is not room for both."""
        self.thresholds.setVisible(are_shown)
        self.problems.setVisible(not are_shown)

    def _store_thresholds(self) -> None:
        store_thresholds(self.bench.context.settings, self.thresholds.values())
        self.refresh()

    def _take_settings(self) -> None:
        """The thresholds may have been changed in the dialog of the settings."""
        self.thresholds.set_values(stored_thresholds(self.bench.context.settings))
        self.refresh()

    def _on_lanes_toggled(self) -> None:
        self.lanes.remove()
        self.refresh()

    def _make_lanes(self, examined: Examined) -> list[Lane]:
        """One for each kind of which there are problems."""
        lanes = []
        for finding in examined.findings if self.on_timeline.isChecked() else ():
            if finding.found_mask.any():
                unit, factor = shown_unit(finding.unit)
                low = factor * finding.threshold
                lanes.append(
                    Lane(
                        KIND_TITLES[finding.name],
                        factor * finding.per_frame,
                        "heat",
                        WARNING,
                        value_range=(low, FULL_COLOUR_AT * low),
                        unit=unit,
                        is_high_bad=True,
                    )
                )
        return lanes

    # -- repairs ---------------------------------------------------------------------------

    def _on_clicked(self, index: QModelIndex) -> None:
        problem = self._model.problems[self._sorted.mapToSource(index).row()]
        navigation.go_to(self.bench.context.view_state, problem.worst_frame)

    @property
    def selected(self) -> Problem | None:
        """The problem that is selected in the table."""
        rows = self.problems.selectionModel().selectedRows()
        return self._model.problems[self._sorted.mapToSource(rows[0]).row()] if rows else None

    def _repaired_frames(self) -> tuple[int, int] | None:
        """Frames that the buttons change: the range of the timeline, else the problem's."""
        problem, frames = self.selected, self.bench.context.view_state.range
        if frames is not None:
            return frames
        return None if problem is None else (problem.start, problem.end)

    def _show_target(self) -> None:
        frames = self._repaired_frames()
        for button in (self.swap_button, self.smooth_button, self.interpolate_button):
            button.setEnabled(frames is not None)
        if frames is None:
            self.target.setText("Select a problem, or a range by Shift-drag on the timeline.")
        else:
            self.target.setText(f"Repair frames {frames[0]} to {frames[1] - 1}:")

    def _swap(self) -> None:
        subject, frames, problem = self.bench.focus.current, self._repaired_frames(), self.selected
        if subject is not None and frames is not None:
            is_of_swap = problem is not None and problem.kind == "side_swap"
            joints = problem.joints if problem is not None and is_of_swap else BOTH_SIDES
            edit_poses.swap_sides(self.bench.context, subject.track, *frames, joints)

    def _smooth(self) -> None:
        subject, frames = self.bench.focus.current, self._repaired_frames()
        if subject is not None and frames is not None:
            # A frame more on either side: a single frame has nothing to be smoothed with.
            start, end = max(frames[0] - 1, 0), min(frames[1] + 1, len(subject.run.poses))
            edit_poses.smooth(self.bench.context, subject.track, subject.model, start, end)

    def _interpolate(self) -> None:
        subject, frames = self.bench.focus.current, self._repaired_frames()
        if subject is not None and frames is not None:
            edit_poses.interpolate(self.bench.context, subject.track, subject.model, *frames)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
