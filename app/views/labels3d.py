"""Words over the 3D scene: metres along the ground, heights, people's numbers, a legend."""

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from app.views.orbit import Orbit, project
from app.views.paint import draw_pill
from app.views.scene3d import PersonPoses3D, pose_at
from app.views.segments import Ground
from pose_core.palette import SIDE_COLOURS

CLEARANCE_PX = 30.0  # labels keep this distance from one another
SHORTEST_AXIS_PX = 90.0  # an axis seen nearly end-on gets no labels
HEIGHTS_M = np.arange(0, 2.01, 0.5)


@dataclass(eq=False)
class LabelPainter:
    """Paints words at scene points.

    Parameters
    ----------
    painter : QPainter
        In logical pixels of the view.
    orbit : Orbit
    width, height : float
        Logical pixels.
    colour : QColor
    """

    painter: QPainter
    orbit: Orbit
    width: float
    height: float
    colour: QColor

    def __post_init__(self) -> None:
        self._matrix = self.orbit.matrix(self.width / self.height)
        self._numbers: list[np.ndarray] = []  # where numbers are already

    def at(self, points: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of scene points (..., 3)."""
        return project(np.asarray(points, dtype=np.float64), self._matrix, self.width, self.height)

    def ground(self, ground: Ground, is_estimated: bool) -> None:
        """Label metres along the two edges of a rectangle that are lowest in the view."""
        xs = np.arange(ground.x0, ground.x1 + 1)
        ys = np.arange(ground.y0, ground.y1 + 1)
        edges_x = [
            np.stack(np.broadcast_arrays(xs, y, ground.z), 1) for y in (ground.y0, ground.y1)
        ]
        edges_y = [
            np.stack(np.broadcast_arrays(x, ys, ground.z), 1) for x in (ground.x0, ground.x1)
        ]
        estimated = ", estimated" if is_estimated else ""
        middle = self.at(
            np.array([(ground.x0 + ground.x1) / 2, (ground.y0 + ground.y1) / 2, ground.z])
        )
        self._axis(self._lower(edges_x), xs, "to the right (m)", middle)
        self._axis(self._lower(edges_y), ys, f"depth (m{estimated})", middle)

    def _lower(self, edges: list[np.ndarray]) -> np.ndarray:
        """The edge whose middle is lower in the view; of two alike the one to the left."""
        middles = self.at(np.array([edge.mean(axis=0) for edge in edges]))
        return edges[int(np.argmax(np.nan_to_num(middles @ [-0.01, 1.0], nan=-np.inf)))]

    def _axis(self, points: np.ndarray, values: np.ndarray, title: str, middle: np.ndarray) -> None:
        """Numbers at scene points along a line, and its title beyond their middle."""
        pixels = self.at(points)
        inside = self._inside(pixels)
        if inside.sum() < 2:
            return
        pixels, values = pixels[inside], values[inside]
        span = pixels[-1] - pixels[0]
        length = float(np.hypot(*span))
        if length < SHORTEST_AXIS_PX:
            return
        outward = np.array([-span[1], span[0]]) / length
        if outward @ (pixels.mean(axis=0) - middle) < 0:
            outward = -outward
        for pixel, value in zip(pixels, values.tolist(), strict=True):
            self._number(pixel + 12 * outward, value)
        half_width = self._text_width(title) / 2
        beyond = 20 + 12 * abs(outward[1]) + (half_width + 6) * abs(outward[0])
        for away in (beyond * outward, -beyond * outward):
            if self._fits(pixels.mean(axis=0) + away, title):
                self._word(pixels.mean(axis=0) + away, title, 0.55)
                break

    def heights(self, ground: Ground) -> None:
        """Paint a ruler from the ground up, at the corner in view that is furthest to the left."""
        corners = np.array(
            [(x, y, ground.z) for x in (ground.x0, ground.x1) for y in (ground.y0, ground.y1)]
        )
        rulers = self.at(corners[:, None] + HEIGHTS_M[:, None] * [0, 0, 1])  # (4, heights, 2)
        rulers = rulers[self._inside(rulers).all(axis=1)]
        if not len(rulers):
            return
        ruler = rulers[int(np.argmin(rulers[:, 0, 0]))]
        if ruler[0, 1] - ruler[-1, 1] < SHORTEST_AXIS_PX:
            return
        self.painter.setPen(QPen(self._faint(0.45), 1.2))
        self.painter.drawLine(QPointF(*ruler[0]), QPointF(*ruler[-1]))
        for x, y in ruler.tolist():
            self.painter.drawLine(QPointF(x, y), QPointF(x - 4, y))
        for pixel, height in zip(ruler[1:], HEIGHTS_M[1:].tolist(), strict=True):
            self._number(pixel - (18, 0), height)
        self._word(ruler[-1] - (0, 16), "height (m)", 0.55)

    def numbers(self, people: list[PersonPoses3D], frame: int) -> None:
        """Each person's number above the head."""
        for person in people:
            pose = pose_at(person, frame)
            if not np.isfinite(pose[:, 2]).any():
                continue
            highest = pose[int(np.nanargmax(pose[:, 2]))] + (0, 0, 0.12)
            pixel = self.at(highest)
            if self._inside(pixel):
                self.painter.setOpacity(1.0 if person.is_selected else 0.7)
                is_above = Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignHCenter
                draw_pill(self.painter, str(person.track_id), QPointF(*pixel), is_above)
                self.painter.setOpacity(1.0)

    def video_camera(self) -> None:
        """Name the pyramid at the origin."""
        pixel = self.at(np.array([0.0, 0.0, 0.22]))
        if self._inside(pixel):
            self._word(pixel - (0, 8), "video camera", 0.6)

    def legend(self) -> None:
        """Say in the lower left corner which side is which."""
        metrics = self.painter.fontMetrics()
        x, y, size = 14.0, self.height - 10 - metrics.height() / 2, 5.0
        for side in ("left", "right"):
            self.painter.setPen(Qt.PenStyle.NoPen)
            self.painter.setBrush(QColor(*SIDE_COLOURS[side]))
            if side == "left":
                self.painter.drawEllipse(QPointF(x, y), size, size)
            else:
                self.painter.drawRect(QRectF(x - size, y - size, 2 * size, 2 * size))
            self.painter.setPen(self._faint(0.85))
            self.painter.drawText(QPointF(x + 10, y + metrics.ascent() / 2 - 1), side)
            x += 10 + metrics.horizontalAdvance(side) + 22

    def _inside(self, pixels: np.ndarray) -> np.ndarray:
        """(...) bool: pixels (..., 2) that are in the view, with room for a number beside them."""
        room = (self.width - 24, self.height - 24)
        return np.all((pixels >= 24) & (pixels <= room), axis=-1)

    def _number(self, pixel: np.ndarray, value: float) -> None:
        """A number, unless it would crowd another."""
        if all(np.hypot(*(pixel - other)) >= CLEARANCE_PX for other in self._numbers):
            self._numbers.append(pixel)
            self._word(pixel, f"{value:g}".replace("-", "\N{MINUS SIGN}"), 0.75)

    def _fits(self, pixel: np.ndarray, text: str) -> bool:
        half_width, half_height = (
            self._text_width(text) / 2 + 6,
            self.painter.fontMetrics().height(),
        )
        return bool(
            half_width <= pixel[0] <= self.width - half_width
            and half_height / 2 <= pixel[1] <= self.height - half_height / 2
        )

    def _word(self, pixel: np.ndarray, text: str, opacity: float) -> None:
        """Text about a pixel, moved into the view where it would stick out."""
        width, height = self._text_width(text) + 4, self.painter.fontMetrics().height()
        left = min(max(pixel[0] - width / 2, 4), self.width - width - 4)
        top = min(max(pixel[1] - height / 2, 4), self.height - height - 4)
        self.painter.setPen(self._faint(opacity))
        self.painter.drawText(QRectF(left, top, width, height), Qt.AlignmentFlag.AlignCenter, text)

    def _text_width(self, text: str) -> float:
        return self.painter.fontMetrics().horizontalAdvance(text)

    def _faint(self, opacity: float) -> QColor:
        colour = QColor(self.colour)
        colour.setAlphaF(opacity)
        return colour
