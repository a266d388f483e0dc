"""The problems of a person as rows of a table."""

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

from pose_core.analysis.problems import Problem

KIND_TITLES = {
    "illegal_angle": "Illegal angle",
    "side_difference": "Left/right length",
    "length_deviation": "Bone length",
    "jump": "Jump",
    "foot_slide": "Foot slide",
    "below_floor": "Below the floor",
    "side_swap": "Sides swapped",
}
COLUMNS = ("Frames", "Kind", "Where", "Worst", "By threshold")

Index = QModelIndex | QPersistentModelIndex


def shown_unit(unit: str) -> tuple[str, float]:
    """What a unit is shown in, and the factor to it."""
    return ("mm", 1000.0) if unit == "m" else (unit, 1.0)


class ProblemModel(QAbstractTableModel):
    """One row for each problem.

    Attributes
    ----------
    problems : list of Problem
    """

    SORT_ROLE = Qt.ItemDataRole.UserRole

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[Problem] = []

    def set_problems(self, problems: list[Problem]) -> None:
        """Show other problems."""
        self.beginResetModel()
        self.problems = problems
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - as Qt has it
        return 0 if parent.isValid() else len(self.problems)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - as Qt has it
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        is_name = orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole
        return COLUMNS[section] if is_name else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        problem, column = self.problems[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return _texts(problem)[column]
        if role == self.SORT_ROLE:
            # Of different kinds only the severity by threshold can be compared.
            kind = KIND_TITLES[problem.kind]
            return (problem.start, kind, problem.place, problem.grade, problem.grade)[column]
        if role == Qt.ItemDataRole.TextAlignmentRole and column >= 3:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None


def _texts(problem: Problem) -> tuple[str, ...]:
    unit, factor = shown_unit(problem.unit)
    last = problem.end - 1
    frames = str(last) if last == problem.start else f"{problem.start} to {last}"
    return (
        frames,
        KIND_TITLES[problem.kind],
        problem.place.replace("_", " "),
        f"{factor * problem.severity:.3g} {unit}",
        f"{problem.grade:.1f}x",
    )
