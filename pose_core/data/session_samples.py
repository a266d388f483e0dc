"""People of sessions as 2D training data: what users have seen, corrected and approved of."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pose_core.data.samples import KeypointSample, box_of_keypoints
from pose_core.poses import SOURCE_USER
from pose_core.session_io import load_session

# What a detector found is less sure than what a person has put there.
_FEWEST_JOINTS = 6


def read_samples(
    path: Path, *, edited_only: bool = False, step: int = 1
) -> Iterator[KeypointSample]:
    """People of a session, frame by frame.

    Parameters
    ----------
    path : Path
        A session file.
    edited_only : bool
        Only frames in which the user has moved a keypoint.
    step : int
        Every how many frames: neighbours are nearly the same picture.

    Yields
    ------
    KeypointSample
        With the score 1 for keypoints that the user has placed; frames with fewer than six
        keypoints are left out.

    Raises
    ------
    SessionError
        If the file is damaged.
    """
    session = load_session(path)
    for track in session.tracks:
        points = track.keypoints
        sources = np.asarray(points.sources)
        for frame in range(0, len(points), step):
            is_users = sources[frame] == SOURCE_USER
            known = np.isfinite(points.xy[frame]).all(axis=1)
            if known.sum() < _FEWEST_JOINTS or (edited_only and not is_users.any()):
                continue
            scores = np.where(is_users & known, np.float32(1.0), points.scores[frame])
            yield KeypointSample(
                f"{path.name}, {track.name}, frame {frame}",
                points.xy[frame].copy(),
                np.where(known, scores, np.float32(0.0)),
                points.skeleton,
                box_of_keypoints(points.xy[frame]),
                session.clip.path,
                frame,
            )
