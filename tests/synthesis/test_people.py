"""Streams and folders of rendered people: exact, repeatable, resumable."""

import json

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from pose_core import cli
from pose_core.errors import ConfigError, DataError
from pose_core.synthesis.camera_effects import blur, photograph
from pose_core.synthesis.labels import OUTSIDE, VISIBLE
from pose_core.synthesis.people import PeopleConfig, PeopleSource
from pose_core.synthesis.people_files import read_people, write_people
from pose_core.synthesis.renderer import NO_PART, View
from pose_core.synthesis.scenery import load_photos, occlude, random_background, room

BATCH = 8


@pytest.fixture(scope="module")
def batch(source):
    return source.batch(BATCH, seed=3, number=0)


def test_shapes_and_ranges(batch):
    assert batch.images.shape == (BATCH, 1, 3, 96, 96)
    assert batch.images.dtype == torch.uint8
    assert batch.keypoints.shape == (BATCH, 1, 17, 2)
    crops = batch.crops(torch.float64)
    assert crops.dtype == torch.float64
    assert 0 <= crops.min() < crops.max() <= 1
    assert (batch.camera_xyz[..., 2] > 0.5).all()
    for picture in batch.images:
        assert picture.float().std() > 5


def test_labels_agree_with_the_cameras(batch):
    """Keypoints from crop intrinsics and from the whole picture cut by hand, in numpy."""
    for person in range(BATCH):
        xyz = batch.camera_xyz[person, 0].numpy().astype(np.float64)
        crop, full = batch.intrinsics[person].numpy(), batch.full_intrinsics[person].numpy()
        seen = xyz @ crop.T
        np.testing.assert_allclose(
            seen[:, :2] / seen[:, 2:], batch.keypoints[person, 0].numpy(), atol=0.02
        )
        whole = xyz @ full.T
        whole = whole[:, :2] / whole[:, 2:]
        scale = crop[0, 0] / full[0, 0]
        corner = full[:2, 2] - crop[:2, 2] / scale
        np.testing.assert_allclose(
            (whole - corner) * scale, batch.keypoints[person, 0].numpy(), atol=0.05
        )
        width, height = batch.full_size[person].tolist()
        assert full[:2, 2].tolist() == [width / 2, height / 2]
        rotation = batch.rotation[person].numpy()
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-5)
        world = (xyz - batch.translation[person].numpy()) @ rotation
        assert -0.05 < world[:, 2].min() < 0.4  # somebody stands, or lies, on the floor


def test_people_fill_their_crops(batch):
    inside = (batch.keypoints > 0) & (batch.keypoints < 96)
    assert inside.all(-1).float().mean() > 0.95
    spread = (batch.keypoints.amax(2) - batch.keypoints.amin(2)).amax(-1)
    assert (spread > 0.5 * 96).all()
    share = (batch.parts != NO_PART).float().mean((1, 2, 3))
    assert (share > 0.01).all()
    assert (batch.visibility == VISIBLE).float().mean() > 0.5
    is_outside = ~inside.all(-1)
    assert torch.equal(batch.visibility == OUTSIDE, is_outside)


def test_the_same_seed_gives_the_same_bytes(source, motion, batch):
    again = PeopleSource([motion], source.config).batch(BATCH, seed=3, number=0)
    for name, value in vars(batch).items():
        assert torch.equal(value, getattr(again, name)), name
    for other in (source.batch(BATCH, 4, 0), source.batch(BATCH, 3, 1)):
        assert not torch.equal(other.images, batch.images)
    streamed = source.stream(BATCH, seed=3)
    next(streamed)
    assert torch.equal(next(streamed).images, source.batch(BATCH, 3, 1).images)


def test_sequences_share_scene_and_camera_while_the_person_moves(motion):
    source = PeopleSource([motion], PeopleConfig(size=64, frames=3, rate_hz=5.0))
    sample = source.batch(4, 0, 0)
    assert sample.images.shape == (4, 3, 3, 64, 64)
    assert sample.intrinsics.shape == (4, 3, 3)
    moved = (sample.camera_xyz[:, 2] - sample.camera_xyz[:, 0]).norm(dim=-1).amax(-1)
    assert moved.amax() > 0.1
    bones = (sample.camera_xyz[:, :, 2] - sample.camera_xyz[:, :, 1]).norm(dim=-1)
    assert (bones.amax(1) - bones.amin(1)).amax() < 0.03
    nobody = (sample.parts == NO_PART).all(1)
    frames = sample.images.float()
    change = (frames[:, 2] - frames[:, 0]).abs().mean(1)
    behind = torch.stack([change[i][nobody[i]].median() for i in range(4)])
    assert behind.amax() < 16  # noise only


@pytest.mark.parametrize(
    "changes", [{"size": 8}, {"frames": 0}, {"rate_hz": 0.0}, {"renderer": "opengl"}]
)
def test_impossible_settings_are_refused(changes):
    with pytest.raises(ConfigError):
        PeopleConfig(**changes)


# --- scenes --------------------------------------------------------------------------------------


def level_view() -> View:
    """Looks along +y from 1.5 m above the floor."""
    rotation = torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    intrinsics = torch.tensor([[50.0, 0, 32], [0, 50.0, 32], [0, 0, 1]])
    translation = -rotation @ torch.tensor([0.0, 0.0, 1.5])
    return View(intrinsics[None], rotation[None], translation[None])


