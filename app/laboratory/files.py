"""Pictures and numbers of a panel as files."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QPoint, QRect
from PySide6.QtGui import QImage, QImageWriter, QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QGraphicsItem, QGraphicsView, QWidget

from pose_core.atomic_file import atomic_write
from pose_core.errors import ExportError

PICTURE_SCALE = 2.0  # sharp in print, whatever the screen


@dataclass(frozen=True)
class Table:
    """Numbers with a name, and a unit where they have one, for each column.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequences
        Numbers, texts, or None where there is nothing.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[object]]


def save_png(widget: QWidget, path: Path) -> None:
    """Write a picture of a widget.

    Raises
    ------
    ExportError
    """
    image = QImage(widget.size() * PICTURE_SCALE, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(PICTURE_SCALE)
    image.fill(widget.palette().window().color())
    with _without_pixmaps(widget):
        widget.render(image, QPoint(0, 0))
    buffer = _open_buffer()
    QImageWriter(buffer, QByteArray(b"PNG")).write(image)
    _write(path, buffer.data())


def save_svg(widget: QWidget, path: Path, title: str) -> None:
    """Write a drawing of a widget: lines and letters stay what they are.

    Raises
    ------
    ExportError
    """
    buffer = _open_buffer()
    svg = QSvgGenerator()
    svg.setOutputDevice(buffer)
    svg.setSize(widget.size())
    svg.setViewBox(QRect(QPoint(0, 0), widget.size()))
    svg.setTitle(title)
    with _without_pixmaps(widget), QPainter(svg) as painter:
        painter.fillRect(widget.rect(), widget.palette().window())
        widget.render(painter, QPoint(0, 0))
    _write(path, buffer.data())


def save_table(table: Table, path: Path, comments: Sequence[str]) -> None:
    """Write CSV; lines at the top that begin with ``#`` say what the numbers are.

    Raises
    ------
    ExportError
    """
    text = io.StringIO()
    text.writelines(f"# {line}\n" for line in comments)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.header)
    writer.writerows(["" if value is None else value for value in row] for row in table.rows)
    _write(path, QByteArray(text.getvalue().encode()))


@contextmanager
def _without_pixmaps(widget: QWidget) -> Iterator[None]:
    """Let plots draw all of themselves: what they keep for the screen are pixels."""
    views = widget.findChildren(QGraphicsView)
    if isinstance(widget, QGraphicsView):
        views.append(widget)
    items = [item for view in views for item in view.scene().items()]
    kept = [(item, item.cacheMode()) for item in items]
    for item, _ in kept:
        item.setCacheMode(QGraphicsItem.CacheMode.NoCache)
    try:
        yield
    finally:
        for item, mode in kept:
            item.setCacheMode(mode)


def _open_buffer() -> QBuffer:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    return buffer


def _write(path: Path, content: QByteArray) -> None:
    with atomic_write(path, ExportError) as handle:
        handle.write(content.data())
