"""Skeletons drawn with Qt's painter, small enough for many of them, and the same in SVG."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from app.views.orbit import Orbit, to_scene
from pose_core.palette import OUTLINE, SIDE_COLOURS
from pose_core.skeleton import H36M_17

BONES = np.array(H36M_17.bones)
SIDES = tuple(H36M_17.side(joint) for joint in range(H36M_17.num_joints))
COLOURS = {side: QColor(*rgb) for side, rgb in SIDE_COLOURS.items()}
_OUTLINE = QColor(*OUTLINE)
STRENGTH_COLOURS: Any = pg.colormap.get("viridis")
_STRENGTH_TABLE = [QColor(*rgb) for rgb in STRENGTH_COLOURS.getLookupTable(nPts=256).tolist()]
_UNDERLAY = QColor(128, 128, 128)
_HEAD_PX = 4.0
_PARTS = 8  # of a bone, each of one colour


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
    ends = points.tolist()
    rim = _round_pen(_OUTLINE, width + 1.4)
    pens = {side: _round_pen(colour, width) for side, colour in COLOURS.items()}
    for parent, child in _from_behind(known, nearness):
        line = QLineF(*ends[parent], *ends[child])
        for pen in (rim, pens[SIDES[child]]):
            painter.setPen(pen)
            painter.drawLine(line)
    painter.setPen(QPen(_OUTLINE, 0.7))
    for joint in sorted(np.flatnonzero(known), key=lambda j: nearness[j]):
        painter.setBrush(COLOURS[SIDES[joint]])
        _draw_joint(painter, SIDES[joint], QPointF(*points[joint]), 0.85 * width)


def draw_influence(
    painter: QPainter, sight: Sight, xyz: np.ndarray, strengths: np.ndarray, width: float = 4.0
) -> None:
    """Draw a pose (17, 3) with a strength 0..1 for each joint as colour and thickness.

    A bone goes over from the one of its parent to the one of its child.
    """
    points, nearness = sight.project(xyz)
    known = np.asarray(np.isfinite(points).all(axis=1))
    middles = (np.arange(_PARTS) + 0.5) / _PARTS
    for parent, child in _from_behind(known, nearness):
        # Else what has no influence could not be seen on a dark ground.
        painter.setPen(QPen(_UNDERLAY, 0.35 * width + 1.6))
        painter.drawLine(QLineF(*points[parent], *points[child]))
        ends = np.linspace(points[parent], points[child], _PARTS + 1)
        lines = np.hstack([ends[:-1], ends[1:]]).tolist()
        parts = (1 - middles) * strengths[parent] + middles * strengths[child]
        for line, strength in zip(lines, parts.tolist(), strict=True):
            painter.setPen(_round_pen(_strength_colour(strength), width * (0.35 + 1.3 * strength)))
            painter.drawLine(QLineF(*line))
    painter.setPen(QPen(_OUTLINE, 0.7))
    for joint in sorted(np.flatnonzero(known), key=lambda j: nearness[j]):
        painter.setBrush(_strength_colour(strengths[joint]))
        radius = width * (0.5 + 1.1 * strengths[joint])
        _draw_joint(painter, SIDES[joint], QPointF(*points[joint]), radius)


def _from_behind(known: np.ndarray, nearness: np.ndarray) -> list[list[int]]:
    """Parent and child of the bones of which both are known, the nearest bone last."""
    bones = BONES[known[BONES].all(axis=1)]
    return bones[np.argsort(nearness[bones].sum(axis=1), kind="stable")].tolist()


def _round_pen(colour: QColor, width: float) -> QPen:
    return QPen(colour, width, c=Qt.PenCapStyle.RoundCap)


def _strength_colour(strength: float) -> QColor:
    """Of a strength 0..1; to ask the map for each takes longer than to draw all."""
    return _STRENGTH_TABLE[round(strength * (len(_STRENGTH_TABLE) - 1))]


def draw_ring(
    painter: QPainter, sight: Sight, xyz: np.ndarray, radius: float, colour: QColor
) -> None:
    """Draw a ring around a point (3,)."""
    points, _ = sight.project(xyz[None])
    if np.isfinite(points).all():
        painter.setPen(QPen(colour, 1.6))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(QPointF(*points[0]), radius, radius)


def draw_thin_pose(painter: QPainter, sight: Sight, xyz: np.ndarray, colour: QColor) -> None:
    """Draw a pose (17, 3) as thin bones of one colour: a ghost, or the truth."""
    points, _ = sight.project(xyz)
    known = np.asarray(np.isfinite(points).all(axis=1))
    bones = BONES[known[BONES].all(axis=1)]
    painter.setPen(QPen(colour, 2.0))
    painter.drawLines([QLineF(*line) for line in points[bones].reshape(-1, 4).tolist()])


def draw_arrows(
    painter: QPainter, sight: Sight, starts: np.ndarray, stops: np.ndarray, colour: QColor
) -> None:
    """Draw arrows between joints (17, 3) that lie more than a head apart on the screen."""
    tails, heads = sight.project(starts)[0], sight.project(stops)[0]
    along = heads - tails
    length = np.hypot(*along.T)
    is_long = length > _HEAD_PX  # false also where a joint is missing
    tails, heads, along = tails[is_long], heads[is_long], along[is_long] / length[is_long, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    barbs = [heads - _HEAD_PX * (along + sign * 0.6 * across) for sign in (-1, 1)]
    lines = np.concatenate([np.hstack([heads, ends]) for ends in (tails, *barbs)])
    painter.setPen(QPen(colour, 1.6))
    painter.drawLines([QLineF(*line) for line in lines.tolist()])


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
