"""People with 2D alone: COCO, MPII and sessions as crops whose keypoints lie where they should."""

import json
from dataclasses import replace

import av
import cv2
import numpy as np
import pytest
import torch

from pose_core.data.skipping import SkipLog
from pose_core.errors import DataError
from pose_core.poses import Keypoints2D
from pose_core.session_io import save_session
from pose_core.skeleton import COCO_17, H36M_17
from pose_core.training import annotations
from pose_core.training.annotations import annotated_people, cut
from pose_core.training.crops import AS_THEY_ARE, CropData
from pose_core.video import open_clip

SIDE = 64


def dotted(size, places):
    """A dark picture with a bright disc at each place (pixels from the corner)."""
    picture = np.full((size[1], size[0], 3), 20, np.uint8)
    for x, y in places:
        centre = (round((x - 0.5) * 16), round((y - 0.5) * 16))
        cv2.circle(picture, centre, 5 * 16, (255, 255, 255), -1, shift=4)
    return picture


def centre_of_light(picture, near, radius):
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]] + 0.5
    light = picture[..., 0].astype(float) - 20
    light *= np.hypot(columns - near[0], rows - near[1]) < radius
    return np.array([(columns * light).sum(), (rows * light).sum()]) / light.sum()


def coco_people(folder, num_people=1, size=(400, 300), **options):
    """Persons whose joints lie on a grid, 30 pixels apart, with a picture of them."""
    places = np.array([[60 + 55 * (i % 6), 70 + 80 * (i // 6)] for i in range(17)], float)
    people = [
        {
            "id": i, "image_id": i, "num_keypoints": 17, "iscrowd": 0, "category_id": 1,
            "bbox": [50.0, 60.0, 300.0, 180.0],
            "keypoints": [v for x, y in places for v in (x, y, 2)],
        } | options for i in range(num_people)
    ]  # fmt: skip
    content = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in range(num_people)],
        "annotations": people,
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17.joint_names)}],
    }
    for i in range(num_people):
        picture = dotted(size, places)
        cv2.imwrite(str(folder / f"{i}.png"), picture)
    path = folder / "keypoints.json"
    path.write_text(json.dumps(content))
    return path, places


def test_keypoints_of_coco_lie_on_the_dots_of_the_crop(tmp_path):
    path, places = coco_people(tmp_path)
    people = annotated_people((str(path),), 128, SkipLog())
    (picture,) = people.pictures(0)
    assert picture.shape == (128, 128, 3)
    wrist = H36M_17.index("left_wrist")
    keypoints = people.labels.keypoints[0, 0].numpy()
    found = centre_of_light(picture, keypoints[wrist], radius=8)
    np.testing.assert_allclose(keypoints[wrist], found, atol=0.4)
    # The scale, by hand: the square is 1.4 times the widest extent of the joints that are known.
    hip = H36M_17.index("right_hip")
    by_hand = places[COCO_17.index("left_wrist")] - places[COCO_17.index("right_hip")]
    ratio = np.linalg.norm(keypoints[wrist] - keypoints[hip]) / np.linalg.norm(by_hand)
    extent = max(np.ptp(k) for k in (people.labels.keypoints[0, 0].numpy() / ratio).T)
    assert 128 / ratio == pytest.approx(1.4 * extent, rel=1e-3)
    assert people.labels.camera_xyz.isnan().all()


def test_annotated_people_are_drawn_without_depth(tmp_path):
    path, _ = coco_people(tmp_path, num_people=3)
    people = annotated_people((str(path),), SIDE, SkipLog())
    batch = CropData(people, SIDE, AS_THEY_ARE, SkipLog()).draw(4, torch.Generator().manual_seed(0))
    assert batch["images"].shape == (4, 1, 3, SIDE, SIDE)
    assert not batch["has_3d"].any()
    assert batch["pose"].isnan().all()
    assert batch["keypoints"].isfinite().any()


def test_unlabelled_joints_stay_unknown(tmp_path):
    path, _ = coco_people(tmp_path)
    content = json.loads(path.read_text())
    ankle = COCO_17.index("left_ankle")
    content["annotations"][0]["keypoints"][3 * ankle + 2] = 0
    path.write_text(json.dumps(content))
    labels = annotated_people((str(path),), SIDE, SkipLog()).labels
    unknown = labels.keypoints[0, 0, :, 0].isnan()
    assert unknown.nonzero().flatten().tolist() == [H36M_17.index("left_ankle")]


