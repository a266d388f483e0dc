"""The bundled clip: how its person moves, its pictures, and that its truth is exact."""

import numpy as np
import pytest

from pose_core.camera import Camera
from pose_core.clip import Clip
from pose_core.data.truth import truth_beside
from pose_core.detection.base import PersonDetection
from pose_core.detection.blazepose import BlazePoseDetector
from pose_core.detection.landmark_map import h36m_map
from pose_core.detection.sides import undo_side_swaps
from pose_core.errors import WeightsError
from pose_core.resources import resource_path
from pose_core.skeleton import BLAZEPOSE_33, H36M_17
from pose_core.synthesis.movement import FPS, SAMPLE_SECONDS
from pose_core.synthesis.sample_clip import (
    CLIP_NAME,
    TRUTH_NAME,
    SamplePerson,
    SamplePictures,
    sample_camera,
    sample_person,
)
from pose_core.video import VideoReader, open_clip

NUM_FRAMES = round(FPS * SAMPLE_SECONDS)
# Frames of the walk, the punch, the kick and the turn.
WALK, PUNCH, KICK, TURN = 40, 109, 187, 255
SIDES = ("left", "right")


@pytest.fixture(scope="module")
def person() -> SamplePerson:
    return sample_person()


@pytest.fixture(scope="module")
def clip() -> Clip:
    return open_clip(resource_path("samples", CLIP_NAME))


@pytest.fixture(scope="module")
def truth() -> dict[str, np.ndarray]:
    with np.load(resource_path("samples", TRUTH_NAME), allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="module")
def camera_xyz(truth: dict[str, np.ndarray]) -> np.ndarray:
    """(T, 17, 3) float64 true joints, camera axes, metres."""
    return (truth["poses_3d"] + truth["root_3d"][:, None]).astype(float)


def joint(xyz: np.ndarray, name: str) -> np.ndarray:
    return xyz[:, H36M_17.index(name)]


# --- the movement --------------------------------------------------------------------------------


def test_bones_keep_their_lengths(camera_xyz: np.ndarray) -> None:
    for parent, child in H36M_17.bones:
        length = np.linalg.norm(camera_xyz[:, child] - camera_xyz[:, parent], axis=1)
        # Spine and neck bend between these joints, so their ends come a little nearer.
        is_limb = H36M_17.side(child) != "middle"
        assert np.ptp(length) < (0.001 if is_limb else 0.006), H36M_17.joint_names[child]
        assert 0.08 < length.mean() < 0.5


def test_knees_and_elbows_bend_the_way_they_do(camera_xyz: np.ndarray) -> None:
    left = joint(camera_xyz, "left_hip") - joint(camera_xyz, "right_hip")
    up = joint(camera_xyz, "spine") - joint(camera_xyz, "pelvis")
    forward = np.cross(left, up)
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    for side in SIDES:
        hip, knee, ankle = (joint(camera_xyz, f"{side}_{n}") for n in ("hip", "knee", "ankle"))
        assert (((knee - (hip + ankle) / 2) * forward).sum(1) > -0.01).all()
        upper = joint(camera_xyz, f"{side}_elbow") - joint(camera_xyz, f"{side}_shoulder")
        lower = joint(camera_xyz, f"{side}_wrist") - joint(camera_xyz, f"{side}_elbow")
        cosine = (upper * lower).sum(1)
        cosine /= np.linalg.norm(upper, axis=1) * np.linalg.norm(lower, axis=1)
        assert np.degrees(np.arccos(cosine)).max() < 150  # an elbow folds no further


