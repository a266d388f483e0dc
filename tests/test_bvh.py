"""BVH: its reader and writer, and the fit of a skeleton to positions.

Positions are checked by an independent reader written from the definition of the format, which
uses scipy's rotations: `slow_positions`.
"""

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from pose_core.errors import ExportError
from pose_core.interchange.bvh import BvhMotion, load_bvh, read_bvh, save_bvh, write_bvh
from pose_core.interchange.bvh_export import person_bvh, save_person_bvh
from pose_core.interchange.person import PersonPoses
from pose_core.interchange.retarget import (
    BVH_NAMES,
    BVH_OF_H36M,
    bvh_motion,
    bvh_round_trip_error_mm,
    h36m_positions,
    to_y_up_cm,
)
from pose_core.interchange.rotations import steady_hinge, to_zxy_degrees
from pose_core.skeleton import H36M_17

MOCAP = Path(__file__).parents[2] / "shared" / "data" / "mocap"


def slow_positions(text: str) -> dict[str, np.ndarray]:
    """World position (T, 3) of every joint, straight from the definition of BVH."""
    hierarchy, motion = text.split("MOTION")
    joints = slow_hierarchy(hierarchy)
    positions = {joint["name"]: [] for joint in joints}
    for line in motion.strip().split("\n")[2:]:
        numbers = iter(line.split())
        for joint in joints:
            local = np.eye(4)
            local[:3, 3] = joint["offset"]
            for channel in joint["channels"]:
                local = local @ slow_step(channel, float(next(numbers)))
            parent = joint["parent"]
            joint["world"] = local if parent is None else parent["world"] @ local
            positions[joint["name"]].append(joint["world"][:3, 3])
    return {name: np.array(points) for name, points in positions.items()}


def slow_hierarchy(text: str) -> list[dict]:
    joints, stack = [], []
    for words in (line.split() for line in text.split("\n")):
        match words:
            case ["ROOT" | "JOINT", name]:
                joints.append({"name": name, "parent": stack[-1] if stack else None})
            case ["End", "Site"]:
                name = stack[-1]["name"] + "_end"
                joints.append({"name": name, "parent": stack[-1], "channels": []})
            case ["{"]:
                stack.append(joints[-1])
            case ["}"]:
                stack.pop()
            case ["OFFSET", *numbers]:
                joints[-1]["offset"] = np.array(numbers, dtype=float)
            case ["CHANNELS", _, *names]:
                joints[-1]["channels"] = names
    assert not stack
    return joints


def slow_step(channel: str, value: float) -> np.ndarray:
    step = np.eye(4)
    if channel.endswith("position"):
        step["XYZ".index(channel[0]), 3] = value
    else:
        step[:3, :3] = Rotation.from_euler(channel[0], value, degrees=True).as_matrix()
    return step


def text_of(motion: BvhMotion) -> str:
    buffer = io.BytesIO()
    write_bvh(buffer, motion)
    return buffer.getvalue().decode()


def read_text(text: str) -> BvhMotion:
    return read_bvh(io.BytesIO(text.encode()))


def person_of(xyz: np.ndarray, times_s: np.ndarray | None = None, fps: float = 25.0) -> PersonPoses:
    """Export content of camera positions (T, 17, 3)."""
    num_frames = len(xyz)
    root = xyz[:, 0].astype(np.float32)
    poses = (xyz - xyz[:, :1]).astype(np.float32)
    return PersonPoses(
        poses_3d=poses,
        root_3d=root,
        keypoints_2d=np.zeros((num_frames, 17, 2), np.float32),
        scores=np.ones((num_frames, 17), np.float32),
        stages_3d=poses[None],
        frame_index=np.arange(num_frames),
        time_s=np.arange(num_frames) / fps if times_s is None else times_s,
        fps=fps,
    )


def joint(positions: np.ndarray, name: str) -> np.ndarray:
    return positions[:, H36M_17.index(name)]


# --- the exported file ------------------------------------------------------------------------


