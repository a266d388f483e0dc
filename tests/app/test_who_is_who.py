"""Splitting, merging and exchanging people in the window: actions, questions, undo."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QTreeWidget

from app.commands import SetTracks
from app.dialogs.error_dialog import ErrorDialog
from app.dialogs.other_person import OtherPersonDialog
from app.document import Change
from pose_core.analysis.track_edits import exchanged, merged, split
from pose_core.poses import SOURCE_USER, Keypoints2D, Poses3D
from pose_core.session import ModelRun, Track
from pose_core.session_parts import parts_of

T = 30


def person(track_id, present, models=("m",), stages=2):
    rng = np.random.default_rng(track_id)
    mask = np.isin(np.arange(T), present)
    xy = np.where(mask[:, None, None], rng.uniform(40, 150, (T, 17, 2)), np.nan)
    keypoints = Keypoints2D(xy, np.where(mask[:, None], 0.8, 0) * np.ones((T, 17)))
    poses = np.where(mask[:, None, None], rng.normal(0, 0.4, (stages, T, 17, 3)), np.nan)
    root = np.where(mask[:, None], [0, 0, 4.0], np.nan)
    runs = {model: ModelRun(Poses3D(poses, root), {"model": model}) for model in models}
    return Track(track_id, f"Person {track_id}", keypoints, runs)


def bits(document):
    description, arrays = parts_of(document.session)
    return repr(description), {name: array.tobytes() for name, array in arrays.items()}


def same(track, expected):
    np.testing.assert_array_equal(track.keypoints.xy, expected.keypoints.xy)
    np.testing.assert_array_equal(track.keypoints.sources, expected.keypoints.sources)
    assert track.runs.keys() == expected.runs.keys()
    for model, run in expected.runs.items():
        np.testing.assert_array_equal(track.runs[model].poses.stages, run.poses.stages)


@pytest.fixture
def crowd(window, open_file, short_clip):
    """A window with three people: 1 and 2 share frames, 3 has 3D with other stages."""
    open_file(window, short_clip)
    document = window.context.document
    people = (person(1, range(15)), person(2, range(10, T)), person(3, range(20, T), stages=3))
    sources = np.array(people[1].keypoints.sources)
    sources[12, 4] = SOURCE_USER
    by_hand = replace(people[1], keypoints=replace(people[1].keypoints, sources=sources))
    after = document.session.with_tracks((people[0], by_hand, people[2]))
    document.undo_stack.push(SetTracks(document, "Estimate", after, Change("poses")))
    return window


def test_split_exchange_and_merge(crowd, qtbot):
    window, document, state = crowd, crowd.context.document, crowd.context.view_state
    actions, stack = window.actions_table, document.undo_stack
    notices = []
    window.context.noticed.connect(notices.append)
    a, b, _ = document.session.tracks
    before = bits(document)
    (people,) = window.people.findChildren(QTreeWidget)
    in_menu = [action.objectName() for action in people.actions()]
    assert in_menu == ["edit.rename", "edit.delete", "pose.split", "pose.merge", "pose.exchange"]

    state.set_frame(20)
    actions["pose.split"].trigger()
    assert "Nothing to split" in notices[-1]
    assert bits(document) == before
    state.set_frame(6)
    qtbot.keyClick(window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    first, second = split(a, 6, 4, "Person 4")
    same(document.session.track(1), first)
    same(document.session.track(4), second)
    assert state.track_id == 4
    assert people.topLevelItemCount() == 4
    assert stack.undoText() == "Split Person 1 at Frame 6"
    after = bits(document)
    stack.undo()
    assert bits(document) == before
    assert state.track_id in (1, 2, 3)
    stack.redo()
    assert bits(document) == after
    stack.undo()

    window.presenter.select_person(1)
    actions["pose.exchange"].trigger()
    (dialog,) = window.findChildren(OtherPersonDialog)
    assert [dialog.list.item(i).text() for i in range(2)] == [
        "Person 2  -  frames 10 to 29, 5 of them shared",
        "Person 3  -  frames 20 to 29",
    ]
    assert not dialog.own.isVisible()  # both are exchanged: no conflict
    dialog.accept()
    for track, expected in zip(document.session.tracks, exchanged(a, b, 6), strict=False):
        same(track, expected)
    assert stack.undoText() == "Exchange Person 1 and Person 2 from Frame 6"
    stack.undo()
    assert bits(document) == before


def test_whose_joints_are_kept_is_asked_and_told(crowd, qtbot):
    window, document = crowd, crowd.context.document
    actions, stack = window.actions_table, document.undo_stack
    notices = []
    window.context.noticed.connect(notices.append)
    a, b, _ = document.session.tracks
    before = bits(document)
    window.presenter.select_person(1)

    def ask():
        actions["pose.merge"].trigger()
        return window.findChildren(OtherPersonDialog)[-1]

    dialog = ask()
    qtbot.waitUntil(dialog.isVisible)
    assert "5 frames" in dialog.conflict.text()
    assert dialog.own.isVisible()
    assert dialog.own.isChecked()
    dialog.list.setCurrentRow(1)
    assert not dialog.own.isVisible()  # these two are never in one frame
    dialog.list.setCurrentRow(0)
    dialog.reject()
    assert bits(document) == before

    ask().accept()
    same(document.session.track(1), merged(a, b, prefers_other=False))
    assert [track.track_id for track in document.session.tracks] == [1, 3]
    assert "In 5 frames both were: those of Person 1 were kept, 1 joints you had set" in notices[-1]
    stack.undo()
    assert bits(document) == before

    dialog = ask()
    dialog.others.setChecked(True)
    dialog.accept()
    same(document.session.track(1), merged(a, b, prefers_other=True))
    assert document.session.track(1).keypoints.sources[12, 4] == SOURCE_USER
    assert "were not" not in notices[-1]
    stack.undo()

    dialog = ask()
    dialog.list.setCurrentRow(1)
    dialog.accept()  # their 3D has other stages
    assert bits(document) == before
    (shown,) = window.findChildren(ErrorDialog)
    assert "2 stages, that of the other 3" in " ".join(
        label.text() for label in shown.findChildren(QLabel)
    )
    shown.reject()
