"""Asks for another person, and whose joints to keep where both are."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QButtonGroup,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

TRACK_ROLE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class Candidate:
    """One who may be chosen.

    Parameters
    ----------
    track_id : int
    name : str
    facts : str
        What tells this person from others, such as the frames.
    num_shared : int
        Frames in which the first person is too.
    """

    track_id: int
    name: str
    facts: str
    num_shared: int


class OtherPersonDialog(QDialog):
    """A list of people; with it, where that matters, whose joints are kept in shared frames.

    Parameters
    ----------
    title, question : str
    name : str
        Of the first person.
    candidates : list of Candidate
        At least one.
    asks_whose : bool
        Shared frames are a conflict that the user decides.
    on_accept : callable
        Gets the track id, and whether the other's joints are to be kept.
    parent : QWidget
    """

    def __init__(
        self,
        title: str,
        question: str,
        name: str,
        candidates: list[Candidate],
        on_accept: Callable[[int, bool], None],
        parent: QWidget,
        *,
        asks_whose: bool,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self._candidates = {each.track_id: each for each in candidates}
        self._on_accept = on_accept
        self._asks_whose = asks_whose
        words = QLabel(question, wordWrap=True)
        self.list = QListWidget()
        self.list.setAccessibleName("People")
        for each in candidates:
            item = QListWidgetItem(f"{each.name}  -  {each.facts}")
            item.setData(TRACK_ROLE, each.track_id)
            self.list.addItem(item)
        self.conflict = QLabel(wordWrap=True)
        self.own, self.others = QRadioButton(f"Keep those of {name}"), QRadioButton()
        self.own.setChecked(True)
        group = QButtonGroup(self)
        layout = QVBoxLayout(self)
        layout.addWidget(words)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.conflict)
        for button in (self.own, self.others):
            group.addButton(button)
            layout.addWidget(button)
        buttons = QDialogButtonBox()
        buttons.addButton(title, QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout.addWidget(buttons)
        self.list.currentItemChanged.connect(self._show_conflict)
        self.list.itemDoubleClicked.connect(self.accept)
        self.list.setCurrentRow(0)
        self.resize(420, 300)

    def _chosen(self) -> Candidate:
        return self._candidates[self.list.currentItem().data(TRACK_ROLE)]

    def _show_conflict(self) -> None:
        chosen = self._chosen()
        has_conflict = self._asks_whose and chosen.num_shared > 0
        frames = "1 frame" if chosen.num_shared == 1 else f"{chosen.num_shared} frames"
        self.conflict.setText(f"Both are in {frames}. There a person can have joints only once:")
        self.others.setText(f"Keep those of {chosen.name}")
        for widget in (self.conflict, self.own, self.others):
            widget.setVisible(has_conflict)

    def accept(self) -> None:
        """Take the one that is chosen."""
        chosen, prefers_other = self._chosen(), self.others.isChecked()
        super().accept()
        self._on_accept(chosen.track_id, prefers_other)
