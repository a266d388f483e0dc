"""MPI-INF-3DHP as it is downloaded: MATLAB 5 for training, HDF5 for testing."""

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from pose_core.data.mpi_inf_3dhp import list_test_sequences, list_training_sequences
from pose_core.errors import DataError
from pose_core.skeleton import H36M_17

# The 28 joints of the data set, and what they are in the canonical skeleton.
NAMES_OF_28 = [
    "spine3",
    "spine4",
    "spine2",
    "spine",
    "pelvis",
    "thorax",
    "neck",
    "head_top",
    "left_clavicle",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "left_hand",
    "right_clavicle",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "right_hand",
    "left_hip",
    "left_knee",
    "left_ankle",
    "left_foot",
    "left_toe",
    "right_hip",
    "right_knee",
    "right_ankle",
    "right_foot",
    "right_toe",
]
# util/mpii_get_joints.m, "relevant", counted from 1.
RELEVANT = (8, 6, 15, 16, 17, 10, 11, 12, 24, 25, 26, 19, 20, 21, 5, 4, 7)
NUM_CAMERAS = 14


def intrinsic(camera):
    return 1500.0 + camera, 1499.0 + camera, 1024.0 + camera, 1050.0


def poses_mm(num_frames, num_joints, seed):
    rng = np.random.default_rng(seed)
    return rng.uniform(-700, 700, (num_frames, num_joints, 3)) + np.array([0, 0, 4000])


def pixels(xyz, focal_centre):
    fx, fy, cx, cy = focal_centre
    return xyz[..., :2] / xyz[..., 2:] * [fx, fy] + [cx, cy]


def write_training(folder, subject="S1", recording="Seq2", num_frames=6):
    base = folder / subject / recording
    base.mkdir(parents=True)
    lines = ["Skeletool Camera Calibration File V1.0"]
    annot2, annot3 = (np.zeros((NUM_CAMERAS, 1), dtype=object) for _ in range(2))
    for camera in range(NUM_CAMERAS):
        fx, fy, cx, cy = intrinsic(camera)
        lines += [
            f"name          {camera}",
            "  sensor      10 10",
            "  size        2048 2048",
            "  animated    0",
            f"  intrinsic   {fx} 0 {cx} 0 0 {fy} {cy} 0 0 0 1 0 0 0 0 1",
            "  extrinsic   1 0 0 100 0 1 0 200 0 0 1 300 0 0 0 1",
            "  radial      0",
        ]
        xyz = poses_mm(num_frames, 28, camera)
        annot3[camera, 0] = xyz.reshape(num_frames, 84)
        annot2[camera, 0] = pixels(xyz, intrinsic(camera)).reshape(num_frames, 56)
    (base / "camera.calibration").write_text("\n".join(lines))
    savemat(base / "annot.mat", {"annot2": annot2, "annot3": annot3, "frames": num_frames})
    return base


def test_training_sequences(tmp_path):
    write_training(tmp_path)
    entries = list_training_sequences(tmp_path)
    assert [e.camera for e in entries] == ["0", "1", "2", "4", "5", "6", "7", "8"]
    sequence = entries[3].load()  # camera 4
    assert sequence.fps == 50  # S1 Seq2
    truth = poses_mm(6, 28, 4)
    for j, name in enumerate(H36M_17.joint_names):
        joint = truth[:, NAMES_OF_28.index(name)]
        np.testing.assert_allclose(sequence.camera_xyz[:, j], joint / 1000, atol=1e-6)
        np.testing.assert_allclose(sequence.keypoints[:, j], pixels(joint, intrinsic(4)), atol=1e-3)
    camera = sequence.camera
    np.testing.assert_allclose(camera.project(sequence.camera_xyz), sequence.keypoints, atol=2e-3)
    np.testing.assert_allclose(camera.translation, [0.1, 0.2, 0.3])


def test_frame_rates_of_the_data_set(tmp_path):
    write_training(tmp_path, "S2", "Seq1")
    assert list_training_sequences(tmp_path)[0].load().fps == 25


CALIB_1_4 = """tc camera calibration v0.3
camera 0 0
frame 0
sensorSize 10.0 10.0
focalLength 7.32506
pixelAspect 1.00044
centerOffset -0.0322884 0.0929296
distortionModel OpenCV
distortion 0.0 0.0 0.0 0.0 0.0
origin 3427.28 1387.86 309.42
up -0.208215 0.976233 0.06014
right 0.000575281 0.0616098 -0.9981
"""
CALIB_5_6 = CALIB_1_4.replace("10.0 10.0", "10.0 5.625").replace(
    "distortion 0.0 0.0 0.0 0.0 0.0", "distortion -0.27 0.13 -0.0003 -0.001 -0.05"
)


