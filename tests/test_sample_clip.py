"""The bundled clip: its movement, its pictures, and that its truth is exact."""

import numpy as np
import pytest

from pose_core.camera import Camera
from pose_core.clip import Clip
from pose_core.resources import resource_path
from pose_core.skeleton import H36M_17, joint_map
from pose_core.synthesis.movement import FPS, Movement, make_movement
from pose_core.synthesis.sample_clip import CLIP_NAME, TRUTH_NAME, render_frame, sample_camera
from pose_core.synthesis.solid import Solid
from pose_core.video import VideoReader, open_clip

SQUATTING = slice(150, 170)


@pytest.fixture(scope="module")
def movement() -> Movement:
    return make_movement()


@pytest.fixture(scope="module")
def clip() -> Clip:
    return open_clip(resource_path("samples", CLIP_NAME))


@pytest.fixture(scope="module")
def truth() -> dict[str, np.ndarray]:
    with np.load(resource_path("samples", TRUTH_NAME), allow_pickle=False) as file:
        return dict(file)


# --- solids --------------------------------------------------------------------------------------


def test_distance_to_round_cone_and_ellipsoid() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (500, 3)).astype(np.float32)
    blend = np.array([0.01], dtype=np.float32)

    capsule = Solid(blend)
    start, end = np.array([-0.2, 0.1, 0.0]), np.array([0.3, 0.2, 0.4])
    capsule.cone(0, start, end, (0.1, 0.1))
    along = np.clip((points - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
    expected = np.linalg.norm(points - (start + along[:, None] * (end - start)), axis=1) - 0.1
    np.testing.assert_allclose(capsule.freeze().distance(points), expected, atol=1e-5)

    cone = Solid(blend)  # union of the balls along its axis, by brute force
    cone.cone(0, start, end, (0.2, 0.05))
    u = np.linspace(0, 1, 2001)[:, None, None]
    balls = np.linalg.norm(points - (start + u * (end - start)), axis=-1) - (0.2 - 0.15 * u[..., 0])
    np.testing.assert_allclose(cone.freeze().distance(points), balls.min(0), atol=1e-4)

    egg = Solid(blend)
    egg.ellipsoid(0, np.zeros(3), np.eye(3), (0.1, 0.2, 0.3))
    surface = rng.normal(size=(4000, 3))
    surface = surface / np.linalg.norm(surface, axis=1, keepdims=True) * [0.1, 0.2, 0.3]
    true = np.linalg.norm(points[:, None] - surface, axis=-1).min(axis=1)
    measured = egg.freeze().distance(points)
    is_inside = ((points / [0.1, 0.2, 0.3]) ** 2).sum(1) < 1
    assert np.all(measured[~is_inside] <= true[~is_inside] + 1e-5)  # never too long
    assert np.all((measured < 0) == is_inside)


# --- the movement --------------------------------------------------------------------------------


def test_limbs_keep_their_lengths_and_knees_bend_forward(movement: Movement) -> None:
    xyz = movement.positions
    limbs = [(p, c) for p, c in H36M_17.bones if H36M_17.side(c) != "middle"]
    lengths = np.stack([np.linalg.norm(xyz[:, c] - xyz[:, p], axis=1) for p, c in limbs])
    assert np.ptp(lengths, axis=1).max() < 1e-6
    forward = movement.axes["pelvis"][:, :, 0]
    for side in ("left", "right"):
        hip, knee, ankle = (movement.joints[f"{side}_{j}"] for j in ("hip", "knee", "ankle"))
        assert np.all(((knee - (hip + ankle) / 2) * forward).sum(1) > -0.01)


def test_feet_do_not_slide_while_the_person_squats(movement: Movement) -> None:
    for side in ("left", "right"):
        ankle = movement.joints[f"{side}_ankle"][SQUATTING]
        assert np.ptp(ankle, axis=0).max() < 0.005
    pelvis = movement.joints["pelvis"][:, 2]
    assert pelvis[SQUATTING].max() < pelvis[0] - 0.3
    # Hands nearer to the camera than the chest, in front of it: a limb in depth.
    wrists = [movement.joints[f"{side}_wrist"][SQUATTING, 1] for side in ("left", "right")]
    assert np.all(np.array(wrists) < movement.joints["thorax"][SQUATTING, 1] - 0.35)


def test_left_is_left_and_speeds_are_human(movement: Movement) -> None:
    xyz = movement.positions
    forward, up = movement.axes["pelvis"][:, :, 0], movement.axes["pelvis"][:, :, 2]
    to_left = movement.joints["left_hip"] - movement.joints["right_hip"]
    assert np.all((np.cross(up, forward) * to_left).sum(1) > 0.15)
    speed = np.linalg.norm(np.diff(xyz, axis=0), axis=-1) * FPS
    assert speed.max() < 6
    assert 0.7 < speed[60:80, 0].mean() < 1.5  # walking


# --- the pictures --------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [40, 160])
def test_projected_joints_lie_inside_the_drawn_body(movement: Movement, frame: int) -> None:
    camera = sample_camera(0.3)
    picture = render_frame(movement, frame, camera)
    is_body = picture.coverage > 0.5
    share = is_body.mean()
    assert 0.01 < share < 0.2
    columns, rows = np.floor(camera.project(movement.positions[frame])).astype(int).T
    head_top = H36M_17.index("head_top")  # lies on the outline
    assert is_body[rows[head_top] + 1, columns[head_top]]
    others = np.arange(17) != head_top
    assert is_body[rows[others], columns[others]].all()


def test_same_command_same_pictures(movement: Movement) -> None:
    pictures = [render_frame(make_movement(), 100, sample_camera(0.15)).rgb for _ in range(2)]
    np.testing.assert_array_equal(*pictures)


# --- the files in the checkout -------------------------------------------------------------------


def test_bundled_clip_is_small_and_whole(clip: Clip, truth: dict[str, np.ndarray]) -> None:
    assert clip.path.stat().st_size + (clip.path.parent / TRUTH_NAME).stat().st_size < 3_000_000
    assert (clip.width, clip.height, clip.num_frames, clip.warning) == (640, 720, 270, "")
    np.testing.assert_allclose(clip.times_s, np.arange(270) / FPS, atol=1e-6)
    assert tuple(truth["joint_names"]) == H36M_17.joint_names


def test_truth_projects_onto_its_own_keypoints(
    clip: Clip, truth: dict[str, np.ndarray], movement: Movement
) -> None:
    assert truth["poses_3d"].dtype == truth["root_3d"].dtype == np.float32
    assert not truth["poses_3d"][:, 0].any()
    camera_xyz = truth["poses_3d"] + truth["root_3d"][:, None]
    camera = Camera(clip.width, clip.height, float(truth["focal_px"]))
    np.testing.assert_allclose(camera.project(camera_xyz), truth["keypoints_2d"], atol=0.01)
    placed = sample_camera().to_camera(movement.positions)
    np.testing.assert_allclose(camera_xyz, placed, atol=1e-5)


def test_bundled_clip_shows_what_the_command_renders(clip: Clip, movement: Movement) -> None:
    camera = sample_camera(0.25)
    with VideoReader(clip, max_size=camera.height) as video:
        for frame in (40, 95, 150):
            rendered = render_frame(movement, frame, camera)
            is_body = rendered.coverage > 0.9
            difference = np.abs(video.read(frame).astype(int) - rendered.rgb)
            assert difference.mean() < 4
            assert difference[is_body].mean() < 16
            other = np.abs(video.read(frame - 12).astype(int) - rendered.rgb)
            assert other[is_body].mean() > 2 * difference[is_body].mean()


def test_the_detector_finds_the_person(clip: Clip, truth: dict[str, np.ndarray]) -> None:
    from pose_core.detection.blazepose import BlazePoseDetector  # noqa: PLC0415
    from pose_core.errors import WeightsError  # noqa: PLC0415

    try:
        detector = BlazePoseDetector()
    except WeightsError as error:
        pytest.skip(f"the detector's weights are not here: {error.message}")
    to_h36m = joint_map(detector.skeleton, H36M_17)
    with VideoReader(clip) as video:
        for frame in range(0, 270, 45):
            people = detector.detect(video.read(frame), is_thorough=False)
            assert len(people) == 1
            error = to_h36m.apply(people[0].xy) - truth["keypoints_2d"][frame]
            assert np.linalg.norm(error, axis=1).mean() < 15
