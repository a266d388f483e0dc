"""What every operation works with."""

from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QDialog, QWidget

from app.dialogs.error_dialog import show_error
from app.document import SessionDocument
from app.operations.follow_ups import FollowUps
from app.operations.session_lock import SessionLock
from app.operations.unkept import Unkept
from app.settings import Settings
from app.view_state import ViewState
from app.workers.frame_decoder import FrameDecoder
from app.workers.task import Task, TaskRunner
from pose_core.session import Track


class AppContext(QObject):
    """The document, what is shown of it, and the workers, for the operations.

    Attributes
    ----------
    noticed : Signal(str)
        A small message of success.
    files_changed : Signal()
        The list of recent files is another one.
    settings_changed : Signal()
        Model, device, theme or another setting was chosen.
    models_changed : Signal()
        There is another model to choose.
    risky_work : Signal()
        Something begins that may take the process down with it: a model, a graphics card.
    session_lock : SessionLock
        Of the session's file.
    saving : Task, optional
        The save that is going on.
    follow_ups : FollowUps
        Of edits that are not complete yet: a save waits for them.
    """

    noticed = Signal(str)
    files_changed = Signal()
    settings_changed = Signal()
    models_changed = Signal()
    risky_work = Signal()

    def __init__(self, window: QWidget, settings: Settings) -> None:
        super().__init__(window)
        self.window = window
        self.settings = settings
        self.document = SessionDocument(self)
        self.view_state = ViewState(self)
        self.unkept = Unkept(self)
        self.decoder = FrameDecoder(parent=self)
        self.tasks = TaskRunner(self)
        self.session_lock = SessionLock()
        self.saving: Task | None = None
        self.follow_ups = FollowUps(self)
        self.document.opened.connect(self._let_file_go)

    def track(self, track_id: int | None) -> Track | None:
        """The person of that number; None where there is none."""
        session = self.document.session
        tracks = session.tracks if session else ()
        return next((track for track in tracks if track.track_id == track_id), None)

    @property
    def selected_track(self) -> Track | None:
        """The selected person; None where nobody is."""
        return self.track(self.view_state.track_id)

    def notice(self, text: str) -> None:
        """Tell of a success, in passing."""
        self.noticed.emit(text)

    def show_error(self, error: BaseException, action: str) -> QDialog:
        return show_error(self.window, error, action)

    def start_task(self, task: Task, action: str) -> Task:
        """Start a task whose failure is shown to the user under the title `action`."""
        task.failed.connect(lambda error: self.show_error(error, action))
        return self.tasks.start(task)

    def remember_file(self, path: Path, kind: str) -> None:
        """Add to the recent files, and remember the folder for files of this kind."""
        self.settings.add_recent_file(path)
        self.settings.set_folder(kind, path.parent)
        self.files_changed.emit()

    def _let_file_go(self) -> None:
        if self.document.path is None:
            self.session_lock.release()

    def shut_down(self) -> None:
        """End all threads, and let go of the session's file."""
        self.tasks.shut_down()
        self.decoder.shut_down()
        self.session_lock.release()
