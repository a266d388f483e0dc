"""A line of a dialog that tells how long a run will take, and how much memory."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QLabel

from app.operations.context import AppContext
from app.training.usage import bytes_text
from app.workers.task import Task
from pose_core.progress import format_seconds

if TYPE_CHECKING:  # imports torch
    from pose_core.training.budget import Budget

SETTLE_MS = 700
MEASURING = "Measuring a few steps..."


class BudgetLine(QLabel):
    """Measures a run once its settings have been left alone for a moment; one at a time.

    Parameters
    ----------
    context : AppContext
    measure : callable
        From what is to be measured to a generator of seconds that returns the `Budget`; called
        in a thread.
    """

    def __init__(
        self, context: AppContext, measure: Callable[[Any], "Generator[float, None, Budget]"]
    ) -> None:
        super().__init__("Not yet measured")
        self.setWordWrap(True)
        self._context, self._measure_run = context, measure
        self._task: Task | None = None
        self._wanted: object = None
        self._measured: object = None
        self._share = 1.0
        self._budget: Budget | None = None
        self._settle = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._settle.timeout.connect(self._measure)

    def show_of(self, wanted: object, share: float) -> None:
        """Show what was measured, or measure what has not been yet.

        Parameters
        ----------
        wanted : object
            All that memory and the time of a step depend on; compared with ``==``.
        share : float
            Of the measured run's steps.
        """
        self._wanted, self._share = wanted, share
        if wanted != self._measured:
            self.setText(MEASURING)
            self._settle.start()
        elif self._budget is not None:
            self.setText(budget_text(self._budget, share))

    def stop(self) -> None:
        """Measure nothing more."""
        self._settle.stop()
        self._wanted = None
        if self._task is not None:
            self._task.cancel()

    def _measure(self) -> None:
        if self._task is not None:
            self._task.cancel()  # when it has ended, this is begun anew
            return
        wanted = self._measured = self._wanted
        self._budget = None
        task = self._task = Task("measuring a run", lambda: self._measure_run(wanted), parent=self)
        task.progressed.connect(self._on_progress)
        task.succeeded.connect(self._on_measured)
        task.failed.connect(lambda error: self.setText(str(error)))
        task.ended.connect(self._on_ended)
        self._context.tasks.start(task)

    def _on_progress(self, seconds: float) -> None:
        self.setText(f"{MEASURING} {format_seconds(seconds)}")

    def _on_measured(self, budget: "Budget") -> None:
        self._budget = budget

    def _on_ended(self) -> None:
        self._task = None
        if self._wanted is not None:
            self.show_of(self._wanted, self._share)


def budget_text(budget: "Budget", share: float = 1.0) -> str:
    """Memory and time in words, for a share of the recipe's steps."""
    taken, free = bytes_text(budget.peak_memory_bytes), bytes_text(budget.free_memory_bytes)
    text = (
        f"{format_seconds(budget.seconds * share)} in all, "
        f"{1000 * budget.seconds_per_step:.0f} ms a step · {taken} of {free} free memory · "
        f"batches up to {budget.largest_batch:,} fit"
    )
    if not budget.fits:
        text += f"\nA batch of {budget.batch:,} does not fit on this machine."
    return text
