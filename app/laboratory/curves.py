"""Curves: what one joint does over time, for several models at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QLabel,
    QMenu,
    QToolButton,
    QVBoxLayout,
)

from app.laboratory.files import Table
from app.laboratory.focus import Subject
from app.laboratory.panel import Bench, LabPanel
from app.laboratory.plots import Plots, series_pen, truth_pen
from app.operations import navigation
from app.operations.models import title_of
from app.widgets.flow import FlowLayout
from pose_core.analysis.curves import QUANTITIES, has_angle, joint_curves
from pose_core.session import ModelRun
from pose_core.skeleton import H36M_17

FIRST_JOINT = H36M_17.index("right_wrist")
TRUTH = "truth"
LEGEND_SHARE = 0.4  # of the height of the first plot, above its curves
SMALLEST_SPAN = 1e-3


@dataclass(frozen=True, eq=False)
class Series:
    """The curves of one model, (T, C), or those of the truth."""

    name: str
    values: np.ndarray
    is_truth: bool = False


class CurvesPanel(LabPanel):
    """Coordinates, speed, acceleration, angle or confidence of a joint; a click seeks."""

    title = "Curves"
    explanation = (
        "What one joint does over time. Click to go to a frame, drag and turn the wheel to zoom."
    )
    equation = (
        "Speed &Vert;<i>d</i><b>x</b>/<i>dt</i>&Vert; and acceleration "
        "&Vert;<i>d</i><sup>2</sup><b>x</b>/<i>dt</i><sup>2</sup>&Vert; of the parabola through a "
        "frame and those beside it, at the times of the video. The angle of a joint is that "
        "between the bone that ends in it and the bone that begins there: 0&deg; is straight."
    )

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.joint = QComboBox()
        for index, name in enumerate(H36M_17.joint_names):
            self.joint.addItem(name.replace("_", " ").capitalize(), index)
        self.joint.setCurrentIndex(FIRST_JOINT)
        self.joint.setMaxVisibleItems(H36M_17.num_joints)
        self.quantity = QComboBox()
        for key, quantity in QUANTITIES.items():
            self.quantity.addItem(quantity.title, key)
        self.relative = QCheckBox("Relative to the Pelvis")
        self.relative.setChecked(True)
        self.models = QToolButton()
        self.models.setText("Models")
        self.models.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu = QMenu(self.models)
        self.models.setMenu(self._menu)
        self._hidden_models: set[str] = set()
        self.reading = QLabel(wordWrap=True)
        self.plots = Plots()
        self._lines: list[Any] = []
        self._shown: object | None = None
        self._times_s = np.zeros(0)
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        controls = FlowLayout(self.joint, self.quantity, self.relative, self.models)
        layout = QVBoxLayout(self.body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(controls)
        layout.addWidget(self.plots, 1)
        layout.addWidget(self.reading)

    def _connect(self) -> None:
        self.joint.currentIndexChanged.connect(self._on_joint_changed)
        self.quantity.currentIndexChanged.connect(self.refresh)
        self.relative.toggled.connect(self.refresh)
        self._menu.aboutToShow.connect(self._fill_models)
        scene: Any = self.plots.scene()
        scene.sigMouseClicked.connect(self._on_clicked)
        self._on_joint_changed()

    # -- choices ---------------------------------------------------------------------------

    def _on_joint_changed(self) -> None:
        """Offer the angle only where there is one."""
        model: Any = self.quantity.model()
        angle = self.quantity.findData("angle")
        is_there = has_angle(self.joint.currentData())
        model.item(angle).setEnabled(is_there)
        if not is_there and self.quantity.currentIndex() == angle:
            self.quantity.setCurrentIndex(0)
        self.refresh()

    def _fill_models(self) -> None:
        self._menu.clear()
        subject = self.bench.focus.current
        names = list(subject.track.runs) if subject else []
        if subject is not None and subject.truth is not None:
            names.append(TRUTH)
        for name in names:
            action = self._menu.addAction(title_of(name))
            action.setCheckable(True)
            action.setChecked(name not in self._hidden_models)
            action.toggled.connect(lambda is_on, name=name: self.show_model(name, is_on))

    def show_model(self, name: str, is_shown: bool) -> None:
        """Show or hide the curve of a model, or that of the truth."""
        if is_shown:
            self._hidden_models.discard(name)
        else:
            self._hidden_models.add(name)
        self.refresh()

    # -- hooks -----------------------------------------------------------------------------

    def inputs(self, subject: Subject) -> tuple:
        return (
            subject.track,
            subject.truth,
            subject.model,
            subject.stage,
            self.joint.currentData(),
            self.quantity.currentData(),
            self.relative.isChecked(),
            frozenset(self._hidden_models),
        )

    def compute(self, subject: Subject, inputs: tuple) -> tuple[Series, ...]:
        *_, joint, quantity, is_relative, hidden = inputs
        if quantity == "confidence":
            return (Series("keypoints", subject.track.keypoints.scores[:, [joint]]),)
        times_s = subject.session.clip.times_s
        found = []
        for name, run in subject.track.runs.items():
            if name not in hidden:
                stage = subject.stage if name == subject.model else -1
                title = title_of(name)
                if name == subject.model:
                    title += f", {subject.stage_names[stage]}"
                xyz = _positions(run, stage, is_relative)
                found.append(Series(title, joint_curves(xyz, times_s, joint, quantity)))
        if subject.truth is not None and TRUTH not in hidden:
            poses = subject.truth.poses
            xyz = _positions(ModelRun(poses), 0, is_relative)
            found.append(Series(TRUTH, joint_curves(xyz, times_s, joint, quantity), True))
        return tuple(found)

    def show_result(self, subject: Subject, result: object) -> None:
        assert isinstance(result, tuple)
        if result is not self._shown:
            self._shown = result
            self._draw(subject, result)
        frame = subject.frame
        for line in self._lines:
            line.setValue(float(self._times_s[frame]))
        self.reading.setText(self._reading(result, frame))

    def table(self) -> Table:
        series, times_s = self._series, self._times_s
        quantity = QUANTITIES[self.quantity.currentData()]
        header = ["frame", "time (s)"]
        for each in series:
            for component in quantity.components:
                what = f"{each.name} {component}".strip()
                header.append(f"{what} ({quantity.unit})")
        values = np.concatenate([each.values for each in series], axis=1) if series else None
        rows = []
        for frame, time_s in enumerate(times_s.tolist()):
            numbers = [] if values is None else values[frame].tolist()
            rows.append([frame, time_s, *numbers])
        return Table(header, rows)

    # -- drawing ---------------------------------------------------------------------------

    @property
    def _series(self) -> tuple[Series, ...]:
        return self.result if isinstance(self.result, tuple) else ()

    def _draw(self, subject: Subject, result: tuple[Series, ...]) -> None:
        self._times_s = np.asarray(subject.session.clip.times_s, np.float64)
        quantity = QUANTITIES[self.quantity.currentData()]
        self.plots.remove_plots()
        self._lines = []
        for row, component in enumerate(quantity.components):
            plot = self.plots.add_plot(row)
            plot.setLabel("left", f"{component or quantity.title} ({quantity.unit})")
            plot.getAxis("left").setWidth(6 * self.fontMetrics().averageCharWidth() + 24)
            plot.setMouseEnabled(x=True, y=False)
            plot.setXLink(self.plots.plots[0] if row else None)
            if row == 0:
                self.plots.add_legend(plot)
            for number, each in enumerate(result):
                pen = truth_pen() if each.is_truth else series_pen(number)
                curve = plot.plot(self._times_s, each.values[:, row], pen=pen, name=each.name)
                curve.setClipToView(True)
                curve.setDownsampling(auto=True, method="peak")
            line = pg.InfiniteLine(angle=90, pen=pg.mkPen(self.plots.ink, width=1))
            plot.addItem(line, ignoreBounds=True)
            self._lines.append(line)
        _leave_room_for_legend(self.plots.plots[0], [each.values[:, 0] for each in result])
        self.plots.plots[-1].setLabel("bottom", "time (s)")
        for plot in self.plots.plots[:-1]:
            plot.getAxis("bottom").setStyle(showValues=False)
        self.plots.plots[0].setXRange(self._times_s[0], self._times_s[-1], padding=0.01)

    def _reading(self, result: tuple[Series, ...], frame: int) -> str:
        """The numbers at the playhead."""
        unit = QUANTITIES[self.quantity.currentData()].unit
        parts = []
        for each in result:
            values = each.values[frame]
            text = (
                "\N{EN DASH}" if np.isnan(values).all() else "  ".join(f"{v:.3f}" for v in values)
            )
            parts.append(f"{each.name}: {text}")
        return f"Frame {frame}, {unit}.   " + "     ".join(parts)

    def _on_clicked(self, event: Any) -> None:
        """Go to the frame that was clicked."""
        if event.button() != Qt.MouseButton.LeftButton or not len(self._times_s):
            return
        for plot in self.plots.plots:
            if plot.sceneBoundingRect().contains(event.scenePos()):
                time_s = plot.vb.mapSceneToView(event.scenePos()).x()
                frame = int(np.argmin(np.abs(self._times_s - time_s)))
                navigation.go_to(self.bench.context.view_state, frame)
                return


def _positions(run: ModelRun, stage: int, is_relative: bool) -> np.ndarray:
    """(T, 17, 3) of a stage, relative to the pelvis or in camera coordinates, metres."""
    poses = run.poses
    xyz = poses.stages[stage].astype(np.float64)
    xyz = xyz - xyz[:, :1]
    return xyz if is_relative else xyz + np.asarray(poses.root, np.float64)[:, None]


def _leave_room_for_legend(plot: Any, curves: list[np.ndarray]) -> None:
    """Show all of the curves (T,) below the legend."""
    known = [values[np.isfinite(values)] for values in curves]
    known = [values for values in known if len(values)]
    if known:
        lowest = min(values.min() for values in known)
        highest = max(values.max() for values in known)
        span = max(highest - lowest, SMALLEST_SPAN)
        plot.setYRange(lowest - 0.05 * span, highest + LEGEND_SHARE * span, padding=0)
