"""What-if: joints dragged on the video, numbers against the analysis, keep, discard, undo."""

import csv
import time
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.laboratory.what_if_result import COLUMNS, JOINT_NAMES, ROWS
from pose_core.analysis.anatomy import AnatomyThresholds
from pose_core.analysis.pose_report import pose_report
from pose_core.analysis.what_if import WhatIf
from pose_core.analysis.what_if_network import WhatIfNetwork
from pose_core.camera import Camera
from pose_core.inference.records import FrameDetected
from pose_core.metrics.pose_error import mpjpe
from pose_core.models.registry import model_entry, remove_user_model
from pose_core.poses import SOURCE_DETECTOR, SOURCE_USER
from pose_core.skeleton import H36M_17

MACHINE = {"frontend": "keypoints", "width": 0.02, "heatmap_size": 11, "adaption_channels": 4,
           "adapted_size": 16, "hidden_size": 16, "projector_units": 16}  # fmt: skip
NONE, LEFT = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
PRESS, MOVE = QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove
RELEASE = QEvent.Type.MouseButtonRelease
WRIST, KNEE = H36M_17.index("left_wrist"), H36M_17.index("right_knee")
BY = np.array([31.0, -22.0])


@pytest.fixture
def panel(lab, show_run):
    return show_run(model_entry("temporal")).open("what_if")


