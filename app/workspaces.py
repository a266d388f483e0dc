"""Workspaces: one window for several kinds of users, each with its layout and size of letters."""

from typing import Protocol

from PySide6.QtCore import QCoreApplication, QEvent, QObject
from PySide6.QtGui import QActionGroup

from app.actions import Actions
from app.laboratory.laboratory import Laboratory
from app.operations.estimate import Estimator
from app.settings import Settings
from app.views.estimate_bar import EstimateBar
from app.views.workspace import ROLES, Role, Workspace
from app.widgets.theme import theme

ROLE_KEY = "workspace/current"


class Wordy(Protocol):
    """A view that can do with fewer words."""

    def set_brief(self, is_brief: bool) -> None: ...


class Workspaces(QObject):
    """Takes the window from one workspace to another, and remembers which one it was.

    Each keeps its own arrangement and its own panel of the laboratory.

    Parameters
    ----------
    settings : Settings
    actions : Actions
    workspace : Workspace
        The docks.
    laboratory : Laboratory
    estimate_bar : EstimateBar
    estimator : Estimator
        While it runs, its progress is to be seen in every workspace.
    wordy : tuple of views
        They say less in a plain workspace.
    """

    def __init__(
        self,
        settings: Settings,
        actions: Actions,
        workspace: Workspace,
        laboratory: Laboratory,
        estimate_bar: EstimateBar,
        estimator: Estimator,
        wordy: tuple[Wordy, ...],
    ) -> None:
        super().__init__(workspace)
        self._settings = settings
        self._actions = actions
        self._workspace = workspace
        self._laboratory = laboratory
        self._estimate_bar = estimate_bar
        self._estimator = estimator
        self._wordy = wordy
        group = QActionGroup(self)
        for name in ROLES:
            group.addAction(actions[f"window.{name}"])
        estimator.started.connect(self._show_what_belongs)
        estimator.ended.connect(self._show_what_belongs)
        self.role = ROLES.get(settings.get(ROLE_KEY, ""), ROLES["analyst"])
        self._take(self.role)

    def choose(self, name: str) -> None:
        """Go to the workspace of a role of `ROLES`."""
        if name == self.role.name:
            return
        window = self._workspace.window()
        window.setUpdatesEnabled(False)  # one picture of the new one, none of the way there
        self.save()
        self._take(ROLES[name])
        window.setUpdatesEnabled(True)

    def reset(self) -> None:
        """Give the present workspace the arrangement and the panel that it had at first."""
        self._settings.remove(self.role.key("panel"))
        self._laboratory.turn_to(self.role.panel)
        self._workspace.reset_layout()

    def save(self) -> None:
        """Keep which workspace it is, and how it is arranged."""
        self._settings.set(ROLE_KEY, self.role.name)
        self._settings.set(self.role.key("panel"), self._laboratory.current)
        self._workspace.save_layout()

    def _take(self, role: Role) -> None:
        self.role = role
        self._actions[f"window.{role.name}"].setChecked(True)
        theme().set_text_scale(role.text_scale)
        self._show_what_belongs()
        # Docks that still ask for the room of other letters would not get the size that they had.
        QCoreApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)
        self._laboratory.turn_to(self._settings.get(role.key("panel"), role.panel))
        self._workspace.set_role(role)

    def _show_what_belongs(self) -> None:
        is_plain = self.role.is_plain
        self._estimate_bar.setVisible(not is_plain or self._estimator.is_running)
        for view in self._wordy:
            view.set_brief(is_plain)
