"""The box of a person, dragged with the mouse; the real detector looks into it."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from pose_core.analysis.keypoint_edits import FramePose, placed
from pose_core.detection import weights
from pose_core.poses import SOURCE_DETECTOR, SOURCE_USER
from pose_core.session_parts import parts_of

NONE, LEFT = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
PRESS, MOVE = QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove
RELEASE = QEvent.Type.MouseButtonRelease
KNEE = 2
INSTALLED = weights._folder()  # before the tests have a folder of their own


class Boxer:
    """Drags over the video, by pixels of the picture."""

    def __init__(self, lab):
        self.lab, self.video, self.annotation = lab, lab.window.video, lab.window.annotation
        self.box_mouse, self.stack = self.annotation.box_mouse, lab.context.document.undo_stack
        self.notices = []
        lab.context.noticed.connect(self.notices.append)

    @property
    def pose(self):
        return FramePose.of(self.lab.track.keypoints, self.lab.state.frame)

    def event(self, kind, xy, button=NONE, held=NONE):
        at = QPointF(*(self.video.zoom.to_device(np.array(xy)) / self.video.devicePixelRatioF()))
        where = QPointF(self.video.mapToGlobal(at.toPoint()))
        plain = Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(self.video, QMouseEvent(kind, at, where, button, held, plain))

    def pull(self, start, end):
        self.event(PRESS, start, LEFT, LEFT)
        self.event(MOVE, (np.array(start) + end) / 2, NONE, LEFT)
        self.event(MOVE, end, NONE, LEFT)

    def drag(self, start, end):
        self.pull(start, end)
        self.event(RELEASE, end, LEFT)
        self.lab.qtbot.waitUntil(lambda: not self.annotation.finder.is_working)

    def bits(self):
        description, arrays = parts_of(self.lab.session)
        return repr(description), {name: array.tobytes() for name, array in arrays.items()}


@pytest.fixture
def boxer(lab, monkeypatch):
    monkeypatch.setattr(weights, "_folder", lambda: INSTALLED)
    if any(file.state != "intact" for file in weights.weights_status()):
        pytest.skip("the detector's weights are not installed")
    boxer = Boxer(lab)
    lab.qtbot.waitUntil(lambda: boxer.video.exact_frame == lab.state.frame)
    boxer.annotation.mode.set_on(True)
    yield boxer
    boxer.annotation.mode.set_on(False)


def test_a_corrected_box_is_looked_into(boxer):
    lab, frame = boxer.lab, boxer.lab.state.frame
    true_xy = lab.session.truth.xy[frame]
    far = placed(boxer.pose, KNEE, *(true_xy[KNEE] + (3, 4)))
    xy = far.xy + np.where(np.arange(17) == KNEE, 0, 25)[:, None]  # a bad frame, but for the knee
    bad = FramePose(xy.astype(np.float32), far.scores, far.sources)
    boxer.annotation.editor.set_pose(frame, bad, "Spoil")
    before, steps = boxer.bits(), boxer.stack.index()

    x0, y0, x1, y1 = box = boxer.box_mouse.box
    assert x0 < xy[:, 0].min() < xy[:, 0].max() < x1
    middle = (y0 + y1) / 2
    boxer.event(MOVE, (x0, middle))
    assert boxer.video.cursor().shape() == Qt.CursorShape.SizeHorCursor
    boxer.event(MOVE, (x1, y0))
    assert boxer.video.cursor().shape() == Qt.CursorShape.SizeBDiagCursor
    boxer.pull((x0, middle), (x0 - 40, middle))
    np.testing.assert_allclose(boxer.box_mouse.box, (x0 - 40, y0, x1, y1), atol=1)
    QTest.keyClick(boxer.video, Qt.Key.Key_Escape)
    boxer.event(RELEASE, (x0 - 40, middle), LEFT)
    assert boxer.box_mouse.box == box
    boxer.pull((x0, middle), (x1 + 90, middle))  # not past the other side
    assert 0 < boxer.box_mouse.box[2] - boxer.box_mouse.box[0] < 10
    QTest.keyClick(boxer.video, Qt.Key.Key_Escape)
    boxer.event(RELEASE, (x1 + 90, middle), LEFT)
    assert boxer.bits() == before
    assert not boxer.annotation.finder.is_working

    margin = 0.06 * np.ptp(true_xy[:, 1])
    boxer.drag((x1, y1), true_xy.max(axis=0) + margin)
    assert boxer.stack.index() == steps + 1
    assert boxer.stack.undoText() == "Correct the Box"
    pose = boxer.pose
    assert pose.sources[KNEE] == SOURCE_USER
    np.testing.assert_array_equal(pose.xy[KNEE], bad.xy[KNEE])
    found = pose.sources == SOURCE_DETECTOR
    assert found.sum() == 16
    distances = np.linalg.norm(pose.xy - true_xy, axis=1)[found]
    assert np.median(distances) < 12 < np.median(np.linalg.norm(bad.xy - true_xy, axis=1)[found])
    boxer.stack.undo()
    assert boxer.bits() == before


def test_somebody_added_in_a_box_is_found_in_the_same_step(boxer):
    lab, frame, before = boxer.lab, boxer.lab.state.frame, boxer.bits()
    true_xy, steps = lab.session.truth.xy[frame], boxer.stack.index()
    margin = 0.06 * np.ptp(true_xy[:, 1])
    low, high = true_xy.min(axis=0) - margin, true_xy.max(axis=0) + margin
    lab.window.actions_table["pose.add_person"].trigger()
    boxer.drag(low, high)
    assert boxer.stack.index() == steps + 1
    assert boxer.stack.undoText() == "Add Person 2"
    pose = boxer.pose
    assert lab.state.track_id == 2
    assert (pose.sources == SOURCE_DETECTOR).all()
    assert np.median(np.linalg.norm(pose.xy - true_xy, axis=1)) < 12
    assert lab.track.present_frames.tolist() == [frame]
    boxer.stack.undo()
    assert boxer.bits() == before
    boxer.stack.redo()
    np.testing.assert_array_equal(lab.session.track(2).keypoints.xy[frame], pose.xy)
    boxer.stack.undo()

    lab.window.actions_table["pose.add_person"].trigger()
    width = lab.session.clip.width
    boxer.drag((width - 60.0, 4.0), (width - 4.0, 90.0))  # a piece of the wall
    assert not boxer.pose.known_joints.size
    assert len(boxer.annotation.mode.ghosts) == 17
    assert "Nobody was recognised" in boxer.notices[-1]
