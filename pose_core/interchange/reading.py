"""Opening exchange files so that every error names the file, and damage is told in words."""

import contextlib
import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from pose_core.errors import ExportError

# As Python objects, text takes some ten times its size in memory.
MAX_JSON_BYTES = 200 * 1024**2

# What a parser stumbles with over a damaged file.
_STUMBLES = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
    MemoryError,
    EOFError,
    csv.Error,
)


@contextlib.contextmanager
def open_to_read(path: Path) -> Iterator[BinaryIO]:
    """Open a file for a reader.

    Raises
    ------
    ExportError
        If it cannot be opened or read, and in place of the reader's own, which lacks the path.
    """
    try:
        with Path(path).open("rb") as handle:
            yield handle
    except OSError as exc:
        raise ExportError(
            f"{path} cannot be read: {exc.strerror or exc}.",
            "Check the name and the rights of the file.",
        ) from exc
    except ExportError as exc:
        raise ExportError(f"{path}: {exc.message}", exc.hint) from exc


@contextlib.contextmanager
def damage_told(what: str, hint: str = "") -> Iterator[None]:
    """Turn the stumbling of a parser over a damaged file into one error.

    Raises
    ------
    ExportError
        ``The WHAT is damaged or of another form: ...``.
    """
    try:
        yield
    except _STUMBLES as exc:
        reason = f"it lacks {exc}" if isinstance(exc, KeyError) else str(exc)[:200]
        raise ExportError(f"The {what} is damaged or of another form: {reason}.", hint) from exc


def read_json_text(handle: BinaryIO) -> Any:
    """Parse an open JSON file of bounded size.

    Raises
    ------
    ExportError
    """
    text = handle.read(MAX_JSON_BYTES + 1)
    if len(text) > MAX_JSON_BYTES:
        raise ExportError(
            f"It is larger than {MAX_JSON_BYTES // 1024**2} MB.", "Cut it into parts."
        )
    with damage_told("JSON file"):
        return json.loads(text.decode("utf-8-sig"))


def csv_rows(handle: BinaryIO) -> Iterator[list[str]]:
    """Rows of an open CSV file, one at a time, without empty ones and comments (``#``).

    Raises
    ------
    ExportError
    """
    lines = (line.decode("utf-8", errors="replace").removeprefix("\ufeff") for line in handle)
    with damage_told("table"):
        yield from (row for row in csv.reader(ln for ln in lines if ln[:1] != "#") if row)


def number_or_nan(cell: str) -> float:
    """A number; NaN for an empty cell. ValueError for any other text."""
    return float(cell) if cell.strip() else float("nan")


def whole_number(value: Any) -> int:
    """A whole number that an array can hold, such as a frame; ValueError for anything else."""
    number = float(value)
    if not (number.is_integer() and abs(number) < 2**53):
        raise ValueError(f"{str(value)[:40]!r} is no whole number")
    return int(number)


def numbers_of(cells: Sequence[str]) -> list[float]:
    """Numbers of a row; NaN for empty cells."""
    return [number_or_nan(cell) for cell in cells]
