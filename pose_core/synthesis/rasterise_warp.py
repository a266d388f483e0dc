"""The rasteriser as a kernel of NVIDIA Warp: the same answers several times faster.

Optional (``pip install posestage[warp]``), on CPU and CUDA. The first use compiles the kernel,
which takes some seconds; Warp keeps it in its cache.
"""

from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from pose_core.errors import ConfigError
from pose_core.synthesis.rasterise import DEPTH_STEPS, EMPTY, FACE_BITS, Mesh, Rasteriser


@cache
def warp_rasteriser() -> Rasteriser:
    """A rasteriser that gives what `pose_core.synthesis.rasterise.rasterise_torch` gives.

    Pixels whose centre lies on the common edge of two triangles within rounding may differ.

    Raises
    ------
    ConfigError
        If Warp is not installed.
    """
    try:
        wp = import_module("warp")
    except ImportError as exc:
        raise ConfigError(
            "The renderer 'warp' is not installed.",
            "Use --renderer torch, or run: pip install 'posestage[warp]'",
        ) from exc
    wp.config.quiet = True
    wp.init()
    kernel = _kernel(wp)

    def rasterise_warp(points: Tensor, mesh: Mesh, size: tuple[int, int]) -> Tensor:
        keys = torch.full((len(points), *size), EMPTY, dtype=torch.int64, device=points.device)
        wp.launch(
            kernel,
            dim=(len(points), len(mesh.faces)),
            inputs=[
                wp.from_torch(points.float().contiguous(), dtype=wp.vec3),
                wp.from_torch(mesh.faces.to(torch.int32).contiguous()),
                wp.from_torch(mesh.drawn.contiguous()),
                wp.from_torch(mesh.two_sided.contiguous()),
                wp.from_torch(keys),
            ],
            device=wp.device_from_torch(points.device),
        )
        return keys

    return rasterise_warp


def _kernel(wp: Any) -> Any:
    """The kernel: one thread for each triangle of each picture."""
    steps = wp.constant(DEPTH_STEPS)
    face_factor = wp.constant(wp.int64(2**FACE_BITS))

    # Warp compiles this function: its annotations are Warp's types, not Python's.
    @wp.kernel(module="unique")
    def draw(  # noqa: ANN202
        points: wp.array2d(dtype=wp.vec3),  # pyright: ignore[reportInvalidTypeForm]
        faces: wp.array2d(dtype=wp.int32),  # pyright: ignore[reportInvalidTypeForm]
        drawn: wp.array2d(dtype=wp.bool),  # pyright: ignore[reportInvalidTypeForm]
        two_sided: wp.array(dtype=wp.bool),  # pyright: ignore[reportInvalidTypeForm]
        keys: wp.array3d(dtype=wp.int64),  # pyright: ignore[reportInvalidTypeForm]
    ):
        picture, face = wp.tid()
        if not drawn[picture, face]:
            return
        a = points[picture, faces[face, 0]]
        b = points[picture, faces[face, 1]]
        c = points[picture, faces[face, 2]]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        is_seen = area < 0.0 or (two_sided[face] and area > 0.0)
        if not is_seen or not wp.isfinite(a[2] + b[2] + c[2]):
            return
        # Clamped before they become integers, which far away points would overflow.
        width = float(keys.shape[2])
        height = float(keys.shape[1])
        left = int(wp.clamp(wp.ceil(wp.min(a[0], wp.min(b[0], c[0])) - 0.5), 0.0, width))
        right = int(wp.clamp(wp.floor(wp.max(a[0], wp.max(b[0], c[0])) - 0.5), -1.0, width - 1.0))
        top = int(wp.clamp(wp.ceil(wp.min(a[1], wp.min(b[1], c[1])) - 0.5), 0.0, height))
        bottom = int(wp.clamp(wp.floor(wp.max(a[1], wp.max(b[1], c[1])) - 0.5), -1.0, height - 1.0))
        scale = 1.0 / area
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                x = float(column) + 0.5
                y = float(row) + 0.5
                of_a = ((b[0] - x) * (c[1] - y) - (b[1] - y) * (c[0] - x)) * scale
                of_b = ((c[0] - x) * (a[1] - y) - (c[1] - y) * (a[0] - x)) * scale
                of_c = 1.0 - of_a - of_b
                if of_a >= 0.0 and of_b >= 0.0 and of_c >= 0.0:
                    depth = of_a * a[2] + of_b * b[2] + of_c * c[2]
                    key = wp.int64(depth * steps) * face_factor + wp.int64(face)
                    wp.atomic_min(keys, picture, row, column, key)

    return draw