def test_exported_file_read_independently_gives_the_poses(tmp_path, walker_xyz):
    path = tmp_path / "walk.bvh"
    report = save_person_bvh(path, person_of(walker_xyz))
    positions = slow_positions(path.read_text())
    expected = to_y_up_cm(walker_xyz)
    ground = expected[:, [3, 6], 1].min() - positions["LeftFoot"][:, 1].min()
    for name, bvh_name in BVH_OF_H36M.items():
        wanted = joint(expected, name) - [0, ground, 0]
        distance_mm = 10 * np.linalg.norm(positions[bvh_name] - wanted, axis=-1)
        assert distance_mm.max() < 1.0, name
    assert "read back: mean 0." in report


def test_file_is_the_right_way_up_and_the_right_way_round(tmp_path, walker_xyz):
    path = tmp_path / "walk.bvh"
    save_person_bvh(path, person_of(walker_xyz))
    at = slow_positions(path.read_text())
    assert (at["Head_end"][:, 1] > at["Hips"][:, 1] + 60).all()
    assert (at["Hips"][:, 1] > at["LeftFoot"][:, 1] + 60).all()
    # Walks towards the camera, faces it, and has the left hand on the right of the picture.
    assert at["Hips"][-1, 2] - at["Hips"][0, 2] == pytest.approx(120 * 59 / 25, abs=0.5)
    assert (at["LeftHand"][:, 0] > at["RightHand"][:, 0] + 20).all()
    assert (at["LeftFoot_end"][:, 2] > at["LeftFoot"][:, 2]).all()


def test_soles_stand_on_the_ground(walker_xyz):
    made = person_bvh(person_of(walker_xyz))
    shin_cm = 42.0
    ankles = made.xyz_cm[:, [3, 6], 1]
    assert ankles.min() == pytest.approx(0.039 / 0.246 * shin_cm, abs=0.01)


def test_names_hierarchy_and_channels_are_what_other_programs_map(walker_xyz):
    motion = person_bvh(person_of(walker_xyz)).motion
    parent_of = {
        name: BVH_NAMES[parent] if parent >= 0 else ""
        for name, parent in zip(motion.names, motion.parents, strict=True)
    }
    assert parent_of["Hips"] == ""
    chains = (
        "Hips Spine Spine1 Neck Head",
        "Spine1 LeftShoulder LeftArm LeftForeArm LeftHand",
        "Spine1 RightShoulder RightArm RightForeArm RightHand",
        "Hips LeftUpLeg LeftLeg LeftFoot",
        "Hips RightUpLeg RightLeg RightFoot",
    )
    for chain in chains:
        names = chain.split()
        assert [parent_of[child] for child in names[1:]] == names[:-1]
    assert np.allclose(motion.offsets[0], 0)  # programs differ in what a root's offset means
    for name, channels in zip(motion.names, motion.channels, strict=True):
        rotations = [c for c in channels if c.endswith("rotation")]
        assert rotations == (
            [] if name.endswith("_end") else ["Zrotation", "Xrotation", "Yrotation"]
        )
        assert len(channels) == len(rotations) + 3 * (name == "Hips")


def test_rest_pose_is_a_t_pose_that_faces_forward(walker_xyz):
    motion = person_bvh(person_of(walker_xyz)).motion
    rest = BvhMotion(
        motion.names, motion.parents, motion.offsets, motion.channels, 0 * motion.values[:1], 1.0
    )
    at = {name: xyz[0] for name, xyz in slow_positions(text_of(rest)).items()}
    shoulder = at["LeftArm"]
    assert np.allclose(at["LeftHand"] - shoulder, [55, 0, 0], atol=0.1)
    assert np.allclose(at["RightHand"] - at["RightArm"], [-55, 0, 0], atol=0.1)
    assert np.allclose(at["LeftFoot"] - at["LeftUpLeg"], [0, -87, 0], atol=0.1)
    assert at["LeftFoot_end"][2] > at["LeftFoot"][2] + 10
    assert at["Head_end"][1] > at["Neck"][1] > at["Spine1"][1] > at["Spine"][1] > 0
    lengths = np.linalg.norm(motion.offsets, axis=1)
    for left, right in (
        ("LeftArm", "RightArm"),
        ("LeftLeg", "RightLeg"),
        ("LeftFoot", "RightFoot"),
    ):
        assert lengths[motion.index(left)] == pytest.approx(lengths[motion.index(right)], abs=1e-4)


