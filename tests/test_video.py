"""Frames by exact number: clips carry their own frame number as bars in the pixels."""

import itertools
import shutil
import struct
import subprocess
import threading
import wave
import zlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pose_core.clip import Clip
from pose_core.errors import VideoError
from pose_core.video import VideoReader, open_clip

NUM_BITS = 10
STEADY = [Fraction(i, 30) for i in range(60)]
UNEVEN = [Fraction(t, 60) for t in np.cumsum([1, 5, 2, 7, 3, 1, 1, 4] * 6).tolist()]
TICK = Fraction(1, 90000)
needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="no ffmpeg program here")


def numbered_picture(number: int, width: int, height: int) -> np.ndarray:
    """Black and white bars that spell a number in binary, under a strip of changing grey."""
    picture = np.full((height, width, 3), 90, dtype=np.uint8)
    edges = np.linspace(0, width, NUM_BITS + 1).round().astype(int)
    for bit, (left, right) in enumerate(itertools.pairwise(edges)):
        picture[height // 4 :, left:right] = 235 if number >> bit & 1 else 20
    picture[: height // 4] = 30 + number * 5 % 200
    return picture


def read_number(picture: np.ndarray) -> int:
    """Number that the bars of a picture spell."""
    height, width = picture.shape[:2]
    centres = ((np.arange(NUM_BITS) + 0.5) * width / NUM_BITS).astype(int)
    patches = [picture[height // 2 : -2, c - 1 : c + 2].mean() for c in centres]
    assert all(value < 70 or value > 180 for value in patches), patches  # no mixture of frames
    return sum(1 << bit for bit, value in enumerate(patches) if value > 128)


def write_clip(
    path: Path,
    times: Sequence[Fraction] = STEADY,
    codec: str = "libx264",
    *,
    size: tuple[int, int] = (160, 96),
    pixels: str = "yuv420p",
    tick: Fraction = TICK,
    muxer: dict[str, str] | None = None,
    **options: str,
) -> Path:
    """Encode numbered pictures at the given times."""
    if codec == "libx264":
        options = {"bf": "3", "g": "20", "preset": "veryfast", **options}
    with av.open(str(path), "w", options=muxer or {}) as out:
        stream = out.add_stream(codec, rate=30, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        stream.codec_context.time_base = tick
        for number, time_s in enumerate(times):
            frame = av.VideoFrame.from_ndarray(numbered_picture(number, *size), format="rgb24")
            frame.pts, frame.time_base = round(time_s / tick), tick
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def run_ffmpeg(*words: str | Path) -> bytes:
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True).stdout


def set_edit_list(source: Path, path: Path, entries: Sequence[tuple[int, int]]) -> Path:
    """Copy an MP4 with another edit list: (duration in ms, start in ticks or -1 for a pause)."""
    data = source.read_bytes()
    at = data.index(b"elst") - 4
    old_size = struct.unpack_from(">I", data, at)[0]
    body = struct.pack(">II", 0, len(entries))
    body += b"".join(struct.pack(">IiI", *entry, 1 << 16) for entry in entries)
    box = struct.pack(">I", 8 + len(body)) + b"elst" + body
    out = bytearray(data[:at] + box + data[at + old_size :])
    for name in (b"edts", b"trak", b"moov"):
        parent = data.index(name) - 4
        grown = struct.unpack_from(">I", data, parent)[0] + len(box) - old_size
        struct.pack_into(">I", out, parent, grown)
    path.write_bytes(out)
    return path


def set_display_matrix(source: Path, path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Copy an MP4 whose track header turns or mirrors the picture by (a, b, c, d)."""
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    assert struct.unpack_from(">9i", data, at) == (one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    a, b, c, d = (value * one for value in matrix)
    struct.pack_into(">9i", data, at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


# --- kinds of clips: each maker returns the file, the numbers it shows, and their times ----------

Made = tuple[Path, list[int], list[Fraction]]


def whole(path: Path, times: list[Fraction] = STEADY, **options: object) -> Made:
    write_clip(path, times, **options)  # type: ignore[arg-type]
    return path, list(range(len(times))), [t - times[0] for t in times]


def cut_by_edit_list(folder: Path) -> Made:
    """Shows frames 25 to 49; 20 to 24 are decoded only because 25 needs them."""
    whole_file = write_clip(folder / "whole.mp4")
    offset = 2 * 3000  # the muxer starts the edit at the delay that B-frames need
    path = set_edit_list(whole_file, folder / "edit.mp4", [(833, offset + 25 * 3000)])
    return path, list(range(25, 50)), STEADY[:25]


def two_edits_after_a_pause(folder: Path) -> Made:
    """Black for half a second, then frames 30 to 44, then 5 to 14."""
    whole_file = write_clip(folder / "whole.mp4", bf="0")
    entries = [(500, -1), (500, 30 * 3000), (333, 5 * 3000)]
    path = set_edit_list(whole_file, folder / "edits.mp4", entries)
    return path, [*range(30, 45), *range(5, 15)], STEADY[:25]


def late_start(folder: Path) -> Made:
    times = [t + Fraction(7, 3) for t in STEADY]
    return whole(folder / "late.mp4", times)


def hidden_reference_frames(folder: Path) -> Made:
    """VP8 with pictures that are decoded and never shown, in packets of their own."""
    if not shutil.which("ffmpeg"):
        pytest.skip("two-pass VP8 is made with the ffmpeg program")
    source = write_clip(folder / "source.mkv", tick=Fraction(1, 1000))
    path = folder / "hidden.webm"
    for step in ("1", "2"):
        words = ["-i", source, "-c:v", "libvpx", "-b:v", "300k", "-auto-alt-ref", "1"]
        words += ["-lag-in-frames", "25", "-enc_time_base", "1/1000", "-pass", step]
        run_ffmpeg(*words, "-passlogfile", folder / "log", path)
    with av.open(str(path)) as file:
        num_packets = sum(1 for packet in file.demux(video=0) if packet.size)
    assert num_packets > len(STEADY)  # else nothing was hidden and this shows nothing
    return path, list(range(len(STEADY))), STEADY


KINDS: dict[str, Callable[[Path], Made]] = {
    "constant rate": lambda f: whole(f / "a.mp4", bf="0"),
    "B-frames": lambda f: whole(f / "a.mp4"),
    "variable rate": lambda f: whole(f / "a.mp4", UNEVEN),
    "variable rate, Matroska": lambda f: whole(f / "a.mkv", UNEVEN, tick=Fraction(1, 1000)),
    "long GOP": lambda f: whole(f / "a.mp4", g="1000", sc_threshold="0"),
    "open GOP": lambda f: whole(f / "a.mp4", **{"x264-params": "open-gop=1:keyint=15"}),
    "HEVC, open GOP": lambda f: whole(
        f / "a.mkv",
        codec="libx265",
        tick=Fraction(1, 1000),
        **{"x265-params": "keyint=15:bframes=4:open-gop=1:log-level=none"},
    ),
    "edit list": cut_by_edit_list,
    "two edits after a pause": two_edits_after_a_pause,
    "late start": late_start,
    "10 bit": lambda f: whole(f / "a.mp4", pixels="yuv420p10le"),
    "odd size": lambda f: whole(f / "a.mkv", size=(161, 97), pixels="yuv444p"),
    "fragmented": lambda f: whole(f / "a.mp4", muxer={"movflags": "frag_keyframe+empty_moov"}),
    "transport stream": lambda f: whole(f / "a.ts"),
    "AVI, frames out of order": lambda f: whole(f / "a.avi", tick=Fraction(1, 30)),
    "AVI, MJPEG": lambda f: whole(
        f / "a.avi", codec="mjpeg", pixels="yuvj420p", tick=Fraction(1, 30)
    ),
    "WebM, VP9": lambda f: whole(f / "a.webm", codec="libvpx-vp9", tick=Fraction(1, 30)),
    "WebM, hidden frames": hidden_reference_frames,
    "GIF": lambda f: whole(f / "a.gif", codec="gif", pixels="rgb8", tick=Fraction(1, 100)),
}


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return KINDS[request.param](tmp_path_factory.mktemp("clip"))


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    return open_clip(write_clip(tmp_path / "plain.mp4"))


def test_frames_in_order_and_in_random_order(made: Made) -> None:
    path, numbers, times = made
    clip = open_clip(path)
    tick = 0.011 if path.suffix in (".gif", ".mkv", ".webm") else 1e-4  # GIF: hundredths
    np.testing.assert_allclose(clip.times_s, [float(t) for t in times], atol=tick)
    assert np.all(np.diff(clip.times_s) > 0)
    with VideoReader(clip) as video:
        in_order = [(index, read_number(image)) for index, image in video.iter_frames()]
        assert in_order == list(enumerate(numbers))
        for index in np.random.default_rng(3).permutation(len(numbers) * 2) % len(numbers):
            assert read_number(video.read(int(index))) == numbers[index]


@needs_ffmpeg
def test_same_pictures_as_the_ffmpeg_program(made: Made) -> None:
    path, numbers, _ = made
    clip = open_clip(path)
    words = ["-i", path, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    theirs = np.frombuffer(run_ffmpeg(*words), dtype=np.uint8)
    theirs = theirs.reshape(-1, clip.height, clip.width, 3)
    assert len(theirs) == clip.num_frames == len(numbers)
    with VideoReader(clip) as video:
        for index in np.random.default_rng(4).permutation(clip.num_frames):
            difference = video.read(int(index)).astype(int) - theirs[index]
            assert np.abs(difference).mean() < 1.0


def test_start_and_end_of_a_run_of_frames(clip: Clip) -> None:
    with VideoReader(clip) as video:
        assert [i for i, _ in video.iter_frames(37, 45)] == list(range(37, 45))
        assert [i for i, _ in video.iter_frames(57, 1000)] == [57, 58, 59]
        assert list(video.iter_frames(5, 5)) == []


def test_reading_between_the_steps_of_a_run_does_not_disturb_it(clip: Clip) -> None:
    seen = []
    with VideoReader(clip) as video:
        for _, image in video.iter_frames(10, 20):
            seen.append(read_number(image))
            assert read_number(video.read(50)) == 50
    assert seen == list(range(10, 20))


TURNS: dict[str, tuple[tuple[int, int, int, int], Callable[[np.ndarray], np.ndarray]]] = {
    "upright": ((1, 0, 0, 1), lambda p: p),
    "quarter turn clockwise": ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),
    "half turn": ((-1, 0, 0, -1), lambda p: np.rot90(p, 2)),
    "quarter turn anticlockwise": ((0, -1, 1, 0), lambda p: np.rot90(p)),
    "left and right mirrored": ((-1, 0, 0, 1), np.fliplr),
    "upside down mirrored": ((1, 0, 0, -1), np.flipud),
    "mirrored and turned": ((0, 1, 1, 0), lambda p: p.transpose(1, 0, 2)),
    "mirrored and turned back": ((0, -1, -1, 0), lambda p: np.rot90(p.transpose(1, 0, 2), 2)),
}


@pytest.mark.parametrize("name", TURNS)
def test_rotation_and_mirroring_are_applied(name: str, tmp_path: Path) -> None:
    matrix, turn = TURNS[name]
    stored = write_clip(tmp_path / "stored.mp4", STEADY[:8])
    turned = open_clip(set_display_matrix(stored, tmp_path / "turned.mp4", matrix))
    with VideoReader(open_clip(stored)) as plain, VideoReader(turned) as video:
        for index in (5, 0, 7):
            expected = turn(plain.read(index))
            assert (turned.height, turned.width) == expected.shape[:2]
            np.testing.assert_array_equal(video.read(index), expected)


@needs_ffmpeg
@pytest.mark.parametrize("name", TURNS)
def test_rotation_agrees_with_the_ffmpeg_program(name: str, tmp_path: Path) -> None:
    stored = write_clip(tmp_path / "stored.mp4", STEADY[:3])
    clip = open_clip(set_display_matrix(stored, tmp_path / "turned.mp4", TURNS[name][0]))
    theirs = run_ffmpeg("-i", clip.path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    with VideoReader(clip) as video:
        ours = np.stack([image for _, image in video.iter_frames()]).astype(int)
    difference = ours - np.frombuffer(theirs, dtype=np.uint8).reshape(ours.shape)
    assert np.abs(difference).mean() < 1.0


def test_wide_pixels_are_made_square(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "wide.mp4", STEADY[:8], aspect="2:1")
    clip = open_clip(path)
    assert (clip.width, clip.height) == (320, 96)
    with VideoReader(clip) as video:
        assert video.read(5).shape == (96, 320, 3)
        assert read_number(video.read(5)) == 5


def test_previews_are_reduced(clip: Clip) -> None:
    with VideoReader(clip, max_size=80) as video:
        small = video.read(33)
    assert read_number(small) == 33
    with VideoReader(clip) as video:
        averaged = video.read(33).reshape(48, 2, 80, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - averaged).mean() < 2  # in place: half a small pixel aside makes 4
    with VideoReader(clip, max_size=5000) as video:
        assert video.read(33).shape == (96, 160, 3)


def test_a_reader_may_be_used_in_another_thread_than_it_was_made_in(clip: Clip) -> None:
    seen: list[int] = []
    with VideoReader(clip) as video:
        thread = threading.Thread(target=lambda: seen.append(read_number(video.read(41))))
        thread.start()
        thread.join()
    assert seen == [41]


# --- files that are broken, or no videos ---------------------------------------------------------


def test_frame_that_does_not_exist(clip: Clip) -> None:
    with VideoReader(clip) as video:
        for index in (-1, 60):
            with pytest.raises(VideoError, match=f"no frame {index}.* 0 to 59"):
                video.read(index)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_what_a_truncated_file_still_holds_is_offered(suffix: str, tmp_path: Path) -> None:
    tick = Fraction(1, 30) if suffix == "avi" else Fraction(1, 1000)
    path = write_clip(
        tmp_path / f"cut.{suffix}", bf="0", tick=tick, muxer={"movflags": "faststart"}
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    clip = open_clip(path)
    assert 20 < clip.num_frames < 60
    assert f"breaks off after {clip.num_frames} frames" in clip.warning
    with VideoReader(clip) as video:
        numbers = [read_number(image) for _, image in video.iter_frames()]
        assert numbers == list(range(clip.num_frames))
        for index in np.random.default_rng(5).permutation(clip.num_frames):
            assert read_number(video.read(int(index))) == index


def test_a_whole_file_has_no_warning(made: Made) -> None:
    assert open_clip(made[0]).warning == ""


def test_damage_in_the_middle_costs_only_the_frames_there(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", bf="0", g="10")
    with av.open(str(path)) as file:
        packets = [(p.pos, p.size) for p in file.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for position, size in packets[20:30]:  # one GOP, its keyframe too
        data[position : position + size] = bytes(size)
    path.write_bytes(data)
    clip = open_clip(path)
    assert clip.num_frames == 60
    with VideoReader(clip) as video:
        numbers = {index: read_number(image) for index, image in video.iter_frames()}
        with pytest.raises(VideoError, match=r"Frame 25 of a\.mp4 cannot be decoded"):
            video.read(25)
        assert read_number(video.read(31)) == 31
        assert read_number(video.read(19)) == 19
        with pytest.raises(VideoError, match="No frame from 22 to 26"):
            list(video.iter_frames(22, 27))
    assert numbers == {i: i for i in range(60) if not 20 <= i < 30}


def test_avi_with_a_damaged_index_still_gives_the_right_frames(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.avi", codec="mjpeg", pixels="yuvj420p", tick=Fraction(1, 30))
    data = bytearray(path.read_bytes())
    entry = data.index(b"idx1") + 8 + 20 * 16
    data[entry : entry + 16 * 16] = bytes(16 * 16)
    path.write_bytes(data)
    with VideoReader(open_clip(path)) as video:
        for index in np.random.default_rng(6).permutation(60):
            assert read_number(video.read(int(index))) == index


def test_unknown_codec_is_told_in_words(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    data = path.read_bytes()
    assert data.count(b"avc1") >= 1
    path.write_bytes(data.replace(b"avc1", b"qqqq"))
    with pytest.raises(VideoError, match="not known here"):
        open_clip(path)


def truncated_before_its_index(folder: Path) -> Path:
    path = write_clip(folder / "a.mp4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def bytes_of_anything(folder: Path) -> Path:
    path = folder / "noise.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(50_000))
    return path


def text(folder: Path) -> Path:
    path = folder / "notes.txt"
    path.write_text("frames and frames\n" * 50)
    return path


def playlist(folder: Path) -> Path:
    path = folder / "list.m3u8"
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:3", "#EXTINF:3,", "http://localhost:9/a.ts"]
    path.write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))
    return path


def empty(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def sound(folder: Path) -> Path:
    with wave.open(str(folder / "sound.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16000))
    return folder / "sound.wav"


def no_frames(folder: Path) -> Path:
    with av.open(str(folder / "none.avi"), "w") as out:
        stream = out.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        out.start_encoding()
    return folder / "none.avi"


def png(path: Path, width: int, height: int) -> Path:
    """Black PNG with one bit for each pixel."""

    def chunk(name: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + check

    rows = bytes((1 + (width + 7) // 8) * height)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*c) for c in chunks))
    return path


BAD_FILES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda f: f / "gone.mp4", "does not exist"),
    "folder": (lambda f: f, "is a folder"),
    "empty": (empty, "not a video"),
    "noise": (bytes_of_anything, "not a video"),
    "text": (text, "not a video"),
    "playlist": (playlist, "not a video"),
    "sound only": (sound, "only sound"),
    "without frames": (no_frames, "no frames"),
    "without its index": (truncated_before_its_index, "incomplete"),
    "too wide": (lambda f: png(f / "wide.png", 17_000, 8), "17000 x 8 pixels.* too large"),
    "too many pixels": (lambda f: png(f / "big.png", 12_000, 9_000), "too large"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_file_is_told_in_words(kind: str, tmp_path: Path) -> None:
    make, words = BAD_FILES[kind]
    path = make(tmp_path)
    with pytest.raises(VideoError, match=words) as caught:
        open_clip(path)
    assert path.name in caught.value.message
    assert caught.value.hint


def test_file_that_may_not_be_read(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # an administrator may read any real file
    with pytest.raises(VideoError, match="may not be read"):
        open_clip(clip.path)


def test_file_that_was_replaced_or_moved(clip: Clip, tmp_path: Path) -> None:
    moved = clip.path.rename(tmp_path / "moved.mp4")
    with pytest.raises(VideoError, match="does not exist"):
        VideoReader(clip)
    assert open_clip(moved).fingerprint == clip.fingerprint
    write_clip(clip.path, STEADY[:30])
    with pytest.raises(VideoError, match="replaced or changed"):
        VideoReader(clip)


def test_name_with_a_colon_is_a_file_and_no_address(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "concat:take 1.mp4", STEADY[:5])
    assert open_clip(path).num_frames == 5


def test_title_in_another_encoding_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        out.metadata["title"] = "TITLE"
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        frame = av.VideoFrame.from_ndarray(numbered_picture(5, 160, 96), format="rgb24")
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    data = path.read_bytes()
    assert b"TITLE" in data
    path.write_bytes(data.replace(b"TITLE", "Prüfé".encode("latin-1")))
    with VideoReader(open_clip(path)) as video:
        assert read_number(video.read(0)) == 5
