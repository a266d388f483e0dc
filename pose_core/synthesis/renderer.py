"""Draws people: body, clothes, hair, light and shadows, with a part number for each pixel.

Camera x right, y down, z forward; world z up; metres.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from pose_core.synthesis import body_pack as pack
from pose_core.synthesis import shading
from pose_core.synthesis.appearance import Look, PersonLook
from pose_core.synthesis.body import Body, apply_blend, turn_by_blend
from pose_core.synthesis.rasterise import Mesh, Rasteriser, depths_of, faces_of, rasterise_torch

NEAREST_M = 0.2
SHADOW_MAP = 128
# Surfaces nearer to the light than this in front of a point do not shade it.
_SHADOW_BIAS_M = 0.02
# A person's shadow takes away at most this share of the light on the ground.
_GROUND_SHADE = 0.75
_GRAZING = 0.03
NO_PART = 255


@dataclass(frozen=True, eq=False)
class View:
    """B pinhole cameras.

    Parameters
    ----------
    intrinsics : (B, 3, 3) Tensor
        Of the picture drawn, pixels.
    rotation : (B, 3, 3) Tensor
        World to camera.
    translation : (B, 3) Tensor
        ``camera = rotation @ world + translation``, metres.
    """

    intrinsics: Tensor
    rotation: Tensor
    translation: Tensor

    @property
    def position(self) -> Tensor:
        """(B, 3) in the world."""
        return -(self.rotation.mT @ self.translation[..., None])[..., 0]

    def to_camera(self, world: Tensor) -> Tensor:
        """World (B, N, 3) to camera coordinates."""
        return world @ self.rotation.mT + self.translation[:, None]

    def project(self, camera_xyz: Tensor) -> Tensor:
        """Camera coordinates (B, N, 3) to pixels (B, N, 2)."""
        return (camera_xyz / camera_xyz[..., 2:] @ self.intrinsics.mT)[..., :2]

    def rays(self, size: tuple[int, int]) -> Tensor:
        """World directions (B, H, W, 3) through the centres of pixels; 1 m forward each."""
        height, width = size
        to = {"device": self.intrinsics.device, "dtype": self.intrinsics.dtype}
        y, x = torch.meshgrid(
            torch.arange(height, **to) + 0.5, torch.arange(width, **to) + 0.5, indexing="ij"
        )
        pixels = torch.stack([x, y, torch.ones_like(x)], dim=-1).flatten(0, 1)
        rays = pixels @ torch.linalg.inv(self.intrinsics).mT @ self.rotation
        return rays.unflatten(1, size)


@dataclass(frozen=True, eq=False)
class Drawing:
    """People before any background.

    Parameters
    ----------
    light : (B, H, W, 3) Tensor
        Linear; 0 where there is nobody.
    parts : (B, H, W) uint8 Tensor
        Segment number, `NO_PART` where there is nobody.
    shade : (B, H, W) Tensor
        How much a person's shadow darkens the ground, 0..1.
    """

    light: Tensor
    parts: Tensor
    shade: Tensor


@dataclass(frozen=True, eq=False)
class _Surface:
    """Vertices (B, V, 3) of clothed bodies in the world, and their normals."""

    vertices: Tensor
    normals: Tensor
    mesh: Mesh


class Renderer:
    """Draws batches of posed bodies.

    Parameters
    ----------
    body : Body
        Its device is where everything happens.
    rasterise : Rasteriser
        The backend.
    shadow_map : int
        Side of the picture in which shadows are looked up, pixels; it covers the person.
    """

    def __init__(
        self,
        body: Body,
        rasterise: Rasteriser = rasterise_torch,
        shadow_map: int = SHADOW_MAP,
    ) -> None:
        self.body = body
        self._rasterise = rasterise
        self._shadow_map = shadow_map
        self._two_sided = (body.face_kinds == pack.SKIRT) | (body.face_kinds == pack.HAIR)
        eyes = body.faces[body.face_kinds == pack.EYE].unique()
        vertices = body.template[: body.num_vertices]
        # Place on the mean body, from the middle between the eyes; then wardrobe coordinates.
        place = vertices - vertices[eyes].mean(0)
        self._fixed = torch.cat([place, body.wardrobe], dim=1).T.contiguous()
        self._face_corners = body.faces.T.contiguous()

    def draw(
        self,
        shape: Tensor,
        rest: Tensor,
        transforms: Tensor,
        look: Look,
        view: View,
        size: tuple[int, int],
        ground_m: Tensor | None = None,
    ) -> Drawing:
        """Draw people.

        Parameters
        ----------
        shape, rest, transforms
            (B, K), (B, P, 3) and (B, 20, 3, 4), see `Body`.
        look : Look
        view : View
        size : (int, int)
            Height and width, pixels.
        ground_m : (B,) Tensor, optional
            Height of the level ground on which shadows fall; NaN for none.
        """
        surface = self._dress(shape, rest, transforms, look)
        shadows = _ShadowMaps(surface, look.light[:, 0], self._rasterise, self._shadow_map)
        screen = _screen(surface.vertices, view)
        keys = self._rasterise(screen, surface.mesh, size)
        face = faces_of(keys)
        parts = torch.where(face >= 0, self.body.face_segments[face.clamp_min(0)], NO_PART)
        light = torch.zeros(*face.shape, 3, device=face.device, dtype=screen.dtype)
        corner_data = torch.cat([screen, surface.vertices, surface.normals], dim=2).mT.contiguous()
        for person in range(len(face)):
            pixels = (face[person].flatten() >= 0).nonzero()[:, 0]
            light[person].view(-1, 3)[pixels] = self._shade(
                face[person].flatten()[pixels],
                torch.stack([pixels % size[1] + 0.5, pixels // size[1] + 0.5]).to(screen.dtype),
                corner_data[person],
                shadows.of(person),
                look[person],
                view.position[person],
            ).T
        shade = torch.zeros_like(light[..., 0])
        if ground_m is not None:
            shade = _ground_shade(view, size, ground_m, shadows, look.shadow)
        return Drawing(light, parts.to(torch.uint8), shade)

    def _dress(self, shape: Tensor, rest: Tensor, transforms: Tensor, look: Look) -> _Surface:
        body, count = self.body, self.body.num_vertices
        normals = body.rest_normals(shape)
        offset = shading.garment_offsets(body.wardrobe.T, look)
        blend = body.blend(transforms)[:, :count]
        vertices = apply_blend(blend, rest[:, :count] + offset[..., None] * normals)
        drawn = (body.face_kinds != pack.SKIRT) | look.has_skirt[:, None]
        drawn = drawn & ((body.face_kinds != pack.HAIR) | look.has_long_hair[:, None])
        mesh = Mesh(body.faces, drawn, self._two_sided)
        return _Surface(vertices, turn_by_blend(blend, normals), mesh)

    def _shade(
        self,
        face: Tensor,
        pixel: Tensor,
        corner_data: Tensor,
        shadows: "_ShadowMap",
        look: PersonLook,
        camera: Tensor,
    ) -> Tensor:
        """Light (3, N) of the pixels (2, N) of one person.

        Parameters
        ----------
        face : (N,) Tensor
            Seen there.
        corner_data : (9, V) Tensor
            Of each vertex: position on the screen, position and normal in the world.
        camera : (3,) Tensor
            Position in the world.
        """
        corners = self._face_corners.index_select(1, face)
        moving = [corner_data.index_select(1, corner) for corner in corners]
        shares = _perspective_shares([at[:3] for at in moving], pixel)
        world, normal = sum_of(shares, [at[3:] for at in moving]).split(3)
        fixed = [self._fixed.index_select(1, corner) for corner in corners]
        place, wardrobe = sum_of(shares, fixed).split((3, 4))
        return shading.shade(
            kind=self.body.face_kinds.index_select(0, face),
            wardrobe=wardrobe,
            place=place,
            normal=shading.unit(normal),
            to_camera=shading.unit(camera[:, None] - world),
            shadow=look.shadow * shadows.at(world, _SHADOW_BIAS_M),
            look=look,
        )


def sum_of(shares: list[Tensor], values: list[Tensor]) -> Tensor:
    """Mix of three (C, N) values by shares (N,)."""
    return shares[0] * values[0] + shares[1] * values[1] + shares[2] * values[2]


def _screen(vertices: Tensor, view: View) -> Tensor:
    """Pixel x, y and affine depth (B, V, 3); NaN depth for what is behind or too near."""
    camera_xyz = view.to_camera(vertices)
    z = camera_xyz[..., 2:]
    depth = torch.where(z > NEAREST_M, 1 - NEAREST_M / z, torch.nan)
    return torch.cat([view.project(camera_xyz), depth], dim=2)


def _perspective_shares(screen: list[Tensor], pixel: Tensor) -> list[Tensor]:
    """Shares (N,) of the three corners (3, N) of triangles in the points seen at pixels (2, N)."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = screen
    x, y = pixel
    # 1 - depth is proportional to 1/z, which undoes the foreshortening.
    a = ((bx - x) * (cy - y) - (by - y) * (cx - x)) * (1 - az)
    b = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) * (1 - bz)
    c = ((ax - x) * (by - y) - (ay - y) * (bx - x)) * (1 - cz)
    scale = 1 / (a + b + c)
    return [a * scale, b * scale, c * scale]


