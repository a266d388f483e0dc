"""Frames of a video by exact number, and the time of each.

Frame n is the n-th picture that a player shows, whatever the frame rate does, whichever frames
an edit list hides, and wherever the time stamps begin. Pictures are upright (rotation and
mirroring stored in the file are applied) and have square pixels (a picture stored with narrow or
wide pixels is stretched in width, as players do). Keypoints are in pixels of that picture.
"""

import hashlib
import os
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path
from types import TracebackType

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from pose_core.clip import Clip
from pose_core.errors import VideoError
from pose_core.video_index import FrameIndex, build_index, decoded_frames, open_container

_FINGERPRINT_BYTES = 64 * 1024
# More decoding threads than this only add frames in flight, which every seek has to wait for.
_MAX_DECODER_THREADS = 4
# Decoding on over this many frames is quicker than a seek, keyframe or not.
_NEAR_FRAMES = 8
# Keyframes to try before the file is opened anew.
_SEEK_TRIES = 3


def open_clip(path: str | Path) -> Clip:
    """Find all frames of a video without decoding them.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Clip
        `Clip.warning` says so when the file breaks off; the frames before that are there.

    Raises
    ------
    VideoError
        If the file is missing, unreadable, not a video, without frames, or too large a picture.
    """
    path = Path(path).absolute()
    fingerprint = file_fingerprint(path)
    index = _index_of(path)
    width, height = index.upright.size
    return Clip(path, width, height, index.times_s, fingerprint, index.warning)


def file_fingerprint(path: Path) -> str:
    """SHA-256 of a file's size and its first and last 64 KiB: finds a moved video again.

    Raises
    ------
    VideoError
        If the file is missing or cannot be read.
    """
    try:
        if path.is_dir():
            raise VideoError(f"{path} is a folder, not a video.", "Choose a file inside it.")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.sha256(str(size).encode())
            digest.update(file.read(_FINGERPRINT_BYTES))
            file.seek(max(size - _FINGERPRINT_BYTES, 0))
            digest.update(file.read(_FINGERPRINT_BYTES))
    except FileNotFoundError as error:
        raise VideoError(
            f"{path} does not exist.", "Check the name, or locate the file if it was moved."
        ) from error
    except PermissionError as error:
        raise VideoError(f"{path} may not be read by this user.", "Change its rights.") from error
    except OSError as error:
        raise VideoError(f"{path} cannot be read: {error.strerror}.") from error
    return digest.hexdigest()


def _index_of(path: Path) -> FrameIndex:
    """Index of a file; opening a clip and reading it share the pass over its packets."""
    state = path.stat()
    return _cached_index(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4)
def _cached_index(path: Path, _size: int, _mtime_ns: int) -> FrameIndex:
    return build_index(path)


