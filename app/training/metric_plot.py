"""One plot: raw values thin, their moving mean thick above them, a legend that reads values."""

import math
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen, QWheelEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.training.run_curves import Group
from app.training.series import Curve, smoothed

# From Paul Tol's "high contrast", "vibrant" and "muted" sets: apart for every common colour
# blindness, and at least 3:1 against the ground of their theme. The dash is the second cue.
_LIGHT = ("#004488", "#bb5566", "#117733", "#8a6d00", "#882255", "#55606b")
_DARK = ("#77aadd", "#ee8866", "#44bb99", "#eedd88", "#ffaabb", "#b8bec6")
_DASHES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine)
_RAW_ALPHA = 95
_LEGEND_COLUMNS = 2
PLOT_HEIGHT = 210


def curve_pen(index: int, *, is_dark: bool, width: float) -> QPen:
    """Pen of the curve with an index in its plot."""
    colours = _DARK if is_dark else _LIGHT
    pen = pg.mkPen(colours[index % len(colours)], width=width)
    pen.setStyle(_DASHES[index % len(_DASHES)])
    return pen


def value_text(value: float) -> str:
    """Four digits that matter, or a dash."""
    return "\N{EN DASH}" if math.isnan(value) else f"{value:.4g}"


class _Canvas(pg.PlotWidget):
    """The wheel scrolls the page of plots; with Ctrl it zooms."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            super().wheelEvent(event)
        else:
            event.ignore()


class _LineSample(QWidget):
    """A piece of the curve's line."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(QSize(26, 12))
        self.pen = QPen()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self.pen)
        painter.drawLine(1, self.height() // 2, self.width() - 1, self.height() // 2)


class MetricPlot(QWidget):
    """Curves of one `Group`.

    Attributes
    ----------
    pointed : Signal(float)
        Place on the horizontal axis under the mouse; NaN when it has left.
    moved : Signal()
        The user has moved or zoomed the curves.
    """

    pointed = Signal(float)
    moved = Signal()

    def __init__(self, group: Group) -> None:
        super().__init__()
        self._group = group
        self._in_hours, self._smoothing, self._is_dark = False, 0.0, False
        self._raw: dict[str, pg.PlotDataItem] = {}
        self._mean: dict[str, pg.PlotDataItem] = {}
        self._samples: dict[str, _LineSample] = {}
        self._texts: dict[str, QLabel] = {}
        self._pointed_at = math.nan
        self.canvas = _Canvas()
        self.canvas.setMinimumHeight(PLOT_HEIGHT)
        self.canvas.setMenuEnabled(False)
        self.canvas.hideButtons()
        self.canvas.showGrid(x=True, y=True, alpha=0.15)
        self.canvas.setLabel("left", group.unit if group.is_validation else "loss")
        self.canvas.getAxis("left").setWidth(56)
        for axis in ("left", "bottom"):
            self.canvas.getAxis(axis).enableAutoSIPrefix(False)
        self.canvas.setAccessibleName(f"Curve of {group.title}")
        self._cross = pg.InfiniteLine(angle=90, movable=False)
        self._cross.hide()
        # Of type Any: the names of pyqtgraph are made at run time.
        self._item: Any = self.canvas.plotItem
        self._item.addItem(self._cross, ignoreBounds=True)
        scene: Any = self.canvas.scene()
        scene.sigMouseMoved.connect(self._on_mouse_moved)
        self._item.vb.sigRangeChangedManually.connect(self.moved)
        title = QLabel(group.title.removesuffix(" %"))
        font = title.font()
        font.setBold(True)
        title.setFont(font)
        kind = QLabel("on held-out motion" if group.is_validation else "training loss")
        kind.setProperty("faint", True)
        self._where = QLabel()
        self._where.setProperty("faint", True)
        head = QHBoxLayout()
        head.addWidget(title)
        head.addWidget(kind)
        head.addStretch()
        head.addWidget(self._where)
        self._legend = QGridLayout()
        self._legend.setHorizontalSpacing(8)
        self._legend.setVerticalSpacing(0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 8)
        layout.setSpacing(3)
        layout.addLayout(head)
        layout.addLayout(self._legend)
        layout.addWidget(self.canvas, 1)

    # -- what is shown ---------------------------------------------------------------------

    def show_group(self, group: Group) -> None:
        """Draw the curves anew."""
        self._group = group
        for name in group.curves:
            if name not in self._raw:
                self._add_curve(name)
        for name, curve in group.curves.items():
            axis = self._axis(curve)
            # A lone point is a dot, or nothing of it would be seen.
            self._raw[name].setData(axis, curve.values, symbol="o" if len(axis) == 1 else None)
            reach = round(self._smoothing * len(axis) / 2)
            self._mean[name].setData(axis, smoothed(curve.values, reach))
        self.show_values(self._pointed_at)

    def set_options(self, *, in_hours: bool, log: bool, smoothing: float) -> None:
        """Choose the axes, and the share of all points that each point is averaged over."""
        self._in_hours, self._smoothing = in_hours, smoothing
        self.canvas.setLogMode(x=False, y=log)
        self.canvas.setLabel("bottom", "hours of training" if in_hours else "steps")
        self.show_group(self._group)

    def set_dark(self, is_dark: bool) -> None:
        """Take the colours of a theme."""
        self._is_dark = is_dark
        palette = self.palette()
        text = palette.color(QPalette.ColorRole.WindowText)
        self.canvas.setBackground(palette.color(QPalette.ColorRole.Base))
        for name in ("left", "bottom"):
            self.canvas.getAxis(name).setPen(palette.color(QPalette.ColorRole.PlaceholderText))
            self.canvas.getAxis(name).setTextPen(text)
        self._cross.setPen(pg.mkPen(text, width=1))
        for name in self._raw:
            self._set_pens(name)

    def last(self) -> float:
        """Where the curves end on the horizontal axis."""
        ends = [self._axis(curve)[-1] for curve in self._group.curves.values() if len(curve.steps)]
        return max(ends, default=0.0)

    def fit(self, end: float) -> None:
        """Show everything from the start to `end` on the horizontal axis."""
        self._item.setXRange(0.0, max(end, 1e-9), padding=0.02)
        self.canvas.enableAutoRange(axis="y")

    # -- values under the mouse ------------------------------------------------------------

    def show_values(self, position: float) -> None:
        """Read the curves at a place on the horizontal axis; the last values for NaN."""
        self._pointed_at = position
        is_known = not math.isnan(position)
        self._cross.setVisible(is_known)
        if is_known:
            self._cross.setPos(position)
        shown_at = math.nan
        for name, curve in self._group.curves.items():
            axis = self._axis(curve)
            if not len(axis):
                continue
            wanted = position if is_known else axis[-1]
            shown_at, value = curve.nearest(axis, wanted)
            told = f"{name.removesuffix(' %')}  {value_text(value)} {self._group.unit}"
            self._texts[name].setText(told.strip())
        self._where.setText("" if math.isnan(shown_at) else f"step {shown_at:,.0f}")

    def legend_text(self) -> list[str]:
        """Names and values as shown."""
        return [label.text() for label in self._texts.values()]

    def leaveEvent(self, event: object) -> None:
        self.pointed.emit(math.nan)

    def _on_mouse_moved(self, place: QPointF) -> None:
        if self._item.sceneBoundingRect().contains(place):
            self.pointed.emit(self._item.vb.mapSceneToView(place).x())

    # -- details ---------------------------------------------------------------------------

    def _axis(self, curve: Curve) -> np.ndarray:
        return curve.hours if self._in_hours else curve.steps

    def _add_curve(self, name: str) -> None:
        index = len(self._raw)
        for items in (self._raw, self._mean):
            items[name] = self.canvas.plot([], [], connect="finite", antialias=True)
            items[name].setDownsampling(auto=True, method="peak")
            items[name].setClipToView(True)
        entry = QHBoxLayout()
        entry.setSpacing(5)
        self._samples[name], self._texts[name] = _LineSample(), QLabel()
        self._texts[name].setTextFormat(Qt.TextFormat.PlainText)
        entry.addWidget(self._samples[name])
        entry.addWidget(self._texts[name])
        entry.addStretch()
        self._legend.addLayout(entry, index // _LEGEND_COLUMNS, index % _LEGEND_COLUMNS)
        self._set_pens(name)

    def _set_pens(self, name: str) -> None:
        index = list(self._raw).index(name)
        # The lines of pyqtgraph count in pixels of the screen, whatever its scale.
        scale = self.devicePixelRatioF()
        thick = curve_pen(index, is_dark=self._is_dark, width=2.2 * scale)
        thin = curve_pen(index, is_dark=self._is_dark, width=scale)
        thin.setStyle(Qt.PenStyle.SolidLine)
        faint = QColor(thin.color())
        faint.setAlpha(_RAW_ALPHA)
        self._raw[name].setSymbolBrush(thick.color())
        self._raw[name].setSymbolPen(None)
        self._raw[name].setSymbolSize(6)
        thin.setColor(faint)
        self._raw[name].setPen(thin)
        self._mean[name].setPen(thick)
        self._samples[name].pen = thick
        self._samples[name].update()
