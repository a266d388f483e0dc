"""C3D: files written by another library (ezc3d), and by hand in all byte orders."""

import io
import struct

import numpy as np
import pytest

from pose_core.errors import ExportError
from pose_core.interchange.c3d import load_c3d, read_c3d

INTEL, DEC, SGI = 84, 85, 86


def dec_float(value: float) -> bytes:
    """A VAX F float: sign and exponent of base 2 with bias 128, fraction 0.1f, halves exchanged."""
    if value == 0:
        return bytes(4)
    fraction, exponent = np.frexp(abs(value))  # 0.5 <= fraction < 1
    bits = (int(value < 0) << 31) | ((int(exponent) + 128) << 23)
    bits |= int((fraction * 2 - 1) * 2**23)
    return struct.pack("<HH", bits >> 16, bits & 0xFFFF)


def write_by_hand(
    xyz: np.ndarray,
    labels: list[str],
    processor: int = INTEL,
    scale: float = -1.0,
    analog: int = 0,
    residual: np.ndarray | None = None,
) -> bytes:
    """A C3D file with the least that it needs; written from the format guide."""
    order = ">" if processor == SGI else "<"

    def integer(value: int) -> bytes:
        return struct.pack(order + "h", value)

    def real(value: float) -> bytes:
        return dec_float(value) if processor == DEC else struct.pack(order + "f", value)

    def parameter(group: int, name: str, kind: int, sizes: list[int], data: bytes) -> bytes:
        body = struct.pack("bB", kind, len(sizes)) + bytes(sizes) + data + b"\0"  # no description
        return struct.pack("bb", len(name), group) + name.encode() + integer(len(body) + 2) + body

    width = max(map(len, labels))
    text = "".join(label.ljust(width) for label in labels).encode()
    records = struct.pack("bb", 5, -1) + b"POINT" + integer(3) + b"\0"
    records += parameter(1, "SCALE", 4, [], real(scale))
    records += parameter(1, "RATE", 4, [], real(120.0))
    records += parameter(1, "DATA_START", 2, [], integer(3))
    records += parameter(1, "LABELS", -1, [width, len(labels)], text)
    records += parameter(1, "UNITS", -1, [2], b"mm")
    records += parameter(1, "Y_SCREEN", -1, [2], b"+Z")
    block = (struct.pack("BBBB", 1, 0x50, 1, processor) + records).ljust(512, b"\0")
    header = struct.pack("BB", 2, 0x50)
    header += b"".join(map(integer, (len(labels), analog, 1, len(xyz), 10)))
    header += real(scale) + integer(3) + integer(1) + real(120.0)
    data = b""
    for t, frame in enumerate(xyz):
        for n, point in enumerate(frame):
            fourth = 0 if residual is None else residual[t, n]
            if scale < 0:
                data += b"".join(map(real, [*point, fourth]))
            else:
                data += b"".join(integer(round(c / scale)) for c in point) + integer(int(fourth))
        data += b"".join(real(0.5) if scale < 0 else integer(7) for _ in range(analog))
    return header.ljust(512, b"\0") + block + data


def points_of(seed: int = 0, num_frames: int = 6, num_points: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1500, 1500, (num_frames, num_points, 3)).astype(np.float32)


@pytest.mark.parametrize("processor", [INTEL, DEC, SGI])
@pytest.mark.parametrize(("scale", "within"), [(-1.0, 1e-3), (0.1, 0.0501)])
@pytest.mark.parametrize("analog", [0, 5])
def test_every_byte_order_and_both_kinds_of_numbers(processor, scale, within, analog):
    xyz = points_of()
    data = write_by_hand(xyz, ["LASI", "RASI", "C7"], processor, scale, analog)
    points = read_c3d(io.BytesIO(data))
    assert points.names == ("LASI", "RASI", "C7")
    assert points.fps == 120.0
    assert points.metres_per_unit == 0.001
    assert points.up == "z"
    assert np.abs(points.xyz - xyz).max() < within


