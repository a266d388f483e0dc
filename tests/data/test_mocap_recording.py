"""Recordings of any format: units, axes and sides are found, and doubt is said in words."""

import gzip
import json

import numpy as np
import pytest

from pose_core.data.mocap import gapless_parts, load_motion, load_motions, load_parts
from pose_core.data.recording import load_recording
from pose_core.data.recording_settings import RecordingSettings, load_settings, settings_for
from pose_core.errors import DataError, ExportError, PoseStageError
from pose_core.geometry import similarity_align
from pose_core.interchange.bvh import save_bvh
from pose_core.interchange.retarget import bvh_motion
from pose_core.skeleton import H36M_17

FPS = 25.0
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254}


@pytest.fixture
def world(walker_xyz) -> np.ndarray:
    """(60, 17, 3) of the walker, metres, z up, feet near the floor."""
    xyz = np.stack([walker_xyz[..., 0], walker_xyz[..., 2], -walker_xyz[..., 1]], axis=-1)
    return xyz - [0, 0, xyz[..., 2].min() - 0.08]


# (3, 3) from the world to axes with another one up; all are rotations.
TURNS = {
    "z": np.eye(3),
    "y": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "x": np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]]),
    "-y": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "-z": np.array([[1, 0, 0], [0, -1, 0], [0, 0, -1]]),
}


def write_trc(path, xyz, units="m", fps=FPS, names=H36M_17.joint_names) -> None:
    """A TRC file by the letter of the format."""
    numbers = "\t\t\t".join(names)
    lines = ["PathFileType\t4\t(X/Y/Z)\tx.trc", "DataRate\tNumFrames\tNumMarkers\tUnits"]
    lines += [f"{fps}\t{len(xyz)}\t{len(names)}\t{units}", f"Frame#\tTime\t{numbers}\t\t"]
    lines += ["\t\t" + "\t".join(f"X{i}\tY{i}\tZ{i}" for i in range(1, len(names) + 1))]
    for number, frame in enumerate(xyz):
        fields = ["" if np.isnan(v) else f"{v:.6f}" for v in frame.ravel()]
        lines.append("\t".join([str(number + 1), f"{number / fps:.5f}", *fields]))
    path.write_text("\n".join(lines) + "\n")


def write_bvh(path, world, fps=FPS) -> None:
    save_bvh(path, bvh_motion(100 * world @ TURNS["y"].T, fps))


def assert_same_person(found: np.ndarray, world: np.ndarray, within_m: float = 1e-3) -> None:
    """The same movement in the same upright world, wherever its x axis points."""
    assert all(np.linalg.det(turn) > 0 for turn in TURNS.values())
    assert np.abs(found[..., 2] - world[..., 2]).max() < within_m
    flat, truth = found.reshape(-1, 3), world.reshape(-1, 3)
    aligned = similarity_align(flat, truth, with_scale=False)  # never a reflection
    assert np.abs(aligned - truth).max() < within_m


@pytest.mark.parametrize("up", TURNS)
@pytest.mark.parametrize("units", ["mm", "?"])
def test_the_upward_axis_is_found_from_who_stands(tmp_path, world, up, units):
    path = tmp_path / "walk.trc"
    write_trc(path, world @ TURNS[up].T / UNITS["mm"], units)
    recording = load_recording(path)
    assert recording.up.startswith(f"{up} (from 60 frames")
    assert recording.sides.verdict == "agree"
    assert recording.findings == ()
    assert_same_person(recording.xyz, world)


@pytest.mark.parametrize("units", UNITS)
def test_the_unit_is_found_from_the_stature(tmp_path, world, units):
    path = tmp_path / "walk.trc"
    write_trc(path, world / UNITS[units], units="?")
    recording = load_recording(path)
    assert recording.units.startswith(units + " ")
    # Thigh 0.45, shin 0.42, hip to shoulder 0.48 of 0.779 of the stature.
    assert recording.stature_m == pytest.approx((0.45 + 0.42 + 0.48) / 0.779, abs=0.01)
    assert_same_person(recording.xyz, world)


def test_a_unit_that_makes_giants_is_refused_until_somebody_decides(tmp_path, world):
    path = tmp_path / "walk.trc"
    write_trc(path, world / UNITS["mm"], units="m")
    with pytest.raises(DataError, match=r"would be 1\.7.e\+03 m tall.*--units mm"):
        load_motion(path)
    motion = load_motion(path, RecordingSettings(units="mm"))
    assert_same_person(motion.positions, world)
    assert_same_person(load_motion(path, RecordingSettings(units=0.001)).positions, world)


