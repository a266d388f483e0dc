"""The panels as tabs, each made when it is first looked at."""

from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QTabWidget

from app.laboratory.panel import Bench, LabPanel

# A panel imports what it draws with, such as pyqtgraph, which takes a while: not at start-up.
# ruff: noqa: PLC0415


def _stages(bench: Bench) -> LabPanel:
    from app.laboratory.stages import StagesPanel

    return StagesPanel(bench)


def _curves(bench: Bench) -> LabPanel:
    from app.laboratory.curves import CurvesPanel

    return CurvesPanel(bench)


def _anatomy(bench: Bench) -> LabPanel:
    from app.laboratory.anatomy import AnatomyPanel

    return AnatomyPanel(bench)


def _loss_surface(bench: Bench) -> LabPanel:
    from app.laboratory.loss_surface import LossSurfacePanel

    return LossSurfacePanel(bench)


def _self_correction(bench: Bench) -> LabPanel:
    from app.laboratory.self_correction import SelfCorrectionPanel

    return SelfCorrectionPanel(bench)


def _sensitivity(bench: Bench) -> LabPanel:
    from app.laboratory.sensitivity import SensitivityPanel

    return SensitivityPanel(bench)


def _compare(bench: Bench) -> LabPanel:
    from app.laboratory.compare import ComparePanel

    return ComparePanel(bench)


def _what_if(bench: Bench) -> LabPanel:
    from app.laboratory.what_if import WhatIfPanel

    return WhatIfPanel(bench)


# In the order of the tabs: name, title, maker.
PANELS: tuple[tuple[str, str, Callable[[Bench], LabPanel]], ...] = (
    ("stages", "Stages", _stages),
    ("curves", "Curves", _curves),
    ("anatomy", "Anatomy", _anatomy),
    ("loss_surface", "Loss Surface", _loss_surface),
    ("self_correction", "Self-Correction", _self_correction),
    ("sensitivity", "Sensitivity", _sensitivity),
    ("compare", "Compare", _compare),
    ("what_if", "What-If", _what_if),
)


class Laboratory(QTabWidget):
    """All panels.

    Attributes
    ----------
    wanted : Signal()
        A panel shall be seen: the dock has to be shown.
    """

    wanted = Signal()

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self._bench = bench
        self._panels: dict[str, LabPanel] = {}
        self._pages: list[QScrollArea] = []
        self.setDocumentMode(True)
        self.setUsesScrollButtons(True)
        for _, title, _ in PANELS:
            # A panel that needs more height than the dock has scrolls: it must not push others.
            page = QScrollArea()
            page.setWidgetResizable(True)
            page.setFrameShape(QFrame.Shape.NoFrame)
            self._pages.append(page)
            self.addTab(page, title)
        self.currentChanged.connect(self._make_current)

    def show_panel(self, name: str) -> LabPanel:
        """Bring a panel to the front, and make it if need be."""
        panel = self.panel(name)
        self.setCurrentIndex(_index(name))
        self.wanted.emit()
        return panel

    @property
    def current(self) -> str:
        """Name of the panel in front."""
        return PANELS[self.currentIndex()][0]

    def turn_to(self, name: str) -> None:
        """Bring a panel to the front of the others, be the laboratory shown or not."""
        if name in {each for each, _, _ in PANELS}:
            self.setCurrentIndex(_index(name))

    def go_to_next(self, name: str, direction: int = 1) -> None:
        """Go to the next (1) or previous (-1) frame that a panel finds worth a look."""
        self.panel(name).go_when_known(direction)

    def panel(self, name: str) -> LabPanel:
        """One of `PANELS`, made if need be."""
        if name not in self._panels:
            index = _index(name)
            panel = self._panels[name] = PANELS[index][2](self._bench)
            self._pages[index].setWidget(panel)
            panel.follow()
        return self._panels[name]

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._make_current(self.currentIndex())

    def _make_current(self, index: int) -> None:
        if self.isVisible() and index >= 0:
            self.panel(PANELS[index][0])


def _index(name: str) -> int:
    return next(i for i, (each, _, _) in enumerate(PANELS) if each == name)
