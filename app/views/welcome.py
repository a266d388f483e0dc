"""What the window shows while nothing is open."""

from pathlib import Path

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

WIDTH = 80  # letters
TITLE_SCALE = 2.4
MAX_SHOWN = 6


class WelcomeView(QWidget):
    """Title, the two ways to begin, and what was open lately.

    Attributes
    ----------
    open_wanted, sample_wanted : Signal()
    file_wanted : Signal(Path)
        One of the recent files.
    """

    open_wanted = Signal()
    sample_wanted = Signal()
    file_wanted = Signal(object)

    def __init__(self, has_sample: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._recent_title = QLabel("Recent")
        self._recent = QListWidget()
        self._recent.setFrameShape(QFrame.Shape.NoFrame)
        self._recent.setAlternatingRowColors(True)
        self._recent.itemActivated.connect(self._open_recent)
        self._recent.itemClicked.connect(self._open_recent)
        self._recent.setAccessibleName("Recent files")

        self._title = QLabel("PoseStage")
        self._column = QWidget()
        layout = QVBoxLayout(self._column)
        layout.setSpacing(12)
        layout.addStretch(2)
        layout.addWidget(self._title)
        text = QLabel("3D human pose from one camera: estimate, inspect, correct, export.")
        text.setWordWrap(True)
        layout.addWidget(text)
        layout.addSpacing(12)
        layout.addLayout(self._buttons(has_sample))
        layout.addWidget(_faint("or drop a video or a session anywhere on this window"))
        layout.addSpacing(20)
        layout.addWidget(self._recent_title)
        layout.addWidget(self._recent)
        layout.addStretch(3)

        row = QHBoxLayout(self)
        row.addStretch()
        row.addWidget(self._column)
        row.addStretch()
        self._fit_letters()

    def set_recent_files(self, paths: list[Path]) -> None:
        """Show these files; those that are gone are left out."""
        self._recent.clear()
        for path in [path for path in paths if path.is_file()][:MAX_SHOWN]:
            item = QListWidgetItem(f"{path.name}\n{_short(path.parent)}")
            item.setData(Qt.ItemDataRole.UserRole, path)
            item.setToolTip(str(path))
            self._recent.addItem(item)
        self._recent_title.setVisible(self._recent.count() > 0)
        self._recent.setVisible(self._recent.count() > 0)
        self._fit_letters()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit_letters()

    def _fit_letters(self) -> None:
        """Give everything the size that goes with that of the letters."""
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * TITLE_SCALE)
        font.setWeight(QFont.Weight.DemiBold)
        self._title.setFont(font)
        self._column.setFixedWidth(WIDTH * self.fontMetrics().averageCharWidth())
        # As high as its lines, so that the column stays in the upper middle of the page.
        height = self._recent.sizeHintForRow(0) * self._recent.count() + 4
        self._recent.setFixedHeight(max(height, 0))

    def _buttons(self, has_sample: bool) -> QHBoxLayout:
        row = QHBoxLayout()
        open_button = QPushButton("Open a Video or Session...")
        open_button.setProperty("primary", True)
        open_button.clicked.connect(self.open_wanted)
        row.addWidget(open_button)
        if has_sample:
            sample_button = QPushButton("Try the Sample Clip")
            sample_button.clicked.connect(self.sample_wanted)
            row.addWidget(sample_button)
        row.addStretch()
        return row

    def _open_recent(self, item: QListWidgetItem) -> None:
        self.file_wanted.emit(item.data(Qt.ItemDataRole.UserRole))


def _faint(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("faint", True)
    return label


def _short(folder: Path) -> str:
    """Path with the home folder as ``~``."""
    try:
        return str(Path("~") / folder.relative_to(Path.home()))
    except ValueError:
        return str(folder)
