"""The main window: puts views, operations and actions together."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QMainWindow, QStackedWidget

from app.actions import ACTIONS, Actions
from app.annotation.annotation import Annotation
from app.dialogs.about import AboutDialog
from app.dialogs.go_to_frame import GoToFrameDialog
from app.dialogs.history import HistoryDialog
from app.dialogs.palette import PaletteDialog
from app.dialogs.question import ask
from app.dialogs.shortcuts import ShortcutLine, ShortcutsDialog
from app.laboratory.focus import Focus
from app.laboratory.laboratory import PANELS, Laboratory
from app.laboratory.panel import Bench
from app.operations import (
    editing,
    export,
    export_keypoints,
    import_keypoints,
    lift,
    navigation,
    notes,
    open_file,
    save_session,
    tools,
    truth,
)
from app.operations.autosave import Autosave
from app.operations.context import AppContext
from app.operations.estimate import Estimator, Pipeline
from app.operations.estimate_edits import ask_and_estimate, ask_and_lift
from app.operations.models import available_models
from app.operations.playback import Player
from app.operations.recovery import offer_recovery
from app.operations.settings import show_settings
from app.paths import sample_clip
from app.settings import Settings
from app.training.training import Training
from app.views.estimate_bar import EstimateBar
from app.views.menus import Menus
from app.views.notes import NoteMarks, NotesView
from app.views.people import PeopleView
from app.views.presenter import Presenter
from app.views.skeleton3d import Skeleton3DView
from app.views.status import StatusBar
from app.views.timeline import Timeline
from app.views.transport import TransportBar
from app.views.truth import TruthPresenter
from app.views.video import VideoView
from app.views.welcome import WelcomeView
from app.views.workspace import Workspace
from app.widgets.theme import theme
from app.workspaces import Workspaces
from pose_core.inference.pipeline import estimate

GEOMETRY_KEY = "window/geometry"


class MainWindow(QMainWindow):
    """The window of the application.

    Parameters
    ----------
    settings : Settings
    pipeline : callable, optional
        What estimates; that of `pose_core` by default.
    """

    def __init__(self, settings: Settings, pipeline: Pipeline = estimate) -> None:
        super().__init__()
        self.setAcceptDrops(True)
        self.setMinimumSize(760, 440)
        self.context = AppContext(self, settings)
        self._models = available_models()
        self.estimator = Estimator(self.context, self._models, pipeline)
        state = self.context.view_state
        self.player = Player(self.context.document, state, self.context.decoder, self.context)
        self.actions_table = Actions(settings, self)
        self._autosave = Autosave(self.context)
        self.training = Training(self.context)
        self._history: HistoryDialog | None = None
        self._is_closing = False
        self._make_views()
        self._make_menus()
        self.actions_table.connect_handlers(self._handlers())
        self._connect()
        self._update_actions()
        self._update_title()
        self.resize(1440, 900)
        self.restoreGeometry(settings.get_bytes(GEOMETRY_KEY))

    # -- construction ----------------------------------------------------------------------

    def _make_views(self) -> None:
        context, actions = self.context, self.actions_table
        self.video = VideoView()
        self.skeleton = Skeleton3DView()
        self.timeline = Timeline()
        actions["view.trails"].setChecked(True)
        self.skeleton.set_trails(True)
        self.people = PeopleView(context, actions, self._models)
        self.notes = NotesView(context, actions)
        self.transport = TransportBar(context, actions, self.player)
        self.presenter = Presenter(
            context, self.estimator, self.video, self.skeleton, self.timeline
        )
        actions["view.truth"].setChecked(True)
        self.truth = TruthPresenter(context, self.video, self.skeleton, self.timeline)
        self.annotation = Annotation(
            context,
            actions,
            self.estimator,
            self.presenter,
            self.video,
            self.skeleton,
            self.timeline,
        )
        self._note_marks = NoteMarks(context, self.timeline)
        # After the presenters: its panels add to what those have put into the views.
        focus = Focus(context)
        self.laboratory = Laboratory(
            Bench(context, focus, self.video, self.skeleton, self.timeline)
        )
        self.workspace = Workspace(
            context.settings,
            self.video,
            self.skeleton,
            self.people,
            self.notes,
            self.timeline,
            self.transport,
            self.laboratory,
        )
        self.laboratory.wanted.connect(self.workspace.show_laboratory)
        has_sample = sample_clip() is not None
        actions["file.sample"].setEnabled(has_sample)
        self.welcome = WelcomeView(has_sample)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.welcome)
        self._pages.addWidget(self.workspace)
        self.setCentralWidget(self._pages)
        self.estimate_bar = EstimateBar(context, actions, self.estimator, self._models)
        self.addToolBar(self.estimate_bar)
        status_bar = StatusBar(context, self.estimator)
        self.setStatusBar(status_bar)
        self.annotation.state_changed.connect(status_bar.set_mode)
        self.workspaces = Workspaces(
            context.settings,
            actions,
            self.workspace,
            self.laboratory,
            self.estimate_bar,
            self.estimator,
            (status_bar, self.timeline),
        )

    def _make_menus(self) -> None:
        menus = Menus(
            self.menuBar(), self.context, self.actions_table, self._models, self.open_path
        )
        menus.add_to_window_menu(self.workspace.dock_actions())
        # Actions that are in no menu have their shortcuts all the same.
        self.addActions(self.actions_table.all())

    def _handlers(self) -> dict[str, Callable[[], object]]:
        return {
            **self._file_handlers(),
            **self._view_handlers(),
            **self._go_handlers(),
            **self._pose_handlers(),
            **self._laboratory_handlers(),
            **self.annotation.handlers(),
            "edit.undo": self.context.document.undo_stack.undo,
            "edit.redo": self.context.document.undo_stack.redo,
            "edit.discard": self.context.unkept.discard,
            "edit.history": self._show_history,
            "edit.bookmark": lambda: notes.toggle_bookmark(self.context),
            "edit.note": self._write_note,
            "edit.rename": self.people.edit_name,
            "edit.delete": lambda: editing.delete_selected(self.context),
            "edit.settings": lambda: show_settings(self.context, self._models),
            "train.window": self.training.show_window,
            "train.new": self.training.ask_for_run,
            "train.edits": lambda: self.training.ask_for_edits(self._begin_to_edit),
            "tools.palette": self._show_palette,
            "tools.doctor": lambda: tools.show_system_report(self.context),
            "window.analyst": lambda: self.workspaces.choose("analyst"),
            "window.teacher": lambda: self.workspaces.choose("teacher"),
            "window.reset": self.workspaces.reset,
            "help.shortcuts": self._show_shortcuts,
            "help.about": lambda: AboutDialog(tools.credits_text(), self).open(),
        }

    def _file_handlers(self) -> dict[str, Callable[[], object]]:
        context = self.context
        return {
            "file.open": lambda: open_file.ask_and_open(context),
            "file.sample": lambda: open_file.open_sample(context),
            "file.close": lambda: open_file.close_document(context),
            "file.save": lambda: save_session.save(context),
            "file.save_as": lambda: save_session.save_as(context),
            "file.save_copy": lambda: save_session.save_a_copy(context),
            "file.locate": lambda: open_file.locate_open_video(context),
            "file.export": lambda: export.ask_and_export(context),
            "file.export_keypoints": lambda: export_keypoints.ask_and_export(context),
            "file.export_notes": lambda: notes.ask_and_export(context),
            "file.import_keypoints": lambda: import_keypoints.ask_and_import(context),
            "file.import_truth": lambda: truth.ask_and_import(context),
            "file.remove_truth": lambda: truth.remove(context),
            "file.quit": self.close,
        }

    def _view_handlers(self) -> dict[str, Callable[[], object]]:
        actions, skeleton = self.actions_table, self.skeleton
        presets = {
            f"view.{name}": lambda name=name: skeleton.set_view_preset(name)
            for name in ("front", "side", "top", "camera")
        }
        return {
            **presets,
            "view.fit": self.video.fit,
            "view.reset": self._reset_views,
            "view.poses": lambda: self.context.view_state.set_poses_visible(
                not actions["view.poses"].isChecked()
            ),
            "view.trails": lambda: skeleton.set_trails(actions["view.trails"].isChecked()),
            "view.truth": lambda: self.truth.set_visible(actions["view.truth"].isChecked()),
            "view.follow": lambda: skeleton.set_follow(actions["view.follow"].isChecked()),
            "view.full_screen": self._toggle_full_screen,
        }

    def _go_handlers(self) -> dict[str, Callable[[], object]]:
        state, document = self.context.view_state, self.context.document
        return {
            "go.play": lambda: state.set_playing(not state.is_playing),
            "go.loop": lambda: state.set_looping(self.actions_table["go.loop"].isChecked()),
            "go.faster": lambda: state.change_speed(1),
            "go.slower": lambda: state.change_speed(-1),
            "go.next": lambda: navigation.step(state, 1),
            "go.previous": lambda: navigation.step(state, -1),
            "go.forward_10": lambda: navigation.step(state, 10),
            "go.back_10": lambda: navigation.step(state, -10),
            "go.page_forward": lambda: navigation.page(state, 1),
            "go.page_back": lambda: navigation.page(state, -1),
            "go.first": lambda: navigation.go_to(state, 0),
            "go.last": lambda: navigation.go_to(state, state.num_frames - 1),
            "go.next_flag": lambda: navigation.go_to_flag(document, state, 1),
            "go.previous_flag": lambda: navigation.go_to_flag(document, state, -1),
            "go.frame": self._ask_for_frame,
            "go.stage_back": lambda: state.set_stage(state.stage - 1),
            "go.stage_forward": lambda: state.set_stage(state.stage + 1),
            "go.stage_first": lambda: state.set_stage(0),
            "go.stage_last": lambda: state.set_stage(state.num_stages - 1),
        }

    def _laboratory_handlers(self) -> dict[str, Callable[[], object]]:
        laboratory = self.laboratory
        panels = {
            f"laboratory.{name}": lambda name=name: laboratory.show_panel(name)
            for name, _, _ in PANELS
        }
        return {
            **panels,
            "go.disagreement": lambda: laboratory.go_to_next("stages"),
            "go.model_disagreement": lambda: laboratory.go_to_next("compare"),
            "go.next_problem": lambda: laboratory.go_to_next("anatomy"),
            "go.previous_problem": lambda: laboratory.go_to_next("anatomy", -1),
        }

    def _pose_handlers(self) -> dict[str, Callable[[], object]]:
        persons = {f"pose.person_{n}": lambda n=n: self._select_nth_person(n) for n in range(1, 10)}
        return {
            **persons,
            "pose.estimate": lambda: ask_and_estimate(self.context, self.estimator),
            "pose.box": self.video.begin_box,
            "pose.lift": lambda: ask_and_lift(self.context, self.estimator),
            "pose.stop": self.estimator.stop_and_keep,
            "pose.cancel": self.estimator.cancel,
            "pose.scale": lambda: show_settings(self.context, self._models, of_clip=True),
            "pose.clear_range": lambda: self.context.view_state.set_range(None),
        }

    def _connect(self) -> None:
        context, stack = self.context, self.context.document.undo_stack
        context.document.opened.connect(self._on_opened)
        context.document.changed.connect(self._update_actions)
        context.document.notes_changed.connect(self._update_actions)
        context.document.modified_changed.connect(self._update_title)
        context.document.history_lost.connect(context.notice)
        context.view_state.track_changed.connect(self._update_actions)
        context.view_state.range_changed.connect(self._update_actions)
        context.unkept.changed.connect(self._update_actions)
        self.annotation.changed.connect(self._update_actions)
        context.files_changed.connect(self._show_recent_files)
        stack.indexChanged.connect(self._update_actions)
        self.estimator.started.connect(self._update_actions)
        self.estimator.ended.connect(self._update_actions)
        self.training.service.model_added.connect(self._take_new_models)
        self.training.service.clip_comparison_wanted.connect(self._compare_on_clip)
        self.video.box_drawn.connect(
            lambda *box: ask_and_estimate(
                self.context, self.estimator, self.estimator.settings_in_box(box)
            )
        )
        self.people.person_chosen.connect(self.presenter.select_person)
        # Queued: the list is filled anew, which must not happen while its editor closes.
        self.people.renamed.connect(self._rename, Qt.ConnectionType.QueuedConnection)
        self.welcome.open_wanted.connect(self.actions_table["file.open"].trigger)
        self.welcome.sample_wanted.connect(self.actions_table["file.sample"].trigger)
        self.welcome.file_wanted.connect(self.open_path)
        theme().changed.connect(self.skeleton.set_theme)
        self.skeleton.set_theme(theme().is_dark)
        self._show_recent_files()

    # -- what is shown ---------------------------------------------------------------------

    def _on_opened(self) -> None:
        is_open = self.context.document.session is not None
        self._pages.setCurrentWidget(self.workspace if is_open else self.welcome)
        self._update_actions()
        self._update_title()

    def _update_title(self) -> None:
        document = self.context.document
        self.setWindowTitle(f"{document.title}[*] - PoseStage" if document.session else "PoseStage")
        self.setWindowModified(document.is_modified)

    def _update_actions(self) -> None:
        document, state = self.context.document, self.context.view_state
        known = document.session.truth if document.session else None
        has_notes = document.session is not None and bool(document.session.notes)
        self.actions_table.set_available(
            {
                "clip": document.session is not None,
                "truth": known is not None,
                "own truth": known is not None and not known.is_beside_clip,
                "person": state.track_id is not None,
                "two people": state.track_id is not None and self.people.num_people > 1,
                "notes": has_notes,
                "flags": state.track_id is not None or has_notes,
                "pose": state.model is not None,
                "estimating": self.estimator.is_running,
                "unkept": self.context.unkept.is_held,
                **self.annotation.conditions(),
            }
        )
        stack = document.undo_stack
        for name, can, what in (
            ("undo", stack.canUndo(), stack.undoText()),
            ("redo", stack.canRedo(), stack.redoText()),
        ):
            action = self.actions_table[f"edit.{name}"]
            action.setEnabled(can)
            action.setText(f"{name.capitalize()} {what}".strip())
        frames = state.range
        estimate_text = f"Estimate Frames {frames[0]} to {frames[1] - 1}" if frames else "Estimate"
        self.actions_table["pose.estimate"].setText(estimate_text)
        is_free = document.session is not None and not self.estimator.is_running
        for action_id in ("pose.estimate", "pose.box", "pose.scale", "pose.add_person"):
            self.actions_table[action_id].setEnabled(is_free)
        self.actions_table["pose.lift"].setEnabled(is_free and state.track_id is not None)

    def _show_recent_files(self) -> None:
        self.welcome.set_recent_files(self.context.settings.recent_files())

    def _take_new_models(self) -> None:
        """Offer a model that was made while the window is open, wherever models are chosen."""
        self._models[:] = available_models()
        self.context.models_changed.emit()

    def _compare_on_clip(self, model: str) -> None:
        """Compute the 3D of a model from the 2D that is there, and show it beside the others."""

        def show() -> None:
            track = self.context.selected_track
            if track is not None and model in track.runs:
                num_stages = len(track.runs[model].poses.stages)
                self.context.view_state.set_track(track.track_id, model, num_stages)
                self.laboratory.show_panel("compare")

        self.raise_()
        self.activateWindow()
        lift.lift_with_model(self.context, self.estimator, model, show)

    def _begin_to_edit(self) -> None:
        self.activateWindow()
        if not self.annotation.mode.is_on:
            self.actions_table["edit.keypoints"].trigger()

    def _reset_views(self) -> None:
        self.video.fit()
        self.skeleton.reset_view()

    def _toggle_full_screen(self) -> None:
        if self.isFullScreen():
            self.showNormal()
        else:
            self.showFullScreen()

    def _rename(self, track_id: int, name: str) -> None:
        editing.rename(self.context, track_id, name)
        self.people.refresh()

    def _select_nth_person(self, number: int) -> None:
        session = self.context.document.session
        if session is not None and number <= len(session.tracks):
            self.presenter.select_person(session.tracks[number - 1].track_id)

    # -- dialogs ---------------------------------------------------------------------------

    def _show_history(self) -> None:
        if self._history is None:
            self._history = HistoryDialog(self.context.document, self)
        self._history.show()
        self._history.raise_()

    def _write_note(self) -> None:
        self.context.view_state.set_playing(False)
        self.workspace.show_notes()
        self.notes.edit(self.context.view_state.frame)

    def _ask_for_frame(self) -> None:
        session, state = self.context.document.session, self.context.view_state
        if session is not None:
            go = lambda frame: navigation.go_to(state, frame)  # noqa: E731
            GoToFrameDialog(session.clip, state.frame, go, self).open()

    def _show_palette(self) -> None:
        PaletteDialog(self.actions_table.all(), self).open()

    def _show_shortcuts(self) -> None:
        ShortcutsDialog(self._shortcut_lines, self._rebind, self).open()

    def _shortcut_lines(self) -> list[ShortcutLine]:
        table = self.actions_table
        return [
            ShortcutLine(spec.id, spec.menu, spec.text.removesuffix("..."), table.keys_of(spec.id))
            for spec in ACTIONS
        ]

    def _rebind(self, action_id: str, shortcut: str | None) -> str | None:
        if shortcut:
            user = self.actions_table.user_of(QKeySequence(shortcut), action_id)
            if user is not None:
                return user.text().removesuffix("...")
        self.actions_table.rebind(action_id, shortcut)
        return None

    def event(self, event: QEvent) -> bool:
        """Keep the keys of the number pad from being taken for the plain digits."""
        is_override = event.type() == QEvent.Type.ShortcutOverride
        if is_override and isinstance(event, QKeyEvent) and self.actions_table.of_keypad(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        action = self.actions_table.of_keypad(event)
        if action is None:
            super().keyPressEvent(event)
        else:
            action.trigger()

    # -- files dropped on the window, and its end ------------------------------------------

    def offer_recovery(self) -> None:
        """Ask about unsaved work of an earlier run, if there is any."""
        offer_recovery(self.context, self._autosave)

    def open_path(self, path: Path) -> None:
        """Open a video or a session."""
        open_file.open_path(self.context, path)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self._take_dropped(paths[0])

    def _take_dropped(self, path: Path) -> None:
        if truth.is_motion(path):
            truth.import_truth(self.context, path)
        elif import_keypoints.is_keypoint_file(path):
            import_keypoints.import_keypoints(self.context, path)
        else:
            self.open_path(path)

    def closeEvent(self, event: QCloseEvent) -> None:
        if self.estimator.is_running:
            event.ignore()
            self._ask_to_stop_estimate()
        elif self.context.document.is_modified and not self._is_closing:
            event.ignore()
            save_session.confirm_unsaved(self.context, self._close_for_good)
        else:
            self.shut_down()
            event.accept()

    def _ask_to_stop_estimate(self) -> None:
        def cancel_and_close() -> None:
            self.estimator.cancel()
            self.close()

        ask(
            self,
            "An estimate is running",
            "Close PoseStage and give up the estimate?",
            [("Keep Running", "reject", None), ("Give Up and Close", "destroy", cancel_and_close)],
            more="“Stop and Keep” keeps the frames that are done.",
        )

    def _close_for_good(self) -> None:
        self._is_closing = True
        self.close()

    def shut_down(self) -> None:
        """Remember the layout and end all threads: the window is of no use afterwards."""
        self.context.view_state.set_playing(False)
        self.training.shut_down()
        self.workspaces.save()
        self.context.settings.set_bytes(GEOMETRY_KEY, self.saveGeometry())
        self.context.settings.sync()
        self.context.shut_down()
        self._autosave.stop()
