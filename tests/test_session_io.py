"""Session files: exact round trips, moved videos, newer and damaged files, full disks."""

import errno
import io
import json
import mmap
import os
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pose_core import array_archive, session_io, session_migration
from pose_core.atomic_file import write_error
from pose_core.clip import Clip
from pose_core.errors import PoseStageError, SessionError
from pose_core.poses import Keypoints2D, Poses3D
from pose_core.session import ModelRun, Note, Session, Track
from pose_core.session_io import load_session, locate_clip, save_session
from pose_core.skeleton import BLAZEPOSE_33, H36M_17, Skeleton
from pose_core.video import file_fingerprint


def same_bits(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def assert_same_poses(a: Poses3D, b: Poses3D) -> None:
    assert same_bits(a.stages, b.stages)
    assert same_bits(a.root, b.root)
    assert a.skeleton == b.skeleton
    assert a.is_root_estimated == b.is_root_estimated


def assert_same(a: Session, b: Session) -> None:
    assert same_bits(a.clip.times_s, b.clip.times_s)
    for name in ("path", "width", "height", "fingerprint", "warning"):
        assert getattr(a.clip, name) == getattr(b.clip, name)
    assert (a.focal_px, a.body_height_m) == (b.focal_px, b.body_height_m)
    assert a.notes == b.notes
    assert (a.truth is None) == (b.truth is None)
    if a.truth is not None and b.truth is not None:
        assert_same_poses(a.truth.poses, b.truth.poses)
        assert same_bits(a.truth.xy, b.truth.xy)
        assert (a.truth.source, a.truth.is_beside_clip) == (b.truth.source, b.truth.is_beside_clip)
    assert len(a.tracks) == len(b.tracks)
    for x, y in zip(a.tracks, b.tracks, strict=True):
        assert (x.track_id, x.name) == (y.track_id, y.name)
        assert x.keypoints.skeleton == y.keypoints.skeleton
        assert same_bits(x.keypoints.xy, y.keypoints.xy)
        assert same_bits(x.keypoints.scores, y.keypoints.scores)
        assert same_bits(x.keypoints.sources, y.keypoints.sources)
        assert same_bits(x.swapped_mask, y.swapped_mask)
        assert list(x.runs) == list(y.runs)  # the order tells the latest
        for model, run in x.runs.items():
            assert run.meta == y.runs[model].meta
            assert_same_poses(run.poses, y.runs[model].poses)


# --- round trip -------------------------------------------------------------------------------


def test_round_trip_gives_every_bit_back(tmp_path, session):
    path = tmp_path / "a.posestage"
    session = replace(session, notes=(Note(2, "zwei „Zeilen“"), Note(11), Note(59, "end")))
    save_session(session, path)
    assert_same(load_session(path), session)
    assert [p.name for p in tmp_path.iterdir()] == ["a.posestage"]


def test_session_without_people_or_truth(tmp_path, session):
    path = tmp_path / "a.posestage"
    empty = Session(replace(session.clip, warning="broke off at frame 60"))
    save_session(empty, path)
    assert_same(load_session(path), empty)


def test_truth_without_keypoints_comes_back_and_one_beside_the_clip_is_not_stored(
    tmp_path, session
):
    path = tmp_path / "a.posestage"
    plain = replace(session, truth=replace(session.truth, xy=None))
    save_session(plain, path)
    assert_same(load_session(path), plain)
    save_session(replace(session, truth=replace(session.truth, is_beside_clip=True)), path)
    assert load_session(path).truth is None
    with zipfile.ZipFile(path) as archive:
        names = json.loads(archive.read("session.json"))["arrays"]
    assert not [name for name in names if name.startswith("truth")]


floats = {"width": 32, "allow_nan": True, "allow_infinity": True}


@given(
    xy=hnp.arrays(np.float32, (3, 33, 2), elements=st.floats(**floats)),
    stages=hnp.arrays(np.float32, (2, 3, 17, 3), elements=st.floats(**floats)),
    times=hnp.arrays(np.float64, 3, elements=st.floats(0, 1e6), unique=True),
    name=st.text(max_size=20).filter(lambda t: t.encode("utf-8", "replace").decode() == t),
    focal=st.none() | st.floats(1, 1e5),
    setting=st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda children: st.lists(children, max_size=3),
        max_leaves=5,
    ),
)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_content_comes_back(tmp_path, xy, stages, times, name, focal, setting):
    clip = Clip(tmp_path / "v.mp4", 64, 48, np.sort(times), "")
    keypoints = Keypoints2D(xy, np.zeros((3, 33), np.float32), BLAZEPOSE_33)
    run = ModelRun(Poses3D(stages, is_root_estimated=False), {"settings": setting})
    session = Session(clip, (Track(7, name, keypoints, {name: run}),), focal)
    path = tmp_path / "a.posestage"
    save_session(session, path)
    assert_same(load_session(path), session)


