"""Errors of a session against its truth, and whose truth it is."""

from dataclasses import replace

import numpy as np

from pose_core.metrics.against_truth import stage_errors, true_person
from pose_core.metrics.pose_error import mpjpe, pa_mpjpe
from pose_core.metrics.report import mean_error
from pose_core.poses import Poses3D
from pose_core.session import Truth


def test_the_truth_belongs_to_the_person_whose_keypoints_are_nearest(session):
    """Both people are seen in other frames and 71 px apart; the second one is true here."""
    first, second = session.tracks
    assert true_person(session).track_id == first.track_id
    moved = replace(session.truth, xy=session.truth.xy + 40)
    assert true_person(replace(session, truth=moved)).track_id == second.track_id
    unknown = replace(session.truth, xy=None)
    assert true_person(replace(session, truth=unknown)).track_id == first.track_id
    nowhere = replace(session.truth, xy=session.truth.xy * np.nan)
    assert true_person(replace(session, truth=nowhere)).track_id == first.track_id


def test_without_truth_or_people_nobody_is_true(session):
    assert true_person(replace(session, truth=None)) is None
    assert true_person(session.with_tracks(())) is None


def test_errors_of_every_stage_and_frame_are_those_of_the_metrics(session):
    poses = session.tracks[0].runs["three"].poses
    xyz = session.truth.poses.xyz.copy()
    xyz[5], xyz[6, 3] = np.nan, np.nan
    truth = Truth(Poses3D(xyz[None]))
    errors = stage_errors(poses, truth)
    assert len(errors) == 3
    for stage, measured in zip(poses.stages, errors, strict=True):
        for name, metric in (("MPJPE", mpjpe), ("PA-MPJPE", pa_mpjpe)):
            each = metric(stage.astype(np.float64), xyz.astype(np.float64))
            known = np.isfinite(each)
            expected = [
                row[k].mean() if k.any() else np.nan for row, k in zip(each, known, strict=True)
            ]
            np.testing.assert_allclose(measured.per_frame[name], expected, rtol=1e-12)
            # Neither where the person was not seen (0, 1, 20, 21, 59) nor where truth is missing.
            missing = np.flatnonzero(np.isnan(measured.per_frame[name])).tolist()
            assert missing == [0, 1, 5, 20, 21, 59]
            np.testing.assert_allclose(mean_error([measured], name), each[known].mean())
    assert mean_error(errors[:1], "MPJPE") > 20 > mean_error(errors[2:], "MPJPE") == 0
