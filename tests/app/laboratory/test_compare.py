"""Compare: distances by joint against a chosen reference, and what is shown."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtSvg import QSvgRenderer

from app.commands import SetTracks, SetTruth
from app.document import Change
from pose_core.geometry import similarity_align


@pytest.fixture
def panel(lab):
    return lab.open("compare")


def poses(lab, key):
    name, stage = key
    run = None if name == "truth" else lab.track.runs[name]
    xyz = lab.session.truth.poses.xyz if run is None else run.poses.stages[stage]
    return xyz.astype(float) - xyz[:, :1]


def titles(panel):
    return [view.name for view in panel.strip.views]


def test_table_and_facts_are_distances_from_the_reference(lab, panel, export_to):
    assert titles(panel) == ["truth", "fine, fit", "rough"]
    for row, reference in enumerate((("truth", 0), ("fine", 2))):
        panel.reference.setCurrentIndex(row)
        panel.reference.activated.emit(row)
        lab.settle(panel)
        keys = [k for k in (("truth", 0), ("fine", 2), ("rough", 0)) if k != reference]
        frame, want = lab.state.frame, poses(lab, reference)
        for column, key in enumerate(keys):
            pose = poses(lab, key)
            plain = 1000 * np.linalg.norm(pose - want, axis=-1)
            known = np.isfinite(plain[:, 0])
            aligned = similarity_align(pose[frame], want[frame])
            pa = 1000 * np.linalg.norm(aligned - want[frame], axis=-1)
            for joint in (0, 6, 13):
                assert panel.joints.number(joint, 2 * column) == pytest.approx(plain[frame, joint])
                assert panel.joints.number(joint, 2 * column + 1) == pytest.approx(pa[joint])
            index = [("truth", 0), ("fine", 2), ("rough", 0)].index(key)
            view = panel.strip.views[index]
            np.testing.assert_allclose(view.xyz, pose[frame])
            moved = similarity_align(pose[known], want[known])
            aligned_mm = 1000 * np.linalg.norm(moved - want[known], axis=-1)
            clip = plain[known].mean(), aligned_mm.mean()
            assert view.facts == (
                f"MPJPE {plain[frame].mean():.1f} mm",
                f"PA {pa.mean():.1f} mm",
                f"clip {clip[0]:.1f}, PA {clip[1]:.1f}",
            )
    rows = list(csv.DictReader(export_to(panel, "csv").read_text().splitlines()[2:]))
    assert float(rows[6]["rough, PA (mm)"]) == pytest.approx(pa[6])


def test_two_to_four_are_shown_as_chosen_in_the_menu(lab, panel):
    def menu():
        panel.choice.menu().aboutToShow.emit()
        return {action.text(): action for action in panel.choice.menu().actions()}

    assert list(menu()) == ["truth", "rough", "fine, rough", "fine, better", "fine, fit"]
    menu()["fine, better"].trigger()
    lab.settle(panel)
    assert titles(panel) == ["truth", "fine, fit", "rough", "fine, better"]
    assert not menu()["fine, rough"].isEnabled()
    for name in ("truth", "rough"):
        menu()[name].trigger()
        lab.settle(panel)
    assert titles(panel) == ["fine, fit", "fine, better"]
    assert panel.reference.currentText() == "fine, fit"
    assert not menu()["fine, fit"].isEnabled()
    assert menu()["fine, rough"].isEnabled()


def test_all_are_in_one_scene_with_their_colours_and_turn_with_the_grid(
    lab, panel, qtbot, export_to
):
    panel.in_one_scene.click()
    assert panel.scene.isVisible()
    assert not panel.strip.isVisible()
    frame, shown = lab.state.frame, panel.scene.poses
    for pose, key in zip(shown, (("truth", 0), ("fine", 2), ("rough", 0)), strict=True):
        np.testing.assert_allclose(pose.xyz, poses(lab, key)[frame])
    plain = 1000 * np.linalg.norm(shown[2].xyz - shown[0].xyz, axis=-1).mean()
    assert [pose.name for pose in shown][::2] == [
        "truth: reference",
        f"rough: MPJPE {plain:.1f} mm",
    ]
    picture = panel.scene.grab().toImage()
    ratio = picture.devicePixelRatio()
    colours = []
    for index in range(3):
        places = [panel.scene.place_of(index, joint) for joint in range(1, 17)]
        found = [picture.pixelColor(round(at.x() * ratio), round(at.y() * ratio)) for at in places]
        # Joints of others may be painted over some.
        assert found.count(shown[index].colour) > 3
        colours.append(shown[index].colour.getRgb())
    assert len(set(colours)) == 3
    before = panel.scene.place_of(1, 16), panel.strip.place_of(1, 16)
    middle = panel.scene.rect().center()
    qtbot.mousePress(panel.scene, Qt.MouseButton.LeftButton, pos=middle)
    qtbot.mouseMove(panel.scene, middle + QPoint(90, 0))
    qtbot.mouseRelease(panel.scene, Qt.MouseButton.LeftButton, pos=middle + QPoint(90, 0))
    after = panel.scene.place_of(1, 16), panel.strip.place_of(1, 16)
    assert abs(after[0].x() - before[0].x()) > 5
    assert abs(after[1].x() - before[1].x()) > 2
    assert panel.scene.orbit is panel.strip.orbit
    assert QImage(str(export_to(panel, "png"))).size() == panel.body.size() * 2
    svg = QSvgRenderer(str(export_to(panel, "svg")))
    assert svg.isValid()
    assert svg.viewBox().size() == panel.body.size()


def test_the_lane_has_the_distance_between_the_models_and_the_key_goes_to_its_peaks(
    lab, panel, qtbot
):
    lanes = lab.window.timeline._lanes
    fine, rough, truth = (poses(lab, key) for key in (("fine", 2), ("rough", 0), ("truth", 0)))
    between = 1000 * np.linalg.norm(fine - rough, axis=-1).mean(axis=-1)
    np.testing.assert_allclose(lanes["Disagreement"].values, between, rtol=1e-5)
    assert lanes["Disagreement"].unit == "mm"
    threshold = np.nanquantile(between, 0.9)
    lab.state.set_frame(0)
    seen = []
    for _ in range(4):
        qtbot.keyClick(lab.window, "D", Qt.KeyboardModifier.ShiftModifier)
        seen.append(lab.state.frame)
    assert seen == sorted(set(seen))
    for frame in seen:
        assert between[frame] >= threshold
        assert between[frame] >= np.nanmax(between[frame - 1 : frame + 2])
    panel.choose(("rough", 0), False)
    lab.settle(panel)
    of_truth = 1000 * np.linalg.norm(fine - truth, axis=-1).mean(axis=-1)
    np.testing.assert_allclose(lanes["Disagreement"].values, of_truth, rtol=1e-5)
    lab.window.laboratory.setCurrentIndex(0)
    panel.on_timeline.click()
    assert "Disagreement" not in lanes
    panel.on_timeline.click()
    assert "Disagreement" in lanes  # also while another panel is shown


def test_a_single_pose_has_nothing_to_be_compared_with(lab, panel):
    document = lab.context.document
    document.undo_stack.push(SetTruth(document, None))
    lab.settle(panel)
    assert titles(panel) == ["fine, fit", "rough"]
    track = replace(lab.track, runs={"rough": lab.track.runs["rough"]})
    after = lab.session.with_tracks((track,))
    document.undo_stack.push(SetTracks(document, "One", after, Change("poses")))
    lab.state.set_track(1, "rough", 1)
    assert "nothing to compare rough with" in panel._message.text()
