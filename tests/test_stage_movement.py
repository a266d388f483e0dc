"""Movement between the stages of a network."""

import numpy as np
import pytest

from pose_core.analysis.stage_movement import stage_movement
from pose_core.errors import ConfigError
from pose_core.skeleton import MPII_16


def three_stages():
    """One joint moves 3 cm towards the truth and 4 cm across in frame 1, nothing elsewhere."""
    truth = np.random.default_rng(0).normal(size=(4, 17, 3))
    stages = np.stack([truth, truth, truth])
    stages[0, 1, 13, 0] += 0.03
    stages[2, 1, 13, 1] += 0.04
    return stages, truth


def test_displacement_error_and_improvement():
    stages, truth = three_stages()
    found = stage_movement(stages, truth + np.array([1, 2, 3]))  # the truth may stand elsewhere
    assert found.displacement.shape == (2, 4, 17)
    assert found.error.shape == (3, 4, 17)
    np.testing.assert_allclose(found.displacement[:, 1, 13], [0.03, 0.04])
    np.testing.assert_allclose(found.error[:, 1, 13], [0.03, 0, 0.04], atol=1e-12)
    np.testing.assert_allclose(found.improvement[:, 1, 13], [0.03, -0.04])
    np.testing.assert_allclose(found.per_frame, [0, 0.07 / 17, 0, 0], atol=1e-12)
    other = np.ones((4, 17), bool)
    other[1, 13] = False
    assert found.displacement[:, other].max() == 0


def test_a_moved_root_is_no_movement_of_the_joints():
    stages, _ = three_stages()
    moved = stages + np.array([0.0, 1.0, 5.0])[:, None, None, None]
    np.testing.assert_allclose(
        stage_movement(moved).displacement, stage_movement(stages).displacement, atol=1e-12
    )
    mpii = np.zeros((2, 1, 16, 3))
    mpii[1, :, MPII_16.index("pelvis")] = 1.0
    displacement = stage_movement(mpii, skeleton=MPII_16).displacement[0, 0]
    assert displacement[MPII_16.index("pelvis")] == 0
    assert displacement[0] == pytest.approx(3**0.5)


def test_the_frames_that_move_most_come_first_and_missing_ones_not_at_all():
    stages = np.zeros((2, 5, 17, 3))
    stages[1, :, 3, 0] = [0.1, 0.4, 0.2, 0.3, 0.0]
    stages[:, 1] = np.nan
    stages[:, 3, 5] = np.nan  # one joint missing: the mean of the others
    found = stage_movement(stages)
    assert found.frames_of_most_movement(3).tolist() == [3, 2, 0]
    assert found.frames_of_most_movement(99).tolist() == [3, 2, 0, 4]
    assert np.isnan(found.per_frame[1])
    assert found.per_frame[3] == pytest.approx(0.3 / 16)
    assert found.error is None
    assert found.improvement is None


def test_one_stage_has_no_movement():
    found = stage_movement(np.zeros((1, 3, 17, 3)))
    assert found.displacement.shape == (0, 3, 17)
    np.testing.assert_array_equal(found.per_frame, 0)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match=r"\(4, 17, 3\)"):
        stage_movement(np.zeros((4, 17, 3)))
    with pytest.raises(ConfigError, match=r"truth \(3, 17, 3\)"):
        stage_movement(np.zeros((2, 4, 17, 3)), np.zeros((3, 17, 3)))


def test_disagreements_are_the_peaks_of_the_stretches_of_most_movement():
    moved_m = np.zeros(100)
    moved_m[[20, 21, 22, 50]] = [0.05, 0.09, 0.06, 0.04]
    stages = np.zeros((2, 100, 17, 3))
    stages[1, :, 1:, 0] = moved_m[:, None]
    found = stage_movement(stages)
    np.testing.assert_array_equal(found.disagreements(share=0.04), [21, 50])
    np.testing.assert_array_equal(found.disagreements(share=0.9), [21, 50])  # still frames never
    np.testing.assert_allclose(found.per_step[0], moved_m * 16 / 17)
    stages[:, 21] = np.nan
    np.testing.assert_array_equal(stage_movement(stages).disagreements(share=0.04), [20, 22, 50])
    assert len(stage_movement(np.zeros((2, 5, 17, 3))).disagreements()) == 0
    assert len(stage_movement(np.full((2, 5, 17, 3), np.nan)).disagreements()) == 0
