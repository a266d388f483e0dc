"""The NPZ and JSON of one person: the promised content, exact round trips, damaged files."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from pose_core.errors import ExportError
from pose_core.interchange.json_poses import load_json, read_json, save_json, write_json
from pose_core.interchange.npz import load_npz, read_npz, save_npz, write_npz
from pose_core.interchange.person import PersonPoses, person_poses
from pose_core.poses import Poses3D
from pose_core.session import ModelRun, Session
from pose_core.skeleton import H36M_17

ARRAYS = (
    "poses_3d",
    "root_3d",
    "keypoints_2d",
    "scores",
    "stages_3d",
    "frame_index",
    "time_s",
)


@pytest.fixture
def person(session: Session) -> PersonPoses:
    person = person_poses(session, session.tracks[0], "three")
    scores = person.scores.copy()
    keypoints = person.keypoints_2d.copy()
    keypoints[3, 5], scores[3, 5] = np.nan, 0  # one joint was not seen
    return replace(person, scores=scores, keypoints_2d=keypoints)


def assert_same(a: PersonPoses, b: PersonPoses) -> None:
    for name in ARRAYS:
        x, y = getattr(a, name), getattr(b, name)
        assert x.dtype == y.dtype, name
        assert x.tobytes() == y.tobytes() or np.array_equal(x, y, equal_nan=True), name
    assert a.fps == b.fps
    assert a.joint_names == b.joint_names
    assert json.loads(a.meta_text) == json.loads(b.meta_text)


def bytes_of(write, person: PersonPoses) -> bytes:
    buffer = io.BytesIO()
    write(buffer, person)
    return buffer.getvalue()


def test_person_has_the_frames_in_which_it_is_present(session, person):
    present = session.tracks[0].present_frames
    assert np.array_equal(person.frame_index, present)
    assert np.array_equal(person.time_s, session.clip.times_s[present])
    assert np.array_equal(person.poses_3d, session.tracks[0].runs["three"].poses.xyz[present])
    assert np.array_equal(person.stages_3d[-1], person.poses_3d)
    assert np.isfinite(person.root_3d).all()


def test_frames_without_keypoints_or_without_a_pose_are_left_out(session):
    track = session.tracks[0]
    stages = np.ones((1, 60, 17, 3), np.float32)
    stages[:, 40:] = np.nan  # the range that was estimated ends here
    estimated = replace(track, runs={"m": ModelRun(Poses3D(stages))})
    person = person_poses(session, estimated)
    assert person.frame_index.tolist() == [*range(2, 20), *range(22, 40)]
    assert person.meta["root_position"] == "unknown"


def test_latest_run_is_the_default(session):
    assert person_poses(session, session.tracks[0]).meta["model"] == "temporal"
    with pytest.raises(ExportError, match=r"no poses from the model 'rpsm'.*three, temporal"):
        person_poses(session, session.tracks[0], "rpsm")
    with pytest.raises(ExportError, match="no 3D poses yet"):
        person_poses(session, replace(session.tracks[0], runs={}))


def test_provenance_marks_edits_and_assumptions(session, person):
    assert person.meta["weights_sha256"] == "ab" * 32
    assert person.meta["settings"] == {"q": 1}
    assert person.meta["edited_keypoints"] == {"left_knee": [10, 11, 12]}
    assert "relative" in person.meta["depth"]
    assert person.meta["root_position"] == "estimated under an assumed size"
    known = replace(session, body_height_m=1.8)
    meta = person_poses(known, session.tracks[0]).meta
    assert "1.8 m" in meta["depth"]
    assert meta["root_position"] == "estimated"


def test_npz_has_exactly_the_promised_keys(tmp_path, person):
    save_npz(tmp_path / "walk.person1.npz", person)
    with np.load(tmp_path / "walk.person1.npz", allow_pickle=False) as file:
        content = dict(file)
    num_frames = 55
    shapes = {
        "poses_3d": (num_frames, 17, 3),
        "root_3d": (num_frames, 3),
        "keypoints_2d": (num_frames, 17, 2),
        "scores": (num_frames, 17),
        "stages_3d": (3, num_frames, 17, 3),
        "frame_index": (num_frames,),
        "time_s": (num_frames,),
        "fps": (),
        "joint_names": (17,),
        "meta": (),
    }
    assert {name: array.shape for name, array in content.items()} == shapes
    assert content["poses_3d"].dtype == np.float32
    assert content["joint_names"].tolist()[:5] == [
        "pelvis",
        "right_hip",
        "right_knee",
        "right_ankle",
        "left_hip",
    ]
    assert content["fps"] == pytest.approx(25.0)
    assert {"model", "weights_sha256", "version", "settings"} <= set(
        json.loads(str(content["meta"]))
    )


def test_npz_round_trip(tmp_path, person):
    path = tmp_path / "a.npz"
    save_npz(path, person)
    assert_same(load_npz(path), person)


def test_json_round_trip(tmp_path, person):
    path = tmp_path / "a.json"
    save_json(path, person)
    assert_same(load_json(path), person)


def test_json_describes_itself_and_has_null_for_missing(person):
    content = json.loads(bytes_of(write_json, person), parse_constant=pytest.fail)
    assert content["units"]["poses_3d"].startswith("metre")
    assert "y down" in content["frame_of_reference"]
    assert content["parents"] == list(H36M_17.parents)
    frame = content["frames"][3]
    assert frame["frame"] == 5
    assert frame["time_s"] == 0.2
    assert frame["keypoints_2d"][5] == [None, None]
    assert frame["scores"][5] == 0
    assert frame["poses_3d"][10] == pytest.approx(person.poses_3d[3, 10].tolist(), abs=1e-7)
    assert np.array(frame["stages_3d"]).shape == (3, 17, 3)


def test_provenance_that_json_cannot_hold_is_refused(tmp_path, person):
    odd = replace(person, meta={"settings": object()})
    with pytest.raises(ExportError, match="provenance"):
        save_npz(tmp_path / "a.npz", odd)
    assert not list(tmp_path.iterdir())


def repacked(data: bytes, name: str, content: bytes) -> bytes:
    """The NPZ with one member replaced, with valid check sums."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for member in old.namelist():
            new.writestr(member, content if member == name else old.read(member))
    return buffer.getvalue()


