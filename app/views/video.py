"""The video frame with people drawn over it; zoom, pan, pick a person, drag a joint, draw a box."""

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QToolTip, QWidget

from app.views.joint_drag import JointDrag
from app.views.overlay2d import (
    PROJECTION_COLOUR,
    PersonOverlay,
    draw_people,
    draw_thin,
    joint_at,
    joint_text,
    person_at,
)
from app.views.paint import draw_empty_state, draw_pill, is_dark
from app.views.picture import Picture
from app.views.zoom import Zoom
from pose_core.poses import SOURCE_USER

WHEEL_FACTOR = 1.25  # zoom of one notch
JOINT_REACH = 10.0  # logical pixels from which a joint or bone is hit
SMALLEST_BOX = 4.0  # logical pixels; less is a click by mistake

_PREVIEW_BACKGROUND = QColor(120, 84, 0, 220)


class VideoView(QWidget):
    """Shows one frame and the people in it.

    Coordinates in and out are pixels of the upright full picture, continuous: pixel (0, 0)
    covers 0..1. While a preview is shown (`set_preview`) its image may be smaller than that
    picture; it is stretched to the size of the last exact frame, so overlays stay in place.

    Signals
    -------
    person_clicked : int
        Track id.
    box_drawn : float, float, float, float
        x0, y0, x1, y1 of a box drawn after `begin_box`, picture pixels, inside the picture.

    Attributes
    ----------
    joint_drag : JointDrag
        Takes joints, once it is told whose.
    """

    person_clicked = Signal(int)
    box_drawn = Signal(float, float, float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._picture: Picture | None = None
        self._exact_size: tuple[int, int] | None = None
        self._frame_index = 0
        self._is_preview = False
        self._people: list[PersonOverlay] = []
        self._truth: np.ndarray | None = None
        self._projection: tuple[int, np.ndarray] | None = None
        self._moved: tuple[int, int, np.ndarray] | None = None
        self.joint_drag = JointDrag(self)
        self._are_poses_visible = True
        self._hovered: tuple[int, int] | None = None
        self._zoom = Zoom()
        self._is_fitted = True
        self._pressed_at: QPointF | None = None
        self._can_pan = False
        self._is_panning = False
        self._is_boxing = False
        self._box: tuple[QPointF, QPointF] | None = None
        self._take_box: Callable[[float, float, float, float], None] | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(160, 120)
        self.setAccessibleName("Video")

    def sizeHint(self) -> QSize:
        return QSize(960, 540)

    # ---- what to show ----

    def set_frame(self, image: np.ndarray, frame_index: int) -> None:
        """Show a frame.

        Parameters
        ----------
        image : (H, W, 3) uint8 ndarray
            RGB; kept without a copy, so it must not change afterwards.
        frame_index : int
        """
        self._picture = Picture(image)
        self._frame_index = frame_index
        self.update()

    def set_preview(self, is_preview: bool) -> None:
        """Say whether the shown frame is a quick, coarse stand-in for the exact one."""
        self._is_preview = is_preview
        self.update()

    def set_people(self, people: list[PersonOverlay]) -> None:
        """Draw these people over the picture."""
        self._people = list(people)
        self._end_hover()
        self.update()

    def set_truth(self, xy: np.ndarray | None) -> None:
        """Draw the true joints (T, 17, 2) of each frame, picture pixels, under the people."""
        self._truth = xy
        self.update()

    def set_projection(self, frame_index: int, xy: np.ndarray | None) -> None:
        """Draw where a 3D pose projects to in a frame, (17, 2) picture pixels, under the people."""
        self._projection = None if xy is None else (frame_index, xy)
        self.update()

    def set_moved_joints(self, track_id: int, frame_index: int, xy: np.ndarray | None) -> None:
        """Draw joints of a person as if the user had set them elsewhere, in one frame.

        Parameters
        ----------
        track_id, frame_index : int
        xy : (17, 2) ndarray or None
            Picture pixels; NaN for joints that are where they are. None draws all as they are.
        """
        self._moved = None if xy is None else (track_id, frame_index, xy)
        self.update()

    @property
    def exact_frame(self) -> int | None:
        """The frame on screen; None while it is a preview, or there is none."""
        return None if self._picture is None or self._is_preview else self._frame_index

    @property
    def image(self) -> np.ndarray | None:
        """The picture on screen, (H, W, 3) uint8 RGB; None where there is none."""
        return None if self._picture is None else self._picture.image

    def set_poses_visible(self, are_visible: bool) -> None:
        """Show or hide all people, and the truth."""
        self._are_poses_visible = are_visible
        self._end_hover()
        self.update()

    def clear(self) -> None:
        """Show no video."""
        self._picture = None
        self._exact_size = None
        self._people = []
        self._projection = None
        self._moved = None
        self._is_preview = False
        self.joint_drag.cancel()
        self._abort_box()
        self.fit()

    def fit(self) -> None:
        """Show the whole picture, and keep doing so when the widget changes size."""
        self._is_fitted = True
        self._refit()
        self.update()

    def begin_box(self, take: Callable[[float, float, float, float], None] | None = None) -> None:
        """Let the user draw one box; Esc aborts.

        Parameters
        ----------
        take : callable, optional
            Gets the box in place of those who listen to `box_drawn`.
        """
        self._take_box = take
        self._is_boxing = self._picture is not None
        if self._is_boxing:
            self.setCursor(Qt.CursorShape.CrossCursor)
            self.setFocus()
        self.update()

    @property
    def is_boxing(self) -> bool:
        """Whether the user is to draw a box."""
        return self._is_boxing

    @property
    def zoom(self) -> Zoom:
        """Where the picture lies: picture pixels to device pixels of this widget."""
        return self._zoom

    # ---- geometry ----

    @property
    def _picture_size(self) -> tuple[int, int] | None:
        """Size of the full picture: that of the image unless it is a preview of a known one."""
        if self._picture is None:
            return None
        return self._exact_size if self._is_preview and self._exact_size else self._picture.size

    def _device_size(self) -> tuple[int, int]:
        ratio = self.devicePixelRatioF()
        return round(self.width() * ratio), round(self.height() * ratio)

    def _refit(self) -> None:
        size = self._picture_size
        if size is not None:
            width, height = self._device_size()
            self._zoom = Zoom.fitted(size, (max(width, 1), max(height, 1)))

    def device_point(self, position: QPointF) -> tuple[float, float]:
        """Device pixels of a place in logical ones."""
        ratio = self.devicePixelRatioF()
        return position.x() * ratio, position.y() * ratio

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep fitting, or else keep the middle of the view in the middle."""
        if not self._is_fitted and event.oldSize().isValid():
            ratio = self.devicePixelRatioF()
            change = event.size() - event.oldSize()
            self._zoom = self._zoom.moved(change.width() * ratio / 2, change.height() * ratio / 2)
        super().resizeEvent(event)

    # ---- painting ----

    def paintEvent(self, event: QPaintEvent) -> None:
        window = self.palette().color(QPalette.ColorRole.Window)
        with QPainter(self) as painter:
            painter.fillRect(self.rect(), window.darker(140 if is_dark(self.palette()) else 110))
            if self._picture is None:
                hint = "Open one with Ctrl+O, or drop a file on the window."
                draw_empty_state(painter, self, "No video yet", hint)
            else:
                self._paint_picture_and_people(painter, self._picture)
                self._paint_marks(painter)

    def _paint_picture_and_people(self, painter: QPainter, picture: Picture) -> None:
        """Paint in device pixels, without Qt's scaling between us and the screen."""
        ratio = self.devicePixelRatioF()
        if not self._is_preview:
            self._exact_size = picture.size
        if self._is_fitted:
            self._refit()
        painter.save()
        painter.scale(1 / ratio, 1 / ratio)
        full_width, _ = self._picture_size or picture.size
        stretch = full_width / picture.size[0]
        device_size = self._device_size()
        drawn = picture.resampled(self._zoom, stretch, *device_size)
        if drawn is not None:
            painter.drawImage(drawn[1], drawn[0])
        if self._are_poses_visible:
            if self._truth is not None and self._frame_index < len(self._truth):
                xy = self._truth[self._frame_index]
                draw_thin(painter, xy, self._zoom, device_size, ratio)
            if self._projection is not None and self._projection[0] == self._frame_index:
                xy = self._projection[1]
                draw_thin(painter, xy, self._zoom, device_size, ratio, PROJECTION_COLOUR)
            people = self.visible_people()
            draw_people(painter, people, self._zoom, device_size, ratio, self._hovered)
        painter.restore()

    def _paint_marks(self, painter: QPainter) -> None:
        """Frame number, zoom, preview mark, and the box being drawn."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        flags = Qt.AlignmentFlag
        low = self.height() - 8
        frame_text = f"frame {self._frame_index}"
        draw_pill(painter, frame_text, QPointF(8, low), flags.AlignLeft | flags.AlignBottom)
        zoom_text = f"{self._zoom.scale:.0%}" + (" (fit)" if self._is_fitted else "")
        draw_pill(
            painter, zoom_text, QPointF(self.width() - 8, low), flags.AlignRight | flags.AlignBottom
        )
        if self._is_preview:
            draw_pill(
                painter,
                "preview",
                QPointF(self.width() - 8, 8),
                flags.AlignRight | flags.AlignTop,
                background=_PREVIEW_BACKGROUND,
            )
        if self._is_boxing:
            self._paint_box(painter)

    def _paint_box(self, painter: QPainter) -> None:
        draw_pill(
            painter,
            "Drag a box around the whole person. Esc cancels.",
            QPointF(self.width() / 2, 8),
            Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop,
        )
        if self._box is None:
            return
        rect = QRectF(*self._box).normalized()
        painter.setBrush(QColor(255, 255, 255, 30))
        for pen in (QPen(QColor(20, 20, 20), 3), QPen(QColor(255, 255, 255), 1.4)):
            painter.setPen(pen)
            painter.drawRect(rect)

    # ---- mouse and keys ----

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom at the cursor."""
        size = self._picture_size
        notches = event.angleDelta().y() / 120
        if size is None or notches == 0:
            event.ignore()
            return
        x, y = self.device_point(event.position())
        self._zoom = self._zoom.scaled_at(x, y, WHEEL_FACTOR**notches, size)
        self._is_fitted = False
        self.update()
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        position = event.position()
        left = event.button() == Qt.MouseButton.LeftButton
        middle = event.button() == Qt.MouseButton.MiddleButton
        if self._picture is None or not (left or middle):
            event.ignore()
            return
        if self.joint_drag.is_pressed:
            return  # another button while a joint is held
        self._pressed_at = position
        if left and self._is_boxing:
            self._box = (position, position)
        elif middle:
            self._start_pan()
        else:
            self._can_pan = self._joint_at(position) is None
            if self.exact_frame is not None and not event.modifiers():
                x, y = self.device_point(position)
                self.joint_drag.press(self.visible_people(), self._zoom, x, y, self._reach)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        position = event.position()
        if self._box is not None:
            self._box = (self._box[0], position)
            self.update()
            return
        if self._pressed_at is None:
            self._hover(position, event.globalPosition().toPoint())
            return
        if self.joint_drag.is_pressed:
            self._drag_joint(position)
            return
        moved = position - self._pressed_at
        is_drag = moved.manhattanLength() >= QApplication.startDragDistance()
        if self._is_panning or (self._can_pan and is_drag):
            self._start_pan()
            ratio = self.devicePixelRatioF()
            self._zoom = self._zoom.moved(moved.x() * ratio, moved.y() * ratio)
            self._is_fitted = False
            self._pressed_at = position
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self.joint_drag.is_pressed and event.button() != Qt.MouseButton.LeftButton:
            return
        if self.joint_drag.release():
            self._pressed_at = None
        if self._box is not None:
            self._finish_box(self._box[0], event.position())
        elif self._pressed_at is not None and not self._is_panning:
            moved = (event.position() - self._pressed_at).manhattanLength()
            if moved < QApplication.startDragDistance():
                self._click(event.position())
        self._pressed_at = None
        self._is_panning = self._can_pan = False
        self._restore_cursor()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Between the whole picture and its own pixels, where no person is."""
        size = self._picture_size
        is_left = event.button() == Qt.MouseButton.LeftButton
        if size is None or not is_left or self._is_boxing or self.person_at(event.position()):
            self.mousePressEvent(event)
            return
        if self._is_fitted:
            x, y = self.device_point(event.position())
            actual = self._zoom.scaled_at(x, y, 1 / self._zoom.scale, size)
            # On whole device pixels nothing is interpolated.
            self._zoom = Zoom(actual.scale, round(actual.origin_x), round(actual.origin_y))
            self._is_fitted = False
            self.update()
        else:
            self.fit()

    def leaveEvent(self, event: QEvent) -> None:
        self._end_hover()
        super().leaveEvent(event)

    def event(self, event: QEvent) -> bool:
        """Keep Esc for a box or a joint in the hand, whatever shortcut it may have elsewhere."""
        is_key = event.type() == QEvent.Type.ShortcutOverride
        is_escape = is_key and cast(QKeyEvent, event).key() == Qt.Key.Key_Escape
        if is_escape and (self._is_boxing or self.joint_drag.is_dragging):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.joint_drag.is_dragging:
            self._pressed_at = None
            self.joint_drag.cancel()
            self._restore_cursor()
            return
        if event.key() == Qt.Key.Key_Escape and self._is_boxing:
            self._abort_box()
            return
        super().keyPressEvent(event)

    # ---- what the mouse does ----

    def visible_people(self) -> list[PersonOverlay]:
        """Who is drawn, as they are drawn: a joint may be held elsewhere."""
        if not self._are_poses_visible:
            return []
        if self._moved is None or self._moved[1] != self._frame_index:
            return self._people
        track_id, _, xy = self._moved
        return [_with_moved(p, xy) if p.track_id == track_id else p for p in self._people]

    @property
    def _reach(self) -> float:
        """Device pixels from which a joint or bone is hit."""
        return JOINT_REACH * self.devicePixelRatioF()

    def _joint_at(self, position: QPointF) -> tuple[int, int] | None:
        x, y = self.device_point(position)
        return joint_at(self.visible_people(), self._zoom, x, y, self._reach)

    def person_at(self, position: QPointF) -> int | None:
        """Track id of the person at a logical pixel of this widget; None where nobody is."""
        x, y = self.device_point(position)
        return person_at(self.visible_people(), self._zoom, x, y, self._reach)

    def _drag_joint(self, position: QPointF) -> None:
        x, y = self.device_point(position)
        start_distance = QApplication.startDragDistance() * self.devicePixelRatioF()
        self.joint_drag.move(self._zoom, x, y, start_distance)
        if self.joint_drag.is_dragging:
            self._end_hover()
            self.setCursor(Qt.CursorShape.CrossCursor)

    def _click(self, position: QPointF) -> None:
        track_id = self.person_at(position)
        if track_id is not None:
            self.person_clicked.emit(track_id)

    def _hover(self, position: QPointF, screen_position: QPoint) -> None:
        found = self._joint_at(position) if not self._is_boxing else None
        if found == self._hovered:
            return
        self._end_hover()
        if found is not None:
            self._hovered = found
            person = next(each for each in self.visible_people() if each.track_id == found[0])
            QToolTip.showText(screen_position, joint_text(person, found[1]), self)
            self.update()

    def _end_hover(self) -> None:
        if self._hovered is not None:
            self._hovered = None
            QToolTip.hideText()
            self.update()

    def _start_pan(self) -> None:
        self._is_panning = True
        self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def _finish_box(self, start: QPointF, end: QPointF) -> None:
        rect = QRectF(start, end).normalized()
        self._box = None
        self.update()
        size = self._picture_size
        if size is None or min(rect.width(), rect.height()) < SMALLEST_BOX:
            return  # a click by mistake: the user may try again
        width, height = size
        x0, y0 = self._zoom.to_picture(*self.device_point(rect.topLeft()))
        x1, y1 = self._zoom.to_picture(*self.device_point(rect.bottomRight()))
        x0, x1 = np.clip([x0, x1], 0, width)
        y0, y1 = np.clip([y0, y1], 0, height)
        if x1 > x0 and y1 > y0:
            self._is_boxing = False
            take = self._take_box or self.box_drawn.emit
            take(float(x0), float(y0), float(x1), float(y1))

    def _abort_box(self) -> None:
        self._is_boxing = False
        self._box = None
        self._restore_cursor()
        self.update()

    def _restore_cursor(self) -> None:
        if self._is_boxing:
            self.setCursor(Qt.CursorShape.CrossCursor)
        else:
            self.unsetCursor()


def _with_moved(person: PersonOverlay, xy: np.ndarray) -> PersonOverlay:
    """A person with joints where the user has put them (17, 2), NaN for the others."""
    is_moved = np.asarray(np.isfinite(xy).all(axis=1))
    sources = np.zeros(len(xy), np.uint8) if person.sources is None else person.sources
    return replace(
        person,
        xy=np.where(is_moved[:, None], xy, person.xy),
        scores=np.where(is_moved, 1.0, person.scores),
        sources=np.where(is_moved, SOURCE_USER, sources),
    )
