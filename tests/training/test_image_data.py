"""Pictures as training data: labels follow the crops, draws repeat, damage is named."""

import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from pose_core.data.skipping import SkipLog
from pose_core.errors import ConfigError, DataError
from pose_core.skeleton import H36M_17
from pose_core.training.crops import (
    AS_THEY_ARE,
    CropAugmentation,
    CropData,
    CropLabels,
    draw_moves,
    labels_of_crops,
    moved,
    recoloured,
)
from pose_core.training.image_data import ImageSettings, MixedPeople, load_image_data
from pose_core.training.people_data import RenderedPeople, people_folders, stored_people

GEOMETRY_ONLY = CropAugmentation(brightness=0, contrast=0, saturation=0)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def stored(folder, frames=1, split="training", skipped=None):
    folders = people_folders(folder)
    return stored_people(folder, folders, split, frames, skipped or SkipLog())


def data(folder, augmentation=GEOMETRY_ONLY, size=64, **options):
    return CropData(stored(folder, **options), size, augmentation, SkipLog())


def some_labels(num, intrinsics, seed=0):
    """People about 4 m in front of cameras with these intrinsics, and where these see them."""
    rng = np.random.default_rng(seed)
    xyz = rng.normal([0.1, -0.2, 4.0], 0.4, (num, 2, 17, 3))
    seen = np.einsum("nij,ntkj->ntki", intrinsics, xyz)
    keypoints = seen[..., :2] / seen[..., 2:]
    tensors = (torch.from_numpy(x).float() for x in (keypoints, xyz, intrinsics))
    return CropLabels(*tensors)


def camera(focal, x, y):
    return np.array([[focal, 0, x], [0, focal, y], [0, 0, 1.0]])


def test_a_camera_that_looks_straight_sees_the_pose_at_the_keypoints():
    """Through the moves: pose + root, projected by the moved camera, joint by joint."""
    side, size, focal = 96, 64, 300.0
    moves = draw_moves(12, side, size, replace(GEOMETRY_ONLY, shift=0.0), generator(1))
    labels = some_labels(12, np.stack([camera(focal, side / 2, side / 2)] * 12))
    found = labels_of_crops(labels, moves, size)
    mirrored_seen = set()
    for person, move in enumerate(moves.double().numpy()):
        linear = move[:2, :2]
        zoom = np.sqrt(abs(np.linalg.det(linear)))
        is_mirrored = np.linalg.det(linear) < 0
        mirrored_seen.add(bool(is_mirrored))
        root = labels.camera_xyz[person, 0, 0].double().numpy()
        turned_root = np.append(linear / zoom @ root[:2], root[2])
        for joint, name in enumerate(H36M_17.joint_names):
            point = found["pose"][person, 0, joint].double().numpy() + turned_root
            by_hand = 2 * focal * zoom / size * point[:2] / point[2]
            np.testing.assert_allclose(found["keypoints"][person, 0, joint], by_hand, atol=2e-4)
            side_of, _, rest = name.partition("_")
            other = {"left": "right", "right": "left"}.get(side_of)
            source = H36M_17.index(f"{other}_{rest}") if is_mirrored and other else joint
            pixel = np.append(labels.keypoints[person, 0, source].double().numpy(), 1.0)
            place = 2 * (move @ pixel)[:2] / size - 1
            np.testing.assert_allclose(found["keypoints"][person, 0, joint], place, atol=1e-4)
    assert mirrored_seen == {True, False}


