"""Asks what a run trains on."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.settings import Settings
from pose_core.session_io import SUFFIX
from pose_core.training.runs import BUNDLED_DATA

_BUNDLED = ("bundled", "Bundled motions", "Made by PoseStage itself: nothing has to be there.")
_MOCAP = ("mocap", "Motion capture", "A folder of BVH, AMC, C3D, TRC or npz files.")
_PEOPLE = ("people", "Synthesized people", "A folder that `posestage synthesize` has written.")
_RENDERED = " People are rendered from them while it trains."
_SEPARATOR = "; "


class DataChoice(QWidget):
    """The data, and for networks that see pictures the user's annotations beside it.

    Attributes
    ----------
    changed : Signal()

    Parameters
    ----------
    settings : Settings
        Remembers the folders.
    """

    changed = Signal()

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._sees_pictures = False
        self.kind = QComboBox()
        self.kind.setAccessibleName("Kind of data")
        self.folder = QLineEdit(placeholderText="Folder")
        self._folder_row = _with_button(self.folder, self._ask_for_folder)
        self.annotations = QLineEdit(
            placeholderText=f"Also people with 2D alone: sessions (*{SUFFIX}), COCO files (*.json)"
        )
        self.annotations.setToolTip("Your own annotations. They teach 2D; the data above, depth.")
        self._annotations_row = _with_button(self.annotations, self._ask_for_annotations)
        self._hint = QLabel()
        self._hint.setWordWrap(True)
        self._hint.setProperty("faint", True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.kind, self._folder_row, self._hint, self._annotations_row):
            layout.addWidget(widget)
        self.kind.currentIndexChanged.connect(self._on_changed)
        self.folder.textChanged.connect(self._on_changed)
        self.annotations.textChanged.connect(self._on_changed)
        self.set_sees_pictures(False)

    def set_sees_pictures(self, sees_pictures: bool) -> None:
        """Offer what fits a network that sees pictures, or one that sees keypoints."""
        chosen = self.kind.currentData()
        self._sees_pictures = sees_pictures
        self.kind.blockSignals(True)
        self.kind.clear()
        for key, text, _ in self._offered():
            self.kind.addItem(text, key)
        self.kind.setCurrentIndex(max(self.kind.findData(chosen), 0))
        self.kind.blockSignals(False)
        self._on_changed()

    def set_data(self, data: str, annotations: tuple[str, ...]) -> None:
        """Show what an earlier run trained on."""
        is_bundled = data == BUNDLED_DATA
        self.kind.setCurrentIndex(self.kind.findData("bundled" if is_bundled else "mocap"))
        self.folder.setText("" if is_bundled else data)
        self.annotations.setText(_SEPARATOR.join(annotations))

    def data(self) -> str:
        """`BUNDLED_DATA` or a folder."""
        is_bundled = self.kind.currentData() == "bundled"
        return BUNDLED_DATA if is_bundled else self.folder.text().strip()

    def chosen_annotations(self) -> tuple[str, ...]:
        """Files of the user's annotations."""
        texts = self.annotations.text().split(_SEPARATOR.strip()) if self._sees_pictures else []
        return tuple(text.strip() for text in texts if text.strip())

    def complaint(self) -> str:
        """What is missing; empty when all is there."""
        data = self.data()
        if data != BUNDLED_DATA and not (data and Path(data).is_dir()):
            return "Choose the folder of the data."
        missing = [path for path in self.chosen_annotations() if not Path(path).exists()]
        return f"There is no {missing[0]}: choose other annotations." if missing else ""

    def _offered(self) -> tuple[tuple[str, str, str], ...]:
        return (_BUNDLED, _MOCAP, _PEOPLE) if self._sees_pictures else (_BUNDLED, _MOCAP)

    def _on_changed(self) -> None:
        key, _, hint = self._offered()[self.kind.currentIndex()]
        is_rendered = self._sees_pictures and key != "people"
        self._hint.setText(hint + _RENDERED if is_rendered else hint)
        self._folder_row.setVisible(key != "bundled")
        self._annotations_row.setVisible(self._sees_pictures)
        self.changed.emit()

    def _ask_for_folder(self) -> None:
        kind = f"training {self.kind.currentData()}"
        start = self.folder.text() or self._settings.folder(kind)
        path = QFileDialog.getExistingDirectory(self, self.kind.currentText(), start)
        if path:
            self._settings.set_folder(kind, Path(path).parent)
            self.folder.setText(path)

    def _ask_for_annotations(self) -> None:
        start = self._settings.folder("session")
        kinds = f"Annotations (*{SUFFIX} *.json)"
        paths, _ = QFileDialog.getOpenFileNames(self, "Annotations", start, kinds)
        if paths:
            self.annotations.setText(_SEPARATOR.join(paths))


def _with_button(line: QLineEdit, ask: Callable[[], None]) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    button = QPushButton("Choose...")
    button.clicked.connect(ask)
    layout.addWidget(line, 1)
    layout.addWidget(button)
    return row
