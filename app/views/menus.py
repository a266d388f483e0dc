"""The menu bar, made from the table of actions."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QMenuBar

from app.actions import ACTIONS, HIDDEN_IN_MENU, MENUS, Actions
from app.operations.context import AppContext
from app.operations.models import ModelChoice
from app.operations.settings import DEVICES
from app.widgets.theme import THEMES, theme


class Menus(QObject):
    """Fills a menu bar, and keeps the list of recent files up to date.

    Parameters
    ----------
    bar : QMenuBar
    context : AppContext
    actions : Actions
    models : list of ModelChoice
    open_file : callable
        Opens a recent file.
    """

    def __init__(
        self,
        bar: QMenuBar,
        context: AppContext,
        actions: Actions,
        models: list[ModelChoice],
        open_file: Callable[[Path], None],
    ) -> None:
        super().__init__(bar)
        self._context = context
        self._models = models
        self._open_file = open_file
        self._menus = {name: bar.addMenu(_mnemonic(name)) for name in MENUS}
        self._groups: dict[str, QActionGroup] = {}
        for menu in self._menus.values():
            menu.setToolTipsVisible(True)
        self._recent = QMenu("Open Recent")
        for spec in ACTIONS:
            menu = self._menus[spec.menu]
            if spec.id in HIDDEN_IN_MENU:
                continue
            if spec.starts_group:
                menu.addSeparator()
            menu.addAction(actions[spec.id])
            if spec.id == "file.open":
                menu.addMenu(self._recent)
        self._groups["model"] = QActionGroup(self)
        self._groups["model"].triggered.connect(lambda action: self._choose("model", action.data()))
        self._after_models = self._menus["Models"].addSeparator()
        self._add_choices("Models", "device", DEVICES, "Runs on")
        self._fill_models()
        self._add_choices("View", "theme", THEMES, "Theme")
        context.files_changed.connect(self._fill_recent)
        context.settings_changed.connect(self.refresh)
        context.models_changed.connect(self._fill_models)
        self._fill_recent()
        self.refresh()

    def add_to_window_menu(self, actions: list[QAction]) -> None:
        """Add the switches of the docks."""
        menu = self._menus["Window"]
        menu.addSeparator()
        menu.addActions(actions)

    def refresh(self) -> None:
        """Mark what the settings have now."""
        for key, group in self._groups.items():
            chosen = self._context.settings.get(key, "")
            actions = group.actions()
            marked = [action for action in actions if action.data() == chosen] or actions[:1]
            for action in marked:
                action.setChecked(True)

    def _add_choices(
        self, menu_name: str, key: str, choices: dict[str, str], title: str = ""
    ) -> None:
        menu = self._menus[menu_name]
        if title:
            menu = menu.addMenu(title)
        group = self._groups[key] = QActionGroup(self)
        for value, text in choices.items():
            action = QAction(text, self, checkable=True)
            action.setData(value)
            group.addAction(action)
            menu.addAction(action)
        group.triggered.connect(lambda action: self._choose(key, action.data()))

    def _fill_models(self) -> None:
        menu, group = self._menus["Models"], self._groups["model"]
        for action in group.actions():
            group.removeAction(action)
            menu.removeAction(action)
            action.deleteLater()
        for model in self._models:
            action = QAction(model.title, self, checkable=True)
            action.setData(model.name)
            group.addAction(action)
            menu.insertAction(self._after_models, action)
        self.refresh()

    def _choose(self, key: str, value: str) -> None:
        self._context.settings.set(key, value)
        if key == "theme":
            theme().choose(value)
        self._context.settings_changed.emit()

    def _fill_recent(self) -> None:
        self._recent.clear()
        paths = self._context.settings.recent_files()
        for number, path in enumerate(paths, start=1):
            action = self._recent.addAction(f"&{number} {path.name}")
            action.setToolTip(str(path))
            action.triggered.connect(lambda _=False, path=path: self._open_file(path))
        self._recent.setToolTipsVisible(True)
        self._recent.setEnabled(bool(paths))
        if paths:
            self._recent.addSeparator()
            self._recent.addAction("Clear").triggered.connect(self._clear_recent)

    def _clear_recent(self) -> None:
        self._context.settings.clear_recent_files()
        self._context.files_changed.emit()


def _mnemonic(name: str) -> str:
    """Underline a letter that no other menu has."""
    letters = {"Models": "M&odels", "Tools": "Too&ls", "Laboratory": "La&boratory"}
    return letters.get(name, f"&{name}")
