"""Somebody edits 300 frames by mouse and keys: no edit is lost, and nothing is left behind."""

import gc
from dataclasses import dataclass

import numpy as np
import psutil
import pytest
from PySide6.QtCore import QObject, QPointF, Qt, QTimer
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog
from shiboken6 import isValid

from app.operations import edit_keypoints
from pose_core.analysis.keypoint_edits import ABSENT, OCCLUDED, VISIBLE
from pose_core.poses import SOURCE_USER
from pose_core.session_io import load_session
from pose_core.skeleton import H36M_17

NUM_FRAMES = 300
UNDONE = 40  # steps that are taken back by key at the end, and made again
GROWTH_BYTES = 150_000_000
SHIFT, ALT = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.AltModifier
CONTROL = Qt.KeyboardModifier.ControlModifier
RIGHT_BUTTON = Qt.MouseButton.RightButton
NEXT_MARK = {VISIBLE: OCCLUDED, OCCLUDED: ABSENT, ABSENT: VISIBLE}
ARROWS = {
    Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1),
}  # fmt: skip


@dataclass
class Kept:
    """What the keypoints must be by what was asked for; known without asking the application."""

    xy: np.ndarray
    marks: np.ndarray
    is_set: np.ndarray

    def __getitem__(self, frame):
        return self.xy[frame].copy(), self.marks[frame].copy(), self.is_set[frame].copy()

    def set(self, frame, state):
        self.xy[frame], self.marks[frame], self.is_set[frame] = state


