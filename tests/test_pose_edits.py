"""Turning limbs, lines of sight and spheres, and who has set which joint in 3D."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.spatial.transform import Rotation

from pose_core.analysis.pose_edits import (
    edited_frames,
    limb,
    moved_joints,
    nearest_on_sphere,
    turned_limb,
    with_edits_of,
)
from pose_core.bones import bone_lengths
from pose_core.geometry import rotation_between
from pose_core.poses import Poses3D
from pose_core.session import ModelRun
from pose_core.skeleton import H36M_17

NAMES = H36M_17.joint_names
seeds = st.integers(0, 10_000)


def some_pose(seed):
    rng = np.random.default_rng(seed)
    return rng, rng.normal(0, 0.4, (17, 3))


def beyond(joint):
    """All joints whose way to the pelvis leads over a joint."""
    found = []
    for start in range(17):
        at = start
        while at not in (-1, joint):
            at = H36M_17.parents[at]
        if at == joint:
            found.append(start)
    return found


@given(seeds, st.integers(1, 16))
def test_a_limb_turns_as_a_rigid_body(seed, joint):
    """Against the smallest turn found by another library, one joint after the other."""
    rng, pose = some_pose(seed)
    target = rng.normal(0, 0.6, 3)
    after = turned_limb(pose, joint, target)
    assert list(limb(joint)) == beyond(joint)
    pivot = pose[H36M_17.parents[joint]]
    before, toward = pose[joint] - pivot, target - pivot
    axis = np.cross(before, toward)
    angle = np.arctan2(np.linalg.norm(axis), before @ toward)
    turn = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis))
    for i in range(17):
        want = pivot + turn.apply(pose[i] - pivot) if i in beyond(joint) else pose[i]
        np.testing.assert_allclose(after[i], want, atol=1e-9)
    np.testing.assert_allclose(bone_lengths(after), bone_lengths(pose), rtol=1e-9)
    across = np.cross(after[joint] - pivot, toward)
    np.testing.assert_allclose(across, 0, atol=1e-9)
    assert (after[joint] - pivot) @ toward > 0


def test_without_a_direction_nothing_turns():
    _, pose = some_pose(1)
    elbow = NAMES.index("left_elbow")
    np.testing.assert_array_equal(turned_limb(pose, elbow, pose[H36M_17.parents[elbow]]), pose)
    pose[elbow] = pose[H36M_17.parents[elbow]]
    np.testing.assert_array_equal(turned_limb(pose, elbow, np.ones(3)), pose)


@given(seeds, st.booleans())
def test_a_line_of_sight_meets_a_sphere(seed, is_far):
    """Against a search along the line for the distance that the sphere has."""
    rng = np.random.default_rng(seed)
    centre, radius = rng.normal(0, 0.5, 3), rng.uniform(0.1, 0.5)
    eye = centre + 3 * (heading := rng.normal(size=3)) / np.linalg.norm(heading)
    through = centre + rng.normal(0, 0.35, 3)
    found = nearest_on_sphere(centre, radius, eye, through, is_far=is_far)
    assert np.linalg.norm(found - centre) == pytest.approx(radius)
    along = (through - eye) / np.linalg.norm(through - eye)
    closest = minimize_scalar(
        lambda t: float(np.linalg.norm(eye + t * along - centre)), bounds=(0, 8), method="bounded",
        options={"xatol": 1e-10},
    )  # fmt: skip
    if closest.fun < radius - 1e-6:
        low, high = (closest.x, 8.0) if is_far else (0.0, closest.x)
        for _ in range(80):  # by halves
            middle = (low + high) / 2
            is_inside = np.linalg.norm(eye + middle * along - centre) < radius
            low, high = (middle, high) if is_inside == is_far else (low, middle)
        np.testing.assert_allclose(found, eye + low * along, atol=1e-6)
    else:  # the point of the sphere that looks to the line
        want = eye + closest.x * along - centre
        np.testing.assert_allclose(found, centre + radius * want / np.linalg.norm(want), atol=1e-4)


def test_who_has_set_what_is_told_by_the_order_of_the_edits():
    left, right, knee = (
        NAMES.index(n) for n in ("left_wrist", "right_wrist", "left_knee")
    )  # fmt: skip
    edits = [
        {"what": "move", "frames": [4, 5], "joints": [left, knee]},
        {"what": "move", "frames": [4, 5], "joints": [knee]},
        {"what": "keypoints", "frames": [3, 6]},
        {"what": "move", "frames": [7, 8], "joints": [left]},
        {"what": "move", "frames": [9, 10]},  # the whole person: no joint of its own
    ]
    assert moved_joints({"edits": edits}) == {4: {left, knee}, 7: {left}}
    swap = {"what": "swap", "frames": [0, 6], "joints": [left, right]}
    assert moved_joints({"edits": [*edits, swap]}) == {4: {right, knee}, 7: {left}}
    smooth = {"what": "smooth", "frames": [7, 20]}
    again = {"what": "move", "frames": [8, 9], "joints": [right]}
    found = moved_joints({"edits": [*edits, smooth, again]})
    assert found == {4: {left, knee}, 8: {right}}
    assert moved_joints({}) == {}


def test_what_was_edited_stays_and_goes_along_with_another_scale_and_camera():
    """A run that is turned, scaled and farther away, but for what somebody has changed in it."""
    rng = np.random.default_rng(3)
    truth, wrist = rng.normal(size=(2, 30, 17, 3)).astype(np.float32), NAMES.index("left_wrist")
    truth -= truth[:, :, :1]
    root = np.array([0.5, -0.2, 4.0]) + rng.normal(size=(30, 3)) * 0.1
    edited, edited_root = truth.copy(), root.copy()
    edited[-1, 4, [wrist, 5]] += (0.3, -0.1, 0.2)
    edited_root[9] += (0.4, 0.1, 1.0)
    edited[-1, 12:17] *= rng.uniform(0.9, 1.1, (5, 17, 1)).astype(np.float32)
    edited_root[12:14] += 0.3
    edited[-1, 14, wrist] += 0.5
    edited[-1, 20] = np.nan  # nobody is there: nothing to keep
    edits = [
        {"what": "move", "frames": [4, 5], "joints": [5, wrist]},
        {"what": "move", "frames": [9, 10]},
        {"what": "move", "frames": [13, 14], "joints": [3]},
        {"what": "swap", "frames": [24, 26], "joints": [wrist]},
        {"what": "interpolate", "frames": [12, 14]},
        {"what": "smooth", "frames": [13, 17]},
        {"what": "smooth", "frames": [20, 21]},
        {"what": "move", "frames": [14, 15], "joints": [wrist]},
    ]
    old = ModelRun(Poses3D(edited, edited_root), {"edits": edits})
    told = np.zeros(30, dtype=bool)
    told[[4, 9, 12, 13, 14, 15, 16]] = True
    np.testing.assert_array_equal(edited_frames(old.meta, 30), told | (np.arange(30) == 20))
    rotation = rotation_between(np.array([0.0, 0.0, 1.0]), np.array([0.3, 0.0, 1.0]))

    def seen(stages: np.ndarray, place: np.ndarray) -> Poses3D:
        return Poses3D(1.2 * stages @ rotation.T, place * (0.9, 0.9, 1.8))

    again = with_edits_of(ModelRun(Poses3D(truth, root)), old, np.arange(30))
    kept = np.where(np.isnan(edited), truth, edited)
    np.testing.assert_allclose(again.poses.stages, kept, atol=1e-6)
    np.testing.assert_allclose(again.poses.root, edited_root, atol=1e-6)
    scaled = with_edits_of(ModelRun(seen(truth, root)), old, np.arange(30), is_scaled=True)
    want = seen(kept, edited_root)
    np.testing.assert_allclose(scaled.poses.stages[:, 4], want.stages[:, 4], atol=1e-5)
    np.testing.assert_allclose(scaled.poses.root, want.root, atol=1e-5)
    # Poses that differ in all joints are turned and scaled as one: smooth they stay.
    part = np.linalg.lstsq(
        kept[-1, 12:17].reshape(-1, 3), scaled.poses.xyz[12:17].reshape(-1, 3), rcond=None
    )[0]
    np.testing.assert_allclose(kept[-1, 12:17] @ part, scaled.poses.xyz[12:17], atol=1e-5)
    size = np.cbrt(np.linalg.det(part))
    assert size == pytest.approx(1.2, rel=0.05)
    np.testing.assert_allclose(part / size, rotation.T, atol=0.05)
    for found in (again, scaled):
        assert moved_joints(found.meta) == {4: {5, wrist}, 14: {wrist}}
        np.testing.assert_array_equal(edited_frames(found.meta, 30), told)
        twice = with_edits_of(ModelRun(Poses3D(truth, root)), found, np.arange(30))
        np.testing.assert_array_equal(twice.poses.xyz[12:17], found.poses.xyz[12:17])
    elsewhere = ModelRun(Poses3D(truth, root))
    assert with_edits_of(elsewhere, old, np.array([2, 3])) is elsewhere
    first = with_edits_of(elsewhere, old, np.arange(14))
    np.testing.assert_array_equal(first.poses.xyz[14:], truth[-1, 14:])
    assert np.flatnonzero(edited_frames(first.meta, 30)).tolist() == [4, 9, 12, 13]
