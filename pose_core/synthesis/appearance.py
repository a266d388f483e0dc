"""Random looks: skin, hair, clothes and light, batched."""

from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

SKIN, SHIRT, TROUSERS, SHOES, SKIRT, HAIR, EYE, PUPIL, LIPS = range(9)
NUM_MATERIALS = 9
# How a pattern of cloth is laid out in space; plain cloth is drawn twice as often.
PLAIN, RINGS, STRIPES, CHECKS, BLOTCHES, DOTS, MOTTLED = range(7)
_PATTERN_SHARES = torch.tensor([2.0, 1, 1, 1, 1, 1, 1])

# From light to dark, sRGB 0..255.
_SKIN_RAMP = torch.tensor(
    [
        [255, 224, 196],
        [241, 194, 158],
        [224, 172, 128],
        [198, 134, 92],
        [141, 85, 54],
        [84, 52, 36],
    ]
)
# Trousers end above the knee, at the knee, on the calf or at the ankle; sleeves likewise.
_TROUSER_LENGTHS = (0.45, 0.7, 1.0, 1.5, 2.2, 2.2, 2.2, 2.2)
_SLEEVE_LENGTHS = (0.05, 0.3, 0.5, 0.5, 0.9, 1.5, 2.05, 2.05)
_HAIR_LENGTHS_M = (0.02, 0.06, 0.10, 0.14)
BALD_SHARE, LONG_HAIR_SHARE, SKIRT_SHARE = 0.08, 0.3, 0.15


@dataclass(frozen=True, eq=False)
class Look:
    """How B people and their light look. Colours are linear (not sRGB), 0..1.

    Parameters
    ----------
    colour : (B, 9, 3) Tensor
        What each material reflects.
    gloss : (B, 9) Tensor
        Strength of its highlight.
    pattern : (B, 9, 4) Tensor
        Kind, cells per metre, phase, strength.
    second_colour : (B, 9, 3) Tensor
        The other colour of the pattern.
    edges : (B, 4) Tensor
        Where clothes end, in coordinates of `BodyPack.wardrobe`: height of the waist, length of
        trousers and of sleeves, height of the neckline.
    thickness_m : (B, 3) Tensor
        Of shirt, trousers and shoes.
    hair_line_m : (B,) Tensor
        Height of the hair line over the eyes; infinite for bald people.
    has_long_hair, has_skirt : (B,) bool Tensor
    light : (B, 2, 3) Tensor
        Unit directions towards the main light, which casts shadows, and a second one.
    light_colour : (B, 2, 3) Tensor
    ambient : (B, 2, 3) Tensor
        Light from above and from below.
    shadow : (B,) Tensor
        How dark shadows are, 0..1.
    grain : (B, 3) Tensor
        Shift of the random texture.
    """

    colour: Tensor
    gloss: Tensor
    pattern: Tensor
    second_colour: Tensor
    edges: Tensor
    thickness_m: Tensor
    hair_line_m: Tensor
    has_long_hair: Tensor
    has_skirt: Tensor
    light: Tensor
    light_colour: Tensor
    ambient: Tensor
    shadow: Tensor
    grain: Tensor

    def to(self, device: torch.device | str) -> "Look":
        """The same on another device."""
        return Look(**{field.name: getattr(self, field.name).to(device) for field in fields(Look)})

    def repeat(self, count: int) -> "Look":
        """Each person `count` times in a row, for the frames of a sequence."""
        return Look(
            **{
                field.name: getattr(self, field.name).repeat_interleave(count, dim=0)
                for field in fields(Look)
            }
        )

    def __getitem__(self, person: int) -> "PersonLook":
        """The look of one person."""
        return PersonLook(*(getattr(self, name)[person] for name in PersonLook._fields))


class PersonLook(NamedTuple):
    """What shading needs of one row of `Look`; the same fields without their first axis."""

    colour: Tensor
    gloss: Tensor
    pattern: Tensor
    second_colour: Tensor
    edges: Tensor
    hair_line_m: Tensor
    light: Tensor
    light_colour: Tensor
    ambient: Tensor
    shadow: Tensor
    grain: Tensor


