"""Training in the application: the window, and what looks after the runs without it."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from app.operations.context import AppContext
from app.training.service import TrainingService

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

    def shut_down(self) -> None:
        """The application closes: runs go on without it."""
        self.service.stop()
        if self.window is not None:
            self.window.close()
            self.window.deleteLater()
            self.window = None
