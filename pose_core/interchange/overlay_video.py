"""Results as a video: the picture with its 2D skeletons, the 3D poses beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from pose_core.atomic_file import atomic_write
from pose_core.errors import ConfigError, ExportError
from pose_core.interchange.drawing import PANEL_COLOUR, View, draw_person, draw_view, write
from pose_core.poses import Poses3D
from pose_core.session import Session, Track
from pose_core.video import VideoReader

_VIEWS = (View("3D as the camera sees it", 0, 12), View("3D from the camera's right", 90, 12))
_MAX_SIZE_PX, _MIN_CELL_PX, _MAX_PEOPLE_3D = 1280, 200, 3
# Fine enough for any frame rate, and the clock of most video files.
_TICK = Fraction(1, 90_000)


@dataclass(frozen=True)
class OverlayProgress:
    """`num_done` of `num_total` frames are written."""

    num_done: int
    num_total: int


def save_overlay_video(
    session: Session,
    path: Path,
    *,
    model: str | None = None,
    start: int = 0,
    end: int | None = None,
) -> Iterator[OverlayProgress]:
    """Write an MP4 (H.264) with 2D skeletons over the picture and 3D views at its right.

    Frame i of the file is frame ``start + i`` of the clip, at the same time. Pictures larger
    than 1280 pixels are reduced. Closing the iterator early leaves no file.

    Parameters
    ----------
    session : Session
    path : Path
        Replaced when it exists.
    model : str, optional
        Whose poses to show; those of each person's latest run by default.
    start, end : int
        Frames ``start <= frame < end``; None goes to the last.

    Yields
    ------
    OverlayProgress
        After each frame.

    Raises
    ------
    ConfigError
        If there are no such frames, or no person has poses of that model.
    VideoError
        If the clip cannot be read.
    ExportError
        If the file cannot be written.
    """
    clip = session.clip
    end = clip.num_frames if end is None else end
    if not 0 <= start < end <= clip.num_frames:
        raise ConfigError(
            f"The frames {start} to {end} are not a part of {clip.path.name}.",
            f"It has the frames 0 to {clip.num_frames - 1}.",
        )
    poses = _poses_of(session, model)
    ticks = np.round((clip.times_s[start:end] - clip.times_s[start]) / float(_TICK)).astype(int)
    with (
        VideoReader(clip, max_size=_MAX_SIZE_PX) as video,
        atomic_write(path, ExportError) as file,
        # By name: a full disk is then an OSError, and the index can be moved to the front.
        av.open(f"file:{file.name}", "w", "mp4", options={"movflags": "faststart"}) as container,
    ):
        composer = _Composer(session, poses, video.size)
        stream = container.add_stream("libx264", rate=Fraction(clip.fps).limit_denominator(1001))
        stream.width, stream.height = composer.size
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", _TICK
        stream.options = {"crf": "20", "preset": "veryfast"}
        for index, picture in _without_gaps(video.iter_frames(start, end), start, end):
            frame = av.VideoFrame.from_ndarray(composer.compose(index, picture), format="rgb24")
            frame.pts, frame.time_base = int(ticks[index - start]), _TICK
            container.mux(stream.encode(frame))
            yield OverlayProgress(index - start + 1, end - start)
        container.mux(stream.encode())


def _poses_of(session: Session, model: str | None) -> list[tuple[Track, str, Poses3D]]:
    """People with 3D poses, and the name of the model that made them; at most three."""
    found = []
    for track in session.tracks:
        names = [model] if model is not None else list(track.runs)
        if names and names[-1] in track.runs:
            found.append((track, names[-1], track.runs[names[-1]].poses))
    if model is not None and not found:
        known = sorted({name for track in session.tracks for name in track.runs})
        raise ConfigError(
            f"Nobody in {session.clip.path.name} has poses of the model {model!r}.",
            f"There are: {', '.join(known) or 'none'}.",
        )
    return found[:_MAX_PEOPLE_3D]


def _without_gaps(
    frames: Iterator[tuple[int, np.ndarray]], start: int, end: int
) -> Iterator[tuple[int, np.ndarray | None]]:
    """The same frames, with None in place of those that could not be decoded."""
    expected = start
    for index, picture in frames:
        yield from ((missing, None) for missing in range(expected, index))
        yield index, picture
        expected = index + 1
    yield from ((missing, None) for missing in range(expected, end))


class _Composer:
    """Puts a frame of the file together: the picture left, a column of views for each person.

    Parameters
    ----------
    session : Session
    poses : list of (Track, str, Poses3D)
        Whose 3D to show, with the name of the model.
    picture_size : (int, int)
        Width and height of the pictures, pixels.
    """

    def __init__(
        self,
        session: Session,
        poses: list[tuple[Track, str, Poses3D]],
        picture_size: tuple[int, int],
    ) -> None:
        self._session, self._poses = session, poses
        self._picture_size = width, height = picture_size
        self._scale = width / session.clip.width
        self._cell = max(height // len(_VIEWS), _MIN_CELL_PX)
        # H.264 wants even sizes.
        full = width + self._cell * len(poses), max(height, self._cell * len(_VIEWS))
        self.size = full[0] + full[0] % 2, full[1] + full[1] % 2
        self._fields_m = [_field_m(p.xyz) for _, _, p in poses]

    def compose(self, index: int, picture: np.ndarray | None) -> np.ndarray:
        """One frame of the file, (H, W, 3) uint8 RGB."""
        canvas = np.full((*self.size[::-1], 3), PANEL_COLOUR, dtype=np.uint8)
        width, height = self._picture_size
        shown = canvas[:height, :width]
        if picture is None:
            write(shown, f"frame {index} is damaged", (8, 22), 0.5)
        else:
            shown[:] = picture
        for track in self._session.tracks:
            keypoints = track.keypoints
            xy = keypoints.xy[index] * self._scale
            draw_person(shown, xy, keypoints.scores[index], min(width, height) / 500)
        for column, (track, model, poses) in enumerate(self._poses):
            for row, view in enumerate(_VIEWS):
                top, left = row * self._cell, width + column * self._cell
                cell = canvas[top : top + self._cell, left : left + self._cell]
                draw_view(cell, poses.xyz[index], view, self._fields_m[column])
            write(cell, f"person {track.track_id}, {model}", (8, self._cell - 10), 0.45)
        return canvas


def _field_m(xyz: np.ndarray) -> float:
    """Metres that a view must hold to show all poses (T, 17, 3) of a person whole."""
    xyz = xyz[np.isfinite(xyz).all(axis=(1, 2))]
    if not len(xyz):
        return 2.2
    height = np.ptp(xyz[..., 1], axis=1).max()
    reach = np.linalg.norm(xyz[..., [0, 2]], axis=-1).max()
    return max(1.3 * float(height), 2.1 * float(reach), 0.5)
