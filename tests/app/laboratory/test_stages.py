"""Stages: the numbers shown, the ghost and arrows in the other views, lane and keys."""

import csv

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage, QRegion
from PySide6.QtSvg import QSvgRenderer

from app.dialogs.error_dialog import ErrorDialog
from app.laboratory.stages import LANE, between
from pose_core.analysis.stage_movement import stage_movement
from pose_core.camera import Camera


@pytest.fixture
def panel(lab):
    return lab.open("stages")


def test_table_curve_and_strip_show_the_numbers_of_the_analysis(lab, panel):
    expected = stage_movement(lab.run.poses.stages, lab.session.truth.poses.xyz)
    for frame in (lab.state.frame, 10):
        lab.go_to(frame, panel)
        moved, error = expected.displacement[:, frame], expected.error[:, frame]
        for joint in (0, 5, 16):
            shown = [panel.joints.number(joint, column) for column in range(5)]
            np.testing.assert_allclose(shown, 1000 * np.r_[moved[:, joint], error[:, joint]])
        curves = {curve.name(): curve.getData() for curve in panel.curve.plots[0].listDataItems()}
        np.testing.assert_allclose(curves["movement"][1], 1000 * moved.mean(axis=1))
        np.testing.assert_allclose(curves["error"][1], 1000 * error.mean(axis=1))
        np.testing.assert_array_equal(curves["error"][0], [1, 2, 3])
        first, _, last = panel.strip.views
        assert (first.name, last.name) == ("1  rough", "3  fit")
        moved_mm, error_mm = 1000 * moved[1].mean(), 1000 * error[2].mean()
        assert last.facts == (f"moved {moved_mm:.1f} mm", f"error {error_mm:.1f} mm")
        np.testing.assert_array_equal(last.xyz, lab.run.poses.stages[2, frame])


def test_a_joint_chosen_in_the_table_has_its_own_curve(lab, panel):
    names = [panel.joints.item(row, 0).text() for row in range(17)]
    panel.joints.selectRow(names.index("left wrist"))
    lab.settle(panel)
    (movement, _) = panel.curve.plots[0].listDataItems()
    wrist = stage_movement(lab.run.poses.stages).displacement[:, lab.state.frame, 13]
    np.testing.assert_allclose(movement.getData()[1], 1000 * wrist)
    assert "left wrist" in panel.curve.plots[0].getAxis("left").labelText


def test_brackets_move_strip_3d_view_and_picture(lab, panel, qtbot):
    window, frame = lab.window, lab.state.frame
    poses, root = lab.run.poses.stages[:, frame], lab.run.poses.root[frame]
    clip = lab.session.clip
    for key, stage in (("[", 1), ("[", 0), ("]", 1), ("]", 2)):
        qtbot.keyClick(window, key)
        lab.settle(panel)
        assert panel.strip._current == stage
        shown = window.skeleton._people[0].camera_xyz[frame]
        np.testing.assert_allclose(shown, poses[stage] + root, atol=1e-6)
        camera = Camera.assumed(clip.width, clip.height, lab.session.focal_px)
        drawn_frame, xy = window.video._projection
        assert drawn_frame == frame
        np.testing.assert_allclose(xy, camera.project(poses[stage] + root), rtol=1e-5)
        if stage == 0:
            assert window.skeleton._ghost == []
            assert len(window.skeleton._arrows) == 0
        else:
            np.testing.assert_allclose(window.skeleton._ghost[0], poses[stage - 1] + root)
            ends = np.stack([poses[stage - 1] + root, poses[stage] + root], axis=1)
            np.testing.assert_allclose(window.skeleton._arrows, ends)


def test_a_click_on_the_strip_chooses_the_stage_and_a_drag_turns(lab, panel, qtbot):
    left = Qt.MouseButton.LeftButton
    qtbot.mouseClick(panel.strip, left, pos=panel.strip.cell(0).center().toPoint())
    assert lab.state.stage == 0
    before = panel.strip.grab().toImage()
    start = panel.strip.cell(1).center().toPoint()
    qtbot.mousePress(panel.strip, left, pos=start)
    qtbot.mouseMove(panel.strip, start + type(start)(40, 0))
    qtbot.mouseMove(panel.strip, start + type(start)(80, 0))
    qtbot.mouseRelease(panel.strip, left, pos=start + type(start)(80, 0))
    assert lab.state.stage == 0
    assert panel.strip.grab().toImage() != before


def test_what_the_panel_draws_in_other_views_goes_with_it(lab, panel):
    window = lab.window
    for box, is_there in (
        (panel.ghost, lambda: bool(window.skeleton._ghost)),
        (panel.arrows, lambda: len(window.skeleton._arrows) > 0),
        (panel.projection, lambda: window.video._projection is not None),
        (panel.on_timeline, lambda: LANE in window.timeline._lanes),
    ):
        assert is_there()
        box.click()
        assert not is_there()
        box.click()
        assert is_there()
    window.workspace._laboratory.close()
    assert not window.skeleton._ghost
    assert len(window.skeleton._arrows) == 0
    assert window.video._projection is None


