"""Small parts without a window: tasks, merging of tracks, the document, what models say."""

import gc
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QObject

from app import bootstrap
from app.commands import DeletePerson
from app.document import SessionDocument
from app.operations.export import narrowed
from app.operations.merge_tracks import merge_tracks
from app.operations.models import error_text
from app.workers.frame_decoder import FrameDecoder
from app.workers.priority import OF_DECODER, OF_LONG_WORK
from app.workers.task import Task, TaskRunner
from pose_core.clip import Clip
from pose_core.errors import Cancelled
from pose_core.poses import SOURCE_DETECTOR, SOURCE_USER, Keypoints2D, Poses3D
from pose_core.session import ModelRun, Session, Track

T = 20


def track(track_id, value=0.0, frames=range(T), name=None, model="temporal"):
    """A person whose joints lie on a 100 px tall figure, moved by `value` pixels."""
    xy = np.full((T, 17, 2), np.nan, np.float32)
    figure = np.stack([np.linspace(0, 30, 17), np.linspace(0, 100, 17)], axis=-1)
    xy[list(frames)] = figure + value
    stages = np.full((1, T, 17, 3), np.nan, np.float32)
    stages[:, list(frames)] = value
    run = ModelRun(Poses3D(stages, stages[0, :, 0]))
    keypoints = Keypoints2D(xy, np.where(np.isnan(xy[..., 0]), 0, 1))
    return Track(track_id, name or f"Person {track_id}", keypoints, {model: run})


@pytest.fixture
def runner(qapp):
    tasks = TaskRunner()
    yield tasks
    tasks.shut_down()


# -- tasks ---------------------------------------------------------------------------------


def test_records_arrive_in_order_in_the_gui_thread(runner, qtbot):
    seen = []

    def work():
        for number in range(5):
            yield number, threading.current_thread() is threading.main_thread()

    task = Task("count", work)
    task.progressed.connect(
        lambda record: seen.append((record, threading.current_thread() is threading.main_thread()))
    )
    with qtbot.waitSignal(task.succeeded) as done:
        runner.start(task)
    assert seen == [((number, False), True) for number in range(5)]
    assert done.args == [(4, False)]
    qtbot.waitUntil(lambda: runner.num_running == 0)


def test_cancel_closes_the_generator_and_brings_no_result(runner, qtbot):
    is_closed, go_on = threading.Event(), threading.Event()

    def work():
        try:
            while True:
                yield 1
                go_on.wait(5)
        finally:
            is_closed.set()

    task = Task("endless", work)
    results = []
    task.succeeded.connect(results.append)
    with qtbot.waitSignal(task.cancelled):
        runner.start(task)
        task.cancel()
        go_on.set()
    assert is_closed.wait(5)
    assert results == []


def test_finishing_early_hands_over_what_is_done(runner, qtbot):
    go_on = threading.Event()

    def work():
        done = []
        try:
            for number in range(1000):
                done.append(number)
                yield number
                go_on.wait(5)
        except Cancelled:
            pass
        yield "result", done

    task = Task("count", work)
    with qtbot.waitSignal(task.succeeded) as finished:
        runner.start(task)
        task.finish_early()
        go_on.set()
    name, done = finished.args[0]
    assert name == "result"
    assert done == list(range(len(done)))
    assert len(done) < 1000


def test_an_error_in_a_task_is_delivered(runner, qtbot):
    task = Task("fail", lambda: 1 / 0)
    with qtbot.waitSignal(task.failed) as failed:
        runner.start(task)
    assert isinstance(failed.args[0], ZeroDivisionError)


# -- merging -------------------------------------------------------------------------------


def test_a_person_found_again_keeps_id_name_and_what_lies_outside_the_range():
    old = track(3, 0.0, name="Ada")
    new = track(1, 5.0, frames=range(5, 10))
    (merged,) = merge_tracks((old,), (new,), 5, 10)
    assert (merged.track_id, merged.name) == (3, "Ada")
    np.testing.assert_array_equal(merged.keypoints.xy[5:10], new.keypoints.xy[5:10])
    np.testing.assert_array_equal(merged.keypoints.xy[:5], old.keypoints.xy[:5])
    poses = merged.runs["temporal"].poses
    assert (poses.xyz[5:10] == 5.0).all()
    assert (poses.xyz[10:] == 0.0).all()


def test_what_the_user_set_is_never_overwritten():
    old = track(1)
    sources = np.full((T, 17), SOURCE_DETECTOR, np.uint8)
    sources[7, 3] = SOURCE_USER
    edited = replace(old, keypoints=replace(old.keypoints, sources=sources))
    (merged,) = merge_tracks((edited,), (track(1, 4.0),), 0, T)
    assert merged.keypoints.sources[7, 3] == SOURCE_USER
    np.testing.assert_array_equal(merged.keypoints.xy[7, 3], old.keypoints.xy[7, 3])
    assert (merged.keypoints.xy[7, 4] == track(1, 4.0).keypoints.xy[7, 4]).all()


