"""Pictures of a body in a plain room: sphere tracing, soft shadows, ambient occlusion.

The room has a wooden floor at z = 0 and a wall behind; one large lamp stands to the left in front.

References
----------
J. C. Hart, "Sphere tracing", The Visual Computer 12, 1996.
"""

from dataclasses import dataclass

import numpy as np

from pose_core.camera import Camera
from pose_core.synthesis.solid import FrozenSolid

_TO_LAMP = np.array([-0.55, -0.75, 1.05], dtype=np.float32) / np.float32(np.sqrt(1.9675))
_LAMP = np.array([2.10, 1.95, 1.75], dtype=np.float32)
_SKY = np.array([0.50, 0.53, 0.58], dtype=np.float32)
_BOUNCE = np.array([0.34, 0.27, 0.21], dtype=np.float32)
_WALL_Y, _SKIRTING_M = 2.7, 0.11
_HIT_M = 0.0006
_MAX_STEPS, _SHADOW_STEPS = 48, 18
# Pictures are made in square tiles, each with only the parts of the body that are near it.
_TILE_PX = 48
_NEAR_M = 0.06  # beyond the reach of the blending of parts and of the soft outline
_OPENNESS_M = (0.02, 0.06, 0.14)  # where it is felt for what blocks the scattered light


@dataclass(frozen=True, eq=False)
class Picture:
    """A rendered frame.

    Parameters
    ----------
    rgb : (H, W, 3) uint8 ndarray
    coverage : (H, W) float32 ndarray
        How much of each pixel the body covers, 0..1.
    """

    rgb: np.ndarray
    coverage: np.ndarray


def render(solid: FrozenSolid, colours: np.ndarray, camera: Camera) -> Picture:
    """Render a body.

    Parameters
    ----------
    solid : FrozenSolid
    colours : (materials, 3) float32 ndarray
        Linear RGB of each material.
    camera : Camera
        World to camera with z up in the world.
    """
    origin, rays = _camera_rays(camera)
    light = np.zeros_like(rays)
    coverage = np.zeros(rays.shape[:2], dtype=np.float32)
    for top in range(0, camera.height, _TILE_PX):
        for left in range(0, camera.width, _TILE_PX):
            tile = slice(top, top + _TILE_PX), slice(left, left + _TILE_PX)
            shape = coverage[tile].shape
            tile_rays = rays[tile].reshape(-1, 3)
            tile_light = _room(origin, tile_rays, solid)
            parts = solid.near_rays(origin, tile_rays, _NEAR_M)
            if len(parts.balls):
                covered = _add_body(tile_light, parts, solid, colours, origin, tile_rays, camera)
                coverage[tile] = covered.reshape(shape)
            light[tile] = tile_light.reshape(*shape, 3)
    return Picture(_develop(light), coverage)


def _add_body(
    light: np.ndarray,
    parts: FrozenSolid,
    solid: FrozenSolid,
    colours: np.ndarray,
    origin: np.ndarray,
    rays: np.ndarray,
    camera: Camera,
) -> np.ndarray:
    """Paint the body over the light (N, 3) of a tile's rays; returns how much it covers (N,)."""
    depth, miss = _march(parts, origin, rays)
    pixel = depth / camera.focal_px
    coverage = np.clip(0.5 - miss / pixel, 0.0, 1.0)  # soft outline: how near a ray passes by
    seen = np.flatnonzero(coverage > 0)
    if len(seen):
        points = origin + rays[seen] * depth[seen, None]
        body = _shade_body(parts, solid, colours, points, rays[seen])
        light[seen] += coverage[seen, None] * (body - light[seen])
    return coverage


