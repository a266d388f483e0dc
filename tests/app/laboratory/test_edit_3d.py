"""Editing in the 3D view, by mouse and keys, against other ways to know where the joints go."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from scipy.optimize import least_squares

from app.annotation.edit_lanes import EDITS_3D
from app.annotation.pose_grip import Grip, Way
from app.views.orbit import Orbit, from_scene, project, to_scene
from pose_core.analysis.pose_edits import limb
from pose_core.bones import bone_lengths
from pose_core.skeleton import H36M_17

NONE, LEFT = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
PRESS, MOVE = QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove
RELEASE = QEvent.Type.MouseButtonRelease
PLAIN, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier
ALT, CONTROL = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ControlModifier
PELVIS, WRIST, ELBOW, SHOULDER = (
    H36M_17.index(n) for n in ("pelvis", "left_wrist", "left_elbow", "left_shoulder")
)  # fmt: skip
SIZE = 640.0, 480.0
PULLED = np.array([23.0, -31.0])


# --- where the mouse takes a joint ------------------------------------------------------------


def grip(way, joint=ELBOW, seed=0, *, is_whole=False):
    rng = np.random.default_rng(seed)
    pose = rng.normal(0, 0.4, (17, 3))
    orbit = Orbit(np.array([0.1, 0.2, 0.0]), rng.uniform(-180, 180), rng.uniform(-80, 80), 4.0)
    return Grip(pose, joint, way, is_whole, orbit, *SIZE)


def pixels_of(grip, point):
    return project(point, grip.orbit.matrix(SIZE[0] / SIZE[1]), *SIZE)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("way", list(Way))
def test_a_joint_stays_under_the_mouse(way, seed):
    """The place is searched for numerically: its pixel, and what else the way asks for."""
    held = grip(way, seed=seed)
    before, eye, ahead = held.pose, held.orbit.eye, -held.orbit.axes[2]
    start, shoulder = pixels_of(held, before[ELBOW]), before[SHOULDER]
    dx, dy = (0.0, -37.0) if way is Way.DEPTH else (9.5, -14.0)
    if way is Way.LIMB:  # where the limb reaches
        dx, dy = 0.4 * (pixels_of(held, shoulder) - start)
    after = held.moved(dx, dy)

    def wrongness(point):
        off = (pixels_of(held, point) - start) / 100
        if way is Way.PLANE:
            return [*(off - np.array([dx, dy]) / 100), (point - before[ELBOW]) @ ahead]
        if way is Way.DEPTH:  # as many metres as in the plane
            across = held.orbit.at_depth(
                start[0], start[1] + dy, (before[ELBOW] - eye) @ ahead, *SIZE
            )  # fmt: skip
            went = np.linalg.norm(across - before[ELBOW])
            return [*off, (point - before[ELBOW]) @ ahead - went]
        bone = np.linalg.norm(before[ELBOW] - shoulder)
        return [*(off - np.array([dx, dy]) / 100), np.linalg.norm(point - shoulder) - bone]

    found = least_squares(wrongness, before[ELBOW], xtol=1e-14, ftol=1e-14, gtol=1e-14)
    assert found.cost < 1e-12, "the test found no such place"
    np.testing.assert_allclose(after[ELBOW], found.x, atol=1e-5)
    rest = np.setdiff1d(np.arange(17), held.joints)
    np.testing.assert_array_equal(after[rest], before[rest])
    np.testing.assert_allclose(held.moved(0, 0), before, atol=1e-9)
    if way is Way.LIMB:
        assert held.joints == tuple(sorted((ELBOW, WRIST)))
        np.testing.assert_allclose(bone_lengths(after), bone_lengths(before), rtol=1e-9)
        far = held.moved(900.0, 0.0)  # beyond what the limb can reach: it points there
        np.testing.assert_allclose(bone_lengths(far), bone_lengths(before), rtol=1e-9)
        assert pixels_of(held, far[ELBOW])[0] > pixels_of(held, shoulder)[0]


def test_a_joint_never_comes_behind_the_eye_and_people_move_as_one():
    held = grip(Way.DEPTH)
    assert 0 < held.orbit.depth_of(held.moved(0, 1e5)[ELBOW]) <= 0.1 + 1e-9
    for way in Way:
        held = grip(way, is_whole=True)
        by = held.moved(20, -30) - held.pose
        np.testing.assert_allclose(by, np.tile(by[0], (17, 1)), atol=1e-12)
        assert np.linalg.norm(by[0]) > 0.01
    tilt = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    np.testing.assert_allclose(from_scene(to_scene(held.pose, tilt), tilt), held.pose, atol=1e-12)


# --- in the window ----------------------------------------------------------------------------


class Hand:
    """A mouse over the 3D view."""

    def __init__(self, lab):
        self.lab, self.view = lab, lab.window.skeleton
        self.annotation = lab.window.annotation
        self.mouse, self.stack = self.annotation.pose_mouse, lab.context.document.undo_stack

    def event(self, kind, at, button=NONE, held=NONE, keys=PLAIN):
        where = QPointF(self.view.mapToGlobal(at.toPoint()))
        QApplication.sendEvent(self.view, QMouseEvent(kind, at, where, button, held, keys))

    def at(self, joint):
        return QPointF(*self.mouse.points()[joint].tolist())

    def pull(self, start, by, keys=PLAIN):
        end = start + QPointF(*by)
        self.event(PRESS, start, LEFT, LEFT, keys)
        for share in (0.5, 1.0):
            self.event(MOVE, start + share * (end - start), NONE, LEFT, keys)
        return end

    def drag(self, joint, by, keys=PLAIN):
        self.event(RELEASE, self.pull(self.at(joint), by, keys), LEFT, NONE, keys)

    @property
    def xyz(self):
        poses = self.lab.run.poses
        return poses.camera_xyz[self.lab.state.frame].astype(float)


@pytest.fixture
def hand(lab):
    hand = Hand(lab)
    lab.qtbot.waitUntil(lambda: lab.window.video.exact_frame == lab.state.frame)
    hand.view.set_view_preset("side")
    assert not hand.view.hasMouseTracking()
    hand.annotation.mode.set_on(True)
    yield hand
    hand.annotation.mode.set_on(False)
    hand.view.reset_view()


def test_the_sign_never_covers_the_person(hand):
    """In views of all sizes and from all sides, also while a joint is taken across the view."""
    overlay, view = hand.annotation.pose_overlay, hand.view
    size = view.size()

    def covered() -> bool:
        overlay.resize(view.size())
        overlay.grab()
        area = overlay.sign_area
        assert area.isEmpty() or QRectF(overlay.rect()).contains(area)
        assert not area.intersects(view.corner)
        return any(area.contains(QPointF(*point)) for point in hand.mouse.points().tolist())

    shown = []
    for width, height in ((210, 170), (300, 200), (300, 420), (700, 260), (900, 700)):
        view.resize(width, height)
        for preset in ("front", "side", "top", "camera"):
            view.set_view_preset(preset)
            assert not covered()
            shown.append(not overlay.sign_area.isEmpty())
    assert shown[-1]
    assert sum(shown) > len(shown) / 2
    view.set_view_preset("side")
    covered()
    goal = overlay.sign_area.center() - hand.at(WRIST)
    hand.pull(hand.at(WRIST), (goal.x(), goal.y()))
    assert hand.mouse.is_dragging
    assert not covered()
    hand.mouse.abort()
    view.resize(size)


def nearest_joint_is(hand, joint):
    """Joints may lie over one another in a view; the tests take ones that do not."""
    distances = np.linalg.norm(hand.mouse.points() - hand.mouse.points()[joint], axis=1)
    return np.sort(distances)[1] > 3


def test_drags_are_steps_and_only_what_is_held_moves(hand):
    lab, frame = hand.lab, hand.lab.state.frame
    joint = next(j for j in (WRIST, 16, 3, 6, 10) if nearest_joint_is(hand, j))
    before, steps = lab.run.poses, hand.stack.index()
    level = hand.view.level
    start, xyz = hand.mouse.points()[joint], hand.xyz

    hand.event(MOVE, hand.at(joint))
    assert hand.mouse.hovered == joint
    still = hand.view.grab().toImage()
    end = hand.pull(hand.at(joint), PULLED)
    assert hand.stack.index() == steps  # nothing but what is shown is another
    assert hand.view.grab().toImage() != still
    np.testing.assert_allclose(hand.mouse.points()[joint], start + PULLED, atol=0.01)
    turned = hand.view.orbit
    wheel = QWheelEvent(end, end, QPoint(), QPoint(0, 120), LEFT, PLAIN,
                        Qt.ScrollPhase.NoScrollPhase, False)  # fmt: skip
    QApplication.sendEvent(hand.view, wheel)
    assert hand.view.orbit is turned
    QTest.keyClick(hand.view, Qt.Key.Key_Escape)
    hand.event(RELEASE, end, LEFT)
    assert hand.annotation.mode.is_on  # only the drag was aborted
    assert hand.stack.index() == steps
    assert lab.run.poses is before
    np.testing.assert_allclose(hand.mouse.points()[joint], start, atol=1e-3)

    hand.drag(joint, PULLED)
    assert hand.stack.index() == steps + 1
    name = H36M_17.joint_names[joint].replace("_", " ").title()
    assert hand.stack.undoText() == f"Move {name} in 3D"
    after, changed = lab.run.poses, np.zeros(before.stages.shape[:3], bool)
    changed[-1, frame, joint] = True
    np.testing.assert_array_equal(after.stages[~changed], before.stages[~changed])
    np.testing.assert_array_equal(np.asarray(after.root), np.asarray(before.root))
    moved = to_scene(hand.xyz - xyz, level)[joint]
    ahead = -hand.view.orbit.axes[2]
    assert abs(moved @ ahead) < 1e-5  # in the plane of the view
    np.testing.assert_allclose(hand.mouse.points()[joint], start + PULLED, atol=0.05)
    note = {"what": "move", "frames": [frame, frame + 1], "joints": [joint]}
    assert lab.run.meta["edits"] == [note]
    (person,) = hand.view._people
    assert person.moved == {frame: {joint}}
    hand.view.set_trails(False)
    framed = hand.view._lines()
    assert len(framed.ends) >= 12
    lab.state.set_stage(0)  # of the model alone: nothing there was set by anybody
    assert hand.view._people[0].moved == {}
    hand.event(PRESS, hand.at(joint), LEFT, LEFT)
    assert hand.mouse.grip is None
    assert "last stage" in hand.annotation.mode.obstacle_3d
    hand.event(RELEASE, hand.at(joint), LEFT)
    lab.state.set_stage(2)
    hand.view.set_trails(True)

    hand.stack.undo()
    np.testing.assert_array_equal(lab.run.poses.stages, before.stages)
    assert "edits" not in lab.run.meta
    hand.stack.redo()
    np.testing.assert_array_equal(lab.run.poses.stages, after.stages)


def test_frames_edited_in_3d_have_marks_and_are_found(hand):
    lab, frame = hand.lab, hand.lab.state.frame
    timeline, go = lab.window.timeline, lab.window.actions_table
    assert not timeline.has_lane(EDITS_3D)
    hand.drag(WRIST, PULLED)
    np.testing.assert_array_equal(np.flatnonzero(timeline._lanes[EDITS_3D].values), [frame])
    for step, action in ((-3, "go.next_edit"), (3, "go.previous_edit")):
        lab.state.set_frame(frame + step)
        go[action].trigger()
        assert lab.state.frame == frame
    shown = lab.state.track_id, lab.state.model, lab.state.num_stages
    lab.state.set_track(None, None, 0)
    assert not timeline.has_lane(EDITS_3D)
    lab.state.set_track(*shown)
    assert timeline.has_lane(EDITS_3D)
    hand.stack.undo()
    assert not timeline.has_lane(EDITS_3D)


def test_keys_say_how_a_joint_follows(hand):
    lab, frame = hand.lab, hand.lab.state.frame
    start, xyz = hand.mouse.points()[ELBOW], hand.xyz
    hand.drag(ELBOW, (0, -25), SHIFT)
    moved = to_scene(hand.xyz - xyz, hand.view.level)
    assert -hand.view.orbit.axes[2] @ moved[ELBOW] > 0.02  # farther away
    np.testing.assert_allclose(hand.mouse.points()[ELBOW], start, atol=0.05)
    hand.stack.undo()

    hand.drag(ELBOW, (18, -12), CONTROL)
    assert hand.stack.undoText() == "Turn Left Elbow in 3D"
    np.testing.assert_allclose(bone_lengths(hand.xyz), bone_lengths(xyz), atol=1e-5)
    is_moved = np.linalg.norm(hand.xyz - xyz, axis=1) > 1e-4
    assert set(np.flatnonzero(is_moved)) == set(limb(ELBOW))
    hand.stack.undo()

    for joint, keys in ((ELBOW, ALT), (PELVIS, PLAIN)):
        stages = lab.run.poses.stages
        hand.drag(joint, (15, 9), keys)
        assert hand.stack.undoText() == "Move the Person in 3D"
        np.testing.assert_array_equal(lab.run.poses.stages, stages)
        by = hand.xyz - xyz
        np.testing.assert_allclose(by, np.tile(by[0], (17, 1)), atol=1e-5)
        assert np.linalg.norm(by[0]) > 0.02
        assert hand.view._people[0].moved == {}
        hand.stack.undo()

    steps = hand.stack.index()
    orbit = hand.view.orbit
    hand.event(RELEASE, hand.pull(QPointF(6, hand.view.height() / 2), (30, 0)), LEFT)
    assert hand.view.orbit.azimuth_deg != orbit.azimuth_deg  # beside the joints the view turns
    hand.event(PRESS, hand.at(ELBOW), LEFT, LEFT)
    hand.event(RELEASE, hand.at(ELBOW), LEFT)
    assert hand.annotation.mode.selected == {ELBOW}  # a click
    hand.pull(hand.at(ELBOW), (20, 20))
    lab.state.set_frame(frame + 1)  # what is in the hand does not belong there
    assert hand.mouse.grip is None
    assert hand.stack.index() == steps
    hand.annotation.mode.set_on(False)
    assert hand.mouse.hovered is None
    hand.event(PRESS, hand.at(ELBOW), LEFT, LEFT)
    assert hand.mouse.grip is None
    hand.event(RELEASE, hand.at(ELBOW), LEFT)
