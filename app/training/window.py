"""The training window: the runs at the left, the chosen one beside them."""

from pathlib import Path

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QAction, QCloseEvent, QDesktopServices, QKeySequence, QShowEvent
from PySide6.QtWidgets import (
    QLabel,
    QMainWindow,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.dialogs.question import ask
from app.operations.context import AppContext
from app.training.comparison import ComparisonDialog
from app.training.curves_view import CurvesView, EmptyState
from app.training.examples_view import ExamplesView
from app.training.follower import Following, RunFollower
from app.training.new_run_dialog import NewRunDialog
from app.training.run_header import RunHeader
from app.training.run_list import RunList
from app.training.service import Runs, TrainingService
from app.training.work import Compared, NewRun
from app.widgets.icons import icon
from pose_core.training.runs import RunSummary

GEOMETRY_KEY = "training/geometry"
_SPLITTER_KEY = "training/splitter"


class TrainingWindow(QMainWindow):
    """Closing it ends nothing: runs go on, and are there when it opens again.

    Parameters
    ----------
    context : AppContext
    service : TrainingService
    """

    def __init__(self, context: AppContext, service: TrainingService) -> None:
        super().__init__()
        self.setWindowTitle("Training")
        self._context, self._service = context, service
        self._following: Following | None = None
        self._followed = ""
        self.follower = RunFollower(context.tasks, self)
        self.list = RunList()
        self.header, self.curves, self.examples = RunHeader(), CurvesView(), ExamplesView()
        self.dialog: NewRunDialog | None = None
        self._make_actions()
        self._lay_out()
        self.list.chosen.connect(self._on_chosen)
        self.header.wanted.connect(self._do)
        service.changed.connect(self._on_changed)
        service.publishing_changed.connect(self._show_header)
        context.view_state.track_changed.connect(lambda: self._on_changed(service.runs))
        self.follower.seen.connect(self._on_seen)
        self.resize(1280, 800)
        self.restoreGeometry(context.settings.get_bytes(GEOMETRY_KEY))
        self._splitter.restoreState(context.settings.get_bytes(_SPLITTER_KEY))
        self._on_changed(service.runs)

    # -- construction ----------------------------------------------------------------------

    def _make_actions(self) -> None:
        self.new_run = QAction(icon("plus"), "New Run...", self)
        self.new_run.setShortcuts(QKeySequence.StandardKey.New)
        self.new_run.triggered.connect(lambda: self.ask_for_run())
        close = QAction("Close", self)
        close.setShortcuts(QKeySequence.StandardKey.Close)
        close.triggered.connect(self.close)
        self.addActions([self.new_run, close])

    def _lay_out(self) -> None:
        new = self._new_run_button()
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(8, 8, 0, 8)
        column.addWidget(new)
        column.addWidget(self.list, 1)
        note = QLabel("Runs go on when this window or PoseStage is closed.")
        note.setProperty("faint", True)
        note.setWordWrap(True)
        column.addWidget(note)
        examples = QWidget()
        right = QVBoxLayout(examples)
        right.setContentsMargins(0, 4, 0, 0)
        title = QLabel("Predictions on held-out motion")
        title.setContentsMargins(8, 0, 8, 0)
        right.addWidget(title)
        right.addWidget(self.examples, 1)
        examples.setMinimumWidth(250)
        self._below = QSplitter(Qt.Orientation.Horizontal)
        self._below.addWidget(self.curves)
        self._below.addWidget(examples)
        self._below.setStretchFactor(0, 1)
        self._below.setSizes([760, 290])
        details = QWidget()
        detail = QVBoxLayout(details)
        detail.setContentsMargins(0, 0, 0, 0)
        detail.setSpacing(0)
        detail.addWidget(self.header)
        detail.addWidget(self._below, 1)
        self._pages = QStackedWidget()
        self._pages.addWidget(self._empty_page())
        self._pages.addWidget(details)
        self._splitter = QSplitter(Qt.Orientation.Horizontal)
        self._splitter.addWidget(left)
        self._splitter.addWidget(self._pages)
        self._splitter.setStretchFactor(1, 1)
        self._splitter.setSizes([260, 1020])
        self._splitter.setChildrenCollapsible(False)
        self.setCentralWidget(self._splitter)

    def _empty_page(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        empty = EmptyState(
            "No runs yet",
            "New Run asks for a recipe and data. The bundled motions are there from the start.",
        )
        empty.setMaximumHeight(160)
        layout.addStretch(1)
        layout.addWidget(empty, 2)
        layout.addWidget(self._new_run_button(), 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(2)
        return page

    def _new_run_button(self) -> QPushButton:
        button = QPushButton(self.new_run.text().removesuffix("..."))
        button.setProperty("primary", True)
        button.setToolTip("Choose what to train (Ctrl+N)")
        button.clicked.connect(self.new_run.trigger)
        return button

    # -- what is shown ---------------------------------------------------------------------

    def _on_changed(self, runs: Runs) -> None:
        self.list.show_runs(runs)
        self._pages.setCurrentIndex(1 if runs.listed else 0)
        self._on_chosen(self.list.chosen_name())

    def _on_chosen(self, name: str) -> None:
        run = self._service.runs.named(name)
        path = None if run is None else run.path
        if name != self._followed:
            self._followed = name
            self._following = None
            self.curves.clear("No curves yet", "They come with the first steps.")
            self.examples.show_examples(None)
            self.follower.follow(path if self.isVisible() else None)
        if run is not None:
            self._show_run(run)

    def _show_header(self) -> None:
        run = self.chosen_run()
        if run is not None:
            self._show_run(run)

    def _show_run(self, run: RunSummary) -> None:
        self.header.show_run(
            run,
            self._service.runs,
            is_model=run.name in self._service.runs.models,
            publishing=self._service.publishing.get(run.name),
            has_people=self._context.selected_track is not None,
        )
        self.header.show_following(run, self._following)

    def _on_seen(self, following: Following) -> None:
        self._following = following
        if following.groups is not None:
            self.curves.show_groups(following.groups)
        self.examples.show_examples(following.examples)
        run = self.chosen_run()
        if run is not None:
            self.header.show_following(run, following)

    def chosen_run(self) -> RunSummary | None:
        """The run that is shown."""
        return self._service.runs.named(self.list.chosen_name())

    # -- what the user does ----------------------------------------------------------------

    def _do(self, name: str) -> None:
        run, service = self.chosen_run(), self._service
        if run is None:
            return
        {
            "pause": lambda: service.request_stop(run, pause=True),
            "resume": lambda: service.resume(run),
            "stop": lambda: self._stop(run),
            "publish": lambda: service.publish(run),
            "compare": lambda: service.compare(run, lambda both: self._compare(run, both)),
            "clip": lambda: service.clip_comparison_wanted.emit(service.runs.models[run.name]),
            "duplicate": lambda: self.ask_for_run(run.path),
            "folder": lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(run.path))),
            "discard": lambda: self._ask_to_discard(run),
        }[name]()

    def _stop(self, run: RunSummary) -> None:
        if run.state == "running":
            self._service.request_stop(run, pause=False)
        else:
            self._service.take_out(run)

    def ask_for_run(self, like: Path | None = None) -> None:
        """Ask what to train."""
        if self.dialog is not None:
            self.dialog.deleteLater()
        self.dialog = NewRunDialog(self._context, self._service.runs, self._add, self, like)
        self.dialog.open()

    def _add(self, wanted: NewRun) -> None:
        self._service.add(wanted, lambda _: self.choose_when_listed(wanted.name))

    def choose_when_listed(self, name: str) -> None:
        """Select a new run as soon as it is found on disk."""

        def choose(runs: Runs) -> None:
            if runs.named(name) is not None:
                self._service.changed.disconnect(choose)
                self.list.choose(name)

        self._service.changed.connect(choose)

    def _ask_to_discard(self, run: RunSummary) -> None:
        more = "It is running and will be ended. " if run.state == "running" else ""
        ask(
            self,
            "Discard the run",
            f"Move “{run.name}” with its checkpoints to the trash?",
            [
                ("Keep It", "reject", None),
                ("Discard", "destroy", lambda: self._service.discard(run)),
            ],
            more=f"{more}A model that was made of it stays.\n{run.path}",
        )

    def _compare(self, run: RunSummary, compared: Compared) -> None:
        measure = lambda entries: self._service.measure(run, entries)  # noqa: E731
        ComparisonDialog(*compared, measure, self).open()

    # -- open and close --------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._service.dialog_parent = self
        self._service.set_watched(True)
        run = self.chosen_run()
        if run is not None:
            self.follower.follow(run.path)

    def closeEvent(self, event: QCloseEvent) -> None:
        self._context.settings.set_bytes(GEOMETRY_KEY, self.saveGeometry())
        self._context.settings.set_bytes(_SPLITTER_KEY, self._splitter.saveState())
        self._service.dialog_parent = self._context.window
        self._service.set_watched(False)
        self.follower.set_awake(False)
        super().closeEvent(event)
