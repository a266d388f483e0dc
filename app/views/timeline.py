"""Time: lanes of what is known of each frame above a seek bar."""

from typing import cast

import numpy as np
from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPixmap,
    QRegion,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QSizePolicy, QWidget

from app.views.lanes import GOOD, PRESENT, SWAPPED, Lane, LaneKind, Rgb, TimeAxis
from app.views.overlay2d import LOW_CONFIDENCE
from app.views.paint import draw_empty_state
from app.views.timeline_paint import (
    TimelineLayout,
    paint_background,
    paint_hover,
    paint_playhead,
    paint_range,
)

CONFIDENCE, PRESENCE, SWAPS = "Confidence", "Present", "Swapped back"
WHEEL_FACTOR = 1.25
POINTER_WIDTH = 10.0  # logical pixels in which a mark is found
ALT_DRAG_DOUBLING = 80.0  # logical pixels of Alt-drag that double the zoom


class Timeline(QWidget):
    """Lanes, seek bar and time axis of a clip.

    Drag scrubs; Alt-drag or the wheel zooms time, middle-drag or Shift-wheel moves along,
    double-click shows the whole clip; Shift-drag selects a range; Esc aborts a drag. With the
    keyboard focus, the arrow keys (Shift: ten frames), Home and End step.

    Signals
    -------
    scrub_moved : int
        Frame under the cursor while dragging.
    scrub_released : int
        Frame at which the drag ended, or which a key chose.
    range_changed : int, int
        The user selected frames ``start <= frame < end``.
    """

    scrub_moved = Signal(int)
    scrub_released = Signal(int)
    range_changed = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._axis: TimeAxis | None = None
        self._frame = 0
        # The first three keep their places at the top, whichever arrives first.
        self._lanes: dict[str, Lane | None] = {CONFIDENCE: None, PRESENCE: None, SWAPS: None}
        self._is_brief = False
        self._range: tuple[int, int] | None = None
        self._background: QPixmap | None = None
        self._stale_lanes: set[str] = set()  # of the background
        self._hover_x: float | None = None
        self._drag = ""  # what the mouse is doing: scrub, zoom, pan, range, or nothing
        self._drag_x = 0.0
        self._drag_frame = 0
        self._drag_axis: TimeAxis | None = None
        self._drag_range: tuple[int, int] | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setAccessibleName("Timeline")

    # ---- what to show ----

    def set_clip(self, times_s: np.ndarray) -> None:
        """Show another clip, whole, without lanes.

        Parameters
        ----------
        times_s : (T,) ndarray
            Time of each frame, seconds, ascending. Empty: no clip.
        """
        self._axis = TimeAxis.of_clip(times_s) if len(times_s) else None
        self._frame = 0
        self._range = None
        self._drag, self._drag_axis = "", None
        self._lanes = {CONFIDENCE: None, PRESENCE: None, SWAPS: None}
        self._redraw()

    def set_frame(self, frame: int) -> None:
        """Move the playhead, unless the user is holding it; a zoomed timeline turns the page."""
        if self._axis is None or self._drag == "scrub":
            return
        before = self._playhead_region(self._axis)
        self._frame = min(max(frame, 0), self._axis.num_frames - 1)
        time_s = float(self._axis.edges_s[self._frame])
        if not self._drag and not self._axis.start_s <= time_s < self._axis.end_s:
            self._set_axis(self._axis.moved_to(time_s - 0.1 * self._axis.span_s))
        else:
            self.update(before | self._playhead_region(self._axis))

    def _playhead_region(self, axis: TimeAxis) -> QRegion:
        """What is another picture when the playhead is elsewhere."""
        layout = self._layout()
        cell = layout.frame_rect(axis, self._frame, self._frame + 1)
        strip = QRect(int(cell.left()) - 2, 0, int(cell.width()) + 5, self.height())
        below = QRect(0, int(layout.axis.top()), int(layout.plot.left()), self.height())
        seek = QRect(0, int(layout.seek.top()) - 1, self.width(), int(layout.seek.height()) + 3)
        return QRegion(strip) | below | seek

    def has_lane(self, name: str) -> bool:
        """Whether there is a lane of this name."""
        return self._lanes.get(name) is not None

    def change_lane(self, name: str, start: int, values: np.ndarray) -> None:
        """Give a lane other values from a frame on; nothing happens if there is none."""
        lane = self._lanes.get(name)
        if lane is not None:
            lane.change(start, values)
            self._stale_lanes.add(name)
            self.update()

    def set_confidence(self, values: np.ndarray | None) -> None:
        """Show the confidence (T,) of each frame, 0..1, NaN where nobody was found."""
        self._set_lane(CONFIDENCE, values, "curve", GOOD, warn_below=LOW_CONFIDENCE)

    def set_present_mask(self, mask: np.ndarray | None) -> None:
        """Show the frames (T,) in which the person was found."""
        self._set_lane(PRESENCE, mask, "mask", PRESENT)

    def set_swapped_mask(self, mask: np.ndarray | None) -> None:
        """Show the frames (T,) in which left and right had been exchanged and were put right."""
        self._set_lane(SWAPS, mask, "marks", SWAPPED)

    def add_lane(
        self,
        name: str,
        values: np.ndarray,
        kind: LaneKind = "curve",
        colour: Rgb = GOOD,
        *,
        value_range: tuple[float, float] = (0.0, 1.0),
        warn_below: float | None = None,
        unit: str = "",
        is_high_bad: bool = False,
    ) -> None:
        """Add a lane below the others, or replace the one of this name; see `Lane`."""
        lane = Lane(name, values, kind, colour, value_range, warn_below, unit, is_high_bad)
        self.show_lane(lane)

    def show_lane(self, lane: Lane) -> None:
        """Add a lane below the others, or in place of the one of its name."""
        if self._axis is None or len(lane) != self._axis.num_frames:
            return  # of a clip that is no longer shown
        before = self._lanes.get(lane.name)
        self._lanes[lane.name] = lane
        if before is not None and (before.title, before.kind) == (lane.title, lane.kind):
            self._stale_lanes.add(lane.name)  # nothing moves: the other lanes can stay
            self.update()
        else:
            self._redraw()

    def remove_lane(self, name: str) -> None:
        """Remove a lane; nothing happens if there is none of this name."""
        if self._lanes.get(name) is None:
            return
        if name in (CONFIDENCE, PRESENCE, SWAPS):
            self._lanes[name] = None
        else:
            self._lanes.pop(name, None)
        self._redraw()

    def set_brief(self, is_brief: bool) -> None:
        """Leave out the lanes that tell how good the 2D is, or show all."""
        self._is_brief = is_brief
        self._redraw()

    def set_range(self, start: int, end: int) -> None:
        """Show frames ``start <= frame < end`` as selected; no signal."""
        self._range = (start, end)
        self.update()

    def clear_range(self) -> None:
        """Show no range; no signal."""
        self._range = None
        self.update()

    @property
    def frame(self) -> int:
        """Frame of the playhead."""
        return self._frame

    @property
    def axis(self) -> TimeAxis | None:
        """The visible stretch of time; None without a clip."""
        return self._axis

    def _set_lane(
        self,
        name: str,
        values: np.ndarray | None,
        kind: LaneKind,
        colour: Rgb,
        warn_below: float | None = None,
    ) -> None:
        if values is None:
            self.remove_lane(name)
        else:
            self.add_lane(name, values, kind, colour, warn_below=warn_below)

    def _shown_lanes(self) -> list[Lane]:
        hidden = (CONFIDENCE, PRESENCE, SWAPS) if self._is_brief else ()
        lanes = (lane for name, lane in self._lanes.items() if name not in hidden)
        return [lane for lane in lanes if lane is not None]

    # ---- geometry ----

    def plot_rect(self) -> QRectF:
        """Return the part of the widget, logical pixels, that shows time from left to right."""
        return self._layout().plot

    def x_of_frame(self, frame: int) -> float:
        """Logical x of the middle of a frame."""
        plot = self.plot_rect()
        if self._axis is None:
            return plot.left()
        edges = self._axis.edges_s
        share = self._axis.share_of((edges[frame] + edges[frame + 1]) / 2)
        return plot.left() + share * plot.width()

    def frame_at_x(self, x: float) -> int:
        """Frame at a logical x; clamped to the clip."""
        return self._axis.frame_at(self._share_at(x)) if self._axis is not None else 0

    def _share_at(self, x: float) -> float:
        plot = self.plot_rect()
        return (x - plot.left()) / max(plot.width(), 1.0)

    def _layout(self) -> TimelineLayout:
        return TimelineLayout.of(self.size(), self._shown_lanes(), self.fontMetrics())

    def sizeHint(self) -> QSize:
        return QSize(640, TimelineLayout.wanted_height(self._shown_lanes(), self.fontMetrics()))

    def minimumSizeHint(self) -> QSize:
        return QSize(200, self.sizeHint().height())

    def _set_axis(self, axis: TimeAxis) -> None:
        self._axis = axis
        self._background = None
        self.update()

    def _redraw(self) -> None:
        self._background = None
        self.updateGeometry()
        self.update()

    # ---- painting ----

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            if self._axis is None:
                draw_empty_state(painter, self, "", "The timeline of a video appears here.")
            else:
                self._paint(painter, self._axis)

    def _paint(self, painter: QPainter, axis: TimeAxis) -> None:
        layout, lanes = self._layout(), self._shown_lanes()
        ratio = self.devicePixelRatioF()
        if self._background is None or self._background.devicePixelRatio() != ratio:
            self._background = QPixmap(self.size() * ratio)
            self._background.setDevicePixelRatio(ratio)
            # All of it: at a fractional ratio its border lies beyond the widget.
            self._background.fill(self.palette().color(QPalette.ColorRole.Window))
            paint_background(self._background, self, layout, axis, lanes)
        else:
            for lane, rect in zip(lanes, layout.lanes, strict=True):
                if lane.name in self._stale_lanes:
                    paint_background(self._background, self, layout, axis, lanes, row=rect)
        self._stale_lanes.clear()
        painter.drawPixmap(0, 0, self._background)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._range is not None:
            paint_range(painter, self, layout, axis, self._range)
        paint_playhead(painter, self, layout, axis, self._frame)
        if self._hover_x is not None and self._drag != "range":
            frame = self.frame_at_x(self._hover_x)
            reach = self.frame_at_x(self._hover_x + POINTER_WIDTH / 2) - frame
            paint_hover(painter, self, layout, axis, frame, self._hover_x, lanes, reach)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._background = None
        super().resizeEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Draw again in other colours or another font."""
        if event.type() in (
            QEvent.Type.PaletteChange,
            QEvent.Type.FontChange,
            QEvent.Type.StyleChange,
        ):
            self._redraw()
        super().changeEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        self.update()
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self.update()
        super().focusOutEvent(event)

    # ---- mouse and keys ----

    def mousePressEvent(self, event: QMouseEvent) -> None:
        left = event.button() == Qt.MouseButton.LeftButton
        middle = event.button() == Qt.MouseButton.MiddleButton
        if self._axis is None or self._drag or not (left or middle):
            event.ignore()
            return
        self._drag_x = event.position().x()
        self._drag_axis, self._drag_range = self._axis, self._range
        modifiers = event.modifiers()
        if middle:
            self._drag = "pan"
        elif modifiers & Qt.KeyboardModifier.AltModifier:
            self._drag = "zoom"
        elif modifiers & Qt.KeyboardModifier.ShiftModifier:
            self._drag = "range"
            self._drag_frame = self.frame_at_x(self._drag_x)
        else:
            self._drag = "scrub"
            self._drag_frame = self._frame
            self._scrub_to(self._drag_x)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        before = self._drag_axis or self._axis
        if before is None:
            return
        x = event.position().x()
        self._hover_x = x if self.plot_rect().left() <= x <= self.plot_rect().right() else None
        if self._drag == "scrub":
            self._scrub_to(x)
        elif self._drag == "zoom":
            factor = 2 ** ((x - self._drag_x) / ALT_DRAG_DOUBLING)
            self._set_axis(before.zoomed(self._share_at(self._drag_x), factor))
        elif self._drag == "pan":
            moved_s = (self._share_at(x) - self._share_at(self._drag_x)) * before.span_s
            self._set_axis(before.moved_to(before.start_s - moved_s))
        elif self._drag == "range" and self._is_beyond_a_click(x):
            self._range = self._dragged_range(x)
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        drag, self._drag, self._drag_axis = self._drag, "", None
        x = event.position().x()
        if drag == "scrub":
            self.scrub_released.emit(self._frame)
        elif drag == "range" and self._is_beyond_a_click(x):
            self._range = self._dragged_range(x)
            self.range_changed.emit(*self._range)
        self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show the whole clip."""
        if self._axis is not None and event.button() == Qt.MouseButton.LeftButton:
            self._set_axis(self._axis.whole())

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom time at the cursor; sideways or with Shift move along."""
        if self._axis is None:
            event.ignore()
            return
        turned = event.angleDelta()
        sideways = turned.x()
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            sideways = sideways or turned.y()
        if sideways:
            step = sideways / 120 * 0.1 * self._axis.span_s
            self._set_axis(self._axis.moved_to(self._axis.start_s - step))
        else:
            factor = WHEEL_FACTOR ** (turned.y() / 120)
            self._set_axis(self._axis.zoomed(self._share_at(event.position().x()), factor))
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:
        self._hover_x = None
        self.update()
        super().leaveEvent(event)

    def event(self, event: QEvent) -> bool:
        """Keep Esc for a drag under way, whatever shortcut it may have elsewhere."""
        is_shortcut = event.type() == QEvent.Type.ShortcutOverride
        if is_shortcut and self._drag and cast(QKeyEvent, event).key() == Qt.Key.Key_Escape:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self._drag:
            self._abort_drag()
            return
        stride = 10 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
        last = self._axis.num_frames - 1 if self._axis is not None else 0
        targets = {
            Qt.Key.Key_Left: self._frame - stride,
            Qt.Key.Key_Right: self._frame + stride,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: last,
        }
        if self._axis is None or self._drag or event.key() not in targets:
            super().keyPressEvent(event)
            return
        self.set_frame(targets[Qt.Key(event.key())])
        self.scrub_released.emit(self._frame)

    # ---- what the mouse does ----

    def _scrub_to(self, x: float) -> None:
        frame = self.frame_at_x(x)
        if frame != self._frame:
            self._frame = frame
            self.scrub_moved.emit(frame)
            self.update()

    def _is_beyond_a_click(self, x: float) -> bool:
        return abs(x - self._drag_x) >= QApplication.startDragDistance()

    def _dragged_range(self, x: float) -> tuple[int, int]:
        here = self.frame_at_x(x)
        return min(here, self._drag_frame), max(here, self._drag_frame) + 1

    def _abort_drag(self) -> None:
        """Put back what was before the drag."""
        drag, self._drag = self._drag, ""
        axis, self._drag_axis = self._drag_axis, None
        if drag == "scrub":
            self.set_frame(self._drag_frame)
            self.scrub_released.emit(self._frame)
        elif drag == "range":
            self._range = self._drag_range
        elif axis is not None:
            self._set_axis(axis)
        self.update()
