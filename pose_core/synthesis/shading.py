"""Colour of each pixel on a body: what it is made of, and how light falls on it.

Pixels of one person are shaded together. Vectors of N pixels are ``(3, N)``: plane by plane, which
is several times faster on a CPU than ``(N, 3)``. Lengths in metres, colours linear.
"""

from functools import cache

import torch
from torch import Tensor

from pose_core.synthesis import appearance as look_of
from pose_core.synthesis import body_pack as pack
from pose_core.synthesis.appearance import Look, PersonLook

_TEXTURE_SIZE, _TEXTURE_CELLS = 64, 16
# Cells of the random texture per metre: folds and stains, and the finest grain.
_COARSE, _FINE = 25.0, 60.0
_WRINKLES = 0.35
# A highlight is the cosine to the power of 2 ** 5.
_HIGHLIGHT_SQUARINGS = 5
# How the hair line runs down towards the back of the head, and where brows and lips are; in
# metres from the middle between the eyes of the mean body, which faces -y.
_HAIR_SLOPE = 1.1
_BROW_X, _BROW_Z, _BROW_Y = (0.012, 0.046), (0.016, 0.023), 0.02
_LIPS_X, _LIPS_Z, _LIPS_Y = 0.024, (-0.076, -0.060), 0.0


@cache
def random_texture(device: torch.device) -> Tensor:
    """(4, 64 * 64 * 64) smooth noise between 0 and 1 that repeats; four independent channels."""
    generator = torch.Generator().manual_seed(0)
    cells = torch.rand(1, 4, *[_TEXTURE_CELLS] * 3, generator=generator)
    wrapped = torch.nn.functional.pad(cells, (1, 1) * 3, mode="circular")
    step = _TEXTURE_SIZE // _TEXTURE_CELLS
    fine = torch.nn.functional.interpolate(
        wrapped, scale_factor=step, mode="trilinear", align_corners=False
    )
    inner = fine[0, :, step:-step, step:-step, step:-step]
    return inner.flatten(1).contiguous().to(device)


def unit(vector: Tensor) -> Tensor:
    """Vectors (3, N) of length 1 (torch's own norm is ten times slower along the first axis)."""
    return vector * (vector * vector).sum(0).clamp_min(1e-12).rsqrt()


def noise(place: Tensor, channels: int) -> Tensor:
    """The first channels (channels, N) of noise at places (3, N) in cells."""
    step = _TEXTURE_SIZE // _TEXTURE_CELLS
    i, j, k = (place * step).to(torch.int32) & (_TEXTURE_SIZE - 1)
    texture = random_texture(place.device).to(place.dtype)
    return texture[:channels].index_select(1, (i * _TEXTURE_SIZE + j) * _TEXTURE_SIZE + k)


def garment_offsets(wardrobe: Tensor, look: Look) -> Tensor:
    """How far clothes push each vertex outwards.

    Parameters
    ----------
    wardrobe : (4, V) Tensor
        See `BodyPack.wardrobe`.
    look : Look
        Of B people.

    Returns
    -------
    (B, V) Tensor
        Metres.
    """
    edges = look.edges.T[:, :, None]
    is_shoe, is_trousers, is_shirt = _garments(wardrobe, edges)
    shirt, trousers, shoe = look.thickness_m.T[:, :, None]
    return is_shoe * shoe + is_trousers * trousers + is_shirt * shirt


