"""A table of numbers that can be sorted by any column."""

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem


class NumberTable(QTableWidget):
    """One row for each name, one column for each quantity; rows keep their names when sorted.

    Parameters
    ----------
    head : str
        What the names are of.
    names : sequence of str
    decimals : int or sequence of int
        Of all, or one for each name.
    """

    def __init__(self, head: str, names: Sequence[str], decimals: int | Sequence[int] = 1) -> None:
        super().__init__(len(names), 1)
        self._head = head
        each = [decimals] * len(names) if isinstance(decimals, int) else decimals
        self._decimals = tuple(each)
        self._columns: tuple[str, ...] = ()
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.verticalHeader().hide()
        self._fit_letters()
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(False)
        # The items by name and column, wherever sorting has put them.
        self._items: list[list[_Number]] = [[] for _ in names]
        self._names = [QTableWidgetItem(name) for name in names]
        for row, item in enumerate(self._names):
            item.setData(Qt.ItemDataRole.UserRole, row)
            self.setItem(row, 0, item)
        self.set_columns(())
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)  # as it comes, until a click
        self.setSortingEnabled(True)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit_letters()

    def _fit_letters(self) -> None:
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 5)

    def set_columns(self, columns: Sequence[str]) -> None:
        """Have these columns, without numbers; nothing happens if they are the same."""
        if tuple(columns) == self._columns and self.columnCount() == 1 + len(columns):
            return
        self._columns = tuple(columns)
        is_sorted = self.isSortingEnabled()
        self.setSortingEnabled(False)
        self.setColumnCount(1 + len(columns))
        self.setHorizontalHeaderLabels([self._head, *columns])
        for name, item in enumerate(self._names):
            self._items[name] = [_Number() for _ in columns]
            for column, number in enumerate(self._items[name], start=1):
                self.setItem(item.row(), column, number)
        self.setSortingEnabled(is_sorted)

    def set_numbers(self, numbers: np.ndarray) -> None:
        """Show numbers (names, columns), NaN where there is none."""
        # Sorting while the numbers change one by one would move rows under our feet.
        is_sorted = self.isSortingEnabled()
        self.setSortingEnabled(False)
        model = self.model()
        # One message for all: after each the columns would be fitted to their contents anew.
        model.blockSignals(True)
        rows = zip(self._items, numbers.tolist(), self._decimals, strict=True)
        for items, values, decimals in rows:
            for item, value in zip(items, values, strict=True):
                item.show_number(value, decimals)
        model.blockSignals(False)
        last = model.index(self.rowCount() - 1, self.columnCount() - 1)
        model.dataChanged.emit(model.index(0, 0), last)
        self.setSortingEnabled(is_sorted)

    def number(self, name: int, column: int) -> float:
        """What is shown for a name, by its number, in a column, the first of numbers being 0."""
        return self._items[name][column].value

    @property
    def selected(self) -> int | None:
        """Number of the name that is selected."""
        rows = self.selectionModel().selectedRows()
        return rows[0].data(Qt.ItemDataRole.UserRole) if rows else None


class _Number(QTableWidgetItem):
    def __init__(self) -> None:
        super().__init__()
        self.value = float("nan")
        self.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def show_number(self, value: float, decimals: int) -> None:
        self.value = value
        self.setText("\N{EN DASH}" if np.isnan(value) else f"{value:.{decimals}f}")

    def __lt__(self, other: QTableWidgetItem) -> bool:
        theirs = other.value if isinstance(other, _Number) else float("nan")
        # What is not known comes first in either case, and so last when the worst is on top.
        return bool(np.isnan(self.value) and not np.isnan(theirs)) or self.value < theirs
