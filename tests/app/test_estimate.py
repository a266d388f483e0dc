"""Estimating from the window: progress, live results, cancel, undo."""

import threading

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox

from app.operations import edit_poses
from app.operations.lift import set_scale
from pose_core.analysis.pose_edits import moved_joints
from pose_core.camera import Camera
from pose_core.detection.weights import weights_status
from pose_core.errors import Cancelled, VideoError
from pose_core.inference.records import EstimateFinished, FrameDetected, LiftProgress
from pose_core.inference.root import stature
from pose_core.models.registry import manifest_path
from pose_core.poses import Keypoints2D, Poses3D
from pose_core.resources import resource_path
from pose_core.session import ModelRun, Session, Track


class SteppedPipeline:
    """A pipeline that waits before each frame until the test lets it go on.

    It stands in for the networks only: it answers with a person that the test made.
    """

    def __init__(self, walker_xyz):
        self._xyz = walker_xyz
        self._steps = threading.Semaphore(0)
        self.is_closed = threading.Event()
        self.fails_at = -1
        self.settings = None

    def let_go(self, num_frames):
        for _ in range(num_frames):
            self._steps.release()

    def __call__(self, clip, settings):
        self.settings = settings
        end = clip.num_frames if settings.end is None else settings.end
        camera_xyz = np.resize(self._xyz, (clip.num_frames, 17, 3)).astype(np.float32)
        xy = Camera.assumed(clip.width, clip.height).project(camera_xyz).astype(np.float32)
        scores = np.full(xy.shape[:2], 0.8, np.float32)
        num_done = 0
        try:
            for frame in range(settings.start, end):
                self._steps.acquire()
                if frame == self.fails_at:
                    raise VideoError("Frame 3 cannot be decoded.", "Cut the video.")
                num_done += 1
                people = ((7, xy[frame], scores[frame]),)
                yield FrameDetected(frame, num_done, end - settings.start, people)
        except Cancelled:
            pass
        finally:
            self.is_closed.set()
        is_seen = np.zeros(clip.num_frames, dtype=bool)
        is_seen[settings.start : settings.start + num_done] = True
        yield LiftProgress(0, 1)
        xy[~is_seen], scores[~is_seen], camera_xyz[~is_seen] = np.nan, 0, np.nan
        root = camera_xyz[:, 0]
        poses = Poses3D((camera_xyz - root[:, None])[None], root)
        run = ModelRun(poses, {"settings": {}})
        track = Track(1, "Person 1", Keypoints2D(xy, scores), {settings.model: run})
        yield EstimateFinished(Session(clip, (track,)), 0, "cpu")


@pytest.fixture
def pipeline(walker_xyz):
    stepped = SteppedPipeline(walker_xyz)
    yield stepped
    stepped.let_go(10_000)


@pytest.fixture
def open_window(make_window, open_file, short_clip, pipeline):
    window = make_window(pipeline)
    open_file(window, short_clip)
    return window