def test_hips_below_the_pelvis_stay_there(walker_xyz):
    hips = [H36M_17.index("left_hip"), H36M_17.index("right_hip")]
    walker_xyz[:, hips, 1] += 0.03  # y is down
    made = person_bvh(person_of(walker_xyz))
    error = bvh_round_trip_error_mm(made.motion, made.xyz_cm)
    assert error.max_mm[[0, *hips]].max() < 1.0
    assert made.motion.offsets[made.motion.index("LeftUpLeg"), 1] == pytest.approx(-3, abs=0.1)


def test_bones_keep_their_length_when_the_poses_do_not(walker_xyz):
    rng = np.random.default_rng(0)
    noisy = walker_xyz + rng.normal(0, 0.01, walker_xyz.shape)
    made = person_bvh(person_of(noisy))
    at = slow_positions(text_of(made.motion))
    for a, b in (("LeftUpLeg", "LeftLeg"), ("RightArm", "RightForeArm"), ("Neck", "Head")):
        length = np.linalg.norm(at[a] - at[b], axis=-1)
        assert np.ptp(length) < 1e-3
    error = bvh_round_trip_error_mm(read_text(text_of(made.motion)), made.xyz_cm)
    direct = np.linalg.norm(h36m_positions(made.motion) - made.xyz_cm, axis=-1) * 10
    assert np.allclose(error.mean_mm, direct.mean(axis=0), atol=0.01)
    assert np.allclose(error.max_mm, direct.max(axis=0), atol=0.01)
    assert 2 < error.mean_mm.mean() < 15


def test_round_trip_error_sees_a_shifted_joint(walker_xyz):
    made = person_bvh(person_of(walker_xyz))
    moved = made.xyz_cm.copy()
    moved[7, H36M_17.index("left_wrist")] += [0, 3, 4]
    error = bvh_round_trip_error_mm(made.motion, moved)
    assert error.max_mm[H36M_17.index("left_wrist")] == pytest.approx(50, abs=1)
    assert "(left_wrist)" in str(error)
    with pytest.raises(ExportError, match="60 frames in place of 59"):
        bvh_round_trip_error_mm(made.motion, moved[1:])


# --- joint rotations --------------------------------------------------------------------------

LIMBS = ("LeftArm", "LeftForeArm", "RightArm", "RightForeArm", "LeftUpLeg", "RightUpLeg", "LeftLeg")


def known_motion(walker_xyz: np.ndarray, num_frames: int = 120) -> BvhMotion:
    """The walker's skeleton under smooth rotations that we choose; elbows and knees are hinges.

    For a third of the time the left arm is quite straight, while it keeps turning.
    """
    skeleton = person_bvh(person_of(walker_xyz)).motion
    s = np.linspace(0, 2 * np.pi, num_frames)
    angles = {name: np.zeros((num_frames, 3)) for name in BVH_NAMES}  # z, x, y degrees

    def wave(size: float, shift: float) -> np.ndarray:
        return size * np.sin(s + shift)

    angles["Hips"] = np.stack([wave(10, 0), wave(15, 1), 200 * s / (2 * np.pi)], -1)
    angles["Spine"] = np.stack([wave(8, 0), wave(10, 2), wave(5, 1)], -1)
    angles["LeftArm"] = np.stack([-50 + wave(30, 1), wave(15, 0), wave(25, 2)], -1)
    angles["RightArm"] = np.stack([50 + wave(30, 0), wave(15, 2), wave(25, 1)], -1)
    straight = np.clip(np.abs(s - np.pi) / np.pi * 1.5 - 0.5, 0, 1)
    angles["LeftForeArm"][:, 2] = -80 * straight
    angles["RightForeArm"][:, 2] = 60 + wave(25, 0)
    angles["LeftUpLeg"] = np.stack([10 + wave(8, 0), -30 + wave(30, 1), wave(10, 2)], -1)
    angles["RightUpLeg"] = np.stack([-10 + wave(8, 0), -30 + wave(30, 2), wave(10, 2)], -1)
    angles["LeftLeg"][:, 1] = 60 + wave(30, 0)
    angles["RightLeg"][:, 1] = 60 + wave(30, 1)
    values = [np.stack([wave(40, 0), 95 + wave(4, 0), wave(60, 1)], -1)]
    values += [
        angles[n] for n, channels in zip(BVH_NAMES, skeleton.channels, strict=True) if channels
    ]
    return BvhMotion(
        skeleton.names,
        skeleton.parents,
        skeleton.offsets,
        skeleton.channels,
        np.concatenate(values, axis=1),
        1 / 30,
    )


