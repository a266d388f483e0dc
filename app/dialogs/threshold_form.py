"""From which severity on a finding of anatomy counts, as a form."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDoubleSpinBox, QFormLayout, QPushButton, QWidget

from pose_core.analysis.anatomy import AnatomyThresholds

# Name, what it says, unit that is shown, and how many of it there are in the unit of the value.
_LINES = (
    ("illegal_angle_deg", "Elbow or knee bent the wrong way by more than", "deg", 1),
    ("side_difference_m", "Left and right bone differ by more than", "mm", 1000),
    ("length_deviation_m", "Bone length off its median by more than", "mm", 1000),
    ("jump_m_s", "Joint faster than", "m/s", 1),
    ("foot_slide_m_s", "Standing foot faster than", "m/s", 1),
    ("below_floor_m", "Joint below the floor by more than", "mm", 1000),
    ("side_swap_m", "Joints would move less, with sides swapped, by more than", "mm", 1000),
)


class ThresholdForm(QWidget):
    """One line for each threshold.

    Parameters
    ----------
    thresholds : AnatomyThresholds
        At the beginning.

    Attributes
    ----------
    changed : Signal()
        By the user.
    boxes : dict of str to QDoubleSpinBox
        By the name of the threshold.
    """

    changed = Signal()

    def __init__(self, thresholds: AnatomyThresholds) -> None:
        super().__init__()
        self.boxes: dict[str, QDoubleSpinBox] = {}
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        for name, label, unit, _ in _LINES:
            box = QDoubleSpinBox(suffix=f" {unit}")
            decimals = 1 if unit == "m/s" else 0
            box.setDecimals(decimals)
            box.setRange(10**-decimals, 10_000)
            box.setSingleStep(10**-decimals)
            box.setKeyboardTracking(False)
            box.valueChanged.connect(self.changed)
            self.boxes[name] = box
            form.addRow(label, box)
        reset = QPushButton("Reset to the Defaults")
        reset.clicked.connect(self._reset)
        form.addRow("", reset)
        self._shown = thresholds
        self.set_values(thresholds)

    def values(self) -> AnatomyThresholds:
        """What is chosen now; exactly what was shown first where nothing was changed."""
        values = {}
        for name, _, _, factor in _LINES:
            box, shown = self.boxes[name], getattr(self._shown, name)
            # A box rounds: opening a form must not change what is kept.
            is_same = box.value() == round(factor * shown, box.decimals())
            values[name] = shown if is_same else box.value() / factor
        return AnatomyThresholds(**values)

    def set_values(self, thresholds: AnatomyThresholds) -> None:
        """Show others, without a signal."""
        self._shown = thresholds
        for name, _, _, factor in _LINES:
            box = self.boxes[name]
            box.blockSignals(True)
            box.setValue(factor * getattr(thresholds, name))
            box.blockSignals(False)

    def _reset(self) -> None:
        self.set_values(AnatomyThresholds())
        self.changed.emit()
