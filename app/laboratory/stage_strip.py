"""A row of small skeletons seen by one camera, such as the stages of a run."""

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent, QPalette, QPen, QRegion
from PySide6.QtWidgets import QSizePolicy

from app.laboratory.small_skeleton import (
    Sight,
    draw_arrows,
    draw_influence,
    draw_pose,
    draw_ring,
    draw_thin_pose,
)
from app.laboratory.turntable import Turntable
from app.views.orbit import LEVEL, to_scene
from app.views.overlay2d import TRUTH_COLOUR

GAP_PX = 6.0
NARROWEST_PX = 96
NAME_BREAK = ", "  # a name goes on in the next line
MARGIN_PX = 4.0  # beside the texts of a cell
SMALLEST_TEXT = 0.7  # of the size of all other text
GHOST_OPACITY = 0.45
BONE_WIDTH_M = 0.035
HIT_PX = 14.0  # a click so near to a joint means it


@dataclass(frozen=True, eq=False)
class StageView:
    """One skeleton.

    Parameters
    ----------
    name : str
    xyz : (17, 3) ndarray
        Root-relative, camera axes, metres; NaN where missing.
    facts : tuple of str
        Movement and error, a line each.
    before : (17, 3) ndarray, optional
        Shown as a ghost, with an arrow for each joint that has moved since.
    strengths : (17,) ndarray, optional
        0 to 1, drawn as colour and thickness in place of the colours of the sides.
    marked : int, optional
        A joint with a ring.
    """

    name: str
    xyz: np.ndarray
    facts: tuple[str, ...]
    before: np.ndarray | None = None
    strengths: np.ndarray | None = None
    marked: int | None = None


