"""HumanEva-I in both forms that MATLAB makes of it."""

import cv2
import numpy as np
import pytest
from scipy.io import savemat
from scipy.spatial.transform import Rotation

from pose_core.data.humaneva import list_sequences, load_calibration
from pose_core.errors import DataError
from pose_core.skeleton import H36M_17, HUMANEVA_14

FOCAL, CENTRE = (766.0, 765.0), (320.0, 240.0)
LENS = (-0.2, 0.15, 0.001, -0.002, 0.0)  # k1 k2 p1 p2 k3
# x to the right, z up in the world; y down in the camera. Turned a little.
ROTATION = (
    Rotation.from_euler("x", 90, degrees=True) * Rotation.from_rotvec([0, 0, 0.1])
).as_matrix()
TRANSLATION_MM = np.array([100.0, 900.0, 4000.0])
NAMES_OF_15 = [
    "pelvis",
    "thorax",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_hip",
    "right_knee",
    "right_ankle",
    "head",
]


def world_mm(num_frames, seed):
    rng = np.random.default_rng(seed)
    return rng.uniform(-500, 500, (num_frames, 15, 3)) + np.array([0, 0, 900])


def camera_mm(world):
    return world @ ROTATION.T + TRANSLATION_MM


def pixels(world):
    k = np.array([[FOCAL[0], 0, CENTRE[0]], [0, FOCAL[1], CENTRE[1]], [0, 0, 1]])
    flat = camera_mm(world).reshape(-1, 3)
    xy, _ = cv2.projectPoints(flat, np.zeros(3), np.zeros(3), k, np.array(LENS))
    return xy.reshape(*world.shape[:2], 2)


RECORDINGS = {
    ("Train/S1", "Walking_1"): world_mm(7, 0),
    ("Validate/S1", "Walking_1"): world_mm(6, 1),
    ("Validate/S2", "Box_1"): world_mm(5, 2),
}


def write_calibration(folder):
    for subject in ("S1", "S2"):
        calibration = folder / subject / "Calibration_Data"
        calibration.mkdir(parents=True)
        lines = [FOCAL, CENTRE, (0.0,), LENS, *ROTATION, TRANSLATION_MM]
        for camera in ("C1", "C2", "C3"):
            text = "\n".join(" ".join(f"{v:.12g}" for v in line) for line in lines)
            (calibration / f"{camera}.cal").write_text(text)


def write_mats(folder):
    for (subject, name), world in RECORDINGS.items():
        (folder / subject).mkdir(parents=True, exist_ok=True)
        seen = np.stack([pixels(world) + camera for camera in range(3)])
        savemat(folder / subject / f"{name}.mat", {"poses_3d": world, "poses_2d": seen})
    write_calibration(folder)


def write_npz(folder, keypoints="gt", layout="humaneva15", num_joints=15):
    positions, seen = {}, {}
    for (subject, name), world in RECORDINGS.items():
        key = name.replace("_", " ") + " chunk0"
        positions.setdefault(subject, {})[key] = (world / 1000).astype(np.float32)
        films = [np.zeros((len(world), num_joints, 2), np.float32) for _ in range(3)]
        for camera, film in enumerate(films):
            film[:, :15] = pixels(world) + camera
        seen.setdefault(subject, {})[key] = films
    np.savez_compressed(folder / "data_3d_humaneva15.npz", positions_3d=positions)
    if keypoints:
        metadata = {"layout_name": layout, "num_joints": num_joints}
        path = folder / f"data_2d_humaneva15_{keypoints}.npz"
        np.savez_compressed(path, positions_2d=seen, metadata=metadata)
    write_calibration(folder)


