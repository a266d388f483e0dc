"""The status bar: what is open, where one is, on what the models run."""

import psutil
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QLabel, QStatusBar

from app.operations.context import AppContext
from app.operations.estimate import Estimator
from app.operations.models import title_of
from app.views.transport import format_time
from app.widgets.steady_label import SteadyLabel

NOTICE_MS = 8000
MEMORY_INTERVAL_MS = 2000


class StatusBar(QStatusBar):
    """Small notices at the left, facts at the right."""

    def __init__(self, context: AppContext, estimator: Estimator) -> None:
        super().__init__()
        self._context = context
        self._estimator = estimator
        self._process = psutil.Process()
        self._clip, self._selection, self._saved = QLabel(), QLabel(), QLabel()
        self._frame, self._model, self._device = SteadyLabel(), SteadyLabel(), SteadyLabel()
        self._mode = QLabel()
        self._mode.setProperty("warning", True)
        for label in (
            self._mode,
            self._clip,
            self._frame,
            self._selection,
            self._model,
            self._device,
            self._saved,
        ):
            label.setContentsMargins(8, 0, 8, 0)
            self.addPermanentWidget(label)
        self._saved.setProperty("warning", True)
        context.noticed.connect(lambda text: self.showMessage(text, NOTICE_MS))
        document, state = context.document, context.view_state
        document.opened.connect(self._show_all)
        document.changed.connect(self._show_selection)
        document.modified_changed.connect(self._show_clip)
        state.frame_changed.connect(self._show_frame)
        state.track_changed.connect(self._show_selection)
        state.stage_changed.connect(self._show_selection)
        state.poses_visible_changed.connect(self._show_how_to_unhide)
        estimator.ended.connect(self._show_device)
        self._timer = QTimer(self, interval=MEMORY_INTERVAL_MS)
        self._timer.timeout.connect(self._show_device)
        self._timer.start()
        self._show_all()
        self.set_mode("")

    def set_mode(self, text: str) -> None:
        """Say in which mode the window is, and what goes on in it; nothing where it is empty."""
        self._mode.setText(text)
        self._mode.setVisible(bool(text))

    def set_brief(self, is_brief: bool) -> None:
        """Say only what belongs to the pose that is looked at, or all."""
        for label in (self._clip, self._device, self._saved):
            label.setVisible(not is_brief)

    def _show_all(self) -> None:
        self._show_clip()
        self._show_frame()
        self._show_selection()
        self._show_device()

    def _show_clip(self) -> None:
        document = self._context.document
        clip = document.session.clip if document.session else None
        self._clip.setText(f"{document.title}  {clip.width}x{clip.height}" if clip else "")
        self._clip.setToolTip(str(clip.path) if clip else "")
        self._saved.setText("not saved" if document.is_modified else "")
        for label in (self._frame, self._selection, self._model):
            label.setVisible(clip is not None)

    def _show_frame(self) -> None:
        session, frame = self._context.document.session, self._context.view_state.frame
        if session is not None and frame < session.clip.num_frames:
            time_s = format_time(session.clip.times_s[frame])
            self._frame.setText(f"{frame}/{session.clip.num_frames - 1}  {time_s}")

    def _show_selection(self) -> None:
        track, state = self._context.selected_track, self._context.view_state
        self._selection.setText(track.name if track else "nobody selected")
        title = title_of(state.model or "")
        if state.model is None:
            self._model.setText("no 3D")
        elif state.num_stages > 1:
            self._model.setText(f"{title}, stage {state.stage + 1} of {state.num_stages}")
        else:
            self._model.setText(title)

    def _show_device(self) -> None:
        wanted = self._context.settings.get("device", "auto")
        device = self._estimator.device or ("automatic" if wanted == "auto" else wanted)
        megabytes = self._process.memory_info().rss / 2**20
        self._device.setText(f"{device}  {megabytes:.0f} MB")
        self._device.setToolTip("What the models run on, and the memory that PoseStage uses.")

    def _show_how_to_unhide(self, are_visible: bool) -> None:
        if are_visible:
            self.clearMessage()
        else:
            self.showMessage("Poses are hidden. Press H to show them again.")
