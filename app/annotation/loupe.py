"""A magnified piece of the picture beside the cursor: where exactly a joint is put."""

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen

from app.views.overlay2d import COLOUR_OF_SIDE, SIDES
from app.views.picture import Picture
from app.views.zoom import MAX_SCALE, Zoom

RADIUS = 62.0  # logical pixels
DISTANCE = 96.0  # from the cursor to the middle
MAGNIFIED = 3.0  # more than the view
LEAST_SCALE = 6.0  # logical pixels per pixel of the picture
_DARK, _LIGHT = QColor(20, 20, 20), QColor(255, 255, 255)


def draw_loupe(
    painter: QPainter,
    image: np.ndarray,
    place: tuple[float, float],
    joint: int,
    cursor: QPointF,
    area: QSize,
    view_scale: float,
    pixel_ratio: float,
) -> None:
    """Draw the picture around a place, with a cross at the place itself.

    Parameters
    ----------
    painter : QPainter
        In logical pixels.
    image : (H, W, 3) uint8 ndarray
    place : (float, float)
        Picture pixels; may lie outside of the picture.
    joint : int
        Its side gives the cross its colour.
    cursor : QPointF
    area : QSize
        Of the view: the loupe stays inside.
    view_scale : float
        Logical pixels per picture pixel in the view.
    pixel_ratio : float
        Device pixels per logical pixel.
    """
    middle = loupe_middle(cursor, area)
    scale = min(max(MAGNIFIED * view_scale, LEAST_SCALE) * pixel_ratio, MAX_SCALE)
    size = round(2 * RADIUS * pixel_ratio)
    zoom = Zoom(scale, size / 2 - scale * place[0], size / 2 - scale * place[1])
    circle = QPainterPath()
    circle.addEllipse(middle, RADIUS, RADIUS)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setClipPath(circle)
    painter.fillPath(circle, _DARK)
    # Of its own: the view's picture keeps what it has drawn.
    drawn = Picture(image).resampled(zoom, 1.0, size, size)
    if drawn is not None:
        part, corner = drawn
        left = middle.x() - RADIUS + corner.x() / pixel_ratio
        top = middle.y() - RADIUS + corner.y() / pixel_ratio
        target = QRectF(left, top, part.width() / pixel_ratio, part.height() / pixel_ratio)
        painter.drawImage(target, part)
    _draw_cross(painter, middle, COLOUR_OF_SIDE[SIDES[joint]])
    painter.restore()
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for pen in (QPen(_DARK, 4.0), QPen(_LIGHT, 1.6)):
        painter.setPen(pen)
        painter.drawEllipse(middle, RADIUS, RADIUS)


def loupe_middle(cursor: QPointF, area: QSize) -> QPointF:
    """Above and to the right of the cursor, or to another side where there is no room."""
    x = cursor.x() + DISTANCE * 0.75
    if x + RADIUS > area.width():
        x = cursor.x() - DISTANCE * 0.75
    y = cursor.y() - DISTANCE * 0.75
    if y - RADIUS < 0:
        y = cursor.y() + DISTANCE * 0.75
    return QPointF(x, y)


def _draw_cross(painter: QPainter, middle: QPointF, colour: QColor) -> None:
    """A cross that leaves the very place free."""
    for pen in (QPen(_DARK, 3.4), QPen(colour, 1.6)):
        painter.setPen(pen)
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            painter.drawLine(
                QPointF(middle.x() + 5 * dx, middle.y() + 5 * dy),
                QPointF(middle.x() + 22 * dx, middle.y() + 22 * dy),
            )
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_LIGHT)
    painter.drawEllipse(middle, 1.2, 1.2)
