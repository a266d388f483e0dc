"""Training data: bodies, cameras, noise, and the input that an unknown camera must not change."""

import pytest
import torch

from pose_core.data import body_variation as body
from pose_core.data.detector_noise import NoiseLevel, add_detector_noise
from pose_core.data.lifting_batches import Augmentation, MotionBank, lifting_batch
from pose_core.data.mocap import Split, load_motions
from pose_core.data.virtual_camera import CameraRange, keep_in_front, rays_of, sample_cameras
from pose_core.losses.joint_aware import bone_lengths, limb_angles
from pose_core.models.ray_input import look_at_rotation, normalise_rays

ALWAYS = torch.ones(8, 1)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def world(motion):
    return torch.from_numpy(motion.positions)[None, :64].repeat(8, 1, 1, 1)


@pytest.mark.parametrize("name", ["turn", "rotate", "twist", "bend", "tilt", "mirror"])
def test_variations_keep_bone_lengths(world, generator, name):
    varied = {
        "turn": lambda: body.turn(world, torch.linspace(0, 6, 8)),
        "rotate": lambda: body.rotate_parts(world, 30, ALWAYS, generator),
        "twist": lambda: body.twist_arms(world, 45, ALWAYS, generator),
        "bend": lambda: body.bend_hinges(world, 35, ALWAYS, generator),
        "tilt": lambda: body.tilt(world, torch.full((8,), 90.0), generator),
        "mirror": lambda: body.mirror(world, torch.ones(8, dtype=torch.bool)),
    }[name]()
    assert (varied - world).abs().max() > 0.01
    lengths = bone_lengths(varied)
    if name == "mirror":
        lengths = bone_lengths(body.mirror(varied, torch.ones(8, dtype=torch.bool)))
    torch.testing.assert_close(lengths, bone_lengths(world), atol=1e-4, rtol=1e-4)


def test_hinges_bend_the_way_they_were_bent(world, generator):
    pairs = ((2, 3), (5, 6), (12, 13), (15, 16))
    before = limb_angles(world, pairs)
    after = limb_angles(body.bend_hinges(world, 35, ALWAYS, generator), pairs)
    assert (after >= before - 1e-3).all()
    assert (after > before + 0.05).any()


def test_joined_halves_come_from_both(world, generator):
    other = body.turn(world, torch.full((8,), 2.0)).flip(1)
    joined = body.join_halves(world, other, torch.ones(8, dtype=torch.bool))
    torch.testing.assert_close(joined[:, :, :7], world[:, :, :7])
    torch.testing.assert_close(
        bone_lengths(joined)[..., 6:], bone_lengths(other)[..., 6:], atol=1e-4, rtol=1e-4
    )


def test_cameras_have_the_person_in_view(generator):
    target = torch.tensor([[0.0, 0.0, 1.0]]).repeat(500, 1)
    limits = CameraRange()
    cameras = sample_cameras(target, limits, generator)
    xyz = cameras.to_camera(target[:, None, None])[:, 0, 0]
    distance = xyz.norm(dim=-1)
    assert (distance >= limits.distance_m[0] - 1e-3).all()
    assert (distance <= limits.distance_m[1] + 1e-3).all()
    in_picture = (xyz[:, :2] / xyz[:, 2:]).abs() * cameras.focal_per_long_side[:, None]
    assert (in_picture < 0.5).float().mean() > 0.95
    # y points down: a point above the target lies higher in the picture for nearly all cameras
    above = cameras.to_camera(target[:, None, None] + torch.tensor([0, 0, 0.5]))[:, 0, 0]
    assert (above[:, 1] < xyz[:, 1]).float().mean() > 0.97
    torch.testing.assert_close(
        cameras.rotation @ cameras.rotation.mT, torch.eye(3).expand(500, 3, 3), atol=1e-5, rtol=0
    )
    assert torch.allclose(torch.linalg.det(cameras.rotation), torch.ones(500), atol=1e-4)


def test_people_are_moved_in_front_of_the_camera(generator):
    xyz = torch.randn(6, 10, 17, 3, generator=generator)
    assert float(keep_in_front(xyz)[..., 2].min()) >= 0.6 - 1e-5


def test_noise_has_the_size_that_is_asked_for(world, generator):
    camera = sample_cameras(world[:, 32, 0], CameraRange(), generator)
    xyz = keep_in_front(camera.to_camera(world))
    rays = rays_of(xyz)
    trunk = (rays[:, :, [11, 14]].mean(2) - rays[:, :, [1, 4]].mean(2)).norm(dim=-1).amax(1)

    def relative_error(level):
        noisy = add_detector_noise(xyz, rays, level, generator, 25.0)
        return (noisy.rays - rays).norm(dim=-1) / trunk[:, None, None], noisy.scores

    quiet = {"clean_share": 0.0, "miss_share": 0.0, "swap_share": 0.0}
    clean, scores = relative_error(NoiseLevel(clean_share=1.0))
    assert float(clean.max()) < 1e-5
    assert (scores == 1).all()
    weak, _ = relative_error(NoiseLevel(strength=(0.5, 0.5), **quiet))
    strong, _ = relative_error(NoiseLevel(strength=(1.0, 1.0), **quiet))
    assert 0.03 < float(strong.mean()) < 0.25
    assert float(strong.mean()) == pytest.approx(2 * float(weak.mean()), rel=0.35)
    swapped, _ = relative_error(
        NoiseLevel(strength=(0, 0), clean_share=0, miss_share=0, swap_share=1)
    )
    assert float(swapped.max()) > 0.2


