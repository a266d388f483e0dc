"""Notes on frames as a CSV table: ``frame``, ``time_s``, ``note``."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pose_core.atomic_file import atomic_write
from pose_core.errors import ExportError
from pose_core.session import Note


def write_note_table(notes: Iterable[Note], times_s: np.ndarray, path: Path) -> None:
    """Write one line for each note, in UTF-8; a bookmark has an empty note.

    Parameters
    ----------
    notes : iterable of Note
    times_s : (T,) ndarray
        Time of each frame of the clip, seconds.
    path : Path
        Replaced only once all is written.

    Raises
    ------
    ExportError
        If it cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("frame", "time_s", "note"))
    writer.writerows((note.frame, f"{times_s[note.frame]:.6f}", note.text) for note in notes)
    with atomic_write(path, ExportError) as file:
        file.write(text.getvalue().encode())
