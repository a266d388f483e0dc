"""A change that is shown but not made yet: it can be discarded from anywhere."""

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal


class Unkept(QObject):
    """Knows how to discard the change that somebody is trying out, if there is one.

    Attributes
    ----------
    changed : Signal()
        There is something to discard, or nothing any more.
    """

    changed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._discard: Callable[[], None] | None = None

    @property
    def is_held(self) -> bool:
        """Whether there is something to discard."""
        return self._discard is not None

    def hold(self, discard: Callable[[], None]) -> None:
        """Note how to discard what is shown now; a change of somebody else is discarded."""
        if discard == self._discard:
            return
        self.discard()
        self._discard = discard
        self.changed.emit()

    def release(self, discard: Callable[[], None]) -> None:
        """Forget what `hold` noted: it was kept or discarded."""
        if discard == self._discard:
            self._discard = None
            self.changed.emit()

    def discard(self) -> None:
        """Discard the change, if there is one."""
        discard, self._discard = self._discard, None
        if discard is not None:
            discard()
            self.changed.emit()