def test_poses_are_those_of_a_camera_that_looks_at_the_middle_of_the_crop():
    """What lies behind the root on the ray through the middle of the crop lies along z."""
    size = 64
    labels = some_labels(6, np.stack([camera(200.0, -50.0, 130.0)] * 6))
    moves = draw_moves(6, 80, size, GEOMETRY_ONLY, generator(2))
    middles = torch.linalg.solve(moves, torch.tensor([size / 2, size / 2, 1.0]).expand(6, 3))
    rays = torch.linalg.solve(labels.intrinsics, middles)
    xyz = labels.camera_xyz.clone()
    xyz[:, :, 0], xyz[:, :, 7] = 3 * rays[:, None], 4 * rays[:, None]
    pose = labels_of_crops(replace(labels, camera_xyz=xyz), moves, size)["pose"]
    along = torch.linalg.vector_norm(rays, dim=-1)[:, None].expand(6, 2)
    torch.testing.assert_close(pose[:, :, 7, 2], along, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(pose[:, :, 7, :2], torch.zeros(6, 2, 2), rtol=0, atol=1e-4)
    # Nothing but turned and mirrored: distances between the same joints stay.
    before = torch.linalg.vector_norm(xyz[:, :, 8] - xyz[:, :, 10], dim=-1)
    after = torch.linalg.vector_norm(pose[:, :, 8] - pose[:, :, 10], dim=-1)
    torch.testing.assert_close(before, after, rtol=1e-4, atol=1e-4)


def test_pictures_move_as_their_keypoints():
    side, size = 80, 64
    y, x = np.mgrid[:side, :side] + 0.5
    moves = draw_moves(8, side, size, GEOMETRY_ONLY, generator(3)).double().numpy()
    for move in moves:
        dot = np.array([33.3, 45.8])
        picture = 255 * np.exp(-((x - dot[0]) ** 2 + (y - dot[1]) ** 2) / 18)
        frames = np.repeat(picture[None, ..., None], 3, axis=-1).astype(np.uint8)
        out = moved(frames, move, size)[0, ..., 0].astype(float)
        rows, columns = np.mgrid[:size, :size] + 0.5
        found = np.array([(columns * out).sum(), (rows * out).sum()]) / out.sum()
        np.testing.assert_allclose(found, (move @ [*dot, 1.0])[:2], atol=0.1)


def test_colours_change_and_stay_in_range(rng):
    frames = rng.integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    assert recoloured(frames, np.array([0.0, 1.0, 1.0])) is frames
    brighter = recoloured(frames, np.array([40.0, 1.0, 1.0]))
    np.testing.assert_array_equal(brighter, np.minimum(frames.astype(int) + 40, 255))
    grey = recoloured(frames, np.array([0.0, 1.0, 0.0]))
    assert np.ptp(grey.astype(int), axis=-1).max() <= 1
    flat = recoloured(frames, np.array([0.0, 0.5, 1.0])).astype(float)
    assert flat.std() == pytest.approx(frames.std() / 2, rel=0.02)


def test_a_batch_depends_on_nothing_but_the_generator(people_folder):
    one = data(people_folder, CropAugmentation(), frames=2)
    first = one.draw(5, generator(7))
    assert first["images"].shape == (5, 2, 3, 64, 64)
    assert first["images"].dtype == torch.uint8
    one.draw(3, generator(8))
    again = pickle.loads(pickle.dumps(one)).draw(5, generator(7))
    other = one.draw(5, generator(9))
    for name, values in first.items():
        assert torch.equal(values, again[name]), name
    assert not torch.equal(first["images"], other["images"])


def test_stored_people_come_back_as_they_were_rendered(people_folder):
    people = stored(people_folder, frames=3)
    batch = CropData(people, people.side, AS_THEY_ARE, SkipLog()).draw(6, generator())
    truth = people.labels.camera_xyz
    # The pictures tell which samples they are.
    for images, keypoints, pose in zip(
        batch["images"], batch["keypoints"], batch["pose"], strict=True
    ):
        (index,) = (
            i
            for i in range(16)
            if np.array_equal(people.pictures(i).transpose(0, 3, 1, 2), images.numpy())
        )
        expected = 2 * people.labels.keypoints[index] / people.side - 1
        torch.testing.assert_close(keypoints, expected, rtol=0, atol=1e-5)
        spans = torch.cdist(truth[index], truth[index])
        torch.testing.assert_close(torch.cdist(pose, pose), spans, rtol=0, atol=1e-3)


def damaged_copy(folder, tmp_path, name, content):
    copy = tmp_path / "people"
    shutil.copytree(folder, copy)
    (copy / "training" / "images" / name).write_bytes(content)
    return copy


def test_a_cut_off_picture_is_named_and_left_out(people_folder, tmp_path):
    whole = (people_folder / "training" / "images" / "000003.jpg").read_bytes()
    copy = damaged_copy(people_folder, tmp_path, "000003.jpg", whole[:-40])
    log = SkipLog(total=1000)  # among many others, so that one is less than 1 %
    people = stored(copy, skipped=log)
    assert len(people.paths) == 15
    assert list(log.reasons) == [str(copy / "training" / "images" / "000003.jpg")]
    assert "000003.jpg" not in {sample[0].name for sample in people.paths}
    with pytest.raises(DataError, match=r"1 of 16 .*000003\.jpg"):
        stored(copy)


def test_a_picture_that_cannot_be_decoded_is_named_and_replaced(people_folder, tmp_path, caplog):
    copy = damaged_copy(people_folder, tmp_path, "000005.jpg", b"\xff\xd8 nothing \xff\xd9")
    log = SkipLog(total=1000)
    people = CropData(stored(copy), 64, AS_THEY_ARE, log)
    batch = people.draw(60, generator())
    assert len(batch["images"]) == 60
    assert list(log.reasons) == [str(copy / "training" / "images" / "000005.jpg")]
    assert caplog.text.count("000005.jpg is skipped") == 1  # however often it is drawn
    with pytest.raises(DataError, match="1 of 16 samples"):
        CropData(stored(copy), 64, AS_THEY_ARE, SkipLog(total=16)).draw(60, generator())


def test_wrong_folders_get_a_message(people_folder, tmp_path):
    copy = tmp_path / "people"
    shutil.copytree(people_folder, copy)
    with pytest.raises(DataError, match="3 frames, but clips of 5") as caught:
        stored(copy, frames=5)
    assert "--frames 5" in caught.value.hint
    with pytest.raises(DataError, match=r"have \[10\.0\] frames per second, not 25"):
        load_image_data(copy, ImageSettings(rate_hz=25.0), 64, 3, SkipLog())
    shutil.rmtree(copy / "held-out")
    with pytest.raises(DataError, match="'held-out'") as caught:
        load_image_data(copy, ImageSettings(), 64, 1, SkipLog())
    assert "--split held-out" in caught.value.hint
    (copy / "training" / "settings.json").write_text("{}")
    with pytest.raises(DataError, match=r"settings\.json"):
        people_folders(copy)


def test_batches_mix_people_with_and_without_depth(people_folder):
    settings = ImageSettings(share_2d=0.25, rate_hz=10.0)
    mixed, held_out = load_image_data(people_folder, settings, 64, 2, SkipLog())
    batch = mixed.draw(8, generator())
    assert batch["has_3d"].tolist() == [True] * 6 + [False] * 2
    assert batch["pose"][:6].isfinite().all()
    assert batch["pose"][6:].isnan().all()
    assert batch["keypoints"].isfinite().all()
    assert held_out.draw(2, generator())["has_3d"].all()


def test_depth_can_be_withheld_from_most_people(people_folder):
    settings = ImageSettings(share_3d_known=0.25, augmentation=AS_THEY_ARE)
    mixed, _ = load_image_data(people_folder, settings, 88, 1, SkipLog())
    people = stored(people_folder)
    pictures = [people.pictures(i).transpose(0, 3, 1, 2) for i in range(16)]
    batch = mixed.draw(64, generator())

    def drawn(has_3d):
        chosen = batch["images"][batch["has_3d"] == has_3d].numpy()
        return {i for i in range(16) for image in chosen if np.array_equal(image, pictures[i])}

    assert drawn(True) == set(range(4))
    assert drawn(False) <= set(range(4, 16))


def test_single_frames_become_still_clips(people_folder):
    clips, stills = (data(people_folder, frames=frames) for frames in (3, 1))
    batch = MixedPeople(clips, stills, 0.5).draw(4, generator())
    assert batch["images"].shape[:2] == (4, 3)
    for name in ("images", "keypoints"):
        assert torch.equal(batch[name][2:, :1].expand_as(batch[name][2:]), batch[name][2:])
        assert not torch.equal(batch[name][:2, :1].expand_as(batch[name][:2]), batch[name][:2])


def test_people_are_rendered_live_from_motion_capture(motion_folder):
    settings = ImageSettings(share_2d=0.5)
    mixed, held_out = load_image_data(motion_folder, settings, 64, 1, SkipLog())
    batch = mixed.draw(4, generator(1))
    assert torch.equal(batch["images"], mixed.draw(4, generator(1))["images"])
    assert not torch.equal(batch["images"], mixed.draw(4, generator(2))["images"])
    assert batch["has_3d"].tolist() == [True, True, False, False]
    assert isinstance(held_out, RenderedPeople)
    with pytest.raises(ConfigError, match="live"):
        load_image_data(motion_folder, replace(settings, share_3d_known=0.5), 64, 1, SkipLog())


@pytest.mark.parametrize(
    "make",
    [
        lambda: ImageSettings(share_2d=1.0),
        lambda: ImageSettings(share_3d_known=0.0),
        lambda: ImageSettings(validation_samples=0),
        lambda: CropAugmentation(rotation_deg=-1),
        lambda: CropAugmentation(mirror=1.5),
    ],
)
def test_impossible_settings_are_refused(make):
    with pytest.raises(ConfigError):
        make()
