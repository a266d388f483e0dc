"""Curves in the colours of the application, drawn by pyqtgraph.

Importing this module imports pyqtgraph; the panels do so when they are made.
"""

from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QGraphicsItem, QWidget

from pose_core.palette import TRUTH

pg.setConfigOptions(imageAxisOrder="row-major", antialias=True)

# Of the Okabe-Ito set, without the colours of the sides and of the truth. Told apart by their
# dashes too.
SERIES_COLOURS = ((0, 158, 115), (213, 94, 0), (86, 180, 233), (148, 148, 148))
DASHES = (
    Qt.PenStyle.SolidLine,
    Qt.PenStyle.DashLine,
    Qt.PenStyle.DotLine,
    Qt.PenStyle.DashDotLine,
)


def series_pen(index: int) -> pg.QtGui.QPen:
    """Pen of the nth of several curves."""
    colour = SERIES_COLOURS[index % len(SERIES_COLOURS)]
    # Width 1: wider lines of many points are slow to draw.
    return pg.mkPen(colour, width=1, style=DASHES[index % len(DASHES)])


def truth_pen() -> pg.QtGui.QPen:
    """Pen of what is known to be true."""
    return pg.mkPen(TRUTH, width=1)


def name_axis(plot: Any, side: str, text: str) -> None:
    """Set the label of an axis, if it is another: pyqtgraph lays it out anew each time."""
    if plot.getAxis(side).labelText != text:
        plot.setLabel(side, text)


class Plots(pg.GraphicsLayoutWidget):
    """One or more plots in the colours of the theme."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self.plots: list[Any] = []  # before Qt asks for colours, which it does at once
        super().__init__(parent)
        self._layout: Any = self.ci
        self._layout.layout.setSpacing(2)
        self._layout.layout.setContentsMargins(2, 8, 8, 2)  # room for halves of numbers at the ends

    def sizeHint(self) -> QSize:
        """Small: a plot takes what there is; as large as its scene it would make panels scroll."""
        return QSize(200, 130)

    def add_plot(self, row: int, column: int = 0) -> Any:
        """Add a plot, a `pyqtgraph.PlotItem`, without menus and with a faint grid."""
        plot = self._layout.addPlot(row=row, col=column)
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.getAxis("left").enableAutoSIPrefix(False)
        plot.getAxis("bottom").enableAutoSIPrefix(False)
        plot.showGrid(x=True, y=True, alpha=0.18)
        for side in ("left", "bottom"):
            # Its letters and grid seldom change, and take four times as long as the curves.
            plot.getAxis(side).setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)
        self.plots.append(plot)
        self._dress()
        return plot

    def add_legend(self, plot: Any) -> None:
        """Name the curves of a plot, in the corner and side by side."""
        legend = plot.addLegend(offset=(-4, 4), colCount=4, labelTextColor=self.ink)
        legend.layout.setContentsMargins(4, 0, 4, 0)
        self._dress()

    def remove_plots(self) -> None:
        """Take all plots away."""
        self._layout.clear()
        self.plots = []

    @property
    def ink(self) -> QColor:
        """Colour of letters and axes."""
        return self.palette().color(QPalette.ColorRole.WindowText)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            self._dress()

    def _dress(self) -> None:
        """Take over colours and letters; only the numbers at the axes do so by themselves."""
        self.setBackground(self.palette().color(QPalette.ColorRole.Base))
        for plot in self.plots:
            for axis in (plot.getAxis("left"), plot.getAxis("bottom")):
                axis.setPen(self.ink)
                axis.setTextPen(self.ink)
                axis.label.setFont(self.font())
            if plot.legend is not None:
                ground = self.palette().color(QPalette.ColorRole.Base)
                ground.setAlphaF(0.8)
                plot.legend.setBrush(ground)
                plot.legend.setLabelTextColor(self.ink)
                plot.legend.setLabelTextSize(f"{self.font().pointSizeF():g}pt")
                for _, label in plot.legend.items:
                    label.setText(label.text)  # else the letters keep their colour until then
                plot.legend.resize(0, 0)  # it only ever grows by itself
                plot.legend.updateSize()