def test_no_unit_that_fits(tmp_path, world):
    path = tmp_path / "walk.trc"
    write_trc(path, 1e-4 * world, units="?")
    with pytest.raises(DataError, match="unit is not known"):
        load_recording(path)


@pytest.mark.parametrize("how", ["names", "left-handed axes"])
def test_exchanged_sides_are_refused_until_somebody_decides(tmp_path, world, how):
    path = tmp_path / "walk.trc"
    wrong = world[:, H36M_17.mirror_index] if how == "names" else world * [-1, 1, 1]
    write_trc(path, wrong)
    with pytest.raises(DataError, match=r"Left and right are exchanged.*--swap-sides"):
        load_parts(path)
    swapped = load_motion(path, RecordingSettings(swap_sides=True))
    assert np.allclose(swapped.positions, wrong[:, H36M_17.mirror_index], atol=1e-3)
    kept = load_motion(path, RecordingSettings(swap_sides=False))
    assert np.allclose(kept.positions, wrong, atol=1e-3)


def test_sides_are_checked_by_the_knees_even_where_nobody_walks(tmp_path, world):
    still = world - world[:, :1] + [0, 0, 0.95]
    path = tmp_path / "tread.trc"
    write_trc(path, still[:, H36M_17.mirror_index])
    with pytest.raises(DataError, match="knees bend forwards in 0 %"):
        load_parts(path)


def test_the_user_has_the_last_word_on_the_upward_axis(tmp_path, world):
    path = tmp_path / "walk.trc"
    write_trc(path, world)
    recording = load_recording(path, RecordingSettings(up="y", swap_sides=False))
    assert "head is towards z, not y" in str(recording.findings[0])
    assert np.ptp(recording.xyz[..., 2] - world[..., 1]) < 1e-3


def lying(world: np.ndarray) -> np.ndarray:
    """Sits with straight legs along a slope, so that no axis is up for legs and trunk together."""
    xyz = world[:1].repeat(20, axis=0)
    legs = [H36M_17.index(f"{s}_{j}") for s in ("left", "right") for j in ("knee", "ankle")]
    hips = xyz[:, [0]]
    xyz[:, legs] = hips + np.array([0, -1, 0]) * np.linalg.norm(
        xyz[:, legs] - hips, axis=-1, keepdims=True
    )
    return xyz


def test_where_nobody_stands_custom_or_the_user_decides(tmp_path, world):
    trc = tmp_path / "sit.trc"
    write_trc(trc, lying(world))
    with pytest.raises(DataError, match=r"Which way is up is not known.*--up"):
        load_recording(trc)
    assert load_recording(trc, RecordingSettings(up="z")).up == "z (given)"
    bvh = tmp_path / "sit.bvh"
    write_bvh(bvh, lying(world))
    recording = load_recording(bvh)
    assert "custom of the format" in recording.up
    assert any("could not be checked: nobody stands" in str(f) for f in recording.findings)


def test_npz_must_be_what_it_says(tmp_path, world):
    def save(xyz):
        np.savez(tmp_path / "m.npz", positions=xyz, h36m17=np.arange(17), fps=FPS, action="walk")

    save(world)
    motion = load_motion(tmp_path / "m.npz")
    assert np.array_equal(motion.positions, world.astype(np.float32))
    assert (motion.action, motion.fps, motion.name) == ("walk", FPS, "m")
    save(world @ TURNS["y"].T)
    with pytest.raises(DataError, match=r"says that z is up.*towards y"):
        load_motion(tmp_path / "m.npz")
    save(1000 * world)
    with pytest.raises(DataError, match="not of human size"):
        load_motion(tmp_path / "m.npz")
    save(world[:, H36M_17.mirror_index])
    with pytest.raises(DataError, match="Left and right are exchanged"):
        load_motion(tmp_path / "m.npz")


def test_a_person_far_below_the_origin_is_put_on_the_floor(tmp_path, world):
    path = tmp_path / "walk.trc"
    write_trc(path, world - [0, 0, 3])
    recording = load_recording(path)
    assert "floor was -2.9" in str(recording.findings[0])
    ankles = recording.xyz[:, [3, 6], 2]
    assert 0.05 < np.percentile(ankles.min(axis=1), 5) < 0.12


