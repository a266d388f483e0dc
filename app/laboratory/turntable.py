"""Widgets with skeletons that are turned by dragging."""

from PySide6.QtCore import QPointF, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QWidget

from app.views.orbit import Orbit


class Turntable(QWidget):
    """Turns its `orbit` by a drag; a press without one is a click.

    Attributes
    ----------
    turned : Signal(Orbit)
        By the mouse; to turn others in the same way.
    orbit : Orbit
        Its angles alone count.
    """

    turned = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.orbit = Orbit(azimuth_deg=-32.0, elevation_deg=14.0)
        self._pressed: QPointF | None = None
        self._is_dragged = False

    def set_orbit(self, orbit: Orbit) -> None:
        """See the skeletons from elsewhere."""
        self.orbit = orbit
        self.update()

    def click(self, at: QPointF) -> None:
        """What a click does; nothing by itself."""

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
        self.set_orbit(self.orbit.turned(moved.x(), moved.y()))
        self.turned.emit(self.orbit)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        pressed, self._pressed = self._pressed, None
        if pressed is not None and not self._is_dragged:
            self.click(event.position())
