"""Work in a thread of its own that reports to the GUI thread."""

import threading
from collections.abc import Callable, Generator

from PySide6.QtCore import QObject, Qt, Signal

from app.workers.priority import OF_LONG_WORK, give_way
from pose_core.errors import Cancelled


class Task(QObject):
    """Runs a function in a thread; its result arrives as a signal in the GUI thread.

    Where the function returns a generator, its records arrive too, each of them a progress point
    and a cancel point, and the last one (or what the generator returns) is the result. Exactly
    one of `succeeded`, `failed` and `cancelled` ends the task.

    Parameters
    ----------
    name : str
        For the thread, and for error reports.
    work : callable
        Called in the thread.
    document_revision : int
        What the work started from; the receiver drops answers that come too late.
    is_long : bool
        Keeps the processor busy for long: its thread gives way to the window.
    """

    progressed = Signal(object)
    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    ended = Signal()
    _posted = Signal(str, object)

    def __init__(
        self,
        name: str,
        work: Callable[[], object],
        document_revision: int = 0,
        parent: QObject | None = None,
        *,
        is_long: bool = False,
    ) -> None:
        super().__init__(parent)
        self.name = name
        self.document_revision = document_revision
        self.has_succeeded = False
        self._work, self._is_long = work, is_long
        self._cancel = threading.Event()
        self._finish_early = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"task {name}", daemon=True)
        self._posted.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def start(self) -> None:
        self._thread.start()

    def cancel(self) -> None:
        """Ask the work to stop at its next record."""
        self._cancel.set()

    def finish_early(self) -> None:
        """Ask the work to stop at its next record and hand over what is done."""
        self._finish_early.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the thread to end. Only for the end of the application."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        if self._is_long:
            give_way(OF_LONG_WORK)
        try:
            result, is_cancelled = self._work(), False
            if isinstance(result, Generator):
                result, is_cancelled = self._exhaust(result)
        except Cancelled:
            self._posted.emit("cancelled", None)
        except Exception as error:  # noqa: BLE001 - whatever it is, it goes to the user
            self._posted.emit("failed", error)
        else:
            self._posted.emit("cancelled" if is_cancelled else "succeeded", result)

    def _exhaust(self, records: Generator[object, None, object]) -> tuple[object, bool]:
        """Last record or return value of a generator, and whether it was cut short."""
        last: object = None
        is_told = False
        while not self._cancel.is_set():
            try:
                if self._finish_early.is_set() and not is_told:
                    is_told = True
                    last = records.throw(Cancelled())
                else:
                    last = next(records)
            except StopIteration as stop:
                return (last if stop.value is None else stop.value), False
            self._posted.emit("progressed", last)
        records.close()
        return last, True

    def _deliver(self, kind: str, value: object) -> None:
        if kind == "progressed":
            self.progressed.emit(value)
            return
        self.has_succeeded = kind == "succeeded"
        if kind == "cancelled":
            self.cancelled.emit()
        else:
            getattr(self, kind).emit(value)
        self.ended.emit()


class TaskRunner(QObject):
    """Keeps the running tasks alive and ends them with the application.

    Attributes
    ----------
    failed : Signal(Exception)
        One of the tasks failed.
    """

    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tasks: set[Task] = set()

    @property
    def num_running(self) -> int:
        return len(self._tasks)

    def start(self, task: Task) -> Task:
        """Start a task; it is let go when it ends."""
        self._tasks.add(task)
        task.failed.connect(self.failed)
        task.ended.connect(lambda: self._forget(task))
        task.start()
        return task

    def shut_down(self, timeout_s: float = 10.0) -> None:
        """Cancel everything and wait."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            task.wait(timeout_s)

    def _forget(self, task: Task) -> None:
        self._tasks.discard(task)
        task.deleteLater()
