"""Overlay video: read back with a decoder of its own, frames, times, colours and sides."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pose_core import palette
from pose_core.errors import ConfigError, ExportError
from pose_core.interchange.drawing import View, draw_person, draw_view
from pose_core.interchange.exporting import ExportedFile, export_session
from pose_core.interchange.overlay_video import OverlayProgress, save_overlay_video
from pose_core.poses import Keypoints2D, Poses3D
from pose_core.session import ModelRun, Session, Track
from pose_core.skeleton import H36M_17
from pose_core.video import open_clip

TIMES = [Fraction(t, 60) for t in (0, 2, 3, 7, 9, 10, 14, 16, 20, 21, 23, 30)]  # variable rate
TICK = Fraction(1, 90_000)
LEFT_WRIST, RIGHT_WRIST = H36M_17.index("left_wrist"), H36M_17.index("right_wrist")


def grey_of(index: int) -> int:
    return 60 + 12 * index


def make_clip(path: Path, width: int = 480, height: int = 400) -> Path:
    """Grey pictures; how bright tells the number of the frame."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"crf": "5", "bf": "0", "g": "4"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = TICK
        for index, time_s in enumerate(TIMES):
            picture = np.full((height, width, 3), grey_of(index), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(time_s / TICK), TICK
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def standing(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """(17, 2) pixels and (17, 3) metres of a person who faces the camera, arms towards it."""
    side, up, ahead = np.array([0.25, 0, 0]), np.array([0, -1.0, 0]), np.array([0, 0, -1.0])
    xyz = {"pelvis": 0 * up, "spine": 0.25 * up, "thorax": 0.5 * up}
    xyz |= {"neck": 0.65 * up, "head_top": 0.8 * up}
    for name, sign in (("left", 1), ("right", -1)):  # the person's left is at the picture's right
        for joint, height_m in (("hip", 0.0), ("knee", -0.45), ("ankle", -0.9)):
            xyz[f"{name}_{joint}"] = sign * side * 0.5 + height_m * up
        for joint, reach in (("shoulder", 0.0), ("elbow", 0.3), ("wrist", 0.6)):
            xyz[f"{name}_{joint}"] = sign * side * (0.8 + reach) + 0.48 * up + reach * ahead
    poses = np.stack([xyz[name] for name in H36M_17.joint_names])
    pixels = poses[:, :2] * height * 0.4 + [width * 0.4, height * 0.45]
    return pixels.astype(np.float32), poses.astype(np.float32)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return make_session(make_clip(tmp_path / "clip.mp4"))


def make_session(path: Path) -> Session:
    clip = open_clip(path)
    xy, xyz = standing(clip.width, clip.height)
    num_frames = clip.num_frames
    scores = np.full((num_frames, 17), 0.9, dtype=np.float32)
    scores[:, RIGHT_WRIST] = 0.2
    keypoints = Keypoints2D(np.tile(xy, (num_frames, 1, 1)), scores)
    poses = Poses3D(np.tile(xyz, (1, num_frames, 1, 1)))
    return Session(clip, (Track(1, "Ann", keypoints, {"temporal": ModelRun(poses)}),))


def decode(path: Path) -> tuple[np.ndarray, list[Fraction]]:
    """All pictures (T, H, W, 3) and times of a video, with PyAV alone."""
    with av.open(str(path)) as file:
        frames = list(file.decode(video=0))
        pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
        return pictures, [frame.pts * frame.time_base for frame in frames]


def is_colour(picture: np.ndarray, rgb: tuple[int, int, int], tolerance: int = 45) -> np.ndarray:
    """(...) bool: pixels of a colour, as far as a video keeps it."""
    return np.abs(picture.astype(int) - rgb).max(axis=-1) < tolerance


def patch_at(picture: np.ndarray, xy: np.ndarray) -> np.ndarray:
    x, y = np.floor(xy).astype(int)
    return picture[y - 1 : y + 2, x - 1 : x + 2]


def test_every_frame_at_its_time_with_the_skeleton_in_place(
    session: Session, tmp_path: Path
) -> None:
    path = tmp_path / "out.mp4"
    records = list(save_overlay_video(session, path))
    assert records == [OverlayProgress(i + 1, len(TIMES)) for i in range(len(TIMES))]
    pictures, times = decode(path)
    assert len(pictures) == len(TIMES)
    np.testing.assert_allclose([float(t) for t in times], [float(t) for t in TIMES], atol=1e-4)
    xy = session.tracks[0].keypoints.xy[0]
    for index, picture in enumerate(pictures):
        assert picture[380:395, 5:20].mean() == pytest.approx(grey_of(index), abs=3)
        for joint in range(17):
            expected = palette.SIDE_COLOURS[H36M_17.side(joint)]
            is_filled = is_colour(patch_at(picture, xy[joint]), expected).mean() > 0.5
            assert is_filled == (joint != RIGHT_WRIST), (index, joint)  # low confidence: hollow


def test_3d_beside_it_has_the_sides_and_the_depth_right(session: Session, tmp_path: Path) -> None:
    list(save_overlay_video(session, tmp_path / "out.mp4", start=2, end=4))
    pictures, _ = decode(tmp_path / "out.mp4")
    clip = session.clip
    cell = clip.height // 2
    front = pictures[0, :cell, clip.width : clip.width + cell]
    side = pictures[0, cell:, clip.width : clip.width + cell]

    def middle_column(picture: np.ndarray, rgb: tuple[int, int, int]) -> float:
        columns = np.nonzero(is_colour(picture, rgb))[1]
        assert len(columns) > 20
        return float(columns.mean())

    assert middle_column(front, palette.LEFT) > cell / 2 + 5
    assert middle_column(front, palette.RIGHT) < cell / 2 - 5
    # From the camera's right, what is near the camera (the hands) is at the left.
    coloured = is_colour(side, palette.LEFT) | is_colour(side, palette.RIGHT)
    hands = np.nonzero(coloured[: cell // 2])[1]
    feet = np.nonzero(coloured[-cell // 3 :])[1]
    assert hands.min() < feet.min() - 20


def test_a_range_of_frames(session: Session, tmp_path: Path) -> None:
    assert len(list(save_overlay_video(session, tmp_path / "out.mp4", start=3, end=8))) == 5
    pictures, times = decode(tmp_path / "out.mp4")
    greys = [picture[380:395, 5:20].mean() for picture in pictures]
    np.testing.assert_allclose(greys, [grey_of(i) for i in range(3, 8)], atol=3)
    expected = [float(t - TIMES[3]) for t in TIMES[3:8]]
    np.testing.assert_allclose([float(t) for t in times], expected, atol=1e-4)


def test_large_pictures_are_reduced_with_their_skeleton(tmp_path: Path) -> None:
    session = make_session(make_clip(tmp_path / "large.mp4", 1920, 1080))
    list(save_overlay_video(session, tmp_path / "out.mp4", start=0, end=2))
    pictures, _ = decode(tmp_path / "out.mp4")
    height, width = pictures.shape[1:3]
    assert (width, height) == (1280 + 360, 720)
    xy = session.tracks[0].keypoints.xy[0] * 1280 / 1920
    assert is_colour(patch_at(pictures[1], xy[LEFT_WRIST]), palette.LEFT).all()


def test_people_without_3d_and_frames_without_people(session: Session, tmp_path: Path) -> None:
    track = session.tracks[0]
    xy = track.keypoints.xy.copy()
    xy[4:] = np.nan
    scores = np.where(np.isnan(xy[..., 0]), 0, track.keypoints.scores)
    only_2d = replace(track, keypoints=Keypoints2D(xy, scores), runs={})
    list(save_overlay_video(session.with_tracks((only_2d,)), tmp_path / "out.mp4"))
    pictures, _ = decode(tmp_path / "out.mp4")
    assert pictures.shape == (len(TIMES), 400, 480, 3)
    assert is_colour(pictures[3], palette.LEFT).sum() > 50
    assert not is_colour(pictures[4], palette.LEFT).any()


def test_frames_that_cannot_be_decoded_keep_their_place(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4")
    with av.open(str(path)) as file:
        packets = [(p.pos, p.size) for p in file.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for position, size in packets[4:8]:
        data[position : position + size] = bytes(size)
    path.write_bytes(data)
    list(save_overlay_video(make_session(path), tmp_path / "out.mp4"))
    pictures, _ = decode(tmp_path / "out.mp4")
    greys = [picture[380:395, 5:20].mean() for picture in pictures]
    expected = [grey_of(i) for i in range(12)]
    expected[4:8] = [40] * 4
    np.testing.assert_allclose(greys, expected, atol=4)


def test_bad_requests(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with pytest.raises(ConfigError, match=r"'rpsm'.* temporal"):
        next(save_overlay_video(session, path, model="rpsm"))
    for start, end in ((5, 5), (0, 99), (-1, 4)):
        with pytest.raises(ConfigError, match="frames 0 to 11"):
            next(save_overlay_video(session, path, start=start, end=end))
    with pytest.raises(ExportError, match="cannot be written"):
        next(save_overlay_video(session, tmp_path / "no folder" / "out.mp4"))
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_stopping_leaves_the_old_file(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")
    progress = save_overlay_video(session, path)
    next(progress)
    next(progress)
    progress.close()
    assert path.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4", "out.mp4"]


def test_a_file_that_may_not_grow_is_told_and_leaves_nothing(
    session: Session, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource", reason="only Unix can limit the size of files")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        with pytest.raises(ExportError, match=r"larger than this system allows.*out\.mp4"):
            list(save_overlay_video(session, tmp_path / "out.mp4"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_it_is_one_of_the_exports(session: Session, tmp_path: Path) -> None:
    *progress, written = export_session(session, tmp_path / "out", ["mp4"], model="temporal")
    assert progress[-1] == OverlayProgress(len(TIMES), len(TIMES))
    assert isinstance(written, ExportedFile)
    assert written.path == tmp_path / "out" / "clip.overlay.mp4"
    assert len(decode(written.path)[0]) == len(TIMES)


# --- the drawing itself --------------------------------------------------------------------------


def test_left_is_round_and_right_is_square() -> None:
    image = np.full((200, 200, 3), 255, dtype=np.uint8)
    xy = np.full((17, 2), np.nan)
    xy[LEFT_WRIST], xy[RIGHT_WRIST] = (50.5, 100.5), (150.5, 100.5)
    draw_person(image, xy, np.ones(17), size=4)  # marks reach 20 pixels
    assert tuple(image[100, 50]) == palette.LEFT
    assert tuple(image[100, 150]) == palette.RIGHT
    corner = 16
    assert tuple(image[100 + corner, 150 + corner]) == palette.RIGHT
    assert tuple(image[100 + corner, 50 + corner]) == (255, 255, 255)
    assert tuple(image[100, 50 + corner]) == palette.LEFT


def test_low_confidence_is_hollow_and_shows_the_picture() -> None:
    image = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    plain = image.copy()
    xy = np.full((17, 2), np.nan)
    xy[LEFT_WRIST], xy[H36M_17.index("left_elbow")] = (100.5, 100.5), (20.5, 100.5)
    scores = np.ones(17)
    scores[LEFT_WRIST] = 0.3
    draw_person(image, xy, scores, size=4)
    np.testing.assert_array_equal(image[90:110, 90:110], plain[90:110, 90:110])
    assert tuple(image[100, 50]) == palette.LEFT  # the bone up to it
    assert is_colour(image[100, 110:140], palette.LEFT, 10).any()  # the ring


def test_missing_and_far_joints_do_not_disturb_the_others() -> None:
    image = np.full((100, 100, 3), 255, dtype=np.uint8)
    xy = np.full((17, 2), np.nan)
    draw_person(image, xy, np.zeros(17))
    assert (image == 255).all()
    xy[LEFT_WRIST], xy[H36M_17.index("left_elbow")] = (50, 50), (1e9, 50)
    draw_person(image, xy, np.ones(17))
    assert tuple(image[50, 95]) == palette.LEFT  # the bone leaves the picture towards the elbow


def test_views_turn_the_right_way() -> None:
    ahead, right, down = np.array([0.0, 0, 1]), np.array([1.0, 0, 0]), np.array([0.0, 1, 0])
    np.testing.assert_allclose(View("", 0, 0).turn(np.stack([right, down, ahead])), np.eye(3))
    from_right = View("", 90, 0)
    np.testing.assert_allclose(from_right.turn(ahead), [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(from_right.turn(right), [0, 0, -1], atol=1e-12)  # near the viewer
    from_above = View("", 0, 90).turn(ahead)
    np.testing.assert_allclose(from_above, [0, -1, 0], atol=1e-12)  # far is up in a plan


def test_a_pose_stands_on_the_grid_and_fits() -> None:
    _, xyz = standing(100, 100)
    image = np.zeros((300, 300, 3), dtype=np.uint8)
    draw_view(image, xyz, View("view", 0, 0), field_m=2.4)
    rows, columns = np.nonzero(is_colour(image, palette.LEFT, 10))
    assert columns.min() > 150  # the person's left is at the right
    # Ankles stand at 86 % of the height, whatever the pose's own origin is.
    assert rows.max() == pytest.approx(0.86 * 300, abs=8)
    drawn = image.copy()
    draw_view(image, xyz + np.array([0, 5.0, 0]), View("view", 0, 0), field_m=2.4)
    np.testing.assert_array_equal(image, drawn)