class StageStrip(Turntable):
    """Click a skeleton to choose it, drag to turn all of them.

    Attributes
    ----------
    chosen : Signal(int)
    joint_chosen : Signal(int, int)
        Skeleton and joint, where the click was at one; `chosen` comes too.
    """

    chosen = Signal(int)
    joint_chosen = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self.views: tuple[StageView, ...] = ()
        self._truth: np.ndarray | None = None
        self._current = -1
        self._level = LEVEL
        self._radius_m, self._aside_m = 1.0, 1.0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Stages")
        self.setToolTip("Click a stage to show it, drag to turn them all.")

    def sizeHint(self) -> QSize:
        return QSize(3 * NARROWEST_PX, 190)

    def minimumSizeHint(self) -> QSize:
        return QSize(max(len(self.views), 1) * NARROWEST_PX, 130)

    def set_scene(self, level: np.ndarray, poses: np.ndarray) -> None:
        """Choose which way is up, and poses (..., 17, 3) that shall have room."""
        points = to_scene(poses, level).reshape(-1, 3)
        points = np.concatenate([points[np.isfinite(points).all(axis=1)], [[0.0, 0.0, 0.5]]])
        self._level = level
        self._radius_m = float(np.linalg.norm(points, axis=1).max())
        # However they are turned about the vertical.
        self._aside_m = float(np.linalg.norm(points[:, :2], axis=1).max())

    def show_stages(
        self, views: tuple[StageView, ...], current: int, truth: np.ndarray | None
    ) -> None:
        """Show skeletons at one frame; -1 for no current one; the truth is a pose (17, 3)."""
        is_other_size = len(views) != len(self.views)
        self.views, self._current, self._truth = views, current, truth
        if is_other_size:
            self.updateGeometry()
        self.update()

    def set_current(self, current: int) -> None:
        """Put the border of the current stage around another one."""
        before, self._current = self._current, current
        for stage in {before, current} & set(range(len(self.views))):
            self.update(QRegion(self._outer(stage)) - QRegion(self._inner(stage)))

    def _outer(self, stage: int) -> QRect:
        """Pixels of a cell and its border."""
        return self.cell(stage).adjusted(-1, -1, 1, 1).toAlignedRect()

    def _inner(self, stage: int) -> QRect:
        """Pixels of a cell that its border leaves free."""
        return self.cell(stage).adjusted(4, 4, -4, -4).toAlignedRect()

    def cell(self, stage: int) -> QRectF:
        """Where a stage lies, logical pixels."""
        count = max(len(self.views), 1)
        width = (self.width() - GAP_PX * (count - 1)) / count
        return QRectF(stage * (width + GAP_PX), 0, width, self.height()).adjusted(1, 1, -1, -1)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setFont(self._fitting_font())
            for stage in range(len(self.views)):
                self._paint_border(painter, stage)
                if event.region().intersects(self._inner(stage)):
                    self._paint_stage(painter, stage)

    def _paint_border(self, painter: QPainter, stage: int) -> None:
        palette = self.palette()
        is_current = stage == self._current
        border = QPalette.ColorRole.Accent if is_current else QPalette.ColorRole.Mid
        painter.setPen(QPen(palette.color(border), 2 if is_current else 1))
        painter.setBrush(palette.color(QPalette.ColorRole.Base))
        painter.drawRoundedRect(self.cell(stage), 4, 4)

    def _paint_stage(self, painter: QPainter, stage: int) -> None:
        view, cell = self.views[stage], self.cell(stage)
        painter.setPen(self.palette().color(QPalette.ColorRole.Text))
        picture, line = self._picture(stage), self.fontMetrics().height()
        metrics = painter.fontMetrics()
        width = int(cell.width() - 2 * MARGIN_PX)
        head = view.name.split(NAME_BREAK)
        places = [
            *(cell.top() + 4 + k * line for k in range(len(head))),
            *(picture.bottom() + 2 + k * line for k in range(len(view.facts))),
        ]
        for text, top in zip((*head, *view.facts), places, strict=True):
            shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, width)
            row = QRectF(cell.left() + MARGIN_PX, top, width, line)
            painter.drawText(row, Qt.AlignmentFlag.AlignCenter, shown)
        painter.save()
        painter.setClipRect(picture)
        self._paint_skeletons(painter, view, self._sight(stage))
        painter.restore()

    def _fitting_font(self) -> QFont:
        """A font in which all texts fit, as far as one can still read it."""
        texts = [t for v in self.views for t in (*v.name.split(NAME_BREAK), *v.facts)]
        widest = max((self.fontMetrics().horizontalAdvance(text) for text in texts), default=0)
        # A little less: letters come in whole pixels.
        share = 0.94 * (self.cell(0).width() - 2 * MARGIN_PX) / max(widest, 1)
        font = QFont(self.font())
        font.setPointSizeF(font.pointSizeF() * min(max(share, SMALLEST_TEXT), 1.0))
        return font

    def _paint_skeletons(self, painter: QPainter, view: StageView, sight: Sight) -> None:
        width = max(BONE_WIDTH_M * sight.pixels_per_metre, 2.0)
        ink = self.palette().color(QPalette.ColorRole.Text)
        if self._truth is not None:
            draw_thin_pose(painter, sight, self._truth, TRUTH_COLOUR)
        if view.before is not None:
            draw_thin_pose(painter, sight, view.before, _faint(ink))
        if view.strengths is not None:
            draw_influence(painter, sight, view.xyz, view.strengths, width)
        else:
            draw_pose(painter, sight, view.xyz, width)
        if view.before is not None:
            draw_arrows(painter, sight, view.before, view.xyz, ink)
        if view.marked is not None:
            draw_ring(painter, sight, view.xyz[view.marked], 2.2 * width, ink)

    def _picture(self, stage: int) -> QRectF:
        """Where the skeleton of a cell lies, between its name and its facts."""
        line = self.fontMetrics().height()
        # As many lines in every cell, so that all skeletons stand at the same height.
        num_facts = max(len(each.facts) for each in self.views)
        num_names = max(each.name.count(NAME_BREAK) + 1 for each in self.views)
        return self.cell(stage).adjusted(4, num_names * line + 6, -4, -num_facts * line - 6)

    def _sight(self, stage: int) -> Sight:
        picture = self._picture(stage)
        aside = max(self._aside_m, 0.4 * self._radius_m)
        scale = min(picture.width() / aside, picture.height() / self._radius_m) / 2.1
        return Sight(self.orbit, self._level, picture.center(), scale)

    def place_of(self, stage: int, joint: int) -> QPointF:
        """Where a joint is drawn, logical pixels."""
        points, _ = self._sight(stage).project(self.views[stage].xyz)
        return QPointF(*points[joint])

    def click(self, at: QPointF) -> None:
        hit = (k for k in range(len(self.views)) if self.cell(k).contains(at))
        stage = next(hit, None)
        if stage is None:
            return
        points, _ = self._sight(stage).project(self.views[stage].xyz)
        distance = np.nan_to_num(np.hypot(*(points - (at.x(), at.y())).T), nan=np.inf)
        joint = int(distance.argmin())
        self.chosen.emit(stage)
        if distance[joint] <= HIT_PX:
            self.joint_chosen.emit(stage, joint)


def _faint(ink: QColor) -> QColor:
    colour = QColor(ink)
    colour.setAlphaF(GHOST_OPACITY)
    return colour
