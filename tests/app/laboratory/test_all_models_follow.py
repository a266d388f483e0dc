"""The 3D of every model that can be run follows an edit of the keypoints, in one step."""

from dataclasses import replace

import numpy as np
import pytest

from app.commands import SetTracks
from app.document import Change
from pose_core.analysis.edited_lift import lift_edit
from pose_core.analysis.keypoint_edits import FramePose, shifted
from pose_core.analysis.what_if_network import WhatIfNetwork
from pose_core.camera import Camera
from pose_core.session_parts import parts_of
from pose_core.skeleton import H36M_17

MACHINE = {"frontend": "keypoints", "width": 0.02, "heatmap_size": 11, "adaption_channels": 4,
           "adapted_size": 16, "hidden_size": 16, "projector_units": 16}  # fmt: skip
WRIST = np.array([H36M_17.index("left_wrist")])


@pytest.fixture(autouse=True)
def short_fits(monkeypatch):
    """Fitted skeletons are not what is looked at here, and take most of the time."""
    monkeypatch.setattr("pose_core.inference.fitting._STEPS", 10)


def test_all_runs_follow_and_are_undone_together(lab, show_run, add_model):
    entries = [add_model(name, "pose_machine", MACHINE) for name in ("machine", "second")]
    show_run(entries[0])
    runs = {**lab.track.runs, "second": lab.run}  # the two models differ in their names alone
    people = lab.session.with_tracks((replace(lab.track, runs=runs),))
    lab.context.document.undo_stack.push(
        SetTracks(lab.context.document, "3D by second", people, Change("poses"))
    )
    lab.state.set_track(1, "second", len(lab.run.poses.stages))
    document, frame, track = lab.context.document, lab.state.frame, lab.track
    editor, stack = lab.window.annotation.editor, document.undo_stack
    description, arrays = parts_of(document.session)
    pose = FramePose.of(track.keypoints, frame)
    editor.set_pose(frame, shifted(pose, WRIST, 30, -20), "Move")
    steps = stack.index()
    follower = editor.follower
    assert follower._running.model == "second"  # the one that is shown is first
    assert follower.is_working_on("machine")
    assert not follower.is_working_on("fine")
    lab.qtbot.waitUntil(lambda: not follower.is_working)
    assert stack.index() == steps
    clip = lab.session.clip
    camera = Camera.assumed(clip.width, clip.height, lab.session.focal_px)
    after = lab.track
    for entry in entries:
        before = track.runs[entry.name].poses
        found = lift_edit(
            WhatIfNetwork(entry), track.keypoints, after.keypoints, before, clip.times_s, camera,
            (frame, frame + 1),
        )  # fmt: skip
        poses = after.runs[entry.name].poses
        assert not np.array_equal(poses.stages[:, frame], before.stages[:, frame])
        np.testing.assert_array_equal(poses.stages, found.poses.stages)
        note = {"what": "keypoints", "frames": [frame, frame + 1]}
        assert after.runs[entry.name].meta["edits"] == [note]
    assert "edits" not in after.runs["fine"].meta  # its model is not there
    assert after.runs["fine"].poses is track.runs["fine"].poses
    stack.undo()
    now = parts_of(document.session)
    assert now[0] == description
    assert all(now[1][name].tobytes() == array.tobytes() for name, array in arrays.items())
