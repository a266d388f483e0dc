"""The edit mode, by mouse and keys: what it does to the data, and that undo takes it back."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox

from app.annotation.edit_lanes import EDITS
from app.operations import edit_keypoints
from pose_core.analysis.edited_lift import lift_edit
from pose_core.analysis.keypoint_edits import ABSENT, OCCLUDED, VISIBLE
from pose_core.analysis.what_if_network import WhatIfNetwork
from pose_core.camera import Camera
from pose_core.inference.records import EstimateFinished
from pose_core.poses import SOURCE_DETECTOR, SOURCE_INTERPOLATED, SOURCE_USER
from pose_core.session import Session
from pose_core.skeleton import H36M_17

MACHINE = {"frontend": "keypoints", "width": 0.02, "heatmap_size": 11, "adaption_channels": 4,
           "adapted_size": 16, "hidden_size": 16, "projector_units": 16}  # fmt: skip
NONE, LEFT, RIGHT = (
    Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
)  # fmt: skip
PRESS, MOVE = QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove
RELEASE, DOUBLE = QEvent.Type.MouseButtonRelease, QEvent.Type.MouseButtonDblClick
PLAIN, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier
ALT, CONTROL = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ControlModifier
WRIST, KNEE, ELBOW = (H36M_17.index(n) for n in ("left_wrist", "right_knee", "left_elbow"))


@pytest.fixture(autouse=True, scope="module")
def short_fits():
    """Fitted skeletons are not what is looked at here, and take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pose_core.inference.fitting._STEPS", 10)
        yield


@pytest.fixture(scope="module")
def machine(add_model):
    return add_model("machine", "pose_machine", MACHINE)


@pytest.fixture
def lifting(editor, show_run, machine):
    """The same with the 3D of a model that can follow."""
    show_run(machine)
    return editor


def test_one_drag_is_one_step_with_the_3d_that_follows(lifting, machine):
    editor = lifting
    lab, frame, before = editor.lab, editor.lab.state.frame, editor.saved()
    known, poses, steps = editor.keypoints, lab.run.poses, editor.stack.index()
    still = editor.video.grab().toImage()
    at = editor.pull(editor.at_joint(WRIST), (41.3, -34.7))
    assert lab.window.annotation.mouse.joint == WRIST
    assert editor.video.grab().toImage() != still
    editor.key(Qt.Key.Key_Escape)
    editor.mouse(RELEASE, at, LEFT)
    assert editor.mode.is_on  # only the drag was aborted
    assert editor.saved() == before
    assert editor.stack.index() == steps

    editor.drag(WRIST, (41.3, -34.7))
    assert editor.stack.index() == steps + 1
    want = known.xy[frame, WRIST] + [41.3, -34.7]
    np.testing.assert_allclose(editor.pose.xy[WRIST], want, atol=0.05)
    assert editor.pose.scores[WRIST] == 1
    changed = np.zeros(known.scores.shape, dtype=bool)
    changed[frame, WRIST] = True
    np.testing.assert_array_equal(np.asarray(editor.keypoints.sources) == SOURCE_USER, changed)
    np.testing.assert_array_equal(editor.keypoints.xy[~changed], known.xy[~changed])
    editor.settle()
    assert editor.stack.index() == steps + 1
    clip = lab.session.clip
    camera = Camera.assumed(clip.width, clip.height, lab.session.focal_px)
    network = WhatIfNetwork(machine)
    found = lift_edit(
        network, known, editor.keypoints, poses, clip.times_s, camera, (frame, frame + 1)
    )
    assert found.start <= frame < found.end
    np.testing.assert_array_equal(lab.run.poses.stages, found.poses.stages)
    np.testing.assert_array_equal(np.asarray(lab.run.poses.root), np.asarray(found.poses.root))
    assert lab.run.meta["edits"] == [{"what": "keypoints", "frames": [frame, frame + 1]}]
    after = editor.saved()
    editor.key(Qt.Key.Key_Z, CONTROL)
    assert editor.saved() == before
    editor.key(Qt.Key.Key_Y, CONTROL)
    assert editor.saved() == after


