"""The title of a dock, in letters as large as all others."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QDockWidget,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from app.widgets.icons import icon


class DockTitle(QWidget):
    """What Qt draws itself keeps the letters that the application had when the dock was made.

    The mouse is left to the dock, which is dragged by it and floats at a double click.

    Parameters
    ----------
    dock : QDockWidget
    """

    def __init__(self, dock: QDockWidget) -> None:
        super().__init__(dock)
        self._dock = dock
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)  # see the style sheet
        label = QLabel(dock.windowTitle())
        # A narrow dock cuts its title off.
        label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 2, 3, 2)
        layout.setSpacing(2)
        layout.addWidget(label, 1)
        for name, icon_name, act in (
            ("Float or dock", "copy", self._toggle_floating),
            ("Close", "broken", dock.close),
        ):
            button = QToolButton()
            button.setIcon(icon(icon_name))
            button.setIconSize(QSize(13, 13))
            button.setAutoRaise(True)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setToolTip(name)
            button.setAccessibleName(f"{name}: {dock.windowTitle()}")
            button.clicked.connect(act)
            layout.addWidget(button)

    def _toggle_floating(self) -> None:
        self._dock.setFloating(not self._dock.isFloating())
