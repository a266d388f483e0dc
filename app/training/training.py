"""Training in the application: the window, and what looks after the runs without it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from app.operations.context import AppContext
from app.training.edits_dialog import EditsDialog
from app.training.edits_work import EditCounts, EditsRun, count_edits, models_that_learn
from app.training.service import TrainingService
from app.workers.task import Task
from pose_core.models.registry import ModelEntry
from pose_core.session import Session

if TYPE_CHECKING:
    from app.training.window import TrainingWindow


class Training(QObject):
    """The door to everything about training.

    Parameters
    ----------
    context : AppContext
    """

    def __init__(self, context: AppContext) -> None:
        super().__init__(context)
        self._context = context
        self.service = TrainingService(context)
        self.window: TrainingWindow | None = None
        self.edits_dialog: EditsDialog | None = None

    def show_window(self) -> "TrainingWindow":
        """Show the window, or bring it to the front."""
        if self.window is None:
            # Its curves need pyqtgraph, which takes a while to import: not at start-up.
            from app.training.window import TrainingWindow  # noqa: PLC0415

            self.window = TrainingWindow(self._context, self.service)
        self.window.show()
        self.window.raise_()
        self.window.activateWindow()
        return self.window

    def show_folder(self, folder: Path) -> "TrainingWindow":
        """Show the window with the runs of another folder than the user's own."""
        self.service.set_folder(folder)
        return self.show_window()

    def ask_for_run(self) -> None:
        """Show the window, and ask what to train."""
        self.show_window().ask_for_run()

    def ask_for_edits(self, edit: Callable[[], object]) -> None:
        """Offer to train on what the user has put right in the open session.

        Parameters
        ----------
        edit : callable
            Begins to edit keypoints, where nothing was put right yet.
        """
        session = self._context.document.session
        if session is None:
            return

        def ask(found: tuple[EditCounts, list[ModelEntry]]) -> None:
            if self.edits_dialog is not None:
                self.edits_dialog.deleteLater()
            add = lambda wanted: self._add_edits(wanted, session)  # noqa: E731
            self.edits_dialog = EditsDialog(
                self._context, *found, self.service.runs, add, edit, self._context.window
            )
            self.edits_dialog.open()

        task = Task("counting edits", lambda: (count_edits(session), models_that_learn()))
        task.succeeded.connect(ask)
        self._context.start_task(task, "Looking for edits")

    def _add_edits(self, wanted: EditsRun, session: Session) -> None:
        window = self.show_window()
        self.service.add_edits(wanted, session, lambda _: window.choose_when_listed(wanted.name))

    def shut_down(self) -> None:
        """The application closes: runs go on without it."""
        self.service.stop()
        if self.window is not None:
            self.window.close()
            self.window.deleteLater()
            self.window = None
