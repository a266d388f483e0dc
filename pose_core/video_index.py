"""Which frames a video has, and when: found from its packets, without decoding them all.

Frame number = rank of the packet's presentation time. Packets that an edit list discards are no
frames, but their keyframes are kept as places to start decoding from.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.format import Flags
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pose_core.errors import VideoError

MAX_SIDE_PX = 16384
MAX_PIXELS = 100_000_000
# Formats that FFmpeg "plays" as text art; what they hold is never a video of a person.
_TEXT_ART_FORMATS = {"tty", "bin", "adf", "idf", "xbin"}
# A file that ends this much before the duration in its header is called incomplete.
_MISSING_END_S = 0.5
# Pixels this close to square are left alone (1088:1080 and the like in headers).
_SQUARE_TOLERANCE = 0.01
_NOT_A_VIDEO_HINT = "Open an MP4, MOV, MKV, WebM, AVI or GIF file with pictures in it."


@dataclass(frozen=True)
class Upright:
    """How stored pictures become upright ones with square pixels.

    Parameters
    ----------
    stored_width, stored_height : int
        Size before rotation, width already stretched to square pixels.
    is_transposed, is_flipped_x, is_flipped_y : bool
        Rows and columns are exchanged first, then flipped.
    """

    stored_width: int
    stored_height: int
    is_transposed: bool
    is_flipped_x: bool
    is_flipped_y: bool

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the upright picture, pixels."""
        if self.is_transposed:
            return self.stored_height, self.stored_width
        return self.stored_width, self.stored_height

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Upright (H, W, 3) copy of a stored picture, or the picture itself if it is upright."""
        if self.is_transposed:
            image = image.transpose(1, 0, 2)
        if self.is_flipped_x:
            image = image[:, ::-1]
        if self.is_flipped_y:
            image = image[::-1]
        return np.ascontiguousarray(image)


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """Frames and keyframes of a video stream.

    Parameters
    ----------
    times_s : (T,) float64 ndarray
        Seconds from the first frame.
    pts : (T,) int64 ndarray, optional
        Presentation times in units of the stream, ascending. None where the file has none that
        can be trusted: its frames are then counted from the start.
    key_pts : (K,) int64 ndarray
        Presentation times of keyframes, ascending; some may be discarded packets.
    upright : Upright
    warning : str
        What is wrong with the file; empty when it is whole.
    """

    times_s: np.ndarray
    pts: np.ndarray | None
    key_pts: np.ndarray
    upright: Upright
    warning: str


def open_container(path: Path) -> tuple[InputContainer, VideoStream]:
    """Open a file and choose its video stream.

    Raises
    ------
    VideoError
        If it is not a video, has only sound, or its picture is too large.
    """
    try:
        # "file:" and the whitelist: a name with a colon or a playlist must not reach the network.
        container = av.open(
            f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace"
        )
    except FFmpegError as error:
        raise VideoError(
            f"{path} is not a video that can be read, or it is damaged or incomplete.",
            _NOT_A_VIDEO_HINT,
        ) from error
    try:
        return container, _video_stream(container, path)
    except VideoError:
        container.close()
        raise


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    if container.format.name in _TEXT_ART_FORMATS:
        raise VideoError(f"{path} is a text file, not a video.", _NOT_A_VIDEO_HINT)
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        has = "only sound" if container.streams.audio else "no pictures"
        raise VideoError(f"{path} has {has} in it.", _NOT_A_VIDEO_HINT)
    best = container.streams.best("video")
    stream = next((s for s in streams if s is best), streams[0])  # `best` may be a cover
    if stream.codec_context is None:
        raise VideoError(
            f"{path} is coded in a way that is not known here.", "Convert it to MP4 (H.264) first."
        )
    width, height = stream.width, stream.height
    if max(width, height) > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise VideoError(
            f"{path} is {width} x {height} pixels, which is too large (at most {MAX_SIDE_PX} "
            f"a side and {MAX_PIXELS // 1_000_000} million in all).",
            "Make a smaller copy of it first.",
        )
    return stream


def decoded_frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Frames from the container's present position on, in order of presentation.

    Packets that do not decode are passed over; the next ones may.
    """
    try:
        for packet in container.demux(stream):
            if _is_cut_off(container, packet):
                continue
            try:
                yield from packet.decode()
            except FFmpegError:
                continue
    except FFmpegError:  # the file cannot be read further: what is in the decoder still counts
        yield from stream.decode(None)


def _is_cut_off(container: InputContainer, packet: Packet) -> bool:
    """Whether the end of the file cut a packet in two (a broadcast may lose bits elsewhere)."""
    return packet.is_corrupt and container.format.name != "mpegts"


@dataclass(frozen=True, eq=False)
class _Packets:
    """What one pass over the packets of a file tells; lists are in order of decoding.

    `pts`, `dts` and `places` (bytes from the start of the file) are of the packets that are
    shown; `pts` holds None where there is no time.
    """

    pts: list[int | None]
    dts: list[int]
    places: list[int | None]
    key_pts: list[int]
    end_s: float
    is_cut: bool


