"""From which severity on a finding counts: kept in the settings."""

from dataclasses import fields

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDoubleSpinBox, QFormLayout, QPushButton, QWidget

from app.laboratory.problem_table import shown_unit
from app.settings import Settings
from pose_core.analysis.anatomy import AnatomyThresholds

_LABELS = {
    "illegal_angle_deg": ("Elbow or knee bent the wrong way by more than", "deg"),
    "side_difference_m": ("Left and right bone differ by more than", "m"),
    "length_deviation_m": ("Bone length off its median by more than", "m"),
    "jump_m_s": ("Joint faster than", "m/s"),
    "foot_slide_m_s": ("Standing foot faster than", "m/s"),
    "below_floor_m": ("Joint below the floor by more than", "m"),
    "side_swap_m": ("Joints would move less, with sides swapped, by more than", "m"),
}
DEFAULTS = AnatomyThresholds()


def stored_thresholds(settings: Settings) -> AnatomyThresholds:
    """The thresholds that the user has chosen, the default where what is stored is no number."""
    values = {}
    for field in fields(AnatomyThresholds):
        default = getattr(DEFAULTS, field.name)
        try:
            value = float(settings.get(f"anatomy/{field.name}", str(default)))
        except ValueError:
            value = default
        values[field.name] = value if 0 < value < float("inf") else default
    return AnatomyThresholds(**values)


class ThresholdForm(QWidget):
    """One line for each threshold.

    Attributes
    ----------
    changed : Signal()
    """

    changed = Signal()

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self.boxes: dict[str, QDoubleSpinBox] = {}
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        stored = stored_thresholds(settings)
        for name, (label, unit) in _LABELS.items():
            shown, factor = shown_unit(unit)
            box = QDoubleSpinBox()
            box.setDecimals(0 if factor > 1 or unit == "deg" else 1)
            box.setRange(1 if box.decimals() == 0 else 0.1, 10_000)
            box.setSingleStep(1 if box.decimals() == 0 else 0.1)
            box.setSuffix(f" {shown}")
            box.setKeyboardTracking(False)
            box.setValue(factor * getattr(stored, name))
            box.valueChanged.connect(
                lambda value, name=name, factor=factor: self._store(name, value / factor)
            )
            self.boxes[name] = box
            form.addRow(label, box)
        reset = QPushButton("Reset to the Defaults")
        reset.clicked.connect(self._reset)
        form.addRow("", reset)

    def _store(self, name: str, value: float) -> None:
        self._settings.set(f"anatomy/{name}", repr(value))
        self.changed.emit()

    def _reset(self) -> None:
        for name, box in self.boxes.items():
            _, factor = shown_unit(_LABELS[name][1])
            box.setValue(factor * getattr(DEFAULTS, name))
