"""Light and dark colours of the application. Colours of skeletons are data and stay the same."""

from typing import cast

from PySide6.QtCore import QCoreApplication, QEvent, QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication

THEMES = {"system": "As the system", "light": "Light", "dark": "Dark"}

# Neither the orange nor the blue that mean left and right.
ACCENT_LIGHT, ACCENT_DARK = "#0b7a6f", "#35b5a4"

_ROLES_LIGHT = {
    QPalette.ColorRole.Window: "#f1f2f4",
    QPalette.ColorRole.Base: "#ffffff",
    QPalette.ColorRole.AlternateBase: "#f6f7f8",
    QPalette.ColorRole.Button: "#fafbfc",
    QPalette.ColorRole.WindowText: "#1c1f23",
    QPalette.ColorRole.Text: "#1c1f23",
    QPalette.ColorRole.ButtonText: "#1c1f23",
    QPalette.ColorRole.PlaceholderText: "#6a7179",
    QPalette.ColorRole.ToolTipBase: "#ffffff",
    QPalette.ColorRole.ToolTipText: "#1c1f23",
    QPalette.ColorRole.Light: "#ffffff",
    QPalette.ColorRole.Midlight: "#e3e5e8",
    QPalette.ColorRole.Mid: "#c4c8cd",
    QPalette.ColorRole.Dark: "#a5abb2",
    QPalette.ColorRole.Shadow: "#7c838b",
    QPalette.ColorRole.Highlight: ACCENT_LIGHT,
    QPalette.ColorRole.HighlightedText: "#ffffff",
    QPalette.ColorRole.Accent: ACCENT_LIGHT,
    QPalette.ColorRole.Link: ACCENT_LIGHT,
    QPalette.ColorRole.BrightText: "#b3261e",
}
_ROLES_DARK = {
    QPalette.ColorRole.Window: "#222428",
    QPalette.ColorRole.Base: "#2f3238",
    QPalette.ColorRole.AlternateBase: "#34373e",
    QPalette.ColorRole.Button: "#3a3e45",
    QPalette.ColorRole.WindowText: "#e4e6e9",
    QPalette.ColorRole.Text: "#e4e6e9",
    QPalette.ColorRole.ButtonText: "#e4e6e9",
    QPalette.ColorRole.PlaceholderText: "#949ba4",
    QPalette.ColorRole.ToolTipBase: "#31343a",
    QPalette.ColorRole.ToolTipText: "#e4e6e9",
    QPalette.ColorRole.Light: "#4a4e56",
    QPalette.ColorRole.Midlight: "#3c4047",
    QPalette.ColorRole.Mid: "#1d1f22",
    QPalette.ColorRole.Dark: "#151619",
    QPalette.ColorRole.Shadow: "#0c0d0e",
    QPalette.ColorRole.Highlight: "#1d8275",
    QPalette.ColorRole.HighlightedText: "#ffffff",
    QPalette.ColorRole.Accent: ACCENT_DARK,
    QPalette.ColorRole.Link: ACCENT_DARK,
    QPalette.ColorRole.BrightText: "#ff8a80",
}
_DISABLED_ROLES = (
    QPalette.ColorRole.WindowText,
    QPalette.ColorRole.Text,
    QPalette.ColorRole.ButtonText,
)

_STYLE = """
QToolTip {{ border: 1px solid {line}; padding: 4px; }}
QMainWindow::separator {{ background: {line}; width: 3px; height: 3px; }}
QMainWindow::separator:hover {{ background: {accent}; }}
QToolBar {{ border: 0; border-bottom: 1px solid {line}; padding: 5px 8px; spacing: 6px; }}
QStatusBar {{ border-top: 1px solid {line}; }}
QStatusBar::item {{ border: 0; }}
QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
DockTitle {{ background: {raised}; }}
QPushButton[primary="true"] {{
    background: {primary}; color: white; border: 0; border-radius: 4px; padding: 6px 16px;
    font-weight: 600;
}}
QPushButton[primary="true"]:hover {{ background: {primary_hover}; }}
QPushButton[primary="true"]:pressed {{ background: {primary_pressed}; }}
QPushButton[primary="true"]:disabled {{ background: {raised}; color: {faint}; }}
QPushButton[primary="true"]:focus {{ outline: 2px solid {accent}; }}
QLabel[faint="true"] {{ color: {faint}; }}
QLabel[warning="true"] {{ color: {warning}; }}
"""


class Theme(QObject):
    """Applies the chosen theme to the application and follows the system where wanted.

    Attributes
    ----------
    changed : Signal(bool)
        True for dark.
    """

    changed = Signal(bool)

    def __init__(self, application: QApplication) -> None:
        super().__init__(application)
        self._application = application
        self._font = application.font()
        self._text_scale = 1.0
        self._choice = "system"
        self.is_dark = False
        application.setStyle("Fusion")
        # Without it widgets under a style sheet do not take another font of the application.
        QApplication.setAttribute(Qt.ApplicationAttribute.AA_UseStyleSheetPropagationInWidgetStyles)
        application.styleHints().colorSchemeChanged.connect(self._update)

    def choose(self, choice: str) -> None:
        """Take one of `THEMES`; anything else follows the system."""
        self._choice = choice
        scheme = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}.get(choice)
        hints = self._application.styleHints()
        if scheme is None:
            hints.unsetColorScheme()
        else:
            hints.setColorScheme(scheme)
        self._update()

    def set_text_scale(self, scale: float) -> None:
        """Make all letters of the application larger or smaller than the system has them."""
        if scale != self._text_scale:
            self._text_scale = scale
            font = QFont(self._font)
            font.setPointSizeF(scale * self._font.pointSizeF())
            self._application.setFont(font)
            # Qt tells the widgets later: too late for who is about to arrange them.
            QCoreApplication.sendPostedEvents(None, QEvent.Type.ApplicationFontChange)

    def _update(self) -> None:
        system_is_dark = self._application.styleHints().colorScheme() == Qt.ColorScheme.Dark
        self.is_dark = {"light": False, "dark": True}.get(self._choice, system_is_dark)
        self._application.setPalette(_palette(self.is_dark))
        self._application.setStyleSheet(_style_sheet(self.is_dark))
        # Before anybody takes colours from a widget.
        QCoreApplication.sendPostedEvents(None, QEvent.Type.ApplicationPaletteChange)
        self.changed.emit(self.is_dark)


def theme() -> Theme:
    """The theme of the running application."""
    application = cast(QApplication, QApplication.instance())
    found = application.findChild(Theme)
    return found if found is not None else Theme(application)


def _palette(is_dark: bool) -> QPalette:
    palette = QPalette()
    for role, colour in (_ROLES_DARK if is_dark else _ROLES_LIGHT).items():
        palette.setColor(role, QColor(colour))
    faint = QColor("#6f757d" if is_dark else "#9aa0a7")
    for role in _DISABLED_ROLES:
        palette.setColor(QPalette.ColorGroup.Disabled, role, faint)
    return palette


def _style_sheet(is_dark: bool) -> str:
    if is_dark:
        return _STYLE.format(
            line="#3a3d43",
            raised="#2c2f34",
            accent=ACCENT_DARK,
            faint="#949ba4",
            primary="#1d8275",
            primary_hover="#239685",
            primary_pressed="#17695f",
            warning="#ffb86b",
        )
    return _STYLE.format(
        line="#d3d6da",
        raised="#e7e9ec",
        accent=ACCENT_LIGHT,
        faint="#6a7179",
        primary="#0b7a6f",
        primary_hover="#0d8e81",
        primary_pressed="#086158",
        warning="#9a5200",
    )
