"""Compare: models, stages and truth side by side, and how far they are from a reference."""

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
)

from app.laboratory.compare_scene import ColouredPose, CompareScene
from app.laboratory.files import Table
from app.laboratory.focus import Subject, stage_names_of
from app.laboratory.number_table import NumberTable
from app.laboratory.panel import Bench, LabPanel, Obstacle
from app.laboratory.plots import DASHES, SERIES_COLOURS
from app.laboratory.stage_strip import StageStrip, StageView
from app.operations import navigation
from app.operations.models import title_of
from app.views.lanes import Lane
from app.views.truth import lane_top_mm
from pose_core.analysis.disagreement import disagreement, peaks
from pose_core.metrics.pose_error import mpjpe, pa_mpjpe
from pose_core.palette import TRUTH as TRUTH_RGB
from pose_core.skeleton import H36M_17

LANE = "Disagreement"
LANE_COLOUR = (150, 110, 150)
MOST = 4
TRUTH = ("truth", 0)
JOINT_NAMES = [name.replace("_", " ") for name in H36M_17.joint_names]

Key = tuple[str, int]  # model and stage, or TRUTH


@dataclass(frozen=True, eq=False)
class Compared:
    """Poses that are shown, and their distances from the reference.

    Parameters
    ----------
    titles : tuple of str
    poses : (M, T, 17, 3) ndarray
        Relative to the pelvis, metres.
    mpjpe_mm, pa_mpjpe_mm : (M, T, 17) ndarray
        Of the reference they are 0.
    reference : int
        Which of them is the reference.
    disagreement_mm : (T,) ndarray
        Between the models and stages; with one of them, between it and the truth.
    """

    titles: tuple[str, ...]
    poses: np.ndarray
    mpjpe_mm: np.ndarray
    pa_mpjpe_mm: np.ndarray
    reference: int
    disagreement_mm: np.ndarray