def write_test(folder, name="TS1", num_frames=5):
    utilities = folder / "test_util" / "camera_calibration"
    utilities.mkdir(parents=True, exist_ok=True)
    (utilities / "ts1-4cameras.calib").write_text(CALIB_1_4)
    (utilities / "ts5-6cameras.calib").write_text(CALIB_5_6)
    (folder / name).mkdir(parents=True)
    xyz = poses_mm(num_frames, 17, 3)
    with h5py.File(folder / name / "annot_data.mat", "w") as file:
        # MATLAB 7.3 stores axes in reverse, so that h5py finds the frames first.
        file["annot2"] = pixels(xyz, (1500, 1500, 1017, 1043))[:, None]
        file["annot3"] = 1.1 * xyz[:, None]
        file["univ_annot3"] = xyz[:, None]
        file["valid_frame"] = np.array([1, 1, 0, 1, 1], dtype=np.uint8)[:, None]
        file["activity_annotation"] = np.array([1, 1, 0, 5, 5], dtype=np.uint8)[:, None]
    return xyz


def test_test_sequences(tmp_path):
    xyz = write_test(tmp_path)
    (entry,) = list_test_sequences(tmp_path)
    sequence = entry.load()
    for j, name in enumerate(H36M_17.joint_names):
        index = [NAMES_OF_28[r - 1] for r in RELEVANT].index(name)
        expected = xyz[:, index] / 1000
        valid = [0, 1, 3, 4]
        np.testing.assert_allclose(sequence.camera_xyz[valid, j], expected[valid], atol=1e-6)
        seen = pixels(xyz[:, index], (1500, 1500, 1017, 1043))
        np.testing.assert_allclose(sequence.keypoints[:, j], seen, atol=1e-3)
    assert np.isnan(sequence.camera_xyz[2]).all()  # a frame that is not valid
    assert sequence.frame_actions == (
        "Standing/Walking", "Standing/Walking", "", "On the floor", "On the floor",
    )  # fmt: skip


def test_test_cameras_by_hand(tmp_path):
    write_test(tmp_path, "TS1")
    write_test(tmp_path, "TS5")
    first, fifth = (entry.load().camera for entry in list_test_sequences(tmp_path))
    # 2048 px on 10 mm: 204.8 px a mm.
    assert first.focal_px == pytest.approx((7.32506 * 204.8, 7.32506 * 204.8 * 1.00044))
    assert first.centre_px == pytest.approx((1024 - 0.0322884 * 204.8, 1024 + 0.0929296 * 204.8))
    assert (fifth.width, fifth.height) == (1920, 1080)
    assert fifth.focal_px[0] == pytest.approx(7.32506 * 192)
    assert fifth.radial == (-0.27, 0.13, -0.05)
    assert fifth.tangential == (-0.0003, -0.001)


def test_wrong_folders_say_what_was_expected(tmp_path):
    with pytest.raises(DataError, match="not the training set") as error:
        list_training_sequences(tmp_path)
    assert "annot.mat" in error.value.hint
    with pytest.raises(DataError, match="not the test set") as error:
        list_test_sequences(tmp_path)
    assert "annot_data.mat" in error.value.hint
    write_test(tmp_path)
    (tmp_path / "test_util" / "camera_calibration" / "ts1-4cameras.calib").unlink()
    with pytest.raises(DataError, match=r"ts1-4cameras\.calib is missing"):
        list_test_sequences(tmp_path)


def test_damaged_files_are_named(tmp_path):
    base = write_training(tmp_path)
    entry = list_training_sequences(tmp_path)[0]
    savemat(base / "annot.mat", {"annot2": np.zeros((3, 3))})
    with pytest.raises(DataError, match="lacks annot3") as error:
        entry.load()
    assert "annot2" in error.value.hint
    (base / "camera.calibration").write_text("name 0\n  size 2048 2048\n")
    with pytest.raises(DataError, match="intrinsic") as error:
        list_training_sequences(tmp_path)
    assert "extrinsic" in error.value.hint
    write_test(tmp_path)
    (tmp_path / "TS1" / "annot_data.mat").write_bytes(b"no HDF5")
    with pytest.raises(DataError, match="cannot be read as HDF5"):
        list_test_sequences(tmp_path)[0].load()
    with h5py.File(tmp_path / "TS1" / "annot_data.mat", "w") as file:
        file["annot2"] = np.zeros((2, 1, 17, 2))
    with pytest.raises(DataError, match="lacks univ_annot3"):
        list_test_sequences(tmp_path)[0].load()
