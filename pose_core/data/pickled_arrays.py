"""Arrays in npz files that hold pickled dictionaries, read without running what a pickle says.

``data_3d_h36m.npz`` and its relatives are the most widely used form of the benchmarks, and each is
one ``dict`` of arrays that numpy could only store as a pickle. A pickle is a program: whoever
loads it with ``allow_pickle=True`` runs it. To refuse these files would keep most users from the
benchmarks; to ask for a conversion would have them run the pickle themselves. So the pickle is
read here by an interpreter that has nothing to call:

- the only names that it knows are the six that numpy writes for an array; every other name, any
  function of Python above all, is refused before anything is called;
- also these six do not lead to numpy. They lead to stand-ins of this module, which take down a
  shape, a type and bytes; numpy's own code for restoring arrays, which trusts its input, is never
  given any of it. The bytes become an array only when they are of a plain number type and of the
  size that the shape asks for.

What can be in such a file is thus: dictionaries, lists, tuples, text, numbers and number arrays.
"""

import math
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from pose_core.array_files import DAMAGE, check_size
from pose_core.errors import DataError

# The largest known file, Human3.6M with detections, has 0.3 GB.
_MAX_BYTES = 4 * 1024**3
_MAX_NODES = 100_000
_MAX_DEPTH = 8
_NUMBER_CODE = re.compile(r"[fiu][1248]|b1")


class _Dtype:
    """Stand-in for ``numpy.dtype``: a plain number type, or ``O`` for a list of anything."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.order = "="

    def __setstate__(self, state: tuple) -> None:
        order, subtype, names, fields = state[1:5]
        if subtype is not None or names is not None or fields is not None:
            raise pickle.UnpicklingError("an array of records")
        self.order = order

    def numbers(self) -> np.dtype:
        if not _NUMBER_CODE.fullmatch(self.code) or self.order not in ("<", ">", "=", "|"):
            raise pickle.UnpicklingError(f"an array of type {self.code!r}")
        return np.dtype(self.order.replace("|", "") + self.code)


class _Array:
    """Stand-in for ``numpy.ndarray``."""

    value: Any = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, is_fortran, content = state
        if dtype.code.startswith("O"):
            # Flat is enough: no reader wants the shape of a list of arrays.
            self.value = list(content)
            return
        numbers = dtype.numbers()
        if any(n < 0 for n in shape) or len(content) != math.prod(shape) * numbers.itemsize:
            raise pickle.UnpicklingError("an array of another size than it states")
        array = np.frombuffer(bytes(content), numbers)
        self.value = array.reshape(shape, order="F" if is_fortran else "C")


# Functions, not classes: a pickle can do more with a class than call it.
def _new_array(*_arguments: object) -> _Array:
    return _Array()


def _new_dtype(code: str, *_arguments: object) -> _Dtype:
    return _Dtype(code)


def _new_scalar(dtype: _Dtype, content: bytes) -> int | float | bool:
    return np.frombuffer(content, dtype.numbers())[0].item()


def _latin1_bytes(text: str, codec: str) -> bytes:
    """How Python 3 writes bytes for readers of Python 2."""
    if codec != "latin1":
        raise pickle.UnpicklingError(f"text in {codec!r}")
    return text.encode("latin1")


_KNOWN_NAMES = {
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): _new_dtype,
    ("numpy.core.multiarray", "_reconstruct"): _new_array,
    ("numpy._core.multiarray", "_reconstruct"): _new_array,
    ("numpy.core.multiarray", "scalar"): _new_scalar,
    ("numpy._core.multiarray", "scalar"): _new_scalar,
    ("_codecs", "encode"): _latin1_bytes,
}


class _ArrayUnpickler(pickle.Unpickler):
    """Interpreter of pickles that knows nothing but stand-ins for arrays."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        try:
            return _KNOWN_NAMES[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(f"it calls {module_name}.{global_name}") from None

    def persistent_load(self, pid: object) -> NoReturn:
        raise pickle.UnpicklingError("it refers to something outside the file")


def load_nested_arrays(path: Path, key: str) -> Any:
    """The object stored under a key: nested dictionaries and lists of number arrays.

    Parameters
    ----------
    path : Path
        An ``npz`` file.
    key : str
        ``positions_3d``, for example.

    Returns
    -------
    dict, list, str, int, float, bool, None or (read-only) ndarray

    Raises
    ------
    DataError
        If the file is damaged, has no such key, or holds anything but arrays.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_size(archive, _MAX_BYTES)
            if f"{key}.npy" not in archive.namelist():
                found = ", ".join(name.removesuffix(".npy") for name in archive.namelist())
                raise DataError(f"{path} has no {key!r}.", f"It has: {found}.")
            with archive.open(f"{key}.npy") as member:
                _skip_header(member)
                return _plain(_ArrayUnpickler(member).load(), _Budget())
    except (pickle.UnpicklingError, AttributeError, IndexError, *DAMAGE) as error:
        raise DataError(
            f"{path} cannot be read as arrays: {error}.",
            "Expected dictionaries of number arrays and nothing else. Do not open this file with "
            "allow_pickle unless you made it yourself.",
        ) from error


def _skip_header(member: Any) -> None:
    """Leave the stream at the pickle; raise ValueError where the array is not a pickle."""
    version = np.lib.format.read_magic(member)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    _, _, dtype = read_header(member)
    if not dtype.hasobject:
        raise ValueError("it is a plain array, a dictionary was expected")


class _Budget:
    """Counts nodes: a pickle can refer to the same list often enough to fill any memory."""

    def __init__(self) -> None:
        self.left = _MAX_NODES

    def spend(self, depth: int) -> None:
        self.left -= 1
        if self.left < 0 or depth > _MAX_DEPTH:
            raise pickle.UnpicklingError("it is too large or too deep")


def _plain(node: Any, budget: _Budget, depth: int = 0) -> Any:
    """The tree with its stand-ins replaced by arrays."""
    budget.spend(depth)
    if isinstance(node, _Array):
        if isinstance(node.value, np.ndarray):
            return node.value
        items = [_plain(item, budget, depth + 1) for item in node.value or ()]
        # numpy wraps a dictionary into an array of one object.
        return items[0] if len(items) == 1 and depth == 0 else items
    if isinstance(node, dict):
        return {str(k): _plain(v, budget, depth + 1) for k, v in node.items()}
    if isinstance(node, list | tuple):
        return [_plain(item, budget, depth + 1) for item in node]
    if node is None or isinstance(node, str | int | float | bool):
        return node
    raise pickle.UnpicklingError(f"it holds a {type(node).__name__.strip('_')}")
