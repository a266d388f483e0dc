"""Words over the 3D scene: metres along the ground, heights, people's numbers, a legend."""

import math
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from app.views.orbit import Orbit, project
from app.views.paint import draw_pill
from app.views.scene3d import PersonPoses3D, pose_at
from app.views.segments import Ground
from pose_core.palette import SIDE_COLOURS, TRUTH

CLEARANCE_PX = 30.0  # labels keep this distance from one another
SHORTEST_AXIS_PX = 90.0  # an axis seen nearly end-on gets no labels
HEIGHTS_M = np.arange(0, 2.01, 0.5)
NOTICEABLE_TILT_DEG = 1.0
LEGEND_PX = 28.0  # row at the bottom in which nothing else is written
# Where along an axis its title may stand, the best place first.
TITLE_PLACES = (0.5, 0.35, 0.65, 0.2, 0.8, 0.05, 0.95)
BODY_PX = 10.0  # from the points of people that are looked at to the borders of their bodies
RULER_GAP_M = 0.4  # between the people and the ruler of heights


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
    corner, sign : QRectF
        In the upper left, and elsewhere, where nothing is written; empty if there is none.
    """

    painter: QPainter
    orbit: Orbit
    width: float
    height: float
    colour: QColor
    corner: QRectF
    sign: QRectF

    def __post_init__(self) -> None:
        self._matrix = self.orbit.matrix(self.width / self.height)
        self._numbers: list[tuple[float, ...]] = []  # where numbers are already
        self._taken = [self.corner, self.sign]  # by words, or by others
        self._people = np.zeros((0, 2))
        self._titles: list[tuple[str, list[np.ndarray]]] = []  # and where they may stand

    def at(self, points: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of scene points (..., 3)."""
        return project(np.asarray(points, dtype=np.float64), self._matrix, self.width, self.height)

    def keep_clear(self, points: np.ndarray) -> None:
        """Write titles elsewhere than over these (N, 3) points, where there is room."""
        self._people = self.at(points)

    def ground(self, area: Ground, is_estimated: bool) -> None:
        """Number the metres along one grid line each way, as low in the view as it goes.

        Parameters
        ----------
        area : Ground
            Where the people are: only lines that cross it are numbered.
        is_estimated : bool
            Whether depth rests on an assumed focal length.
        """
        xs = np.arange(area.x0, area.x1 + 1)
        ys = np.arange(area.y0, area.y1 + 1)
        crossings = np.stack([*np.meshgrid(xs, ys), np.full((len(ys), len(xs)), area.z)], axis=-1)
        estimated = ", estimated" if is_estimated else ""
        self._lowest_axis(crossings, xs, "to the right (m)")
        self._lowest_axis(crossings.swapaxes(0, 1), ys, f"depth (m{estimated})")

    def _lowest_axis(self, lines: np.ndarray, values: np.ndarray, title: str) -> None:
        """Number the lowest of (L, N, 3) parallel lines that has room for two numbers in view."""
        pixels = self.at(lines)
        inside = self._inside(pixels)
        num_seen = np.count_nonzero(inside, axis=1)
        total = np.where(inside, pixels[..., 1], 0.0).sum(axis=1)
        heights = np.where(num_seen > 1, total / np.maximum(num_seen, 1), -1.0)
        lowest = int(np.argmax(heights))
        if heights[lowest] >= 0:
            middle = self.at(lines.mean(axis=(0, 1)))
            seen = inside[lowest]
            self._axis(pixels[lowest][seen], values[seen], title, middle)

    def _axis(self, pixels: np.ndarray, values: np.ndarray, title: str, middle: np.ndarray) -> None:
        """Numbers at (N, 2) pixels of a line, on the side away from the middle; see `titles`."""
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
        places = [
            pixels[0] + share * span + away
            for away in (beyond * outward, -beyond * outward)
            for share in TITLE_PLACES
        ]
        self._titles.append((title, places))

    def titles(self) -> None:
        """Name the numbered axes, beside all numbers and people as far as there is room."""
        for title, places in self._titles:
            rooms = [self._place(place, title) for place in places]
            is_free = [not any(room.intersects(taken) for taken in self._taken) for room in rooms]
            if any(is_free):
                covered = np.where(is_free, self._num_covered(rooms), np.inf)
                self._word(places[int(covered.argmin())], title, 0.55)

    def heights(self, low: np.ndarray, high: np.ndarray, ground_z: float) -> None:
        """Paint a ruler from the ground up, beside a box around the people, mostly at its left."""
        right = self.orbit.axes[0]
        reach = np.abs(right[:2]) @ (high - low)[:2] / 2 + RULER_GAP_M
        feet = [(low + high) / 2 - reach * right, (low + high) / 2 + reach * right]
        for foot in feet:
            base = np.array([*foot[:2], ground_z])
            ruler = self.at(base + HEIGHTS_M[:, None] * [0, 0, 1])
            ruler = ruler[np.logical_and.accumulate(self._inside(ruler))]
            if len(ruler) > 1 and ruler[0, 1] - ruler[-1, 1] >= SHORTEST_AXIS_PX:
                self._ruler(ruler)
                return

    def _ruler(self, pixels: np.ndarray) -> None:
        self.painter.setPen(QPen(self._faint(0.45), 1.2))
        self.painter.drawLine(QPointF(*pixels[0]), QPointF(*pixels[-1]))
        for x, y in pixels.tolist():
            self.painter.drawLine(QPointF(x, y), QPointF(x - 4, y))
        for pixel, height in zip(pixels[1:], HEIGHTS_M[1 : len(pixels)].tolist(), strict=True):
            self._number(pixel - (18, 0), height)
        self._word(pixels[-1] - (0, 16), "height (m)", 0.55)

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

    def legend(self, tilt_deg: float, has_truth: bool) -> None:
        """Say in the lower left corner which side is which, and what the grid is.

        Parameters
        ----------
        tilt_deg : float
            By how much the scene was turned to make people upright, degrees.
        has_truth : bool
            Name the colour of the true pose too.
        """
        metrics = self.painter.fontMetrics()
        x, y, size = 14.0, self.height - 10 - metrics.height() / 2, 5.0
        entries = {"left": SIDE_COLOURS["left"], "right": SIDE_COLOURS["right"]}
        if has_truth:
            entries["truth"] = TRUTH
        for name, colour in entries.items():
            self.painter.setPen(Qt.PenStyle.NoPen)
            self.painter.setBrush(QColor(*colour))
            if name == "left":
                self.painter.drawEllipse(QPointF(x, y), size, size)
            else:
                half_height = size if name == "right" else size / 2
                self.painter.drawRect(QRectF(x - size, y - half_height, 2 * size, 2 * half_height))
            self.painter.setPen(self._faint(0.85))
            self.painter.drawText(QPointF(x + 10, y + metrics.ascent() / 2 - 1), name)
            x += 10 + metrics.horizontalAdvance(name) + 22
        self.painter.setPen(self._faint(0.6))
        grid = "grid 1 m"
        if tilt_deg >= NOTICEABLE_TILT_DEG:
            grid += f", ground estimated: levelled by {tilt_deg:.0f}\N{DEGREE SIGN}"
        grid = metrics.elidedText(grid, Qt.TextElideMode.ElideRight, int(self.width - x - 10))
        self.painter.drawText(QPointF(x, y + metrics.ascent() / 2 - 1), grid)

    def _inside(self, pixels: np.ndarray) -> np.ndarray:
        """(...) bool: pixels (..., 2) that are in the view, with room for a number beside them."""
        room = (self.width - 24, self.height - 24)
        in_corner = np.all(pixels < (self.corner.right() + 24, self.corner.bottom() + 24), axis=-1)
        sign = self.sign
        in_sign = np.all(
            (pixels > (sign.left() - 24, sign.top() - 24))
            & (pixels < (sign.right() + 24, sign.bottom() + 24)),
            axis=-1,
        )
        return np.all((pixels >= 24) & (pixels <= room), axis=-1) & ~in_corner & ~in_sign

    def _number(self, pixel: np.ndarray, value: float) -> None:
        """A number, unless it would crowd another."""
        at = tuple(pixel.tolist())
        if all(math.dist(at, other) >= CLEARANCE_PX for other in self._numbers):
            self._numbers.append(at)
            self._word(pixel, f"{value:g}".replace("-", "\N{MINUS SIGN}"), 0.75)

    def _num_covered(self, rooms: list[QRectF]) -> np.ndarray:
        """(R,) how many points of people a text in each of some places would lie on."""
        low = np.array([(room.left(), room.top()) for room in rooms]) - BODY_PX
        high = np.array([(room.right(), room.bottom()) for room in rooms]) + BODY_PX
        x, y = self._people.T
        is_beside = (x >= low[:, :1]) & (x <= high[:, :1])
        return np.count_nonzero(is_beside & (y >= low[:, 1:]) & (y <= high[:, 1:]), axis=1)

    def _word(self, pixel: np.ndarray, text: str, opacity: float) -> None:
        rect = self._place(pixel, text)
        self._taken.append(rect)
        self.painter.setPen(self._faint(opacity))
        self.painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, text)

    def _place(self, pixel: np.ndarray, text: str) -> QRectF:
        """Where text about a pixel goes: moved into the view where it would stick out."""
        width, height = self._text_width(text) + 4, self.painter.fontMetrics().height()
        x, y = pixel.tolist()
        left = min(max(x - width / 2, 4), self.width - width - 4)
        top = min(max(y - height / 2, 4), self.height - LEGEND_PX - height)
        return QRectF(left, top, width, height)

    def _text_width(self, text: str) -> float:
        return self.painter.fontMetrics().horizontalAdvance(text)

    def _faint(self, opacity: float) -> QColor:
        colour = QColor(self.colour)
        colour.setAlphaF(opacity)
        return colour