def test_feet_neither_slide_nor_float_nor_sink(person: SamplePerson) -> None:
    lowest = []
    for side in SIDES:
        ankle = person.joints[:, H36M_17.index(f"{side}_ankle")]
        in_standing = ankle[0, 2]
        sole_up = person.movement.axes[f"{side}_foot"][:, 2, 2]
        is_down = (ankle[:, 2] < in_standing + 0.002) & (sole_up > 0.9999)
        both = is_down[1:] & is_down[:-1]
        speed = np.linalg.norm(np.diff(ankle[:, :2], axis=0), axis=1) * FPS
        assert both.mean() > 0.4
        assert speed[both].max() < 0.03  # metres a second
        assert ankle[:, 2].min() > in_standing - 0.03
        lowest.append(ankle[:, 2] - in_standing)
    assert np.minimum(*lowest).max() < 0.08  # one foot is always near the floor


def test_the_movement_is_smooth_and_human(person: SamplePerson) -> None:
    xyz = person.joints
    speed = np.linalg.norm(np.diff(xyz, axis=0), axis=-1) * FPS
    assert speed.max() < 6
    walking = np.linalg.norm(np.diff(xyz[30:60, 0], axis=0), axis=1) * FPS
    assert 0.7 < walking.mean() < 1.5
    acceleration = np.linalg.norm(np.diff(xyz, 2, axis=0), axis=-1) * FPS**2
    assert acceleration.max() < 80  # people reach more when they kick


def test_arms_do_not_go_through_the_trunk(camera_xyz: np.ndarray) -> None:
    """Forearms stay out of a tube around the spine that is narrower than the trunk."""
    low, high = joint(camera_xyz, "pelvis"), joint(camera_xyz, "thorax")
    axis = high - low
    for side in SIDES:
        elbow, wrist = joint(camera_xyz, f"{side}_elbow"), joint(camera_xyz, f"{side}_wrist")
        for share in (0.0, 0.5, 1.0, 1.3):  # 1.3: the fingers
            point = elbow + share * (wrist - elbow)
            along = ((point - low) * axis).sum(1) / (axis**2).sum(1)
            distance = np.linalg.norm(point - low - np.clip(along, 0, 1)[:, None] * axis, axis=1)
            assert distance.min() > 0.09, (side, share)


def test_it_shows_depth_a_turn_and_arms_before_the_trunk(camera_xyz: np.ndarray) -> None:
    towards_camera = camera_xyz[:, :1, 2] - camera_xyz[..., 2]
    assert towards_camera[PUNCH, H36M_17.index("right_wrist")] > 0.4
    assert towards_camera[KICK, H36M_17.index("left_ankle")] > 0.4
    to_left = joint(camera_xyz, "left_hip") - joint(camera_xyz, "right_hip")
    angle = np.unwrap(np.arctan2(to_left[:, 2], to_left[:, 0]))
    assert abs(angle[TURN + 60] - angle[TURN - 60]) > 1.8 * np.pi
    # The forearm lies before the chest: between the shoulders in the picture, nearer in depth.
    xy = Camera(640, 720, 1.0).project(camera_xyz)[..., 0]
    edges = np.sort(np.stack([joint(xy, f"{side}_shoulder") for side in SIDES]), axis=0)
    wrist = joint(xy, "left_wrist")
    before = (wrist > edges[0]) & (wrist < edges[1])
    before &= joint(camera_xyz, "left_wrist")[:, 2] < joint(camera_xyz, "thorax")[:, 2] - 0.05
    assert before[140:170].sum() > 15


# --- the pictures --------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [WALK, TURN])
def test_true_joints_lie_inside_the_drawn_body(person: SamplePerson, frame: int) -> None:
    camera = sample_camera(0.3)
    _, covered = SamplePictures(person, camera).frame(frame)
    assert 0.02 < (covered > 0.5).mean() < 0.25
    columns, rows = np.floor(camera.project(person.joints[frame])).astype(int).T
    head_top = H36M_17.index("head_top")  # lies on the outline
    assert covered[rows[head_top] + 2, columns[head_top]] > 0.5
    others = np.arange(17) != head_top
    assert (covered[rows[others], columns[others]] > 0.5).all()