def test_a_missing_picture_is_named_and_left_out(tmp_path):
    path, _ = coco_people(tmp_path, num_people=120)
    (tmp_path / "7.png").unlink()
    log = SkipLog()
    people = annotated_people((str(path),), SIDE, log)
    assert len(people.labels.keypoints) == 119
    assert list(log.reasons) == ["annotation 7 of 7.png"]
    assert "7.png" in log.reasons["annotation 7 of 7.png"]
    for i in (8, 9):
        (tmp_path / f"{i}.png").unlink()
    with pytest.raises(DataError, match="of 120 samples"):
        annotated_people((str(path),), SIDE, SkipLog())


def test_folders_of_mpii_are_read(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "annot").mkdir()
    places = [[60 + 55 * (i % 6), 70 + 80 * (i // 6)] for i in range(16)]
    cv2.imwrite(str(tmp_path / "images" / "a.png"), dotted((400, 300), places))
    person = {"image": "a.png", "joints": places, "joints_vis": [1] * 16}
    (tmp_path / "annot" / "train.json").write_text(json.dumps([person]))
    people = annotated_people((str(tmp_path),), 128, SkipLog())
    keypoints = people.labels.keypoints[0, 0].numpy()
    assert np.isfinite(keypoints).all()
    knee = keypoints[H36M_17.index("right_knee")]
    # MPII counts from 1 and from the middle of pixels: within a pixel of the picture.
    np.testing.assert_allclose(centre_of_light(people.pictures(0)[0], knee, 8), knee, atol=0.7)


@pytest.fixture
def session_file(session, tmp_path):
    """A session with a real video in which a disc shows each keypoint of the first person."""
    track = session.tracks[0]
    xy = track.keypoints.xy
    path = tmp_path / "walk.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for frame in range(len(xy)):
            seen = xy[frame][[13]] if np.isfinite(xy[frame, 13]).all() else []
            picture = av.VideoFrame.from_ndarray(dotted((640, 480), seen), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    sure = Keypoints2D(xy, np.where(np.isfinite(xy[..., 0]), 1.0, 0.0).astype(np.float32))
    alone = replace(session, clip=open_clip(path), tracks=(replace(track, keypoints=sure),))
    save_session(alone, tmp_path / "walk.posestage")
    return tmp_path / "walk.posestage", len(track.present_frames)


def test_people_of_a_session_are_cut_out_of_its_video(session_file):
    path, num_present = session_file
    people = annotated_people((str(path),), SIDE, SkipLog())
    assert len(people.labels.keypoints) == num_present
    for index in (0, num_present // 2, num_present - 1):
        wrist = people.labels.keypoints[index, 0, 13].numpy()
        found = centre_of_light(people.pictures(index)[0], wrist, radius=6)
        np.testing.assert_allclose(found, wrist, atol=0.7)


def test_long_sessions_lend_some_of_their_frames(session_file, monkeypatch):
    monkeypatch.setattr(annotations, "MOST_PER_SESSION", 10)
    people = annotated_people((str(session_file[0]),), SIDE, SkipLog())
    assert 8 <= len(people.labels.keypoints) <= 10
    frames = [int(people.name(i).split()[-1]) for i in range(len(people.labels.keypoints))]
    assert frames[0] < 5
    assert frames[-1] > 50


def test_paths_that_hold_no_annotations_are_refused(tmp_path, session_file):
    with pytest.raises(DataError, match="holds no annotations") as caught:
        annotated_people((str(tmp_path / "people.txt"),), SIDE, SkipLog())
    assert "COCO" in caught.value.hint
    path, _ = coco_people(tmp_path, num_keypoints=0)
    with pytest.raises(DataError, match="Nobody"):
        annotated_people((str(path),), SIDE, SkipLog())


@pytest.mark.parametrize("side", [40.0, 300.0])
def test_a_square_that_reaches_beyond_the_picture_is_cut_in_scale(side):
    places = np.array([[12.0, 15.0]])
    picture = dotted((100, 80), places)
    corner = np.array([-10.0, -5.0])
    out = cut(picture, corner, side, SIDE)
    expected = (places[0] - corner) * SIDE / side
    found = centre_of_light(out, expected, radius=12)
    np.testing.assert_allclose(found, expected, atol=0.4)