@dataclass(frozen=True, eq=False)
class _ShadowMap:
    """The nearest surfaces as the main light sees them, in parallel projection, of one person.

    Parameters
    ----------
    axes : (3, 3) Tensor
        Rows: right, down and away from the light.
    low, extent : (3,) Tensor
        Box of the body along these axes, metres.
    depth : (Z * Z,) Tensor
        0 to 1 in that box; infinite where there is nothing.
    side : int
        Z, pixels.
    """

    axes: Tensor
    low: Tensor
    extent: Tensor
    depth: Tensor
    side: int

    def at(self, world: Tensor, bias_m: float) -> Tensor:
        """Share (N,) of the light that does not reach points (3, N)."""
        return self.at_map(self.to_map(world), bias_m)

    def to_map(self, world: Tensor) -> Tensor:
        """Column, row (pixels of the map) and depth (0..1) of points (3, N)."""
        place = (self.axes @ world - self.low[:, None]) / self.extent[:, None]
        scale = place.new_tensor([self.side - 2.0, self.side - 2.0, 1.0])
        return place * scale[:, None] + place.new_tensor([1.0, 1.0, 0.0])[:, None]

    def at_map(self, place: Tensor, bias_m: float) -> Tensor:
        """As `at`, for points on the map (3, N)."""
        x, y, depth = place
        column = (x - 0.5).clamp(0, self.side - 2).to(torch.int32)
        row = (y - 0.5).clamp(0, self.side - 2).to(torch.int32)
        limit = depth - bias_m / self.extent[2]
        shadow = torch.zeros_like(x)
        # The mean over four neighbours softens the edge. The map's rim is empty.
        corner = row * self.side + column
        for step in (0, 1, self.side, self.side + 1):
            shadow += self.depth.index_select(0, corner + step) < limit
        return 0.25 * shadow


