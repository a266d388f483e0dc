"""A small panel with the error of the shown pose, and that of the whole clip."""

import math

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QVBoxLayout, QWidget

from app.widgets.steady_label import SteadyLabel

# Dark in both themes, like all that is written on pictures.
_STYLE = """
QFrame { background: rgba(20, 20, 20, 200); border-radius: 6px; }
QLabel { background: transparent; color: #f5f5f5; }
QLabel[head="true"] { color: #b9bec5; }
"""
HEADS = ("frame", "clip")
WIDEST = "0000.0"  # numbers must not move what is beside them
# In a view that is smaller than so many times the table, the table would cover people.
ROOMY_WIDTHS, ROOMY_HEIGHTS = 2.4, 3.5


class ErrorReadout(QFrame):
    """Rows of metrics, columns for the frame and for the clip, millimetres.

    In a small view there is one line: the first metric in the frame.

    Parameters
    ----------
    metrics : tuple of str
        Names of the rows.
    """

    def __init__(self, metrics: tuple[str, ...]) -> None:
        super().__init__()
        self.setStyleSheet(_STYLE)
        self.setAccessibleName("Error against the ground truth")
        self._table = QWidget()
        self._line = SteadyLabel(f"{metrics[0]} {WIDEST} mm")
        self._line.hide()
        whole = QVBoxLayout(self)
        whole.setContentsMargins(9, 6, 9, 7)
        whole.addWidget(self._table)
        whole.addWidget(self._line)
        layout = QGridLayout(self._table)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(12)
        layout.setVerticalSpacing(1)
        self._title = SteadyLabel()
        self._title.setProperty("head", True)
        layout.addWidget(self._title, 0, 0, 1, 1 + len(HEADS))
        layout.addWidget(_label("mm", is_head=True), 1, 0)
        right = Qt.AlignmentFlag.AlignRight
        for column, head in enumerate(HEADS, start=1):
            layout.addWidget(_label(head, is_head=True), 1, column, right)
        self._cells: dict[str, list[SteadyLabel]] = {}
        for row, metric in enumerate(metrics, start=2):
            layout.addWidget(_label(metric), row, 0)
            self._cells[metric] = [SteadyLabel(WIDEST) for _ in HEADS]
            for column, cell in enumerate(self._cells[metric], start=1):
                cell.setAlignment(right)
                layout.addWidget(cell, row, column)
        self.hide()

    def show_errors(self, title: str, errors: dict[str, tuple[float, float]]) -> None:
        """Show by metric the errors of frame and clip, mm; NaN where there is none."""
        self._title.setText(title)
        for metric, values in errors.items():
            for cell, value in zip(self._cells[metric], values, strict=True):
                cell.setText("\N{EN DASH}" if math.isnan(value) else f"{value:.1f}")
        first = next(iter(self._cells))
        self._line.setText(f"{first} {self._cells[first][0].text()} mm")
        self.setAccessibleDescription(self.text())
        if self.isHidden() or self.size() != self.sizeHint():
            self.fit()
            self.show()

    def fit(self) -> None:
        """Take as much room as the view has to give that it lies on."""
        view, table = self.parentWidget(), self._table.sizeHint()
        assert view is not None, "it lies on a view"
        is_roomy = (
            view.width() >= ROOMY_WIDTHS * table.width()
            and view.height() >= ROOMY_HEIGHTS * table.height()
        )
        self._table.setVisible(is_roomy)
        self._line.setVisible(not is_roomy)
        for layout in (self._table.layout(), self.layout()):
            assert layout is not None
            layout.activate()  # `adjustSize` takes what they knew last
        self.adjustSize()

    def text(self) -> str:
        """All that it says, in one line."""
        rows = (
            f"{metric} {cells[0].text()} in this frame, {cells[1].text()} in the clip"
            for metric, cells in self._cells.items()
        )
        return f"{self._title.text()}: {'; '.join(rows)}"


def _label(text: str, *, is_head: bool = False) -> QLabel:
    label = QLabel(text)
    label.setProperty("head", is_head)
    return label
