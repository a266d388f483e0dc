"""BlazePose on real pictures: single crops, tiles, filters, boxes drawn by hand, clips."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_core.detection.base import PersonDetection
from pose_core.detection.blazepose import BlazePoseDetector
from pose_core.detection.blazepose_nets import Landmarks, Roi
from pose_core.detection.crop_average import MAX_CROPS, average_landmarks
from pose_core.detection.overlap import bounding_box, box_iou
from pose_core.detection.sides import undo_side_swaps
from pose_core.detection.tiles import tile_boxes
from pose_core.detection.tracking import HAND_DRAWN_KEY, detect_people
from pose_core.detection.tracks import RawTrack, collect_tracks
from pose_core.detection.weights import weights_status
from pose_core.errors import ConfigError
from pose_core.skeleton import BLAZEPOSE_33, H36M_17, joint_map
from pose_core.video import VideoReader, open_clip

CLIPS = Path(__file__).parents[2] / "shared" / "data" / "video"
Frames = Callable[..., list[np.ndarray]]


@pytest.fixture(scope="module")
def detector() -> BlazePoseDetector:
    if any(status.state != "intact" for status in weights_status()):
        pytest.skip("the detector's weights are not installed")
    return BlazePoseDetector()


@pytest.fixture(scope="module")
def frames() -> Frames:
    """Frames ``start <= n < end`` of a test clip; only the first without an end."""

    def read(name: str, start: int = 0, end: int | None = None) -> list[np.ndarray]:
        path = CLIPS / name
        if not path.is_file():
            pytest.skip(f"the clip {name} of ../shared is not there")
        with VideoReader(open_clip(path)) as reader:
            return [image for _, image in reader.iter_frames(start, end or start + 1)]

    return read


@pytest.fixture(scope="module")
def picture(frames: Frames) -> np.ndarray:
    """720 x 1280: one woman, whole body, three-quarter front view."""
    return frames("squats_front.mp4")[0]


@pytest.fixture(scope="module")
def woman(detector: BlazePoseDetector, picture: np.ndarray) -> PersonDetection:
    people = detector.detect(picture)
    assert len(people) == 1
    return people[0]


def at(person: PersonDetection, name: str) -> np.ndarray:
    return person.xy[BLAZEPOSE_33.index(name)]


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(a - b, axis=-1)


def track(
    detector: BlazePoseDetector,
    images: list[np.ndarray],
    fps: float,
    start_box: tuple[float, float, float, float] | None = None,
) -> list[RawTrack]:
    numbered = ((i, i / fps, image) for i, image in enumerate(images))
    return collect_tracks(detect_people(numbered, detector, start_box=start_box))


def test_the_woman_is_where_she_is(woman: PersonDetection) -> None:
    # Read off the picture by eye: nose, wrists and toes, within 20 pixels.
    by_eye = {
        "nose": (362, 237),
        "right_wrist": (198, 572),
        "left_wrist": (485, 567),  # she wears a bracelet there
        "right_foot_index": (294, 1010),
        "left_foot_index": (398, 1002),
    }
    for name, place in by_eye.items():
        assert np.linalg.norm(at(woman, name) - place) < 20, name
    assert woman.person_score > 0.9
    assert woman.scores.min() > 0.5


def test_canonical_joints_lie_along_the_body(woman: PersonDetection) -> None:
    xy = joint_map(BLAZEPOSE_33, H36M_17).apply(woman.xy)
    height = {name: xy[H36M_17.index(name), 1] for name in H36M_17.joint_names}
    down = ("head_top", "neck", "thorax", "spine", "pelvis", "right_knee", "right_ankle")
    assert np.all(np.diff([height[name] for name in down]) > 20)
    np.testing.assert_allclose(
        xy[H36M_17.index("pelvis")], (at(woman, "left_hip") + at(woman, "right_hip")) / 2, atol=0.01
    )


def test_world_landmarks_are_metres_in_camera_axes(
    detector: BlazePoseDetector, picture: np.ndarray, woman: PersonDetection
) -> None:
    """Turning the camera by a quarter turns the 3D by the same angle."""
    lying = detector.detect_in_box(
        np.ascontiguousarray(np.rot90(picture)), turned_box(woman, picture.shape[1])
    )
    assert lying is not None
    for person, up in ((woman, (0, -1, 0)), (lying, (-1, 0, 0))):
        world = person.world_xyz
        assert world is not None
        hips, nose, feet = (
            world[[BLAZEPOSE_33.index(f"{side}_{name}") for side in ("left", "right")]].mean(axis=0)
            for name in ("hip", "ear", "heel")
        )
        assert np.linalg.norm(hips) < 0.05, "the origin is between the hips"
        assert np.dot(nose - feet, up) > 1.2
        assert np.linalg.norm(nose - feet) == pytest.approx(np.dot(nose - feet, up), rel=0.1)


def turned_box(person: PersonDetection, width: int) -> tuple[float, float, float, float]:
    """Box of a person in the picture that was turned by a quarter to the left."""
    x0, y0, x1, y1 = bounding_box(person.xy)
    return y0, width - x1, y1, width - x0


def test_landmarks_follow_scale_and_mirror(
    detector: BlazePoseDetector, picture: np.ndarray, woman: PersonDetection
) -> None:
    size = float(np.ptp(woman.xy, axis=0).max())
    half = detector.detect(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    assert np.median(distances(2 * half[0].xy, woman.xy)) < 0.01 * size
    mirrored = detector.detect(np.ascontiguousarray(picture[:, ::-1]))[0].xy
    mirrored = mirrored[BLAZEPOSE_33.mirror_index] * (-1, 1) + (picture.shape[1], 0)
    assert np.median(distances(mirrored, woman.xy)) < 0.02 * size


def test_one_crop_gives_one_answer_and_crops_agree(
    detector: BlazePoseDetector, picture: np.ndarray, woman: PersonDetection
) -> None:
    first, again = (detector.follow(picture, [woman])[0] for _ in range(2))
    assert first is not None
    assert again is not None
    np.testing.assert_array_equal(first.xy, again.xy)
    many = BlazePoseDetector(6).follow(picture, [woman])[0]
    assert many is not None
    assert 0 < np.median(distances(many.xy, first.xy)) < 8


def test_several_crops_are_steadier_than_one(detector: BlazePoseDetector, frames: Frames) -> None:
    images = frames("balance_cam01.mp4", 0, 9)
    main = [BLAZEPOSE_33.index(f"{side}_{j}") for side in ("left", "right") for j in
            ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")]  # fmt: skip

    def shake(xy: np.ndarray) -> float:
        return float(np.median(np.linalg.norm(np.diff(xy[:, main], 2, axis=0), axis=-1)))

    one, several = (track(d, images, 60.0)[0].xy for d in (detector, BlazePoseDetector(4)))
    assert shake(several) < 0.9 * shake(one)


def test_a_small_person_is_found_in_tiles(
    detector: BlazePoseDetector, picture: np.ndarray, woman: PersonDetection
) -> None:
    wide = np.full((1080, 1920, 3), 110, np.uint8)
    wide[500:820, 1500:1680] = cv2.resize(picture, (180, 320), interpolation=cv2.INTER_AREA)
    assert detector.detect(wide, is_thorough=False) == []
    people = detector.detect(wide)
    assert len(people) == 1
    assert np.median(distances(people[0].xy, woman.xy / 4 + (1500, 500))) < 6


def test_several_people_are_found_once_each(detector: BlazePoseDetector, frames: Frames) -> None:
    scene = np.full((720, 1600, 3), 110, np.uint8)
    scene[:, :405] = cv2.resize(frames("squats_front.mp4")[0], (405, 720))
    scene[100:588, 405:1201] = frames("dance_sofa.mp4", 20)[0]
    scene[:, 1195:] = cv2.resize(frames("balance_cam01.mp4")[0][:, :1080], (405, 720))
    boxes = sorted(bounding_box(person.xy) for person in detector.detect(scene))
    # The balance clip shows a second, far man at its left edge, who may be found too.
    prominent = [box for box in boxes if box[3] - box[1] > 200]
    assert len(prominent) == 3
    assert prominent[0][2] < 405
    assert 405 < prominent[1][0] < prominent[1][2] < 1195
    assert prominent[2][0] > 1195
    assert all(box_iou(a, b) < 0.2 for a in boxes for b in boxes if a is not b)


@pytest.mark.parametrize("frame", [0, 144, 149])
def test_nobody_is_found_in_an_empty_room(
    detector: BlazePoseDetector, frames: Frames, frame: int
) -> None:
    assert detector.detect(frames("walk_in_stand_walk_off.mp4", frame)[0]) == []


def test_nobody_is_found_in_noise_or_on_tiny_pictures(detector: BlazePoseDetector) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    for picture in (noise, np.zeros((480, 640, 3), np.uint8), noise[:1, :1], noise[:3, :300]):
        assert detector.detect(picture) == []


def test_a_person_too_small_or_mostly_outside_is_no_find(
    detector: BlazePoseDetector, picture: np.ndarray, woman: PersonDetection
) -> None:
    # A trunk of 4 % of the short side.
    far = np.full((1600, 1600, 3), 110, np.uint8)
    far[600:920, 600:780] = cv2.resize(picture, (180, 320), interpolation=cv2.INTER_AREA)
    assert detector.detect(far) == []
    head_only = picture[: int(at(woman, "left_shoulder")[1])]
    assert detector.detect(np.ascontiguousarray(head_only)) == []


def test_followed_people_are_lost_when_they_are_gone(
    detector: BlazePoseDetector, picture: np.ndarray, woman: PersonDetection
) -> None:
    assert detector.follow(np.full_like(picture, 110), [woman]) == [None]
    assert detector.follow(picture, []) == []


def test_keypoints_of_another_detector_can_be_followed(
    detector: BlazePoseDetector, picture: np.ndarray, woman: PersonDetection
) -> None:
    plain = PersonDetection(woman.xy, woman.scores, 1.0)
    (followed,) = detector.follow(picture, [plain])
    assert followed is not None
    assert np.median(distances(followed.xy, woman.xy)) < 10


@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_box_by_hand_finds_people_who_stand_lie_or_hang(
    detector: BlazePoseDetector, picture: np.ndarray, woman: PersonDetection, quarter_turns: int
) -> None:
    xy, height, width = woman.xy, *picture.shape[:2]
    for _ in range(quarter_turns):
        xy = np.stack([xy[:, 1], width - xy[:, 0]], axis=1)
        height, width = width, height
    turned = np.ascontiguousarray(np.rot90(picture, quarter_turns))
    x0, y0, x1, y1 = bounding_box(xy)
    person = detector.detect_in_box(turned, (x0 - 20, y0 - 30, x1 + 30, y1 + 20))
    assert person is not None
    assert np.median(distances(person.xy, xy)) < 30


def test_box_by_hand_around_nobody(detector: BlazePoseDetector, picture: np.ndarray) -> None:
    assert detector.detect_in_box(np.full_like(picture, 110), (100, 100, 400, 900)) is None


def test_box_by_hand_chooses_the_person_to_track(
    detector: BlazePoseDetector, frames: Frames
) -> None:
    # The far man at the left edge, not the subject.
    tracks = track(detector, frames("balance_cam01.mp4", 0, 4), 60.0, (0, 320, 130, 780))
    assert [t.key for t in tracks] == [HAND_DRAWN_KEY, 1]
    assert tracks[0].xy[..., 0].max() < 140
    assert tracks[1].xy[..., 0].min() > 200
    assert len(tracks[0].frame_index) == 4


def test_exchanged_sides_of_a_real_clip_are_put_right(
    detector: BlazePoseDetector, frames: Frames
) -> None:
    """The man faces the camera all the time, so his right shoulder is at the left."""
    found = track(detector, frames("balance_cam02.mp4", 20, 60), 60.0)[0]
    left, right = BLAZEPOSE_33.index("left_shoulder"), BLAZEPOSE_33.index("right_shoulder")

    def num_wrong(xy: np.ndarray) -> int:
        return int((xy[:, right, 0] > xy[:, left, 0]).sum())

    assert num_wrong(found.xy) >= 10, "the clip is known for that"
    corrected = undo_side_swaps(found.xy, found.scores, found.times_s, found.world)
    assert num_wrong(corrected.xy) == 0
    assert corrected.world is not None
    assert num_wrong(corrected.world) == 0
    for name in ("elbow", "wrist", "knee", "ankle"):
        pair = corrected.xy[:, [BLAZEPOSE_33.index(f"{s}_{name}") for s in ("left", "right")], 0]
        assert (pair[:, 0] > pair[:, 1]).mean() > 0.9, name


def test_who_walks_in_is_tracked_and_the_empty_room_stays_empty(
    detector: BlazePoseDetector, frames: Frames
) -> None:
    tracks = track(detector, frames("walk_in_stand_walk_off.mp4", 0, 24), 10.0)
    assert len(tracks) == 1
    found = set(tracks[0].frame_index.tolist())
    assert set(range(18, 24)) <= found
    assert not found & set(range(5))


def fake_looks(*answers: Landmarks) -> Callable[..., Landmarks]:
    remaining = iter(answers)
    return lambda image, roi, *, is_mirrored: next(remaining)


def test_crops_that_exchange_sides_or_err_are_outvoted() -> None:
    rng = np.random.default_rng(0)
    xy = rng.uniform(100, 300, (33, 2)).astype(np.float32)
    world = rng.normal(0, 0.3, (33, 3)).astype(np.float32)
    scores = np.full(33, 0.9, np.float32)
    roi, order = Roi(200, 200, 256, 0.0), BLAZEPOSE_33.mirror_index

    def look(is_exchanged: bool = False, is_mirrored: bool = False, error: float = 0) -> Landmarks:
        # A mirrored crop is answered with the sides named as seen in the mirror.
        index = order if is_exchanged != is_mirrored else np.arange(33)
        depth = np.float32([1, 1, -1]) if is_exchanged else np.float32(1)
        return Landmarks((xy + error)[index], scores, world[index] * depth, 1.0, roi)

    # The second and fourth of the crops are mirrored ones.
    net = fake_looks(
        look(is_exchanged=True),
        look(is_mirrored=True),
        look(),
        look(is_mirrored=True),
        look(error=80),
    )
    mean = average_landmarks(net, np.zeros((1, 1, 3), np.uint8), roi, 5)  # pyright: ignore
    np.testing.assert_allclose(mean.xy, xy, atol=1.0)
    np.testing.assert_allclose(mean.world_xyz, world, atol=1e-5)


@pytest.mark.parametrize("num_crops", [0, MAX_CROPS + 1])
def test_number_of_crops_is_checked(num_crops: int) -> None:
    with pytest.raises(ConfigError, match=str(num_crops)):
        BlazePoseDetector(num_crops)


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (720, 1280), (1400, 524), (30, 20)])
def test_tiles_cover_the_picture_and_overlap(width: int, height: int) -> None:
    boxes = list(tile_boxes(width, height))
    sizes = {(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes}
    assert len(sizes) == 2
    for size in sizes:
        seen = np.zeros((height, width), bool)
        for x0, y0, x1, y1 in boxes:
            assert 0 <= x0 < x1 <= width
            assert 0 <= y0 < y1 <= height
            if (x1 - x0, y1 - y0) == size:
                seen[y0:y1, x0:x1] = True
        assert seen.all()
    # Whoever is at most a third of a small tile wide is seen whole in some tile.
    third = round(0.4 * max(width, height)) // 3
    for left in range(0, width - third, max(1, width // 97)):
        assert any(x0 <= left and left + third <= x1 for x0, _, x1, _ in boxes)