def degrees_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.rad2deg(Rotation.from_matrix(np.swapaxes(a, -1, -2) @ b).magnitude())


def test_known_rotations_are_found_again(walker_xyz):
    known = known_motion(walker_xyz)
    xyz = h36m_positions(known)
    found = bvh_motion(xyz, 30.0)
    assert bvh_round_trip_error_mm(found, xyz).max_mm.max() < 2.0
    _, true_rotations = known.forward_kinematics()
    _, rotations = found.forward_kinematics()
    is_bent = known.values[:, 3 + 3 * 7 + 2] < -30  # the left forearm's y: where it shows its hinge
    for name in LIMBS:
        error = degrees_between(
            true_rotations[:, BVH_NAMES.index(name)], rotations[:, BVH_NAMES.index(name)]
        )
        frames = is_bent if name.startswith("LeftArm") or name == "LeftForeArm" else slice(None)
        assert error[frames].max() < 3.0, name


def test_twist_is_carried_over_while_a_limb_is_straight(walker_xyz):
    known = known_motion(walker_xyz)
    xyz = h36m_positions(known)
    rng = np.random.default_rng(3)
    smooth_noise = np.cumsum(rng.normal(0, 0.1, xyz.shape), axis=0)
    smooth_noise -= np.linspace(0, 1, len(xyz))[:, None, None] * smooth_noise[-1]
    _, true_rotations = known.forward_kinematics()
    _, rotations = bvh_motion(xyz + smooth_noise, 30.0).forward_kinematics()
    arm = BVH_NAMES.index("LeftArm")
    step = degrees_between(rotations[:-1, arm], rotations[1:, arm])
    true_step = degrees_between(true_rotations[:-1, arm], true_rotations[1:, arm])
    assert step.max() < true_step.max() + 8.0
    # Straight, the twist is a guess, but a near one.
    assert degrees_between(true_rotations[:, arm], rotations[:, arm]).max() < 40.0


def test_straight_limb_keeps_its_twist_where_the_shortest_way_from_rest_jumps():
    # The limb swings past the direction opposite to its rest, 5 degrees beside it, and shows
    # its hinge only at both ends of the way.
    num_frames = 61
    swing = np.deg2rad(np.linspace(120, 240, num_frames))
    beside = np.deg2rad(5)
    upper = np.stack(
        [
            np.cos(swing) * np.cos(beside),
            np.sin(swing) * np.cos(beside),
            0 * swing + np.sin(beside),
        ],
        axis=-1,
    )
    hinge = np.cross(upper, np.gradient(upper, axis=0))
    hinge /= np.linalg.norm(hinge, axis=-1, keepdims=True)
    lower = upper.copy()
    for end in (slice(0, 3), slice(-3, None)):
        lower[end] = np.cross(hinge[end], upper[end])  # bent by 90 degrees
    trunk = np.tile(np.eye(3), (num_frames, 1, 1))
    rest = (np.array([1.0, 0, 0]), np.array([0, 0, 1.0]))
    found = steady_hinge(upper, lower, trunk, rest, 30.0)
    assert np.allclose((found * upper).sum(-1), 0, atol=1e-9)
    assert (found * hinge).sum(-1).min() > np.cos(np.deg2rad(10))


def test_overstretched_knee_does_not_turn_the_leg_round(walker_xyz):
    xyz = to_y_up_cm(walker_xyz)
    ankle, knee, hip = (H36M_17.index(f"left_{n}") for n in ("ankle", "knee", "hip"))
    straight = xyz[:, knee] + (xyz[:, knee] - xyz[:, hip]) * 42 / 45
    overstretch = 6.0 + 6.0 * np.sin(np.arange(len(xyz)))  # cm: 0 to 16 degrees
    xyz[:, ankle] = straight + np.stack([0 * overstretch, 0 * overstretch, overstretch], -1)
    motion = bvh_motion(xyz, 25.0)
    _, rotations = motion.forward_kinematics()
    thigh = rotations[:, motion.index("LeftUpLeg")]
    assert (thigh[:, 0, 0] > 0.9).all()  # its side still points to the person's left