@pytest.mark.parametrize("write", [write_mats, write_npz])
def test_both_forms_give_the_poses_that_were_written(tmp_path, write):
    write(tmp_path)
    entries = list_sequences(tmp_path)
    assert len(entries) == 9
    entry = next(e for e in entries if (e.subject, e.camera) == ("Validate/S1", "C2"))
    assert (entry.action, entry.trial) == ("Walking", 1)
    sequence = entry.load()
    world = RECORDINGS["Validate/S1", "Walking_1"]
    assert sequence.skeleton is HUMANEVA_14
    assert sequence.fps == 60
    truth, seen = camera_mm(world) / 1000, pixels(world) + 1  # the second camera's marks
    for j, name in enumerate(HUMANEVA_14.joint_names):
        index = NAMES_OF_15.index(name)
        np.testing.assert_allclose(sequence.camera_xyz[:, j], truth[:, index], atol=1e-5)
        if name != "head":
            xy = sequence.keypoints[:, H36M_17.index(name)]
            np.testing.assert_allclose(xy, seen[:, index], atol=1e-3)
    np.testing.assert_allclose(sequence.keypoints[:, 0], seen[:, 0], atol=1e-3)
    # Between thorax and head, once more as far: the top of the head (see pose_core.skeleton).
    top = -0.5 * seen[:, 1] + 1.5 * seen[:, 14]
    np.testing.assert_allclose(sequence.keypoints[:, 10], top, atol=1e-3)


def test_keypoints_are_computed_where_there_are_none(tmp_path):
    write_npz(tmp_path, keypoints=None)
    sequence = list_sequences(tmp_path)[0].load()
    expected = pixels(RECORDINGS["Train/S1", "Walking_1"])
    np.testing.assert_allclose(sequence.keypoints[:, 13], expected[:, 4], atol=1e-3)


def test_detections_of_coco_joints_are_mapped(tmp_path):
    write_npz(tmp_path, "detectron", "coco", 17)
    sequence = list_sequences(tmp_path, "detectron")[0].load()
    raw = pixels(RECORDINGS["Train/S1", "Walking_1"])
    np.testing.assert_allclose(sequence.keypoints[:, 13], raw[:, 9], atol=1e-3)  # left wrist


def test_damaged_mocap_is_missing_truth_and_not_an_error(tmp_path, monkeypatch):
    world = RECORDINGS["Train/S1", "Walking_1"].copy()
    world[2] = np.nan
    monkeypatch.setitem(RECORDINGS, ("Train/S1", "Walking_1"), world)
    write_mats(tmp_path)
    sequence = list_sequences(tmp_path)[0].load()
    assert np.isnan(sequence.camera_xyz[2]).all()
    assert (sequence.scores[2] == 0).all()
    assert (np.delete(sequence.scores, 2, axis=0) == 1).all()


def test_calibration_by_hand(tmp_path):
    write_calibration(tmp_path)
    camera = load_calibration(tmp_path / "S1" / "Calibration_Data" / "C1.cal")
    assert camera.radial == (-0.2, 0.15, 0.0)
    assert camera.tangential == (0.001, -0.002)
    np.testing.assert_allclose(camera.translation, [0.1, 0.9, 4.0])


def test_wrong_files_say_what_was_expected(tmp_path):
    with pytest.raises(DataError, match="is not HumanEva-I") as error:
        list_sequences(tmp_path)
    assert "ConvertHumanEva.m" in error.value.hint
    write_mats(tmp_path)
    calibration = tmp_path / "S1" / "Calibration_Data" / "C2.cal"
    calibration.write_text("1 2 3")
    with pytest.raises(DataError, match="3 numbers") as error:
        list_sequences(tmp_path)
    assert "22 numbers" in error.value.hint
    calibration.unlink()
    with pytest.raises(DataError, match=r"C2\.cal is missing"):
        list_sequences(tmp_path)


def test_poses_of_another_shape_are_refused(tmp_path):
    write_mats(tmp_path)
    path = tmp_path / "Train" / "S1" / "Walking_1.mat"
    savemat(path, {"poses_3d": np.zeros((4, 20, 3)), "poses_2d": np.zeros((3, 4, 20, 2))})
    with pytest.raises(DataError, match="20, 3") as error:
        list_sequences(tmp_path)[0].load()
    assert "(T, 15, 3)" in error.value.hint
    path.write_bytes(b"no mat")
    with pytest.raises(DataError, match="cannot be read as a MATLAB file"):
        list_sequences(tmp_path)[0].load()