class VideoReader:
    """Reads the frames of a clip by number; belongs to the one thread that uses it.

    Memory stays bounded: only the decoder's own pictures are held, and the last one read.

    Parameters
    ----------
    clip : Clip
    max_size : int, optional
        Longer side of the pictures in pixels, for previews: larger ones are reduced while they
        are converted. Full size by default.

    Raises
    ------
    VideoError
        If the file cannot be opened or is not the one that `clip` describes.
    """

    def __init__(self, clip: Clip, max_size: int | None = None) -> None:
        if file_fingerprint(clip.path) != clip.fingerprint:
            raise VideoError(
                f"{clip.path} is not the file it was: it was replaced or changed.",
                "Locate the original, or open this one as a new clip.",
            )
        self._clip = clip
        self._index = _index_of(clip.path)
        upright = self._index.upright
        width, height = upright.stored_width, upright.stored_height
        scale = min(1.0, (max_size or max(width, height)) / max(width, height))
        self._stored_size = max(round(width * scale), 1), max(round(height * scale), 1)
        # Not FAST_BILINEAR: it moves the picture by a pixel.
        self._interpolation = "AREA" if scale < 1.0 else "BICUBIC"
        self._reformatter = VideoReformatter()
        self._open()

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures that are read, pixels."""
        width, height = self._stored_size
        return (height, width) if self._index.upright.is_transposed else (width, height)

    def close(self) -> None:
        """Close the file. Reading is not possible afterwards."""
        self._container.close()

    def read(self, index: int) -> np.ndarray:
        """One frame, exactly.

        Parameters
        ----------
        index : int
            0 <= index < clip.num_frames.

        Returns
        -------
        (H, W, 3) uint8 ndarray
            RGB, upright.

        Raises
        ------
        VideoError
            If there is no such frame, or it cannot be decoded.
        """
        if not 0 <= index < self._clip.num_frames:
            raise VideoError(
                f"{self._clip.path.name} has no frame {index}.",
                f"Its frames are 0 to {self._clip.num_frames - 1}.",
            )
        found = self._first_decodable(index)
        if found is None or found[0] != index:
            raise VideoError(
                f"Frame {index} of {self._clip.path.name} cannot be decoded.",
                "The file is damaged there; other frames may be fine.",
            )
        return self._to_rgb(found[1])

    def iter_frames(
        self, start: int = 0, end: int | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Frames ``start <= index < end`` in order, each decoded once.

        Frames that cannot be decoded are left out; their numbers are then missing.

        Yields
        ------
        index : int
        image : (H, W, 3) uint8 ndarray
            RGB, upright.

        Raises
        ------
        VideoError
            If no frame of the range can be decoded.
        """
        end = self._clip.num_frames if end is None else min(end, self._clip.num_frames)
        index = start
        while index < end:
            found = self._first_decodable(index)
            if found is None or found[0] >= end:
                break
            yield found[0], self._to_rgb(found[1])
            index = found[0] + 1
        if index == start < end:
            raise VideoError(
                f"No frame from {start} to {end - 1} of {self._clip.path.name} can be decoded.",
                "The file is damaged there; other frames may be fine.",
            )

    def _open(self) -> None:
        """Open the file anew, before its first frame."""
        self._container, self._stream = open_container(self._clip.path)
        self._stream.thread_type = "AUTO"
        threads = min(os.cpu_count() or 1, _MAX_DECODER_THREADS)
        self._stream.codec_context.thread_count = threads
        self._restart_decoding()

    def _restart_decoding(self) -> None:
        self._frames: Iterator[tuple[int, VideoFrame]] = self._numbered_frames()
        self._position = -1  # number of the frame that the decoder gave last
        self._held: tuple[int, VideoFrame] | None = None  # that frame

    def _numbered_frames(self) -> Iterator[tuple[int, VideoFrame]]:
        """Frames of the clip from the container's position on, with their numbers."""
        frames = decoded_frames(self._container, self._stream)
        pts = self._index.pts
        if pts is None:
            yield from enumerate(frames)
            return
        for frame in frames:
            if frame.pts is None:
                continue
            index = int(np.searchsorted(pts, frame.pts))
            if index < len(pts) and pts[index] == frame.pts:
                yield index, frame

    def _first_decodable(self, index: int) -> tuple[int, VideoFrame] | None:
        """Find the first frame at or after `index` that decodes, with its number."""
        if self._held is not None and self._held[0] == index:
            return self._held
        if not self._leads_soon_to(index):
            self._seek(index)
        for number, frame in self._frames:
            self._position, self._held = number, (number, frame)
            if number >= index:
                return self._held
        self._position, self._held = self._clip.num_frames, None
        return None

    def _leads_soon_to(self, index: int) -> bool:
        """Whether decoding on is the quickest way to a frame."""
        gap = index - self._position
        if gap <= 0:
            return False
        keys = self._keys_up_to(index)
        if gap <= _NEAR_FRAMES or self._index.pts is None or not len(keys):
            return True
        return self._position >= 0 and bool(keys[-1] <= self._index.pts[self._position])

    def _keys_up_to(self, index: int) -> np.ndarray:
        """Presentation times of the keyframes from which a frame can be decoded."""
        if self._index.pts is None:
            return self._index.key_pts[:0]
        keys = self._index.key_pts
        return keys[: np.searchsorted(keys, self._index.pts[index], side="right")]

    def _seek(self, index: int) -> None:
        """Put the decoder where it gives a frame at or before `index` next.

        A container may land later than it was asked to: then the keyframe before is tried, and
        at last the file is opened anew, which always begins at its beginning.
        """
        for key in self._keys_up_to(index)[: -_SEEK_TRIES - 1 : -1]:
            try:
                self._container.seek(int(key), stream=self._stream)
            except FFmpegError:
                break
            self._restart_decoding()
            first = next(self._frames, None)
            if first is not None and first[0] <= index:
                self._frames = chain([first], self._frames)
                return
        self._container.close()
        self._open()

    def _to_rgb(self, frame: VideoFrame) -> np.ndarray:
        width, height = self._stored_size
        rgb = self._reformatter.reformat(
            frame, width, height, "rgb24", interpolation=self._interpolation
        )
        return self._index.upright.apply(rgb.to_ndarray())
