"""People added by hand."""

from dataclasses import replace

import numpy as np

from app.commands import SetTracks
from app.document import Change, StepCommand
from app.operations.context import AppContext
from pose_core.analysis.keypoint_edits import FramePose
from pose_core.poses import Keypoints2D
from pose_core.session import Track
from pose_core.session_patch import Patch
from pose_core.skeleton import H36M_17


def add_person(context: AppContext) -> tuple[int, StepCommand] | None:
    """Add a person none of whose joints is known; gives track id and step, None without a clip."""
    session = context.document.session
    if session is None:
        return None
    track_id = max((track.track_id for track in session.tracks), default=0) + 1
    shape = session.clip.num_frames, H36M_17.num_joints
    keypoints = Keypoints2D(np.full((*shape, 2), np.nan), np.zeros(shape))
    track = Track(track_id, f"Person {track_id}", keypoints)
    after = session.with_tracks((*session.tracks, track))
    change = Change("poses", (track_id,))
    command = SetTracks(context.document, f"Add {track.name}", after, change)
    context.document.undo_stack.push(command)
    return track_id, command


def fill_in(
    context: AppContext, track_id: int, command: StepCommand, frame: int, pose: FramePose
) -> bool:
    """Give a person who was just added the joints of a frame, within the same step.

    Returns
    -------
    bool
        False, and nothing is done, where the step is undone, or joints were set meanwhile.
    """
    track = context.track(track_id)
    if track is None:
        return False
    filled = replace(track, keypoints=pose.put_into(track.keypoints, frame))
    patch = Patch.of_frames(track, filled, (), frame, frame + 1)
    change = Change("poses", (track_id,), frame, frame + 1)
    return context.document.extend_step(command, patch, change)
