"""Skeletons drawn with Qt's painter, small enough for many of them, and the same in SVG."""

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from app.views.orbit import Orbit, to_scene
from pose_core.palette import OUTLINE, SIDE_COLOURS
from pose_core.skeleton import H36M_17

BONES = H36M_17.bones
SIDES = tuple(H36M_17.side(joint) for joint in range(H36M_17.num_joints))
COLOURS = {side: QColor(*rgb) for side, rgb in SIDE_COLOURS.items()}
_OUTLINE = QColor(*OUTLINE)
_HEAD_PX = 4.0


@dataclass(frozen=True, eq=False)
class Sight:
    """Parallel projection of root-relative poses into a rectangle.

    Parameters
    ----------
    orbit : Orbit
        Its angles alone count.
    level : (3, 3) ndarray
        From the camera's axes to those of a level camera.
    centre : QPointF
        Where the pelvis, at the origin, is drawn.
    pixels_per_metre : float
    """

    orbit: Orbit
    level: np.ndarray
    centre: QPointF
    pixels_per_metre: float

    def project(self, xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Camera axes (..., 3), metres, to pixels (..., 2) and nearness (...) to the eye."""
        right, up, backward = np.moveaxis(to_scene(xyz, self.level) @ self.orbit.axes.T, -1, 0)
        scale = self.pixels_per_metre
        x, y = self.centre.x() + scale * right, self.centre.y() - scale * up
        return np.stack([x, y], axis=-1), backward


def draw_pose(painter: QPainter, sight: Sight, xyz: np.ndarray, width: float = 4.0) -> None:
    """Draw a pose (17, 3) in the colours and shapes of the sides, the nearest bone last."""
    points, nearness = sight.project(xyz)
    known = np.asarray(np.isfinite(points).all(axis=1))
    bones = [bone for bone in BONES if known[list(bone)].all()]
    for parent, child in sorted(bones, key=lambda bone: nearness[list(bone)].mean()):
        line = QLineF(*points[parent], *points[child])
        for colour, extra in ((_OUTLINE, 1.4), (COLOURS[SIDES[child]], 0.0)):
            pen = QPen(colour, width + extra)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            painter.setPen(pen)
            painter.drawLine(line)
    painter.setPen(QPen(_OUTLINE, 0.7))
    for joint in sorted(np.flatnonzero(known), key=lambda j: nearness[j]):
        painter.setBrush(COLOURS[SIDES[joint]])
        _draw_joint(painter, SIDES[joint], QPointF(*points[joint]), 0.85 * width)


def draw_thin_pose(painter: QPainter, sight: Sight, xyz: np.ndarray, colour: QColor) -> None:
    """Draw a pose (17, 3) as thin bones of one colour: a ghost, or the truth."""
    points, _ = sight.project(xyz)
    painter.setPen(QPen(colour, 2.0))
    painter.drawLines(
        [
            QLineF(*points[parent], *points[child])
            for parent, child in BONES
            if np.isfinite(points[[parent, child]]).all()
        ]
    )


def draw_arrows(
    painter: QPainter, sight: Sight, starts: np.ndarray, stops: np.ndarray, colour: QColor
) -> None:
    """Draw arrows between joints (17, 3) that lie more than a head apart on the screen."""
    tails, heads = sight.project(starts)[0], sight.project(stops)[0]
    painter.setPen(QPen(colour, 1.6))
    for tail, head in zip(tails, heads, strict=True):
        along = head - tail
        length = float(np.hypot(*along))
        if not length > _HEAD_PX:  # also where a joint is missing
            continue
        along /= length
        across = np.array([-along[1], along[0]])
        painter.drawLine(QLineF(*tail, *head))
        for sign in (-1, 1):
            barb = head - _HEAD_PX * (along + sign * 0.6 * across)
            painter.drawLine(QLineF(*head, *barb))


def _draw_joint(painter: QPainter, side: str, at: QPointF, radius: float) -> None:
    if side == "left":
        painter.drawEllipse(at, radius, radius)
    elif side == "right":
        half = 0.9 * radius
        painter.drawRect(QRectF(at.x() - half, at.y() - half, 2 * half, 2 * half))
    else:
        half = 1.25 * radius
        corners = [(0, -half), (half, 0), (0, half), (-half, 0)]
        painter.drawPolygon(QPolygonF([at + QPointF(dx, dy) for dx, dy in corners]))