@pytest.mark.parametrize("scale", [-1.0, 0.1])
def test_negative_residuals_are_gaps(scale):
    xyz, residual = points_of(), np.zeros((6, 3))
    residual[2:4, 1] = -1
    points = read_c3d(io.BytesIO(write_by_hand(xyz, ["A", "B", "C"], INTEL, scale, 0, residual)))
    assert np.isnan(points.xyz[2:4, 1]).all()
    assert np.isfinite(np.delete(points.xyz, 1, axis=1)).all()
    assert np.isfinite(points.xyz[[0, 1, 4, 5], 1]).all()


def ezc3d_file(path, xyz: np.ndarray, labels: list[str], units: str = "m", analog: int = 0) -> None:
    ezc3d = pytest.importorskip("ezc3d")
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [50.0]
    file["parameters"]["POINT"]["LABELS"]["value"] = labels
    file["parameters"]["POINT"]["UNITS"]["value"] = [units]
    points = np.ones((4, len(labels), len(xyz)))
    points[:3] = xyz.transpose(2, 1, 0)
    file["data"]["points"] = points
    if analog:
        file["parameters"]["ANALOG"]["RATE"]["value"] = [50.0 * 4]
        file["parameters"]["ANALOG"]["LABELS"]["value"] = [f"a{i}" for i in range(analog)]
        file["data"]["analogs"] = np.ones((1, analog, 4 * len(xyz)))
    file.write(str(path))


@pytest.mark.parametrize("analog", [0, 3])
def test_files_of_another_library(tmp_path, analog):
    labels = [f"Ann:M{i}" for i in range(300)]  # more than a parameter of 255 can hold
    xyz = points_of(1, 40, 300)
    xyz[5:9, 7] = np.nan
    path = tmp_path / "other.c3d"
    ezc3d_file(path, xyz, labels, "m", analog)
    points = load_c3d(path)
    assert points.names == tuple(labels)
    assert points.fps == 50.0
    assert points.metres_per_unit == 1.0
    assert np.isnan(points.xyz[5:9, 7]).all()
    assert np.array_equal(np.nan_to_num(points.xyz), np.nan_to_num(xyz.astype(np.float64)))


@pytest.mark.parametrize(
    ("start", "stop", "new", "says"),
    [
        (1, 2, b"\x51", "not a C3D file"),
        (0, 1, b"\x09", "its parameters are missing"),
        (515, 516, b"\x63", "processor type is 99"),
        (8, 10, b"\x20\x00", "announces 32 frames and holds 6.0"),
        (2, 4, b"\x00\x00", "names no points"),
        (1024 + 3 * 16, 1024 + 3 * 16 + 4, b"\xff\xff\x7f\x7f", "larger than any room"),
    ],
)
def test_damage_is_said_in_words(tmp_path, start, stop, new, says):
    data = bytearray(write_by_hand(points_of(), ["A", "B", "C"]))
    data[start:stop] = new
    path = tmp_path / "damaged.c3d"
    path.write_bytes(data)
    with pytest.raises(ExportError, match=says) as caught:
        load_c3d(path)
    assert "damaged.c3d" in str(caught.value)


def test_truncated_and_mutated_files_raise_nothing_but_our_error():
    rng = np.random.default_rng(13)
    data = write_by_hand(points_of(), ["A", "B", "C"])
    num_refused = 0
    for number in range(600):
        mutated = bytearray(data[: rng.integers(1, len(data))] if number % 3 == 0 else data)
        if number % 3 == 1:
            mutated = bytearray(rng.bytes(int(rng.integers(1, 3000))))
            mutated[:2] = b"\x02\x50"
        for _ in range(rng.integers(1, 8)):
            mutated[rng.integers(min(len(mutated), 1024))] = rng.integers(256)
        try:
            read_c3d(io.BytesIO(bytes(mutated)))
        except ExportError:
            num_refused += 1
    assert 300 < num_refused < 600
