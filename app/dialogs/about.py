"""Version, licence and credits."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

import pose_core


class AboutDialog(QDialog):
    """What this is, and to whom thanks are due."""

    def __init__(self, credits_text: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("About PoseStage")
        self.resize(680, 560)
        title = QLabel(
            f"<h2>PoseStage {pose_core.__version__}</h2>"
            "<p>3D human pose from one camera: estimate, inspect, correct, export.</p>"
            "<p>Everything runs on this machine; no video leaves it.</p>"
        )
        title.setWordWrap(True)
        text = QPlainTextEdit(credits_text)
        text.setReadOnly(True)
        text.setAccessibleName("Licence and credits")
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(title)
        layout.addWidget(text, 1)
        layout.addWidget(buttons)
