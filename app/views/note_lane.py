"""Notes and bookmarks on the timeline: a pennant at each of their frames."""

from collections.abc import Mapping

import numpy as np

from app.views.lanes import Columns, Lane, Rgb

NAME = "Notes"
COLOUR: Rgb = (150, 110, 215)  # violet: what marks errors and sides has other colours
_MOST_LETTERS = 80


class NoteLane(Lane):
    """A lane of the timeline with few marks, each with a text of its own.

    Parameters
    ----------
    num_frames : int
    texts : Mapping of int to str
        By frame; a bookmark has an empty one.
    """

    def __init__(self, num_frames: int, texts: Mapping[int, str]) -> None:
        marked = np.zeros(num_frames, dtype=bool)
        marked[list(texts)] = True
        super().__init__(NAME, marked, "marks", COLOUR)
        self._texts = texts
        self._frames = np.array(sorted(texts), dtype=int)

    def text_at(self, frame: int, reach: int = 0) -> str:
        """The nearest note within `reach` frames: the pointer is wider than a frame may be."""
        near = self._frames[np.abs(self._frames - frame) <= reach]
        if not len(near):
            return ""
        nearest = int(near[np.argmin(np.abs(near - frame))])
        text = self._texts[nearest] or "bookmark"
        text = text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}..."
        return text if nearest == frame else f"at {nearest}: {text}"

    def render(self, columns: Columns, height: int) -> np.ndarray:
        """Pennants on masts in the middle of their frames; see `Lane.render`."""
        num_columns = len(columns.start)
        image = np.zeros((height, num_columns, 4), np.uint8)
        image[..., :3] = self.colour
        first = np.searchsorted(columns.stop, self._frames, side="right")
        last = np.searchsorted(columns.start, self._frames, side="right") - 1
        is_visible = (first <= last) & (first < num_columns)
        masts = (first[is_visible] + last[is_visible]) // 2
        size = max(round(0.7 * height), 2)
        for row in range(height):
            # A triangle that points to the right; below it the mast alone.
            width = max(2, size - 2 * abs(row - size // 2)) if row < size else 2
            for step in range(width):
                image[row, np.minimum(masts + step, num_columns - 1), 3] = 255
        return image
