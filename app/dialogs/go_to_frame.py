"""Asks for a frame number or a time."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QLabel, QLineEdit, QWidget

from pose_core.clip import Clip


def parse_position(text: str, clip: Clip) -> int | None:
    """Frame of ``123``, ``4.5s`` or ``1:02.5``; None if it is none of this clip."""
    text = text.strip().lower()
    try:
        if text.endswith("s"):
            return clip.frame_at(float(text[:-1]))
        if ":" in text:
            seconds = 0.0
            for part in text.split(":"):
                seconds = 60 * seconds + float(part)
            return clip.frame_at(seconds)
        frame = int(text)
    except ValueError:
        return None
    return frame if 0 <= frame < clip.num_frames else None


class GoToFrameDialog(QDialog):
    """One line for the frame or time."""

    def __init__(
        self, clip: Clip, frame: int, on_accept: Callable[[int], None], parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Go to Frame")
        self._clip = clip
        self._on_accept = on_accept
        self.line = QLineEdit(str(frame))
        self.line.selectAll()
        hint = QLabel(f"0 to {clip.num_frames - 1}, or a time such as 4.5s or 1:02.5")
        hint.setProperty("faint", True)
        self._buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        layout = QFormLayout(self)
        layout.addRow("Frame or time", self.line)
        layout.addRow("", hint)
        layout.addRow(self._buttons)
        self.line.textChanged.connect(self._check)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)

    def _check(self) -> None:
        is_valid = parse_position(self.line.text(), self._clip) is not None
        self._buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(is_valid)

    def accept(self) -> None:
        """Go there."""
        frame = parse_position(self.line.text(), self._clip)
        if frame is not None:
            self._on_accept(frame)
            super().accept()
