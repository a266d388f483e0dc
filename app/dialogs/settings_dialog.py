"""Settings of the application, and of the open clip."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app.dialogs.threshold_form import ThresholdForm
from pose_core.analysis.anatomy import AnatomyThresholds


@dataclass(frozen=True)
class ClipScale:
    """What gives the 3D of a clip its size and place.

    Parameters
    ----------
    body_height_m : float, optional
    focal_px : float, optional
        None: unknown.
    assumed_focal_px : float
        What is assumed while it is unknown.
    """

    body_height_m: float | None
    focal_px: float | None
    assumed_focal_px: float


@dataclass(frozen=True)
class Choice:
    """One setting with a fixed list of values.

    Parameters
    ----------
    key, label : str
    values : dict of str to str
        Value to text.
    current : str
    tip : str
    """

    key: str
    label: str
    values: dict[str, str]
    current: str
    tip: str = ""


class SettingsDialog(QDialog):
    """Shows the choices; nothing is changed before OK.

    Parameters
    ----------
    choices : dict of str to list of Choice
        By the title of their page.
    thresholds : AnatomyThresholds
    scale : ClipScale, optional
        None when no clip is open.
    on_accept : callable
        Called with the chosen values, the thresholds and the scale.
    parent : QWidget
    """

    def __init__(
        self,
        choices: dict[str, list[Choice]],
        thresholds: AnatomyThresholds,
        scale: ClipScale | None,
        on_accept: Callable[[dict[str, str], AnatomyThresholds, ClipScale | None], None],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Settings")
        self.setMinimumWidth(420)
        self._on_accept = on_accept
        self._scale = scale
        self.boxes: dict[str, QComboBox] = {}
        self.tabs = QTabWidget()
        for title, page in choices.items():
            self.tabs.addTab(self._choices_page(page), title)
        self.thresholds = ThresholdForm(thresholds)
        self.tabs.addTab(self._anatomy_page(), "Anatomy")
        if scale is not None:
            self.tabs.addTab(self._clip_page(scale), "This Clip")
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.tabs)
        layout.addWidget(buttons)

    def show_clip_page(self) -> None:
        """Turn to the page of the open clip."""
        self.tabs.setCurrentIndex(self.tabs.count() - 1)

    def accept(self) -> None:
        """Hand over the values."""
        values = {key: box.currentData() for key, box in self.boxes.items()}
        self._on_accept(values, self.thresholds.values(), self._chosen_scale())
        super().accept()

    def _choices_page(self, choices: list[Choice]) -> QWidget:
        page = QWidget()
        form = QFormLayout(page)
        for choice in choices:
            box = self.boxes[choice.key] = QComboBox()
            for value, text in choice.values.items():
                box.addItem(text, value)
            box.setCurrentIndex(max(box.findData(choice.current), 0))
            box.setToolTip(choice.tip)
            form.addRow(choice.label, box)
            if choice.tip:
                form.addRow("", _hint(choice.tip))
        return page

    def _anatomy_page(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.addWidget(_hint("What counts as a problem in the laboratory's panel Anatomy."))
        layout.addWidget(self.thresholds)
        layout.addStretch()
        return page

    def _clip_page(self, scale: ClipScale) -> QWidget:
        page = QWidget()
        form = QFormLayout(page)
        self.body_height = _OptionalNumber(scale.body_height_m, 1.70, (0.3, 2.6), 2, " m", 0.01)
        self.focal = _OptionalNumber(
            scale.focal_px, scale.assumed_focal_px, (10, 100_000), 0, " px", 10
        )
        form.addRow("Body height", self.body_height)
        form.addRow("", _hint("Without it sizes and distances are relative."))
        form.addRow("Focal length", self.focal)
        hint = f"Without it {scale.assumed_focal_px:.0f} px are assumed, the picture's long side."
        form.addRow("", _hint(hint))
        return page

    def _chosen_scale(self) -> ClipScale | None:
        if self._scale is None:
            return None
        return ClipScale(self.body_height.value(), self.focal.value(), self._scale.assumed_focal_px)


class _OptionalNumber(QWidget):
    """A number that may be unknown."""

    def __init__(
        self,
        value: float | None,
        proposal: float,
        limits: tuple[float, float],
        decimals: int,
        unit: str,
        step: float,
    ) -> None:
        super().__init__()
        self.is_known = QCheckBox("known")
        self.spin = QDoubleSpinBox(decimals=decimals, suffix=unit, singleStep=step)
        self.spin.setRange(*limits)
        self.spin.setValue(proposal if value is None else value)
        self.is_known.setChecked(value is not None)
        self.spin.setEnabled(value is not None)
        self.is_known.toggled.connect(self.spin.setEnabled)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.is_known)
        layout.addWidget(self.spin, 1)

    def value(self) -> float | None:
        return self.spin.value() if self.is_known.isChecked() else None


def _hint(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    label.setProperty("faint", True)
    return label