@pytest.mark.parametrize("num_turns", [3, -2])
def test_a_turning_person_turns_without_jumps(walker_xyz, num_turns):
    xyz = to_y_up_cm(walker_xyz)
    turn = Rotation.from_rotvec(
        np.linspace(0, 2 * np.pi * num_turns, len(xyz))[:, None] * [0.0, 1.0, 0.0]
    )
    turned = np.einsum("tij,tkj->tki", turn.as_matrix(), xyz - xyz[:, :1]) + xyz[:, :1]
    motion = bvh_motion(turned, 25.0)
    y = motion.values[:, 5]
    assert y[-1] - y[0] == pytest.approx(360 * num_turns, abs=2)
    assert np.abs(np.diff(motion.values[:, 3:], axis=0)).max() < 90


quaternions = st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(
    lambda q: np.linalg.norm(q) > 0.01
)


@given(st.lists(quaternions, min_size=1, max_size=6))
@example([[0.0, 1.0, 1.0, 1e-5]])  # a hair beside 90 degrees, where two angles become one
@settings(max_examples=60, deadline=None)
def test_euler_angles_mean_the_same_rotation(rows):
    rotations = Rotation.from_quat(np.array(rows))
    angles = to_zxy_degrees(rotations.as_matrix())
    again = Rotation.from_euler("ZXY", angles, degrees=True)
    assert (rotations.inv() * again).magnitude().max() < 1e-5
    assert np.abs(np.diff(angles, axis=0)).max(initial=0) <= 180 + 1e-9


def test_euler_angles_pass_ninety_degrees_without_a_jump():
    keys = Rotation.from_euler("ZXY", [[3, 40, 5], [3, 150, 5], [3, 260, 5]], degrees=True)
    rotations = Slerp([0, 1, 2], keys)(np.linspace(0, 2, 111))
    angles = to_zxy_degrees(rotations.as_matrix())
    assert np.abs(np.diff(angles, axis=0)).max() < 5
    assert angles[-1] - angles[0] == pytest.approx([0, 220, 0], abs=0.01)


# --- frames -----------------------------------------------------------------------------------


def test_frame_rate_is_the_real_one(tmp_path, walker_xyz):
    fps = 30000 / 1001
    path = tmp_path / "a.bvh"
    save_person_bvh(path, person_of(walker_xyz, fps=fps))
    assert 1 / load_bvh(path).frame_time_s == pytest.approx(fps, rel=1e-6)
    assert load_bvh(path).num_frames == len(walker_xyz)


def test_rounded_time_stamps_move_no_pose(walker_xyz):
    person = person_of(walker_xyz)
    rounded = person_of(walker_xyz, np.round(person.time_s, 2))
    assert np.array_equal(person_bvh(person).motion.values, person_bvh(rounded).motion.values)


def test_variable_rate_is_evened_out(walker_xyz):
    # Twice as many frames in the first half: time stamps of the walker at 50, then 25 frames/s.
    dense = np.concatenate([np.arange(0, 1, 0.02), np.arange(1, 2.36, 0.04)])
    even = np.arange(len(walker_xyz)) / 25.0
    flat = walker_xyz.reshape(60, -1)
    xyz = np.stack([np.interp(dense, even, c) for c in flat.T], -1).reshape(-1, 17, 3)
    fps = (len(dense) - 1) / dense[-1]
    made = person_bvh(person_of(xyz, dense, fps))
    assert "variable frame rate evened out" in " ".join(made.notes)
    assert made.motion.num_frames == len(dense)
    hips_z = h36m_positions(made.motion)[:, 0, 2]
    assert np.allclose(np.diff(hips_z), 120 / fps, atol=0.05)  # walks at a steady 1.2 m/s


def test_missing_frames_are_filled_in_and_reported(walker_xyz):
    person = person_of(walker_xyz)
    keep = np.r_[0:10, 13:60]
    gap = PersonPoses(
        person.poses_3d[keep],
        person.root_3d[keep],
        person.keypoints_2d[keep],
        person.scores[keep],
        person.stages_3d[:, keep],
        keep,
        person.time_s[keep],
        25.0,
    )
    made = person_bvh(gap)
    assert "3 missing frames filled in" in made.notes
    assert made.motion.num_frames == 60
    assert np.isfinite(made.motion.values).all()
    whole = person_bvh(person)
    assert np.abs(made.xyz_cm[20] - whole.xyz_cm[20]).max() < 1e-6
    assert np.abs(made.xyz_cm[11] - whole.xyz_cm[11]).max() < 5.0