def _garments(wardrobe: Tensor, edges: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Masks of shoes, trousers and shirt, of which at most one is true anywhere.

    `edges` are those of `Look`, first axis first.
    """
    arm, leg, trunk, head = wardrobe
    waist, trouser_length, sleeve_length, neckline = edges
    is_arm = arm >= 0.01
    is_low = (leg > 0.01) | (trunk < waist)
    is_shoe = leg > 2.5
    is_trousers = is_low & ~is_shoe & ~is_arm & (leg < trouser_length)
    is_shirt = ~is_low & ~is_arm & (head < 0.5) & (trunk < neckline)
    return is_shoe, is_trousers, is_shirt | (is_arm & (arm < sleeve_length))


def materials(
    kind: Tensor, wardrobe: Tensor, place: Tensor, fray: Tensor, edges: Tensor, hair_line_m: Tensor
) -> Tensor:
    """Material (N,) of each pixel.

    Parameters
    ----------
    kind : (N,) Tensor
        `BodyPack.face_kinds` of the triangle.
    wardrobe : (4, N) Tensor
    place : (3, N) Tensor
        On the mean body at rest, from the middle between the eyes.
    fray : (N,) Tensor
        Small shift of the edges of hair and clothes, metres.
    edges, hair_line_m
        See `Look`.
    """
    is_shoe, is_trousers, is_shirt = _garments(wardrobe, edges[:, None] + fray)
    x, y, z = place
    is_head = wardrobe[pack.HEAD] > 0.5
    is_hair = is_head & (z + _HAIR_SLOPE * y + fray > hair_line_m)
    across = x.abs()
    is_brow = is_head & (y < _BROW_Y) & (across > _BROW_X[0]) & (across < _BROW_X[1])
    is_brow &= (z > _BROW_Z[0]) & (z < _BROW_Z[1])
    is_lips = is_head & (y < _LIPS_Y) & (z > _LIPS_Z[0]) & (z < _LIPS_Z[1])
    # Narrower towards the corners of the mouth.
    is_lips &= across + 2 * (z - sum(_LIPS_Z) / 2).abs() < _LIPS_X
    out = torch.full_like(kind, look_of.SKIN, dtype=torch.int32)
    for mask, material in (
        (is_shirt, look_of.SHIRT),
        (is_trousers, look_of.TROUSERS),
        (is_shoe, look_of.SHOES),
        (is_lips, look_of.LIPS),
        (is_hair | is_brow, look_of.HAIR),
        (kind == pack.SKIRT, look_of.SKIRT),
        (kind == pack.HAIR, look_of.HAIR),
        (kind == pack.EYE, look_of.EYE),
        (kind == pack.PUPIL, look_of.PUPIL),
    ):
        out = out.masked_fill(mask, material)
    return out


def reflectance(material: Tensor, place: Tensor, look: PersonLook) -> Tensor:
    """What each pixel reflects (3, N), with the pattern of its cloth."""
    kind, density, phase, strength = look.pattern.T.index_select(1, material)
    cells = place * density
    stained = noise(cells, 1)[0]
    whole = cells.floor()
    x, _, z = cells - whole
    checks = (whole[0] + whole[1] + whole[2]).to(torch.int32) & 1
    second = torch.zeros_like(x)
    for number, share in (
        (look_of.RINGS, (z + phase) % 1 < 0.5),
        (look_of.STRIPES, (x + phase) % 1 < 0.5),
        (look_of.CHECKS, checks),
        (look_of.BLOTCHES, ((stained - 0.45) * 10).clamp(0, 1)),
        (look_of.DOTS, (x - 0.5) ** 2 + (z - 0.5) ** 2 < 0.09),
        (look_of.MOTTLED, stained),
    ):
        second += (kind == number) * share  # faster than a choice per pixel
    first_colour = look.colour.T.index_select(1, material)
    second_colour = look.second_colour.T.index_select(1, material)
    return torch.lerp(first_colour, second_colour, second * strength)


def shade(
    kind: Tensor,
    wardrobe: Tensor,
    place: Tensor,
    normal: Tensor,
    to_camera: Tensor,
    shadow: Tensor,
    look: PersonLook,
) -> Tensor:
    """Light that comes from each pixel of one person towards the camera.

    Parameters
    ----------
    kind, wardrobe, place
        As in `materials`.
    normal, to_camera : (3, N) Tensor
        Unit directions in the world.
    shadow : (N,) Tensor
        How much of the main light is taken away, 0..1.
    look : PersonLook

    Returns
    -------
    (3, N) Tensor
        Not clipped.
    """
    shifted = place + look.grain[:, None]
    coarse, fine = noise(shifted * _COARSE, 4), noise(shifted * _FINE, 1)[0]
    material = materials(kind, wardrobe, place, 0.01 * (fine - 0.5), look.edges, look.hair_line_m)
    colour = reflectance(material, place, look)
    colour = colour * (1 + 0.25 * (coarse[0] - 0.5) + 0.15 * (fine - 0.5))
    # Skirts and long hair are seen from both sides.
    normal = normal * (normal * to_camera).sum(0).sign()
    is_smooth = (material == look_of.SKIN) | (material >= look_of.EYE)
    wrinkles = 2 * _WRINKLES * (coarse[1:] - 0.5)
    normal = unit(normal + wrinkles.masked_fill(is_smooth, 0.0))

    main, second = look.light[:, :, None]
    main_colour, second_colour = look.light_colour[:, :, None]
    above, below = look.ambient[:, :, None]
    main_colour = main_colour * (1 - shadow)
    diffuse = torch.lerp(below, above, 0.5 + 0.5 * normal[2])
    diffuse = diffuse + main_colour * (normal * main).sum(0).clamp_min(0)
    diffuse = diffuse + second_colour * (normal * second).sum(0).clamp_min(0)
    halfway = unit(main + to_camera)
    shine = (normal * halfway).sum(0).clamp_min(0)
    for _ in range(_HIGHLIGHT_SQUARINGS):
        shine = shine * shine
    return colour * diffuse + main_colour * (look.gloss.index_select(0, material) * shine)
