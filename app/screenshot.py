"""Takes a picture of the window once it shows what it should, and ends the application."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, QTimer

from app.main_window import MainWindow

if TYPE_CHECKING:
    from app.training.window import TrainingWindow

POLL_MS = 100
# After the last change: pictures decode, views paint, the 3D view gets its first frame.
SETTLE_MS = 1200
EXIT_FAILED = 1


class Screenshot(QObject):
    """Opens a file, estimates if asked to, waits, and saves a PNG.

    Parameters
    ----------
    window : MainWindow
        Shown already.
    file : Path, optional
        Without one the welcome page is shown.
    target : Path
        The PNG.
    is_estimated : bool
        Estimate before the picture is taken.
    training : TrainingWindow, optional
        Shown already; the picture is of it, with the curves of a run.
    """

    def __init__(
        self,
        window: MainWindow,
        file: Path | None,
        target: Path,
        *,
        is_estimated: bool,
        training: "TrainingWindow | None" = None,
    ) -> None:
        super().__init__(window)
        self._window = window
        self._target = target
        self._is_estimated = is_estimated
        self._training = training
        window.context.tasks.failed.connect(self.fail)
        if file is None:
            self._settle()
        else:
            window.context.document.opened.connect(self._on_opened)
            QTimer.singleShot(0, lambda: window.open_path(file))

    def _on_opened(self) -> None:
        if self._window.context.document.session is None:
            return
        if not self._is_estimated:
            self._go_to_person()
            return
        self._window.estimator.ended.connect(self._on_estimated)
        QTimer.singleShot(0, self._window.estimator.start)

    def _on_estimated(self, has_result: bool) -> None:
        if has_result:
            self._go_to_person()
        else:
            QCoreApplication.exit(EXIT_FAILED)

    def _go_to_person(self) -> None:
        """Show a frame in which there is something to see."""
        track = self._window.context.selected_track
        if track is not None and len(track.present_frames):
            frames = track.present_frames
            self._window.context.view_state.set_frame(int(frames[len(frames) // 2]))
        self._settle()

    def _settle(self) -> None:
        QTimer.singleShot(SETTLE_MS, self._save)

    def _save(self) -> None:
        window = self._window
        if not self._is_ready():
            QTimer.singleShot(POLL_MS, self._save)
            return
        self._target.parent.mkdir(parents=True, exist_ok=True)
        is_saved = (self._training or window).grab().save(str(self._target), "PNG")
        if not is_saved:
            sys.stderr.write(f"posestage: error: {self._target} cannot be written\n")
        self._window.shut_down()
        QCoreApplication.exit(0 if is_saved else EXIT_FAILED)

    def _is_ready(self) -> bool:
        """Whether everything that is to be seen is there."""
        if self._training is not None:
            return bool(self._training.curves.plots)
        window = self._window
        return window.presenter.is_picture_shown and not window.context.tasks.num_running

    def fail(self, error: object) -> None:
        """Give up and say why."""
        sys.stderr.write(f"posestage: error: {error}\n")
        self._window.shut_down()
        QCoreApplication.exit(EXIT_FAILED)
