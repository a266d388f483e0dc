"""Self-correction: what the pose machine does to its own answer at test time, and why."""

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QVBoxLayout,
)

from app.laboratory.files import Table
from app.laboratory.focus import Subject
from app.laboratory.network_panel import NetworkPanel
from app.laboratory.panel import Bench, Obstacle
from app.laboratory.plots import Plots, series_pen
from app.laboratory.slider import NumberSlider
from app.laboratory.stage_strip import StageStrip, StageView
from app.operations import edit_poses
from pose_core.models.registry import ModelEntry
from pose_core.skeleton import H36M_17

if TYPE_CHECKING:  # imports torch, which would stop the window for a second
    from pose_core.analysis.correction import CorrectionStudy, PreparedCorrection
    from pose_core.inference.self_correction import CorrectionConfig

# The defaults of CorrectionConfig.
STEPS, LEARNING_RATE, EPSILON_MM, TAU_MM = 2, 0.5, 5.0, 20.0
FRAME, RANGE, CLIP = "This Frame", "The Range", "The Clip"
BONES = np.array(H36M_17.bones)


class SelfCorrectionPanel(NetworkPanel):
    """Residual, projection and pose before and after, verdicts, and settings to try."""

    title = "Self-correction"
    explanation = "The pose machine bends its own weights until its 3D agrees with the 2D seen."
    equation = (
        "3D Human Pose Machines with Self-supervised Learning, Eq. (3) and (4): for each frame "
        "the weights of the projector &Psi;<sub>C</sub>, &Psi;<sub>P</sub> descend the gradient of "
        "&Vert;p<sup>2d</sup> &minus; &Psi;<sub>P</sub>(&Psi;<sub>C</sub>(p<sup>3d</sup>))"
        "&Vert;<sup>2</sup>. Section 3.3: a frame stops when its robust joints (pelvis, hips, "
        "shoulders) move less than &epsilon; in a step, and the correction is discarded when they "
        "move more than &tau; in all."
    )
    kinds = ("pose_machine",)
    recipe = "pose-machine"
    does_not = "does not correct itself"

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.steps = NumberSlider("Steps", 0, 30, 1, STEPS)
        self.rate = NumberSlider("Learning rate", 0.05, 2.0, 0.05, LEARNING_RATE)
        self.epsilon = NumberSlider(
            "Stop, \N{GREEK SMALL LETTER EPSILON}", 0, 100, 1, EPSILON_MM, "mm"
        )
        self.tau = NumberSlider("Discard, \N{GREEK SMALL LETTER TAU}", 0, 300, 1, TAU_MM, "mm")
        self.reset_button = QPushButton("Reset")
        self.reset_button.setToolTip("Back to the settings that the models are run with.")
        self.scope = QComboBox()
        self.scope.addItems([FRAME, RANGE, CLIP])
        self.scope.setAccessibleName("What is corrected again")
        self.apply_button = QPushButton("Apply")
        self.apply_button.setToolTip("Correct again with these settings; can be undone.")
        self.curve, self.plane = Plots(), Plots()
        self.strip = StageStrip()
        self.verdict = QLabel(wordWrap=True)
        self.warning = QLabel(wordWrap=True)
        self._prepared: tuple[tuple, PreparedCorrection] | None = None
        self._lay_out()
        self._set_up_plots()
        self._connect()

    def _lay_out(self) -> None:
        settings = QGridLayout()
        for place, slider in enumerate((self.steps, self.rate, self.epsilon, self.tau)):
            settings.addWidget(slider, place // 2, place % 2)
        applying = QHBoxLayout()
        applying.addWidget(self.scope)
        applying.addWidget(self.apply_button)
        settings.addWidget(self.reset_button, 0, 2)
        settings.addLayout(applying, 1, 2)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        for widget in (self.curve, self.plane, self.strip):
            split.addWidget(widget)
        split.setSizes([200, 200, 240])
        layout = QVBoxLayout(self.body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(settings)
        for label in (self.verdict, self.warning):
            # Else a label that wraps asks for the height that it would have if it were narrow.
            label.setMinimumHeight(label.fontMetrics().height())
            layout.addWidget(label)
        layout.addWidget(split, 1)

    def _set_up_plots(self) -> None:
        curve, picture = self.curve.add_plot(0), self.plane.add_plot(0)
        curve.setLabel("bottom", "iteration")
        curve.setLabel("left", "residual (person sizes\N{SUPERSCRIPT TWO})")
        pen = series_pen(0)
        self._residual = curve.plot(symbol="o", symbolSize=7, pen=pen, symbolBrush=pen.color())
        picture.setLabel("bottom", "x, right (person sizes)")
        picture.setLabel("left", "y, down (person sizes)")
        picture.setAspectLocked(True)
        picture.invertY(True)
        self.plane.add_legend(picture)
        picture.legend.setColumnCount(1)
        ink = pg.mkPen(148, 148, 148, width=4)
        pens = {"given": ink, "before": series_pen(1), "after": series_pen(0)}
        self._skeletons = {
            name: picture.plot(pen=pen, name=name, connect="pairs") for name, pen in pens.items()
        }
        for plots in (self.curve, self.plane):
            plots.setMinimumSize(140, 110)

    def _connect(self) -> None:
        for slider in (self.steps, self.rate):
            slider.changed.connect(self.refresh)
        self.epsilon.changed.connect(self._on_epsilon)
        self.tau.changed.connect(self._on_tau)
        self.reset_button.clicked.connect(self.reset)
        self.apply_button.clicked.connect(self.apply)
        self.scope.currentIndexChanged.connect(self._show_scope)
        self.bench.context.view_state.range_changed.connect(self._show_scope)
        self._show_scope()

    # -- settings --------------------------------------------------------------------------

    def _on_epsilon(self) -> None:
        """What stops a frame cannot be more than what discards it."""
        self.tau.set_value(max(self.tau.value, self.epsilon.value))
        self.refresh()

    def _on_tau(self) -> None:
        self.epsilon.set_value(min(self.tau.value, self.epsilon.value))
        self.refresh()

    def reset(self) -> None:
        """Take the settings that models are run with."""
        self.steps.set_value(STEPS)
        self.rate.set_value(LEARNING_RATE)
        self.tau.set_value(TAU_MM)
        self.epsilon.set_value(EPSILON_MM)

    @property
    def config(self) -> "CorrectionConfig":
        """The settings of the sliders."""
        return _config(self._settings())

    def _settings(self) -> tuple[int, float, float, float]:
        return int(self.steps.value), self.rate.value, self.epsilon.value, self.tau.value

    # -- hooks -----------------------------------------------------------------------------

    def applies_to(self, entry: ModelEntry) -> bool:
        return super().applies_to(entry) and entry.config.get("has_projector", True)

    def obstacle(self, subject: Subject) -> Obstacle | None:
        obstacle = super().obstacle(subject)
        if obstacle is not None or np.isfinite(subject.track.keypoints.xy[subject.frame]).any():
            return obstacle
        return Obstacle(
            f"{subject.track.name} is not in frame {subject.frame}",
            "Go to a frame in which the person was found.",
        )

    def inputs(self, subject: Subject) -> tuple:
        entry = self.models[subject.model]
        source = (subject.track.keypoints, entry, subject.session.focal_px)
        return source, subject.frame, self._settings()

    def compute(self, subject: Subject, inputs: tuple) -> "CorrectionStudy":
        from pose_core.analysis.correction import prepare_correction, study  # noqa: PLC0415

        source, frame, settings = inputs
        # The network sees the whole clip; after that, settings and frames are tried at once.
        if self._prepared is None or self._prepared[0] != source:
            keypoints, entry, _ = source
            times_s = subject.session.clip.times_s
            prepared = prepare_correction(entry, keypoints, times_s, subject.camera)
            self._prepared = source, prepared
        return study(self._prepared[1], frame, _config(settings))

    def show_result(self, subject: Subject, result: "CorrectionStudy") -> None:
        iterations = np.arange(len(result.residual))
        self._residual.setData(iterations, result.residual)
        for name, xy in (
            ("given", result.seen),
            ("before", result.projected[0]),
            ("after", result.projected[-1]),
        ):
            ends = xy[BONES].reshape(-1, 2)
            self._skeletons[name].setData(ends[:, 0], ends[:, 1])
        self.strip.set_scene(self.bench.skeleton.level, result.poses)
        moved = (f"robust joints {result.total_mm:.1f} mm",)
        truth = None if subject.truth_xyz is None else subject.truth_xyz[subject.frame]
        self.strip.show_stages(
            (
                StageView("before", result.poses[0], ()),
                StageView("after", result.poses[-1], moved, before=result.poses[0]),
            ),
            int(result.is_kept),
            None if truth is None else truth - truth[:1],
        )
        self.verdict.setText(self._verdict(result))
        self.warning.setVisible(bool(result.worse))
        if result.worse:
            self.warning.setText(self._warning(result))

    def table(self) -> Table:
        result = self._study
        assert result is not None
        header = ["iteration", "residual (person sizes^2)", "robust joints moved (mm)"]
        header += ["bone length error (mm)", "illegal bend (deg)"]
        moved = [None, *result.step_mm.tolist()]
        columns = (result.residual, result.length_error_mm, result.bend_deg)
        rows = [
            [k, residual, moved[k], length, bend]
            for k, (residual, length, bend) in enumerate(zip(*columns, strict=True))
        ]
        return Table(header, rows)

    # -- showing ---------------------------------------------------------------------------

    @property
    def _study(self) -> "CorrectionStudy | None":
        return self.result  # type: ignore[return-value]  # what compute gives

    def _verdict(self, result: "CorrectionStudy") -> str:
        settings = self._settings()
        steps = f"{result.steps_taken} of {settings[0]} steps"
        if result.steps_taken < settings[0]:
            last = result.step_mm[result.steps_taken - 1]
            steps += f": the last one moved the robust joints {last:.1f} mm, less than \u03b5"
        side = "within" if result.is_kept else "beyond"
        word = "kept" if result.is_kept else "discarded"
        return (
            f"<b>The correction is {word}</b>: in all the robust joints moved "
            f"{result.total_mm:.1f} mm, {side} \u03c4 = {settings[3]:.0f} mm. {steps}. Residual "
            f"{result.residual[0]:.4f} before, {result.residual[-1]:.4f} after."
        )

    @staticmethod
    def _warning(result: "CorrectionStudy") -> str:
        lengths, bends = result.length_error_mm, result.bend_deg
        return (
            f"<b>The 2D agrees better, but the body gets worse in {' and '.join(result.worse)}</b>:"
            f" bones are {lengths[0]:.1f} mm off their median before, {lengths[-1]:.1f} mm after; "
            f"the worst illegal bend is {bends[0]:.0f}\N{DEGREE SIGN} before, "
            f"{bends[-1]:.0f}\N{DEGREE SIGN} after."
        )

    # -- applying --------------------------------------------------------------------------

    def _frames(self, subject: Subject) -> tuple[int, int] | None:
        """Frames that would be corrected again; None where no range is chosen."""
        if self.scope.currentText() == RANGE:
            return self.bench.context.view_state.range
        if self.scope.currentText() == CLIP:
            return 0, len(subject.run.poses)
        return subject.frame, subject.frame + 1

    def _show_scope(self) -> None:
        has_range = self.bench.context.view_state.range is not None
        self.apply_button.setEnabled(self.scope.currentText() != RANGE or has_range)
        tip = "" if has_range else "Choose a range by Shift-drag on the timeline."
        self.scope.setToolTip(tip)

    def apply(self) -> None:
        """Correct the chosen frames again with these settings."""
        subject = self.bench.focus.current
        frames = None if subject is None else self._frames(subject)
        if subject is not None and frames is not None:
            context, config = self.bench.context, self.config
            edit_poses.correct(context, subject.track, subject.model, config, *frames)


def _config(settings: tuple[int, float, float, float]) -> "CorrectionConfig":
    from pose_core.inference.self_correction import CorrectionConfig  # noqa: PLC0415

    steps, rate, epsilon_mm, tau_mm = settings
    return CorrectionConfig(steps=steps, learning_rate=rate, epsilon_mm=epsilon_mm, tau_mm=tau_mm)
