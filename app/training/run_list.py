"""The list of runs: name, recipe, state, progress and best figure of each."""

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QIcon, QPainter, QPalette
from PySide6.QtWidgets import (
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from app.training.service import Runs
from app.widgets.icons import icon
from pose_core.training.runs import RunSummary

STATE_TEXTS = {
    "queued": "waiting",
    "running": "running",
    "paused": "paused",
    "stopped": "stopped",
    "finished": "finished",
    "failed": "failed",
    "interrupted": "interrupted",
    "broken": "cannot be read",
}
STATE_ICONS = {
    "queued": "clock",
    "running": "play",
    "paused": "pause",
    "stopped": "stop",
    "finished": "check",
    "failed": "warning",
    "interrupted": "warning",
    "broken": "broken",
}
_RUN_ROLE = Qt.ItemDataRole.UserRole
_STATE_ROLE = Qt.ItemDataRole.UserRole + 1
_MARGIN = 8


def shown_state(run: RunSummary, runs: Runs) -> str:
    """State of a run; one that is to be resumed waits like a new one."""
    return "queued" if run.name in runs.waiting and run.state != "running" else run.state


def share_done(run: RunSummary) -> float:
    """0..1."""
    return min(run.step / run.num_steps, 1.0) if run.num_steps else 0.0


def best_text(run: RunSummary) -> str:
    """Best figure on held-out motion, in words."""
    return "" if run.best is None else f"{run.watched} {run.best:.1f}".strip()


class RunList(QListWidget):
    """Runs found on disk, the newest first.

    Attributes
    ----------
    chosen : Signal(str)
        Name of another run; empty for none.
    """

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Training runs")
        self.setItemDelegate(_Delegate(self))
        self.setUniformItemSizes(True)
        self.setMinimumWidth(220)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.currentItemChanged.connect(lambda *_: self.chosen.emit(self.chosen_name()))

    def chosen_name(self) -> str:
        """Name of the selected run; empty for none."""
        item = self.currentItem()
        return "" if item is None else item.data(_RUN_ROLE).name

    def choose(self, name: str) -> None:
        """Select a run."""
        for row in range(self.count()):
            if self.item(row).data(_RUN_ROLE).name == name:
                self.setCurrentRow(row)

    def show_runs(self, runs: Runs) -> None:
        """Fill the list; the selection stays with its run."""
        ordered = sorted(runs.listed, key=lambda run: _rank(run, runs))
        names = [self.item(row).data(_RUN_ROLE).name for row in range(self.count())]
        if names != [run.name for run in ordered]:
            self._fill_anew(ordered)
        for row, run in enumerate(ordered):
            item, state = self.item(row), shown_state(run, runs)
            item.setData(_RUN_ROLE, run)
            item.setData(_STATE_ROLE, state)
            place = (
                f", place {runs.waiting.index(run.name) + 1}" if run.name in runs.waiting else ""
            )
            item.setText(f"{run.name}, {STATE_TEXTS[state]}{place}, {share_done(run):.0%}")
            item.setToolTip(f"{run.about}\n{run.path}".strip())

    def _fill_anew(self, ordered: list[RunSummary]) -> None:
        chosen = self.chosen_name()
        self.blockSignals(True)
        self.clear()
        for run in ordered:
            item = QListWidgetItem(self)
            item.setData(_RUN_ROLE, run)
            if run.name == chosen:
                self.setCurrentItem(item)
        self.blockSignals(False)
        if self.currentItem() is None and ordered:
            self.setCurrentRow(0)
        elif self.chosen_name() != chosen:
            self.chosen.emit(self.chosen_name())


def _rank(run: RunSummary, runs: Runs) -> tuple[int, float, str]:
    """Running ones first, then the queue in its order, then the newest."""
    if run.state == "running":
        return 0, 0.0, run.name
    if run.name in runs.waiting:
        return 1, float(runs.waiting.index(run.name)), run.name
    return 2, -(run.time or 0.0), run.name


class _Delegate(QStyledItemDelegate):
    """Three lines: name; recipe and state; progress and best figure."""

    def sizeHint(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        return QSize(200, 3 * option.fontMetrics.lineSpacing() + 2 * _MARGIN + 6)

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        run, state = index.data(_RUN_ROLE), index.data(_STATE_ROLE) or "queued"
        is_selected = bool(option.state & QStyle.StateFlag.State_Selected)
        palette = option.palette
        role = QPalette.ColorRole
        strong = palette.color(role.HighlightedText if is_selected else role.Text)
        faint = strong if is_selected else palette.color(role.PlaceholderText)
        painter.save()
        if is_selected:
            painter.fillRect(option.rect, palette.color(role.Highlight))
        area = option.rect.adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN)
        line = option.fontMetrics.lineSpacing()
        self._draw_icon(painter, QRect(area.left(), area.top(), line, line), state, is_selected)
        font = option.font
        font.setBold(True)
        painter.setFont(font)
        painter.setPen(strong)
        indent = area.adjusted(line + 6, 0, 0, 0)
        _draw_line(painter, indent, 0, run.name)
        font.setBold(False)
        painter.setFont(font)
        painter.setPen(faint)
        _draw_line(
            painter, indent, line, f"{run.recipe_kind.replace('_', ' ')} · {STATE_TEXTS[state]}"
        )
        right = best_text(run)
        left = f"{share_done(run):.0%}"
        _draw_line(painter, indent, 2 * line, left)
        _draw_line(painter, indent, 2 * line, right, Qt.AlignmentFlag.AlignRight)
        bar = QRect(indent.left(), area.bottom() - 2, indent.width(), 3)
        painter.fillRect(bar, palette.color(role.Mid))
        bar.setWidth(round(bar.width() * share_done(run)))
        painter.fillRect(bar, strong if is_selected else palette.color(role.Accent))
        painter.restore()

    @staticmethod
    def _draw_icon(painter: QPainter, place: QRect, state: str, is_selected: bool) -> None:
        mode = QIcon.Mode.Selected if is_selected else QIcon.Mode.Normal
        icon(STATE_ICONS[state]).paint(painter, place, mode=mode)


def _draw_line(
    painter: QPainter,
    area: QRect,
    top: int,
    text: str,
    align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft,
) -> None:
    metrics = painter.fontMetrics()
    line = QRect(area.left(), area.top() + top, area.width(), metrics.lineSpacing())
    shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, line.width())
    painter.drawText(line, align | Qt.AlignmentFlag.AlignVCenter, shown)
