"""Anatomical findings: faults planted in a person who walks, and nothing found without them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pose_core.analysis.anatomy import AnatomyThresholds, Finding, anatomy_findings
from pose_core.errors import ConfigError
from pose_core.geometry import rotation_between
from pose_core.levelling import UP
from pose_core.losses.structure import HINGES, illegal_joints
from pose_core.skeleton import H36M_17, MPII_16, joint_map

FPS = 25.0
NAMES = (
    "illegal_angle",
    "side_difference",
    "length_deviation",
    "jump",
    "foot_slide",
    "below_floor",
    "side_swap",
)
R_KNEE, R_ANKLE, L_HIP, L_ANKLE = 2, 3, 4, 6
L_ELBOW, L_WRIST = 12, 13


def stander(frames=20):
    """(T, 17, 3) camera metres of somebody who stands on the floor and waves the forearms.

    Faces the camera (negative z), so that the left side has positive x; knees and elbows are
    slightly bent, as they bend.
    """
    x = np.zeros((frames, 17, 3))
    wave = 0.05 * np.sin(2 * np.pi * np.arange(frames) / 10)
    for side, (hip, knee, ankle, shoulder, elbow, wrist) in (
        (1, (4, 5, 6, 11, 12, 13)),
        (-1, (1, 2, 3, 14, 15, 16)),
    ):
        x[:, hip] = [0.1 * side, 0, 0]
        x[:, knee] = [0.1 * side, 0.43, -0.1]
        x[:, ankle] = [0.1 * side, 0.85, 0]
        x[:, shoulder] = [0.18 * side, -0.5, 0]
        x[:, elbow] = [0.25 * side, -0.22, 0]
        bend = 0.6 + wave
        down, front = 0.24 * np.cos(bend), -0.24 * np.sin(bend)
        x[:, wrist] = x[:, elbow] + np.stack([0 * bend, down, front], -1)
    for joint, height in ((7, 0.25), (8, 0.5), (9, 0.6), (10, 0.8)):
        x[:, joint] = [0, -height, 0]
    return x + np.array([0.3, 0.5, 4.0])


def examine(camera_xyz, **options):
    root = camera_xyz[:, 0]
    times_s = np.arange(len(camera_xyz)) / FPS
    return anatomy_findings(camera_xyz - root[:, None], times_s, root, **options)


def found(findings):
    """Name of each finding with the (frame, joint) places where it counts."""
    return {
        f.name: list(zip(*np.nonzero(f.found_mask), strict=True))
        for f in findings
        if f.found_mask.any()
    }


def test_a_person_without_fault_has_no_findings():
    findings = examine(stander())
    assert [f.name for f in findings] == list(NAMES)
    assert found(findings) == {}
    for finding in findings:
        assert np.nanmax(finding.per_frame) >= 0


def test_a_knee_bent_backwards():
    xyz = stander()
    xyz[4, R_KNEE, 2] += 0.2  # behind hip and ankle
    findings = examine(xyz)
    assert found(findings) == {"illegal_angle": [(4, R_KNEE)]}
    # thigh (0, 0.43, 0.1), shin (0, 0.42, -0.1): both lean, one back and one forward
    expected = np.rad2deg(np.arctan(0.1 / 0.43) + np.arctan(0.1 / 0.42))
    assert findings.illegal_angle.severity[4, R_KNEE] == pytest.approx(expected)
    assert findings.illegal_angle.severity[5, R_KNEE] == 0


@pytest.mark.parametrize("threshold", [5.0, 20.0, 60.0])
def test_illegal_angles_are_those_of_the_loss(threshold):
    poses = np.random.default_rng(0).normal(size=(300, 17, 3))
    options = {"thresholds": AnatomyThresholds(illegal_angle_deg=threshold)}
    finding = anatomy_findings(poses, np.arange(300) / FPS, **options).illegal_angle
    hinges = [H36M_17.index(name) for name in HINGES]
    expected = illegal_joints(torch.from_numpy(poses), straight_deg=threshold).numpy()
    np.testing.assert_array_equal(finding.found_mask[:, hinges], expected)
    assert np.isnan(np.delete(finding.severity, hinges, axis=1)).all()


def test_a_long_forearm_differs_from_the_other_side_and_from_itself():
    xyz = stander()
    direction = (xyz[:, L_WRIST] - xyz[:, L_ELBOW]) / 0.24
    xyz[6, L_WRIST] = xyz[6, L_ELBOW] + 0.34 * direction[6]
    findings = examine(xyz)
    assert found(findings) == {
        "side_difference": [(6, L_WRIST), (6, 16)],
        "length_deviation": [(6, L_WRIST)],
    }
    assert findings.side_difference.severity[6, L_WRIST] == pytest.approx(0.1)
    assert findings.length_deviation.severity[6, L_WRIST] == pytest.approx(0.1)

    xyz = stander()  # a left forearm that is always long has a constant length
    xyz[:, L_WRIST] = xyz[:, L_ELBOW] + 0.34 * direction
    assert set(found(examine(xyz))) == {"side_difference"}


def test_a_jump_has_the_speed_it_took():
    xyz = stander()
    xyz[8, 10] += [0.45, 0, 0]  # the head top, away and back
    findings = examine(xyz)
    assert found(findings)["jump"] == [(8, 10), (9, 10)]
    assert findings.jump.severity[8, 10] == pytest.approx(0.45 * FPS)
    assert np.isnan(findings.jump.severity[0]).all()


def test_feet_slide_along_the_floor_only_while_they_stand():
    xyz = stander()
    xyz += np.arange(20)[:, None, None] * np.array([0.04, 0, 0])  # the whole body glides: 1 m/s
    findings = examine(xyz)
    assert found(findings) == {
        "foot_slide": [(t, joint) for t in range(1, 19) for joint in (R_ANKLE, L_ANKLE)]
    }
    np.testing.assert_allclose(findings.foot_slide.severity[1:-1, [3, 6]], 1.0)

    xyz[:, R_ANKLE, 1] -= 0.1  # a raised foot may glide
    assert {joint for _, joint in found(examine(xyz))["foot_slide"]} == {L_ANKLE}

    xyz = stander()  # so may feet that go down slowly, through the height of rest
    xyz += np.arange(20)[:, None, None] * np.array([0.04, 0.008, 0])
    assert "foot_slide" not in found(examine(xyz))


def test_a_hand_below_the_floor():
    xyz = stander()
    ground_y = xyz[0, L_ANKLE, 1] + 0.08
    xyz[3, L_WRIST, 1] = ground_y + 0.2
    below = examine(xyz).below_floor
    assert found([below]) == {"below_floor": [(3, L_WRIST)]}
    assert below.severity[3, L_WRIST] == pytest.approx(0.2)


def test_exchanged_legs_are_suspected_where_they_change_over():
    xyz = stander()
    legs = [1, 2, 3, 4, 5, 6]
    exchanged = xyz[:, H36M_17.mirror_index]
    xyz[7:12, legs] = exchanged[7:12, legs]
    finding = examine(xyz).side_swap
    assert found([finding]) == {"side_swap": [(t, j) for t in (7, 12) for j in legs]}
    # every leg joint is 0.2 m from that of the other side, and still
    assert finding.severity[7, L_HIP] == pytest.approx(0.2)
    assert finding.severity[9, L_HIP] == 0


def test_the_ground_follows_the_direction_given_as_up():
    """The same scene from a camera that looks 30 degrees down."""
    xyz = stander() + np.arange(20)[:, None, None] * np.array([0.04, 0, 0])
    xyz[3, L_WRIST, 1] = 1.7
    up = np.array([0.0, -np.cos(np.pi / 6), -np.sin(np.pi / 6)])
    rotation = rotation_between(UP, up)
    straight, tilted = examine(xyz), examine(xyz @ rotation.T, up=up)
    for a, b in zip(straight, tilted, strict=True):
        np.testing.assert_allclose(a.severity, b.severity, atol=1e-9)
    assert {"foot_slide", "below_floor"} <= set(found(straight))


def test_the_mirror_image_has_the_mirrored_findings():
    xyz = stander() + 0.05 * np.random.default_rng(0).normal(size=(20, 17, 3))
    mirrored = xyz[:, H36M_17.mirror_index] * [-1, 1, 1]
    for a, b in zip(examine(xyz), examine(mirrored), strict=True):
        np.testing.assert_allclose(a.severity, b.severity[:, H36M_17.mirror_index], atol=1e-9)


def test_missing_frames_and_unknown_places_are_told_apart_from_faultless():
    xyz = stander()
    xyz[5] = np.nan
    findings = examine(xyz)
    assert found(findings) == {}
    for finding in findings:
        assert np.isnan(finding.severity[5]).all(), finding.name
        assert np.isfinite(finding.per_frame[10]), finding.name
    xyz = stander()
    floating = anatomy_findings(xyz - xyz[:, :1], np.arange(20) / FPS)
    assert np.isnan(floating.foot_slide.severity).all()
    assert np.isnan(floating.below_floor.severity).all()
    assert np.isfinite(floating.jump.severity[1:]).all()
    assert found(examine(np.full((4, 17, 3), np.nan))) == {}


@pytest.mark.parametrize("frames", [1, 2])
def test_clips_of_hardly_any_frames(frames):
    for finding in examine(stander(frames)):
        assert finding.severity.shape == (frames, 17)
        assert not finding.found_mask.any()


def test_another_skeleton():
    xyz = stander()
    xyz[4, R_KNEE, 2] += 0.2
    mpii = joint_map(H36M_17, MPII_16).apply(xyz)
    root = mpii[:, MPII_16.index("pelvis")]
    findings = anatomy_findings(mpii - root[:, None], np.arange(20) / FPS, root, skeleton=MPII_16)
    assert found(findings) == {"illegal_angle": [(4, MPII_16.index("right_knee"))]}


def test_thresholds():
    with pytest.raises(ConfigError, match="jump_m_s"):
        AnatomyThresholds(jump_m_s=0)
    with pytest.raises(ConfigError, match="below_floor_m"):
        AnatomyThresholds(below_floor_m=float("nan"))
    finding = Finding("jump", "m/s", 2.0, np.array([[1.0, 3.0], [np.nan, 2.0], [np.nan, np.nan]]))
    assert finding.found_mask.tolist() == [[False, True], [False, False], [False, False]]
    np.testing.assert_array_equal(finding.per_frame, [3.0, 2.0, np.nan])


def test_real_people_have_few_findings():
    """Motion capture on flat ground: what is found there is what the thresholds let through."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data" / "mocap"
    if not folder.is_dir():
        pytest.skip(f"no motion capture in {folder}")
    counts = dict.fromkeys(NAMES, 0)
    total = 0
    for path in sorted((folder / "cmu").glob("*.npz"))[::6]:
        with np.load(path, allow_pickle=False) as file:
            if "playground" in str(file["action"]):
                continue
            step = max(1, round(float(file["fps"]) / FPS))
            world = file["positions"][::step, file["h36m17"]].astype(float)
        # z-up world to camera axes
        findings = examine(world @ np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]).T)
        total += len(world)
        for finding in findings:
            counts[finding.name] += int(finding.found_mask.any(axis=1).sum())
    share = {name: count / total for name, count in counts.items()}
    assert total > 3000
    assert max(share[name] for name in ("jump", "side_swap", "below_floor")) < 0.005
    assert max(share[name] for name in ("side_difference", "length_deviation")) < 0.02
    assert share["foot_slide"] < 0.05
    assert share["illegal_angle"] < 0.1