def mouse(lab, kind, at, button=NONE, held=NONE):
    video = lab.window.video
    where = QPointF(video.mapToGlobal(at.toPoint()))
    event = QMouseEvent(kind, at, where, button, held, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(video, event)


def place_of(lab, xy):
    """Where a pixel of the picture lies in the video view."""
    video = lab.window.video
    return QPointF(*(video.zoom.to_device(xy) / video.devicePixelRatioF()))


def drag(lab, panel, joint=WRIST, by=BY, release=True):
    """Drag a joint with the mouse by so many pixels of the picture; wait for the answer."""
    xy = lab.window.video.visible_people()[0].xy[joint]
    start, end = place_of(lab, xy), place_of(lab, xy + by)
    mouse(lab, PRESS, start, LEFT, LEFT)
    for share in (0.5, 0.8, 1.0):
        mouse(lab, MOVE, start + share * (end - start), NONE, LEFT)
    if release:
        mouse(lab, RELEASE, end, LEFT)
    lab.qtbot.waitUntil(lambda: is_answered(panel))


def is_answered(panel):
    question = tuple(sorted(panel._moved.items())), panel._is_dragging
    return panel.is_up_to_date and panel._question == question


def camera_of(lab):
    clip = lab.session.clip
    return Camera.assumed(clip.width, clip.height, lab.session.focal_px)


def what_if(lab, entry):
    times_s = lab.session.clip.times_s
    known, poses = lab.track.keypoints, lab.run.poses
    return WhatIf(WhatIfNetwork(entry), known, poses, times_s, camera_of(lab), lab.state.frame)


def moved_of(panel):
    moved = np.full((17, 2), np.nan)
    for joint, xy in panel._moved.items():
        moved[joint] = xy
    return moved


def data_of(lab):
    """All bytes of the person, and what is noted of the runs."""
    known = lab.track.keypoints
    arrays = [known.xy, known.scores, known.sources]
    runs = {
        name: (run.poses.stages.tobytes(), np.asarray(run.poses.root).tobytes(), run.meta)
        for name, run in lab.track.runs.items()
    }
    return [np.asarray(a).tobytes() for a in arrays], runs


def is_as_in_the_session(lab):
    """Whether all views show the session and nothing else."""
    video, skeleton = lab.window.video, lab.window.skeleton
    known = lab.track.keypoints
    (person,) = video.visible_people()
    np.testing.assert_array_equal(person.xy, known.xy[lab.state.frame])
    assert person.sources[WRIST] == np.asarray(known.sources)[lab.state.frame, WRIST]
    return (
        skeleton._people[0].preview is None
        and not skeleton._ghost
        and not len(skeleton._arrows)
        and video._projection is None
        and not lab.context.unkept.is_held
    )


def check_numbers(lab, panel, answer):
    """The table against losses and anatomy of the poses with and without the answer."""
    frame, poses = lab.state.frame, lab.run.poses
    stage, times_s = lab.state.stage, lab.session.clip.times_s
    truth = lab.session.truth.poses.xyz[[frame]].astype(float)
    moved, camera = moved_of(panel), camera_of(lab)
    joints = np.isfinite(moved[:, 0])
    thresholds = AnatomyThresholds()
    for column, each in enumerate((poses, answer.put_into(poses))):
        xyz, root = each.stages[stage], np.asarray(each.root)
        report = pose_report(xyz, root, times_s, frame, thresholds)
        factor = {"m": 1000.0, "deg": 1.0, "m/s": 1.0}
        want = {**report.losses}
        want |= {name: factor[f.unit] * f.severity for name, f in report.findings.items()}
        miss = camera.project(xyz[frame].astype(float) + root[frame]) - moved
        want["miss"] = np.linalg.norm(miss[joints], axis=1).mean()
        want["error"] = mpjpe(xyz[[frame]].astype(float), truth).mean()
        for row, name in enumerate(ROWS):
            shown = panel.numbers.number(row, column)
            assert shown == pytest.approx(want[name], rel=1e-5, abs=1e-9, nan_ok=True), name
            limit = panel.numbers.number(row, 2)
            if name in report.findings:
                finding = report.findings[name]
                assert limit == pytest.approx(factor[finding.unit] * finding.threshold)
                # The unit in the name of the row is that of the number.
                unit = {"m": "mm"}.get(finding.unit, finding.unit)
                assert ROWS[name][0].endswith(f"({unit})")
            else:
                assert np.isnan(limit)


def test_while_dragging_the_numbers_are_those_of_the_analysis(lab, panel, export_to):
    assert not panel.keep_button.isEnabled()
    assert "Drag a joint of Ann" in panel.words.text()
    before, frame, stage = data_of(lab), lab.state.frame, lab.state.stage
    drag(lab, panel, release=False)
    known = lab.track.keypoints.xy[frame, WRIST]
    np.testing.assert_allclose(panel._moved[WRIST], known + BY, atol=0.02)
    answer = what_if(lab, model_entry("temporal")).quick(moved_of(panel))
    np.testing.assert_array_equal(panel.result.answer.stages, answer.stages)
    assert not panel.keep_button.isEnabled()  # not all frames are run yet
    assert "Let go" in panel.words.text()
    check_numbers(lab, panel, answer)
    here = list(answer.frames).index(frame)
    shown = lab.run.poses.stages[stage, frame]
    moved_mm = 1000 * np.linalg.norm(answer.stages[stage, here] - shown, axis=-1)
    np.testing.assert_allclose(panel.bars.bars.opts["width"], moved_mm, atol=1e-3)
    assert moved_mm.max() > 1
    frames, mean_mm = panel.curve.curve.getData()
    np.testing.assert_array_equal(frames, answer.frames)
    assert mean_mm[here] == pytest.approx(moved_mm.mean(), abs=1e-3)
    # In the 3D view the pose after, with that before as a ghost; its place on the video.
    after = answer.stages[stage, here] + answer.root[here]
    shown_frame, preview = lab.window.skeleton._people[0].preview
    assert shown_frame == frame
    np.testing.assert_allclose(preview, after, atol=1e-6)
    np.testing.assert_allclose(lab.window.skeleton._ghost[0], shown + lab.run.poses.root[frame])
    projected = lab.window.video._projection[1]
    np.testing.assert_allclose(projected, camera_of(lab).project(after), rtol=1e-5)
    (person,) = lab.window.video.visible_people()
    assert person.sources[WRIST] == SOURCE_USER
    assert (np.delete(person.sources, WRIST) == SOURCE_DETECTOR).all()
    np.testing.assert_array_equal(person.xy[WRIST], panel._moved[WRIST])
    assert data_of(lab) == before  # nothing is changed yet
    rows = list(csv.reader(export_to(panel, "csv").read_text().splitlines()[2:]))
    assert rows[0] == ["quantity", *COLUMNS]
    assert float(rows[-1][2]) == pytest.approx(moved_mm[-1], abs=1e-3)
    assert rows[-1][0] == f"{JOINT_NAMES[-1]} moved in 3D (mm)"
    # Esc while the button is down: the drag is aborted, and all is as it was.
    QTest.keyClick(lab.window.video, Qt.Key.Key_Escape)
    assert is_as_in_the_session(lab)
    mouse(lab, RELEASE, place_of(lab, known), LEFT)
    lab.settle(panel)
    assert not panel.discard_button.isEnabled()
    assert data_of(lab) == before


def test_keep_is_one_edit_of_all_that_changes_and_undo_restores_every_bit(lab, panel, qtbot):
    before, frame, old = data_of(lab), lab.state.frame, lab.track
    drag(lab, panel)
    drag(lab, panel, KNEE, (-12.0, 7.0))
    moved = moved_of(panel)
    assert np.flatnonzero(np.isfinite(moved[:, 0])).tolist() == sorted([WRIST, KNEE])
    answer = what_if(lab, model_entry("temporal")).whole(moved)
    np.testing.assert_array_equal(panel.result.answer.stages, answer.stages)
    check_numbers(lab, panel, answer)
    first, last = int(answer.frames[0]), int(answer.frames[-1])
    assert first < frame < last
    assert f"Frames {first} to {last} change" in panel.words.text()
    assert data_of(lab) == before
    stack = lab.context.document.undo_stack
    count = stack.count()
    panel.keep_button.click()
    assert stack.count() == count + 1
    known, run = lab.track.keypoints, lab.run
    np.testing.assert_array_equal(known.xy[frame, [WRIST, KNEE]], np.float32(moved[[WRIST, KNEE]]))
    assert (known.scores[frame, [WRIST, KNEE]] == 1).all()
    changed = np.argwhere(np.asarray(known.sources) != np.asarray(old.keypoints.sources))
    assert changed.tolist() == [[frame, j] for j in sorted([WRIST, KNEE])]
    assert (np.asarray(known.sources)[frame, [WRIST, KNEE]] == SOURCE_USER).all()
    np.testing.assert_array_equal(run.poses.stages[:, first : last + 1], answer.stages)
    np.testing.assert_array_equal(run.poses.root[first : last + 1], answer.root)
    rest = np.setdiff1d(np.arange(len(run.poses)), answer.frames)
    was = old.runs["temporal"].poses
    assert run.poses.stages[:, rest].tobytes() == was.stages[:, rest].tobytes()
    assert run.meta["edits"] == [{"what": "keypoints", "frames": [first, last + 1]}]
    assert not panel.keep_button.isEnabled()
    lab.settle(panel)
    assert is_as_in_the_session(lab)
    lab.window.actions_table["edit.undo"].trigger()
    assert data_of(lab) == before
    lab.settle(panel)
    assert is_as_in_the_session(lab)


def test_what_is_not_kept_goes_with_escape_and_when_one_looks_elsewhere(lab, panel, qtbot):
    before, window = data_of(lab), lab.window
    drag(lab, panel)
    drag(lab, panel, KNEE, release=False)
    QTest.keyClick(window.video, Qt.Key.Key_Escape)  # only the joint in the hand goes back
    mouse(lab, RELEASE, place_of(lab, (0, 0)), LEFT)
    lab.qtbot.waitUntil(lambda: is_answered(panel))
    assert list(panel._moved) == [WRIST]
    assert panel.keep_button.isEnabled()
    qtbot.keyClick(window.people, Qt.Key.Key_Escape)  # wherever the keys go
    assert is_as_in_the_session(lab)
    for look_elsewhere in (
        lambda: lab.state.set_frame(lab.state.frame + 1),
        panel.discard_button.click,
        lambda: window.laboratory.setCurrentIndex(0),
    ):
        window.laboratory.show_panel("what_if")
        lab.settle(panel)
        qtbot.waitUntil(lambda: window.presenter.is_picture_shown)
        drag(lab, panel, release=False)
        assert window.skeleton._people[0].preview is not None
        look_elsewhere()
        assert panel._moved == {}
        mouse(lab, RELEASE, QPointF(3, 3), LEFT)
        qtbot.waitUntil(lambda: window.presenter.is_picture_shown)
        assert window.skeleton._people[0].preview is None
        assert window.video._moved is None
        assert not lab.context.unkept.is_held
    # Now that the panel is hidden, the mouse takes no joint.
    qtbot.waitUntil(lambda: window.video.joint_drag.track_id is None)
    assert data_of(lab) == before


def test_escape_discards_also_while_an_estimate_runs(lab, panel, qtbot, monkeypatch):
    """The first one what is not kept, the next one the estimate."""
    window, before, frame = lab.window, data_of(lab), lab.state.frame
    known, estimator = lab.track.keypoints, window.estimator

    def endless(clip, settings):
        """Stands in for the networks: finds somebody elsewhere in the clip, again and again."""
        while True:
            time.sleep(0.01)
            yield FrameDetected(frame + 5, 1, 10, ((7, known.xy[0], known.scores[0]),))

    monkeypatch.setattr(estimator, "_pipeline", endless)
    drag(lab, panel)
    window.actions_table["pose.estimate"].trigger()
    qtbot.waitUntil(lambda: bool(estimator.live))
    window.presenter._show_live()
    assert lab.state.frame == frame  # the estimate does not take the view away
    qtbot.keyClick(window.skeleton, Qt.Key.Key_Escape)
    assert is_as_in_the_session(lab)
    shown = lab.open("loss_surface")
    shown._on_dragged(0.1, 0.1)
    assert window.skeleton._people[0].preview is not None
    qtbot.keyClick(shown, Qt.Key.Key_Escape)
    assert window.skeleton._people[0].preview is None
    assert estimator.is_running
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not estimator.is_running
    assert data_of(lab) == before


def test_a_pose_machine_says_what_its_correction_did(lab, add_model, show_run):
    machine = add_model("machine", "pose_machine", MACHINE)
    panel = show_run(machine).open("what_if")
    drag(lab, panel, release=False)
    answer = what_if(lab, machine).quick(moved_of(panel))
    residual = answer.pull.residual
    text = f"residual {residual[0]:.4f} before, {residual[-1]:.4f} after"
    assert text in panel.words.text()
    assert f"moved {answer.pull.robust_mm:.1f} mm" in panel.words.text()
    panel.discard_button.click()
    mouse(lab, RELEASE, QPointF(3, 3), LEFT)
    lab.settle(panel)
    # Weights that are gone are missed as soon as the network is needed again.
    panel._network = panel._what_if = None
    (machine.folder / machine.file).unlink()
    lab.go_to(lab.state.frame + 1, panel)
    assert "could not be computed" in panel._message.text()
    assert panel._message.isVisible()
    assert lab.window.video.joint_drag.track_id is None
    remove_user_model("machine")


def test_what_stands_in_the_way_is_said(lab, panel):
    lab.go_to(3, panel)
    assert "Ann is not in frame 3" in panel._message.text()
    lab.go_to(20, panel)
    lab.state.set_track(1, "fine", 3)
    assert "fine is not installed" in panel._message.text()
    assert "Choose Temporal" in panel._message.text()
    lab.state.set_track(None, None, 0)
    assert "Nobody is selected" in panel._message.text()
    # A model that has come to have other stages.
    lab.state.set_track(1, "fine", 3)
    panel.models["fine"] = replace(panel.models["temporal"], name="fine")
    lab.go_to(21, panel)
    assert "has other stages than the model has now" in panel._message.text()
