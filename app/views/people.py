"""The list of people, and what is known of the selected one."""

from html import escape

import numpy as np
from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QLabel,
    QTextBrowser,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.actions import Actions
from app.operations.context import AppContext
from app.operations.models import ModelChoice, title_of
from pose_core.session import Session, Track

TRACK_ROLE = Qt.ItemDataRole.UserRole
NAME, FRAMES, SCORE = range(3)
MOST_LINES = 8
CONTEXT_ACTIONS = ("edit.rename", "edit.delete", "pose.split", "pose.merge", "pose.exchange")


class PeopleView(QWidget):
    """People by name, with the frames in which they were found and how sure that is.

    Attributes
    ----------
    person_chosen : Signal(int)
        Track id.
    renamed : Signal(int, str)
        Track id and the new name.
    """

    person_chosen = Signal(int)
    renamed = Signal(int, str)

    def __init__(self, context: AppContext, actions: Actions, models: list[ModelChoice]) -> None:
        super().__init__()
        self._context = context
        self._models = models
        self._list = QTreeWidget()
        self._list.setHeaderLabels(["Person", "Frames", "Score"])
        self._list.setRootIsDecorated(False)
        self._list.setAlternatingRowColors(True)
        self._list.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked)
        self._list.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._list.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self._list.addActions([actions[action_id] for action_id in CONTEXT_ACTIONS])
        header = self._list.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        for column in (FRAMES, SCORE):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self._list.setAccessibleName("People")
        self._empty = QLabel(
            "Nobody yet.\nPress Estimate: the people of the clip are listed here when it is done."
        )
        self._empty.setWordWrap(True)
        self._empty.setProperty("faint", True)
        self._shown: tuple[Track, ...] = ()
        self._facts_html = ""
        self._facts = QTextBrowser()
        self._facts.setFrameShape(QFrame.Shape.NoFrame)
        self._facts.viewport().setAutoFillBackground(False)
        self._facts.setAccessibleName("About the selected person")
        self.setMinimumWidth(200)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addWidget(self._empty)
        layout.addWidget(self._list)
        layout.addWidget(self._facts, 1)
        layout.addStretch()

        self._list.currentItemChanged.connect(self._on_current_changed)
        self._list.itemChanged.connect(self._on_item_changed)
        context.document.opened.connect(self.refresh)
        context.document.changed.connect(self.refresh)
        context.view_state.track_changed.connect(self._show_selection)
        context.view_state.stage_changed.connect(self._show_selection)
        self.refresh()

    @property
    def num_people(self) -> int:
        """How many are in the list."""
        return self._list.topLevelItemCount()

    def edit_name(self) -> None:
        """Begin to rename the selected person in the list."""
        item = self._list.currentItem()
        if item is not None:
            self._list.editItem(item, NAME)

    def refresh(self) -> None:
        """Show the people as the document has them."""
        session = self._context.document.session
        tracks, shown = session.tracks if session else (), self._shown
        self._shown = tracks
        self._list.blockSignals(True)
        if shown and [track.track_id for track in shown] == [track.track_id for track in tracks]:
            # In long clips a look at everybody's frames takes a while.
            for row, (before, track) in enumerate(zip(shown, tracks, strict=True)):
                item = self._list.topLevelItem(row)
                if item is not None and (track is not before or item.text(NAME) != track.name):
                    _fill(item, track)  # the name may be one that was refused
        else:
            self._list.clear()
            for track in tracks:
                self._list.addTopLevelItem(_item_of(track))
            self._empty.setVisible(not tracks)
            self._list.setVisible(bool(tracks))
            self._fit_letters()
        self._list.blockSignals(False)
        self._show_selection()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit_letters()

    def _fit_letters(self) -> None:
        """As high as its lines, up to some: the rest of the room is for the facts."""
        lines = min(self._list.topLevelItemCount(), MOST_LINES)
        height = self._list.header().sizeHint().height() + lines * self._list.sizeHintForRow(0)
        self._list.setFixedHeight(height + 2 * self._list.frameWidth())

    def _show_selection(self) -> None:
        self._list.blockSignals(True)
        selected = self._context.view_state.track_id
        for row in range(self._list.topLevelItemCount()):
            item = self._list.topLevelItem(row)
            if item is not None and item.data(NAME, TRACK_ROLE) == selected:
                self._list.setCurrentItem(item)
        self._list.blockSignals(False)
        session = self._context.document.session
        track = self._context.selected_track
        self._facts.setVisible(track is not None)
        if session is not None and track is not None:
            model = self._context.view_state.model
            errors = {known.name: known.error for known in self._models}
            facts = facts_of(session, track, model, errors.get(model or "", "not measured"))
            faint = self.palette().color(QPalette.ColorRole.PlaceholderText).name()
            html = "".join(
                f'<p style="margin: 0 0 6px 0"><span style="color: {faint}">{escape(name)}'
                f"</span><br>{escape(value)}</p>"
                for name, value in facts
            )
            if html != self._facts_html:  # to lay it out takes a while
                self._facts_html = html
                self._facts.setHtml(html)

    def _on_current_changed(self, item: QTreeWidgetItem | None) -> None:
        if item is not None:
            self.person_chosen.emit(item.data(NAME, TRACK_ROLE))

    def _on_item_changed(self, item: QTreeWidgetItem, column: int) -> None:
        if column == NAME:
            self.renamed.emit(item.data(NAME, TRACK_ROLE), item.text(NAME).strip())


def _fill(item: QTreeWidgetItem, track: Track) -> None:
    num_frames, score = np.count_nonzero(track.present_mask), track.keypoints.mean_score
    for column, text in ((NAME, track.name), (FRAMES, str(num_frames)), (SCORE, f"{score:.2f}")):
        item.setText(column, text)


def _item_of(track: Track) -> QTreeWidgetItem:
    item = QTreeWidgetItem()
    _fill(item, track)
    item.setData(NAME, TRACK_ROLE, track.track_id)
    item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
    item.setTextAlignment(FRAMES, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    item.setTextAlignment(SCORE, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    item.setToolTip(SCORE, "Mean confidence of the 2D joints, 0 to 1.")
    return item


def facts_of(
    session: Session, track: Track, model: str | None, model_error: str
) -> list[tuple[str, str]]:
    """What the user should know of a person before trusting the numbers."""
    facts = []
    present = track.present_mask
    first, last = int(present.argmax()), len(present) - 1 - int(present[::-1].argmax())
    if present[first]:
        facts.append(("Seen", f"frames {first} to {last}"))
    if track.swapped_mask is not None and track.swapped_mask.any():
        num_swapped = np.count_nonzero(track.swapped_mask)
        facts.append(("Sides", f"left and right were exchanged in {num_swapped} frames, mended"))
    run = track.runs.get(model or "")
    if run is None:
        facts.append(("3D", "not estimated yet"))
        return facts
    facts.append(("3D by", title_of(str(model))))
    facts.append(("Tested error of this model", model_error))
    if session.body_height_m:
        facts.append(("Scale", f"from the body height you gave, {session.body_height_m:.2f} m"))
    else:
        facts.append(("Scale", "relative: no body height is given"))
    if run.poses.is_root_estimated:
        assumed = [
            name
            for name, value in (
                ("focal length", session.focal_px),
                ("body height", session.body_height_m),
            )
            if not value
        ]
        if assumed:
            facts.append(("Place", f"estimated with an assumed {' and '.join(assumed)}"))
    return facts
