"""The frame around every panel: what it shows, its equation, export, and what is in its way."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QHideEvent, QPainter, QPaintEvent, QPalette, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.laboratory.files import Table, save_png, save_svg, save_table
from app.laboratory.focus import Focus, Subject
from app.laboratory.newest import Newest
from app.laboratory.result_lanes import ResultLanes
from app.operations.context import AppContext
from app.views.skeleton3d import Skeleton3DView
from app.views.timeline import Timeline
from app.views.video import VideoView
from app.workers.torch_library import map_torch_library
from pose_core.errors import PoseStageError

# An answer that comes sooner than this replaces the one before without any dimming in between.
DIM_AFTER_MS = 100
DIMNESS = 0.6
KINDS = {"png": "Picture (PNG)...", "svg": "Drawing (SVG)...", "csv": "Numbers (CSV)..."}


@dataclass(frozen=True, eq=False)
class Bench:
    """What the panels work with."""

    context: AppContext
    focus: Focus
    video: VideoView
    skeleton: Skeleton3DView
    timeline: Timeline


@dataclass(frozen=True)
class Obstacle:
    """Why a panel has nothing to show, and what to do about it."""

    reason: str
    hint: str


class LabPanel(QWidget):
    """One panel. It follows the playhead and the selected person.

    A panel computes when its `inputs` are others than before, in a thread; until the answer is
    there the one before is shown dimmed, and answers to earlier questions are thrown away. A
    panel that is not on screen rests, unless it `works_hidden`.

    Subclasses fill `body` and override `obstacle`, `inputs`, `compute`, `show_result`, `clear`
    and `table`.

    Parameters
    ----------
    bench : Bench
    """

    title = ""
    explanation = ""  # one line
    equation = ""  # of the paper, with its source; rich text
    works_hidden = False

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.bench = bench
        self.body = QWidget()
        self.lanes = ResultLanes(bench.timeline)
        self.result: object | None = None
        self._inputs: tuple | None = None  # that `result` belongs to
        self._asked: tuple | None = None  # that an answer is awaited for
        self._direction = 0  # where to go as soon as the result is there
        self._newest = Newest(bench.context.tasks, self)
        self._message = QLabel(alignment=Qt.AlignmentFlag.AlignCenter, wordWrap=True)
        self._message.setMargin(16)
        self._pages = _Pages()
        self._pages.addWidget(self.body)
        self._pages.addWidget(self._message)
        self._pages.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._veil = _Veil(self._pages)
        self._dim_timer = QTimer(self, singleShot=True, interval=DIM_AFTER_MS)
        self._dim_timer.timeout.connect(self._veil.show)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 8)
        layout.addLayout(self._make_head())
        layout.addWidget(self._equation)
        layout.addWidget(self._pages, 1)

    def _make_head(self) -> QHBoxLayout:
        words = QLabel(self.explanation, wordWrap=True)
        words.setProperty("faint", True)
        self._equation = QLabel(self.equation, wordWrap=True)
        self._equation.hide()
        self._equation.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._equation.setAutoFillBackground(True)
        self._equation.setBackgroundRole(QPalette.ColorRole.Base)
        self._equation.setMargin(8)
        self.equation_button = _tool_button("Equation")
        self.equation_button.setCheckable(True)
        self.equation_button.toggled.connect(self._equation.setVisible)
        self.export_button = _tool_button("Export")
        self.export_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.export_button)
        for kind, text in KINDS.items():
            menu.addAction(text).triggered.connect(partial(self._ask_and_export, kind))
        self.export_button.setMenu(menu)
        head = QHBoxLayout()
        head.addWidget(words, 1)
        for button in (self.equation_button, self.export_button):
            head.addWidget(button, alignment=Qt.AlignmentFlag.AlignTop)
        return head

    # -- what subclasses say ---------------------------------------------------------------

    def obstacle(self, subject: Subject) -> Obstacle | None:
        """Why this panel does not apply to what is selected; None where it does."""
        return None

    def inputs(self, subject: Subject) -> tuple:
        """All that the result depends on; compared with ``==``."""
        raise NotImplementedError

    def compute(self, subject: Subject, inputs: tuple) -> object:
        """The result. Called in a thread: must not touch any widget."""
        raise NotImplementedError

    def show_result(self, subject: Subject, result: object) -> None:
        """Show a result at the present place; also called when only the place is another."""
        raise NotImplementedError

    def clear(self) -> None:
        """Take back what was shown in other views; the panel has nothing to show."""

    def go_to_next(self, direction: int) -> None:
        """Go to the next (1) or previous (-1) frame that is worth a look."""

    def table(self) -> Table:
        """The numbers that are shown."""
        raise NotImplementedError

    @property
    def picture(self) -> QWidget:
        """What is exported as a picture."""
        return self.body

    def go_when_known(self, direction: int) -> None:
        """`go_to_next`, as soon as the result is there."""
        self._direction = direction
        self.refresh()
        if self.is_up_to_date:
            self._go()

    def _go(self) -> None:
        direction, self._direction = self._direction, 0
        if direction and self.result is not None:
            self.go_to_next(direction)

    # -- following -------------------------------------------------------------------------

    @property
    def is_up_to_date(self) -> bool:
        """Whether what is shown belongs to the present place."""
        return not self._newest.is_busy

    def follow(self) -> None:
        """Begin to follow: the panel is made."""
        self.bench.focus.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the present place: at once where its result is known, else when it is computed."""
        if not (self.isVisible() or self.works_hidden):
            return
        subject = self.bench.focus.current
        if subject is not None:
            self.lanes.keep_to(subject)
        obstacle = self._no_3d() if subject is None else self.obstacle(subject)
        if subject is None or obstacle is not None:
            self._show_obstacle(obstacle or self._no_3d())
            return
        inputs = self.inputs(subject)
        if self.result is not None and inputs == self._inputs:
            self._newest.drop()
            self._show(subject)
        elif inputs != self._asked or not self._newest.is_busy:
            self._ask(subject, inputs)

    def _ask(self, subject: Subject, inputs: tuple) -> None:
        self._asked = inputs

        def work() -> object:
            map_torch_library()
            return self.compute(subject, inputs)

        def receive(result: object) -> None:
            self.result, self._inputs = result, inputs
            self.refresh()

        if not self._dim_timer.isActive():
            self._dim_timer.start()
        self._newest.request(work, receive, self._show_failure)

    def _show(self, subject: Subject) -> None:
        self._undim()
        self._pages.setCurrentWidget(self.body)
        self.export_button.setEnabled(True)
        self.show_result(subject, self.result)
        self._go()

    def _undim(self) -> None:
        self._dim_timer.stop()
        self._veil.hide()

    def _show_obstacle(self, obstacle: Obstacle) -> None:
        self._newest.drop()
        self._undim()
        self.result = self._inputs = None
        self._message.setText(f"<p><b>{obstacle.reason}</b></p><p>{obstacle.hint}</p>")
        self._pages.setCurrentWidget(self._message)
        self.export_button.setEnabled(False)
        self.lanes.remove()
        self.clear()

    def _show_failure(self, error: BaseException) -> None:
        hint = error.hint if isinstance(error, PoseStageError) else "Another frame may do."
        self._show_obstacle(Obstacle(f"This could not be computed: {error}", hint or ""))

    def _no_3d(self) -> Obstacle:
        session = self.bench.context.document.session
        if session is None:
            return Obstacle("No video yet", "Open one with Ctrl+O.")
        if not session.tracks:
            return Obstacle(
                "Nobody was found yet", "Press Estimate: this panel fills when it is done."
            )
        if self.bench.context.selected_track is None:
            return Obstacle("Nobody is selected", "Click a person in the video or in the list.")
        return Obstacle(
            "There is no 3D of this person",
            "Select another person, or choose Pose &gt; 3D Again from the Same 2D.",
        )

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._undim()
        self.on_hidden()

    def on_hidden(self) -> None:
        """Take back what other views show only while the panel is on screen."""

    # -- export ----------------------------------------------------------------------------

    def _ask_and_export(self, kind: str) -> None:
        context, subject = self.bench.context, self.bench.focus.current
        if subject is None:
            return
        stem = f"{subject.session.clip.path.stem}.{self.title.lower().replace(' ', '_')}.{kind}"
        start = str(Path(context.settings.folder("laboratory")) / stem)
        name, _ = QFileDialog.getSaveFileName(self, "Export", start, f"*.{kind}")
        if name:
            context.settings.set_folder("laboratory", Path(name).parent)
            self.export(Path(name), kind)

    def export(self, path: Path, kind: str) -> None:
        """Write what is shown as ``png``, ``svg`` or ``csv``; an error is shown, not raised."""
        try:
            if kind == "png":
                save_png(self.picture, path)
            elif kind == "svg":
                save_svg(self.picture, path, self.title)
            else:
                save_table(self.table(), path, self._comments())
        except PoseStageError as error:
            self.bench.context.show_error(error, "Exporting")
        else:
            self.bench.context.notice(f"Exported {path.name}")

    def _comments(self) -> list[str]:
        subject = self.bench.focus.current
        lines = [f"{self.title}: {self.explanation}"]
        if subject is not None:
            lines.append(
                f"{subject.session.clip.path.name}, {subject.track.name}, {subject.model}, "
                f"{subject.stage_names[subject.stage]}, frame {subject.frame}"
            )
        return lines


def _tool_button(text: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    return button


class _Pages(QStackedWidget):
    """Asks for no more room than its pages need at least, so that a low dock need not scroll."""

    def sizeHint(self) -> QSize:
        return self.minimumSizeHint()


class _Veil(QWidget):
    """Dims what lies under it."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def showEvent(self, event: QShowEvent) -> None:
        self.setGeometry(self._over.rect())
        self.raise_()
        super().showEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.setGeometry(self._over.rect())
        super().resizeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setOpacity(DIMNESS)
            painter.fillRect(self.rect(), self.palette().window())