def _scan_packets(container: InputContainer, stream: VideoStream) -> _Packets:
    pts: list[int | None] = []
    dts: list[int] = []
    places: list[int | None] = []
    key_pts: list[int] = []
    end_s, is_cut = 0.0, False
    is_vp8 = stream.codec_context.codec.canonical_name == "vp8"
    try:
        for packet in container.demux():
            if not packet.size:
                continue
            if packet.pts is not None:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                end_s = max(end_s, float(end))
            if packet.stream.index != stream.index:
                continue
            is_cut = _is_cut_off(container, packet)
            if packet.is_keyframe and packet.pts is not None:
                key_pts.append(packet.pts)
            # VP8 keeps reference pictures that are never shown in packets of their own.
            is_hidden = is_vp8 and not bytes(packet)[0] >> 4 & 1
            if not packet.is_discard and not is_hidden and not is_cut:
                pts.append(packet.pts)
                places.append(packet.pos)
                if packet.dts is not None:
                    dts.append(packet.dts)
    except FFmpegError:
        is_cut = True
    return _Packets(pts, dts, places, key_pts, end_s, is_cut)


def _trusted_pts(
    container: InputContainer, stream: VideoStream, packets: _Packets
) -> np.ndarray | None:
    """(T,) ascending presentation times; None if they cannot tell frames apart after a seek."""
    pts = [t for t in packets.pts if t is not None]
    is_complete = len(pts) == len(packets.pts) == len(set(pts))
    if not is_complete or container.format.flags & Flags.no_timestamps.value:
        return None
    if packets.dts != sorted(packets.dts):  # pieces with clocks of their own, joined
        return None
    if container.format.name == "avi" and not _is_avi_sound(stream, pts, packets.places):
        return None
    return np.sort(np.array(pts, dtype=np.int64))


def _is_avi_sound(stream: VideoStream, pts: list[int], places: list[int | None]) -> bool:
    """Whether an AVI, which numbers its packets but stores no times, can be sought in.

    With reordered frames FFmpeg may take the order of decoding for that of showing. And a seek
    goes where the file's index says, which must be where the packets are (behind 8 bytes each).
    """
    if stream.codec_context.has_b_frames and pts == sorted(pts):
        return False
    return {entry.pos + 8 for entry in stream.index_entries} >= set(places)


def build_index(path: Path) -> FrameIndex:
    """Index the frames of a video.

    Reads all packets and decodes one frame; a file without usable times is decoded once.

    Raises
    ------
    VideoError
        If the file is no video, its picture is too large, or no frame of it can be decoded.
    """
    container, stream = open_container(path)
    with container:
        packets = _scan_packets(container, stream)
        pts = _trusted_pts(container, stream, packets)
        end_s = ((container.start_time or 0) + (container.duration or 0)) / av.time_base
    container, stream = open_container(path)
    with container:
        frames = decoded_frames(container, stream)
        first = next(frames, None)
        if first is None:
            raise VideoError(
                f"{path} has no frames that can be decoded.",
                "It may be empty or damaged: does it play in another program?",
            )
        upright = _upright(stream, first)
        if pts is None:
            times_s = _counted_times(container, stream, chain([first], frames))
        else:
            # What would be shown before the first frame that decodes needs missing pictures.
            pts = pts[np.searchsorted(pts, pts[0] if first.pts is None else first.pts) :]
            times_s = (pts - pts[0]) * float(stream.time_base or 1)
    is_short = pts is not None and packets.end_s < end_s - _MISSING_END_S
    warning = ""
    if packets.is_cut or is_short:
        warning = f"{path.name} is incomplete: it breaks off after {len(times_s)} frames."
    key_pts = np.unique(np.array(packets.key_pts, dtype=np.int64))
    times_s.flags.writeable = False  # shared by all who open the file
    return FrameIndex(times_s, pts, key_pts, upright, warning)


def _counted_times(
    container: InputContainer, stream: VideoStream, frames: Iterable[VideoFrame]
) -> np.ndarray:
    """(T,) seconds of frames that had to be decoded to be counted."""
    pts = [frame.pts for frame in frames]
    known = [t for t in pts if t is not None]
    # AVI has one constant rate; the times that FFmpeg makes up for it have gaps.
    if len(known) == len(pts) and known == sorted(known) and container.format.name != "avi":
        return (np.array(known) - known[0]) * float(stream.time_base or 1)
    return np.arange(len(pts)) / float(stream.average_rate or 25)


def _upright(stream: VideoStream, frame: VideoFrame) -> Upright:
    """Rotation and pixel shape from the stream's display matrix and sample aspect ratio."""
    width, height = frame.width, frame.height
    aspect = float(stream.sample_aspect_ratio or 1)
    if 0.1 < aspect < 10 and abs(aspect - 1) > _SQUARE_TOLERANCE:
        width = max(round(width * aspect), 1)
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Upright(width, height, False, False, False)
    # Row by row: x' = a x + c y, y' = b x + d y with the matrix (a, b, u, c, d, v, ...).
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), dtype=np.int32)
    if abs(a) >= abs(c):
        return Upright(width, height, False, bool(a < 0), bool(d < 0))
    return Upright(width, height, True, bool(c < 0), bool(b < 0))
