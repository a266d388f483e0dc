"""Held-out errors of two models side by side."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.training.run_curves import UNITS
from app.training.work import Measured
from app.workers.task import Task
from pose_core.models.registry import ModelEntry

CONDITIONS = {
    "noise_detector": "with a detector's errors in the 2D",
    "noise_none": "with exact 2D",
    "validation": "as the run itself measured",
}
_ROW_LINES = 3.4
_MEASURE = "Measure Both Now"
_DIFFER = (
    "The two were measured on different motion: these figures do not compare. "
    "“Measure Both Now” measures them on the motion that this run held out."
)


@dataclass(frozen=True)
class Row:
    """One metric of two models.

    Parameters
    ----------
    condition, metric, unit : str
    own, other : float, optional
        None where it was not measured.
    """

    condition: str
    metric: str
    unit: str
    own: float | None
    other: float | None


def rows(own: ModelEntry, other: ModelEntry) -> list[Row]:
    """All figures that at least one of the two has."""
    out = []
    for condition, text in CONDITIONS.items():
        a, b = _figures(own.metrics, condition), _figures(other.metrics, condition)
        for metric in dict.fromkeys((*a, *b)):
            out.append(Row(text, metric, UNITS.get(metric, ""), a.get(metric), b.get(metric)))
    return out


def splits_differ(own: ModelEntry, other: ModelEntry) -> bool:
    """Whether the two were measured on different motion: then the figures do not compare."""
    a, b = own.metrics, other.metrics
    return bool(a and b) and _split(a) != _split(b)


def _split(metrics: Mapping[str, Any]) -> str:
    return str(metrics.get("split", ""))


def _figures(metrics: Mapping[str, Any], condition: str) -> dict[str, float]:
    values = metrics.get(condition)
    if not isinstance(values, Mapping):
        return {}
    numbers = {k: v for k, v in values.items() if isinstance(v, int | float)}
    return {k: float(v) for k, v in numbers.items() if not isinstance(v, bool)}


class Bars(QWidget):
    """Two bars for each metric, the shorter the better; each metric has a scale of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[Row] = []
        self._names = ("", "")
        self.setAccessibleName("Errors of the two models")

    def show_rows(self, rows: list[Row], own: str, other: str) -> None:
        """Draw the rows of two models with these names."""
        self._rows, self._names = rows, (own, other)
        told = [f"{row.metric}: {_number(row.own)} and {_number(row.other)}" for row in rows]
        self.setAccessibleDescription("; ".join(told))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        line = self.fontMetrics().lineSpacing()
        heads = len({row.condition for row in self._rows})
        return QSize(520, round(line * (_ROW_LINES * len(self._rows) + 2 * heads + 2)))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line = self.fontMetrics().lineSpacing()
        role = QPalette.ColorRole
        text, faint = (
            self.palette().color(role.WindowText),
            self.palette().color(role.PlaceholderText),
        )
        colours = (self.palette().color(role.Accent), faint)
        y, condition = 0.0, ""
        for row in self._rows:
            if row.condition != condition:
                condition = row.condition
                painter.setPen(faint)
                painter.drawText(QRectF(0, y, self.width(), 1.6 * line), _LEFT, condition)
                y += 1.8 * line
            painter.setPen(text)
            label = f"{row.metric}\n{row.unit}"
            painter.drawText(QRectF(0, y, 6.5 * line, 2.6 * line), _LEFT, label)
            longest = max(value for value in (row.own, row.other, 1e-9) if value is not None)
            for index, value in enumerate((row.own, row.other)):
                area = QRectF(
                    7 * line, y + 1.35 * line * index, self.width() - 7 * line, 1.15 * line
                )
                self._draw_bar(painter, area, value, longest, colours[index])
            y += _ROW_LINES * line

    def _draw_bar(
        self, painter: QPainter, area: QRectF, value: float | None, longest: float, colour: QColor
    ) -> None:
        room = self.fontMetrics().horizontalAdvance("000.00  ")
        width = 0.0 if value is None else (area.width() - room) * value / longest
        painter.fillRect(QRectF(area.left(), area.top(), width, area.height()), colour)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        place = area.adjusted(width + 6, 0, 0, 0)
        painter.drawText(place, _LEFT, _number(value))


