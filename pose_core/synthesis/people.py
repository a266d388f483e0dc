"""Pictures of people with exact labels, made from motion capture: streamed, nothing on disk.

Everything is drawn from one generator per batch, so a batch depends on nothing but the seed, its
number and its size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from pose_core.data.body_variation import rotation_about
from pose_core.data.lifting_batches import Augmentation, MotionBank, vary
from pose_core.data.mocap import Motion
from pose_core.data.virtual_camera import CameraRange, sample_cameras
from pose_core.errors import ConfigError
from pose_core.synthesis.appearance import sample_look
from pose_core.synthesis.body import Body, apply_blend
from pose_core.synthesis.camera_effects import photograph
from pose_core.synthesis.labels import visibility
from pose_core.synthesis.rasterise import Rasteriser, rasterise_torch
from pose_core.synthesis.rasterise_warp import warp_rasteriser
from pose_core.synthesis.renderer import NO_PART, Drawing, Renderer, View
from pose_core.synthesis.retarget import Pose, retarget
from pose_core.synthesis.scenery import load_photos, occlude, random_background
from pose_core.synthesis.segments import INDEX

RENDERERS = ("torch", "warp")
# A limb's hinge shows over this many frames around those that are drawn.
_WINDOW = 16
# The picture out of which the crop is cut, pixels; upright in half of the cases.
_FULL_SIZE = (1280, 720)
# Side of the crop over the larger side of the box around the joints.
_CROP_MARGIN, _CROP_SHIFT = (1.15, 1.7), 0.06
_NEAREST_M = 0.8
_SHADOW_ON_GROUND_SHARE = 0.8
# Motion capture has no fingers and does not say where people look: standard deviations.
_HEAD_TURN_DEG, _HEAD_NOD_DEG, _WRIST_DEG = 25.0, 8.0, 15.0
# Every n-th vertex is enough to find the lowest one.
_EVERY_VERTEX = 7


@dataclass(frozen=True, kw_only=True)
class PeopleConfig:
    """What kind of pictures are made.

    Parameters
    ----------
    size : int
        Side of the square crops, pixels.
    frames : int
        Frames of each sample; they share person, scene, camera and crop.
    rate_hz : float
        Frames per second of a sample.
    backgrounds : Path, optional
        Folder of photos without people; only drawn scenes without it.
    renderer : str
        ``torch`` or ``warp``.
    camera : CameraRange
    augmentation : Augmentation
        How recorded movements are varied.
    """

    size: int = 256
    frames: int = 1
    rate_hz: float = 10.0
    backgrounds: Path | None = None
    renderer: str = "torch"
    camera: CameraRange = field(default_factory=lambda: CameraRange(distance_m=(2.0, 8.0)))
    # Bodies vary by themselves.
    augmentation: Augmentation = field(
        default_factory=lambda: Augmentation(stature=0.0, bone_spread=0.0)
    )

    def __post_init__(self) -> None:
        if not 32 <= self.size <= 1024:
            raise ConfigError(f"A crop of {self.size} pixels is not possible.", "Use 32 to 1024.")
        if self.frames < 1 or not self.rate_hz > 0:
            raise ConfigError("A sample needs at least one frame and a positive rate.")
        if self.renderer not in RENDERERS:
            raise ConfigError(
                f"No renderer is called {self.renderer!r}.", f"Choose of: {', '.join(RENDERERS)}."
            )


@dataclass(frozen=True, eq=False)
class PeopleBatch:
    """B samples of T frames with their exact truth.

    Parameters
    ----------
    images : (B, T, 3, H, W) uint8 Tensor
        RGB crops; `crops` gives them as networks take them.
    camera_xyz : (B, T, 17, 3) Tensor
        Joints of Human3.6M-17 in camera coordinates, metres.
    keypoints : (B, T, 17, 2) Tensor
        The same in pixels of the crop.
    visibility : (B, T, 17) uint8 Tensor
        See `pose_core.synthesis.labels`.
    intrinsics, full_intrinsics : (B, 3, 3) Tensor
        Of the crop, and of the picture out of which it is cut, pixels.
    full_size : (B, 2) int Tensor
        Width and height of that picture.
    rotation, translation : (B, 3, 3), (B, 3) Tensor
        World (z up, floor at 0) to camera, metres.
    parts : (B, T, H, W) uint8 Tensor
        Segment numbers; 255 for nobody and for what stands in front.
    """

    images: Tensor
    camera_xyz: Tensor
    keypoints: Tensor
    visibility: Tensor
    intrinsics: Tensor
    full_intrinsics: Tensor
    full_size: Tensor
    rotation: Tensor
    translation: Tensor
    parts: Tensor

    def crops(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """(B, T, 3, H, W), RGB from 0 to 1."""
        return self.images.to(dtype) / 255


class PeopleSource:
    """Makes batches of rendered people.

    Parameters
    ----------
    motions : sequence of Motion
    config : PeopleConfig
    device : torch.device or str
        Where people are posed and drawn.

    Raises
    ------
    DataError
        If there is no motion, or the folder of backgrounds has no pictures.
    ConfigError
        If the renderer is not installed.
    """

    def __init__(
        self,
        motions: Sequence[Motion],
        config: PeopleConfig | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config = config or PeopleConfig()
        self.device = torch.device(device)
        self._bank = MotionBank(motions, self.config.rate_hz)
        self._photos = load_photos(self.config.backgrounds) if self.config.backgrounds else []
        self.body = Body(device=device)
        self._renderer = Renderer(self.body, rasteriser(self.config.renderer))

    def stream(self, batch: int, seed: int) -> Iterator[PeopleBatch]:
        """Batches without end."""
        for number in count():
            yield self.batch(batch, seed, number)

    def batch(self, batch: int, seed: int, number: int) -> PeopleBatch:
        """The batch of this number in the stream of this seed."""
        state = np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0]
        generator = Generator().manual_seed(int(state >> 1))
        with torch.no_grad():
            return self._make(batch, generator)

    def _make(self, batch: int, generator: Generator) -> PeopleBatch:
        frames, size = self.config.frames, self.config.size
        shape = self.body.sample_shapes(batch, generator)
        rest = self.body.rest(shape)
        pose = self._pose(batch, rest, generator)
        shape, rest = (x.repeat_interleave(frames, dim=0) for x in (shape, rest))
        transforms = self.body.transforms(rest, pose.rotations, pose.root)
        blend = self.body.blend(transforms)
        lowest = apply_blend(blend[:, ::_EVERY_VERTEX], rest[:, ::_EVERY_VERTEX])[..., 2].amin(1)
        lowest = lowest.view(batch, frames).amin(1).repeat_interleave(frames)
        transforms[..., 2, 3] -= lowest[:, None]
        blend[..., 2, 3] -= lowest[:, None]
        joints = self.body.joints(apply_blend(blend, rest)).unflatten(0, (batch, frames))

        camera = _place_cameras(joints, self.config.camera, generator)
        full_size, full_intrinsics = _full_pictures(camera.focal, generator)
        view = View(full_intrinsics, camera.rotation, camera.translation)
        camera_xyz = view.to_camera(joints.flatten(1, 2))
        intrinsics, side = _crop(view.project(camera_xyz), full_intrinsics, size, generator)
        view = View(intrinsics, camera.rotation, camera.translation)
        keypoints = view.project(camera_xyz).unflatten(1, (frames, 17))

        look = sample_look(batch, generator)
        has_ground = torch.rand(batch, generator=generator) < _SHADOW_ON_GROUND_SHARE
        drawing = self._renderer.draw(
            shape,
            rest,
            transforms,
            look.to(self.device).repeat(frames),
            View(*(x.repeat_interleave(frames, dim=0) for x in vars(view).values())),
            (size, size),
            torch.where(has_ground, 0.0, torch.nan).to(rest).repeat_interleave(frames),
        )
        images, parts = self._compose(drawing, view, side / size, generator)
        seen = visibility(parts, keypoints.flatten(0, 1)).unflatten(0, (batch, frames))
        return PeopleBatch(
            images=images,
            camera_xyz=camera_xyz.unflatten(1, (frames, 17)),
            keypoints=keypoints,
            visibility=seen,
            intrinsics=intrinsics,
            full_intrinsics=full_intrinsics,
            full_size=full_size,
            rotation=camera.rotation,
            translation=camera.translation,
            parts=parts.unflatten(0, (batch, frames)),
        )

    def _pose(self, batch: int, rest: Tensor, generator: Generator) -> Pose:
        """Poses of (B * T) frames from varied motion capture, with heads and hands in motion."""
        options, frames = self.config.augmentation, self.config.frames
        length = max(_WINDOW, frames)
        world, _ = self._bank.draw(batch, length, options.speed, generator)
        other, _ = self._bank.draw(batch, length, options.speed, generator)
        world = vary(world, other, options, generator).to(self.device)
        pose = retarget(world, self.body.pivots(rest), self.body.joints(rest))
        first = (length - frames) // 2
        chosen = slice(first, first + frames)
        rotations = _turn_heads_and_hands(pose.rotations[:, chosen], generator)
        return Pose(rotations.flatten(0, 1), pose.root[:, chosen].flatten(0, 1))

    def _compose(
        self, drawing: Drawing, view: View, sharpness: Tensor, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """Images (B, T, 3, H, W) uint8 and parts (B * T, H, W) as a camera sees them."""
        side, frames = self.config.size, self.config.frames
        size, half = (side, side), (side // 2, side // 2)
        scale = torch.tensor([[half[0] / side]] * 2 + [[1.0]]).to(view.intrinsics)
        small = View(view.intrinsics * scale, view.rotation, view.translation)
        rays, position = small.rays(half), view.position
        light = drawing.light.permute(0, 3, 1, 2).unflatten(0, (-1, frames))
        shade = drawing.shade[:, None].unflatten(0, (-1, frames))
        parts = drawing.parts.unflatten(0, (-1, frames)).clone()
        images = []
        for person in range(len(rays)):
            behind = random_background(
                rays[person].permute(2, 0, 1), position[person], self._photos, generator
            )
            behind = interpolate(behind[None], size, mode="bilinear")[0]
            is_body = (parts[person] != NO_PART)[:, None]
            picture = torch.where(is_body, light[person], behind * (1 - shade[person]))
            if covered := occlude(size, generator):
                share, texture = (x.to(self.device) for x in covered)
                picture = torch.lerp(picture, texture, share)
                parts[person].masked_fill_(share > 0.5, NO_PART)
            blurred_by = 1 / float(sharpness[person])
            images.append(photograph(picture, blurred_by, generator))
        return torch.stack(images), parts.flatten(0, 1)


def rasteriser(name: str) -> Rasteriser:
    """The backend of this name (one of `RENDERERS`)."""
    return warp_rasteriser() if name == "warp" else rasterise_torch


@dataclass(frozen=True, eq=False)
class _Cameras:
    """Rotation (B, 3, 3), translation (B, 3), and focal length over the long side (B,)."""

    rotation: Tensor
    translation: Tensor
    focal: Tensor


def _place_cameras(joints: Tensor, limits: CameraRange, generator: Generator) -> _Cameras:
    """Cameras around people (B, T, 17, 3), none so near that a joint is behind it."""
    target = joints.mean(dim=(1, 2))
    sampled = sample_cameras(target.cpu(), limits, generator)
    rotation, position = sampled.rotation.to(target), sampled.position.to(target)
    translation = -(rotation @ position[..., None])[..., 0]
    depth = (joints.flatten(1, 2) @ rotation.mT + translation[:, None])[..., 2]
    back = (_NEAREST_M - depth.amin(1)).clamp_min(0)
    translation = translation + back[:, None] * translation.new_tensor([0.0, 0.0, 1.0])
    return _Cameras(rotation, translation, sampled.focal_per_long_side.to(target))


def _full_pictures(focal: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Sizes (B, 2) and intrinsics (B, 3, 3) of whole pictures with focal lengths (B,)."""
    wide = torch.tensor(_FULL_SIZE)
    upright = torch.rand(len(focal), 1, generator=generator) < 0.5
    size = torch.where(upright, wide.flip(0), wide).to(focal.device)
    intrinsics = torch.zeros(len(focal), 3, 3).to(focal)
    intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = focal * max(_FULL_SIZE)
    intrinsics[:, :2, 2] = size / 2
    intrinsics[:, 2, 2] = 1
    return size, intrinsics


