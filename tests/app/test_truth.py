"""The truth of a clip in the window: found, imported, shown, and the errors against it."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QHelpEvent, QImage
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QMessageBox, QToolTip, QWidget

from app.commands import SetTracks
from app.document import Change
from app.operations.truth import import_truth
from app.views.orbit import project, to_scene
from app.views.truth import lane_top_mm
from pose_core.camera import Camera
from pose_core.metrics.pose_error import mpjpe, pa_mpjpe
from pose_core.palette import TRUTH
from pose_core.poses import Keypoints2D, Poses3D
from pose_core.session import ModelRun, Track
from pose_core.session_io import load_session, save_session
from pose_core.skeleton import H36M_17
from pose_core.video import open_clip

T = 30  # frames of the short clip
LEFT_WRIST = H36M_17.index("left_wrist")
UNSEEN = (3, 4)


@pytest.fixture
def video(tmp_path, short_clip) -> Path:
    return shutil.copy(short_clip, tmp_path / "walk.mp4")


@pytest.fixture
def true_xyz(walker_xyz) -> np.ndarray:
    """(T, 17, 3) camera metres."""
    return walker_xyz[:T].astype(np.float32)


@pytest.fixture
def write_truth(true_xyz):
    """Write the truth of the walker, as the bundled clip has it."""

    def write(path: Path, num_frames: int = T) -> Path:
        xyz = true_xyz[:num_frames]
        np.savez(
            path,
            poses_3d=xyz - xyz[:, :1],
            root_3d=xyz[:, 0],
            keypoints_2d=Camera(320, 180, 300.0).project(xyz).astype(np.float32),
            focal_px=np.float32(300),
            fps=np.float32(25),
            joint_names=np.array(H36M_17.joint_names),
        )
        return path

    return write


@pytest.fixture
def people(true_xyz) -> tuple[Track, ...]:
    """A stranger, and the walker off the truth by 60 mm in stage 1 and by 20 mm in stage 2."""
    rng = np.random.default_rng(0)
    relative = true_xyz - true_xyz[:, :1]
    noise = rng.normal(0, 1, (2, T, 17, 3)).astype(np.float32)
    noise *= np.float32([0.06, 0.02])[:, None, None, None]
    noise[:, :, 0] = 0.0
    stages = relative + noise
    stages[:, UNSEEN] = np.nan
    walker = Poses3D(stages, true_xyz[:, 0] + np.float32([0.1, 0, 0.4]))
    stranger = Poses3D(relative[None], true_xyz[:, 0] + np.float32([1, 0, 0]))
    scores = np.full((T, 17), 0.9, np.float32)
    xy = Camera(320, 180, 300.0).project(true_xyz).astype(np.float32)
    return (
        Track(1, "Ann", Keypoints2D(xy + 40, scores), {"temporal": ModelRun(stranger)}),
        Track(2, "Ben", Keypoints2D(xy + 5, scores), {"temporal": ModelRun(walker)}),
    )


@pytest.fixture
def show(window, open_file, qtbot, people):
    """Open a file in the window, with the people found and the walker selected."""

    def open_and_find(path: Path):
        open_file(window, path)
        document = window.context.document
        if not document.session.tracks:
            after = document.session.with_tracks(people)
            document.undo_stack.push(SetTracks(document, "Estimate", after, Change("poses")))
        window.presenter.select_person(2)
        qtbot.waitUntil(lambda: window.context.tasks.num_running == 0)
        return window

    return open_and_find


def numbers(window) -> dict[str, tuple[float, float]]:
    """Frame and clip errors, read from the panel."""
    cells = window.truth.readout._cells.items()
    return {name: tuple(float(cell.text()) for cell in row) for name, row in cells}


def assert_errors_are_right(window, true_xyz, people, stage: int) -> None:
    """Panel, lane and tooltip against the metrics called here."""
    frame = window.context.view_state.frame
    shown = people[1].runs["temporal"].poses.stages[stage].astype(np.float64)
    truth = true_xyz.astype(np.float64)
    for name, metric in (("MPJPE", mpjpe), ("PA-MPJPE", pa_mpjpe)):
        each = metric(shown, truth)
        expected = (each[frame].mean(), np.nanmean(each))
        assert numbers(window)[name] == pytest.approx(expected, abs=0.051)
    lane = window.timeline._lanes["MPJPE"]
    np.testing.assert_allclose(lane.values, mpjpe(shown, truth).mean(axis=1), rtol=1e-5)
    assert lane.title == "MPJPE (mm)"
    np.testing.assert_allclose(
        window.truth.joint_errors_mm(), mpjpe(shown, truth)[frame], atol=1e-4
    )


def tooltip(widget: QWidget, at: QPoint) -> str:
    """What the widget says about a point under the cursor."""
    QApplication.sendEvent(widget, QHelpEvent(QEvent.Type.ToolTip, at, widget.mapToGlobal(at)))
    return QToolTip.text()


def pixels(view: QWidget) -> np.ndarray:
    """(H, W, 3) int of what a view paints."""
    image = view.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)


def purples(image: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels in the colour of the truth, whatever the light and what is behind."""
    red, green, blue = np.moveaxis(image, -1, 0)
    return (red - green > 25) & (blue - green > 10) & (red > blue)