def test_file_is_a_plain_zip_without_pickle(tmp_path, session):
    path = tmp_path / "a.posestage"
    save_session(session, path)
    with zipfile.ZipFile(path) as archive:
        content = json.loads(archive.read("session.json"))
        assert set(archive.namelist()) == {"session.json", *content["arrays"].values()}
        member = io.BytesIO(archive.read(content["arrays"]["track1.xy"]))
        stored = np.load(member, allow_pickle=False)
        assert np.array_equal(stored, session.tracks[0].keypoints.xy, equal_nan=True)
    assert content["format_version"] == session_io.FORMAT_VERSION
    assert content["clip"]["path"] == str(session.clip.path)
    assert content["clip"]["relative_path"] == "walk.mp4"


# --- failing to write -------------------------------------------------------------------------


def test_full_disk_keeps_the_old_file(tmp_path, session, full_disk):
    path = tmp_path / "a.posestage"
    path.write_bytes(b"the old one")
    with pytest.raises(SessionError, match=r"disk is full: .*a\.posestage"):
        save_session(session, path)
    assert path.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 KB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root of a Linux can make a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_really_full_keeps_the_old_file(small_disk, session):
    path = small_disk / "a.posestage"
    path.write_bytes(b"the old one")
    with pytest.raises(SessionError, match=r"disk is full: .*a\.posestage") as caught:
        save_session(session, path)
    assert "Free some space" in caught.value.hint
    assert path.read_bytes() == b"the old one"
    assert list(small_disk.iterdir()) == [path]


def test_each_want_of_room_has_its_words(tmp_path):
    told = [
        write_error(tmp_path, OSError(number, os.strerror(number)), SessionError)
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    ]
    for words, error in zip(("full", "quota", "larger"), told, strict=True):
        assert words in error.message
        assert str(tmp_path) in error.message
        assert error.hint
    assert len({error.hint for error in told}) == 3


def test_failed_replacement_keeps_the_old_file(tmp_path, session, monkeypatch):
    path = tmp_path / "a.posestage"
    path.write_bytes(b"the old one")

    def refuse(*_args):
        raise PermissionError(13, "denied")

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(SessionError, match="no permission, or open in another program"):
        save_session(session, path)
    assert path.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [path]


def test_file_in_place_of_a_folder(tmp_path, session):
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionError, match="not a usable folder"):
        save_session(session, tmp_path / "file" / "a.posestage")
    with pytest.raises(SessionError, match="cannot be written"):
        save_session(session, tmp_path / "none" / "a.posestage")


def test_what_json_cannot_hold_is_refused_before_writing(tmp_path, session):
    path = tmp_path / "a.posestage"
    run = ModelRun(session.truth.poses, {"settings": {1, 2}})
    odd = session.with_tracks((replace(session.tracks[0], runs={"m": run}),))
    with pytest.raises(SessionError, match="JSON"):
        save_session(odd, path)
    own = Skeleton("own", H36M_17.joint_names, H36M_17.parents)
    keypoints = replace(session.tracks[0].keypoints, skeleton=own)
    with pytest.raises(SessionError, match="skeleton 'own'"):
        save_session(session.with_tracks((Track(1, "a", keypoints),)), path)
    assert not path.exists()


