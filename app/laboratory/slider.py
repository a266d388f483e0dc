"""A slider that says its value."""

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QWidget


class NumberSlider(QWidget):
    """A number between limits.

    Parameters
    ----------
    name : str
    lowest, highest, step : float
    value : float
        At the beginning.
    unit : str

    Attributes
    ----------
    changed : Signal()
    """

    changed = Signal()

    def __init__(
        self, name: str, lowest: float, highest: float, step: float, value: float, unit: str = ""
    ) -> None:
        super().__init__()
        self._step, self._unit = step, unit
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(round(lowest / step), round(highest / step))
        self.slider.setAccessibleName(name)
        self.slider.setMinimumWidth(60)
        self._number = QLabel()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel(name))
        layout.addWidget(self.slider, 1)
        layout.addWidget(self._number)
        self.slider.valueChanged.connect(self._on_changed)
        self.set_value(value)
        self._fit_letters()
        self._show()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit_letters()

    def _fit_letters(self) -> None:
        self._number.setMinimumWidth(self.fontMetrics().horizontalAdvance("0.00 mm "))

    @property
    def value(self) -> float:
        return round(self.slider.value() * self._step, 6)

    def set_value(self, value: float) -> None:
        self.slider.setValue(round(value / self._step))

    def _on_changed(self) -> None:
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        digits = 0 if self._step >= 1 else 2
        self._number.setText(f"{self.value:.{digits}f} {self._unit}".strip())