class ComparePanel(LabPanel):
    """Skeletons seen by one camera, distances by joint, and a lane with the disagreement."""

    title = "Compare"
    explanation = "Up to four of models, stages and truth. Drag a skeleton to turn all."
    works_hidden = True  # for the lane of the timeline
    equation = (
        "MPJPE: mean over joints of &Vert;<b>x</b><sub>j</sub> &minus; <b>x</b><sub>j</sub>"
        "<sup>ref</sup>&Vert; with both pelvises together (Protocol 1). PA-MPJPE: the same after "
        "the best rotation, translation and scale of each frame (Protocol 2). Disagreement: mean "
        "over joints and pairs of &Vert;<b>x</b><sub>j</sub><sup>a</sup> &minus; "
        "<b>x</b><sub>j</sub><sup>b</sup>&Vert;, pelvises together; of the models alone where two "
        "or more are shown. Millimetres."
    )

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self._chosen: list[Key] | None = None  # None: what is most likely wanted
        self.choice = QToolButton()
        self.choice.setText("Shown")
        self.choice.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu = QMenu(self.choice)
        self.choice.setMenu(self._menu)
        self.reference = QComboBox()
        self.reference.setAccessibleName("Reference")
        self.strip, self.scene = StageStrip(), CompareScene()
        self.strip.setAccessibleName("One beside the other")
        self.strip.setToolTip("Drag to turn them all.")
        self.in_one_scene = QCheckBox("In One Scene")
        self.in_one_scene.setToolTip("All skeletons in one place, each in its colour.")
        self.on_timeline = QCheckBox("On the Timeline")
        self.on_timeline.setChecked(True)
        self.on_timeline.setToolTip("A lane with the distance between the models.")
        self.next_button = QPushButton("Next Disagreement")
        self.next_button.setToolTip("Go to the next frame in which the models differ most.")
        self.joints = NumberTable("Joint", JOINT_NAMES)
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        controls = QHBoxLayout()
        for widget in (self.choice, self.in_one_scene, self.on_timeline):
            controls.addWidget(widget)
        controls.addStretch()
        controls.addWidget(QLabel("Reference:"))
        controls.addWidget(self.reference)
        controls.addWidget(self.next_button)
        self._pictures = QStackedWidget()
        self._pictures.addWidget(self.strip)
        self._pictures.addWidget(self.scene)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        split.addWidget(self._pictures)
        split.addWidget(self.joints)
        split.setSizes([380, 260])
        layout = QVBoxLayout(self.body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(controls)
        layout.addWidget(split, 1)

    def _connect(self) -> None:
        self._menu.aboutToShow.connect(self._fill_menu)
        self.reference.activated.connect(self.refresh)
        self.in_one_scene.toggled.connect(
            lambda is_on: self._pictures.setCurrentWidget(self.scene if is_on else self.strip)
        )
        self.on_timeline.toggled.connect(self._on_lane_toggled)
        self.next_button.clicked.connect(lambda: self.go_to_next(1))
        self.strip.turned.connect(self.scene.set_orbit)
        self.scene.turned.connect(self.strip.set_orbit)

    # -- choices ---------------------------------------------------------------------------

    def shown(self, subject: Subject) -> list[Key]:
        """What is shown: what was chosen as far as it is there, else the newest of each model."""
        available = _available(subject)
        if self._chosen is not None:
            chosen = [key for key in self._chosen if key in available]
            if len(chosen) > 1:
                return chosen
        answers = [(name, len(run.poses.stages) - 1) for name, run in subject.track.runs.items()]
        answers = [key for key in answers if key[0] != subject.model]
        now = (subject.model, len(subject.stages) - 1)
        truth = [TRUTH] if TRUTH in available else []
        wanted = [*truth, now, *answers]
        wanted += [key for key in available if key not in wanted and key[0] == subject.model]
        return wanted[: max(2, min(MOST, len(truth) + 1 + len(answers)))]

    def choose(self, key: Key, is_shown: bool) -> None:
        """Show or hide one of the models, stages, or the truth."""
        subject = self.bench.focus.current
        if subject is None:
            return
        others = [each for each in self.shown(subject) if each != key]
        self._chosen = [*others, key] if is_shown else others
        self.refresh()

    def _fill_menu(self) -> None:
        self._menu.clear()
        subject = self.bench.focus.current
        if subject is None:
            return
        shown = self.shown(subject)
        for key, title in _available(subject).items():
            action = self._menu.addAction(title)
            action.setCheckable(True)
            action.setChecked(key in shown)
            # Two at least, or there is nothing to compare.
            action.setEnabled(len(shown) > 2 if key in shown else len(shown) < MOST)
            action.toggled.connect(lambda is_on, key=key: self.choose(key, is_on))

    def _reference_of(self, keys: list[Key], subject: Subject) -> Key:
        """The chosen reference, offered among what is shown."""
        available = _available(subject)
        titles, chosen = [available[key] for key in keys], self.reference.currentText()
        if titles != [self.reference.itemText(i) for i in range(self.reference.count())]:
            self.reference.clear()
            self.reference.addItems(titles)
            self.reference.setCurrentIndex(titles.index(chosen) if chosen in titles else 0)
        return keys[self.reference.currentIndex()]

    # -- hooks -----------------------------------------------------------------------------

    def obstacle(self, subject: Subject) -> Obstacle | None:
        if len(_available(subject)) > 1:
            return None
        return Obstacle(
            f"There is nothing to compare {title_of(subject.model)} with",
            "Choose another model in the menu Models, then Pose &gt; 3D Again from the Same 2D.",
        )

    def inputs(self, subject: Subject) -> tuple:
        keys = self.shown(subject)
        reference = self._reference_of(keys, subject)
        return (subject.track, subject.truth, tuple(keys), reference)

    def compute(self, subject: Subject, inputs: tuple) -> Compared:
        _, _, keys, reference = inputs
        titles = _available(subject)
        poses = np.stack([_poses(subject, key) for key in keys])
        standard = poses[keys.index(reference)]
        answers = poses[[key != TRUTH for key in keys]]
        return Compared(
            tuple(titles[key] for key in keys),
            poses,
            np.stack([mpjpe(each, standard) for each in poses]),
            np.stack([pa_mpjpe(each, standard) for each in poses]),
            keys.index(reference),
            1000 * disagreement(answers if len(answers) > 1 else poses),
        )

    def show_result(self, subject: Subject, result: object) -> None:
        assert isinstance(result, Compared)
        self.lanes.show(subject, result, lambda: self._lane(result))
        if not self.isVisible():
            return
        frame, level = subject.frame, self.bench.skeleton.level
        # A body as large in every frame, whatever its pose.
        sample = result.poses[:, :: max(result.poses.shape[1] // 200, 1)]
        views = [
            StageView(title, result.poses[index, frame], self._facts(result, index, frame))
            for index, title in enumerate(result.titles)
        ]
        # The thin skeleton has the colour of the truth: nothing else may have it.
        is_truth = result.titles[result.reference] == TRUTH[0]
        truth = result.poses[result.reference, frame] if is_truth else None
        self.strip.set_scene(level, sample)
        self.strip.show_stages(tuple(views), result.reference, truth)
        self.scene.set_scene(level, sample)
        self.scene.show_poses(self._coloured(result, frame))
        # Several lines: a column need not be wider than its numbers for the sake of its name.
        self.joints.set_columns([name.replace(", ", ",\n") for name in self._columns(result)])
        self.joints.set_numbers(self._numbers(result, frame))

    def go_to_next(self, direction: int) -> None:
        """Go to the next frame in which the models differ most; from the last to the first."""
        if isinstance(self.result, Compared):
            frames = peaks(self.result.disagreement_mm)
            navigation.go_around(self.bench.context.view_state, frames, direction)

    def table(self) -> Table:
        subject, result = self.bench.focus.current, self.result
        assert subject is not None
        assert isinstance(result, Compared)
        numbers = self._numbers(result, subject.frame).tolist()
        rows = [[name, *row] for name, row in zip(JOINT_NAMES, numbers, strict=True)]
        return Table(["joint", *self._columns(result)], rows)

    # -- showing ---------------------------------------------------------------------------

    def _on_lane_toggled(self) -> None:
        self.lanes.remove()
        self.refresh()

    def _lane(self, result: Compared) -> list[Lane]:
        if not self.on_timeline.isChecked():
            return []
        apart_mm = result.disagreement_mm
        top = lane_top_mm(apart_mm)
        return [Lane(LANE, apart_mm, "curve", LANE_COLOUR, (0.0, top), unit="mm", is_high_bad=True)]

    def _coloured(self, result: Compared, frame: int) -> tuple[ColouredPose, ...]:
        """The truth in its own colour, the others in those of curves."""
        found, others = [], 0
        for index, (title, poses) in enumerate(zip(result.titles, result.poses, strict=True)):
            fact = self._facts(result, index, frame)[0]
            colour, style = QColor(*TRUTH_RGB), Qt.PenStyle.SolidLine
            if title != TRUTH[0]:
                colour, style = QColor(*SERIES_COLOURS[others]), DASHES[others]
                others += 1
            found.append(ColouredPose(f"{title}: {fact}", poses[frame], colour, style))
        return tuple(found)

    @staticmethod
    def _facts(result: Compared, index: int, frame: int) -> tuple[str, ...]:
        if index == result.reference:
            return ("reference",)
        plain, aligned = result.mpjpe_mm[index], result.pa_mpjpe_mm[index]
        return (
            f"MPJPE {_text(plain[frame])} mm",
            f"PA {_text(aligned[frame])} mm",
            f"clip {_text(plain)}, PA {_text(aligned)}",
        )

    @staticmethod
    def _compared(result: Compared) -> list[int]:
        return [k for k in range(len(result.titles)) if k != result.reference]

    def _columns(self, result: Compared) -> list[str]:
        titles = [result.titles[k] for k in self._compared(result)]
        return [f"{title}{kind} (mm)" for title in titles for kind in ("", ", PA")]

    def _numbers(self, result: Compared, frame: int) -> np.ndarray:
        """(17, columns) distances by joint."""
        parts = [
            errors[k, frame]
            for k in self._compared(result)
            for errors in (result.mpjpe_mm, result.pa_mpjpe_mm)
        ]
        return np.stack(parts, axis=1)


def _available(subject: Subject) -> dict[Key, str]:
    """All that can be shown, with a title."""
    found: dict[Key, str] = {}
    if subject.truth_xyz is not None:
        found[TRUTH] = "truth"
    for name, run in subject.track.runs.items():
        names, title = stage_names_of(run), title_of(name)
        for stage, words in enumerate(names):
            found[name, stage] = f"{title}, {words}" if len(names) > 1 else title
    return found


def _poses(subject: Subject, key: Key) -> np.ndarray:
    """(T, 17, 3) float64, relative to the pelvis."""
    if key == TRUTH:
        assert subject.truth_xyz is not None
        xyz = subject.truth_xyz
    else:
        xyz = subject.track.runs[key[0]].poses.stages[key[1]]
    xyz = np.asarray(xyz, np.float64)
    return xyz - xyz[:, :1]


def _text(errors_mm: np.ndarray) -> str:
    known = errors_mm[np.isfinite(errors_mm)]
    return f"{known.mean():.1f}" if len(known) else "\N{EN DASH}"