def test_short_gaps_are_filled_and_long_ones_part_the_recording(tmp_path, world):
    xyz = np.concatenate([world, world[::-1], world])
    wrist = H36M_17.index("left_wrist")
    gapped = xyz.copy()
    gapped[10:13, wrist] = np.nan  # 0.12 s
    gapped[70:90, wrist] = np.nan  # 0.8 s
    gapped[95:97] = np.nan
    gapped[100:110] = np.nan
    path = tmp_path / "gaps.trc"
    write_trc(path, gapped)
    parts = load_parts(path)
    assert [len(part) for part in parts] == [70, 70]  # 90 to 100 is too short to keep
    assert [part.name for part in parts] == ["gaps_1", "gaps_2"]
    straight = np.linspace(xyz[9, wrist], xyz[13, wrist], 5)[1:4]
    assert np.allclose(parts[0].positions[10:13, wrist], straight, atol=1e-3)
    assert np.allclose(parts[1].positions, xyz[110:], atol=1e-3)
    assert len(load_motion(path)) == 70
    gapped[np.arange(len(gapped)) % 12 < 7] = np.nan  # five frames at a time
    write_trc(path, gapped)
    with pytest.raises(DataError, match="without gaps"):
        load_parts(path)


def test_recordings_are_cut_where_a_joint_jumps(tmp_path, world):
    xyz = np.concatenate([world, world])
    xyz[60:, H36M_17.index("right_wrist")] += [0, 1.0, 0]  # 25 m/s
    path = tmp_path / "jump.trc"
    write_trc(path, xyz)
    recording = load_recording(path)
    assert any("In 1 frames a joint jumps" in str(f) for f in recording.findings)
    assert [len(part) for part in gapless_parts(recording)] == [60, 60]


# A standing person of bones as the CMU database has them, in its unit; no bone turns.
ASF_BONES = [
    ("root", "lhipjoint", (1.6, -0.3, 0)), ("lhipjoint", "lfemur", (0, -7.2, 0.1)),
    ("lfemur", "ltibia", (0, -7.3, -0.1)), ("ltibia", "lfoot", (0, -0.3, 2)),
    ("root", "rhipjoint", (-1.6, -0.3, 0)), ("rhipjoint", "rfemur", (0, -7.2, 0.1)),
    ("rfemur", "rtibia", (0, -7.3, -0.1)), ("rtibia", "rfoot", (0, -0.3, 2)),
    ("root", "lowerback", (0, 2, 0)), ("lowerback", "upperback", (0, 2, 0)),
    ("upperback", "thorax", (0, 3.5, 0)), ("thorax", "lowerneck", (0, 1, 0)),
    ("lowerneck", "upperneck", (0, 1, 0)), ("upperneck", "head", (0, 1.7, 0)),
    ("thorax", "lclavicle", (3, 0.5, 0)), ("lclavicle", "lhumerus", (5, 0, 0)),
    ("lhumerus", "lradius", (3.4, 0, 0)), ("thorax", "rclavicle", (-3, 0.5, 0)),
    ("rclavicle", "rhumerus", (-5, 0, 0)), ("rhumerus", "rradius", (-3.4, 0, 0)),
]  # fmt: skip


def write_asf(path) -> None:
    lines = [":units", "length 0.45", "angle deg", ":root", "order TX TY TZ RX RY RZ", ":bonedata"]
    for _, name, offset in ASF_BONES:
        direction = " ".join(map(str, offset))
        lines += ["begin", f"name {name}", f"direction {direction}"]
        lines += [f"length {np.linalg.norm(offset)}", "end"]
    lines += [":hierarchy", "begin", *(f"{parent} {name}" for parent, name, _ in ASF_BONES), "end"]
    path.write_text("\n".join(lines))


def test_amc_finds_its_skeleton_its_unit_and_the_missing_rate(tmp_path):
    write_asf(tmp_path / "02.asf")
    frames = "\n".join(f"{i + 1}\nroot 0 16 {0.01 * i} 0 0 0" for i in range(130))
    (tmp_path / "02_01.amc").write_text(f":FULLY-SPECIFIED\n:DEGREES\n{frames}\n")
    recording = load_recording(tmp_path / "02_01.amc")
    assert recording.fps == 120.0
    assert "120 per second are assumed" in str(recording.findings[0])
    assert recording.units.startswith("cmu (the file says so")
    joint = {name: recording.xyz[0, i] for i, name in enumerate(H36M_17.joint_names)}
    unit_m = 0.0254 / 0.45
    # x to the left, y up, z to the front: the front becomes -y.
    assert np.allclose(joint["left_hip"], unit_m * np.array([1.6, 0, 15.7]))
    assert np.allclose(joint["left_ankle"], unit_m * np.array([1.6, 0, 1.2]))
    assert np.allclose(joint["right_wrist"], unit_m * np.array([-11.4, 0, 24]))
    assert recording.sides.seen == ("toes point forwards in 100 %",)
    assert load_recording(tmp_path / "02_01.amc", RecordingSettings(fps=60)).fps == 60.0
    write_asf(tmp_path / "03.asf")
    (tmp_path / "02.asf").unlink()
    assert len(load_motion(tmp_path / "02_01.amc")) == 130  # the only skeleton there
    write_asf(tmp_path / "04.asf")
    with pytest.raises(DataError, match=r"02_01\.amc needs the ASF file"):
        load_motion(tmp_path / "02_01.amc")


