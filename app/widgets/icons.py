"""Icons drawn in the colours of the palette: sharp at any size, right in any theme."""

from collections.abc import Callable

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QIconEngine, QPainter, QPalette, QPen, QPixmap, QPolygonF
from PySide6.QtWidgets import QApplication


def _triangle(painter: QPainter, x: float, width: float) -> None:
    """Solid triangle from x, pointing right for a positive width."""
    tip = QPointF(x + width, 12)
    painter.drawPolygon(QPolygonF([QPointF(x, 5), tip, QPointF(x, 19)]))


def _bar(painter: QPainter, x: float, width: float = 3) -> None:
    painter.drawRect(QRectF(x, 5, width, 14))


def _play(painter: QPainter) -> None:
    _triangle(painter, 7, 12)


def _pause(painter: QPainter) -> None:
    _bar(painter, 6.5, 4)
    _bar(painter, 13.5, 4)


def _next(painter: QPainter) -> None:
    _bar(painter, 6)
    _triangle(painter, 11, 8)


def _previous(painter: QPainter) -> None:
    _bar(painter, 15)
    _triangle(painter, 13, -8)


def _last(painter: QPainter) -> None:
    _triangle(painter, 5, 10)
    _bar(painter, 16)


def _first(painter: QPainter) -> None:
    _triangle(painter, 19, -10)
    _bar(painter, 5)


def _outline(painter: QPainter, width: float = 2.0) -> None:
    colour = painter.brush().color()
    join, cap = Qt.PenJoinStyle.RoundJoin, Qt.PenCapStyle.RoundCap
    painter.setPen(QPen(colour, width, Qt.PenStyle.SolidLine, cap, join))


def _loop(painter: QPainter) -> None:
    colour = painter.brush()
    _outline(painter)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawArc(QRectF(5, 6, 14, 12), 30 * 16, 290 * 16)
    painter.setBrush(colour)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.drawPolygon(QPolygonF([QPointF(14.5, 9.5), QPointF(21, 10.5), QPointF(19.5, 4)]))


def _open(painter: QPainter) -> None:
    _outline(painter, 1.7)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    outline = [(3.5, 18.5), (3.5, 6), (9, 6), (11, 8.5), (20.5, 8.5), (20.5, 18.5)]
    painter.drawPolygon(QPolygonF([QPointF(*point) for point in outline]))


def _export(painter: QPainter) -> None:
    _outline(painter, 1.7)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    tray = [(4, 13), (4, 19.5), (20, 19.5), (20, 13)]
    painter.drawPolyline(QPolygonF([QPointF(*point) for point in tray]))
    painter.drawLine(QPointF(12, 15), QPointF(12, 4.5))
    painter.drawPolyline(QPolygonF([QPointF(8, 8.5), QPointF(12, 4.5), QPointF(16, 8.5)]))


def _lines(painter: QPainter, *lines: list[tuple[float, float]], width: float = 1.8) -> None:
    """Open polylines."""
    _outline(painter, width)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for line in lines:
        painter.drawPolyline(QPolygonF([QPointF(*point) for point in line]))


def _stop(painter: QPainter) -> None:
    painter.drawRoundedRect(QRectF(5.5, 5.5, 13, 13), 1.5, 1.5)


def _check(painter: QPainter) -> None:
    _lines(painter, [(4.5, 12.5), (9.5, 17.5), (19.5, 6.5)], width=2.6)


def _warning(painter: QPainter) -> None:
    _lines(painter, [(12, 4), (21, 19.5), (3, 19.5), (12, 4)], [(12, 9.5), (12, 14)])
    painter.drawPoint(QPointF(12, 16.7))


def _clock(painter: QPainter) -> None:
    _lines(painter, [(12, 7.5), (12, 12), (15.5, 14)])
    painter.drawEllipse(QPointF(12, 12), 8, 8)


def _broken(painter: QPainter) -> None:
    _lines(painter, [(6.5, 6.5), (17.5, 17.5)], [(17.5, 6.5), (6.5, 17.5)], width=2.6)


def _plus(painter: QPainter) -> None:
    _lines(painter, [(12, 5), (12, 19)], [(5, 12), (19, 12)], width=2.4)


def _copy(painter: QPainter) -> None:
    _lines(painter, [(15, 8.5), (15, 4.5), (4.5, 4.5), (4.5, 15), (8.5, 15)])
    painter.drawRect(QRectF(8.5, 8.5, 11, 11))


def _trash(painter: QPainter) -> None:
    box = [(6.5, 7.5), (7.5, 20), (16.5, 20), (17.5, 7.5)]
    _lines(painter, [(4.5, 7), (19.5, 7)], [(9.5, 7), (9.5, 4), (14.5, 4), (14.5, 7)], box)


_DRAWINGS: dict[str, Callable[[QPainter], None]] = {
    "play": _play,
    "pause": _pause,
    "next": _next,
    "previous": _previous,
    "first": _first,
    "last": _last,
    "loop": _loop,
    "open": _open,
    "export": _export,
    "stop": _stop,
    "check": _check,
    "warning": _warning,
    "clock": _clock,
    "broken": _broken,
    "plus": _plus,
    "copy": _copy,
    "trash": _trash,
}


class _Engine(QIconEngine):
    """Draws in a box of 24 units, scaled to what is asked for."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        palette = QApplication.palette()
        is_disabled = mode == QIcon.Mode.Disabled
        group = QPalette.ColorGroup.Disabled if is_disabled else QPalette.ColorGroup.Active
        role = QPalette.ColorRole.ButtonText
        if state == QIcon.State.On and not is_disabled:
            role = QPalette.ColorRole.Accent
        elif mode == QIcon.Mode.Selected:  # in a selected row of a list
            role = QPalette.ColorRole.HighlightedText
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(rect.topLeft())
        painter.scale(rect.width() / 24, rect.height() / 24)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(palette.color(group, role))
        _DRAWINGS[self._name](painter)
        painter.restore()

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        pixmap = QPixmap(size)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        self.paint(painter, QRect(QPoint(0, 0), size), mode, state)
        painter.end()
        return pixmap

    def clone(self) -> QIconEngine:
        return _Engine(self._name)


def icon(name: str) -> QIcon:
    """One of the icons of this module, by name."""
    return QIcon(_Engine(name))
