"""The sign on a view that says that joints are edited, how, and what the joints look like."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QWidget

from app.views.overlay2d import LEGEND, draw_sample
from app.views.paint import PILL_BACKGROUND, PILL_TEXT

MARGIN, PADDING, GAP = 8.0, 7.0, 12.0
# From people's bones to the borders of their bodies: pixels at least, and share of their height.
BODY_PX, BODY_SHARE = 14.0, 0.06
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


@dataclass(frozen=True)
class SignLayout:
    """What of a sign is drawn on a view, and how large it is; `of` makes it.

    Parameters
    ----------
    title : str
    lines : tuple of str
    has_legend : bool
    is_faint : bool
        The lines say how to edit, and not why nothing can be edited.
    whole, title_alone : QSizeF
        Logical pixels.
    """

    title: str
    lines: tuple[str, ...]
    has_legend: bool
    is_faint: bool
    whole: QSizeF
    title_alone: QSizeF

    @classmethod
    def of(cls, widget: QWidget, sign: Sign, obstacle: str) -> "SignLayout":
        """Lay out a sign.

        Parameters
        ----------
        widget : QWidget
            The view.
        sign : Sign
        obstacle : str
            Why nothing can be edited; empty where it can.
        """
        metrics, room = widget.fontMetrics(), widget.width() - 2 * (MARGIN + PADDING)
        line = metrics.height() + 4.0
        title = metrics.elidedText(sign.title, Qt.TextElideMode.ElideRight, int(room))
        wanted = (obstacle,) if obstacle else sign.lines
        lines = tuple(each for each in wanted if metrics.horizontalAdvance(each) <= room)
        legend = _legend_width(metrics.horizontalAdvance, line)
        has_legend = sign.has_legend and legend <= room and not obstacle
        width = max(metrics.horizontalAdvance(each) for each in (title, *lines))
        width = max(width, legend) if has_legend else width
        height = line * (1 + len(lines) + has_legend)
        return cls(
            title,
            lines,
            has_legend,
            not obstacle,
            QSizeF(width + 2 * PADDING, height + 2 * PADDING - 4.0),
            QSizeF(metrics.horizontalAdvance(title) + 2 * PADDING, line + 2 * PADDING),
        )


def draw_edit_frame(painter: QPainter, widget: QWidget) -> None:
    """Draw a frame around a view in which something is edited."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(_FRAME, 2.0))
    painter.drawRect(QRectF(widget.rect()).adjusted(1, 1, -1, -1))


def draw_sign(
    painter: QPainter,
    layout: SignLayout,
    room: QRectF,
    bodies: np.ndarray,
    before: QRectF,
    *,
    is_brief: bool = False,
) -> QRectF:
    """Draw a sign, or else its title alone, where it covers nobody; or nothing at all.

    Parameters
    ----------
    painter : QPainter
        In logical pixels.
    layout : SignLayout
    room : QRectF
        In whose corners it may stand.
    bodies : (P, N, 2) ndarray
        Points along the bones of people, logical pixels; NaN where unseen.
    before : QRectF
        Where it was drawn last: there it stays as long as it can.
    is_brief : bool
        Draw the title alone: something under the sign is worked on.

    Returns
    -------
    QRectF
        What it covers; empty where no corner is free.
    """
    sizes = (
        {True: layout.title_alone} if is_brief else {False: layout.whole, True: layout.title_alone}
    )
    area, is_brief = _free_place(sizes, room, bodies, before)
    if not area.isEmpty():
        _draw_sign_at(painter, layout, area, is_brief=is_brief)
    return area


def _free_place(
    sizes: dict[bool, QSizeF], room: QRectF, bodies: np.ndarray, before: QRectF
) -> tuple[QRectF, bool]:
    """A place for the first of several sizes for which there is one, and the key of that size."""
    for is_brief, size in sizes.items():
        x = (room.left(), room.right() - size.width())
        y = (room.top(), room.bottom() - size.height())
        places = [QRectF(QPointF(left, top), size) for top, left in product(y, x)]
        places.sort(key=lambda place: not place.intersects(before))
        for place in places:
            if room.contains(place) and not _covers(place, bodies):
                return place, is_brief
    return QRectF(), True


def _covers(area: QRectF, bodies: np.ndarray) -> bool:
    """Whether one of the points lies in an area, or so near that the body would."""
    for person in bodies:
        x, y = person[np.isfinite(person).all(axis=1)].T
        if len(x):
            body = max(BODY_PX, BODY_SHARE * float(np.ptp(y)))
            wide = area.adjusted(-body, -body, body, body)
            is_across = (x > wide.left()) & (x < wide.right())
            if (is_across & (y > wide.top()) & (y < wide.bottom())).any():
                return True
    return False


def _draw_sign_at(painter: QPainter, layout: SignLayout, area: QRectF, *, is_brief: bool) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(PILL_BACKGROUND)
    painter.drawRoundedRect(area, 6, 6)
    line = painter.fontMetrics().height() + 4.0
    corner = area.topLeft() + QPointF(PADDING, PADDING - 2.0)
    row = QRectF(corner, QSizeF(layout.whole.width(), line))
    painter.setPen(_FRAME)
    painter.drawText(row, Qt.AlignmentFlag.AlignVCenter, layout.title)
    if is_brief:
        return
    painter.setPen(_FAINT if layout.is_faint else PILL_TEXT)
    for text in layout.lines:
        row.translate(0, line)
        painter.drawText(row, Qt.AlignmentFlag.AlignVCenter, text)
    if layout.has_legend:
        _draw_legend(painter, row.left(), row.top() + line, line)


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