def test_a_folder_of_all_formats_is_read_in_order_of_paths(tmp_path, world):
    ezc3d = pytest.importorskip("ezc3d")
    write_bvh(tmp_path / "b.bvh", world)
    (tmp_path / "a.bvh.gz").write_bytes(gzip.compress((tmp_path / "b.bvh").read_bytes()))
    np.savez(tmp_path / "c.npz", positions=world, h36m17=np.arange(17), fps=FPS)
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [FPS]
    file["parameters"]["POINT"]["LABELS"]["value"] = list(H36M_17.joint_names)
    file["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
    file["data"]["points"] = np.concatenate(
        [1000 * world, np.ones((*world.shape[:2], 1))], axis=-1
    ).transpose(2, 1, 0)
    file.write(str(tmp_path / "d.c3d"))
    below = tmp_path / "z"
    below.mkdir()
    write_trc(below / "e.trc", 7 * world[:, H36M_17.mirror_index] @ TURNS["x"].T, units="?")
    (below / "mocap.json").write_text(
        json.dumps({"units": 1 / 7, "up": "x", "swap_sides": True, "subject": "Ann"})
    )
    (tmp_path / "notes.txt").write_text("not motion")
    motions = load_motions(tmp_path)
    assert [motion.name for motion in motions] == ["a", "b", "c", "d", "e"]
    for motion in motions:
        assert motion.fps == FPS
        assert_same_person(motion.positions, world, within_m=0.012)  # BVH: the walker's thorax
    assert [motion.subject for motion in motions] == ["", "", "", "", "Ann"]


def test_settings_may_name_the_joints(tmp_path, world):
    names = [f"p{i}" for i in range(17)]
    write_trc(tmp_path / "walk.trc", world, names=names)
    with pytest.raises(DataError, match="Joints are missing"):
        load_motions(tmp_path)
    joints = {joint: names[i] for i, joint in enumerate(H36M_17.joint_names)}
    joints["spine"] = {"p0": 0.5, "p8": 0.5}
    (tmp_path / "mocap.json").write_text(json.dumps({"joints": joints}))
    motion = load_motions(tmp_path)[0]
    expected = world.copy()
    expected[:, 7] = (world[:, 0] + world[:, 8]) / 2
    assert np.allclose(motion.positions, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("not json", "cannot be read as settings"),
        ("[1, 2]", "cannot be read as settings"),
        ('{"upp": "y"}', "any of up, units"),
        ('{"up": "down"}', "up is 'down'"),
        ('{"units": "furlong"}', "'furlong' is no unit"),
        ('{"units": -1}', "-1 is no unit"),
        ('{"fps": 0}', "0 frames per second"),
        ('{"joints": {"spine": {"a": "much"}}}', "cannot be read as settings"),
    ],
)
def test_settings_that_make_no_sense(tmp_path, text, says):
    (tmp_path / "mocap.json").write_text(text)
    with pytest.raises(DataError, match=says) as caught:
        load_settings(tmp_path / "mocap.json")
    assert "mocap.json" in str(caught.value)


def test_settings_are_those_of_the_nearest_folder(tmp_path):
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "mocap.json").write_text('{"up": "x"}')
    assert settings_for(below / "f.bvh", tmp_path).up == "x"
    assert settings_for(below / "f.bvh", tmp_path / "a").up is None
    (tmp_path / "a" / "mocap.json").write_text('{"up": "y"}')
    assert settings_for(below / "f.bvh", tmp_path).up == "y"


def test_errors_name_the_file(tmp_path):
    (tmp_path / "a.bvh").write_bytes(b"nonsense")
    (tmp_path / "a.bvh.gz").write_bytes(b"nonsense")
    (tmp_path / "b.bvh.gz").write_bytes(gzip.compress(b"HIERARCHY " * 1000)[:-20])
    (tmp_path / "a.c3d").write_bytes(b"\0" * 600)
    for path in tmp_path.iterdir():
        with pytest.raises(ExportError) as caught:
            load_motion(path)
        assert path.name in str(caught.value)
    with pytest.raises(PoseStageError, match=r"a\.fbx is no motion capture file"):
        load_motion(tmp_path / "a.fbx")
    with pytest.raises(PoseStageError, match=r"none\.trc cannot be read"):
        load_motion(tmp_path / "none.trc")