def test_edits_faster_than_the_3d_are_each_undone_with_their_own(lifting):
    editor = lifting
    states = [editor.saved()]
    for joint, by in ((WRIST, (49, 25)), (KNEE, (-37, 33)), (WRIST, (24, -38))):
        editor.drag(joint, by)  # none waits for the 3D
    editor.key(Qt.Key.Key_Z, CONTROL)  # its 3D was not even begun
    editor.settle()
    assert [step.text for step in editor.lab.context.document.history().steps[-3:]] == [
        "Move Left Wrist", "Move Right Knee", "Move Left Wrist"
    ]  # fmt: skip
    editor.key(Qt.Key.Key_Y, CONTROL)
    editor.settle()
    states += [editor.saved()]
    stages = [name for name in states[0][1] if name.endswith("stages.machine")]
    seen = []
    for _ in range(3):
        seen.append(editor.saved()[1][stages[0]])
        editor.key(Qt.Key.Key_Z, CONTROL)
    assert len({*seen, states[0][1][stages[0]]}) == 4  # each step had 3D of its own
    assert editor.saved() == states[0]
    editor.stack.setIndex(editor.stack.count())
    editor.settle()
    assert editor.saved() == states[1]


def test_an_estimate_keeps_what_was_edited_and_its_3d_follows(lifting, monkeypatch):
    editor, lab = lifting, lifting.lab
    found = EstimateFinished(Session(lab.session.clip, (lab.track,)), 0, "cpu")
    editor.drag(WRIST, (41, -34))
    editor.settle()
    edited, stages, before = editor.keypoints, lab.run.poses.stages, editor.saved()
    monkeypatch.setattr(lab.window.estimator, "_pipeline", lambda *_: (each for each in [found]))
    editor.key(Qt.Key.Key_Return, CONTROL)
    lab.qtbot.keyClick(lab.window.findChild(QMessageBox), Qt.Key.Key_Return)  # keep them
    lab.qtbot.waitUntil(lambda: editor.stack.undoText() == "Estimate")
    editor.settle()
    for name in ("xy", "scores", "sources"):
        np.testing.assert_array_equal(getattr(editor.keypoints, name), getattr(edited, name))
    assert "edits" not in lab.run.meta  # it is the new one
    np.testing.assert_array_equal(lab.run.poses.stages, stages)
    editor.key(Qt.Key.Key_Z, CONTROL)
    assert editor.saved() == before


