"""Opening exchange files so that every error names the file."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pose_core.errors import ExportError


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
