"""Two steps of the history made one: what leads back over both of them at once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pose_core.clip import Clip
from pose_core.poses import Keypoints2D, Poses3D
from pose_core.session import ModelRun, Session, Track
from pose_core.session_parts import parts_of
from pose_core.session_patch import Patch, joined

NUM_FRAMES = 20


@pytest.fixture
def session() -> Session:
    rng = np.random.default_rng(0)
    keypoints = Keypoints2D(rng.normal(size=(NUM_FRAMES, 17, 2)), np.ones((NUM_FRAMES, 17)))
    run = ModelRun(Poses3D(rng.normal(size=(2, NUM_FRAMES, 17, 3)), np.zeros((NUM_FRAMES, 3))))
    clip = Clip(Path("a.mp4"), 4, 4, np.arange(NUM_FRAMES) / 25, "f")
    return Session(clip, (Track(1, "Ann", keypoints, {"a": run}),))


def changed(session, keypoint_frames, pose_frames):
    """The session with other values in some frames, and the patch that leads there."""
    (track,) = session.tracks
    xy, stages = track.keypoints.xy.copy(), track.runs["a"].poses.stages.copy()
    xy[slice(*keypoint_frames)] += 1
    stages[:, slice(*pose_frames)] += 2
    run = ModelRun(replace(track.runs["a"].poses, stages=stages), {"edits": [1]})
    keypoints = replace(track.keypoints, xy=xy)
    after = session.with_tracks((replace(track, keypoints=keypoints, runs={"a": run}),))
    return after, Patch.between(session, after)


def everything(session):
    description, arrays = parts_of(session)
    return description, {name: array.tobytes() for name, array in arrays.items()}


@pytest.mark.parametrize("second", [(8, 9), (3, 12), (6, 9), (12, 14), (0, NUM_FRAMES), (5, 5)])
@pytest.mark.parametrize("first", [(5, 8), (0, NUM_FRAMES), (4, 4)])
def test_the_joint_step_leads_back_over_both_and_forth_again(session, first, second):
    """Whether their frames overlap, lie apart, are all of them or none."""
    middle, there = changed(session, first, (2, 6))
    same, back_first = there.exchange(session)
    assert everything(same) == everything(middle)
    last, _ = changed(middle, second, second)
    more = Patch(None, Patch.between(middle, last).arrays)  # arrays alone
    present, back_second = more.exchange(middle)
    back = joined(back_first, back_second, present)
    before, forth = back.exchange(present)
    assert everything(before) == everything(session)
    again, _ = forth.exchange(before)
    assert everything(again) == everything(present)
