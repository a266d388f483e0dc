"""What ``posestage estimate`` says of the truth beside a clip."""

from dataclasses import replace

import numpy as np
import pytest

from pose_core.camera import Camera
from pose_core.commands.estimate import error_line
from pose_core.metrics.pose_error import mpjpe, pa_mpjpe
from pose_core.skeleton import H36M_17


@pytest.fixture
def estimated(session):
    """A session as an estimate makes it: it knows no truth."""
    return replace(session, truth=None)


def write_truth(session, walker_xyz, num_frames: int) -> np.ndarray:
    """Truth off the last stage by about 50 mm, beside the clip."""
    noise = np.random.default_rng(7).normal(0, 0.03, walker_xyz.shape)
    noise[:, 0] = 0
    xyz = (walker_xyz + noise)[:num_frames]
    np.savez(
        session.clip.path.with_name("walk.truth.npz"),
        poses_3d=xyz - xyz[:, :1],
        keypoints_2d=Camera.assumed(640, 480).project(xyz),
        joint_names=np.array(H36M_17.joint_names),
    )
    return xyz


def test_the_line_has_the_errors_of_the_answer(estimated, walker_xyz):
    xyz = write_truth(estimated, walker_xyz, 60)
    answer = list(estimated.tracks[0].runs.values())[-1].poses.xyz.astype(np.float64)
    expected = [np.nanmean(metric(answer, xyz)) for metric in (mpjpe, pa_mpjpe)]
    assert 30 < expected[1] < expected[0] < 60
    assert error_line(estimated) == (
        "error against the truth beside the clip: "
        f"MPJPE {expected[0]:.1f} mm, PA-MPJPE {expected[1]:.1f} mm"
    )


def test_without_truth_or_people_nothing_is_said(estimated, walker_xyz):
    assert error_line(estimated) == ""
    write_truth(estimated, walker_xyz, 60)
    assert error_line(estimated.with_tracks(())) == ""


def test_truth_that_does_not_fit_is_a_warning(estimated, walker_xyz):
    write_truth(estimated, walker_xyz, 50)
    line = error_line(estimated)
    assert line.startswith("posestage: warning: the truth beside the clip is not used: ")
    assert "50 frames, and walk.mp4 has 60" in line
