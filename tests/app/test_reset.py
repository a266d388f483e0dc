"""Back to the detector: from the history, and by an estimate that replaces what was edited."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtWidgets import QMessageBox

from app.commands import EditFrames, RearrangePeople, RenamePerson, SetTracks
from app.document import Change, SessionDocument
from app.operations.edit_poses import set_pose
from app.operations.merge_tracks import merge_tracks
from pose_core.analysis.before_edits import before_edits
from pose_core.analysis.keypoint_edits import FramePose, placed, removed
from pose_core.analysis.pose_edits import moved_joints
from pose_core.analysis.track_edits import split
from pose_core.inference.records import EstimateFinished
from pose_core.poses import (
    SOURCE_DETECTOR,
    SOURCE_INTERPOLATED,
    SOURCE_USER,
    Keypoints2D,
)
from pose_core.session import Session

ALL = range(17)


@pytest.fixture
def document(qapp, session):
    document = SessionDocument()
    document.open(session)
    return document


def edit(document, rng):
    """Somebody sets, interpolates or removes joints of some frames."""
    track = document.session.tracks[0]
    start = int(rng.integers(0, 55))
    end = start + int(rng.integers(1, 6))
    known = track.keypoints
    xy, scores, sources = known.xy.copy(), known.scores.copy(), np.array(known.sources)
    chosen = rng.choice(17, 3, replace=False)
    xy[start:end, chosen] = rng.uniform(0, 400, 2) if rng.random() < 0.8 else np.nan
    scores[start:end, chosen] = 1
    sources[start:end, chosen] = rng.choice([SOURCE_USER, SOURCE_INTERPOLATED])
    after = replace(track, keypoints=Keypoints2D(xy, scores, sources=sources))
    document.undo_stack.push(EditFrames(document, "Edit", after, (), start, end))


def done(document):
    history = document.history()
    return history.steps[: history.index]


def test_whatever_was_edited_the_history_knows_what_was_before(document):
    rng, stack = np.random.default_rng(3), document.undo_stack
    track = document.session.tracks[0]
    xy = track.keypoints.xy.copy()
    xy[20, 5] = np.nan  # not found: put back, it is missing again
    original = Keypoints2D(xy, np.where(np.isnan(xy[..., 0]), 0, track.keypoints.scores))
    estimated = (replace(track, keypoints=original), *document.session.tracks[1:])
    document.undo_stack.push(
        SetTracks(
            document, "Estimate", document.session.with_tracks(estimated), Change("poses")
        )
    )  # fmt: skip
    for step in range(60):
        edit(document, rng)
        if step % 7 == 3:
            stack.undo()
        if step % 13 == 5:
            stack.undo()
            stack.redo()
        if step == 30:
            stack.push(RenamePerson(document, track.track_id, "Ada"))
    track = document.session.tracks[0]
    by_hand = np.isin(np.asarray(track.keypoints.sources), (SOURCE_USER, SOURCE_INTERPOLATED))
    assert by_hand.sum() > 100
    found = before_edits(track, done(document), 0, 60, ALL)
    assert (found.num_reset, found.num_unknown) == (by_hand.sum(), 0)
    for name in ("xy", "scores", "sources"):
        np.testing.assert_array_equal(getattr(found.keypoints, name), getattr(original, name))

    # Only what is asked for.
    frames, joints = slice(10, 25), [2, 5, 9]
    part = before_edits(track, done(document), 10, 25, joints)
    chosen = np.zeros_like(by_hand)
    chosen[frames, joints] = True
    np.testing.assert_array_equal(part.keypoints.xy[chosen], original.xy[chosen])
    np.testing.assert_array_equal(part.keypoints.xy[~chosen], track.keypoints.xy[~chosen])
    assert part.num_reset == (by_hand & chosen).sum()

    # An estimate that has kept edits is gone through as well.
    moved = replace(estimated[0], keypoints=replace(original, xy=original.xy + 1))
    tracks = merge_tracks(document.session.tracks, (moved,), 0, 60)
    stack.push(
        SetTracks(document, "Estimate", document.session.with_tracks(tracks), Change("poses"))
    )
    again = before_edits(document.session.tracks[0], done(document), 0, 60, ALL)
    assert again.num_unknown == 0
    np.testing.assert_array_equal(again.keypoints.xy[by_hand], original.xy[by_hand])

    # Before a split the frames may be another's: what was edited before it stays.
    first, second = split(document.session.tracks[0], 30, 9, "Eve")
    others = [t for t in document.session.tracks if t.track_id != first.track_id]
    people = document.session.with_tracks((first, *others, second))
    stack.push(RearrangePeople(document, "Split", people, (first.track_id, 9)))
    found = before_edits(document.session.track(9), done(document), 0, 60, ALL)
    assert (found.num_reset, found.num_unknown) == (0, by_hand[30:].sum())
    np.testing.assert_array_equal(found.keypoints.xy, second.keypoints.xy)


@pytest.fixture
def edited(make_window, open_file, short_clip, session):
    """A window in which a joint was set, one removed and one moved in 3D after an estimate."""

    def pipeline(clip, settings):
        track = session.tracks[0]
        part = slice(0, clip.num_frames)
        known, run = track.keypoints, track.runs["temporal"]
        keypoints = Keypoints2D(known.xy[part], known.scores[part])
        poses = replace(
            run.poses, stages=run.poses.stages[:, part], root=np.asarray(run.poses.root)[part]
        )
        found = replace(
            track, keypoints=keypoints, runs={"temporal": replace(run, poses=poses)},
            swapped_mask=None,
        )  # fmt: skip
        yield EstimateFinished(Session(clip, (found,)), 0, "cpu")

    window = make_window(pipeline)
    open_file(window, short_clip)
    return window


def test_reset_and_the_question_before_an_estimate(edited, qtbot, monkeypatch):
    window, context = edited, edited.context
    document, stack = context.document, context.document.undo_stack
    monkeypatch.setattr("app.operations.edit_keypoints.installed_models", dict)
    notices = []
    context.noticed.connect(notices.append)

    def estimate():
        ended = []
        window.estimator.ended.connect(ended.append)
        window.actions_table["pose.estimate"].trigger()
        return ended

    ended = estimate()  # nothing is edited: no question
    qtbot.waitUntil(lambda: bool(ended))
    assert not window.findChildren(QMessageBox)
    track = context.selected_track
    original, poses = track.keypoints, track.runs["temporal"].poses
    editor, frame = window.annotation.editor, 12
    context.view_state.set_frame(frame)
    context.view_state.set_track(track.track_id, None, 0)  # no 3D has to follow
    pose = FramePose.of(original, frame)
    editor.set_pose(frame, removed(placed(pose, 4, 50, 60), np.array([6])), "Place")
    editor.set_pose(frame, placed(editor.pose(frame), 4, 70, 80), "Place")

    window.annotation.mode.set_on(True)
    window.annotation.mode.selected = frozenset({4})
    window.actions_table["pose.reset"].trigger()
    known = context.selected_track.keypoints
    np.testing.assert_array_equal(known.xy[frame, 4], original.xy[frame, 4])
    assert known.sources[frame, 4] == SOURCE_DETECTOR
    assert known.sources[frame, 6] == SOURCE_USER
    assert stack.undoText() == "Reset to the Detector"
    assert "Reset 1 joint." in notices[-1]
    window.annotation.mode.selected = frozenset()
    window.actions_table["pose.reset"].trigger()
    np.testing.assert_array_equal(context.selected_track.keypoints.xy, original.xy)
    window.actions_table["pose.reset"].trigger()
    assert "Nothing to reset" in notices[-1]
    stack.undo()
    stack.undo()
    assert context.selected_track.keypoints.xy[frame, 4].tolist() == [70, 80]
    window.annotation.mode.set_on(False)

    track = context.selected_track
    xyz = poses.xyz[frame].copy()
    xyz[13] += 0.1
    set_pose(context, track, "temporal", frame, xyz)
    before = context.selected_track

    def answer(text):
        ended = estimate()
        (box,) = window.findChildren(QMessageBox)
        assert "1 frame has joints" in box.text()
        next(b for b in box.buttons() if b.text() == text).click()
        if text != "Cancel":
            qtbot.waitUntil(lambda: bool(ended))
        qtbot.waitUntil(lambda: not window.findChildren(QMessageBox))
        return context.selected_track

    assert answer("Cancel") is before
    kept = answer("Keep My Edits")
    assert kept.keypoints.xy[frame, 4].tolist() == [70, 80]
    assert np.isnan(kept.keypoints.xy[frame, 6]).all()
    assert moved_joints(kept.runs["temporal"].meta) == {frame: {13}}
    np.testing.assert_array_equal(kept.runs["temporal"].poses.xyz[frame, 13], xyz[13])
    replaced = answer("Replace Them")
    np.testing.assert_array_equal(replaced.keypoints.xy, original.xy)
    assert not (np.asarray(replaced.keypoints.sources) == SOURCE_USER).any()
    assert moved_joints(replaced.runs["temporal"].meta) == {}
    np.testing.assert_array_equal(replaced.runs["temporal"].poses.stages, poses.stages)
    stack.undo()
    assert context.selected_track.keypoints.xy[frame, 4].tolist() == [70, 80]
    assert document.session is not None