def test_results_arrive_live_and_the_whole_is_one_undo_step(open_window, pipeline, qtbot):
    window, document = open_window, open_window.context.document
    qtbot.keyClick(window, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert window.estimator.is_running
    assert not window.actions_table["pose.estimate"].isEnabled()
    pipeline.let_go(5)
    qtbot.waitUntil(lambda: len(window.estimator.live) == 5)
    assert document.session.tracks == ()
    # The video goes along with the estimate, and shows what was found in that frame.
    qtbot.waitUntil(lambda: window.context.view_state.frame == 4)
    qtbot.waitUntil(lambda: [p.track_id for p in window.video._people] == [7])

    pipeline.let_go(100)
    qtbot.waitUntil(lambda: not window.estimator.is_running)
    (track,) = document.session.tracks
    assert track.present_mask.all()
    assert document.is_modified
    assert window.context.view_state.track_id == 1
    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert document.session.tracks == ()
    assert not document.is_modified
    qtbot.keyClick(window, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    assert len(document.session.tracks) == 1


def test_after_the_last_frame_no_time_is_promised(open_window, pipeline, qtbot):
    told = []
    open_window.estimator.progressed.connect(told.append)
    open_window.estimator.start()
    pipeline.let_go(100)
    qtbot.waitUntil(lambda: not open_window.estimator.is_running)
    assert told[-3].text == "Frame 29 of 30"
    assert told[-3].seconds_left is not None
    assert [(p.text, p.seconds_left) for p in told[-2:]] == [
        ("3D of the people...", None),
        ("3D of person 1 of 1", None),
    ]


def test_going_elsewhere_stops_following_the_estimate(open_window, pipeline, qtbot):
    window = open_window
    window.estimator.start()
    pipeline.let_go(3)
    qtbot.waitUntil(lambda: window.context.view_state.frame == 2)
    qtbot.keyClick(window, Qt.Key.Key_End)
    pipeline.let_go(10)
    qtbot.waitUntil(lambda: len(window.estimator.live) == 13)
    qtbot.wait(400)
    assert window.context.view_state.frame == 29


def test_cancel_leaves_all_as_it_was(open_window, pipeline, qtbot):
    window, document = open_window, open_window.context.document
    window.context.view_state.set_frame(17)
    window.estimator.start()
    pipeline.let_go(5)
    qtbot.waitUntil(lambda: window.context.view_state.frame == 4)
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not window.estimator.is_running
    assert window.context.view_state.frame == 17
    pipeline.let_go(1)
    assert pipeline.is_closed.wait(5)
    qtbot.waitUntil(lambda: window.context.tasks.num_running == 0)
    assert document.session.tracks == ()
    assert not document.is_modified
    assert window.actions_table["pose.estimate"].isEnabled()


def test_stop_and_keep_keeps_the_frames_that_are_done(open_window, pipeline, qtbot):
    window = open_window
    window.estimator.start()
    pipeline.let_go(20)
    qtbot.waitUntil(lambda: len(window.estimator.live) == 20)
    window.actions_table["pose.stop"].trigger()
    pipeline.let_go(1)
    qtbot.waitUntil(lambda: not window.estimator.is_running)
    (track,) = window.context.document.session.tracks
    assert 20 <= len(track.present_frames) <= 21


def test_an_answer_for_a_clip_that_is_no_longer_open_is_dropped(
    open_window, open_file, pipeline, short_clip, qtbot, tmp_path
):
    window = open_window
    other = tmp_path / "other.mp4"
    other.write_bytes(short_clip.read_bytes())
    window.estimator.start()
    pipeline.let_go(3)
    qtbot.waitUntil(lambda: len(window.estimator.live) == 3)
    open_file(window, other)
    assert not window.estimator.is_running
    pipeline.let_go(1000)
    qtbot.waitUntil(lambda: window.context.tasks.num_running == 0)
    assert window.context.document.session.clip.path == other
    assert window.context.document.session.tracks == ()


def test_a_failure_is_told_and_changes_nothing(open_window, pipeline, qtbot):
    window = open_window
    pipeline.fails_at = 3
    window.estimator.start()
    pipeline.let_go(10)
    qtbot.waitUntil(lambda: window.findChild(QMessageBox) is not None)
    dialog = window.findChild(QMessageBox)
    assert dialog.text() == "Frame 3 cannot be decoded."
    assert dialog.informativeText() == "Cut the video."
    assert "VideoError" in dialog.detailedText()
    dialog.close()
    assert not window.estimator.is_running
    assert window.context.document.session.tracks == ()


def test_only_the_selected_range_is_estimated_again(open_window, pipeline, qtbot):
    window, document = open_window, open_window.context.document
    pipeline.let_go(10_000)
    window.estimator.start()
    qtbot.waitUntil(lambda: not window.estimator.is_running)
    before = document.session.tracks[0]
    window.context.view_state.set_range((10, 20))
    window.estimator.start()
    qtbot.waitUntil(lambda: not window.estimator.is_running)
    assert (pipeline.settings.start, pipeline.settings.end) == (10, 20)
    (after,) = document.session.tracks
    assert after.present_mask.all()
    np.testing.assert_array_equal(after.keypoints.xy, before.keypoints.xy)


def test_a_box_is_estimated_from_its_frame_on(open_window, pipeline, qtbot):
    window = open_window
    window.context.view_state.set_frame(12)
    pipeline.let_go(10_000)
    window.actions_table["pose.box"].trigger()
    window.video.box_drawn.emit(10.0, 20.0, 110.0, 170.0)
    qtbot.waitUntil(lambda: not window.estimator.is_running)
    assert pipeline.settings.start == 12
    assert pipeline.settings.start_box == (10.0, 20.0, 110.0, 170.0)


def test_body_height_scales_the_3d_and_can_be_undone(open_window, pipeline, qtbot):
    if not manifest_path().is_file():
        pytest.skip("needs the shipped weights")
    window, document = open_window, open_window.context.document
    pipeline.let_go(10_000)
    window.estimator.start()
    qtbot.waitUntil(lambda: not window.estimator.is_running)
    set_scale(window.context, 1.8, 400.0)
    qtbot.waitUntil(lambda: document.session.body_height_m == 1.8)
    placed = document.session.tracks[0].runs["temporal"].poses.xyz[5] + 0.0
    placed[16] += (0.1, -0.2, 0.05)
    edit_poses.set_pose(window.context, document.session.tracks[0], "temporal", 5, placed)
    edit_poses.smooth(window.context, document.session.tracks[0], "temporal", 10, 15)
    qtbot.waitUntil(lambda: document.undo_stack.undoText() == "Smooth")
    before = document.session.tracks[0]
    set_scale(window.context, 1.5, 400.0)
    qtbot.waitUntil(lambda: document.session.body_height_m == 1.5)
    (track,) = document.session.tracks
    # What was put elsewhere by hand goes along.
    assert moved_joints(track.runs["temporal"].meta) == {5: {16}}
    poses = [each.runs["temporal"].poses.xyz for each in (before, track)]
    factor = np.linalg.norm(poses[1][8]) / np.linalg.norm(poses[0][8])
    assert factor < 0.9
    np.testing.assert_allclose(poses[1][5], factor * poses[0][5], atol=1e-3)
    np.testing.assert_allclose(poses[1][10:15], factor * poses[0][10:15], atol=6e-3)
    run = track.runs["temporal"]
    assert stature(run.poses.xyz) == pytest.approx(1.5, abs=0.02)
    assert not run.poses.is_root_estimated
    assert run.meta["settings"]["focal_px"] == 400.0
    np.testing.assert_array_equal(track.keypoints.xy, before.keypoints.xy)
    document.undo_stack.undo()
    assert document.session.body_height_m == 1.8
    (undone,) = document.session.tracks
    np.testing.assert_array_equal(undone.keypoints.xy, before.keypoints.xy)
    restored, poses = undone.runs["temporal"].poses, before.runs["temporal"].poses
    np.testing.assert_array_equal(restored.stages, poses.stages)
    np.testing.assert_array_equal(restored.root, poses.root)

    def lift_again(answer):
        index = document.undo_stack.index()
        window.actions_table["pose.lift"].trigger()
        (box,) = window.findChildren(QMessageBox)
        assert "6 frames have 3D by temporal that you have moved, smoothed" in box.text()
        next(button for button in box.buttons() if button.text() == answer).click()
        qtbot.waitUntil(lambda: document.undo_stack.index() > index)
        return document.session.tracks[0].runs["temporal"].poses.xyz

    np.testing.assert_array_equal(lift_again("Keep My Edits")[10:15], poses.xyz[10:15])
    raw = lift_again("Replace Them")
    assert (np.abs(raw[10:15] - poses.xyz[10:15]).max(axis=(1, 2)) > 1e-5).all()
    assert np.abs(raw[5, 16] - placed[16]).max() > 0.01
    window.actions_table["pose.lift"].trigger()  # nothing is edited any more: no question
    qtbot.waitUntil(lambda: window.context.tasks.num_running == 0)
    np.testing.assert_array_equal(document.session.tracks[0].runs["temporal"].poses.xyz, raw)


def test_the_real_pipeline_estimates_from_the_window(make_window, open_file, qtbot):
    clips = sorted(resource_path("samples").glob("*.mp4"))
    if (
        not clips
        or not manifest_path().is_file()
        or any(f.state != "intact" for f in weights_status())
    ):
        pytest.skip("needs the sample clip, the shipped weights and the detector's weights")
    window = make_window()
    open_file(window, clips[0])
    window.context.view_state.set_range((0, 6))
    window.estimator.start()
    qtbot.waitUntil(lambda: not window.estimator.is_running)
    (track,) = window.context.document.session.tracks
    assert set(range(6)) >= set(track.present_frames) >= {3, 4, 5}
    run = track.runs[window.context.view_state.model]
    assert np.isfinite(run.poses.xyz[track.present_frames]).all()
