"""Sensitivity: which joints of which frames a temporal network listens to."""

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QVBoxLayout,
)

from app.laboratory.files import Table
from app.laboratory.focus import Subject
from app.laboratory.joint_matrix import JointMatrix
from app.laboratory.network_panel import NetworkPanel
from app.laboratory.panel import Bench, Obstacle
from app.laboratory.plots import Plots, series_pen
from app.laboratory.slider import NumberSlider
from pose_core.skeleton import H36M_17

if TYPE_CHECKING:  # imports torch, which would stop the window for a second
    from pose_core.analysis.refiner_windows import PreparedRefiner
    from pose_core.analysis.sensitivity import Sensitivity

JOINT_NAMES = [name.replace("_", " ") for name in H36M_17.joint_names]
FIRST_CELL = (H36M_17.index("left_hip"), H36M_17.index("left_ankle"))
FAINT = (140, 140, 140, 110)


class SensitivityPanel(NetworkPanel):
    """Curve over time of every joint, and input joint by joint of the answer at one time."""

    title = "Sensitivity"
    explanation = "How far the answer moves when one joint of one input frame is moved."
    equation = (
        "Learning 3D Human Pose from Structure and Motion, Fig. 5: mean displacement of a joint of "
        "the answer when a joint of the input at time t is moved in a random direction, per metre "
        "moved. Here it is exact for small movements, by the Jacobian "
        "<b>A</b> = &part;<b>y</b><sub>j</sub>/&part;<b>x</b><sub>i,t</sub>: the mean of "
        "&Vert;<b>A d</b>&Vert; over all directions <b>d</b>. The colours of the map are capped: "
        "the diagonal is no brighter than anything beside it."
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
        self.curve, self.map = Plots(), JointMatrix()
        self.reading = QLabel(wordWrap=True)
        self.reading.setMinimumHeight(self.reading.fontMetrics().height())
        self.cell = FIRST_CELL
        self._prepared: tuple[tuple, PreparedRefiner] | None = None
        self._lay_out()
        self._set_up_curve()
        self.time.changed.connect(self.refresh)
        self.over_range.toggled.connect(self.refresh)
        self.map.chosen.connect(self.choose)
        self.listening_button.clicked.connect(self.choose_strongest)
        bench.context.view_state.range_changed.connect(self._on_range)
        self._on_range()

    def _lay_out(self) -> None:
        controls = QHBoxLayout()
        controls.addWidget(self.time, 1)
        controls.addWidget(self.over_range)
        controls.addWidget(self.listening_button)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        split.addWidget(self.curve)
        split.addWidget(self.map)
        split.setSizes([280, 320])
        layout = QVBoxLayout(self.body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(controls)
        layout.addWidget(self.reading)
        layout.addWidget(split, 1)

    def _set_up_curve(self) -> None:
        plot = self.curve.add_plot(0)
        plot.setLabel("bottom", "t (frames of the network)")
        plot.setLabel("left", "mean movement (m per m)")
        self.curve.add_legend(plot)
        self._joint_curves = [plot.plot(pen=pg.mkPen(FAINT)) for _ in JOINT_NAMES]
        pen = series_pen(1)
        self._chosen_curve = plot.plot(
            pen=pen, symbol="o", symbolSize=5, symbolBrush=pen.color(), name="chosen"
        )
        self._mean_curve = plot.plot(pen=series_pen(0), name="mean")
        self._line = pg.InfiniteLine(angle=90, pen=pg.mkPen(FAINT, width=2))
        plot.addItem(self._line, ignoreBounds=True)
        self.curve.setMinimumSize(160, 130)

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
        entry = self.models[subject.model]
        source = (subject.track.keypoints, entry, subject.session.focal_px)
        return source, self._frames(subject)

    def compute(self, subject: Subject, inputs: tuple) -> "Sensitivity":
        from pose_core.analysis.refiner_windows import (  # noqa: PLC0415
            prepare_refiner,
            sensitivity_of,
        )

        source, frames = inputs
        if self._prepared is None or self._prepared[0] != source:
            keypoints, entry, _ = source
            times_s = subject.session.clip.times_s
            prepared = prepare_refiner(entry, keypoints, times_s, subject.camera)
            self._prepared = source, prepared
        return sensitivity_of(self._prepared[1], *frames)

    def show_result(self, subject: Subject, result: "Sensitivity") -> None:
        self._fit_slider(result.steps)
        over_time = result.over_time
        for joint, curve in enumerate(self._joint_curves):
            curve.setData(result.steps, over_time[:, joint])
        self._chosen_curve.setData(result.steps, over_time[:, self.cell[0]])
        self._mean_curve.setData(result.steps, over_time.mean(axis=1))
        step = int(self.time.value)
        self._line.setValue(step)
        self._show_map(result, step)
        entry = self.models[subject.model]
        is_cut = entry.network == "lstm_baseline" and not entry.config.get("bidirectional", False)
        note = f" The network sees the whole past, here its last {len(result.steps)} poses."
        self.reading.setText(self._reading(result, step, note if is_cut else ""))

    def table(self) -> Table:
        result, step = self._sensitivity, int(self.time.value)
        assert result is not None
        header = [f"t = {step}: moved in the input", *(f"{n} (m per m)" for n in JOINT_NAMES)]
        return Table(header, [
            [name, *row] for name, row in zip(JOINT_NAMES, result.at(step).tolist(), strict=True)
        ])  # fmt: skip

    # -- showing ---------------------------------------------------------------------------

    @property
    def _sensitivity(self) -> "Sensitivity | None":
        return self.result  # type: ignore[return-value]  # what compute gives

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

    def _fit_slider(self, steps: np.ndarray) -> None:
        first, last = int(steps[0]), int(steps[-1])
        slider = self.time.slider
        if (slider.minimum(), slider.maximum()) != (first, last):
            slider.blockSignals(True)
            slider.setRange(first, last)
            slider.setValue(0)
            slider.blockSignals(False)

    def _show_map(self, result: "Sensitivity", step: int) -> None:
        from pose_core.analysis.sensitivity import capped_diagonal  # noqa: PLC0415

        self.map.show_matrix(capped_diagonal(result.at(step)), self.cell)

    def _reading(self, result: "Sensitivity", step: int, note: str) -> str:
        of, to = (JOINT_NAMES[joint] for joint in self.cell)
        value = result.at(step)[self.cell]
        listened = result.at(step).mean(axis=1).argsort()[::-1][:3]
        most = ", ".join(JOINT_NAMES[joint] for joint in listened)
        share = result.over_time.sum(axis=1)
        last = share[result.steps >= -4].sum() / max(share.sum(), 1e-12)
        return (
            f"At t = {step}, 100 mm of the <b>{of}</b> of the input move the <b>{to}</b> of the "
            f"answer {100 * value:.1f} mm on average. Most listened to there: {most}. "
            f"{100 * last:.0f} % of all is from t = \N{MINUS SIGN}4 on.{note}"
        )

    # -- choosing --------------------------------------------------------------------------

    def choose(self, of: int, to: int) -> None:
        """Choose a joint of the input and one of the answer."""
        self.cell = (of, to)
        self.refresh()

    def choose_strongest(self) -> None:
        """Choose the cell beside the diagonal that counts most at this time."""
        if self._sensitivity is None:
            return
        values = self._sensitivity.at(int(self.time.value)).copy()
        np.fill_diagonal(values, -1.0)
        of, to = np.unravel_index(values.argmax(), values.shape)
        self.choose(int(of), int(to))