def test_joints_are_selected_moved_together_and_nudged(editor, monkeypatch):
    monkeypatch.setattr(edit_keypoints, "NUDGES_JOIN_MS", 60_000)  # on a busy machine
    lab, mode = editor.lab, editor.mode
    frame, known, steps = lab.state.frame, editor.keypoints.xy, editor.stack.index()
    editor.click(editor.at_joint(WRIST))
    assert mode.selected == {WRIST}
    editor.click(editor.at_joint(ELBOW), keys=SHIFT)
    assert mode.selected == {WRIST, ELBOW}
    editor.drag(ELBOW, (36, 24))
    moved = np.zeros(17, dtype=bool)
    moved[[WRIST, ELBOW]] = True
    np.testing.assert_allclose(
        editor.pose.xy - known[frame], np.where(moved[:, None], [36, 24], 0), atol=0.05
    )
    editor.click(editor.at_joint(ELBOW), keys=SHIFT)
    assert mode.selected == {WRIST}
    held = editor.pose.xy[WRIST].copy()
    for key, keys in ((Qt.Key.Key_Left, PLAIN), (Qt.Key.Key_Down, SHIFT), (Qt.Key.Key_Up, PLAIN)):
        editor.key(key, keys)
    assert lab.state.frame == frame
    np.testing.assert_allclose(editor.pose.xy[WRIST] - held, [-1, 9], atol=1e-3)
    assert editor.stack.index() == steps + 2  # the drag, and all nudges
    editor.key(Qt.Key.Key_Z, CONTROL)
    np.testing.assert_array_equal(editor.pose.xy[WRIST], held)
    monkeypatch.setattr(edit_keypoints, "NUDGES_JOIN_MS", -1)
    for _ in range(2):
        editor.key(Qt.Key.Key_Left)
    assert editor.stack.index() == steps + 3  # in their own time, a step each
    editor.click(QPointF(3, editor.video.height() - 60))  # beside everybody
    assert mode.selected == frozenset()
    if lab.window.annotation.mouse.menu is not None:
        pytest.fail("no joint is missing")
    editor.key(Qt.Key.Key_Right)
    assert lab.state.frame == frame + 1  # the arrow keys are those of playback again
    editor.go_to(frame)
    editor.key(Qt.Key.Key_A, CONTROL)
    assert len(mode.selected) == 17
    editor.click(editor.at_joint(WRIST))
    assert mode.selected == {WRIST}
    xy = editor.pose.xy
    corner, far = editor.at(xy.min(axis=0) - 9), editor.at(xy.max(axis=0) + 9)
    editor.mouse(PRESS, corner, LEFT, LEFT, SHIFT)
    editor.mouse(MOVE, far, NONE, LEFT, SHIFT)
    assert lab.window.annotation.mouse.band is not None
    editor.mouse(RELEASE, far, LEFT, NONE, SHIFT)
    assert len(mode.selected) == 17
    before = editor.pose.xy.copy()
    editor.drag(KNEE, (-42.5, 33.25), ALT)
    np.testing.assert_allclose(editor.pose.xy - before, np.tile([-42.5, 33.25], (17, 1)), atol=0.05)
    editor.key(Qt.Key.Key_Escape)
    assert not mode.is_on
    assert not lab.window.annotation.overlay.isVisible()


def test_joints_come_and_go(editor):
    lab, before = editor.lab, editor.saved()
    annotation, place = lab.window.annotation, editor.at_joint(WRIST)
    was = editor.pose.xy[WRIST].copy()
    marks = []
    for _ in range(3):
        editor.click(place, RIGHT)
        marks.append(int(editor.pose.marks[WRIST]))
    assert marks == [OCCLUDED, ABSENT, VISIBLE]
    np.testing.assert_array_equal(editor.pose.xy[WRIST], was)  # where it had been
    editor.click(place)
    editor.key(Qt.Key.Key_Delete)
    assert editor.pose.marks[WRIST] == ABSENT
    assert len(lab.session.tracks) == 1  # not the person
    end = editor.pull(editor.at(np.array(editor.mode.ghosts[WRIST])), (38, 38))
    editor.mouse(RELEASE, end, LEFT)
    np.testing.assert_allclose(editor.pose.xy[WRIST], was + 38, atol=0.05)
    assert editor.pose.sources[KNEE] == SOURCE_DETECTOR
    editor.mouse(DOUBLE, editor.at_joint(KNEE), LEFT, LEFT)
    editor.mouse(RELEASE, editor.at_joint(KNEE), LEFT)
    assert editor.pose.sources[KNEE] == SOURCE_USER
    editor.key(Qt.Key.Key_Delete)
    beside = QPointF(30, editor.video.height() - 60)
    editor.click(beside)
    assert annotation.mouse.menu is not None
    assert [action.text() for action in annotation.mouse.menu.actions()] == ["Right knee is here"]
    QTest.keyClick(annotation.mouse.menu, Qt.Key.Key_Return)
    lab.qtbot.waitUntil(lambda: editor.pose.marks[KNEE] == VISIBLE)
    ratio = editor.video.devicePixelRatioF()
    want = editor.video.zoom.to_picture(30 * ratio, beside.y() * ratio)
    np.testing.assert_allclose(editor.pose.xy[KNEE], want, atol=0.05)
    editor.settle()
    after, steps = editor.saved(), editor.stack.count()
    editor.stack.setIndex(1)  # what the fixture did
    assert editor.saved() == before
    editor.stack.setIndex(steps)
    editor.settle()
    assert editor.saved() == after


