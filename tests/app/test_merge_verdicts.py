"""Verdicts of the self-correction when only a part of a clip is estimated again."""

from dataclasses import replace

from app.operations.merge_tracks import merge_tracks
from pose_core.session import ModelRun


def with_verdicts(track, steps, discarded):
    run = track.runs["temporal"]
    verdicts = {"steps": [steps] * len(run.poses), "discarded_frames": discarded}
    return replace(
        track, runs={"temporal": ModelRun(run.poses, {**run.meta, "correction": verdicts})}
    )


def test_verdicts_outside_the_range_are_those_of_before(session):
    track = session.tracks[0]
    old = with_verdicts(track, 1, [5, 12, 40])
    new = with_verdicts(track, 2, [5, 11, 50])
    (merged,) = merge_tracks((old,), (new,), 10, 20)
    verdicts = merged.runs["temporal"].meta["correction"]
    assert verdicts["steps"] == [1] * 10 + [2] * 10 + [1] * 40
    assert verdicts["discarded_frames"] == [5, 11, 40]


def test_a_run_without_verdicts_takes_none_over(session):
    track = session.tracks[0]
    old, new = (
        with_verdicts(track, 1, [5]),
        replace(track, runs={"temporal": track.runs["temporal"]}),
    )
    (merged,) = merge_tracks((old,), (new,), 10, 20)
    assert "correction" not in merged.runs["temporal"].meta
