"""Anatomy: table, lanes, thresholds, keys, and repairs that are undone to the last bit."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QPushButton

from app.commands import SetTracks
from app.dialogs.error_dialog import ErrorDialog
from app.dialogs.settings_dialog import SettingsDialog
from app.document import Change
from app.laboratory.problem_table import KIND_TITLES
from app.operations.thresholds import stored_thresholds
from pose_core.analysis.anatomy import AnatomyThresholds, anatomy_findings
from pose_core.analysis.fixes import interpolate, interpolate_root, smooth, swap_sides
from pose_core.analysis.problems import problems_of
from pose_core.levelling import UP, levelling_rotation
from pose_core.poses import SOURCE_USER, Keypoints2D, Poses3D
from pose_core.session import ModelRun
from pose_core.session_io import load_session, save_session
from pose_core.skeleton import H36M_17

LEGS = tuple(H36M_17.index(f"{s}_{j}") for s in ("left", "right") for j in ("hip", "knee", "ankle"))
WRIST = H36M_17.index("left_wrist")
SWAPPED = (30, 41)
GLITCH = 60


@pytest.fixture
def panel(lab):
    """The panel, with a person whose legs are exchanged and one of whose wrists jumps."""
    track = lab.track
    stages = swap_sides(lab.run.poses.stages, *SWAPPED, LEGS).copy()
    stages[:, GLITCH, WRIST, 0] += 0.8
    xy = swap_sides(track.keypoints.xy, *SWAPPED, LEGS)
    spoiled = replace(
        track,
        keypoints=Keypoints2D(xy, track.keypoints.scores),
        runs={**track.runs, "fine": ModelRun(Poses3D(stages, lab.run.poses.root), lab.run.meta)},
    )
    document = lab.context.document
    after = document.session.with_tracks((spoiled,))
    document.undo_stack.push(SetTracks(document, "Spoil", after, Change("poses")))
    return lab.open("anatomy")


def expected(lab, **thresholds):
    poses = lab.run.poses
    xyz, root = poses.xyz.astype(float), np.asarray(poses.root, float)
    up = levelling_rotation(xyz + root[:, None]).T @ UP
    return anatomy_findings(
        xyz, lab.session.clip.times_s, root, up=up, thresholds=AnatomyThresholds(**thresholds)
    )


def shown(panel):
    """Rows of the table, as texts."""
    model = panel.problems.model()
    return [
        tuple(model.index(row, column).data() for column in range(model.columnCount()))
        for row in range(model.rowCount())
    ]


def select(panel, kind, place, qtbot):
    """Click the first row of a kind and place."""
    row = next(i for i, row in enumerate(shown(panel)) if row[1:3] == (KIND_TITLES[kind], place))
    panel.problems.scrollTo(panel.problems.model().index(row, 0))
    at = panel.problems.visualRect(panel.problems.model().index(row, 0)).center()
    qtbot.mouseClick(panel.problems.viewport(), Qt.MouseButton.LeftButton, pos=at)
    return panel.selected


def press(lab, panel, button, qtbot):
    """Press a repair, and wait for what it does."""
    before = lab.context.document.revision
    button.click()
    qtbot.waitUntil(lambda: lab.context.document.revision > before)
    lab.settle(panel)


def arrays(track):
    known = track.keypoints
    found = [known.xy, known.scores, known.sources]
    for run in track.runs.values():
        found += [run.poses.stages, run.poses.root]
    return [np.asarray(array).tobytes() for array in found]


def test_table_and_lanes_are_those_of_the_analysis(lab, panel):
    findings = expected(lab)
    problems = problems_of(findings)
    assert {"side_swap", "jump", "length_deviation"} <= {p.kind for p in problems}
    assert panel._model.problems == problems
    assert f"{len(problems)} problems in fit" in panel.summary.text()
    rows = shown(panel)
    assert ("30 to 40", "Sides swapped", "legs") in [row[:3] for row in rows]
    for finding in findings:
        lane = lab.window.timeline._lanes.get(KIND_TITLES[finding.name])
        assert (lane is not None) is bool(finding.found_mask.any())
        if lane is not None:
            factor = 1000 if finding.unit == "m" else 1
            np.testing.assert_allclose(lane.values, factor * finding.per_frame, rtol=1e-5)
            assert lane.value_range[0] == pytest.approx(factor * finding.threshold)
            worst = int(np.nanargmax(finding.per_frame))
            assert lane.text_at(worst)
            calm = np.flatnonzero(finding.per_frame <= finding.threshold)
            assert all(lane.text_at(frame) == "" for frame in calm[:5])


def test_the_table_sorts_by_frame_kind_and_severity(panel):
    view, problems = panel.problems, panel._model.problems
    for column, key in (
        (0, lambda p: p.start),
        (1, lambda p: KIND_TITLES[p.kind]),
        (4, lambda p: p.grade),
    ):
        view.sortByColumn(column, Qt.SortOrder.DescendingOrder)
        order = [
            panel._sorted.mapToSource(panel._sorted.index(r, 0)).row() for r in range(len(problems))
        ]
        keys = [key(problems[row]) for row in order]
        assert keys == sorted(keys, reverse=True)


def test_the_key_goes_through_the_problems_in_both_directions(lab, panel, qtbot):
    frames = sorted({p.worst_frame for p in panel._model.problems})
    lab.state.set_frame(0)
    visited = []
    for _ in frames:
        qtbot.keyClick(lab.window, "N")
        visited.append(lab.state.frame)
        assert panel.selected.worst_frame == lab.state.frame
    assert sorted(visited) == frames
    qtbot.keyClick(lab.window, "N", Qt.KeyboardModifier.ShiftModifier)
    assert lab.state.frame == visited[-2]


def test_a_threshold_is_kept_and_changes_what_is_found(lab, panel, settings):
    panel.thresholds_button.click()
    panel.thresholds.boxes["jump_m_s"].setValue(1.0)
    lab.settle(panel)
    assert panel._model.problems == problems_of(expected(lab, jump_m_s=1.0))
    panel.thresholds.boxes["length_deviation_m"].setValue(20)
    lab.settle(panel)
    assert stored_thresholds(settings) == AnatomyThresholds(jump_m_s=1.0, length_deviation_m=0.02)
    settings.set("anatomy/jump_m_s", "much")
    assert stored_thresholds(settings).jump_m_s == AnatomyThresholds().jump_m_s
    settings.set("anatomy/jump_m_s", "-3")
    assert stored_thresholds(settings).jump_m_s == AnatomyThresholds().jump_m_s


def test_thresholds_of_the_settings_are_those_of_the_panel_and_kept_on_ok(lab, panel, settings):
    lab.window.actions_table["edit.settings"].trigger()
    dialog = lab.window.findChild(SettingsDialog)
    dialog.thresholds.boxes["jump_m_s"].setValue(1.5)
    assert stored_thresholds(settings) == AnatomyThresholds()
    dialog.accept()
    lab.settle(panel)
    assert stored_thresholds(settings) == AnatomyThresholds(jump_m_s=1.5)
    assert panel._model.problems == problems_of(expected(lab, jump_m_s=1.5))
    assert panel.thresholds.boxes["jump_m_s"].value() == 1.5
    reset = panel.thresholds.findChild(QPushButton)
    reset.click()
    lab.settle(panel)
    assert stored_thresholds(settings) == AnatomyThresholds()
    assert panel._model.problems == problems_of(expected(lab))


def test_swapped_legs_are_put_right_in_2d_and_3d_and_undone_bit_by_bit(lab, panel, qtbot, tmp_path):
    before = lab.track
    problem = select(panel, "side_swap", "legs", qtbot)
    assert lab.state.frame == problem.worst_frame
    assert panel.target.text() == "Repair frames 30 to 40:"
    press(lab, panel, panel.swap_button, qtbot)
    after = lab.track
    for name, run in after.runs.items():
        expected_stages = swap_sides(before.runs[name].poses.stages, *SWAPPED, LEGS)
        np.testing.assert_array_equal(run.poses.stages, expected_stages)
        note = {"what": "swap", "frames": [*SWAPPED], "joints": list(LEGS)}
        assert run.meta["edits"] == [note]
    np.testing.assert_array_equal(
        after.keypoints.xy, swap_sides(before.keypoints.xy, *SWAPPED, LEGS)
    )
    is_user = after.keypoints.sources == SOURCE_USER
    np.testing.assert_array_equal(np.argwhere(is_user.any(axis=1))[:, 0], range(*SWAPPED))
    np.testing.assert_array_equal(np.flatnonzero(is_user[SWAPPED[0]]), sorted(LEGS))
    save_session(lab.session, tmp_path / "a.posestage")
    kept = load_session(tmp_path / "a.posestage").tracks[0].runs["fine"].meta["edits"]
    assert kept == after.runs["fine"].meta["edits"]
    qtbot.keyClick(lab.window, "Z", Qt.KeyboardModifier.ControlModifier)
    assert arrays(lab.track) == arrays(before)
    assert "edits" not in lab.run.meta
    qtbot.keyClick(lab.window, "Y", Qt.KeyboardModifier.ControlModifier)
    assert arrays(lab.track) == arrays(after)


def test_a_jump_is_interpolated_away_and_undone_bit_by_bit(lab, panel, qtbot):
    before = lab.track
    problem = select(panel, "jump", "left wrist", qtbot)
    assert GLITCH in range(problem.start, problem.end)
    press(lab, panel, panel.interpolate_button, qtbot)
    times_s = lab.session.clip.times_s
    expected_stages = interpolate(
        before.runs["fine"].poses.stages, times_s, problem.start, problem.end
    )
    np.testing.assert_array_equal(lab.run.poses.stages, expected_stages)
    root = np.asarray(before.runs["fine"].poses.root)
    on_the_way = interpolate_root(root, times_s, problem.start, problem.end)
    np.testing.assert_array_equal(lab.run.poses.root, on_the_way)
    assert not np.array_equal(on_the_way, root)
    assert lab.track.runs["rough"] is before.runs["rough"]
    jumps = [p for p in panel._model.problems if (p.kind, p.place) == ("jump", "left_wrist")]
    assert not [p for p in jumps if p.start == problem.start]
    lab.window.actions_table["edit.undo"].trigger()
    assert arrays(lab.track) == arrays(before)


def test_the_range_of_the_timeline_is_smoothed_and_undone_bit_by_bit(lab, panel, qtbot):
    before = lab.track
    lab.state.set_range((50, 80))
    assert panel.target.text() == "Repair frames 50 to 79:"
    press(lab, panel, panel.smooth_button, qtbot)
    stages = before.runs["fine"].poses.stages
    expected_stages = smooth(stages, lab.session.clip.times_s, 49, 81)
    np.testing.assert_array_equal(lab.run.poses.stages, expected_stages.astype(np.float32))
    assert not np.array_equal(lab.run.poses.stages[:, 50:80], stages[:, 50:80])
    lab.window.actions_table["edit.undo"].trigger()
    assert arrays(lab.track) == arrays(before)


def test_what_cannot_be_interpolated_is_told_and_changes_nothing(lab, panel, qtbot):
    before = lab.track
    lab.state.set_range((0, 5))
    panel.interpolate_button.click()
    qtbot.waitUntil(lambda: lab.window.findChild(ErrorDialog) is not None)
    dialog = lab.window.findChild(ErrorDialog)
    assert "no pose before or after" in dialog.text()
    dialog.close()
    assert lab.track is before


def test_lanes_go_with_their_box_and_the_numbers_are_exported(lab, panel, export_to):
    rows = list(csv.DictReader(export_to(panel, "csv").read_text().splitlines()[2:]))
    assert [int(row["first frame"]) for row in rows] == [p.start for p in panel._model.problems]
    assert float(rows[0]["severity"]) == panel._model.problems[0].severity
    assert QImage(str(export_to(panel, "png"))).size() == panel.body.size() * 2
    svg = QSvgRenderer(str(export_to(panel, "svg")))
    assert svg.isValid()
    assert svg.viewBox().size() == panel.body.size()
    assert KIND_TITLES["side_swap"] in lab.window.timeline._lanes
    panel.on_timeline.click()
    assert not set(KIND_TITLES.values()) & set(lab.window.timeline._lanes)
    lab.window.laboratory.setCurrentIndex(0)
    assert not panel.isVisible()
    panel.on_timeline.click()
    assert KIND_TITLES["side_swap"] in lab.window.timeline._lanes  # also while another is shown
