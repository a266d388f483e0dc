"""What to export, for which program, and where to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

FORMAT_TEXTS = {
    "bvh": "BVH: motion for animation",
    "csv": "CSV: tables for a spreadsheet",
    "npz": "NPZ: arrays for Python",
    "json": "JSON: for any program",
    "mp4": "MP4: video with the poses",
    "session": "A copy of the session file",
}


@dataclass(frozen=True)
class Preset:
    """Formats for a target, and how to use them there.

    Parameters
    ----------
    name : str
    formats : tuple of str
    level : bool
        Turn the BVH upright.
    hint : str
    """

    name: str
    formats: tuple[str, ...]
    level: bool
    hint: str


PRESETS = (
    Preset(
        "Blender",
        ("bvh",),
        True,
        "In Blender: File > Import > Motion Capture (.bvh), scale 0.01, with the default axes "
        "(forward -Z, up Y). Set the scene to the frame rate of the file.",
    ),
    Preset(
        "Unity",
        ("bvh",),
        True,
        "Unity reads no BVH itself: import it in Blender, export FBX, and choose the rig type "
        "Humanoid in Unity.",
    ),
    Preset(
        "Analysis in Python",
        ("npz", "csv"),
        False,
        "numpy.load reads the NPZ; pandas.read_csv reads the CSV with comment='#'.",
    ),
    Preset("Spreadsheet", ("csv",), False, "Units and axes stand at the top of each table."),
    Preset("A video to show", ("mp4",), False, "The picture with the poses, at its own rate."),
    Preset("Everything", tuple(FORMAT_TEXTS), True, ""),
)
CUSTOM = "My own choice"


@dataclass(frozen=True)
class ExportChoice:
    """What the user wants.

    Parameters
    ----------
    formats : tuple of str
    folder : Path
    track_ids : tuple of int
    frames : (int, int), optional
        ``start <= frame < end``; None for the whole clip.
    level : bool
    """

    formats: tuple[str, ...]
    folder: Path
    track_ids: tuple[int, ...]
    frames: tuple[int, int] | None
    level: bool


class ExportDialog(QDialog):
    """Asks what to export.

    Parameters
    ----------
    people : dict of int to str
        Track ids and names of those with poses.
    selected : int, optional
        The person to propose; all where None.
    frames : (int, int), optional
        The range selected on the timeline.
    folder : Path
    on_accept : callable
        Called with the `ExportChoice`.
    parent : QWidget
    """

    def __init__(
        self,
        people: dict[int, str],
        selected: int | None,
        frames: tuple[int, int] | None,
        folder: Path,
        on_accept: Callable[[ExportChoice], object],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Export")
        self.setMinimumWidth(600)
        self._people = people
        self._frames = frames
        self._on_accept = on_accept
        self.preset = QComboBox()
        self.preset.addItems([preset.name for preset in PRESETS] + [CUSTOM])
        self.preset.activated.connect(self._apply_preset)
        self._hint = QLabel(wordWrap=True)
        self._hint.setProperty("faint", True)
        self.formats = {name: QCheckBox(text) for name, text in FORMAT_TEXTS.items()}
        for box in self.formats.values():
            box.clicked.connect(self._on_own_choice)
        self.level = QCheckBox("Turn the BVH so that the standing person is upright")
        self.level.setToolTip("For a camera that looks up or down. Off: the camera's axes.")
        self.level.clicked.connect(self._on_own_choice)
        self.person = QComboBox()
        for track_id, name in people.items():
            self.person.addItem(name, (track_id,))
        if len(people) > 1:
            self.person.insertItem(0, "All people", tuple(people))
            self.person.setCurrentIndex(0)
        if selected in people:
            self.person.setCurrentText(people[selected])
        self.range = QComboBox()
        self.range.addItem("The whole clip", None)
        if frames is not None:
            self.range.addItem(f"Frames {frames[0]} to {frames[1] - 1}", frames)
            self.range.setCurrentIndex(1)
        self.range.setToolTip("A copy of the session always holds everybody and the whole clip.")
        self.folder = QLineEdit(str(folder))
        self._message = QLabel(wordWrap=True)
        self._message.setProperty("warning", True)
        self._build()
        self._apply_preset(0)

    def _build(self) -> None:
        browse = QPushButton("Choose...")
        browse.clicked.connect(self._choose_folder)
        folder_row = QHBoxLayout()
        folder_row.addWidget(self.folder, 1)
        folder_row.addWidget(browse)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self._export = QPushButton("Export")
        self._export.setProperty("primary", True)
        buttons.addButton(self._export, QDialogButtonBox.ButtonRole.AcceptRole)
        self._export.setDefault(True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form = QFormLayout()
        form.addRow("For", self.preset)
        form.addRow("", self._hint)
        formats = QGridLayout()
        for index, box in enumerate(self.formats.values()):
            formats.addWidget(box, index // 2, index % 2)
        form.addRow("Formats", formats)
        form.addRow("", self.level)
        form.addRow("Person", self.person)
        form.addRow("Frames", self.range)
        form.addRow("Folder", folder_row)
        form.addRow("", self._message)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(buttons)
        self.folder.textChanged.connect(self._check)

    def choice(self) -> ExportChoice:
        """What is chosen at the moment."""
        return ExportChoice(
            formats=tuple(name for name, box in self.formats.items() if box.isChecked()),
            folder=Path(self.folder.text()).expanduser(),
            track_ids=self.person.currentData(),
            frames=self.range.currentData(),
            level=self.level.isChecked(),
        )

    def accept(self) -> None:
        """Hand over the choice."""
        choice = self.choice()
        super().accept()
        self._on_accept(choice)

    def _apply_preset(self, index: int) -> None:
        if index >= len(PRESETS):
            self._on_own_choice()
            return
        preset = PRESETS[index]
        for name, box in self.formats.items():
            box.setChecked(name in preset.formats)
        self.level.setChecked(preset.level)
        self._hint.setText(preset.hint)
        self._check()

    def _on_own_choice(self) -> None:
        self.preset.setCurrentText(CUSTOM)
        self._hint.clear()
        self._check()

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder to export to", self.folder.text())
        if folder:
            self.folder.setText(folder)

    def _check(self) -> None:
        problem = ""
        if not any(box.isChecked() for box in self.formats.values()):
            problem = "Choose at least one format."
        elif not self.folder.text().strip():
            problem = "Choose a folder."
        self._message.setText(problem)
        self._export.setEnabled(not problem)
        self.level.setEnabled(self.formats["bvh"].isChecked())
