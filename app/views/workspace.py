"""Video, 3D, people, laboratory and timeline as docks that move and remember where they were."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QShowEvent
from PySide6.QtWidgets import QDockWidget, QMainWindow, QSizePolicy, QVBoxLayout, QWidget

from app.settings import Settings

# Goes up when docks are added or renamed: an older layout is then not restored.
LAYOUT_VERSION = 2
LAYOUT_KEY = "window/docks"
LABORATORY_SHARE = 0.62  # of the height, below the 3D view
ROOM_FOR_BOTH_PX = 440  # in a lower window the laboratory lies behind the 3D view, as a tab


class Workspace(QMainWindow):
    """The part of the window that shows an open clip."""

    def __init__(
        self,
        settings: Settings,
        video: QWidget,
        skeleton: QWidget,
        people: QWidget,
        timeline: QWidget,
        transport: QWidget,
        laboratory: QWidget,
    ) -> None:
        super().__init__()
        self.setWindowFlags(Qt.WindowType.Widget)
        self.setDockOptions(
            QMainWindow.DockOption.AllowNestedDocks | QMainWindow.DockOption.AllowTabbedDocks
        )
        for corner in (Qt.Corner.BottomLeftCorner, Qt.Corner.BottomRightCorner):
            self.setCorner(corner, Qt.DockWidgetArea.BottomDockWidgetArea)
        self._settings = settings
        video.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCentralWidget(video)
        self._skeleton = self._dock("3D", "skeleton", skeleton)
        self._people = self._dock("People", "people", people)
        self._laboratory = self._dock("Laboratory", "laboratory", laboratory)
        self._timeline = self._dock("Timeline", "timeline", _stacked(timeline, transport))
        self._is_arranged = False

    def showEvent(self, event: QShowEvent) -> None:
        """Arrange the docks when the size of the window is known for the first time."""
        super().showEvent(event)
        if self._is_arranged:
            return
        self._is_arranged = True
        self._arrange()
        state = self._settings.get_bytes(LAYOUT_KEY)
        if not state.isEmpty():
            self.restoreState(state, LAYOUT_VERSION)

    def dock_actions(self) -> list[QAction]:
        """Actions that show and hide the docks."""
        docks = (self._skeleton, self._people, self._laboratory, self._timeline)
        return [dock.toggleViewAction() for dock in docks]

    def show_laboratory(self) -> None:
        """Show the dock of the laboratory, in front of what it shares its place with."""
        is_first = not self._laboratory.isVisible()
        if is_first and self.height() - self._timeline.height() < ROOM_FOR_BOTH_PX:
            self.tabifyDockWidget(self._skeleton, self._laboratory)
        self._laboratory.show()
        self._laboratory.raise_()
        if is_first and not self._laboratory.isFloating():
            share = round(self.height() * LABORATORY_SHARE)
            docks = [self._skeleton, self._laboratory]
            self.resizeDocks(docks, [self.height() - share, share], Qt.Orientation.Vertical)

    def save_layout(self) -> None:
        if self._is_arranged:
            self._settings.set_bytes(LAYOUT_KEY, self.saveState(LAYOUT_VERSION))

    def reset_layout(self) -> None:
        """Put everything where it was at first."""
        self._arrange()
        self._settings.remove(LAYOUT_KEY)

    def _dock(self, title: str, name: str, widget: QWidget) -> QDockWidget:
        dock = QDockWidget(title, self)
        dock.setObjectName(name)
        dock.setWidget(widget)
        return dock

    def _arrange(self) -> None:
        areas = Qt.DockWidgetArea
        for dock in (self._skeleton, self._people, self._laboratory, self._timeline):
            dock.setFloating(False)
            dock.show()
        # It takes half of the right-hand side: only where it is wanted.
        self._laboratory.hide()
        self.addDockWidget(areas.RightDockWidgetArea, self._skeleton)
        self.addDockWidget(areas.RightDockWidgetArea, self._people)
        self.splitDockWidget(self._skeleton, self._people, Qt.Orientation.Horizontal)
        below = Qt.Orientation.Vertical
        self.addDockWidget(areas.RightDockWidgetArea, self._laboratory, below)
        self.addDockWidget(areas.BottomDockWidgetArea, self._timeline)
        people = min(250, round(self.width() * 0.2))
        self.resizeDocks(
            [self._skeleton, self._people],
            [round((self.width() - people) * 0.45), people],
            Qt.Orientation.Horizontal,
        )
        height = self._timeline.sizeHint().height()
        self.resizeDocks([self._timeline], [height], Qt.Orientation.Vertical)


def _stacked(*widgets: QWidget) -> QWidget:
    column = QWidget()
    layout = QVBoxLayout(column)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(0)
    layout.addWidget(widgets[0], 1)
    for widget in widgets[1:]:
        layout.addWidget(widget)
    return column
