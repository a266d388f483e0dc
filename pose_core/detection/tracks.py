"""Tracks as arrays, without those that are no people."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pose_core.detection.base import PersonDetection
from pose_core.detection.overlap import bounding_box, box_area
from pose_core.detection.tracking import HAND_DRAWN_KEY, FramePeople

_MIN_TRACK_S = 0.4
_MIN_TRACK_FRAMES = 3
# Of the searches of the whole picture during a track, how many must have found it by themselves.
_MIN_CONFIRMED_SHARE = 0.34


@dataclass(frozen=True, eq=False)
class RawTrack:
    """One person through a video, as the detector saw them.

    Parameters
    ----------
    key : int
    frame_index : (N,) int64 ndarray
        Frames in which the person was found, increasing; gaps are possible.
    times_s : (N,) float64 ndarray
        Seconds.
    xy : (N, J, 2) float32 ndarray
        Pixels, J joints of the detector.
    scores : (N, J) float32 ndarray
    world : (N, J, 3) float32 ndarray
        The detector's own root-relative 3D, metres, camera axes; NaN where it gives none.
    """

    key: int
    frame_index: np.ndarray
    times_s: np.ndarray
    xy: np.ndarray
    scores: np.ndarray
    world: np.ndarray

    @property
    def mean_box_area(self) -> float:
        """Square pixels."""
        return float(np.mean([box_area(bounding_box(xy)) for xy in self.xy]))


def collect_tracks(records: Iterable[FramePeople]) -> list[RawTrack]:
    """Arrays per person from the records of `detect_people`, the largest person first.

    A person drawn by hand comes before all others and is kept in any case. Other tracks are
    dropped if they are shorter than 0.4 s or three frames (but not than a video so short), or if
    searches of the whole picture mostly did not find them.
    """
    finds: dict[int, list[tuple[int, float, PersonDetection]]] = {}
    num_searches: dict[int, int] = {}
    num_confirmed: dict[int, int] = {}
    times: list[float] = []
    for record in records:
        times.append(record.time_s)
        for key, person in record.people:
            finds.setdefault(key, []).append((record.frame, record.time_s, person))
            if record.confirmed_keys is not None:
                num_searches[key] = num_searches.get(key, 0) + 1
                is_confirmed = key in record.confirmed_keys
                num_confirmed[key] = num_confirmed.get(key, 0) + is_confirmed
    if not times:
        return []
    min_frames = min(_MIN_TRACK_FRAMES, len(times))
    min_s = min(_MIN_TRACK_S, times[-1] - times[0])
    kept = [
        _raw_track(key, found)
        for key, found in finds.items()
        if key == HAND_DRAWN_KEY
        or (
            len(found) >= min_frames
            and found[-1][1] - found[0][1] >= min_s - 1e-6
            and num_confirmed.get(key, 0) >= _MIN_CONFIRMED_SHARE * num_searches.get(key, 0)
        )
    ]
    return sorted(kept, key=lambda track: (track.key != HAND_DRAWN_KEY, -track.mean_box_area))


def _raw_track(key: int, found: list[tuple[int, float, PersonDetection]]) -> RawTrack:
    people = [person for _, _, person in found]
    unknown = np.full((*people[0].scores.shape, 3), np.nan, np.float32)
    return RawTrack(
        key,
        np.array([frame for frame, _, _ in found]),
        np.array([time_s for _, time_s, _ in found]),
        np.stack([person.xy for person in people]),
        np.stack([person.scores for person in people]),
        np.stack([unknown if p.world_xyz is None else p.world_xyz for p in people]),
    )
