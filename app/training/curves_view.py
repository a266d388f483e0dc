"""All curves of a run, in a page of plots that share their horizontal axis."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSlider,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.training.metric_plot import MetricPlot
from app.training.run_curves import Group
from app.views.paint import draw_empty_state
from app.widgets.theme import theme

LARGEST_SMOOTHING = 30  # per cent of the points
_NARROWEST_PLOT = 340


class EmptyState(QWidget):
    """Says what is missing, and what to do about it."""

    def __init__(self, title: str, hint: str) -> None:
        super().__init__()
        self._title, self._hint = title, hint
        self.setAccessibleName(f"{title} {hint}")

    def set_text(self, title: str, hint: str) -> None:
        """Say something else."""
        self._title, self._hint = title, hint
        self.setAccessibleName(f"{title} {hint}")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        draw_empty_state(QPainter(self), self, self._title, self._hint)


class CurvesView(QWidget):
    """Plots of validation metrics and loss terms."""

    def __init__(self) -> None:
        super().__init__()
        self.plots: dict[tuple[bool, str], MetricPlot] = {}
        self._is_moved = False
        self.axis = QComboBox()
        self.axis.addItems(["Steps", "Hours"])
        self.axis.setAccessibleName("Horizontal axis")
        self.axis.setToolTip("Horizontal axis; hours are hours of training, without pauses.")
        self.log = QCheckBox("Logarithmic")
        self.smoothing = QSlider(Qt.Orientation.Horizontal)
        self.smoothing.setMaximum(LARGEST_SMOOTHING)
        self.smoothing.setValue(6)
        self.smoothing.setMaximumWidth(140)
        self.smoothing.setAccessibleName("Smoothing")
        self.smoothing.setToolTip(
            "Share of the points that each point of the thick curves is a mean of."
        )
        fit = QPushButton("Fit")
        fit.setToolTip("Show the whole curves again. Drag moves, Ctrl with the wheel zooms.")
        fit.clicked.connect(self.fit)
        bar = QHBoxLayout()
        bar.setContentsMargins(8, 4, 8, 0)
        bar.addWidget(QLabel("Over"))
        for widget in (self.axis, self.log, QLabel("Smoothing"), self.smoothing):
            bar.addWidget(widget)
        bar.addStretch()
        bar.addWidget(fit)
        page = QWidget()
        self._grid = QGridLayout(page)
        self._grid.setContentsMargins(4, 0, 4, 0)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        self._scroll.setWidget(page)
        self.empty = EmptyState("No curves yet", "They come with the first steps.")
        self._pages = QStackedWidget()
        self._pages.addWidget(self.empty)
        self._pages.addWidget(self._scroll)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(bar)
        layout.addWidget(self._pages, 1)
        self.axis.currentIndexChanged.connect(self._set_options)
        self.axis.currentIndexChanged.connect(self.fit)
        self.log.toggled.connect(self._set_options)
        self.smoothing.valueChanged.connect(self._set_options)
        theme().changed.connect(self._set_dark)

    def clear(self, title: str, hint: str) -> None:
        """Remove all plots, and say why there are none."""
        for plot in self.plots.values():
            self._grid.removeWidget(plot)
            plot.deleteLater()
        self.plots.clear()
        self._is_moved = False
        self.empty.set_text(title, hint)
        self._pages.setCurrentWidget(self.empty)

    def show_groups(self, groups: list[Group]) -> None:
        """Draw curves; new ones get a plot."""
        is_new = False
        for group in groups:
            key = (group.is_validation, group.title)
            if key not in self.plots:
                self.plots[key] = self._make_plot(group)
                is_new = True
            self.plots[key].show_group(group)
        if is_new:
            self._arrange()
            self._set_options()
            self._pages.setCurrentWidget(self._scroll)
        if not self._is_moved:
            self.fit()

    def fit(self) -> None:
        """Show the whole curves, now and as they grow."""
        self._is_moved = False
        end = max((plot.last() for plot in self.plots.values()), default=0.0)
        for plot in self.plots.values():
            plot.fit(end)

    def _on_moved(self) -> None:
        self._is_moved = True

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _make_plot(self, group: Group) -> MetricPlot:
        plot = MetricPlot(group)
        plot.set_dark(theme().is_dark)
        plot.pointed.connect(self._show_values)
        plot.moved.connect(self._on_moved)
        if self.plots:
            plot.canvas.setXLink(next(iter(self.plots.values())).canvas)
        return plot

    def _arrange(self) -> None:
        """Validation before losses, in as many columns as there is room for."""
        columns = 2 if self.width() >= 2 * _NARROWEST_PLOT else 1
        ordered = sorted(self.plots.items(), key=lambda item: not item[0][0])
        for index, (_, plot) in enumerate(ordered):
            self._grid.addWidget(plot, index // columns, index % columns)
        for column in range(2):
            self._grid.setColumnStretch(column, int(column < columns))

    def _set_options(self) -> None:
        for plot in self.plots.values():
            plot.set_options(
                in_hours=self.axis.currentText() == "Hours",
                log=self.log.isChecked(),
                smoothing=self.smoothing.value() / 100,
            )
        if not self._is_moved:
            self.fit()

    def _show_values(self, position: float) -> None:
        for plot in self.plots.values():
            plot.show_values(position)

    def _set_dark(self, is_dark: bool) -> None:
        for plot in self.plots.values():
            plot.set_dark(is_dark)
