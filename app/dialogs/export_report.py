"""Progress of an export, then what was written and how exact it is."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from pose_core.interchange.exporting import ExportedFile
from pose_core.interchange.overlay_video import OverlayProgress


class ExportReport(QDialog):
    """Lists the files as they are written."""

    def __init__(self, folder: Path, on_cancel: Callable[[], None], parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Export")
        self.resize(640, 320)
        self._folder = folder
        self._on_cancel = on_cancel
        self._is_running = True
        self._num_files = 0
        self._title = QLabel(f"Writing to {folder} ...")
        self._title.setWordWrap(True)
        self._bar = QProgressBar()
        self._bar.setRange(0, 0)
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setAccessibleName("Files written")
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self._buttons.rejected.connect(self.reject)
        self._open = QPushButton("Open the Folder")
        self._open.clicked.connect(self._open_folder)
        self._open.setEnabled(False)
        self._buttons.addButton(self._open, QDialogButtonBox.ButtonRole.ActionRole)
        layout = QVBoxLayout(self)
        layout.addWidget(self._title)
        layout.addWidget(self._bar)
        layout.addWidget(self.text, 1)
        layout.addWidget(self._buttons)

    def show_record(self, record: ExportedFile | OverlayProgress) -> None:
        """Add a file that is complete, or show how far the video is."""
        if isinstance(record, ExportedFile):
            self._add_file(record)
        else:
            self._bar.setRange(0, record.num_total)
            self._bar.setValue(record.num_done)

    def _add_file(self, written: ExportedFile) -> None:
        self._num_files += 1
        self.text.appendPlainText(written.path.name)
        for note in filter(None, written.report.split("; ")):
            self.text.appendPlainText(f"    {note}")

    def finish(self) -> None:
        """Say that it is over."""
        self._is_running = False
        self._title.setText(f"Wrote {self._num_files} files to {self._folder}.")
        self._bar.hide()
        self._open.setEnabled(True)
        self._buttons.button(QDialogButtonBox.StandardButton.Cancel).setText("Close")

    def reject(self) -> None:
        """Cancel while it runs; close after that."""
        if self._is_running:
            self._on_cancel()
        super().reject()

    def _open_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._folder)))
