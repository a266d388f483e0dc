"""How the timeline looks: layout, lanes, seek bar, axis, playhead, range and hover read-out."""

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFontMetrics,
    QImage,
    QPaintDevice,
    QPainter,
    QPalette,
    QPen,
)
from PySide6.QtWidgets import QWidget

from app.views.lanes import Lane, TimeAxis, ticks, time_text
from app.views.paint import draw_pill, mixed

MARGIN = 8.0
GAP = 3.0
CURVE_HEIGHT = 34.0
SCALE_WIDTH = 34.0  # numbers at the ends of a curve's range
SEEK_HEIGHT = 18.0
GROOVE_HEIGHT = 6.0
TICK_LENGTH = 4.0
TICK_SPACING = 90.0
FRAME_TICK_SPACING = 7.0  # frames get their own ticks when they are this wide


def _thin_height(metrics: QFontMetrics) -> float:
    return metrics.height() + 1.0


def _row_height(lane: Lane, metrics: QFontMetrics) -> float:
    return CURVE_HEIGHT if lane.kind == "curve" else _thin_height(metrics)


@dataclass(frozen=True)
class TimelineLayout:
    """Where the parts lie, logical pixels.

    Parameters
    ----------
    lanes : tuple of QRectF
        One for each shown lane, from the top.
    plot : QRectF
        Lanes and seek bar: all that shows time from left to right.
    seek, axis : QRectF
        Seek bar, and the row of tick labels under it.
    """

    lanes: tuple[QRectF, ...]
    plot: QRectF
    seek: QRectF
    axis: QRectF

    @classmethod
    def of(cls, size: QSize, lanes: list[Lane], metrics: QFontMetrics) -> "TimelineLayout":
        """Lay out; height to spare goes to the curves."""
        names = [*(lane.title for lane in lanes), "frame 0000000"]
        gutter = max(metrics.horizontalAdvance(name) for name in names) + MARGIN + SCALE_WIDTH
        gutter = min(gutter, size.width() * 0.4)
        left, right = gutter, size.width() - 2 * MARGIN
        num_curves = sum(lane.kind == "curve" for lane in lanes)
        spare = max(size.height() - cls.wanted_height(lanes, metrics), 0)
        rows, top = [], MARGIN
        for lane in lanes:
            height = _row_height(lane, metrics)
            if lane.kind == "curve":
                height += spare / num_curves
            rows.append(QRectF(left, top, right - left, height))
            top += height + GAP
        seek = QRectF(left, top, right - left, SEEK_HEIGHT)
        axis = QRectF(left, seek.bottom(), right - left, metrics.height() + TICK_LENGTH + 2)
        plot = QRectF(left, MARGIN, right - left, seek.bottom() - MARGIN)
        return cls(tuple(rows), plot, seek, axis)

    @classmethod
    def wanted_height(cls, lanes: list[Lane], metrics: QFontMetrics) -> int:
        """Height, logical pixels, in which everything can be read."""
        rows = sum(_row_height(lane, metrics) + GAP for lane in lanes)
        return round(2 * MARGIN + rows + SEEK_HEIGHT + metrics.height() + TICK_LENGTH)

    def x_of(self, axis: TimeAxis, time_s: float) -> float:
        return self.plot.left() + axis.share_of(time_s) * self.plot.width()

    def frame_rect(self, axis: TimeAxis, start: int, end: int) -> QRectF:
        """Where the visible part of frames ``start <= frame < end`` lies in the plot."""
        left = max(self.x_of(axis, axis.edges_s[start]), self.plot.left())
        right = min(self.x_of(axis, axis.edges_s[end]), self.plot.right())
        return QRectF(left, self.plot.top(), right - left, self.plot.height())


def _tinted(colour: QColor, opacity: float) -> QColor:
    colour = QColor(colour)
    colour.setAlphaF(opacity)
    return colour


def _colour(widget: QWidget, role: QPalette.ColorRole, opacity: float = 1.0) -> QColor:
    return _tinted(widget.palette().color(role), opacity)


def paint_background(
    device: QPaintDevice,
    widget: QWidget,
    layout: TimelineLayout,
    axis: TimeAxis,
    lanes: list[Lane],
    row: QRectF | None = None,
) -> None:
    """Paint, over the plain ground, all that does not move with the playhead.

    Parameters
    ----------
    row : QRectF, optional
        The only lane to paint anew, over what is there.
    """
    with QPainter(device) as painter:
        if row is not None:
            room = QRectF(0, row.top() - 1, widget.width(), row.height() + 2)
            painter.setClipRect(room)
            painter.fillRect(room, widget.palette().color(QPalette.ColorRole.Window))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(widget.font())
        for lane, rect in zip(lanes, layout.lanes, strict=True):
            if row is None or rect == row:
                _paint_lane(painter, widget, lane, rect, axis)
        _paint_axis(painter, widget, layout, axis)
        groove = _groove(layout)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_lane_ground(widget))
        painter.drawRoundedRect(groove, GROOVE_HEIGHT / 2, GROOVE_HEIGHT / 2)
        if axis.is_zoomed:
            _paint_overview(painter, widget, layout, axis)


