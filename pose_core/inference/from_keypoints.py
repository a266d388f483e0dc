"""3D from keypoints that are there already: those of another program, without the detector."""

from collections.abc import Generator

import numpy as np

from pose_core.clip import Clip
from pose_core.errors import Cancelled, NoPersonError
from pose_core.inference.device import choose_device
from pose_core.inference.lifter import lifter_of
from pose_core.inference.pipeline import lifted
from pose_core.inference.records import EstimateFinished, EstimateSettings, LiftProgress
from pose_core.models.registry import model_entry
from pose_core.poses import Keypoints2D
from pose_core.session import Session, Track


def estimate_from_keypoints(
    clip: Clip, tracks: tuple[Track, ...], settings: EstimateSettings
) -> Generator[LiftProgress | EstimateFinished, None, None]:
    """Lift the keypoints of people to 3D.

    Throw `Cancelled` into the generator to stop early: who is lifted so far is kept.

    Parameters
    ----------
    clip : Clip
    tracks : tuple of Track
        See `pose_core.data.keypoint_import`.
    settings : EstimateSettings
        Only keypoints from `start` to `end` count; with `person` ``largest``, only those of the
        person who takes up most of the picture. `quality` and `start_box` are the detector's.

    Raises
    ------
    ConfigError, WeightsError
        As `pose_core.inference.pipeline.estimate`.
    NoPersonError
        If nobody has keypoints in these frames.
    """
    lifter = lifter_of(model_entry(settings.model), choose_device(settings.device))
    people = [_cut(track, settings.start, settings.end) for track in tracks]
    people = [track for track in people if len(track.present_frames)]
    if not people:
        raise NoPersonError(
            f"Nobody has keypoints in these frames of {clip.path.name}.", "Choose another range."
        )
    if settings.person == "largest":
        people = [max(people, key=_area)]
    done: list[Track] = []
    try:
        for index, track in enumerate(people):
            done.append(lifted(track, lifter, clip, settings))
            yield LiftProgress(index, len(people))
    except Cancelled:
        pass
    session = Session(clip, tuple(done), settings.focal_px, settings.body_height_m)
    yield EstimateFinished(session, 0, lifter.device)


def _cut(track: Track, start: int, end: int | None) -> Track:
    """The track without keypoints outside of the range."""
    known = track.keypoints
    outside = np.ones(len(known), dtype=bool)
    outside[start:end] = False
    xy, scores, sources = known.xy.copy(), known.scores.copy(), np.array(known.sources)
    xy[outside], scores[outside], sources[outside] = np.nan, 0.0, 0
    return Track(track.track_id, track.name, Keypoints2D(xy, scores, known.skeleton, sources))


def _area(track: Track) -> float:
    """Sum of the areas of the boxes around the keypoints, square pixels."""
    xy = track.keypoints.xy[track.present_frames]
    sizes = np.nanmax(xy, axis=1) - np.nanmin(xy, axis=1)
    return float(sizes.prod(axis=-1).sum())
