"""What is known of a video without decoding it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, eq=False)
class Clip:
    """A video file and the time of each of its frames.

    Parameters
    ----------
    path : Path
    width, height : int
        Size of the upright picture (rotation applied), pixels.
    times_s : (T,) float64 ndarray
        Presentation time of each frame, seconds from the first; frame number = index.
    fingerprint : str
        Hash of the file's size and ends: finds a moved video again.
    warning : str
        What is wrong with the file, for the user; empty when it is whole.
    """

    path: Path
    width: int
    height: int
    times_s: np.ndarray
    fingerprint: str
    warning: str = ""

    @property
    def num_frames(self) -> int:
        return len(self.times_s)

    @property
    def duration_s(self) -> float:
        """Seconds from the first frame to the end of the last."""
        return self.num_frames / self.fps

    @property
    def fps(self) -> float:
        """Mean frame rate, frames per second; 25 for a single frame."""
        if self.num_frames < 2:
            return 25.0
        span = float(self.times_s[-1] - self.times_s[0])
        return (self.num_frames - 1) / span if span > 0 else 25.0

    def frame_at(self, time_s: float) -> int:
        """Index of the frame on screen at a time; clamped to the clip."""
        index = int(np.searchsorted(self.times_s, time_s + 1e-9, side="right")) - 1
        return min(max(index, 0), self.num_frames - 1)
