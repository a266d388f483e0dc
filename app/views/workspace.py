"""Video, 3D, people, notes, laboratory and timeline as docks that remember where they were."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QShowEvent
from PySide6.QtWidgets import QDockWidget, QMainWindow, QSizePolicy, QVBoxLayout, QWidget

from app.settings import Settings
from app.widgets.dock_title import DockTitle

# Goes up when docks are added or renamed: an older layout is then not restored.
LAYOUT_VERSION = 4
LABORATORY_SHARE = 0.62  # of the height, below the 3D view
ROOM_FOR_BOTH_PX = 440  # in a lower window the laboratory lies behind the 3D view, as a tab
PEOPLE_PX = 250
LESSON_SHARE = 0.46  # of the width, for what is explained to a class
_AREAS = Qt.DockWidgetArea


class Workspace(QMainWindow):
    """The part of the window that shows an open clip."""

    def __init__(
        self,
        settings: Settings,
        video: QWidget,
        skeleton: QWidget,
        people: QWidget,
        notes: QWidget,
        timeline: QWidget,
        transport: QWidget,
        laboratory: QWidget,
    ) -> None:
        super().__init__()
        self.setWindowFlags(Qt.WindowType.Widget)
        self.setDockOptions(
            QMainWindow.DockOption.AllowNestedDocks | QMainWindow.DockOption.AllowTabbedDocks
        )
        self._settings = settings
        video.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCentralWidget(video)
        self.setCorner(Qt.Corner.BottomLeftCorner, _AREAS.BottomDockWidgetArea)
        self._skeleton = self._dock("3D", "skeleton", skeleton)
        self._people = self._dock("People", "people", people)
        self._notes = self._dock("Notes", "notes", notes)
        self._laboratory = self._dock("Laboratory", "laboratory", laboratory)
        self._timeline = self._dock("Timeline", "timeline", _stacked(timeline, transport))
        # Queued: Qt does not bear that its layout changes while a dock is about to show.
        self._laboratory.toggleViewAction().toggled.connect(
            self._make_room, Qt.ConnectionType.QueuedConnection
        )
        self._role = ROLES["analyst"]
        self._is_arranged = False

    def showEvent(self, event: QShowEvent) -> None:
        """Arrange the docks when the size of the window is known for the first time."""
        super().showEvent(event)
        if not self._is_arranged:
            self._is_arranged = True
            self._restore()

    def dock_actions(self) -> list[QAction]:
        """Actions that show and hide the docks."""
        return [dock.toggleViewAction() for dock in self._docks()]

    def show_laboratory(self) -> None:
        """Show the dock of the laboratory, in front of what it shares its place with."""
        is_first = not self._laboratory.isVisible()
        if is_first and self.height() - self._timeline.height() < ROOM_FOR_BOTH_PX:
            self.tabifyDockWidget(self._skeleton, self._laboratory)
        self._make_room(True)
        self._laboratory.show()
        self._laboratory.raise_()
        is_below = self.dockWidgetArea(self._laboratory) == self.dockWidgetArea(self._skeleton)
        if is_first and is_below and not self._laboratory.isFloating():
            share = round(self.height() * LABORATORY_SHARE)
            docks = [self._skeleton, self._laboratory]
            self.resizeDocks(docks, [self.height() - share, share], Qt.Orientation.Vertical)

    def show_notes(self) -> None:
        """Show the dock of the notes, in front of what it shares its place with."""
        is_first = not self._notes.isVisible()
        self._notes.show()
        self._notes.raise_()
        if is_first and self._people.isVisible() and not self._notes.isFloating():
            docks, half = [self._people, self._notes], self.height() // 2
            self.resizeDocks(docks, [half, half], Qt.Orientation.Vertical)

    # -- layouts ---------------------------------------------------------------------------

    def set_role(self, role: "Role") -> None:
        """Arrange the docks for another role, as its user left them."""
        self._role = role
        if self._is_arranged:
            self._restore()

    def save_layout(self) -> None:
        """Keep where everything is, for the present role."""
        if self._is_arranged:
            self._settings.set_bytes(self._role.key("docks"), self.saveState(LAYOUT_VERSION))

    def reset_layout(self) -> None:
        """Put everything where the present role has it at first."""
        self._settings.remove(self._role.key("docks"))
        if self._is_arranged:
            self._restore()

    def _restore(self) -> None:
        for dock in self._docks():
            dock.setFloating(False)
        self._role.arrange(self)
        state = self._settings.get_bytes(self._role.key("docks"))
        if not state.isEmpty():
            self.restoreState(state, LAYOUT_VERSION)

    def _docks(self) -> tuple[QDockWidget, ...]:
        return (self._skeleton, self._people, self._notes, self._laboratory, self._timeline)

    def _dock(self, title: str, name: str, widget: QWidget) -> QDockWidget:
        dock = QDockWidget(title, self)
        dock.setObjectName(name)
        dock.setWidget(widget)
        dock.setTitleBarWidget(DockTitle(dock))
        return dock

    def _make_room(self, is_laboratory_shown: bool) -> None:
        """The laboratory reaches to the bottom; where it is not, the timeline goes to the right."""
        right, bottom = _AREAS.RightDockWidgetArea, _AREAS.BottomDockWidgetArea
        self.setCorner(Qt.Corner.BottomRightCorner, right if is_laboratory_shown else bottom)

    def _let_timeline_be_low(self) -> None:
        height = self._timeline.sizeHint().height()
        self.resizeDocks([self._timeline], [height], Qt.Orientation.Vertical)

    def arrange_for_analyst(self) -> None:
        """Video, 3D and people in a row, the timeline below; the laboratory when it is wanted."""
        self._make_room(False)
        for dock in self._docks():
            dock.show()
        # They take much of the right-hand side: only where they are wanted.
        self._laboratory.hide()
        self._notes.hide()
        self.addDockWidget(_AREAS.RightDockWidgetArea, self._skeleton)
        self.addDockWidget(_AREAS.RightDockWidgetArea, self._people)
        self.splitDockWidget(self._skeleton, self._people, Qt.Orientation.Horizontal)
        self.splitDockWidget(self._people, self._notes, Qt.Orientation.Vertical)
        below = Qt.Orientation.Vertical
        self.addDockWidget(_AREAS.RightDockWidgetArea, self._laboratory, below)
        self.addDockWidget(_AREAS.BottomDockWidgetArea, self._timeline)
        people = min(PEOPLE_PX, round(self.width() * 0.2))
        self.resizeDocks(
            [self._skeleton, self._people],
            [round((self.width() - people) * 0.45), people],
            Qt.Orientation.Horizontal,
        )
        self._let_timeline_be_low()

    def arrange_for_teacher(self) -> None:
        """Video, 3D and timeline in a column, and the laboratory beside it from top to bottom."""
        self._make_room(True)
        for dock in (self._skeleton, self._laboratory, self._timeline):
            dock.show()
        for dock in (self._people, self._notes):
            dock.hide()
            self.addDockWidget(_AREAS.RightDockWidgetArea, dock)
        self.addDockWidget(_AREAS.RightDockWidgetArea, self._laboratory)
        self.addDockWidget(_AREAS.BottomDockWidgetArea, self._skeleton)
        below = Qt.Orientation.Vertical
        self.addDockWidget(_AREAS.BottomDockWidgetArea, self._timeline, below)
        self.splitDockWidget(self._skeleton, self._timeline, below)
        lesson = round(self.width() * LESSON_SHARE)
        self.resizeDocks([self._laboratory], [lesson], Qt.Orientation.Horizontal)
        timeline = self._timeline.sizeHint().height()
        skeleton = (self.height() - timeline) // 2
        self.resizeDocks([self._skeleton, self._timeline], [skeleton, timeline], below)


@dataclass(frozen=True)
class Role:
    """What one kind of user wants before them; a workspace of the menu Window.

    Parameters
    ----------
    name : str
        In the settings, and of its action ``window.<name>``.
    arrange : callable
        Puts the docks where this role has them at first.
    panel : str
        The panel of the laboratory that it starts with.
    text_scale : float
        Size of all letters.
    is_plain : bool
        Hide what is for work and not to be looked at.
    """

    name: str
    arrange: Callable[[Workspace], None]
    panel: str = "stages"
    text_scale: float = 1.0
    is_plain: bool = False

    def key(self, what: str) -> str:
        """Key of the settings for something that is kept for each role."""
        return f"workspace/{self.name}/{what}"


# Another role is a line here, and one in the table of actions.
ROLES = {
    role.name: role
    for role in (
        Role("analyst", Workspace.arrange_for_analyst),
        Role("teacher", Workspace.arrange_for_teacher, text_scale=1.4, is_plain=True),
    )
}


def _stacked(*widgets: QWidget) -> QWidget:
    column = QWidget()
    layout = QVBoxLayout(column)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(0)
    layout.addWidget(widgets[0], 1)
    for widget in widgets[1:]:
        layout.addWidget(widget)
    return column
