"""Files of other programs that data sets come in: MATLAB (both kinds) and CDF."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pose_core.errors import DataError

# cdflib is wanted by those who have such files, and by nobody else.
_INSTALL = "Install it with: pip install posestage[benchmarks]"


def load_mat(path: Path, *names: str) -> dict[str, Any]:
    """Variables of a MATLAB file up to version 7 (``-v7``), as ``scipy.io.loadmat`` gives them.

    Raises
    ------
    DataError
        If it cannot be read or lacks one of the names.
    """
    from scipy.io import loadmat  # noqa: PLC0415 - slow to import
    from scipy.io.matlab import MatReadError  # noqa: PLC0415

    damage = (OSError, ValueError, TypeError, NotImplementedError, MatReadError, EOFError)
    try:
        content = loadmat(path, variable_names=list(names))
    except damage as error:
        hint = "It is of version 7.3." if isinstance(error, NotImplementedError) else ""
        raise DataError(f"{path} cannot be read as a MATLAB file: {error}.", hint) from error
    _require(path, names, list(content))
    return content


def load_mat73(path: Path, *names: str) -> dict[str, np.ndarray]:
    """Number arrays of a MATLAB file of version 7.3 (HDF5), with their axes reversed as stored.

    Raises
    ------
    DataError
        If the file cannot be read, or it lacks one of the names.
    """
    import h5py  # noqa: PLC0415 - slow to import

    try:
        with h5py.File(path, "r") as file:
            _require(path, names, list(file))
            return {name: np.asarray(file[name]) for name in names}
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"{path} cannot be read as HDF5: {error}.") from error


def load_cdf(path: Path, name: str) -> np.ndarray:
    """A variable of a CDF file (NASA's Common Data Format).

    Raises
    ------
    DataError
        If cdflib is missing, the file cannot be read, or it lacks the variable.
    """
    cdflib = _library("cdflib", path)
    try:
        file = cdflib.CDF(path)
        _require(path, (name,), file.cdf_info().zVariables + file.cdf_info().rVariables)
        return np.asarray(file.varget(name))
    except DataError:
        raise
    # cdflib raises whatever its parser stumbles over.
    except Exception as error:
        raise DataError(f"{path} cannot be read as CDF: {error}.") from error


@contextmanager
def reading(path: Path, expected: str) -> Iterator[None]:
    """Turn the stumbling of a parser over a file into one error that says what was expected."""
    try:
        yield
    except DataError:
        raise
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError,
            OverflowError, RecursionError, MemoryError) as error:  # fmt: skip
        problem = f"{type(error).__name__}: {error}"
        raise DataError(f"{path} is not as expected: {problem}.", expected) from error


def _library(name: str, path: Path) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise DataError(f"Reading {path} needs the library {name}.", _INSTALL) from error


def _require(path: Path, names: tuple[str, ...], found: list[str]) -> None:
    if missing := [name for name in names if name not in found]:
        shown = ", ".join(n for n in found if not n.startswith("__")) or "nothing"
        raise DataError(f"{path} lacks {', '.join(missing)}.", f"It has: {shown}.")
