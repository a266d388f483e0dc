"""Dictionaries of arrays from npz files: read without running the pickle."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from pose_core.data.pickled_arrays import load_nested_arrays
from pose_core.errors import DataError


def npz_with_pickle(path, payload: bytes, key="positions_3d"):
    """An npz file whose array of objects is this pickle."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|O", "fortran_order": False, "shape": ()}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{key}.npy", header.getvalue() + payload)


@pytest.mark.parametrize("compressed", [False, True])
def test_reads_what_numpy_writes(tmp_path, rng, compressed):
    data = {
        "S1": {"Walk 1": rng.normal(size=(5, 3)).astype(np.float32), "n": 3, "name": "ä"},
        "S9": {"Views": [np.arange(4), np.zeros((0, 2)), None], "fortran": np.ones((2, 3)).T},
    }
    path = tmp_path / "file.npz"
    (np.savez_compressed if compressed else np.savez)(path, positions_3d=data, other=np.eye(2))
    loaded = load_nested_arrays(path, "positions_3d")
    np.testing.assert_array_equal(loaded["S1"]["Walk 1"], data["S1"]["Walk 1"])
    assert loaded["S1"]["Walk 1"].dtype == np.float32
    assert (loaded["S1"]["n"], loaded["S1"]["name"]) == (3, "ä")
    np.testing.assert_array_equal(loaded["S9"]["Views"][0], np.arange(4))
    assert loaded["S9"]["Views"][1].shape == (0, 2)
    assert loaded["S9"]["Views"][2] is None
    np.testing.assert_array_equal(loaded["S9"]["fortran"], np.ones((3, 2)))
    assert not loaded["S1"]["Walk 1"].flags.writeable


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_reads_every_protocol_that_numpy_has_used(tmp_path, protocol):
    order = {"big": np.arange(3, dtype=">i2"), "scalar": np.float64(2.5), "flag": np.array([True])}
    box = np.array(None, dtype=object)
    box[()] = order
    npz_with_pickle(tmp_path / "a.npz", pickle.dumps(box, protocol=protocol))
    loaded = load_nested_arrays(tmp_path / "a.npz", "positions_3d")
    np.testing.assert_array_equal(loaded["big"], [0, 1, 2])
    assert loaded["scalar"] == 2.5
    assert loaded["flag"].tolist() == [True]


def test_reads_the_names_of_older_numpy(tmp_path):
    box = np.array(None, dtype=object)
    box[()] = {"a": np.arange(2.0)}
    payload = pickle.dumps(box, protocol=2)
    assert b"numpy._core.multiarray" in payload
    payload = payload.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    npz_with_pickle(tmp_path / "a.npz", payload)
    loaded = load_nested_arrays(tmp_path / "a.npz", "positions_3d")
    np.testing.assert_array_equal(loaded["a"], [0, 1])


class Evil:
    """Touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("place", ["top", "value", "inside an array"])
def test_a_malicious_pickle_is_refused_and_does_nothing(tmp_path, place):
    target = tmp_path / "touched"
    evil = Evil(target)
    if place == "inside an array":
        evil = np.array([evil, None], dtype=object)
    payload = pickle.dumps(evil if place == "top" else {"S1": {"Walk": evil}})
    npz_with_pickle(tmp_path / "a.npz", payload)
    # The same file does harm where pickles are run.
    np.load(tmp_path / "a.npz", allow_pickle=True)["positions_3d"]
    assert target.is_dir()
    target.rmdir()
    with pytest.raises(DataError, match=r"posix\.mkdir|nt\.mkdir"):
        load_nested_arrays(tmp_path / "a.npz", "positions_3d")
    assert not target.exists()


@pytest.mark.parametrize(
    "call",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cos\nsystem\n(S'true'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy\nndarray\n)R.",  # the name is known, but it is not a thing to call
        b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.",
        b"P1\n.",  # an object outside the file
    ],
)
def test_calls_and_references_are_refused(tmp_path, call):
    npz_with_pickle(tmp_path / "a.npz", call)
    with pytest.raises(DataError, match="cannot be read as arrays"):
        load_nested_arrays(tmp_path / "a.npz", "positions_3d")


def array_pickle(shape, code, content, order="<"):
    """The pickle of an array with a state of our choice."""

    class Restored:
        def __reduce__(self):
            return (
                np._core.multiarray._reconstruct,
                (np.ndarray, (0,), b"b"),
                (1, shape, np.dtype(code).newbyteorder(order), False, content),
            )

    return pickle.dumps(Restored())


def test_an_array_must_be_of_the_size_and_type_that_it_states(tmp_path):
    path = tmp_path / "a.npz"
    npz_with_pickle(path, array_pickle((2, 2), "f4", bytes(16)))
    assert load_nested_arrays(path, "positions_3d").shape == (2, 2)
    for shape, code in (((2, 3), "f4"), ((-2, -2), "f4"), ((2,), "U2"), ((2,), [("a", "f8")])):
        npz_with_pickle(path, array_pickle(shape, code, bytes(16)))
        with pytest.raises(DataError, match="an array of"):
            load_nested_arrays(path, "positions_3d")


def test_lists_that_refer_to_themselves_do_not_fill_the_memory(tmp_path):
    bomb: list = []
    for _ in range(7):
        bomb = [bomb] * 30
    npz_with_pickle(tmp_path / "a.npz", pickle.dumps(bomb))
    with pytest.raises(DataError, match="too large or too deep"):
        load_nested_arrays(tmp_path / "a.npz", "positions_3d")
    loop: list = []
    loop.append(loop)
    npz_with_pickle(tmp_path / "a.npz", pickle.dumps(loop))
    with pytest.raises(DataError, match="too large or too deep"):
        load_nested_arrays(tmp_path / "a.npz", "positions_3d")


def test_damaged_and_other_files_are_one_error(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, positions_3d={"a": np.arange(1000)})
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match="cannot be read as arrays"):
            load_nested_arrays(path, "positions_3d")
    np.savez(path, positions_3d=np.arange(3))
    with pytest.raises(DataError, match="plain array"):
        load_nested_arrays(path, "positions_3d")
    with pytest.raises(DataError, match="has no 'positions_2d'"):
        load_nested_arrays(path, "positions_2d")