class _ShadowMaps:
    """Shadow maps of B people.

    Parameters
    ----------
    surface : _Surface
    towards_light : (B, 3) Tensor
        Unit directions.
    rasterise : Rasteriser
    side : int
        Of each map, pixels.
    """

    def __init__(
        self, surface: _Surface, towards_light: Tensor, rasterise: Rasteriser, side: int
    ) -> None:
        self._side = side
        up = torch.zeros_like(towards_light) + towards_light.new_tensor([0.31, 0.17, 0.93])
        across = normalize(torch.linalg.cross(up, towards_light), dim=1)
        down = torch.linalg.cross(across, towards_light)
        self._axes = torch.stack([across, down, -towards_light], dim=1)
        seen = surface.vertices @ self._axes.mT
        by_axis = seen.mT.contiguous()
        self._low, high = by_axis.amin(2), by_axis.amax(2)
        self._extent = (high - self._low).clamp_min(1e-3)
        flat = (seen - self._low[:, None]) / self._extent[:, None]
        scale = flat.new_tensor([side - 2.0, side - 2.0, 1.0])
        points = flat * scale + flat.new_tensor([1.0, 1.0, 0.0])
        self._depth = depths_of(rasterise(points, surface.mesh, (side, side))).flatten(1)

    def of(self, person: int) -> _ShadowMap:
        """The map of one person."""
        fields = (self._axes, self._low, self._extent, self._depth)
        return _ShadowMap(*(x[person] for x in fields), side=self._side)


def _ground_shade(
    view: View, size: tuple[int, int], ground_m: Tensor, shadows: _ShadowMaps, strength: Tensor
) -> Tensor:
    """How dark (B, H, W) the person's shadow makes the ground."""
    # Every other pixel is enough for a soft shadow.
    height, width = ((side + 1) // 2 for side in size)
    half = View(
        view.intrinsics * view.intrinsics.new_tensor([[0.5], [0.5], [1.0]]),
        view.rotation,
        view.translation,
    )
    rays = half.rays((height, width)).flatten(1, 2).mT
    position = view.position
    distance = (ground_m - position[:, 2])[:, None] / rays[:, 2]
    shade = torch.zeros_like(distance)
    for person in range(len(rays)):
        # Near the horizon one pixel covers metres of ground.
        below = ((distance[person] > 0) & (rays[person, 2].abs() > _GRAZING)).nonzero()[:, 0]
        reach = distance[person].index_select(0, below)
        world = position[person][:, None] + reach * rays[person].index_select(1, below)
        shade[person, below] = shadows.of(person).at(world, 0.01)
    shade = shade.view(-1, 1, height, width)
    shade = torch.nn.functional.interpolate(shade, size=size, mode="bilinear")[:, 0]
    return _GROUND_SHADE * strength[:, None, None] * shade
