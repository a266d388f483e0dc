"""Problems of anatomy with their frames, and their repairs."""

import numpy as np
import pytest

from pose_core.analysis.anatomy import anatomy_findings
from pose_core.analysis.fixes import interpolate, interpolate_root, smooth, swap_sides
from pose_core.analysis.problems import problems_of
from pose_core.bones import bone_lengths
from pose_core.errors import ConfigError
from pose_core.skeleton import H36M_17

LEGS = tuple(H36M_17.index(f"{s}_{j}") for s in ("left", "right") for j in ("hip", "knee", "ankle"))
T = 60
TIMES = np.arange(T) / 25


@pytest.fixture
def walk(walker_xyz):
    """(T, 17, 3) root-relative poses without problems."""
    xyz = walker_xyz[:T].astype(np.float64)
    return xyz - xyz[:, :1]


def found(xyz, kind):
    return [p for p in problems_of(anatomy_findings(xyz, TIMES)) if p.kind == kind]


def test_a_sound_walk_has_no_problem(walk):
    assert problems_of(anatomy_findings(walk, TIMES)) == []


def test_a_problem_has_its_frames_joint_and_worst_frame(walk):
    wrist = H36M_17.index("left_wrist")
    walk[20:24, wrist] += (walk[20:24, wrist] - walk[20:24, wrist - 1]) * np.array(
        [0.3, 0.5, 0.4, 0.3]
    )[:, None]
    (problem,) = found(walk, "side_difference")
    assert (problem.place, problem.start, problem.end, problem.worst_frame) == (
        "wrists",
        20,
        24,
        21,
    )
    severity = anatomy_findings(walk, TIMES).side_difference.severity[21, wrist]
    assert problem.severity == severity
    assert problem.grade == pytest.approx(severity / 0.05)
    (deviation,) = found(walk, "length_deviation")
    assert deviation.place == "left_wrist"


def test_exchanged_legs_are_one_problem_and_the_repair_leaves_none(walk):
    spoiled = swap_sides(walk, 20, 31, LEGS)
    arms = [j for j in range(17) if j not in LEGS]
    np.testing.assert_array_equal(spoiled[:, arms], walk[:, arms])
    (problem,) = found(spoiled, "side_swap")
    assert (problem.place, problem.start, problem.end) == ("legs", 20, 31)
    repaired = swap_sides(spoiled, problem.start, problem.end, problem.joints)
    np.testing.assert_array_equal(repaired, walk)
    (to_the_end,) = found(swap_sides(walk, 40, T, LEGS), "side_swap")
    assert (to_the_end.start, to_the_end.end) == (40, T)


def test_smoothing_takes_jitter_away_and_keeps_lengths_and_other_frames(walk, rng):
    shaken = walk + rng.normal(0, 0.02, walk.shape)
    shaken[:, 0] = 0
    shaken[35] = np.nan
    smoothed = smooth(np.stack([shaken, walk]), TIMES, 15, 40)
    assert smoothed.shape == (2, T, 17, 3)
    inside = [*range(15, 35), *range(36, 40)]

    def roughness(xyz):
        return np.linalg.norm(np.diff(xyz[16:34], n=2, axis=0), axis=-1).mean()

    assert roughness(smoothed[0]) < 0.4 * roughness(shaken)
    error = np.linalg.norm(smoothed[0][inside] - walk[inside], axis=-1).mean()
    assert error < 0.8 * np.linalg.norm(shaken[inside] - walk[inside], axis=-1).mean()
    # Limbs that swing do not get shorter, as they would if positions were averaged.
    np.testing.assert_allclose(bone_lengths(smoothed[1][inside]), bone_lengths(walk[inside]))
    outside = [*range(15), *range(40, T)]
    np.testing.assert_array_equal(smoothed[0][outside], shaken[outside])
    assert np.isnan(smoothed[0][35]).all()


def test_interpolation_joins_both_sides_at_the_times_of_the_frames(walk):
    spoiled = walk.copy()
    spoiled[20:25] = np.nan
    mended = interpolate(spoiled[None], TIMES, 20, 25)[0]
    straight = walk[19] + (walk[25] - walk[19]) * (22 - 19) / 6
    direction = straight[3] - straight[2]
    shin = mended[22, 3] - mended[22, 2]
    np.testing.assert_allclose(
        shin / np.linalg.norm(shin), direction / np.linalg.norm(direction), atol=1e-9
    )
    lengths = bone_lengths(walk[19]) + (bone_lengths(walk[25]) - bone_lengths(walk[19])) * 0.5
    np.testing.assert_allclose(bone_lengths(mended[22]), lengths)
    assert np.linalg.norm(mended[20:25] - walk[20:25], axis=-1).max() < 0.1
    np.testing.assert_array_equal(
        np.delete(mended, range(20, 25), 0), np.delete(walk, range(20, 25), 0)
    )


@pytest.mark.parametrize(("start", "end"), [(0, 5), (55, T), (21, 25)])
def test_interpolation_needs_a_pose_on_both_sides(walk, start, end):
    walk[20] = np.nan
    with pytest.raises(ConfigError, match="no pose before or after"):
        interpolate(walk, TIMES, start, end)


def test_the_root_goes_straight_with_interpolated_poses_unless_a_side_is_unknown():
    times = np.array([0.0, 0.1, 0.3, 0.4, 0.8, 1.0])
    root = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    root[2] = np.nan
    mended = interpolate_root(root, times, 2, 5)
    for frame in (2, 3, 4):
        for axis in range(3):
            want = np.interp(times[frame], times[[1, 5]], root[[1, 5], axis])
            assert mended[frame, axis] == pytest.approx(want, rel=1e-5)
    np.testing.assert_array_equal(mended[[0, 1, 5]], root[[0, 1, 5]])
    np.testing.assert_array_equal(interpolate_root(root, times, 3, 4), root)
