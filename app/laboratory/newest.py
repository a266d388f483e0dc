"""Work off the GUI thread of which only the newest request matters."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject

from app.workers.task import Task, TaskRunner


@dataclass(frozen=True)
class _Request:
    work: Callable[[], object]
    receive: Callable[[object], None]
    fail: Callable[[BaseException], None]


class Newest(QObject):
    """Runs one request at a time; of those that come meanwhile only the last one is kept.

    Parameters
    ----------
    tasks : TaskRunner
        Whose threads are ended with the application.
    parent : QObject
    """

    def __init__(self, tasks: TaskRunner, parent: QObject) -> None:
        super().__init__(parent)
        self._tasks = tasks
        self._running: _Request | None = None
        self._wanted: _Request | None = None

    @property
    def is_busy(self) -> bool:
        """Whether an answer is still to come."""
        return self._wanted is not None

    def request(
        self,
        work: Callable[[], object],
        receive: Callable[[object], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        """Call `work` in a thread, then `receive` or `fail` here, unless another request comes."""
        self._wanted = _Request(work, receive, fail)
        if self._running is None:
            self._start()

    def drop(self) -> None:
        """Forget what was requested; work that runs ends, and its answer is thrown away."""
        self._wanted = None

    def _start(self) -> None:
        request = self._running = self._wanted
        if request is None:
            return
        task = Task("laboratory", request.work)
        task.succeeded.connect(lambda result: self._deliver(request, request.receive, result))
        task.failed.connect(lambda error: self._deliver(request, request.fail, error))
        task.ended.connect(self._go_on)
        self._tasks.start(task)

    def _deliver(self, request: _Request, take: Callable, answer: object) -> None:
        if request is self._wanted:
            self._wanted = None
            take(answer)

    def _go_on(self) -> None:
        self._running = None
        if self._wanted is not None:
            self._start()
