"""People added by hand."""

import numpy as np

from app.commands import SetTracks
from app.document import Change
from app.operations.context import AppContext
from pose_core.poses import Keypoints2D
from pose_core.session import Track
from pose_core.skeleton import H36M_17


def add_person(context: AppContext) -> int | None:
    """Add a person none of whose joints is known; gives the track id, None without a clip."""
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
    return track_id
