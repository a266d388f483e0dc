"""Truth files: what is read, where they are found, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pose_core.camera import Camera
from pose_core.clip import Clip
from pose_core.data.truth import load_truth, truth_beside, truth_path
from pose_core.errors import DataError
from pose_core.skeleton import H36M_17

TURN_Z_UP = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])


@pytest.fixture
def clip(tmp_path: Path, session) -> Clip:
    """60 frames at 25 a second; the file is there, its content does not matter."""
    (tmp_path / "walk.mp4").write_bytes(b"")
    return replace(session.clip, path=tmp_path / "walk.mp4")


@pytest.fixture
def content(walker_xyz) -> dict[str, np.ndarray]:
    """What the file of the bundled clip holds, for the walker."""
    root = walker_xyz[:, 0]
    return {
        "poses_3d": (walker_xyz - root[:, None]).astype(np.float32),
        "root_3d": root.astype(np.float32),
        "keypoints_2d": Camera(640, 480, 500.0).project(walker_xyz).astype(np.float32),
        "focal_px": np.float32(500.0),
        "fps": np.float32(25),
        "joint_names": np.array(H36M_17.joint_names),
    }


def written(path: Path, content: dict[str, np.ndarray], leave_out: str = "") -> Path:
    np.savez(path, **{key: value for key, value in content.items() if key not in leave_out.split()})
    return path


def test_truth_comes_back_bit_for_bit(tmp_path, clip, content):
    truth = load_truth(written(tmp_path / "a.npz", content), clip)
    np.testing.assert_array_equal(truth.poses.xyz, content["poses_3d"])
    np.testing.assert_array_equal(truth.poses.root, content["root_3d"])
    np.testing.assert_array_equal(truth.xy, content["keypoints_2d"])
    assert (truth.source, truth.is_beside_clip) == ("a.npz", False)
    assert not truth.poses.is_root_estimated


def test_poses_and_names_are_enough_and_gaps_are_kept(tmp_path, clip, content):
    content["poses_3d"][7:9] = np.nan
    content["poses_3d"][20, 3, 1] = np.inf
    path = written(tmp_path / "a.npz", content, "root_3d keypoints_2d focal_px fps")
    truth = load_truth(path, clip)
    assert truth.xy is None
    known = np.isfinite(truth.poses.xyz).all(-1)
    assert np.argwhere(~known.any(axis=1)).ravel().tolist() == [7, 8]
    assert not known[20, 3]
    assert np.isnan(np.asarray(truth.poses.root)).all()


def test_joints_are_found_by_name_in_any_order(tmp_path, clip, content):
    order = np.random.default_rng(0).permutation(18)
    more = {"joint_names": np.append(H36M_17.joint_names, "nose")[order]}
    for key in ("poses_3d", "keypoints_2d"):
        padded = np.concatenate([content[key], content[key][:, :1] + 0.1], axis=1)
        more[key] = padded[:, order]
    truth = load_truth(written(tmp_path / "a.npz", content | more), clip)
    np.testing.assert_array_equal(truth.poses.xyz, content["poses_3d"])
    np.testing.assert_array_equal(truth.xy, content["keypoints_2d"])


# --- refused ----------------------------------------------------------------------------------


def turned(content: dict, matrix: np.ndarray) -> dict:
    return content | {key: content[key] @ matrix.T for key in ("poses_3d", "root_3d")}


def exchanged(content: dict) -> dict:
    mirror = list(H36M_17.mirror_index)
    return content | {key: content[key][:, mirror] for key in ("poses_3d", "keypoints_2d")}


REFUSED = {
    "frames": (lambda c: c | {"poses_3d": c["poses_3d"][:-1]}, "59 frames, and walk.mp4 has 60"),
    "rate": (lambda c: c | {"fps": np.float32(30)}, "30 frames a second, and walk.mp4 has 25"),
    "two rates": (lambda c: c | {"fps": np.float32([25, 25])}, "fps must be one number"),
    "shape": (lambda c: c | {"poses_3d": c["poses_3d"][..., :2]}, r"numbers \(T, 17, 3\)"),
    "text": (lambda c: c | {"root_3d": c["root_3d"].astype(str)}, r"root_3d must hold numbers"),
    "no poses": (lambda c: {"joint_names": c["joint_names"]}, "has no array 'poses_3d'"),
    "no names": (lambda c: {"poses_3d": c["poses_3d"]}, "has no array 'joint_names'"),
    "other names": (lambda c: c | {"joint_names": np.arange(17)}, "joint_names lack pelvis"),
    "nothing known": (lambda c: c | {"poses_3d": c["poses_3d"] * np.nan}, "no frame"),
    "not relative": (lambda c: c | {"poses_3d": c["poses_3d"] + 0.01}, "relative to the pelvis"),
    "millimetres": (lambda c: c | {"poses_3d": c["poses_3d"] * 1000}, "not in metres"),
    "centimetres": (lambda c: c | {"poses_3d": c["poses_3d"] * 100}, "not in metres"),
    "y up": (lambda c: turned(c, np.diag([1.0, -1, -1])), "stand up along the axis y"),
    "z up": (lambda c: turned(c, TURN_Z_UP), "stand up along the axis z"),
    "mirrored": (lambda c: turned(c, np.diag([-1.0, 1, 1])), "exchanged, or an axis is turned"),
    "backwards": (lambda c: turned(c, np.diag([1.0, 1, -1])), "exchanged, or an axis is turned"),
    "exchanged sides": (exchanged, "exchanged, or an axis is turned"),
    "turned round": (lambda c: turned(c, np.diag([-1.0, 1, -1])), "behind the camera"),
    "other person": (
        lambda c: c | {"keypoints_2d": c["keypoints_2d"] * np.float32([-1, 1])},
        "axis x of poses_3d does not go along",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_does_not_fit_is_refused_with_the_reason(tmp_path, clip, content, fault):
    change, message = REFUSED[fault]
    path = written(tmp_path / "a.npz", change(content))
    with pytest.raises(DataError, match=message) as error:
        load_truth(path, clip)
    assert str(path) in error.value.message


def test_a_turn_about_the_vertical_is_seen_by_the_keypoints_alone(tmp_path, clip, content):
    """A person who faces away looks like any other: only the picture can tell."""
    wrong = turned(content, np.diag([-1.0, 1, -1]))
    load_truth(written(tmp_path / "a.npz", wrong, "root_3d keypoints_2d"), clip)
    with pytest.raises(DataError, match="axis x of poses_3d"):
        load_truth(written(tmp_path / "a.npz", wrong, "root_3d"), clip)


def test_files_that_are_none_are_refused(tmp_path, clip):
    broken = tmp_path / "b.npz"
    broken.write_bytes(b"PK\x03\x04 nothing")
    for path, message in ((broken, "no intact npz"), (tmp_path / "none.npz", "cannot be read")):
        with pytest.raises(DataError, match=message):
            load_truth(path, clip)


# --- beside the video -------------------------------------------------------------------------


def test_truth_is_found_beside_its_video_by_name(tmp_path, clip, content):
    assert truth_beside(clip) is None
    lone = written(tmp_path / "truth.npz", content)
    assert truth_path(clip) == lone
    found = truth_beside(clip)
    assert (found.source, found.is_beside_clip) == ("truth.npz", True)
    (tmp_path / "walk.overlay.mp4").write_bytes(b"")
    (tmp_path / "walk2.txt").write_bytes(b"")
    assert truth_path(clip) == lone
    (tmp_path / "walk2.MP4").write_bytes(b"")  # now it may belong to either
    assert truth_path(clip) is None
    named = written(tmp_path / "walk.truth.npz", content)
    assert truth_path(clip) == named
    assert truth_path(replace(clip, path=tmp_path / "walk2.MP4")) is None


def test_a_video_whose_folder_is_gone_has_no_truth(clip):
    assert truth_beside(replace(clip, path=Path("/nowhere/at/all/walk.mp4"))) is None