class Person:
    """Edits at random, and remembers what must come of it."""

    def __init__(self, editor, seed):
        self.editor, self.rng = editor, np.random.default_rng(seed)
        keypoints = editor.keypoints
        xy = np.array(keypoints.xy, dtype=np.float64)
        marks = np.where(np.isfinite(xy[..., 0]), VISIBLE, ABSENT)
        self.kept = Kept(xy, marks, np.zeros(marks.shape, dtype=bool))
        self.steps, self.undone = [], []  # (frame, before, after)
        self.copied = None

    @property
    def frame(self):
        return self.editor.lab.state.frame

    def did(self, after, frame=None):
        frame = self.frame if frame is None else frame
        self.steps.append((frame, self.kept[frame], after))
        self.undone.clear()
        self.kept.set(frame, after)

    def any_joint(self):
        """One that can be seen, with no other so near that the mouse might take that one."""
        xy, marks, _ = self.kept[self.frame]
        points = np.array([[p.x(), p.y()] for p in map(self.editor.at, xy)])
        apart = np.linalg.norm(points[:, None] - points[None], axis=-1) + 1e9 * np.eye(17)
        inside = self.editor.video.rect().adjusted(40, 40, -40, -40)
        free = [
            joint for joint in range(17)
            if marks[joint] != ABSENT and np.nanmin(apart[joint]) > 12
            and inside.contains(QPointF(*points[joint]).toPoint())
        ]  # fmt: skip
        return int(self.rng.choice(free)) if free else None

    # -- what can be done in a frame -------------------------------------------------------

    def drag(self, joint):
        xy, marks, is_set = self.kept[self.frame]
        by = self.rng.uniform(-40, 40, 2)
        by += 35 * np.sign(by)  # farther than Qt takes for a click
        self.editor.drag(joint, by)
        xy[joint] += by
        marks[joint] = VISIBLE
        is_set[joint] = True
        self.did((xy, marks, is_set))

    def drag_all(self, joint):
        xy, marks, is_set = self.kept[self.frame]
        known = marks != ABSENT
        by = np.array([45.0, -38.0])
        self.editor.drag(joint, by, ALT)
        xy[known] += by
        self.did((xy, marks, is_set | known))

    def give_up(self, joint):
        editor, steps = self.editor, self.editor.stack.index()
        end = editor.pull(editor.at_joint(joint), (60, 60))
        editor.key(Qt.Key.Key_Escape)
        editor.let_go(end)
        assert editor.mode.is_on
        assert editor.stack.index() == steps

    def nudge(self, joint):
        xy, marks, is_set = self.kept[self.frame]
        self.editor.click(self.editor.at_joint(joint))
        key = list(ARROWS)[self.rng.integers(4)]
        far = bool(self.rng.integers(2))
        self.editor.key(key, SHIFT if far else Qt.KeyboardModifier.NoModifier)
        xy[joint] += np.multiply(ARROWS[key], 10 if far else 1)
        is_set[joint] = True
        self.did((xy, marks, is_set))
        self.editor.click(self.editor.at(xy[joint]), keys=SHIFT)  # selected no longer

    def change_visibility(self, joint):
        xy, marks, is_set = self.kept[self.frame]
        self.editor.click(self.editor.at_joint(joint), RIGHT_BUTTON)
        marks[joint] = NEXT_MARK[marks[joint]]
        is_set[joint] = True
        self.did((xy, marks, is_set))

    def remove(self, joint):
        xy, marks, is_set = self.kept[self.frame]
        self.editor.click(self.editor.at_joint(joint))
        self.editor.key(Qt.Key.Key_Delete)
        marks[joint], is_set[joint] = ABSENT, True
        self.did((xy, marks, is_set))

    def copy(self, _joint):
        self.editor.key(Qt.Key.Key_C, CONTROL)
        self.copied = self.kept[self.frame]

    def paste(self, _joint):
        if self.copied is None:
            return
        xy, marks, _ = (part.copy() for part in self.copied)
        if (marks == self.kept.marks[self.frame]).all() and np.array_equal(
            xy, self.kept.xy[self.frame], equal_nan=True
        ):
            return  # the frame that it comes from
        self.editor.key(Qt.Key.Key_V, CONTROL)
        self.did((xy, marks, np.ones(17, dtype=bool)))

    def swap_legs(self, _joint):
        xy, marks, is_set = self.kept[self.frame]
        mirror = np.arange(17)
        for name in ("hip", "knee", "ankle"):
            a, b = H36M_17.index(f"left_{name}"), H36M_17.index(f"right_{name}")
            mirror[[a, b]] = b, a
        steps = self.editor.stack.index()
        self.editor.lab.window.actions_table["pose.swap_legs"].trigger()
        self.editor.lab.qtbot.waitUntil(lambda: self.editor.stack.index() > steps)
        self.did((xy[mirror], marks[mirror], is_set | (mirror != np.arange(17))))

    def undo(self, _joint=None):
        if self.steps:
            self.editor.key(Qt.Key.Key_Z, CONTROL)
            frame, before, after = self.steps.pop()
            self.undone.append((frame, before, after))
            self.kept.set(frame, before)

    def redo(self, _joint=None):
        if self.undone:
            keys = (Qt.Key.Key_Y, CONTROL) if self.rng.integers(2) else (
                Qt.Key.Key_Z, CONTROL | SHIFT
            )  # fmt: skip
            self.editor.key(*keys)
            frame, before, after = self.undone.pop()
            self.steps.append((frame, before, after))
            self.kept.set(frame, after)

    # -- what must be ----------------------------------------------------------------------

    def check(self, keypoints, frames=slice(None)):
        sources = np.asarray(keypoints.sources)[frames]
        marks, is_set = self.kept.marks[frames], self.kept.is_set[frames]
        present = marks != ABSENT
        scores = np.asarray(keypoints.scores)[frames]
        np.testing.assert_array_equal(np.isfinite(keypoints.xy[frames][..., 0]), present)
        np.testing.assert_allclose(
            keypoints.xy[frames][present], self.kept.xy[frames][present], atol=0.1
        )
        np.testing.assert_array_equal(sources == SOURCE_USER, is_set)
        np.testing.assert_array_equal(scores[present] < 0.5, marks[present] == OCCLUDED)


def everything_alive():
    """How many widgets and timers there are."""
    gc.collect()
    QTest.qWait(10)
    timers = [o for o in gc.get_objects() if issubclass(type(o), QTimer) and isValid(o)]
    return len(QApplication.allWidgets()), len(timers)


@pytest.fixture
def person(editor, monkeypatch):
    monkeypatch.setattr(edit_keypoints, "NUDGES_JOIN_MS", -1)  # each a step of its own
    return Person(editor, seed=7)


