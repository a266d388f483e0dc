"""Loss surfaces: what each loss says as one joint moves, and moving it there."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QLabel,
    QPushButton,
    QSplitter,
    QVBoxLayout,
)

from app.laboratory.files import Table
from app.laboratory.focus import Subject
from app.laboratory.number_table import NumberTable
from app.laboratory.panel import Bench, LabPanel, Obstacle
from app.laboratory.surface3d import Surface3D
from app.laboratory.surface_map import Marker, SurfaceMap
from app.laboratory.surface_strip import SurfaceStrip
from app.operations import edit_poses
from app.widgets.flow import FlowLayout
from pose_core.skeleton import H36M_17

if TYPE_CHECKING:  # imports torch, which would stop the window for a second
    from pose_core.analysis.loss_surface import LossSurface

FIRST_JOINT = H36M_17.index("left_elbow")
PLANES = {"x and z, as in Fig. 4": ("x", "z"), "x and y": ("x", "y"), "z and y": ("z", "y")}
AXES = ("x", "y", "z")
SMALLEST_REACH_M = 0.5
STEPS = 61
# The four of Fig. 4, of which the first and the last are one term alone, and the other terms.
TITLES = {
    "2d": "2D",
    "2d + symmetry": "2D + sym.",
    "2d + symmetry + angle": "2D + sym. + angle",
    "3d": "3D",
    "symmetry": "sym. alone",
    "angle": "angle alone",
    "geometry": "geom. alone",
}


@dataclass(frozen=True, eq=False)
class Surfaces:
    """The result of the panel at one frame.

    Parameters
    ----------
    surface : LossSurface
    pose : (17, 3) ndarray
        Where the other joints are.
    answer, target : (17, 3) ndarray
        The last stage, and what the losses compare with.
    losses : (losses, markers) ndarray
        At the places of the stages and of the truth.
    markers : tuple of Marker
    """

    surface: "LossSurface"
    pose: np.ndarray
    answer: np.ndarray
    target: np.ndarray
    losses: np.ndarray
    markers: tuple[Marker, ...]

    @property
    def by_name(self) -> dict[str, np.ndarray]:
        """(N, M) losses in the order of `TITLES`."""
        known = {**self.surface.surfaces, **self.surface.terms}
        return {name: known[name] for name in TITLES}


class LossSurfacePanel(LabPanel):
    """Map and 3D surface of a loss; the answer's joint can be dragged on the map."""

    title = "Loss surface"
    explanation = "What the losses say as one joint moves. Drag the round marker to move it."
    equation = (
        "Learning 3D Human Pose from Structure and Motion, Fig. 4 and Eq. (1) to (3): "
        "<b>2D</b>: &Sigma;<sub>j</sub> (&Delta;x<sup>2</sup> + &Delta;y<sup>2</sup>); "
        "<b>symmetry</b> L<sub>s</sub> = &Sigma; |&Vert;<b>b</b><sub>left</sub>&Vert; &minus; "
        "&Vert;<b>b</b><sub>right</sub>&Vert;|; "
        "<b>angle</b> L<sub>a</sub> = &Sigma; E e<sup>E</sup> with "
        "E = max(0, &minus;<b>n</b> &middot; <b>v</b>) for elbows and knees; "
        "<b>geometry</b> L<sub>g</sub>: variance of bone length by canonical length within a "
        "group of bones; <b>3D</b>: &Sigma;<sub>j</sub> &Vert;&Delta;<b>x</b>&Vert;<sup>2</sup>. "
        "All with weight 1."
    )

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.joint = QComboBox()
        for index, name in enumerate(H36M_17.joint_names):
            if index:  # the pelvis is the origin
                self.joint.addItem(name.replace("_", " ").capitalize(), index)
        self.joint.setCurrentIndex(self.joint.findData(FIRST_JOINT))
        self.joint.setMaxVisibleItems(H36M_17.num_joints)
        self.plane = QComboBox()
        self.plane.addItems(list(PLANES))
        self.around_truth = QCheckBox("Other Joints at the Truth")
        self.around_truth.setToolTip("As in Fig. 4. Otherwise they are where the stage has them.")
        self.keep_button = QPushButton("Keep")
        self.keep_button.setToolTip("Make the move an edit, which can be undone.")
        self.revert_button = QPushButton("Revert")
        self.revert_button.setToolTip("Put the joint back (Esc).")
        self.strip = SurfaceStrip(TITLES)
        self.map = SurfaceMap()
        self.surface3d = Surface3D()
        self.losses = NumberTable("Loss", list(TITLES.values()), decimals=4)
        self.note = QLabel(wordWrap=True)
        self.note.setProperty("faint", True)
        self._loss = next(iter(TITLES))
        self._moved: np.ndarray | None = None  # the answer with the dragged joint
        self._shown: object | None = None
        self._lay_out()
        self._connect()
        self._set_moved(None)

    def _lay_out(self) -> None:
        buttons = (self.keep_button, self.revert_button)
        controls = FlowLayout(self.joint, self.plane, self.around_truth, *buttons)
        split = QSplitter(Qt.Orientation.Horizontal)
        for widget in (self.map, self.surface3d, self.losses):
            split.addWidget(widget)
        split.setSizes([280, 220, 200])
        layout = QVBoxLayout(self.body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(controls)
        layout.addWidget(self.strip)
        layout.addWidget(split, 1)
        layout.addWidget(self.note)

    def _connect(self) -> None:
        self.joint.currentIndexChanged.connect(self._on_choice)
        self.plane.currentIndexChanged.connect(self._on_choice)
        self.around_truth.toggled.connect(self._on_choice)
        self.strip.chosen.connect(self.choose_loss)
        self.map.dragged.connect(self._on_dragged)
        self.keep_button.clicked.connect(self.keep)
        self.revert_button.clicked.connect(self.revert)
        self.bench.context.view_state.frame_changed.connect(self.revert)
        self.bench.context.view_state.stage_changed.connect(self.revert)

    # -- hooks -----------------------------------------------------------------------------

    def obstacle(self, subject: Subject) -> Obstacle | None:
        if np.isfinite(subject.stages[:, subject.frame]).all():
            return None
        return Obstacle(
            f"There is no whole pose in frame {subject.frame}",
            "Go to a frame in which the person was found (N and the arrow keys move).",
        )

    def inputs(self, subject: Subject) -> tuple:
        axes = PLANES[self.plane.currentText()]
        choice = self.joint.currentData(), axes, self.around_truth.isChecked()
        return (subject.run, subject.truth, subject.stage, subject.frame, *choice)

    def compute(self, subject: Subject, inputs: tuple) -> Surfaces:
        from pose_core.analysis.loss_surface import loss_surface, losses_of  # noqa: PLC0415

        *_, joint, axes, is_around_truth = inputs
        stages = subject.stages[:, subject.frame].astype(np.float64)
        stages = stages - stages[:, :1]
        truth = _true_pose(subject)
        target = stages[-1] if truth is None else truth
        pose = target if is_around_truth else stages[subject.stage]
        places = [*stages, *([] if truth is None else [truth])]
        names = [f"{k + 1}" for k in range(len(stages))] + ["truth"]
        columns = [AXES.index(axis) for axis in axes]
        markers = tuple(
            Marker(name, (float(x), float(y)), name == "truth")
            for name, (x, y) in zip(names, (p[joint, columns] for p in places), strict=False)
        )
        offsets = [np.abs(np.subtract(m.place, target[joint, columns])).max() for m in markers]
        reach_m = max(SMALLEST_REACH_M, 1.2 * max(offsets))
        surface = loss_surface(pose, target, joint, axes=axes, reach_m=reach_m, steps=STEPS)
        terms, sums = losses_of(np.stack(places), target)
        losses = np.stack([{**sums, **terms}[name] for name in TITLES])
        return Surfaces(surface, pose, stages[-1], target, losses, markers)

    def show_result(self, subject: Subject, result: object) -> None:
        assert isinstance(result, Surfaces)
        if result is self._shown:
            return
        self._shown = result
        surface = result.surface
        self.map.show_plane(surface.axes, surface.first_m, surface.second_m)
        self._show_loss(result)
        self.map.show_markers([m for m in result.markers if m is not self._answer(result)])
        self._show_target(result)
        self._show_losses(result)
        self.around_truth.setEnabled(subject.truth is not None)
        self.note.setText(self._note(subject, result))

    def clear(self) -> None:
        self._shown = None
        self._set_moved(None)

    def on_hidden(self) -> None:
        self.revert()

    def table(self) -> Table:
        result = self._surfaces
        assert result is not None
        surface = result.surface
        names = list(result.by_name)
        header = [f"{axis} (m)" for axis in surface.axes] + names
        columns = [values.ravel() for values in result.by_name.values()]
        first = np.repeat(surface.first_m, len(surface.second_m))
        second = np.tile(surface.second_m, len(surface.first_m))
        return Table(header, np.stack([first, second, *columns], axis=1).tolist())

    # -- showing ---------------------------------------------------------------------------

    @property
    def _surfaces(self) -> Surfaces | None:
        return self.result if isinstance(self.result, Surfaces) else None

    def choose_loss(self, name: str) -> None:
        """Show one of the losses on the map and in 3D."""
        self._loss = name
        if self._surfaces is not None:
            self._show_loss(self._surfaces)

    def _on_choice(self) -> None:
        self.revert()
        self.refresh()

    def _show_loss(self, result: Surfaces) -> None:
        surface, values = result.surface, result.by_name[self._loss]
        self.map.show_values(values)
        self.surface3d.show_surface(surface.axes, surface.first_m, surface.second_m, values)
        self.strip.show_surfaces(result.by_name, self._loss, flips=surface.axes[1] == "y")

    @staticmethod
    def _answer(result: Surfaces) -> Marker:
        return [marker for marker in result.markers if not marker.is_truth][-1]

    def _show_target(self, result: Surfaces) -> None:
        """Put the round marker where the answer is, or where it was dragged to."""
        answer = self._answer(result)
        if self._moved is not None:
            columns = [AXES.index(axis) for axis in result.surface.axes]
            x, y = self._moved[result.surface.joint, columns].tolist()
            answer = Marker(answer.name, (x, y))
        self.map.place_target(answer.place, self._can_move(result))
        others = [marker for marker in result.markers if marker is not self._answer(result)]
        self.surface3d.show_markers(others, answer)

    @staticmethod
    def _can_move(result: Surfaces) -> bool:
        """Whether the map is that of the answer, so that the joint can be moved on it."""
        return bool(np.array_equal(result.pose, result.answer))

    def _show_losses(self, result: Surfaces) -> None:
        names = ["truth" if m.is_truth else f"stage {m.name}" for m in result.markers]
        numbers = result.losses
        if self._moved is not None:
            from pose_core.analysis.loss_surface import losses_of  # noqa: PLC0415

            terms, sums = losses_of(self._moved, result.target)
            moved = np.array([float({**sums, **terms}[name]) for name in TITLES])
            numbers = np.concatenate([moved[:, None], numbers], axis=1)
            names = ["moved", *names]
        self.losses.set_columns(names)
        self.losses.set_numbers(numbers)

    def _note(self, subject: Subject, result: Surfaces) -> str:
        if _true_pose(subject) is None:
            words = "No truth is known here: 2D and 3D compare with the answer of the model itself."
        else:
            words = "2D and 3D compare with the truth, which is in the middle of the map."
        if not self._can_move(result):
            words += " To move the joint, go to the last stage and its own joints."
        return words

    # -- moving ----------------------------------------------------------------------------

    def _on_dragged(self, first_m: float, second_m: float) -> None:
        result = self._surfaces
        if result is None or not self._can_move(result):
            return
        moved = result.answer.copy()
        for axis, value in zip(result.surface.axes, (first_m, second_m), strict=True):
            moved[result.surface.joint, AXES.index(axis)] = value
        self._set_moved(moved)
        self._show_target(result)
        self._show_losses(result)

    def _set_moved(self, moved: np.ndarray | None) -> None:
        """Show the moved pose in 3D and on the picture; None shows the answer again."""
        had_moved, self._moved = self._moved is not None, moved
        for widget in (self.keep_button, self.revert_button):
            widget.setEnabled(moved is not None)
        unkept = self.bench.context.unkept
        if moved is None:
            unkept.release(self.revert)
        else:
            unkept.hold(self.revert)
        subject = self.bench.focus.current
        if moved is None or subject is None:
            if had_moved:
                self.bench.skeleton.set_preview(None)
                self.bench.video.set_projection(0, None)
            return
        camera_xyz = moved + subject.root
        self.bench.skeleton.set_preview(camera_xyz)
        self.bench.video.set_projection(subject.frame, subject.camera.project(camera_xyz))

    def revert(self) -> None:
        """Forget the move."""
        if self._moved is None:
            return
        self._set_moved(None)
        if self._surfaces is not None:
            self._show_target(self._surfaces)
            self._show_losses(self._surfaces)

    def keep(self) -> None:
        """Make the move an edit of the answer at this frame."""
        subject, moved, result = self.bench.focus.current, self._moved, self._surfaces
        if subject is None or moved is None or result is None:
            return
        self._set_moved(None)
        # Only the moved joint: the others stay what they are, bit by bit.
        pose = subject.stages[-1, subject.frame].copy()
        joint = result.surface.joint
        pose[joint] = moved[joint] + pose[0]
        edit_poses.set_pose(self.bench.context, subject.track, subject.model, subject.frame, pose)


def _true_pose(subject: Subject) -> np.ndarray | None:
    """(17, 3) truth at the frame, relative to its pelvis; None where it is not known."""
    if subject.truth_xyz is None:
        return None
    pose = subject.truth_xyz[subject.frame].astype(np.float64)
    return pose - pose[:1] if np.isfinite(pose).all() else None
