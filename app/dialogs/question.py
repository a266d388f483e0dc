"""A question with named answers, asked without stopping the application."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QPushButton, QWidget

ROLES = {
    "accept": QMessageBox.ButtonRole.AcceptRole,
    "destroy": QMessageBox.ButtonRole.DestructiveRole,
    "reject": QMessageBox.ButtonRole.RejectRole,
}


def ask(
    parent: QWidget,
    title: str,
    text: str,
    answers: list[tuple[str, str, Callable[[], None] | None]],
    *,
    more: str = "",
) -> QMessageBox:
    """Ask; the answer's function is called when its button is pressed.

    Parameters
    ----------
    parent : QWidget
    title, text, more : str
        `more` is the smaller second part of the text.
    answers : list of (label, role, function)
        Role is one of `ROLES`; the first one is the default, Esc takes the one to reject.
    """
    box = QMessageBox(QMessageBox.Icon.Question, title, text, parent=parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setInformativeText(more)
    functions: dict[QPushButton, Callable[[], None] | None] = {}
    for label, role, function in answers:
        button = box.addButton(label, ROLES[role])
        functions[button] = function
        if role == "reject":
            box.setEscapeButton(button)
    box.setDefaultButton(next(iter(functions)))

    def on_finished() -> None:
        clicked = box.clickedButton()
        function = next((f for button, f in functions.items() if button is clicked), None)
        if function is not None:
            function()

    box.finished.connect(on_finished)
    box.open()
    return box
