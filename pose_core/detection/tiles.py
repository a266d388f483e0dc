"""Overlapping tiles of a picture, in which small people are large enough to be found."""

import math
from collections.abc import Iterator

TILE_SHARES = (0.6, 0.4)  # side of a tile over the long side of the picture
_MAX_STRIDE = 2 / 3  # of a tile: a third of each tile is also seen in the next
_NEARLY_ALL = 0.8  # a tile that covers this much of the short side is made to cover all of it


def tile_boxes(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Boxes x0, y0, x1, y1 in pixels that cover a picture at each tile size."""
    for share in TILE_SHARES:
        side = max(1, round(share * max(width, height)))
        tile_width, columns = _along(width, side)
        tile_height, rows = _along(height, side)
        for y in rows:
            for x in columns:
                yield x, y, x + tile_width, y + tile_height


def _along(length: int, side: int) -> tuple[int, list[int]]:
    """Extent and starts of the tiles along one side of a picture, evenly spread."""
    if side >= _NEARLY_ALL * length:
        return length, [0]
    steps = math.ceil((length - side) / (_MAX_STRIDE * side))
    return side, [round(i * (length - side) / steps) for i in range(steps + 1)]
