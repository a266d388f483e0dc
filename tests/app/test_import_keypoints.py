"""Keypoints of other programs in the window: import, names, drag and drop, export, 3D, undo."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QFileDialog, QMessageBox

from app.dialogs.joint_names import JointNamesDialog
from app.operations.export_keypoints import with_suffix
from app.operations.import_keypoints import import_keypoints
from pose_core.interchange.keypoint_files import load_keypoints
from pose_core.models.registry import installed_models
from pose_core.poses import SOURCE_IMPORTED
from pose_core.skeleton import H36M_17

sys.path.insert(0, str(Path(__file__).parents[1] / "interchange"))
import keypoint_files as files

T, SIZE = 30, (320, 180)


@pytest.fixture
def people(session) -> dict[str, np.ndarray]:
    """Two people (30, 17, 2) within 320 x 180 pixels."""
    xy = session.truth.xy[:T].astype(np.float64) * 0.35
    return {"ann": xy, "bob": xy + np.array([90, 5])}


@pytest.fixture
def opened(window, open_file, short_clip):
    """A window with the short clip of 30 frames."""
    open_file(window, short_clip)
    return window


def wait(qtbot, window) -> None:
    qtbot.waitUntil(lambda: window.context.tasks.num_running == 0)


def drop(window, path: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    event = QDropEvent(QPointF(50, 50), Qt.DropAction.CopyAction, data, buttons, keys)
    window.dropEvent(event)


def names(window) -> list[str]:
    return [track.name for track in window.context.document.session.tracks]


def test_imported_people_are_one_step_and_ready_for_3d(
    opened, qtbot, tmp_path, people, monkeypatch
):
    window, document = opened, opened.context.document
    path = files.write_slp(tmp_path / "a.slp", people, size=SIZE)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a, **k: (str(path), ""))
    noticed = []
    window.context.noticed.connect(noticed.append)
    window.actions_table["file.import_keypoints"].trigger()
    wait(qtbot, window)
    assert names(window) == ["ann", "bob"]
    assert "Imported 2 people (SLEAP)" in noticed[-1]
    assert document.undo_stack.undoText() == "Import Keypoints"
    before = document.session
    # The views follow: the person can be chosen, and the keypoints are drawn.
    assert window.people.isVisible()
    assert window.context.selected_track is not None
    sources = np.asarray(before.tracks[0].keypoints.sources)
    assert set(sources[before.tracks[0].present_mask].ravel()) == {SOURCE_IMPORTED}

    document.undo_stack.undo()
    assert names(window) == []
    document.undo_stack.redo()
    for track, original in zip(document.session.tracks, before.tracks, strict=True):
        np.testing.assert_array_equal(track.keypoints.xy, original.keypoints.xy)

    # A folder of OpenPose, dropped on the window, adds to them.
    folder = files.write_openpose(tmp_path / "op", [people["ann"]])
    drop(window, folder)
    wait(qtbot, window)
    assert names(window) == ["ann", "bob", "Person 3"]
    document.undo_stack.undo()

    if "temporal" not in installed_models():
        pytest.skip("the weights of the temporal network are missing")
    window.actions_table["pose.lift"].trigger()
    wait(qtbot, window)
    assert all("temporal" in track.runs for track in document.session.tracks)
    poses = document.session.tracks[0].runs["temporal"].poses
    assert np.isfinite(poses.xyz[before.tracks[0].present_mask]).all()
    np.testing.assert_array_equal(
        document.session.tracks[0].keypoints.xy, before.tracks[0].keypoints.xy
    )


def test_names_that_are_not_found_are_asked_for(opened, qtbot, tmp_path, people):
    path = files.write_deeplabcut_csv(tmp_path / "a.csv", {"x": people["ann"]})
    rows = list(csv.reader(path.open()))
    other = {"left_hip": "HueftLinks", "right_hip": "HueftRechts"}
    rows[1] = [other.get(word, word) for word in rows[1]]
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows(rows)
    import_keypoints(opened.context, path)
    wait(qtbot, opened)
    dialog = opened.findChild(JointNamesDialog)
    assert list(dialog.choices) == ["left_hip", "right_hip"]
    ready = dialog._import.isEnabled
    left, right = dialog.choices.values()
    assert not ready()
    left.setCurrentText("HueftLinks")
    right.setCurrentText("HueftLinks")
    assert not ready()
    assert "only be one of them" in dialog._message.text()
    right.setCurrentText("HueftRechts")
    assert ready()
    qtbot.mouseClick(dialog._import, Qt.MouseButton.LeftButton)
    wait(qtbot, opened)
    (track,) = opened.context.document.session.tracks
    joint = H36M_17.index("left_hip")
    np.testing.assert_allclose(track.keypoints.xy[:, joint], people["ann"][:, joint], atol=0.01)

    # What does not fit is told, and changes nothing.
    bad = files.write_deeplabcut_csv(tmp_path / "b.csv", {"x": 4 * people["ann"]})
    import_keypoints(opened.context, bad)
    wait(qtbot, opened)
    box = opened.findChild(QMessageBox)
    assert "outside of the picture of 320 x 180" in box.text() + box.informativeText()
    box.close()
    assert len(opened.context.document.session.tracks) == 1


def test_keypoints_are_exported_in_the_format_of_their_name(
    opened, qtbot, tmp_path, people, monkeypatch
):
    assert not opened.actions_table["file.export_keypoints"].isEnabled()
    import_keypoints(opened.context, files.write_slp(tmp_path / "a.slp", people, size=SIZE))
    wait(qtbot, opened)
    for chosen, name in (("COCO keypoints (*.coco.json)", "x"), ("", "x.keypoints.npz")):
        path = str(tmp_path / name)
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, p=path, c=chosen: (p, c))
        opened.actions_table["file.export_keypoints"].trigger()
        wait(qtbot, opened)
    for name in ("x.coco.json", "x.keypoints.npz"):
        found = load_keypoints(tmp_path / name)
        assert found.person_names == ("ann", "bob")
        assert len(found.frames) == 2 * T


def test_a_file_dropped_without_a_video_says_what_to_do(window, tmp_path, people):
    drop(window, files.write_deeplabcut_csv(tmp_path / "a.csv", {"x": people["ann"]}))
    box = window.findChild(QMessageBox)
    assert "Open the video first" in box.text() + box.informativeText()
    box.close()


@pytest.mark.parametrize(
    ("name", "suffix", "expected"),
    [
        ("a", ".coco.json", "a.coco.json"),
        ("a.json", ".coco.json", "a.coco.json"),
        ("a.coco.json", ".keypoints.csv", "a.keypoints.csv"),
        ("a.keypoints.npz", "", "a.keypoints.npz"),
        ("a.keypoints.csv", ".keypoints.csv", "a.keypoints.csv"),
    ],
)
def test_names_get_the_ending_of_their_format(name, suffix, expected):
    assert with_suffix(Path(name), suffix).name == expected
