"""The sign on a view that says that joints are edited, how, and what the joints look like."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QWidget

from app.views.overlay2d import LEGEND, draw_sample
from app.views.paint import PILL_BACKGROUND, PILL_TEXT

MARGIN, PADDING, GAP = 8.0, 7.0, 12.0
_FAINT = QColor(245, 245, 245, 190)
_FRAME = QColor(240, 228, 66)


@dataclass(frozen=True)
class Sign:
    """What stands on the sign.

    Parameters
    ----------
    title : str
    lines : tuple of str
        How to edit; lines for which there is no room are left out.
    has_legend : bool
        Show what the joints look like.
    """

    title: str
    lines: tuple[str, ...]
    has_legend: bool = False


VIDEO_SIGN = Sign(
    "Editing keypoints - E or Esc leaves",
    (
        "Drag moves a joint, Alt-drag the person; a side of the box: look into it again.",
        "Shift selects, arrow keys nudge, right-click: visible, occluded, absent.",
    ),
    has_legend=True,
)


def draw_hint(
    painter: QPainter,
    widget: QWidget,
    sign: Sign,
    obstacle: str,
    *,
    is_brief: bool,
    top: float = MARGIN,
) -> QRectF:
    """Draw a sign in the upper left of a view, and a frame around the view.

    Parameters
    ----------
    painter : QPainter
        In logical pixels.
    widget : QWidget
    sign : Sign
    obstacle : str
        Why nothing can be edited; empty where it can.
    is_brief : bool
        Draw the title alone: something under the sign is worked on.
    top : float
        Where the sign begins.

    Returns
    -------
    QRectF
        What the whole sign covers, or would.
    """
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(_FRAME, 2.0))
    painter.drawRect(QRectF(widget.rect()).adjusted(1, 1, -1, -1))
    metrics, room = painter.fontMetrics(), widget.width() - 2 * (MARGIN + PADDING)
    line = metrics.height() + 4.0
    title = metrics.elidedText(sign.title, Qt.TextElideMode.ElideRight, int(room))
    lines = [obstacle] if obstacle else list(sign.lines)
    lines = [each for each in lines if metrics.horizontalAdvance(each) <= room]
    legend = _legend_width(metrics.horizontalAdvance, line)
    has_legend = sign.has_legend and legend <= room and not obstacle
    width = max(metrics.horizontalAdvance(each) for each in (title, *lines))
    width = max(width, legend) if has_legend else width
    num_lines = 1 + len(lines) + has_legend
    whole = QRectF(MARGIN, top, width + 2 * PADDING, line * num_lines + 2 * PADDING - 4.0)
    shown = QRectF(whole)
    if is_brief:
        shown.setSize(QSizeF(metrics.horizontalAdvance(title) + 2 * PADDING, line + 2 * PADDING))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(PILL_BACKGROUND)
    painter.drawRoundedRect(shown, 6, 6)
    row = QRectF(MARGIN + PADDING, top + PADDING - 2.0, width + 1, line)
    painter.setPen(_FRAME)
    painter.drawText(row, Qt.AlignmentFlag.AlignVCenter, title)
    if not is_brief:
        painter.setPen(PILL_TEXT if obstacle else _FAINT)
        for text in lines:
            row.translate(0, line)
            painter.drawText(row, Qt.AlignmentFlag.AlignVCenter, text)
        if has_legend:
            _draw_legend(painter, row.left(), row.top() + line, line)
    return whole


def _legend_width(advance: Callable[[str], int], line: float) -> float:
    return sum(line + advance(name) + GAP for name in LEGEND) - GAP


def _draw_legend(painter: QPainter, x: float, y: float, line: float) -> None:
    """A sample of each kind of joint with its name."""
    metrics = painter.fontMetrics()
    for name in LEGEND:
        draw_sample(painter, name, QPointF(x + line / 2 - 3, y + line / 2))
        width = metrics.horizontalAdvance(name)
        painter.setPen(PILL_TEXT)
        area = QRectF(x + line, y, width + 1, line)
        painter.drawText(area, Qt.AlignmentFlag.AlignVCenter, name)
        x += line + width + GAP