def test_a_room_has_its_floor_below_and_its_walls_ahead():
    view = level_view()
    rays = view.rays((64, 64))[0].permute(2, 0, 1)
    colours = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]])
    picture = room(rays, view.position[0], (4.0, 4.0, 3.0), colours, (1, 1, 1), (0, 0, 0))
    kind = picture.argmax(0)
    # The floor at the far wall, 4 m ahead and 1.5 m below: 50 * 1.5 / 4 pixels under the middle.
    border = 32 + 50 * 1.5 / 4
    assert (kind[: int(border) - 1, 32] != 0).all()
    assert (kind[int(border) + 1 :, 32] == 0).all()
    assert kind[32, 32] == 1
    assert (kind[: int(64 - border) - 1, 32] == 2).all()


def test_photos_are_used_and_bad_ones_refused(tmp_path):
    with pytest.raises(DataError, match="No picture"):
        load_photos(tmp_path)
    blue = np.zeros((40, 60, 3), np.uint8)
    blue[..., 0] = 200
    cv2.imwrite(str(tmp_path / "blue.png"), blue)
    (photo,) = load_photos(tmp_path)
    assert photo.shape == (40, 60, 3)
    assert photo[0, 0].tolist() == [0, 0, 200]
    view = level_view()
    rays = view.rays((64, 64))[0].permute(2, 0, 1)
    generator = torch.Generator().manual_seed(0)
    pictures = [random_background(rays, view.position[0], [photo], generator) for _ in range(20)]
    is_blue = [bool((p[2] > 0.5).all() and (p[:2] < 0.01).all()) for p in pictures]
    assert 3 < sum(is_blue) < 17
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"broken\.jpg"):
        load_photos(tmp_path)


def test_a_third_of_the_pictures_are_occluded():
    generator = torch.Generator().manual_seed(0)
    covers = [occlude((64, 64), generator) for _ in range(100)]
    shares = [float(cover[0].mean()) for cover in covers if cover is not None]
    assert 20 < len(shares) < 50
    assert 0 < max(shares) < 0.5


def test_blur_is_a_gaussian():
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(2, 3, 40, 50, generator=generator, dtype=torch.float64)
    for sigma in (0.5, 1.3):
        expected = gaussian_filter(picture.numpy(), (0, 0, sigma, sigma), mode="nearest")
        np.testing.assert_allclose(blur(picture, sigma).numpy(), expected, atol=0.01)


def test_a_camera_keeps_the_picture_recognisable():
    rows = torch.linspace(0, 1, 64)[:, None].expand(1, 3, 64, 64)
    generator = torch.Generator().manual_seed(0)
    taken = torch.cat([photograph(rows, 1.0, generator) for _ in range(12)]).float()
    assert taken[:, :, -6:].mean() > 100 + taken[:, :, :6].mean()
    assert (taken[1:] - taken[:-1]).abs().mean((1, 2, 3)).min() > 1  # no two are alike


# --- on disk -------------------------------------------------------------------------------------


def contents(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_folders_are_resumed_and_the_same_for_the_same_seed(motion_folder, motion, tmp_path):
    config = PeopleConfig(size=32)

    def write(out, num_samples: int) -> list[int]:
        progress = write_people(motion_folder, out, config, num_samples=num_samples, seed=7)
        return [p.done for p in progress]

    assert write(tmp_path / "one", 20) == [0, 20]
    assert write(tmp_path / "two", 10) == [0, 10]
    assert write(tmp_path / "two", 20) == [0, 20]  # a shard that is not whole is written again
    first = contents(tmp_path / "one")
    assert first == contents(tmp_path / "two")
    assert len(first) == 20 + 1 + 1
    assert write(tmp_path / "one", 20) == [20]
    (shard,) = read_people(tmp_path / "one")
    assert shard.labels["keypoints"].shape == (20, 1, 17, 2)
    assert all(path.is_file() for sample in shard.image_paths for path in sample)
    streamed = PeopleSource([motion], config).batch(16, seed=7, number=0)
    np.testing.assert_array_equal(shard.labels["camera_xyz"][:16], streamed.camera_xyz.numpy())
    bgr = cv2.imread(str(shard.image_paths[1][0]))
    truth = streamed.images[1, 0].permute(1, 2, 0).numpy()
    assert np.abs(bgr[:, :, ::-1].astype(int) - truth).mean() < 8
    with pytest.raises(DataError, match="other settings"):
        list(write_people(motion_folder, tmp_path / "one", config, num_samples=20, seed=8))
    label_path = tmp_path / "one" / "labels" / "00000.npz"
    label_path.write_bytes(label_path.read_bytes()[:100])
    with pytest.raises(DataError, match="cannot be read"):
        list(read_people(tmp_path / "one"))
    assert json.loads((tmp_path / "one" / "settings.json").read_text())["seed"] == 7


def test_reading_an_empty_folder_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match="no rendered people"):
        list(read_people(tmp_path))


def test_command_draws_a_sheet(motion_folder, tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    words = ["synthesize", "--mocap", str(motion_folder), "--sheet", str(sheet), "--size", "32"]
    assert cli.main(words) == 0
    assert cv2.imread(str(sheet)).shape == (4 * 32, 6 * 32, 3)
    assert cli.main(words[:3]) == 2
    assert "--sheet" in capsys.readouterr().err
