"""Work that completes an edit in the background, and who has to wait for it."""

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer

# Longer than a network takes to load and to answer: whoever waits shall not wait for ever.
MOST_WAIT_MS = 20_000


class FollowUps(QObject):
    """Knows whether an edit is still being completed, and calls back once it is."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.is_pending = False
        self._waiting: list[Callable[[], None]] = []
        self._limit = QTimer(self, singleShot=True, interval=MOST_WAIT_MS)
        self._limit.timeout.connect(self._give_up)

    def set_pending(self, is_pending: bool) -> None:
        """Say that there is work, or none any more. For who does it."""
        self.is_pending = is_pending
        if not is_pending:
            self._call()

    def wait(self, then: Callable[[], None]) -> None:
        """Call once nothing is pending; at the latest after `MOST_WAIT_MS`.

        In the latter case nothing counts as pending any more, until new work begins.
        """
        self._waiting.append(then)
        if not self._limit.isActive():
            self._limit.start()

    def _give_up(self) -> None:
        self.is_pending = False
        self._call()

    def _call(self) -> None:
        self._limit.stop()
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then()
