"""Curves: what is drawn, the playhead, clicks, and which models are shown."""

import csv

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt

from pose_core.analysis.curves import QUANTITIES, joint_curves
from pose_core.skeleton import H36M_17

KNEE = H36M_17.index("left_knee")


@pytest.fixture
def panel(lab):
    return lab.open("curves")


def choose(lab, panel, joint, quantity):
    panel.joint.setCurrentIndex(joint)
    panel.quantity.setCurrentIndex(panel.quantity.findData(quantity))
    lab.settle(panel)


def drawn(panel):
    """By name, the curves (T, C) that are on the plots."""
    columns = {}
    for plot in panel.plots.plots:
        for curve in plot.listDataItems():
            columns.setdefault(curve.name(), []).append(curve.getOriginalDataset()[1])
    return {name: np.stack(values, axis=1) for name, values in columns.items()}


def test_every_quantity_is_that_of_the_analysis_for_all_models_and_the_truth(lab, panel):
    times_s, track = lab.session.clip.times_s, lab.track
    truth = lab.session.truth.poses
    for is_relative in (True, False):
        panel.relative.setChecked(is_relative)
        for quantity in ("position", "speed", "acceleration", "angle"):
            choose(lab, panel, KNEE, quantity)
            curves = drawn(panel)
            poses = {
                "fine, fit": track.runs["fine"].poses,
                "rough": track.runs["rough"].poses,
                "truth": truth,
            }
            assert set(curves) == set(poses)
            for name, each in poses.items():
                xyz = each.xyz.astype(float) - each.xyz[:, :1]
                if not is_relative:
                    xyz = xyz + each.root[:, None].astype(float)
                expected = joint_curves(xyz, times_s, KNEE, quantity)
                np.testing.assert_allclose(curves[name], expected, rtol=1e-6, atol=1e-9)
            label = panel.plots.plots[0].getAxis("left").labelText
            assert f"({QUANTITIES[quantity].unit})" in label
    choose(lab, panel, KNEE, "confidence")
    np.testing.assert_allclose(drawn(panel)["keypoints"], track.keypoints.scores[:, [KNEE]])


def test_the_curve_of_the_shown_model_follows_its_stage(lab, panel, qtbot):
    qtbot.keyClick(lab.window, "{")
    lab.settle(panel)
    first = lab.run.poses.stages[0].astype(float)
    expected = (first - first[:, :1])[:, panel.joint.currentData()]
    np.testing.assert_allclose(drawn(panel)["fine, rough"], expected)


def test_a_joint_without_an_angle_offers_none(lab, panel):
    choose(lab, panel, KNEE, "angle")
    panel.joint.setCurrentIndex(H36M_17.index("left_wrist"))
    assert panel.quantity.currentData() != "angle"
    item = panel.quantity.model().item(panel.quantity.findData("angle"))
    assert not item.isEnabled()
    lab.settle(panel)
    assert "Frame" in panel.reading.text()


def test_the_playhead_is_at_the_frame_and_a_click_seeks(lab, panel, qtbot):
    times_s = lab.session.clip.times_s
    lab.state.set_frame(40)
    plot = panel.plots.plots[1]
    assert [line.value() for line in panel._lines] == [pytest.approx(times_s[40])] * 3
    assert panel.reading.text().startswith("Frame 40,")
    y = np.mean(plot.viewRange()[1])
    scene_point = plot.vb.mapViewToScene(QPointF(float(times_s[90]), y))
    at = panel.plots.mapFromScene(scene_point)
    qtbot.mouseClick(panel.plots.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert abs(lab.state.frame - 90) <= 1
    assert panel._lines[0].value() == pytest.approx(times_s[lab.state.frame])


def test_models_are_shown_and_hidden_from_the_menu(lab, panel):
    menu = panel.models.menu()
    menu.aboutToShow.emit()
    names = [action.text() for action in menu.actions()]
    assert names == ["rough", "fine", "truth"]
    menu.actions()[0].trigger()
    menu.actions()[2].trigger()
    lab.settle(panel)
    assert set(drawn(panel)) == {"fine, fit"}
    menu.aboutToShow.emit()
    assert [action.isChecked() for action in menu.actions()] == [False, True, False]


def test_the_numbers_are_exported(lab, panel, export_to):
    choose(lab, panel, KNEE, "speed")
    rows = list(csv.DictReader(export_to(panel, "csv").read_text().splitlines()[2:]))
    assert len(rows) == lab.session.clip.num_frames
    speed = [float(row["fine, fit (m/s)"]) for row in rows]
    np.testing.assert_allclose(speed, drawn(panel)["fine, fit"][:, 0])
    assert float(rows[7]["time (s)"]) == pytest.approx(lab.session.clip.times_s[7])


def test_a_drawing_has_the_letters_of_the_axes(lab, panel, export_to):
    """Also after the screen has kept pictures of them."""
    panel.grab()
    svg = export_to(panel, "svg").read_text(encoding="utf-8")
    for plot in panel.plots.plots:
        assert f">{plot.getAxis('left').labelText} <" in svg
