"""Joint centres from markers that were put around known joints."""

import numpy as np
import pytest

from pose_core.data.plug_in_gait import joint_centres
from pose_core.data.recording import load_recording
from pose_core.errors import DataError
from pose_core.skeleton import H36M_17

LEFT, FRONT, UP = np.eye(3)  # the walker is put into axes with x to the left, y front, z up
LEFT, FRONT, UP = LEFT, -FRONT, UP


def unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def person(walker_xyz: np.ndarray) -> dict[str, np.ndarray]:
    """Joints (T, 3), metres, z up, of the walker: faces -y, left is x."""
    xyz = np.stack([walker_xyz[..., 0], walker_xyz[..., 2], -walker_xyz[..., 1]], axis=-1)
    xyz = xyz - [0, 0, xyz[..., 2].min() - 0.08]
    return {name: xyz[:, i].copy() for i, name in enumerate(H36M_17.joint_names)}


def markers_around(joints: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Where the markers of somebody with these joints are, in metres.

    The pelvis is level; width 24 cm and depth 15 cm, so by Harrington's regression the hips lie
    0.24 * 150 + 9.9 = 45.9 mm behind the front spines, 0.30 * 240 + 10.9 = 82.9 mm below them and
    0.33 * 240 + 7.3 = 86.5 mm to the sides.
    """
    middle = (joints["left_hip"] + joints["right_hip"]) / 2
    for side, sign in (("left", 1), ("right", -1)):
        shift = middle + sign * 0.0865 * LEFT - joints[f"{side}_hip"]
        for part in ("hip", "knee", "ankle"):
            joints[f"{side}_{part}"] = joints[f"{side}_{part}"] + shift
    front = middle + 0.0459 * FRONT + 0.0829 * UP
    markers = {"T10": joints["spine"] - 0.1 * FRONT, "STRN": joints["spine"] + 0.1 * FRONT}
    markers |= {"C7": joints["thorax"] - 0.07 * FRONT, "CLAV": joints["thorax"] + 0.07 * FRONT}
    trunk = unit(joints["left_shoulder"] + joints["right_shoulder"] - 2 * middle)
    for side, letter, sign in (("left", "L", 1.0), ("right", "R", -1.0)):
        out = sign * LEFT
        markers[f"{letter}ASI"] = front + 0.12 * out
        markers[f"{letter}PSI"] = front - 0.15 * FRONT + 0.04 * out
        markers[f"{letter}KNE"] = joints[f"{side}_knee"] + 0.0595 * out
        markers[f"{letter}ANK"] = joints[f"{side}_ankle"] + 0.043 * out
        thigh = joints[f"{side}_knee"] - joints[f"{side}_hip"]
        wand = joints[f"{side}_hip"] + 0.6 * thigh + 0.1 * out
        markers[f"{letter}THI"] = wand + 0.02 * unit(np.cross(LEFT, thigh))
        markers[f"{letter}TOE"] = joints[f"{side}_ankle"] + 0.15 * FRONT - 0.05 * UP
        markers[f"{letter}SHO"] = joints[f"{side}_shoulder"] + 0.045 * trunk
        markers[f"{letter}ELB"] = joints[f"{side}_elbow"] + 0.042 * out
        arm = joints[f"{side}_elbow"] - joints[f"{side}_shoulder"]
        markers[f"{letter}UPA"] = joints[f"{side}_shoulder"] + 0.5 * arm + 0.05 * out
        for name, step in (("WRA", 0.03), ("WRB", -0.03)):
            markers[f"{letter}{name}"] = joints[f"{side}_wrist"] + step * out
        for name, step in (("FHD", 0.09), ("BHD", -0.09)):
            markers[f"{letter}{name}"] = joints["head_top"] - 0.09 * UP + step * FRONT + 0.07 * out
    return markers


def test_joints_are_found_inside_the_markers(walker_xyz):
    joints = person(walker_xyz)
    points, match = joint_centres(markers_around(joints))
    for name in match.joints:
        if name != "neck":
            error_mm = 1000 * np.linalg.norm(points[name] - joints[name], axis=-1)
            assert error_mm.max() < 0.5, name


def test_the_axis_of_the_knee_is_that_of_the_person_not_of_the_hips(walker_xyz):
    joints = person(walker_xyz)
    markers = markers_around(joints)
    angle = np.deg2rad(25)  # knees and feet turned out at the hip: the left leg turns to the left
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    names = ("KNE", "ANK", "THI", "TOE")
    hip = joints["left_hip"]
    for name in names:
        markers["L" + name] = (markers["L" + name] - hip) @ turn.T + hip
    knee = (joints["left_knee"] - hip) @ turn.T + hip
    points, _ = joint_centres(markers)
    assert 1000 * np.linalg.norm(points["left_knee"] - knee, axis=-1).max() < 0.5
    without_wand = {name: xyz for name, xyz in markers.items() if name != "LTHI"}
    points, _ = joint_centres(without_wand)
    assert 1000 * np.linalg.norm(points["left_knee"] - knee, axis=-1).min() > 15.0


def test_a_missing_marker_leaves_only_its_joints_unknown(walker_xyz):
    markers = markers_around(person(walker_xyz))
    markers["LELB"][5:8] = np.nan
    markers["RASI"][20] = np.nan
    points, _ = joint_centres(markers)
    assert np.isnan(points["left_elbow"][5:8]).all()
    assert np.isfinite(np.delete(points["left_elbow"], [5, 6, 7, 20], axis=0)).all()
    assert np.isfinite(points["left_wrist"]).all()
    assert np.isnan(points["right_hip"][20]).all()
    assert np.isfinite(np.delete(points["right_hip"], 20, axis=0)).all()


def test_a_c3d_of_markers_becomes_a_recording(tmp_path, walker_xyz):
    ezc3d = pytest.importorskip("ezc3d")
    joints = person(walker_xyz)
    markers = markers_around(joints)
    labels = ["*7", *(f"Ann:{name}" for name in markers)]
    xyz = np.stack([np.zeros_like(markers["C7"]) + 5, *markers.values()], axis=1)
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [100.0]
    file["parameters"]["POINT"]["LABELS"]["value"] = labels
    file["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
    file["data"]["points"] = np.concatenate(
        [1000 * xyz, np.ones((*xyz.shape[:2], 1))], axis=-1
    ).transpose(2, 1, 0)
    file.write(str(tmp_path / "gait.c3d"))
    recording = load_recording(tmp_path / "gait.c3d")
    assert recording.naming == "Plug-in Gait markers"
    assert recording.sides.verdict == "agree"
    knee = recording.xyz[:, H36M_17.index("right_knee")]
    assert 1000 * np.linalg.norm(knee - joints["right_knee"], axis=-1).max() < 0.5
    assert np.isfinite(recording.xyz).all()


def test_markers_without_a_unit_are_refused(tmp_path, walker_xyz):
    markers = markers_around(person(walker_xyz))
    names = "\t\t\t".join(markers)
    rows = np.stack(list(markers.values()), axis=1).reshape(len(walker_xyz), -1)
    lines = ["PathFileType\t4", "DataRate\tNumFrames\tNumMarkers\tUnits"]
    lines += [f"25\t{len(rows)}\t{len(markers)}\t?", f"Frame#\tTime\t{names}"]
    lines += ["\t".join(map(str, [i + 1, i / 25, *row])) for i, row in enumerate(rows)]
    (tmp_path / "gait.trc").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"only when their unit is known.*--units"):
        load_recording(tmp_path / "gait.trc")