def npy(array: np.ndarray, **options: bool) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("member", "content", "says"),
    [
        ("poses_3d", npy(np.array([{"a": 1}]), allow_pickle=True), "Python objects"),
        ("poses_3d", npy(np.zeros((55, 17, 3))), "float64"),
        ("poses_3d", npy(np.zeros((54, 17, 3), np.float32)), "must be"),
        ("scores", npy(np.zeros(3, np.float32)), "must be"),
        ("meta", npy(np.array("[1]")), "not a JSON object"),
        ("meta", npy(np.array("{")), "damaged"),
        ("fps", npy(np.zeros(2)), "damaged"),
        ("time_s", b"\x93NUMPY\x01\x00", "intact"),
    ],
)
def test_wrong_content_is_said_in_words(person, member, content, says):
    data = repacked(bytes_of(write_npz, person), f"{member}.npy", content)
    with pytest.raises(ExportError, match=says):
        read_npz(io.BytesIO(data))


def test_array_that_claims_to_be_huge_takes_no_memory(person):
    header = npy(np.zeros((1, 17, 3), np.float32))
    huge = header.replace(b"(1, 17, 3), }        ", b"(999999999, 17, 3), }")
    assert huge != header
    data = repacked(bytes_of(write_npz, person), "poses_3d.npy", huge)
    with pytest.raises(ExportError, match="not of the size that it states"):
        read_npz(io.BytesIO(data))


def test_missing_array_is_named(person):
    buffer = io.BytesIO()
    np.savez(buffer, poses_3d=person.poses_3d)
    buffer.seek(0)
    with pytest.raises(ExportError, match="no array 'root_3d'"):
        read_npz(buffer)


@pytest.mark.parametrize(("load", "name"), [(load_npz, "a.npz"), (load_json, "a.json")])
def test_unreadable_files_are_named(tmp_path, load, name):
    with pytest.raises(ExportError, match=f"{name} cannot be read"):
        load(tmp_path / name)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ExportError, match=name):
        load(tmp_path / name)


def mutations(data: bytes, num: int, seed: int):
    """Copies of a file that were cut off or have some bytes changed."""
    rng = np.random.default_rng(seed)
    for _ in range(num):
        mutated = bytearray(data[: rng.integers(1, len(data))] if rng.random() < 0.2 else data)
        for _ in range(rng.integers(1, 6)):
            mutated[rng.integers(len(mutated))] = rng.integers(256)
        yield bytes(mutated)


def short(person: PersonPoses) -> PersonPoses:
    """Its first two frames, for small files."""
    arrays = {name: getattr(person, name)[:2] for name in ARRAYS if name != "stages_3d"}
    return replace(person, **arrays, stages_3d=person.stages_3d[:, :2])


@pytest.mark.parametrize(("write", "read"), [(write_npz, read_npz), (write_json, read_json)])
def test_mutated_files_raise_nothing_but_our_error(person, write, read):
    data = bytes_of(write, short(person))
    num_refused = 0
    for mutated in mutations(data, 300, seed=2):
        try:
            read(io.BytesIO(mutated))
        except ExportError:
            num_refused += 1
    assert num_refused > 60


def test_mutated_arrays_with_valid_check_sums_raise_nothing_but_our_error(person):
    data = bytes_of(write_npz, short(person))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    num_refused = 0
    for name, content in members.items():
        header = content[:128]
        for mutated in mutations(header, 30, seed=len(name)):
            try:
                read_npz(io.BytesIO(repacked(data, name, mutated + content[128:])))
            except ExportError:
                num_refused += 1
    assert num_refused > 100


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "3",
        '{"format": "posestage-poses", "format_version": 2}',
        '{"format": "posestage-poses", "format_version": 1}',
        '{"format": "posestage-poses", "format_version": 1, "joint_names": [], "frames": [{}]}',
        "[" * 100_000,
    ],
)
def test_other_json_is_refused(text):
    with pytest.raises(ExportError):
        read_json(io.BytesIO(text.encode()))