def test_a_link_stays_a_link(tmp_path, session):
    (tmp_path / "real").mkdir()
    link = tmp_path / "a.posestage"
    save_session(session, tmp_path / "real" / "b.posestage")
    link.symlink_to(tmp_path / "real" / "b.posestage")
    save_session(Session(session.clip), link)
    assert link.is_symlink()
    assert load_session(tmp_path / "real" / "b.posestage").tracks == ()


# --- versions ---------------------------------------------------------------------------------


def rewritten(path: Path, **changes: object) -> None:
    """Change entries of the JSON of a session file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    content = json.loads(members["session.json"]) | changes
    repacked(path, members | {"session.json": json.dumps(content).encode()})


def repacked(path: Path, members: dict[str, bytes]) -> None:
    """Write a zip with these members."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def described(path: Path) -> dict:
    """The part of a session file's JSON that describes the session."""
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("session.json"))["session"]


def write_version_2(session: Session, path: Path, **changes: object) -> None:
    """A file as PoseStage 0.1 wrote it."""
    arrays = {"times_s": session.clip.times_s}

    def poses_of(poses: Poses3D, key: str) -> dict:
        arrays[f"{key}.stages"], arrays[f"{key}.root"] = poses.stages, poses.root
        return {"key": key, "skeleton": "h36m17", "is_root_estimated": poses.is_root_estimated}

    tracks = []
    for track in session.tracks:
        key, known = f"track{track.track_id}", track.keypoints
        arrays |= {f"{key}.xy": known.xy, f"{key}.scores": known.scores}
        arrays[f"{key}.sources"] = known.sources
        if track.swapped_mask is not None:
            arrays[f"{key}.swapped"] = track.swapped_mask
        runs = [
            {"model": name, "meta": run.meta, "poses": poses_of(run.poses, f"{key}.run{i}")}
            for i, (name, run) in enumerate(track.runs.items())
        ]
        facts = {"track_id": track.track_id, "name": track.name, "skeleton": "h36m17"}
        tracks.append(facts | {"runs": runs})
    truth = session.truth
    if truth is not None:
        if truth.xy is not None:
            arrays["truth.xy"] = truth.xy
        truth = {"source": truth.source, "poses": poses_of(truth.poses, "truth")}
    clip = session.clip
    content = {
        "format": "posestage-session",
        "format_version": 2,
        "software": "PoseStage 0.1.0",
        "clip": {
            "path": str(clip.path),
            "relative_path": "walk.mp4",
            **{key: getattr(clip, key) for key in ("width", "height", "fingerprint", "warning")},
        },
        "focal_px": session.focal_px,
        "body_height_m": session.body_height_m,
        "truth": truth,
        "tracks": tracks,
    }
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    text = json.dumps(content | changes).encode()
    repacked(path, {"session.json": text, "arrays.npz": packed.getvalue()})


def test_newer_version_is_refused_with_words(tmp_path, session):
    path = tmp_path / "a.posestage"
    save_session(session, path)
    rewritten(path, format_version=99, software="PoseStage 9.0", tracks="another form")
    with pytest.raises(SessionError, match=r"newer version \(PoseStage 9\.0") as caught:
        load_session(path)
    assert "Update PoseStage" in caught.value.hint


@pytest.mark.parametrize("has_truth", [True, False])
def test_version_2_is_migrated(tmp_path, session, has_truth):
    path = tmp_path / "a.posestage"
    session = session if has_truth else replace(session, truth=None)
    write_version_2(session, path)
    assert_same(load_session(path), session)


def test_version_3_is_migrated(tmp_path, session):
    """It had no notes."""
    path = tmp_path / "a.posestage"
    save_session(session, path)
    description = described(path)
    assert description.pop("notes") == {}
    rewritten(path, format_version=3, session=description)
    assert_same(load_session(path), session)


@pytest.mark.parametrize("has_truth", [True, False])
def test_truth_of_version_1_is_kept(tmp_path, session, has_truth):
    """It was nothing but poses, in the place where newer versions say more."""
    path = tmp_path / "a.posestage"
    truth = replace(session.truth, xy=None, source="") if has_truth else None
    session = replace(session, truth=truth)
    stored = {"key": "truth", "skeleton": "h36m17", "is_root_estimated": True}
    write_version_2(session, path, format_version=1, truth=stored if has_truth else None)
    assert_same(load_session(path), session)