def test_somebody_else_is_added_and_nobody_is_lost():
    old = (track(1, 0.0, name="Ada"), track(2, 300.0))
    merged = merge_tracks(old, (track(1, 600.0), track(2, 2.0)), 0, T)
    assert [t.track_id for t in merged] == [1, 2, 3]
    assert [t.name for t in merged] == ["Ada", "Person 2", "Person 3"]
    assert merged[2].keypoints.xy[0, 0, 0] == 600.0


def test_runs_of_other_models_stay_and_the_newest_is_last():
    old = track(1, model="other")
    (merged,) = merge_tracks((old,), (track(1, 1.0, model="temporal"),), 0, T)
    assert list(merged.runs) == ["other", "temporal"]
    (again,) = merge_tracks((merged,), (track(1, 2.0, model="other"),), 0, T)
    assert list(again.runs) == ["temporal", "other"]


# -- document and export -------------------------------------------------------------------


def session_of(*tracks):
    clip = Clip(Path("walk.mp4"), 640, 480, np.arange(T) / 25, "f")
    return Session(clip, tracks)


def test_each_change_is_announced_with_its_kind_and_moves_the_revision(qapp):
    document = SessionDocument()
    document.open(session_of(track(1), track(2, 300.0)))
    changes, revisions = [], [document.revision]
    document.changed.connect(changes.append)
    document.undo_stack.push(DeletePerson(document, 2))
    revisions.append(document.revision)
    document.undo_stack.undo()
    revisions.append(document.revision)
    assert [(change.kind, change.track_ids) for change in changes] == [("people", (2,))] * 2
    assert revisions == sorted(set(revisions))


def test_a_save_that_ends_after_another_change_does_not_hide_it(qapp):
    document = SessionDocument()
    document.open(session_of(track(1), track(2, 300.0)))
    document.undo_stack.push(DeletePerson(document, 2))
    saved_revision = document.revision
    document.undo_stack.push(DeletePerson(document, 1))
    document.mark_saved(Path("a.posestage"), saved_revision)
    assert document.is_modified
    document.mark_saved(Path("a.posestage"), document.revision)
    assert not document.is_modified


def test_only_the_chosen_people_and_frames_are_exported():
    session = session_of(track(1), track(2, 300.0))
    (chosen,) = narrowed(session, (2,), (4, 9)).tracks
    assert chosen.track_id == 2
    is_there = np.isfinite(chosen.runs["temporal"].poses.xyz).all(axis=(1, 2))
    assert np.flatnonzero(is_there).tolist() == [4, 5, 6, 7, 8]
    assert np.isfinite(session.tracks[1].runs["temporal"].poses.xyz).all()


# -- models, garbage -----------------------------------------------------------------------


def test_a_model_that_was_not_tested_says_so():
    assert error_text({}) == "not measured"
    assert error_text({"split": "provisional"}) == "not measured"
    metrics = {"split": "unseen people", "noise_detector": {"MPJPE": 71.8}}
    assert error_text(metrics) == "72 mm per joint on average, on unseen people (MPJPE)"


def test_garbage_is_collected_by_the_timer_in_the_gui_thread_only(qapp, qtbot):
    class Node:
        pass

    owner = QObject()
    try:
        collector = bootstrap.GuiGarbageCollector(owner)
        assert not gc.isenabled()
        threads = []
        gc.callbacks.append(lambda *_: threads.append(threading.current_thread()))

        def litter():
            for _ in range(3000):
                node = Node()
                node.me = node

        worker = threading.Thread(target=litter)
        worker.start()
        worker.join()
        assert threads == []
        collector._collect()
        assert threads
        assert set(threads) == {threading.main_thread()}
    finally:
        gc.callbacks.clear()
        gc.enable()
        gc.unfreeze()
        owner.deleteLater()
        qtbot.wait(10)


@pytest.mark.skipif(sys.platform != "linux", reason="priorities are those of processes")
def test_long_work_and_the_decoder_give_way_to_the_window(qtbot):
    def nice():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    own, found = nice(), {}
    for is_long in (False, True):
        task = Task("look", nice, is_long=is_long)
        task.succeeded.connect(lambda value, key=is_long: found.update({key: value}))
        with qtbot.waitSignal(task.ended):
            task.start()
    assert found == {False: own, True: min(own + OF_LONG_WORK, 19)}
    assert nice() == own
    decoder = FrameDecoder()
    try:
        thread = decoder._thread.native_id
        qtbot.waitUntil(
            lambda: os.getpriority(os.PRIO_PROCESS, thread) == min(own + OF_DECODER, 19)
        )
    finally:
        decoder.shut_down()
