"""Tracks: who is followed, found again, kept apart and dropped, on people placed by formula.

The detector here knows where everybody is. Like a real one it finds people in a whole picture,
and follows the nearest body from where it last saw one, whoever that is.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from pose_core.detection.base import PersonDetection
from pose_core.detection.overlap import is_same_person, keypoint_similarity
from pose_core.detection.tracking import HAND_DRAWN_KEY, FramePeople, detect_people
from pose_core.detection.tracks import RawTrack, collect_tracks
from pose_core.errors import NoPersonError
from pose_core.skeleton import COCO_17

FPS = 30.0
# A standing person 100 wide and 300 high about (0, 0), in COCO's order.
BODY = np.array(
    [
        *[(0, -140), (8, -145), (-8, -145), (15, -140), (-15, -140)],
        *[(35, -100), (-35, -100), (45, -40), (-45, -40), (50, 10), (-50, 10)],
        *[(22, 10), (-22, 10), (25, 80), (-25, 80), (25, 150), (-25, 150)],
    ],
    dtype=np.float32,
)
Scene = Callable[[int], dict[str, np.ndarray]]


def body(x: float, y: float = 500.0, size: float = 1.0) -> np.ndarray:
    return BODY * size + np.array([x, y], np.float32)


def swapped(xy: np.ndarray) -> np.ndarray:
    return xy[COCO_17.mirror_index]


class SceneDetector:
    """Sees what a scene function puts into each frame; pictures only carry their number.

    `unseen` people are followed but never found by a search.
    """

    name = "scene"
    skeleton = COCO_17

    def __init__(self, scene: Scene, unseen: Callable[[int, str], bool] | None = None) -> None:
        self.scene = scene
        self.unseen = unseen or (lambda frame, name: False)
        self.searched: list[int] = []

    def _people(self, image: np.ndarray) -> tuple[int, dict[str, np.ndarray]]:
        frame = int(image[0, 0, 0]) * 256 + int(image[0, 0, 1])
        return frame, self.scene(frame)

    def detect(self, image: np.ndarray, *, is_thorough: bool = True) -> list[PersonDetection]:
        frame, people = self._people(image)
        self.searched.append(frame)
        return [person(xy) for name, xy in people.items() if not self.unseen(frame, name)]

    def follow(
        self, image: np.ndarray, previous: Sequence[PersonDetection]
    ) -> list[PersonDetection | None]:
        _, people = self._people(image)
        found: list[PersonDetection | None] = []
        for before in previous:
            ways = {
                name: float(np.linalg.norm(np.nanmean(xy, axis=0) - np.nanmean(before.xy, axis=0)))
                for name, xy in people.items()
            }
            nearest = min(ways, key=lambda name: ways[name], default=None)
            is_near = nearest is not None and ways[nearest] < 300
            found.append(person(people[nearest]) if nearest is not None and is_near else None)
        return found

    def detect_in_box(
        self, image: np.ndarray, box: tuple[float, float, float, float]
    ) -> PersonDetection | None:
        _, people = self._people(image)
        for xy in people.values():
            x, y = xy.mean(axis=0)
            if box[0] <= x <= box[2] and box[1] <= y <= box[3]:
                return person(xy)
        return None


def person(xy: np.ndarray) -> PersonDetection:
    return PersonDetection(xy, np.isfinite(xy[:, 0]).astype(np.float32), 1.0)


def pictures(
    num_frames: int, fps: float = FPS, shape: tuple[int, int] = (2, 2)
) -> Iterator[tuple[int, float, np.ndarray]]:
    for frame in range(num_frames):
        image = np.zeros((*shape, 3), np.uint8)
        image[0, 0, :2] = divmod(frame, 256)
        yield frame, frame / fps, image


def run(
    scene: Scene, num_frames: int, fps: float = FPS
) -> tuple[list[FramePeople], list[RawTrack]]:
    records = list(detect_people(pictures(num_frames, fps), SceneDetector(scene)))
    return records, collect_tracks(records)


def frames_of(track: RawTrack) -> list[int]:
    return track.frame_index.tolist()


def test_two_people_are_two_tracks_the_larger_first() -> None:
    def scene(frame: int) -> dict[str, np.ndarray]:
        return {"small": body(200 + frame), "large": body(1200 - frame, size=2.0)}

    records, tracks = run(scene, 120)
    assert [record.frame for record in records] == list(range(120))
    assert [record.time_s for record in records] == [frame / FPS for frame in range(120)]
    assert [frames_of(track) for track in tracks] == [list(range(120))] * 2
    for frame in (0, 57, 119):
        np.testing.assert_array_equal(tracks[0].xy[frame], scene(frame)["large"])
        np.testing.assert_array_equal(tracks[1].xy[frame], scene(frame)["small"])
    assert np.isnan(tracks[0].world).all(), "this detector has no 3D"


def test_searches_are_rare_while_nobody_is_lost() -> None:
    detector = SceneDetector(lambda frame: {"a": body(300)})
    list(detect_people(pictures(150), detector))
    assert detector.searched == [0, 45, 90, 135]


def test_who_enters_between_searches_is_followed_back_to_the_first_frame() -> None:
    def scene(frame: int) -> dict[str, np.ndarray]:
        people = {"a": body(300)}
        if frame >= 20:
            people["late"] = body(900 + 4 * frame)
        return people

    _, tracks = run(scene, 100)
    assert sorted(frames_of(track)[0] for track in tracks) == [0, 20]


def test_who_returns_after_a_short_gap_keeps_the_track() -> None:
    def scene(frame: int) -> dict[str, np.ndarray]:
        is_hidden = 40 <= frame < 70
        return {} if is_hidden else {"a": body(300 + 3 * frame)}

    _, tracks = run(scene, 120)
    assert len(tracks) == 1
    assert frames_of(tracks[0]) == [*range(40), *range(70, 120)]


def test_who_comes_long_after_or_elsewhere_is_somebody_else() -> None:
    def long_gap(frame: int) -> dict[str, np.ndarray]:
        return {} if 40 <= frame < 140 else {"a": body(300)}

    def elsewhere(frame: int) -> dict[str, np.ndarray]:
        return {"a": body(300)} if frame < 40 else {} if frame < 50 else {"b": body(1500)}

    for scene in (long_gap, elsewhere):
        _, tracks = run(scene, 180)
        assert len(tracks) == 2
        assert len({track.key for track in tracks}) == 2


def test_two_who_were_hidden_together_keep_their_own_tracks() -> None:
    def scene(frame: int) -> dict[str, np.ndarray]:
        people = {"a": body(300 + 6 * frame), "b": body(1200 - 6 * frame, 510)}
        return people if not 65 <= frame < 85 else {}

    _, tracks = run(scene, 150)
    assert len(tracks) == 2
    for track in tracks:
        start, end = track.xy[0].mean(axis=0)[0], track.xy[-1].mean(axis=0)[0]
        assert abs(end - start) > 800, "each walks through the whole scene"


def test_a_region_that_jumps_to_somebody_else_is_noticed() -> None:
    def scene(frame: int) -> dict[str, np.ndarray]:
        # The right one leaves at once; a poster hangs within reach of that region.
        return {"poster": body(300)} | ({"leaves": body(480)} if frame < 50 else {})

    detector = SceneDetector(scene, unseen=lambda frame, name: name == "poster")
    tracks = collect_tracks(detect_people(pictures(100), detector))
    assert [frames_of(track) for track in tracks] == [list(range(50))]


def test_a_region_that_slides_onto_a_tracked_person_is_noticed() -> None:
    def scene(frame: int) -> dict[str, np.ndarray]:
        # So near that the way to the other is no jump.
        return {"stays": body(300)} | ({"hidden": body(360)} if frame < 50 else {})

    _, tracks = run(scene, 100)
    by_place = sorted(tracks, key=lambda track: track.xy[0].mean())
    assert frames_of(by_place[0]) == list(range(100))
    assert frames_of(by_place[1]) == list(range(50))
    assert (by_place[0].xy == body(300)).all()


def test_people_with_missing_joints_are_followed() -> None:
    def scene(frame: int) -> dict[str, np.ndarray]:
        xy = body(300 + frame)
        xy[[frame % 5, 7]] = np.nan
        return {"a": xy}

    _, tracks = run(scene, 60)
    assert [frames_of(track) for track in tracks] == [list(range(60))]


def test_exchanged_sides_are_no_jump() -> None:
    def scene(frame: int) -> dict[str, np.ndarray]:
        wide = body(300) * np.array([3.0, 1.0], np.float32)
        return {"a": swapped(wide) if 20 <= frame < 40 else wide}

    detector = SceneDetector(scene)
    tracks = collect_tracks(detect_people(pictures(60), detector))
    assert [frames_of(track) for track in tracks] == [list(range(60))]
    assert detector.searched == [0, 45], "nobody was ever lost"


def test_finds_of_a_moment_are_dropped_but_not_in_a_short_video() -> None:
    def scene(frame: int) -> dict[str, np.ndarray]:
        return {"a": body(300)} | ({"ghost": body(900)} if 45 <= frame < 50 else {})

    records, tracks = run(scene, 100)
    assert any(len(record.people) == 2 for record in records)
    assert len(tracks) == 1
    _, single = run(lambda frame: {"a": body(300)}, 1)
    assert [frames_of(track) for track in single] == [[0]]


def test_a_track_that_searches_do_not_confirm_is_dropped() -> None:
    detector = SceneDetector(
        lambda frame: {"a": body(300), "chair": body(900)},
        unseen=lambda frame, name: name == "chair" and frame > 0,
    )
    tracks = collect_tracks(detect_people(pictures(200), detector))
    assert [track.xy[0].mean() for track in tracks] == [body(300).mean()]


def test_person_in_a_box_drawn_by_hand_comes_first() -> None:
    def scene(frame: int) -> dict[str, np.ndarray]:
        return {"large": body(300, size=1.5), "small": body(900 + frame)}

    box = (840.0, 330.0, 960.0, 660.0)
    detector = SceneDetector(scene, unseen=lambda frame, name: name == "small")
    records = list(detect_people(pictures(100), detector, start_box=box))
    tracks = collect_tracks(records)
    assert [track.key for track in tracks] == [HAND_DRAWN_KEY, 1]
    assert frames_of(tracks[0]) == list(range(100))
    np.testing.assert_array_equal(tracks[0].xy[50], scene(50)["small"])


def test_person_in_a_box_who_is_gone_at_once_is_kept() -> None:
    def scene(frame: int) -> dict[str, np.ndarray]:
        return {"stays": body(300)} | ({"drawn": body(900)} if frame == 0 else {})

    detector = SceneDetector(scene)
    tracks = collect_tracks(detect_people(pictures(50), detector, start_box=(840, 330, 960, 660)))
    assert [frames_of(track) for track in tracks] == [[0], list(range(50))]


def test_a_box_around_nobody_is_an_error_that_names_it() -> None:
    detector = SceneDetector(lambda frame: {"a": body(300)})
    with pytest.raises(NoPersonError, match=r"\(1000, 0, 1100, 100\) of frame 0.*[Dd]raw"):
        list(detect_people(pictures(10), detector, start_box=(1000, 0, 1100, 100)))


@pytest.mark.parametrize(
    ("shape", "fps", "most_held"), [((2, 2), 30.0, 47), ((4000, 3000), 30.0, 4)]
)
def test_few_pictures_are_held_at_a_time(
    shape: tuple[int, int], fps: float, most_held: int
) -> None:
    num_taken = 0

    def counted() -> Iterator[tuple[int, float, np.ndarray]]:
        nonlocal num_taken
        for picture in pictures(60, fps, shape):
            num_taken += 1
            yield picture

    num_given = 0
    for _ in detect_people(counted(), SceneDetector(lambda frame: {"a": body(300)})):
        num_given += 1
        assert num_taken - num_given <= most_held
    assert num_given == 60


def test_nobody_and_nothing() -> None:
    records, tracks = run(lambda frame: {}, 40)
    assert len(records) == 40
    assert tracks == []
    assert collect_tracks(detect_people(iter([]), SceneDetector(lambda frame: {}))) == []


def test_the_same_video_gives_the_same_tracks() -> None:
    def scene(frame: int) -> dict[str, np.ndarray]:
        noise = np.random.default_rng(frame).normal(0, 3, BODY.shape).astype(np.float32)
        people = {"a": body(300 + 5 * frame) + noise, "b": body(1100 - 5 * frame, 520) - noise}
        return {} if frame % 37 == 36 else people

    first, second = run(scene, 120)[1], run(scene, 120)[1]
    assert len(first) == len(second) > 0
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.frame_index, b.frame_index)
        np.testing.assert_array_equal(a.xy, b.xy)


def test_similarity_of_two_detections() -> None:
    one = person(body(300))
    assert keypoint_similarity(one, one, COCO_17) == pytest.approx(1.0)
    assert keypoint_similarity(one, person(swapped(body(300))), COCO_17) == pytest.approx(1.0)
    # Off by the tolerance, 0.16 of the root of the box area: exp(-1/2).
    width, height = np.ptp(BODY, axis=0)
    shift = 0.16 * np.sqrt(width * height)
    moved = person(body(300 + shift))
    assert keypoint_similarity(one, moved, COCO_17) == pytest.approx(np.exp(-0.5), abs=1e-3)
    assert is_same_person(one, moved, COCO_17)
    assert not is_same_person(one, person(body(300 + 90)), COCO_17)
    assert not is_same_person(one, person(body(1300)), COCO_17)
    hidden_feet = PersonDetection(one.xy.copy(), one.scores.copy(), 1.0)
    hidden_feet.xy[-2:], hidden_feet.scores[-2:] = np.nan, 0.0
    assert keypoint_similarity(one, hidden_feet, COCO_17) == pytest.approx(1.0)
    nothing = person(np.full_like(BODY, np.nan))
    assert not is_same_person(one, nothing, COCO_17)
