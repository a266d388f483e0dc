"""Sensitivity: which joints of which frames a temporal network listens to."""

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QVBoxLayout,
)

from app.laboratory.files import Table
from app.laboratory.focus import Subject
from app.laboratory.joint_matrix import SHORT_NAMES, JointMatrix
from app.laboratory.network_panel import NetworkPanel
from app.laboratory.panel import Bench, Obstacle
from app.laboratory.plots import Plots, series_pen
from app.laboratory.sensitivity_look import WAYS, Experiment, Look, Looker, Source
from app.laboratory.slider import NumberSlider
from app.laboratory.stage_strip import StageStrip, StageView
from pose_core.skeleton import H36M_17

JOINT_NAMES = [name.replace("_", " ") for name in H36M_17.joint_names]
FIRST_CELL = (H36M_17.index("left_hip"), H36M_17.index("left_ankle"))
PELVIS = H36M_17.index("pelvis")
FAINT = (140, 140, 140, 110)
# The skeletons of the strip.
INFLUENCE, INPUT, ANSWER = range(3)


class SensitivityPanel(NetworkPanel):
    """Curve over time, input joint by joint of the answer, and both as skeletons."""

    title = "Sensitivity"
    explanation = "How far the answer moves when one joint of one input frame is moved."
    equation = (
        "Learning 3D Human Pose from Structure and Motion, Fig. 5: mean displacement of a joint of "
        "the answer when a joint of the input at time t is moved in a random direction, per metre "
        "moved. Here it is exact for small movements, by the Jacobian "
        "<b>A</b> = &part;<b>y</b><sub>j</sub>/&part;<b>x</b><sub>i,t</sub>: the mean of "
        "&Vert;<b>A d</b>&Vert; over all directions <b>d</b>. The colours of the map are capped: "
        "the diagonal is no brighter than anything beside it. The two skeletons to the right are "
        "one such movement, with the network run on it: the way that counts most is the first "
        "right singular vector of <b>A</b>."
    )
    kinds = ("tpnet", "lstm_baseline")
    recipe = "tp-net"
    does_not = "does not refine poses over time"

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.time = NumberSlider("Frame of the input, t", -1, 0, 1, 0)
        self.over_range = QCheckBox("Mean over the Range")
        self.over_range.setToolTip("Of the timeline, Shift-drag; else the frame alone.")
        self.listening_button = QPushButton("Strongest Cell")
        self.listening_button.setToolTip("Choose the cell beside the diagonal that counts most.")
        self.distance = NumberSlider("Move the joint by", 10, 300, 10, 100, "mm")
        self.way = QComboBox()
        self.way.addItems(list(WAYS))
        self.way.setAccessibleName("Way in which the joint is moved")
        self.curve, self.map, self.strip = Plots(), JointMatrix(), StageStrip()
        self.strip.setAccessibleName("Influence, input and answer")
        self.strip.setToolTip("Click a joint to choose it, drag to turn.")
        self.reading = QLabel(wordWrap=True)
        self.reading.setMinimumHeight(self.reading.fontMetrics().height())
        self.cell = FIRST_CELL
        self._looker = Looker()
        self._lay_out()
        self._set_up_curve()
        self._connect()
        self._on_range()

    def _lay_out(self) -> None:
        controls = QHBoxLayout()
        controls.addWidget(self.time, 1)
        controls.addWidget(self.over_range)
        controls.addWidget(self.listening_button)
        experiment = QHBoxLayout()
        experiment.addWidget(self.distance, 1)
        experiment.addWidget(self.way)
        plots = QSplitter(Qt.Orientation.Horizontal)
        plots.addWidget(self.curve)
        plots.addWidget(self.map)
        plots.setSizes([190, 260])
        self._split = QSplitter(Qt.Orientation.Vertical)
        self._split.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self._split.addWidget(plots)
        self._split.addWidget(self.strip)
        self._split.setSizes([400, 300])
        layout = QVBoxLayout(self.body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(controls)
        layout.addLayout(experiment)
        layout.addWidget(self.reading)
        layout.addWidget(self._split, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay the parts side by side where there is more width than height."""
        super().resizeEvent(event)
        is_wide = self.width() > 1.2 * self.height()
        across, along = Qt.Orientation.Vertical, Qt.Orientation.Horizontal
        self._split.setOrientation(along if is_wide else across)

    def _connect(self) -> None:
        for slider in (self.time, self.distance):
            slider.changed.connect(self.refresh)
        self.over_range.toggled.connect(self.refresh)
        self.way.currentIndexChanged.connect(self.refresh)
        self.map.chosen.connect(self.choose)
        self.strip.joint_chosen.connect(self._on_joint)
        self.listening_button.clicked.connect(self.choose_strongest)
        self.bench.context.view_state.range_changed.connect(self._on_range)

    def _set_up_curve(self) -> None:
        plot = self.curve.add_plot(0)
        plot.setLabel("bottom", "t (frames)")
        plot.setLabel("left", "mean movement (m per m)")
        self.curve.add_legend(plot)
        plot.legend.setColumnCount(1)  # a narrow plot
        # All joints in one: seventeen items would be fitted and drawn one by one.
        self._joint_curves = pg.PlotCurveItem(pen=pg.mkPen(FAINT), connect="finite")
        plot.addItem(self._joint_curves)
        pen = series_pen(1)
        self._chosen_curve = plot.plot(
            pen=pen, symbol="o", symbolSize=5, symbolBrush=pen.color(), name="chosen"
        )
        self._mean_curve = plot.plot(pen=series_pen(0), name="mean")
        dashed = pg.mkPen(FAINT, width=1.5, style=Qt.PenStyle.DashLine)
        self._untrained_curve = plot.plot(pen=dashed, name="untrained")
        self._line = pg.InfiniteLine(angle=90, pen=pg.mkPen(FAINT, width=2))
        plot.addItem(self._line, ignoreBounds=True)
        self.curve.setMinimumSize(140, 130)

    # -- hooks -----------------------------------------------------------------------------

    def obstacle(self, subject: Subject) -> Obstacle | None:
        obstacle = super().obstacle(subject)
        if obstacle is not None:
            return obstacle
        start, end = self._frames(subject)
        if np.isfinite(subject.track.keypoints.xy[start:end]).all(axis=-1).any():
            return None
        return Obstacle(
            f"{subject.track.name} is not in frame {subject.frame}",
            "Go to a frame in which the person was found.",
        )

    def inputs(self, subject: Subject) -> tuple:
        entry, known = self.models[subject.model], subject.track.keypoints
        experiment = Experiment(
            int(self.time.value),
            self.cell,
            self.way.currentText(),
            self.distance.value / 1000,
            subject.frame,
        )
        session = subject.session
        source = Source(entry, known, session.focal_px, session.clip.times_s, subject.camera)
        return source, self._frames(subject), experiment

    def compute(self, subject: Subject, inputs: tuple) -> Look:
        return self._looker.look(*inputs)

    def show_result(self, subject: Subject, result: object) -> None:
        assert isinstance(result, Look)
        sensitivity, done = result.sensitivity, result.experiment
        self._fit_slider(sensitivity.steps, done.step)
        over_time = sensitivity.over_time
        gaps = np.full((1, len(JOINT_NAMES)), np.nan)  # between one joint and the next
        x = np.tile([*sensitivity.steps, sensitivity.steps[-1]], len(JOINT_NAMES))
        self._joint_curves.setData(x, np.concatenate([over_time, gaps]).T.ravel())
        self._chosen_curve.setData(sensitivity.steps, over_time[:, done.cell[0]])
        self._mean_curve.setData(sensitivity.steps, over_time.mean(axis=1))
        level = [result.untrained_level] * 2  # NaN draws nothing
        self._untrained_curve.setData(sensitivity.steps[[0, -1]], level)
        self._line.setValue(done.step)
        self.map.show_matrix(result.capped, done.cell)
        self._show_skeletons(result)
        entry = self.models[subject.model]
        is_cut = entry.network == "lstm_baseline" and not entry.config.get("bidirectional", False)
        count = len(sensitivity.steps)
        note = f" The network sees the whole past, here its last {count} poses."
        self.reading.setText(_reading(result) + (note if is_cut else ""))

    def table(self) -> Table:
        look = self._look
        assert look is not None
        header = ["t", "moved in the input", *(f"{name} (m per m)" for name in JOINT_NAMES)]
        steps, response = look.sensitivity.steps.tolist(), look.sensitivity.response.tolist()
        rows = [
            [step, name, *row]
            for step, matrix in zip(steps, response, strict=True)
            for name, row in zip(JOINT_NAMES, matrix, strict=True)
        ]
        return Table(header, rows)

    # -- showing ---------------------------------------------------------------------------

    @property
    def _look(self) -> Look | None:
        return self.result if isinstance(self.result, Look) else None

    def _frames(self, subject: Subject) -> tuple[int, int]:
        """Frames that are looked at."""
        chosen = self.bench.context.view_state.range
        if self.over_range.isChecked() and chosen is not None:
            return chosen
        return subject.frame, subject.frame + 1

    def _on_range(self) -> None:
        has_range = self.bench.context.view_state.range is not None
        self.over_range.setEnabled(has_range)
        self.refresh()

    def _fit_slider(self, steps: np.ndarray, step: int) -> None:
        first, last = int(steps[0]), int(steps[-1])
        slider = self.time.slider
        if (slider.minimum(), slider.maximum()) != (first, last):
            slider.setRange(first, last)
            slider.setValue(step)

    def _show_skeletons(self, look: Look) -> None:
        done, moved = look.experiment, look.moved
        of, to = done.cell
        matrix = look.capped
        poses = np.concatenate([moved.seen, moved.answer])
        self.strip.set_scene(self.bench.skeleton.level, poses)
        at = f"t = {_signed(done.step)}"
        answer_mm = 1000 * moved.displacement
        others = np.delete(np.arange(len(JOINT_NAMES)), to)
        most = int(others[answer_mm[others].argmax()])
        views = (
            StageView(
                f"Influence, {at}",
                moved.answer[0],
                (f"on {SHORT_NAMES[to]}",),
                strengths=matrix[:, to] / max(float(matrix.max()), 1e-12),
                marked=to,
            ),
            StageView(
                f"Input, {at}",
                moved.seen[1],
                (f"{SHORT_NAMES[of]} {1000 * done.size_m:.0f} mm",),
                before=moved.seen[0],
                marked=of,
            ),
            StageView(
                "Answer",
                moved.answer[1],
                (
                    f"{SHORT_NAMES[to]} {answer_mm[to]:.1f} mm",
                    f"{SHORT_NAMES[most]} {answer_mm[most]:.1f} mm",
                ),
                before=moved.answer[0],
                marked=to,
            ),
        )
        self.strip.show_stages(views, -1, None)

    # -- choosing --------------------------------------------------------------------------

    def choose(self, of: int, to: int) -> None:
        """Choose a joint of the input and one of the answer."""
        self.cell = (of, to)
        self.refresh()

    def choose_strongest(self) -> None:
        """Choose the cell beside the diagonal that counts most at this time."""
        if self._look is None:
            return
        values = self._look.matrix.copy()
        np.fill_diagonal(values, -1.0)
        of, to = np.unravel_index(values.argmax(), values.shape)
        self.choose(int(of), int(to))

    def _on_joint(self, view: int, joint: int) -> None:
        of, to = self.cell
        self.choose(*((joint, to) if view == INPUT else (of, joint)))


def _reading(look: Look) -> str:
    """What is to be seen, in words."""
    sensitivity, done = look.sensitivity, look.experiment
    of, to = (JOINT_NAMES[joint] for joint in done.cell)
    value, brightest = 100 * look.matrix[done.cell], 100 * look.capped.max()
    answer_mm = 1000 * look.moved.displacement[done.cell[1]]
    listened = look.matrix.mean(axis=1).argsort()[::-1][:3]
    most = ", ".join(JOINT_NAMES[joint] for joint in listened)
    over_time = sensitivity.over_time.mean(axis=1)
    last = (
        f"{_share_of_last(sensitivity.steps, over_time):.0f} % of all is from t = {_signed(-4)} on"
    )
    added = np.maximum(over_time - look.untrained_level, 0.0)
    if added.sum() > 0:  # NaN where the untrained network is not known
        last += f", {_share_of_last(sensitivity.steps, added):.0f} % of what training added"
    if done.cell[0] == PELVIS:
        return (
            "All poses of the input are relative to the <b>pelvis</b>, which is therefore next to "
            "0 in all of them. What the network would make of another no training has taught it."
        )
    return (
        f"100 mm of the <b>{of}</b> of the input at t = {_signed(done.step)} move the <b>{to}</b> "
        f"of the answer {value:.1f} mm on average (brightest of the map {brightest:.1f} mm). "
        f"Drawn: {1000 * done.size_m:.0f} mm {done.way} in frame {done.frame} move it "
        f"{answer_mm:.1f} mm. Most listened to: {most}. "
        f"{last}."
    )


def _share_of_last(steps: np.ndarray, values: np.ndarray) -> float:
    """Per cent of the values that are of the last five frames of the input, or later ones."""
    return 100 * values[steps >= -4].sum() / max(values.sum(), 1e-12)


def _signed(step: int) -> str:
    return str(step).replace("-", "\N{MINUS SIGN}")