def test_no_edit_of_300_frames_is_lost(person, tmp_path, monkeypatch):
    editor, lab = person.editor, person.editor.lab
    path = tmp_path / "edited.posestage"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    before, first = editor.saved(), lab.session.clip.num_frames - NUM_FRAMES - 1
    assert first > 4
    editor.go_to(first)
    verbs = [
        *[person.drag] * 6, *[person.nudge] * 3, *[person.change_visibility] * 2, person.remove,
        person.drag_all, person.give_up, person.copy, *[person.paste] * 2, person.swap_legs,
        *[person.undo] * 2, *[person.redo] * 2,
    ]  # fmt: skip
    memory, alive = [], []
    for step in range(NUM_FRAMES):
        joint = person.any_joint()
        if joint is not None:
            verbs[person.rng.integers(len(verbs))](joint)
        person.check(editor.keypoints, slice(first, first + NUM_FRAMES + 1))
        if step % 50 == 25:
            editor.key(Qt.Key.Key_S, CONTROL)
        if step in (NUM_FRAMES // 3, NUM_FRAMES - 1):
            lab.qtbot.waitUntil(lambda: lab.context.tasks.num_running == 0)
            # Without the decoded frames, which have a bound of their own.
            frames = lab.context.decoder._open.cache.num_bytes
            memory.append(psutil.Process().memory_info().rss - frames)
            alive.append(everything_alive())
        frame = person.frame
        if editor.mode.selected:  # or the arrow would nudge
            editor.click(QPointF(3, editor.video.height() - 60))
        editor.key(Qt.Key.Key_Right)
        lab.qtbot.waitUntil(lambda frame=frame: editor.video.exact_frame == frame + 1)
    assert len(person.steps) > NUM_FRAMES // 2
    assert alive[1] == alive[0]
    assert memory[1] - memory[0] < GROWTH_BYTES

    editor.settle()
    after = editor.saved()
    for _ in range(UNDONE):
        person.undo()
    person.check(editor.keypoints)
    for _ in range(UNDONE):
        person.redo()
    editor.settle()
    assert editor.saved() == after

    editor.key(Qt.Key.Key_S, CONTROL)
    lab.qtbot.waitUntil(lambda: not lab.context.document.is_modified)
    person.check(load_session(path).track(1).keypoints)
    while editor.stack.index() > 1:  # the first step is the fixture's
        editor.key(Qt.Key.Key_Z, CONTROL)
    assert editor.saved() == before


# The conventions that every user of a player or an editor knows: the keys, and what they do.
CONVENTIONS = {
    "Space": "go.play", "Right": "go.next", "Left": "go.previous",
    "Shift+Right": "go.forward_10", "Shift+Left": "go.back_10",
    "Ctrl+Right": "go.next_flag", "Ctrl+Left": "go.previous_flag",
    "Home": "go.first", "End": "go.last", "PgDown": "go.page_forward", "PgUp": "go.page_back",
    "Up": "go.faster", "Down": "go.slower", "L": "go.loop", "Ctrl+J": "go.frame",
    "[": "go.stage_back", "]": "go.stage_forward", "{": "go.stage_first", "}": "go.stage_last",
    "Ctrl+Z": "edit.undo", "Ctrl+Y": "edit.redo", "Ctrl+Shift+Z": "edit.redo",
    "Ctrl+C": "edit.copy_pose", "Ctrl+V": "edit.paste_pose", "Ctrl+S": "file.save",
    "H": "view.poses", "Ctrl+R": "view.reset", "F11": "view.full_screen",
    "Ctrl+,": "edit.settings", "Ctrl+Shift+P": "tools.palette",
    "1": "pose.person_1", "9": "pose.person_9",
    "Num+1": "view.front", "Num+3": "view.side", "Num+7": "view.top", "Num+0": "view.camera",
}  # fmt: skip


def press(window, keys):
    """Press a key as a keyboard does; the last part of `keys` is the key."""
    combination = QKeySequence(keys)[0]
    QTest.keyClick(window, combination.key(), combination.keyboardModifiers())


def test_every_convention_has_its_key(lab, editor, tmp_path, monkeypatch):
    window, table = lab.window, lab.window.actions_table
    path = tmp_path / "edited.posestage"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    editor.drag(H36M_17.index("left_wrist"), (60, -50))  # something to undo
    editor.key(Qt.Key.Key_C, CONTROL)
    editor.key(Qt.Key.Key_Escape)
    assert not editor.mode.is_on
    triggered = []

    def listen(action):
        name = action.objectName()
        return action.triggered.connect(lambda: triggered.append(name))

    connections = [listen(action) for action in table.all()]
    for keys, action_id in CONVENTIONS.items():
        if keys == "Ctrl+Shift+Z":
            press(window, "Ctrl+Z")  # something to do again
        triggered.clear()
        before = lab.state.frame, lab.state.stage
        press(window, keys)
        assert triggered == [action_id], keys
        if keys in ("Space", "F11", "H", "L"):
            press(window, keys)  # back again
        for dialog in window.findChildren(QDialog):
            dialog.reject()
        if action_id.startswith("go.stage_") or keys in ("Home", "End", "Right", "Left"):
            assert (lab.state.frame, lab.state.stage) != before, keys
        editor.settle()
    lab.qtbot.waitUntil(lambda: lab.context.tasks.num_running == 0)
    assert lab.context.document.path.exists()
    for connection in connections:
        QObject.disconnect(connection)
