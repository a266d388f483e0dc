"""Widgets in a row that goes on in the next line where it does not fit, like words."""

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget

GAP_PX = 6


class FlowLayout(QLayout):
    """Lets a panel be as narrow as its widest button, whatever the size of the letters.

    Parameters
    ----------
    widgets : QWidget
        In this order.
    """

    def __init__(self, *widgets: QWidget) -> None:
        super().__init__()
        self._items: list[QLayoutItem] = []
        self.setContentsMargins(0, 0, 0, 0)
        for widget in widgets:
            self.addWidget(widget)

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:  # type: ignore[override]
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:  # type: ignore[override]
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        lines = self._lines(width)
        return sum(map(_height, lines)) + GAP_PX * max(len(lines) - 1, 0)

    def sizeHint(self) -> QSize:
        width = sum(item.sizeHint().width() + GAP_PX for item in self._shown())
        return QSize(max(width - GAP_PX, 0), _height(self._shown()))

    def minimumSize(self) -> QSize:
        return QSize(
            max((item.sizeHint().width() for item in self._shown()), default=0),
            _height(self._shown()),
        )

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        top = rect.top()
        for line in self._lines(rect.width()):
            left, height = rect.left(), _height(line)
            for item in line:
                size = item.sizeHint()
                middle = top + (height - size.height()) // 2
                item.setGeometry(QRect(left, middle, size.width(), size.height()))
                left += size.width() + GAP_PX
            top += height + GAP_PX

    def _shown(self) -> list[QLayoutItem]:
        return [item for item in self._items if not item.isEmpty()]

    def _lines(self, width: int) -> list[list[QLayoutItem]]:
        lines: list[list[QLayoutItem]] = []
        right = width + 1
        for item in self._shown():
            right += GAP_PX + item.sizeHint().width()
            if right > width:
                lines.append([])
                right = item.sizeHint().width()
            lines[-1].append(item)
        return lines


def _height(line: list[QLayoutItem]) -> int:
    return max((item.sizeHint().height() for item in line), default=0)