def test_input_does_not_know_size_distance_or_direction(generator):
    rays = 0.02 * torch.randn(3, 20, 17, 2, generator=generator)
    scores = torch.rand(3, 20, 17, generator=generator)
    features = normalise_rays(rays, scores).features
    # A far person's picture is smaller, all else (nearly) equal.
    small = normalise_rays(rays * 0.05, scores).features
    smaller = normalise_rays(rays * 0.025, scores).features
    torch.testing.assert_close(small, smaller, atol=2e-3, rtol=2e-3)
    # Looking elsewhere changes the rays, not the input, up to a roll about the axis.
    turn = look_at_rotation(torch.tensor([0.3, -0.2]))
    homogeneous = torch.cat([rays, torch.ones(3, 20, 17, 1)], -1) @ turn
    turned = normalise_rays(homogeneous[..., :2] / homogeneous[..., 2:], scores).features
    norms = [f[..., :2].norm(dim=-1) for f in (features, turned)]
    torch.testing.assert_close(*norms, atol=0.03, rtol=0.03)


def test_look_at_rotation_brings_the_ray_to_the_axis(generator):
    centre = torch.randn(40, 2, generator=generator)
    rotation = look_at_rotation(centre)
    ray = torch.nn.functional.normalize(torch.cat([centre, torch.ones(40, 1)], -1), dim=-1)
    axis = (rotation @ ray[..., None])[..., 0]
    torch.testing.assert_close(axis, torch.tensor([0.0, 0, 1]).expand(40, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        rotation @ rotation.mT, torch.eye(3).expand(40, 3, 3), atol=1e-5, rtol=0
    )


def test_batches_are_repeatable_finite_and_consistent(motion_folder):
    bank = MotionBank(load_motions(motion_folder), 25.0)

    def draw(seed):
        return lifting_batch(
            bank, 8, 30, torch.Generator().manual_seed(seed),
            augmentation=Augmentation(), cameras=CameraRange(), noise=NoiseLevel(),
        )  # fmt: skip

    a, b, c = draw(1), draw(1), draw(2)
    torch.testing.assert_close(a.features, b.features, rtol=0, atol=0)
    assert not torch.equal(a.features, c.features)
    assert torch.isfinite(a.features).all()
    assert (a.target[:, :, 0] == 0).all()
    # What the detector should have seen is nearer to what it saw than to anybody else's body.
    wrong = (a.features[..., :2] - a.keypoints_2d).norm(dim=-1).median()
    other = (a.features[..., :2] - a.keypoints_2d.roll(1, 0)).norm(dim=-1).median()
    assert 0 < float(wrong) < 0.3 * float(other)
    assert 1.3 < float(bone_lengths(a.target).sum(-1).mean()) / 2 < 3.0


def test_clean_input_is_the_projection_of_the_target(motion_folder):
    """Without noise and with a known focal length, input and target show one body."""
    bank = MotionBank(load_motions(motion_folder), 25.0)
    batch = lifting_batch(
        bank, 16, 30, torch.Generator().manual_seed(0),
        augmentation=Augmentation(low_rate_share=0, cut_share=0),
        cameras=CameraRange(distance_m=(30, 30), focal_error=(1, 1)),
        noise=NoiseLevel(clean_share=1.0),
    )  # fmt: skip
    seen, ideal = batch.features[..., :2][batch.valid], batch.keypoints_2d[batch.valid]
    torch.testing.assert_close(seen, ideal, atol=1e-4, rtol=1e-4)
    flat, xy = batch.features[..., :2], batch.target[..., :2]
    flat, xy = (v - v[:, :, :1] for v in (flat, xy))
    scale = (flat * xy).sum((2, 3), keepdim=True) / (xy * xy).sum((2, 3), keepdim=True)
    assert float((flat - scale * xy).norm(dim=-1).mean() / flat.norm(dim=-1).mean()) < 0.04


def test_split_names_why_a_motion_is_held_out(motion):
    split = Split(subjects=("one",), actions=("walk",))
    assert split.held_out_by(motion) == "subject and action"
    assert Split(actions=("run",)).held_out_by(motion) == ""
    assert Split(subjects=("one",)).training([motion]) == []
