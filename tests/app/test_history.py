"""Undo and redo of every command, kept with the session: to the last bit, without a window."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from app.commands import (
    DeletePerson,
    EditFrames,
    RearrangePeople,
    RenamePerson,
    SessionCommand,
    SetNotes,
    SetScale,
    SetTracks,
    SetTruth,
)
from app.document import Change, SessionDocument, StepCommand
from app.operations.edit_poses import with_stages
from app.operations.merge_tracks import merge_tracks
from pose_core.analysis import fixes, track_edits
from pose_core.errors import ConfigError
from pose_core.poses import SOURCE_INTERPOLATED, SOURCE_USER, Keypoints2D, Poses3D
from pose_core.session import ModelRun, Note, Session, Track
from pose_core.session_history import History
from pose_core.session_io import load_session_file, save_session
from pose_core.session_parts import parts_of
from pose_core.session_patch import Patch

Rng = np.random.Generator
NUM_STEPS = 600  # of one sequence


def bits(session: Session) -> tuple[str, dict[str, bytes]]:
    """Everything in a session but the clip, ready to be compared."""
    description, arrays = parts_of(session)
    packed = {f"{key} {a.dtype} {a.shape}": a.tobytes() for key, a in arrays.items()}
    return json.dumps(description, sort_keys=True), packed


@pytest.fixture
def document(qapp, session) -> SessionDocument:
    document = SessionDocument()
    document.open(session)
    return document


# -- all commands, at random ---------------------------------------------------------------


def some_track(document: SessionDocument, rng: Rng) -> Track:
    tracks = document.session.tracks
    return tracks[rng.integers(len(tracks))]


def some_range(document: SessionDocument, rng: Rng) -> tuple[int, int]:
    start, end = sorted(rng.choice(document.session.clip.num_frames + 1, 2, replace=False))
    return int(start), int(end)


def rename(document: SessionDocument, rng: Rng) -> StepCommand:
    track = some_track(document, rng)
    return RenamePerson(document, track.track_id, f"Person {rng.integers(1000)} ä")


def delete(document: SessionDocument, rng: Rng) -> StepCommand:
    if len(document.session.tracks) < 2:
        return rename(document, rng)
    return DeletePerson(document, some_track(document, rng).track_id)


def scale(document: SessionDocument, rng: Rng) -> StepCommand:
    session = document.session
    height, focal = (float(rng.uniform(1, 2)), None) if rng.random() < 0.5 else (None, 700.0)
    return SetScale(document, replace(session, body_height_m=height, focal_px=focal))


def truth(document: SessionDocument, rng: Rng) -> StepCommand:
    session = document.session
    if session.truth is not None and rng.random() < 0.5:
        return SetTruth(document, None)
    run = next(iter(some_track(document, rng).runs.values()))
    made = replace(TRUTH, poses=Poses3D(run.poses.stages[-1:], run.poses.root))
    return SetTruth(document, replace(made, xy=None) if rng.random() < 0.5 else made)


def edit_keypoints(document: SessionDocument, rng: Rng) -> StepCommand:
    track, (start, end) = some_track(document, rng), some_range(document, rng)
    xy, scores = track.keypoints.xy.copy(), track.keypoints.scores.copy()
    sources = np.array(track.keypoints.sources)
    joint = rng.integers(17)
    xy[start:end, joint] = rng.uniform(0, 400, 2) if rng.random() < 0.8 else np.nan
    scores[start:end, joint], sources[start:end, joint] = rng.random(), SOURCE_USER
    after = replace(track, keypoints=Keypoints2D(xy, scores, sources=sources))
    return EditFrames(document, "Move a Keypoint", after, (), start, end)


def edit_run(
    what: str, change: Callable[[np.ndarray, np.ndarray, int, int], np.ndarray]
) -> Callable[[SessionDocument, Rng], StepCommand]:
    def make(document: SessionDocument, rng: Rng) -> StepCommand:
        track, (start, end) = some_track(document, rng), some_range(document, rng)
        model = list(track.runs)[rng.integers(len(track.runs))]
        run = track.runs[model]
        stages = change(run.poses.stages, document.session.clip.times_s, start, end)
        changed = with_stages(run, stages, what, start, end)
        after = replace(track, runs={**track.runs, model: changed})
        return EditFrames(document, what, after, (model,), start, end)

    return make


def swap_sides(stages: np.ndarray, _times_s: np.ndarray, start: int, end: int) -> np.ndarray:
    return fixes.swap_sides(stages, start, end, (5, 2, 13, 16))


def estimate(document: SessionDocument, rng: Rng) -> StepCommand:
    """New poses in a range; sometimes another person, or a model that was not run before."""
    session, (start, end) = document.session, some_range(document, rng)
    old = some_track(document, rng)
    offset = 1000.0 * rng.integers(5) if rng.random() < 0.3 else 1.0
    keypoints = Keypoints2D(old.keypoints.xy + offset, old.keypoints.scores)
    stages = rng.normal(size=(rng.integers(1, 4), *old.keypoints.xy.shape[:2], 3))
    name = f"model.{rng.integers(4)}.stages"
    run = ModelRun(Poses3D(stages.astype(np.float32)), {"model": name, "settings": {"s": start}})
    new = Track(1, "Person 1", keypoints, {name: run}, rng.random(len(keypoints)) < 0.1)
    tracks = merge_tracks(session.tracks, (new,), start, end)
    change = Change("poses", (), start, end)
    return SetTracks(document, "Estimate", session.with_tracks(tracks), change)


def reorder(document: SessionDocument, rng: Rng) -> StepCommand:
    """Any other command that puts a session in the place of another."""
    tracks = document.session.tracks
    order = rng.permutation(len(tracks))
    after = document.session.with_tracks(tuple(tracks[i] for i in order))
    return SessionCommand(document, "Reorder", after, (Change("people"),))


def rearrange(document: SessionDocument, rng: Rng) -> StepCommand:
    """Split a person, or exchange or merge two."""
    tracks, frame = document.session.tracks, int(rng.integers(document.session.clip.num_frames))
    a, *others = (tracks[i] for i in rng.permutation(len(tracks)))
    if others and rng.random() < 0.5:
        after, gone = track_edits.exchanged(a, others[0], frame), others[:1]
    elif others:
        after, gone = (track_edits.merged(a, others[0], prefers_other=frame % 2 == 0),), others[:1]
    else:
        after, gone = track_edits.split(a, frame, a.track_id + 1, "Eve"), []
    rest = [track for track in tracks if track is not a and track not in gone]
    ids = tuple(track.track_id for track in (a, *gone, *after))
    people = document.session.with_tracks((*rest, *after))
    return RearrangePeople(document, "Rearrange", people, ids)


def note(document: SessionDocument, rng: Rng) -> StepCommand:
    """Write a note, change it, or remove it."""
    frame = int(rng.integers(document.session.clip.num_frames))
    others = [known for known in document.session.notes if known.frame != frame]
    new = [Note(frame, f"note {rng.integers(1000)}")] if rng.random() < 0.7 else []
    return SetNotes(document, "Note", others + new)


COMMANDS = (
    note,
    rename,
    delete,
    scale,
    truth,
    edit_keypoints,
    edit_run("Smooth", fixes.smooth),
    edit_run("Interpolate", fixes.interpolate),
    edit_run("Swap Left and Right", swap_sides),
    estimate,
    reorder,
    rearrange,
)
TRUTH = None


class Editing(RuleBasedStateMachine):
    """Somebody who does, undoes, redoes, goes through the history, and saves and opens again."""

    done: ClassVar[set[Callable[..., StepCommand]]] = set()
    wanted: ClassVar[list[Session | Track]] = []  # what commands were told to bring about

    def __init__(self, session: Session, path: Path) -> None:
        super().__init__()
        self.document, self.path = SessionDocument(), path
        self.document.open(session)
        self.known = [bits(session)]  # what each index of the stack has to be
        self.snapshots = []  # whoever has a session, such as a save, has it unchanged

    @property
    def stack(self):
        return self.document.undo_stack

    @rule(make=st.sampled_from(COMMANDS), seed=st.integers(0, 2**32 - 1))
    def do(self, make, seed):
        try:
            command = make(self.document, np.random.default_rng(seed))
        except ConfigError:  # there is nothing to smooth or interpolate in these frames
            return
        del self.known[self.stack.index() + 1 :]
        wanted = self.wanted.pop()
        if isinstance(wanted, Track):
            tracks = self.document.session.tracks
            others = (wanted if track.track_id == wanted.track_id else track for track in tracks)
            wanted = self.document.session.with_tracks(tuple(others))
        self.stack.push(command)
        self.known.append(bits(wanted))
        self.done.add(make)

    @rule(how=st.sampled_from(["undo", "redo", "undo", "redo", "go", "undo", "redo", "go", "save"]),
          share=st.integers(0, 100))  # fmt: skip
    def go(self, how, share):
        document, stack = self.document, self.stack
        if how == "undo":
            stack.undo()
        elif how == "redo":
            stack.redo()
        elif how == "go":
            stack.setIndex(share * stack.count() // 100)
        else:  # save, and start again
            save_session(document.session, self.path, document.history())
            file = load_session_file(self.path)
            document.open(file.session, self.path, history=file.history)

    @invariant()
    def all_is_as_it_was_at_this_place_of_the_history(self):
        assert bits(self.document.session) == self.known[self.stack.index()]

    @rule()
    def keep_a_session(self):
        if len(self.snapshots) < 30:
            self.snapshots.append((self.document.session, self.known[self.stack.index()]))
            check_what_is_known(self.document.session)

    def teardown(self):
        assert all(bits(session) == expected for session, expected in self.snapshots)
        for index in (0, self.stack.count()):
            self.stack.setIndex(index)
            assert bits(self.document.session) == self.known[index]


@pytest.mark.parametrize("is_long", [False, True])
def test_any_sequence_of_commands_is_undone_and_redone_to_the_last_bit(
    qapp, session, tmp_path, is_long, monkeypatch
):
    """Also of arrays that are treated as long ones: then no edit copies them.

    The first example is the simplest one, the second has everything in it.
    """
    if is_long:
        monkeypatch.setattr("pose_core.array_versions.SHORT_BYTES", 1)
    monkeypatch.setitem(globals(), "TRUTH", session.truth)
    Editing.done = set()

    def listen(method):
        def told(before, after, *others):
            Editing.wanted.append(after)
            return method(before, after, *others)

        return told

    for name in ("between", "of_frames"):
        monkeypatch.setattr(Patch, name, listen(getattr(Patch, name)))
    run_state_machine_as_test(
        lambda: Editing(session, tmp_path / "a.posestage"),
        settings=settings(
            max_examples=2,
            stateful_step_count=NUM_STEPS,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Editing.done == set(COMMANDS)


def check_what_is_known(session: Session) -> None:
    """What keypoints take over from those that they were made of, against anew."""
    for track in session.tracks:
        keypoints = track.keypoints
        present = np.isfinite(keypoints.xy[..., 0]).any(axis=1)
        edited = np.isin(keypoints.sources, (SOURCE_USER, SOURCE_INTERPOLATED)).any(axis=1)
        np.testing.assert_array_equal(keypoints.present_mask, present)
        np.testing.assert_array_equal(keypoints.edited_mask, edited)
        scores = keypoints.scores.mean(axis=1)
        np.testing.assert_allclose(keypoints.frame_scores, scores, rtol=1e-5)


# -- names, announcements, size ------------------------------------------------------------


def small_edit(document: SessionDocument, frame: int) -> EditFrames:
    track = document.session.tracks[0]
    run = track.runs["temporal"]
    stages = run.poses.stages.copy()
    stages[-1, frame] += 1
    after = with_stages(run, stages, "move", frame, frame + 1)
    track = replace(track, runs={**track.runs, "temporal": after})
    return EditFrames(document, "Move a Joint", track, ("temporal",), frame, frame + 1)


def test_a_small_edit_stays_small_however_many_notes_there_are(document):
    for frame in range(5, 55):
        document.undo_stack.push(small_edit(document, frame))
    (run,) = [document.session.tracks[0].runs["temporal"]]
    assert len(run.meta["edits"]) == 50
    sizes = [step.patch.num_bytes for step in document.history().steps]
    assert max(sizes) < 3000
    assert abs(sizes[-1] - sizes[1]) < 100


def test_what_a_command_leaves_alone_stays_the_same_object(document, session):
    """What was computed of it, such as its errors, need not be computed again."""
    document.undo_stack.push(RenamePerson(document, 1, "Ada"))
    document.undo_stack.push(small_edit(document, 7))
    first, second = document.session.tracks
    assert second is session.tracks[1]
    assert first.keypoints is session.tracks[0].keypoints
    assert first.runs["three"] is session.tracks[0].runs["three"]
    assert first.runs["temporal"] is not session.tracks[0].runs["temporal"]
    assert document.session.truth is session.truth
    truth = replace(session.truth, xy=None)
    document.undo_stack.push(SetTruth(document, truth))
    assert document.session.truth.xy is None
    document.undo_stack.undo()
    assert document.session.truth.xy is not None


def test_a_restored_history_has_names_and_announces_changes(document, session, tmp_path):
    document.undo_stack.push(RenamePerson(document, 1, "Ada"))
    document.undo_stack.push(small_edit(document, 7))
    document.undo_stack.push(DeletePerson(document, 4))
    document.undo_stack.undo()
    path = tmp_path / "a.posestage"
    save_session(document.session, path, document.history())
    file = load_session_file(path)
    changes, indices = [], []
    document.changed.connect(changes.append)
    document.undo_stack.indexChanged.connect(indices.append)
    document.open(file.session, path, history=file.history)
    assert changes == []  # nothing is done anew
    assert indices == [2]
    assert not document.is_modified
    assert document.undo_stack.undoText() == "Move a Joint"
    assert document.undo_stack.redoText() == "Delete Björn"
    document.undo_stack.undo()
    assert changes == [Change("poses", (1,), 7, 8)]
    assert document.is_modified
    document.undo_stack.redo()
    assert not document.is_modified
    document.undo_stack.setIndex(0)
    assert bits(document.session) == bits(session)


def test_the_oldest_steps_go_when_the_bound_is_passed(document, qtbot):
    states = [bits(document.session)]
    for frame in range(5, 25):
        document.undo_stack.push(small_edit(document, frame))
        states.append(bits(document.session))
    document.undo_stack.setClean()
    total = sum(step.patch.num_bytes for step in document.history().steps)
    document.history_bytes = total // 2
    document.undo_stack.undo()
    qtbot.waitUntil(lambda: document.undo_stack.count() < 20)
    assert document.is_modified
    document.undo_stack.redo()
    assert not document.is_modified  # the mark of what was saved has moved along
    kept = document.history().steps
    assert 5 < len(kept) < 12
    assert sum(step.patch.num_bytes for step in kept) <= document.history_bytes
    document.undo_stack.setIndex(0)
    assert bits(document.session) == states[-1 - len(kept)]
    assert document.is_modified
    document.history_bytes = 1
    document.undo_stack.setIndex(3)
    qtbot.waitUntil(lambda: document.undo_stack.count() == len(kept) - 2)
    assert document.undo_stack.index() == 1  # the last step can be undone whatever it takes


# -- files that are older or damaged -------------------------------------------------------


def rewrite(path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.fixture
def saved(document, tmp_path) -> Path:
    document.undo_stack.push(RenamePerson(document, 1, "Ada"))
    document.undo_stack.push(small_edit(document, 7))
    path = tmp_path / "a.posestage"
    save_session(document.session, path, document.history())
    return path


def drop_array(members: dict[str, bytes]) -> None:
    del members["history/0.npy"]


def object_array(members: dict[str, bytes]) -> None:
    packed = io.BytesIO()
    np.save(packed, np.array([{}], dtype=object), allow_pickle=True)
    members["history/0.npy"] = packed.getvalue()


DAMAGES = (
    drop_array,
    object_array,
    lambda members: members.update({"history.json": b"{"}),
    lambda members: members.update({"history.json": b'{"version": 2}'}),
    lambda members: members.update(
        {"history.json": members["history.json"].replace(b'"index": 2', b'"index": 3')}
    ),
)


def test_a_damaged_history_keeps_no_session_from_opening(saved, document):
    whole = saved.read_bytes()
    for damage in DAMAGES:
        saved.write_bytes(whole)
        rewrite(saved, damage)
        file = load_session_file(saved)
        assert bits(file.session) == bits(document.session)
        assert file.history.steps == ()
        assert "the session itself is whole" in file.warning


def test_a_session_without_a_history_opens(saved, document):
    def change(members: dict[str, bytes]) -> None:
        for name in [name for name in members if name.startswith("history")]:
            del members[name]

    rewrite(saved, change)
    file = load_session_file(saved)
    assert (file.history.steps, file.warning) == ((), "")
    document.open(file.session, saved, history=file.history)
    assert not document.undo_stack.canUndo()


def test_a_history_of_another_session_changes_nothing(document, qtbot, tmp_path):
    """Steps that do not fit are given up with words; the session stays as it is."""
    document.undo_stack.push(small_edit(document, 7))
    history = document.history()
    other = document.session.with_tracks(document.session.tracks[1:])
    document.open(other, tmp_path / "a.posestage", history=history)
    told = []
    document.history_lost.connect(told.append)
    document.undo_stack.undo()
    qtbot.waitUntil(lambda: len(told) == 1)
    assert "does not fit" in told[0]
    assert bits(document.session) == bits(other)
    assert document.undo_stack.count() == 0
    assert document.is_modified
    assert document.history().index == History().index