@pytest.mark.parametrize(
    "changes", [{"format": "x"}, {"format_version": "1"}, {"format_version": 0}]
)
def test_unknown_formats_are_refused(tmp_path, session, changes):
    path = tmp_path / "a.posestage"
    save_session(session, path)
    rewritten(path, **changes)
    with pytest.raises(SessionError, match="damaged or no session file"):
        load_session(path)


# --- damaged files ----------------------------------------------------------------------------


def test_missing_file(tmp_path):
    with pytest.raises(SessionError, match=r"none\.posestage cannot be read"):
        load_session(tmp_path / "none.posestage")
    with pytest.raises(SessionError, match="cannot be read"):
        load_session(tmp_path)


def test_foreign_members_of_an_old_file_are_refused(tmp_path, session):
    path = tmp_path / "a.posestage"
    write_version_2(session, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../escaped.txt", "x")
    with pytest.raises(SessionError, match="unexpected content"):
        load_session(path)
    assert not (tmp_path.parents[1] / "escaped.txt").exists()


def test_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, session, monkeypatch):
    path = tmp_path / "a.posestage"
    save_session(session, path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(SessionError, match="its arrays are compressed"):
        load_session(path)
    text = members["session.json"]
    repacked(path, members)
    with monkeypatch.context() as patch:
        patch.setattr(array_archive, "MAX_JSON_BYTES", len(text) - 1)
        with pytest.raises(SessionError, match=r"session\.json is too large"):
            load_session(path)
    content = json.loads(text)
    names = content["arrays"]
    same = dict.fromkeys([*names, *map(str, range(100))], names["track1.xy"])
    text = json.dumps(content | {"arrays": same}).encode()
    repacked(path, members | {"session.json": text})
    with pytest.raises(SessionError, match="larger than the file"):
        load_session(path)
    monkeypatch.setattr(session_migration, "MAX_ARRAY_BYTES", 100_000)
    write_version_2(session, path)  # its arrays unpack to more than that
    with pytest.raises(SessionError, match="would unpack to"):
        load_session(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"skeleton": "octopus"}, "octopus"),
        ({"skeleton": "coco17"}, None),
        ({"models": ["m"]}, "m"),
        ({"runs": 3}, "damaged"),
    ],
)
def test_content_that_does_not_fit_is_refused(tmp_path, session, change, says):
    path = tmp_path / "a.posestage"
    save_session(session, path)
    content = described(path)
    content["tracks"]["1"] |= change
    rewritten(path, session=content)
    if says is None:  # as many joints: it fits, under other names
        assert load_session(path).tracks[0].keypoints.skeleton.name == "coco17"
        return
    with pytest.raises(SessionError, match=says):
        load_session(path)


