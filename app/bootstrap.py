"""Starts the application: everything whose order matters happens here.

1. The environment, before Qt looks at it.
2. The application, its theme, errors, garbage collection; then the window.
"""

import faulthandler
import gc
import logging
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QCoreApplication, QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QApplication, QWidget

import pose_core
from app.dialogs.error_dialog import ErrorDialog
from app.settings import Settings
from app.widgets.theme import theme

GC_INTERVAL_MS = 1000
SWITCH_INTERVAL_S = 0.0005
MANY_MODULES = 50

_log = logging.getLogger(__name__)


def prepare_environment(environment: dict[str, str] | os._Environ[str] = os.environ) -> None:
    """Set what Qt and OpenGL read once, unless the user has set it.

    Under Wayland the NVIDIA driver gives Qt's OpenGL widgets no picture: there X11 is used.
    """
    is_nvidia = Path("/proc/driver/nvidia/version").exists()
    if sys.platform == "linux" and environment.get("WAYLAND_DISPLAY") and is_nvidia:
        environment.setdefault("QT_QPA_PLATFORM", "xcb")
        environment.setdefault("QT_XCB_GL_INTEGRATION", "xcb_glx")


def has_display() -> bool:
    """Whether a window can be shown; Qt ends the process where it cannot."""
    needs_none = os.environ.get("QT_QPA_PLATFORM", "") not in ("", "xcb", "wayland")
    has_one = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return sys.platform != "linux" or needs_none or has_one


def make_application(arguments: Sequence[str]) -> QApplication:
    """The application object with name, theme and style."""
    # Qt lets go of the interpreter in each call. By default it would then wait 5 ms for a thread
    # that computes: many times in each painting.
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    QCoreApplication.setOrganizationName("PoseStage")
    QCoreApplication.setApplicationName("PoseStage")
    QCoreApplication.setApplicationVersion(pose_core.__version__)
    application = QApplication([sys.argv[0], *arguments])
    application.setApplicationDisplayName("PoseStage")
    return application


def apply_theme(settings: Settings) -> None:
    theme().choose(settings.get("theme", "system"))


class GuiGarbageCollector(QObject):
    """Collects reference cycles in the GUI thread only.

    Left to itself Python collects in whichever thread allocates; a Qt or OpenGL object that
    dies in a worker thread takes the process with it.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        gc.collect()
        gc.freeze()  # what start-up made stays: later collections need not look at it
        gc.disable()
        self._thresholds = gc.get_threshold()
        self._num_modules = len(sys.modules)
        self._timer = QTimer(self, interval=GC_INTERVAL_MS)
        self._timer.timeout.connect(self._collect)
        self._timer.start()

    def _collect(self) -> None:
        """Collect the oldest generation that is due, as Python itself would."""
        if len(sys.modules) - self._num_modules > MANY_MODULES:
            # What a large import such as PyTorch's made stays too: to look at it takes 100 ms.
            gc.freeze()
            self._num_modules = len(sys.modules)
        counts = gc.get_count()
        due = [i for i, count in enumerate(counts) if count > self._thresholds[i]]
        if due:
            gc.collect(max(due))


class ErrorReporter(QObject):
    """Shows errors that nobody caught, from any thread, in a dialog.

    Attributes
    ----------
    reported : Signal(BaseException)
    """

    reported = Signal(object)
    _raised = Signal(object)

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._dialog: QWidget | None = None
        self._raised.connect(self._show, Qt.ConnectionType.QueuedConnection)
        sys.excepthook = self._on_exception
        threading.excepthook = self._on_thread_exception

    def _on_exception(
        self,
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType | None,
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QCoreApplication.quit()
            return
        _log.error("uncaught error", exc_info=(kind, error, trace))
        self._raised.emit(error)

    def _on_thread_exception(self, arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            self._on_exception(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)

    def _show(self, error: BaseException) -> None:
        self.reported.emit(error)
        # One at a time: an error in a timer would otherwise cover the screen with dialogs.
        if self._dialog is None:
            self._dialog = ErrorDialog(error, "Something went wrong", self._window)
            self._dialog.open()
            self._dialog.destroyed.connect(self._on_closed)

    def _on_closed(self) -> None:
        self._dialog = None


def enable_crash_trace() -> None:
    """Print a trace when the process crashes, where there is a terminal to print to."""
    if sys.stderr is not None:
        faulthandler.enable()