def _crop(
    pixels: Tensor, full_intrinsics: Tensor, size: int, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Square crops around joints (B, N, 2): intrinsics (B, 3, 3), side in full pixels (B,)."""
    batch = len(pixels)
    low, high = pixels.amin(1), pixels.amax(1)
    least, most = _CROP_MARGIN
    margin = least + (most - least) * torch.rand(batch, generator=generator).to(pixels)
    side = (high - low).amax(1).clamp_min(1) * margin
    shift = (2 * torch.rand(batch, 2, generator=generator) - 1).to(pixels) * _CROP_SHIFT
    corner = (low + high) / 2 + shift * side[:, None] - side[:, None] / 2
    cut = torch.zeros_like(full_intrinsics)
    cut[:, 0, 0] = cut[:, 1, 1] = size / side
    cut[:, :2, 2] = -corner * (size / side)[:, None]
    cut[:, 2, 2] = 1
    return cut @ full_intrinsics, side


def _turn_heads_and_hands(rotations: Tensor, generator: Generator) -> Tensor:
    """Rotations (B, T, 20, 3, 3) with heads that look elsewhere and hands that bend."""
    batch = len(rotations)

    def angles(spread_deg: float) -> Tensor:
        spread = torch.randn(batch, generator=generator).clamp(-2.2, 2.2) * spread_deg
        return torch.deg2rad(spread).to(rotations)

    def about(axis: Sequence[float], angle: Tensor) -> Tensor:
        axes = rotations.new_tensor(axis).expand(batch, 3)
        return rotation_about(axes, angle)[:, None]

    out = rotations.clone()
    turn, nod = angles(_HEAD_TURN_DEG), angles(_HEAD_NOD_DEG)
    for part, share in (("neck", 0.5), ("head", 1.0)):
        motion = about([0.0, 0, 1], share * turn) @ about([1.0, 0, 0], share * nod)
        out[:, :, INDEX[part]] = rotations[:, :, INDEX[part]] @ motion
    for hand in ("left_hand", "right_hand"):
        motion = about([1.0, 0, 0], angles(_WRIST_DEG)) @ about([0.0, 1, 0], angles(_WRIST_DEG))
        out[:, :, INDEX[hand]] = rotations[:, :, INDEX[hand]] @ motion
    return out