def test_the_lane_has_the_movement_and_the_key_goes_to_its_peaks(lab, panel, qtbot):
    expected = stage_movement(lab.run.poses.stages)
    lane = lab.window.timeline._lanes[LANE]
    np.testing.assert_allclose(lane.values, 1000 * expected.per_frame, rtol=1e-5)
    frames = expected.disagreements()
    assert len(frames) > 1
    lab.state.set_frame(0)
    visited = []
    for _ in range(len(frames) + 1):
        qtbot.keyClick(lab.window, "D")
        visited.append(lab.state.frame)
    assert visited == [*frames, frames[0]]


def test_the_key_works_before_the_panel_was_ever_opened(lab, qtbot):
    lab.state.set_frame(0)
    qtbot.keyClick(lab.window, "D")
    first = stage_movement(lab.run.poses.stages).disagreements()[0]
    qtbot.waitUntil(lambda: lab.state.frame == first)
    assert not lab.window.skeleton._ghost  # nobody sees the panel


def test_morphing_ends_where_it_began(lab, panel, qtbot):
    frame, skeleton = lab.state.frame, lab.window.skeleton
    stages = lab.run.poses.stages[:, frame]
    shown = []
    panel._morph.valueChanged.connect(lambda _: shown.append(skeleton._people[0].preview[1]))
    panel.morph_button.click()
    panel._morph.setCurrentTime(panel._morph.duration() // 2)
    halfway = stages[1] + lab.run.poses.root[frame]
    np.testing.assert_allclose(shown[-1], halfway, atol=1e-5)
    panel._morph.setCurrentTime(panel._morph.duration())
    qtbot.waitUntil(lambda: skeleton._people[0].preview is None)
    panel.morph_button.click()
    lab.state.set_frame(frame + 1)  # another frame ends it
    assert skeleton._people[0].preview is None


def test_between_two_stages_is_the_straight_way():
    stages = np.random.default_rng(0).normal(size=(3, 17, 3))
    np.testing.assert_allclose(between(stages, 0.25), 0.75 * stages[0] + 0.25 * stages[1])
    np.testing.assert_allclose(between(stages, 2.0), stages[2])


def test_a_frame_without_a_person_has_dashes(lab, panel):
    lab.go_to(3, panel)
    assert panel.joints.item(0, 1).text() == "\N{EN DASH}"


def test_a_model_of_one_stage_says_what_to_do(lab, panel):
    lab.state.set_track(1, "rough", 1)
    assert "one stage" in panel._message.text()
    assert "Again" in panel._message.text()
    assert panel._message.isVisible()
    assert not panel.export_button.isEnabled()
    assert LANE not in lab.window.timeline._lanes
    assert not lab.window.skeleton._ghost
    lab.state.set_track(1, "fine", 3)
    lab.settle(panel)
    assert panel.strip.isVisible()


def test_export_of_picture_drawing_and_numbers(lab, panel, export_to):
    png = QImage(str(export_to(panel, "png")))
    assert png.size() == panel.body.size() * 2
    svg = QSvgRenderer(str(export_to(panel, "svg")))
    assert svg.isValid()
    assert svg.viewBox().size() == panel.body.size()
    lines = export_to(panel, "csv").read_text().splitlines()
    assert lines[0].startswith("# Stages: ")
    assert f"frame {lab.state.frame}" in lines[1]
    rows = list(csv.DictReader(lines[2:]))
    expected = stage_movement(lab.run.poses.stages).displacement[1, lab.state.frame]
    assert [float(row["2 to 3 (mm)"]) for row in rows] == pytest.approx(1000 * expected)


def test_an_export_that_fails_is_told(lab, panel, tmp_path):
    panel.export(tmp_path / "missing" / "a.csv", "csv")
    dialog = lab.window.findChild(ErrorDialog)
    assert "missing" in dialog.text()
    dialog.close()


def test_the_equation_is_shown_on_demand(panel):
    assert not panel._equation.isVisible()
    panel.equation_button.click()
    assert panel._equation.isVisible()
    assert "Eq. (2)" in panel._equation.text()


def test_another_stage_repaints_the_borders_that_change(lab, panel, monkeypatch):
    lab.state.set_stage(2)
    lab.settle(panel)
    before, regions = panel.strip.grab().toImage(), QRegion()

    def note(region):
        nonlocal regions
        regions |= region

    monkeypatch.setattr(panel.strip, "update", note)
    lab.state.set_stage(1)
    lab.settle(panel)
    after = panel.strip.grab().toImage()
    ratio = panel.strip.devicePixelRatioF()
    places = [(x, y) for x in range(after.width()) for y in range(after.height())]
    changed = [at for at in places if after.pixel(*at) != before.pixel(*at)]
    assert changed
    assert all(regions.contains(QPoint(int(x / ratio), int(y / ratio))) for x, y in changed)
    assert not regions.contains(panel.strip.cell(1).center().toPoint())