def test_unknown_root_keeps_the_person_in_place(walker_xyz):
    person = person_of(walker_xyz)
    person.root_3d[:] = np.nan
    made = person_bvh(person)
    assert "root position unknown, the person stays in place" in made.notes
    assert np.ptp(h36m_positions(made.motion)[:, 0, 2]) < 1e-6


def test_a_joint_that_is_never_known_is_refused_by_name(walker_xyz):
    walker_xyz[:, H36M_17.index("left_wrist")] = np.nan
    with pytest.raises(ExportError, match="left_wrist"):
        person_bvh(person_of(walker_xyz))


def test_levelling_undoes_the_tilt_of_the_camera(walker_xyz):
    tilt = Rotation.from_euler("xz", [20, 5], degrees=True).as_matrix()
    tilted = person_of(walker_xyz @ tilt.T)
    plain = person_bvh(tilted)
    assert any("leans by 2" in note for note in plain.notes)
    level = person_bvh(tilted, level=True)
    up = joint(level.xyz_cm, "thorax") - joint(level.xyz_cm, "pelvis")
    assert np.rad2deg(np.arccos(up[:, 1] / np.linalg.norm(up, axis=-1))).max() < 3
    assert np.ptp(joint(level.xyz_cm, "pelvis")[:, 1]) < 10  # walks on level ground
    assert np.ptp(joint(plain.xyz_cm, "pelvis")[:, 1]) > 60


def test_one_frame_and_coinciding_joints_still_make_a_file(walker_xyz):
    single = person_bvh(person_of(walker_xyz[:1]))
    assert bvh_round_trip_error_mm(single.motion, single.xyz_cm).max_mm.max() < 1.0
    collapsed = bvh_motion(np.zeros((4, 17, 3)), 25.0)
    assert np.isfinite(collapsed.values).all()


# --- reading ----------------------------------------------------------------------------------

SMALL = """HIERARCHY
ROOT Bip01 Hip
{
  OFFSET 1 2 3
  CHANNELS 6 Xposition Yposition Zposition Yrotation Xrotation Zrotation
  JOINT Arm
  {
    OFFSET 0 10 0
    CHANNELS 6 xposition yposition zposition zrotation Xrotation yrotation
    End Site
    {
      OFFSET 5 0 0
    }
  }
  JOINT Leg
  {
    OFFSET 0 -7 0
    CHANNELS 2 Xrotation Zrotation
  }
}
MOTION
Frames: 2
Frame Time: 0.04
0 0 0 0 0 0  0 12 0 0 0 0  90 0
4 5 6 90 0 0  0 12 0 90 0 0  0 0
"""


def test_any_channel_order_and_names_with_spaces_are_read():
    motion = read_text(SMALL)
    assert motion.names == ("Bip01 Hip", "Arm", "Arm_end", "Leg")
    assert motion.parents == (-1, 0, 1, 0)
    assert motion.frame_time_s == 0.04
    positions, _ = motion.forward_kinematics()
    # Root: offset plus channels. Other joints: position channels in place of the offset.
    expected = [
        [[1, 2, 3], [1, 14, 3], [6, 14, 3], [1, -5, 3]],
        [[5, 7, 9], [5, 19, 9], [5, 24, 9], [5, 0, 9]],
    ]
    assert np.allclose(positions, expected)


def test_written_file_reads_back_equal():
    motion = read_text(SMALL)
    again = read_text(text_of(motion))
    assert again.names == motion.names
    assert again.parents == motion.parents
    assert again.channels == motion.channels
    assert np.array_equal(again.offsets, motion.offsets)
    assert np.array_equal(again.values, motion.values)