def _lane_ground(widget: QWidget) -> QColor:
    palette = widget.palette()
    window = palette.color(QPalette.ColorRole.Window)
    return mixed(window, palette.color(QPalette.ColorRole.WindowText), 0.08)


def _paint_lane(
    painter: QPainter, widget: QWidget, lane: Lane, rect: QRectF, axis: TimeAxis
) -> None:
    painter.fillRect(rect, _lane_ground(widget))
    ratio = widget.devicePixelRatioF()
    columns = axis.columns(max(round(rect.width() * ratio), 1))
    pixels = np.ascontiguousarray(lane.render(columns, max(round(rect.height() * ratio), 2)))
    height, width = pixels.shape[:2]
    image = QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGBA8888)
    painter.drawImage(rect, image)
    faint = _colour(widget, QPalette.ColorRole.WindowText, 0.55)
    if lane.kind == "curve":
        _paint_scale(painter, lane, rect, faint)
    painter.setPen(_colour(widget, QPalette.ColorRole.WindowText, 0.85))
    room = rect.left() - MARGIN - SCALE_WIDTH + 2  # eliding needs a little more than the text
    label = QRectF(MARGIN, rect.top(), room, rect.height())
    name = painter.fontMetrics().elidedText(
        lane.title, Qt.TextElideMode.ElideRight, int(label.width())
    )
    painter.drawText(label, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, name)


def _paint_scale(painter: QPainter, lane: Lane, rect: QRectF, colour: QColor) -> None:
    """Ends of the range beside a curve, and a dotted line at its warning level."""
    low, high = lane.value_range
    painter.save()
    font = painter.font()
    font.setPointSizeF(font.pointSizeF() * 0.78)
    painter.setFont(font)
    painter.setPen(colour)
    left = rect.left() - SCALE_WIDTH
    beside = QRectF(left, rect.top() - 2, SCALE_WIDTH - 5, rect.height() + 4)
    painter.drawText(beside, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight, f"{high:g}")
    painter.drawText(beside, Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignRight, f"{low:g}")
    if lane.warn_below is not None:
        y = rect.bottom() - (lane.warn_below - low) / (high - low) * rect.height()
        painter.setPen(QPen(colour, 1, Qt.PenStyle.DotLine))
        painter.drawLine(QLineF(rect.left(), y, rect.right(), y))
    painter.restore()


def _paint_axis(painter: QPainter, widget: QWidget, layout: TimelineLayout, axis: TimeAxis) -> None:
    strong = _colour(widget, QPalette.ColorRole.WindowText, 0.75)
    faint = _colour(widget, QPalette.ColorRole.WindowText, 0.13)
    bottom = layout.seek.bottom()
    if axis.frame_width * layout.plot.width() >= FRAME_TICK_SPACING:
        painter.setPen(_colour(widget, QPalette.ColorRole.WindowText, 0.4))
        first, last = axis.frame_at(0.0), axis.frame_at(1.0)
        for edge in axis.edges_s[first : last + 2]:
            if axis.start_s <= edge <= axis.end_s:
                x = layout.x_of(axis, edge)
                painter.drawLine(QLineF(x, bottom - 4, x, bottom))
    for time_s, text in ticks(axis, int(layout.plot.width() / TICK_SPACING)):
        x = layout.x_of(axis, time_s)
        painter.setPen(faint)
        painter.drawLine(QLineF(x, layout.plot.top(), x, layout.seek.top()))
        painter.setPen(strong)
        painter.drawLine(QLineF(x, bottom, x, bottom + TICK_LENGTH))
        width = painter.fontMetrics().horizontalAdvance(text) + 4
        left = min(max(x - width / 2, layout.plot.left() - 4), layout.plot.right() + 12 - width)
        room = QRectF(left, bottom + TICK_LENGTH, width, painter.fontMetrics().height())
        painter.drawText(room, Qt.AlignmentFlag.AlignCenter, text)


def _groove(layout: TimelineLayout) -> QRectF:
    seek = layout.seek
    return QRectF(seek.left(), seek.center().y() - GROOVE_HEIGHT / 2, seek.width(), GROOVE_HEIGHT)


def _paint_overview(
    painter: QPainter, widget: QWidget, layout: TimelineLayout, axis: TimeAxis
) -> None:
    """Show, in a thin bar at the very bottom, which part of the clip is visible."""
    whole = axis.edges_s[-1] - axis.edges_s[0]
    bar = QRectF(layout.axis.left(), layout.axis.bottom(), layout.axis.width(), 3)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_lane_ground(widget))
    painter.drawRoundedRect(bar, 1.5, 1.5)
    left = bar.left() + (axis.start_s - axis.edges_s[0]) / whole * bar.width()
    width = max(axis.span_s / whole * bar.width(), 6.0)
    painter.setBrush(_colour(widget, QPalette.ColorRole.WindowText, 0.5))
    painter.drawRoundedRect(QRectF(min(left, bar.right() - width), bar.top(), width, 3), 1.5, 1.5)