# --- found beside the video -------------------------------------------------------------------


def test_errors_of_every_stage_and_frame_are_those_of_the_metrics(
    show, video, write_truth, true_xyz, people, qtbot
):
    write_truth(video.with_name("walk.truth.npz"))
    window = show(video)
    state = window.context.view_state
    for frame in (0, 17, T - 1):
        state.set_frame(frame)
        assert_errors_are_right(window, true_xyz, people, stage=1)
    assert "Temporal, stage 2 of 2" in window.truth.readout.text()
    last = numbers(window)
    qtbot.keyClick(window, "[")
    assert_errors_are_right(window, true_xyz, people, stage=0)
    assert "stage 1 of 2" in window.truth.readout.text()
    assert numbers(window)["MPJPE"] > last["MPJPE"]
    state.set_frame(UNSEEN[0])
    text = window.truth.readout.text()
    assert text.count("\N{EN DASH} in this frame") == 2
    assert "nan" not in text


def test_the_axis_of_the_lane_holds_all_stages_and_stays(show, video, write_truth, people):
    write_truth(video.with_name("truth.npz"))
    window = show(video)
    lane = window.timeline._lanes["MPJPE"]
    assert lane.value_range == (0.0, 150.0)  # stage 1 is off by 60 mm in each direction: 96 mm
    assert lane.is_high_bad
    assert lane.text_at(2).startswith("MPJPE ")
    assert lane.text_at(2).endswith(" mm")
    assert lane.text_at(UNSEEN[0]) == ""
    window.context.view_state.set_stage(0)
    assert window.timeline._lanes["MPJPE"].value_range == (0.0, 150.0)


def test_only_the_person_of_the_truth_has_errors(show, video, write_truth, qtbot):
    write_truth(video.with_name("truth.npz"))
    window = show(video)
    readout = window.truth.readout
    assert readout.isVisible()
    window.skeleton.resize(1200, 900)
    whole = readout.size()
    window.skeleton.resize(2 * whole.width(), 4 * whole.height())  # it would cover people
    (line,) = [label for label in readout.findChildren(QLabel) if label.isVisible()]
    error = window.truth.joint_errors_mm().mean()
    assert line.text() == f"MPJPE {error:.1f} mm"
    assert readout.height() < 0.6 * whole.height()
    assert readout.width() < 0.8 * whole.width()
    window.skeleton.resize(4 * whole.width(), 8 * whole.height())
    assert readout.size() == whole
    window.presenter.select_person(1)
    assert not window.truth.readout.isVisible()
    assert "MPJPE" not in window.timeline._lanes
    assert window.skeleton._truth is None
    assert window.video._truth is None
    window.presenter.select_person(2)
    window.presenter.select_person(1)  # before its errors are known
    qtbot.waitUntil(lambda: window.context.tasks.num_running == 0)
    assert not window.truth.readout.isVisible()
    assert "MPJPE" not in window.timeline._lanes


def test_another_clip_leaves_nothing_of_the_errors(show, open_file, video, write_truth, short_clip):
    write_truth(video.with_name("walk.truth.npz"))
    window = show(video)
    window.context.document.undo_stack.setClean()
    open_file(window, short_clip)
    assert window.context.document.session.truth is None
    assert not window.truth.readout.isVisible()
    assert "MPJPE" not in window.timeline._lanes
    assert not window.actions_table["view.truth"].isEnabled()


