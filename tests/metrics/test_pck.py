"""PCK and AUC against counting by hand."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pose_core.metrics.pck import AUC_THRESHOLDS_MM, auc, pck


def off_by(*millimetres):
    """One frame with a root and joints that are off by so much along z."""
    truth = np.zeros((1, len(millimetres) + 1, 3))
    predicted = truth.copy()
    predicted[0, 1:, 2] = np.array(millimetres) / 1000
    return predicted, truth


def test_pck_by_hand():
    # The threshold itself is no hit: below 150 mm counts.
    hits = pck(*off_by(0, 149, 150, 151))
    np.testing.assert_array_equal(hits, [[100, 100, 100, 0, 0]])
    assert hits.mean() == 60


def test_auc_by_hand():
    # Thresholds 0, 5, ..., 150: 31 of them.
    assert tuple(range(0, 151, 5)) == AUC_THRESHOLDS_MM
    # 0 mm is below 5, 10, ..., 150: 30 of 31. 12 mm is below 15, ..., 150: (150 - 15) / 5 + 1 = 28.
    # 148 mm is below 150 only. 200 mm is below none.
    areas = auc(*off_by(0, 12, 148, 200))[0, 1:]
    np.testing.assert_allclose(areas, [100 * 30 / 31, 100 * 28 / 31, 100 / 31, 0])


def test_a_joint_that_was_not_predicted_is_wrong_and_one_without_truth_does_not_count():
    predicted, truth = off_by(0, 0, 0)
    predicted[0, 2] = np.nan
    truth[0, 3] = np.nan
    for metric, right in ((pck, 100.0), (auc, 100 * 30 / 31)):
        np.testing.assert_allclose(metric(predicted, truth), [[right, right, 0, np.nan]])


def test_without_a_predicted_root_all_joints_are_wrong():
    predicted, truth = off_by(0, 0)
    predicted[0, 0] = np.nan
    np.testing.assert_array_equal(pck(predicted, truth), [[0, 0, 0]])
    assert np.isnan(pck(truth, predicted)).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.99))
def test_smaller_errors_never_lower_pck_or_auc_and_wider_thresholds_never_lower_pck(seed, factor):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(4, 9, 3))
    error = 0.1 * rng.normal(size=truth.shape)
    for metric in (pck, auc):
        assert (metric(truth + factor * error, truth) >= metric(truth + error, truth)).all()
    curve = [pck(truth + error, truth, threshold_mm=t).mean() for t in AUC_THRESHOLDS_MM]
    assert curve == sorted(curve)
    # The area under the curve is its mean height.
    np.testing.assert_allclose(auc(truth + error, truth).mean(), np.mean(curve))
