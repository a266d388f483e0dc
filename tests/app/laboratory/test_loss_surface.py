"""Loss surfaces: maps and losses shown, dragging the joint, keeping it, undoing that."""

import csv

import numpy as np
import pyqtgraph as pg
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication

from app.commands import SetTruth
from app.laboratory.loss_surface import TITLES
from pose_core.analysis.loss_surface import AXES, loss_surface, losses_of
from pose_core.camera import Camera
from pose_core.skeleton import H36M_17

ELBOW = H36M_17.index("left_elbow")


@pytest.fixture
def panel(lab, monkeypatch):
    # The mouse of a test moves faster than a hand: no move of it may be passed over.
    monkeypatch.setitem(pg.CONFIG_OPTIONS, "mouseRateLimit", 0)
    return lab.open("loss_surface")


def pose_and_truth(lab):
    frame = lab.state.frame
    pose = lab.run.poses.stages[lab.state.stage, frame].astype(float)
    truth = lab.session.truth.poses.xyz[frame].astype(float)
    return pose - pose[:1], truth - truth[:1]


def losses_by_name(*args, **options):
    terms, sums = losses_of(*args, **options)
    return {**sums, **terms}


def drag(panel, to, release=True):
    """Drag the round marker to a place of the map, with the mouse."""
    view = panel.map
    box = view.plots[0].vb

    def send(kind, place, buttons):
        at = QPointF(view.mapFromScene(box.mapViewToScene(QPointF(*place))))
        is_move = kind == QEvent.Type.MouseMove
        button = Qt.MouseButton.NoButton if is_move else Qt.MouseButton.LeftButton
        where = QPointF(view.viewport().mapToGlobal(at.toPoint()))
        event = QMouseEvent(kind, at, where, button, buttons, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(view.viewport(), event)

    start = np.array([panel.map.target.pos().x(), panel.map.target.pos().y()])
    held = Qt.MouseButton.LeftButton
    send(QEvent.Type.MouseMove, start, Qt.MouseButton.NoButton)
    send(QEvent.Type.MouseButtonPress, start, held)
    for share in (0.3, 0.6, 1.0):
        send(QEvent.Type.MouseMove, start + share * (np.array(to) - start), held)
    if release:
        send(QEvent.Type.MouseButtonRelease, to, Qt.MouseButton.NoButton)


def a_place(panel):
    """A place on the map, well away from the answer."""
    surface = panel.result.surface
    return float(surface.first_m[45]), float(surface.second_m[20])


def test_maps_and_losses_are_those_of_the_analysis(lab, panel, qtbot):
    for frame, stage in ((lab.state.frame, 2), (20, 2), (20, 1)):
        lab.state.set_stage(stage)
        lab.go_to(frame, panel)
        pose, truth = pose_and_truth(lab)
        surface = panel.result.surface
        reach = (surface.first_m[-1] - surface.first_m[0]) / 2
        expected = loss_surface(pose, truth, ELBOW, reach_m=reach)
        known = {**expected.surfaces, **expected.terms}
        for name in TITLES:
            qtbot.mouseClick(
                panel.strip,
                Qt.MouseButton.LeftButton,
                pos=panel.strip.cell(name).center().toPoint(),
            )
            np.testing.assert_allclose(panel.map._image.image.T, known[name])
            np.testing.assert_allclose(panel.surface3d._values, known[name])
        np.testing.assert_allclose(surface.first_m.mean(), truth[ELBOW, 0])
        stages = lab.run.poses.stages[:, frame].astype(float)
        at = losses_by_name(np.stack([*(stages - stages[:, :1]), truth]), truth)
        for row, name in enumerate(TITLES):
            shown = [panel.losses.number(row, column) for column in range(4)]
            np.testing.assert_allclose(shown, at[name], atol=1e-12)


def test_joint_and_plane_are_chosen_and_the_truth_may_hold_the_other_joints(lab, panel):
    knee = H36M_17.index("right_knee")
    panel.joint.setCurrentIndex(panel.joint.findData(knee))
    panel.plane.setCurrentText("z and y")
    panel.around_truth.click()
    lab.settle(panel)
    _, truth = pose_and_truth(lab)
    surface = panel.result.surface
    reach = (surface.first_m[-1] - surface.first_m[0]) / 2
    expected = loss_surface(truth, truth, knee, axes=("z", "y"), reach_m=reach)
    np.testing.assert_allclose(surface.surfaces["3d"], expected.surfaces["3d"])
    assert panel.map.plots[0].getAxis("left").labelText == "y, down (m)"
    assert panel.map.plots[0].vb.yInverted()
    assert not panel.map.target.movable
    assert "go to the last stage" in panel.note.text()


def test_the_markers_are_at_the_stages_and_the_truth(lab, panel):
    _, truth = pose_and_truth(lab)
    stages = lab.run.poses.stages[:, lab.state.frame].astype(float)
    stages = stages - stages[:, :1]
    markers = {marker.name: marker.place for marker in panel.result.markers}
    for name, pose in (("1", stages[0]), ("2", stages[1]), ("3", stages[2]), ("truth", truth)):
        np.testing.assert_allclose(markers[name], pose[ELBOW, [0, 2]])
    target = panel.map.target.pos()
    np.testing.assert_allclose([target.x(), target.y()], stages[2][ELBOW, [0, 2]])


def test_dragging_moves_skeleton_overlay_and_losses_and_escape_reverts(lab, panel, qtbot):
    window, frame = lab.window, lab.state.frame
    before, shown_losses = lab.track, panel.losses.columnCount()
    place = a_place(panel)
    drag(panel, place)
    pose, truth = pose_and_truth(lab)
    shown_frame, moved = window.skeleton._people[0].preview
    assert shown_frame == frame
    moved = moved - lab.run.poses.root[frame]
    np.testing.assert_allclose(moved[ELBOW, [0, 2]], place, atol=0.03)  # of a pixel
    rest = [j for j in range(17) if j != ELBOW]
    np.testing.assert_allclose(moved[rest], pose[rest], atol=1e-6)
    clip = lab.session.clip
    camera = Camera.assumed(clip.width, clip.height, lab.session.focal_px)
    expected_xy = camera.project(moved + lab.run.poses.root[frame])
    np.testing.assert_allclose(window.video._projection[1], expected_xy, rtol=1e-5)
    at = losses_by_name(moved, truth)
    for row, name in enumerate(TITLES):
        assert panel.losses.number(row, 0) == pytest.approx(float(at[name]), abs=1e-6)
    assert lab.track is before  # nothing is changed yet
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert window.skeleton._people[0].preview is None
    assert window.video._projection is None
    assert panel.losses.columnCount() == shown_losses
    target = panel.map.target.pos()
    np.testing.assert_allclose([target.x(), target.y()], pose[ELBOW, [0, 2]])
    assert lab.track is before


def test_keep_is_one_edit_of_this_joint_and_undo_restores_every_bit(lab, panel, qtbot):
    frame, before = lab.state.frame, lab.run.poses
    drag(panel, a_place(panel))
    wanted = panel._moved[ELBOW].copy()
    panel.keep_button.click()
    after = lab.run.poses.stages
    changed = np.argwhere((after != before.stages) & ~np.isnan(after))
    assert {tuple(index[:3]) for index in changed} == {(2, frame, ELBOW)}
    np.testing.assert_allclose(after[2, frame, ELBOW], wanted, atol=1e-6)
    note = {"what": "move", "frames": [frame, frame + 1], "joints": [ELBOW]}
    assert lab.run.meta["edits"] == [note]
    assert not panel.keep_button.isEnabled()
    lab.settle(panel)
    assert panel.map.target.pos().x() == pytest.approx(wanted[0])
    lab.window.actions_table["edit.undo"].trigger()
    assert lab.run.poses.stages.tobytes() == before.stages.tobytes()
    assert lab.run.poses.root.tobytes() == before.root.tobytes()
    lab.settle(panel)
    assert panel.map.target.pos().x() == pytest.approx(float(before.stages[2, frame, ELBOW, 0]))


def test_a_move_that_is_not_kept_goes_when_one_looks_elsewhere(lab, panel):
    before, state = lab.track, lab.state
    for look_elsewhere in (
        lambda: state.set_frame(state.frame + 1),
        lambda: panel.joint.setCurrentIndex(0),
        lambda: state.set_stage(0),
        lambda: lab.window.laboratory.setCurrentIndex(0),
    ):
        state.set_stage(2)
        lab.settle(panel)
        drag(panel, a_place(panel))
        assert panel._moved is not None
        look_elsewhere()
        assert panel._moved is None
        assert lab.window.skeleton._people[0].preview is None
        assert lab.track is before


def test_without_truth_it_says_what_the_losses_compare_with(lab, panel):
    document = lab.context.document
    document.undo_stack.push(SetTruth(document, None))
    lab.settle(panel)
    assert "answer of the model itself" in panel.note.text()
    assert not panel.around_truth.isEnabled()
    pose = lab.run.poses.xyz[lab.state.frame].astype(float)
    np.testing.assert_allclose(panel.result.target, pose - pose[:1])


def test_a_frame_without_a_pose_says_so(lab, panel):
    lab.go_to(3, panel)
    assert "no whole pose in frame 3" in panel._message.text()
    assert panel._message.isVisible()
    lab.go_to(20, panel)
    assert panel.map.isVisible()


def test_the_surfaces_are_exported(lab, panel, export_to):
    lines = export_to(panel, "csv").read_text().splitlines()
    row = list(csv.DictReader(lines[2:]))[100]
    pose, truth = pose_and_truth(lab)
    for axis in ("x", "z"):
        pose[ELBOW, AXES.index(axis)] = float(row[f"{axis} (m)"])
    at = losses_by_name(pose, truth)
    assert [float(row[name]) for name in TITLES] == pytest.approx([float(at[n]) for n in TITLES])
