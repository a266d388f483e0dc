"""What users have approved of in a session, as training data."""

import numpy as np
import pytest

from pose_core.data.session_samples import read_samples
from pose_core.poses import SOURCE_USER
from pose_core.session_io import save_session
from pose_core.skeleton import H36M_17


@pytest.fixture
def path(session, tmp_path):
    save_session(session, tmp_path / "walk.posestage")
    return tmp_path / "walk.posestage"


def test_every_frame_with_a_person_is_a_sample(path, session):
    samples = list(read_samples(path))
    expected = [(track.name, frame) for track in session.tracks for frame in track.present_frames]
    assert [(s.name.split(", ")[1], s.frame) for s in samples] == expected
    track, sample = session.tracks[0], samples[0]
    assert sample.frame == 2  # frames 0 and 1 are without her
    np.testing.assert_array_equal(sample.keypoints, track.keypoints.xy[2])
    np.testing.assert_array_equal(sample.scores, track.keypoints.scores[2])
    assert sample.skeleton is H36M_17
    assert sample.picture == session.clip.path
    low, high = sample.keypoints.min(axis=0), sample.keypoints.max(axis=0)
    assert (sample.box[:2] < low).all()
    assert (sample.box[:2] + sample.box[2:] > high).all()


def test_what_the_user_placed_is_sure(path, session):
    samples = list(read_samples(path, edited_only=True))
    sources = np.asarray(session.tracks[0].keypoints.sources)
    edited = np.flatnonzero((sources == SOURCE_USER).any(axis=1))
    assert [s.frame for s in samples] == edited.tolist() == [10, 11, 12]
    knee = H36M_17.index("left_knee")
    assert all(s.scores[knee] == 1 for s in samples)
    assert all((s.scores[:3] < 1).all() for s in samples)


def test_neighbours_can_be_left_out(path):
    assert {s.frame % 10 for s in read_samples(path, step=10)} == {0}