def test_arrays_of_another_length_are_refused(tmp_path, session):
    path = tmp_path / "a.posestage"
    save_session(session, path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    names = json.loads(members["session.json"])["arrays"]
    for name in (
        "times_s",
        "track1.root.three",
        "track1.swapped",
        "track1.sources",
        "truth.stages",
    ):
        array = np.load(io.BytesIO(members[names[name]]))
        packed = io.BytesIO()
        np.save(packed, array[:, :5] if name.endswith("stages") else array[:5])
        repacked(path, members | {names[name]: packed.getvalue()})
        with pytest.raises(SessionError, match="damaged"):
            load_session(path)


@pytest.mark.parametrize("is_mapped", [True, False])
def test_long_arrays_are_mapped_and_equal(tmp_path, session, is_mapped, monkeypatch):
    monkeypatch.setattr(array_archive, "MAP_FROM_BYTES", 0 if is_mapped else 1 << 40)
    path = tmp_path / "a.posestage"
    save_session(session, path)
    loaded = load_session(path)
    assert_same(loaded, session)
    base = loaded.tracks[0].keypoints.xy
    assert base.flags.aligned
    assert not base.flags.writeable
    while isinstance(base.base, np.ndarray):
        base = base.base
    backing = base.base.obj if isinstance(base.base, memoryview) else base.base
    assert isinstance(backing, mmap.mmap) == is_mapped
    # The file may be replaced, by the same session too, and what is mapped stays.
    save_session(replace(loaded, focal_px=1.0), path)
    path.with_name("b.posestage").write_bytes(b"")
    assert_same(loaded, session)
    assert load_session(path).focal_px == 1.0


def test_earlier_files_are_kept_as_many_as_wanted(tmp_path, session):
    path = tmp_path / "a.posestage"
    for focal_px in (1.0, 2.0, 3.0, 4.0, 5.0):
        save_session(replace(session, focal_px=focal_px), path, num_backups=2)
    names = {"a.posestage": 5.0, "a.backup1.posestage": 4.0, "a.backup2.posestage": 3.0}
    assert {p.name: load_session(p).focal_px for p in tmp_path.iterdir()} == names


def test_mutated_files_raise_nothing_but_our_error(tmp_path, session):
    path = tmp_path / "a.posestage"
    save_session(replace(session, tracks=session.tracks[:1], truth=None), path)
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    rng = np.random.default_rng(8)

    def mutated(original: bytes) -> bytes:
        copy = bytearray(
            original[: rng.integers(1, len(original))] if rng.random() < 0.2 else original
        )
        for _ in range(rng.integers(1, 6)):
            copy[rng.integers(len(copy))] = rng.integers(256)
        return bytes(copy)

    num_refused = 0
    for trial in range(240):
        if trial % 2:
            path.write_bytes(mutated(data))
        else:  # valid check sums outside, damage inside
            name = "session.json" if trial % 4 else list(members)[1 + trial % (len(members) - 1)]
            repacked(path, members | {name: mutated(members[name])})
        try:
            load_session(path)
        except SessionError:
            num_refused += 1
    assert num_refused > 100


# --- the video --------------------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path: Path, session: Session) -> Session:
    """A session whose video exists (its content plays no part here)."""
    folder = tmp_path / "project"
    (folder / "videos").mkdir(parents=True)
    video = folder / "videos" / "walk.mp4"
    video.write_bytes(bytes(range(256)) * 1000)
    clip = replace(session.clip, path=video, fingerprint=file_fingerprint(video))
    stored = replace(session, clip=clip)
    save_session(stored, folder / "a.posestage")
    return stored


def test_video_at_its_place(tmp_path, stored):
    assert load_session(tmp_path / "project" / "a.posestage").clip.path == stored.clip.path


def test_session_and_video_moved_together(tmp_path, stored):
    shutil.move(tmp_path / "project", tmp_path / "elsewhere")
    session = load_session(tmp_path / "elsewhere" / "a.posestage")
    assert session.clip.path == tmp_path / "elsewhere" / "videos" / "walk.mp4"


def test_another_video_at_the_relative_place_is_not_taken(tmp_path, stored):
    shutil.move(tmp_path / "project", tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "videos" / "walk.mp4").write_bytes(b"another")
    assert load_session(tmp_path / "elsewhere" / "a.posestage").clip.path == stored.clip.path


def test_moved_video_is_located_in_a_folder_or_by_name(tmp_path, stored):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "other.mp4").write_bytes(b"another")
    moved = tmp_path / "new" / "renamed.mp4"
    shutil.move(stored.clip.path, moved)
    session = load_session(tmp_path / "project" / "a.posestage")
    assert session.clip.path == stored.clip.path  # as stored: nothing lies there
    for place in (tmp_path / "new", moved):
        located = locate_clip(session, place)
        assert located.clip.path == moved
        assert_same(replace(located, clip=session.clip), session)


def test_wrong_video_or_folder_is_refused(tmp_path, stored):
    other = tmp_path / "other.mp4"
    other.write_bytes(b"another")
    with pytest.raises(SessionError, match=r"other\.mp4 is not the video"):
        locate_clip(stored, other)
    with pytest.raises(SessionError, match=r"does not hold the video walk\.mp4"):
        locate_clip(stored, tmp_path)
    with pytest.raises(PoseStageError, match="is not the video"):
        locate_clip(stored, tmp_path / "nothing.mp4")
