"""A row of small skeletons, one for each stage of a run."""

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QApplication, QSizePolicy, QWidget

from app.laboratory.small_skeleton import Sight, draw_arrows, draw_pose, draw_thin_pose
from app.views.orbit import LEVEL, Orbit
from app.views.overlay2d import TRUTH_COLOUR

GAP_PX = 6.0
NARROWEST_PX = 96
GHOST_OPACITY = 0.45


@dataclass(frozen=True, eq=False)
class StageView:
    """One stage of a run at a frame.

    Parameters
    ----------
    name : str
    xyz : (17, 3) ndarray
        Root-relative, camera axes, metres; NaN where missing.
    facts : tuple of str
        Movement and error, a line each.
    """

    name: str
    xyz: np.ndarray
    facts: tuple[str, ...]


class StageStrip(QWidget):
    """Click a stage to choose it, drag to turn all of them.

    Each stage shows the one before it as a ghost, an arrow for each joint that moved, and the
    truth where it is known.

    Parameters
    ----------
    has_ghosts : bool
        False where the poses are not stages of one run: no ghosts and arrows then.

    Attributes
    ----------
    chosen : Signal(int)
    """

    chosen = Signal(int)

    def __init__(self, *, has_ghosts: bool = True) -> None:
        super().__init__()
        self._has_ghosts = has_ghosts
        self.views: tuple[StageView, ...] = ()
        self._truth: np.ndarray | None = None
        self._current = 0
        self._level = LEVEL
        self._radius_m = 1.0
        self._orbit = Orbit(azimuth_deg=-32.0, elevation_deg=14.0)
        self._pressed: QPointF | None = None
        self._is_dragged = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Stages")
        self.setToolTip("Click a stage to show it, drag to turn them all.")

    def sizeHint(self) -> QSize:
        return QSize(3 * NARROWEST_PX, 190)

    def minimumSizeHint(self) -> QSize:
        return QSize(max(len(self.views), 1) * NARROWEST_PX, 130)

    def set_scene(self, level: np.ndarray, radius_m: float) -> None:
        """Choose which way is up, and how far from the pelvis a body reaches."""
        self._level, self._radius_m = level, radius_m

    def show_stages(
        self, views: tuple[StageView, ...], current: int, truth: np.ndarray | None
    ) -> None:
        """Show stages at one frame; the truth is a pose (17, 3)."""
        is_other_size = len(views) != len(self.views)
        self.views, self._current, self._truth = views, current, truth
        if is_other_size:
            self.updateGeometry()
        self.update()

    def cell(self, stage: int) -> QRectF:
        """Where a stage lies, logical pixels."""
        count = max(len(self.views), 1)
        width = (self.width() - GAP_PX * (count - 1)) / count
        return QRectF(stage * (width + GAP_PX), 0, width, self.height()).adjusted(1, 1, -1, -1)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            for stage in range(len(self.views)):
                self._paint_stage(painter, stage)

    def _paint_stage(self, painter: QPainter, stage: int) -> None:
        palette, view, cell = self.palette(), self.views[stage], self.cell(stage)
        is_current = stage == self._current
        border = QPalette.ColorRole.Accent if is_current else QPalette.ColorRole.Mid
        painter.setPen(QPen(palette.color(border), 2 if is_current else 1))
        painter.setBrush(palette.color(QPalette.ColorRole.Base))
        painter.drawRoundedRect(cell, 4, 4)
        ink = palette.color(QPalette.ColorRole.Text)
        painter.setPen(ink)
        metrics = painter.fontMetrics()
        line = metrics.height()
        # As many lines below in every cell, so that all skeletons stand at the same height.
        num_facts = max(len(each.facts) for each in self.views)
        picture = cell.adjusted(4, line + 6, -4, -num_facts * line - 6)
        places = [cell.top() + 4, *(picture.bottom() + 2 + k * line for k in range(num_facts))]
        for text, top in zip((view.name, *view.facts), places, strict=False):
            shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, int(cell.width() - 10))
            row = QRectF(cell.left() + 5, top, cell.width() - 10, line)
            painter.drawText(row, Qt.AlignmentFlag.AlignCenter, shown)
        painter.save()
        painter.setClipRect(picture)
        scale = min(picture.width(), picture.height()) / (2.1 * self._radius_m)
        sight = Sight(self._orbit, self._level, picture.center(), scale)
        if self._truth is not None:
            draw_thin_pose(painter, sight, self._truth, TRUTH_COLOUR)
        before = self.views[stage - 1].xyz if stage and self._has_ghosts else None
        if before is not None:
            draw_thin_pose(painter, sight, before, _faint(ink))
        draw_pose(painter, sight, view.xyz, width=max(0.02 * picture.height(), 2.0))
        if before is not None:
            draw_arrows(painter, sight, before, view.xyz, ink)
        painter.restore()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pressed, self._is_dragged = event.position(), False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed is None:
            return
        moved = event.position() - self._pressed
        if not self._is_dragged and moved.manhattanLength() < QApplication.startDragDistance():
            return
        self._is_dragged = True
        self._pressed = event.position()
        self._orbit = self._orbit.turned(moved.x(), moved.y())
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        pressed, self._pressed = self._pressed, None
        if pressed is None or self._is_dragged:
            return
        hit = (k for k in range(len(self.views)) if self.cell(k).contains(event.position()))
        stage = next(hit, None)
        if stage is not None:
            self.chosen.emit(stage)


def _faint(ink: QColor) -> QColor:
    colour = QColor(ink)
    colour.setAlphaF(GHOST_OPACITY)
    return colour
