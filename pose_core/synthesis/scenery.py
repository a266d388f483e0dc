"""What is behind people, and what stands in front of them.

Pictures are ``(3, H, W)``, linear light 0..1. Everything is drawn at random from a generator.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from pose_core.errors import DataError
from pose_core.synthesis.appearance import hsv_to_rgb, srgb_to_linear
from pose_core.synthesis.shading import noise, unit

PHOTO_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_LARGEST_PHOTO = 1024
PHOTO_SHARE, ROOM_SHARE = 0.5, 0.5
OCCLUDED_SHARE = 0.35
# Half width, half depth and height of rooms, metres; a camera beyond a wall widens the room.
_ROOM_HALF_M, _ROOM_HEIGHT_M = (2.5, 9.0), (2.4, 4.0)


def load_photos(folder: Path) -> list[np.ndarray]:
    """Photos without people, for backgrounds: uint8 RGB, at most 1024 pixels wide or high.

    Raises
    ------
    DataError
        If the folder has none, or one cannot be read.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PHOTO_ENDINGS)
    if not paths:
        raise DataError(f"No picture lies below {folder}.", f"Known: {', '.join(PHOTO_ENDINGS)}.")
    photos = []
    for path in paths:
        bgr = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
        if bgr is None:
            raise DataError(f"{path} cannot be read as a picture.", "Remove it from the folder.")
        scale = min(1.0, _LARGEST_PHOTO / max(bgr.shape[:2]))
        size = (max(1, round(bgr.shape[1] * scale)), max(1, round(bgr.shape[0] * scale)))
        small = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
        photos.append(np.ascontiguousarray(small[:, :, ::-1]))
    return photos


def random_background(
    rays: Tensor, camera: Tensor, photos: Sequence[np.ndarray], generator: Generator
) -> Tensor:
    """A photo, a room, or shapes and colours.

    Parameters
    ----------
    rays : (3, H, W) Tensor
        World directions through the pixels.
    camera : (3,) Tensor
        Position in the world, metres; the floor is z = 0.
    """
    size = (rays.shape[1], rays.shape[2])
    if photos and _chance(PHOTO_SHARE, generator):
        return _photo(photos, size, rays.device, generator)
    if _chance(ROOM_SHARE, generator) and camera[2] > 0.05:
        return random_room(rays, camera, generator)
    picture = _clouds(size, generator).to(rays.device)
    for _ in range(int(_uniform(0, 12, generator)) if _chance(0.6, generator) else 0):
        share = _shape(size, 0.05, 0.5, generator).to(rays.device)
        picture = torch.lerp(picture, _texture(size, generator).to(rays.device), share)
    return picture


def random_room(rays: Tensor, camera: Tensor, generator: Generator) -> Tensor:
    """Floor, walls and ceiling with random colours and textures, seen along rays (3, H, W)."""
    half_width, half_depth = (_uniform(*_ROOM_HALF_M, generator) for _ in range(2))
    extent_m = (half_width, half_depth, _uniform(*_ROOM_HEIGHT_M, generator))
    colours = _colours(3, generator).to(rays)
    lines = [_uniform(0.1, 1.2, generator) for _ in range(3)]
    strength = [_uniform(0, 0.35, generator) * _chance(0.7, generator) for _ in range(3)]
    return room(rays, camera, extent_m, colours, lines, strength)


def room(
    rays: Tensor,
    camera: Tensor,
    extent_m: tuple[float, float, float],
    colours: Tensor,
    line_every_m: Sequence[float],
    line_strength: Sequence[float],
) -> Tensor:
    """A box room around the origin, seen along rays.

    Parameters
    ----------
    rays : (3, H, W) Tensor
    camera : (3,) Tensor
    extent_m : (float, float, float)
        Half width, half depth and height; more where the camera would be outside.
    colours : (3, 3) Tensor
        Of floor, walls and ceiling.
    line_every_m, line_strength : three floats
        Joints of boards or tiles: how far apart, and how dark.

    Returns
    -------
    (3, H, W) Tensor
    """
    limit = torch.tensor(extent_m, dtype=rays.dtype, device=rays.device)
    limit = torch.maximum(limit, camera.abs() + 0.3)
    origin = camera[:, None]
    flat = rays.flatten(1)
    low = torch.stack([-limit[0], -limit[1], torch.zeros_like(limit[2])])[:, None]
    wall = torch.where(flat > 0, limit[:, None], low)
    safe = torch.where(flat.abs() < 1e-6, torch.full_like(flat, 1e-6), flat)
    distance, axis = ((wall - origin) / safe).min(dim=0)
    place = origin + distance * flat
    x, y, z = place
    # The surface's own two coordinates.
    across = torch.where(axis == 0, y, x)
    along = torch.where(axis == 2, y, z)
    surface = torch.where(axis == 2, torch.where(flat[2] < 0, 0, 2), 1)
    every = rays.new_tensor(line_every_m).index_select(0, surface)
    dark = rays.new_tensor(line_strength).index_select(0, surface)
    is_line = ((across / every) % 1 < 0.03) | ((along / (3 * every)) % 1 < 0.01)
    grain = noise(place.abs() * 3, 1)[0] + noise(place.abs() * 17, 1)[0]
    shade = (1 - dark * is_line) * (0.85 + 0.15 * grain)
    # Corners are darker, and walls lighter near the light in the middle of the ceiling.
    to_light = unit(torch.stack([-x, -y, limit[2] - z]))
    shade = shade * (0.75 + 0.35 * to_light[2].clamp_min(0))
    picture = colours.T.index_select(1, surface) * shade
    return picture.clamp(0, 1).view_as(rays)