@pytest.mark.parametrize(
    ("name", "scale_cm", "skip", "step"),
    [("cmu_131_01", 5.6444, 0, 2), ("cmu_05_01", 1.0, 0, 1), ("cmu_salsa_01", 1.0, 4, 2)],
)
def test_real_files_agree_with_positions_computed_elsewhere(name, scale_cm, skip, step):
    bvh, npz = MOCAP / "bvh" / f"{name}.bvh.gz", MOCAP / "cmu" / f"{name}.npz"
    if not bvh.exists() or not npz.exists():
        pytest.skip(f"needs the motion capture file {bvh}")
    names = {
        "cmu_131_01": "LeftKnee LeftAnkle RightAnkle LeftWrist RightElbow RightWrist",
        "cmu_05_01": "CC_Base_L_Calf CC_Base_L_Foot CC_Base_R_Foot CC_Base_L_Hand "
        "CC_Base_R_Forearm CC_Base_R_Hand",
        "cmu_salsa_01": "lShin lFoot rFoot lHand rForeArm rHand",
    }[name].split()
    motion = read_bvh(io.BytesIO(gzip.decompress(bvh.read_bytes())))
    positions, _ = motion.forward_kinematics()
    found = positions[skip::step, [motion.index(n) for n in names]] * scale_cm / 100
    z_up = found[..., [0, 2, 1]] * [1, -1, 1]
    truth = np.load(npz)["positions"][:, [6, 7, 3, 15, 18, 19]]
    num_frames = min(len(z_up), len(truth))
    assert num_frames > 250
    distance_mm = 1000 * np.linalg.norm(z_up[:num_frames] - truth[:num_frames], axis=-1)
    assert distance_mm.max() < 0.5  # the positions are rounded to 0.12 mm


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("HIERARCHY", "HIERARCHIE", "not a BVH file"),
        ("MOTION", "", "not a BVH file"),
        ("Frames: 2", "Frames: 3", "announces 3 frames"),
        ("Frames: 2", "Frames: 0", "no frames"),
        ("Frames: 2", "Frames: 99999999999999999999", "Frames or Frame Time is missing"),
        ("Frame Time: 0.04", "Frame Time: -1", "no frame time"),
        ("Frame Time: 0.04", "", "Frame Time is missing"),
        ("90 0\n4", "9x 0\n4", "'9x' is not a usable number"),
        ("90 0\n4", "nan 0\n4", "'nan' is not a usable number"),
        ("OFFSET 0 10 0", "OFFSET 0 ten 0", "'ten' is not a usable number in Arm"),
        ("CHANNELS 2 Xrotation", "CHANNELS 2 Wrotation", "unknown channel 'Wrotation'"),
        ("CHANNELS 2", "CHANNELS two", "'two' channels"),
        ("JOINT Leg\n  {", "JOINT\n  {", "without a name"),
        ("}\nMOTION", "MOTION", "ends early"),
        ("}\nMOTION", "} }\nMOTION", "out of place"),
        ("OFFSET 0 -7 0", "", "OFFSET expected"),
    ],
)
def test_damage_is_said_in_words(tmp_path, old, new, says):
    assert SMALL.count(old) >= 1
    path = tmp_path / "damaged.bvh"
    path.write_text(SMALL.replace(old, new))
    with pytest.raises(ExportError, match=says) as caught:
        load_bvh(path)
    assert "damaged.bvh" in str(caught.value)


def test_mutated_files_raise_nothing_but_our_error(walker_xyz):
    data = text_of(person_bvh(person_of(walker_xyz[:5])).motion).encode()
    rng = np.random.default_rng(5)
    num_refused = 0
    for _ in range(300):
        mutated = bytearray(data[: rng.integers(1, len(data))] if rng.random() < 0.3 else data)
        for _ in range(rng.integers(1, 8)):
            mutated[rng.integers(len(mutated))] = rng.integers(256)
        try:
            read_bvh(io.BytesIO(bytes(mutated))).forward_kinematics()
        except ExportError:
            num_refused += 1
    assert num_refused > 100


def test_unreadable_paths(tmp_path):
    with pytest.raises(ExportError, match=r"nothing\.bvh cannot be read"):
        load_bvh(tmp_path / "nothing.bvh")
    with pytest.raises(ExportError, match="cannot be read"):
        load_bvh(tmp_path)


def test_joints_out_of_order_are_not_written(tmp_path):
    motion = BvhMotion(
        ("A", "B", "C", "D"),
        (-1, 0, 0, 1),
        np.zeros((4, 3)),
        ((), (), (), ()),
        np.zeros((1, 0)),
        0.04,
    )
    with pytest.raises(ExportError, match="depth-first"):
        save_bvh(tmp_path / "a.bvh", motion)
    assert not list(tmp_path.iterdir())
