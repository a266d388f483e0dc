"""Tells what went wrong, where, and what to do next; the details can be copied."""

import logging
import platform
import traceback

import PySide6
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QMessageBox, QWidget

import pose_core
from pose_core.errors import PoseStageError

_log = logging.getLogger(__name__)


def error_details(error: BaseException) -> str:
    """Versions and traceback, for a report."""
    head = (
        f"PoseStage {pose_core.__version__}, Python {platform.python_version()}, "
        f"PySide6 {PySide6.__version__}, {platform.platform()}"
    )
    return head + "\n\n" + "".join(traceback.format_exception(error))


class ErrorDialog(QMessageBox):
    """One error. A `PoseStageError` says itself what to do; any other is a fault of ours."""

    def __init__(self, error: BaseException, action: str, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setIcon(QMessageBox.Icon.Warning)
        self.setWindowTitle(action)
        self.setTextFormat(Qt.TextFormat.PlainText)
        if isinstance(error, PoseStageError):
            self.setText(error.message)
            self.setInformativeText(error.hint)
        elif isinstance(error, OSError | MemoryError):
            self.setText(str(error) or "There is not enough memory for this.")
            self.setInformativeText("Nothing that you had open was changed.")
        else:
            self.setText(f"Something went wrong that should not have: {error}")
            self.setInformativeText(
                "Your session is still open: save it under a new name. "
                "Copying the details helps to find the cause."
            )
        self._details = error_details(error)
        self.setDetailedText(self._details)
        copy = self.addButton("Copy the Details", QMessageBox.ButtonRole.ActionRole)
        copy.clicked.disconnect()  # pressing it must not close the dialog
        copy.clicked.connect(self._copy)
        self.setDefaultButton(self.addButton(QMessageBox.StandardButton.Close))

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._details)


def show_error(parent: QWidget | None, error: BaseException, action: str) -> QDialog:
    """Show an error without stopping the application.

    Parameters
    ----------
    parent : QWidget, optional
    error : BaseException
    action : str
        What failed, as the title: ``Opening the video``.
    """
    if not isinstance(error, PoseStageError):
        _log.error("%s failed", action, exc_info=error)
    dialog = ErrorDialog(error, action, parent)
    dialog.open()
    return dialog