def occlude(size: tuple[int, int], generator: Generator) -> tuple[Tensor, Tensor] | None:
    """Something in front of the person in a third of the pictures.

    Returns
    -------
    (H, W) Tensor and (3, H, W) Tensor, or None
        How much it covers (0..1, between them only at its edge), and what it looks like.
    """
    if not _chance(OCCLUDED_SHARE, generator):
        return None
    share = _shape(size, 0.1, 0.42, generator)
    if _chance(0.4, generator):
        share = torch.maximum(share, _shape(size, 0.1, 0.3, generator))
    return share, _texture(size, generator)


# --- building blocks -----------------------------------------------------------------------------


def _uniform(low: float, high: float, generator: Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _chance(share: float, generator: Generator) -> bool:
    return _uniform(0, 1, generator) < share


def _colours(count: int, generator: Generator) -> Tensor:
    """(count, 3) linear colours, mostly dull."""
    hue, saturation, value = torch.rand(3, count, generator=generator)
    return srgb_to_linear(hsv_to_rgb(hue, 0.8 * saturation**2, 0.15 + 0.8 * value))


def _photo(
    photos: Sequence[np.ndarray], size: tuple[int, int], device: torch.device, generator: Generator
) -> Tensor:
    """A random part of a random photo, perhaps mirrored."""
    photo = photos[int(_uniform(0, len(photos), generator))]
    height, width = photo.shape[:2]
    aspect = size[1] / size[0]
    rows = max(2, int(min(height, width / aspect) * _uniform(0.4, 1, generator)))
    columns = max(2, int(rows * aspect))
    top = int(_uniform(0, height - rows + 1, generator))
    left = int(_uniform(0, width - columns + 1, generator))
    part = photo[top : top + rows, left : left + columns]
    if _chance(0.5, generator):
        part = part[:, ::-1]
    scaled = cv2.resize(part, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return srgb_to_linear(torch.from_numpy(scaled).to(device).permute(2, 0, 1) / 255)


def _clouds(size: tuple[int, int], generator: Generator) -> Tensor:
    """Two colours mixed by a gradient and by noise of several sizes."""
    y, x = _grid(size)
    mix = _uniform(-1, 1, generator) * x + _uniform(-1, 1, generator) * y
    roughness = _uniform(0, 1.2, generator)
    mode = "nearest" if _chance(0.3, generator) else "bicubic"
    for octave in range(1, 6):
        cells = torch.rand(1, 1, 2**octave + 1, 2**octave + 1, generator=generator) - 0.5
        mix = mix + roughness * 0.6**octave * interpolate(cells, size, mode=mode)[0, 0]
    mix = (mix - mix.amin()) / (mix.amax() - mix.amin()).clamp_min(1e-3)
    first, second = _colours(2, generator)
    return torch.lerp(first[:, None, None], second[:, None, None], mix)


def _texture(size: tuple[int, int], generator: Generator) -> Tensor:
    """One plain colour, or clouds."""
    if _chance(0.5, generator):
        return _clouds(size, generator)
    return _colours(1, generator)[0][:, None, None].expand(3, *size)


def _shape(size: tuple[int, int], smallest: float, largest: float, generator: Generator) -> Tensor:
    """A turned rectangle or ellipse of a share of the picture: 1 inside, 0 outside (H, W)."""
    y, x = _grid(size)
    centre = [_uniform(-0.5, 0.5, generator) for _ in range(2)]
    half = [0.5 * _uniform(smallest, largest, generator) for _ in range(2)]
    angle = _uniform(0, math.pi, generator)
    x, y = x - centre[0], y - centre[1]
    u = (math.cos(angle) * x + math.sin(angle) * y) / half[0]
    v = (math.cos(angle) * y - math.sin(angle) * x) / half[1]
    reach = (u**2 + v**2).sqrt() if _chance(0.5, generator) else torch.maximum(u.abs(), v.abs())
    # The edge is one pixel wide.
    return ((1 - reach) * min(half) * size[1] + 0.5).clamp(0, 1)


def _grid(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Rows and columns (H, W), -0.5 to 0.5."""
    y, x = (torch.linspace(-0.5, 0.5, side) for side in size)
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return rows, columns
