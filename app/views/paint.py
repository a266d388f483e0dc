"""Small things that several views paint the same way."""

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPalette
from PySide6.QtWidgets import QWidget

PILL_BACKGROUND = QColor(20, 20, 20, 190)
PILL_TEXT = QColor(245, 245, 245)


def is_dark(palette: QPalette) -> bool:
    """Whether a palette is that of a dark theme."""
    return palette.color(QPalette.ColorRole.Window).lightness() < 128


def mixed(a: QColor, b: QColor, share: float) -> QColor:
    """Mix two colours: `share` of the way from `a` to `b`."""
    keep = 1.0 - share
    return QColor.fromRgbF(
        a.redF() * keep + b.redF() * share,
        a.greenF() * keep + b.greenF() * share,
        a.blueF() * keep + b.blueF() * share,
    )


def draw_pill(
    painter: QPainter,
    text: str,
    anchor: QPointF,
    alignment: Qt.AlignmentFlag,
    *,
    text_colour: QColor = PILL_TEXT,
    background: QColor = PILL_BACKGROUND,
) -> QRectF:
    """Text on a rounded dark ground, readable on any picture.

    Parameters
    ----------
    anchor : QPointF
        The point, in logical pixels, at which the pill's side or middle given by `alignment` lies.
    """
    metrics = painter.fontMetrics()
    height = metrics.height() + 4.0
    width = max(metrics.horizontalAdvance(text) + 12.0, height)
    x, y = anchor.x() - width / 2, anchor.y() - height / 2
    if alignment & Qt.AlignmentFlag.AlignLeft:
        x = anchor.x()
    elif alignment & Qt.AlignmentFlag.AlignRight:
        x = anchor.x() - width
    if alignment & Qt.AlignmentFlag.AlignTop:
        y = anchor.y()
    elif alignment & Qt.AlignmentFlag.AlignBottom:
        y = anchor.y() - height
    rect = QRectF(x, y, width, height)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(background)
    painter.drawRoundedRect(rect, height / 2, height / 2)
    painter.setPen(text_colour)
    painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, text)
    return rect


def draw_empty_state(painter: QPainter, widget: QWidget, title: str, hint: str) -> None:
    """Say in the middle of an empty view what is missing and what to do about it."""
    colour = widget.palette().color(QPalette.ColorRole.WindowText)
    colour.setAlphaF(0.75)
    painter.setPen(colour)
    font = widget.font()
    font.setPointSizeF(font.pointSizeF() * 1.35)
    painter.setFont(font)
    area = QRectF(widget.rect()).adjusted(16, 0, -16, 0)
    middle = area.center().y()
    flags = Qt.AlignmentFlag.AlignHCenter | Qt.TextFlag.TextWordWrap
    top = QRectF(area.left(), 0, area.width(), middle - 2)
    painter.drawText(top, flags | Qt.AlignmentFlag.AlignBottom, title)
    colour.setAlphaF(0.55)
    painter.setPen(colour)
    painter.setFont(widget.font())
    below = QRectF(area.left(), middle + 6, area.width(), area.bottom() - middle - 6)
    painter.drawText(below, flags | Qt.AlignmentFlag.AlignTop, hint)
