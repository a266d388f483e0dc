"""A label for what changes with every frame."""

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QLabel


class SteadyLabel(QLabel):
    """Grows where a text needs more room and never shrinks for a shorter one.

    An ordinary label has the whole window laid out and painted anew with each text.

    Parameters
    ----------
    widest : str
        Has room from the beginning.
    """

    def __init__(self, widest: str = "") -> None:
        super().__init__()
        self._widest = widest
        self._make_room()

    def setText(self, text: str) -> None:
        if text == self.text():
            return
        super().setText(text)
        self._make_room()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.setFixedWidth(0)
            self._make_room()

    def _make_room(self) -> None:
        hint = self.sizeHint()
        width = max(hint.width(), self.fontMetrics().horizontalAdvance(self._widest))
        if width > self.minimumWidth() or hint.height() != self.minimumHeight():
            self.setFixedSize(width, hint.height())
