"""Distance between answers, and the frames in which it is largest."""

import numpy as np

from pose_core.analysis.disagreement import disagreement, peaks


def test_the_mean_over_pairs_and_known_joints_with_roots_together():
    rng = np.random.default_rng(0)
    poses = rng.normal(size=(3, 4, 5, 3))
    poses[1, 1, 2] = np.nan
    poses[:2, 2] = np.nan  # one answer alone is no pair
    poses[2, 3, 0] = np.nan  # without its root a pose cannot be put anywhere
    found = disagreement(poses)
    for t in (0, 1, 3):
        distances = []
        for a in range(3):
            for b in range(a + 1, 3):
                for j in range(5):
                    one, other = (poses[m, t, j] - poses[m, t, 0] for m in (a, b))
                    distances.append(np.sqrt(((one - other) ** 2).sum()))
        np.testing.assert_allclose(found[t], np.nanmean(distances))
    assert np.isnan(found[2])
    moved = poses + rng.normal(size=(3, 4, 1, 3))
    np.testing.assert_allclose(disagreement(moved), found)


def test_peaks_are_the_highest_frames_of_the_high_stretches():
    values = np.full(40, 1.0)
    values[3:6] = 5, 9, 7
    values[20] = 6
    values[30:33] = np.nan
    assert peaks(values, share=0.1).tolist() == [4, 20]
    assert peaks(np.zeros(5)).tolist() == []
    assert peaks(np.full(5, np.nan)).tolist() == []