def _camera_rays(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Origin (3,) and unit directions (H, W, 3) in the world; pixel centres at + 0.5."""
    columns, rows = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    rays = camera.rays(np.stack([columns, rows], axis=-1))
    rays = np.concatenate([rays, np.ones_like(rays[..., :1])], axis=-1) @ camera.rotation
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    origin = camera.to_world(np.zeros(3))
    return origin.astype(np.float32), rays.astype(np.float32)


def _march(
    solid: FrozenSolid, origin: np.ndarray, rays: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Depth (N,) of the hit or of the nearest pass of each ray, and the distance there (N,)."""
    to_parts = np.linalg.norm(solid.balls[:, :3] - origin, axis=1)
    nearest = (to_parts - solid.balls[:, 3]).min() - _NEAR_M
    farthest = (to_parts + solid.balls[:, 3]).max() + _NEAR_M
    depth = np.full(len(rays), nearest, dtype=np.float32)
    best_depth, best = depth.copy(), np.full(len(rays), 1e3, dtype=np.float32)
    active = np.arange(len(rays))
    for _ in range(_MAX_STEPS):
        distance = solid.distance(origin + rays[active] * depth[active, None])
        nearer = distance / depth[active] < best[active] / best_depth[active]
        best[active[nearer]] = distance[nearer]
        best_depth[active[nearer]] = depth[active[nearer]]
        going = (distance > _HIT_M) & (depth[active] < farthest)
        active = active[going]
        if not len(active):
            break
        depth[active] += distance[going]
    best = np.where(best <= 2 * _HIT_M, np.float32(-1.0), best)  # hit: fully covered
    return best_depth, best


def _shade_body(
    parts: FrozenSolid,
    solid: FrozenSolid,
    colours: np.ndarray,
    points: np.ndarray,
    rays: np.ndarray,
) -> np.ndarray:
    """Light (N, 3) that comes from points of the surface of `parts`, shadowed by all of `solid`."""
    material = parts.materials[parts.distances(points).argmin(axis=0)]
    normals = parts.normals(points)
    shadow = _shadow(solid, points + 0.006 * normals)
    open_sky = _openness(solid, points, normals)
    # Wrapped a little around the edge of the light, as skin and cloth do.
    direct = np.clip((normals @ _TO_LAMP + 0.18) / 1.18, 0.0, 1.0) * shadow
    upward = 0.5 + 0.5 * normals[:, 2:]
    ambient = (_SKY * upward + _BOUNCE * (1 - upward)) * open_sky[:, None]
    half = _TO_LAMP - rays
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    gloss = 0.10 * np.clip((normals * half).sum(1), 0, 1) ** 24 * shadow
    return colours[material] * (direct[:, None] * _LAMP + ambient) + gloss[:, None] * _LAMP * 0.3


def _shadow(solid: FrozenSolid, points: np.ndarray) -> np.ndarray:
    """Share (N,) of the lamp that is seen from world points."""
    share = np.ones(len(points), dtype=np.float32)
    solid = solid.near_rays(points, _TO_LAMP, 0.22)
    if not len(solid.balls):
        return share
    travelled = np.full(len(points), 0.012, dtype=np.float32)
    active = np.arange(len(points))
    for _ in range(_SHADOW_STEPS):
        distance = solid.distance(points[active] + _TO_LAMP * travelled[active, None])
        share[active] = np.minimum(share[active], 0.5 + 5.0 * distance / travelled[active])
        travelled[active] += np.clip(distance, 0.01, 0.25)
        active = active[(share[active] > 0) & (travelled[active] < 2.2)]
        if not len(active):
            break
    share = np.clip(share, 0.0, 1.0)
    return share * share * (3 - 2 * share)


def _openness(solid: FrozenSolid, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Share (N,) of the room's scattered light that reaches points: less in folds."""
    blocked = np.zeros(len(points), dtype=np.float32)
    solid = solid.near_rays(points, normals, _OPENNESS_M[-1])
    if not len(solid.balls):
        return 1 - blocked
    for distance, weight in zip(_OPENNESS_M, (8.0, 4.0, 1.6), strict=True):
        free = solid.distance(points + np.float32(distance) * normals)
        blocked += np.float32(weight) * np.maximum(distance - free, 0)
    return np.clip(1 - blocked, 0.15, 1)


def _room(origin: np.ndarray, rays: np.ndarray, solid: FrozenSolid) -> np.ndarray:
    """Light (N, 3) of floor and wall, with the body's shadow on the floor."""
    down = np.minimum(rays[:, 2], -1e-6)
    to_floor, to_wall = -origin[2] / down, (_WALL_Y - origin[1]) / rays[:, 1]
    is_floor = to_floor < to_wall
    points = origin + rays * np.where(is_floor, to_floor, to_wall)[:, None]
    light = np.where(is_floor[:, None], _floor_colour(points), _wall_colour(points))
    shade = np.ones(len(rays), dtype=np.float32)
    floor = points[is_floor]
    if len(floor):
        shade[is_floor] = 0.42 + 0.58 * _shadow(solid, floor)
        up = np.array([0, 0, 1], dtype=np.float32)
        shade[is_floor] *= 0.45 + 0.55 * _openness(solid, floor, up)
    return light * shade[:, None]


def _floor_colour(points: np.ndarray) -> np.ndarray:
    """Planks along x, each of its own tone, with grain and dark joints."""
    x, y = points[:, 0], points[:, 1]
    plank = np.floor(y / 0.16)
    x = x + 1.7 * np.sin(plank * 2.3)
    board = np.floor(x / 1.3)
    tone = 0.5 + 0.5 * np.sin(plank * 12.9898 + board * 78.233)
    grain = np.sin(y * 210 + 6 * np.sin(x * 2.1 + plank)) * np.sin(y * 57 + x * 3.0)
    joint = np.minimum(np.abs(y / 0.16 - plank - 0.5), 0.5)
    value = 0.80 + 0.22 * tone + 0.035 * grain - 0.25 * np.clip((joint - 0.47) / 0.03, 0, 1)
    return (value[:, None] * np.array([0.40, 0.27, 0.17])).astype(np.float32)


def _wall_colour(points: np.ndarray) -> np.ndarray:
    """Light paint, brighter towards the lamp, above a white skirting board."""
    x, z = points[:, 0], points[:, 2]
    glow = 0.92 + 0.30 * np.exp(-((x + 1.2) ** 2 + (z - 1.6) ** 2) / 5.0)
    paint = glow[:, None] * np.array([0.55, 0.56, 0.54])
    board = np.where(z > _SKIRTING_M - 0.012, 0.5, 0.9)[:, None] * np.array([0.78, 0.77, 0.75])
    return np.where((z < _SKIRTING_M)[:, None], board, paint).astype(np.float32)


def _develop(light: np.ndarray) -> np.ndarray:
    """Linear light to 8-bit sRGB-like values with a soft shoulder."""
    toned = light / (1 + 0.30 * light) * 1.12
    return (np.clip(toned, 0, 1) ** (1 / 2.2) * 255 + 0.5).astype(np.uint8)