def test_truth_that_does_not_fit_is_told_and_the_video_opens(window, open_file, video, write_truth):
    write_truth(video.with_name("walk.truth.npz"), num_frames=T - 1)
    open_file(window, video)
    assert window.context.document.session.truth is None
    told = window.statusBar().currentMessage()
    assert "ground truth beside the video is not used" in told
    assert "29 frames, and walk.mp4 has 30" in told
    assert window.findChild(QMessageBox) is None


def test_what_lies_beside_the_video_is_found_again_and_not_saved(
    show, video, write_truth, tmp_path, true_xyz, people
):
    truth = write_truth(video.with_name("walk.truth.npz"))
    window = show(video)
    path = tmp_path / "a.posestage"
    save_session(window.context.document.session, path)
    assert load_session(path).truth is None
    window.context.document.undo_stack.setClean()
    show(path)
    assert_errors_are_right(window, true_xyz, people, stage=1)
    assert not window.context.document.is_modified
    assert not window.actions_table["file.remove_truth"].isEnabled()
    truth.unlink()
    show(path)
    assert window.context.document.session.truth is None


# --- imported ---------------------------------------------------------------------------------


def test_import_is_one_undo_step_and_is_saved(
    show, video, write_truth, tmp_path, monkeypatch, qtbot, true_xyz, people
):
    window = show(video)
    document = window.context.document
    before = document.session
    assert not window.truth.readout.isVisible()
    file = write_truth(tmp_path / "mocap.npz")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(file), ""))
    window.actions_table["file.import_truth"].trigger()
    qtbot.waitUntil(window.truth.readout.isVisible)
    assert_errors_are_right(window, true_xyz, people, stage=1)
    imported = document.session
    assert document.undo_stack.undoText() == "Import Ground Truth"

    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert document.session.truth is None
    assert document.session.tracks == before.tracks  # the same objects
    assert not window.truth.readout.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_array_equal(document.session.truth.poses.stages, imported.truth.poses.stages)
    qtbot.waitUntil(window.truth.readout.isVisible)

    path = tmp_path / "a.posestage"
    save_session(document.session, path)
    document.undo_stack.setClean()
    # Its own truth wins over one that lies beside the video.
    write_truth(video.with_name("walk.truth.npz"))
    show(path)
    assert window.context.document.session.truth.source == "mocap.npz"
    assert_errors_are_right(window, true_xyz, people, stage=1)
    window.actions_table["file.remove_truth"].trigger()
    assert document.session.truth is None
    document.undo_stack.undo()
    np.testing.assert_array_equal(document.session.truth.poses.xyz, imported.truth.poses.xyz)


def test_import_of_what_does_not_fit_is_refused_and_changes_nothing(
    show, video, write_truth, tmp_path, qtbot
):
    window = show(video)
    before = window.context.document.session
    import_truth(window.context, write_truth(tmp_path / "mocap.npz", num_frames=12))
    qtbot.waitUntil(lambda: window.findChild(QMessageBox) is not None)
    dialog = window.findChild(QMessageBox)
    assert "12 frames, and walk.mp4 has 30" in dialog.text()
    assert "a pose for every frame" in dialog.informativeText()
    dialog.close()
    assert window.context.document.session is before


def test_an_import_that_ends_after_the_clip_was_closed_is_dropped(
    show, video, write_truth, tmp_path, qtbot, short_clip, open_file
):
    window = show(video)
    import_truth(window.context, write_truth(tmp_path / "mocap.npz"))
    other = replace(window.context.document.session, clip=open_clip(short_clip))
    window.context.document.open(other)
    qtbot.waitUntil(lambda: window.context.tasks.num_running == 0)
    assert window.context.document.session is other


# --- painted ----------------------------------------------------------------------------------


