"""Exchanged sides: put in on purpose into known motion, then found and taken back."""

from pathlib import Path

import numpy as np
import pytest

from pose_core.camera import Camera
from pose_core.data.mocap import load_motion
from pose_core.detection.sides import KINDS, SideCorrection, undo_side_swaps
from pose_core.skeleton import BLAZEPOSE_33, H36M_17

MOCAP = Path(__file__).parents[2] / "shared" / "data" / "mocap"
FPS = 30.0
WORDS = {
    "whole": ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
    "upper": ("shoulder", "elbow", "wrist"),
    "lower": ("hip", "knee", "ankle"),
    "arms": ("elbow", "wrist"),
    "legs": ("knee", "ankle"),
}


def joints_of(kind: str) -> np.ndarray:
    names = H36M_17.joint_names
    return np.array([j for j, n in enumerate(names) if n.partition("_")[2] in WORDS[kind]])


def exchange(xy: np.ndarray, frames: np.ndarray | list[int], kind: str) -> np.ndarray:
    """Copy of (T, 17, 2) with the sides of some joints exchanged in some frames."""
    joints = joints_of(kind)
    out = xy.copy()
    out[np.ix_(frames, joints)] = xy[np.ix_(frames, H36M_17.mirror_index[joints])]
    return out


def undo(xy: np.ndarray, times_s: np.ndarray | None = None) -> SideCorrection:
    times_s = np.arange(len(xy)) / FPS if times_s is None else times_s
    return undo_side_swaps(xy, np.ones(xy.shape[:2]), times_s, skeleton=H36M_17)


def seen(camera_xyz: np.ndarray, rng: np.random.Generator, jitter_px: float = 4.0) -> np.ndarray:
    """(T, 17, 2) pixels with the jitter of a detector (a trunk is some 120 pixels long)."""
    xy = Camera(1280, 720, 1200.0).project(camera_xyz)
    return xy + rng.normal(0, jitter_px, xy.shape)


