"""People followed through a video: one track each, from a detector's looks at single frames.

Between key frames people are followed by their last landmarks alone, which is quick. The whole
picture is searched on the first frame, when somebody was lost, and every 1.5 s of video. A
person found there is also followed back through the frames still held, so that entering a scene
between two searches costs no frames. Nothing depends on the clock: the same video gives the same
tracks.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from pose_core.detection.base import Detector, PersonDetection
from pose_core.detection.overlap import Box, bounding_box, is_same_person
from pose_core.errors import NoPersonError

HAND_DRAWN_KEY = 0

_SEARCH_INTERVAL_S = 1.5
# While nobody is tracked, or somebody was lost a moment ago.
_ANXIOUS_SEARCH_INTERVAL_S = 0.5
# Frames are held back this long, within this much memory, to follow new people back in time.
_HELD_S = 1.5
_HELD_BYTES = 96 * 2**20

# Between two frames the median joint moves less than this share of the person's diagonal, plus a
# speed (diagonals per second); more means that the region slid onto somebody else.
_MAX_JUMP, _MAX_SPEED = 0.2, 1.5
# A person who comes back within this time, near where they were going, keeps the track.
_MAX_GAP_S = 2.5
_REJOIN_JUMP, _REJOIN_SPEED, _REJOIN_RATIO = 0.35, 0.5, 1.7


@dataclass(frozen=True, eq=False)
class FramePeople:
    """The people of one frame.

    Parameters
    ----------
    frame : int
    time_s : float
        Seconds.
    people : tuple of (int, PersonDetection)
        Track key and detection of each person. Keys count 1, 2, 3, ... in the order in which
        people were found; the person in a box drawn by hand has `HAND_DRAWN_KEY`.
    confirmed_keys : frozenset of int, optional
        Tracks that a search of the whole picture found again; None if it was not searched.
    """

    frame: int
    time_s: float
    people: tuple[tuple[int, PersonDetection], ...]
    confirmed_keys: frozenset[int] | None = None


def detect_people(
    frames: Iterable[tuple[int, float, np.ndarray]],
    detector: Detector,
    *,
    start_box: Box | None = None,
) -> Iterator[FramePeople]:
    """Find and follow all people of a video.

    Records come in the order of the frames, up to 1.5 s of video late. Memory is bounded
    whatever the length of the video.

    Parameters
    ----------
    frames : iterable of (int, float, (H, W, 3) uint8 ndarray)
        Frame number, time in seconds, RGB picture.
    detector : Detector
    start_box : (x0, y0, x1, y1), optional
        Box in pixels drawn by hand around a person in the first of the frames.

    Raises
    ------
    NoPersonError
        If nobody can be found in that box.
    """
    tracker = PersonTracker(detector, start_box)
    for frame, time_s, image in frames:
        yield from tracker.add(frame, time_s, image)
    yield from tracker.finish()


@dataclass(eq=False)
class _HeldFrame:
    frame: int
    time_s: float
    image: np.ndarray
    people: dict[int, PersonDetection] = field(default_factory=dict)
    confirmed_keys: set[int] | None = None

    def record(self) -> FramePeople:
        confirmed = None if self.confirmed_keys is None else frozenset(self.confirmed_keys)
        return FramePeople(self.frame, self.time_s, tuple(sorted(self.people.items())), confirmed)


@dataclass(eq=False)
class _Track:
    key: int
    person: PersonDetection
    time_s: float
    found_s: float  # when a search found it last
    is_lost: bool = False
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))  # pixels per second

    def move_to(self, person: PersonDetection, time_s: float) -> None:
        step_s = time_s - self.time_s
        if step_s > 0:
            step = np.nanmedian(person.xy - self.person.xy, axis=0) / step_s
            self.velocity = 0.7 * self.velocity + 0.3 * step
        self.person, self.time_s, self.is_lost = person, time_s, False


class PersonTracker:
    """The state of `detect_people`, fed one frame at a time.

    Parameters
    ----------
    detector : Detector
    start_box : (x0, y0, x1, y1), optional
        Box in pixels drawn by hand around a person in the first frame.
    """

    def __init__(self, detector: Detector, start_box: Box | None = None) -> None:
        self._detector = detector
        self._start_box = start_box
        self._tracks: list[_Track] = []
        self._num_found = 0
        self._last_search_s: float | None = None
        self._held: deque[_HeldFrame] = deque()

    def add(self, frame: int, time_s: float, image: np.ndarray) -> Iterator[FramePeople]:
        """Work on one frame (arguments as in `detect_people`); yield frames that are final."""
        held = _HeldFrame(frame, time_s, image)
        is_first = self._last_search_s is None
        if is_first and self._start_box is not None:
            self._start_by_hand(held, self._start_box)
        elif self._tracks:
            self._follow(held)
        self._search_if_due(held)
        self._tracks = [t for t in self._tracks if time_s - t.time_s <= _MAX_GAP_S]
        self._held.append(held)
        while self._is_holding_enough():
            yield self._held.popleft().record()

    def finish(self) -> Iterator[FramePeople]:
        """Yield the frames still held back."""
        while self._held:
            yield self._held.popleft().record()

    def _is_holding_enough(self) -> bool:
        oldest, newest = self._held[0], self._held[-1]
        num_bytes = len(self._held) * newest.image.nbytes
        return newest.time_s - oldest.time_s > _HELD_S or num_bytes > _HELD_BYTES

    def _start_by_hand(self, held: _HeldFrame, box: Box) -> None:
        person = self._detector.detect_in_box(held.image, box)
        if person is None:
            raise NoPersonError(
                f"Nobody was found in the box {tuple(round(v) for v in box)} "
                f"of frame {held.frame}.",
                "Draw the box around the whole person, or in a frame where more is to be seen.",
            )
        self._tracks.append(_Track(HAND_DRAWN_KEY, person, held.time_s, held.time_s))
        held.people[HAND_DRAWN_KEY] = person

    def _follow(self, held: _HeldFrame) -> None:
        """Follow all tracks into the next frame; mark those that are lost."""
        tracks = [track for track in self._tracks if not track.is_lost]
        found = self._detector.follow(held.image, [track.person for track in tracks])
        steps: list[tuple[float, _Track, PersonDetection]] = []
        for track, person in zip(tracks, found, strict=True):
            track.is_lost = True
            if person is None:
                continue
            jump = self._jump(track.person, person)
            if jump <= _MAX_JUMP + _MAX_SPEED * (held.time_s - track.time_s):
                steps.append((jump, track, person))
        # Where two tracks end on one person, it is the person of the track that moved less.
        for _, track, person in sorted(steps, key=lambda step: step[0]):
            if not self._is_taken(held, person):
                track.move_to(person, held.time_s)
                held.people[track.key] = person

    def _search_if_due(self, held: _HeldFrame) -> None:
        is_anxious = not self._tracks or any(track.is_lost for track in self._tracks)
        # Someone who is lost again and again (far away, half hidden) must not cost a search in
        # every frame.
        has_just_lost = any(
            track.is_lost
            and track.time_s >= (self._last_search_s or 0.0)
            and track.time_s - track.found_s >= _ANXIOUS_SEARCH_INTERVAL_S
            for track in self._tracks
        )
        interval_s = _ANXIOUS_SEARCH_INTERVAL_S if is_anxious else _SEARCH_INTERVAL_S
        last_s = self._last_search_s
        if last_s is None or has_just_lost or held.time_s - last_s >= interval_s - 1e-6:
            self._last_search_s = held.time_s
            self._search(held, self._detector.detect(held.image))
        elif not self._tracks:
            self._search(held, self._detector.detect(held.image, is_thorough=False))

    def _search(self, held: _HeldFrame, found: list[PersonDetection]) -> None:
        """Compare what a search found with the tracks; rejoin lost ones, begin new ones."""
        held.confirmed_keys = set()
        strangers = []
        for person in found:
            keys = [k for k, p in held.people.items() if self._is_same(person, p)]
            held.confirmed_keys.update(keys)
            if not keys:
                strangers.append(person)
        for track, person in self._rejoined(strangers, held.time_s):
            self._adopt(track, person, held, since_s=track.time_s)
            strangers = [s for s in strangers if s is not person]
        for person in strangers:
            self._num_found += 1
            track = _Track(self._num_found, person, held.time_s, held.time_s)
            self._tracks.append(track)
            self._adopt(track, person, held, since_s=-np.inf)

    def _rejoined(
        self, strangers: list[PersonDetection], time_s: float
    ) -> list[tuple[_Track, PersonDetection]]:
        """Pairs of lost tracks and people who can be the same, the nearest first."""
        pairs = []
        for track in self._tracks:
            if not track.is_lost:
                continue
            gap_s = time_s - track.time_s
            for index, person in enumerate(strangers):
                shift = track.velocity * min(gap_s, _ANXIOUS_SEARCH_INTERVAL_S)
                jump = self._jump(track.person, person, shift)
                size_a, size_b = _diagonal(track.person), _diagonal(person)
                is_alike = max(size_a, size_b) <= _REJOIN_RATIO * min(size_a, size_b)
                if is_alike and jump <= _REJOIN_JUMP + _REJOIN_SPEED * gap_s:
                    pairs.append((jump, track.key, index, track))
        joined: list[tuple[_Track, PersonDetection]] = []
        for _, _, index, track in sorted(pairs, key=lambda pair: pair[:3]):
            person = strangers[index]
            if all(track is not t and person is not p for t, p in joined):
                joined.append((track, person))
        return joined

    def _adopt(
        self, track: _Track, person: PersonDetection, held: _HeldFrame, since_s: float
    ) -> None:
        """Give a found person to a track, back to where it was last seen if that is held."""
        track.move_to(person, held.time_s)
        track.found_s = held.time_s
        held.people[track.key] = person
        assert held.confirmed_keys is not None
        held.confirmed_keys.add(track.key)
        later, later_s = person, held.time_s
        for earlier in reversed(self._held):
            if earlier.time_s <= since_s:
                break
            (found,) = self._detector.follow(earlier.image, [later])
            limit = _MAX_JUMP + _MAX_SPEED * (later_s - earlier.time_s)
            if found is None or self._jump(later, found) > limit or self._is_taken(earlier, found):
                break
            earlier.people[track.key] = found
            later, later_s = found, earlier.time_s

    def _jump(
        self,
        before: PersonDetection,
        after: PersonDetection,
        shift: np.ndarray | float = 0.0,
    ) -> float:
        """Median way of the joints beyond an expected shift, over the person's diagonal.

        Blind to exchanged sides: a detector that takes front for back has not moved.
        """
        ways = (
            np.linalg.norm(xy - before.xy - shift, axis=1)
            for xy in (after.xy, after.xy[self._detector.skeleton.mirror_index])
        )
        return min(float(np.nanmedian(way)) for way in ways) / _diagonal(before)

    def _is_taken(self, held: _HeldFrame, person: PersonDetection) -> bool:
        return any(self._is_same(person, other) for other in held.people.values())

    def _is_same(self, a: PersonDetection, b: PersonDetection) -> bool:
        return is_same_person(a, b, self._detector.skeleton)


def _diagonal(person: PersonDetection) -> float:
    """Diagonal of the person's box, pixels; at least 1."""
    x0, y0, x1, y1 = bounding_box(person.xy)
    return max(float(np.hypot(x1 - x0, y1 - y0)), 1.0)