def paint_range(
    painter: QPainter,
    widget: QWidget,
    layout: TimelineLayout,
    axis: TimeAxis,
    frames: tuple[int, int],
) -> None:
    """Dim all but the selected frames ``frames[0] <= frame < frames[1]``, and mark their ends."""
    plot, last = layout.plot, axis.num_frames
    left = layout.x_of(axis, axis.edges_s[min(frames[0], last)])
    right = layout.x_of(axis, axis.edges_s[min(frames[1], last)])
    dim = _colour(widget, QPalette.ColorRole.Window, 0.5)
    for x0, x1 in ((plot.left(), left), (right, plot.right())):
        x0, x1 = max(x0, plot.left()), min(x1, plot.right())
        if x1 > x0:
            painter.fillRect(QRectF(x0, plot.top(), x1 - x0, plot.height()), dim)
    painter.setPen(QPen(_colour(widget, QPalette.ColorRole.Accent), 2))
    for x in (left, right):
        if plot.left() <= x <= plot.right():
            painter.drawLine(QLineF(x, plot.top(), x, plot.bottom()))


def paint_playhead(
    painter: QPainter, widget: QWidget, layout: TimelineLayout, axis: TimeAxis, frame: int
) -> None:
    """Paint the playhead, the time passed, and frame number and time in the gutter."""
    accent = _colour(widget, QPalette.ColorRole.Accent)
    text = _colour(widget, QPalette.ColorRole.WindowText)
    _paint_now(painter, layout, axis, frame, text)
    middle_s = (axis.edges_s[frame] + axis.edges_s[frame + 1]) / 2
    x = layout.x_of(axis, middle_s)
    groove = _groove(layout)
    passed = min(x, groove.right()) - groove.left()
    if passed > 0:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_tinted(accent, 0.65))
        shown = QRectF(groove.left(), groove.top(), passed, groove.height())
        painter.drawRoundedRect(shown, GROOVE_HEIGHT / 2, GROOVE_HEIGHT / 2)
    if not layout.plot.left() <= x <= layout.plot.right():
        return
    cell = layout.frame_rect(axis, frame, frame + 1)
    if cell.width() > 3:
        painter.fillRect(cell, _tinted(text, 0.12))
    painter.setPen(QPen(text, 1.4))
    painter.drawLine(QLineF(x, layout.plot.top(), x, layout.seek.center().y()))
    if widget.hasFocus():
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_tinted(accent, 0.35))
        painter.drawEllipse(QPointF(x, groove.center().y()), 10, 10)
    painter.setPen(QPen(widget.palette().color(QPalette.ColorRole.Window), 1.5))
    painter.setBrush(accent)
    painter.drawEllipse(QPointF(x, groove.center().y()), 6.5, 6.5)


def _paint_now(
    painter: QPainter, layout: TimelineLayout, axis: TimeAxis, frame: int, colour: QColor
) -> None:
    painter.setPen(colour)
    flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
    width = layout.plot.left() - MARGIN
    seek = QRectF(MARGIN, layout.seek.top(), width, layout.seek.height())
    painter.drawText(seek, flags, f"frame {frame}")
    colour = _tinted(colour, 0.75)
    painter.setPen(colour)
    below = QRectF(MARGIN, layout.axis.top() + 2, width, layout.axis.height())
    painter.drawText(below, flags, _exact_time(axis, frame))


def _exact_time(axis: TimeAxis, frame: int) -> str:
    return time_text(float(axis.edges_s[frame]), 3, float(axis.edges_s[-1]))


def paint_hover(
    painter: QPainter,
    widget: QWidget,
    layout: TimelineLayout,
    axis: TimeAxis,
    frame: int,
    x: float,
    lanes: list[Lane],
    reach: int = 0,
) -> None:
    """Paint a line at the cursor and what is known of the frame there; see `Lane.text_at`."""
    line = QPen(_colour(widget, QPalette.ColorRole.WindowText, 0.5), 1, Qt.PenStyle.DashLine)
    painter.setPen(line)
    painter.drawLine(QLineF(x, layout.plot.top(), x, layout.seek.bottom()))
    texts = [f"frame {frame}", _exact_time(axis, frame)]
    texts += [text for lane in lanes if (text := lane.text_at(frame, reach))]
    text = "   ".join(texts)
    half = painter.fontMetrics().horizontalAdvance(text) / 2 + 8
    middle = min(max(x, layout.plot.left() + half), max(widget.width() - half - 2, half))
    draw_pill(
        painter,
        text,
        QPointF(middle, layout.axis.top() + 1),
        Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop,
        background=QColor(20, 20, 20, 235),
    )