@pytest.fixture
def front(walker_xyz: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return seen(walker_xyz, rng)


@pytest.fixture
def side(walker_xyz: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same walk seen from the side: legs and arms cross twice per stride."""
    return seen(turned(walker_xyz, np.full(len(walker_xyz), np.pi / 2)), rng)


def turned(camera_xyz: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Each frame turned about the vertical through its pelvis, radians."""
    root = camera_xyz[:, :1]
    x, y, z = np.moveaxis(camera_xyz - root, -1, 0)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    return root + np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=-1)


@pytest.mark.parametrize("kind", ["whole", "upper", "lower"])
def test_a_burst_is_found_and_undone(front: np.ndarray, kind: str) -> None:
    frames = [0, *range(20, 38), 45, 47]
    corrected = undo(exchange(front, frames, kind))
    np.testing.assert_array_equal(corrected.xy, front)
    assert np.flatnonzero(corrected.swapped_mask).tolist() == frames
    assert {KINDS[k] for k in corrected.kinds[frames]} == {kind}


def test_legs_that_are_exchanged_where_they_cross_are_put_right(side: np.ndarray) -> None:
    ankles = side[:, [H36M_17.index("left_ankle"), H36M_17.index("right_ankle")], 0]
    ahead = np.sign(ankles[:, 0] - ankles[:, 1])
    crossings = np.flatnonzero(np.diff(ahead)) + 1
    start, end = crossings[1], crossings[2]
    assert end - start > 8
    # From one crossing to the next the names stay with the front and the rear leg.
    corrected = undo(exchange(side, np.arange(start, end), "legs"))
    wrong = np.abs(corrected.xy - side).max(axis=(1, 2)) > 0
    # Where the legs cover each other, names mean nothing.
    apart = np.abs(ankles[:, 0] - ankles[:, 1]) > 25
    assert not (wrong & apart).any()


@pytest.mark.parametrize("view_deg", [0, 30, 90, 135, 180])
def test_walking_is_left_alone_from_any_side(
    walker_xyz: np.ndarray, rng: np.random.Generator, view_deg: float
) -> None:
    angle = np.full(len(walker_xyz), np.radians(view_deg))
    assert not undo(seen(turned(walker_xyz, angle), rng)).swapped_mask.any()


@pytest.mark.parametrize("turn_s", [1.0, 2.0])
def test_turning_around_is_left_alone(
    walker_xyz: np.ndarray, rng: np.random.Generator, turn_s: float
) -> None:
    angle = 2 * np.pi * np.arange(len(walker_xyz)) / FPS / turn_s
    assert not undo(seen(turned(walker_xyz, angle), rng)).swapped_mask.any()


def test_the_naming_of_most_frames_wins(front: np.ndarray) -> None:
    most = np.arange(20, 60)
    corrected = undo(exchange(front, most, "whole"))
    assert np.flatnonzero(corrected.swapped_mask).tolist() == list(range(20))
    np.testing.assert_array_equal(corrected.xy, front[:, H36M_17.mirror_index])


def test_gaps_and_missing_joints_do_no_harm(front: np.ndarray) -> None:
    kept = np.r_[0:15, 30:60]
    times_s = kept / FPS
    times_s[15:] += 1.0
    xy = exchange(front, np.arange(33, 40), "whole")[kept]
    truth = front[kept].copy()
    for array in (xy, truth):
        array[::4, [H36M_17.index("left_wrist"), H36M_17.index("right_wrist")]] = np.nan
        array[5] = np.nan
    corrected = undo(xy, times_s)
    np.testing.assert_array_equal(corrected.xy, truth)


def test_who_turned_around_during_a_gap_is_left_alone(
    walker_xyz: np.ndarray, rng: np.random.Generator
) -> None:
    angle = np.where(np.arange(len(walker_xyz)) < 45, 0.0, np.pi)
    times_s = np.arange(len(walker_xyz)) / FPS + np.where(angle > 0, 3.0, 0.0)
    assert not undo(seen(turned(walker_xyz, angle), rng), times_s).swapped_mask.any()


def test_a_twisted_trunk_is_put_right_where_motion_says_nothing(front: np.ndarray) -> None:
    after_gap = np.arange(45, 60)
    times_s = np.arange(60) / FPS + np.where(np.arange(60) < 45, 0.0, 3.0)
    corrected = undo(exchange(front, after_gap, "upper"), times_s)
    # Whether it was the upper or the lower half nobody can know.
    possible = (front, exchange(front, after_gap, "whole"))
    assert any(np.array_equal(corrected.xy, xy) for xy in possible)


@pytest.mark.parametrize("num_frames", [0, 1, 2])
def test_very_short_tracks_come_back_as_they_are(front: np.ndarray, num_frames: int) -> None:
    corrected = undo(front[:num_frames])
    np.testing.assert_array_equal(corrected.xy, front[:num_frames])
    assert corrected.swapped_mask.tolist() == [False] * num_frames


def test_scores_world_hands_feet_and_face_go_with_their_part(front: np.ndarray) -> None:
    """BlazePose's 33: each landmark is placed at a joint of the walker, plus its own offset."""
    near = {
        **dict.fromkeys(("eye_inner", "eye", "eye_outer", "ear", "mouth"), "shoulder"),
        **dict.fromkeys(("pinky", "index", "thumb"), "wrist"),
        **dict.fromkeys(("heel", "foot_index"), "ankle"),
    }
    xy = np.zeros((len(front), 33, 2))
    for joint, name in enumerate(BLAZEPOSE_33.joint_names):
        if name == "nose":
            xy[:, joint] = front[:, H36M_17.index("neck")]
            continue
        which, _, word = name.partition("_")
        at = front[:, H36M_17.index(f"{which}_{near.get(word, word)}")]
        xy[:, joint] = at + np.array([0.3 * joint, 0.0])
    scores = np.tile(np.linspace(0.9, 1.0, 33), (len(front), 1))
    world = np.concatenate([xy, 2 * xy[..., :1]], axis=-1) / 500
    mirror = BLAZEPOSE_33.mirror_index
    frames = np.arange(20, 30)
    bad_xy, bad_scores, bad_world = xy.copy(), scores.copy(), world.copy()
    for bad, good in ((bad_xy, xy), (bad_scores, scores), (bad_world, world)):
        bad[frames] = good[frames][:, mirror]
    corrected = undo_side_swaps(bad_xy, bad_scores, np.arange(len(xy)) / FPS, bad_world)
    np.testing.assert_array_equal(corrected.xy, xy)
    np.testing.assert_array_equal(corrected.scores, scores)
    np.testing.assert_array_equal(corrected.world, world)


def project_around(positions: np.ndarray, azimuth: float) -> np.ndarray:
    """Mocap (T, 17, 3), z up, seen from 4.5 m away at chest height, (T, 17, 2) pixels."""
    centre = positions[:, 0].mean(axis=0)
    away = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    rotation = np.stack([right, [0.0, 0.0, -1.0], -away])
    eye = centre + 4.5 * away
    return Camera(1920, 1080, 1400.0, rotation=rotation, translation=-rotation @ eye).project(
        positions
    )


def with_bursts(
    xy: np.ndarray, fps: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Bursts of exchanged sides, a frame to a second long; (T, 17) bool says where."""
    mask = np.zeros(xy.shape[:2], bool)
    start = int(rng.integers(10, 20))
    while start < len(xy) - 5:
        length = max(1, int(rng.exponential(0.3) * fps))
        kind = rng.choice(["whole", "upper", "lower", "legs"], p=[0.6, 0.1, 0.1, 0.2])
        mask[start : start + length, joints_of(kind)] = True
        start += length + int(fps * rng.uniform(0.7, 2.0))
    return np.where(mask[..., None], xy[:, H36M_17.mirror_index], xy), mask


def test_bursts_in_real_motion_are_undone_and_clean_motion_is_left_alone() -> None:
    files = sorted((MOCAP / "cmu").glob("*.npz"))[::12] if MOCAP.is_dir() else []
    if not files:
        pytest.skip("motion capture of ../shared is not there")
    rng = np.random.default_rng(3)
    num_exchanged = num_missed = num_spoilt = num_false = num_joints = 0
    for path in files:
        motion = load_motion(path)
        step = round(motion.fps / FPS)
        positions = motion.positions[::step][:300].astype(np.float64)
        xy = project_around(positions, rng.uniform(0, 2 * np.pi))
        trunk = float(np.median(np.linalg.norm(xy[:, 8] - xy[:, 0], axis=-1)))
        xy += rng.normal(0, 0.03 * trunk, xy.shape)
        # Names matter where the two sides are apart.
        apart = np.linalg.norm(xy - xy[:, H36M_17.mirror_index], axis=-1) > 0.2 * trunk
        bad, exchanged = with_bursts(xy, motion.fps / step, rng)
        is_wrong = (np.abs(undo(bad).xy - xy).max(axis=-1) > 0) & apart
        num_exchanged += int((exchanged & apart).sum())
        num_missed += int((is_wrong & exchanged).sum())
        num_spoilt += int((is_wrong & ~exchanged).sum())
        num_false += int((np.abs(undo(xy).xy - xy).max(axis=-1) > 0).sum())
        num_joints += xy.shape[0] * xy.shape[1]
    assert num_exchanged > 1000
    assert num_missed <= 0.08 * num_exchanged, "recall of at least 92 %"
    assert num_spoilt <= 0.03 * num_exchanged, "precision of about 97 %"
    assert num_false <= 0.001 * num_joints, "clean motion is left alone"
