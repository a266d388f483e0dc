"""Versions of long arrays share what they have in common, and never change one another."""

from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from pose_core import array_versions
from pose_core.array_archive import ArchiveReader, write_archive
from pose_core.array_versions import unequal_bytes, with_frames

SHAPES = {0: (40_000, 17, 2), 1: (3, 12_000, 17, 3)}


def long_array(axis: int) -> np.ndarray:
    array = np.random.default_rng(axis).random(SHAPES[axis], np.float32)
    assert array.nbytes > array_versions.SHORT_BYTES
    array.flags.writeable = False
    return array


@pytest.fixture(params=["in memory", "in a temporary file", "in a file"])
def where(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where a version begins; the second is that of systems without files in memory."""
    if request.param == "in a temporary file":
        elsewhere = SimpleNamespace(platform="darwin")
        monkeypatch.setattr("pose_core.array_versions.sys", elsewhere)
        monkeypatch.delattr("pose_core.array_versions.os.memfd_create", raising=False)
    return request.param


def placed(array: np.ndarray, where: str, folder, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """The array as it is, or mapped from an archive in which others lie around it."""
    if where != "in a file":
        return array
    monkeypatch.setattr("pose_core.array_archive.MAP_FROM_BYTES", 1024)
    path = folder / "arrays.zip"
    with path.open("wb") as handle:
        others = np.arange(5000.0), np.arange(777.0)
        write_archive(handle, {}, {"a.npy": others[0], "b.npy": array, "c.npy": others[1]})
    with ArchiveReader(path) as archive:
        return archive.arrays({"b": "b.npy"})["b"]


@pytest.mark.parametrize("axis", [0, 1])
def test_a_chain_of_versions_is_what_copies_would_be(where, axis, tmp_path, monkeypatch) -> None:
    """Each one against a plain copy, also those before it, and views of parts of them."""
    original = long_array(axis)
    versions = [placed(original, where, tmp_path, monkeypatch)]
    expected = [original]
    rng = np.random.default_rng(1)
    for _ in range(20):
        number = int(rng.integers(len(versions)))  # undo goes back to older ones
        start = int(rng.integers(SHAPES[axis][axis] - 400))
        values = rng.random(_with_length(SHAPES[axis], axis, int(rng.integers(1, 400))), np.float32)
        copy = expected[number].copy()
        copy[(slice(None),) * axis + (slice(start, start + values.shape[axis]),)] = values
        expected.append(copy)
        versions.append(with_frames(versions[number], axis, start, values))
        del expected[1:-6], versions[1:-6]
    for version in versions:
        first, last = unequal_bytes(version, versions[-1])
        flat, others = (each.reshape(-1).view(np.uint8) for each in (version, versions[-1]))
        differing = np.flatnonzero(flat != others)
        assert not len(differing) or first <= differing[0] <= differing[-1] < last
    assert unequal_bytes(versions[-1], versions[-2])[1] < flat.size or where != "in a file"
    for version, array in zip(versions, expected, strict=True):
        np.testing.assert_array_equal(version, array)
        assert not version.flags.writeable
        assert version.flags.c_contiguous
    part = versions[-1][1000:36_000] if axis == 0 else versions[-1][1]
    new = with_frames(part, 0, 5, np.zeros_like(part[:3]))
    np.testing.assert_array_equal(new[8:], part[8:])
    assert not new[5:8].any()
    np.testing.assert_array_equal(versions[-1], expected[-1])


def _with_length(shape: tuple[int, ...], axis: int, length: int) -> tuple[int, ...]:
    return (*shape[:axis], length, *shape[axis + 1 :])


def test_a_version_takes_the_memory_of_what_differs(where, tmp_path, monkeypatch) -> None:
    """A hundred versions of an array of 5 MB, in less than eight times its size."""
    array = placed(long_array(0), where, tmp_path, monkeypatch)
    process = psutil.Process()
    before, versions = process.memory_full_info().uss, [array]
    for i in range(100):
        versions.append(with_frames(versions[-1], 0, 7 * i, np.full_like(array[:2], i)))
    assert process.memory_full_info().uss - before < 8 * array.nbytes
    assert versions[50][7 * 49, 0, 0] == 49
    assert versions[50][7 * 50, 0, 0] == array[7 * 50, 0, 0]


def test_much_that_was_written_is_no_burden_for_ever(monkeypatch) -> None:
    """Beyond a share, and beyond a number of pieces, the next version begins anew."""
    array = long_array(0)
    for start in range(0, 36_000, 4000):
        array = with_frames(array, 0, start, np.ones((3500, 17, 2), np.float32))
        assert _num_written_bytes(array) <= array_versions.MOST_WRITTEN * array.nbytes
    monkeypatch.setattr(array_versions, "MOST_RANGES", 20)
    for start in range(0, 1000, 10):
        assert len(array_versions._written(array)) <= 20
        array = with_frames(array, 0, start, np.full((1, 17, 2), 2, np.float32))
    assert (array[:1000:10] == 2).all()
    assert (array[1:1000:10] == 1).all()


def _num_written_bytes(array: np.ndarray) -> int:
    return sum(last - first for first, last in array_versions._written(array))


@pytest.mark.parametrize("refused", ["os.memfd_create", "tempfile.TemporaryFile", "os.dup",
                                     "FileMapping"])  # fmt: skip
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_where_the_system_refuses_there_is_a_copy(refused, monkeypatch) -> None:
    """No room for a file, no further file open, no further mapping."""

    def refuse(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    if refused == "tempfile.TemporaryFile":
        elsewhere = SimpleNamespace(platform="win32")
        monkeypatch.setattr("pose_core.array_versions.sys", elsewhere)
    array = long_array(0)
    if refused != "FileMapping":
        monkeypatch.setattr(f"pose_core.array_versions.{refused}", refuse, raising=False)
    else:
        monkeypatch.setattr(array_versions.FileMapping, "__new__", refuse)
    other = with_frames(array, 0, 10, np.zeros((2, 17, 2), np.float32))
    assert not other[10:12].any()
    np.testing.assert_array_equal(other[12:], array[12:])
    assert not other.flags.writeable


def test_files_are_closed_with_the_last_version() -> None:
    process = psutil.Process()
    before = process.num_fds() if hasattr(process, "num_fds") else 0
    array = with_frames(long_array(0), 0, 1, np.zeros((1, 17, 2), np.float32))
    for i in range(50):
        array = with_frames(array, 0, i, np.zeros((1, 17, 2), np.float32))
    del array
    assert not hasattr(process, "num_fds") or process.num_fds() == before