def test_the_true_pose_is_drawn_with_its_pelvis_on_that_of_the_shown_one(
    show, video, write_truth, true_xyz, people, qtbot
):
    write_truth(video.with_name("truth.npz"))
    window = show(video)
    view = window.skeleton
    view.grab()
    if not view._scene.is_valid:
        pytest.skip("no OpenGL on this platform; run in a real window or Xvfb")
    view.set_trails(False)
    window.context.view_state.set_frame(20)
    window.context.view_state.set_stage(0)
    view.set_view_preset("side")
    image = pixels(view)
    seen = purples(image)

    def share_seen(xyz: np.ndarray) -> float:
        """Of the bones, in whose middle the colour of the truth is."""
        middles = [(xyz[parent] + xyz[child]) / 2 for parent, child in H36M_17.bones]
        matrix = view.orbit.matrix(view.width() / view.height())
        places = project(to_scene(np.array(middles), view._level), matrix, *image.shape[1::-1])
        around = [seen[y - 2 : y + 3, x - 2 : x + 3] for x, y in places.astype(int).tolist()]
        return np.mean([patch.any() for patch in around])

    # The pelvis of the estimate is 0.1 m to the right of the true one and 0.4 m behind it.
    root = people[1].runs["temporal"].poses.root[20]
    assert share_seen(true_xyz[20] - true_xyz[20, 0] + root) > 0.8
    assert share_seen(true_xyz[20]) < 0.3
    assert seen[-30:].any()  # the legend
    qtbot.keyClick(window, "G")
    assert not purples(pixels(view)).any()
    assert window.truth.readout.isVisible()
    qtbot.keyClick(window, "G")
    np.testing.assert_array_equal(purples(pixels(view)), seen)


def test_the_true_2d_is_drawn_where_it_is_in_the_frame_on_screen(
    show, video, write_truth, true_xyz, qtbot
):
    write_truth(video.with_name("truth.npz"))
    window = show(video)
    state = window.context.view_state
    state.set_frame(25)
    qtbot.waitUntil(lambda: window.video.exact_frame == 25)
    xy = Camera(320, 180, 300.0).project(true_xyz[25])
    # Between true neck and head: the estimate is 5 px to the lower right.
    middle = (xy[H36M_17.index("neck")] + xy[H36M_17.index("head_top")]) / 2
    x, y = window.video.zoom.to_device(middle).astype(int)
    around = (slice(y - 2, y + 3), slice(x - 2, x + 3))
    expected = np.abs(pixels(window.video)[around] - TRUTH).max(axis=-1).min()
    assert expected < 12
    qtbot.keyClick(window, "G")
    assert np.abs(pixels(window.video)[around] - TRUTH).max(axis=-1).min() > 40
    qtbot.keyClick(window, "G")
    qtbot.keyClick(window, "H")
    assert np.abs(pixels(window.video)[around] - TRUTH).max(axis=-1).min() > 40


def test_joints_tell_their_errors_under_the_cursor(
    show, video, write_truth, true_xyz, people, qtbot
):
    write_truth(video.with_name("walk.truth.npz"))
    window = show(video)
    view = window.skeleton
    window.context.view_state.set_frame(9)
    poses = people[1].runs["temporal"].poses
    each = mpjpe(poses.stages[1].astype(float), true_xyz.astype(float))[9]
    table = tooltip(window.truth.readout, QPoint(20, 20))
    assert "frame 9" in table
    assert "walk.truth.npz" in table
    for name, error in zip(H36M_17.joint_names, each, strict=True):
        assert f"{name.replace('_', ' ')}</td>" in table
        assert f"{error:.1f} mm" in table
    joint = to_scene(poses.camera_xyz[9, LEFT_WRIST], view._level)
    size = view.width(), view.height()
    at = project(joint, view.orbit.matrix(size[0] / size[1]), *size)
    text = tooltip(view, QPoint(*np.round(at).astype(int).tolist()))
    assert text == f"Left wrist\n{each[LEFT_WRIST]:.1f} mm from the truth"
    tooltip(view, QPoint(3, size[1] - 60))
    qtbot.waitUntil(lambda: not QToolTip.isVisible())


def test_the_lane_ends_at_a_round_number():
    values = np.full(1000, 48.0)
    values[:5], values[500] = 900.0, np.nan  # a few frames that are far off do not flatten it
    assert lane_top_mm(values) == 50.0
    assert lane_top_mm(values + 3) == 100.0
    assert lane_top_mm(np.full(3, np.nan)) == 50.0
    assert lane_top_mm(np.full(3, 9000.0)) == 2000.0