def test_same_command_same_pictures(person: SamplePerson) -> None:
    first = SamplePictures(person, sample_camera(0.15)).frame(100)[0]
    again = SamplePictures(sample_person(), sample_camera(0.15)).frame(100)[0]
    np.testing.assert_array_equal(first, again)


# --- the files in the checkout -------------------------------------------------------------------


def test_bundled_clip_is_small_and_whole(clip: Clip, truth: dict[str, np.ndarray]) -> None:
    assert clip.path.stat().st_size + (clip.path.parent / TRUTH_NAME).stat().st_size < 3_000_000
    size = (clip.width, clip.height, clip.num_frames, clip.warning)
    assert size == (640, 720, NUM_FRAMES, "")
    np.testing.assert_allclose(clip.times_s, np.arange(NUM_FRAMES) / FPS, atol=1e-6)
    assert tuple(truth["joint_names"]) == H36M_17.joint_names


def test_the_truth_passes_the_checks_of_the_application(clip: Clip) -> None:
    found = truth_beside(clip)
    assert found is not None
    assert found.is_beside_clip
    assert np.isfinite(found.poses.xyz).all()


def test_truth_projects_onto_its_own_keypoints(
    clip: Clip, truth: dict[str, np.ndarray], camera_xyz: np.ndarray, person: SamplePerson
) -> None:
    assert truth["poses_3d"].dtype == truth["root_3d"].dtype == np.float32
    assert not truth["poses_3d"][:, 0].any()
    camera = Camera(clip.width, clip.height, float(truth["focal_px"]))
    np.testing.assert_allclose(camera.project(camera_xyz), truth["keypoints_2d"], atol=0.01)
    placed = sample_camera().to_camera(person.joints)
    np.testing.assert_allclose(camera_xyz, placed, atol=1e-4)


def test_bundled_clip_shows_what_the_command_renders(clip: Clip, person: SamplePerson) -> None:
    camera = sample_camera(0.25)
    pictures = SamplePictures(person, camera)
    with VideoReader(clip, max_size=camera.height) as video:
        for frame in (WALK, PUNCH, TURN):
            rendered, covered = pictures.frame(frame)
            is_body = covered > 0.9
            difference = np.abs(video.read(frame).astype(int) - rendered)
            assert difference.mean() < 4
            assert difference[is_body].mean() < 16
            other = np.abs(video.read(frame - 12).astype(int) - rendered)
            assert other[is_body].mean() > 2 * difference[is_body].mean()


@pytest.fixture(scope="module")
def detected(clip: Clip) -> list[PersonDetection | None]:
    """The person of each frame, searched for once and followed as in a video."""
    try:
        detector = BlazePoseDetector()
    except WeightsError as error:
        pytest.skip(f"the detector's weights are not here: {error.message}")
    people: list[PersonDetection | None] = []
    person: PersonDetection | None = None
    with VideoReader(clip) as video:
        for frame in range(clip.num_frames):
            picture = video.read(frame)
            if person is not None:
                (person,) = detector.follow(picture, [person])
            if person is None:
                person = next(iter(detector.detect(picture, is_thorough=False)), None)
            people.append(person)
    return people


def test_the_detector_finds_the_person_in_every_frame(
    detected: list[PersonDetection | None], clip: Clip, truth: dict[str, np.ndarray]
) -> None:
    assert [frame for frame, person in enumerate(detected) if person is None] == []
    people = [person for person in detected if person is not None]
    xy, scores = np.stack([p.xy for p in people]), np.stack([p.scores for p in people])
    fixed = undo_side_swaps(xy, scores, clip.times_s)
    error = np.linalg.norm(h36m_map(BLAZEPOSE_33).apply(fixed.xy) - truth["keypoints_2d"], axis=-1)
    # The person is about 450 pixels tall: 10 are 4 cm.
    assert np.median(error) < 9
    assert error.mean() < 14
    assert np.quantile(error.mean(axis=1), 0.95) < 40