def sample_look(batch: int, generator: Generator) -> Look:
    """Draw looks for adults; everybody wears a top, trousers or a skirt, and shoes."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(batch, *shape, generator=generator)

    def choose(options: tuple[float, ...]) -> Tensor:
        pick = torch.randint(len(options), (batch,), generator=generator)
        return torch.tensor(options)[pick]

    def chance(share: float) -> Tensor:
        return uniform(0, 1) < share

    cloth = _cloth_colours((batch, NUM_MATERIALS), generator)
    matching = chance(0.2)
    cloth[matching, TROUSERS] = cloth[matching, SHIRT]
    dress = chance(0.5)
    cloth[dress, SKIRT] = cloth[dress, SHIRT]
    skin = _skin(uniform(0, 5))
    cloth[:, SKIN] = skin
    cloth[:, LIPS] = skin * torch.tensor([0.75, 0.45, 0.45])
    cloth[:, HAIR] = srgb_to_linear(
        hsv_to_rgb(uniform(0.03, 0.12), uniform(0.1, 0.7), choose((0.08, 0.12, 0.2, 0.35, 0.7)))
    )
    cloth[:, EYE] = 0.7
    cloth[:, PUPIL] = hsv_to_rgb(
        choose((0.07, 0.07, 0.3, 0.58)), uniform(0.2, 0.7), uniform(0, 0.2)
    )
    gloss = 0.1 * uniform(0, 1, NUM_MATERIALS) ** 2
    gloss[:, SKIN] = uniform(0, 0.2)
    kinds = _PATTERN_SHARES.multinomial(batch * NUM_MATERIALS, True, generator=generator)
    pattern = torch.stack(
        [
            kinds.view(batch, NUM_MATERIALS).float(),
            uniform(6, 40, NUM_MATERIALS),
            uniform(0, 1, NUM_MATERIALS),
            uniform(0.4, 1, NUM_MATERIALS),
        ],
        dim=-1,
    )
    for material in (SKIN, HAIR, EYE, PUPIL, LIPS):
        pattern[:, material, 0] = PLAIN
    bald = chance(BALD_SHARE)
    hair_line = uniform(0.02, 0.06)
    return Look(
        colour=cloth,
        gloss=gloss,
        pattern=pattern,
        second_colour=_cloth_colours((batch, NUM_MATERIALS), generator),
        edges=torch.stack(
            [
                uniform(0.12, 0.35),
                choose(_TROUSER_LENGTHS),
                choose(_SLEEVE_LENGTHS),
                uniform(0.95, 1.06),
            ],
            dim=-1,
        ),
        thickness_m=torch.stack(
            [uniform(0.004, 0.025), uniform(0.004, 0.025), uniform(0.004, 0.012)], dim=-1
        ),
        hair_line_m=torch.where(bald, torch.inf, hair_line),
        has_long_hair=chance(LONG_HAIR_SHARE) & ~bald,
        has_skirt=chance(SKIRT_SHARE),
        **_light(batch, generator),
        grain=uniform(0, 1, 3),
    )


def _light(batch: int, generator: Generator) -> dict[str, Tensor]:
    """The fields of `Look` about light."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(batch, *shape, generator=generator)

    def tint(spread: float) -> Tensor:
        return 1 + uniform(-spread, spread, 3)

    light = normalize(torch.randn(batch, 2, 3, generator=generator), dim=-1)
    main = light[:, 0]
    # The main light comes from above, at least some 15 degrees over the horizon.
    main = torch.cat([main[:, :2], main[:, 2:].abs() * 0.8 + 0.3], dim=-1)
    return {
        "light": normalize(torch.stack([main, light[:, 1]], dim=1), dim=-1),
        "light_colour": torch.stack(
            [uniform(0.4, 1.2, 1) * tint(0.12), uniform(0, 0.45, 1) * tint(0.25)], dim=1
        ),
        "ambient": torch.stack(
            [uniform(0.2, 0.6, 1) * tint(0.15), uniform(0.08, 0.3, 1) * tint(0.2)], dim=1
        ),
        "shadow": uniform(0.4, 1),
    }


def _cloth_colours(shape: tuple[int, int], generator: Generator) -> Tensor:
    """Linear colours (*shape, 3); strong ones are rarer than dull ones."""
    hue, saturation, value = torch.rand(3, *shape, generator=generator)
    return srgb_to_linear(hsv_to_rgb(hue, saturation**1.6, 0.06 + 0.9 * value))


def _skin(place: Tensor) -> Tensor:
    """Linear colours (B, 3) at places 0..5 on the ramp from light to dark."""
    low = place.long().clamp(max=len(_SKIN_RAMP) - 2)
    ramp = srgb_to_linear(_SKIN_RAMP / 255)
    return torch.lerp(ramp[low], ramp[low + 1], (place - low)[:, None])


def hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """(..., 3) from hue, saturation and value, all 0..1."""
    wheel = (hue[..., None] * 6 + torch.tensor([0.0, 4.0, 2.0])) % 6
    pure = ((wheel - 3).abs() - 1).clamp(0, 1)
    return value[..., None] * (1 - saturation[..., None] * (1 - pure))


def srgb_to_linear(colour: Tensor) -> Tensor:
    """Light as it adds up, from values as they are stored.

    A power of 2 stands for sRGB's of about 2.2: nobody sees it, and a root costs next to nothing.
    """
    return colour.clamp(0, 1).square()


def linear_to_srgb(colour: Tensor) -> Tensor:
    """The inverse of `srgb_to_linear`."""
    return colour.clamp(0, 1).sqrt()