def test_key_frames_are_copied_interpolated_and_found_again(editor):
    lab, actions = editor.lab, editor.lab.window.actions_table
    first, last = lab.state.frame, lab.state.frame + 6
    editor.drag(WRIST, (40, 40))
    editor.key(Qt.Key.Key_C, CONTROL)
    copied = editor.pose
    editor.go_to(last)
    editor.key(Qt.Key.Key_V, CONTROL)
    np.testing.assert_array_equal(editor.pose.xy, copied.xy)
    assert (editor.pose.sources == SOURCE_USER).all()
    editor.go_to(first + 2)
    editor.key(Qt.Key.Key_I)
    sources = np.asarray(editor.keypoints.sources)[first + 1 : last]
    assert (sources[:, WRIST] == SOURCE_INTERPOLATED).all()
    assert (np.delete(sources, WRIST, 1) == SOURCE_DETECTOR).all()
    wrist = editor.keypoints.xy[first : last + 1, WRIST]
    np.testing.assert_allclose(wrist, np.tile(wrist[0], (7, 1)), rtol=1e-6)
    lane = lab.window.timeline._lanes[EDITS]
    np.testing.assert_array_equal(np.flatnonzero(lane.values), np.arange(first, last + 1))
    editor.key(Qt.Key.Key_Right, CONTROL)
    editor.key(Qt.Key.Key_Right, CONTROL)
    assert lab.state.frame == first + 4
    editor.key(Qt.Key.Key_Left, CONTROL)
    assert lab.state.frame == first + 3
    editor.settle()
    before, pose = editor.saved(), editor.pose
    actions["pose.swap_arms"].trigger()
    lab.qtbot.waitUntil(lambda: editor.pose is not None and editor.saved() != before)
    mirror = H36M_17.mirror_index
    arms = [H36M_17.index(f"{s}_{n}") for s in ("left", "right") for n in ("elbow", "wrist")]
    np.testing.assert_array_equal(editor.pose.xy[arms], pose.xy[mirror[arms]])
    np.testing.assert_array_equal(editor.pose.xy[KNEE], pose.xy[KNEE])
    editor.key(Qt.Key.Key_Z, CONTROL)
    assert editor.saved() == before


def test_a_person_is_added_in_a_box_and_placed(editor):
    lab, before = editor.lab, editor.saved()
    lab.window.actions_table["pose.add_person"].trigger()
    corners = editor.at(np.array([20.0, 20.0])), editor.at(np.array([120.0, 220.0]))
    editor.mouse(PRESS, corners[0], LEFT, LEFT)
    editor.mouse(MOVE, corners[1], NONE, LEFT)
    editor.mouse(RELEASE, corners[1], LEFT)
    assert [track.name for track in lab.session.tracks] == ["Ann", "Person 2"]
    assert lab.state.track_id == 2
    assert not editor.pose.known_joints.size
    ghosts = editor.mode.ghosts
    assert len(ghosts) == 17
    editor.mouse(DOUBLE, editor.at(np.array(ghosts[WRIST])), LEFT, LEFT)
    end = editor.pull(editor.at(np.array(ghosts[KNEE])), (45, 0))
    editor.mouse(RELEASE, end, LEFT)
    np.testing.assert_allclose(editor.pose.xy[WRIST], ghosts[WRIST], rtol=1e-6)
    np.testing.assert_allclose(editor.pose.xy[KNEE], np.add(ghosts[KNEE], (45, 0)), atol=0.05)
    assert lab.window.annotation.editor.follower.is_working is False  # there is no 3D of it
    for _ in range(3):
        editor.key(Qt.Key.Key_Z, CONTROL)
    assert editor.saved() == before


def test_a_drag_before_the_frame_is_decoded_says_to_wait(editor):
    before, at = editor.saved(), editor.at_joint(WRIST)
    editor.video.set_preview(True)  # as while a coarse picture stands in for the frame
    words = []
    editor.lab.context.noticed.connect(words.append)
    editor.let_go(editor.pull(at, (40, -30)))
    assert ["still being decoded" in text for text in words] == [True]
    assert editor.saved() == before
    editor.video.set_preview(False)
    editor.drag(WRIST, (40, -30))
    assert editor.saved() != before
    assert len(words) == 1
