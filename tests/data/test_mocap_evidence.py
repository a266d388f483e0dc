"""Real recordings against positions computed elsewhere, and movements that go round by BVH."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pose_core.data.mocap import load_motion
from pose_core.data.recording import load_recording
from pose_core.errors import DataError
from pose_core.interchange.bvh import save_bvh
from pose_core.interchange.retarget import bvh_motion
from pose_core.skeleton import H36M_17

MOCAP = Path(__file__).parents[3] / "shared" / "data" / "mocap"
LIMBS = [
    joint
    for joint, name in enumerate(H36M_17.joint_names)
    if name.endswith(("hip", "knee", "ankle", "shoulder", "elbow", "wrist"))
]


def real(name: str) -> Path:
    path = MOCAP / name
    if not path.exists():
        pytest.skip(f"needs the motion capture file {path}")
    return path


# File, naming, unit, and which frames the positions computed elsewhere begin and go on with.
REAL_FILES = [
    ("cmu_05_01", "iClone", "cm", 0, 1),
    ("cmu_07_05", "iClone", "cm", 1, 1),
    ("cmu_131_01", "CMU BVH", "cmu", 0, 2),
    ("cmu_salsa_01", "DAZ", "cm", 4, 2),
]


@pytest.mark.parametrize(("name", "naming", "unit", "skip", "step"), REAL_FILES)
def test_joints_agree_with_positions_computed_elsewhere(name, naming, unit, skip, step):
    recording = load_recording(real(f"bvh/{name}.bvh.gz"))
    with np.load(real(f"cmu/{name}.npz")) as file:
        truth, fps = file["positions"][:, file["h36m17"]], float(file["fps"])
    assert naming in recording.naming
    assert recording.units == f"{unit} (found from the stature)"
    assert recording.up.startswith("y (from")
    assert recording.sides.verdict == "agree"
    assert recording.fps == step * fps
    found = recording.xyz[skip::step]
    num_frames = min(len(found), len(truth))
    assert num_frames > 0.99 * len(truth)
    error_mm = 1000 * np.linalg.norm(found[:num_frames] - truth[:num_frames], axis=-1)
    assert error_mm[:, LIMBS].max() < 0.2  # the positions are rounded to 0.12 mm
    # Where the back and the head are put is a matter of definition, to a few centimetres; the
    # neck base is the same, the middle of the back is half way, not at the same vertebra.
    assert error_mm[:, H36M_17.index("thorax")].max() < 0.2
    assert error_mm[:, [H36M_17.index("neck"), H36M_17.index("head_top")]].max() < 60
    assert error_mm[:, H36M_17.index("spine")].mean() < 130


@pytest.mark.parametrize("file", ["cmu/cmu_49_08.npz", "ui_prmd", "cmu/cmu_01_06_a.npz"])
def test_no_alarm_on_sound_motion_and_alarm_when_it_is_mirrored(tmp_path, file):
    path = real(file)
    path = sorted(path.glob("*.npz"))[100] if path.is_dir() else path
    recording = load_recording(path)
    assert not any(finding.is_serious for finding in recording.findings)
    assert recording.sides.verdict == "agree"
    np.savez(
        tmp_path / "mirrored.npz",
        positions=recording.xyz * [-1, 1, 1],
        h36m17=np.arange(17),
        fps=recording.fps,
    )
    with pytest.raises(DataError, match="Left and right are exchanged"):
        load_motion(tmp_path / "mirrored.npz")


# --- round trips ------------------------------------------------------------------------------


def bendy_person(num_frames: int = 150, seed: int = 5) -> np.ndarray:
    """(T, 17, 3) metres, z up: joints of constant bones that bend every way, sides unequal.

    Forward kinematics with a rotation at every joint that wanders over time. The spine bends up to
    some 30 degrees to any side relative to the pelvis.
    """
    rng = np.random.default_rng(seed)
    bones = {  # lengths in metres, x to the left, y to the back, z up
        "right_hip": (-0.13, 0, 0), "left_hip": (0.13, 0, 0),
        "right_knee": (0, 0, -0.45), "left_knee": (0, 0, -0.44),
        "right_ankle": (0, 0, -0.42), "left_ankle": (0, 0, -0.435),
        "spine": (0, 0, 0.24), "thorax": (0, 0, 0.26), "neck": (0, 0, 0.12),
        "head_top": (0, 0, 0.14), "right_shoulder": (-0.17, 0, 0), "left_shoulder": (0.185, 0, 0),
        "right_elbow": (0, 0, -0.3), "left_elbow": (0, 0, -0.315),
        "right_wrist": (0, 0, -0.25), "left_wrist": (0, 0, -0.24),
    }  # fmt: skip
    swing = {"spine": 0.5, "thorax": 0.4, "neck": 0.4, "head_top": 0.5, "right_shoulder": 0.3}
    swing |= {"left_shoulder": 0.3, "right_elbow": 1.5, "left_elbow": 1.5}
    t = np.arange(num_frames) / 50

    def wander(size: float) -> Rotation:
        phase, speed = rng.uniform(0, 6, 3), rng.uniform(1, 4, 3)
        return Rotation.from_rotvec(size * np.sin(np.outer(t, speed) + phase) / np.sqrt(3))

    at = {"pelvis": np.stack([0.3 * t, -0.8 * t, 0.95 + 0.1 * np.sin(3 * t)], axis=-1)}
    turn = {"pelvis": Rotation.from_rotvec(np.outer(2 * t, [0, 0, 1])) * wander(0.3)}
    for joint, parent in zip(H36M_17.joint_names[1:], H36M_17.parents[1:], strict=True):
        above = H36M_17.joint_names[parent]
        is_hip = joint.endswith("hip")  # the pelvis is one rigid bone
        own = turn[above] if is_hip else turn[above] * wander(swing.get(joint, 0.9))
        at[joint] = at[above] + own.apply(bones[joint])
        turn[joint] = own
    return np.stack([at[name] for name in H36M_17.joint_names], axis=1)


def around_by_bvh(path: Path, xyz: np.ndarray, fps: float) -> np.ndarray:
    """Positions (T, 17, 3), z up, to a BVH file and back through the reader of any BVH."""
    save_bvh(path, bvh_motion(100 * xyz[..., [0, 2, 1]] * [1, 1, -1], fps))
    return load_recording(path).xyz


def test_constant_bones_go_round_by_bvh_under_a_millimetre(tmp_path):
    xyz = bendy_person()
    again = around_by_bvh(tmp_path / "a.bvh", xyz, 50.0)
    assert again.shape == xyz.shape
    again = again - again[:, :1] + xyz[:, :1]  # the floor of the one is not that of the other
    error_mm = 1000 * np.linalg.norm(again - xyz, axis=-1)
    assert error_mm.max() < 1.0
    # A bone that is wrong by a centimetre must be seen.
    wrong = xyz.copy()
    wrong[::2, H36M_17.index("left_wrist")] += [0, 0, 0.01]
    again = around_by_bvh(tmp_path / "b.bvh", wrong, 50.0)
    again = again - again[:, :1] + wrong[:, :1]
    assert 1000 * np.linalg.norm(again - wrong, axis=-1).max() > 1.0


@pytest.mark.parametrize(
    "name", ["bvh/cmu_05_11.bvh.gz", "bvh/cmu_131_01.bvh.gz", "bvh/cmu_salsa_02.bvh.gz"]
)
def test_real_movement_goes_round_by_bvh_under_a_millimetre(tmp_path, name):
    motion = load_motion(real(name))
    xyz = with_constant_bones(motion.positions.astype(np.float64))
    again = around_by_bvh(tmp_path / "a.bvh", xyz, motion.fps)
    again = again - again[:, :1] + xyz[:, :1]
    assert 1000 * np.linalg.norm(again - xyz, axis=-1).max() < 1.0


def with_constant_bones(xyz: np.ndarray) -> np.ndarray:
    """The same directions with the median length of each bone: joints of backs are no hinges."""
    result = xyz.copy()
    for parent, child in H36M_17.bones:
        bone = xyz[:, child] - xyz[:, parent]
        length = np.linalg.norm(bone, axis=-1, keepdims=True)
        result[:, child] = result[:, parent] + bone / length * np.median(length)
    return result