_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1f}"


class ComparisonDialog(QDialog):
    """One model against another, which can be chosen.

    Parameters
    ----------
    own : ModelEntry
    others : list of ModelEntry
        The one to propose first.
    measure : callable
        Starts to measure models on the same motion.
    parent : QWidget
    """

    def __init__(
        self,
        own: ModelEntry,
        others: list[ModelEntry],
        measure: Callable[[tuple[ModelEntry, ...]], Task],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Compare Models")
        self._own, self._others, self._start_measuring = own, others, measure
        self._task: Task | None = None
        self.other = QComboBox()
        self.other.setAccessibleName("The other model")
        for entry in others:
            self.other.addItem(entry.name)
        self.bars = Bars()
        self.note, self.warning = QLabel(), QLabel()
        self.note.setProperty("faint", True)
        self.warning.setProperty("warning", True)
        for label in (self.note, self.warning):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.measure = QPushButton(_MEASURE)
        self.measure.setToolTip("Both see the same motion, which this run was not trained on.")
        own_name = QLabel(own.name)
        own_name.setTextFormat(Qt.TextFormat.PlainText)
        head = QHBoxLayout()
        for role, widget in ((QPalette.ColorRole.Accent, own_name), (_FAINT, self.other)):
            head.addWidget(_Square(role))
            head.addWidget(widget)
            head.addSpacing(12)
        head.addStretch()
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.addButton(self.measure, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addLayout(head)
        layout.addWidget(self.warning)
        layout.addWidget(self.bars, 1)
        layout.addWidget(self.note)
        layout.addWidget(buttons)
        self.other.currentIndexChanged.connect(self._on_other_chosen)
        self.measure.clicked.connect(self._measure)
        self._on_other_chosen()

    def done(self, result: int) -> None:
        """Give up what is being measured."""
        if self._task is not None:
            self._task.cancel()
        super().done(result)

    def _on_other_chosen(self) -> None:
        other = self._others[self.other.currentIndex()]
        self.measure.setVisible(self._own.lifts_keypoints and other.lifts_keypoints)
        self._show(self._own, other)

    def _show(self, own: ModelEntry, other: ModelEntry) -> None:
        self.bars.show_rows(rows(own, other), own.name, other.name)
        differ = splits_differ(own, other)
        self.warning.setText(_DIFFER if differ else "")
        self.warning.setVisible(differ)
        lines = [
            f"{entry.name}: measured on {_split(entry.metrics) or 'nothing'}; trained on "
            f"{entry.training_data}."
            for entry in (own, other)
        ]
        self.note.setText("Shorter is better.\n" + "\n".join(lines))
        self.adjustSize()

    def _measure(self) -> None:
        other = self._others[self.other.currentIndex()]
        self.measure.setEnabled(False)
        self.other.setEnabled(False)
        self._task = self._start_measuring((self._own, other))
        self._task.progressed.connect(self._show_progress)
        self._task.succeeded.connect(lambda measured: self._show_measured(other, measured))
        self._task.ended.connect(self._on_measured)

    def _show_progress(self, measured: Measured) -> None:
        self.measure.setText(f"Measuring: {measured.done / measured.total:.0%}")

    def _show_measured(self, other: ModelEntry, measured: Measured) -> None:
        own, others = (replace(e, metrics=measured.metrics[e.name]) for e in (self._own, other))
        self._show(own, others)

    def _on_measured(self) -> None:
        self._task = None
        self.measure.setText(_MEASURE)
        self.measure.setEnabled(True)
        self.other.setEnabled(True)


_FAINT = QPalette.ColorRole.PlaceholderText


class _Square(QWidget):
    """The colour of a model's bars."""

    def __init__(self, role: QPalette.ColorRole) -> None:
        super().__init__()
        self._role = role
        self.setFixedSize(QSize(14, 14))

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), self.palette().color(self._role))
